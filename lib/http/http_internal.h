// SPDX-License-Identifier: Apache-2.0
// What the files of http/ share: connections and requests of one lcore.
//
// A connection is told apart by its first bytes and then is HTTP/1.1 (h1.c) or HTTP/2 (h2.c). Both make requests,
// which request.c routes, stages and hands to the sink, and which come back through tr_request_reply().
#ifndef TR_HTTP_HTTP_INTERNAL_H
#define TR_HTTP_HTTP_INTERNAL_H

#include <nghttp2/nghttp2.h>

#include "http/http.h"
#include "http/http_counters.h"
#include "http/slab.h"

#define CHUNK_BYTES (16 * TR_KIB)
#define REPLY_BYTES 1024

struct conn;

enum route {
    ROUTE_NONE,     // headers are not all in
    ROUTE_EXPORT,   // for the sink
    ROUTE_HEALTH,   // grpc.health.v1.Health/Check
    ROUTE_PAGE,     // `page` is the answer, at its end
    ROUTE_ANSWERED, // answered from the headers; the body, if there is one, is passed over
};

// A request of either protocol.
struct req {
    struct tr_request request; // what the sink sees
    struct tr_http *http;
    struct conn *conn;         // NULL once the connection is gone
    struct req *next, *prev;   // of the connection
    int32_t stream_id;         // HTTP/2

    // Headers, as far as they matter.
    char method[8];
    char path[96];
    char origin[128];
    bool is_grpc, has_content, bad_content, bad_encoding, expect, close;
    uint64_t timeout_ns;     // grpc-timeout, 0: none
    uint64_t header_bytes;   // HTTP/2: of the list, as RFC 9113 6.5.2 counts
    int64_t content_length;  // -1: not said
    enum tr_encoding coding; // content-encoding or grpc-encoding

    enum route route;
    struct {
        int status;
        const char *type, *text;
    } page;
    bool in_sink;  // complete() was called, the reply is to come
    bool ended;    // the body is all in
    bool replied;  // the reply is on its way or sent
    uint64_t give_up_ns; // headers to last byte

    // Staging.
    struct tr_piece *last_piece;
    struct tr_piece *last_settled; // the last that lies in the pool: behind it are those borrowed in this call
    uint64_t staged_bytes;   // of pool chunks
    uint64_t borrowed_bytes; // pieces that still point into the stream's memory
    struct req *staged_next, *staged_before;
    uint64_t withheld_bytes; // HTTP/2: window not given back yet

    // gRPC framing: five bytes, then a message.
    uint8_t prefix[5];
    uint32_t prefix_bytes;
    uint32_t message_bytes, message_left;

    // The reply's body, and its trailers' values.
    uint8_t reply[REPLY_BYTES];
    uint32_t reply_bytes, reply_sent;
    int http_status;
    const char *reply_type;
    bool reply_allow_origin;
    uint64_t retry_after_s;
    char grpc_status[4];
    char grpc_message[256];
    char grpc_details[256];
};

enum conn_kind { CONN_NEW, CONN_H1, CONN_H2 };

// HTTP/1.1: where its parser is.
enum h1_state { H1_HEAD, H1_BODY, H1_CHUNK_SIZE, H1_CHUNK, H1_CHUNK_END, H1_TRAILERS, H1_WAIT, H1_DISCARD };

struct conn {
    struct tr_http *http;
    struct tr_stream *stream;
    struct conn *next, *prev;
    enum conn_kind kind;
    struct req *requests;
    bool unsettled;   // has requests with borrowed pieces
    bool closing;     // no new requests; close when the last is answered
    bool closed;      // close() or abort() was called
    bool in_input;    // calls into the stream's user are on the stack
    bool needs_send;  // on http->sends
    struct conn *send_next, **send_before;
    uint64_t opened_ns, idle_since_ns, head_since_ns;
    uint64_t requests_count, errors, spans_rejected, staged_bytes;
    char user_agent[96];

