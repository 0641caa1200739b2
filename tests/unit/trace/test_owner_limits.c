// SPDX-License-Identifier: Apache-2.0
// The owner when something is full or too large.
#include "harness.h"
#include "trace/shapes.h"

static struct bench *bench_sized(uint32_t traces_max, uint32_t refs_max, uint32_t spans_max,
                                 uint64_t bytes_max)
{
    struct tr_owner_options options = bench_options();

    options.traces_max = traces_max;
    options.refs_max = refs_max;
    options.trace_spans_max = spans_max;
    options.trace_bytes_max = bytes_max;
    return bench_new(&options);
}

static void done(struct bench *b)
{
    bench_balance(b);
    bench_free(b);
}

static void a_full_table_takes_no_more_until_the_least_wait(void **state)
{
    struct bench *b = bench_sized(1, 10, 0, 0);
    union tr_message second;

    bench_receive(b, 0, "k1");
    bench_receive(b, 0, "k1"); // more of what is held needs no entry
    second = bench_span(b, 0, "k2");
    assert_false(bench_offer(b, 0, &second));
    assert_int_equal(b->counters->table_full, 1);
    assert_int_equal(tr_owner_deadline(b->owner), b->now + 2 * TR_S);
    bench_pass(b, 2 * TR_S - 1);
    bench_poll(b);
    assert_false(bench_offer(b, 0, &second));
    bench_pass(b, 1);
    bench_poll(b);
    assert_true(bench_offer(b, 0, &second));
    assert_int_equal(bench_verdict(b, "k1")->when, TR_WHEN_TABLE);
    assert_int_equal(b->counters->early_table, 2);
    assert_int_equal(bench_emits(b, 0), 2);
    done(b);
}

static void full_references_take_no_more_until_the_least_wait(void **state)
{
    struct bench *b = bench_sized(4, 6, 0, 0);
    union tr_message last;

    for (int i = 0; i < 6; i++)
        bench_receive(b, 0, i % 2 ? "d1" : "d2");
    last = bench_span(b, 0, "d1");
    assert_false(bench_offer(b, 0, &last));
    assert_int_equal(b->counters->refs_full, 1);
    bench_pass(b, 2 * TR_S);
    bench_poll(b);
    assert_int_equal(b->counters->traces_held, 1); // one was enough
    assert_true(bench_offer(b, 0, &last));
    done(b);
}

static void the_first_message_not_taken_stops_a_burst(void **state)
{
    struct bench *b = bench_sized(2, 10, 0, 0);
    union tr_message m[4] = {bench_span(b, 0, "k1"), bench_span(b, 0, "k2"), bench_span(b, 0, "k3"),
                             bench_span(b, 0, "k1")};

    assert_int_equal(tr_owner_receive(b->owner, 0, m, 4, b->now, b->wall), 2);
    m[1].any.kind = TR_MESSAGE_EPOCH;
    assert_int_equal(tr_owner_receive(b->owner, 0, m, 2, b->now, b->wall), 1);
    done(b);
}

static void every_shape_of_traces_fits_the_references(void **state)
{
    // One span each, and one trace with all the rest: both ends of what blocks of 4 may waste.
    struct bench *b = bench_sized(32, 64, 0, 0);
    char name[16];

    for (int i = 0; i < 31; i++) {
        snprintf(name, sizeof(name), "d%d", i);
        bench_receive(b, 0, name);
    }
    for (int i = 0; i < 33; i++)
        bench_receive(b, 0, "k1");
    assert_int_equal(b->counters->held, 64);
    bench_pass(b, 10 * TR_S);
    bench_poll(b);
    assert_int_equal(bench_emits(b, 0), 33);
    assert_int_equal(b->counters->held, 0);
    done(b);
}

