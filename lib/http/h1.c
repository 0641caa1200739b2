// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1: keep-alive, pipelining (one request at a time; what comes behind it waits), chunked bodies,
// Expect: 100-continue. Source: RFC 9112.
#include "http/http_internal.h"

#define OUT_BYTES  4096
#define LATER_MOST (1 * TR_MIB)

void h1_open(struct conn *conn)
{
    conn->state = H1_HEAD;
    conn->head_since_ns = conn->http->now;
    tr_count(&conn->http->counters.connections_h1, 1);
}

static void out_put(struct conn *conn, const char *data, size_t bytes)
{
    size_t sent = 0;

    if (conn->out_bytes == conn->out_sent)
        sent = conn->stream->ops->send(conn->stream, data, bytes);
    if (sent == bytes)
        return;
    if (conn->out_bytes + bytes - sent > conn->out_room) {
        size_t room = TR_MAX((size_t)OUT_BYTES, 2 * (conn->out_bytes + bytes - sent));
        char *larger = tr_slab_realloc(&conn->http->slab, conn->out, room);

        if (!larger) {
            conn_abort(conn, &conn->http->counters.closed_memory);
            return;
        }
        conn->out = larger;
        conn->out_room = room;
    }
    memcpy(conn->out + conn->out_bytes, data + sent, bytes - sent);
    conn->out_bytes += bytes - sent;
}

void h1_flush(struct conn *conn)
{
    if (conn->out_bytes > conn->out_sent)
        conn->out_sent += conn->stream->ops->send(conn->stream, conn->out + conn->out_sent,
                                                  conn->out_bytes - conn->out_sent);
    if (conn->out_sent < conn->out_bytes)
        return;
    conn->out_bytes = conn->out_sent = 0;
    if (conn->closing && !conn->requests && !conn->closed)
        conn_close(conn);
}

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 204:
        return "No Content";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

// The answer to `current`; a body that is not all in is not waited for: the connection ends instead.
void h1_reply(struct req *req)
{
    struct conn *conn = req->conn;
    bool ends = req->close || conn->closing || !req->ended || conn->http->draining;
    char head[1024];
    int n;

    n = snprintf(head, sizeof(head), "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %u\r\n", req->http_status,
                 reason_of(req->http_status), req->reply_type ? req->reply_type : "text/plain", req->reply_bytes);
    if (req->retry_after_s)
        n += snprintf(head + n, sizeof(head) - (size_t)n, "Retry-After: %llu\r\n",
                      (unsigned long long)req->retry_after_s);
    if (req->http_status == 405)
        n += snprintf(head + n, sizeof(head) - (size_t)n, "Allow: %s\r\n",
                      strcmp(req->path, "/") == 0 ? "GET, HEAD" : "POST, OPTIONS");
    if (req->reply_allow_origin)
        n += snprintf(head + n, sizeof(head) - (size_t)n,
                      "Access-Control-Allow-Origin: %s\r\nAccess-Control-Allow-Methods: POST\r\n"
                      "Access-Control-Allow-Headers: content-type, content-encoding, authorization\r\nVary: Origin\r\n",
                      req->origin);
    n += snprintf(head + n, sizeof(head) - (size_t)n, ends ? "Connection: close\r\n\r\n" : "\r\n");
    out_put(conn, head, (size_t)n);
    if (req->reply_bytes && strcmp(req->method, "HEAD") != 0)
        out_put(conn, (const char *)req->reply, req->reply_bytes);
    if (ends) {
        conn->closing = true;
        conn->state = H1_DISCARD;
    } else {
        conn->state = H1_HEAD;
        conn->head_since_ns = conn->http->now;
    }
    if (conn->current == req)
        conn->current = NULL;
    req_close(req);
    conn_send_soon(conn);
}

static void bad_request(struct conn *conn, int status, const char *text)
{
    struct req *req = conn->current ? conn->current : req_open(conn);

    tr_count(status == 431 ? &conn->http->counters.closed_headers : &conn->http->counters.closed_malformed, 1);
    conn->closing = true;
    conn->current = req;
    if (!req) {
        conn_abort(conn, &conn->http->counters.closed_memory);
        return;
    }
    reply_page(req, status, "text/plain", text);
}

// Keep bytes in `head`. Returns false: more than `most`.
static bool head_keep(struct conn *conn, const uint8_t *data, size_t bytes, size_t most)
{
    if (conn->head_bytes + bytes > most)
        return false;
    if (conn->head_bytes + bytes > conn->head_room) {
        size_t room = TR_MAX((size_t)1024, 2 * (conn->head_bytes + bytes));
        char *larger = tr_slab_realloc(&conn->http->slab, conn->head, room);

        if (!larger)
            return false;
        conn->head = larger;
        conn->head_room = room;
    }
    memcpy(conn->head + conn->head_bytes, data, bytes);
    conn->head_bytes += bytes;
    return true;
}

