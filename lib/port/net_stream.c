// SPDX-License-Identifier: Apache-2.0
// A stream ends when its connection has: TCP goes on after close() until the peer has closed too, or LINGER is over.
#include "port/net_stream.h"

#include <sys/mman.h>

TR_COUNTERS_DEFINE(net_stream, TR_NET_STREAM_COUNTERS)

struct net_stream {
    struct tr_stream stream;
    struct tr_conn *conn; // NULL: not in use
    struct tr_net_streams *streams;
    uint32_t number, next_free;
    bool paused, closing, aborted, aged;
    enum tr_close_reason reason; // of an end of ours
    uint64_t active_ns;          // last byte in either direction
    uint64_t age_ns;             // when it is old
    uint64_t linger_ns;          // closing: when it is reset
};

struct tr_net_streams {
    struct tr_connection_options options;
    struct tr_net_stream_counters counters; // read by any thread
    const struct tr_stream_user *user;
    struct net_stream *table;
    uint32_t used, free; // ever used; first free + 1
    bool shut;
    uint64_t now, timers_ns;
};

static size_t stream_send(struct tr_stream *stream, const void *data, size_t bytes)
{
    struct net_stream *s = stream->port_data;
    size_t taken;

    if (s->closing || s->aborted)
        return bytes; // it goes nowhere, as it would if the peer had gone a moment later
    taken = tr_conn_send(s->conn, data, bytes);
    if (taken) {
        s->active_ns = s->streams->now;
        stream->bytes_out += taken;
        tr_count(&s->streams->counters.bytes_out, taken);
    }
    if (taken < bytes)
        tr_count(&s->streams->counters.send_full, 1);
    return taken;
}

static void stream_pause(struct tr_stream *stream)
{
    struct net_stream *s = stream->port_data;

    if (s->paused || s->aborted)
        return;
    s->paused = true;
    tr_count(&s->streams->counters.paused, 1);
    tr_conn_pause(s->conn);
}

static void stream_resume(struct tr_stream *stream)
{
    struct net_stream *s = stream->port_data;

    if (!s->paused || s->aborted)
        return;
    s->paused = false;
    tr_conn_resume(s->conn);
}

static void close_for(struct net_stream *s, enum tr_close_reason reason)
{
    if (s->closing || s->aborted)
        return;
    s->closing = true;
    s->reason = reason;
    s->linger_ns = s->streams->now + TR_CONNECTION_LINGER_NS;
    tr_conn_close(s->conn);
}

static void abort_for(struct net_stream *s, enum tr_close_reason reason)
{
    if (s->aborted)
        return;
    s->aborted = true;
    s->reason = reason;
    tr_conn_abort(s->conn);
}

static void stream_close(struct tr_stream *stream)
{
    close_for(stream->port_data, TR_CLOSE_LOCAL);
}

static void stream_abort(struct tr_stream *stream)
{
    abort_for(stream->port_data, TR_CLOSE_ABORTED);
}

static const struct tr_stream_ops ops = {
    .send = stream_send, .pause = stream_pause, .resume = stream_resume, .close = stream_close, .abort = stream_abort};

static struct net_stream *take(struct tr_net_streams *streams)
{
    struct net_stream *s;
    uint32_t number;

    if (streams->free) {
        number = streams->free - 1;
        streams->free = streams->table[number].next_free;
    } else if (streams->used < streams->options.connections_max) {
        number = streams->used++;
    } else {
        return NULL;
    }
    s = &streams->table[number];
    memset(s, 0, sizeof(*s));
    s->number = number;
    s->streams = streams;
    return s;
}

static void give_back(struct net_stream *s)
{
    struct tr_net_streams *streams = s->streams;

    s->conn = NULL;
    s->next_free = streams->free;
    streams->free = s->number + 1;
    tr_gauge(&streams->counters.open, streams->counters.open - 1);
    tr_count(&streams->counters.closed, 1);
}

static void address_of(const struct tr_ip *ip, uint16_t port, struct tr_address *address)
{
    memcpy(address->ip, ip->bytes, sizeof(address->ip));
    address->port = port;
}

static int conn_opened(void *context, struct tr_conn *conn, uint64_t now)
{
    struct tr_net_streams *streams = context;
    struct net_stream *s = take(streams);
    int rc;

    streams->now = now;
    if (!s) {
        tr_count(&streams->counters.refused_limit, 1);
        return -ENOBUFS;
    }
    s->conn = conn;
    s->active_ns = now;
    s->stream = (struct tr_stream){.ops = &ops, .user = streams->user, .port_data = s, .opened_ns = now};
    s->stream.id = tr_stream_id_next();
    s->age_ns = tr_connection_age_at(&streams->options, s->stream.id, now);
    address_of(&conn->peer_ip, conn->peer_port, &s->stream.peer);
    address_of(&conn->local_ip, conn->local_port, &s->stream.local);
    conn->user = s;
    tr_count(&streams->counters.opened, 1);
    tr_gauge(&streams->counters.open, streams->counters.open + 1);
    rc = streams->user->opened(streams->user->context, &s->stream, now);
    if (rc < 0) {
        conn->user = NULL;
        give_back(s);
    }
    return rc;
}

static void conn_input(void *context, struct tr_conn *conn, const uint8_t *data, size_t bytes, uint64_t now)
{
    struct tr_net_streams *streams = context;
    struct net_stream *s = conn->user;

    streams->now = now;
    s->active_ns = now;
    s->stream.bytes_in += bytes;
    tr_count(&streams->counters.bytes_in, bytes);
    streams->user->input(streams->user->context, &s->stream, data, bytes, now);
}

