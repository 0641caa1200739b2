// SPDX-License-Identifier: Apache-2.0
// attack: hostile TCP against a server in a network namespace of the test's own. Raw frames through AF_PACKET, bounded
// in time and count. Sources are 198.19.0.0/16, addresses that nobody has, and the connections of others that it is
// told of (victims).
#ifndef ATTACK_H
#define ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ATTACK_BATCH       64
#define ATTACK_FRAME_BYTES 1514
#define ATTACK_VICTIMS_MAX 4096
#define ATTACK_SOURCES     0xc6130000u // 198.19.0.0/16

enum tcp_flags { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16 };

struct victim {
    uint32_t ip;
    uint16_t port;
};

struct attack {
    const char *mode;
    uint8_t own_mac[6], server_mac[6];
    uint32_t server_ip; // host order, as all addresses and ports here
    uint16_t server_port;
    struct victim victims[ATTACK_VICTIMS_MAX];
    uint32_t victims_count;
    uint64_t count_max; // frames
    double rate;        // frames/s; 0: as fast as it goes
    uint32_t connections;
    uint64_t seed, begun_ns, end_ns;

    int fd;
    uint32_t batch_count;
    uint32_t batch_bytes[ATTACK_BATCH];
    uint8_t batch[ATTACK_BATCH][ATTACK_FRAME_BYTES];
    uint16_t ip_id;

    uint64_t sent, refused; // frames: by the interface
    uint64_t received, established, resets, answered, answered_ok;
};

struct segment {
    struct victim from;
    uint32_t seq, ack;
    uint8_t flags;
    uint16_t window;
    const void *options; // a multiple of four bytes
    size_t options_bytes;
    const void *payload;
    size_t payload_bytes;
};

// A fragment of a TCP segment.
struct fragment {
    uint32_t from_ip;
    uint16_t id, offset_bytes;
    bool more;
    const void *payload;
    size_t payload_bytes;
};

// A segment that the server sent to one of our addresses.
struct received {
    struct victim to;
    uint32_t seq, ack;
    uint8_t flags;
    const uint8_t *payload;
    size_t payload_bytes;
};

// attack_wire.c
void attack_open(struct attack *a, const char *interface, bool receives);
void attack_segment(struct attack *a, const struct segment *s);
void attack_fragment(struct attack *a, const struct fragment *f);
void attack_flush(struct attack *a);
// The next segment that arrived; false: none now. Its payload is valid until the next call.
bool attack_receive(struct attack *a, struct received *r);
uint64_t attack_now_ns(void);
bool attack_is_over(const struct attack *a);
// A number for (seed, x), the same in every run.
uint64_t attack_draw(const struct attack *a, uint64_t x);

// attack_flood.c: frames without a connection. attack_hold.c: with many. Return false: no such mode.
bool attack_flood(struct attack *a);
bool attack_hold(struct attack *a);

#endif
