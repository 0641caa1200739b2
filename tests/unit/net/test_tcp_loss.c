// SPDX-License-Identifier: Apache-2.0
// Losses and what follows: fast retransmit, tail-loss probes, timeouts, those that were none, smaller segments.
#include "harness.h"

struct plan {
    uint32_t from; // whose data
    uint32_t seen; // segments with data so far
    uint32_t drop_first, drop_count; // drop these
    uint32_t every;                  // or each of so many
    uint32_t larger_than;            // and all with more data than this
    bool acks;                       // drop the other side's ACKs
    uint64_t delay_ns;               // more, for the dropped
};

static void follow(struct wire *wire, uint32_t from, const struct wire_segment *segment, struct wire_fate *fate)
{
    struct plan *plan = wire->hook_context;

    if (!segment || (segment->flags & TR_TCP_SYN))
        return;
    if (plan->acks && from != plan->from)
        fate->drop = true;
    if (from != plan->from || !segment->bytes)
        return;
    plan->seen++;
    if ((plan->seen >= plan->drop_first && plan->seen < plan->drop_first + plan->drop_count) ||
        (plan->every && plan->seen % plan->every == 0) || (plan->larger_than && segment->bytes > plan->larger_than)) {
        fate->drop = !plan->delay_ns;
        fate->delay_ns += plan->delay_ns;
    }
}

static struct wire *wire_with(struct plan *plan, const struct tr_stack_options *one)
{
    struct wire *wire = wire_open(NULL, one);

    wire->hook_context = plan;
    wire->hook = follow;
    return wire;
}

static void one_lost_segment_costs_no_timeout(void **state)
{
    struct plan plan = {.drop_first = 5, .drop_count = 1};
    struct wire *wire = wire_with(&plan, NULL);
    struct wire_conn *conn = wire_connected(wire);

    wire_send(conn, 100000);
    wire_run_for(wire, 100 * TR_MS);
    assert_int_equal(conn->peer->received, 100000);
    assert_int_equal(wire_counters(wire, 0)->retransmits_fast, 1);
    assert_int_equal(wire_counters(wire, 0)->recoveries, 1);
    assert_int_equal(wire_counters(wire, 0)->timeouts, 0);
    wire_close(wire);
}

static void many_lost_segments_are_sent_again_once_each(void **state)
{
    struct plan plan = {.every = 7};
    struct wire *wire = wire_with(&plan, NULL);
    struct wire_conn *conn = wire_connected(wire);

    wire_send(conn, 200000);
    wire_run_for(wire, 5 * TR_S);
    assert_int_equal(conn->peer->received, 200000);
    assert_true(wire_counters(wire, 0)->retransmits_fast <= plan.seen / 7 + 1);
    assert_int_equal(wire_counters(wire, 1)->drop_duplicate, 0);
    wire_close(wire);
}

static void the_last_segment_is_asked_for(void **state)
{
    struct plan plan = {.drop_first = 7, .drop_count = 1};
    struct wire *wire = wire_with(&plan, NULL);
    struct wire_conn *conn = wire_connected(wire);

    wire_send(conn, 7 * 1448);
    wire_run_for(wire, 100 * TR_MS); // well before a timeout
    assert_int_equal(conn->peer->received, 7 * 1448);
    assert_int_equal(wire_counters(wire, 0)->retransmits_probe, 1);
    assert_int_equal(wire_counters(wire, 0)->timeouts, 0);
    wire_close(wire);
}

static void timeouts_wait_twice_as_long_each_time(void **state)
{
    struct tr_stack_options none = wire_options(0, false);
    struct wire *wire;
    struct hand hand;
    uint64_t at[8];
    uint32_t count = 0;

    none.mtu_bytes = 0;
    wire = wire_open(&none, NULL);
    hand_open(&hand, wire, NULL);
    wire_send(hand_conn(&hand), 100);
    wire_run_for(wire, 20 * TR_S);
    for (uint32_t i = 0; i < wire->heard_count && count < 8; i++) {
        if (wire->heard[i].bytes)
            at[count++] = wire->heard[i].at_ns;
    }
    assert_true(count >= 6);
    for (uint32_t i = 3; i + 1 < count; i++) {
        uint64_t ratio_percent = (at[i + 1] - at[i]) * 100 / (at[i] - at[i - 1]);

        assert_in_range(ratio_percent, 195, 205);
    }
    wire_close(wire);
}

