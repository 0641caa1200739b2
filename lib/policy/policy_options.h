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
    struct tr_and_options *and;
};

#endif
