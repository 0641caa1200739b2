// SPDX-License-Identifier: Apache-2.0
// Streams over connections that the test plays: it stands in for net/'s functions and calls up as a stack would.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "port/net_stream.h"

#define CONNS 4

static struct played {
    struct tr_conn conn;
    size_t room; // that tr_conn_send() finds
    size_t sent;
    unsigned pauses, resumes, closes, aborts;
} played[CONNS + 1];

static struct played *of(const struct tr_conn *conn)
{
    return (struct played *)(uintptr_t)conn; // its first member
}

size_t tr_conn_send(struct tr_conn *conn, const void *data, size_t bytes)
{
    size_t taken = TR_MIN(bytes, of(conn)->room);

    of(conn)->room -= taken;
    of(conn)->sent += taken;
    return taken;
}

void tr_conn_pause(struct tr_conn *conn)
{
    of(conn)->pauses++;
}

void tr_conn_resume(struct tr_conn *conn)
{
    of(conn)->resumes++;
}

void tr_conn_close(struct tr_conn *conn)
{
    of(conn)->closes++;
}

void tr_conn_abort(struct tr_conn *conn)
{
    of(conn)->aborts++;
}

size_t tr_stack_connections(const struct tr_stack *stack, struct tr_conn_row *rows, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < CONNS && count < max; i++) // those without a stream are half open
        rows[count++] = (struct tr_conn_row){.conn = &played[i].conn, .state = "established", .cwnd_bytes = 1000};
    return count;
}

// --- the user

static struct tr_stream *streams_seen[CONNS];
static unsigned opened_count, eof_count, writable_count, closed_count, aged_count;
static size_t input_bytes;
static enum tr_close_reason reason;
static int refuse_with;

static int opened(void *context, struct tr_stream *stream, uint64_t now)
{
    if (refuse_with)
        return refuse_with;
    streams_seen[opened_count++ % CONNS] = stream;
    return 0;
}

static void input(void *context, struct tr_stream *stream, const uint8_t *data, size_t bytes, uint64_t now)
{
    input_bytes += bytes;
}

static void eof(void *context, struct tr_stream *stream, uint64_t now)
{
    eof_count++;
}

static void writable(void *context, struct tr_stream *stream, uint64_t now)
{
    writable_count++;
}

static void closed(void *context, struct tr_stream *stream, enum tr_close_reason why, uint64_t now)
{
    closed_count++;
    reason = why;
}

static void aged(void *context, struct tr_stream *stream, uint64_t now)
{
    aged_count++;
}

static const struct tr_stream_user user = {
    .opened = opened, .input = input, .eof = eof, .writable = writable, .closed = closed, .aged = aged};
static struct tr_net_streams *streams;
static struct tr_conn_user up;
static uint64_t now;

static int set_up(void **state)
{
    const struct tr_connection_options options = {
        .connections_max = CONNS, .idle_timeout_ns = 60 * TR_S, .connection_age_max_ns = 1000 * TR_S};
    struct tr_error error = {0};

    memset(played, 0, sizeof(played));
    opened_count = eof_count = writable_count = closed_count = aged_count = 0;
    input_bytes = 0;
    refuse_with = 0;
    now = 5 * TR_S;
    assert_int_equal(tr_net_streams_create(&streams, &options, &user, &error), 0);
    up = tr_net_streams_conn_user(streams);
    return 0;
}

static int tear_down(void **state)
{
    tr_net_streams_destroy(streams);
    return 0;
}

static struct tr_stream *open_one(unsigned i)
{
    played[i].room = 1000;
    played[i].conn = (struct tr_conn){.peer_ip = tr_ip_v4((const uint8_t[]){198, 18, 0, 1}),
                                      .local_ip = tr_ip_v4((const uint8_t[]){198, 18, 0, 2}),
                                      .peer_port = (uint16_t)(1000 + i),
                                      .local_port = 4317};
    assert_int_equal(up.opened(up.context, &played[i].conn, now), 0);
    return streams_seen[(opened_count - 1) % CONNS];
}

