// SPDX-License-Identifier: Apache-2.0
// TCP: its structs, and where its files meet.
//
//   tcp.c              memory, the turn (tr_tcp_poll), what is due
//   tcp_input.c        a segment finds its connection; the path of nearly all of them; RFC 9293 3.10.7.4
//   tcp_receive.c      payload, FIN, reassembly, handing up
//   tcp_listen.c       SYNs: the table of half-open connections, cookies
//   tcp_connect.c      active open, SYN_SENT, next hops
//   tcp_ack.c          what an ACK says: progress, losses, the peer's window
//   tcp_output.c       what may be sent now
//   tcp_send.c         one segment: header, options, window, payload
//   tcp_timers.c       retransmission, probes, keepalive, stalls
//   tcp_close.c        ends of connections, TIME_WAIT
//   tcp_conn.c         the user's calls
//   tcp_icmp.c         errors of the network
//   tcp_look.c         rows for people, the check of everything
//
// A tuple is in the table once: as a connection, as a half-open one, or in TIME_WAIT; the number tells which. Half-open
// and TIME_WAIT entries are small and have tables of their own, so that neither a flood nor a busy client takes a
// connection's place.
//
// What is to be done at the next poll is on the list `due`, with bits that say what; a connection that is dead is on the
// list `ended`, for closed(). Both use the same link. ACKs that may wait are on `delayed`: all wait equally long, so the
// list is sorted. Each connection has one timer in the wheel, which may go off early and then looks what is due when:
// moving a deadline back, as every ACK does, costs nothing.
//
// Users call in from their callbacks. Such a call only marks what is due (or, tr_conn_abort(), takes the connection out
// of the table): a connection's memory is reused only after closed(), from a poll, and nobody takes a pointer into a
// list over a callback. After a callback the state is looked at again.
#ifndef TR_NET_TCP_INTERNAL_H
#define TR_NET_TCP_INTERNAL_H

#include <sys/queue.h>

#include "net/congestion.h"
#include "net/reassembly.h"
#include "net/rtt.h"
#include "net/scoreboard.h"
#include "net/stack_internal.h"
#include "net/tcp_seq.h"
#include "net/tuple_table.h"
#include "net/wheel.h"

#define TR_TCP_HEADER_BYTES    20
#define TR_TCP_TIMESTAMP_BYTES 12              // the option with its padding
#define TR_TCP_MSS_DEFAULT_V4  536             // RFC 9293 3.7.1
#define TR_TCP_MSS_DEFAULT_V6  1220
#define TR_TCP_DELAY_NS        (10 * TR_MS)    // of an ACK that may wait; RFC 9293 allows 500 ms
#define TR_TCP_PROBE_LEAST_NS  (10 * TR_MS)    // of a tail-loss probe
#define TR_TCP_REORDER_NS      (4 * TR_MS)     // what is behind a hole may be late, not lost: so long at least
#define TR_TCP_PEER_DELAY_NS   (70 * TR_MS)    // how long a peer may hold back the ACK of a single segment: Linux 40, and its ticks
#define TR_TCP_TIMERS_HELD_NS  (20 * TR_MS)    // while frames wait, timers wait with them, so long
#define TR_TCP_SYN_NS          (1 * TR_S)      // RFC 6298 2.1
#define TR_TCP_SYN_GIVE_UP_NS  (180 * TR_S)    // RFC 9293 3.8.3: three minutes at least
#define TR_TCP_HALF_TRIES      5               // SYN-ACKs sent again: given up after a minute
#define TR_TCP_LINGER_NS       (60 * TR_S)     // in FIN_WAIT_2
#define TR_TCP_KEEPALIVE_TRIES 5
#define TR_TCP_PAWS_NS         (24 * 86400 * TR_S) // a timestamp so old says nothing: RFC 7323 5.5
#define TR_TCP_COOKIE_NS       (128 * TR_S)
#define TR_TCP_BURST           64              // segments of a connection before others have their turn
#define TR_TCP_HAND_UP_BYTES   (256 * TR_KIB)  // of what waited, in a turn of a connection
#define TR_TCP_RECENT          2048            // a power of two
#define TR_TCP_TRIES_FULL_SIZE 3               // timeouts in a row of a full segment until it is made smaller

