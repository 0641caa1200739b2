// SPDX-License-Identifier: Apache-2.0
// Windows: RFC 9293 3.8.6; RFC 7323 2 on scaling.
#include "conform.h"

static uint32_t edge_of(const struct wire *s, uint32_t scale)
{
    return s->ack + ((uint32_t)s->window << scale);
}

// SHLD-14: whatever the user does, the right edge stays or moves to the right.
static void right_edge_never_goes_back(void **state)
{
    struct tr_stack_options options = world_options();
    uint32_t scale, edge = 0, now;
    struct wire *s;

    options.window_bytes = 256 * TR_KIB;
    world_open(&options);
    scale = open_passive(OPTIONS_FULL)->scale;
    for (int i = 0; i < 1000; i++) {
        if (i % 100 == 30)
            tr_conn_pause(w.conn);
        if (i % 100 == 80)
            tr_conn_resume(w.conn);
        if (!edge || (int32_t)(edge - w.seq) >= 1000)
            say(pattern() + w.heard_bytes % 1000, 1000);
        w.heard_bytes = 0;
        if (i % 7 == 0)
            run(20 * TR_MS);
        while ((s = take()) != NULL) {
            now = edge_of(s, scale);
            assert_true(!edge || (int32_t)(now - edge) >= 0);
            edge = now;
        }
    }
    assert_true(edge != 0);
}

// MAY-8, MUST-39: who pauses closes the window, and it opens again by a segment or half of it at least.
static void window_closes_and_opens(void **state)
{
    uint32_t sent = 0, edge = 0;
    struct wire *s;

    connected_plain();
    tr_conn_pause(w.conn);
    for (int i = 0; i < 200; i++) {
        say(pattern() + sent, 1000);
        sent += 1000;
        run(50 * TR_MS);
        while ((s = take()) != NULL)
            edge = edge_of(s, 0);
        if (edge - w.seq < 1000)
            break;
    }
    assert_int_equal(w.heard_bytes, 0);
    assert_true(sent >= 60000);
    if (edge != w.seq) {
        say(pattern() + sent, edge - w.seq);
        sent = w.seq - 7001;
        run(TR_S);
        while ((s = take()) != NULL)
            edge = edge_of(s, 0);
    }
    assert_int_equal(edge, w.seq); // shut
    put(.flags = ACK, .data = pattern() + sent, .bytes = 1);
    s = expect(ACK, w.ack, w.seq);
    assert_int_equal(s->window, 0);
    tr_conn_resume(w.conn);
    s = expect(ACK, w.ack, w.seq);
    assert_true(s->window >= 1460);
    expect_heard(sent);
}

// MUST-66: RST counts when the window is shut, and ACKs do (3.10.7.4).
static void shut_window_takes_ack_and_reset(void **state)
{
    connected_plain();
    tr_conn_pause(w.conn);
    for (int i = 0; i < 66; i++) {
        say(pattern(), i == 65 ? 535 : 1000);
        run(50 * TR_MS);
    }
    drain();
    assert_int_equal(w.seq - 7001, 65535);
    tr_conn_send(w.conn, pattern(), 100);
    assert_int_equal(take_data()->bytes, 100);
    w.ack += 100;
    put(.flags = ACK);
    run(5 * TR_S);
    quiet(); // it was acknowledged
    put(.flags = RST);
    turn();
    assert_int_equal(w.closeds, 1);
    assert_int_equal(w.end, TR_CONN_RESET);
}

static void window_of_the_peer_is_kept(void **state)
{
    uint32_t got = 0;
    struct wire *s;

    world_usual();
    w.window = 3000;
    open_passive(OPTIONS_PLAIN);
    tr_conn_send(w.conn, pattern(), 50000);
    while ((s = take()) != NULL)
        got = s->seq + s->bytes - w.ack;
    assert_in_range(got, 1, 3000);
    w.ack += got;
    put(.flags = ACK, .window = 10);
    while ((s = take()) != NULL)
        assert_true(s->seq + s->bytes - w.ack <= 10);
}

// MUST-1: windows from 32768 on are not negative.
static void window_is_unsigned(void **state)
{
    uint32_t most = 0;
    struct wire *s;

    connected_plain();
    tr_conn_send(w.conn, pattern(), 200000);
    for (int i = 0; i < 200 && most < 64000; i++) {
        while ((s = take()) != NULL) {
            most = TR_MAX(most, s->seq + s->bytes - w.ack);
            assert_true(s->seq + s->bytes - w.ack <= 65535);
        }
        w.ack += 1460;
        put(.flags = ACK);
    }
    assert_true(most >= 64000);
}

// RFC 7323 2: shifted both ways, except in SYNs.
static void window_scale_applies_both_ways(void **state)
{
    struct tr_stack_options options = world_options();
    uint32_t most = 0, scale;
    struct wire *s;

    options.window_bytes = TR_MIB;
    world_open(&options);
    scale = open_passive(OPTIONS_FULL)->scale;
    assert_true(1024u * 1024 >> scale <= 65535 && scale <= 14);
    say(pattern(), 1000);
    say(pattern() + 1000, 1460);
    run(100 * TR_MS);
    s = take();
    while (w.sent_read < w.sent_count)
        s = take();
    assert_true((uint32_t)s->window << scale > 65535);
    put(.flags = ACK, .window = 100); // 12800
    drain();
    tr_conn_send(w.conn, pattern(), 100000);
    while ((s = take()) != NULL)
        most = TR_MAX(most, s->seq + s->bytes - w.ack);
    assert_in_range(most, 11000, 12800);
}

