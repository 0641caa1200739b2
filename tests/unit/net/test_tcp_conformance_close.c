// SPDX-License-Identifier: Apache-2.0
// Closing connections: RFC 9293 3.6, 3.10.4, 3.10.5, 3.10.7.4; RFC 6191 on TIME_WAIT.
#include "conform.h"

static void peer_closes_first(void **state)
{
    connected_plain();
    put(.flags = FIN | ACK);
    w.seq++;
    assert_int_equal(w.eofs, 1);
    expect(ACK, w.ack, w.seq);
    tr_conn_close(w.conn);
    expect(FIN | ACK, w.ack, w.seq);
    assert_int_equal(w.closeds, 0);
    put(.flags = ACK, .at = true, .seq = w.seq, .ack = w.ack + 1);
    turn();
    assert_int_equal(w.closeds, 1);
    assert_int_equal(w.end, TR_CONN_CLOSED);
    put(.flags = ACK, .at = true, .seq = w.seq, .ack = w.ack + 1);
    expect(RST, w.ack + 1, 0); // nothing is left
}

static void we_close(void)
{
    tr_conn_close(w.conn);
    expect(FIN | ACK, w.ack, w.seq);
    w.ack++;
    put(.flags = ACK);
    quiet();
    put(.flags = FIN | ACK);
    w.seq++;
    expect(ACK, w.ack, w.seq);
    turn();
    assert_int_equal(w.closeds, 1);
    assert_int_equal(w.end, TR_CONN_CLOSED);
}

// MUST-13: for 2 MSL the peer's FIN is answered again, which begins the wait anew; after it nobody is there.
static void we_close_first_and_wait(void **state)
{
    connected_plain();
    we_close();
    run(59 * TR_S);
    put(.flags = FIN | ACK, .at = true, .seq = w.seq - 1, .ack = w.ack);
    expect(ACK, w.ack, w.seq);
    run(59 * TR_S);
    put(.flags = FIN | ACK, .at = true, .seq = w.seq - 1, .ack = w.ack);
    expect(ACK, w.ack, w.seq);
    run(61 * TR_S);
    put(.flags = FIN | ACK, .at = true, .seq = w.seq - 1, .ack = w.ack);
    expect(RST, w.ack, 0);
}

static void both_close_at_once(void **state)
{
    connected_plain();
    tr_conn_close(w.conn);
    expect(FIN | ACK, w.ack, w.seq);
    put(.flags = FIN | ACK); // sent before ours was seen
    w.seq++;
    expect(ACK, w.ack + 1, w.seq);
    w.ack++;
    put(.flags = ACK);
    turn();
    assert_int_equal(w.closeds, 1);
    assert_int_equal(w.end, TR_CONN_CLOSED);
    put(.flags = FIN | ACK, .at = true, .seq = w.seq - 1, .ack = w.ack); // TIME_WAIT
    expect(ACK, w.ack, w.seq);
}

static void fin_acks_ours_too(void **state)
{
    connected_plain();
    tr_conn_close(w.conn);
    expect(FIN | ACK, w.ack, w.seq);
    w.ack++;
    put(.flags = FIN | ACK);
    w.seq++;
    expect(ACK, w.ack, w.seq);
    turn();
    assert_int_equal(w.end, TR_CONN_CLOSED);
    assert_int_equal(w.closeds, 1);
}

// 3.6: who has heard a FIN may go on sending.
static void half_closed_still_sends(void **state)
{
    struct wire *s;

    connected_plain();
    put(.flags = FIN | ACK);
    w.seq++;
    expect(ACK, w.ack, w.seq);
    run(30 * TR_S);
    assert_int_equal(tr_conn_send(w.conn, pattern(), 1000), 1000);
    s = expect(ACK, w.ack, w.seq);
    assert_int_equal(s->bytes, 1000);
    w.ack += 1000;
    put(.flags = ACK);
    tr_conn_close(w.conn);
    expect(FIN | ACK, w.ack, w.seq);
}

