// SPDX-License-Identifier: Apache-2.0
// Two stacks back to back on virtual time, or one and a peer by hand. A hook sees every frame on its way and may drop,
// repeat, delay or change it; after every step each stack is checked.
//
//   struct wire *wire = wire_open(NULL, NULL);
//   struct wire_conn *conn = wire_connect(wire, 0);        // end 0 is the client, end 1 listens on WIRE_PORT
//   wire_send(conn, 100000);                               // a pattern; the other end checks that it comes in order
//   wire_run(wire, 1 * TR_S);
//   assert_int_equal(conn->peer->received, 100000);
//
// With options NULL of an end, that end has no stack: what comes there is kept in wire->heard, wire_inject() speaks.
#ifndef TR_TEST_NET_HARNESS_H
#define TR_TEST_NET_HARNESS_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/segment.h"
#include "net/stack.h"
#include "net/tcp_seq.h"

#define WIRE_PORT    4317
#define WIRE_CONNS   256
#define WIRE_HEARD   4096
#define WIRE_DELAY   (1 * TR_MS) // one way, unless the wire says otherwise
#define WIRE_BEGIN   (1000 * TR_S)

struct wire;

// A connection as its user sees it.
struct wire_conn {
    struct wire_end *owner;
    struct tr_conn *conn; // NULL after closed()
    struct wire_conn *peer; // at the other end, once both are open
    bool opened, eof, closed;
    enum tr_conn_end end;
    uint64_t received;   // bytes, all of them as sent
    uint64_t to_send, sent; // of the pattern
    bool close_after;    // when all is taken by the stack
    uint32_t writables;
    uint16_t local_port, peer_port;
};

struct wire_end {
    struct wire *wire;
    uint32_t number; // 0 or 1
    struct tr_stack *stack;
    struct tr_ip ip;
    uint8_t mac[6];
    struct wire_conn conns[WIRE_CONNS];
    uint32_t conns_count;
    uint32_t buffers; // frames that the device gives before the next turn; UINT32_MAX: any number
    uint32_t pieces;  // bytes of a piece of a frame that comes here; 0: whole
    uint64_t frames_out;
    // What the test adds to the user's behaviour.
    int (*on_opened)(struct wire_conn *conn);
    void (*on_input)(struct wire_conn *conn, const uint8_t *data, size_t bytes);
    void (*on_eof)(struct wire_conn *conn);
    void (*on_closed)(struct wire_conn *conn);
};

// A TCP segment, read from a frame or to be written into one. Host order.
struct wire_segment {
    uint16_t from_port, to_port;
    uint32_t seq, ack;
    uint8_t flags;
    uint16_t window;
    uint32_t bytes;      // of payload
    const uint8_t *data; // NULL: zeros
    struct tr_tcp_options options;
    uint32_t from; // end
    uint64_t at_ns;
};

struct wire_fate {
    bool drop;
    uint32_t copies; // 1
    uint64_t delay_ns;
};

struct wire_frame {
    struct wire_frame *next;
    uint64_t at_ns;
    uint32_t to, bytes;
    uint8_t data[9600];
};

struct wire {
    struct wire_end ends[2];
    uint64_t now;
    uint64_t delay_ns;
    bool ipv6;
    // Called for each frame; `segment` is NULL if it is not TCP.
    void (*hook)(struct wire *wire, uint32_t from, const struct wire_segment *segment, struct wire_fate *fate);
    void *hook_context;
    struct wire_frame *frames; // by time
    uint64_t turns, idle_turns;
    struct wire_segment heard[WIRE_HEARD]; // every TCP segment that was sent, by either end; without payload
    uint32_t heard_count;
};

// A server on WIRE_PORT that also opens; 64 connections.
struct tr_stack_options wire_options(uint32_t end, bool ipv6);
// NULL: defaults for end 1 and for end 0. To have no stack at an end, give options with mtu_bytes 0.
struct wire *wire_open(const struct tr_stack_options *zero, const struct tr_stack_options *one);
void wire_close(struct wire *wire);
// An end is gone without a word, and another host is in its place.
void wire_replace(struct wire *wire, uint32_t number, const struct tr_stack_options *options);

// Turn both ends until that time, from event to event.
void wire_run(struct wire *wire, uint64_t until_ns);
void wire_run_for(struct wire *wire, uint64_t ns);
// Until nothing is on the wire and no stack has anything due at once; a second at most.
void wire_settle(struct wire *wire);

struct wire_conn *wire_connect(struct wire *wire, uint32_t from);
// Connect from end 0 and run until both ends are open.
struct wire_conn *wire_connected(struct wire *wire);
// Queue more of the pattern; sent as there is room.
void wire_send(struct wire_conn *conn, uint64_t bytes);
uint8_t wire_pattern(uint64_t offset);

// Speak for end `from`, which has no stack, or as its impostor.
void wire_inject(struct wire *wire, uint32_t from, const struct wire_segment *segment);
// The last segment that end `from` sent since `since` segments were heard; NULL: none.
const struct wire_segment *wire_last(const struct wire *wire, uint32_t from, uint32_t since);
uint32_t wire_count(const struct wire *wire, uint32_t from, uint32_t since, uint8_t flags);
bool wire_parse(const uint8_t *frame, uint32_t bytes, struct wire_segment *segment);

// A peer by hand at end 0, of a stack at end 1.
struct hand {
    struct wire *wire;
    uint16_t port;
    uint32_t seq, ack; // next to send, next expected
    bool timestamps;
    uint32_t timestamp, timestamp_echo;
    uint16_t window;
};
// Handshake; returns with the connection established. `options` of the SYN; NULL: MSS 1460 alone.
void hand_open(struct hand *hand, struct wire *wire, const struct tr_tcp_options *options);
// One segment; seq is relative to hand->seq.
void hand_send(struct hand *hand, int32_t seq, uint8_t flags, const void *data, uint32_t bytes);
// Let the stack answer; the last segment it sent in answer, NULL: none.
const struct wire_segment *hand_answer(struct hand *hand);
struct wire_conn *hand_conn(struct hand *hand);

// Every connection and what was counted, on stderr.
void wire_show(const struct wire *wire);
struct tr_tcp_counters *wire_counters(struct wire *wire, uint32_t end);

#endif