static void window_scale_without_both_is_none(void **state)
{
    uint32_t most = 0;
    struct wire *s;

    connected_plain();
    put(.flags = ACK, .window = 2000);
    tr_conn_send(w.conn, pattern(), 100000);
    while ((s = take()) != NULL) {
        most = TR_MAX(most, s->seq + s->bytes - w.ack);
        assert_true(s->window <= 65535);
    }
    assert_in_range(most, 1, 2000);
}

// MUST-36, SHLD-29, SHLD-30: a shut window is probed after a timeout, then ever more seldom, and it may stay shut while
// the peer answers.
static void shut_window_is_probed(void **state)
{
    uint64_t last, between = 0;
    uint32_t probes = 0;
    struct wire *s;

    connected_plain();
    put(.flags = ACK, .shut = true);
    drain();
    last = w.now;
    tr_conn_send(w.conn, pattern(), 5000);
    turn();
    quiet();
    while (w.now - 1000 * TR_S < 100 * TR_S) {
        run(10 * TR_MS);
        while ((s = take()) != NULL) {
            assert_true(s->bytes <= 1);
            assert_true(s->at_ns - last >= 200 * TR_MS);
            if (between)
                assert_true(s->at_ns - last >= TR_MIN(between * 3 / 2, 59 * TR_S));
            between = s->at_ns - last;
            last = s->at_ns;
            probes++;
            put(.flags = ACK, .shut = true);
        }
    }
    assert_in_range(probes, 4, 12);
    assert_int_equal(w.closeds, 0);
    put(.flags = ACK);
    s = take_data();
    assert_non_null(s);
    assert_int_equal(s->seq, w.ack);
    assert_int_equal(s->bytes, 1460);
}

static void lost_window_update_is_found_by_a_probe(void **state)
{
    struct wire *s;

    connected_plain();
    put(.flags = ACK, .shut = true);
    drain();
    tr_conn_send(w.conn, pattern(), 5000);
    run(2 * TR_S);
    s = take_data();
    assert_non_null(s);
    assert_int_equal(s->seq, w.ack);
    w.ack += s->bytes;
    put(.flags = ACK); // the peer has taken the byte
    while (w.sent_read < w.sent_count)
        take();
    s = take_data();
    assert_non_null(s);
    assert_memory_equal(s->data, pattern() + (w.ack - w.iss - 1), 1460);
}

// MUST-34, SHLD-15, SHLD-16, SHLD-17: a window that shrinks under data in flight.
static void window_that_shrinks_does_no_harm(void **state)
{
    uint32_t edge = 0;
    struct wire *s;

    connected_plain();
    tr_conn_send(w.conn, pattern(), 50000);
    while ((s = take()) != NULL)
        edge = s->seq + s->bytes;
    assert_true(edge - w.ack > 10000);
    put(.flags = ACK, .at = true, .seq = w.seq, .ack = w.ack + 1460, .window = 2920);
    w.ack += 1460;
    for (int i = 0; i < 10; i++) {
        run(3 * TR_S);
        while ((s = take()) != NULL)
            assert_true((int32_t)(s->seq + s->bytes - edge) <= 0); // nothing new
        put(.flags = ACK, .window = 2920);
    }
    assert_int_equal(w.closeds, 0);
    w.ack = edge;
    put(.flags = ACK);
    s = take_data();
    assert_non_null(s);
    assert_int_equal(s->seq, edge);
}

// MUST-38: windows in crumbs are not filled with crumbs.
static void sender_avoids_silly_segments(void **state)
{
    uint32_t got = 0, small = 0, segments = 0;
    struct wire *s;

    world_usual();
    w.window = 14600;
    open_passive(OPTIONS_PLAIN);
    tr_conn_send(w.conn, pattern(), 100000);
    while ((s = take()) != NULL)
        got = s->seq + s->bytes - w.ack;
    for (int i = 0; i < 300; i++) { // the peer's user reads a hundred bytes at a time
        if (got) {
            w.ack += 100;
            got -= 100;
        }
        put(.flags = ACK, .window = 14600);
        while ((s = take()) != NULL) {
            segments++;
            small += s->bytes < 1460;
            got = s->seq + s->bytes - w.ack;
        }
    }
    assert_true(segments > 10);
    assert_int_equal(small, 0);
}

static void window_updates_come_by_the_newest_segment(void **state)
{
    uint32_t most = 0;
    struct wire *s;

    connected_plain();
    put(.flags = ACK, .at = true, .seq = w.seq + 100, .ack = w.ack, .window = 20000, .data = pattern(), .bytes = 100);
    put(.flags = ACK, .window = 500, .data = pattern(), .bytes = 100); // sent before it
    assert_int_equal(w.heard_bytes, 200);
    w.seq += 200;
    tr_conn_send(w.conn, pattern(), 50000);
    while ((s = take()) != NULL)
        most = TR_MAX(most, s->seq + s->bytes - w.ack);
    assert_true(most > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        conform_test(right_edge_never_goes_back),
        conform_test(window_closes_and_opens),
        conform_test(shut_window_takes_ack_and_reset),
        conform_test(window_of_the_peer_is_kept),
        conform_test(window_is_unsigned),
        conform_test(window_scale_applies_both_ways),
        conform_test(window_scale_without_both_is_none),
        conform_test(shut_window_is_probed),
        conform_test(lost_window_update_is_found_by_a_probe),
        conform_test(window_that_shrinks_does_no_harm),
        conform_test(sender_avoids_silly_segments),
        conform_test(window_updates_come_by_the_newest_segment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
