// SPDX-License-Identifier: Apache-2.0
// The network of a world: every lcore has a stack of our own TCP with streams on it, as the daemon has on a DPDK
// port, and so have the hosts that the clients are on; between them a wire on virtual time.
//
//   wire.c    frames on their way: lost, repeated, late, cut, altered, too large; who gets them; the last of them
//   drawn.c   what a seed draws
//   end.c     a stack and its device
//   host.c    the clients' hosts
//   net.c     the lcores' ports; steps; what must hold
//   link.c    connections, each known from both ends: bytes in order and once; the client's end
//   serve.c   the server's end
//   told.c    what the ends may tell each other
//   talk.c    connections beside the clients': bytes both ways, pauses, all ways to end
//   forge.c   segments that nobody sent
#ifndef TEST_SIM_NET_H
#define TEST_SIM_NET_H

#include "net/segment.h"
#include "net/stack.h"
#include "port/net_stream.h"
#include "world.h"

#define SIM_HOSTS_MAX  3
#define SIM_ENDS_MAX   (SIM_LCORES_MAX + SIM_HOSTS_MAX)
#define SIM_LINKS      256
#define SIM_TALKERS    4
#define SIM_HTTP_PORT  4317
#define SIM_TALK_PORT  9
#define SIM_FRAMES_MAX 2048 // on their way; beyond: lost
#define SIM_SEEN       200  // last frames that are shown
#define SIM_SEEN_BYTES 128

// What becomes of a frame.
enum sim_fated { SIM_GOES, SIM_LOST, SIM_TWICE, SIM_ALTERED, SIM_CUT, SIM_TOO_BIG, SIM_APART, SIM_FORGED };

// A TCP segment in a frame.
struct sim_segment {
    bool ipv6;
    uint32_t l3;
    struct tr_ip from, to;
    uint16_t from_port, to_port, window;
    uint32_t seq, ack;
    uint8_t flags;
    uint32_t bytes;
    struct tr_tcp_options options;
};

struct sim_frame {
    struct sim_frame *next;
    uint64_t at_ns;
    uint32_t to;   // end
    bool hurt;     // altered or cut
    uint32_t bytes;
    uint8_t data[];
};

struct sim_seen {
    uint64_t at_ns;
    uint32_t from, bytes;
    enum sim_fated fate;
    uint8_t data[SIM_SEEN_BYTES];
};

// An lcore's side of the wire, or a host.
struct sim_end {
    struct sim_world *world;
    uint32_t number; // lcores are first
    struct tr_stack *stack;
    struct tr_net_streams *streams; // an lcore's
    uint8_t mac[6];
    uint16_t mtu_bytes;
    struct sim_frame *rx, **rx_last; // arrived, to be taken
    uint32_t rx_count, rx_max;
    uint32_t pieces;  // of so many bytes is a frame that arrives; 0: whole
    uint32_t buffers; // to be had until the next turn
    uint32_t lent;
    bool muted;       // what it sends goes nowhere
    bool gone;        // the stack is destroyed
    uint32_t idle;    // turns in a row that did nothing and were asked for
    uint64_t frames_in, frames_out, bytes_in, bytes_out; // as the device knows
    uint64_t given, taken, ended; // bytes and streams, as the layer above knows
    uint32_t secret;
};

// One direction of a connection.
struct sim_way {
    uint64_t key;   // of the pattern, if there are no bytes
    uint8_t *bytes; // what was sent
    size_t room;
    uint64_t sent, received; // taken by the sender's stack, handed up by the receiver's
    uint64_t left;           // of a talker: to be sent
    // As on the wire. Offsets count from the first byte.
    uint32_t isn;
    bool known; // the ISN is
    uint8_t *arrived; // a byte is 1 if it came to the receiver unhurt
    size_t arrived_room;
    uint64_t in_order; // all before has arrived
    bool fin;          // sent, at `sent`
    uint8_t scale;
    uint32_t edge; // right edge of the window that the receiver has announced
    bool edge_known;
    uint32_t timestamp; // of the sender's last segment
};

struct sim_link {
    bool used, talks;
    uint64_t number, opened_ns, ended_ns;
    struct tr_ip client_ip, server_ip;
    uint16_t client_port, server_port;
    uint32_t host, lcore;
    bool silent; // the client has vanished: nothing of this connection goes through
    struct tr_conn *conn;         // the client's; NULL: closed
    struct sim_client *client;    // NULL: it has let go
    struct tr_stream *stream;     // the server's; NULL: not yet, or closed
    const struct tr_stream_ops *ops; // the port's own
    bool opened, was_open;        // by the client, by the server
    bool closing, eof, paused, blocked, aborted;                       // of the client
    bool server_closing, server_eof, server_paused, server_blocked, server_aborted;
    struct sim_way up, down;
    uint32_t spans; // of the request under way
    uint8_t answer[4096];
    size_t answer_bytes;
};

