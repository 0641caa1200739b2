// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

// A behaviour a test; the bench is fresh in each and balances at its end.
static int setup(void **state)
{
    struct tr_owner_options options = bench_options();

    *state = bench_new(&options);
    return 0;
}

static int teardown(void **state)
{
    bench_balance(*state);
    bench_free(*state);
    return 0;
}

static void decides_when_the_wait_has_passed(void **state)
{
    struct bench *b = *state;

    assert_int_equal(tr_owner_deadline(b->owner), TR_NEVER);
    bench_receive(b, 0, "k1");
    bench_pass(b, TR_S);
    bench_receive(b, 1, "k1");
    assert_int_equal(tr_owner_deadline(b->owner), b->now + 9 * TR_S);
    bench_pass(b, 9 * TR_S - 1);
    assert_int_equal(bench_poll(b), 0);
    assert_true(bench_holds(b, "k1"));
    bench_pass(b, 1);
    assert_int_equal(bench_poll(b), 3);
    assert_false(bench_holds(b, "k1"));
    assert_int_equal(b->queued[0], 1);
    assert_int_equal(b->queued[1], 1);
    assert_int_equal(b->ring[1][0].emit.policy, 3);
    assert_int_equal(bench_verdict(b, "k1")->when, TR_WHEN_WAIT);
    assert_int_equal(bench_verdict(b, "k1")->spans, 2);
    assert_int_equal(bench_verdict(b, "k1")->decided_wall_ns, b->wall);
    assert_int_equal(bench_verdict(b, "k1")->first_wall_ns, b->wall - 10 * TR_S);
    assert_int_equal(tr_owner_verdicts_since(b->owner), b->wall);
    assert_int_equal(tr_owner_deadline(b->owner), TR_NEVER);
}

static void shows_the_decider_the_aggregates(void **state)
{
    struct bench *b = *state;
    union tr_message m[3] = {
        bench_span(b, 2, "d1"), {.wide = {.kind = TR_MESSAGE_WIDE}}, bench_span(b, 2, "d1")};

    m[0].summary.start_ns = 0; // unset, not the least
    m[0].summary.end_ns = 70;
    m[0].summary.predicates = 1;
    m[0].summary.flags = TR_SPAN_WIDE;
    m[0].summary.source = 9;
    m[1].wide.predicates[0] = 4;
    m[1].wide.predicates2[1] = 1ull << 63;
    m[2].summary.start_ns = 50;
    m[2].summary.end_ns = 60;
    m[2].summary.predicates = 1ull << 63;
    m[2].summary.flags = TR_SPAN_ROOT;
    tr_owner_epoch_set(b->owner, 5);
    m[0].summary.epoch = m[2].summary.epoch = 5;
    // The first is not taken without its second slot.
    assert_int_equal(tr_owner_receive(b->owner, 2, m, 1, b->now, b->wall), 0);
    assert_int_equal(tr_owner_receive(b->owner, 2, m, 3, b->now, b->wall), 3);
    bench_pass(b, 10 * TR_S);
    bench_poll(b);
    assert_int_equal(b->asked, 1);
    assert_int_equal(b->last.spans, 2);
    assert_int_equal(b->last.bytes, 200);
    assert_int_equal(b->last.start_ns, 50);
    assert_int_equal(b->last.end_ns, 70);
    assert_int_equal(b->last.source, 9);
    assert_int_equal(b->last.epoch, 5);
    assert_true(b->last.root_seen);
    assert_int_equal(b->last.bits[0], 1ull << 63 | 1);
    assert_int_equal(b->last.bits[1], 4);
    assert_int_equal(b->last.bits[7], 1ull << 63);
    assert_int_equal(b->counters->epoch_behind, 0);
    assert_int_equal(b->queued[2], 0);
    // The entry is used again: nothing of the old trace is left in the bits.
    m[2].summary.trace_id[1] = '2';
    assert_int_equal(tr_owner_receive(b->owner, 2, m + 2, 1, b->now, b->wall), 1);
    bench_pass(b, 10 * TR_S);
    bench_poll(b);
    assert_int_equal(b->last.bits[1], 0);
}