// RFC 9293 3.3.2. LISTEN is the stack's; a passive SYN_RECEIVED is struct tr_tcp_half, TIME_WAIT is struct tr_tcp_wait.
enum tr_tcp_state {
    TR_TCP_DEAD, // closed() is due, or the place is free
    TR_TCP_SYN_SENT,
    TR_TCP_SYN_RECEIVED, // both sides have opened at once
    TR_TCP_ESTABLISHED,
    TR_TCP_FIN_WAIT_1, // from tr_conn_close() on, though data may go before the FIN
    TR_TCP_FIN_WAIT_2,
    TR_TCP_CLOSE_WAIT,
    TR_TCP_CLOSING,
    TR_TCP_LAST_ACK,
};

enum tr_tcp_is {
    // Any of these: a segment takes the long way.
    TR_IS_PAUSED = 1 << 0,
    TR_IS_HOLDING = 1 << 1,   // something waits in the pool
    TR_IS_CLOSED = 1 << 2,    // tr_conn_close(): input is thrown away, and FIN is queued behind snd_end
    TR_IS_FIN_HEARD = 1 << 3, // fin_seq is known; there may be a hole before it
    TR_IS_SLOW = 0xf,

    TR_IS_TIMESTAMPED = 1 << 4,
    TR_IS_SACKED = 1 << 5,
    TR_IS_EOF_DUE = 1 << 6,   // FIN is taken in order; eof() waits for the user to resume
    TR_IS_DELAYED = 1 << 7,   // on the list `delayed`
    TR_IS_RESOLVING = 1 << 8, // on the list `resolving`
    TR_IS_DUPLICATE = 1 << 9, // `duplicate` goes with the next ACK (D-SACK)
    TR_IS_BLOCKED = 1 << 10,  // tr_conn_send() took less than it was given
    TR_IS_LIMITED = 1 << 11,  // cwnd was what stopped the last output
    TR_IS_TIMED = 1 << 12,    // rtt_seq and rtt_ns: a round trip is being measured
    TR_IS_PROBED = 1 << 13,   // a tail-loss probe is out, up to probe_seq
    TR_IS_PROBE_OLD = 1 << 14, // and it was data sent before
    TR_IS_FIRST_LOST = 1 << 15, // recovery sends the segment at snd_una, whatever the pipe
    TR_IS_IN_DUE = 1 << 16,   // on the list `due`
    TR_IS_UNDO = 1 << 17,     // the undo_ fields hold
    TR_IS_OPENED = 1 << 18,   // opened() was called: closed() will be
    TR_IS_DISOWNED = 1 << 19, // but the user would not have it
    TR_IS_ANSWERED = 1 << 20, // the peer has sent an ACK since the last timeout
};

// What the next poll does for a connection.
enum tr_tcp_due {
    TR_DUE_OUTPUT = 1, // data, SYN, FIN, as far as windows allow
    TR_DUE_ACK = 2,    // at least an ACK
    TR_DUE_INPUT = 4,  // what waits in the pool goes up
};

enum tr_tcp_mode {
    TR_MODE_OPEN,
    TR_MODE_RECOVERY, // fast recovery up to `recover`
    TR_MODE_LOSS,     // after a timeout: everything below `recover` is sent again from snd_next, as far as not sacked
};

enum tr_tcp_timer { TR_TIMER_NONE, TR_TIMER_RETRANSMIT, TR_TIMER_PROBE, TR_TIMER_PERSIST };

// A connection. Sequence numbers:
//
//   snd_una <= snd_next <= snd_max <= snd_end + 1     (+ 1: FIN; in TR_MODE_LOSS snd_next has gone back)
//   snd_end - snd_una <= send_buffer_bytes
//   rcv_user <= rcv_next <= rcv_edge                  rcv_acked <= rcv_next
//   a byte to be sent lies in the ring at (seq - ring_seq) mod send_buffer_bytes
//   TR_IS_IN_DUE == (due != 0)     TR_IS_HOLDING == (reassembly.first != 0)
struct tr_tcp_conn {
    // Receiving: the first two cache lines.
    struct tr_conn public;
    uint32_t rcv_next;  // expected next
    uint32_t rcv_edge;  // announced right edge of the window; never goes back
    uint32_t rcv_user;  // handed up to here; behind rcv_next while the user pauses
    uint32_t rcv_acked; // rcv_next when an ACK was sent last
    uint32_t ts_recent; // RFC 7323
    uint32_t snd_una;   // oldest that is not acknowledged
    uint32_t snd_window_bytes;
    uint32_t snd_wl1, snd_wl2; // seq and ack of the segment that set it
    uint32_t is;               // enum tr_tcp_is
    uint16_t rcv_mss_bytes;    // the largest payload seen
    uint8_t state;             // enum tr_tcp_state
    uint8_t due;               // enum tr_tcp_due
    uint8_t rcv_scale, snd_scale;
    uint8_t mode;  // enum tr_tcp_mode
    uint8_t timer_kind; // enum tr_tcp_timer: what retransmit_ns is

