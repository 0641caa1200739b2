// SPDX-License-Identifier: Apache-2.0
// What a net_af_xdp port takes from an interface that the kernel goes on using.
//
// Of an address that the kernel has as well: TCP to our ports, and the ICMP errors about what we sent from them, so
// that path MTU discovery works. All else stays the kernel's: ARP, NDP, echo, SSH, and what it can't be told of at a
// glance (later fragments, IPv6 with extension headers). The first fragment of a segment to one of our ports is taken:
// the kernel would put the segment together, find no listener and reset our connection. Our stack counts and drops it,
// and the rest times out in the kernel.
//
// Of an address that the kernel doesn't have: everything, and ARP requests and neighbour solicitations for it.
//
// DPDK's net_af_xdp loads this (devarg xdp_prog) and puts its sockets into `xsks_map`; lib/port/xdp.c fills the other
// maps. While no port is set, or when the sockets are gone with their process, every frame passes.
//
// "frags": the program may sit on an interface whose frames are longer than a page. Only the first part of such a
// frame is looked at, which holds the headers; a socket gets no frame longer than its own.
#include "port/xdp_maps.h"

#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define IPV4_OFFSET_MASK 0x1fff
#define IPV4_MORE_FRAGMENTS 0x2000
#define ICMP_UNREACHABLE 3 // "fragmentation needed" among them
#define ICMP_TIME_EXCEEDED 11
#define NEIGHBOUR_SOLICITATION 135

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, TR_XDP_QUEUES_MAX);
    __type(key, __u32);
    __type(value, __u32);
} xsks_map SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, TR_XDP_PORTS_MAX);
    __type(key, __be16);
    __type(value, __u8);
} tr_ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, TR_XDP_ADDRESSES_MAX);
    __type(key, struct tr_xdp_address);
    __type(value, __u8);
} tr_addresses SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct tr_xdp_settings);
} tr_settings SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, TR_XDP_COUNTERS);
    __type(key, __u32);
    __type(value, __u64);
} tr_counters SEC(".maps");

struct vlan_header {
    __be16 tag;
    __be16 protocol;
};

struct icmp_header { // of both families; the quoted packet follows
    __u8 type, code;
    __be16 checksum;
    __be32 rest;
};

struct port_pair { // how a TCP header begins
    __be16 source, destination;
};

struct arp_packet { // for IPv4 over Ethernet
    __be16 hardware, protocol;
    __u8 hardware_bytes, protocol_bytes;
    __be16 operation;
    __u8 sender_mac[6], sender_ip[4], target_mac[6], target_ip[4];
};

static __always_inline bool port_is_ours(__be16 port)
{
    return bpf_map_lookup_elem(&tr_ports, &port);
}

static __always_inline enum tr_xdp_owner owner_find(const struct tr_xdp_settings *settings,
                                                    const struct tr_xdp_address *address)
{
    const __u8 *owner;

    if (!settings->address_count)
        return TR_XDP_SHARED;
    owner = bpf_map_lookup_elem(&tr_addresses, address);
    return owner ? *owner : TR_XDP_NOBODY;
}

static __always_inline enum tr_xdp_owner ipv4_owner(const struct tr_xdp_settings *settings, const void *address)
{
    struct tr_xdp_address key = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};

    __builtin_memcpy(key.bytes + 12, address, 4);
    return owner_find(settings, &key);
}

static __always_inline enum tr_xdp_owner ipv6_owner(const struct tr_xdp_settings *settings, const void *address)
{
    struct tr_xdp_address key;

    __builtin_memcpy(key.bytes, address, 16);
    return owner_find(settings, &key);
}

// The packet that an error quotes: was it TCP from one of our ports?
static __always_inline bool ipv4_quote_is_ours(const struct tr_xdp_settings *settings, const void *quote,
                                               const void *end)
{
    const struct iphdr *ip = quote;
    const struct port_pair *ports;

    if (ip + 1 > (const struct iphdr *)end || ip->version != 4 || ip->ihl < 5 || ip->protocol != IPPROTO_TCP ||
        ip->frag_off & bpf_htons(IPV4_OFFSET_MASK))
        return false;
    ports = quote + ip->ihl * 4;
    return ports + 1 <= (const struct port_pair *)end && port_is_ours(ports->source) &&
           ipv4_owner(settings, &ip->saddr) != TR_XDP_NOBODY;
}

static __always_inline bool ipv6_quote_is_ours(const struct tr_xdp_settings *settings, const void *quote,
                                               const void *end)
{
    const struct ipv6hdr *ip = quote;
    const struct port_pair *ports = quote + sizeof(*ip);

    return ports + 1 <= (const struct port_pair *)end && ip->version == 6 && ip->nexthdr == IPPROTO_TCP &&
           port_is_ours(ports->source) && ipv6_owner(settings, &ip->saddr) != TR_XDP_NOBODY;
}

