// SPDX-License-Identifier: Apache-2.0
// What comes after a decision: reopened traces, decisions at once, the memo behind the verdict ring.
#include "harness.h"

#include "trace/dropped.h"
#include "trace/memo.h"
#include "trace/shapes.h"

// 'r': kept once its root is there; else as the harness's.
static enum tr_answer decide(void *context, const struct tr_trace *trace, uint16_t *policy)
{
    struct bench *b = *(struct bench **)context;

    *policy = trace->root_seen ? 5 : TR_POLICY_NONE;
    b->last = *trace;
    b->asked++;
    return trace->root_seen ? TR_ANSWER_KEEP : TR_ANSWER_DROP;
}

// 'f': that it is dropped is certain from the start.
static enum tr_answer certain(void *context, const struct tr_trace *trace, uint16_t *policy)
{
    *policy = 6;
    if (trace->trace_id[0] == 'f')
        return TR_ANSWER_DROP;
    return trace->root_seen ? TR_ANSWER_KEEP : TR_ANSWER_PENDING;
}

static struct bench *bench;
static bool send(void *context, uint32_t holder, const union tr_message *message)
{
    return bench_send(bench, holder, message);
}

static struct bench *late_bench(const struct tr_owner_options *options, bool reopen, bool at_once)
{
    bench = bench_new_with(options, &(struct tr_decider){.context = &bench, .decide = decide, .certain = certain},
                           &(struct tr_owner_output){NULL, send});
    tr_owner_late_set(bench->owner, reopen, at_once);
    return bench;
}

static void receive_root(struct bench *b, uint32_t origin, const char *name)
{
    union tr_message m = bench_span(b, origin, name);

    m.summary.flags = TR_SPAN_ROOT;
    assert_true(bench_offer(b, origin, &m));
}

static void balance(struct bench *b)
{
    const struct tr_owner_counters *c = b->counters;

    assert_int_equal(c->received, c->kept + c->dropped - c->reopened + c->evicted + c->held);
    assert_int_equal(c->kept, c->emits_sent + c->emits_waiting);
    bench_free(b);
}

static struct bench *dropped(bool reopen)
{
    struct tr_owner_options options = bench_options();
    struct bench *b = late_bench(&options, reopen, false);

    bench_receive(b, 0, "r1");
    bench_receive(b, 1, "r1");
    bench_pass(b, 10 * TR_S);
    bench_poll(b);
    assert_int_equal(b->counters->dropped, 2);
    assert_false(bench_holds(b, "r1"));
    return b;
}

static void a_late_root_reopens_all_of_it(void **state)
{
    struct bench *b = dropped(true);

    bench_receive(b, 0, "r1"); // late, and changes nothing
    bench_poll(b);
    assert_int_equal(b->counters->late_dropped, 1);
    assert_int_equal(b->counters->reopened, 0);
    receive_root(b, 1, "r1");
    assert_int_equal(tr_owner_deadline(b->owner), 0);
    bench_poll(b);
    assert_int_equal(b->last.spans, 4);
    assert_true(b->last.again && !b->last.partial);
    assert_int_equal(bench_emits(b, 0), 2);
    assert_int_equal(bench_emits(b, 1), 2);
    assert_true(b->ring[0][0].emit.marks & TR_MARK_REOPENED);
    assert_int_equal(b->counters->reopened, 4);
    assert_int_equal(b->counters->traces_reopened, 1);
    assert_int_equal(bench_verdict(b, "r1")->verdict, TR_VERDICT_KEEP);
    assert_int_equal(bench_verdict(b, "r1")->policy, 5);
    // What comes still later follows that, and says so.
    bench_receive(b, 2, "r1");
    assert_int_equal(bench_emits(b, 2), 1);
    assert_true(b->ring[2][0].emit.marks & TR_MARK_REOPENED);
    assert_int_equal(b->counters->reopened, 4);
    balance(b);
}