static void late_spans_follow_the_verdict(void **state)
{
    struct bench *b = *state;

    bench_receive(b, 0, "k1");
    bench_receive(b, 0, "d1");
    bench_pass(b, 10 * TR_S);
    bench_poll(b);
    bench_receive(b, 1, "k1");
    bench_receive(b, 1, "d1");
    assert_int_equal(bench_emits(b, 1), 1);
    assert_int_equal(b->ring[1][0].emit.policy, 3);
    assert_int_equal(b->counters->late_kept, 1);
    assert_int_equal(b->counters->late_dropped, 1);
    assert_int_equal(bench_verdict(b, "k1")->late_spans, 1);
    assert_int_equal(b->counters->traces_held, 0);
}

static void late_span_waits_for_room_in_the_ring(void **state)
{
    struct bench *b = *state;
    union tr_message late;

    bench_receive(b, 0, "k1");
    bench_pass(b, 10 * TR_S);
    bench_poll(b);
    late = bench_span(b, 1, "k1");
    b->capacity[1] = 0;
    assert_false(bench_offer(b, 1, &late));
    assert_int_equal(b->counters->received, 1);
    b->capacity[1] = 1;
    assert_true(bench_offer(b, 1, &late));
    assert_int_equal(bench_emits(b, 1), 1);
}

static void a_forgotten_verdict_means_a_new_trace(void **state)
{
    struct bench *b = *state;
    char name[16];

    bench_receive(b, 0, "k1");
    bench_pass(b, 10 * TR_S);
    bench_poll(b);
    for (int i = 0; i < 63; i++) {
        snprintf(name, sizeof(name), "d-%d", i);
        bench_receive(b, 0, name);
        bench_pass(b, 10 * TR_S);
        bench_poll(b);
    }
    assert_non_null(bench_verdict(b, "k1"));
    bench_receive(b, 0, "d-63");
    bench_pass(b, 10 * TR_S);
    bench_poll(b);
    assert_null(bench_verdict(b, "k1"));
    bench_receive(b, 0, "k1");
    assert_true(bench_holds(b, "k1"));
}

static void a_trace_of_many_spans_is_emitted_over_several_polls(void **state)
{
    struct bench *b = *state;

    for (int i = 0; i < 50; i++)
        bench_receive(b, 1, "k1");
    bench_tail(b, 1, b->position[1], false);
    bench_pass(b, 10 * TR_S);
    assert_int_equal(tr_owner_poll(b->owner, b->now, b->wall, 10), 10);
    assert_int_equal(bench_emits(b, 1), 9);
    assert_true(tr_owner_busy(b->owner));
    assert_int_equal(tr_owner_deadline(b->owner), 0);
    assert_int_equal(b->counters->emits_waiting, 41);
    bench_receive(b, 1, "k1"); // late, though the rest is still to be emitted
    bench_balance(b);
    b->capacity[1] = b->queued[1] + 3;
    assert_int_equal(tr_owner_poll(b->owner, b->now, b->wall, 1000), 6);
    assert_int_equal(b->counters->output_full, 2); // in its half of the budget, and in what was left
    b->capacity[1] = BENCH_MESSAGES_MAX;
    tr_owner_poll(b->owner, b->now, b->wall, 1000);
    assert_int_equal(bench_emits(b, 1), 51);
    assert_int_equal(b->ring[1][b->queued[1] - 1].any.kind, TR_MESSAGE_ACK);
    assert_int_equal(b->counters->emits_waiting, 0);
    assert_false(tr_owner_busy(b->owner));
}

static void tail_decides_what_began_below_it_in_that_ring(void **state)
{
    struct bench *b = *state;
    uint64_t below;

    bench_receive(b, 0, "k-other"); // older, but in another ring
    bench_receive(b, 1, "k1");
    bench_receive(b, 1, "d1");
    below = b->position[1];
    bench_receive(b, 1, "k-above");
    bench_receive(b, 1, "k1");
    bench_pass(b, 2 * TR_S);
    bench_tail(b, 1, below, false);
    bench_poll(b);
    assert_true(bench_holds(b, "k-other"));
    assert_true(bench_holds(b, "k-above"));
    assert_int_equal(bench_verdict(b, "k1")->when, TR_WHEN_JOURNAL);
    assert_int_equal(bench_verdict(b, "d1")->verdict, TR_VERDICT_DROP);
    assert_int_equal(b->counters->early_journal, 3);
    assert_int_equal(b->queued[1], 2);
    assert_int_equal(b->ring[1][0].emit.spans, 2);
    assert_int_equal(b->ring[1][1].any.kind, TR_MESSAGE_ACK);
    assert_int_equal(b->ring[1][1].emit.position, below);
    assert_int_equal(b->queued[0], 0);
}

