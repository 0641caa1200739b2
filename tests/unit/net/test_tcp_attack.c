// SPDX-License-Identifier: Apache-2.0
// What a stranger may send, or a peer that means harm: RFC 5961, PAWS, overlaps, hoarding.
#include "harness.h"

static const struct tr_tcp_options timestamps = {.has_mss = true, .mss_bytes = 1460, .has_timestamp = true,
                                                 .timestamp = 5000, .has_sack_permitted = true,
                                                 .has_window_scale = true, .window_scale = 2};

static struct wire *hand_wire(void)
{
    struct tr_stack_options none = wire_options(0, false);

    none.mtu_bytes = 0;
    return wire_open(&none, NULL);
}

static uint8_t pattern[100000];

static int pattern_fill(void **state)
{
    for (uint32_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = wire_pattern(i);
    return 0;
}

static void a_guessed_reset_is_challenged(void **state)
{
    struct wire *wire = hand_wire();
    const struct wire_segment *answer;
    struct hand hand;

    hand_open(&hand, wire, NULL);
    hand_send(&hand, 1000, TR_TCP_RST, NULL, 0);
    answer = hand_answer(&hand);
    assert_int_equal(answer->flags, TR_TCP_ACK);
    assert_int_equal(answer->ack, hand.seq);
    assert_int_equal(wire_counters(wire, 1)->challenges, 1);
    hand_send(&hand, -1, TR_TCP_RST, NULL, 0); // outside: not even that
    assert_null(hand_answer(&hand));
    hand_send(&hand, 70000, TR_TCP_RST, NULL, 0);
    assert_null(hand_answer(&hand));
    assert_int_equal(wire_counters(wire, 1)->drop_rst, 3);
    assert_false(hand_conn(&hand)->closed);
    hand_send(&hand, 0, TR_TCP_RST, NULL, 0);
    hand_answer(&hand);
    assert_int_equal(hand_conn(&hand)->end, TR_CONN_RESET);
    assert_true(hand_conn(&hand)->closed);
    wire_close(wire);
}

static void a_syn_on_a_connection_is_challenged(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;

    hand_open(&hand, wire, NULL);
    hand_send(&hand, 5, TR_TCP_SYN, NULL, 0);
    assert_int_equal(hand_answer(&hand)->ack, hand.seq);
    hand_send(&hand, -5000, TR_TCP_SYN, NULL, 0);
    assert_int_equal(hand_answer(&hand)->ack, hand.seq);
    assert_false(hand_conn(&hand)->closed);
    wire_close(wire);
}

static void an_ack_of_what_was_never_sent_drops_the_data(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;

    hand_open(&hand, wire, NULL);
    hand.ack += 1;
    hand_send(&hand, 0, TR_TCP_ACK, pattern, 10);
    assert_int_equal(hand_answer(&hand)->ack, hand.seq);
    hand.ack -= 70000;
    hand_send(&hand, 0, TR_TCP_ACK, pattern, 10);
    assert_int_equal(hand_answer(&hand)->ack, hand.seq);
    assert_int_equal(hand_conn(&hand)->received, 0);
    assert_int_equal(wire_counters(wire, 1)->drop_ack, 2);
    wire_close(wire);
}

static void challenges_are_rationed(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;

    hand_open(&hand, wire, NULL);
    for (uint32_t i = 0; i < 3000; i++)
        hand_send(&hand, 1000, TR_TCP_RST, NULL, 0);
    assert_in_range(wire_counters(wire, 1)->challenges, 500, 1499);
    assert_int_equal(wire_counters(wire, 1)->challenges + wire_counters(wire, 1)->challenges_held, 3000);
    wire_settle(wire); // one ACK a connection and turn
    assert_int_equal(wire_count(wire, 1, 0, TR_TCP_ACK), 2);
    wire_close(wire);
}

static void an_old_timestamp_is_an_old_segment(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;

    hand_open(&hand, wire, &timestamps);
    hand.timestamp = 5001;
    hand_send(&hand, 0, TR_TCP_ACK, pattern, 10);
    assert_int_equal(hand_conn(&hand)->received, 10);
    hand.timestamp = 5000;
    hand_send(&hand, 10, TR_TCP_ACK, pattern + 10, 10);
    assert_int_equal(hand_conn(&hand)->received, 10);
    assert_int_equal(hand_answer(&hand)->ack, hand.seq + 10);
    assert_int_equal(wire_counters(wire, 1)->drop_paws, 1);
    hand.timestamps = false;
    hand_send(&hand, 10, TR_TCP_ACK, pattern + 10, 10);
    assert_int_equal(wire_counters(wire, 1)->drop_no_timestamp, 1);
    // A reset needs none, and after 24 days none is old.
    wire_run_for(wire, 25ull * 86400 * TR_S);
    hand.timestamps = true;
    hand_send(&hand, 10, TR_TCP_ACK, pattern + 10, 10);
    assert_int_equal(hand_conn(&hand)->received, 20);
    wire_close(wire);
}

static void overlaps_are_cut(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;

    hand_open(&hand, wire, &timestamps);
    hand_send(&hand, 100, TR_TCP_ACK, pattern + 100, 100);
    hand_send(&hand, 150, TR_TCP_ACK, pattern + 150, 100);
    hand_send(&hand, 50, TR_TCP_ACK, pattern + 50, 300);
    hand_send(&hand, 0, TR_TCP_ACK, pattern, 60);
    assert_int_equal(hand_conn(&hand)->received, 350);
    hand_send(&hand, 0, TR_TCP_ACK, pattern, 400);
    assert_int_equal(hand_conn(&hand)->received, 400);
    assert_int_equal(hand_answer(&hand)->ack, hand.seq + 400);
    assert_int_equal(tr_stack_reassembly_used(wire->ends[1].stack), 0);
    wire_close(wire);
}

static void what_was_there_before_is_told(void **state)
{
    struct wire *wire = hand_wire();
    const struct wire_segment *answer;
    struct hand hand;

    hand_open(&hand, wire, &timestamps);
    hand_send(&hand, 0, TR_TCP_ACK, pattern, 100);
    hand_answer(&hand);
    hand_send(&hand, 0, TR_TCP_ACK, pattern, 100);
    answer = hand_answer(&hand);
    assert_int_equal(answer->options.sack_count, 1);
    assert_int_equal(answer->options.sack[0].begin, hand.seq);
    assert_int_equal(answer->options.sack[0].end, hand.seq + 100);
    wire_close(wire);
}

static void holes_are_told_newest_first(void **state)
{
    struct wire *wire = hand_wire();
    const struct wire_segment *answer;
    struct hand hand;

    hand_open(&hand, wire, &timestamps);
    hand_send(&hand, 100, TR_TCP_ACK, pattern + 100, 10);
    hand_send(&hand, 300, TR_TCP_ACK, pattern + 300, 10);
    hand_send(&hand, 200, TR_TCP_ACK, pattern + 200, 10);
    answer = hand_answer(&hand);
    assert_int_equal(answer->ack, hand.seq);
    assert_int_equal(answer->options.sack_count, 3);
    assert_int_equal(answer->options.sack[0].begin, hand.seq + 200);
    assert_int_equal(answer->options.sack[1].begin, hand.seq + 300);
    assert_int_equal(answer->options.sack[2].begin, hand.seq + 100);
    wire_close(wire);
}

static void data_beyond_the_window_is_cut(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;

    hand_open(&hand, wire, NULL);
    hand_send(&hand, 65535, TR_TCP_ACK, pattern, 10);
    assert_int_equal(hand_answer(&hand)->ack, hand.seq);
    assert_int_equal(wire_counters(wire, 1)->drop_window, 1);
    assert_int_equal(tr_stack_reassembly_used(wire->ends[1].stack), 0);
    hand_send(&hand, 65530, TR_TCP_ACK, pattern, 10);
    assert_int_equal(wire_counters(wire, 1)->drop_window, 2);
    assert_true(tr_stack_reassembly_used(wire->ends[1].stack) > 0);
    wire_close(wire);
}

static void hoarders_leave_room_for_others(void **state)
{
    struct tr_stack_options one = wire_options(1, false), none = wire_options(0, false);
    struct hand hand[20];
    struct wire *wire;
    uint64_t most = 0;

    none.mtu_bytes = 0;
    one.reassembly_bytes = 128 * TR_KIB; // 64 chunks
    wire = wire_open(&none, &one);
    for (uint32_t i = 0; i < 20; i++) {
        hand_open(&hand[i], wire, NULL);
        for (int32_t at = 1; at < 60000; at += 3000)
            hand_send(&hand[i], at, TR_TCP_ACK, pattern + at, 1);
        most = TR_MAX(most, tr_stack_reassembly_used(wire->ends[1].stack));
    }
    assert_true(most <= 128 * TR_KIB);
    assert_true(wire_counters(wire, 1)->evicted > 0);
    // In order, all goes on.
    for (uint32_t i = 0; i < 20; i++) {
        for (int32_t at = 0; at < 60000; at += 1000)
            hand_send(&hand[i], at, TR_TCP_ACK, pattern + at, 1000);
        assert_int_equal(hand_conn(&hand[i])->received, 60000);
    }
    assert_int_equal(tr_stack_reassembly_used(wire->ends[1].stack), 0);
    wire_close(wire);
}

// Hoarders have filled the pool; a connection with a hole that will be closed gets what it needs from them.
static void a_hole_beside_hoarders_finds_room(void **state)
{
    struct tr_stack_options one = wire_options(1, false), none = wire_options(0, false);
    struct hand hoarder[10], honest;
    struct wire *wire;

    none.mtu_bytes = 0;
    one.reassembly_bytes = 128 * TR_KIB; // 64 chunks
    wire = wire_open(&none, &one);
    for (uint32_t i = 0; i < 10; i++) {
        hand_open(&hoarder[i], wire, NULL);
        for (int32_t at = 1; at < 60000; at += 3000)
            hand_send(&hoarder[i], at, TR_TCP_ACK, pattern + at, 1);
    }
    assert_true(tr_stack_reassembly_used(wire->ends[1].stack) >= 90 * TR_KIB);
    hand_open(&honest, wire, NULL);
    for (int32_t at = 1000; at < 20000; at += 1000)
        hand_send(&honest, at, TR_TCP_ACK, pattern + at, 1000);
    assert_true(wire_counters(wire, 1)->evicted > 0);
    // A hoarder goes on, at the cost of hoarders.
    for (int32_t at = 2; at < 60000; at += 3000)
        hand_send(&hoarder[9], at, TR_TCP_ACK, pattern + at, 1);
    hand_send(&honest, 0, TR_TCP_ACK, pattern, 1000);
    assert_int_equal(hand_conn(&honest)->received, 20000);
    // What was lost is taken when it comes again.
    for (int32_t at = 0; at < 60000; at += 1000)
        hand_send(&hoarder[0], at, TR_TCP_ACK, pattern + at, 1000);
    assert_int_equal(hand_conn(&hoarder[0])->received, 60000);
    wire_close(wire);
}

static void a_shut_window_is_not_held_for_ever(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;

    hand_open(&hand, wire, NULL);
    hand.window = 0;
    hand_send(&hand, 0, TR_TCP_ACK, NULL, 0);
    wire_send(hand_conn(&hand), 1000);
    for (uint32_t i = 0; i < 119; i++) {
        wire_run_for(wire, TR_S);
        assert_false(hand_conn(&hand)->closed);
        hand_send(&hand, 0, TR_TCP_ACK, NULL, 0); // it answers every probe
    }
    wire_run_for(wire, 3 * TR_S);
    assert_int_equal(hand_conn(&hand)->end, TR_CONN_TIMEOUT);
    assert_true(hand_conn(&hand)->closed);
    assert_true(wire_counters(wire, 1)->zero_probes >= 8);
    wire_close(wire);
}

static void a_tiny_mss_is_not_believed(void **state)
{
    struct tr_tcp_options tiny = {.has_mss = true, .mss_bytes = 1};
    struct wire *wire = hand_wire();
    struct hand hand;

    hand_open(&hand, wire, &tiny);
    wire_send(hand_conn(&hand), 500);
    assert_non_null(hand_answer(&hand));
    assert_true(wire->heard_count < 10);
    wire_close(wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guessed_reset_is_challenged),
        cmocka_unit_test(a_syn_on_a_connection_is_challenged),
        cmocka_unit_test(an_ack_of_what_was_never_sent_drops_the_data),
        cmocka_unit_test(challenges_are_rationed),
        cmocka_unit_test(an_old_timestamp_is_an_old_segment),
        cmocka_unit_test(overlaps_are_cut),
        cmocka_unit_test(what_was_there_before_is_told),
        cmocka_unit_test(holes_are_told_newest_first),
        cmocka_unit_test(data_beyond_the_window_is_cut),
        cmocka_unit_test(hoarders_leave_room_for_others),
        cmocka_unit_test(a_hole_beside_hoarders_finds_room),
        cmocka_unit_test(a_shut_window_is_not_held_for_ever),
        cmocka_unit_test(a_tiny_mss_is_not_believed),
    };

    return cmocka_run_group_tests(tests, pattern_fill, NULL);
}
