// SPDX-License-Identifier: Apache-2.0
// Losses of what we send: RFC 9293 3.8.1 to 3.8.4; RFC 6298, 5681, 6675, 6928, 9438; RFC 7323 on round trips.
#include "conform.h"

// A whole round trip, so that there is a measured timeout: 100 ms, so 300 ms. Then `bytes` in flight.
static void in_flight(uint32_t bytes)
{
    tr_conn_send(w.conn, pattern(), 100);
    assert_int_equal(take_data()->bytes, 100);
    run(100 * TR_MS);
    w.ack += 100;
    put(.flags = ACK);
    drain();
    tr_conn_send(w.conn, pattern(), bytes);
}

// RFC 6298 2.1, 5.1: the first timeout is a second where nothing was measured.
static void first_timeout_without_a_sample(void **state)
{
    uint64_t begin;

    world_usual();
    put(.flags = SYN, .at = true, .seq = 7000, .options = plain, .options_bytes = sizeof(plain));
    w.iss = take()->seq;
    run(1500 * TR_MS); // the SYN-ACK was sent again: whose ACK it is nobody knows (Karn)
    drain();
    w.seq = 7001;
    w.ack = w.iss + 1;
    put(.flags = ACK);
    begin = w.now;
    tr_conn_send(w.conn, pattern(), 100);
    assert_true(take_data()->at_ns == begin);
    run(10 * TR_S);
    assert_true(take_data()->at_ns - begin >= TR_S);
}

// RFC 6298 5.5: twice as long each time, and RFC 5681 3.1: one segment.
static void timeouts_back_off(void **state)
{
    uint64_t last = 0, between = 200 * TR_MS / 2;
    uint32_t times = 0;
    struct wire *s;

    connected_plain();
    in_flight(1000);
    while (take())
        ;
    run(40 * TR_S);
    while ((s = take()) != NULL) {
        assert_int_equal(s->seq, w.ack);
        assert_memory_equal(s->data, pattern(), s->bytes);
        if (++times > 2) { // the first is a tail-loss probe, from which the timeout counts
            assert_true(s->at_ns - last >= between * 19 / 10);
            between = s->at_ns - last;
        }
        last = s->at_ns;
    }
    assert_in_range(times, 5, 9);
}

// Karn's algorithm (MUST-18): the ACK of what was sent twice measures nothing.
static void ack_of_a_retransmission_measures_nothing(void **state)
{
    struct tr_conn_row before, after;

    world_usual();
    put(.flags = SYN, .at = true, .seq = 7000, .options = plain, .options_bytes = sizeof(plain));
    w.iss = take()->seq;
    run(40 * TR_MS);
    w.seq = 7001;
    w.ack = w.iss + 1;
    put(.flags = ACK);
    tr_stack_connections(w.stack, &before, 1);
    assert_int_equal(before.srtt_us, 40000);
    tr_conn_send(w.conn, pattern(), 5 * 1460);
    while (take())
        ;
    while (count()->timeouts < 3)
        run(TR_MS);
    while (take())
        ;
    w.ack += 5 * 1460;
    put(.flags = ACK);
    tr_stack_connections(w.stack, &after, 1);
    assert_int_equal(after.srtt_us, 40000);
    assert_int_equal(after.flight_bytes, 0);
}

// RFC 7323 4.1: with timestamps every ACK measures.
static void timestamps_measure_retransmissions_too(void **state)
{
    struct tr_conn_row row;
    struct wire *s;

    connected_full();
    tr_conn_send(w.conn, pattern(), 100);
    s = take_data();
    assert_true(s->has_timestamp);
    run(250 * TR_MS);
    while (w.sent_read < w.sent_count)
        s = take();
    w.timestamp_echo = s->timestamp;
    w.ack += 100;
    put(.flags = ACK);
    assert_int_equal(tr_stack_connections(w.stack, &row, 1), 1);
    assert_true(row.srtt_us < 300000);
    assert_true(row.rto_ms <= 1000);
}

// MUST-20: what is never acknowledged ends the connection, after 100 s at least (SHLD-11), and the user is told.
static void silence_ends_it(void **state)
{
    connected_plain();
    in_flight(100);
    run(100 * TR_S);
    assert_int_equal(w.closeds, 0);
    run(200 * TR_S);
    assert_int_equal(w.closeds, 1);
    assert_int_equal(w.end, TR_CONN_TIMEOUT);
}