static void tail_is_acknowledged_at_once_with_nothing_below(void **state)
{
    struct bench *b = *state;

    bench_receive(b, 1, "k1");
    bench_tail(b, 1, 0, false);
    bench_tail(b, 0, 12345, false);
    bench_poll(b);
    assert_int_equal(b->queued[0], 1);
    assert_int_equal(b->queued[1], 1);
    assert_true(bench_holds(b, "k1"));
    assert_false(tr_owner_busy(b->owner));
}

static void tail_waits_for_the_least_wait_unless_urgent(void **state)
{
    struct bench *b = *state;

    bench_receive(b, 1, "k1");
    bench_tail(b, 1, b->position[1], false);
    bench_poll(b);
    assert_true(tr_owner_busy(b->owner));
    assert_int_equal(b->queued[1], 0);
    assert_int_equal(tr_owner_deadline(b->owner), b->now + 2 * TR_S);
    bench_pass(b, TR_S);
    bench_receive(b, 1, "k2");
    bench_tail(b, 1, b->position[1], false);
    bench_pass(b, TR_S);
    bench_poll(b);
    // The first request is answered, although the second waits.
    assert_int_equal(b->queued[1], 2);
    assert_int_equal(b->ring[1][1].emit.position, 100);
    assert_true(bench_holds(b, "k2"));
    bench_tail(b, 1, b->position[1], true);
    bench_poll(b);
    assert_false(bench_holds(b, "k2"));
    assert_int_equal(b->ring[1][3].emit.position, 200);
    assert_int_equal(b->queued[1], 4);
    assert_false(tr_owner_busy(b->owner));
}

static void a_later_tail_replaces_the_second_only(void **state)
{
    struct bench *b = *state;

    for (int i = 0; i < 4; i++)
        bench_receive(b, 1, i % 2 ? "k1" : "k2");
    bench_tail(b, 1, 100, false);
    bench_tail(b, 1, 200, false);
    bench_tail(b, 1, 400, false);
    bench_tail(b, 1, 300, false); // not below what was asked already
    bench_pass(b, 2 * TR_S);
    bench_poll(b);
    assert_int_equal(b->queued[1], 4);
    assert_int_equal(b->ring[1][1].any.kind, TR_MESSAGE_ACK);
    assert_int_equal(b->ring[1][1].emit.position, 100);
    assert_int_equal(b->ring[1][3].emit.position, 400);
}

static void an_acknowledgement_waits_for_room_in_the_ring(void **state)
{
    struct bench *b = *state;

    bench_receive(b, 1, "d1");
    bench_pass(b, 2 * TR_S);
    bench_tail(b, 1, 100, false);
    b->capacity[1] = 0;
    bench_poll(b);
    assert_false(bench_holds(b, "d1"));
    assert_true(tr_owner_busy(b->owner));
    assert_int_equal(tr_owner_deadline(b->owner), 0);
    b->capacity[1] = 1;
    bench_poll(b);
    assert_int_equal(b->queued[1], 1);
    assert_false(tr_owner_busy(b->owner));
}

static void positions_compare_across_their_wrap(void **state)
{
    struct bench *b = *state;

    b->position[1] = (1ull << 48) - 100;
    bench_receive(b, 1, "k1");
    bench_receive(b, 1, "k2"); // position 2^48
    bench_pass(b, 2 * TR_S);
    bench_tail(b, 1, (1ull << 48) - 50, false);
    bench_poll(b);
    assert_false(bench_holds(b, "k1"));
    assert_true(bench_holds(b, "k2"));
    bench_tail(b, 1, (1ull << 48) + 50, false);
    bench_poll(b);
    assert_false(bench_holds(b, "k2"));
}

