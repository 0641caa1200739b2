// SPDX-License-Identifier: Apache-2.0
// Windows and ACKs: when they go, what they say, how little is sent into a small one; ICMP.
#include "harness.h"

static uint8_t pattern[400000];

static int pattern_fill(void **state)
{
    for (uint32_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = wire_pattern(i);
    return 0;
}

static struct wire *hand_wire(void)
{
    struct tr_stack_options none = wire_options(0, false);

    none.mtu_bytes = 0;
    return wire_open(&none, NULL);
}

static void a_lone_segment_is_acknowledged_within_10_ms(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;

    hand_open(&hand, wire, NULL);
    hand_send(&hand, 0, TR_TCP_ACK, pattern, 100);
    assert_null(hand_answer(&hand));
    wire_run_for(wire, 9 * TR_MS);
    assert_int_equal(wire->heard_count, 1);
    wire_run_for(wire, 2 * TR_MS);
    assert_int_equal(wire->heard_count, 2);
    assert_int_equal(wire_last(wire, 1, 1)->ack, hand.seq + 100);
    wire_close(wire);
}

static void two_full_segments_are_acknowledged_at_once_and_together(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;

    hand_open(&hand, wire, NULL);
    for (int32_t i = 0; i < 4; i++)
        hand_send(&hand, i * 1460, TR_TCP_ACK, pattern + i * 1460, 1460);
    assert_int_equal(wire->heard_count, 1);
    assert_int_equal(hand_answer(&hand)->ack, hand.seq + 4 * 1460);
    assert_int_equal(wire->heard_count, 2);
    wire_close(wire);
}

static void data_carries_the_ack(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;

    hand_open(&hand, wire, NULL);
    hand_send(&hand, 0, TR_TCP_ACK, pattern, 100);
    wire_send(hand_conn(&hand), 50);
    assert_int_equal(hand_answer(&hand)->ack, hand.seq + 100);
    wire_run_for(wire, 15 * TR_MS);
    assert_int_equal(wire->heard_count, 2);
    wire_close(wire);
}

static void a_hole_and_its_filling_are_acknowledged_at_once(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;

    hand_open(&hand, wire, NULL);
    hand_send(&hand, 100, TR_TCP_ACK, pattern + 100, 10);
    assert_int_equal(hand_answer(&hand)->ack, hand.seq);
    hand_send(&hand, 0, TR_TCP_ACK, pattern, 100);
    assert_int_equal(hand_answer(&hand)->ack, hand.seq + 110);
    wire_close(wire);
}

static void the_right_edge_never_goes_back(void **state)
{
    struct tr_tcp_options scaled = {.has_mss = true, .mss_bytes = 1460, .has_window_scale = true, .window_scale = 0};
    struct wire *wire = hand_wire();
    const struct wire_segment *answer;
    struct hand hand;
    uint32_t edge = 0, sent = 0;

    hand_open(&hand, wire, &scaled);
    for (uint32_t i = 0; i < 600; i++) {
        uint32_t bytes = 1 + i * 7 % 1460;

        if (i == 100)
            tr_conn_pause(hand_conn(&hand)->conn);
        if (i > 100 && (int32_t)(edge - hand.seq - sent - bytes) < 0)
            bytes = edge - hand.seq - sent;
        if (!bytes)
            break;
        hand_send(&hand, (int32_t)sent, TR_TCP_ACK, pattern + sent, bytes);
        sent += bytes;
        wire_run_for(wire, 20 * TR_MS);
        answer = wire_last(wire, 1, 1);
        assert_int_equal(answer->ack, hand.seq + sent);
        // Ours is 256 KiB, shifted by 3.
        assert_true(!edge || tr_seq_leq(edge, answer->ack + (answer->window << 3)));
        edge = answer->ack + (uint32_t)(answer->window << 3);
    }
    assert_int_equal(edge, hand.seq + sent); // full to the last byte
    tr_conn_resume(hand_conn(&hand)->conn);
    hand_answer(&hand);
    assert_true(hand_conn(&hand)->received < sent); // a turn hands up so much
    answer = hand_answer(&hand);
    assert_int_equal(hand_conn(&hand)->received, sent);
    assert_true(answer->window << 3 >= 200000);
    wire_close(wire);
}

static void a_small_window_is_not_filled_with_crumbs(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;
    uint32_t heard;

    hand_open(&hand, wire, NULL);
    hand.window = 1460;
    hand_send(&hand, 0, TR_TCP_ACK, NULL, 0);
    wire_send(hand_conn(&hand), 10000);
    assert_int_equal(hand_answer(&hand)->bytes, 1460);
    hand.ack += 1460;
    hand.window = 100; // less than half of anything it ever was, and less than a segment
    heard = wire->heard_count;
    hand_send(&hand, 0, TR_TCP_ACK, NULL, 0);
    assert_null(hand_answer(&hand));
    wire_run_for(wire, 2 * TR_S); // but in the end it goes
    assert_int_equal(wire_last(wire, 1, heard)->bytes, 100);
    wire_close(wire);
}

static void a_shut_window_is_probed_ever_more_seldom(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;
    uint32_t heard;

    hand_open(&hand, wire, NULL);
    hand.window = 0;
    hand_send(&hand, 0, TR_TCP_ACK, NULL, 0);
    wire_send(hand_conn(&hand), 10000);
    assert_null(hand_answer(&hand));
    heard = wire->heard_count;
    wire_run_for(wire, 10 * TR_S);
    assert_in_range(wire->heard_count - heard, 4, 8);
    assert_int_equal(wire_last(wire, 1, heard)->bytes, 1);
    assert_int_equal(wire_last(wire, 1, heard)->seq, hand.ack);
    hand.window = 65535;
    hand_send(&hand, 0, TR_TCP_ACK, NULL, 0);
    assert_non_null(hand_answer(&hand));
    assert_true(wire_count(wire, 1, heard, TR_TCP_PSH) > 0);
    wire_close(wire);
}

static void a_probe_of_our_shut_window_is_answered(void **state)
{
    struct wire *wire = hand_wire();
    const struct wire_segment *answer;
    struct hand hand;

    hand_open(&hand, wire, NULL);
    tr_conn_pause(hand_conn(&hand)->conn);
    for (int32_t at = 0; at < 65535; at += 1285)
        hand_send(&hand, at, TR_TCP_ACK, pattern + at, 1285);
    answer = hand_answer(&hand);
    assert_int_equal(answer->ack, hand.seq + 65535);
    assert_int_equal(answer->window, 0);
    hand_send(&hand, 65535, TR_TCP_ACK, pattern + 65535, 1);
    answer = hand_answer(&hand);
    assert_int_equal(answer->ack, hand.seq + 65535);
    assert_int_equal(answer->window, 0);
    hand_send(&hand, 65535, TR_TCP_ACK | TR_TCP_FIN, NULL, 0); // there is no room for it either
    assert_int_equal(hand_answer(&hand)->ack, hand.seq + 65535);
    tr_conn_resume(hand_conn(&hand)->conn);
    assert_int_equal(hand_answer(&hand)->window, 65535);
    assert_int_equal(hand_conn(&hand)->received, 65535);
    wire_close(wire);
}

static void a_shrinking_window_is_survived(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;
    uint32_t heard;

    hand_open(&hand, wire, NULL);
    wire_send(hand_conn(&hand), 10 * 1460);
    hand_answer(&hand);
    hand.ack += 1460;
    hand.window = 0;
    hand_send(&hand, 0, TR_TCP_ACK, NULL, 0);
    heard = wire->heard_count;
    wire_run_for(wire, 5 * TR_S);
    assert_true(wire->heard_count > heard);
    hand.window = 65535;
    hand_send(&hand, 0, TR_TCP_ACK, NULL, 0);
    wire_run_for(wire, 100 * TR_MS);
    for (uint32_t i = 0; i < 10; i++) {
        const struct wire_segment *last = wire_last(wire, 1, heard);

        hand.ack = last->seq + last->bytes;
        hand_send(&hand, 0, TR_TCP_ACK, NULL, 0);
        wire_run_for(wire, 100 * TR_MS);
    }
    assert_int_equal(hand_conn(&hand)->conn->bytes_out, 10 * 1460);
    wire_close(wire);
}

static void writable_comes_when_there_is_room(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire);

    wire_send(conn, 256 * TR_KIB + 1);
    assert_int_equal(conn->sent, 256 * TR_KIB);
    assert_int_equal(tr_conn_send_room(conn->conn), 0);
    wire_run_for(wire, TR_S);
    assert_int_equal(conn->writables, 1);
    assert_int_equal(conn->peer->received, 256 * TR_KIB + 1);
    wire_close(wire);
}

