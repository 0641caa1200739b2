// SPDX-License-Identifier: Apache-2.0
// How likely a set is to keep a trace, given what the trace is: by hand, and against what sets of random policies do.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/hash.h"
#include "policy/policy.h"

static struct tr_policy_set *set;
static struct tr_error error;

static int compile(const char *block)
{
    struct tr_options_doc *doc;
    int rc;

    memset(&error, 0, sizeof(error));
    rc = tr_options_parse(&tr_tail_sampling_option_table, block, strlen(block), &doc, &error);
    if (rc < 0)
        return rc;
    rc = tr_policy_set_compile(tr_options_struct(doc), NULL, 1, 1, &set, &error);
    tr_options_free(doc);
    return rc;
}

#define SHARE(name, salt, percent) \
    "{name: " name ", type: probabilistic, probabilistic: {hash_salt: '" salt "', sampling_percentage: " percent "}}"
#define CONSISTENT(name, mode, percent)                                                                    \
    "{name: " name ", type: probabilistic, probabilistic: {mode: " mode ", sampling_percentage: " percent  \
    ", sampling_precision: 14}}"
#define LARGE "{name: large, type: span_count, span_count: {min_spans: 5}}"
#define SLOW  "{name: slow, type: latency, latency: {threshold_ms: 1000}}"

static const struct tr_trace small = {.trace_id = {1}, .spans = 1, .start_ns = 1, .end_ns = 2};
static const struct tr_trace large = {.trace_id = {1}, .spans = 5, .start_ns = 1, .end_ns = 2};
static const struct tr_trace slow = {.trace_id = {1}, .spans = 1, .start_ns = 1, .end_ns = 5 * TR_S};

static void compiles(const char *policies)
{
    char block[4096];

    tr_policy_set_free(set);
    set = NULL;
    snprintf(block, sizeof(block), "adjusted_count: attribute\npolicies: [%s]\n", policies);
    if (compile(block) < 0)
        fail_msg("%s", error.text);
}

static double probability(const struct tr_trace *trace)
{
    struct tr_chance chance = tr_policy_set_chance(set, trace);

    assert_true(chance.marks & TR_MARK_COUNTED);
    return 1 - (double)chance.threshold * 0x1p-56;
}

static void is_kept_with(const struct tr_trace *trace, double want)
{
    double got = probability(trace);

    if (fabs(got - want) > 1e-12)
        fail_msg("%.15f is not %.15f", got, want);
}

static int release(void **state)
{
    tr_policy_set_free(set);
    set = NULL;
    return 0;
}

static void one_share_is_its_chance(void **state)
{
    compiles(SHARE("a", "", "10"));
    is_kept_with(&small, 0.1);
    compiles(SHARE("a", "", "100"));
    is_kept_with(&small, 1);
    compiles(SHARE("a", "", "0.001"));
    is_kept_with(&small, 0.00001);
}

static void what_a_trace_is_makes_it_certain(void **state)
{
    compiles(LARGE ", " SHARE("a", "", "10"));
    is_kept_with(&large, 1);
    is_kept_with(&small, 0.1);
}

static void shares_of_one_salt_are_one_draw(void **state)
{
    compiles(SHARE("a", "s", "10") ", " SHARE("b", "s", "30"));
    is_kept_with(&small, 0.3);
}

static void shares_of_different_salts_are_not(void **state)
{
    compiles(SHARE("a", "s", "10") ", " SHARE("b", "t", "30") ", " SHARE("c", "u", "50"));
    is_kept_with(&small, 1 - 0.9 * 0.7 * 0.5);
}

static void and_multiplies_what_is_independent(void **state)
{
    compiles("{name: both, type: and, and: {and_sub_policy: [" SHARE("a", "s", "10") ", " SHARE("b", "t", "50") "]}}");
    is_kept_with(&small, 0.05);
    compiles("{name: both, type: and, and: {and_sub_policy: [" SLOW ", " SHARE("b", "t", "50") "]}}, " SHARE("a", "s", "10"));
    is_kept_with(&small, 0.1);
    is_kept_with(&slow, 1 - 0.5 * 0.9);
}