static void without_reopen_late_spans_follow(void **state)
{
    struct bench *b = dropped(false);

    receive_root(b, 1, "r1");
    bench_poll(b);
    assert_int_equal(b->counters->late_dropped, 1);
    assert_int_equal(b->counters->kept, 0);
    assert_int_equal(b->counters->traces_mindful, 0);
    balance(b);
}

static void what_is_certainly_dropped_is_not_kept_in_mind(void **state)
{
    struct tr_owner_options options = bench_options();
    struct bench *b = late_bench(&options, true, false);

    bench_receive(b, 0, "f1");
    bench_pass(b, 10 * TR_S);
    bench_poll(b);
    assert_int_equal(b->counters->traces_mindful, 0);
    receive_root(b, 0, "f1");
    bench_poll(b);
    assert_int_equal(b->counters->dropped, 2);
    balance(b);
}

static void drop_one(struct bench *b, const char *name, uint32_t spans)
{
    for (uint32_t i = 0; i < spans; i++)
        bench_receive(b, 0, name);
    bench_pass(b, 10 * TR_S);
    while (tr_owner_deadline(b->owner) <= b->now)
        bench_poll(b);
}

static void others_drop(struct bench *b, int count)
{
    char name[16];

    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "o%d", i);
        drop_one(b, name, 1);
    }
}

static void dropped_traces_take_no_room_in_the_table(void **state)
{
    struct tr_owner_options options = bench_options();
    struct bench *b;

    options.traces_max = 1;
    options.refs_max = 2;
    b = late_bench(&options, true, false);
    drop_one(b, "r1", 1);
    drop_one(b, "r2", 1);
    assert_int_equal(b->counters->traces_mindful, 2);
    receive_root(b, 1, "r1");
    bench_poll(b);
    assert_int_equal(bench_emits(b, 0), 1);
    assert_int_equal(bench_emits(b, 1), 1);
    assert_int_equal(b->counters->reopened_gone, 0);
    // More is known of the next than the table has room for: the latest come first.
    drop_one(b, "r3", 2);
    receive_root(b, 1, "r3");
    bench_poll(b);
    assert_int_equal(bench_emits(b, 1), 2);
    assert_int_equal(bench_emits(b, 0), 2);
    assert_int_equal(b->counters->reopened_gone, 1);
    balance(b);
}

static void what_newer_ones_have_overwritten_is_gone(void **state)
{
    struct tr_owner_options options = bench_options();
    struct bench *b;

    options.dropped_bytes = 4096;
    b = late_bench(&options, true, false);
    drop_one(b, "r1", 1);
    others_drop(b, 60);
    assert_in_range(b->counters->traces_mindful, 4096 / (64 + 16) - 2, 4096 / (64 + 16));
    // The root alone is known then; the rest is gone, and counted.
    receive_root(b, 0, "r1");
    bench_poll(b);
    assert_true(b->last.partial);
    assert_int_equal(bench_emits(b, 0), 1);
    assert_int_equal(b->counters->reopened_gone, 1);
    assert_int_equal(bench_verdict(b, "r1")->lost_spans, 1);
    balance(b);
}

// Emits of one holder, in the order of its journal.
static void ascends(const struct bench *b, uint32_t holder)
{
    uint64_t last = 0;

    for (uint32_t i = 0; i < b->queued[holder]; i++)
        for (uint32_t s = 0; s < b->ring[holder][i].emit.spans; s++) {
            assert_true(!i || b->ring[holder][i].emit.span[s].position > last);
            last = b->ring[holder][i].emit.span[s].position;
        }
}

static void spans_late_one_by_one_are_all_found(void **state)
{
    struct tr_owner_options options = bench_options();
    struct bench *b = late_bench(&options, true, false);
    const uint32_t late = 5 * TR_DROPPED_CHAIN / 2;

    drop_one(b, "r1", 3);
    for (uint32_t i = 0; i < late; i++) {
        bench_receive(b, i % 2, "r1");
        bench_poll(b);
        assert_int_equal(b->last.spans, 3 + i + 1);
        assert_false(b->last.partial);
    }
    assert_int_equal(b->counters->traces_held, 0);
    receive_root(b, 1, "r1");
    bench_poll(b);
    assert_int_equal(bench_emits(b, 0), 3 + late / 2);
    assert_int_equal(bench_emits(b, 1), late / 2 + 1);
    assert_int_equal(b->counters->reopened, 3 + late + 1);
    assert_int_equal(b->counters->reopened_gone, 0);
    ascends(b, 0);
    ascends(b, 1);
    balance(b);
}