// --- ICMP, as IP hands it to TCP

static struct tr_icmp_error error_of(struct hand *hand, uint32_t seq)
{
    return (struct tr_icmp_error){.local_ip = hand->wire->ends[1].ip,
                                  .peer_ip = hand->wire->ends[0].ip,
                                  .local_port = WIRE_PORT,
                                  .peer_port = hand->port,
                                  .seq = seq,
                                  .what = TR_ICMP_TOO_BIG,
                                  .mtu_bytes = 1000};
}

static void a_smaller_path_mtu_is_believed_of_what_is_in_flight(void **state)
{
    struct wire *wire = hand_wire();
    struct tr_icmp_error error;
    struct hand hand;

    hand_open(&hand, wire, NULL);
    wire_send(hand_conn(&hand), 5 * 1460);
    hand_answer(&hand);
    error = error_of(&hand, hand.ack + 5 * 1460); // not sent
    tr_tcp_icmp(wire->ends[1].stack, &error);
    error = error_of(&hand, hand.ack);
    error.local_port++;
    tr_tcp_icmp(wire->ends[1].stack, &error);
    assert_int_equal(wire_counters(wire, 1)->icmp_ignored, 2);
    assert_null(hand_answer(&hand));
    error = error_of(&hand, hand.ack);
    tr_tcp_icmp(wire->ends[1].stack, &error);
    assert_int_equal(wire->heard[wire->heard_count - 1].bytes, 1460);
    hand_answer(&hand);
    assert_int_equal(wire->heard[wire->heard_count - 2].bytes, 960);
    assert_int_equal(wire_counters(wire, 1)->mss_lowered_icmp, 1);
    error.mtu_bytes = 68;
    tr_tcp_icmp(wire->ends[1].stack, &error);
    hand_answer(&hand);
    assert_int_equal(wire->heard[wire->heard_count - 2].bytes, 536);
    wire_close(wire);
}

