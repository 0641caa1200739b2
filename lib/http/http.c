// SPDX-License-Identifier: Apache-2.0
// Connections of an lcore, from the stream's calls to the two protocols, and their timeouts.
#include "http/http_internal.h"

TR_COUNTERS_DEFINE(http, TR_HTTP_COUNTERS)

// Address space; touched as sessions need it.
#define SLAB_BYTES (1024 * TR_MIB)

#define TIMEOUTS_NS (250 * TR_MS)

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

void conn_abort(struct conn *conn, uint64_t *counter)
{
    if (conn->closed)
        return;
    tr_count(counter, 1);
    conn->closed = true;
    conn->stream->ops->abort(conn->stream);
}

void conn_close(struct conn *conn)
{
    if (conn->closed)
        return;
    conn->closed = true;
    conn->stream->ops->close(conn->stream);
}

void conn_send_soon(struct conn *conn)
{
    struct tr_http *http = conn->http;

    if (conn->needs_send)
        return;
    conn->needs_send = true;
    http->sends_count++;
    conn->send_next = NULL;
    conn->send_before = http->sends_end;
    *http->sends_end = conn;
    http->sends_end = &conn->send_next;
}

void conn_send_never(struct conn *conn)
{
    if (!conn->needs_send)
        return;
    conn->needs_send = false;
    conn->http->sends_count--;
    *conn->send_before = conn->send_next;
    if (conn->send_next)
        conn->send_next->send_before = conn->send_before;
    else
        conn->http->sends_end = conn->send_before;
}

static int opened(void *context, struct tr_stream *stream, uint64_t now)
{
    struct tr_http *http = context;
    struct conn *conn = tr_slab_alloc(&http->slab, sizeof(*conn));

    if (!conn)
        return -ENOMEM;
    http->now = TR_MAX(http->now, now);
    memset(conn, 0, sizeof(*conn));
    conn->http = http;
    conn->stream = stream;
    conn->opened_ns = conn->idle_since_ns = conn->head_since_ns = now;
    conn->next = http->conns;
    if (http->conns)
        http->conns->prev = conn;
    http->conns = conn;
    http->conns_count++;
    stream->user_data = conn;
    return 0;
}

static void flush(struct conn *conn)
{
    if (conn->closed)
        return;
    if (conn->kind == CONN_H2)
        h2_flush(conn);
    else if (conn->kind == CONN_H1)
        h1_flush(conn);
}

// Is it HTTP/2? The preface may come in pieces; what differs from it is HTTP/1.1's to judge.
static bool kind_decide(struct conn *conn, const uint8_t *data, size_t bytes)
{
    size_t part = TR_MIN(bytes, sizeof(preface) - 1);

    if (memcmp(data, preface, part) == 0) {
        if (part < 4)
            return false;
        conn->kind = CONN_H2;
        if (h2_open(conn) < 0)
            conn_abort(conn, &conn->http->counters.closed_memory);
        return true;
    }
    conn->kind = CONN_H1;
    h1_open(conn);
    return true;
}

static void dispatch(struct conn *conn, const uint8_t *data, size_t bytes)
{
    uint8_t joined[8];

    if (conn->kind == CONN_NEW && conn->head_bytes + bytes < 4) {
        // Too few to tell: kept in the room of `flood_since_ns` would be clever; the header buffer is there.
        if (!conn->head) {
            conn->head = tr_slab_alloc(&conn->http->slab, 64);
            conn->head_room = 64;
        }
        if (!conn->head) {
            conn_abort(conn, &conn->http->counters.closed_memory);
            return;
        }
        memcpy(conn->head + conn->head_bytes, data, bytes);
        conn->head_bytes += bytes;
        return;
    }
    if (conn->kind == CONN_NEW) {
        size_t kept = conn->head_bytes, more = kept ? TR_MIN(bytes, sizeof(joined) - kept) : 0;

        if (kept) {
            memcpy(joined, conn->head, kept);
            memcpy(joined + kept, data, more);
            conn->head_bytes = 0;
        }
        kind_decide(conn, kept ? joined : data, kept ? kept + more : bytes);
        if (kept && !conn->closed)
            (conn->kind == CONN_H2 ? h2_input : h1_input)(conn, joined, kept + more);
        data += more;
        bytes -= more;
    }
    if (conn->closed || !bytes)
        return;
    (conn->kind == CONN_H2 ? h2_input : h1_input)(conn, data, bytes);
}