static void data_queued_goes_before_fin(void **state)
{
    uint32_t got = 0;
    struct wire *s;

    connected_plain();
    assert_int_equal(tr_conn_send(w.conn, pattern(), 5000), 5000);
    tr_conn_close(w.conn);
    assert_int_equal(tr_conn_send(w.conn, pattern(), 10), 0);
    while (got < 5000) {
        s = take_data();
        assert_int_equal(s->seq, w.ack + got);
        assert_memory_equal(s->data, pattern() + got, s->bytes);
        got += s->bytes;
        if (got == 5000 && !(s->flags & FIN))
            s = take();
    }
    assert_true(s->flags & FIN);
}

static void fin_comes_with_the_last_data(void **state)
{
    connected_plain();
    put(.flags = FIN | ACK, .data = pattern(), .bytes = 300);
    expect_heard(300);
    assert_int_equal(w.eofs, 1);
    expect(ACK, w.ack, w.seq + 301);
}

static void fin_waits_for_what_is_before_it(void **state)
{
    connected_plain();
    put(.flags = FIN | ACK, .at = true, .seq = w.seq + 200, .ack = w.ack, .data = pattern() + 200, .bytes = 100);
    expect(ACK, w.ack, w.seq);
    assert_int_equal(w.eofs, 0);
    put(.flags = ACK, .data = pattern(), .bytes = 200);
    expect_heard(300);
    assert_int_equal(w.eofs, 1);
    expect(ACK, w.ack, w.seq + 301);
}

static void fin_heard_twice_is_one(void **state)
{
    connected_plain();
    put(.flags = FIN | ACK);
    expect(ACK, w.ack, w.seq + 1);
    put(.flags = FIN | ACK);
    expect(ACK, w.ack, w.seq + 1);
    assert_int_equal(w.eofs, 1);
}

// 3.10.7.4, eighth: text behind a FIN "should not occur" and is not taken.
static void text_behind_fin_is_not_taken(void **state)
{
    connected_plain();
    put(.flags = FIN | ACK, .data = pattern(), .bytes = 10);
    drain();
    put(.flags = ACK, .at = true, .seq = w.seq + 11, .ack = w.ack, .data = "evil", .bytes = 4);
    drain();
    expect_heard(10);
}

static void fin_is_sent_again(void **state)
{
    connected_plain();
    tr_conn_close(w.conn);
    expect(FIN | ACK, w.ack, w.seq);
    run(3 * TR_S);
    expect(FIN | ACK, w.ack, w.seq);
    put(.flags = ACK, .at = true, .seq = w.seq, .ack = w.ack + 1);
    drain();
    run(10 * TR_S);
    quiet();
}

static void who_never_closes_is_left_in_the_end(void **state)
{
    connected_plain();
    tr_conn_close(w.conn);
    expect(FIN | ACK, w.ack, w.seq);
    put(.flags = ACK, .at = true, .seq = w.seq, .ack = w.ack + 1);
    run(300 * TR_S);
    assert_int_equal(w.closeds, 1);
}

static void text_after_close_is_acknowledged_and_thrown_away(void **state)
{
    connected_plain();
    tr_conn_close(w.conn);
    expect(FIN | ACK, w.ack, w.seq);
    w.ack++;
    put(.flags = ACK);
    say(pattern(), 3000 / 2);
    say(pattern(), 3000 / 2);
    assert_int_equal(w.heard_bytes, 0);
    expect(ACK, w.ack, w.seq);
}

static void abort_resets(void **state)
{
    connected_plain();
    assert_int_equal(tr_conn_send(w.conn, pattern(), 100), 100);
    tr_conn_abort(w.conn);
    expect(RST | ACK, w.ack, w.seq);
    turn();
    assert_int_equal(w.closeds, 1);
    assert_int_equal(w.end, TR_CONN_ABORTED);
    run(10 * TR_S);
    quiet();
}

