// SPDX-License-Identifier: Apache-2.0
// Budgets without lcores: some parts that ask, close and settle in a drawn order, on virtual time.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hash.h"
#include "policy/policy.h"

#define LCORES_MAX 4
#define TRACES_MAX 4096
#define QUANTA     4096 // of the virtual time since 100 s

struct one {
    struct tr_trace trace;
    struct tr_asked asked;
    const struct tr_policy_set *set;
    bool begun, decided, kept;
    uint16_t policy;
    uint64_t decided_ns;
};

static struct {
    uint32_t lcores;
    uint64_t now, random;
    struct one traces[TRACES_MAX];
    uint32_t count;
    struct tr_policy_counters counters[16];
    uint64_t kept_in[QUANTA]; // spans, by when their tick was settled
    struct tr_error error;
} process;

static uint64_t draw(uint64_t below)
{
    return tr_mix64(process.random += 0x9e3779b97f4a7c15ull) % below;
}

static struct tr_policy_set *compile(const char *more, const char *policies, const struct tr_policy_set *before,
                                     uint32_t epoch)
{
    struct tr_options_doc *doc;
    struct tr_policy_set *set = NULL;
    char text[4096];

    memset(&process.error, 0, sizeof(process.error));
    snprintf(text, sizeof(text), "%spolicies:\n%s\n", more, policies);
    if (tr_options_parse(&tr_tail_sampling_option_table, text, strlen(text), &doc, &process.error) < 0)
        return NULL;
    if (tr_policy_set_compile(tr_options_struct(doc), before, epoch, process.lcores, &set, &process.error) < 0)
        set = NULL;
    tr_options_free(doc);
    return set;
}

static void begin(uint32_t lcores, uint64_t seed)
{
    memset(&process, 0, sizeof(process));
    process.lcores = lcores;
    process.random = seed;
    process.now = 100 * TR_S;
}

// A trace comes up for its decision at the next turn of its lcore.
static struct one *add(const struct tr_policy_set *set, uint32_t number, uint32_t spans)
{
    struct one *one = &process.traces[process.count++];

    assert_true(process.count <= TRACES_MAX);
    memset(one, 0, sizeof(*one));
    one->set = set;
    memcpy(one->trace.trace_id, &number, sizeof(number));
    one->trace.trace_id[15] = 1;
    one->trace.lcore = tr_hash_range(tr_hash_trace_id(one->trace.trace_id), process.lcores);
    one->trace.spans = spans;
    one->trace.bytes = 100ull * spans;
    one->trace.epoch = set->epoch;
    one->trace.asked = &one->asked;
    return one;
}

static void ask(struct one *one)
{
    switch (tr_policy_set_decide(one->set, &one->trace, process.counters, &one->policy)) {
    case TR_ANSWER_PENDING:
        return;
    case TR_ANSWER_KEEP:
        one->kept = true;
        if (one->set->budgets->at_ns >= 100 * TR_S)
            process.kept_in[(one->set->budgets->at_ns - 100 * TR_S) / TR_BUDGET_EARLY_NS % QUANTA] += one->trace.spans;
        break;
    case TR_ANSWER_DROP:
        break;
    }
    one->decided = true;
    one->decided_ns = process.now;
}

// A turn of an lcore: the answers that have come, then what came up since.
static void turn(const struct tr_policy_set *newest, uint32_t lcore, bool hurry)
{
    uint64_t wake = 0;
    bool settled = tr_budgets_poll(newest->budgets, lcore, process.now, newest->budget_plan, hurry, false, &wake);

    for (uint32_t i = 0; i < process.count; i++) {
        struct one *one = &process.traces[i];

        if (one->decided || one->trace.lcore != lcore || (one->begun && !settled))
            continue;
        one->begun = true;
        ask(one);
    }
}

// Turns in a drawn order, until `until`.
static void pass(const struct tr_policy_set *newest, uint64_t until, bool hurry)
{
    while (process.now < until) {
        for (uint32_t i = 0; i < 3 * process.lcores; i++)
            turn(newest, (uint32_t)draw(process.lcores), hurry);
        process.now += 1 + draw(20 * TR_MS);
    }
    process.now = until;
    for (uint32_t rounds = 0; rounds < 3; rounds++)
        for (uint32_t i = 0; i < process.lcores; i++)
            turn(newest, i, hurry);
}

