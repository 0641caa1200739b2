// SPDX-License-Identifier: Apache-2.0
// What the stack keeps below TCP.
#ifndef TR_NET_IP_INTERNAL_H
#define TR_NET_IP_INTERNAL_H

#include "net/bucket.h"
#include "net/stack.h"

struct tr_neighbours; // neighbour.c

// An address of ours, ready to be compared: is (x ^ ip) & mask zero?
struct tr_own {
    uint64_t ip[2], mask[2]; // memory order
};

struct tr_ip_part {
    struct tr_own own[TR_STACK_ADDRESSES_MAX];
    struct tr_bucket echo_bucket, neighbour_bucket; // echo replies; ARP replies and neighbour advertisements
    struct tr_neighbours *neighbours;
    uint64_t announce_ns, mld_ns; // when the next is due, TR_NEVER: none is
    uint32_t announce_rounds;     // left
};

// Is it one of ours?
static inline bool tr_ip_is_own(const struct tr_ip_part *part, uint32_t count, const struct tr_ip *ip)
{
    uint64_t words[2];

    memcpy(words, ip, sizeof(words));
    for (uint32_t i = 0; i < count; i++)
        if ((((words[0] ^ part->own[i].ip[0]) & part->own[i].mask[0]) |
             ((words[1] ^ part->own[i].ip[1]) & part->own[i].mask[1])) == 0)
            return true;
    return false;
}

#endif
