// SPDX-License-Identifier: Apache-2.0
// Each policy type, from YAML to a verdict, through the very walk that runs on spans.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/pb.h"
#include "policy/policy.h"

static struct tr_policy_set *set;
static struct tr_policy_counters counters[16];
static struct tr_error error;

static int compile(const char *policies, const struct tr_policy_set *previous, uint32_t epoch)
{
    struct tr_options_doc *doc;
    char text[2048];
    int rc;

    memset(&error, 0, sizeof(error));
    snprintf(text, sizeof(text), "policies:\n%s\n", policies);
    rc = tr_options_parse(&tr_tail_sampling_option_table, text, strlen(text), &doc, &error);
    if (rc < 0)
        return rc;
    rc = tr_policy_set_compile(tr_options_struct(doc), previous, epoch, 1, &set, &error);
    tr_options_free(doc);
    return rc;
}

static int reset(void **state)
{
    memset(counters, 0, sizeof(counters));
    set = NULL;
    return 0;
}

static int release(void **state)
{
    tr_policy_set_free(set);
    return 0;
}

struct span {
    const char *key, *value; // a string, unless one of these is there:
    const int64_t *integer;
    const bool *boolean;
    int status;
    uint64_t start_ns, end_ns;
    const char *trace_state;
    uint32_t flags;
};

#define INT(n)     .integer = &(const int64_t){n}
#define BOOLEAN(b) .boolean = &(const bool){b}

static uint8_t *put_attribute(uint8_t *p, const struct span *span)
{
    uint8_t pair[256], any[128], *q, *a;

    if (span->integer)
        a = tr_pb_put_varint(tr_pb_put_tag(any, 3, TR_PB_VARINT), (uint64_t)*span->integer);
    else if (span->boolean)
        a = tr_pb_put_varint(tr_pb_put_tag(any, 2, TR_PB_VARINT), *span->boolean);
    else
        a = tr_pb_put_bytes(any, 1, span->value, strlen(span->value));
    q = tr_pb_put_bytes(pair, 1, span->key, strlen(span->key));
    q = tr_pb_put_bytes(q, 2, any, (size_t)(a - any));
    return tr_pb_put_bytes(p, 9, pair, (size_t)(q - pair));
}

// A trace of these spans, walked with the set's plan.
static struct tr_trace trace_of(const struct tr_policy_set *with, const struct span *spans, size_t count)
{
    struct tr_trace trace = {.trace_id = {1, 2, 3}, .epoch = with->epoch};

    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[512], *p = bytes;
        struct tr_walk_span walked;
        struct tr_bits bits = {{0}};

        p = tr_pb_put_bytes(p, 1, trace.trace_id, 16);
        p = tr_pb_put_bytes(p, 2, "\1\2\3\4\5\6\7\10", 8);
        p = tr_pb_put_fixed64(p, 7, spans[i].start_ns);
        p = tr_pb_put_fixed64(p, 8, spans[i].end_ns);
        if (spans[i].key)
            p = put_attribute(p, &spans[i]);
        if (spans[i].trace_state)
            p = tr_pb_put_bytes(p, 3, spans[i].trace_state, strlen(spans[i].trace_state));
        if (spans[i].flags) {
            p = tr_pb_put_tag(p, 16, TR_PB_FIXED32);
            memcpy(p, &spans[i].flags, 4);
            p += 4;
        }
        if (spans[i].status) {
            uint8_t status[2] = {0x18, (uint8_t)spans[i].status};

            p = tr_pb_put_bytes(p, 15, status, 2);
        }
        assert_int_equal(tr_walk_span(&with->plan, 0, bytes, (uint32_t)(p - bytes), NULL, &walked, &bits), TR_WALK_OK);
        for (int w = 0; w < TR_PREDICATE_WORDS_MAX; w++)
            trace.bits[w] |= bits.word[w];
        trace.spans++;
        trace.start_ns = trace.start_ns ? TR_MIN(trace.start_ns, walked.start_ns) : walked.start_ns;
        trace.end_ns = TR_MAX(trace.end_ns, walked.end_ns);
    }
    return trace;
}

