// SPDX-License-Identifier: Apache-2.0
// The kernel port: non-blocking sockets behind struct tr_stream.
//
// All lcores of a port share its listening sockets: one lcore (or a thread) accepts and hands each connection to
// the least loaded lcore over a small queue of its own; from then on the connection is that lcore's alone.
#ifndef TR_PORT_KERNEL_H
#define TR_PORT_KERNEL_H

#include "base/counter.h"
#include "base/error.h"
#include "port/connection.h"

#define TR_KERNEL_COUNTERS(X)                                                                                \
    X(opened, COUNTER, "connections_opened_total", "port=\"kernel\"", "Connections taken.")                  \
    X(closed, COUNTER, "connections_closed_total", "port=\"kernel\"", "Connections that ended.")             \
    X(open, GAUGE, "connections", "port=\"kernel\"", "Connections open now.")                                \
    X(refused_limit, COUNTER, "connections_refused_total", "port=\"kernel\",reason=\"limit\"",                               \
      "Connections closed on arrival: connections_max was reached.")                                         \
    X(idle_timeouts, COUNTER, "connections_timed_out_total", "port=\"kernel\",reason=\"idle\"", "Connections closed idle.")  \
    X(aged, COUNTER, "connections_aged_total", "port=\"kernel\"", "Connections that reached connection_age_max.")           \
    X(paused, COUNTER, "stream_pauses_total", "port=\"kernel\"", "Times that a stream stopped reading.")                    \
    X(bytes_in, COUNTER, "stream_bytes_total", "port=\"kernel\",direction=\"in\"", "Bytes of streams.")                      \
    X(bytes_out, COUNTER, "stream_bytes_total", "port=\"kernel\",direction=\"out\"", "Bytes of streams.")                    \
    X(send_full, COUNTER, "stream_send_full_total", "port=\"kernel\"", "Times that a send buffer had no room.")
TR_COUNTERS_DECLARE(kernel, TR_KERNEL_COUNTERS)

struct tr_kernel_port; // listening sockets, shared
struct tr_kernel;      // an lcore's part

// Whether tr_kernel_port_open() will understand it; pure.
int tr_kernel_listen_check(const char *text, struct tr_error *error);

// Listen on "127.0.0.1:4317", "[::1]:4317", "0.0.0.0:4317", "[::]:4317", ":4317" (both families).
int tr_kernel_port_open(struct tr_kernel_port **port, const char *name, const char *const *listen, size_t count,
                        uint32_t lcores, const struct tr_connection_options *options, struct tr_error *error);
void tr_kernel_port_close(struct tr_kernel_port *port);
// Stop accepting (drain); what is open stays.
void tr_kernel_port_stop(struct tr_kernel_port *port);
// The addresses bound, as text: a port 0 in `listen` is the kernel's choice.
size_t tr_kernel_port_listening(const struct tr_kernel_port *port, size_t index, struct tr_address *address);

// Connections open, or on their way to their lcore. Thread: any.
uint64_t tr_kernel_port_connections(const struct tr_kernel_port *port);

int tr_kernel_create(struct tr_kernel **kernel, uint32_t lcore, struct tr_kernel_port *const *ports, size_t count,
                     const struct tr_connection_options *options, const struct tr_stream_user *user,
                     struct tr_error *error);
void tr_kernel_destroy(struct tr_kernel *kernel, uint64_t now);
struct tr_kernel_counters *tr_kernel_counters(struct tr_kernel *kernel);

// One bounded turn: accept, read at most `budget` bytes, write, time out. Returns bytes and events handled.
size_t tr_kernel_poll(struct tr_kernel *kernel, uint64_t now, size_t budget);
// When to poll again for a timeout.
uint64_t tr_kernel_deadline(const struct tr_kernel *kernel);
// Sleep until something is readable, tr_kernel_wake() or `timeout_ns` from now.
void tr_kernel_wait(struct tr_kernel *kernel, uint64_t timeout_ns);
// Let it end the wait while it is readable: another port's; -1: none. Thread: start-up.
int tr_kernel_watch(struct tr_kernel *kernel, int fd, struct tr_error *error);
// Any thread: end the wait, now or the next one.
void tr_kernel_wake(struct tr_kernel *kernel);
// Tell each stream that it has aged (drain: GOAWAY, then close).
void tr_kernel_age_all(struct tr_kernel *kernel, uint64_t now);

// For `tailctl connections`: copies up to `max` rows; owner lcore or while the lcores are stopped.
//
// port  index among the ports that tr_kernel_create() was given
size_t tr_kernel_connections(const struct tr_kernel *kernel, size_t port, struct tr_connection_row *rows, size_t max);

#endif
