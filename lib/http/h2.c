// SPDX-License-Identifier: Apache-2.0
// HTTP/2 by nghttp2, without its automatic window updates: the connection's credit is returned at once, so that pings,
// health checks and refusals always pass; a stream's as the staging pool allows. Source: RFC 9113.
#include "http/http_internal.h"

#define FLOOD_NS    (10 * TR_S)
#define WINDOW_BYTES 65535

static struct req *req_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

// A request on an id below one that was used is an error only if that id was passed over; on one that was used it
// may be the end of a request that we have answered and reset. nghttp2 ignores both. Source: RFC 9113, 5.1.1.
static int begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *user)
{
    struct conn *conn = user;
    int32_t id = head->stream_id, last = conn->last_stream_id;

    if (head->type != NGHTTP2_HEADERS || !(id & 1))
        return 0;
    if (id > last) {
        int32_t next = last ? last + 2 : 1;

        if (id > next) {
            uint32_t row = conn->skipped_count++ % TR_NELEMS(conn->skipped);

            conn->skipped[row].from = next;
            conn->skipped[row].to = id - 2;
        }
        conn->last_stream_id = id;
        return 0;
    }
    for (uint32_t i = 0; i < TR_MIN(conn->skipped_count, (uint32_t)TR_NELEMS(conn->skipped)); i++) {
        if (id >= conn->skipped[i].from && id <= conn->skipped[i].to) {
            tr_count(&conn->http->counters.closed_malformed, 1);
            h2_goaway(conn, NGHTTP2_PROTOCOL_ERROR);
            return 0;
        }
    }
    return 0;
}

static int begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct conn *conn = user;
    struct req *req;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    req = req_open(conn);
    if (!req) {
        tr_count(&conn->http->counters.pool_full, 1);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    req->stream_id = frame->hd.stream_id;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, req);
    return 0;
}

static int header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_bytes,
                  const uint8_t *value, size_t value_bytes, uint8_t flags, void *user)
{
    struct req *req = req_of(session, frame->hd.stream_id);
    struct conn *conn = user;

    if (!req)
        return 0;
    // A byte of HPACK may stand for thousands: nghttp2 tells the client the limit, and leaves it to us.
    req->header_bytes += name_bytes + value_bytes + 32;
    if (req->header_bytes > conn->http->options.header_bytes_max) {
        if (!conn->goaway_sent) {
            tr_count(&conn->http->counters.closed_headers, 1);
            h2_goaway(conn, NGHTTP2_ENHANCE_YOUR_CALM);
        }
        return 0;
    }
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        req_header(req, (const char *)name, name_bytes, (const char *)value, value_bytes);
    return 0;
}

// Too many frames that cost us and not the client: the connection ends.
static void flood_count(struct conn *conn, uint64_t *count, uint64_t most)
{
    if (conn->http->now - conn->flood_since_ns > FLOOD_NS) {
        conn->flood_since_ns = conn->http->now;
        conn->resets = conn->control_frames = 0;
    }
    if (++*count <= most || conn->goaway_sent)
        return;
    tr_count(&conn->http->counters.closed_flood, 1);
    h2_goaway(conn, NGHTTP2_ENHANCE_YOUR_CALM);
}

static int frame_received(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct conn *conn = user;
    struct req *req;

    switch (frame->hd.type) {
    case NGHTTP2_PING:
    case NGHTTP2_SETTINGS:
        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK))
            flood_count(conn, &conn->control_frames, conn->http->options.control_frames_max);
        return 0;
    case NGHTTP2_RST_STREAM:
        flood_count(conn, &conn->resets, conn->http->options.resets_max);
        return 0;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        req = req_of(session, frame->hd.stream_id);
        if (!req)
            return 0;
        if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
            // gRPC in Go measures the path with a PING for each answer: a request pays for one.
            conn->control_frames -= conn->control_frames > 0;
            req_headers_done(req);
        }
        // An answer from the headers may have ended the stream.
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && req_of(session, frame->hd.stream_id) == req)
            req_end(req);
        return 0;
    default:
        return 0;
    }
}

void h2_window_give(struct req *req, size_t bytes)
{
    nghttp2_session_consume_stream(req->conn->session, req->stream_id, bytes);
}