    // The third: touched once a segment, or once a turn.
    struct tr_tcp *tcp;
    uint64_t ts_recent_ns;
    uint64_t delayed_ns;
    TAILQ_ENTRY(tr_tcp_conn) delay_link; // delayed, resolving
    uint8_t dupacks;
    uint8_t zero_probes, keepalive_probes;
    uint8_t silent_timeouts; // in a row, without any answer to what was sent again
    uint32_t ts_offset;      // our timestamps are milliseconds plus this
    struct tr_path path;     // where the peer is on the link stands at its front
    TAILQ_ENTRY(tr_tcp_conn) due_link; // due, ended

    // Sending.
    uint32_t snd_next, snd_max, snd_end;
    uint32_t ring_seq;
    uint32_t window_max_bytes; // the largest that the peer ever announced
    uint16_t mss_bytes;        // of payload and options, what the peer and the path take
    struct tr_congestion congestion;
    struct tr_rtt rtt;
    uint64_t rtt_ns; // when rtt_seq - 1 was sent
    uint32_t rtt_seq;
    uint32_t recover; // RFC 6675's RecoveryPoint; of TR_MODE_LOSS too
    uint64_t sent_ns; // last data

    // Timers. 0: not set.
    struct tr_timer timer;
    uint64_t retransmit_ns, linger_ns;
    uint64_t progress_ns; // when snd_una moved last, or the first byte was queued

    // Losses and holes.
    uint32_t again_seq, again_max; // the hole that was sent again first, and snd_max at that time
    uint32_t probe_seq, probe_timestamp;
    uint32_t undo_cwnd_bytes, undo_ssthresh_bytes, undo_timestamp, undo_segments;
    uint32_t iss, irs;
    uint32_t fin_seq;
    struct tr_sack_block duplicate;
    struct tr_scoreboard scoreboard;
    struct tr_reassembly reassembly;
    TAILQ_ENTRY(tr_tcp_conn) holding_link;
    uint64_t retransmitted; // segments
    uint64_t hash;
    uint32_t number;
    uint32_t next_free; // number + 1
    uint8_t end;        // enum tr_conn_end, while on `ended`
} tr_aligned(TR_CACHE_LINE);
_Static_assert(offsetof(struct tr_tcp_conn, tcp) == 2 * TR_CACHE_LINE, "what every segment touches is two lines");
_Static_assert(offsetof(struct tr_tcp_conn, path) + 6 <= 3 * TR_CACHE_LINE, "and what most touch is a third");

// A SYN that was answered.
struct tr_tcp_half {
    struct tr_tuple tuple;
    uint32_t iss, irs;
    uint32_t ts_recent, ts_offset;
    uint16_t mss_bytes; // the peer's
    uint8_t window_scale;
    bool has_window_scale, has_timestamp, sack_permitted;
    uint8_t mac[6];
    uint8_t tries; // SYN-ACKs sent again
    uint64_t sent_ns;
    struct tr_timer timer;
    uint64_t hash;
    uint32_t next_free; // number + 1
};

struct tr_tcp_wait {
    struct tr_tuple tuple;
    uint32_t snd_next, rcv_next;
    uint32_t ts_recent, ts_offset;
    bool has_timestamp;
    uint8_t mac[6];
    uint16_t window; // as sent
    uint64_t ends_ns;
    TAILQ_ENTRY(tr_tcp_wait) link; // by ends_ns
    uint64_t hash;
    uint32_t next_free; // index + 1
};

TAILQ_HEAD(tr_tcp_conns, tr_tcp_conn);