// MUST-12: the user hears whether it was closed or reset.
static void reset_is_told_apart(void **state)
{
    connected_plain();
    put(.flags = RST);
    turn();
    assert_int_equal(w.closeds, 1);
    assert_int_equal(w.end, TR_CONN_RESET);
    quiet();
}

// MAY-2: a new SYN beyond everything of the old connection opens it again from TIME_WAIT.
static void time_wait_gives_way_to_a_newer_syn(void **state)
{
    uint32_t old;
    struct wire *s;

    connected_plain();
    we_close();
    old = w.ack;
    put(.flags = SYN, .at = true, .seq = w.seq + 100000);
    s = take();
    assert_int_equal(s->flags, SYN | ACK);
    assert_int_equal(s->ack, w.seq + 100001);
    assert_true((int32_t)(s->seq - old) > 0); // and ours is beyond the old one too
    put(.flags = ACK, .at = true, .seq = w.seq + 100001, .ack = s->seq + 1);
    assert_int_equal(w.opened, 2);
    w.closeds = 0;
}

static void time_wait_answers_an_older_syn_with_an_ack(void **state)
{
    connected_plain();
    we_close();
    put(.flags = SYN, .at = true, .seq = w.seq - 100000);
    expect(ACK, w.ack, w.seq);
}

// SHLD-4, RFC 6191: with timestamps a later one is enough, and an earlier one is never.
static void time_wait_trusts_timestamps(void **state)
{
    static const uint8_t later[] = {2, 4, 5, 0xb4, 1, 1, 8, 10, 0x7f, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t earlier[] = {2, 4, 5, 0xb4, 1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0};
    struct wire *s;

    connected_full();
    we_close();
    put(.flags = SYN, .at = true, .seq = w.seq + 100000, .options = earlier, .options_bytes = sizeof(earlier));
    s = take();
    assert_true(!s || !(s->flags & SYN));
    put(.flags = SYN, .at = true, .seq = w.seq - 100000, .options = later, .options_bytes = sizeof(later));
    s = take();
    assert_int_equal(s->flags, SYN | ACK);
}

// RFC 1337 and RFC 9293 3.10.7.4: a stray RST in TIME_WAIT must lie at the very edge to count.
static void time_wait_is_not_assassinated_by_a_stray_reset(void **state)
{
    connected_plain();
    we_close();
    put(.flags = RST, .at = true, .seq = w.seq + 1000);
    put(.flags = RST, .at = true, .seq = w.seq - 1000);
    drain();
    put(.flags = FIN | ACK, .at = true, .seq = w.seq - 1, .ack = w.ack);
    expect(ACK, w.ack, w.seq);
}

static void user_that_refuses_resets(void **state)
{
    struct wire *s;

    world_usual();
    w.refuse = true;
    put(.flags = SYN, .at = true, .seq = 7000);
    s = take();
    put(.flags = ACK, .at = true, .seq = 7001, .ack = s->seq + 1);
    s = take();
    assert_true(s->flags & RST);
    turn();
    assert_int_equal(w.closeds, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        conform_test(peer_closes_first),
        conform_test(we_close_first_and_wait),
        conform_test(both_close_at_once),
        conform_test(fin_acks_ours_too),
        conform_test(half_closed_still_sends),
        conform_test(data_queued_goes_before_fin),
        conform_test(fin_comes_with_the_last_data),
        conform_test(fin_waits_for_what_is_before_it),
        conform_test(fin_heard_twice_is_one),
        conform_test(text_behind_fin_is_not_taken),
        conform_test(fin_is_sent_again),
        conform_test(who_never_closes_is_left_in_the_end),
        conform_test(text_after_close_is_acknowledged_and_thrown_away),
        conform_test(abort_resets),
        conform_test(reset_is_told_apart),
        conform_test(time_wait_gives_way_to_a_newer_syn),
        conform_test(time_wait_answers_an_older_syn_with_an_ack),
        conform_test(time_wait_trusts_timestamps),
        conform_test(time_wait_is_not_assassinated_by_a_stray_reset),
        conform_test(user_that_refuses_resets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
