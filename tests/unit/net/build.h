// SPDX-License-Identifier: Apache-2.0
// Builds frames for tests, byte by byte and with sums of its own: nothing of it is lib/net's.
#ifndef TR_TEST_NET_BUILD_H
#define TR_TEST_NET_BUILD_H

#include "base/tr.h"

struct built {
    uint8_t data[9300];
    uint32_t bytes, l3, l4;
    bool ipv6;
};

void build_put(struct built *built, const void *data, size_t bytes);
void build_put16(struct built *built, uint16_t value);
void build_put32(struct built *built, uint32_t value);
// vlan  -1: no tag
void build_ethernet(struct built *built, const uint8_t to[6], const uint8_t from[6], int vlan, uint16_t ethertype);
// Addresses as text. Lengths and checksums come with build_finish().
void build_ip4(struct built *built, const char *from, const char *to, uint8_t protocol);
void build_ip6(struct built *built, const char *from, const char *to, uint8_t protocol, uint8_t hop_limit);
void build_tcp(struct built *built, uint16_t from, uint16_t to, uint32_t seq, uint32_t ack, uint8_t flags,
               const void *payload, size_t bytes);
// Set the IP header's lengths (and sum), and the sum of what follows by its protocol; extension headers are passed over.
void build_finish(struct built *built);
// The sum of an IP packet's TCP or ICMP part with its pseudo-header: 0 if its checksum is good.
uint16_t build_l4_sum(const uint8_t *ip, uint32_t bytes);
uint16_t build_naive_sum(uint32_t sum, const uint8_t *data, size_t bytes);

#endif
