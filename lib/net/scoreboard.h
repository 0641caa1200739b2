// SPDX-License-Identifier: Apache-2.0
// The sender's side of SACK (RFC 6675): what of the data in flight the peer has, what is lost, what to send again.
#ifndef TR_NET_SCOREBOARD_H
#define TR_NET_SCOREBOARD_H

#include "net/tcp_options.h"

#define TR_SACKED_MAX 16 // ranges; what does not fit is forgotten, which costs a retransmission and nothing else

struct tr_scoreboard {
    struct tr_sack_block ranges[TR_SACKED_MAX]; // ascending, apart from each other, above una
    uint32_t count;
    uint32_t sacked_bytes;
    // Everything before this that is not sacked was sent again in this recovery. The caller's: una when recovery begins,
    // then the end of what it sent of a hole. Outside una..next it counts as una.
    uint32_t retransmitted;
};

void tr_scoreboard_clear(struct tr_scoreboard *scoreboard);

// Take the blocks of an ACK, after tr_scoreboard_acknowledge(una). Blocks outside una..next are ignored; *duplicate
// tells of a D-SACK (RFC 2883: the first block lies below una, or within the second).
//
// Returns how many bytes were sacked that were not before.
uint32_t tr_scoreboard_update(struct tr_scoreboard *scoreboard, uint32_t una, uint32_t next,
                              const struct tr_sack_block *blocks, uint32_t count, bool *duplicate);
// Everything before `una` is acknowledged.
void tr_scoreboard_acknowledge(struct tr_scoreboard *scoreboard, uint32_t una);

// IsLost (RFC 6675 section 4): more than (3 - 1) * mss bytes, or 3 ranges, are sacked above `seq`.
bool tr_scoreboard_lost(const struct tr_scoreboard *scoreboard, uint32_t seq, uint32_t mss_bytes);

// SetPipe: bytes that are believed in flight.
uint32_t tr_scoreboard_pipe(const struct tr_scoreboard *scoreboard, uint32_t una, uint32_t next, uint32_t mss_bytes);

// NextSeg, rules 1 and 3: the next range that is lost (or, with `any`, not sacked) and was not sent again in this
// recovery. Returns false: none. What is sent of it is to be noted in `retransmitted`.
bool tr_scoreboard_hole(const struct tr_scoreboard *scoreboard, uint32_t una, uint32_t mss_bytes, bool any,
                        struct tr_sack_block *hole);

#endif