struct tr_tcp {
    struct tr_stack *stack;
    struct tr_tuple_table table; // numbers: connections, then halves, then waits
    // Where the connection of a segment was last time, by ports and low bits of addresses. What stands here may be old, or
    // another's whose bits are the same: only a look at the connection itself tells, and else the table.
    uint32_t recent[TR_TCP_RECENT];
    struct tr_tcp_conn *conns;
    struct tr_tcp_half *halves;
    struct tr_tcp_wait *waits;
    uint32_t conns_max, halves_max, waits_max;
    uint32_t conns_count, halves_count, waits_count;
    uint32_t conns_free, halves_free, waits_free; // first of a list, number + 1: last in, first out
    uint8_t *ring_memory;                         // send_buffer_bytes a connection, touched as it is used
    uint32_t ring_mask;
    uint8_t rcv_scale;
    bool refusing;
    bool starved; // a frame was not to be had in this poll
    bool frames_wait; // as tr_stack_frames_wait() said
    uint64_t held_ns; // since when frames wait and timers with them, 0: they don't
    uint32_t frames_left; // of this poll
    uint32_t cookies_left; // until the next poll
    struct tr_wheel *wheel;
    struct tr_chunks *chunks;
    struct tr_tcp_conns due, delayed, ended, resolving;
    struct tr_tcp_conns holding; // who has chunks; who made no progress for the longest first
    TAILQ_HEAD(, tr_tcp_wait) waiting;
    uint64_t starved_ns; // when to try again
    uint64_t cookie_ns;  // the last one was sent; 0: never
    uint64_t budget_second; // of what answers have been counted
    uint32_t challenges_left, resets_left;
    uint32_t port_offset; // RFC 6056
    uint64_t rings_bytes; // of the mapping
};

// While frames wait that we are behind with, so many cookies go out a turn: a SYN is cheap to pass over, an answer costs ten
// of them, and a receive queue that runs over drops what is for connections that are open.
#define TR_TCP_COOKIES_BEHIND 32

#define tr_tcp_counted(tcp, counter) tr_count(&(tcp)->stack->tcp_counters.counter, 1)

static inline uint64_t tr_tcp_now(const struct tr_tcp *tcp)
{
    return tcp->stack->now;
}

static inline uint32_t tr_tcp_timestamp(const struct tr_tcp *tcp, uint32_t offset)
{
    return (uint32_t)(tr_tcp_now(tcp) / TR_MS) + offset;
}

// FIN has its place behind the data.
static inline uint32_t tr_tcp_end_seq(const struct tr_tcp_conn *conn)
{
    return conn->snd_end + ((conn->is & TR_IS_CLOSED) != 0);
}

// --- tcp.c

// Mark what the next poll does.
void tr_tcp_want(struct tr_tcp_conn *conn, uint8_t due);
// No ACK is owed any more.
void tr_tcp_acked(struct tr_tcp_conn *conn);
// An ACK is owed, and may wait.
void tr_tcp_delay(struct tr_tcp_conn *conn);
uint32_t tr_tcp_find(const struct tr_tcp *tcp, const struct tr_tuple *tuple, uint64_t hash); // UINT32_MAX: not there
// May one more answer go out in this second?
bool tr_tcp_may_challenge(struct tr_tcp *tcp);
bool tr_tcp_may_reset(struct tr_tcp *tcp);

// --- tcp_input.c, tcp_receive.c

void tr_tcp_conn_input(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment);
// An ACK that shows the peer where we are, if one may be sent.
void tr_tcp_challenge(struct tr_tcp *tcp, struct tr_tcp_conn *conn);
// Steps 5 and on of RFC 9293 3.10.7.4: the segment is acceptable.
void tr_tcp_text_input(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment);
// Payload that is next, of a connection that has none of TR_IS_SLOW.
void tr_tcp_receive_next(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment);
// Payload and FIN of a segment that touches the window.
void tr_tcp_receive(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment);
// It has chunks no more.
void tr_tcp_holding_end(struct tr_tcp *tcp, struct tr_tcp_conn *conn);
// Hand up what waits, as much as a turn may. Returns false: there is more.
bool tr_tcp_hand_up(struct tr_tcp *tcp, struct tr_tcp_conn *conn);

// --- tcp_listen.c

void tr_tcp_listen_input(struct tr_tcp *tcp, const struct tr_segment *segment, const struct tr_tuple *tuple,
                         uint64_t hash, uint32_t iss_least);
void tr_tcp_half_input(struct tr_tcp *tcp, struct tr_tcp_half *half, const struct tr_segment *segment);
void tr_tcp_half_timer(struct tr_tcp *tcp, struct tr_tcp_half *half);
bool tr_tcp_listens(const struct tr_tcp *tcp, uint16_t port);
// What our own SYN says of us.
uint16_t tr_tcp_mss_ours(const struct tr_tcp *tcp, bool ipv6);
uint16_t tr_tcp_mss_default(bool ipv6);
uint32_t tr_tcp_ts_offset(const struct tr_tcp *tcp, const struct tr_tuple *tuple);

// --- tcp_connect.c

