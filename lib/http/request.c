// SPDX-License-Identifier: Apache-2.0
// A request's life, whatever the protocol: headers → routed → body staged (gRPC's five bytes taken off) → whole: to the
// sink → reply. It lives in the slab and is freed when both its connection and the sink are done with it.
#include "http/http_internal.h"

#define PAGE_BODY_BYTES (16 * TR_KIB)

struct req *req_open(struct conn *conn)
{
    struct req *req = tr_slab_alloc(&conn->http->slab, sizeof(*req));

    if (!req)
        return NULL;
    memset(req, 0, offsetof(struct req, reply));
    req->reply_bytes = req->reply_sent = 0;
    req->http_status = 0;
    req->reply_allow_origin = false;
    req->retry_after_s = 0;
    req->grpc_status[0] = req->grpc_message[0] = req->grpc_details[0] = '\0';
    req->reply_type = NULL;
    req->http = conn->http;
    req->conn = conn;
    req->content_length = -1;
    req->request.stream = conn->stream;
    req->request.peer = conn->stream->peer;
    req->request.arrived_ns = conn->http->now;
    req->request.deadline_ns = TR_NEVER;
    req->give_up_ns = conn->http->now + conn->http->options.request_timeout_ns;
    req->next = conn->requests;
    if (conn->requests)
        conn->requests->prev = req;
    conn->requests = req;
    conn->requests_count++;
    return req;
}

// The connection is done with it: answered in full, reset, or gone itself.
void req_close(struct req *req)
{
    struct conn *conn = req->conn;

    if (req->prev)
        req->prev->next = req->next;
    else
        conn->requests = req->next;
    if (req->next)
        req->next->prev = req->prev;
    if (!conn->requests)
        conn->idle_since_ns = conn->http->now;
    if (req->in_sink && !req->replied) {
        // The sink has it and may still read the pieces, but not the stream's memory behind our back: a request
        // that is taken in within its input() call is done with them, any other was settled.
        tr_count(&conn->http->counters.cancelled, 1);
        conn->staged_bytes -= req->staged_bytes;
        req->conn = NULL;
        req->request.stream = NULL;
        return;
    }
    if (!req->replied)
        tr_count(&conn->http->counters.cancelled, 1);
    staging_release(req);
    tr_slab_free(&conn->http->slab, req);
}

static bool name_is(const char *name, size_t bytes, const char *want)
{
    return strlen(want) == bytes && memcmp(name, want, bytes) == 0;
}

static void text_copy(char *to, size_t room, const char *from, size_t bytes)
{
    bytes = TR_MIN(bytes, room - 1);
    memcpy(to, from, bytes);
    to[bytes] = '\0';
}

static void coding_set(struct req *req, const char *value, size_t bytes)
{
    static const char *const names[] = {"identity", "gzip", "deflate", "zstd"};

    for (unsigned i = 0; i < TR_NELEMS(names); i++) {
        if (name_is(value, bytes, names[i])) {
            req->coding = (enum tr_encoding)i;
            return;
        }
    }
    req->bad_encoding = true;
}

static void content_set(struct req *req, const char *value, size_t bytes)
{
    size_t type = 0;

    while (type < bytes && value[type] != ';' && value[type] != ' ')
        type++;
    req->has_content = true;
    if (name_is(value, type, "application/x-protobuf"))
        req->request.content = TR_CONTENT_PROTOBUF;
    else if (name_is(value, type, "application/json"))
        req->request.content = TR_CONTENT_JSON;
    else if (name_is(value, type, "application/grpc") || name_is(value, type, "application/grpc+proto"))
        req->is_grpc = true;
    else
        req->bad_content = true;
}