struct sim_net_options {
    uint32_t hosts, talkers, mss_least;
    uint16_t vlan, mtu_bytes[2]; // lcores, hosts
    bool strips, attacked, reboots;
    bool wraps; // talkers' sequence numbers pass 2^32
    // Of a thousand frames.
    uint32_t loss, repeat, alter, cut, partition, starve;
    uint64_t delay_ns, jitter_ns;
    uint32_t path_mtu; // 0: it never shrinks
    uint64_t talk_bytes;
    uint32_t pause_turns; // about so long
    struct tr_stack_options lcore, host;
    struct tr_connection_options streams;
};

struct sim_net {
    struct sim_net_options options;
    struct sim_end ends[SIM_ENDS_MAX];
    struct sim_frame *frames; // by time
    uint32_t frames_count;
    struct sim_link links[SIM_LINKS];
    uint64_t links_made;
    uint32_t wrapped; // ports that were looked for
    uint64_t apart_until[SIM_ENDS_MAX]; // a host is cut off
    uint32_t path_mtu; // now; 0: any
    bool path_silent;  // and nobody is told
    bool ending;
    struct sim_segment syn_ack; // that came last
    uint64_t ghosts, no_frames, forged, lost;
    struct sim_seen seen[SIM_SEEN];
    uint64_t seen_count;
};

// wire.c
bool sim_segment_parse(const uint8_t *frame, uint32_t bytes, struct sim_segment *segment);
void sim_wire_send(struct sim_end *from, const uint8_t *data, uint32_t bytes);
// Frames whose time has come go to their ends. Returns how many.
uint32_t sim_wire_pump(struct sim_world *world);
void sim_wire_change(struct sim_world *world);
void sim_wire_clear(struct sim_net *net);
void sim_seen_note(struct sim_net *net, uint64_t now, uint32_t from, const uint8_t *data, uint32_t bytes,
                   enum sim_fated fate);

// drawn.c
void sim_net_draw(struct sim_world *world);

// end.c
void sim_secret(const struct sim_end *end, uint8_t secret[16]);
struct tr_ip sim_ip(uint32_t host, bool ipv6, uint32_t number);
int sim_end_open(struct sim_end *end, struct tr_error *error);
// Give a frame to an end's stack, as its device would. One that is hurt is not expected to bring anything.
void sim_end_input(struct sim_end *end, const uint8_t *data, uint32_t bytes, bool hurt);
// As tr_dpdk_poll() has it. Returns work done.
size_t sim_end_turn(struct sim_end *end);

// host.c
bool sim_host_turn(struct sim_end *end);

// link.c
struct sim_link *sim_link_open(struct sim_world *world, uint32_t host, bool talks);
// The last of these names. NULL: none.
struct sim_link *sim_link_find(struct sim_net *net, const struct tr_ip *client_ip, uint16_t client_port,
                               const struct tr_ip *server_ip, uint16_t server_port);
struct sim_link *sim_link_of(struct sim_net *net, const struct sim_segment *segment, bool *up);
void sim_link_send(struct sim_link *link, struct sim_way *way, const void *data, size_t bytes);
// Bytes are handed up.
bool sim_link_came(struct sim_world *world, struct sim_link *link, struct sim_way *way, const uint8_t *data,
                   size_t bytes);
// How many bytes have come to the receiver's stack without a hole.
uint64_t sim_way_in_order(struct sim_way *way);
// Is there anything that was not sent, or has not come?
bool sim_link_is_busy(const struct sim_link *link);
// Does an end's TCP have this connection?
bool sim_end_has(const struct sim_end *end, const struct sim_link *link, bool client);
void sim_link_vanish(struct sim_world *world, struct sim_link *link);
void sim_link_abort(struct sim_link *link);
void sim_link_close(struct sim_link *link);
void sim_link_free(struct sim_link *link);
uint8_t sim_pattern(const struct sim_way *way, uint64_t offset);
struct tr_conn_user sim_link_conn_user(struct sim_end *host);

// serve.c
const struct tr_stream_user *sim_link_stream_user(struct sim_end *lcore);

// told.c
// A segment leaves an end, or comes to one: may it say what it says?
void sim_link_sends(struct sim_world *world, const struct sim_segment *segment);
void sim_link_takes(struct sim_world *world, const struct sim_segment *segment);

// talk.c
bool sim_talk_host(struct sim_end *host);
bool sim_talk_lcore(struct sim_end *lcore);
void sim_talk_input(struct sim_world *world, struct sim_link *link, bool up);
bool sim_talk_send(struct sim_world *world, struct sim_link *link, bool up);

// forge.c
void sim_forge(struct sim_world *world);

#endif