static bool keeps(const struct span *spans, size_t count)
{
    struct tr_trace trace = trace_of(set, spans, count);
    uint16_t policy;

    return tr_policy_set_decide(set, &trace, counters, &policy) == TR_ANSWER_KEEP;
}

#define KEEPS(...) keeps((const struct span[]){__VA_ARGS__}, TR_NELEMS(((const struct span[]){__VA_ARGS__})))
#define POLICY(name, type, options) "- {name: " name ", type: " type ", " type ": {" options "}}\n"

static void status_code(void **state)
{
    assert_int_equal(compile(POLICY("e", "status_code", "status_codes: [ERROR]"), NULL, 1), 0);
    assert_true(KEEPS({.status = 0}, {.status = 2}));
    assert_false(KEEPS({.status = 0}, {.status = 1}));
    tr_policy_set_free(set);
    assert_int_equal(compile(POLICY("u", "status_code", "status_codes: [UNSET, OK]"), NULL, 1), 0);
    assert_true(KEEPS({.status = 0}));
    assert_true(KEEPS({.status = 1}));
    assert_false(KEEPS({.status = 2}));
}

static void latency_is_in_whole_milliseconds_and_above_the_threshold(void **state)
{
    assert_int_equal(compile(POLICY("s", "latency", "threshold_ms: 100"), NULL, 1), 0);
    assert_false(KEEPS({.start_ns = TR_S, .end_ns = TR_S + 100 * TR_MS + 999999}));
    assert_true(KEEPS({.start_ns = TR_S, .end_ns = TR_S + 101 * TR_MS}));
    // From the earliest start to the latest end, whichever spans they are of.
    assert_true(KEEPS({.start_ns = TR_S + 90 * TR_MS, .end_ns = TR_S + 120 * TR_MS},
                      {.start_ns = TR_S, .end_ns = TR_S + 10 * TR_MS}));
    assert_false(KEEPS({.start_ns = TR_S, .end_ns = 0}));
    tr_policy_set_free(set);
    assert_int_equal(compile(POLICY("s", "latency", "threshold_ms: 100, upper_threshold_ms: 200"), NULL, 1), 0);
    assert_true(KEEPS({.start_ns = TR_S, .end_ns = TR_S + 200 * TR_MS}));
    assert_false(KEEPS({.start_ns = TR_S, .end_ns = TR_S + 201 * TR_MS}));
}

// Which of these ids the Collector's sampler (FNV-1a, its default salt) keeps at 10 %: 16 bytes of n each.
static void probabilistic_keeps_the_traces_that_the_collector_keeps(void **state)
{
    unsigned kept = 0;

    assert_int_equal(compile(POLICY("p", "probabilistic", "sampling_percentage: 10"), NULL, 1), 0);
    for (unsigned n = 0; n < 256; n++) {
        struct tr_trace trace = {.epoch = 1};
        uint64_t hash = 0xcbf29ce484222325ull;
        uint16_t policy;
        bool want;

        memset(trace.trace_id, (int)n, 16);
        for (const char *c = "default-hash-seed"; *c; c++)
            hash = (hash ^ (uint8_t)*c) * 0x100000001b3ull;
        for (int i = 0; i < 16; i++)
            hash = (hash ^ (uint8_t)n) * 0x100000001b3ull;
        want = hash <= 1844674407370955264ull; // what Go's big.Float makes of a tenth of 2^64 - 1
        assert_int_equal(tr_policy_set_decide(set, &trace, counters, &policy) == TR_ANSWER_KEEP, want);
        kept += want;
    }
    assert_in_range(kept, 5, 60);
    tr_policy_set_free(set);
    assert_int_equal(compile(POLICY("p", "probabilistic", "sampling_percentage: 100"), NULL, 1), 0);
    assert_true(KEEPS({.status = 0}));
    tr_policy_set_free(set);
    assert_int_equal(compile(POLICY("p", "probabilistic", "sampling_percentage: 0"), NULL, 1), 0);
    assert_false(KEEPS({.status = 0}));
}

