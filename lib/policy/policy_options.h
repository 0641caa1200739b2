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

enum tr_probabilistic_mode { TR_MODE_HASH_SEED, TR_MODE_PROPORTIONAL, TR_MODE_EQUALIZING };
extern const char *const tr_probabilistic_mode_names[];

struct tr_probabilistic_options {
    const char *hash_salt;
    double sampling_percentage;
    int mode; // enum tr_probabilistic_mode
    uint64_t sampling_precision;
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

struct tr_rate_limiting_options {
    uint64_t spans_per_second;
    uint64_t burst_capacity; // 0: twice that
};

struct tr_bytes_limiting_options {
    uint64_t bytes_per_second;
    uint64_t burst_capacity; // 0: twice that
};

struct tr_rate_allocation_options {
    const char *policy;
    int64_t percent; // 0: an equal part
};

struct tr_composite_options {
    uint64_t max_total_spans_per_second;
    struct tr_strings policy_order;
    struct tr_list composite_sub_policy; // of struct tr_policy_options
    struct tr_list rate_allocation;      // of struct tr_rate_allocation_options
};

// On the shape of the trace (docs/shape-policies.md), with what holds where the block is left out.
#define TR_N_PLUS_ONE_SIBLINGS  10
#define TR_RETRY_STORM_ATTEMPTS 3
#define TR_RETRY_STORM_GAP_MS   20
#define TR_CROSS_ZONE_MS        100
#define TR_DOMINANT_SPAN_SHARE  50
#define TR_DOMINANT_SPAN_MS     100

struct tr_n_plus_one_options {
    uint64_t min_siblings;
    uint64_t min_total_ms;
};

struct tr_retry_storm_options {
    uint64_t min_attempts;
    uint64_t max_gap_ms;
};

struct tr_pool_wait_options {
    uint64_t threshold_ms; // 0: none
    double share_percent;  // 0: none
    struct tr_strings span_names;
};

struct tr_cross_zone_options {
    uint64_t threshold_ms;
};

struct tr_dominant_span_options {
    double share_percent;
    uint64_t min_ms;
    struct tr_strings span_names;
};

struct tr_gap_options {
    uint64_t threshold_ms; // 0: none
    double share_percent;  // 0: none
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

struct tr_rule_condition_options {
    const char *field;
    struct tr_strings fields;
    int op; // enum tr_rule_operator
    struct tr_strings value;
    int datatype; // enum tr_rule_datatype
};

enum tr_rule_scope { TR_RULE_SCOPE_TRACE, TR_RULE_SCOPE_SPAN, TR_RULE_SCOPE_ROOT };

// ema_dynamic and ema_throughput
struct tr_sampler_options {
    uint64_t goal; // an average rate, or spans a second
    uint64_t initial_sample_rate;
    uint64_t adjustment_interval_ns;
    double weight, age_out_value, burst_multiple;
    uint64_t burst_detection_delay;
    uint64_t max_keys;
    struct tr_strings field_list;
    bool use_trace_length;
    int mode; // enum tr_probabilistic_mode
};

struct tr_rule_sampler_options {
    struct tr_sampler_options *ema_dynamic, *ema_throughput; // one of them
};

extern const struct tr_option_table tr_ema_dynamic_option_table, tr_ema_throughput_option_table;

struct tr_rule_options {
    const char *name;
    int scope; // enum tr_rule_scope
    struct tr_list conditions; // of struct tr_rule_condition_options
    uint64_t sample_rate;      // 0: not given
    bool drop, keep;
    struct tr_rule_sampler_options *sampler;
};

struct tr_rules_options {
    struct tr_list rules; // of struct tr_rule_options
    int otherwise;        // enum tr_rules_otherwise
    const char *hash_salt;
    int mode; // enum tr_probabilistic_mode
};

enum tr_rules_otherwise { TR_RULES_KEEP, TR_RULES_DROP };

extern const struct tr_option_table tr_rules_option_table;

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
    struct tr_rate_limiting_options *rate_limiting;
    struct tr_bytes_limiting_options *bytes_limiting;
    struct tr_n_plus_one_options *n_plus_one;
    struct tr_retry_storm_options *retry_storm;
    struct tr_pool_wait_options *pool_wait;
    struct tr_cross_zone_options *cross_zone;
    struct tr_dominant_span_options *dominant_span;
    struct tr_gap_options *gap;
    struct tr_and_options *and;
    struct tr_not_options *not;
    struct tr_drop_options *drop;
    struct tr_rules_options *rules;
    struct tr_composite_options *composite;
    struct tr_sampler_options *ema_dynamic, *ema_throughput;
};

#endif
