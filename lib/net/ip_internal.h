// SPDX-License-Identifier: Apache-2.0
// What the stack keeps below TCP, and what its files there give each other.
#ifndef TR_NET_IP_INTERNAL_H
#define TR_NET_IP_INTERNAL_H

#include "net/bucket.h"
#include "net/stack.h"
#include "net/wire.h"

struct tr_path;
struct tr_neighbours; // neighbour.c

#define TR_ETHERTYPE_IP4  0x0800
#define TR_ETHERTYPE_ARP  0x0806
#define TR_ETHERTYPE_VLAN 0x8100
#define TR_ETHERTYPE_QINQ 0x88a8
#define TR_ETHERTYPE_IP6  0x86dd

enum tr_protocol {
    TR_PROTOCOL_HOP_BY_HOP = 0,
    TR_PROTOCOL_ICMP4 = 1,
    TR_PROTOCOL_TCP = 6,
    TR_PROTOCOL_ROUTING = 43,
    TR_PROTOCOL_FRAGMENT = 44,
    TR_PROTOCOL_ICMP6 = 58,
    TR_PROTOCOL_NONE = 59,
    TR_PROTOCOL_DESTINATION = 60,
};

// An address of ours, ready to be compared: is (x ^ ip) & mask zero? All in memory order.
struct tr_own4 {
    uint32_t ip, mask;
    uint32_t broadcast; // of its subnet; 0: it has none
};
struct tr_own6 {
    uint64_t ip[2], mask[2];
};

struct tr_ip_part {
    struct tr_own4 own4[TR_STACK_ADDRESSES_MAX];
    struct tr_own6 own6[TR_STACK_ADDRESSES_MAX];
    uint32_t own4_count, own6_count;
    struct tr_bucket echo_bucket, neighbour_bucket; // echo replies; ARP replies and neighbour advertisements
    struct tr_neighbours *neighbours;
    uint64_t announce_ns, mld_ns; // when the next is due, TR_NEVER: none is
    uint32_t announce_rounds;     // left
};

// A packet on its way up. Offsets are from the frame's begin; headers are in its first piece.
struct tr_packet {
    const struct tr_frame *frame;
    uint32_t at;  // what is not parsed yet
    uint32_t end; // behind the packet's last byte, in whichever piece
    bool group;   // the frame was sent to a group of hosts
    bool router_alert;
    uint8_t hop_limit;
    struct tr_ip source, destination;
};

static inline void tr_net_drop(uint64_t *reason)
{
    tr_count(reason, 1);
}

// `bytes` at packet->at are not all there, or not in the first piece: counts which. Returns false.
bool tr_packet_lacks(struct tr_stack *stack, const struct tr_packet *packet, uint32_t bytes) __attribute__((cold));

// Are they there? Counts it if not.
static inline bool tr_packet_has(struct tr_stack *stack, const struct tr_packet *packet, uint32_t bytes)
{
    uint32_t behind = packet->at + bytes;

    return tr_likely(behind <= packet->end && behind <= packet->frame->bytes) || tr_packet_lacks(stack, packet, bytes);
}

static inline const uint8_t *tr_packet_data(const struct tr_packet *packet)
{
    return packet->frame->data + packet->at;
}

// --- up
void tr_ethernet_input(struct tr_stack *stack, const struct tr_frame *frame);
void tr_arp_input(struct tr_stack *stack, struct tr_packet *packet);
void tr_ip4_input(struct tr_stack *stack, struct tr_packet *packet);
void tr_ip6_input(struct tr_stack *stack, struct tr_packet *packet);
void tr_segment_input(struct tr_stack *stack, struct tr_packet *packet);
void tr_icmp4_input(struct tr_stack *stack, struct tr_packet *packet);
void tr_icmp6_input(struct tr_stack *stack, struct tr_packet *packet);
// Checksum and length are verified.
void tr_ndp_input(struct tr_stack *stack, struct tr_packet *packet);
void tr_mld_input(struct tr_stack *stack, struct tr_packet *packet);
// An error message's quote of what we sent, behind the 8 bytes of the ICMP header. what: enum in struct tr_icmp_error.
void tr_icmp_quote_input(struct tr_stack *stack, struct tr_packet *packet, unsigned what, uint32_t mtu_bytes);
// Answer an echo request: its bytes from `at` to `end`. Writes type `reply`.
void tr_echo_reply(struct tr_stack *stack, const struct tr_packet *packet, uint8_t protocol, uint8_t reply);