static void string_attribute_and_its_negation(void **state)
{
    assert_int_equal(compile(POLICY("t", "string_attribute", "key: tier, values: [gold, silver, \"\"]"), NULL, 1), 0);
    assert_true(KEEPS({.key = "tier", .value = "gold"}));
    assert_true(KEEPS({.key = "tier", .value = "tin"}, {.key = "tier", .value = "silver"}));
    assert_false(KEEPS({.key = "tier", .value = "golden"}));
    assert_false(KEEPS({.key = "tier", .value = ""}));
    assert_false(KEEPS({.key = "other", .value = "gold"}));
    tr_policy_set_free(set);
    assert_int_equal(
        compile(POLICY("t", "string_attribute", "key: tier, values: [gold], invert_match: true"), NULL, 1), 0);
    assert_false(KEEPS({.key = "tier", .value = "tin"}, {.key = "tier", .value = "gold"}));
    assert_true(KEEPS({.key = "tier", .value = "tin"}));
    assert_true(KEEPS({.status = 0}));
}

static void string_attribute_with_patterns(void **state)
{
    static const char two[] =
        POLICY("a", "string_attribute", "key: route, values: [^/api/, z$], enabled_regex_matching: true")
        POLICY("b", "string_attribute", "key: route, values: ['(?i)ADMIN'], enabled_regex_matching: true");
    struct tr_trace trace;
    uint16_t policy;

    assert_int_equal(compile(two, NULL, 1), 0);
    assert_true(KEEPS({.key = "route", .value = "/api/v1"}));
    assert_true(KEEPS({.key = "route", .value = "/healthz"}));
    assert_false(KEEPS({.key = "route", .value = "/v1/api/"}));
    assert_false(KEEPS({.key = "other", .value = "/api/"}));
    assert_false(KEEPS({.key = "route", INT(4)}));
    trace = trace_of(set, (const struct span[]){{.key = "route", .value = "/admin"}}, 1);
    assert_int_equal(tr_policy_set_decide(set, &trace, counters, &policy), TR_ANSWER_KEEP);
    assert_int_equal(policy, 1);
    tr_policy_set_free(set);
    // An empty value of a span is skipped, whatever would match it.
    assert_int_equal(compile(POLICY("e", "string_attribute", "key: k, values: [.*], enabled_regex_matching: true"), NULL,
                             1),
                     0);
    assert_false(KEEPS({.key = "k", .value = ""}));
    assert_true(KEEPS({.key = "k", .value = "x"}));
    tr_policy_set_free(set);
    assert_int_equal(compile(POLICY("e", "string_attribute",
                                    "key: k, values: [^x], enabled_regex_matching: true, invert_match: true"),
                             NULL, 1),
                     0);
    assert_false(KEEPS({.key = "k", .value = "y"}, {.key = "k", .value = "xy"}));
    assert_true(KEEPS({.key = "k", .value = "yx"}));
}

// Few strings are asked with the patterns of their key, many by themselves.
static void string_attribute_beside_patterns_of_its_key(void **state)
{
    static const char policies[] =
        POLICY("patterns", "string_attribute", "key: route, values: [^/api/], enabled_regex_matching: true")
        POLICY("few", "string_attribute", "key: route, values: [/api/, /health, \"\"]")
        POLICY("many", "string_attribute", "key: route, values: [/0, /1, /2, /3, /4, /5, /6, /7, /8, /9, /a, /b, /c, /d, /e, "
                                           "/f, /health]");
    static const struct {
        const char *route;
        int policy;
    } cases[] = {{"/api/", 0}, {"/health", 1}, {"/f", 2}, {"/g", -1}, {"/healthz", -1}, {"", -1}};

    assert_int_equal(compile(policies, NULL, 1), 0);
    assert_int_equal(set->plan.span.keys[0].tests, 1);
    for (size_t i = 0; i < TR_NELEMS(cases); i++) {
        const struct tr_trace trace = trace_of(set, &(struct span){.key = "route", .value = cases[i].route}, 1);
        uint16_t policy;

        assert_int_equal(tr_policy_set_decide(set, &trace, counters, &policy) == TR_ANSWER_KEEP, cases[i].policy >= 0);
        if (cases[i].policy >= 0)
            assert_int_equal(policy, cases[i].policy);
    }
    assert_false(KEEPS({.key = "route", INT(4)}));
}

