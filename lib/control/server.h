// SPDX-License-Identifier: Apache-2.0
// A small HTTP server on a listening socket, by libmicrohttpd: whole bodies in, whole answers
// out, everything bounded.
#ifndef TR_CONTROL_SERVER_H
#define TR_CONTROL_SERVER_H

#include "base/error.h"
#include "base/tr.h"

struct MHD_Connection;

struct tr_call {
    const char *method;
    const char *path;
    char *body; // NUL after its last byte; "" without one
    size_t body_bytes;
    struct MHD_Connection *connection;
};

// NULL: not there. Borrowed for the call.
const char *tr_call_query(const struct tr_call *call, const char *key);
const char *tr_call_header(const struct tr_call *call, const char *name);
// Who is at the other end of a Unix socket. Returns 0 or -errno.
struct ucred;
int tr_call_peer(const struct tr_call *call, struct ucred *peer);

struct tr_response {
    unsigned status;
    char *body; // malloc'd, freed by the server; NULL: empty
    size_t bytes;
    const char *content_type;
    const char *allow; // of a 405
};

// Fill in *answer (status 500 when called). Thread: the server's, several at once with options.threads.
typedef void (*tr_server_fn)(void *context, const struct tr_call *call, struct tr_response *answer);

struct tr_server_options {
    const char *name; // in log lines
    int fd;           // listening; the server closes it, also when it can't start
    unsigned connections_max;
    unsigned connections_peer_max; // from one address, 0: any number
    unsigned timeout_s;            // without a byte
    bool threads;                  // one a connection: no answer waits for another; else one for all
    size_t body_bytes_max;         // longer ones are answered 413, or cut off when they did not say
    tr_server_fn handle;
    void *context;
};

struct tr_server;

int tr_server_start(struct tr_server **server, const struct tr_server_options *options,
                    struct tr_error *error);
// Joins the thread: no handler runs after it. NULL is allowed.
void tr_server_stop(struct tr_server *server);

// A listening Unix socket of mode 0660. One that nobody answers at is replaced.
//
// Returns 0; -EADDRINUSE: somebody answers there; -ENAMETOOLONG, -errno.
int tr_listen_unix(const char *path, int *fd, struct tr_error *error);

// "127.0.0.1:9464", "[::1]:9464", ":9464" (all addresses), a port 0 is the kernel's choice.
int tr_listen_tcp(const char *address, int *fd, uint16_t *port, struct tr_error *error);

// What can be said of their form without trying: of a config that is only checked.
int tr_listen_unix_check(const char *path, struct tr_error *error);
int tr_listen_tcp_check(const char *address, struct tr_error *error);

#endif
