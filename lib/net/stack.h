// SPDX-License-Identifier: Apache-2.0
// The network stack of one lcore on one port: Ethernet, ARP, NDP, IPv4, IPv6, ICMP and TCP, as server and as client.
// Frames in, frames out. It has no clock, no I/O and no lock, and takes no memory after it was created.
//
//   for each frame of a burst:   tr_stack_input(stack, frame, now)     calls up: opened, input, eof, writable
//   then, once a turn:           tr_stack_poll(stack, now)             timers, ACKs and data that are due, closed
//   sleep until                  tr_stack_deadline(stack)
//
// What it promises, whatever comes from the wire:
//
//   memory    fixed at creation. A frame is borrowed for the call: in-order payload goes up from where it lies; what is
//             out of order, or comes while a connection is paused, is copied to a pool of fixed size. No frame is kept.
//   work      a frame costs a bounded amount of work; a poll sends at most `output_frames` frames.
//   answers   one ACK a connection and poll, not one a segment. RSTs, ICMP and challenge ACKs are rate-limited.
//   drops     whatever is thrown away is a named counter (net_counters.h, tcp_counters.h).
//
// A peer's Ethernet address is where its SYN came from, and follows its segments as far as they are in window: a server
// behind a router or a load balancer answers by the way that the request came, and needs neither routes nor ARP. Only a
// connection that we open resolves its next hop.
//
// Thread: one; the lcore's. Source: RFC 9293 for TCP; docs/tcp-conformance.md says what of it.
#ifndef TR_NET_STACK_H
#define TR_NET_STACK_H

#include "net/address.h"
#include "net/net_counters.h"
#include "net/tcp_counters.h"

#define TR_STACK_ADDRESSES_MAX 16
#define TR_STACK_LISTEN_MAX    16

struct tr_stack;

// --- frames

enum tr_frame_flags {
    TR_FRAME_IP_GOOD = 1,  // the device has verified the IPv4 header's checksum
    TR_FRAME_L4_GOOD = 2,  // and TCP's; without these the stack does
    TR_FRAME_IP_BAD = 4,   // the device found it wrong: dropped, counted
    TR_FRAME_L4_BAD = 8,
    TR_FRAME_NO_VLAN = 16, // the device took the tag off (and checked it)
};

// A frame that arrived, borrowed; in several pieces if the device scattered it.
struct tr_frame {
    const uint8_t *data; // the first piece holds all headers, or the frame is dropped
    uint32_t bytes;      // of this piece
    uint32_t flags;      // of the whole frame; first piece only
    const struct tr_frame *next;
};

// A frame to be sent.
struct tr_frame_out {
    uint8_t *data;
    void *handle;      // the device's
    uint32_t bytes;    // set before it is sent
    uint16_t l2_bytes; // Ethernet header with VLAN tag
    uint16_t l3_bytes; // IP header; 0: not IP
    bool ipv6;
    bool tcp; // checksums that the device puts in are asked for (struct tr_stack_options)
};

// Where frames go. Thread: the stack's.
struct tr_stack_device {
    void *context;
    // Find a buffer for a frame of MTU + 18 bytes. Returns false: none now, or no room to send it; the stack tries
    // again at its next poll.
    bool (*alloc)(void *context, struct tr_frame_out *frame);
    // Send it, or queue it for the end of the burst; it is the device's from here on.
    void (*send)(void *context, const struct tr_frame_out *frame);
};

// --- connections

enum tr_conn_end {
    TR_CONN_CLOSED,  // both sides have closed in order
    TR_CONN_RESET,   // by the peer
    TR_CONN_ABORTED, // by tr_conn_abort()
    TR_CONN_TIMEOUT, // the peer answers no more, or holds its window shut for stall_timeout
    TR_CONN_REFUSED, // tr_stack_connect(): reset, or unreachable
};

