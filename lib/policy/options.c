// SPDX-License-Identifier: Apache-2.0
// The rows of the `tail_sampling` block.
#include "policy/policy.h"
#include "policy/policy_options.h"

#define TABLE(name_, title_, type_)                                                                          \
    static const struct tr_option_table name_##_table = {                                                    \
        .title = title_, .rows = name_##_rows, .count = TR_NELEMS(name_##_rows), .struct_bytes = sizeof(type_)}

static const struct tr_option status_code_rows[] = {
    TR_OPTION_STRINGS(struct tr_status_code_options, status_codes, "status_codes", 1, 3, TR_LIVE,
                      "OK, ERROR, UNSET: one span with one of them is enough."),
};
TABLE(status_code, "status_code", struct tr_status_code_options);

static const struct tr_option latency_rows[] = {
    TR_OPTION_UINT(struct tr_latency_options, threshold_ms, "threshold_ms", "0", 0, 0, TR_LIVE,
                   "Latest end less earliest start, in whole milliseconds, is above this."),
    TR_OPTION_UINT(struct tr_latency_options, upper_threshold_ms, "upper_threshold_ms", "0", 0, 0, TR_LIVE,
                   "And at most this; 0: no bound."),
};
TABLE(latency, "latency", struct tr_latency_options);

const char *const tr_probabilistic_mode_names[] = {"hash_seed", "proportional", "equalizing", NULL};

static const struct tr_option probabilistic_rows[] = {
    TR_OPTION_STRING(struct tr_probabilistic_options, hash_salt, "hash_salt", NULL, TR_LIVE,
                     "Hashed before the trace id; empty is the Collector's default."),
    TR_OPTION_NUMBER(struct tr_probabilistic_options, sampling_percentage, "sampling_percentage", "0", 0, 100, TR_LIVE,
                     "Share of traces to keep."),
    TR_OPTION_ENUM(struct tr_probabilistic_options, mode, "mode", "hash_seed", tr_probabilistic_mode_names,
                   TR_LIVE,
                   "hash_seed: by a hash of salt and trace id; equalizing, proportional: consistent sampling, by the "
                   "trace's randomness against a threshold, which is for all traces the same, or applies on top of what "
                   "samplers before this one let through."),
    TR_OPTION_UINT(struct tr_probabilistic_options, sampling_precision, "sampling_precision", "4", 1, 14, TR_LIVE,
                   "Hexadecimal digits of such a threshold."),
};
TABLE(probabilistic, "probabilistic", struct tr_probabilistic_options);

static const struct tr_option string_attribute_rows[] = {
    TR_OPTION_STRING(struct tr_string_attribute_options, key, "key", NULL, TR_LIVE | TR_REQUIRED,
                     "Attribute of a span or a resource."),
    TR_OPTION_STRINGS(struct tr_string_attribute_options, values, "values", 0, 10000, TR_LIVE, "One of these, exactly, or a match of one."),
    TR_OPTION_BOOL(struct tr_string_attribute_options, enabled_regex_matching, "enabled_regex_matching", "false",
                   TR_LIVE, "The values are regular expressions in Go's syntax, found anywhere in an attribute."),
    TR_OPTION_BOOL(struct tr_string_attribute_options, invert_match, "invert_match", "false", TR_LIVE,
                   "Keep the traces that have none of the values."),
    TR_OPTION_UINT(struct tr_string_attribute_options, cache_max_size, "cache_max_size", "0", 0, 0, TR_LIVE,
                   "Accepted for the Collector's sake: each lcore remembers 1024 values of a key."),
};
TABLE(string_attribute, "string_attribute", struct tr_string_attribute_options);

static const struct tr_option numeric_attribute_rows[] = {
    TR_OPTION_STRING(struct tr_numeric_attribute_options, key, "key", NULL, TR_LIVE | TR_REQUIRED,
                     "Attribute of a span or a resource, an integer; what is none reads as 0."),
    TR_OPTION_INT(struct tr_numeric_attribute_options, min_value, "min_value", "0", 0, 0, TR_LIVE,
                  "At least this; 0: no bound."),
    TR_OPTION_INT(struct tr_numeric_attribute_options, max_value, "max_value", "0", 0, 0, TR_LIVE,
                  "At most this; 0: no bound. One of the two is needed."),
    TR_OPTION_BOOL(struct tr_numeric_attribute_options, invert_match, "invert_match", "false", TR_LIVE,
                   "Keep the traces that have no value in the range."),
};
TABLE(numeric_attribute, "numeric_attribute", struct tr_numeric_attribute_options);