// grpc-timeout: up to eight digits and a unit.
static void timeout_set(struct req *req, const char *value, size_t bytes)
{
    uint64_t number = 0, unit;

    if (bytes < 2 || bytes > 9)
        return;
    for (size_t i = 0; i + 1 < bytes; i++) {
        if (value[i] < '0' || value[i] > '9')
            return;
        number = number * 10 + (uint64_t)(value[i] - '0');
    }
    switch (value[bytes - 1]) {
    case 'H':
        unit = 3600 * TR_S;
        break;
    case 'M':
        unit = 60 * TR_S;
        break;
    case 'S':
        unit = TR_S;
        break;
    case 'm':
        unit = TR_MS;
        break;
    case 'u':
        unit = TR_US;
        break;
    case 'n':
        unit = 1;
        break;
    default:
        return;
    }
    req->timeout_ns = TR_MIN(number, 3600 * 24 * TR_S / unit) * unit;
}

// Names are lower case: HTTP/2 says so, h1_parse.c makes them so.
void req_header(struct req *req, const char *name, size_t name_bytes, const char *value, size_t value_bytes)
{
    if (name_is(name, name_bytes, ":method")) {
        text_copy(req->method, sizeof(req->method), value, value_bytes);
    } else if (name_is(name, name_bytes, ":path")) {
        const char *query = memchr(value, '?', value_bytes);

        text_copy(req->path, sizeof(req->path), value, query ? (size_t)(query - value) : value_bytes);
    } else if (name_is(name, name_bytes, "content-type")) {
        content_set(req, value, value_bytes);
    } else if (name_is(name, name_bytes, "content-encoding") || name_is(name, name_bytes, "grpc-encoding")) {
        coding_set(req, value, value_bytes);
    } else if (name_is(name, name_bytes, "grpc-timeout")) {
        timeout_set(req, value, value_bytes);
    } else if (name_is(name, name_bytes, "origin")) {
        text_copy(req->origin, sizeof(req->origin), value, value_bytes);
    } else if (name_is(name, name_bytes, "user-agent") && !req->conn->user_agent[0]) {
        text_copy(req->conn->user_agent, sizeof(req->conn->user_agent), value, value_bytes);
    }
}

void req_headers_done(struct req *req)
{
    struct tr_http *http = req->http;
    struct tr_reply reply = {0};

    tr_count(req->is_grpc ? &http->counters.requests_grpc : &http->counters.requests_http, 1);
    req->request.protocol = req->is_grpc ? TR_PROTOCOL_GRPC : TR_PROTOCOL_HTTP;
    if (req->timeout_ns)
        req->request.deadline_ns = http->now + req->timeout_ns;
    route_request(req);
    if (req->route != ROUTE_EXPORT || req->replied)
        return;
    if (!req->is_grpc)
        req->request.encoding = req->coding;
    if (req->content_length > (int64_t)http->options.body_bytes_max) {
        tr_count(&http->counters.too_large, 1);
        req_fail(req, TR_RESOURCE_EXHAUSTED, "the body is too large");
        return;
    }
    if (!http->sink.admit(http->sink.context, &req->request, &reply, http->now)) {
        req->route = ROUTE_ANSWERED;
        reply_encode(req, &reply);
    }
}

void req_fail(struct req *req, enum tr_code code, const char *message)
{
    struct tr_reply reply = {.code = code, .message = message};

    req->route = ROUTE_ANSWERED;
    req->conn->errors++;
    staging_release(req);
    reply_encode(req, &reply);
}

static void body_append(struct req *req, const uint8_t *data, size_t bytes)
{
    if (req->request.body_bytes + bytes > req->http->options.body_bytes_max) {
        tr_count(&req->http->counters.too_large, 1);
        req_fail(req, TR_RESOURCE_EXHAUSTED, "the body is too large");
    } else if (bytes && !staging_borrow(req, data, bytes)) {
        tr_count(&req->http->counters.pool_full, 1);
        req_fail(req, TR_UNAVAILABLE, "too many unfinished requests");
    }
}

