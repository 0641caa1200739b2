// SPDX-License-Identifier: Apache-2.0
// Kept traces that take long to emit, beside everybody else's.
#include "harness.h"

#define GIANT  100000
#define BUDGET 512 // a poll's, as the lcore has it

static struct bench *giant_bench(uint32_t traces)
{
    struct tr_owner_options options = bench_options();

    options.traces_max = 4 * traces;
    options.refs_max = 2 * traces * GIANT;
    return bench_new(&options);
}

static void giant_receive(struct bench *b, const char *name, uint32_t origins)
{
    for (uint32_t i = 0; i < GIANT; i++)
        bench_receive(b, i % origins, name);
}

static uint32_t poll_of(struct bench *b)
{
    return tr_owner_poll(b->owner, b->now, b->wall, BUDGET);
}

// The holders take all that lies in their rings. Returns how many spans.
static uint32_t rings_drain(struct bench *b)
{
    uint32_t spans = 0;

    for (uint32_t o = 0; o < 3; o++) {
        spans += bench_emits(b, o);
        b->queued[o] = 0;
    }
    return spans;
}

static void done(struct bench *b)
{
    bench_balance(b);
    bench_free(b);
}

static bool decided(struct bench *b, const char *name)
{
    return bench_verdict(b, name) != NULL;
}

// Two giants and a small trace a millisecond: each of those is out in the poll that finds it due.
static void beside_giants_a_trace_leaves_when_it_is_due(void **state)
{
    struct bench *b = giant_bench(2);
    uint32_t out = 0, turns = 0;
    char name[16];

    giant_receive(b, "k-giant", 3);
    giant_receive(b, "k-other", 3);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "k%d", i);
        for (int span = 0; span < 10; span++)
            bench_receive(b, (uint32_t)span % 3, name);
        bench_pass(b, TR_MS);
    }
    bench_pass(b, 10 * TR_S - 5 * TR_MS);
    poll_of(b);
    assert_true(decided(b, "k-giant") && decided(b, "k-other") && decided(b, "k0"));
    for (int i = 1; i < 5; i++) {
        snprintf(name, sizeof(name), "k%d", i);
        assert_false(decided(b, name));
        bench_pass(b, TR_MS);
        out += rings_drain(b);
        assert_true(poll_of(b) <= BUDGET);
        assert_true(decided(b, name));
        assert_int_equal(b->ring[0][b->queued[0] - 1].emit.policy, 3);
        assert_int_equal(b->counters->kept, 2 * GIANT + 10 * (i + 1));
    }
    // What waits is the giants' alone, and they have moved on in every poll.
    assert_true(b->counters->emits_waiting < 2 * GIANT - 4 * BUDGET / 2);
    bench_balance(b);
    for (; b->counters->emits_waiting; turns++) {
        uint32_t waiting = (uint32_t)b->counters->emits_waiting;

        out += rings_drain(b);
        assert_int_equal(poll_of(b), TR_MIN((uint32_t)BUDGET, waiting)); // with nothing else due the whole budget
        assert_true(turns < 2 * GIANT / BUDGET + 2);
    }
    assert_int_equal(out + rings_drain(b), 2 * GIANT + 50);
    assert_false(tr_owner_busy(b->owner));
    done(b);
}

// They get even parts: the lesser is done first, whichever began first.
static void the_larger_giant_does_not_hold_up_the_lesser(void **state)
{
    struct bench *b = giant_bench(2);

    giant_receive(b, "k-giant", 1);
    for (int i = 0; i < 2000; i++)
        bench_receive(b, 1, "k-less");
    bench_pass(b, 10 * TR_S);
    for (uint32_t spans = 0; spans < 2000;) {
        poll_of(b);
        spans += bench_emits(b, 1);
        rings_drain(b);
    }
    assert_true(b->counters->emits_waiting > GIANT - 4000);
    done(b);
}

static void a_full_ring_holds_up_who_needs_it(void **state)
{
    struct bench *b = giant_bench(1);

    giant_receive(b, "k-giant", 1);
    for (int i = 0; i < 10; i++)
        bench_receive(b, 1, "k1");
    bench_receive(b, 1, "d1");
    b->capacity[0] = 0;
    bench_pass(b, 10 * TR_S);
    poll_of(b);
    assert_int_equal(bench_emits(b, 1), 10);
    assert_true(decided(b, "d1"));
    assert_int_equal(b->counters->emits_waiting, GIANT);
    assert_true(tr_owner_busy(b->owner));
    done(b);
}

