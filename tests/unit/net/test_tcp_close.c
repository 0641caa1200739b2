// SPDX-License-Identifier: Apache-2.0
// Closing: FINs in every order, TIME_WAIT, what comes late, users who call from callbacks.
#include "harness.h"

static struct wire *hand_wire(void)
{
    struct tr_stack_options none = wire_options(0, false);

    none.mtu_bytes = 0;
    return wire_open(&none, NULL);
}

static const struct tr_tcp_options timestamps = {.has_mss = true, .mss_bytes = 1460, .has_timestamp = true,
                                                 .timestamp = 5000};

static void both_may_close_at_once(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire), *peer = conn->peer;

    tr_conn_close(conn->conn);
    tr_conn_close(peer->conn);
    wire_run_for(wire, TR_S);
    assert_int_equal(conn->end, TR_CONN_CLOSED);
    assert_int_equal(peer->end, TR_CONN_CLOSED);
    assert_true(conn->closed && peer->closed);
    assert_int_equal(wire_counters(wire, 0)->time_wait, 1);
    assert_int_equal(wire_counters(wire, 1)->time_wait, 1);
    wire_close(wire);
}

static void a_fin_before_its_data_waits_for_it(void **state)
{
    struct wire *wire = hand_wire();
    uint8_t data[4] = {wire_pattern(0), wire_pattern(1), wire_pattern(2), wire_pattern(3)};
    struct hand hand;

    hand_open(&hand, wire, NULL);
    hand_send(&hand, 2, TR_TCP_ACK | TR_TCP_FIN, data + 2, 2);
    assert_int_equal(hand_answer(&hand)->ack, hand.seq);
    assert_false(hand_conn(&hand)->eof);
    hand_send(&hand, 0, TR_TCP_ACK, data, 2);
    assert_int_equal(hand_conn(&hand)->received, 4);
    assert_true(hand_conn(&hand)->eof);
    assert_int_equal(hand_answer(&hand)->ack, hand.seq + 5);
    wire_close(wire);
}

static void a_lost_fin_is_sent_again(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;

    hand_open(&hand, wire, NULL);
    wire_send(hand_conn(&hand), 100);
    tr_conn_close(hand_conn(&hand)->conn);
    assert_int_equal(hand_answer(&hand)->flags, TR_TCP_ACK | TR_TCP_PSH | TR_TCP_FIN);
    wire_run_for(wire, 10 * TR_S);
    assert_true(wire_count(wire, 1, 0, TR_TCP_FIN) >= 3);
    hand.ack += 101;
    hand_send(&hand, 0, TR_TCP_ACK | TR_TCP_FIN, NULL, 0);
    assert_int_equal(wire_last(wire, 1, 0)->ack, hand.seq + 1);
    wire_settle(wire);
    assert_int_equal(hand_conn(&hand)->end, TR_CONN_CLOSED);
    assert_true(hand_conn(&hand)->closed);
    wire_close(wire);
}

static void close_after(struct hand *hand, struct wire *wire, const struct tr_tcp_options *options)
{
    hand_open(hand, wire, options);
    tr_conn_close(hand_conn(hand)->conn);
    hand_answer(hand);
    hand->ack++;
    hand_send(hand, 0, TR_TCP_ACK | TR_TCP_FIN, NULL, 0);
    hand_answer(hand);
    hand->seq++;
    assert_int_equal(wire_counters(wire, 1)->time_wait, 1);
}

// RFC 9293 3.8.6: the right edge does not move back, by the rounding of the scale neither.
static void time_wait_keeps_its_window(void **state)
{
    const struct tr_tcp_options options = {
        .has_mss = true, .mss_bytes = 1460, .has_window_scale = true, .window_scale = 2};
    struct wire *wire = hand_wire();
    const struct wire_segment *answer;
    struct hand hand;
    uint32_t edge, scale = 3; // 256 KiB

    hand_open(&hand, wire, &options);
    tr_conn_close(hand_conn(&hand)->conn);
    answer = hand_answer(&hand);
    assert_int_equal(answer->flags, TR_TCP_ACK | TR_TCP_FIN);
    edge = answer->ack + ((uint32_t)answer->window << scale);
    hand.ack++;
    hand_send(&hand, 0, TR_TCP_ACK | TR_TCP_FIN, NULL, 0);
    hand_answer(&hand);
    assert_int_equal(wire_counters(wire, 1)->time_wait, 1);
    answer = wire_last(wire, 1, 0);
    assert_int_equal(answer->ack, hand.seq + 1);
    assert_true((int32_t)(answer->ack + ((uint32_t)answer->window << scale) - edge) >= 0);
    wire_close(wire);
}

