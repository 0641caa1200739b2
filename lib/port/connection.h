// SPDX-License-Identifier: Apache-2.0
// What connections of every kind of port have in common: their limits, and how `tailctl connections` sees them.
#ifndef TR_PORT_CONNECTION_H
#define TR_PORT_CONNECTION_H

#include "config/option.h"
#include "net/stack.h"
#include "port/stream.h"

struct tr_connection_options {
    uint64_t connections_max; // per lcore
    uint64_t connection_age_max_ns; // 0: none; jitter of a tenth is added
    uint64_t idle_timeout_ns;
    uint64_t send_buffer_bytes;    // per stream, most that waits to be sent
    uint64_t receive_buffer_bytes; // one per lcore, read into at once; kernel ports
};
extern const struct tr_option_table tr_connection_option_table;

// How long after close() a connection has to be gone in order, until it is reset.
#define TR_CONNECTION_LINGER_NS (5 * TR_S)
// How often connections are looked at for being idle, old or slow to go.
#define TR_CONNECTION_TIMERS_NS (250 * TR_MS)

// A number for a new stream, unique in the process. Thread: any.
uint64_t tr_stream_id_next(void);

// When a stream is old: connection_age_max and up to a tenth more. TR_NEVER: never.
uint64_t tr_connection_age_at(const struct tr_connection_options *options, uint64_t stream_id, uint64_t now);

struct tr_connection_row {
    struct tr_address peer, local;
    uint64_t id, opened_ns, bytes_in, bytes_out, last_ns;
    bool paused;
    bool has_tcp;           // our own TCP: what follows is known
    struct tr_conn_row tcp; // without `conn`
};

#endif
