// SPDX-License-Identifier: Apache-2.0
// RED counts from kept spans alone: from many seeds, what backends sum up is what there was, without bias. Spans are
// decided, marked and read back from their bytes; before tailrace there may be samplers that let a part through.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/hash.h"
#include "base/pb.h"
#include "otlp/value.h"
#include "policy/policy.h"
#include "trace/shapes.h"

#define TRACES     3000 // a seed
#define SEEDS      150
#define OPERATIONS 4 // of a trace: by what it is, so that each is kept with another chance
#define TICK       250 // traces that dynamic samplers compute their rates after
#define WALKED     1   // sampler_key of a span, without a value of the fields: the first lists of a process

static bool sampled; // the set has dynamic samplers
static struct tr_policy_set *set;
static uint64_t ticks = 3600 * TR_S;
static struct tr_policy_counters counters[16];

static void compiles(const char *block)
{
    struct tr_error error = {0};
    struct tr_options_doc *doc;

    if (tr_options_parse(&tr_tail_sampling_option_table, block, strlen(block), &doc, &error) < 0 ||
        tr_policy_set_compile(tr_options_struct(doc), NULL, 1, 1, &set, &error) < 0)
        fail_msg("%s", error.text);
    tr_options_free(doc);
}

// Two spans of a trace, which samplers of their own let through: the thresholds they write, 0: none does.
struct upstream {
    uint64_t th[2];
    bool rv; // the trace brings its randomness along, else its id's counts
};

static uint64_t randomness_of(const struct upstream *upstream, const uint8_t id[16], uint64_t rv)
{
    return upstream->rv ? rv : tr_ot_randomness(id);
}

static size_t span_make(const struct upstream *upstream, const uint8_t id[16], uint64_t rv, int which, uint8_t *span)
{
    uint8_t state[64], *p = tr_pb_put_bytes(span, 1, id, 16);
    char text[64] = "";
    int n;

    p = tr_pb_put_bytes(p, 2, "\1\2\3\4\5\6\7\10", 8);
    if (upstream->rv)
        snprintf(text, sizeof(text), "ot=rv:%014llx", (unsigned long long)rv);
    n = (int)strlen(text);
    memcpy(state, text, (size_t)n);
    if (upstream->th[which])
        n = tr_ot_write((const uint8_t *)text, (uint32_t)n, upstream->th[which], state);
    return n ? (size_t)(tr_pb_put_bytes(p, 3, state, (size_t)n) - span) : (size_t)(p - span);
}

// What a backend counts this span as: its attribute, or by the threshold in its trace_state.
static double count_read(enum tr_adjusted adjusted, const uint8_t *span, size_t bytes, uint64_t randomness)
{
    double count = 0;

    for (const uint8_t *p = span; p < span + bytes;) {
        struct tr_key_value pair;
        struct tr_pb_field field;
        struct tr_ot ot;

        p = tr_pb_field(p, span + bytes, &field);
        assert_non_null(p);
        if (field.number == 3 && adjusted == TR_ADJUSTED_TRACESTATE) {
            assert_int_equal(tr_ot_read(field.bytes, (uint32_t)field.value, &ot), TR_OT_READ);
            assert_true(ot.has_th && randomness >= ot.th);
            count = 0x1p56 / (double)(TR_OT_NEVER - ot.th);
        }
        if (field.number == 9 && adjusted == TR_ADJUSTED_ATTRIBUTE) {
            assert_true(tr_key_value_read(field.bytes, (uint32_t)field.value, &pair));
            count = pair.value.number;
        }
    }
    assert_true(count >= 1);
    return count;
}

struct estimate {
    double truth, sum;
    double variance; // of the sum, estimated from the kept
};