void tr_tcp_syn_sent_input(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment);
// Find the next hop. Returns whether it is known.
bool tr_tcp_resolve(struct tr_tcp *tcp, struct tr_tcp_conn *conn);
// Take the options of the peer's SYN.
void tr_tcp_peer_options(struct tr_tcp_conn *conn, const struct tr_tcp_options *options, uint16_t window);
// ESTABLISHED, and tell the user. Returns false: the user would not have it, it is gone.
bool tr_tcp_establish(struct tr_tcp *tcp, struct tr_tcp_conn *conn);

// --- tcp_ack.c

// Returns false: the ACK is of something never sent, or too old; the segment is to be dropped.
bool tr_tcp_ack(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment);
// A loss is about to change the congestion window: remember it, should there have been none.
void tr_tcp_undo_note(struct tr_tcp *tcp, struct tr_tcp_conn *conn);
void tr_tcp_recovery_begin(struct tr_tcp *tcp, struct tr_tcp_conn *conn);
// Bytes believed in flight.
uint32_t tr_tcp_pipe(const struct tr_tcp_conn *conn);

// --- tcp_output.c

// Send what may be sent. Returns false: there is more, but no frame.
bool tr_tcp_output(struct tr_tcp *tcp, struct tr_tcp_conn *conn, bool ack);
// Send payload and, if it ends the stream, FIN; note what was sent. Returns false: no frame.
bool tr_tcp_send_range(struct tr_tcp *tcp, struct tr_tcp_conn *conn, uint32_t seq, uint32_t bytes, bool fin);
// Send one segment of at most `bytes`, all of it sent before. Returns how far it went, 0: no frame.
uint32_t tr_tcp_resend(struct tr_tcp *tcp, struct tr_tcp_conn *conn, uint32_t seq, uint32_t bytes);
// Set the timer that what is in flight needs.
void tr_tcp_rearm(struct tr_tcp *tcp, struct tr_tcp_conn *conn);
uint32_t tr_tcp_payload_max(const struct tr_tcp_conn *conn);

// --- tcp_send.c

// One segment with payload from the ring. Returns false: no frame.
bool tr_tcp_send(struct tr_tcp *tcp, struct tr_tcp_conn *conn, uint32_t seq, uint32_t bytes, uint8_t flags);
// SYN or SYN-ACK of a connection.
bool tr_tcp_send_syn(struct tr_tcp *tcp, struct tr_tcp_conn *conn);
// A segment without payload that no connection sends.
struct tr_tcp_answer {
    const struct tr_tuple *tuple;
    const uint8_t *mac;
    uint32_t seq, ack;
    uint16_t window;
    uint8_t flags;
    const struct tr_tcp_options *options; // NULL: none
};
bool tr_tcp_send_answer(struct tr_tcp *tcp, const struct tr_tcp_answer *answer);
// RST for a segment that finds no connection (RFC 9293 3.10.7.1).
void tr_tcp_send_reset(struct tr_tcp *tcp, const struct tr_segment *segment);
// What the window may open to, beyond rcv_next.
uint32_t tr_tcp_window_target(const struct tr_tcp *tcp, const struct tr_tcp_conn *conn);
uint32_t tr_tcp_sack_bytes(const struct tr_tcp_conn *conn);

// --- tcp_timers.c

// See to it that the timer goes off by the earliest deadline.
void tr_tcp_timer_set(struct tr_tcp *tcp, struct tr_tcp_conn *conn);
void tr_tcp_conn_timer(struct tr_tcp *tcp, struct tr_tcp_conn *conn);

// --- tcp_close.c

// A place for a connection, in the table. Returns NULL: none is free.
struct tr_tcp_conn *tr_tcp_conn_open(struct tr_tcp *tcp, const struct tr_tuple *tuple, uint64_t hash, uint32_t iss);
// Take it out of everything but `ended`.
void tr_tcp_end(struct tr_tcp *tcp, struct tr_tcp_conn *conn, enum tr_conn_end end);
// RST, and end it.
void tr_tcp_abort(struct tr_tcp *tcp, struct tr_tcp_conn *conn, enum tr_conn_end end);
// Both FINs are acknowledged, ours first.
void tr_tcp_time_wait(struct tr_tcp *tcp, struct tr_tcp_conn *conn);
void tr_tcp_wait_input(struct tr_tcp *tcp, struct tr_tcp_wait *wait, const struct tr_segment *segment);
// Forget those that are over. Returns how many.
size_t tr_tcp_waits_poll(struct tr_tcp *tcp);
// Call closed() for those that have ended. Returns how many.
size_t tr_tcp_ended_poll(struct tr_tcp *tcp);
// opened() has said no: RST, and no closed().
void tr_tcp_disown(struct tr_tcp *tcp, struct tr_tcp_conn *conn);

#endif