// --- frames in pieces (frame.c)
static inline uint32_t tr_frame_bytes(const struct tr_frame *frame)
{
    uint32_t bytes = frame->bytes;

    while (tr_unlikely((frame = frame->next) != NULL))
        bytes += frame->bytes;
    return bytes;
}
// Not folded.
uint64_t tr_frame_sum(const struct tr_frame *frame, uint32_t at, uint32_t bytes);
uint64_t tr_frame_sum_copy(uint8_t *to, const struct tr_frame *frame, uint32_t at, uint32_t bytes);

// --- addresses (own.c)
void tr_own_add(struct tr_ip_part *part, const struct tr_net_address *address);
bool tr_ip_is_own(const struct tr_stack *stack, const struct tr_ip *ip);
// May another host have it? Not ours, of no group, no broadcast address.
bool tr_ip_is_other(const struct tr_stack *stack, const struct tr_ip *ip);
// Is it the solicited-node group (RFC 4291 2.7.1) of an address of ours? `low` is the last 3 bytes of the group.
bool tr_solicited_is_own(const struct tr_stack *stack, const uint8_t low[3]);
// No host may send from it. The first: IPv4, memory order.
bool tr_ip4_source_bad(const struct tr_ip_part *part, uint32_t ip);
bool tr_ip6_source_bad(const struct tr_stack *stack, const struct tr_ip *ip); // "::" is for the caller to judge

extern const struct tr_ip tr_ip6_any, tr_ip6_all_nodes, tr_ip6_all_mld;
static inline bool tr_ip_is_multicast6(const struct tr_ip *ip)
{
    return ip->bytes[0] == 0xff;
}
struct tr_ip tr_ip6_solicited(const struct tr_ip *ip);
void tr_mac_of_group6(const struct tr_ip *group, uint8_t mac[6]);

// --- down (ip_output.c)
extern const uint8_t tr_mac_broadcast[6];
// Begin a frame that is not IP. Returns what follows the Ethernet header, or NULL, counted: no buffer.
uint8_t *tr_ethernet_begin(struct tr_stack *stack, struct tr_frame_out *frame, const uint8_t mac[6], uint16_t ethertype);
void tr_ethernet_send(struct tr_stack *stack, struct tr_frame_out *frame, uint32_t bytes);
// tr_path_init() for any protocol.
void tr_path_init_for(const struct tr_stack *stack, struct tr_path *path, const struct tr_ip *local_ip,
                      const struct tr_ip *peer_ip, const uint8_t mac[6], uint8_t protocol, uint8_t hop_limit);
// Put IP's own fields in and send a frame that is not TCP. Its checksums are made here: the device is not asked.
void tr_path_send_other(struct tr_stack *stack, const struct tr_path *path, struct tr_frame_out *frame, uint32_t bytes);
// The pseudo-header's sum, not folded.
uint64_t tr_path_pseudo_sum(const struct tr_path *path, uint32_t bytes);

// --- neighbours
int tr_neighbours_create(struct tr_stack *stack);
void tr_neighbours_destroy(struct tr_stack *stack);
size_t tr_neighbours_poll(struct tr_stack *stack);
uint64_t tr_neighbours_deadline(const struct tr_stack *stack);
void tr_neighbours_check(const struct tr_stack *stack);
// A host has said where it is. Only next hops that we asked for ourselves are kept.
//
// replaces  an address that is known already and differs
// confirms  it answers us: it is there now
void tr_neighbour_learn(struct tr_stack *stack, const struct tr_ip *ip, const uint8_t mac[6], bool replaces, bool confirms);
// Ask for a next hop. mac: only this host, to see that it is still there; NULL: everybody. Returns false: no buffer.
bool tr_arp_request(struct tr_stack *stack, const struct tr_ip *local_ip, const struct tr_ip *ip, const uint8_t *mac);
bool tr_ndp_solicit(struct tr_stack *stack, const struct tr_ip *local_ip, const struct tr_ip *ip, const uint8_t *mac);
// Tell everybody. Returns false: no buffer.
bool tr_arp_announce(struct tr_stack *stack, const struct tr_ip *ip);
bool tr_ndp_announce(struct tr_stack *stack, const struct tr_ip *ip);
bool tr_mld_report(struct tr_stack *stack, bool changed);
size_t tr_announce_poll(struct tr_stack *stack);

// Requests for our addresses are answered up to this rate, and echo requests.
#define TR_REPLY_INTERVAL_NS TR_MS
#define TR_REPLY_BURST       64

#endif