static const struct tr_option boolean_attribute_rows[] = {
    TR_OPTION_STRING(struct tr_boolean_attribute_options, key, "key", NULL, TR_LIVE | TR_REQUIRED,
                     "Attribute of a span or a resource, a boolean; what is none reads as false."),
    TR_OPTION_BOOL(struct tr_boolean_attribute_options, value, "value", "false", TR_LIVE, "Its value."),
    TR_OPTION_BOOL(struct tr_boolean_attribute_options, invert_match, "invert_match", "false", TR_LIVE,
                   "Keep the traces that do not have it."),
};
TABLE(boolean_attribute, "boolean_attribute", struct tr_boolean_attribute_options);

static const struct tr_option span_count_rows[] = {
    TR_OPTION_UINT(struct tr_span_count_options, min_spans, "min_spans", "0", 0, INT32_MAX, TR_LIVE,
                   "The trace has at least so many spans."),
    TR_OPTION_UINT(struct tr_span_count_options, max_spans, "max_spans", "0", 0, INT32_MAX, TR_LIVE,
                   "And at most so many; 0: no bound."),
};
TABLE(span_count, "span_count", struct tr_span_count_options);

static const struct tr_option ottl_condition_rows[] = {
    TR_OPTION_STRING(struct tr_ottl_condition_options, error_mode, "error_mode", NULL, TR_LIVE,
                     "ignore, silent (default): a condition that fails does not hold; propagate: nor do those behind it."),
    TR_OPTION_STRINGS(struct tr_ottl_condition_options, span, "span", 0, 1000, TR_LIVE,
                      "OTTL conditions of spans: one that holds is enough."),
    TR_OPTION_STRINGS(struct tr_ottl_condition_options, spanevent, "spanevent", 0, 1000, TR_LIVE,
                      "OTTL conditions of span events."),
};
TABLE(ottl_condition, "ottl_condition", struct tr_ottl_condition_options);

static const struct tr_option trace_state_rows[] = {
    TR_OPTION_STRING(struct tr_trace_state_options, key, "key", NULL, TR_LIVE | TR_REQUIRED,
                     "Member of a span's trace_state."),
    TR_OPTION_STRINGS(struct tr_trace_state_options, values, "values", 0, 10000, TR_LIVE, "One of these, exactly."),
};
TABLE(trace_state, "trace_state", struct tr_trace_state_options);

static const struct tr_option rate_limiting_rows[] = {
    TR_OPTION_UINT(struct tr_rate_limiting_options, spans_per_second, "spans_per_second", NULL, 1, 1ull << 40,
                   TR_LIVE | TR_REQUIRED, "Spans a second, of the whole process, that this policy keeps."),
    TR_OPTION_UINT(struct tr_rate_limiting_options, burst_capacity, "burst_capacity", "0", 0, 1ull << 40, TR_LIVE,
                   "What of them is saved at most, and the most in any second; a larger trace never passes. 0: twice "
                   "spans_per_second."),
};
TABLE(rate_limiting, "rate_limiting", struct tr_rate_limiting_options);

static const struct tr_option bytes_limiting_rows[] = {
    TR_OPTION_UINT(struct tr_bytes_limiting_options, bytes_per_second, "bytes_per_second", NULL, 1, 1ull << 50,
                   TR_LIVE | TR_REQUIRED, "Bytes of spans a second, of the whole process, that this policy keeps."),
    TR_OPTION_UINT(struct tr_bytes_limiting_options, burst_capacity, "burst_capacity", "0", 0, 1ull << 50, TR_LIVE,
                   "What of them is saved at most, and the most in any second; a larger trace never passes. 0: twice "
                   "bytes_per_second."),
};
TABLE(bytes_limiting, "bytes_limiting", struct tr_bytes_limiting_options);

