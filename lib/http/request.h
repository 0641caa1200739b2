// SPDX-License-Identifier: Apache-2.0
// The seam between HTTP and what takes requests in: a request is headers, then a body that waits in the pieces
// it arrived in until its last byte is there, then one reply.
//
// http/ calls the sink; the sink calls tr_request_reply() once for each request that it completed.
// Thread: the lcore that owns the connection.
#ifndef TR_HTTP_REQUEST_H
#define TR_HTTP_REQUEST_H

#include "base/tr.h"
#include "port/stream.h"

enum tr_signal { TR_SIGNAL_TRACES, TR_SIGNAL_METRICS, TR_SIGNAL_LOGS };
enum tr_protocol { TR_PROTOCOL_GRPC, TR_PROTOCOL_HTTP };
enum tr_content { TR_CONTENT_PROTOBUF, TR_CONTENT_JSON };
enum tr_encoding { TR_ENCODING_IDENTITY, TR_ENCODING_GZIP, TR_ENCODING_DEFLATE, TR_ENCODING_ZSTD };

// gRPC's numbers, which google.rpc.Status uses too.
enum tr_code {
    TR_OK = 0,
    TR_CANCELLED = 1,
    TR_INVALID_ARGUMENT = 3,
    TR_DEADLINE_EXCEEDED = 4,
    TR_NOT_FOUND = 5,
    TR_RESOURCE_EXHAUSTED = 8,
    TR_UNIMPLEMENTED = 12,
    TR_INTERNAL = 13,
    TR_UNAVAILABLE = 14,
};

// One reply. http/ turns it into grpc-status with details, or a status line with a google.rpc.Status body in
// the request's content type: UNAVAILABLE is 503 with Retry-After, INVALID_ARGUMENT 400, RESOURCE_EXHAUSTED 413
// (429 when retry_delay_ns is set), UNIMPLEMENTED 404 or 415, INTERNAL 500. NOT_FOUND is gRPC's alone.
struct tr_reply {
    enum tr_code code;
    const char *message;     // borrowed for the call; NULL or "" is none
    uint64_t rejected_spans; // partial success: code TR_OK, the client must not send again
    uint64_t retry_delay_ns; // 0: none; else RetryInfo and Retry-After
};

// A piece of a body. While the input() call that brought it lasts, data may point into the stream's memory;
// after it, http/ has moved it to a chunk of its bounded pool.
struct tr_piece {
    struct tr_piece *next;
    const uint8_t *data;
    uint32_t bytes;
    uint32_t pool_bytes; // what it takes of the pool, 0 while borrowed
};

struct tr_request {
    // Set by http/, read by the sink.
    enum tr_signal signal;
    enum tr_protocol protocol;
    enum tr_content content;
    enum tr_encoding encoding;
    struct tr_stream *stream; // NULL once the client has gone: reply() is then a no-op
    struct tr_address peer;
    uint64_t arrived_ns;  // of the headers, lcore clock
    uint64_t deadline_ns; // from grpc-timeout or the time to finish a request; TR_NEVER
    struct tr_piece *pieces;
    uint64_t body_bytes; // of all pieces, as they came (still encoded)

    // The sink's, zero at first.
    struct tr_request *sink_next;
    uint64_t sink_data[6];
};

struct tr_request_sink {
    void *context;

    // The headers are in, and are those of an export. Returns true to let the body come; false after filling
    // in *reply, which http/ sends at once, discarding the body.
    bool (*admit)(void *context, const struct tr_request *request, struct tr_reply *reply, uint64_t now);

    // The body is whole. From here the request is the sink's until tr_request_reply(), even if the client
    // goes away: http/ keeps the pieces and the struct alive. The sink may read the pieces in this very call,
    // which spares a copy.
    void (*complete)(void *context, struct tr_request *request, uint64_t now);
};

// Give the pieces back to the pool once they are read (the reply may come much later). Idempotent.
void tr_request_pieces_release(struct tr_request *request);

// Answer, release the pieces and free the request. The reply may be sent after the call.
void tr_request_reply(struct tr_request *request, const struct tr_reply *reply, uint64_t now);

#endif