static void a_trace_of_too_many_spans_is_decided_at_once(void **state)
{
    struct bench *b = bench_sized(32, 64, 3, 0);

    bench_receive(b, 0, "k1");
    bench_receive(b, 0, "k1");
    assert_int_equal(bench_poll(b), 0);
    bench_receive(b, 0, "k1");
    assert_int_equal(tr_owner_deadline(b->owner), 0);
    bench_poll(b);
    assert_int_equal(bench_verdict(b, "k1")->when, TR_WHEN_SIZE);
    assert_int_equal(b->counters->early_size, 3);
    bench_receive(b, 1, "k1");
    assert_int_equal(bench_emits(b, 1), 1);
    done(b);
}

static void a_trace_of_too_many_bytes_is_decided_at_once(void **state)
{
    struct bench *b = bench_sized(32, 64, 0, 150);

    bench_receive(b, 0, "d1");
    assert_int_equal(bench_poll(b), 0);
    bench_receive(b, 0, "d1");
    bench_poll(b);
    assert_int_equal(bench_verdict(b, "d1")->when, TR_WHEN_SIZE);
    assert_int_equal(b->counters->early_size, 2);
    done(b);
}

static bool gathered_already;

static enum tr_answer shape_decide(void *context, const struct tr_trace *trace, uint16_t *policy)
{
    *policy = TR_POLICY_NONE;
    tr_shapes_gather(trace->shapes);
    return trace->trace_id[0] == 'k' ? TR_ANSWER_KEEP : TR_ANSWER_DROP;
}

static struct tr_chance shape_chance(void *context, const struct tr_trace *trace)
{
    gathered_already = trace->shapes->gathered;
    return (struct tr_chance){0};
}

// It is done once a trace, also where its chance is asked for.
static void to_look_at_all_spans_is_work(void **state)
{
    const struct tr_decider decider = {NULL, shape_decide, shape_chance};
    struct tr_owner_options options = bench_options();
    struct bench *b;

    options.shape = true;
    b = bench_new_with(&options, &decider, NULL);
    tr_owner_counting_set(b->owner);
    for (uint32_t i = 0; i < 32; i++) {
        bench_receive(b, 0, "d1");
        bench_receive(b, 0, "d2");
        bench_receive(b, 0, "d3");
        bench_receive(b, 0, "k1");
    }
    bench_pass(b, 10 * TR_S);
    assert_int_equal(tr_owner_poll(b->owner, b->now, b->wall, 2 * (1 + 32 / 8)), 2 * (1 + 32 / 8));
    assert_int_equal(b->counters->traces_dropped, 2);
    bench_poll(b);
    assert_int_equal(b->counters->traces_kept, 1);
    assert_true(gathered_already);
    done(b);
}

static enum tr_answer keep_decide(void *context, const struct tr_trace *trace, uint16_t *policy)
{
    *policy = 0;
    return TR_ANSWER_KEEP;
}

static struct tr_chance costly_chance(void *context, const struct tr_trace *trace)
{
    return (struct tr_chance){.questions = 16 * 40};
}

static void what_a_chance_took_is_work(void **state)
{
    const struct tr_decider decider = {NULL, keep_decide, costly_chance};
    struct tr_owner_options options = bench_options();
    struct bench *b = bench_new_with(&options, &decider, NULL);

    tr_owner_counting_set(b->owner);
    bench_receive(b, 0, "k1");
    bench_receive(b, 0, "k2");
    bench_receive(b, 0, "k3");
    bench_pass(b, 10 * TR_S);
    tr_owner_poll(b->owner, b->now, b->wall, 2 * (1 + 40 + 1));
    assert_int_equal(b->counters->traces_kept, 2); // of three
    bench_poll(b);
    assert_int_equal(b->counters->traces_kept, 3);
    done(b);
}

static void a_large_trace_that_is_pending_waits_for_the_tick(void **state)
{
    struct bench *b = bench_sized(32, 64, 2, 0);

    bench_receive(b, 0, "p1");
    bench_receive(b, 0, "p1");
    bench_poll(b);
    bench_receive(b, 0, "p1");
    bench_poll(b);
    assert_int_equal(b->asked, 1);
    b->pending_settles = true;
    tr_owner_settle(b->owner, b->now, b->wall, 100);
    assert_int_equal(bench_verdict(b, "p1")->when, TR_WHEN_SIZE);
    assert_int_equal(bench_emits(b, 0), 3);
    done(b);
}

