// SPDX-License-Identifier: Apache-2.0
// Between IP and TCP: a segment on its way up, and how a segment finds its way down.
#ifndef TR_NET_SEGMENT_H
#define TR_NET_SEGMENT_H

#include "net/stack.h"
#include "net/tcp_options.h"

enum tr_tcp_flags {
    TR_TCP_FIN = 0x01,
    TR_TCP_SYN = 0x02,
    TR_TCP_RST = 0x04,
    TR_TCP_PSH = 0x08,
    TR_TCP_ACK = 0x10,
    TR_TCP_URG = 0x20,
    TR_TCP_ECE = 0x40,
    TR_TCP_CWR = 0x80,
};

// A TCP segment that arrived for an address of ours, its lengths and checksums verified. Host order. Borrowed.
struct tr_segment {
    struct tr_ip source_ip, destination_ip;
    uint16_t source_port, destination_port;
    uint32_t seq, ack;
    uint16_t window; // as it stands in the header, not scaled
    uint8_t flags;   // enum tr_tcp_flags
    uint8_t mac[6];  // where the frame came from
    uint32_t bytes;  // of payload
    struct tr_frame data; // the payload's first piece, and on; ends after `bytes`
    struct tr_tcp_options options;
};

// What an ICMP error says of a connection of ours.
struct tr_icmp_error {
    struct tr_ip local_ip, peer_ip;
    uint16_t local_port, peer_port;
    uint32_t seq; // of the segment that it quotes: only one in flight is believed (RFC 5927)
    enum { TR_ICMP_TOO_BIG, TR_ICMP_UNREACHABLE_SOFT, TR_ICMP_UNREACHABLE_HARD } what;
    uint32_t mtu_bytes; // TOO_BIG: of the next hop; 0: an old router does not say
};

// How frames get from us to a peer: Ethernet, VLAN and IP header, made once and copied to the front of every frame.
struct tr_path {
    uint8_t header[14 + 4 + 40];
    uint8_t bytes; // of `header`
    uint8_t l2_bytes;
    bool ipv6;
    uint32_t pseudo_sum; // of the pseudo-header's addresses and protocol, not folded
};

// TCP's side (tcp_input.c, tcp_icmp.c).
void tr_tcp_input(struct tr_stack *stack, const struct tr_segment *segment);
void tr_tcp_icmp(struct tr_stack *stack, const struct tr_icmp_error *error);

// IP's side (ip_output.c).

// mac  of the next hop
void tr_path_init(const struct tr_stack *stack, struct tr_path *path, const struct tr_ip *local_ip,
                  const struct tr_ip *peer_ip, const uint8_t mac[6]);
void tr_path_mac_set(struct tr_path *path, const uint8_t mac[6]);

// Begin a frame to be sent. Returns where its TCP header goes, or NULL: the device has no buffer now.
uint8_t *tr_path_begin(struct tr_stack *stack, const struct tr_path *path, struct tr_frame_out *frame);

// Put lengths, identification and checksums in, and send it. The TCP header's checksum field may hold anything.
//
// tcp_bytes    header and payload
// payload_sum  of the payload, not folded, as tr_sum_copy() returned it; ignored if the device puts checksums in
//
// Cost: an IPv4 header's and a TCP header's sum. Never fails.
void tr_path_send(struct tr_stack *stack, const struct tr_path *path, struct tr_frame_out *frame, uint32_t tcp_header_bytes,
                  uint32_t tcp_bytes, uint64_t payload_sum);

// Next hops of connections that we open (neighbour.c): ARP and NDP.
enum tr_neighbour_state { TR_NEIGHBOUR_KNOWN, TR_NEIGHBOUR_ASKED, TR_NEIGHBOUR_UNREACHABLE };
// Find the next hop towards an address; asks for it if it is not known, and repeats that at tr_stack_poll(). While it is
// ASKED, TCP looks again when tr_tcp_neighbour() says that it is there, or its own SYN timer ends.
enum tr_neighbour_state tr_neighbour_find(struct tr_stack *stack, const struct tr_ip *local_ip, const struct tr_ip *to,
                                          uint8_t mac[6]);
// TCP's side: the next hop `ip` has become known.
void tr_tcp_neighbour(struct tr_stack *stack, const struct tr_ip *ip);

#endif