// What the layer above may see of a connection; the rest is behind it. Valid until closed() has returned.
struct tr_conn {
    void *user; // the layer's above; NULL on a connection that a peer opened
    struct tr_ip peer_ip, local_ip;
    uint16_t peer_port, local_port; // host order
    bool active;                    // opened by us
    uint64_t opened_ns;
    uint64_t input_ns; // the last segment in window
    uint64_t bytes_in, bytes_out; // handed up; acknowledged by the peer
};

// What the layer above gives. Each may call tr_conn_send(), _pause(), _resume(), _close(), _abort() on any connection.
struct tr_conn_user {
    void *context;
    // The handshake is complete. Returns 0, or -errno: the connection is aborted and closed() does not follow.
    int (*opened)(void *context, struct tr_conn *conn, uint64_t now);
    // Bytes in order, borrowed for the call. The user takes all of them.
    void (*input)(void *context, struct tr_conn *conn, const uint8_t *data, size_t bytes, uint64_t now);
    // The peer will send no more; sending goes on.
    void (*eof)(void *context, struct tr_conn *conn, uint64_t now);
    // tr_conn_send() had taken less than it was given, and there is room again.
    void (*writable)(void *context, struct tr_conn *conn, uint64_t now);
    // The last call. Only from tr_stack_poll() and tr_stack_destroy().
    void (*closed)(void *context, struct tr_conn *conn, enum tr_conn_end end, uint64_t now);
};

struct tr_stack_options {
    uint8_t mac[6];
    uint16_t vlan;      // 0: frames are untagged
    uint16_t mtu_bytes; // of IP; 1280 at least
    bool tx_ip_checksum, tx_tcp_checksum; // the device puts them in
    bool silent; // the kernel has this address too, and answers ARP, NDP and ICMP echo (net_af_xdp beside it)

    struct tr_net_address addresses[TR_STACK_ADDRESSES_MAX];
    uint32_t addresses_count;
    struct tr_ip gateways[2]; // one of a family; used for what we open
    uint32_t gateways_count;
    uint16_t listen[TR_STACK_LISTEN_MAX]; // host order, on every address
    uint32_t listen_count;

    uint32_t connections_max;     // 16 at least
    uint32_t half_open_max;       // SYNs remembered; beyond: SYN cookies
    uint32_t time_wait_max;       // beyond: the oldest goes
    uint32_t neighbours_max;      // next hops of connections that we open
    uint64_t window_bytes;        // receive window of a connection, a power of two; 64 KiB to 1 GiB
    uint64_t reassembly_bytes;    // pool for what is out of order or paused, of all connections
    uint64_t send_buffer_bytes;   // of each connection, a power of two; address space, touched as it is used
    uint64_t keepalive_ns;        // idle until the first probe; 0: none
    uint64_t stall_timeout_ns;    // unsent or unacknowledged data without progress: aborted
    uint64_t time_wait_ns;        // 2 MSL
    uint32_t output_frames;       // of a poll, at most
    uint8_t secret[16]; // for initial sequence numbers, SYN cookies and the table's hash; not to be guessed
    int numa_node;      // -1: any
};

// Take all memory that it will ever need.
//
// Returns 0 and *stack, or -ENOMEM, -EINVAL with the option's name.
// Thread: control, before the lcore runs.
int tr_stack_create(struct tr_stack **stack, const struct tr_stack_options *options,
                    const struct tr_stack_device *device, const struct tr_conn_user *user, struct tr_error *error);
// Reset every connection and tell its user.
void tr_stack_destroy(struct tr_stack *stack, uint64_t now);

// Take one frame that arrived for this lcore.
//
// frame  borrowed for the call, with its pieces
// now    lcore clock, ns; never goes back
void tr_stack_input(struct tr_stack *stack, const struct tr_frame *frame, uint64_t now);