static void a_late_ack_undoes_the_timeout(void **state)
{
    struct plan plan = {.acks = false};
    struct wire *wire = wire_with(&plan, NULL);
    struct wire_conn *conn = wire_connected(wire);
    struct tr_conn_row row;
    uint32_t cwnd;

    wire_send(conn, 300000);
    wire_run_for(wire, 2 * TR_S);
    wire->delay_ns = 400 * TR_MS; // far beyond the timeout
    wire_send(conn, 10000);
    wire_run_for(wire, TR_MS);
    tr_stack_connections(wire->ends[0].stack, &row, 1);
    cwnd = row.cwnd_bytes;
    wire_run_for(wire, 900 * TR_MS);
    wire->delay_ns = WIRE_DELAY;
    wire_run_for(wire, 2 * TR_S);
    assert_int_equal(conn->peer->received, 310000);
    assert_true(wire_counters(wire, 0)->timeouts > 0);
    assert_int_equal(wire_counters(wire, 0)->undone, 1);
    tr_stack_connections(wire->ends[0].stack, &row, 1);
    assert_true(row.cwnd_bytes >= cwnd);
    wire_close(wire);
}

static void without_sack_three_duplicates_do(void **state)
{
    struct tr_stack_options none = wire_options(0, false);
    struct wire *wire;
    struct hand hand;
    uint32_t heard;

    none.mtu_bytes = 0;
    wire = wire_open(&none, NULL);
    hand_open(&hand, wire, NULL);
    wire_send(hand_conn(&hand), 20 * 1460);
    hand_answer(&hand);
    heard = wire->heard_count;
    hand_send(&hand, 0, TR_TCP_ACK, NULL, 0);
    hand_send(&hand, 0, TR_TCP_ACK, NULL, 0);
    hand_answer(&hand); // limited transmit: two new ones
    assert_int_equal(wire->heard_count - heard, 2);
    assert_int_equal(wire_last(wire, 1, heard)->seq, hand.ack + 11 * 1460);
    hand_send(&hand, 0, TR_TCP_ACK, NULL, 0);
    heard = wire->heard_count;
    hand_answer(&hand);
    assert_int_equal(wire->heard[heard].seq, hand.ack);
    assert_int_equal(wire->heard[heard].bytes, 1460);
    // A partial ACK: the next hole.
    hand.ack += 3 * 1460;
    hand_send(&hand, 0, TR_TCP_ACK, NULL, 0);
    heard = wire->heard_count;
    hand_answer(&hand);
    assert_int_equal(wire->heard[heard].seq, hand.ack);
    assert_int_equal(wire_counters(wire, 1)->retransmits_fast, 2);
    wire_close(wire);
}

static void lost_acks_cost_nothing(void **state)
{
    struct plan plan = {.acks = true};
    struct wire *wire = wire_with(&plan, NULL);
    struct wire_conn *conn;

    plan.acks = false;
    conn = wire_connected(wire);
    wire_send(conn, 5000);
    plan.acks = true;
    wire_run_for(wire, 5 * TR_MS);
    plan.acks = false;
    wire_send(conn, 5000);
    wire_run_for(wire, 100 * TR_MS);
    assert_int_equal(conn->conn->bytes_out, 10000);
    assert_int_equal(wire_counters(wire, 0)->timeouts, 0);
    wire_close(wire);
}

static void a_path_that_swallows_large_segments_is_found_out(void **state)
{
    struct plan plan = {.larger_than = 1300};
    struct wire *wire = wire_with(&plan, NULL);
    struct wire_conn *conn = wire_connected(wire);
    struct tr_conn_row row;

    wire_send(conn, 100000);
    wire_run_for(wire, 60 * TR_S);
    assert_int_equal(conn->peer->received, 100000);
    tr_stack_connections(wire->ends[0].stack, &row, 1);
    assert_int_equal(row.mss_bytes, 1220);
    assert_true(wire_counters(wire, 0)->mss_lowered_timeout > 0);
    wire_close(wire);
}

static void one_direction_at_a_thousandth_loss_is_quick(void **state)
{
    struct plan plan = {.every = 100};
    struct wire *wire = wire_with(&plan, NULL);
    struct wire_conn *conn = wire_connected(wire);
    uint64_t begin = wire->now;

    wire_send(conn, 4000000);
    while (conn->peer->received < 4000000 && wire->now < begin + 60 * TR_S)
        wire_run_for(wire, 10 * TR_MS);
    // 2 ms there and back: a window of ten segments alone would take 0.6 s.
    assert_true(wire->now - begin < 1500 * TR_MS);
    assert_int_equal(wire_counters(wire, 0)->timeouts, 0);
    wire_close(wire);
}