static __always_inline bool ipv4_is_taken(const struct tr_xdp_settings *settings, const void *packet, const void *end)
{
    const struct iphdr *ip = packet;
    const struct port_pair *ports;
    const struct icmp_header *icmp;
    enum tr_xdp_owner owner;

    if (ip + 1 > (const struct iphdr *)end || ip->version != 4 || ip->ihl < 5)
        return false;
    owner = ipv4_owner(settings, &ip->daddr);
    if (owner != TR_XDP_SHARED || ip->frag_off & bpf_htons(IPV4_OFFSET_MASK))
        return owner == TR_XDP_ALONE;
    if (ip->protocol == IPPROTO_TCP) {
        ports = packet + ip->ihl * 4;
        return ports + 1 <= (const struct port_pair *)end && port_is_ours(ports->destination);
    }
    if (ip->protocol != IPPROTO_ICMP || ip->frag_off & bpf_htons(IPV4_MORE_FRAGMENTS))
        return false;
    icmp = packet + ip->ihl * 4;
    if (icmp + 1 > (const struct icmp_header *)end ||
        (icmp->type != ICMP_UNREACHABLE && icmp->type != ICMP_TIME_EXCEEDED))
        return false;
    return ipv4_quote_is_ours(settings, icmp + 1, end);
}

// Goes to a multicast group: the address asked for is in it.
static __always_inline bool solicitation_is_ours(const struct tr_xdp_settings *settings,
                                                 const struct icmp_header *icmp, const void *end)
{
    const struct in6_addr *target = (const void *)(icmp + 1);

    return target + 1 <= (const struct in6_addr *)end && icmp->type == NEIGHBOUR_SOLICITATION &&
           ipv6_owner(settings, target) == TR_XDP_ALONE;
}

static __always_inline bool ipv6_is_taken(const struct tr_xdp_settings *settings, const void *packet, const void *end)
{
    const struct ipv6hdr *ip = packet;
    const struct port_pair *ports = packet + sizeof(*ip);
    const struct icmp_header *icmp = packet + sizeof(*ip);

    enum tr_xdp_owner owner;

    if (ports + 1 > (const struct port_pair *)end || ip->version != 6)
        return false;
    if (ip->nexthdr == IPPROTO_ICMPV6 && solicitation_is_ours(settings, icmp, end))
        return true;
    owner = ipv6_owner(settings, &ip->daddr);
    if (owner != TR_XDP_SHARED)
        return owner == TR_XDP_ALONE;
    if (ip->nexthdr == IPPROTO_TCP)
        return port_is_ours(ports->destination);
    if (ip->nexthdr != IPPROTO_ICMPV6 || icmp + 1 > (const struct icmp_header *)end)
        return false;
    if (icmp->type != ICMPV6_DEST_UNREACH && icmp->type != ICMPV6_PKT_TOOBIG && icmp->type != ICMPV6_TIME_EXCEED)
        return false;
    return ipv6_quote_is_ours(settings, icmp + 1, end);
}

static __always_inline bool arp_is_taken(const struct tr_xdp_settings *settings, const void *packet, const void *end)
{
    const struct arp_packet *arp = packet;

    return arp + 1 <= (const struct arp_packet *)end && arp->protocol == bpf_htons(ETH_P_IP) &&
           arp->hardware_bytes == 6 && arp->protocol_bytes == 4 && ipv4_owner(settings, arp->target_ip) == TR_XDP_ALONE;
}

static __always_inline bool frame_is_taken(const struct tr_xdp_settings *settings, const void *frame, const void *end)
{
    const struct ethhdr *ethernet = frame;
    const void *packet = ethernet + 1;
    const struct vlan_header *vlan;
    __be16 protocol;

    if (packet > end)
        return false;
    protocol = ethernet->h_proto;
    if (protocol == bpf_htons(ETH_P_8021Q) || protocol == bpf_htons(ETH_P_8021AD)) {
        vlan = packet;
        packet = vlan + 1;
        if (packet > end)
            return false;
        protocol = vlan->protocol;
    }
    if (protocol == bpf_htons(ETH_P_ARP))
        return arp_is_taken(settings, packet, end);
    if (protocol == bpf_htons(ETH_P_IP))
        return ipv4_is_taken(settings, packet, end);
    return protocol == bpf_htons(ETH_P_IPV6) && ipv6_is_taken(settings, packet, end);
}

SEC("xdp.frags")
int tr_xdp_filter(struct xdp_md *context)
{
    const void *frame = (const void *)(long)context->data, *end = (const void *)(long)context->data_end;
    const struct tr_xdp_settings *settings;
    __u32 zero = 0, counter;
    __u64 *count;
    long verdict;

    settings = bpf_map_lookup_elem(&tr_settings, &zero);
    if (!settings || !settings->port_count || !frame_is_taken(settings, frame, end))
        return XDP_PASS;
    verdict = bpf_redirect_map(&xsks_map, context->rx_queue_index, XDP_PASS);
    counter = verdict == XDP_REDIRECT ? TR_XDP_TAKEN : TR_XDP_NO_SOCKET;
    count = bpf_map_lookup_elem(&tr_counters, &counter);
    if (count)
        (*count)++;
    return verdict;
}

char tr_license[] SEC("license") = "Apache-2.0";