static void bytes_and_addresses_pass(void **state)
{
    struct tr_stream *stream = open_one(0);

    assert_memory_equal(stream->peer.ip + 12, ((uint8_t[]){198, 18, 0, 1}), 4);
    assert_int_equal(stream->peer.port, 1000);
    assert_int_equal(stream->local.port, 4317);
    up.input(up.context, &played[0].conn, (const uint8_t *)"hello", 5, now);
    assert_int_equal(input_bytes, 5);
    assert_int_equal(stream->bytes_in, 5);
    assert_int_equal(stream->ops->send(stream, "answer", 6), 6);
    assert_int_equal(stream->bytes_out, 6);
    up.eof(up.context, &played[0].conn, now);
    assert_int_equal(eof_count, 1);
    assert_true(open_one(1)->id != stream->id);
}

static void a_full_buffer_takes_less_and_says_when_there_is_room(void **state)
{
    struct tr_stream *stream = open_one(0);
    char data[1500] = "";

    assert_int_equal(stream->ops->send(stream, data, sizeof(data)), 1000);
    assert_int_equal(tr_net_streams_counters(streams)->send_full, 1);
    up.writable(up.context, &played[0].conn, now);
    assert_int_equal(writable_count, 1);
}

static void pausing_twice_is_pausing_once(void **state)
{
    struct tr_stream *stream = open_one(0);

    stream->ops->pause(stream);
    stream->ops->pause(stream);
    stream->ops->resume(stream);
    stream->ops->resume(stream);
    assert_int_equal(played[0].pauses, 1);
    assert_int_equal(played[0].resumes, 1);
    assert_int_equal(tr_net_streams_counters(streams)->paused, 1);
}

static void ends_are_told_by_their_reason(void **state)
{
    static const struct {
        enum tr_conn_end end;
        enum tr_close_reason plain, after_close, after_abort;
    } ends[] = {{TR_CONN_CLOSED, TR_CLOSE_PEER, TR_CLOSE_LOCAL, TR_CLOSE_ABORTED},
                {TR_CONN_RESET, TR_CLOSE_RESET, TR_CLOSE_RESET, TR_CLOSE_ABORTED},
                {TR_CONN_ABORTED, TR_CLOSE_ABORTED, TR_CLOSE_ABORTED, TR_CLOSE_ABORTED},
                {TR_CONN_TIMEOUT, TR_CLOSE_TIMEOUT, TR_CLOSE_TIMEOUT, TR_CLOSE_ABORTED}};

    for (size_t i = 0; i < TR_NELEMS(ends); i++) {
        for (unsigned how = 0; how < 3; how++) {
            struct tr_stream *stream = open_one(0);

            if (how == 1)
                stream->ops->close(stream);
            if (how == 2)
                stream->ops->abort(stream);
            up.closed(up.context, &played[0].conn, ends[i].end, now);
            assert_int_equal(reason, how == 0 ? ends[i].plain : how == 1 ? ends[i].after_close : ends[i].after_abort);
        }
    }
    open_one(0);
    tr_net_streams_shut(streams);
    up.closed(up.context, &played[0].conn, TR_CONN_RESET, now);
    assert_int_equal(reason, TR_CLOSE_SHUTDOWN);
    assert_int_equal(tr_net_streams_counters(streams)->open, 0);
    assert_int_equal(closed_count, 13);
}

static void after_close_and_abort_what_is_sent_goes_nowhere(void **state)
{
    struct tr_stream *stream = open_one(0);

    stream->ops->close(stream);
    stream->ops->close(stream);
    assert_int_equal(played[0].closes, 1);
    assert_int_equal(stream->ops->send(stream, "late", 4), 4); // taken, so that nobody waits for room
    assert_int_equal(played[0].sent, 0);
    up.writable(up.context, &played[0].conn, now);
    up.eof(up.context, &played[0].conn, now);
    assert_int_equal(writable_count + eof_count, 0);
    stream->ops->abort(stream);
    stream->ops->abort(stream);
    assert_int_equal(played[0].aborts, 1);
    assert_int_equal(closed_count, 0); // never from inside
}