static void head_done(struct conn *conn, char *head, size_t bytes)
{
    struct req *req = req_open(conn);

    conn->current = req;
    if (!req) {
        conn_abort(conn, &conn->http->counters.closed_memory);
        return;
    }
    switch (h1_head_parse(req, head, bytes)) {
    case H1_HEAD_GOOD:
        break;
    case H1_HEAD_MALFORMED:
        bad_request(conn, 400, "malformed request\n");
        return;
    case H1_HEAD_NOT_HTTP: // an answer in a language that the other side doesn't speak helps nobody
        tr_count(&conn->http->counters.closed_malformed, 1);
        conn->current = NULL;
        req_close(req);
        conn_close(conn);
        return;
    }
    conn->body_left = req->content_length > 0 ? (uint64_t)req->content_length : 0;
    conn->state = req->content_length == -2 ? H1_CHUNK_SIZE : H1_BODY;
    req->ended = req->content_length <= 0 && req->content_length != -2; // for an answer from the headers
    req_headers_done(req);
    if (conn->current != req)
        return;
    req->ended = false;
    if (req->expect)
        out_put(conn, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

static void body_done(struct conn *conn)
{
    conn->state = H1_WAIT;
    req_end(conn->current);
}

// Look for the end of the header block. Returns the bytes taken.
static size_t head_input(struct conn *conn, const uint8_t *data, size_t bytes)
{
    size_t before = conn->head_bytes, from = before > 3 ? before - 3 : 0, most = conn->http->options.header_bytes_max;
    size_t part = TR_MIN(bytes, most + 4 - TR_MIN(before, most + 4));
    char *end;

    if (!before && (*data == '\r' || *data == '\n'))
        return 1; // empty lines before a request line are passed over
    if (!before && (*data < 'A' || *data > 'Z')) {
        bad_request(conn, 400, "not HTTP\n"); // TLS, most likely
        return bytes;
    }
    if (!part || !head_keep(conn, data, part, most + 4)) {
        bad_request(conn, 431, "the header block is too large\n");
        return bytes;
    }
    end = memmem(conn->head + from, conn->head_bytes - from, "\r\n\r\n", 4);
    if (!end)
        return part;
    part = (size_t)(end + 4 - conn->head) - before;
    conn->head_bytes = 0;
    head_done(conn, conn->head, (size_t)(end + 2 - conn->head));
    return part;
}

// A chunk's size line, and the lines after the last chunk. Returns the bytes taken.
static size_t line_input(struct conn *conn, const uint8_t *data, size_t bytes)
{
    const uint8_t *newline = memchr(data, '\n', bytes);
    size_t part = newline ? (size_t)(newline + 1 - data) : bytes;
    uint64_t size = 0;
    size_t digits = 0;

    if (!head_keep(conn, data, part, 1024)) {
        bad_request(conn, 400, "malformed chunk\n");
        return bytes;
    }
    if (!newline)
        return part;
    if (conn->head_bytes < 2 || conn->head[conn->head_bytes - 2] != '\r')
        goto malformed;
    if (conn->state == H1_TRAILERS) {
        bool last = conn->head_bytes == 2;

        conn->head_bytes = 0;
        if (last)
            body_done(conn);
        return part;
    }
    if (conn->state == H1_CHUNK_END) {
        if (conn->head_bytes != 2)
            goto malformed;
        conn->head_bytes = 0;
        conn->state = H1_CHUNK_SIZE;
        return part;
    }
    for (; digits < conn->head_bytes; digits++) {
        char c = conn->head[digits];
        int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;

        if (digit < 0)
            break;
        size = size << 4 | (uint64_t)digit;
    }
    if (!digits || digits > 12 || (conn->head[digits] != '\r' && conn->head[digits] != ';'))
        goto malformed;
    conn->head_bytes = 0;
    conn->body_left = size;
    conn->state = size ? H1_CHUNK : H1_TRAILERS;
    return part;
malformed:
    bad_request(conn, 400, "malformed chunk\n");
    return bytes;
}

static size_t body_input(struct conn *conn, const uint8_t *data, size_t bytes)
{
    size_t part = TR_MIN(bytes, conn->body_left);

    req_data(conn->current, data, part);
    if (!conn->current)
        return part; // answered meanwhile: too large
    conn->body_left -= part;
    if (!conn->body_left && conn->state == H1_CHUNK)
        conn->state = H1_CHUNK_END;
    return part;
}

void h1_input(struct conn *conn, const uint8_t *data, size_t bytes)
{
    while (!conn->closed) {
        size_t part;

        if (conn->state == H1_BODY && !conn->body_left) {
            body_done(conn);
            continue;
        }
        if (!bytes)
            return;
        switch (conn->state) {
        case H1_HEAD:
            part = head_input(conn, data, bytes);
            break;
        case H1_BODY:
        case H1_CHUNK:
            part = body_input(conn, data, bytes);
            break;
        case H1_CHUNK_SIZE:
        case H1_CHUNK_END:
        case H1_TRAILERS:
            part = line_input(conn, data, bytes);
            break;
        case H1_WAIT:
            // The next request is here before the answer to this one: it waits.
            if (!head_keep(conn, data, bytes, LATER_MOST))
                conn_abort(conn, &conn->http->counters.closed_memory);
            else
                conn->stream->ops->pause(conn->stream);
            return;
        case H1_DISCARD:
        default:
            return;
        }
        data += part;
        bytes -= part;
    }
}