static void a_hundred_thousand_spans_are_emitted_in_turns(void **state)
{
    const uint32_t spans = 100000;
    struct bench *b = bench_sized(4, spans, 0, 0);
    uint32_t emitted = 0, turns = 0;

    for (uint32_t i = 0; i < spans; i++)
        bench_receive(b, i % 3, "k1");
    bench_tail(b, 0, b->position[0], false);
    bench_pass(b, 10 * TR_S);
    for (bool acknowledged = false; !acknowledged; turns++) {
        assert_true(tr_owner_poll(b->owner, b->now, b->wall, 1000) <= 1000);
        for (uint32_t o = 0; o < 3; o++) {
            emitted += bench_emits(b, o);
            acknowledged |= b->queued[o] && b->ring[o][b->queued[o] - 1].any.kind == TR_MESSAGE_ACK;
            b->queued[o] = 0;
        }
        bench_balance(b);
        assert_true(!acknowledged || emitted == spans);
    }
    assert_true(turns > 100);
    done(b);
}

static void stale_nodes_do_not_pile_up(void **state)
{
    struct bench *b = bench_sized(8, 64, 1, 0);
    char name[16];

    // One trace stands at the front of the FIFO while thousands are decided behind it: far more than it has
    // room for.
    bench_receive(b, 1, "p1");
    bench_poll(b);
    for (int i = 0; i < 5000; i++) {
        union tr_message m;

        snprintf(name, sizeof(name), "d%d", i);
        m = bench_span(b, 1, name);
        if (!bench_offer(b, 1, &m)) {
            assert_true(b->counters->refs_full > 0);
            b->pending_settles = true;
            tr_owner_settle(b->owner, b->now, b->wall, 100);
            assert_true(bench_offer(b, 1, &m));
        }
        bench_poll(b);
    }
    assert_true(b->pending_settles);
    done(b);
}

static void impossible_sizes_are_refused(void **state)
{
    const struct tr_decider decider = {0};
    const struct tr_owner_output output = {0};
    struct tr_owner_options options = bench_options();
    struct tr_error error = {""};
    struct tr_owner *owner;

    options.directory = "/nonexistent/directory";
    assert_int_equal(tr_owner_create(&owner, &options, &decider, &output, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/nonexistent/directory"));
    options.refs_max = options.traces_max - 1;
    assert_int_equal(tr_owner_create(&owner, &options, &decider, &output, &error), -EINVAL);
    options = bench_options();
    options.lcore = options.lcores;
    assert_int_equal(tr_owner_create(&owner, &options, &decider, &output, &error), -EINVAL);
    options = bench_options();
    options.traces_max = 0;
    assert_int_equal(tr_owner_create(&owner, &options, &decider, &output, &error), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_table_takes_no_more_until_the_least_wait),
        cmocka_unit_test(full_references_take_no_more_until_the_least_wait),
        cmocka_unit_test(the_first_message_not_taken_stops_a_burst),
        cmocka_unit_test(every_shape_of_traces_fits_the_references),
        cmocka_unit_test(a_trace_of_too_many_spans_is_decided_at_once),
        cmocka_unit_test(a_trace_of_too_many_bytes_is_decided_at_once),
        cmocka_unit_test(to_look_at_all_spans_is_work),
        cmocka_unit_test(what_a_chance_took_is_work),
        cmocka_unit_test(a_large_trace_that_is_pending_waits_for_the_tick),
        cmocka_unit_test(a_hundred_thousand_spans_are_emitted_in_turns),
        cmocka_unit_test(stale_nodes_do_not_pile_up),
        cmocka_unit_test(impossible_sizes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