static void an_unreachable_host_ends_only_what_is_not_open(void **state)
{
    struct wire *wire = hand_wire();
    struct tr_icmp_error error;
    struct hand hand;

    hand_open(&hand, wire, NULL);
    wire_send(hand_conn(&hand), 1000);
    hand_answer(&hand);
    error = error_of(&hand, hand.ack);
    error.what = TR_ICMP_UNREACHABLE_HARD;
    tr_tcp_icmp(wire->ends[1].stack, &error);
    hand_answer(&hand);
    assert_false(hand_conn(&hand)->closed);
    wire_close(wire);
}

static void port_unreachable(struct wire *wire, uint32_t from, const struct wire_segment *segment,
                             struct wire_fate *fate)
{
    struct tr_icmp_error *error = wire->hook_context;

    if (!segment || from != 0)
        return;
    fate->drop = true;
    *error = (struct tr_icmp_error){.local_ip = wire->ends[0].ip,
                                    .peer_ip = wire->ends[1].ip,
                                    .local_port = segment->from_port,
                                    .peer_port = segment->to_port,
                                    .seq = segment->seq,
                                    .what = TR_ICMP_UNREACHABLE_HARD};
}

static void an_unreachable_host_refuses_a_connect(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct tr_icmp_error error = {0};
    struct wire_conn *conn;

    wire->hook = port_unreachable;
    wire->hook_context = &error;
    conn = wire_connect(wire, 0);
    wire_run_for(wire, 100 * TR_MS);
    assert_false(conn->closed);
    assert_int_equal(error.peer_port, WIRE_PORT);
    tr_tcp_icmp(wire->ends[0].stack, &error);
    wire_settle(wire);
    assert_int_equal(conn->end, TR_CONN_REFUSED);
    assert_true(conn->closed);
    wire_close(wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lone_segment_is_acknowledged_within_10_ms),
        cmocka_unit_test(two_full_segments_are_acknowledged_at_once_and_together),
        cmocka_unit_test(data_carries_the_ack),
        cmocka_unit_test(a_hole_and_its_filling_are_acknowledged_at_once),
        cmocka_unit_test(the_right_edge_never_goes_back),
        cmocka_unit_test(a_small_window_is_not_filled_with_crumbs),
        cmocka_unit_test(a_shut_window_is_probed_ever_more_seldom),
        cmocka_unit_test(a_probe_of_our_shut_window_is_answered),
        cmocka_unit_test(a_shrinking_window_is_survived),
        cmocka_unit_test(writable_comes_when_there_is_room),
        cmocka_unit_test(a_smaller_path_mtu_is_believed_of_what_is_in_flight),
        cmocka_unit_test(an_unreachable_host_ends_only_what_is_not_open),
        cmocka_unit_test(an_unreachable_host_refuses_a_connect),
    };

    return cmocka_run_group_tests(tests, pattern_fill, NULL);
}
