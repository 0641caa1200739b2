// SPDX-License-Identifier: Apache-2.0
// TCP options: RFC 9293 3.1, 3.2; RFC 7323 on scaling, timestamps and PAWS.
#include "conform.h"

// MUST-5, MUST-6, MUST-64: in any segment, at any place, of any kind.
static void unknown_options_are_passed_over(void **state)
{
    static const uint8_t odd[] = {1, 254, 5, 1, 2, 3, 1, 30, 4, 9, 9, 1, 253, 2, 0, 0};
    static const uint8_t syn[] = {1, 254, 3, 7, 1, 1, 2, 4, 2, 0, 69, 4, 1, 2, 0, 0};
    struct wire *s;

    world_usual();
    open_passive(syn, sizeof(syn)); // MSS 512 off the boundary
    put(.flags = ACK, .data = pattern(), .bytes = 100, .options = odd, .options_bytes = sizeof(odd));
    w.seq += 100;
    expect_heard(100);
    tr_conn_send(w.conn, pattern(), 2000);
    s = take_data();
    assert_int_equal(s->bytes, 512);
}

// MUST-7: the segment may be dropped; the connection and the stack live on.
static void illegal_lengths_are_survived(void **state)
{
    static const uint8_t bad[][4] = {{2, 0, 0, 0}, {2, 1, 0, 0}, {8, 255, 0, 0}, {1, 1, 1, 8}, {254, 0, 0, 0}, {5, 2, 3, 1}};

    connected_plain();
    for (uint32_t i = 0; i < TR_NELEMS(bad); i++) {
        put(.flags = ACK, .at = true, .seq = w.seq, .ack = w.ack, .options = bad[i], .options_bytes = 4);
        put(.flags = SYN, .at = true, .seq = 5, .port = 41000, .options = bad[i], .options_bytes = 4);
    }
    drain();
    say(pattern(), 100);
    expect_heard(100);
}

static void options_end_at_end(void **state)
{
    static const uint8_t end[] = {0, 2, 4, 0, 1, 2, 0, 0};

    world_usual();
    open_passive(end, sizeof(end));
    tr_conn_send(w.conn, pattern(), 2000);
    assert_int_equal(take_data()->bytes, 536);
}

// RFC 7323 3.2: once both have offered it, every segment has one; on a connection without, none has.
static void timestamps_are_in_every_segment_or_in_none(void **state)
{
    struct wire *s;

    connected_full();
    tr_conn_send(w.conn, pattern(), 10000);
    say(pattern(), 3000 / 3);
    run(30 * TR_S);
    tr_conn_close(w.conn);
    run(TR_S);
    while ((s = take()) != NULL)
        assert_true(s->has_timestamp);
    world_close(NULL);
    connected_plain();
    tr_conn_send(w.conn, pattern(), 10000);
    run(30 * TR_S);
    while ((s = take()) != NULL)
        assert_false(s->has_timestamp);
}

// RFC 7323 4.3: the echo is of the segment that the ACK is due to: the earliest of those that a delayed ACK covers, the
// last in order when there is a hole.
static void timestamp_echo_is_of_the_earliest(void **state)
{
    uint32_t first;
    struct wire *s;

    connected_full();
    run(TR_S);
    first = (uint32_t)(w.now / TR_MS);
    say(pattern(), 1448);
    run(3 * TR_MS);
    say(pattern() + 1448, 1448);
    s = expect(ACK, w.ack, w.seq);
    assert_int_equal(s->timestamp_echo, first);
    run(TR_S);
    put(.flags = ACK, .at = true, .seq = w.seq + 1000, .ack = w.ack, .data = pattern(), .bytes = 100); // a hole
    s = expect(ACK, w.ack, w.seq);
    assert_true(s->timestamp_echo <= first + 3);
    run(TR_S);
    first = (uint32_t)(w.now / TR_MS);
    say(pattern(), 1000); // fills it
    s = expect(ACK, w.ack, w.seq + 100);
    assert_int_equal(s->timestamp_echo, first);
}