static void trace_run(uint64_t seed, const struct upstream *upstream, struct estimate estimates[OPERATIONS][2])
{
    uint64_t words[2] = {tr_mix64(seed), tr_mix64(seed ^ 0xabcdef)};
    uint64_t rv = tr_mix64(seed + 0x777) & (TR_OT_NEVER - 1);
    uint32_t operation = (uint32_t)(seed % OPERATIONS);
    struct tr_trace trace = {.spans = 1 + operation, .start_ns = 1, .end_ns = operation == 2 ? 5 * TR_S : 2};
    struct tr_shape records[1 + OPERATIONS];
    struct tr_shapes shapes = {.array = records, .spans = trace.spans};
    bool came[2];
    uint16_t policy;
    struct tr_chance chance;
    uint64_t randomness;

    for (uint32_t i = 0; i < trace.spans; i++)
        records[i] = (struct tr_shape){.sampler_key = WALKED};
    trace.shapes = &shapes;
    memcpy(trace.trace_id, words, 16);
    randomness = randomness_of(upstream, trace.trace_id, rv);
    trace.randomness = upstream->rv ? rv + 1 : 0;
    trace.threshold_least = TR_OT_NEVER;
    for (int i = 0; i < 2; i++) {
        estimates[operation][i].truth += 1;
        came[i] = randomness >= upstream->th[i];
        if (came[i])
            trace.threshold_least = TR_MIN(trace.threshold_least, upstream->th[i]);
    }
    if (!(came[0] || came[1]) || tr_policy_set_decide(set, &trace, counters, &policy) != TR_ANSWER_KEEP)
        return;
    if (sampled && seed % TICK == 0) // its rate is not that of the next interval
        tr_policy_set_tick(set, ticks += 3600 * TR_S);
    chance = tr_policy_set_chance(set, &trace);
    for (int i = 0; i < 2; i++) {
        struct tr_added added = {.adjusted = set->adjusted,
                                 .threshold = chance.threshold,
                                 .independent = chance.marks & TR_MARK_INDEPENDENT};
        struct tr_added_counts counted = {0};
        uint8_t span[256 + TR_ADDED_GROWTH];
        double count;

        if (!came[i])
            continue;
        count = count_read(set->adjusted, span,
                           tr_added_put(&added, span, span_make(upstream, trace.trace_id, rv, i, span), &counted), randomness);
        assert_int_equal(counted.malformed + counted.inconsistent, 0);
        estimates[operation][i].sum += count;
        estimates[operation][i].variance += count * (count - 1);
    }
}

// Chi-square over the seeds, for each operation's each span.
static void counts_without_bias(const char *block, const struct upstream *upstream)
{
    double chi = 0, bias = 0, bias_variance = 0;
    unsigned freedom = 0;

    compiles(block);
    sampled = tr_policy_set_sampler(set, 0) != NULL;
    if (sampled)
        tr_policy_set_tick(set, ticks);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct estimate estimates[OPERATIONS][2] = {{{0}}};

        for (uint64_t i = 0; i < TRACES; i++) {
            if (sampled && i % TICK == 0)
                tr_policy_set_tick(set, ticks += 3600 * TR_S);
            trace_run(seed << 32 | i, upstream, estimates);
        }
        for (int i = 0; i < OPERATIONS * 2; i++) {
            const struct estimate *e = &estimates[i / 2][i % 2];

            if (e->variance == 0) {
                if (fabs(e->sum - e->truth) > 1e-6) // all of them, each counting for one
                    fail_msg("%sseed %llu, span %d of operation %d: %g of %g", block, (unsigned long long)seed, i % 2, i / 2,
                             e->sum, e->truth);
                continue;
            }
            chi += (e->sum - e->truth) * (e->sum - e->truth) / e->variance;
            bias += e->sum - e->truth;
            bias_variance += e->variance;
            freedom++;
        }
    }
    tr_policy_set_free(set);
    set = NULL;
    assert_true(freedom >= 2 * SEEDS);
    // The two spans of a trace go together, so their deviations may add up: twice the variance.
    if (fabs(chi - freedom) > 4.5 * 2 * sqrt(2.0 * freedom) || fabs(bias) > 4.5 * sqrt(2 * bias_variance))
        fail_msg("%schi-square of %u is %.1f, the bias %.1f of a standard deviation of %.1f", block, freedom, chi, bias,
                 sqrt(bias_variance));
}

static const struct upstream none = {{0, 0}, false}, all_halved = {{0x80000000000000, 0x80000000000000}, false},
                             with_rv = {{0x80000000000000, 0x80000000000000}, true},
                             one_of_ten = {{0, 0xe6666000000000}, true}, both = {{0x40000000000000, 0xc0000000000000}, false};
static const struct upstream *const upstreams[] = {&none, &all_halved, &with_rv, &one_of_ten, &both};

#define LARGE "{name: large, type: span_count, span_count: {min_spans: 4}}"
#define SLOW_HALF(options) \
    "{name: slow, type: and, and: {and_sub_policy: [{name: s, type: latency, latency: {threshold_ms: 1000}}, " \
    "{name: h, type: probabilistic, probabilistic: {" options "sampling_percentage: 50}}]}}"
#define BASE(options) "{name: base, type: probabilistic, probabilistic: {" options "sampling_percentage: 10}}"

static void each_upstream(const char *block)
{
    for (size_t i = 0; i < TR_NELEMS(upstreams); i++)
        counts_without_bias(block, upstreams[i]);
}