static uint64_t spans_kept(void)
{
    uint64_t spans = 0;

    for (uint32_t i = 0; i < process.count; i++)
        spans += process.traces[i].kept ? process.traces[i].trace.spans : 0;
    return spans;
}

static void all_decided(void)
{
    for (uint32_t i = 0; i < process.count; i++)
        assert_true(process.traces[i].decided);
}

#define LIMIT(rate, burst) \
    "- {name: limit, type: rate_limiting, rate_limiting: {spans_per_second: " #rate ", burst_capacity: " #burst "}}"

static void a_budget_holds_every_second_and_saves_up_to_its_burst(void **state)
{
    struct tr_policy_set *set;
    uint64_t before = 0;

    begin(3, 1);
    set = compile("", LIMIT(100, 250), NULL, 1);
    assert_non_null(set);
    for (uint32_t second = 0; second < 8; second++) {
        // It is full at first; a trace is one span, so each second's budget can be spent to the last.
        static const uint32_t want[] = {250, 100, 100, 0, 0, 250, 100, 100};
        static const uint32_t come[] = {400, 400, 400, 0, 0, 400, 400, 400};

        process.count = 0;
        for (uint32_t i = 0; i < come[second]; i++)
            add(set, second * 1000 + i, 1);
        pass(set, (101 + second) * TR_S, false);
        pass(set, (101 + second) * TR_S + 20 * TR_MS, false);
        all_decided();
        // Buckets that several traces share may leave a few spans.
        assert_in_range(spans_kept(), want[second] - TR_MIN(want[second], 2u), want[second] + (second ? 2 : 0));
        before += spans_kept();
    }
    assert_in_range(before, 898, 900);
    assert_int_equal(process.counters[0].traces_kept, before);
    assert_int_equal(process.counters[0].traces_limited, 2400 - before);
    tr_policy_set_free(set);
}

static void a_trace_larger_than_the_burst_never_passes(void **state)
{
    struct tr_policy_set *set;
    struct one *large, *fits, *small;

    begin(2, 2);
    set = compile("", LIMIT(10, 20), NULL, 1);
    large = add(set, 1, 21);
    fits = add(set, 2, 20);
    pass(set, 102 * TR_S, false);
    assert_true(large->decided && !large->kept);
    assert_true(fits->kept);
    small = add(set, 3, 5);
    pass(set, 104 * TR_S, false);
    assert_true(small->kept);
    assert_int_equal(set->budgets->lcore[large->trace.lcore].counters.refused_large, 1);
    tr_policy_set_free(set);
}

static void bytes_are_those_of_the_spans(void **state)
{
    struct tr_policy_set *set;

    begin(1, 3);
    set = compile("", "- {name: b, type: bytes_limiting, bytes_limiting: {bytes_per_second: 1030, burst_capacity: 1030}}",
                  NULL, 1);
    for (uint32_t i = 0; i < 30; i++)
        add(set, i, 1); // 103 each
    pass(set, 102 * TR_S, false);
    assert_int_equal(spans_kept(), 10);
    tr_policy_set_free(set);
}

// The kept set of waves of traces, a wave in a second.
static void waves(uint32_t lcores, uint64_t seed, const char *more, const char *policies, uint8_t kept[TRACES_MAX])
{
    struct tr_policy_set *set;

    begin(lcores, seed);
    set = compile(more, policies, NULL, 1);
    assert_non_null(set);
    for (uint32_t wave = 0; wave < 8; wave++) {
        uint32_t first = process.count;

        process.now = (100 + 2 * wave) * TR_S + TR_MS;
        // In any order, some at a time.
        for (uint32_t i = 0; i < 300; i++)
            add(set, wave * 300 + i, 1 + (wave * 300 + i) * 7 % 13)->trace.bits[0] = i % 3;
        for (uint32_t i = 299; i > 0; i--) {
            struct one *a = &process.traces[first + i], *b = &process.traces[first + draw(i + 1)], c = *a;

            *a = *b;
            *b = c;
            a->trace.asked = &a->asked;
            b->trace.asked = &b->asked;
        }
        pass(set, (101 + 2 * wave) * TR_S + 500 * TR_MS, false);
    }
    pass(set, process.now + 4 * TR_S, false);
    all_decided();
    for (uint32_t i = 0; i < process.count; i++) {
        uint32_t number;

        memcpy(&number, process.traces[i].trace.trace_id, sizeof(number));
        kept[number] = process.traces[i].kept + 2 * (uint8_t)(process.traces[i].policy + 1);
    }
    tr_policy_set_free(set);
}

