// SPDX-License-Identifier: Apache-2.0
// Data both ways: RFC 9293 3.1, 3.4, 3.7.3, 3.9.1.2, 3.10.7.4.
#include "conform.h"

static void text_in_order_goes_up(void **state)
{
    connected_plain();
    for (uint32_t at = 0; at < 100000; at += 1000) {
        say(pattern() + at, 1000);
        drain();
    }
    expect_heard(100000);
}

static void text_goes_up_in_order_whatever_the_order(void **state)
{
    static const uint8_t order[] = {3, 1, 4, 9, 2, 6, 5, 8, 7, 0};

    connected_plain();
    for (uint32_t i = 0; i < TR_NELEMS(order); i++)
        put(.flags = ACK, .at = true, .seq = w.seq + 1000u * order[i], .ack = w.ack, .data = pattern() + 1000 * order[i],
            .bytes = 1000);
    expect_heard(10000);
    w.seq += 10000;
    drain();
    run(TR_S);
    put(.flags = ACK, .at = true, .seq = w.seq - 1000, .ack = w.ack, .data = pattern() + 9000, .bytes = 1000);
    expect(ACK, w.ack, w.seq);
}

static void text_overlapping_goes_up_once(void **state)
{
    connected_plain();
    put(.flags = ACK, .data = pattern(), .bytes = 1000);
    put(.flags = ACK, .at = true, .seq = w.seq + 500, .ack = w.ack, .data = pattern() + 500, .bytes = 1000);
    expect_heard(1500);
    put(.flags = ACK, .at = true, .seq = w.seq + 2000, .ack = w.ack, .data = pattern() + 2000, .bytes = 500);
    put(.flags = ACK, .at = true, .seq = w.seq + 1800, .ack = w.ack, .data = pattern() + 1800, .bytes = 1000);
    expect_heard(1500);
    put(.flags = ACK, .at = true, .seq = w.seq, .ack = w.ack, .data = pattern(), .bytes = 1400); // all old
    put(.flags = ACK, .at = true, .seq = w.seq + 1000, .ack = w.ack, .data = pattern() + 1000, .bytes = 1200);
    expect_heard(2800);
}

static void sequence_numbers_wrap(void **state)
{
    struct wire *s;

    world_usual();
    put(.flags = SYN, .at = true, .seq = 0xffffff00);
    s = take();
    w.seq = 0xffffff01;
    w.ack = s->seq + 1;
    put(.flags = ACK);
    put(.flags = ACK, .at = true, .seq = w.seq + 1000, .ack = w.ack, .data = pattern() + 1000, .bytes = 1000);
    put(.flags = ACK, .data = pattern(), .bytes = 1000);
    expect_heard(2000);
    w.seq += 2000;
    for (int i = 0; i < 3; i++) {
        say(pattern() + w.heard_bytes, 1000);
        run(TR_S);
    }
    expect_heard(5000);
    drain();
    assert_true(w.seq < 0x10000);
}

// MUST-3.
static void text_with_a_bad_checksum_is_dropped(void **state)
{
    connected_plain();
    put(.flags = ACK, .data = pattern(), .bytes = 1000, .corrupt = true);
    run(TR_S);
    quiet();
    assert_int_equal(w.heard_bytes, 0);
    say(pattern(), 1000);
    expect_heard(1000);
    world_close(NULL);
    world_usual();
    w.ipv6 = true;
    put(.flags = SYN, .at = true, .seq = 7000, .options = plain, .options_bytes = sizeof(plain), .corrupt = true);
    quiet();
}

// 3.10.7.4, fifth: without ACK nothing is taken.
static void text_without_ack_is_dropped(void **state)
{
    connected_plain();
    put(.flags = 0, .data = pattern(), .bytes = 100);
    put(.flags = PSH, .data = pattern(), .bytes = 100);
    put(.flags = FIN, .data = pattern(), .bytes = 100);
    assert_int_equal(w.heard_bytes + w.eofs, 0);
}

static void text_beyond_the_window_is_cut(void **state)
{
    struct tr_stack_options options = world_options();

    world_open(&options);
    open_passive(OPTIONS_PLAIN);
    put(.flags = ACK, .at = true, .seq = w.seq + 65536 + 10, .ack = w.ack, .data = pattern(), .bytes = 100);
    expect(ACK, w.ack, w.seq);
    put(.flags = ACK, .at = true, .seq = w.seq - 200, .ack = w.ack, .data = pattern(), .bytes = 100);
    expect(ACK, w.ack, w.seq);
    assert_int_equal(w.heard_bytes, 0);
}