static void time_wait_acknowledges_a_fin_again(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;
    uint32_t heard;

    close_after(&hand, wire, &timestamps);
    wire_run_for(wire, 50 * TR_S);
    heard = wire->heard_count;
    hand_send(&hand, -1, TR_TCP_ACK | TR_TCP_FIN, NULL, 0);
    assert_int_equal(wire->heard_count, heard + 1);
    assert_int_equal(wire_last(wire, 1, heard)->ack, hand.seq);
    assert_int_equal(wire_last(wire, 1, heard)->seq, hand.ack);
    assert_true(wire_last(wire, 1, heard)->options.has_timestamp);
    wire_run_for(wire, 50 * TR_S); // it began anew
    assert_int_equal(wire_counters(wire, 1)->time_wait, 1);
    wire_run_for(wire, 11 * TR_S);
    assert_int_equal(wire_counters(wire, 1)->time_wait, 0);
    wire_close(wire);
}

static void a_newer_syn_takes_time_wait_over(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;
    struct wire_segment syn = {.to_port = WIRE_PORT, .flags = TR_TCP_SYN, .window = 1000, .options = timestamps};
    uint32_t heard;

    close_after(&hand, wire, &timestamps);
    syn.from_port = hand.port;
    syn.seq = hand.seq - 100;
    syn.options.timestamp = 4999; // an old one
    heard = wire->heard_count;
    wire_inject(wire, 0, &syn);
    assert_int_equal(wire_last(wire, 1, heard)->flags, TR_TCP_ACK);
    syn.options.timestamp = 5001;
    wire_inject(wire, 0, &syn);
    assert_int_equal(wire_last(wire, 1, heard)->flags, TR_TCP_SYN | TR_TCP_ACK);
    assert_true(tr_seq_lt(hand.ack, wire_last(wire, 1, heard)->seq));
    assert_int_equal(wire_counters(wire, 1)->time_wait_reused, 1);
    wire_settle(wire);
    assert_int_equal(wire_counters(wire, 1)->time_wait, 0);
    wire_close(wire);
}

static void the_oldest_time_wait_makes_room(void **state)
{
    struct tr_stack_options zero = wire_options(0, false);
    struct wire *wire;

    zero.time_wait_max = 3;
    wire = wire_open(&zero, NULL);
    for (uint32_t i = 0; i < 5; i++) {
        struct wire_conn *conn = wire_connected(wire), *peer = conn->peer;

        tr_conn_close(conn->conn);
        tr_conn_close(peer->conn);
        wire_run_for(wire, 100 * TR_MS);
        assert_true(conn->closed);
    }
    assert_int_equal(wire_counters(wire, 0)->time_wait, 3);
    assert_int_equal(wire_counters(wire, 0)->time_wait_evicted, 2);
    wire_close(wire);
}

static void a_reset_ends_time_wait_if_it_is_exact(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;

    close_after(&hand, wire, NULL);
    hand_send(&hand, 1, TR_TCP_RST, NULL, 0);
    hand_answer(&hand);
    assert_int_equal(wire_counters(wire, 1)->time_wait, 1);
    hand_send(&hand, 0, TR_TCP_RST, NULL, 0);
    hand_answer(&hand);
    assert_int_equal(wire_counters(wire, 1)->time_wait, 0);
    wire_close(wire);
}

static void fin_wait_2_does_not_last_for_ever(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire), *peer = conn->peer;

    tr_conn_close(conn->conn);
    wire_run_for(wire, 59 * TR_S);
    assert_false(conn->closed);
    wire_run_for(wire, 2 * TR_S);
    assert_int_equal(conn->end, TR_CONN_TIMEOUT);
    assert_true(conn->closed);
    assert_int_equal(peer->end, TR_CONN_RESET);
    wire_close(wire);
}

