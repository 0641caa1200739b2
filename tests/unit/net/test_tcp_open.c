// SPDX-License-Identifier: Apache-2.0
// Opening: handshakes, what they agree on, cookies, what is turned away.
#include "harness.h"

#include "net/isn.h"

static struct wire *hand_wire(void)
{
    struct tr_stack_options none = wire_options(0, false);

    none.mtu_bytes = 0;
    return wire_open(&none, NULL);
}

static const struct tr_tcp_options all_options = {
    .has_mss = true,
    .mss_bytes = 1400,
    .has_window_scale = true,
    .window_scale = 7,
    .has_sack_permitted = true,
    .has_timestamp = true,
    .timestamp = 5000,
};

static struct wire_segment syn_from(uint16_t port, uint32_t seq)
{
    return (struct wire_segment){.from_port = port, .to_port = WIRE_PORT, .seq = seq, .flags = TR_TCP_SYN,
                                 .window = 65535, .options = all_options};
}

static void what_is_offered_is_agreed_on(void **state)
{
    struct wire *wire = hand_wire();
    struct wire_segment syn = syn_from(5000, 100);
    const struct wire_segment *answer;

    wire_inject(wire, 0, &syn);
    answer = wire_last(wire, 1, 0);
    assert_int_equal(answer->flags, TR_TCP_SYN | TR_TCP_ACK);
    assert_int_equal(answer->ack, 101);
    assert_int_equal(answer->options.mss_bytes, 1460);
    assert_true(answer->options.has_window_scale && answer->options.has_sack_permitted);
    assert_true(answer->options.has_timestamp);
    assert_int_equal(answer->options.timestamp_echo, 5000);
    syn.from_port++;
    syn.options = (struct tr_tcp_options){0};
    wire_inject(wire, 0, &syn);
    answer = wire_last(wire, 1, 1);
    assert_true(answer->options.has_mss);
    assert_false(answer->options.has_window_scale || answer->options.has_sack_permitted ||
                 answer->options.has_timestamp);
    wire_close(wire);
}

static void a_peer_without_mss_gets_small_segments(void **state)
{
    struct wire *wire = hand_wire();
    struct tr_tcp_options none = {0};
    struct hand hand;

    hand_open(&hand, wire, &none);
    wire_send(hand_conn(&hand), 2000);
    assert_int_equal(hand_answer(&hand)->bytes, 2000 % 536);
    assert_int_equal(wire->heard[wire->heard_count - 2].bytes, 536);
    wire_close(wire);
}

static void a_syn_ack_is_sent_again_until_given_up(void **state)
{
    struct wire *wire = hand_wire();
    struct wire_segment syn = syn_from(5000, 100);

    wire_inject(wire, 0, &syn);
    wire_run_for(wire, 1100 * TR_MS);
    assert_int_equal(wire_count(wire, 1, 0, TR_TCP_SYN), 2);
    wire_run_for(wire, 2 * TR_S);
    assert_int_equal(wire_count(wire, 1, 0, TR_TCP_SYN), 3);
    wire_run_for(wire, 100 * TR_S);
    assert_int_equal(wire_count(wire, 1, 0, TR_TCP_SYN), 6);
    assert_int_equal(wire_counters(wire, 1)->half_open_expired, 1);
    assert_int_equal(wire_counters(wire, 1)->half_open, 0);
    wire_close(wire);
}

static void a_syn_again_is_answered_the_same(void **state)
{
    struct wire *wire = hand_wire();
    struct wire_segment syn = syn_from(5000, 100);
    uint32_t iss;

    wire_inject(wire, 0, &syn);
    iss = wire_last(wire, 1, 0)->seq;
    wire_inject(wire, 0, &syn);
    assert_int_equal(wire->heard_count, 2);
    assert_int_equal(wire_last(wire, 1, 1)->seq, iss);
    assert_int_equal(wire_last(wire, 1, 1)->flags, TR_TCP_SYN | TR_TCP_ACK);
    wire_close(wire);
}

