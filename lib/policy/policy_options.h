// SPDX-License-Identifier: Apache-2.0
#ifndef TR_POLICY_POLICY_OPTIONS_H
#define TR_POLICY_POLICY_OPTIONS_H

#include "config/option.h"

struct tr_status_code_options {
    struct tr_strings status_codes;
};

struct tr_latency_options {
    uint64_t threshold_ms;
    uint64_t upper_threshold_ms;
};

struct tr_probabilistic_options {
    const char *hash_salt;
    double sampling_percentage;
};

struct tr_string_attribute_options {
    const char *key;
    struct tr_strings values;
    bool enabled_regex_matching;
    bool invert_match;
    uint64_t cache_max_size; // the Collector's; there is no cache here
};

struct tr_numeric_attribute_options {
    const char *key;
    int64_t min_value, max_value; // 0: none
    bool invert_match;
};

struct tr_boolean_attribute_options {
    const char *key;
    bool value;
    bool invert_match;
};

struct tr_span_count_options {
    uint64_t min_spans;
    uint64_t max_spans; // 0: none
};

struct tr_ottl_condition_options {
    const char *error_mode;
    struct tr_strings span;
    struct tr_strings spanevent;
};

struct tr_trace_state_options {
    const char *key;
    struct tr_strings values;
};

struct tr_policy_options;

struct tr_not_options {
    struct tr_policy_options *not_sub_policy;
};

struct tr_drop_options {
    struct tr_list drop_sub_policy; // of struct tr_policy_options
};

struct tr_and_options {
    struct tr_list and_sub_policy; // of struct tr_policy_options
};

struct tr_policy_options {
    const char *name;
    const char *type;
    struct tr_status_code_options *status_code;
    struct tr_latency_options *latency;
    struct tr_probabilistic_options *probabilistic;
    struct tr_string_attribute_options *string_attribute;
    struct tr_numeric_attribute_options *numeric_attribute;
    struct tr_boolean_attribute_options *boolean_attribute;
    struct tr_span_count_options *span_count;
    struct tr_trace_state_options *trace_state;
    struct tr_ottl_condition_options *ottl_condition;
    struct tr_and_options *and;
    struct tr_not_options *not;
    struct tr_drop_options *drop;
};

#endif