#define ALWAYS "type: always_sample}"
#define MANY   "type: span_count, span_count: {min_spans: 9}}"

static const char *const several[] = {
    LIMIT(100, 0),
    "- {name: many, " MANY "\n" LIMIT(100, 100),
    "- {name: both, type: and, and: {and_sub_policy: [{name: m, " MANY ", {name: l, type: rate_limiting, rate_limiting: "
    "{spans_per_second: 60}}, {name: b, type: bytes_limiting, bytes_limiting: {bytes_per_second: 5000}}]}}",
    "- {name: not, type: not, not: {not_sub_policy: {name: l, type: rate_limiting, rate_limiting: {spans_per_second: 900}}}}",
    "- {name: drop, type: drop, drop: {drop_sub_policy: [{name: l, type: rate_limiting, rate_limiting: "
    "{spans_per_second: 900}}]}}\n- {name: all, type: rate_limiting, rate_limiting: {spans_per_second: 100}}",
    "- {name: c, type: composite, composite: {max_total_spans_per_second: 200, policy_order: [b, a], composite_sub_policy: "
    "[{name: a, " ALWAYS ", {name: b, " MANY "], rate_allocation: [{policy: a, percent: 30}, {policy: b, percent: 70}]}}",
    "- {name: c, type: composite, composite: {max_total_spans_per_second: 200, composite_sub_policy: "
    "[{name: a, type: rate_limiting, rate_limiting: {spans_per_second: 40}}, {name: b, " ALWAYS "]}}",
};

static void the_kept_set_does_not_depend_on_lcores_or_order(void **state)
{
    static uint8_t one[TRACES_MAX], other[TRACES_MAX];

    for (size_t i = 0; i < TR_NELEMS(several); i++) {
        for (int first_match = 0; first_match < 2; first_match++) {
            const char *more = first_match ? "sample_on_first_match: true\n" : "";

            waves(1, 1, more, several[i], one);
            assert_in_range(spans_kept(), 300, 14000);
            for (uint64_t seed = 2; seed < 14; seed++) {
                waves(1 + (uint32_t)seed % LCORES_MAX, seed, more, several[i], other);
                assert_memory_equal(one, other, sizeof(one));
            }
        }
    }
}

static void shares_come_first_and_what_they_leave_is_lent(void **state)
{
    static const char composite[] =
        "- {name: c, type: composite, composite: {max_total_spans_per_second: 100, policy_order: [many, all], "
        "composite_sub_policy: [{name: all, " ALWAYS ", {name: many, " MANY "], "
        "rate_allocation: [{policy: many, percent: 60}, {policy: all, percent: 40}]}}";
    struct tr_policy_set *set;
    uint64_t many = 0, few = 0;

    begin(2, 5);
    set = compile("", composite, NULL, 1);
    for (uint32_t i = 0; i < 300; i++)
        add(set, i, i % 2 ? 10 : 1);
    pass(set, 102 * TR_S, false);
    for (uint32_t i = 0; i < 300; i++)
        *(i % 2 ? &many : &few) += process.traces[i].kept ? process.traces[i].trace.spans : 0;
    assert_int_equal(many, 60);
    assert_int_equal(few, 40);

    // Nobody wants many's: all gets it, and then no more than there is.
    process.count = 0;
    for (uint32_t i = 0; i < 300; i++)
        add(set, 1000 + i, 1);
    pass(set, 104 * TR_S, false);
    assert_in_range(spans_kept(), 98, 100);
    process.count = 0;
    add(set, 2000, 100);
    add(set, 2001, 101); // never
    pass(set, 106 * TR_S, false);
    assert_int_equal(spans_kept(), 100);
    tr_policy_set_free(set);
}