// While all places are taken nothing is decided; the next one is as soon as one of them is over.
static void more_than_there_are_places_for_wait(void **state)
{
    struct tr_owner_options options = bench_options();
    struct bench *b = bench_new(&options);
    char name[16];

    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "k%d", i);
        bench_receive(b, 0, name);
        bench_receive(b, 0, name);
    }
    b->capacity[0] = 0;
    bench_pass(b, 10 * TR_S);
    poll_of(b);
    assert_int_equal(b->counters->traces_kept, 16);
    assert_int_equal(b->counters->emits_waiting, 32);
    assert_int_equal(tr_owner_deadline(b->owner), 0);
    b->capacity[0] = 1;
    poll_of(b);
    assert_int_equal(b->counters->traces_kept, 17);
    bench_balance(b);
    b->capacity[0] = BENCH_MESSAGES_MAX;
    poll_of(b);
    assert_int_equal(bench_emits(b, 0), 40);
    assert_int_equal(b->counters->emits_waiting, 0);
    assert_false(tr_owner_busy(b->owner));
    done(b);
}

// A holder gets its room when the giant's spans that lie in it are out, not when the giant is; and never before.
static void a_tail_waits_for_what_lies_below_it(void **state)
{
    struct bench *b = giant_bench(1);
    uint64_t out = 0, below;
    uint32_t acknowledged = 0;

    for (uint32_t i = 0; i < 1000; i++)
        bench_receive(b, i % 2, "k-giant");
    below = b->position[1];
    bench_receive(b, 1, "d1"); // begins behind the giant, and behind the request
    giant_receive(b, "k-giant", 2);
    bench_pass(b, 10 * TR_S);
    bench_tail(b, 1, below, false);
    while (!acknowledged) {
        poll_of(b);
        for (uint32_t i = 0; i < b->queued[1]; i++) {
            const struct tr_emit_message *emit = &b->ring[1][i].emit;

            if (emit->kind == TR_MESSAGE_ACK) {
                assert_int_equal(out, 500); // all of them are ahead of it
                acknowledged++;
            }
            for (uint32_t s = 0; emit->kind == TR_MESSAGE_EMIT && s < emit->spans; s++) {
                assert_true(emit->span[s].position >= below || !acknowledged);
                out += emit->span[s].position < below;
            }
        }
        rings_drain(b);
    }
    assert_true(b->counters->emits_waiting > GIANT - 2 * BUDGET);
    done(b);
}

// Traces behind a giant in a journal are decided for its tail while the giant is emitted.
static void a_giant_does_not_stand_in_the_fifo(void **state)
{
    struct bench *b = giant_bench(1);

    giant_receive(b, "k-giant", 1);
    bench_pass(b, 8 * TR_S);
    bench_receive(b, 0, "k1");
    bench_pass(b, 2 * TR_S);
    bench_tail(b, 0, b->position[0], false);
    poll_of(b);
    assert_int_equal(bench_verdict(b, "k1")->when, TR_WHEN_JOURNAL);
    assert_int_equal(b->counters->early_journal, 1);
    assert_true(tr_owner_busy(b->owner));
    while (tr_owner_busy(b->owner)) {
        assert_int_not_equal(b->queued[0] ? b->ring[0][b->queued[0] - 1].any.kind : 0, TR_MESSAGE_ACK);
        rings_drain(b);
        poll_of(b);
    }
    assert_int_equal(b->ring[0][b->queued[0] - 1].any.kind, TR_MESSAGE_ACK);
    assert_int_equal(b->counters->emits_waiting, 0);
    done(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beside_giants_a_trace_leaves_when_it_is_due),
        cmocka_unit_test(the_larger_giant_does_not_hold_up_the_lesser),
        cmocka_unit_test(a_full_ring_holds_up_who_needs_it),
        cmocka_unit_test(more_than_there_are_places_for_wait),
        cmocka_unit_test(a_tail_waits_for_what_lies_below_it),
        cmocka_unit_test(a_giant_does_not_stand_in_the_fifo),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