static void and_wants_all(void **state)
{
    static const char policies[] =
        "- name: both\n  type: and\n  and:\n    and_sub_policy:\n"
        "    - {name: a, type: status_code, status_code: {status_codes: [ERROR]}}\n"
        "    - {name: b, type: string_attribute, string_attribute: {key: tier, values: [gold]}}\n";

    assert_int_equal(compile(policies, NULL, 1), 0);
    assert_false(KEEPS({.status = 2}));
    assert_false(KEEPS({.key = "tier", .value = "gold"}));
    assert_true(KEEPS({.status = 2}, {.key = "tier", .value = "gold"})); // on different spans: the trace has both
}

static void numeric_attribute(void **state)
{
    assert_int_equal(compile(POLICY("n", "numeric_attribute", "key: code, min_value: 400, max_value: 499"), NULL, 1), 0);
    assert_true(KEEPS({.key = "code", INT(200)}, {.key = "code", INT(400)}));
    assert_true(KEEPS({.key = "code", INT(499)}));
    assert_false(KEEPS({.key = "code", INT(399)}));
    assert_false(KEEPS({.key = "code", INT(500)}));
    assert_false(KEEPS({.key = "code", .value = "404"}));
    tr_policy_set_free(set);
    assert_int_equal(compile(POLICY("n", "numeric_attribute", "key: code, max_value: 9"), NULL, 1), 0);
    assert_true(KEEPS({.key = "code", INT(-5)}));
    assert_true(KEEPS({.key = "code", .value = "404"})); // not an integer: reads as 0
    tr_policy_set_free(set);
    assert_int_equal(compile(POLICY("n", "numeric_attribute", "key: code, min_value: 400, invert_match: true"), NULL, 1),
                     0);
    assert_false(KEEPS({.key = "code", INT(200)}, {.key = "code", INT(400)}));
    assert_true(KEEPS({.key = "code", INT(200)}));
    assert_true(KEEPS({.status = 0}));
}

// What is remembered of the last integer is forgotten with the next one, on each lcore.
static void numeric_attribute_of_changing_values(void **state)
{
    static const int64_t values[] = {0, 200, 200, 504, 200, 504, 504, 429, 0, -1, INT64_MAX, 504};

    assert_int_equal(compile(POLICY("n", "numeric_attribute", "key: code, min_value: 500, max_value: 599"), NULL, 1), 0);
    for (size_t i = 0; i < TR_NELEMS(values); i++) {
        assert_int_equal(KEEPS({.key = "code", INT(values[i])}), values[i] == 504);
        assert_false(KEEPS({.key = "code", .value = "504"}));
    }
    tr_policy_set_free(set);
    assert_int_equal(compile(POLICY("n", "numeric_attribute", "key: code, min_value: -5, max_value: 5"), NULL, 1), 0);
    assert_true(KEEPS({.key = "code", INT(0)})); // the first one, too
    assert_true(KEEPS({.key = "code", .value = "504"})); // no integer counts as 0
}

static void boolean_attribute(void **state)
{
    assert_int_equal(compile(POLICY("b", "boolean_attribute", "key: debug, value: true"), NULL, 1), 0);
    assert_true(KEEPS({.key = "debug", BOOLEAN(false)}, {.key = "debug", BOOLEAN(true)}));
    assert_false(KEEPS({.key = "debug", BOOLEAN(false)}));
    assert_false(KEEPS({.key = "debug", .value = "true"}));
    tr_policy_set_free(set);
    assert_int_equal(compile(POLICY("b", "boolean_attribute", "key: debug, value: true, invert_match: true"), NULL, 1), 0);
    assert_false(KEEPS({.key = "debug", BOOLEAN(true)}));
    assert_true(KEEPS({.status = 0}));
}

