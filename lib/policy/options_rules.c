// SPDX-License-Identifier: Apache-2.0
// The rows of a `rules` policy.
#include "policy/policy_options.h"
#include "policy/rule_value.h"
#include "policy/rules.h"

#define TABLE(name_, title_, type_)                                                                          \
    static const struct tr_option_table name_##_table = {                                                    \
        .title = title_, .rows = name_##_rows, .count = TR_NELEMS(name_##_rows), .struct_bytes = sizeof(type_)}

static const struct tr_option condition_rows[] = {
    TR_OPTION_STRING(struct tr_rule_condition_options, field, "field", NULL, TR_LIVE,
                     "An attribute of a span, its scope or its resource; or name, span.kind, duration_ms, error, ... as "
                     "docs/rules.md lists them. Behind `root.` that of the root."),
    TR_OPTION_STRINGS(struct tr_rule_condition_options, fields, "fields", 0, TR_RULE_FIELDS_MAX, TR_LIVE,
                      "Instead of field: of these the first that a span has."),
    TR_OPTION_ENUM(struct tr_rule_condition_options, op, "operator", NULL, tr_rule_operator_names,
                   TR_LIVE | TR_REQUIRED, "How it is compared with the value."),
    TR_OPTION_STRINGS(struct tr_rule_condition_options, value, "value", 0, 10000, TR_LIVE | TR_ONE_TOO,
                      "What it is compared with; a list for `in` and `not-in`."),
    TR_OPTION_ENUM(struct tr_rule_condition_options, datatype, "datatype", "any", tr_rule_datatype_names, TR_LIVE,
                   "Both sides are made this first, what can't be made so does not match; any: the type that the span's "
                   "value has."),
};
TABLE(condition, "conditions", struct tr_rule_condition_options);

#define SAMPLER_ROWS                                                                                         \
    TR_OPTION_DURATION(struct tr_sampler_options, adjustment_interval_ns, "adjustment_interval", "15s", TR_S, 3600 * TR_S, \
                       TR_LIVE, "How often rates are computed anew."),                                       \
        TR_OPTION_NUMBER(struct tr_sampler_options, weight, "weight", "0.5", 0, 1, TR_LIVE,                  \
                         "Of the last interval in the moving average, between 0 and 1."),                    \
        TR_OPTION_NUMBER(struct tr_sampler_options, age_out_value, "age_out_value", "0", 0, 1e9, TR_LIVE,    \
                         "A key whose average is below this is forgotten; 0: weight."),                      \
        TR_OPTION_NUMBER(struct tr_sampler_options, burst_multiple, "burst_multiple", "2", -1, 1e9, TR_LIVE, \
                         "When so many times the spans of the averages have come, rates are computed before the " \
                         "interval ends; 0 or less: never."),                                                \
        TR_OPTION_UINT(struct tr_sampler_options, burst_detection_delay, "burst_detection_delay", "3", 0, 1000, TR_LIVE, \
                       "But not in the first intervals."),                                                   \
        TR_OPTION_UINT(struct tr_sampler_options, max_keys, "max_keys", "500", 1, 10000, TR_LIVE,            \
                       "Keys that are counted in an interval; the others have rate 1."),                     \
        TR_OPTION_STRINGS(struct tr_sampler_options, field_list, "field_list", 1, TR_SAMPLER_FIELDS_MAX,     \
                          TR_LIVE | TR_REQUIRED,                                                             \
                          "Fields as in rules: their values on the trace's spans are its key."),             \
        TR_OPTION_BOOL(struct tr_sampler_options, use_trace_length, "use_trace_length", "false", TR_LIVE,    \
                       "The number of spans is part of the key."),                                          \
        TR_OPTION_ENUM(struct tr_sampler_options, mode, "mode", "hash_seed", tr_probabilistic_mode_names, TR_LIVE, \
                       "How a rate draws, as that of `probabilistic`; in a rule it is that of the rules.")

static const struct tr_option ema_dynamic_rows[] = {
    TR_OPTION_UINT(struct tr_sampler_options, goal, "goal_sample_rate", "10", 1, 1ull << 32, TR_LIVE,
                   "Of all spans, one in so many is kept on average."),
    SAMPLER_ROWS,
};
const struct tr_option_table tr_ema_dynamic_option_table = {.title = "ema_dynamic",
                                                            .rows = ema_dynamic_rows,
                                                            .count = TR_NELEMS(ema_dynamic_rows),
                                                            .struct_bytes = sizeof(struct tr_sampler_options)};

