// SPDX-License-Identifier: Apache-2.0
// Connections between two stacks: open, data, close.
#include "harness.h"

static void data_goes_both_ways(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire);

    wire_send(conn, 1000000);
    wire_send(conn->peer, 700000);
    wire_run_for(wire, 20 * TR_S);
    assert_int_equal(conn->peer->received, 1000000);
    assert_int_equal(conn->received, 700000);
    assert_int_equal(conn->conn->bytes_out, 1000000);
    assert_int_equal(wire_counters(wire, 0)->retransmits_fast, 0);
    assert_int_equal(wire_counters(wire, 0)->timeouts, 0);
    assert_int_equal(wire_counters(wire, 0)->retransmits_probe, 0);
    wire_close(wire);
}

static void both_close_in_order(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire), *peer = conn->peer;

    wire_send(conn, 5000);
    tr_conn_close(conn->conn);
    wire_run_for(wire, TR_S);
    assert_true(peer->eof);
    assert_int_equal(peer->received, 5000);
    assert_false(conn->closed);
    wire_send(peer, 3000); // half-closed: it may go on
    tr_conn_close(peer->conn);
    wire_run_for(wire, TR_S);
    assert_true(conn->closed && peer->closed);
    assert_int_equal(conn->end, TR_CONN_CLOSED);
    assert_int_equal(peer->end, TR_CONN_CLOSED);
    assert_int_equal(wire_counters(wire, 0)->time_wait, 1);
    assert_int_equal(wire_counters(wire, 1)->time_wait, 0);
    wire_run_for(wire, 61 * TR_S);
    assert_int_equal(wire_counters(wire, 0)->time_wait, 0);
    wire_close(wire);
}

static void an_abort_resets_the_peer(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire), *peer = conn->peer;

    tr_conn_abort(conn->conn);
    assert_false(conn->closed);
    wire_run_for(wire, TR_S);
    assert_int_equal(conn->end, TR_CONN_ABORTED);
    assert_true(peer->closed);
    assert_int_equal(peer->end, TR_CONN_RESET);
    wire_close(wire);
}

static void drop_every(struct wire *wire, uint32_t from, const struct wire_segment *segment, struct wire_fate *fate)
{
    uint32_t *count = wire->hook_context;

    fate->drop = segment && segment->bytes && ++*count % 37 == 0;
}

static void what_is_lost_is_sent_again(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire);
    uint32_t count = 0;

    wire->hook = drop_every;
    wire->hook_context = &count;
    wire_send(conn, 3000000);
    wire_send(conn->peer, 100000);
    wire_run_for(wire, 100 * TR_S);
    assert_int_equal(conn->peer->received, 3000000);
    assert_int_equal(conn->received, 100000);
    assert_true(wire_counters(wire, 0)->retransmits_fast > 0);
    wire_close(wire);
}

static void drop_all(struct wire *wire, uint32_t from, const struct wire_segment *segment, struct wire_fate *fate)
{
    fate->drop = true;
}

static void silence_is_bridged_by_timeouts(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire);

    wire->hook = drop_all;
    wire_send(conn, 100000);
    wire_run_for(wire, 10 * TR_S);
    assert_int_equal(conn->peer->received, 0);
    assert_true(wire_counters(wire, 0)->timeouts >= 4);
    wire->hook = NULL;
    wire_run_for(wire, 30 * TR_S);
    assert_int_equal(conn->peer->received, 100000);
    wire_close(wire);
}

static void a_peer_that_is_gone_times_out(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire);

    wire->hook = drop_all;
    wire_send(conn, 1000);
    wire_run_for(wire, 119 * TR_S);
    assert_false(conn->closed);
    wire_run_for(wire, 3 * TR_S);
    assert_true(conn->closed);
    assert_int_equal(conn->end, TR_CONN_TIMEOUT);
    wire_close(wire);
}

static void a_port_without_listener_refuses(void **state)
{
    struct tr_stack_options deaf = wire_options(1, false);
    struct wire_conn *conn;
    struct wire *wire;

    deaf.listen_count = 0;
    wire = wire_open(NULL, &deaf);
    conn = wire_connect(wire, 0);
    wire_run_for(wire, TR_S);
    assert_true(conn->closed && !conn->opened);
    assert_int_equal(conn->end, TR_CONN_REFUSED);
    wire_close(wire);
}

static void a_pause_shuts_the_window_and_resume_opens_it(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire), *peer = conn->peer;

    wire_send(conn, 100000);
    wire_run_for(wire, TR_S);
    tr_conn_pause(peer->conn);
    wire_send(conn, 1000000);
    wire_run_for(wire, 20 * TR_S);
    assert_int_equal(peer->received, 100000);
    assert_true(wire_counters(wire, 0)->zero_probes > 0);
    assert_true(tr_stack_reassembly_used(wire->ends[1].stack) >= 256 * TR_KIB);
    tr_conn_resume(peer->conn);
    wire_run_for(wire, 20 * TR_S);
    assert_int_equal(peer->received, 1100000);
    assert_int_equal(tr_stack_reassembly_used(wire->ends[1].stack), 0);
    wire_close(wire);
}

static void ipv6_frames_and_frames_in_pieces(void **state)
{
    struct tr_stack_options zero = wire_options(0, true), one = wire_options(1, true);
    struct wire *wire = wire_open(&zero, &one);
    struct wire_conn *conn;

    wire->ends[1].pieces = 300;
    conn = wire_connected(wire);
    wire_send(conn, 500000);
    wire_run_for(wire, 10 * TR_S);
    assert_int_equal(conn->peer->received, 500000);
    wire_close(wire);
}

static void a_device_without_buffers_delays_and_loses_nothing(void **state)
{
    struct wire *wire = wire_open(NULL, NULL);
    struct wire_conn *conn = wire_connected(wire);

    wire->ends[0].buffers = 3;
    wire_send(conn, 100000);
    wire_run_for(wire, TR_S);
    assert_true(conn->peer->received < 100000);
    assert_true(wire_counters(wire, 0)->no_frame > 0);
    wire->ends[0].buffers = UINT32_MAX;
    wire_run_for(wire, 5 * TR_S);
    assert_int_equal(conn->peer->received, 100000);
    wire_close(wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_goes_both_ways),
        cmocka_unit_test(both_close_in_order),
        cmocka_unit_test(an_abort_resets_the_peer),
        cmocka_unit_test(what_is_lost_is_sent_again),
        cmocka_unit_test(silence_is_bridged_by_timeouts),
        cmocka_unit_test(a_peer_that_is_gone_times_out),
        cmocka_unit_test(a_port_without_listener_refuses),
        cmocka_unit_test(a_pause_shuts_the_window_and_resume_opens_it),
        cmocka_unit_test(ipv6_frames_and_frames_in_pieces),
        cmocka_unit_test(a_device_without_buffers_delays_and_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