static void a_trace_that_the_ring_has_no_room_for_is_known_by_its_numbers(void **state)
{
    struct tr_owner_options options = bench_options();
    struct bench *b;

    options.dropped_bytes = 4096;
    options.refs_max = 512;
    b = late_bench(&options, true, false);
    drop_one(b, "r1", 200);
    drop_one(b, "r2", 60);
    receive_root(b, 1, "r1");
    bench_poll(b);
    assert_int_equal(b->last.spans, 201);
    assert_false(b->last.partial);
    assert_int_equal(b->counters->reopened, 1);
    assert_int_equal(b->counters->reopened_gone, 200);
    receive_root(b, 1, "r2");
    bench_poll(b);
    assert_int_equal(b->counters->reopened, 1 + 61);
    balance(b);
}

static void a_trace_of_long_ago_is_known_by_its_numbers(void **state)
{
    struct bench *b = dropped(true);

    bench_pass(b, 25 * 3600 * TR_S);
    bench_receive(b, 0, "r1");
    bench_poll(b);
    receive_root(b, 1, "r1");
    bench_poll(b);
    assert_int_equal(b->last.spans, 4);
    assert_int_equal(b->counters->reopened, 2);
    assert_int_equal(b->counters->reopened_gone, 2);
    balance(b);
}

// Late spans are written down again and again with those before them: that makes none of these younger.
static void none_is_found_by_a_position_of_long_ago(void **state)
{
    for (int shape = 0; shape < 2; shape++) {
        struct tr_owner_options options = bench_options();
        struct bench *b;

        options.shape = shape;
        b = late_bench(&options, true, false);
        drop_one(b, "r1", 3);
        for (int i = 0; i < 61; i++) {
            bench_pass(b, 900 * TR_S);
            bench_receive(b, 0, "r1");
            bench_poll(b);
        }
        receive_root(b, 0, "r1");
        bench_poll(b);
        assert_int_equal(b->last.spans, 3 + 61 + 1);
        assert_int_equal(b->counters->reopened + b->counters->reopened_gone, 3 + 61 + 1);
        assert_in_range(b->counters->reopened, 2, 4 * 4 + 1);
        ascends(b, 0);
        balance(b);
    }
}

// Late spans of a large trace, one a poll: they cost the other ones nothing, which are still there behind it.
static void a_trace_that_never_ends_leaves_the_ring_to_others(void **state)
{
    for (int shape = 0; shape < 2; shape++) {
        struct tr_owner_options options = bench_options();
        struct bench *b;

        options.shape = shape;
        options.refs_max = 4096;
        options.dropped_bytes = 1 << 17;
        b = late_bench(&options, true, false);
        drop_one(b, "r2", 9);
        drop_one(b, "r1", 1000);
        for (int i = 0; i < 300; i++) {
            bench_receive(b, 0, "r1");
            bench_poll(b);
            assert_int_equal(b->last.spans, 1000 + i + 1);
        }
        receive_root(b, 0, "r2");
        bench_poll(b);
        assert_int_equal(b->counters->reopened, 9 + 1);
        b->queued[0] = 0;
        receive_root(b, 0, "r1");
        do {
            bench_pass(b, TR_S);
            bench_poll(b);
        } while (tr_owner_busy(b->owner));
        assert_int_equal(b->counters->reopened, 9 + 1 + 1000 + 300 + 1);
        assert_int_equal(b->counters->reopened_gone, 0);
        ascends(b, 0);
        balance(b);
    }
}

