// SPDX-License-Identifier: Apache-2.0
// A client connection: HTTP/2 by nghttp2 (gRPC) or HTTP/1.1, non-blocking, with a number of requests in flight.
#ifndef TR_PERF_CLIENT_H
#define TR_PERF_CLIENT_H

#include <sys/socket.h>

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
    struct sockaddr_storage to;
    socklen_t to_bytes;
    enum client_protocol protocol;
    enum client_compression compression;
    uint32_t streams;
    void *context;
    // A request is answered, or failed (code -1) with its connection.
    void (*answered)(void *context, uint64_t tag, const struct client_answer *answer);
};

struct client *client_open(const struct client_options *options);
void client_close(struct client *client);
int client_fd(const struct client *client);
// Is there room for another request?
bool client_ready(const struct client *client);
// Send a request; the body is copied. Call only when ready.
void client_send(struct client *client, uint64_t tag, const uint8_t *body, size_t bytes);
// Move bytes both ways. Returns false: the connection is gone (its requests were answered with -1).
bool client_poll(struct client *client);
bool client_wants_write(const struct client *client);

#endif
