// SPDX-License-Identifier: Apache-2.0
// What the stack counts below TCP.
#ifndef TR_NET_NET_COUNTERS_H
#define TR_NET_NET_COUNTERS_H

#include "base/counter.h"

#define TR_NET_DROP_(X, field, help) X(drop_##field, COUNTER, "net_drops_total", "reason=\"" #field "\"", help)

// clang-format off
#define TR_NET_COUNTERS(X)                                                                                   \
    X(frames_in, COUNTER, "net_frames_total", "direction=\"in\"", "Frames of a DPDK port.")                  \
    X(frames_out, COUNTER, "net_frames_total", "direction=\"out\"", "Frames of a DPDK port.")                \
    X(bytes_in, COUNTER, "net_bytes_total", "direction=\"in\"", "Bytes of frames.")                          \
    X(bytes_out, COUNTER, "net_bytes_total", "direction=\"out\"", "Bytes of frames.")                        \
    TR_NET_DROP_(X, short, "Frames that end inside a header.")                                               \
    TR_NET_DROP_(X, split, "Frames whose headers are not all in the first piece.")                           \
    TR_NET_DROP_(X, vlan, "Frames of another VLAN, or without the tag that the port has.")                   \
    TR_NET_DROP_(X, mac, "Frames for another Ethernet address, or a group that we are not in.")              \
    TR_NET_DROP_(X, ethertype, "Frames that are neither IP nor ARP.")                                        \
    TR_NET_DROP_(X, arp, "Malformed ARP packets.")                                                           \
    TR_NET_DROP_(X, arp_other, "ARP packets that concern other hosts.")                                      \
    TR_NET_DROP_(X, ip4_header, "IPv4 headers with a wrong version or lengths.")                             \
    TR_NET_DROP_(X, ip4_checksum, "IPv4 headers with a wrong checksum.")                                     \
    TR_NET_DROP_(X, ip4_options, "IPv4 options that are malformed or ask for source routing.")               \
    TR_NET_DROP_(X, ip6_header, "IPv6 headers with a wrong version or length.")                              \
    TR_NET_DROP_(X, ip6_extension, "IPv6 extension headers that are malformed, too many, or not supported.") \
    TR_NET_DROP_(X, source, "Packets from an address that no host may send from (group, loopback, our own).") \
    TR_NET_DROP_(X, destination, "Packets for an address that is not ours.")                                 \
    TR_NET_DROP_(X, group, "Packets for an address of ours in a frame for a group, or the other way round.") \
    TR_NET_DROP_(X, fragment, "Fragments: they are never reassembled.")                                      \
    TR_NET_DROP_(X, protocol, "Packets that are neither TCP nor ICMP.")                                      \
    TR_NET_DROP_(X, tcp_header, "TCP headers with wrong lengths or options.")                                \
    TR_NET_DROP_(X, tcp_checksum, "TCP segments with a wrong checksum.")                                     \
    TR_NET_DROP_(X, icmp, "Malformed ICMP messages.")                                                        \
    TR_NET_DROP_(X, icmp_checksum, "ICMP messages with a wrong checksum.")                                   \
    TR_NET_DROP_(X, icmp_other, "ICMP messages that mean nothing to us: redirects or router advertisements.") \
    TR_NET_DROP_(X, icmp_quote, "ICMP errors about something that we can't have sent.")                      \
    TR_NET_DROP_(X, ndp, "Malformed neighbour discovery or MLD messages, or from beyond the link.")          \
    TR_NET_DROP_(X, ndp_other, "Neighbour discovery messages that concern other hosts.")                     \
    TR_NET_DROP_(X, silent, "ARP, NDP and echo requests left to the kernel, which has the address too.")     \
    TR_NET_DROP_(X, echo_limited, "Echo requests above the rate that is answered, or longer than the MTU.")  \
    TR_NET_DROP_(X, neighbour_limited, "ARP and NDP requests above the rate that is answered.")              \
    TR_NET_DROP_(X, no_buffer, "Frames not sent below TCP because the device had no buffer.")                \
    X(icmp_errors, COUNTER, "net_icmp_errors_total", "", "ICMP errors about TCP from us, handed to TCP.")    \
    X(echo_replies, COUNTER, "net_replies_total", "kind=\"echo\"", "Answers sent.")                          \
    X(arp_replies, COUNTER, "net_replies_total", "kind=\"arp\"", "Answers sent.")                            \
    X(ndp_replies, COUNTER, "net_replies_total", "kind=\"ndp\"", "Answers sent.")                            \
    X(mld_reports, COUNTER, "net_replies_total", "kind=\"mld\"", "Answers sent.")                            \
    X(address_conflicts, COUNTER, "net_address_conflicts_total", "", "Frames of another host that says it has our address.") \
    X(neighbour_requests, COUNTER, "net_neighbour_requests_total", "", "ARP and NDP requests sent.")         \
    X(neighbour_unreachable, COUNTER, "net_neighbour_unreachable_total", "", "Next hops that did not answer.") \
    X(neighbour_evicted, COUNTER, "net_neighbour_evicted_total", "", "Next hops forgotten for want of room.")
// clang-format on
TR_COUNTERS_DECLARE(net, TR_NET_COUNTERS)

#endif