static void span_count(void **state)
{
    assert_int_equal(compile(POLICY("c", "span_count", "min_spans: 2, max_spans: 3"), NULL, 1), 0);
    assert_false(KEEPS({.status = 0}));
    assert_true(KEEPS({.status = 0}, {.status = 0}));
    assert_true(KEEPS({.status = 0}, {.status = 0}, {.status = 0}));
    assert_false(KEEPS({.status = 0}, {.status = 0}, {.status = 0}, {.status = 0}));
    tr_policy_set_free(set);
    assert_int_equal(compile(POLICY("c", "span_count", "min_spans: 2"), NULL, 1), 0);
    assert_true(KEEPS({.status = 0}, {.status = 0}, {.status = 0}, {.status = 0}));
}

static void trace_state_and_trace_flags(void **state)
{
    assert_int_equal(compile(POLICY("t", "trace_state", "key: tier, values: [gold, \"\"]"), NULL, 1), 0);
    assert_true(KEEPS({.trace_state = "a=1,tier=gold"}));
    assert_false(KEEPS({.trace_state = "a=1,tier=tin"}, {.status = 0}));
    assert_false(KEEPS({.trace_state = "tier=gold,tier=gold"})); // not a valid list
    tr_policy_set_free(set);
    // Tests of other fields do not wait for a trace_state.
    assert_int_equal(compile(POLICY("t", "trace_state", "key: tier, values: [gold]") "- {name: f, type: trace_flags}\n",
                             NULL, 1),
                     0);
    assert_true(KEEPS({.flags = 0x101}));
    assert_true(KEEPS({.trace_state = "tier=gold"}));
    assert_false(KEEPS({.trace_state = "tier=tin"}));
    tr_policy_set_free(set);
    assert_int_equal(compile("- {name: f, type: trace_flags}\n", NULL, 1), 0);
    assert_true(KEEPS({.flags = 0x300}, {.flags = 0x101}));
    assert_false(KEEPS({.flags = 0x300}));
}

static void not_swaps_and_stands_in_and(void **state)
{
    static const char policies[] =
        "- name: n\n  type: not\n  not:\n    not_sub_policy:\n"
        "      {name: a, type: status_code, status_code: {status_codes: [ERROR]}}\n";
    static const char nested[] =
        "- name: both\n  type: and\n  and:\n    and_sub_policy:\n"
        "    - {name: a, type: status_code, status_code: {status_codes: [ERROR]}}\n"
        "    - {type: not, not: {not_sub_policy: {type: span_count, span_count: {min_spans: 2}}}}\n";

    assert_int_equal(compile(policies, NULL, 1), 0);
    assert_false(KEEPS({.status = 2}));
    assert_true(KEEPS({.status = 0}));
    tr_policy_set_free(set);
    assert_int_equal(compile(nested, NULL, 1), 0);
    assert_true(KEEPS({.status = 2}));
    assert_false(KEEPS({.status = 2}, {.status = 2}));
    assert_false(KEEPS({.status = 0}));
}

static void drop_is_final_wherever_it_stands(void **state)
{
    static const char policies[] =
        "- {name: all, type: always_sample}\n"
        "- name: probes\n  type: drop\n  drop:\n    drop_sub_policy:\n"
        "    - {name: a, type: string_attribute, string_attribute: {key: route, values: [/healthz]}}\n"
        "    - {name: b, type: not, not: {not_sub_policy: {type: status_code, status_code: {status_codes: [ERROR]}}}}\n";
    struct tr_trace trace;
    uint16_t policy;

    assert_int_equal(compile(policies, NULL, 1), 0);
    assert_true(KEEPS({.status = 0}));
    assert_true(KEEPS({.key = "route", .value = "/healthz", .status = 2}));
    trace = trace_of(set, (const struct span[]){{.key = "route", .value = "/healthz"}}, 1);
    memset(counters, 0, sizeof(counters));
    assert_int_equal(tr_policy_set_decide(set, &trace, counters, &policy), TR_ANSWER_DROP);
    assert_int_equal(policy, 1); // it dropped the trace
    assert_int_equal(counters[1].traces_dropped, 1);
    assert_int_equal(counters[1].traces_kept, 0);
    assert_int_equal(counters[0].traces_seen, 0); // the others are not asked
}