static int data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data, size_t bytes,
                      void *user)
{
    struct conn *conn = user;
    struct req *req = req_of(session, stream_id);

    nghttp2_session_consume_connection(session, bytes);
    if (!req) {
        nghttp2_session_consume_stream(session, stream_id, bytes);
        return 0;
    }
    req_data(req, data, bytes);
    // An answered request's body is passed over: its window is not opened again, and RST_STREAM follows the answer.
    if (req->route == ROUTE_ANSWERED || req->replied)
        return 0;
    if (staging_has_room(req) || (conn->http->pool_used == conn->http->pool_chunks && staging_evict(req))) {
        nghttp2_session_consume_stream(session, stream_id, bytes);
    } else {
        req->withheld_bytes += bytes;
        tr_count(&conn->http->counters.windows_withheld, 1);
    }
    return 0;
}

static int stream_closed(nghttp2_session *session, int32_t stream_id, uint32_t code, void *user)
{
    struct req *req = req_of(session, stream_id);

    if (req) {
        nghttp2_session_set_stream_user_data(session, stream_id, NULL);
        req_close(req);
    }
    return 0;
}

// Our END_STREAM is out and the client still sends: tell it that the rest is not wanted.
static int frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct req *req;

    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    req = req_of(session, frame->hd.stream_id);
    if (req && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && !req->ended)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

static void *slab_malloc(size_t bytes, void *slab)
{
    return tr_slab_alloc(slab, bytes);
}

static void slab_free(void *block, void *slab)
{
    tr_slab_free(slab, block);
}

static void *slab_calloc(size_t count, size_t bytes, void *slab)
{
    void *block = bytes && count > SIZE_MAX / bytes ? NULL : tr_slab_alloc(slab, count * bytes);

    if (block)
        memset(block, 0, count * bytes);
    return block;
}

static void *slab_realloc(void *block, size_t bytes, void *slab)
{
    return tr_slab_realloc(slab, block, bytes);
}

int h2_callbacks_create(struct tr_http *http)
{
    http->mem = (nghttp2_mem){&http->slab, slab_malloc, slab_free, slab_calloc, slab_realloc};
    if (nghttp2_session_callbacks_new(&http->callbacks) || nghttp2_option_new(&http->h2_options))
        return -ENOMEM;
    nghttp2_session_callbacks_set_on_begin_frame_callback(http->callbacks, begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(http->callbacks, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(http->callbacks, header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(http->callbacks, frame_received);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(http->callbacks, data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(http->callbacks, stream_closed);
    nghttp2_session_callbacks_set_on_frame_send_callback(http->callbacks, frame_sent);
    nghttp2_option_set_no_auto_window_update(http->h2_options, 1);
    nghttp2_option_set_max_send_header_block_length(http->h2_options, 8192);
    nghttp2_option_set_max_outbound_ack(http->h2_options, 200);
    return 0;
}

int h2_open(struct conn *conn)
{
    const struct tr_http_options *options = &conn->http->options;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)options->streams_max},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)options->header_bytes_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES},
    };

    if (nghttp2_session_server_new3(&conn->session, conn->http->callbacks, conn, conn->http->h2_options,
                                    &conn->http->mem)) {
        conn->session = NULL;
        return -ENOMEM;
    }
    nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, settings, TR_NELEMS(settings));
    // The connection's own window is no limit: streams have theirs.
    nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0, 64 << 20);
    tr_count(&conn->http->counters.connections_h2, 1);
    return 0;
}

void h2_input(struct conn *conn, const uint8_t *data, size_t bytes)
{
    ssize_t taken = nghttp2_session_mem_recv(conn->session, data, bytes);

    if (taken < 0) {
        tr_count(taken == NGHTTP2_ERR_NOMEM ? &conn->http->counters.closed_memory : &conn->http->counters.closed_malformed,
                 1);
        if (taken == NGHTTP2_ERR_NOMEM)
            nghttp2_session_terminate_session(conn->session, NGHTTP2_INTERNAL_ERROR);
        conn->closing = true;
    }
    conn_send_soon(conn);
}