// The record before the last is too old to be followed, the last is not: what that has is emitted once.
static void what_is_left_of_a_shape_is_emitted_once(void **state)
{
    struct tr_owner_options options = bench_options();
    struct bench *b;

    options.shape = true;
    b = late_bench(&options, true, false);
    drop_one(b, "r1", 3);
    bench_pass(b, 3 * 3600 * TR_S);
    for (uint32_t i = 0; i < options.refs_max - 3; i++)
        bench_receive(b, 2, "x");
    bench_receive(b, 0, "r1"); // there is no room for those before it: a record of its own
    bench_poll(b);
    bench_pass(b, 2 * 3600 * TR_S);
    bench_poll(b);
    assert_int_equal(b->counters->held, 0);
    receive_root(b, 0, "r1");
    bench_poll(b);
    assert_int_equal(b->last.spans, 5);
    ascends(b, 0);
    assert_int_equal(bench_emits(b, 0), 2);
    assert_int_equal(b->counters->reopened, 2);
    assert_int_equal(b->counters->reopened_gone, 3);
    balance(b);
}

static void one_that_only_the_memo_knows_goes_by_what_comes(void **state)
{
    struct tr_owner_options options = bench_options();
    struct bench *b;

    options.memo_max = 4096;
    b = late_bench(&options, true, false);
    drop_one(b, "r1", 2);
    others_drop(b, 80);
    assert_null(bench_verdict(b, "r1"));
    bench_receive(b, 0, "r1");
    bench_poll(b);
    assert_true(b->last.partial);
    assert_null(bench_verdict(b, "r1"));
    receive_root(b, 0, "r1");
    bench_receive(b, 0, "r1");
    bench_poll(b);
    assert_int_equal(b->last.spans, 2);
    assert_int_equal(bench_emits(b, 0), 2);
    assert_int_equal(bench_verdict(b, "r1")->verdict, TR_VERDICT_KEEP);
    balance(b);
}

static void an_acknowledgement_waits_for_the_answer(void **state)
{
    struct bench *b = dropped(true);

    receive_root(b, 1, "r1");
    bench_tail(b, 1, b->position[1], false);
    bench_poll(b);
    assert_int_equal(b->ring[1][b->queued[1] - 1].any.kind, TR_MESSAGE_ACK);
    assert_int_equal(bench_emits(b, 1), 2);
    balance(b);
}

// A trace that outgrows its bound while it waits to be asked about is asked first.
static void what_came_since_it_was_asked_is_not_stripped(void **state)
{
    struct tr_owner_options options = bench_options();
    union tr_message fifth;
    struct bench *b;

    options.trace_spans_max = 4;
    b = late_bench(&options, true, false);
    for (int i = 0; i < 4; i++)
        bench_receive(b, 0, "r1");
    bench_poll(b);
    assert_int_equal(b->counters->dropped, 4);
    receive_root(b, 1, "r1"); // what was asked about goes
    for (int i = 0; i < 3; i++)
        bench_receive(b, 1, "r1");
    fifth = bench_span(b, 1, "r1");
    assert_false(bench_offer(b, 1, &fifth));
    bench_poll(b);
    assert_true(bench_offer(b, 1, &fifth));
    assert_int_equal(bench_emits(b, 1), 5);
    assert_int_equal(b->counters->reopened, 4);
    assert_int_equal(b->counters->reopened_gone, 4);
    balance(b);
}

// The same where nobody wants it: its next spans are taken.
static void what_nobody_wanted_makes_room(void **state)
{
    struct tr_owner_options options = bench_options();
    struct bench *b;

    options.trace_spans_max = 2;
    b = late_bench(&options, true, false);
    bench_receive(b, 0, "r1");
    bench_receive(b, 0, "r1");
    bench_poll(b);
    for (int i = 0; i < 20; i++) {
        union tr_message m = bench_span(b, 0, "r1");

        if (!bench_offer(b, 0, &m)) {
            bench_poll(b);
            assert_true(bench_offer(b, 0, &m));
        }
    }
    bench_poll(b);
    receive_root(b, 0, "r1");
    bench_poll(b);
    assert_in_range(b->counters->reopened, 1, 2);
    assert_int_equal(b->counters->reopened + b->counters->reopened_gone, 23);
    assert_int_equal(b->asked, 12);
    balance(b);
}