static void attributes_of_hashed_traces(void **state)
{
    each_upstream("adjusted_count: attribute\npolicies: [" LARGE ", " SLOW_HALF("hash_salt: x, ") ", " BASE("") "]\n");
}

static void attributes_of_consistent_traces(void **state)
{
    each_upstream("adjusted_count: attribute\npolicies: [" LARGE ", " SLOW_HALF("mode: equalizing, ") ", "
                  BASE("mode: equalizing, ") "]\n");
}

static void thresholds_of_equalized_traces(void **state)
{
    each_upstream("adjusted_count: tracestate\npolicies: [" LARGE ", " SLOW_HALF("mode: equalizing, ") ", "
                  BASE("mode: equalizing, ") "]\n");
}

static void thresholds_of_proportional_traces(void **state)
{
    each_upstream("adjusted_count: tracestate\npolicies: [" LARGE ", " SLOW_HALF("mode: proportional, ") ", "
                  BASE("mode: proportional, ") "]\n");
}

// One in three of the small, one in ten of the others but the slow, which are kept, and the two-span ones, which are not
// asked for; and beside them a share.
#define RULES(mode)                                                                                                        \
    "{name: r, type: rules, rules: {" mode "rules: [{sample_rate: 3, conditions: [{field: meta.span_count, operator: <, "  \
    "value: 2}]}, {sample_rate: 10, conditions: [{field: meta.span_count, operator: '>=', value: 3}]}, {sample_rate: 7}]}}"
#define DYNAMIC(type, goal, mode) \
    "{name: d, type: " type ", " type ": {" goal ", " mode "use_trace_length: true, field_list: [a]}}"
#define SAMPLED_RULES(mode)                                                                                                \
    "{name: r, type: rules, rules: {" mode "rules: [{keep: true, conditions: [{field: meta.span_count, operator: '>=', "   \
    "value: 4}]}, {sampler: {ema_dynamic: {goal_sample_rate: 4, use_trace_length: true, field_list: [a]}}}]}}"

static void attributes_of_rules(void **state)
{
    each_upstream("adjusted_count: attribute\npolicies: [" RULES("hash_salt: x, ") ", " BASE("") "]\n");
    // Beside a hash the spans of a trace have one threshold (docs/adjusted-counts.md, Limits).
    for (size_t i = 0; i < 3; i++)
        counts_without_bias("adjusted_count: attribute\npolicies: [" RULES("mode: equalizing, ") ", " BASE("") "]\n", upstreams[i]);
}

static void thresholds_of_rules(void **state)
{
    each_upstream("adjusted_count: tracestate\npolicies: [" RULES("mode: equalizing, ") "]\n");
    each_upstream("adjusted_count: tracestate\npolicies: [" RULES("mode: proportional, ") ", " BASE("mode: equalizing, ") "]\n");
}

// Rates change on the way, also between a decision and what is written of it.
static void attributes_of_dynamic_samplers(void **state)
{
    each_upstream("adjusted_count: attribute\npolicies: [" DYNAMIC("ema_dynamic", "goal_sample_rate: 5", "") ", " LARGE "]\n");
    each_upstream("adjusted_count: attribute\npolicies: [" DYNAMIC("ema_throughput", "goal_throughput_per_sec: 8", "") "]\n");
    each_upstream("adjusted_count: attribute\npolicies: [" SAMPLED_RULES("hash_salt: x, ") ", " BASE("") "]\n");
}

static void thresholds_of_dynamic_samplers(void **state)
{
    each_upstream("adjusted_count: tracestate\npolicies: [" DYNAMIC("ema_dynamic", "goal_sample_rate: 5", "mode: equalizing, ") "]\n");
    each_upstream("adjusted_count: tracestate\npolicies: [" DYNAMIC("ema_throughput", "goal_throughput_per_sec: 8",
                                                                     "mode: proportional, ") "]\n");
    each_upstream("adjusted_count: tracestate\npolicies: [" SAMPLED_RULES("mode: equalizing, ") ", " BASE("mode: equalizing, ") "]\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_of_hashed_traces),
        cmocka_unit_test(attributes_of_consistent_traces),
        cmocka_unit_test(thresholds_of_equalized_traces),
        cmocka_unit_test(thresholds_of_proportional_traces),
        cmocka_unit_test(attributes_of_rules),
        cmocka_unit_test(thresholds_of_rules),
        cmocka_unit_test(attributes_of_dynamic_samplers),
        cmocka_unit_test(thresholds_of_dynamic_samplers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