// Of two that want a trace the first in policy_order pays, and when it can't, the other does not.
static void who_comes_first_in_the_order_pays(void **state)
{
    static const char composite[] =
        "- {name: c, type: composite, composite: {max_total_spans_per_second: 100, policy_order: [%s], "
        "composite_sub_policy: [{name: all, " ALWAYS ", {name: many, " MANY "], "
        "rate_allocation: [{policy: many, percent: 10}, {policy: all, percent: 90}]}}";

    for (int all_first = 0; all_first < 2; all_first++) {
        struct tr_policy_set *set;
        char text[1024];
        uint64_t many = 0;

        begin(1, 6);
        snprintf(text, sizeof(text), composite, all_first ? "all, many" : "many, all");
        set = compile("", text, NULL, 1);
        for (uint32_t i = 0; i < 400; i++)
            add(set, i, i % 2 ? 10 : 1);
        pass(set, 102 * TR_S, false);
        for (uint32_t i = 0; i < 400; i++)
            many += i % 2 && process.traces[i].kept ? 10 : 0;
        // Of 2,200 spans 2,000 are in traces of 10: with all first they get most, else a tenth.
        assert_true(all_first ? many >= 70 : many == 10);
        tr_policy_set_free(set);
    }
}

static void limits_wait_for_each_other_where_one_is_asked_only_after_the_other(void **state)
{
    struct tr_policy_set *set;
    uint32_t by[2] = {0, 0};

    // The first keeps 50, the second 70 of what the first does not: with sample_on_first_match both are spent whole.
    begin(3, 7);
    set = compile("sample_on_first_match: true\n",
                  "- {name: a, type: rate_limiting, rate_limiting: {spans_per_second: 50, burst_capacity: 50}}\n"
                  "- {name: b, type: rate_limiting, rate_limiting: {spans_per_second: 70, burst_capacity: 70}}", NULL, 1);
    for (uint32_t i = 0; i < 400; i++)
        add(set, i, 1);
    pass(set, 104 * TR_S, false);
    all_decided();
    for (uint32_t i = 0; i < 400; i++)
        if (process.traces[i].kept)
            by[process.traces[i].policy]++;
    assert_in_range(by[0], 49, 50);
    assert_in_range(by[1], 69, 70);
    tr_policy_set_free(set);
}

static void a_swap_in_the_middle_of_a_tick_opens_no_second_budget(void **state)
{
    struct tr_policy_set *first, *second, *third;

    begin(2, 8);
    first = compile("", LIMIT(100, 100), NULL, 1);
    for (uint32_t i = 0; i < 200; i++)
        add(first, i, 1);
    pass(first, 100 * TR_S + 500 * TR_MS, false);
    second = compile("", "- {name: other, type: status_code, status_code: {status_codes: [ERROR]}}\n" LIMIT(100, 100), first,
                     2);
    assert_ptr_equal(second->budgets, first->budgets);
    for (uint32_t i = 200; i < 400; i++)
        add(second, i, 1);
    pass(second, 101 * TR_S + 100 * TR_MS, false);
    all_decided();
    assert_in_range(spans_kept(), 98, 100);

    // A new rate holds from its config on, for traces of the config before too.
    process.count = 0;
    for (uint32_t i = 0; i < 200; i++)
        add(second, 1000 + i, 1);
    pass(second, 101 * TR_S + 500 * TR_MS, false);
    third = compile("", LIMIT(30, 30), second, 3);
    tr_policy_set_free(first);
    pass(third, 102 * TR_S + 100 * TR_MS, false);
    all_decided();
    assert_in_range(spans_kept(), 29, 30);

    // One without the limit: its traces are decided by the terms they had.
    process.count = 0;
    for (uint32_t i = 0; i < 200; i++)
        add(third, 2000 + i, 1);
    tr_policy_set_free(second);
    second = compile("", "- {name: other, " ALWAYS, third, 4);
    pass(second, 104 * TR_S, false);
    all_decided();
    assert_in_range(spans_kept(), 29, 30);
    tr_policy_set_free(third);
    assert_null(second->budgets->slots[0]);
    tr_policy_set_free(second);
}