static void not_keeps_the_rest(void **state)
{
    compiles("{name: rest, type: not, not: {not_sub_policy: " SHARE("a", "s", "10") "}}");
    is_kept_with(&small, 0.9);
    compiles("{name: rest, type: not, not: {not_sub_policy: " SHARE("a", "s", "10") "}}, " SHARE("b", "s", "5"));
    is_kept_with(&small, 0.95);
}

static void a_drop_takes_away(void **state)
{
#define DROP(sub) "{name: gone, type: drop, drop: {drop_sub_policy: [" sub "]}}"
    compiles("{name: all, type: always_sample}, " DROP(SHARE("a", "s", "40")));
    is_kept_with(&small, 0.6);
    compiles(SHARE("b", "t", "50") ", " DROP(SHARE("a", "s", "40")));
    is_kept_with(&small, 0.3);
    compiles(SHARE("b", "s", "50") ", " DROP(SHARE("a", "s", "40")));
    is_kept_with(&small, 0.1);
    compiles("{name: all, type: always_sample}, " DROP(SLOW ", " SHARE("a", "s", "40")));
    is_kept_with(&small, 1);
    is_kept_with(&slow, 0.6);
}

static void a_rule_has_its_own_rate(void **state)
{
    compiles("{name: r, type: rules, rules: {rules: [{name: four, sample_rate: 4}]}}");
    is_kept_with(&small, 0.25);
    compiles("{name: r, type: rules, rules: {hash_salt: s, rules: [{name: four, sample_rate: 4}]}}, " SHARE("a", "s", "10"));
    is_kept_with(&small, 0.25);
}

static void of_many_policies_only_those_count_that_could_keep_it(void **state)
{
    char policies[64 * 200], *p = policies;

    for (int i = 2; i < 62; i++) // each of a size of its own, and with a salt of its own: 2^60 outcomes, seen together
        p += sprintf(p,
                     "%s{name: s%d, type: and, and: {and_sub_policy: [{name: n, type: span_count, span_count: {min_spans: %d, "
                     "max_spans: %d}}, " SHARE("a", "%d", "%d") "]}}",
                     i > 2 ? ", " : "adjusted_count: attribute\npolicies: [", i, i, i, i, i);
    strcpy(p, "]\n");
    assert_int_equal(compile(policies), 0);
    for (uint32_t spans = 2; spans < 62; spans += 7) {
        struct tr_trace trace = small;

        trace.spans = spans;
        is_kept_with(&trace, spans / 100.0);
    }
}

static void refused(const char *block, const char *why)
{
    assert_true(compile(block) < 0);
    if (!strstr(error.text, why))
        fail_msg("%s", error.text);
}

// A thousand shares of one salt, and a drop among them: the questions are about as many as the policies, not their square.
static void many_shares_of_one_salt_take_few_questions(void **state)
{
    static char policies[200000];
    char *p = stpcpy(policies, "adjusted_count: attribute\npolicies: [" DROP(SHARE("d", "s", "2")));

    for (int i = 0; i < 1000; i++)
        p += sprintf(p, ", " SHARE("a%d", "s", "%d.%d"), i, 5 + i / 100, i % 100);
    strcpy(p, "]\n");
    assert_int_equal(compile(policies), 0);
    is_kept_with(&small, 0.1499 - 0.02);
    assert_in_range(tr_policy_set_chance(set, &small).questions, 1000, 60000);
}

static void what_goes_by_two_draws_is_bounded(void **state)
{
    static char policies[200000];
    char *p = stpcpy(policies, "adjusted_count: attribute\npolicies: [");

    // 62 plain ones and one that joins the draws: 63 x 65 cells, in which one is asked.
    for (int i = 1; i < 63; i++)
        p += sprintf(p, SHARE("a%d", "%s", "%d") ", ", i, i % 2 ? "s" : "t", i);
    strcpy(p, "{name: both, type: and, and: {and_sub_policy: [" SHARE("x", "s", "70") ", " SHARE("y", "t", "80") "]}}]\n");
    assert_int_equal(compile(policies), 0);
    is_kept_with(&small, 1 - (1 - 0.61) * (1 - 0.62) + (0.7 - 0.61) * (0.8 - 0.62));
    assert_in_range(tr_policy_set_chance(set, &small).questions, 500, 5000);
    // 50 that go by both: 51 x 51 cells, 50 questions in each.
    p = stpcpy(policies, "adjusted_count: attribute\npolicies: [");
    for (int i = 1; i < 51; i++)
        p += sprintf(p, "%s{name: b%d, type: and, and: {and_sub_policy: [" SHARE("x", "s", "%d") ", " SHARE("y", "t", "%d") "]}}",
                     i > 1 ? ", " : "", i, i, i);
    strcpy(p, "]\n");
    refused(policies, "tail_sampling.policies[0]: it and the policies that share its draws have more than 65536 outcomes");
}