static void each_policy_counts_what_it_sees_and_one_in_so_many_is_timed(void **state)
{
    struct tr_trace trace = {.epoch = 1, .spans = 7};
    uint16_t policy;

    assert_int_equal(compile("- {name: a, type: trace_flags}\n- {name: b, type: always_sample}\n", NULL, 1), 0);
    memset(counters, 0, sizeof(counters));
    for (int i = 0; i < 2 * TR_POLICY_TIMED + 1; i++)
        assert_int_equal(tr_policy_set_decide(set, &trace, counters, &policy), TR_ANSWER_KEEP);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(counters[i].traces_seen, 2 * TR_POLICY_TIMED + 1);
        assert_int_equal(counters[i].spans_seen, 7 * (2 * TR_POLICY_TIMED + 1));
        assert_int_equal(counters[i].timed_traces, 3);
        assert_int_equal(counters[i].timed_spans, 21);
        assert_true(counters[i].timed_cycles < 3 * TR_MIB); // three answers take no millisecond each
    }
}

static void sample_on_first_match_asks_no_further(void **state)
{
    struct tr_trace trace = {.epoch = 1};
    uint16_t policy;

    assert_int_equal(compile("- {name: a, type: trace_flags}\n- {name: b, type: always_sample}\n"
                             "- {name: c, type: always_sample}\nsample_on_first_match: true\n",
                             NULL, 1),
                     0);
    assert_int_equal(tr_policy_set_decide(set, &trace, counters, &policy), TR_ANSWER_KEEP);
    assert_int_equal(policy, 1);
    assert_int_equal(counters[0].traces_seen, 1);
    assert_int_equal(counters[1].traces_kept_alone, 1);
    assert_int_equal(counters[2].traces_seen, 0);
}

