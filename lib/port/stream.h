// SPDX-License-Identifier: Apache-2.0
// The byte stream that every port hands up: the kernel's sockets today, our own TCP over DPDK, TLS between.
// It promises bytes for the length of a call and nothing about whose memory they are.
//
// A port makes streams; the layer above is one `struct tr_stream_user`, the same for all streams of an lcore.
// Thread: everything here runs on the lcore that owns the stream.
#ifndef TR_PORT_STREAM_H
#define TR_PORT_STREAM_H

#include "base/tr.h"

struct tr_stream;

// An address as the audit and `traces why` show it; IPv4 is mapped (::ffff:a.b.c.d).
struct tr_address {
    uint8_t ip[16];
    uint16_t port; // host order
};

enum tr_close_reason {
    TR_CLOSE_PEER,     // orderly, by the peer
    TR_CLOSE_LOCAL,    // orderly, by us
    TR_CLOSE_RESET,    // by the peer or the network
    TR_CLOSE_ABORTED,  // by us, at once
    TR_CLOSE_TIMEOUT,  // idle, or no progress
    TR_CLOSE_SHUTDOWN, // the port goes away
};

// What the layer above asks of a stream.
struct tr_stream_ops {
    // Queue bytes to be sent; they are copied. Returns how many were taken, fewer than `bytes` when the
    // stream's send buffer is full: writable() comes when there is room again.
    size_t (*send)(struct tr_stream *stream, const void *data, size_t bytes);

    // Stop and restart input(): the peer's window closes in between. Pausing twice is pausing once.
    void (*pause)(struct tr_stream *stream);
    void (*resume)(struct tr_stream *stream);

    // End in order: what send() took still goes out. No input() after it; closed() follows. What the peer still sends
    // is thrown away for some seconds: a reset because of it could cost the peer what it has not read yet.
    void (*close)(struct tr_stream *stream);

    // End at once. closed() follows, never from inside this call.
    void (*abort)(struct tr_stream *stream);
};

struct tr_stream {
    const struct tr_stream_ops *ops;
    const struct tr_stream_user *user;
    void *port_data; // the port's, unknown above
    void *user_data; // the layer's above, NULL until opened() sets it
    struct tr_address peer;
    struct tr_address local;
    uint64_t id;        // unique in the process
    uint64_t opened_ns; // lcore clock
    uint64_t bytes_in;
    uint64_t bytes_out;
};

// What the layer above gives. `context` is tr_stream_user.context.
struct tr_stream_user {
    void *context;

    // Returns 0, or -errno to refuse the stream: it is aborted and closed() does not follow.
    int (*opened)(void *context, struct tr_stream *stream, uint64_t now);

    // Bytes in order, borrowed for the call. The user takes all of them.
    void (*input)(void *context, struct tr_stream *stream, const uint8_t *data, size_t bytes, uint64_t now);

    // The peer will send no more; sending goes on.
    void (*eof)(void *context, struct tr_stream *stream, uint64_t now);

    // There is room to send again.
    void (*writable)(void *context, struct tr_stream *stream, uint64_t now);

    // The last call about this stream, which is gone afterwards.
    void (*closed)(void *context, struct tr_stream *stream, enum tr_close_reason reason, uint64_t now);

    // The stream has reached its maximum age (connection_age_max): finish politely (GOAWAY), then close.
    void (*aged)(void *context, struct tr_stream *stream, uint64_t now);
};

#endif