static void early_ticks_get_a_part_of_the_second(void **state)
{
    struct tr_policy_set *set;
    uint64_t early = 0, number = 0, in_second = 0;

    begin(2, 9);
    set = compile("", LIMIT(1600, 1600), NULL, 1);
    // Somebody is in a hurry all the time, and much more comes than may be kept.
    for (uint32_t i = 0; i < 200; i++) {
        if (process.count + 200 > TRACES_MAX) {
            process.count = 600; // the last ones, which may not be decided
            memmove(process.traces, process.traces + TRACES_MAX - 600 - TRACES_MAX % 200, 600 * sizeof(process.traces[0]));
            for (uint32_t n = 0; n < process.count; n++)
                process.traces[n].trace.asked = &process.traces[n].asked;
        }
        for (uint32_t n = 0; n < 200; n++)
            add(set, (uint32_t)number++, 1);
        pass(set, process.now + TR_BUDGET_EARLY_NS, true);
    }
    for (uint32_t i = 0; i < 2; i++)
        early += set->budgets->lcore[i].counters.ticks_early;
    assert_in_range(early, 150, 200);
    for (uint32_t i = 0; i < QUANTA; i++) {
        in_second += process.kept_in[i] - (i < TR_BUDGET_QUANTA ? 0 : process.kept_in[i - TR_BUDGET_QUANTA]);
        assert_true(in_second <= 1600);
    }
    assert_in_range(process.counters[0].spans_kept, 1600 * 12, 1600 * 14);
    pass(set, process.now + 2 * TR_S, false);
    tr_policy_set_free(set);
}

static void nobody_wakes_for_a_tick_in_which_nothing_was_asked(void **state)
{
    struct tr_policy_set *set;
    uint64_t wake = 0;

    begin(3, 10);
    set = compile("", LIMIT(100, 100), NULL, 1);
    for (uint32_t i = 0; i < 3; i++) {
        assert_false(tr_budgets_poll(set->budgets, i, process.now, set->budget_plan, true, false, &wake));
        assert_int_equal(tr_budgets_deadline(set->budgets, i, true, false), TR_NEVER);
    }
    assert_int_equal(wake, 0);
    assert_int_equal(tr_budgets_epoch_oldest(set->budgets, 0), 0);

    // One has something: it alone has a deadline, and wakes the others then.
    add(set, 1, 1);
    turn(set, process.traces[0].trace.lcore, false);
    for (uint32_t i = 0; i < 3; i++) {
        bool its = i == process.traces[0].trace.lcore;

        assert_int_equal(tr_budgets_deadline(set->budgets, i, false, false), its ? 101 * TR_S : TR_NEVER);
        assert_int_equal(tr_budgets_epoch_oldest(set->budgets, i), its ? 1 : 0);
    }
    process.now = 101 * TR_S;
    tr_budgets_poll(set->budgets, process.traces[0].trace.lcore, process.now, set->budget_plan, false, false, &wake);
    assert_int_equal(wake, 7 & ~(1u << process.traces[0].trace.lcore));
    for (uint32_t i = 0; i < 3; i++)
        if (i != process.traces[0].trace.lcore)
            assert_true(tr_budgets_has_input(set->budgets, i, false));
    // Who still passes on the last tick's answers closes no further one.
    for (uint32_t i = 0; i < 3; i++)
        if (i != process.traces[0].trace.lcore)
            assert_false(tr_budgets_poll(set->budgets, i, process.now, set->budget_plan, false, true, &wake));
    assert_int_equal(set->budgets->settled, 0);
    pass(set, 101 * TR_S + TR_MS, false);
    assert_true(process.traces[0].kept);
    assert_int_equal(tr_budgets_epoch_oldest(set->budgets, process.traces[0].trace.lcore), 0);
    tr_policy_set_free(set);
}

static void a_config_stays_while_a_tick_is_open_in_which_its_traces_have_asked(void **state)
{
    struct tr_policy_set *set;
    struct one *one;

    begin(1, 11);
    set = compile("", "- {name: all, " ALWAYS "\n" LIMIT(100, 100), NULL, 7);
    one = add(set, 1, 1);
    turn(set, 0, false);
    assert_true(one->kept); // at once: what is open would not change it
    assert_int_equal(one->policy, 0);
    assert_int_equal(tr_budgets_epoch_oldest(set->budgets, 0), 7);
    pass(set, 102 * TR_S, false);
    assert_int_equal(tr_budgets_epoch_oldest(set->budgets, 0), 0);
    assert_int_equal(set->budgets->slots[0]->budget->saved.tokens, 99); // it has spent all the same
    tr_policy_set_free(set);
}