// Dropped until its root has come; policies sort its spans each time.
static enum tr_answer decide_by_shape(void *context, const struct tr_trace *trace, uint16_t *policy)
{
    if (trace->shapes)
        tr_shapes_gather(trace->shapes);
    return decide(context, trace, policy);
}

// However often a late span comes: a fiftieth of the time goes into sorting those that are there.
static void a_large_shape_is_looked_at_now_and_then(void **state)
{
    struct tr_owner_options options = bench_options();
    struct bench *b;

    options.shape = true;
    options.refs_max = 8192;
    options.dropped_bytes = 1 << 20;
    bench = b = bench_new_with(&options, &(struct tr_decider){.context = &bench, .decide = decide_by_shape},
                               &(struct tr_owner_output){NULL, send});
    tr_owner_late_set(b->owner, true, false);
    for (int i = 0; i < 5000; i++)
        bench_receive(b, 0, "r1");
    bench_pass(b, 10 * TR_S);
    bench_poll(b);
    assert_int_equal(b->counters->dropped, 5000);
    b->asked = 0;
    for (int i = 0; i < 1000; i++) {
        bench_receive(b, 0, "r1");
        bench_poll(b);
        bench_pass(b, TR_MS);
    }
    assert_in_range(b->asked, 8, 11); // 20 us for each of 5000 to 6000 spans
    // A small one is asked about at once beside it; and the large one in the end.
    bench_receive(b, 1, "r2");
    bench_pass(b, 10 * TR_S);
    bench_poll(b);
    receive_root(b, 0, "r1");
    bench_poll(b);
    bench_receive(b, 0, "r2");
    receive_root(b, 0, "r2");
    bench_poll(b);
    assert_int_equal(bench_verdict(b, "r2")->verdict, TR_VERDICT_KEEP);
    assert_true(tr_owner_deadline(b->owner) <= b->now + 10 * TR_S);
    bench_pass(b, TR_S);
    bench_poll(b);
    assert_int_equal(bench_verdict(b, "r1")->verdict, TR_VERDICT_KEEP);
    assert_int_equal(b->counters->traces_reopened, 2);
    balance(b);
}

// A drain doesn't wait for that time.
static void a_drain_asks_at_once(void **state)
{
    struct tr_owner_options options = bench_options();
    struct bench *b;

    options.shape = true;
    options.refs_max = 8192;
    options.dropped_bytes = 1 << 20;
    bench = b = bench_new_with(&options, &(struct tr_decider){.context = &bench, .decide = decide_by_shape},
                               &(struct tr_owner_output){NULL, send});
    tr_owner_late_set(b->owner, true, false);
    for (int i = 0; i < 2000; i++)
        bench_receive(b, 0, "r1");
    bench_pass(b, 10 * TR_S);
    bench_poll(b);
    bench_receive(b, 0, "r1");
    bench_poll(b); // and now not for 40 ms
    receive_root(b, 0, "r1");
    bench_poll(b);
    assert_int_equal(b->counters->reopened, 0);
    assert_false(tr_owner_busy(b->owner));
    tr_owner_drain(b->owner, false);
    assert_true(tr_owner_busy(b->owner));
    assert_int_equal(tr_owner_deadline(b->owner), 0);
    bench_poll(b);
    assert_int_equal(b->counters->reopened, 2002);
    assert_false(tr_owner_busy(b->owner));
    balance(b);
}