static void input(void *context, struct tr_stream *stream, const uint8_t *data, size_t bytes, uint64_t now)
{
    struct conn *conn = stream->user_data;

    conn->http->now = TR_MAX(conn->http->now, now);
    if (conn->closed)
        return;
    dispatch(conn, data, bytes);
    req_settle_all(conn);
    flush(conn);
}

// The client sends no more: what it has not ended never will be. What it has ended is still answered.
static void eof(void *context, struct tr_stream *stream, uint64_t now)
{
    struct conn *conn = stream->user_data;

    conn->http->now = TR_MAX(conn->http->now, now);
    conn->eof = true;
    conn->closing = true;
    if (conn->kind == CONN_H2)
        h2_eof(conn);
    if (!conn->requests || (conn->kind == CONN_H1 && conn->current && !conn->current->ended))
        conn_close(conn);
}

static void writable(void *context, struct tr_stream *stream, uint64_t now)
{
    struct conn *conn = stream->user_data;

    conn->http->now = TR_MAX(conn->http->now, now);
    flush(conn);
}

static void closed(void *context, struct tr_stream *stream, enum tr_close_reason reason, uint64_t now)
{
    struct conn *conn = stream->user_data;
    struct tr_http *http = conn->http;

    http->now = TR_MAX(http->now, now);
    conn->closed = true;
    while (conn->requests)
        req_close(conn->requests);
    conn_send_never(conn);
    if (conn->session)
        nghttp2_session_del(conn->session);
    tr_slab_free(&http->slab, conn->head);
    tr_slab_free(&http->slab, conn->out);
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        http->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    http->conns_count--;
    tr_slab_free(&http->slab, conn);
    stream->user_data = NULL;
}

static void finish(struct conn *conn)
{
    if (conn->closed)
        return;
    if (conn->kind == CONN_H2 && !conn->goaway_sent)
        h2_goaway(conn, NGHTTP2_NO_ERROR);
    conn->closing = true;
    if (!conn->requests && conn->kind != CONN_H2)
        conn_close(conn);
}

static void aged(void *context, struct tr_stream *stream, uint64_t now)
{
    struct conn *conn = stream->user_data;

    conn->http->now = TR_MAX(conn->http->now, now);
    finish(conn);
    flush(conn);
}

int tr_http_create(struct tr_http **out, const struct tr_http_options *options, const struct tr_request_sink *sink,
                   struct tr_error *error)
{
    struct tr_http *http = calloc(1, sizeof(*http));

    if (!http)
        return tr_error_set(error, ENOMEM, "no memory for HTTP");
    http->options = *options;
    http->sink = *sink;
    http->sends_end = &http->sends;
    http->user = (struct tr_stream_user){.context = http,
                                         .opened = opened,
                                         .input = input,
                                         .eof = eof,
                                         .writable = writable,
                                         .closed = closed,
                                         .aged = aged};
    if (tr_slab_init(&http->slab, SLAB_BYTES) < 0 || staging_init(http) < 0 || h2_callbacks_create(http) < 0) {
        tr_http_destroy(http);
        return tr_error_set(error, ENOMEM, "no memory for HTTP");
    }
    *out = http;
    return 0;
}

void tr_http_destroy(struct tr_http *http)
{
    if (!http)
        return;
    nghttp2_session_callbacks_del(http->callbacks);
    nghttp2_option_del(http->h2_options);
    staging_fini(http);
    tr_slab_fini(&http->slab);
    free(http);
}

const struct tr_stream_user *tr_http_stream_user(struct tr_http *http)
{
    return &http->user;
}