static const struct tr_option n_plus_one_rows[] = {
    TR_OPTION_UINT(struct tr_n_plus_one_options, min_siblings, "min_siblings", "10", 2, 1000000, TR_LIVE,
                   "At least so many spans have one parent and one query."),
    TR_OPTION_UINT(struct tr_n_plus_one_options, min_total_ms, "min_total_ms", "0", 0, UINT32_MAX, TR_LIVE,
                   "And take at least this together."),
};
TABLE(n_plus_one, "n_plus_one", struct tr_n_plus_one_options);

static const struct tr_option retry_storm_rows[] = {
    TR_OPTION_UINT(struct tr_retry_storm_options, min_attempts, "min_attempts", "3", 2, 1000000, TR_LIVE,
                   "At least so many attempts of one call, each at once after one that failed."),
    TR_OPTION_UINT(struct tr_retry_storm_options, max_gap_ms, "max_gap_ms", "20", 0, UINT32_MAX, TR_LIVE,
                   "At once: at most this after its end."),
};
TABLE(retry_storm, "retry_storm", struct tr_retry_storm_options);

#define SPAN_NAMES(type, help) \
    TR_OPTION_STRINGS(type, span_names, "span_names", 0, 100, TR_LIVE, help " A `*` may begin or end one.")

static const struct tr_option pool_wait_rows[] = {
    TR_OPTION_UINT(struct tr_pool_wait_options, threshold_ms, "threshold_ms", "0", 0, UINT32_MAX, TR_LIVE,
                   "Some span waits for a pool for at least this; 0: no matter."),
    TR_OPTION_NUMBER(struct tr_pool_wait_options, share_percent, "share_percent", "0", 0, 100, TR_LIVE,
                     "Or for at least this share of the trace; 0: no matter."),
    SPAN_NAMES(struct tr_pool_wait_options,
               "Spans that wait for a pool; none: connect, pg-pool.connect, *.getConnection, *pool.acquire, *pool.checkout."),
};
TABLE(pool_wait, "pool_wait", struct tr_pool_wait_options);

static const struct tr_option cross_zone_rows[] = {
    TR_OPTION_UINT(struct tr_cross_zone_options, threshold_ms, "threshold_ms", "100", 0, UINT32_MAX, TR_LIVE,
                   "A call from one availability zone to another takes at least this."),
};
TABLE(cross_zone, "cross_zone", struct tr_cross_zone_options);

static const struct tr_option dominant_span_rows[] = {
    TR_OPTION_NUMBER(struct tr_dominant_span_options, share_percent, "share_percent", "50", 0, 100, TR_LIVE,
                     "One span, less its children, takes at least this share of the root."),
    TR_OPTION_UINT(struct tr_dominant_span_options, min_ms, "min_ms", "100", 0, UINT32_MAX, TR_LIVE,
                   "And at least this."),
    SPAN_NAMES(struct tr_dominant_span_options, "Only spans of these names; none: any."),
};
TABLE(dominant_span, "dominant_span", struct tr_dominant_span_options);

static const struct tr_option gap_rows[] = {
    TR_OPTION_UINT(struct tr_gap_options, threshold_ms, "threshold_ms", "0", 0, UINT32_MAX, TR_LIVE,
                   "The root runs for at least this without any other span; 0: no matter."),
    TR_OPTION_NUMBER(struct tr_gap_options, share_percent, "share_percent", "0", 0, 100, TR_LIVE,
                     "Or for at least this share of it; 0: no matter."),
};
TABLE(gap, "gap", struct tr_gap_options);

#define OF_THAT_TYPE(field, name, table) \
    TR_OPTION_POINTER(struct tr_policy_options, field, name, &table, TR_LIVE, "Options of that type.")