static void consistent_thresholds_are_exact(void **state)
{
    struct tr_chance chance;

    compiles(CONSISTENT("a", "equalizing", "12.5") ", " CONSISTENT("b", "equalizing", "25") ", " LARGE);
    chance = tr_policy_set_chance(set, &small);
    assert_int_equal(chance.threshold, 0xc0000000000000);
    assert_false(chance.marks & TR_MARK_INDEPENDENT);
    assert_int_equal(tr_policy_set_chance(set, &large).threshold, 0);
    for (int i = 1; i < 1000; i++) {
        char policy[256];

        snprintf(policy, sizeof(policy), CONSISTENT("a", "equalizing", "%g"), i / 10.0);
        compiles(policy);
        assert_int_equal(tr_policy_set_chance(set, &small).threshold, tr_ot_threshold(i / 10.0 / 100, 14));
    }
}

static void rates_of_rules_are_thresholds(void **state)
{
    struct tr_trace trace = small;

    compiles("{name: r, type: rules, rules: {mode: equalizing, rules: [{sample_rate: 3, conditions: [{field: meta.span_count, "
             "operator: <, value: 5}]}, {keep: true}]}}");
    is_kept_with(&small, 1 / 3.0);
    is_kept_with(&large, 1);
    trace.threshold_least = 0xc0000000000000; // one in four has come: all of them stay, and no other
    is_kept_with(&trace, 0.25);
    compiles("{name: r, type: rules, rules: {mode: proportional, rules: [{sample_rate: 3}]}}");
    is_kept_with(&trace, 0.25 / 3);
}

static void proportional_goes_by_what_came_through(void **state)
{
    struct tr_trace halved = small;

    halved.threshold_least = 0x80000000000000;
    compiles(CONSISTENT("a", "proportional", "25"));
    assert_int_equal(tr_policy_set_chance(set, &small).threshold, 0xc0000000000000);
    assert_int_equal(tr_policy_set_chance(set, &halved).threshold, 0xe0000000000000);
    compiles(CONSISTENT("a", "equalizing", "25"));
    assert_int_equal(tr_policy_set_chance(set, &halved).threshold, 0xc0000000000000);
    compiles(CONSISTENT("a", "equalizing", "75")); // less than what samplers before let through
    assert_int_equal(tr_policy_set_chance(set, &halved).threshold, 0x80000000000000);
}

static void a_hash_beside_consistent_sampling_counts_too(void **state)
{
    struct tr_trace halved = small;

    halved.threshold_least = 0x80000000000000;
    compiles(CONSISTENT("a", "equalizing", "25") ", " SHARE("b", "", "50"));
    is_kept_with(&small, 1 - 0.75 * 0.5);
    is_kept_with(&halved, 0.25 + 0.25 * 0.5); // R >= 3/4, or between that and 1/2 and the hash
}

