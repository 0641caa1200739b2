// SPDX-License-Identifier: Apache-2.0
// A stack below TCP on a test bench: what it sends and what it hands up is kept. bed.c stands in for TCP.
#ifndef TR_TEST_NET_BED_H
#define TR_TEST_NET_BED_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "build.h"
#include "net/stack_internal.h"

#define BED_FRAMES 256

struct bed_frame {
    uint8_t data[9300];
    struct tr_frame_out out;
};

struct bed {
    struct tr_stack *stack;
    uint64_t now;
    bool no_buffer;
    struct bed_frame sent[BED_FRAMES];
    uint32_t sent_count;
    struct tr_segment segment; // the last one
    uint8_t payload[9300];     // its payload, gathered
    uint32_t segments;
    struct tr_icmp_error icmp;
    uint32_t icmps;
    struct tr_ip neighbour;
    uint32_t neighbours;
};
extern struct bed bed;

extern const uint8_t bed_mac[6], bed_peer_mac[6], bed_broadcast[6];
#define BED_IP4      "198.18.0.2"
#define BED_IP6      "fd00:1::2"
#define BED_PEER_IP4 "198.18.0.9"
#define BED_PEER_IP6 "fd00:1::9"

// 198.18.0.2/24 and fd00:1::2/64, gateways .1 and ::1, untagged, MTU 1500.
struct tr_stack_options bed_options(void);
void bed_open(const struct tr_stack_options *options);
int bed_close(void **state);
// Hand a frame to the stack. The second in pieces of `cut` bytes behind a first one of `first`.
void bed_input(const struct built *built);
void bed_input_flags(const struct built *built, uint32_t flags);
void bed_input_pieces(const struct built *built, uint32_t first, uint32_t cut);
// The one frame that was sent since the last call; fails the test if it is not one.
const struct bed_frame *bed_sent_one(void);
void bed_sent_none(void);
struct tr_ip bed_ip(const char *text);
struct tr_net_counters *bed_counters(void);

// A segment of 10 bytes from the peer, whole.
void bed_segment4(struct built *built);
void bed_segment6(struct built *built);
// Was it handed up, or counted as `counter`, and that alone?
void bed_expect_up(const struct built *built);
void bed_expect_drop_(const struct built *built, uint32_t flags, const uint64_t *counter);
#define bed_expect_drop(built, field) bed_expect_drop_(built, 0, &bed_counters()->drop_##field)

#endif
