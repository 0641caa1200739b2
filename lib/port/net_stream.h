// SPDX-License-Identifier: Apache-2.0
// Streams over our own TCP: from struct tr_conn of a stack to struct tr_stream. For servers; who opens connections uses
// the stack itself.
//
//   tr_net_streams_create(&streams, options, user)
//   conn_user = tr_net_streams_conn_user(streams)          for tr_stack_create()
//   each turn, after tr_stack_poll():                      tr_net_streams_poll(streams, now)
//   tr_stack_destroy(), then tr_net_streams_destroy()
//
// Thread: the lcore's.
#ifndef TR_PORT_NET_STREAM_H
#define TR_PORT_NET_STREAM_H

#include "base/counter.h"
#include "port/connection.h"

// The port's name is added as a label: an lcore has one set a port.
#define TR_NET_STREAM_COUNTERS(X)                                                                            \
    X(opened, COUNTER, "connections_opened_total", "", "Connections taken.")                                 \
    X(closed, COUNTER, "connections_closed_total", "", "Connections that ended.")                            \
    X(open, GAUGE, "connections", "", "Connections open now.")                                               \
    X(refused_limit, COUNTER, "connections_refused_total", "reason=\"limit\"",                               \
      "Connections closed on arrival: connections_max was reached.")                                         \
    X(idle_timeouts, COUNTER, "connections_timed_out_total", "reason=\"idle\"", "Connections closed idle.")  \
    X(linger_timeouts, COUNTER, "connections_timed_out_total", "reason=\"linger\"",                          \
      "Connections reset because their peer did not close in time after we had.")                            \
    X(aged, COUNTER, "connections_aged_total", "", "Connections that reached connection_age_max.")           \
    X(paused, COUNTER, "stream_pauses_total", "", "Times that a stream stopped reading.")                    \
    X(bytes_in, COUNTER, "stream_bytes_total", "direction=\"in\"", "Bytes of streams.")                      \
    X(bytes_out, COUNTER, "stream_bytes_total", "direction=\"out\"", "Bytes of streams.")                    \
    X(send_full, COUNTER, "stream_send_full_total", "", "Times that a send buffer had no room.")
TR_COUNTERS_DECLARE(net_stream, TR_NET_STREAM_COUNTERS)

struct tr_net_streams;

// user  borrowed
int tr_net_streams_create(struct tr_net_streams **streams, const struct tr_connection_options *options,
                          const struct tr_stream_user *user, struct tr_error *error);
// After the stack is gone.
void tr_net_streams_destroy(struct tr_net_streams *streams);
struct tr_conn_user tr_net_streams_conn_user(struct tr_net_streams *streams);
struct tr_net_stream_counters *tr_net_streams_counters(struct tr_net_streams *streams);

// Time out what is idle, old or slow to go. Returns how many.
size_t tr_net_streams_poll(struct tr_net_streams *streams, uint64_t now);
uint64_t tr_net_streams_deadline(const struct tr_net_streams *streams);

// From here on what ends was ended by the port's going away (TR_CLOSE_SHUTDOWN). Call before tr_stack_destroy().
void tr_net_streams_shut(struct tr_net_streams *streams);

// For `tailctl connections`: copies up to `max` rows of a stack's connections that are streams. Owner lcore or while the
// lcores are stopped. Returns how many.
size_t tr_net_streams_connections(const struct tr_net_streams *streams, const struct tr_stack *stack,
                                  struct tr_connection_row *rows, size_t max);

#endif