static void spans_that_come_while_it_is_parked_cost_nothing_and_buy_nothing(void **state)
{
    static const char composite[] =
        "- {name: c, type: composite, composite: {max_total_spans_per_second: 100, composite_sub_policy: "
        "[{name: many, " MANY ", {name: all, " ALWAYS "]}}";
    struct tr_policy_set *set;
    struct one *one;

    begin(1, 12);
    set = compile("", composite, NULL, 1);
    one = add(set, 1, 3);
    turn(set, 0, false);
    one->trace.spans = 40; // now `many` wants it; `all` has asked
    pass(set, 102 * TR_S, false);
    assert_true(one->kept);
    assert_int_equal(set->budgets->slots[0]->budget->saved.tokens, 97);
    tr_policy_set_free(set);

    begin(1, 15);
    set = compile("", LIMIT(10, 10), NULL, 1);
    one = add(set, 1, 3);
    turn(set, 0, false);
    one->trace.spans = 11; // more than the budget ever has, but it asked for 3, and paid for them
    pass(set, 102 * TR_S, false);
    assert_true(one->kept);
    assert_int_equal(set->budgets->slots[0]->budget->saved.tokens, 7);
    tr_policy_set_free(set);

    begin(1, 13);
    set = compile("", "- {name: a, type: and, and: {and_sub_policy: [{name: many, " MANY ", {name: l, type: rate_limiting, "
                      "rate_limiting: {spans_per_second: 50}}]}}\n- {name: l, type: rate_limiting, rate_limiting: "
                      "{spans_per_second: 1, burst_capacity: 2}}", NULL, 1);
    add(set, 1, 2), add(set, 2, 2), add(set, 3, 2);
    turn(set, 0, false);
    for (int i = 0; i < 3; i++)
        process.traces[i].trace.spans = 40; // nobody has asked the budget of `a`
    pass(set, 102 * TR_S, false);
    all_decided();
    assert_int_equal(spans_kept(), 40); // the other one, `l`, had two spans a tick, and one has them
    assert_int_equal(set->budgets->lcore[0].counters.refused_late, 3);
    tr_policy_set_free(set);
}

// Who came too late for a share does not get it when the answers come, though one of its rank did.
static void refused_once_is_refused_for_good(void **state)
{
    struct tr_policy_set *set;
    struct one *small, *large;

    begin(1, 14);
    set = compile("sample_on_first_match: true\n",
                  "- {name: a, type: and, and: {and_sub_policy: [{name: many, " MANY ", {name: l, type: rate_limiting, "
                  "rate_limiting: {spans_per_second: 50, burst_capacity: 50}}]}}\n- {name: b, type: rate_limiting, "
                  "rate_limiting: {spans_per_second: 50, burst_capacity: 50}}", NULL, 1);
    large = add(set, 1, 20);
    small = add(set, 1, 2);
    turn(set, 0, false);
    small->trace.spans = 40; // now the first wants it, whose tick is over when it is asked
    pass(set, 103 * TR_S, false);
    all_decided();
    assert_true(large->kept && large->policy == 0);
    assert_true(small->kept && small->policy == 1);
    assert_int_equal(set->budgets->lcore[0].counters.refused_late, 1);
    tr_policy_set_free(set);
}