    // HTTP/2.
    nghttp2_session *session;
    const uint8_t *unsent; // rest of what nghttp2 gave, until its next call
    size_t unsent_bytes;
    uint64_t flood_since_ns, resets, control_frames;
    bool goaway_sent;
    int32_t last_stream_id;
    struct {
        int32_t from, to;
    } skipped[8]; // ids passed over by later ones, which closed them: the last few
    uint32_t skipped_count;

    // HTTP/1.1.
    enum h1_state state;
    struct req *current;
    char *head; // header block as it comes, then what is left over while a reply is waited for
    size_t head_bytes, head_room;
    uint64_t body_left;
    char *out; // replies that did not fit the stream
    size_t out_bytes, out_room, out_sent;
    bool eof;
};

struct tr_http {
    struct tr_http_options options;
    struct tr_request_sink sink;
    struct tr_stream_user user;
    struct tr_http_counters counters;
    struct tr_slab slab;
    uint64_t now;
    bool draining;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *h2_options;
    nghttp2_mem mem;
    struct conn *conns;
    uint64_t conns_count;
    struct conn *sends, **sends_end; // connections with something to send: of thousands a turn looks at these alone
    uint64_t sends_count;
    uint64_t timeouts_at; // next look

    // The staging pool: chunks of CHUNK_BYTES.
    uint8_t *pool;
    void *pool_free;
    uint64_t pool_taken, pool_chunks, pool_used; // chunks
    struct req *staged_oldest, *staged_newest; // requests that have some of it, by when they first took some
};

// staging.c
int staging_init(struct tr_http *http);
void staging_fini(struct tr_http *http);
// Append bytes of a body, borrowed until settle. Returns false: no memory for the piece.
bool staging_borrow(struct req *req, const uint8_t *data, size_t bytes);
// Move what is borrowed to the pool. Returns false: the pool is full.
bool staging_settle(struct req *req);
void staging_release(struct req *req);
// Is there room in the pool for this request to go on?
bool staging_has_room(const struct req *req);
bool staging_evict(struct req *req);

// request.c
struct req *req_open(struct conn *conn);
void req_close(struct req *req);           // the connection is done with it
void req_header(struct req *req, const char *name, size_t name_bytes, const char *value, size_t value_bytes);
void req_headers_done(struct req *req);    // routes; may answer
void req_data(struct req *req, const uint8_t *data, size_t bytes);
void req_end(struct req *req);
void req_fail(struct req *req, enum tr_code code, const char *message); // answer before the sink has it
void req_settle_all(struct conn *conn);

// route.c
void route_request(struct req *req);
void health_answer(struct req *req);

// status.c: encode into req->reply, set status and type.
void reply_encode(struct req *req, const struct tr_reply *reply);
void reply_page(struct req *req, int status, const char *type, const char *text);

// h1.c, h2.c
void h1_open(struct conn *conn);
void h1_input(struct conn *conn, const uint8_t *data, size_t bytes);
void h1_reply(struct req *req);
void h1_flush(struct conn *conn);
int h2_open(struct conn *conn);
void h2_input(struct conn *conn, const uint8_t *data, size_t bytes);
void h2_reply(struct req *req);
void h2_flush(struct conn *conn);
void h2_goaway(struct conn *conn, uint32_t code);
void h2_eof(struct conn *conn); // the client sends no more: its unfinished requests are over
void h2_window_give(struct req *req, size_t bytes);
int h2_callbacks_create(struct tr_http *http);

// http.c
void conn_abort(struct conn *conn, uint64_t *counter);
void conn_close(struct conn *conn);
void conn_send_soon(struct conn *conn); // at the turn's end
void conn_send_never(struct conn *conn);

// h1_parse.c: a request line and header lines, strictly.
enum h1_head { H1_HEAD_GOOD, H1_HEAD_MALFORMED, H1_HEAD_NOT_HTTP };
enum h1_head h1_head_parse(struct req *req, char *head, size_t bytes);

#endif