static void what_comes_after_close_is_taken_and_thrown_away(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire), *peer = conn->peer;

    tr_conn_pause(conn->conn);
    wire_send(peer, 30000);
    wire_run_for(wire, TR_S);
    assert_int_equal(conn->received, 0);
    tr_conn_close(conn->conn);
    wire_send(peer, 500000);
    peer->close_after = true;
    wire_run_for(wire, 10 * TR_S);
    assert_int_equal(peer->sent, 530000);
    assert_int_equal(conn->received, 0);
    assert_int_equal(conn->end, TR_CONN_CLOSED);
    assert_int_equal(peer->end, TR_CONN_CLOSED);
    assert_true(conn->closed && peer->closed);
    assert_true(wire_counters(wire, 0)->drop_after_close > 0);
    assert_int_equal(tr_stack_reassembly_used(wire->ends[0].stack), 0);
    wire_close(wire);
}

static void a_pause_holds_back_the_end_too(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire), *peer = conn->peer;

    tr_conn_pause(peer->conn);
    wire_send(conn, 1000);
    tr_conn_close(conn->conn);
    wire_run_for(wire, TR_S);
    assert_false(peer->eof);
    tr_conn_resume(peer->conn);
    wire_run_for(wire, TR_S);
    assert_true(peer->eof);
    assert_int_equal(peer->received, 1000);
    wire_close(wire);
}

static void drop_all(struct wire *wire, uint32_t from, const struct wire_segment *segment, struct wire_fate *fate)
{
    fate->drop = true;
}

static bool nothing_goes;

static void cut_off(struct wire *wire, uint32_t from, const struct wire_segment *segment, struct wire_fate *fate)
{
    fate->drop = nothing_goes;
}

// A probe that finds no buffer is due again, but not in the same turn: that would never end.
static void keepalive_without_a_frame_waits(void **state)
{
    struct tr_stack_options zero = wire_options(0, false);
    struct wire_conn *conn;
    struct wire *wire;

    zero.keepalive_ns = 20 * TR_S;
    wire = wire_open(&zero, NULL);
    conn = wire_connected(wire);
    wire->ends[0].buffers = 0;
    for (uint32_t i = 0; i < 30; i++)
        wire_run_for(wire, TR_S);
    assert_int_equal(wire_counters(wire, 0)->keepalive_probes, 0);
    wire->ends[0].buffers = UINT32_MAX;
    wire_run_for(wire, 100 * TR_S);
    assert_true(wire_counters(wire, 0)->keepalive_probes >= 4);
    assert_false(conn->closed);
    wire_close(wire);
}

// Data that is sent again and again has stall_timeout, and no keepalive beside it.
static void keepalive_keeps_out_of_retransmission(void **state)
{
    struct tr_stack_options zero = wire_options(0, false);
    struct wire_conn *conn;
    struct wire *wire;

    zero.keepalive_ns = 10 * TR_S;
    zero.stall_timeout_ns = 300 * TR_S;
    wire = wire_open(&zero, NULL);
    conn = wire_connected(wire);
    nothing_goes = true;
    wire->hook = cut_off;
    wire_send(conn, 1000);
    wire_run_for(wire, 200 * TR_S);
    assert_false(conn->closed);
    assert_int_equal(wire_counters(wire, 0)->keepalive_probes, 0);
    nothing_goes = false;
    wire_run_for(wire, 60 * TR_S);
    assert_int_equal(conn->peer->received, 1000);
    wire_close(wire);
}

static void keepalive_finds_out_who_is_gone(void **state)
{
    struct tr_stack_options zero = wire_options(0, false);
    struct wire_conn *conn;
    struct wire *wire;

    zero.keepalive_ns = 20 * TR_S;
    wire = wire_open(&zero, NULL);
    conn = wire_connected(wire);
    wire_run_for(wire, 600 * TR_S);
    assert_false(conn->closed);
    assert_true(wire_counters(wire, 0)->keepalive_probes >= 25);
    wire->hook = drop_all;
    wire_run_for(wire, 60 * TR_S);
    assert_int_equal(conn->end, TR_CONN_TIMEOUT);
    assert_true(conn->closed);
    wire_close(wire);
}

// --- from callbacks

static void close_at_once(struct wire_conn *conn, const uint8_t *data, size_t bytes)
{
    if (!conn->close_after)
        tr_conn_close(conn->conn);
    conn->close_after = true;
}