static void timestamps_go_on_with_time(void **state)
{
    uint32_t before;
    struct wire *s;

    connected_full();
    tr_conn_send(w.conn, pattern(), 10);
    s = take_data();
    before = s->timestamp;
    w.ack += 10;
    put(.flags = ACK);
    run(10 * TR_S);
    drain();
    tr_conn_send(w.conn, pattern(), 10);
    s = take_data();
    assert_in_range(s->timestamp - before, 1000, 100000); // 1 ms to 10 ms a step, within RFC 7323 5.4's 1 ms to 1 s
}

// RFC 7323 5.3: what is older than the last one is not taken, and is answered.
static void paws_drops_what_is_old(void **state)
{
    connected_full();
    run(10 * TR_S);
    say(pattern(), 100);
    run(TR_S);
    drain();
    w.timestamp_back = 5000;
    put(.flags = ACK, .data = "old text", .bytes = 8);
    expect(ACK, w.ack, w.seq);
    expect_heard(100);
    w.timestamp_back = 0;
    say(pattern() + 100, 100);
    expect_heard(200);
}

// RFC 7323 5.5: after 24 days without a segment the old timestamp says nothing any more.
static void paws_forgets_in_time(void **state)
{
    connected_full();
    say(pattern(), 100);
    run(25 * 86400ull * TR_S);
    drain();
    w.timestamp_back = 0x40000000;
    say(pattern() + 100, 100);
    expect_heard(200);
}

// RFC 7323 3.2: a segment that has lost its timestamp on the way is not taken.
static void segment_without_its_timestamp_is_dropped(void **state)
{
    connected_full();
    put(.flags = ACK, .data = pattern(), .bytes = 100, .no_timestamp = true);
    run(TR_S);
    assert_int_equal(w.heard_bytes, 0);
    assert_int_equal(w.closeds, 0);
}

static void timestamps_unasked_are_ignored(void **state)
{
    connected_plain();
    w.timestamps = true;
    w.timestamp_back = 0;
    put(.flags = ACK, .data = pattern(), .bytes = 100);
    w.timestamp_back = 100000;
    put(.flags = ACK, .at = true, .seq = w.seq + 100, .ack = w.ack, .data = pattern() + 100, .bytes = 100);
    expect_heard(200);
    run(TR_S);
    assert_false(take()->has_timestamp);
}

// RFC 7323 2.3: a shift above 14 is 14.
static void window_scale_above_fourteen_is_fourteen(void **state)
{
    static const uint8_t scale[] = {2, 4, 0x05, 0xb4, 1, 3, 3, 200};
    uint32_t most = 0;
    struct wire *s;

    world_usual();
    w.window = 2;
    open_passive(scale, sizeof(scale));
    put(.flags = ACK, .window = 1); // 16384
    drain();
    tr_conn_send(w.conn, pattern(), 100000);
    for (int i = 0; i < 30; i++) {
        while ((s = take()) != NULL)
            most = TR_MAX(most, s->seq + s->bytes - w.ack);
        w.ack += most;
        put(.flags = ACK, .window = 1);
        assert_true(most <= 16384);
        if (most > 14600)
            break;
        most = 0;
    }
    assert_in_range(most, 14600, 16384);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        conform_test(unknown_options_are_passed_over),
        conform_test(illegal_lengths_are_survived),
        conform_test(options_end_at_end),
        conform_test(timestamps_are_in_every_segment_or_in_none),
        conform_test(timestamp_echo_is_of_the_earliest),
        conform_test(timestamps_go_on_with_time),
        conform_test(paws_drops_what_is_old),
        conform_test(paws_forgets_in_time),
        conform_test(segment_without_its_timestamp_is_dropped),
        conform_test(timestamps_unasked_are_ignored),
        conform_test(window_scale_above_fourteen_is_fourteen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