// What is kept stands for what came, whoever kept it: each span by the chance that its trace had in its tick.
static void adjusted_counts_add_up(void **state)
{
    static const char *const policies[] = {
        LIMIT(200, 200),
        "- {name: c, type: composite, composite: {max_total_spans_per_second: 200, policy_order: [many, all], "
        "composite_sub_policy: [{name: many, " MANY ", {name: all, " ALWAYS "], "
        "rate_allocation: [{policy: many, percent: 60}, {policy: all, percent: 40}]}}",
        "- {name: many, " MANY "\n" LIMIT(500, 500),
        "- {name: half, type: probabilistic, probabilistic: {sampling_percentage: 50}}\n" LIMIT(500, 500),
    };

    for (size_t i = 0; i < TR_NELEMS(policies); i++) {
        struct tr_policy_set *set;
        double stands_for = 0;
        uint64_t came = 0;

        begin(2, 20 + i);
        set = compile("adjusted_count: attribute\n", policies[i], NULL, 1);
        assert_non_null(set);
        for (uint32_t n = 0; n < 3000; n++)
            came += add(set, n, n % 10 ? 1 : 10)->trace.spans;
        pass(set, 102 * TR_S, false);
        all_decided();
        for (uint32_t n = 0; n < process.count; n++) {
            struct tr_chance chance = tr_policy_set_chance(set, &process.traces[n].trace);

            if (process.traces[n].kept)
                stands_for += process.traces[n].trace.spans / (1 - (double)chance.threshold * 0x1p-56);
        }
        // Exactly with limits alone; where others keep too, as well as 3,000 traces tell.
        assert_true(stands_for > (double)came * (i < 2 ? 0.999 : 0.93) && stands_for < (double)came * (i < 2 ? 1.001 : 1.07));
        tr_policy_set_free(set);
    }
    assert_null(compile("adjusted_count: tracestate\n", LIMIT(200, 200), NULL, 1));
    assert_non_null(strstr(process.error.text, "policies[0].rate_limiting: draws by itself"));
}

static void what_cannot_be_meant_is_refused_with_its_path(void **state)
{
    static const struct {
        const char *policies, *said;
    } cases[] = {
        {"- {name: x, type: rate_limiting}", "policies[0].rate_limiting.spans_per_second: is missing"},
        {"- {name: x, type: rate_limiting, rate_limiting: {}}", "rate_limiting.spans_per_second"},
        {"- {name: x, type: rate_limiting, rate_limiting: {spans_per_second: 0}}", "spans_per_second: 0 is below 1"},
        {"- {name: x, type: rate_limiting, rate_limiting: {spans_per_second: many}}", "rate_limiting.spans_per_second"},
        {"- {name: x, type: bytes_limiting}", "policies[0].bytes_limiting.bytes_per_second: is missing"},
        {"- {name: x, type: bytes_limiting, bytes_limiting: {bytes_per_second: 1, burst_capacity: -1}}", "burst_capacity"},
        {"- {name: x, type: composite}", "policies[0].composite.composite_sub_policy: is missing"},
        {"- {name: x, type: composite, composite: {max_total_spans_per_second: 10, composite_sub_policy: []}}",
         "composite_sub_policy"},
        {"- {name: x, type: composite, composite: {max_total_spans_per_second: 10, policy_order: [b], "
         "composite_sub_policy: [{name: a, " ALWAYS "]}}", "policies[0].composite.policy_order[0]: b is not a sub-policy"},
        {"- {name: x, type: composite, composite: {max_total_spans_per_second: 10, "
         "composite_sub_policy: [{name: a, " ALWAYS "], rate_allocation: [{policy: b, percent: 10}]}}",
         "policies[0].composite.rate_allocation[0].policy: b is not a sub-policy"},
        {"- {name: x, type: composite, composite: {max_total_spans_per_second: 10, "
         "composite_sub_policy: [{name: a, " ALWAYS "], rate_allocation: [{policy: a, percent: 101}]}}",
         "rate_allocation[0].percent: 101 is above 100"},
        {"- {name: x, type: composite, composite: {max_total_spans_per_second: 10, "
         "composite_sub_policy: [{name: a, " ALWAYS ", {name: a, " ALWAYS "]}}", "composite_sub_policy[1].name: a is there twice"},
        {"- {name: x, type: composite, composite: {max_total_spans_per_second: 10, "
         "composite_sub_policy: [{name: a, type: composite}]}}", "composite_sub_policy[0].type: composite can't stand"},
        {"- {name: x, type: and, and: {and_sub_policy: [{name: a, type: rate_limiting}]}}",
         "policies[0].and.and_sub_policy[0].rate_limiting.spans_per_second: is missing"},
    };

    begin(1, 14);
    for (size_t i = 0; i < TR_NELEMS(cases); i++) {
        assert_null(compile("", cases[i].policies, NULL, 1));
        if (!strstr(process.error.text, cases[i].said))
            fail_msg("case %zu: %s", i, process.error.text);
    }
}