static void a_handshake_with_a_wrong_ack_is_reset(void **state)
{
    struct wire *wire = hand_wire();
    struct wire_segment syn = syn_from(5000, 100), ack = syn;
    uint32_t iss;

    wire_inject(wire, 0, &syn);
    iss = wire_last(wire, 1, 0)->seq;
    ack.flags = TR_TCP_ACK;
    ack.seq = 101;
    ack.ack = iss + 2;
    wire_inject(wire, 0, &ack);
    assert_int_equal(wire_last(wire, 1, 1)->flags, TR_TCP_RST);
    assert_int_equal(wire_last(wire, 1, 1)->seq, iss + 2);
    assert_int_equal(wire->ends[1].conns_count, 0);
    ack.ack = iss + 1; // the right one still does
    wire_inject(wire, 0, &ack);
    assert_int_equal(wire->ends[1].conns_count, 1);
    wire_close(wire);
}

static void only_the_exact_reset_ends_a_handshake(void **state)
{
    struct wire *wire = hand_wire();
    struct wire_segment syn = syn_from(5000, 100), rst = syn;

    wire_inject(wire, 0, &syn);
    rst.flags = TR_TCP_RST;
    rst.seq = 102;
    wire_inject(wire, 0, &rst);
    assert_int_equal(wire_last(wire, 1, 1)->flags, TR_TCP_ACK); // challenge
    rst.seq = 101;
    wire_inject(wire, 0, &rst);
    wire_settle(wire);
    assert_int_equal(wire_counters(wire, 1)->half_open, 0);
    assert_int_equal(wire_counters(wire, 1)->resets_in, 1);
    wire_close(wire);
}

static void data_may_come_with_the_last_ack(void **state)
{
    struct wire *wire = hand_wire();
    struct wire_segment syn = syn_from(5000, 100), ack = syn;
    uint8_t data[10];

    for (uint32_t i = 0; i < sizeof(data); i++)
        data[i] = wire_pattern(i);
    wire_inject(wire, 0, &syn);
    ack.flags = TR_TCP_ACK;
    ack.seq = 101;
    ack.ack = wire_last(wire, 1, 0)->seq + 1;
    ack.data = data;
    ack.bytes = sizeof(data);
    wire_inject(wire, 0, &ack);
    assert_int_equal(wire->ends[1].conns[0].received, 10);
    wire_close(wire);
}

static int refuse(struct wire_conn *conn)
{
    return -ENOBUFS;
}

static void a_user_may_refuse(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn;

    wire->ends[1].on_opened = refuse;
    conn = wire_connect(wire, 0);
    wire_run_for(wire, TR_S);
    assert_true(conn->opened && conn->closed);
    assert_int_equal(conn->end, TR_CONN_RESET);
    assert_false(wire->ends[1].conns[0].closed);
    assert_int_equal(wire_counters(wire, 1)->connections, 0);
    wire_close(wire);
}

static int abort_and_refuse(struct wire_conn *conn)
{
    tr_conn_abort(conn->conn);
    return -ENOBUFS;
}

static void a_user_may_abort_and_refuse(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);

    wire->ends[0].on_opened = abort_and_refuse;
    wire_connect(wire, 0);
    wire_run_for(wire, TR_S);
    assert_false(wire->ends[0].conns[0].closed);
    assert_int_equal(wire_counters(wire, 0)->connections, 0);
    wire_close(wire);
}