// What any policy can be, wherever it stands.
#define POLICY_ROWS(name_flags)                                                                              \
    TR_OPTION_STRING(struct tr_policy_options, name, "name", NULL, TR_LIVE | (name_flags),                   \
                     "Name in metrics and answers."),                                                        \
        TR_OPTION_STRING(struct tr_policy_options, type, "type", NULL, TR_LIVE | TR_REQUIRED,                \
                         "always_sample, status_code, latency, probabilistic, string_attribute, "            \
                         "numeric_attribute, boolean_attribute, span_count, trace_state, trace_flags, " \
                         "ottl_condition, rate_limiting, bytes_limiting; "                                     \
                         "on the shape of the trace n_plus_one, retry_storm, pool_wait, cross_zone, "          \
                         "dominant_span, gap; and, not, drop, composite, rules, ema_dynamic and "              \
                         "ema_throughput where their blocks are listed."),                                     \
        OF_THAT_TYPE(status_code, "status_code", status_code_table),                                         \
        OF_THAT_TYPE(latency, "latency", latency_table),                                                     \
        OF_THAT_TYPE(probabilistic, "probabilistic", probabilistic_table),                                   \
        OF_THAT_TYPE(string_attribute, "string_attribute", string_attribute_table),                          \
        OF_THAT_TYPE(numeric_attribute, "numeric_attribute", numeric_attribute_table),                       \
        OF_THAT_TYPE(boolean_attribute, "boolean_attribute", boolean_attribute_table),                       \
        OF_THAT_TYPE(span_count, "span_count", span_count_table),                                            \
        OF_THAT_TYPE(trace_state, "trace_state", trace_state_table),                                         \
        OF_THAT_TYPE(ottl_condition, "ottl_condition", ottl_condition_table),                                \
        OF_THAT_TYPE(rate_limiting, "rate_limiting", rate_limiting_table),                                   \
        OF_THAT_TYPE(bytes_limiting, "bytes_limiting", bytes_limiting_table),                                \
        OF_THAT_TYPE(n_plus_one, "n_plus_one", n_plus_one_table),                                            \
        OF_THAT_TYPE(retry_storm, "retry_storm", retry_storm_table),                                         \
        OF_THAT_TYPE(pool_wait, "pool_wait", pool_wait_table),                                               \
        OF_THAT_TYPE(cross_zone, "cross_zone", cross_zone_table),                                            \
        OF_THAT_TYPE(dominant_span, "dominant_span", dominant_span_table),                                   \
        OF_THAT_TYPE(gap, "gap", gap_table)

static const struct tr_option not_sub_policy_rows[] = {POLICY_ROWS(0)};
TABLE(not_sub_policy, "not_sub_policy", struct tr_policy_options);

static const struct tr_option not_rows[] = {
    TR_OPTION_POINTER(struct tr_not_options, not_sub_policy, "not_sub_policy", &not_sub_policy_table, TR_LIVE,
                      "This one must not say so."),
};
TABLE(not, "not", struct tr_not_options);

static const struct tr_option sub_policy_rows[] = {POLICY_ROWS(0), OF_THAT_TYPE(not, "not", not_table)};
TABLE(sub_policy, "and_sub_policy", struct tr_policy_options);

static const struct tr_option and_rows[] = {
    TR_OPTION_LIST(struct tr_and_options, and_sub_policy, "and_sub_policy", &sub_policy_table, 1, 64, TR_LIVE,
                   "All of these must say so."),
};
TABLE(and, "and", struct tr_and_options);

static const struct tr_option drop_rows[] = {
    TR_OPTION_LIST(struct tr_drop_options, drop_sub_policy, "drop_sub_policy", &sub_policy_table, 1, 64, TR_LIVE,
                   "A trace of which all of these say so is dropped, whatever other policies say."),
};
TABLE(drop, "drop", struct tr_drop_options);

static const struct tr_option composite_sub_policy_rows[] = {POLICY_ROWS(TR_REQUIRED), OF_THAT_TYPE(and, "and", and_table)};
TABLE(composite_sub_policy, "composite_sub_policy", struct tr_policy_options);

static const struct tr_option rate_allocation_rows[] = {
    TR_OPTION_STRING(struct tr_rate_allocation_options, policy, "policy", NULL, TR_LIVE | TR_REQUIRED,
                     "Name of a sub-policy."),
    TR_OPTION_INT(struct tr_rate_allocation_options, percent, "percent", "0", 0, 100, TR_LIVE,
                  "Its share of the total before others'; 0: an equal part."),
};
TABLE(rate_allocation, "rate_allocation", struct tr_rate_allocation_options);

