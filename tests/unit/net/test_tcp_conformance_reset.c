// SPDX-License-Identifier: Apache-2.0
// Resets: RFC 9293 3.5.2, 3.5.3, 3.10.7; RFC 5961 3.
#include "conform.h"

static void reset_at_the_edge_ends_it(void **state)
{
    connected_plain();
    put(.flags = RST);
    quiet();
    assert_int_equal(w.closeds, 1);
    assert_int_equal(w.end, TR_CONN_RESET);
}

// RFC 5961 3.2: in the window but not at its edge it may be a guess: an ACK asks.
static void reset_in_the_window_is_asked_about(void **state)
{
    connected_plain();
    put(.flags = RST, .at = true, .seq = w.seq + 1);
    expect(ACK, w.ack, w.seq);
    put(.flags = RST, .at = true, .seq = w.seq + 60000);
    expect(ACK, w.ack, w.seq);
    assert_int_equal(w.closeds, 0);
    put(.flags = RST, .at = true, .seq = w.seq); // a peer that is gone answers with the right one
    turn();
    assert_int_equal(w.closeds, 1);
}

static void reset_outside_the_window_is_ignored(void **state)
{
    connected_plain();
    put(.flags = RST, .at = true, .seq = w.seq - 1);
    put(.flags = RST, .at = true, .seq = w.seq + 65536);
    put(.flags = RST, .at = true, .seq = w.seq + 0x80000000);
    put(.flags = RST | ACK, .at = true, .seq = w.seq - 1, .ack = w.ack);
    quiet();
    assert_int_equal(w.closeds, 0);
}

// SHLD-2.
static void reset_may_carry_text(void **state)
{
    connected_plain();
    put(.flags = RST | ACK, .data = "go away", .bytes = 7);
    quiet();
    assert_int_equal(w.closeds, 1);
    assert_int_equal(w.heard_bytes, 0);
}

// RFC 7323 3.2 and 5.3: a RST needs no timestamp, and an old one does not save it from being taken.
static void reset_is_not_held_to_timestamps(void **state)
{
    connected_full();
    put(.flags = RST, .no_timestamp = true);
    turn();
    assert_int_equal(w.closeds, 1);
    world_close(NULL);
    connected_full();
    run(TR_S);
    w.timestamp_back = 100000;
    put(.flags = RST);
    turn();
    assert_int_equal(w.closeds, 1);
}

static void reset_is_never_answered(void **state)
{
    world_usual();
    put(.flags = RST, .at = true, .seq = 1);
    put(.flags = RST | ACK, .at = true, .seq = 1, .ack = 2);
    put(.flags = RST | SYN, .at = true, .seq = 1);
    put(.flags = RST | FIN, .at = true, .seq = 1);
    quiet();
}

// In every state in which there is a connection.
static void reset_counts_in_every_state(void **state)
{
    for (int how = 0; how < 5; how++) {
        connected_plain();
        if (how == 0 || how == 3) { // CLOSE_WAIT, LAST_ACK
            put(.flags = FIN | ACK);
            w.seq++;
        }
        if (how >= 1 && how != 4) { // FIN_WAIT_1, FIN_WAIT_2
            tr_conn_close(w.conn);
            drain();
        }
        if (how == 2) {
            w.ack++;
            put(.flags = ACK);
        }
        if (how == 4) { // CLOSING
            tr_conn_close(w.conn);
            drain();
            put(.flags = FIN | ACK);
            w.seq++;
        }
        drain();
        assert_int_equal(w.closeds, 0);
        put(.flags = RST);
        turn();
        assert_int_equal(w.closeds, 1);
        put(.flags = ACK);
        assert_int_equal(take()->flags, RST);
        world_close(NULL);
    }
}

// 3.5.1: a peer that has forgotten us answers our ACK with a reset, and that one is believed.
static void half_open_peer_is_discovered(void **state)
{
    struct wire *s;

    connected_plain();
    put(.flags = SYN, .at = true, .seq = 123456, .options = plain, .options_bytes = sizeof(plain)); // it has begun again
    s = expect(ACK, w.ack, w.seq);
    put(.flags = RST, .at = true, .seq = s->ack);
    turn();
    assert_int_equal(w.closeds, 1);
    put(.flags = SYN, .at = true, .seq = 123456, .options = plain, .options_bytes = sizeof(plain));
    assert_int_equal(take()->flags, SYN | ACK);
}

static void drain_refuses_new_connections(void **state)
{
    connected_plain();
    tr_stack_refuse(w.stack);
    put(.flags = SYN, .at = true, .seq = 5, .port = 41000);
    assert_int_equal(take()->flags, RST | ACK);
    say(pattern(), 100);
    expect_heard(100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        conform_test(reset_at_the_edge_ends_it),
        conform_test(reset_in_the_window_is_asked_about),
        conform_test(reset_outside_the_window_is_ignored),
        conform_test(reset_may_carry_text),
        conform_test(reset_is_not_held_to_timestamps),
        conform_test(reset_is_never_answered),
        conform_test(reset_counts_in_every_state),
        conform_test(half_open_peer_is_discovered),
        conform_test(drain_refuses_new_connections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