static void text_is_sent_as_it_was_given(void **state)
{
    uint32_t got = 0;
    struct wire *s;

    connected_plain();
    assert_int_equal(tr_conn_send(w.conn, pattern(), 100000), 100000);
    while (got < 100000) {
        s = take_data();
        assert_non_null(s);
        assert_int_equal(s->seq, w.ack);
        assert_int_equal(s->ack, w.seq);
        assert_true(s->flags & ACK);
        assert_memory_equal(s->data, pattern() + got, s->bytes);
        got += s->bytes;
        w.ack += s->bytes;
        put(.flags = ACK);
    }
    quiet();
}

// SHLD-28, and MUST-61: full segments, and PSH on the last of what is there.
static void segments_are_as_large_as_may_be_and_the_last_is_pushed(void **state)
{
    uint32_t got = 0;
    struct wire *s;

    connected_plain();
    for (int i = 0; i < 100; i++)
        tr_conn_send(w.conn, pattern() + 100 * i, 100);
    while (got < 10000) {
        s = take_data();
        got += s->bytes;
        assert_int_equal(s->bytes, got < 10000 ? 1460 : 10000 % 1460);
        if (got == 10000)
            assert_true(s->flags & PSH);
    }
}

// MUST-60: what is there is sent, without PUSH from the user and without waiting for more. MUST-17: Nagle's algorithm
// does not hold it back.
static void small_text_is_sent_at_once(void **state)
{
    connected_plain();
    for (uint32_t i = 0; i < 5; i++) {
        tr_conn_send(w.conn, pattern(), 10);
        assert_int_equal(expect(ACK, w.ack + 10 * i, w.seq)->bytes, 10);
    }
}

// Urgent data goes up where it stands in the stream; an urgent pointer anywhere does no harm.
static void urgent_text_is_text(void **state)
{
    connected_plain();
    put(.flags = ACK | URG, .data = pattern(), .bytes = 100, .urgent = 50);
    w.seq += 100;
    put(.flags = ACK | URG, .data = pattern() + 100, .bytes = 100, .urgent = 65535);
    w.seq += 100;
    put(.flags = ACK | URG, .urgent = 1);
    expect_heard(200);
}

static void ecn_and_push_bits_change_nothing(void **state)
{
    connected_plain();
    put(.flags = ACK | PSH | ECE | CWR, .data = pattern(), .bytes = 100);
    w.seq += 100;
    expect_heard(100);
    tr_conn_send(w.conn, pattern(), 100);
    assert_int_equal(take_data()->flags & (ECE | CWR), 0);
}

static void both_families_carry_text(void **state)
{
    world_usual();
    w.ipv6 = true;
    open_passive(OPTIONS_FULL);
    say(pattern(), 1000);
    expect_heard(1000);
    tr_conn_send(w.conn, pattern(), 1000);
    assert_int_equal(take_data()->bytes, 1000);
}

static void jumbo_segments_are_taken_and_sent(void **state)
{
    static const uint8_t jumbo[] = {2, 4, 0x22, 0xd0}; // 8912
    struct tr_stack_options options = world_options();

    options.mtu_bytes = 9000;
    world_open(&options);
    open_passive(jumbo, sizeof(jumbo));
    say(pattern(), 8960);
    expect_heard(8960);
    tr_conn_send(w.conn, pattern(), 20000);
    assert_int_equal(take_data()->bytes, 8912);
}

static void user_waits_for_room_to_send(void **state)
{
    size_t taken;

    connected_plain();
    taken = tr_conn_send(w.conn, pattern(), HEARD_BYTES);
    assert_int_equal(taken, 256 * 1024);
    assert_int_equal(tr_conn_send_room(w.conn), 0);
    for (int i = 0; i < 400 && !w.writables; i++) {
        struct wire *s = take_data();

        if (!s) {
            run(TR_S);
            continue;
        }
        w.ack = s->seq + s->bytes;
        put(.flags = ACK);
        turn();
    }
    assert_int_equal(w.writables, 1);
    assert_true(tr_conn_send_room(w.conn) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        conform_test(text_in_order_goes_up),
        conform_test(text_goes_up_in_order_whatever_the_order),
        conform_test(text_overlapping_goes_up_once),
        conform_test(sequence_numbers_wrap),
        conform_test(text_with_a_bad_checksum_is_dropped),
        conform_test(text_without_ack_is_dropped),
        conform_test(text_beyond_the_window_is_cut),
        conform_test(text_is_sent_as_it_was_given),
        conform_test(segments_are_as_large_as_may_be_and_the_last_is_pushed),
        conform_test(small_text_is_sent_at_once),
        conform_test(urgent_text_is_text),
        conform_test(ecn_and_push_bits_change_nothing),
        conform_test(both_families_carry_text),
        conform_test(jumbo_segments_are_taken_and_sent),
        conform_test(user_waits_for_room_to_send),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