static void what_can_not_be_counted_is_refused(void **state)
{
    refused("adjusted_count: tracestate\npolicies: [" SHARE("a", "", "10") "]\n",
            "tail_sampling.policies[0].probabilistic.mode: draws by itself; tail_sampling.adjusted_count: tracestate");
    refused("adjusted_count: tracestate\npolicies: [{name: n, type: not, not: {not_sub_policy: " CONSISTENT("a", "equalizing", "5") "}}]\n",
            "tail_sampling.policies[0].not.not_sub_policy.probabilistic.mode: under a not");
    refused("adjusted_count: tracestate\npolicies: [{name: n, type: drop, drop: {drop_sub_policy: [" CONSISTENT("a", "equalizing", "5") "]}}]\n",
            "tail_sampling.policies[0].drop.drop_sub_policy[0].probabilistic.mode: under a not or in a drop");
    refused("adjusted_count: tracestate\npolicies: [{name: r, type: rules, rules: {rules: [{name: a, sample_rate: 2}]}}]\n",
            "tail_sampling.policies[0].rules.rules[0].sample_rate: draws by itself");
    refused("adjusted_count: tracestate\npolicies: [{name: e, type: ema_dynamic, ema_dynamic: {field_list: [a]}}]\n",
            "tail_sampling.policies[0].ema_dynamic: draws by itself");
    refused("adjusted_count: tracestate\npolicies: [{name: l, type: rate_limiting, rate_limiting: {spans_per_second: 1}}]\n",
            "tail_sampling.policies[0].rate_limiting: draws by itself");
    refused("policies: [{name: r, type: rules, rules: {mode: equalizing, hash_salt: s, rules: [{sample_rate: 2}]}}]\n",
            "tail_sampling.policies[0].rules.hash_salt: mode equalizing hashes nothing");
    refused("policies: [{name: r, type: rules, rules: {mode: equalizing, rules: [{sampler: {ema_dynamic: {field_list: [a], mode: "
            "equalizing}}}]}}]\n",
            "tail_sampling.policies[0].rules.rules[0].sampler.ema_dynamic.mode: is that of all rules");
    refused("policies: [{name: a, type: probabilistic, probabilistic: {mode: equalizing, hash_salt: s, sampling_percentage: 1}}]\n",
            "tail_sampling.policies[0].probabilistic.hash_salt: mode equalizing hashes nothing");
    refused("adjusted_count: sometimes\npolicies: [" LARGE "]\n", "adjusted_count");
    refused("policies: [{name: a, type: probabilistic, probabilistic: {mode: equalising, sampling_percentage: 1}}]\n", "mode");
    refused("policies: [{name: a, type: probabilistic, probabilistic: {mode: equalizing, sampling_percentage: 1, "
            "sampling_precision: 15}}]\n",
            "sampling_precision");
}

static void a_drop_of_a_not_is_no_contradiction(void **state)
{
    assert_int_equal(compile("adjusted_count: tracestate\npolicies: [{name: all, type: always_sample}, {name: n, type: drop, "
                             "drop: {drop_sub_policy: [{name: x, type: not, not: {not_sub_policy: " CONSISTENT(
                                 "a", "equalizing", "25") "}}]}}]\n"),
                     0);
    assert_int_equal(tr_policy_set_chance(set, &small).threshold, 0xc0000000000000);
}

static void too_many_outcomes_are_refused(void **state)
{
    char block[16384], *p = block + sprintf(block, "adjusted_count: attribute\npolicies: [{name: a, type: and, and: {and_sub_policy: [");

    for (int i = 0; i < 13; i++)
        p += sprintf(p, "%s" SHARE("a", "%d", "50"), i ? ", " : "", i);
    strcpy(p, "]}}]\n");
    refused(block, "tail_sampling.policies[0]: it and the policies that share its draws have more than 4096 outcomes");
    p = block + sprintf(block, "adjusted_count: attribute\npolicies: [");
    for (int i = 0; i < 65; i++)
        p += sprintf(p, "%s" SHARE("a%d", "%d", "50"), i ? ", " : "", i, i);
    strcpy(p, "]\n");
    refused(block, "tail_sampling.policies[64].probabilistic.mode: more than 64 different salts");
}

// --- random sets: what they keep is what the chance says, by chi-square

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed = tr_mix64(*seed + 1);
    return (*seed >> 8) % below;
}

static char *leaf_put(char *p, uint64_t *seed, uint32_t *names)
{
    static const char *const salts[] = {"s", "t", "u"};
    uint32_t name = (*names)++;

    switch (draw(seed, 5)) {
    case 0:
        return p + sprintf(p, "{name: p%u, type: span_count, span_count: {min_spans: %u}}", name, (unsigned)draw(seed, 8));
    case 1:
        return p + sprintf(p, "{name: p%u, type: probabilistic, probabilistic: {mode: equalizing, sampling_percentage: %u}}",
                           name, 5 + (unsigned)draw(seed, 90));
    default:
        return p + sprintf(p, "{name: p%u, type: probabilistic, probabilistic: {hash_salt: %s, sampling_percentage: %u}}",
                           name, salts[draw(seed, 3)], 5 + (unsigned)draw(seed, 90));
    }
}