static void both_may_open_at_once(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct tr_conn *tr;

    // Each finds the other's place first; those connections end here.
    wire_connected(wire);
    wire_connect(wire, 1);
    wire_run_for(wire, TR_S);
    tr_conn_abort(wire->ends[0].conns[0].conn);
    tr_conn_abort(wire->ends[0].conns[1].conn);
    wire_run_for(wire, TR_S);
    for (uint32_t i = 0; i < 2; i++) {
        struct wire_end *end = &wire->ends[i], *other = &wire->ends[!i];
        uint16_t ports[2] = {66, 77};

        end->conns[0] = (struct wire_conn){.owner = end, .local_port = ports[i], .peer_port = ports[!i]};
        assert_int_equal(tr_stack_connect(end->stack, &end->ip, ports[i], &other->ip, ports[!i], &end->conns[0], wire->now,
                                          &tr),
                         0);
        end->conns[0].conn = tr;
    }
    wire_run_for(wire, 5 * TR_S);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(wire->ends[i].conns[0].opened);
        wire_send(&wire->ends[i].conns[0], 50000);
    }
    wire_run_for(wire, 5 * TR_S);
    assert_int_equal(wire->ends[0].conns[0].received, 50000);
    assert_int_equal(wire->ends[1].conns[0].received, 50000);
    wire_close(wire);
}

static void flood(struct wire *wire, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct wire_segment syn = syn_from((uint16_t)(10000 + i), 7 * i);

        wire_inject(wire, 0, &syn);
    }
}

static void a_full_table_answers_with_cookies(void **state)
{
    struct wire *wire = hand_wire();
    struct hand hand;

    flood(wire, 40);
    assert_int_equal(wire_counters(wire, 1)->cookies_sent, 8);
    hand_open(&hand, wire, &all_options);
    assert_int_equal(wire_counters(wire, 1)->cookies_accepted, 1);
    assert_true(hand.timestamps);
    wire_send(hand_conn(&hand), 3000);
    hand_answer(&hand);
    // The cookie had room for the nearest common MSS below 1400.
    assert_in_range(wire->heard[wire->heard_count - 2].bytes, 1200, 1388);
    hand_send(&hand, 0, TR_TCP_ACK, "\0\1\2", 3);
    assert_int_equal(hand_conn(&hand)->received, 3);
    wire_close(wire);
}

// Who is behind with its frames answers few SYNs, and says so; an ACK of those few opens all the same.
static void a_flood_beyond_what_is_taken_in_is_passed_over(void **state)
{
    struct wire *wire = hand_wire();
    struct tr_stack *stack = wire->ends[1].stack;
    struct hand hand;

    flood(wire, 40);
    assert_int_equal(wire_counters(wire, 1)->cookies_sent, 8);
    for (uint32_t i = 0; i < 100; i++) {
        struct wire_segment syn = syn_from((uint16_t)(20000 + i), 7 * i);

        if (i % 50 == 0) {
            tr_stack_frames_wait(stack);
            tr_stack_poll(stack, wire->now);
        }
        wire_inject(wire, 0, &syn);
    }
    assert_int_equal(wire_counters(wire, 1)->cookies_sent, 8 + 2 * 32);
    assert_int_equal(wire_counters(wire, 1)->drop_syn_flood, 2 * 18);
    tr_stack_poll(stack, wire->now);
    hand_open(&hand, wire, &all_options);
    assert_int_equal(wire_counters(wire, 1)->cookies_accepted, 1);
    wire_close(wire);
}

static void a_flood_that_ends_is_worked_off_in_bounded_turns(void **state)
{
    struct tr_stack_options none = wire_options(0, false), one = wire_options(1, false);
    struct wire *wire;

    none.mtu_bytes = 0;
    one.half_open_max = 1000;
    one.output_frames = 10;
    wire = wire_open(&none, &one);
    flood(wire, 1000);
    assert_int_equal(wire->heard_count, 1000);
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t heard = wire->heard_count;

        wire->now += TR_MS;
        tr_stack_poll(wire->ends[1].stack, wire->now);
        assert_true(wire->heard_count - heard <= 10);
    }
    assert_true(wire->heard_count >= 2000);
    wire_close(wire);
}

static void a_forged_cookie_is_reset(void **state)
{
    struct wire *wire = hand_wire();
    struct wire_segment ack = syn_from(6000, 101);

    ack.flags = TR_TCP_ACK;
    ack.ack = 12345;
    flood(wire, 40);
    wire_inject(wire, 0, &ack);
    assert_int_equal(wire_counters(wire, 1)->cookies_rejected, 1);
    assert_int_equal(wire_last(wire, 1, 0)->flags, TR_TCP_RST);
    assert_int_equal(wire->ends[1].conns_count, 0);
    wire_close(wire);
}

