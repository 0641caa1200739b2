// SPDX-License-Identifier: Apache-2.0
// A stack on virtual time, and a peer made of single segments: what is put in is built byte by byte, what comes out is
// read by a parser of its own, which fails the test for whatever is malformed. Nothing here is lib/net's but the stack.
#ifndef TR_TEST_NET_CONFORM_H
#define TR_TEST_NET_CONFORM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/stack.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, ECE = 64, CWR = 128 };

// A segment that the stack sent.
struct wire {
    uint16_t from, to;
    uint32_t seq, ack;
    uint8_t flags;
    uint16_t window;
    uint8_t data[9000];
    uint32_t bytes; // of data
    bool has_mss, has_scale, sack_ok, has_timestamp;
    uint16_t mss;
    uint8_t scale;
    uint32_t timestamp, timestamp_echo;
    uint32_t sacks, sack[4][2];
    uint8_t tos, ttl;
    uint32_t header_bytes, ip_bytes;
    uint64_t at_ns;
};

#define FRAMES 4096
#define HEARD_BYTES (1u << 20)

// The connection under test, from the peer's side, and what its user heard.
struct world {
    struct tr_stack *stack;
    struct tr_stack_options options;
    uint64_t now;
    bool ipv6;
    uint16_t port, local_port; // of the peer, of the stack
    uint32_t seq;              // the peer's next
    uint32_t ack;              // the stack's next, as far as the peer acknowledges
    uint32_t iss;              // the stack's
    bool timestamps;           // put one into every segment
    uint32_t timestamp_echo;
    uint32_t timestamp_back; // ms that the peer's clock is set back
    uint16_t window;         // what the peer announces

    struct wire *sent; // FRAMES
    uint32_t sent_count, sent_read;
    bool no_buffer, arp_due;
    uint8_t arp[42];

    struct tr_conn *conn;
    bool refuse;
    uint32_t opened, eofs, writables, closeds;
    enum tr_conn_end end;
    uint8_t *heard; // HEARD_BYTES
    uint32_t heard_bytes;
};
extern struct world w;

// The options to begin with; a test may change them before world_open().
struct tr_stack_options world_options(void);
void world_open(const struct tr_stack_options *options);
int world_close(void **state);

// A segment of the peer's. Zeros: seq and ack of the world, its window, its ports.
struct put {
    uint8_t flags;
    bool at;                 // seq and ack are given here
    uint32_t seq, ack;
    bool shut;               // window 0
    uint16_t window;
    const void *data;
    uint32_t bytes;
    const uint8_t *options;  // in place of the timestamp
    uint32_t options_bytes;
    uint16_t port, local_port, urgent;
    bool corrupt;            // one bit of the payload or the header, after the checksum
    bool no_timestamp;
    const char *from, *to;
};
void put_(const struct put *put);
#define put(...) put_(&(struct put){__VA_ARGS__})
// In order: seq moves on.
void say(const void *data, uint32_t bytes);

void turn(void);                // poll until nothing is due at this very time
void run(uint64_t ns);          // let time go by
struct wire *take(void);        // the next segment that went out, after a turn; NULL: none
struct wire *take_data(void);   // the next one with data
struct wire *expect(uint8_t flags, uint32_t seq, uint32_t ack); // PSH is not looked at
void quiet(void);               // nothing goes out
void drain(void);               // what went out does not matter
struct tr_tcp_counters *count(void);

// Handshakes by the peer, with these options in its SYN. Returns the SYN-ACK.
extern const uint8_t plain[4], full[20]; // MSS 1460; that, SACK, a timestamp, window scale 7
#define OPTIONS_FULL full, sizeof(full)
#define OPTIONS_PLAIN plain, sizeof(plain)
struct wire *open_passive(const uint8_t *options, uint32_t bytes);
// By the stack, to 198.18.0.9:5000. Returns the SYN.
struct wire *open_active_begin(void);
void open_active(void);

#define conform_test(name) cmocka_unit_test_teardown(name, world_close)
// The usual world, and a connection in it whose peer offers everything, or only an MSS.
void world_usual(void);
void connected_full(void);
void connected_plain(void);

// Bytes that tell their place.
const uint8_t *pattern(void);
void expect_heard(uint32_t bytes); // pattern()'s first

#endif