static void decides_at_once_what_is_certain(void **state)
{
    struct tr_owner_options options = bench_options();
    struct bench *b = late_bench(&options, true, true);

    bench_receive(b, 0, "r1");
    bench_poll(b);
    assert_int_equal(b->asked, 0);
    receive_root(b, 0, "r1");
    bench_receive(b, 1, "f1");
    bench_poll(b);
    assert_int_equal(bench_emits(b, 0), 2);
    assert_int_equal(bench_verdict(b, "r1")->when, TR_WHEN_CERTAIN);
    assert_int_equal(bench_verdict(b, "r1")->policy, 6);
    assert_int_equal(bench_verdict(b, "f1")->verdict, TR_VERDICT_DROP);
    assert_int_equal(b->counters->at_once, 3);
    bench_receive(b, 0, "r1");
    assert_int_equal(b->counters->followed_kept, 1);
    bench_pass(b, 10 * TR_S);
    bench_receive(b, 0, "r1");
    assert_int_equal(b->counters->late_kept, 1);
    balance(b);
}

static void the_memo_remembers_what_the_ring_has_overwritten(void **state)
{
    struct tr_owner_options options = bench_options();
    struct bench *b;
    char name[16];

    options.memo_max = 4096;
    b = late_bench(&options, false, false);
    receive_root(b, 0, "r1");
    bench_pass(b, 10 * TR_S);
    bench_poll(b);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "d%d", i);
        bench_receive(b, 0, name);
        bench_pass(b, 10 * TR_S);
        bench_poll(b);
    }
    assert_null(bench_verdict(b, "r1"));
    bench_receive(b, 2, "r1");
    assert_int_equal(bench_emits(b, 2), 1);
    assert_int_equal(b->ring[2][0].emit.policy, 5);
    assert_int_equal(b->counters->late_kept, 1);
    balance(b);
}

static void a_line_of_the_memo_pushes_out_its_oldest(void **state)
{
    struct tr_memo memo;

    assert_int_equal(tr_memo_create(&memo, 4, -1, true), 0);
    for (uint64_t i = 1; i <= 5; i++)
        tr_memo_put(&memo, i, &(struct tr_memo_slot){.verdict = 1, .policy = i});
    assert_null(tr_memo_find(&memo, 1));
    assert_int_equal(tr_memo_find(&memo, 2)->policy, 2);
    // The same again takes its own place.
    tr_memo_put(&memo, 3, &(struct tr_memo_slot){.verdict = 0, .policy = 9});
    assert_int_equal(tr_memo_find(&memo, 3)->policy, 9);
    assert_int_equal(tr_memo_find(&memo, 2)->policy, 2);
    tr_memo_destroy(&memo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_root_reopens_all_of_it),
        cmocka_unit_test(without_reopen_late_spans_follow),
        cmocka_unit_test(what_is_certainly_dropped_is_not_kept_in_mind),
        cmocka_unit_test(dropped_traces_take_no_room_in_the_table),
        cmocka_unit_test(what_newer_ones_have_overwritten_is_gone),
        cmocka_unit_test(spans_late_one_by_one_are_all_found),
        cmocka_unit_test(a_trace_that_the_ring_has_no_room_for_is_known_by_its_numbers),
        cmocka_unit_test(a_trace_of_long_ago_is_known_by_its_numbers),
        cmocka_unit_test(none_is_found_by_a_position_of_long_ago),
        cmocka_unit_test(a_trace_that_never_ends_leaves_the_ring_to_others),
        cmocka_unit_test(what_is_left_of_a_shape_is_emitted_once),
        cmocka_unit_test(one_that_only_the_memo_knows_goes_by_what_comes),
        cmocka_unit_test(an_acknowledgement_waits_for_the_answer),
        cmocka_unit_test(what_came_since_it_was_asked_is_not_stripped),
        cmocka_unit_test(what_nobody_wanted_makes_room),
        cmocka_unit_test(a_large_shape_is_looked_at_now_and_then),
        cmocka_unit_test(a_drain_asks_at_once),
        cmocka_unit_test(decides_at_once_what_is_certain),
        cmocka_unit_test(the_memo_remembers_what_the_ring_has_overwritten),
        cmocka_unit_test(a_line_of_the_memo_pushes_out_its_oldest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