static const struct tr_option ema_throughput_rows[] = {
    TR_OPTION_UINT(struct tr_sampler_options, goal, "goal_throughput_per_sec", "100", 1, 1ull << 40, TR_LIVE,
                   "Spans a second that are kept, about, by the whole process."),
    TR_OPTION_UINT(struct tr_sampler_options, initial_sample_rate, "initial_sample_rate", "10", 1, 1ull << 32, TR_LIVE,
                   "Of each key, until the first interval is over."),
    SAMPLER_ROWS,
};
const struct tr_option_table tr_ema_throughput_option_table = {.title = "ema_throughput",
                                                               .rows = ema_throughput_rows,
                                                               .count = TR_NELEMS(ema_throughput_rows),
                                                               .struct_bytes = sizeof(struct tr_sampler_options)};

static const struct tr_option sampler_rows[] = {
    TR_OPTION_POINTER(struct tr_rule_sampler_options, ema_dynamic, "ema_dynamic", &tr_ema_dynamic_option_table, TR_LIVE,
                      "An average rate."),
    TR_OPTION_POINTER(struct tr_rule_sampler_options, ema_throughput, "ema_throughput", &tr_ema_throughput_option_table,
                      TR_LIVE, "Spans a second."),
};
TABLE(sampler, "sampler", struct tr_rule_sampler_options);

static const char *const scopes[] = {"trace", "span", "root", NULL};

static const struct tr_option rule_rows[] = {
    TR_OPTION_STRING(struct tr_rule_options, name, "name", NULL, TR_LIVE,
                     "Behind the policy's name in verdicts and metrics; else its number, from 0."),
    TR_OPTION_ENUM(struct tr_rule_options, scope, "scope", "trace", scopes, TR_LIVE,
                   "Where the conditions must hold: each somewhere in the trace, all on one span, all on the root."),
    TR_OPTION_LIST(struct tr_rule_options, conditions, "conditions", &condition_table, 0, 64, TR_LIVE,
                   "All must hold; a rule without any matches each trace."),
    TR_OPTION_UINT(struct tr_rule_options, sample_rate, "sample_rate", "0", 0, 1ull << 32, TR_LIVE,
                   "Of the traces that match, one in so many is kept."),
    TR_OPTION_BOOL(struct tr_rule_options, drop, "drop", "false", TR_LIVE,
                   "Instead: the traces that match are not kept by this policy."),
    TR_OPTION_BOOL(struct tr_rule_options, keep, "keep", "false", TR_LIVE, "Instead: as sample_rate 1."),
    TR_OPTION_POINTER(struct tr_rule_options, sampler, "sampler", &sampler_table, TR_LIVE,
                      "Instead: a rate for each key of fields, from how often it comes."),
};
TABLE(rule, "rules of a policy", struct tr_rule_options);

static const char *const otherwise[] = {"keep", "drop", NULL};

static const struct tr_option rules_rows[] = {
    TR_OPTION_LIST(struct tr_rules_options, rules, "rules", &rule_table, 1, TR_RULES_MAX, TR_LIVE,
                   "In this order; the first that matches decides."),
    TR_OPTION_ENUM(struct tr_rules_options, otherwise, "otherwise", "keep", otherwise, TR_LIVE,
                   "What becomes of a trace that no rule matches."),
    TR_OPTION_STRING(struct tr_rules_options, hash_salt, "hash_salt", NULL, TR_LIVE,
                     "Hashed before the trace id where a rate decides, as that of `probabilistic`."),
    TR_OPTION_ENUM(struct tr_rules_options, mode, "mode", "hash_seed", tr_probabilistic_mode_names, TR_LIVE,
                   "How rates draw, as that of `probabilistic`: by a hash, or consistent sampling."),
};

const struct tr_option_table tr_rules_option_table = {.title = "rules",
                                                      .rows = rules_rows,
                                                      .count = TR_NELEMS(rules_rows),
                                                      .struct_bytes = sizeof(struct tr_rules_options)};