// What is due: timers, ACKs, data, ARP and NDP for what we open, closed(). Returns frames sent and events handled.
size_t tr_stack_poll(struct tr_stack *stack, uint64_t now);
// More frames wait than were given: what a waiting ACK may have settled is not sent again by the next poll. (Timers are
// looked at every 20 ms all the same.) And few SYN cookies go out until the next poll: tcp_drops_total{reason="syn_flood"}.
void tr_stack_frames_wait(struct tr_stack *stack);
// When to poll again though nothing arrives; 0: at once. Frames that found no buffer count as due in a millisecond.
uint64_t tr_stack_deadline(const struct tr_stack *stack);

// Tell the link's neighbours where our addresses are (gratuitous ARP, unsolicited neighbour advertisement, MLD report).
// To be called when the link comes up; not by more than one lcore of a port.
void tr_stack_announce(struct tr_stack *stack, uint64_t now);

// Refuse new connections from here on (drain): SYNs are answered with RST.
void tr_stack_refuse(struct tr_stack *stack);

// Open a connection.
//
// local_port  0: the stack chooses one
// user        is conn->user when opened() is called; when it fails, closed() is
//
// Returns 0 and *conn, -ENOBUFS (table full), -EADDRINUSE, -EADDRNOTAVAIL (not our address, or none that a
// host may have).
int tr_stack_connect(struct tr_stack *stack, const struct tr_ip *local_ip, uint16_t local_port,
                     const struct tr_ip *peer_ip, uint16_t peer_port, void *user, uint64_t now, struct tr_conn **conn);

// Queue bytes to be sent; they are copied. Returns how many were taken; 0 after tr_conn_close().
size_t tr_conn_send(struct tr_conn *conn, const void *data, size_t bytes);
size_t tr_conn_send_room(const struct tr_conn *conn);
// No input() until tr_conn_resume(): the window closes as far as RFC 9293 lets it, what still comes waits in the pool.
void tr_conn_pause(struct tr_conn *conn);
// Input that waited comes from the next tr_stack_poll().
void tr_conn_resume(struct tr_conn *conn);
// Send what waits, then FIN. No input() after it: what the peer still sends is taken and thrown away.
void tr_conn_close(struct tr_conn *conn);
// RST, at once. closed() follows from the next tr_stack_poll().
void tr_conn_abort(struct tr_conn *conn);

// --- looking

struct tr_net_counters *tr_stack_net_counters(struct tr_stack *stack);
struct tr_tcp_counters *tr_stack_tcp_counters(struct tr_stack *stack);

// For `tailctl connections`. Owner lcore, or while the lcores are stopped.
struct tr_conn_row {
    const struct tr_conn *conn;
    const char *state; // "established", ...
    bool paused;
    uint32_t cwnd_bytes, flight_bytes, unsent_bytes, peer_window_bytes, window_bytes, waiting_bytes;
    uint32_t mss_bytes, srtt_us, rto_ms;
    uint64_t retransmitted; // segments
};
// Copies up to `max` rows. Returns how many.
size_t tr_stack_connections(const struct tr_stack *stack, struct tr_conn_row *rows, size_t max);
// Memory that the pools have lent right now, for tests and metrics.
uint64_t tr_stack_reassembly_used(const struct tr_stack *stack);

// Sum of everything that must hold between the parts (each connection is in the table once, timers, chunks, lists).
// For tests: aborts by tr_assert().
void tr_stack_check(const struct tr_stack *stack);

// --- which lcore a frame belongs to, where the device has fewer queues than there are lcores (flow.c)

enum tr_flow_kind {
    TR_FLOW_TCP,   // to the lcore that `hash` chooses
    TR_FLOW_ALL,   // an ICMP error, for whoever has the connection that it quotes; an ARP reply or neighbour
                   // advertisement, for whoever has asked
    TR_FLOW_FIRST, // anything else: ARP and NDP requests, echo
};
// The same for both directions of a connection.
enum tr_flow_kind tr_flow_of(const uint8_t *frame, size_t bytes, uint32_t *hash);

#endif