// RFC 5681 3.2: the third duplicate ACK sends the segment again, long before the timeout.
static void third_duplicate_ack_retransmits(void **state)
{
    uint64_t begin;
    struct wire *s;

    connected_plain();
    in_flight(14600);
    while (take())
        ;
    begin = w.now;
    for (int i = 0; i < 3; i++) {
        assert_true(i == 2 || count()->recoveries == 0);
        put(.flags = ACK);
        while (i < 2 && (s = take()) != NULL)
            assert_true(s->seq != w.ack); // limited transmit may send new text
    }
    s = take_data();
    assert_non_null(s);
    assert_int_equal(s->seq, w.ack);
    assert_true(s->at_ns == begin);
}

static void put_sack(uint32_t ack, uint32_t count_, const uint32_t blocks[][2])
{
    uint8_t options[40] = {1, 1, 5, (uint8_t)(2 + 8 * count_)};

    for (uint32_t i = 0; i < count_; i++)
        for (int edge = 0; edge < 2; edge++)
            for (int b = 0; b < 4; b++)
                options[4 + 8 * i + 4 * (uint32_t)edge + (uint32_t)b] = (uint8_t)(blocks[i][edge] >> (24 - 8 * b));
    put(.flags = ACK, .at = true, .seq = w.seq, .ack = ack, .options = options, .options_bytes = 4 + 8 * count_);
}

static const uint8_t sack_only[] = {2, 4, 0x05, 0xb4, 4, 2, 0, 0};

// RFC 6675: the holes are sent again, and nothing that the peer has.
static void only_holes_are_retransmitted(void **state)
{
    uint32_t holes = 0, base, mss = 1460;
    struct wire *s;

    world_usual();
    open_passive(sack_only, sizeof(sack_only));
    in_flight(10 * 1460);
    while (take())
        ;
    base = w.ack;
    // 0, 2 and 5 are lost
    put_sack(base, 1, (const uint32_t[][2]){{base + mss, base + 2 * mss}});
    put_sack(base, 2, (const uint32_t[][2]){{base + 3 * mss, base + 5 * mss}, {base + mss, base + 2 * mss}});
    put_sack(base, 3, (const uint32_t[][2]){{base + 6 * mss, base + 10 * mss},
                                            {base + 3 * mss, base + 5 * mss},
                                            {base + mss, base + 2 * mss}});
    while ((s = take()) != NULL) {
        uint32_t n = (s->seq - base) / mss;

        if (!s->bytes || n >= 10)
            continue;
        assert_true(n == 0 || n == 2 || n == 5);
        assert_memory_equal(s->data, pattern() + n * mss, s->bytes);
        holes |= 1u << n;
    }
    assert_int_equal(holes, 1 | 1 << 2 | 1 << 5);
    w.ack = base + 10 * mss;
    put(.flags = ACK);
    drain();
    run(5 * TR_S);
    quiet();
}

// RFC 6675 5: in recovery, and once after it, the window is smaller; CUBIC leaves 0.7 (RFC 9438 4.6).
static void loss_makes_the_window_smaller(void **state)
{
    struct tr_conn_row before, after;
    uint32_t base, mss = 1460;

    world_usual();
    open_passive(sack_only, sizeof(sack_only));
    in_flight(10 * 1460);
    while (take())
        ;
    base = w.ack;
    tr_stack_connections(w.stack, &before, 1);
    put_sack(base, 1, (const uint32_t[][2]){{base + mss, base + 10 * mss}});
    drain();
    w.ack = base + 10 * mss;
    put(.flags = ACK);
    tr_stack_connections(w.stack, &after, 1);
    assert_in_range(after.cwnd_bytes, before.cwnd_bytes / 2, before.cwnd_bytes * 8 / 10);
}

// RFC 6928, RFC 5681 3.1: ten segments, and each ACK brings what it acknowledges on top.
static void slow_start(void **state)
{
    uint32_t flight = 0, expected = 10 * 1460;
    struct wire *s;

    connected_plain();
    put(.flags = ACK);
    tr_conn_send(w.conn, pattern(), 200000);
    for (int round = 0; round < 3; round++) {
        while ((s = take()) != NULL)
            flight += s->bytes;
        assert_true(flight <= expected && flight + 1460 > TR_MIN(expected, 65535u));
        w.ack += flight;
        run(100 * TR_MS / 2);
        put(.flags = ACK);
        flight = 0;
        expected = 2 * expected;
    }
}

static void timeout_begins_again_with_one_segment(void **state)
{
    uint32_t segments = 0;
    struct wire *s;

    connected_plain();
    in_flight(14600);
    while (take())
        ;
    while (count()->timeouts == 0)
        run(TR_MS);
    while ((s = take()) != NULL)
        segments += s->seq == w.ack;
    assert_true(segments >= 1);
    w.ack += 1460;
    put(.flags = ACK);
    segments = 0;
    while ((s = take()) != NULL)
        segments++;
    assert_in_range(segments, 1, 2);
}