static void a_table_that_is_full_refuses_and_counts(void **state)
{
    for (unsigned i = 0; i < CONNS; i++)
        open_one(i);
    assert_int_equal(up.opened(up.context, &played[CONNS].conn, now), -ENOBUFS);
    assert_int_equal(tr_net_streams_counters(streams)->refused_limit, 1);
    up.closed(up.context, &played[2].conn, TR_CONN_CLOSED, now);
    open_one(2); // its place is free again
    assert_int_equal(tr_net_streams_counters(streams)->open, CONNS);
}

static void a_user_that_refuses_is_not_told_of_the_end(void **state)
{
    refuse_with = -EPERM;
    assert_int_equal(up.opened(up.context, &played[0].conn, now), -EPERM);
    assert_null(played[0].conn.user);
    assert_int_equal(tr_net_streams_counters(streams)->open, 0);
    assert_int_equal(closed_count, 0);
}

static void poll_at(uint64_t at)
{
    now = at;
    tr_net_streams_poll(streams, now);
}

static void idle_streams_are_closed_and_slow_ones_reset(void **state)
{
    struct tr_stream *stream = open_one(0);

    poll_at(now + 30 * TR_S);
    up.input(up.context, &played[0].conn, (const uint8_t *)"x", 1, now); // not idle
    poll_at(now + 59 * TR_S);
    assert_int_equal(played[0].closes, 0);
    poll_at(now + 2 * TR_S);
    assert_int_equal(played[0].closes, 1);
    assert_int_equal(tr_net_streams_counters(streams)->idle_timeouts, 1);
    poll_at(now + TR_CONNECTION_LINGER_NS - TR_S);
    assert_int_equal(played[0].aborts, 0);
    poll_at(now + 2 * TR_S);
    assert_int_equal(played[0].aborts, 1);
    assert_int_equal(tr_net_streams_counters(streams)->linger_timeouts, 1);
    up.closed(up.context, &played[0].conn, TR_CONN_ABORTED, now);
    assert_int_equal(reason, TR_CLOSE_TIMEOUT);
    assert_int_equal(stream->bytes_in, 1);
}

static void old_streams_are_told_once(void **state)
{
    open_one(0);
    for (unsigned i = 0; i < 44; i++) { // 1000 s and a tenth at most
        poll_at(now + 25 * TR_S);
        up.input(up.context, &played[0].conn, (const uint8_t *)"x", 1, now);
        if (now < 1000 * TR_S)
            assert_int_equal(aged_count, 0);
    }
    poll_at(now + TR_S);
    assert_int_equal(aged_count, 1);
}

static void it_asks_to_be_polled_only_while_streams_are_open(void **state)
{
    assert_int_equal(tr_net_streams_deadline(streams), TR_NEVER);
    open_one(0);
    poll_at(now);
    assert_int_equal(tr_net_streams_deadline(streams), now + TR_CONNECTION_TIMERS_NS);
    up.closed(up.context, &played[0].conn, TR_CONN_CLOSED, now);
    assert_int_equal(tr_net_streams_deadline(streams), TR_NEVER);
}

static void rows_are_of_connections_that_are_streams(void **state)
{
    struct tr_connection_row rows[CONNS];

    open_one(1);
    open_one(3);
    assert_int_equal(tr_net_streams_connections(streams, NULL, rows, CONNS), 2);
    assert_int_equal(rows[1].peer.port, 1003);
    assert_true(rows[1].has_tcp);
    assert_string_equal(rows[1].tcp.state, "established");
    assert_null(rows[1].tcp.conn);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_and_addresses_pass),
        TEST(a_full_buffer_takes_less_and_says_when_there_is_room),
        TEST(pausing_twice_is_pausing_once),
        TEST(ends_are_told_by_their_reason),
        TEST(after_close_and_abort_what_is_sent_goes_nowhere),
        TEST(a_table_that_is_full_refuses_and_counts),
        TEST(a_user_that_refuses_is_not_told_of_the_end),
        TEST(idle_streams_are_closed_and_slow_ones_reset),
        TEST(old_streams_are_told_once),
        TEST(it_asks_to_be_polled_only_while_streams_are_open),
        TEST(rows_are_of_connections_that_are_streams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