static void conn_eof(void *context, struct tr_conn *conn, uint64_t now)
{
    struct tr_net_streams *streams = context;
    struct net_stream *s = conn->user;

    streams->now = now;
    if (!s->closing && !s->aborted)
        streams->user->eof(streams->user->context, &s->stream, now);
}

static void conn_writable(void *context, struct tr_conn *conn, uint64_t now)
{
    struct tr_net_streams *streams = context;
    struct net_stream *s = conn->user;

    streams->now = now;
    if (!s->closing && !s->aborted)
        streams->user->writable(streams->user->context, &s->stream, now);
}

static enum tr_close_reason reason_of(const struct net_stream *s, enum tr_conn_end end)
{
    if (s->aborted || (s->closing && end == TR_CONN_CLOSED))
        return s->reason;
    if (s->streams->shut)
        return TR_CLOSE_SHUTDOWN;
    switch (end) {
    case TR_CONN_CLOSED:
        return TR_CLOSE_PEER;
    case TR_CONN_ABORTED:
        return TR_CLOSE_ABORTED;
    case TR_CONN_TIMEOUT:
        return TR_CLOSE_TIMEOUT;
    default:
        return TR_CLOSE_RESET;
    }
}

static void conn_closed(void *context, struct tr_conn *conn, enum tr_conn_end end, uint64_t now)
{
    struct tr_net_streams *streams = context;
    struct net_stream *s = conn->user;

    streams->now = now;
    streams->user->closed(streams->user->context, &s->stream, reason_of(s, end), now);
    give_back(s);
}

struct tr_conn_user tr_net_streams_conn_user(struct tr_net_streams *streams)
{
    return (struct tr_conn_user){.context = streams,
                                 .opened = conn_opened,
                                 .input = conn_input,
                                 .eof = conn_eof,
                                 .writable = conn_writable,
                                 .closed = conn_closed};
}

static bool look_at(struct net_stream *s, uint64_t now)
{
    struct tr_net_streams *streams = s->streams;

    if (s->closing && now >= s->linger_ns) {
        tr_count(&streams->counters.linger_timeouts, 1);
        abort_for(s, TR_CLOSE_TIMEOUT);
    } else if (!s->closing && now - s->active_ns >= streams->options.idle_timeout_ns) {
        tr_count(&streams->counters.idle_timeouts, 1);
        close_for(s, TR_CLOSE_TIMEOUT);
    } else if (!s->closing && !s->aged && now >= s->age_ns) {
        s->aged = true;
        tr_count(&streams->counters.aged, 1);
        streams->user->aged(streams->user->context, &s->stream, now);
    } else {
        return false;
    }
    return true;
}

size_t tr_net_streams_poll(struct tr_net_streams *streams, uint64_t now)
{
    size_t work = 0;

    streams->now = now;
    if (now < streams->timers_ns)
        return 0;
    streams->timers_ns = now + TR_CONNECTION_TIMERS_NS;
    for (uint32_t i = 0; i < streams->used; i++)
        if (streams->table[i].conn && !streams->table[i].aborted)
            work += look_at(&streams->table[i], now);
    return work;
}

uint64_t tr_net_streams_deadline(const struct tr_net_streams *streams)
{
    return streams->counters.open ? streams->timers_ns : TR_NEVER;
}

void tr_net_streams_shut(struct tr_net_streams *streams)
{
    streams->shut = true;
}

size_t tr_net_streams_connections(const struct tr_net_streams *streams, const struct tr_stack *stack,
                                  struct tr_connection_row *rows, size_t max)
{
    struct tr_conn_row *conns = calloc(max, sizeof(*conns));
    size_t count = 0, there = conns ? tr_stack_connections(stack, conns, max) : 0;

    for (size_t i = 0; i < there; i++) {
        const struct net_stream *s = conns[i].conn->user;

        if (!s)
            continue;
        rows[count] = (struct tr_connection_row){.peer = s->stream.peer,
                                                 .local = s->stream.local,
                                                 .id = s->stream.id,
                                                 .opened_ns = s->stream.opened_ns,
                                                 .bytes_in = s->stream.bytes_in,
                                                 .bytes_out = s->stream.bytes_out,
                                                 .last_ns = s->active_ns,
                                                 .paused = s->paused,
                                                 .has_tcp = true,
                                                 .tcp = conns[i]};
        rows[count++].tcp.conn = NULL;
    }
    free(conns);
    return count;
}

struct tr_net_stream_counters *tr_net_streams_counters(struct tr_net_streams *streams)
{
    return &streams->counters;
}

int tr_net_streams_create(struct tr_net_streams **out, const struct tr_connection_options *options,
                          const struct tr_stream_user *user, struct tr_error *error)
{
    struct tr_net_streams *streams = calloc(1, sizeof(*streams));

    if (!streams)
        return tr_error_set(error, ENOMEM, "no memory for connections");
    streams->options = *options;
    streams->user = user;
    // Pages are touched as they are used.
    streams->table = mmap(NULL, options->connections_max * sizeof(*streams->table), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (streams->table == MAP_FAILED) {
        free(streams);
        return tr_error_set(error, ENOMEM, "connections.max: no memory for %llu",
                            (unsigned long long)options->connections_max);
    }
    *out = streams;
    return 0;
}

void tr_net_streams_destroy(struct tr_net_streams *streams)
{
    munmap(streams->table, streams->options.connections_max * sizeof(*streams->table));
    free(streams);
}
