// SPDX-License-Identifier: Apache-2.0
// Acknowledgements: RFC 9293 3.8.6.3, 3.10.7.4; RFC 5681 4.2; RFC 2018 and RFC 2883 for the receiver.
#include "conform.h"

// MUST-40, SHLD-18: an ACK of a single segment may wait, but under half a second.
static void ack_is_delayed_and_not_for_long(void **state)
{
    uint64_t begin;
    struct wire *s;

    connected_plain();
    run(5 * TR_S);
    begin = w.now;
    say(pattern(), 100);
    run(499 * TR_MS);
    s = expect(ACK, w.ack, w.seq);
    assert_true(s->at_ns > begin);
    assert_true(s->at_ns - begin < 500 * TR_MS);
    quiet();
}

// SHLD-19: every second full segment at the latest.
static void second_full_segment_is_acknowledged_at_once(void **state)
{
    connected_plain();
    say(pattern(), 1460);
    say(pattern() + 1460, 1460);
    expect(ACK, w.ack, w.seq);
    quiet();
}

// MUST-58, MUST-59: what is in the queue is taken before the ACK goes, and one is enough.
static void burst_has_one_ack(void **state)
{
    connected_plain();
    for (int i = 0; i < 20; i++)
        say(pattern() + 1460 * i, 1460);
    expect(ACK, w.ack, w.seq);
    quiet();
}

static void data_carries_the_ack(void **state)
{
    connected_plain();
    say(pattern(), 100);
    tr_conn_send(w.conn, pattern(), 10);
    expect(ACK, w.ack, w.seq);
    run(TR_S / 4);
    while (w.sent_read < w.sent_count)
        assert_int_equal(take()->bytes > 0, 1); // the text again at most, no bare ACK
}

// MAY-13, RFC 5681 4.2: at once when there is a hole, and when one is filled.
static void hole_is_acknowledged_at_once(void **state)
{
    connected_plain();
    put(.flags = ACK, .at = true, .seq = w.seq + 1000, .ack = w.ack, .data = pattern() + 1000, .bytes = 1000);
    expect(ACK, w.ack, w.seq);
    put(.flags = ACK, .at = true, .seq = w.seq + 3000, .ack = w.ack, .data = pattern() + 3000, .bytes = 1000);
    expect(ACK, w.ack, w.seq);
    put(.flags = ACK, .data = pattern(), .bytes = 500);
    expect(ACK, w.ack, w.seq + 500);
    put(.flags = ACK, .at = true, .seq = w.seq + 500, .ack = w.ack, .data = pattern() + 500, .bytes = 500);
    expect(ACK, w.ack, w.seq + 2000);
}

static void old_text_is_acknowledged_at_once(void **state)
{
    connected_plain();
    say(pattern(), 1000);
    run(TR_S);
    drain();
    put(.flags = ACK, .at = true, .seq = w.seq - 1000, .ack = w.ack, .data = pattern(), .bytes = 1000);
    expect(ACK, w.ack, w.seq);
}

// 3.10.7.4, fifth: an ACK of what was never sent is answered and dropped with its text.
static void ack_of_the_future_is_dropped(void **state)
{
    connected_plain();
    put(.flags = ACK, .at = true, .seq = w.seq, .ack = w.ack + 1, .data = pattern(), .bytes = 100);
    expect(ACK, w.ack, w.seq);
    assert_int_equal(w.heard_bytes, 0);
    tr_conn_send(w.conn, pattern(), 100);
    expect(ACK, w.ack, w.seq);
    put(.flags = ACK, .at = true, .seq = w.seq, .ack = w.ack + 101);
    drain();
    run(2 * TR_S);
    assert_non_null(take_data()); // it is not acknowledged
}

static void ack_of_the_past_is_ignored(void **state)
{
    connected_plain();
    tr_conn_send(w.conn, pattern(), 100);
    drain();
    w.ack += 100;
    put(.flags = ACK);
    put(.flags = ACK, .at = true, .seq = w.seq, .ack = w.ack - 50, .data = pattern(), .bytes = 100);
    expect_heard(100);
}