static void pending_traces_wait_for_the_tick(void **state)
{
    struct bench *b = *state;
    struct tr_owner_waiting waiting;
    uint8_t id[16];

    bench_receive(b, 1, "p1");
    bench_tail(b, 1, b->position[1], true);
    bench_poll(b);
    bench_poll(b);
    assert_int_equal(b->asked, 1);
    assert_int_equal(tr_owner_deadline(b->owner), TR_NEVER);
    bench_id("p1", id);
    assert_true(tr_owner_find_waiting(b->owner, id, &waiting));
    assert_true(waiting.pending);
    assert_int_equal(waiting.holders, 1 << 1);
    assert_int_equal(waiting.due_ns, b->now + 10 * TR_S);
    bench_receive(b, 1, "p1"); // still held
    tr_owner_settle(b->owner, b->now, b->wall, 100);
    assert_int_equal(b->asked, 2);
    assert_true(bench_holds(b, "p1"));
    b->pending_settles = true;
    bench_poll(b);
    assert_true(bench_holds(b, "p1"));
    assert_int_equal(tr_owner_settle(b->owner, b->now, b->wall, 2), 2);
    assert_int_equal(bench_emits(b, 1), 1);
    bench_poll(b);
    assert_int_equal(bench_emits(b, 1), 2);
    assert_int_equal(b->ring[1][b->queued[1] - 1].any.kind, TR_MESSAGE_ACK);
    assert_int_equal(bench_verdict(b, "p1")->when, TR_WHEN_JOURNAL);
}

static void a_new_wait_holds_for_new_traces(void **state)
{
    struct bench *b = *state;

    bench_receive(b, 0, "d-old");
    tr_owner_wait_set(b->owner, 3 * TR_S, TR_S);
    bench_receive(b, 0, "d-new");
    bench_pass(b, 3 * TR_S);
    bench_poll(b);
    assert_true(bench_holds(b, "d-old"));
    assert_false(bench_holds(b, "d-new"));
    // Back again, and through more waits than there are lists for, while the old trace is held.
    for (uint64_t i = 1; i < 30; i++) {
        char name[16];

        snprintf(name, sizeof(name), "d%u", (unsigned)i);
        tr_owner_wait_set(b->owner, 10 * TR_S + i, TR_S);
        bench_receive(b, 0, name);
        if (i > 20)
            bench_poll(b);
    }
    bench_pass(b, 7 * TR_S);
    bench_poll(b);
    assert_false(bench_holds(b, "d-old"));
    bench_pass(b, 4 * TR_S);
    bench_poll(b);
    assert_int_equal(b->counters->held, 0);
}

static void epochs_live_as_long_as_their_traces(void **state)
{
    struct bench *b = *state;

    tr_owner_epoch_set(b->owner, 1);
    assert_int_equal(tr_owner_epoch_oldest(b->owner), 1);
    bench_receive(b, 0, "k1");
    assert_int_equal(b->counters->epoch_behind, 1); // the span says epoch 0
    bench_pass(b, 5 * TR_S);
    tr_owner_epoch_set(b->owner, 256);
    bench_receive(b, 0, "d2");
    assert_int_equal(tr_owner_epoch_oldest(b->owner), 1);
    bench_pass(b, 5 * TR_S);
    b->capacity[0] = 0;
    bench_poll(b);
    assert_int_equal(tr_owner_epoch_oldest(b->owner), 1); // still to be emitted
    b->capacity[0] = 8;
    bench_poll(b);
    assert_int_equal(b->ring[0][0].emit.epoch, 1);
    assert_int_equal(tr_owner_epoch_oldest(b->owner), 256);
    assert_int_equal(bench_verdict(b, "k1")->epoch, 1);
}

static void root_receive(struct bench *b, const char *name)
{
    union tr_message m = bench_span(b, 0, name);

    m.summary.flags = TR_SPAN_ROOT;
    assert_true(bench_offer(b, 0, &m));
}

// decision_wait is 10 s; 3.2 s from the root on, by at most a 32nd more.
static void a_root_shortens_the_wait(void **state)
{
    struct bench *b = *state;

    tr_owner_wait_root_set(b->owner, 3200 * TR_MS);
    bench_receive(b, 0, "k1");
    bench_pass(b, TR_S);
    bench_receive(b, 0, "k2"); // whose root never comes
    root_receive(b, "k1");
    bench_pass(b, 3199 * TR_MS);
    bench_poll(b);
    assert_true(bench_holds(b, "k1"));
    assert_in_range(tr_owner_deadline(b->owner), b->now, b->now + 101 * TR_MS);
    bench_pass(b, 101 * TR_MS);
    bench_poll(b);
    assert_false(bench_holds(b, "k1"));
    assert_int_equal(bench_verdict(b, "k1")->when, TR_WHEN_WAIT);
    assert_true(bench_holds(b, "k2"));
    // It never makes it longer.
    bench_pass(b, 6500 * TR_MS);
    root_receive(b, "k2");
    bench_pass(b, 200 * TR_MS);
    bench_poll(b);
    assert_false(bench_holds(b, "k2"));
}