static const struct tr_option composite_rows[] = {
    TR_OPTION_UINT(struct tr_composite_options, max_total_spans_per_second, "max_total_spans_per_second", NULL, 1,
                   1ull << 40, TR_LIVE | TR_REQUIRED, "Spans a second, of the whole process and of all sub-policies."),
    TR_OPTION_STRINGS(struct tr_composite_options, policy_order, "policy_order", 0, TR_BUDGET_SLOTS_MAX, TR_LIVE,
                      "Names of sub-policies: the first of them that wants a trace pays for it. Others follow as listed."),
    TR_OPTION_LIST(struct tr_composite_options, composite_sub_policy, "composite_sub_policy", &composite_sub_policy_table,
                   1, TR_BUDGET_SLOTS_MAX, TR_LIVE, "Whose traces share the total."),
    TR_OPTION_LIST(struct tr_composite_options, rate_allocation, "rate_allocation", &rate_allocation_table, 0,
                   TR_BUDGET_SLOTS_MAX, TR_LIVE, "What each has for itself; what it does not need is lent to the others."),
};
TABLE(composite, "composite", struct tr_composite_options);

static const struct tr_option policy_rows[] = {
    POLICY_ROWS(TR_REQUIRED),
    OF_THAT_TYPE(and, "and", and_table),
    OF_THAT_TYPE(not, "not", not_table),
    OF_THAT_TYPE(drop, "drop", drop_table),
    OF_THAT_TYPE(rules, "rules", tr_rules_option_table),
    OF_THAT_TYPE(composite, "composite", composite_table),
    OF_THAT_TYPE(ema_dynamic, "ema_dynamic", tr_ema_dynamic_option_table),
    OF_THAT_TYPE(ema_throughput, "ema_throughput", tr_ema_throughput_option_table),
};
TABLE(policy, "policies", struct tr_policy_options);

static const struct tr_option decision_cache_rows[] = {
    TR_OPTION_UINT(struct tr_decision_cache_options, sampled_cache_size, "sampled_cache_size", "0", 0, 1ull << 31, 0,
                   "Decisions to keep a trace that are remembered, at least; 0 with the other: a million in all."),
    TR_OPTION_UINT(struct tr_decision_cache_options, non_sampled_cache_size, "non_sampled_cache_size", "0", 0, 1ull << 31,
                   0, "Decisions to drop a trace that are remembered, at least."),
};
TABLE(decision_cache, "decision_cache", struct tr_decision_cache_options);

static const char *const adjusted_counts[] = {"off", "attribute", "tracestate", NULL};

// span-ingest is refused by its name.
static const char *const shapes[] = {"auto", "always", NULL}; // enum tr_shape_reserve
static const char *const strategies[] = {"trace-complete", NULL};