static void probabilistic_with_a_salt(void **state)
{
    struct tr_trace trace = {.epoch = 1, .trace_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    uint64_t hash = 0xcbf29ce484222325ull;
    char options[128];
    uint16_t policy;

    for (const char *c = "mine"; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 0x100000001b3ull;
    for (int i = 0; i < 16; i++)
        hash = (hash ^ trace.trace_id[i]) * 0x100000001b3ull;
    // Just above its share of 2^64 it is kept, just below not.
    for (int above = 0; above < 2; above++) {
        snprintf(options, sizeof(options), POLICY("p", "probabilistic", "hash_salt: mine, sampling_percentage: %.6f"),
                 (double)hash / 18446744073709551616.0 * 100 + (above ? 0.001 : -0.001));
        assert_int_equal(compile(options, NULL, 1), 0);
        assert_int_equal(tr_policy_set_decide(set, &trace, counters, &policy) == TR_ANSWER_KEEP, above);
        tr_policy_set_free(set);
        set = NULL;
    }
}

static void policies_count_what_each_did(void **state)
{
    uint16_t policy = 99;
    struct tr_trace trace;

    assert_int_equal(compile("- {name: all, type: always_sample}\n" POLICY("e", "status_code", "status_codes: [ERROR]"),
                             NULL, 1),
                     0);
    trace = trace_of(set, (const struct span[]){{.status = 2}}, 1);
    assert_int_equal(tr_policy_set_decide(set, &trace, counters, &policy), TR_ANSWER_KEEP);
    assert_int_equal(policy, 0);
    trace = trace_of(set, (const struct span[]){{.status = 0}}, 1);
    tr_policy_set_decide(set, &trace, counters, &policy);
    assert_int_equal(counters[0].traces_seen, 2);
    assert_int_equal(counters[0].traces_kept, 2);
    assert_int_equal(counters[0].traces_kept_alone, 1);
    assert_int_equal(counters[1].traces_kept, 1);
    assert_int_equal(counters[1].traces_kept_alone, 0);
    assert_string_equal(tr_policy_name(set, 1), "e");
    assert_string_equal(tr_policy_type_name(set, 1), "status_code");
    assert_string_equal(tr_policy_name(set, 7), "");
}

// A trace that began under the first config gets spans that were walked under the second: the old policies must
// see what they would have seen.
static void a_new_config_tests_the_predicates_of_the_one_before(void **state)
{
    struct tr_policy_set *first;
    struct tr_trace trace;
    uint16_t policy;

    assert_int_equal(compile(POLICY("t", "string_attribute", "key: tier, values: [gold]"), NULL, 1), 0);
    first = set;
    assert_int_equal(compile(POLICY("e", "status_code", "status_codes: [ERROR]"), first, 2), 0);
    trace = trace_of(set, (const struct span[]){{.key = "tier", .value = "gold"}}, 1);
    assert_int_equal(tr_policy_set_decide(first, &trace, counters, &policy), TR_ANSWER_KEEP);
    assert_int_equal(tr_policy_set_decide(set, &trace, counters, &policy), TR_ANSWER_DROP);
    tr_policy_set_free(first);
}

static void block_on_overflow_decides_nothing_early(void **state)
{
    assert_int_equal(compile("- {name: x, type: always_sample}\ndecision_wait: 8s\n", NULL, 1), 0);
    assert_int_equal(set->wait_min_ns, TR_S);
    tr_policy_set_free(set);
    assert_int_equal(compile("- {name: x, type: always_sample}\ndecision_wait: 8s\nblock_on_overflow: true\n", NULL, 1),
                     0);
    assert_int_equal(set->wait_min_ns, 8 * TR_S);
}

static void what_is_wrong_is_named_with_its_path(void **state)
{
    static const struct {
        const char *policies, *said;
    } cases[] = {
        {POLICY("x", "psychic", "a: 1"), "psychic"},
        {"- {name: x, type: rate_limiting}\n", "policies[0].rate_limiting.spans_per_second: is missing"},
        {"- {name: x, type: psychic}\n", "policies[0].type: psychic is not a policy type"},
        {"- {name: x, type: latency}\n", "policies[0].latency.threshold_ms: is missing"},
        {POLICY("x", "status_code", "status_codes: [FINE]"), "status_codes[0]: FINE is not one of"},
        {POLICY("x", "latency", "threshold_ms: 5, upper_threshold_ms: 5"), "upper_threshold_ms: 5 is not above"},
        {POLICY("x", "numeric_attribute", "key: k"), "policies[0].numeric_attribute: neither min_value nor max_value"},
        {POLICY("x", "numeric_attribute", "key: k, min_value: 5, max_value: 4"), "max_value: 4 is below min_value 5"},
        {POLICY("x", "numeric_attribute", "key: k, min_value: 1.5"), "min_value"},
        {POLICY("x", "boolean_attribute", "key: k, value: 3"), "value"},
        {POLICY("x", "boolean_attribute", "value: true"), "boolean_attribute.key"},
        {POLICY("x", "span_count", "min_spans: 5, max_spans: 4"), "max_spans: 4 is below min_spans 5"},
        {POLICY("x", "span_count", "min_spans: -1"), "min_spans"},
        {POLICY("x", "trace_state", "values: [a]"), "trace_state.key"},
        {"- {name: x, type: span_count}\n", "span_count.min_spans: is missing"},
        {"- {name: x, type: not}\n", "not.not_sub_policy: is missing"},
        {"- {name: x, type: not, not: {not_sub_policy: {type: and}}}\n",
         "policies[0].not.not_sub_policy.type: and can't stand inside"},
        {"- {name: x, type: drop}\n", "drop.drop_sub_policy: at least one policy"},
        {"- {name: x, type: and, and: {and_sub_policy: [{type: drop}]}}\n",
         "policies[0].and.and_sub_policy[0].type: drop can't stand inside"},
        {"- {name: x, type: always_sample}\n- {name: x, type: trace_flags}\n",
         "policies[1].name: x is the name of policies[0] too"},
        {"- {name: \"\", type: always_sample}\n", "policies[0].name: must not be empty"},
        {"- {name: x, type: always_sample}\nsampling_strategy: span-ingest\n", "sampling_strategy"},
        {"- {name: x, type: always_sample}\nnum_shards: 257\n", "num_shards: 257 is above 256"},
        {"- {name: x, type: always_sample}\nblock_on_overflow: true\ndecision_wait_min: 1s\n",
         "block_on_overflow: contradicts"},
        {"- {name: x, type: always_sample}\ndecision_cache: {sampled_cache_size: -1}\n", "sampled_cache_size"},
        {"- {name: x, type: always_sample}\ndrop_pending_traces_on_shutdown: maybe\n", "drop_pending_traces"},
        {"- {name: x, type: always_sample}\nsample_on_first_match: 3\n", "sample_on_first_match"},
        {POLICY("x", "string_attribute", "key: k, values: [a, 'b(?=c)'], enabled_regex_matching: true"),
         "policies[0].string_attribute.values[1]: position 1: look-around"},
        {"- {name: x, type: and, and: {and_sub_policy: [{name: y, type: latency}]}}\n", "and_sub_policy[0].latency"},
    };

    for (size_t i = 0; i < TR_NELEMS(cases); i++) {
        set = NULL;
        assert_true(compile(cases[i].policies, NULL, 1) < 0);
        if (!strstr(error.text, cases[i].said))
            fail_msg("case %zu says \"%s\"", i, error.text);
    }
    set = NULL;
}

// `count` policies, each with a condition of its own.
static int compile_many(int count)
{
    static char text[64 * 1024];
    struct tr_options_doc *doc;
    size_t at = (size_t)sprintf(text, "policies:\n");
    int rc;

    memset(&error, 0, sizeof(error));
    for (int i = 0; i < count; i++)
        at += (size_t)sprintf(text + at, POLICY("p%d", "string_attribute", "key: k, values: [v%d]"), i, i);
    assert_int_equal(tr_options_parse(&tr_tail_sampling_option_table, text, at, &doc, &error), 0);
    rc = tr_policy_set_compile(tr_options_struct(doc), NULL, 1, 1, &set, &error);
    tr_options_free(doc);
    return rc;
}

static void conditions_beyond_the_first_word_work_too(void **state)
{
    static const int counts[] = {1, 64, 65, 500, 512};
    static struct tr_policy_counters many[512];

    for (size_t c = 0; c < TR_NELEMS(counts); c++) {
        assert_int_equal(compile_many(counts[c]), 0);
        assert_int_equal(set->plan.words, (counts[c] + 63) / 64);
        for (int i = 0; i < counts[c] + 3; i++) {
            char value[16];
            struct tr_trace trace;
            uint16_t policy;

            snprintf(value, sizeof(value), "v%d", i);
            trace = trace_of(set, (const struct span[]){{.key = "k", .value = value}}, 1);
            assert_int_equal(tr_policy_set_decide(set, &trace, many, &policy),
                             i < counts[c] ? TR_ANSWER_KEEP : TR_ANSWER_DROP);
            assert_int_equal(policy, i < counts[c] ? i : TR_POLICY_NONE);
        }
        tr_policy_set_free(set);
        set = NULL;
    }
}

// Predicates travel in bits: the 513th has no place.
static void more_conditions_than_bits_are_refused(void **state)
{
    assert_true(compile_many(513) < 0);
    assert_non_null(strstr(error.text, "policies[512]: more than 512 different conditions"));
    set = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, release)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(status_code),
        TEST(latency_is_in_whole_milliseconds_and_above_the_threshold),
        TEST(probabilistic_keeps_the_traces_that_the_collector_keeps),
        TEST(string_attribute_and_its_negation),
        TEST(string_attribute_with_patterns),
        TEST(string_attribute_beside_patterns_of_its_key),
        TEST(and_wants_all),
        TEST(numeric_attribute),
        TEST(numeric_attribute_of_changing_values),
        TEST(boolean_attribute),
        TEST(span_count),
        TEST(trace_state_and_trace_flags),
        TEST(not_swaps_and_stands_in_and),
        TEST(drop_is_final_wherever_it_stands),
        TEST(each_policy_counts_what_it_sees_and_one_in_so_many_is_timed),
        TEST(sample_on_first_match_asks_no_further),
        TEST(probabilistic_with_a_salt),
        TEST(policies_count_what_each_did),
        TEST(a_new_config_tests_the_predicates_of_the_one_before),
        TEST(block_on_overflow_decides_nothing_early),
        TEST(what_is_wrong_is_named_with_its_path),
        TEST(conditions_beyond_the_first_word_work_too),
        TEST(more_conditions_than_bits_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