static char *negation_put(char *p, uint64_t *seed, uint32_t *names)
{
    p += sprintf(p, "{name: p%u, type: not, not: {not_sub_policy: ", (*names)++);
    return stpcpy(leaf_put(p, seed, names), "}}");
}

static char *list_put(char *p, const char *type, uint64_t *seed, uint32_t *names)
{
    p += sprintf(p, "{name: p%u, type: %s, %s: {%s_sub_policy: [", (*names)++, type, type, type);
    for (uint64_t left = 1 + draw(seed, 3); left; left--) {
        p = draw(seed, 4) ? leaf_put(p, seed, names) : negation_put(p, seed, names);
        p = left > 1 ? stpcpy(p, ", ") : p;
    }
    return stpcpy(p, "]}}");
}

static void random_set(uint64_t seed)
{
    char block[8192], *p = stpcpy(block, "adjusted_count: attribute\npolicies: [");
    uint32_t names = 0;

    for (uint64_t left = 1 + draw(&seed, 4); left; left--) {
        switch (draw(&seed, 6)) {
        case 0:
            p = negation_put(p, &seed, &names);
            break;
        case 1:
            p = list_put(p, "drop", &seed, &names);
            break;
        case 2:
        case 3:
            p = list_put(p, "and", &seed, &names);
            break;
        default:
            p = leaf_put(p, &seed, &names);
        }
        p = left > 1 ? stpcpy(p, ", ") : p;
    }
    strcpy(p, "]\n");
    if (compile(block) < 0)
        fail_msg("%s: %s", block, error.text);
}

#define TRACES 4000
#define SETS   600

static void random_sets_keep_what_their_chances_say(void **state)
{
    static struct tr_policy_counters counters[64];
    double chi = 0, worst = 0;
    unsigned freedom = 0;

    for (uint64_t seed = 1; seed <= SETS; seed++) {
        struct tr_trace trace = small;
        uint32_t kept = 0;
        double chance = -1, z;
        uint64_t id = seed << 32;

        random_set(seed);
        trace.spans = (uint32_t)(seed % 9);
        for (uint32_t i = 0; i < TRACES; i++) {
            uint64_t words[2] = {tr_mix64(++id), tr_mix64(id ^ 0x5bd1e995)};
            uint16_t policy;

            memcpy(trace.trace_id, words, 16);
            if (tr_policy_set_decide(set, &trace, counters, &policy) != TR_ANSWER_KEEP)
                continue;
            // It does not hang on what it happened to draw.
            assert_true(chance < 0 || chance == probability(&trace));
            chance = probability(&trace);
            kept++;
        }
        release(NULL);
        if (!kept || chance == 1) {
            assert_true(!kept || kept == TRACES);
            continue;
        }
        z = (kept - TRACES * chance) / sqrt(TRACES * chance * (1 - chance));
        chi += z * z;
        worst = fmax(worst, fabs(z));
        freedom++;
    }
    // Normal of as many squares: half of the sets at least say something, and 4.5 standard deviations are 1 in 300,000.
    assert_true(freedom > SETS / 2);
    if (fabs(chi - freedom) > 4.5 * sqrt(2.0 * freedom) || worst > 4.5)
        fail_msg("chi-square of %u is %.1f, the worst is %.2f standard deviations off", freedom, chi, worst);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, NULL, release)
    static const struct CMUnitTest tests[] = {
        TEST(one_share_is_its_chance),
        TEST(what_a_trace_is_makes_it_certain),
        TEST(shares_of_one_salt_are_one_draw),
        TEST(shares_of_different_salts_are_not),
        TEST(and_multiplies_what_is_independent),
        TEST(not_keeps_the_rest),
        TEST(a_drop_takes_away),
        TEST(a_rule_has_its_own_rate),
        TEST(of_many_policies_only_those_count_that_could_keep_it),
        TEST(many_shares_of_one_salt_take_few_questions),
        TEST(what_goes_by_two_draws_is_bounded),
        TEST(consistent_thresholds_are_exact),
        TEST(proportional_goes_by_what_came_through),
        TEST(a_hash_beside_consistent_sampling_counts_too),
        TEST(rates_of_rules_are_thresholds),
        TEST(what_can_not_be_counted_is_refused),
        TEST(a_drop_of_a_not_is_no_contradiction),
        TEST(too_many_outcomes_are_refused),
        TEST(random_sets_keep_what_their_chances_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