// gRPC: a message begins with a flag and its length, and there is one.
static void grpc_data(struct req *req, const uint8_t *data, size_t bytes)
{
    while (bytes && req->route != ROUTE_ANSWERED) {
        size_t part;

        if (req->prefix_bytes < sizeof(req->prefix)) {
            req->prefix[req->prefix_bytes++] = *data++;
            bytes--;
            if (req->prefix_bytes < sizeof(req->prefix))
                continue;
            req->message_bytes = (uint32_t)req->prefix[1] << 24 | (uint32_t)req->prefix[2] << 16 |
                                 (uint32_t)req->prefix[3] << 8 | req->prefix[4];
            req->message_left = req->message_bytes;
            if (req->prefix[0] > 1 || (req->prefix[0] == 1 && req->coding == TR_ENCODING_IDENTITY)) {
                tr_count(&req->http->counters.bad_framing, 1);
                req_fail(req, TR_INTERNAL, "a compressed message without grpc-encoding");
            } else if (req->message_bytes > req->http->options.body_bytes_max) {
                tr_count(&req->http->counters.too_large, 1);
                req_fail(req, TR_RESOURCE_EXHAUSTED, "the message is too large");
            }
            req->request.encoding = req->prefix[0] ? req->coding : TR_ENCODING_IDENTITY;
            continue;
        }
        if (!req->message_left) {
            tr_count(&req->http->counters.bad_framing, 1);
            req_fail(req, TR_INTERNAL, "more than one message in a unary call");
            return;
        }
        part = TR_MIN(bytes, (size_t)req->message_left);
        body_append(req, data, part);
        req->message_left -= (uint32_t)part;
        data += part;
        bytes -= part;
    }
}

static void page_send(struct req *req)
{
    reply_page(req, req->page.status, req->page.type, req->page.text);
}

// The body of a request that is not for the sink: of no use, and waited for if it is small.
static void page_data(struct req *req, size_t bytes)
{
    req->request.body_bytes += bytes;
    if (req->request.body_bytes > PAGE_BODY_BYTES)
        page_send(req);
}

void req_data(struct req *req, const uint8_t *data, size_t bytes)
{
    if (req->route == ROUTE_ANSWERED || req->in_sink)
        return;
    if (req->route == ROUTE_PAGE)
        page_data(req, bytes);
    else if (req->is_grpc)
        grpc_data(req, data, bytes);
    else
        body_append(req, data, bytes);
}

void req_end(struct req *req)
{
    struct tr_http *http = req->http;

    req->ended = true;
    if (req->route == ROUTE_ANSWERED || req->in_sink)
        return;
    if (req->is_grpc && (req->prefix_bytes < sizeof(req->prefix) || req->message_left)) {
        tr_count(&http->counters.bad_framing, 1);
        req_fail(req, TR_INTERNAL, "the message is cut short");
        return;
    }
    if (req->route == ROUTE_HEALTH) {
        health_answer(req);
        return;
    }
    if (req->route == ROUTE_PAGE) {
        page_send(req);
        return;
    }
    req->in_sink = true;
    http->sink.complete(http->sink.context, &req->request, http->now);
}

// The input() call ends: what is still borrowed moves to the pool.
void req_settle_all(struct conn *conn)
{
    struct req *req, *next;

    if (!conn->unsettled)
        return;
    conn->unsettled = false;
    for (req = conn->requests; req; req = next) {
        next = req->next;
        if (staging_settle(req))
            continue;
        tr_count(&conn->http->counters.pool_full, 1);
        if (!req->in_sink)
            req_fail(req, TR_UNAVAILABLE, "too many unfinished requests");
        else
            req->request.deadline_ns = 0; // the sink answers it without looking at the body
    }
}

void tr_request_pieces_release(struct tr_request *request)
{
    staging_release(tr_container_of(request, struct req, request));
}

void tr_request_reply(struct tr_request *request, const struct tr_reply *reply, uint64_t now)
{
    struct req *req = tr_container_of(request, struct req, request);

    staging_release(req);
    req->in_sink = false;
    if (!req->conn) {
        tr_slab_free(&req->http->slab, req);
        return;
    }
    req->route = ROUTE_ANSWERED;
    req->conn->spans_rejected += reply->rejected_spans;
    req->conn->errors += reply->code != TR_OK;
    reply_encode(req, reply);
}