static void roots_come_in_any_order_and_all_are_decided(void **state)
{
    struct bench *b = *state;
    char name[16];

    tr_owner_wait_root_set(b->owner, TR_S);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "d%d", i);
        root_receive(b, name);
        bench_pass(b, (uint64_t)(i % 7) * 20 * TR_MS);
        bench_poll(b);
        assert_true(b->counters->traces_held < 32);
    }
    root_receive(b, "p1");
    bench_pass(b, 2 * TR_S);
    bench_poll(b);
    assert_int_equal(b->counters->traces_dropped, 200);
    assert_true(bench_holds(b, "p1")); // parked
    b->pending_settles = true;
    tr_owner_settle(b->owner, b->now, b->wall, 100);
    assert_false(bench_holds(b, "p1"));
    root_receive(b, "d-last");
    tr_owner_drain(b->owner, false);
    bench_poll(b);
    assert_int_equal(b->counters->held, 0);
}

static void drain_gives_up_what_has_not_waited_if_told_to(void **state)
{
    struct bench *b = *state;

    bench_receive(b, 0, "k1");
    bench_pass(b, 10 * TR_S);
    bench_receive(b, 0, "k2");
    tr_owner_drain(b->owner, true);
    bench_poll(b);
    assert_int_equal(bench_verdict(b, "k1")->verdict, TR_VERDICT_KEEP); // its time had come
    assert_int_equal(bench_verdict(b, "k2")->verdict, TR_VERDICT_EVICTED);
    assert_int_equal(b->counters->evicted, 1);
    assert_int_equal(b->counters->early_shutdown, 0);
    assert_int_equal(b->counters->held, 0);
}

static void drain_decides_at_once(void **state)
{
    struct bench *b = *state;

    bench_receive(b, 0, "k1");
    bench_receive(b, 0, "p1");
    tr_owner_drain(b->owner, false);
    assert_int_equal(tr_owner_deadline(b->owner), 0);
    bench_poll(b);
    assert_int_equal(bench_emits(b, 0), 1);
    assert_int_equal(bench_verdict(b, "k1")->when, TR_WHEN_SHUTDOWN);
    bench_receive(b, 0, "k2");
    bench_poll(b);
    assert_false(bench_holds(b, "k2"));
    assert_int_equal(b->counters->early_shutdown, 2);
    // What is pending may be given up.
    assert_int_equal(tr_owner_evict(b->owner, b->now, b->wall, 100), 1);
    assert_int_equal(b->counters->evicted, 1);
    assert_int_equal(b->counters->traces_evicted, 1);
    bench_receive(b, 0, "p1");
    assert_int_equal(b->counters->late_evicted, 1);
    assert_int_equal(b->counters->evicted, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(decides_when_the_wait_has_passed),
        TEST(shows_the_decider_the_aggregates),
        TEST(late_spans_follow_the_verdict),
        TEST(late_span_waits_for_room_in_the_ring),
        TEST(a_forgotten_verdict_means_a_new_trace),
        TEST(a_trace_of_many_spans_is_emitted_over_several_polls),
        TEST(tail_decides_what_began_below_it_in_that_ring),
        TEST(tail_is_acknowledged_at_once_with_nothing_below),
        TEST(tail_waits_for_the_least_wait_unless_urgent),
        TEST(a_later_tail_replaces_the_second_only),
        TEST(an_acknowledgement_waits_for_room_in_the_ring),
        TEST(positions_compare_across_their_wrap),
        TEST(pending_traces_wait_for_the_tick),
        TEST(a_new_wait_holds_for_new_traces),
        TEST(epochs_live_as_long_as_their_traces),
        TEST(drain_decides_at_once),
        TEST(a_root_shortens_the_wait),
        TEST(roots_come_in_any_order_and_all_are_decided),
        TEST(drain_gives_up_what_has_not_waited_if_told_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