static void abort_at_once(struct wire_conn *conn, const uint8_t *data, size_t bytes)
{
    if (conn->conn)
        tr_conn_abort(conn->conn);
}

static void abort_all(struct wire_conn *conn, const uint8_t *data, size_t bytes)
{
    for (uint32_t i = 0; i < conn->owner->conns_count; i++) {
        if (conn->owner->conns[i].conn)
            tr_conn_abort(conn->owner->conns[i].conn);
    }
}

static void from_input(void (*act)(struct wire_conn *, const uint8_t *, size_t), uint32_t pieces)
{
    struct wire *wire = wire_open(NULL, NULL);

    for (uint32_t i = 0; i < 8; i++)
        wire_connected(wire);
    wire->ends[1].on_input = act;
    wire->ends[1].pieces = pieces;
    for (uint32_t i = 0; i < 8; i++)
        wire_send(&wire->ends[0].conns[i], 100000);
    for (uint32_t i = 0; i < 8; i++)
        tr_conn_close(wire->ends[0].conns[i].conn);
    wire_run_for(wire, 200 * TR_S);
    for (uint32_t i = 0; i < 8; i++) {
        assert_true(wire->ends[0].conns[i].closed);
        assert_true(wire->ends[1].conns[i].closed);
    }
    wire_close(wire);
}

static void users_end_connections_from_input(void **state)
{
    from_input(close_at_once, 0);
    from_input(close_at_once, 130);
    from_input(abort_at_once, 0);
    from_input(abort_at_once, 130);
    from_input(abort_all, 0);
    from_input(abort_all, 130);
}

static void pause_then_abort(struct wire_conn *conn)
{
    tr_conn_pause(conn->conn);
    tr_conn_abort(conn->conn);
}

static void open_another(struct wire_conn *conn)
{
    if (conn->owner->conns_count < 20)
        wire_connect(conn->owner->wire, conn->owner->number);
}

static void users_open_and_end_from_eof_and_closed(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);

    wire->ends[1].on_eof = pause_then_abort;
    wire->ends[0].on_closed = open_another;
    tr_conn_close(wire_connected(wire)->conn);
    for (uint32_t i = 0; i < 40; i++) {
        wire_run_for(wire, 100 * TR_MS);
        for (uint32_t c = 0; c < wire->ends[0].conns_count; c++) {
            if (wire->ends[0].conns[c].conn)
                tr_conn_close(wire->ends[0].conns[c].conn);
        }
    }
    assert_int_equal(wire->ends[0].conns_count, 20);
    wire_close(wire);
}

static void a_destroyed_stack_ends_all(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire);

    wire_send(conn, 10000);
    tr_stack_destroy(wire->ends[0].stack, wire->now);
    wire->ends[0].stack = NULL;
    assert_true(conn->closed);
    assert_int_equal(conn->end, TR_CONN_ABORTED);
    wire_run_for(wire, TR_S);
    assert_int_equal(conn->peer->end, TR_CONN_RESET);
    wire_close(wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_may_close_at_once),
        cmocka_unit_test(a_fin_before_its_data_waits_for_it),
        cmocka_unit_test(a_lost_fin_is_sent_again),
        cmocka_unit_test(time_wait_keeps_its_window),
        cmocka_unit_test(time_wait_acknowledges_a_fin_again),
        cmocka_unit_test(a_newer_syn_takes_time_wait_over),
        cmocka_unit_test(the_oldest_time_wait_makes_room),
        cmocka_unit_test(a_reset_ends_time_wait_if_it_is_exact),
        cmocka_unit_test(fin_wait_2_does_not_last_for_ever),
        cmocka_unit_test(what_comes_after_close_is_taken_and_thrown_away),
        cmocka_unit_test(a_pause_holds_back_the_end_too),
        cmocka_unit_test(keepalive_finds_out_who_is_gone),
        cmocka_unit_test(keepalive_without_a_frame_waits),
        cmocka_unit_test(keepalive_keeps_out_of_retransmission),
        cmocka_unit_test(users_end_connections_from_input),
        cmocka_unit_test(users_open_and_end_from_eof_and_closed),
        cmocka_unit_test(a_destroyed_stack_ends_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