// RFC 2018 3, 4: none but with permission; the first block holds what came last, others follow.
static void sack_tells_what_is_here(void **state)
{
    struct wire *s;

    connected_full();
    put(.flags = ACK, .at = true, .seq = w.seq + 1000, .ack = w.ack, .data = pattern() + 1000, .bytes = 500);
    s = expect(ACK, w.ack, w.seq);
    assert_int_equal(s->sacks, 1);
    assert_int_equal(s->sack[0][0], w.seq + 1000);
    assert_int_equal(s->sack[0][1], w.seq + 1500);
    put(.flags = ACK, .at = true, .seq = w.seq + 3000, .ack = w.ack, .data = pattern() + 3000, .bytes = 500);
    s = expect(ACK, w.ack, w.seq);
    assert_int_equal(s->sacks, 2);
    assert_int_equal(s->sack[0][0], w.seq + 3000);
    assert_int_equal(s->sack[1][0], w.seq + 1000);
    put(.flags = ACK, .at = true, .seq = w.seq + 1500, .ack = w.ack, .data = pattern() + 1500, .bytes = 500);
    s = expect(ACK, w.ack, w.seq);
    assert_int_equal(s->sack[0][0], w.seq + 1000);
    assert_int_equal(s->sack[0][1], w.seq + 2000);
    assert_int_equal(s->sack[1][0], w.seq + 3000);
    for (uint32_t i = 2; i < 8; i++) {
        put(.flags = ACK, .at = true, .seq = w.seq + 2000 * i, .ack = w.ack, .data = pattern(), .bytes = 10);
        s = take();
        assert_int_equal(s->sack[0][0], w.seq + 2000 * i);
        assert_true(s->sacks >= 2 && s->header_bytes <= 60);
    }
    assert_int_equal(s->sacks, 3); // beside a timestamp there is no room for more
}

static void no_sack_without_permission(void **state)
{
    connected_plain();
    put(.flags = ACK, .at = true, .seq = w.seq + 1000, .ack = w.ack, .data = pattern() + 1000, .bytes = 500);
    assert_int_equal(expect(ACK, w.ack, w.seq)->sacks, 0);
}

static void no_sack_when_nothing_is_missing(void **state)
{
    connected_full();
    put(.flags = ACK, .at = true, .seq = w.seq + 1000, .ack = w.ack, .data = pattern() + 1000, .bytes = 500);
    drain();
    put(.flags = ACK, .data = pattern(), .bytes = 1000);
    assert_int_equal(expect(ACK, w.ack, w.seq + 1500)->sacks, 0);
}

// RFC 2883 4.1: what came twice is the first block, once.
static void duplicates_are_told_by_sack(void **state)
{
    struct wire *s;

    connected_full();
    say(pattern(), 1000);
    run(TR_S);
    drain();
    put(.flags = ACK, .at = true, .seq = w.seq - 1000, .ack = w.ack, .data = pattern(), .bytes = 1000);
    s = expect(ACK, w.ack, w.seq);
    assert_int_equal(s->sacks, 1);
    assert_int_equal(s->sack[0][0], w.seq - 1000);
    assert_int_equal(s->sack[0][1], w.seq);
    put(.flags = ACK, .at = true, .seq = w.seq + 1000, .ack = w.ack, .data = pattern() + 1000, .bytes = 500);
    s = expect(ACK, w.ack, w.seq);
    assert_int_equal(s->sacks, 1);
    assert_int_equal(s->sack[0][0], w.seq + 1000);
}

// RFC 2018 8: what was told as here stays here until the stream has passed it.
static void sacked_text_is_kept(void **state)
{
    connected_full();
    for (uint32_t i = 1; i < 60; i++)
        put(.flags = ACK, .at = true, .seq = w.seq + 1000 * i, .ack = w.ack, .data = pattern() + 1000 * i, .bytes = 1000);
    drain();
    run(100 * TR_S);
    put(.flags = ACK, .data = pattern(), .bytes = 1000);
    expect_heard(60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        conform_test(ack_is_delayed_and_not_for_long),
        conform_test(second_full_segment_is_acknowledged_at_once),
        conform_test(burst_has_one_ack),
        conform_test(data_carries_the_ack),
        conform_test(hole_is_acknowledged_at_once),
        conform_test(old_text_is_acknowledged_at_once),
        conform_test(ack_of_the_future_is_dropped),
        conform_test(ack_of_the_past_is_ignored),
        conform_test(sack_tells_what_is_here),
        conform_test(no_sack_without_permission),
        conform_test(no_sack_when_nothing_is_missing),
        conform_test(duplicates_are_told_by_sack),
        conform_test(sacked_text_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