// RFC 6298 5.3: an ACK of new data starts the timer anew.
static void progress_restarts_the_timer(void **state)
{
    connected_plain();
    in_flight(14600);
    while (take())
        ;
    for (int i = 0; i < 8; i++) {
        run(150 * TR_MS);
        w.ack += 1460;
        put(.flags = ACK);
    }
    assert_int_equal(count()->timeouts, 0);
}

// RFC 6298 2.4 would have a second at least; 200 ms are what Linux has, and no less.
static void timeout_has_a_least(void **state)
{
    struct wire *s;
    uint64_t begin;

    connected_plain();
    for (int i = 0; i < 20; i++) { // round trips of no time
        tr_conn_send(w.conn, pattern(), 10);
        w.ack += take_data()->bytes;
        put(.flags = ACK);
    }
    tr_conn_send(w.conn, pattern(), 10);
    drain();
    begin = w.now;
    while (count()->timeouts == 0)
        run(TR_MS);
    assert_true(w.now - begin >= 200 * TR_MS);
    while ((s = take()) != NULL)
        assert_int_equal(s->seq, w.ack);
}

// 3.8.4: off unless asked for (MUST-25); then an empty segment with an old number (SHLD-12) after so long (MUST-27) without
// a segment; one that is not answered says nothing (MUST-29), several do.
static void keepalive(void **state)
{
    struct tr_stack_options options = world_options();
    struct wire *s;

    connected_plain();
    run(86400 * TR_S);
    quiet();
    assert_int_equal(w.closeds, 0);
    world_close(NULL);

    options.keepalive_ns = 7200 * TR_S;
    world_open(&options);
    open_passive(OPTIONS_PLAIN);
    run(7199 * TR_S);
    quiet();
    run(2 * TR_S);
    s = expect(ACK, w.ack - 1, w.seq);
    assert_int_equal(s->bytes, 0);
    put(.flags = ACK);
    run(7199 * TR_S);
    quiet();
    run(120 * TR_S);
    s = take();
    assert_non_null(s);
    assert_int_equal(w.closeds, 0);
    drain();
    put(.flags = ACK); // late, and enough
    run(7000 * TR_S);
    assert_int_equal(w.closeds, 0);
    run(3600 * TR_S);
    assert_int_equal(w.closeds, 1);
    assert_int_equal(w.end, TR_CONN_TIMEOUT);
}

// RFC 5681 4.1: after idleness no more than the initial window goes at once.
static void idleness_shrinks_the_window(void **state)
{
    uint32_t flight = 0;
    struct wire *s;

    connected_plain();
    put(.flags = ACK);
    tr_conn_send(w.conn, pattern(), 200000);
    while (w.ack != w.iss + 1 + 200000) {
        while ((s = take()) != NULL)
            w.ack = s->seq + s->bytes;
        put(.flags = ACK);
        run(10 * TR_MS);
    }
    run(30 * TR_S);
    drain();
    tr_conn_send(w.conn, pattern(), 100000);
    while ((s = take()) != NULL)
        flight += s->bytes;
    assert_in_range(flight, 1460, 10 * 1460);
}

// What finds no buffer is sent when there is one, and nothing is lost.
static void no_buffer_is_no_loss(void **state)
{
    struct wire *s;

    connected_plain();
    w.no_buffer = true;
    tr_conn_send(w.conn, pattern(), 1000);
    tr_stack_poll(w.stack, w.now);
    assert_int_equal(w.sent_count, w.sent_read);
    w.no_buffer = false;
    run(10 * TR_MS);
    s = take_data();
    assert_non_null(s);
    assert_int_equal(s->bytes, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        conform_test(first_timeout_without_a_sample),
        conform_test(timeouts_back_off),
        conform_test(ack_of_a_retransmission_measures_nothing),
        conform_test(timestamps_measure_retransmissions_too),
        conform_test(silence_ends_it),
        conform_test(third_duplicate_ack_retransmits),
        conform_test(only_holes_are_retransmitted),
        conform_test(loss_makes_the_window_smaller),
        conform_test(slow_start),
        conform_test(timeout_begins_again_with_one_segment),
        conform_test(progress_restarts_the_timer),
        conform_test(timeout_has_a_least),
        conform_test(keepalive),
        conform_test(idleness_shrinks_the_window),
        conform_test(no_buffer_is_no_loss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