static ssize_t reply_read(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t room, uint32_t *flags,
                          nghttp2_data_source *source, void *user)
{
    struct req *req = source->ptr;
    size_t bytes = TR_MIN(room, (size_t)(req->reply_bytes - req->reply_sent));

    memcpy(to, req->reply + req->reply_sent, bytes);
    req->reply_sent += (uint32_t)bytes;
    if (req->reply_sent < req->reply_bytes)
        return (ssize_t)bytes;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (req->is_grpc) {
        nghttp2_nv trailer = {(uint8_t *)"grpc-status", (uint8_t *)req->grpc_status, 11, strlen(req->grpc_status), 0};

        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer(session, stream_id, &trailer, 1);
    }
    return (ssize_t)bytes;
}

static void nv_set(nghttp2_nv *nv, const char *name, const char *value)
{
    *nv = (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                       NGHTTP2_NV_FLAG_NONE};
}

void h2_reply(struct req *req)
{
    nghttp2_data_provider provider = {.source.ptr = req, .read_callback = reply_read};
    char status[16], retry[24];
    nghttp2_nv nv[12];
    size_t count = 0;

    snprintf(status, sizeof(status), "%d", req->http_status);
    nv_set(&nv[count++], ":status", status);
    if (req->is_grpc) {
        nv_set(&nv[count++], "content-type", "application/grpc");
        nv_set(&nv[count++], "grpc-accept-encoding", "identity,gzip,deflate,zstd");
        if (!req->reply_bytes) {
            nv_set(&nv[count++], "grpc-status", req->grpc_status);
            if (req->grpc_message[0])
                nv_set(&nv[count++], "grpc-message", req->grpc_message);
            if (req->grpc_details[0])
                nv_set(&nv[count++], "grpc-status-details-bin", req->grpc_details);
        }
    } else {
        nv_set(&nv[count++], "content-type", req->reply_type);
    }
    if (req->retry_after_s) {
        snprintf(retry, sizeof(retry), "%llu", (unsigned long long)req->retry_after_s);
        nv_set(&nv[count++], "retry-after", retry);
    }
    if (req->http_status == 405)
        nv_set(&nv[count++], "allow", strcmp(req->path, "/") == 0 ? "GET, HEAD" : "POST, OPTIONS");
    if (req->reply_allow_origin) {
        nv_set(&nv[count++], "access-control-allow-origin", req->origin);
        nv_set(&nv[count++], "access-control-allow-methods", "POST");
        nv_set(&nv[count++], "access-control-allow-headers", "content-type, content-encoding, authorization");
        nv_set(&nv[count++], "vary", "origin");
    }
    nghttp2_submit_response(req->conn->session, req->stream_id, nv, count, req->reply_bytes ? &provider : NULL);
    conn_send_soon(req->conn);
}

void h2_goaway(struct conn *conn, uint32_t code)
{
    conn->goaway_sent = true;
    conn_send_soon(conn);
    if (code == NGHTTP2_NO_ERROR)
        nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(conn->session),
                              code, NULL, 0);
    else
        nghttp2_session_terminate_session(conn->session, code);
    conn->closing = true;
}

void h2_eof(struct conn *conn)
{
    struct req *req, *next;

    for (req = conn->requests; req; req = next) {
        next = req->next;
        if (req->ended || req->replied)
            continue;
        nghttp2_session_set_stream_user_data(conn->session, req->stream_id, NULL);
        req_close(req);
    }
}

void h2_flush(struct conn *conn)
{
    conn_send_never(conn);
    while (!conn->closed) {
        size_t sent;

        if (!conn->unsent_bytes) {
            ssize_t bytes = nghttp2_session_mem_send(conn->session, &conn->unsent);

            if (bytes < 0) {
                conn_abort(conn, &conn->http->counters.closed_memory);
                return;
            }
            if (bytes == 0)
                break;
            conn->unsent_bytes = (size_t)bytes;
        }
        sent = conn->stream->ops->send(conn->stream, conn->unsent, conn->unsent_bytes);
        conn->unsent += sent;
        conn->unsent_bytes -= sent;
        if (conn->unsent_bytes)
            return; // writable() goes on
    }
    if (!conn->closed && !nghttp2_session_want_read(conn->session) && !nghttp2_session_want_write(conn->session))
        conn_close(conn);
    else if (!conn->closed && conn->closing && !conn->requests)
        conn_close(conn);
}