struct twice {
    uint32_t seq, times; // drop this segment so often
    uint32_t nth, seen;
};

static void drop_again(struct wire *wire, uint32_t from, const struct wire_segment *segment, struct wire_fate *fate)
{
    struct twice *twice = wire->hook_context;

    if (!segment || from != 0 || !segment->bytes)
        return;
    if (++twice->seen == twice->nth)
        twice->seq = segment->seq;
    if (twice->seen >= twice->nth && segment->seq == twice->seq && twice->times) {
        twice->times--;
        fate->drop = true;
    }
}

static void what_is_lost_again_costs_no_timeout(void **state)
{
    struct twice twice = {.nth = 30, .times = 3};
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire);

    wire->hook_context = &twice;
    wire->hook = drop_again;
    wire_send(conn, 400000);
    wire_run_for(wire, 300 * TR_MS);
    assert_int_equal(twice.times, 0);
    assert_int_equal(conn->peer->received, 400000);
    assert_int_equal(wire_counters(wire, 0)->timeouts, 0);
    assert_int_equal(wire_counters(wire, 0)->retransmits_fast, 3);
    wire_close(wire);
}

// Two segments behind a hole are too few to tell by their number.
static void silence_behind_a_hole_is_a_loss(void **state)
{
    struct twice twice = {.nth = 5, .times = 1};
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire);

    wire->hook_context = &twice;
    wire->hook = drop_again;
    wire_send(conn, 7 * 1448);
    wire_run_for(wire, 20 * TR_MS);
    assert_int_equal(conn->peer->received, 7 * 1448);
    assert_int_equal(wire_counters(wire, 0)->timeouts, 0);
    wire_close(wire);
}

// The lcore was away for longer than a probe waits: ACKs may lie in frames that were not given yet.
static void timers_wait_for_frames_that_wait(void **state)
{
    struct plan plan = {.from = 0, .acks = true};
    struct wire *wire = wire_with(&plan, NULL);
    struct tr_stack *stack = wire->ends[0].stack;
    struct wire_conn *conn = wire_connected(wire);
    struct tr_tcp_counters *counters = wire_counters(wire, 0);

    wire_send(conn, 1000);
    tr_stack_poll(stack, wire->now);
    wire->now += 300 * TR_MS;
    tr_stack_frames_wait(stack);
    tr_stack_poll(stack, wire->now);
    wire->now += 15 * TR_MS;
    tr_stack_frames_wait(stack);
    tr_stack_poll(stack, wire->now);
    assert_int_equal(counters->retransmits_probe + counters->timeouts, 0);
    wire->now += 15 * TR_MS; // not for ever
    tr_stack_frames_wait(stack);
    tr_stack_poll(stack, wire->now);
    assert_int_equal(counters->retransmits_probe + counters->timeouts, 1);
    wire_close(wire);
}

// The host behind an address is replaced: its announcement tells where it is, and it resets what it does not know.
static void a_next_hop_that_moved_is_found_again(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire);
    struct tr_stack_options other = wire_options(1, false);

    other.mac[5] ^= 0x55;
    wire_replace(wire, 1, &other);
    tr_stack_announce(wire->ends[1].stack, wire->now);
    wire_run_for(wire, 10 * TR_MS);
    wire_send(conn, 5000);
    wire_run_for(wire, 2 * TR_S);
    assert_true(conn->closed);
    assert_int_equal(conn->end, TR_CONN_RESET);
    wire_close(wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_lost_segment_costs_no_timeout),
        cmocka_unit_test(many_lost_segments_are_sent_again_once_each),
        cmocka_unit_test(the_last_segment_is_asked_for),
        cmocka_unit_test(timeouts_wait_twice_as_long_each_time),
        cmocka_unit_test(a_late_ack_undoes_the_timeout),
        cmocka_unit_test(without_sack_three_duplicates_do),
        cmocka_unit_test(lost_acks_cost_nothing),
        cmocka_unit_test(a_path_that_swallows_large_segments_is_found_out),
        cmocka_unit_test(what_is_lost_again_costs_no_timeout),
        cmocka_unit_test(silence_behind_a_hole_is_a_loss),
        cmocka_unit_test(timers_wait_for_frames_that_wait),
        cmocka_unit_test(a_next_hop_that_moved_is_found_again),
        cmocka_unit_test(one_direction_at_a_thousandth_loss_is_quick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
