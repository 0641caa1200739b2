// SPDX-License-Identifier: Apache-2.0
// The client's side of a connection: HTTP/2 by nghttp2 (gRPC) or HTTP/1.1, with a number of requests in flight. Bytes come
// and go through whoever has the connection (wires.h).
#ifndef TR_PERF_CLIENT_H
#define TR_PERF_CLIENT_H

#include "base/tr.h"

enum client_protocol { CLIENT_GRPC, CLIENT_HTTP, CLIENT_JSON };
enum client_compression { CLIENT_NONE, CLIENT_GZIP, CLIENT_ZSTD };

// An answer. `code` is a gRPC status; of HTTP: 200 is 0, 503 and 429 are 14, 400 is 3, 413 is 8, others 2.
struct client_answer {
    int code;
    uint64_t rejected; // spans, by partial success
    uint64_t retry_ns; // that the server asks for
};

struct client;

struct client_options {
    enum client_protocol protocol;
    enum client_compression compression;
    uint32_t streams;
    void *context;
    // A request is answered, or failed (code -1) with its connection.
    void (*answered)(void *context, uint64_t tag, const struct client_answer *answer);
};

// Where its bytes go. Returns how many were taken, fewer when there is no room: client_flush() goes on; -1: it is gone.
typedef ssize_t client_output_fn(void *wire, const void *data, size_t bytes);

// How many bytes output would take now. With it a body goes from where it lies to the wire, without a copy of HTTP/2's.
typedef size_t client_room_fn(void *wire);

// room  NULL: not known
struct client *client_open(const struct client_options *options, client_output_fn *output, client_room_fn *room,
                           void *wire);
// Requests that are in flight are answered with -1.
void client_close(struct client *client);
// Is there room for another request?
bool client_ready(const struct client *client);
uint32_t client_in_flight(const struct client *client);
// Where the next request's body goes. Call only when ready; valid until client_send().
uint8_t *client_body(struct client *client, size_t bytes);
// Send a request of so many bytes, put there before.
void client_send(struct client *client, uint64_t tag, size_t bytes);
// Bytes came; none: the peer has closed.
void client_input(struct client *client, const uint8_t *data, size_t bytes);
void client_flush(struct client *client);
bool client_broken(const struct client *client);
// Is something left that the wire had no room for?
bool client_wants_write(const struct client *client);

#endif