static void a_full_house_turns_syns_away_until_one_leaves(void **state)
{
    struct tr_stack_options one = wire_options(1, false);
    struct wire *wire;
    struct wire_conn *late;

    one.connections_max = 16;
    wire = wire_open(NULL, &one);
    for (uint32_t i = 0; i < 16; i++)
        wire_connected(wire);
    late = wire_connect(wire, 0);
    wire_run_for(wire, 2 * TR_S);
    assert_false(late->opened);
    assert_true(wire_counters(wire, 1)->drop_table_full > 0);
    tr_conn_abort(wire->ends[0].conns[0].conn);
    wire_run_for(wire, 10 * TR_S);
    assert_true(late->opened);
    wire_close(wire);
}

static void a_stack_that_drains_refuses(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *before = wire_connected(wire), *after;

    tr_stack_refuse(wire->ends[1].stack);
    after = wire_connect(wire, 0);
    wire_send(before, 1000);
    wire_run_for(wire, TR_S);
    assert_int_equal(after->end, TR_CONN_REFUSED);
    assert_int_equal(before->peer->received, 1000);
    assert_int_equal(wire_counters(wire, 1)->drop_refusing, 1);
    wire_close(wire);
}

static void no_answer(struct wire *wire, uint32_t from, const struct wire_segment *segment, struct wire_fate *fate)
{
    fate->drop = segment != NULL && from == 1;
}

static void a_silent_server_times_out_after_three_minutes(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn;

    wire->hook = no_answer;
    conn = wire_connect(wire, 0);
    wire_run_for(wire, 179 * TR_S);
    assert_false(conn->closed);
    wire_run_for(wire, 62 * TR_S);
    assert_true(conn->closed);
    assert_int_equal(conn->end, TR_CONN_TIMEOUT);
    wire_close(wire);
}

static void connect_says_what_is_wrong(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_end *end = &wire->ends[0], *other = &wire->ends[1];
    struct tr_conn *tr;

    assert_int_equal(tr_stack_connect(end->stack, &other->ip, 0, &other->ip, 1, NULL, wire->now, &tr), -EADDRNOTAVAIL);
    assert_int_equal(tr_stack_connect(end->stack, &end->ip, WIRE_PORT, &other->ip, 1, NULL, wire->now, &tr),
                     -EADDRINUSE);
    for (uint32_t i = 0; i < 64; i++)
        wire_connect(wire, 0);
    assert_int_equal(tr_stack_connect(end->stack, &end->ip, 0, &other->ip, 1, NULL, wire->now, &tr), -ENOBUFS);
    wire_run_for(wire, TR_S);
    for (uint32_t i = 0; i < 64; i++)
        assert_true(end->conns[i].opened);
    wire_close(wire);
}