struct tr_http_counters *tr_http_counters(struct tr_http *http)
{
    return &http->counters;
}

// Bodies that take too long, and windows that may be opened again.
static void requests_look(struct conn *conn)
{
    struct req *req, *next;

    for (req = conn->requests; req && !conn->closed; req = next) {
        next = req->next;
        if (req->in_sink || req->replied)
            continue;
        if (conn->http->now >= TR_MIN(req->give_up_ns, req->request.deadline_ns)) {
            tr_count(&conn->http->counters.timed_out, 1);
            req_fail(req, TR_DEADLINE_EXCEEDED, "the body did not come in time");
        } else if (req->withheld_bytes && staging_has_room(req)) {
            h2_window_give(req, req->withheld_bytes);
            req->withheld_bytes = 0;
            conn_send_soon(conn);
        }
    }
}

static void timeouts_look(struct tr_http *http)
{
    struct conn *conn, *next;

    for (conn = http->conns; conn; conn = next) {
        uint64_t idle = http->now - conn->idle_since_ns;

        next = conn->next;
        if (conn->closed)
            continue;
        requests_look(conn);
        if (conn->kind == CONN_NEW && http->now - conn->opened_ns > http->options.header_timeout_ns)
            conn_abort(conn, &http->counters.closed_slow);
        else if (conn->kind == CONN_H1 && conn->state == H1_HEAD && conn->head_bytes &&
                 http->now - conn->head_since_ns > http->options.header_timeout_ns)
            conn_abort(conn, &http->counters.closed_slow);
        else if (!conn->requests && idle > http->options.idle_timeout_ns)
            finish(conn);
        if (conn->needs_send)
            flush(conn);
    }
}

// A pipelined request that waited for the answer to the one before it.
static void later_input(struct conn *conn)
{
    char *later = conn->head;
    size_t bytes = conn->head_bytes;

    conn->head = NULL;
    conn->head_bytes = conn->head_room = 0;
    conn->stream->ops->resume(conn->stream);
    h1_input(conn, (const uint8_t *)later, bytes);
    req_settle_all(conn);
    tr_slab_free(&conn->http->slab, later);
}

size_t tr_http_poll(struct tr_http *http, uint64_t now)
{
    size_t work = 0;

    http->now = TR_MAX(http->now, now);
    // Those that come back to the list on the way are the next turn's.
    for (uint64_t left = http->sends_count; left && http->sends; left--) {
        struct conn *conn = http->sends;

        conn_send_never(conn);
        if (conn->closed)
            continue;
        if (conn->kind == CONN_H1 && conn->state == H1_HEAD && conn->head_bytes)
            later_input(conn);
        flush(conn);
        work++;
    }
    if (now >= http->timeouts_at) {
        timeouts_look(http);
        http->timeouts_at = now + TIMEOUTS_NS;
        tr_gauge(&http->counters.slab, http->slab.used);
    }
    return work;
}

uint64_t tr_http_deadline(const struct tr_http *http)
{
    return http->conns ? http->timeouts_at : TR_NEVER;
}

void tr_http_drain(struct tr_http *http, uint64_t now)
{
    http->draining = true;
    for (struct conn *conn = http->conns; conn; conn = conn->next) {
        finish(conn);
        conn_send_soon(conn);
    }
}

size_t tr_http_connections(const struct tr_http *http, struct tr_http_row *rows, size_t max)
{
    static const char *const kinds[] = {"?", "http/1.1", "h2"};
    size_t count = 0;

    for (const struct conn *conn = http->conns; conn && count < max; conn = conn->next) {
        struct tr_http_row *row = &rows[count++];

        row->stream_id = conn->stream->id;
        row->protocol = kinds[conn->kind];
        row->requests = conn->requests_count;
        row->spans_rejected = conn->spans_rejected;
        row->staged_bytes = conn->staged_bytes;
        row->errors = conn->errors;
        memcpy(row->user_agent, conn->user_agent, sizeof(row->user_agent));
    }
    return count;
}
