// SPDX-License-Identifier: Apache-2.0
// HTTP for an lcore: every stream is told apart by its first bytes (HTTP/2 preface or HTTP/1.1) and yields requests
// to the sink (request.h). Health checks, refusals, CORS, GET pages are answered here.
#ifndef TR_HTTP_HTTP_H
#define TR_HTTP_HTTP_H

#include "base/counter.h"
#include "base/error.h"
#include "config/option.h"
#include "http/request.h"

struct tr_http_options {
    uint64_t body_bytes_max;            // as sent, and after decompression
    uint64_t header_bytes_max;          // of a request
    uint64_t streams_max;               // per HTTP/2 connection
    uint64_t staged_stream_bytes_max;   // unfinished body of a stream
    uint64_t staged_connection_bytes_max;
    uint64_t staged_lcore_bytes_max;    // the pool; at least body_bytes_max
    uint64_t request_timeout_ns;        // from headers to the body's last byte
    uint64_t header_timeout_ns;         // HTTP/1.1 and the preface
    uint64_t idle_timeout_ns;           // keep-alive without a request
    uint64_t resets_max;                // RST_STREAM a connection and 10 s, then GOAWAY
    uint64_t control_frames_max;        // PING and SETTINGS a connection and 10 s beyond one a request, then GOAWAY
    struct tr_strings cors_origins;
};
extern const struct tr_option_table tr_http_option_table;

struct tr_http; // an lcore's part

int tr_http_create(struct tr_http **http, const struct tr_http_options *options,
                   const struct tr_request_sink *sink, struct tr_error *error);
void tr_http_destroy(struct tr_http *http);

// What to give to ports.
const struct tr_stream_user *tr_http_stream_user(struct tr_http *http);

// Rows of counters: declared in http_counters.h.
struct tr_http_counters *tr_http_counters(struct tr_http *http);

// Send what replies have queued since, time requests out. Returns work done. Once a turn, last.
size_t tr_http_poll(struct tr_http *http, uint64_t now);
uint64_t tr_http_deadline(const struct tr_http *http);

// Draining: health turns NOT_SERVING, connections get GOAWAY or Connection: close.
void tr_http_drain(struct tr_http *http, uint64_t now);

// For `tailctl connections`: what is known above the stream.
struct tr_http_row {
    uint64_t stream_id;
    const char *protocol; // "h2", "http/1.1", "?"
    uint64_t requests, spans_rejected, staged_bytes, errors;
    char user_agent[96];
};
size_t tr_http_connections(const struct tr_http *http, struct tr_http_row *rows, size_t max);

#endif