static const struct tr_option tail_sampling_rows[] = {
    TR_OPTION_DURATION(struct tr_tail_sampling_options, decision_wait_ns, "decision_wait", "30s", TR_MS, 24 * 3600 * TR_S,
                       TR_LIVE, "From a trace's first span to its decision."),
    TR_OPTION_DURATION(struct tr_tail_sampling_options, decision_wait_after_root_ns, "decision_wait_after_root_received",
                       "0", 0, 24 * 3600 * TR_S, TR_LIVE,
                       "From a trace's root to its decision, if that is sooner; 0: the root changes nothing."),
    TR_OPTION_DURATION(struct tr_tail_sampling_options, decision_wait_min_ns, "decision_wait_min", "0", 0,
                       24 * 3600 * TR_S, TR_LIVE,
                       "How early a full journal may force a decision; 0: a second, or decision_wait if that is less."),
    TR_OPTION_UINT(struct tr_tail_sampling_options, num_traces, "num_traces", "0", 0, 1ull << 32, 0,
                   "Traces that can be held, at least; 0: by the journal's size."),
    TR_OPTION_UINT(struct tr_tail_sampling_options, expected_new_traces_per_sec, "expected_new_traces_per_sec", "0", 0, 0,
                   TR_LIVE, "Accepted for the Collector's sake."),
    TR_OPTION_UINT(struct tr_tail_sampling_options, maximum_trace_size_bytes, "maximum_trace_size_bytes", "0", 0, 0, 0,
                   "A trace that grows larger is decided at once; 0: no bound."),
    TR_OPTION_STRUCT(struct tr_tail_sampling_options, decision_cache, "decision_cache", &decision_cache_table, 0,
                     "How many decisions are remembered for late spans; never fewer than traces can be held."),
    TR_OPTION_BOOL(struct tr_tail_sampling_options, block_on_overflow, "block_on_overflow", "false", TR_LIVE,
                   "A full store refuses new requests and decides nothing before decision_wait, as decision_wait_min "
                   "equal to it does."),
    TR_OPTION_BOOL(struct tr_tail_sampling_options, drop_pending_traces_on_shutdown, "drop_pending_traces_on_shutdown",
                   "false", TR_LIVE, "At shutdown give up the traces that have not waited for their time, counted."),
    TR_OPTION_ENUM(struct tr_tail_sampling_options, shape, "shape", "auto", shapes, 0,
                   "Memory for policies that look at the shape of traces, 20 bytes a span: auto takes it if "
                   "one is there at start, always lets one be applied later."),
    TR_OPTION_UINT(struct tr_tail_sampling_options, shape_spans_max, "shape_spans_max", "10000", 100, 1000000, 0,
                   "How many spans of a trace such policies look at; of a larger trace the first to come, counted."),
    TR_OPTION_ENUM(struct tr_tail_sampling_options, sampling_strategy, "sampling_strategy", "trace-complete", strategies,
                   TR_LIVE, "Whole traces are decided; there is no other strategy here."),
    TR_OPTION_UINT(struct tr_tail_sampling_options, num_shards, "num_shards", "1", 0, 256, TR_LIVE,
                   "Accepted for the Collector's sake: lcores.count is what it does."),
    TR_OPTION_BOOL(struct tr_tail_sampling_options, sample_on_first_match, "sample_on_first_match", "false", TR_LIVE,
                   "Ask no further policy once one keeps the trace; all are asked otherwise, so that each counts."),
    TR_OPTION_ENUM(struct tr_tail_sampling_options, adjusted_count, "adjusted_count", "off", adjusted_counts, TR_LIVE,
                   "For how many spans a kept one stands. attribute: as its attribute tailrace.adjusted_count; "
                   "tracestate: as the threshold `ot=th` of consistent sampling, for which all that is left to chance "
                   "must go by the traces' randomness; off: spans stay as they are."),
    TR_OPTION_BOOL(struct tr_tail_sampling_options, policy_attribute, "policy_attribute", "false", TR_LIVE,
                   "Kept spans say by their attribute tailrace.policy which policy kept them."),
    TR_OPTION_BOOL(struct tr_tail_sampling_options, reopen, "reopen", "true", TR_LIVE,
                   "A late span that a policy wants reopens a dropped trace: what the journal still has of it is kept "
                   "too, marked tailrace.reopened; false: late spans follow the decision, as with the Collector."),
    TR_OPTION_BOOL(struct tr_tail_sampling_options, decide_at_once, "decide_at_once", "false", TR_LIVE,
                   "Decide a trace as soon as no further span can change the answer (an error, where errors are kept), "
                   "and let its spans leave then; it is kept by the first policy that is certain. Without effect beside "
                   "policies that keep a budget."),
    TR_OPTION_LIST(struct tr_tail_sampling_options, policies, "policies", &policy_table, 1, TR_POLICIES_MAX, TR_LIVE,
                   "A trace is kept if one of these says so."),
};

static int tail_sampling_check(void *options, const char *path, struct tr_error *error)
{
    struct tr_tail_sampling_options *o = options;

    if (o->block_on_overflow && o->decision_wait_min_ns && o->decision_wait_min_ns < o->decision_wait_ns)
        return tr_error_set(error, EINVAL, "%s.block_on_overflow: contradicts a decision_wait_min below decision_wait",
                            path);
    if (!o->decision_wait_min_ns)
        o->decision_wait_min_ns = o->block_on_overflow ? o->decision_wait_ns : TR_MIN(TR_S, o->decision_wait_ns);
    if (o->decision_wait_min_ns > o->decision_wait_ns)
        return tr_error_set(error, EINVAL, "%s.decision_wait_min: is above decision_wait", path);
    return 0;
}

const struct tr_option_table tr_tail_sampling_option_table = {.title = "tail_sampling",
                                                              .rows = tail_sampling_rows,
                                                              .count = TR_NELEMS(tail_sampling_rows),
                                                              .struct_bytes = sizeof(struct tr_tail_sampling_options),
                                                              .check = tail_sampling_check};