// Both sides begin just below 2^32.
static void sequence_numbers_wrap(void **state)
{
    struct tr_stack_options none = wire_options(0, false), one = wire_options(1, false);
    struct tr_tuple tuple = {.local_port = WIRE_PORT, .peer_port = 1024};
    struct wire_segment syn = syn_from(0, UINT32_MAX - 700), ack;
    struct wire *wire;
    uint32_t edge;

    none.mtu_bytes = 0;
    wire = wire_open(&none, &one);
    tuple.local_ip = wire->ends[1].ip;
    tuple.peer_ip = wire->ends[0].ip;
    while (tr_isn(one.secret, &tuple, wire->now) < UINT32_MAX - 100000)
        tuple.peer_port++;
    syn.from_port = tuple.peer_port;
    syn.options = (struct tr_tcp_options){.has_mss = true, .mss_bytes = 1400};
    wire_inject(wire, 0, &syn);
    ack = syn;
    ack.options = (struct tr_tcp_options){0};
    ack.flags = TR_TCP_ACK;
    ack.seq++;
    ack.ack = wire_last(wire, 1, 0)->seq + 1;
    assert_true(ack.ack > UINT32_MAX - 100000);
    edge = ack.ack + 200000;
    wire_inject(wire, 0, &ack);
    wire_send(&wire->ends[1].conns[0], 200000);
    for (uint32_t i = 0; i < 2000 && ack.ack != edge; i++) {
        uint8_t data[100];
        const struct wire_segment *last;

        for (uint32_t b = 0; b < sizeof(data); b++)
            data[b] = wire_pattern(i * sizeof(data) + b);
        ack.data = data;
        ack.bytes = sizeof(data);
        wire_inject(wire, 0, &ack);
        ack.seq += sizeof(data);
        wire_run_for(wire, 10 * TR_MS);
        last = wire_last(wire, 1, 0);
        if (tr_seq_lt(ack.ack, last->seq + last->bytes))
            ack.ack = last->seq + last->bytes;
        assert_int_equal(last->ack, ack.seq);
    }
    assert_int_equal(ack.ack, edge);
    assert_int_equal(wire_counters(wire, 1)->timeouts, 0);
    wire_close(wire);
}

static void a_closed_port_answers_by_the_book(void **state)
{
    struct wire *wire = hand_wire();
    struct wire_segment segment = {.from_port = 1, .to_port = 2, .seq = 100, .flags = TR_TCP_SYN};

    wire_inject(wire, 0, &segment);
    assert_int_equal(wire_last(wire, 1, 0)->flags, TR_TCP_RST | TR_TCP_ACK);
    assert_int_equal(wire_last(wire, 1, 0)->seq, 0);
    assert_int_equal(wire_last(wire, 1, 0)->ack, 101);
    segment.flags = TR_TCP_ACK;
    segment.ack = 77;
    segment.bytes = 5;
    wire_inject(wire, 0, &segment);
    assert_int_equal(wire_last(wire, 1, 0)->flags, TR_TCP_RST);
    assert_int_equal(wire_last(wire, 1, 0)->seq, 77);
    segment.flags = TR_TCP_RST;
    wire_inject(wire, 0, &segment);
    assert_int_equal(wire->heard_count, 2);
    for (uint32_t i = 0; i < 2000; i++) {
        segment.flags = TR_TCP_ACK;
        wire_inject(wire, 0, &segment);
    }
    assert_true(wire_counters(wire, 1)->resets_out <= 1000);
    assert_true(wire_counters(wire, 1)->resets_held >= 1000);
    wire_close(wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_offered_is_agreed_on),
        cmocka_unit_test(a_peer_without_mss_gets_small_segments),
        cmocka_unit_test(a_syn_ack_is_sent_again_until_given_up),
        cmocka_unit_test(a_syn_again_is_answered_the_same),
        cmocka_unit_test(a_handshake_with_a_wrong_ack_is_reset),
        cmocka_unit_test(only_the_exact_reset_ends_a_handshake),
        cmocka_unit_test(data_may_come_with_the_last_ack),
        cmocka_unit_test(a_user_may_refuse),
        cmocka_unit_test(a_user_may_abort_and_refuse),
        cmocka_unit_test(both_may_open_at_once),
        cmocka_unit_test(a_full_table_answers_with_cookies),
        cmocka_unit_test(a_flood_beyond_what_is_taken_in_is_passed_over),
        cmocka_unit_test(a_flood_that_ends_is_worked_off_in_bounded_turns),
        cmocka_unit_test(a_forged_cookie_is_reset),
        cmocka_unit_test(a_full_house_turns_syns_away_until_one_leaves),
        cmocka_unit_test(a_stack_that_drains_refuses),
        cmocka_unit_test(a_silent_server_times_out_after_three_minutes),
        cmocka_unit_test(connect_says_what_is_wrong),
        cmocka_unit_test(sequence_numbers_wrap),
        cmocka_unit_test(a_closed_port_answers_by_the_book),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