static void more_limits_than_there_are_slots_are_refused(void **state)
{
    static char text[16384];
    struct tr_policy_set *set;
    size_t n = 0;

    begin(1, 15);
    for (int i = 0; i < TR_BUDGET_SLOTS_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "- {name: l%d, type: rate_limiting, rate_limiting: {spans_per_second: 1}}\n", i);
    {
        struct tr_options_doc *doc;
        static char whole[20000];
        struct tr_policy_set *other;

        snprintf(whole, sizeof(whole), "policies:\n%s", text);
        assert_int_equal(tr_options_parse(&tr_tail_sampling_option_table, whole, strlen(whole), &doc, &process.error), 0);
        assert_int_equal(tr_policy_set_compile(tr_options_struct(doc), NULL, 1, 1, &set, &process.error), 0);
        tr_options_free(doc);
        // The same ones again need no more; one more does.
        strcat(whole, "- {name: more, type: rate_limiting, rate_limiting: {spans_per_second: 1}}\n");
        assert_int_equal(tr_options_parse(&tr_tail_sampling_option_table, whole, strlen(whole), &doc, &process.error), 0);
        assert_int_equal(tr_policy_set_compile(tr_options_struct(doc), set, 2, 1, &other, &process.error), -EINVAL);
        assert_non_null(strstr(process.error.text, "policies[64]: more than 64 limits"));
        tr_options_free(doc);
    }
    assert_null(compile("sample_on_first_match: true\n",
                        "- {name: a, type: rate_limiting, rate_limiting: {spans_per_second: 1}}\n"
                        "- {name: b, type: rate_limiting, rate_limiting: {spans_per_second: 1}}\n"
                        "- {name: c, type: rate_limiting, rate_limiting: {spans_per_second: 1}}\n"
                        "- {name: d, type: rate_limiting, rate_limiting: {spans_per_second: 1}}\n"
                        "- {name: e, type: rate_limiting, rate_limiting: {spans_per_second: 1}}", NULL, 3));
    assert_non_null(strstr(process.error.text, "policies[4]: more than 4 limits that wait for each other"));
    tr_policy_set_free(set);
}

static void buckets_cover_all_ranks_in_order(void **state)
{
    uint32_t last = 0;

    assert_int_equal(tr_budget_bucket(0), 0);
    assert_int_equal(tr_budget_bucket(UINT64_MAX), TR_BUDGET_BUCKETS - 1);
    for (uint32_t shift = 0; shift < 64; shift++)
        for (uint64_t k = 0; k < 512; k++) {
            uint64_t rank = (1ull << shift) + (shift > 9 ? k << (shift - 9) : 0);
            uint32_t bucket = tr_budget_bucket(rank);

            assert_true(bucket == last || bucket == last + 1 || k == 0);
            assert_true(bucket >= last && bucket < TR_BUDGET_BUCKETS);
            last = bucket;
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_budget_holds_every_second_and_saves_up_to_its_burst),
        cmocka_unit_test(a_trace_larger_than_the_burst_never_passes),
        cmocka_unit_test(bytes_are_those_of_the_spans),
        cmocka_unit_test(the_kept_set_does_not_depend_on_lcores_or_order),
        cmocka_unit_test(shares_come_first_and_what_they_leave_is_lent),
        cmocka_unit_test(who_comes_first_in_the_order_pays),
        cmocka_unit_test(limits_wait_for_each_other_where_one_is_asked_only_after_the_other),
        cmocka_unit_test(a_swap_in_the_middle_of_a_tick_opens_no_second_budget),
        cmocka_unit_test(early_ticks_get_a_part_of_the_second),
        cmocka_unit_test(nobody_wakes_for_a_tick_in_which_nothing_was_asked),
        cmocka_unit_test(a_config_stays_while_a_tick_is_open_in_which_its_traces_have_asked),
        cmocka_unit_test(spans_that_come_while_it_is_parked_cost_nothing_and_buy_nothing),
        cmocka_unit_test(refused_once_is_refused_for_good),
        cmocka_unit_test(adjusted_counts_add_up),
        cmocka_unit_test(what_cannot_be_meant_is_refused_with_its_path),
        cmocka_unit_test(more_limits_than_there_are_slots_are_refused),
        cmocka_unit_test(buckets_cover_all_ranks_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
