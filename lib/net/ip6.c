// SPDX-License-Identifier: Apache-2.0
// IPv6 on the way up (RFC 8200). Extension headers are passed over, a bounded number of them; fragments are dropped for
// the reasons in ip4.c, but for an atomic one (RFC 6946), which is a whole packet.
#include "net/stack_internal.h"

#define HEADER_BYTES   40
#define EXTENSIONS_MAX 8
#define OPTION_PAD1    0
#define OPTION_ALERT   5

// Options of a hop-by-hop or destination header: one that is unknown is passed over if its two top bits allow it
// (RFC 8200 4.2). Those that we know need nothing from us.
static bool options_are_good(struct tr_packet *packet, uint32_t bytes)
{
    const uint8_t *option = tr_packet_data(packet) + 2;

    for (bytes -= 2; bytes;) {
        uint32_t length = 1;

        if (option[0] != OPTION_PAD1) {
            if (bytes < 2 || option[1] + 2u > bytes || option[0] & 0xc0)
                return false;
            packet->router_alert |= option[0] == OPTION_ALERT;
            length = option[1] + 2u;
        }
        option += length;
        bytes -= length;
    }
    return true;
}

// One extension header, all of it in the first piece. Returns the counter of what is wrong with it, or NULL.
static uint64_t *extension_skip(struct tr_stack *stack, struct tr_packet *packet, uint8_t *protocol)
{
    struct tr_net_counters *counters = &stack->net_counters;
    const uint8_t *header = tr_packet_data(packet);
    uint32_t bytes = *protocol == TR_PROTOCOL_FRAGMENT ? 8 : (header[1] + 1u) * 8;

    if (packet->end - packet->at < bytes)
        return &counters->drop_short;
    if (packet->frame->bytes < packet->at + bytes)
        return &counters->drop_split;
    switch (*protocol) {
    case TR_PROTOCOL_FRAGMENT:
        if (tr_be16_get(header + 2) & 0xfff9)
            return &counters->drop_fragment;
        break;
    case TR_PROTOCOL_ROUTING: // type 0 is abolished (RFC 5095); with segments left, others are not for hosts
        if (header[2] == 0 || header[3] != 0)
            return &counters->drop_ip6_extension;
        break;
    default:
        if (!options_are_good(packet, bytes))
            return &counters->drop_ip6_extension;
    }
    *protocol = header[0];
    packet->at += bytes;
    return NULL;
}

// Find the protocol behind the extension headers. Returns the counter of what is wrong, or NULL.
static uint64_t *extensions_skip(struct tr_stack *stack, struct tr_packet *packet, uint8_t *protocol)
{
    for (unsigned i = 0;; i++) {
        uint64_t *fault;

        switch (*protocol) {
        case TR_PROTOCOL_HOP_BY_HOP: // only first
            if (i != 0)
                return &stack->net_counters.drop_ip6_extension;
            break;
        case TR_PROTOCOL_ROUTING:
        case TR_PROTOCOL_FRAGMENT:
        case TR_PROTOCOL_DESTINATION:
            break;
        default:
            return NULL;
        }
        if (i == EXTENSIONS_MAX)
            return &stack->net_counters.drop_ip6_extension;
        if (packet->end - packet->at < 8)
            return &stack->net_counters.drop_short;
        if (packet->frame->bytes < packet->at + 8)
            return &stack->net_counters.drop_split;
        fault = extension_skip(stack, packet, protocol);
        if (fault)
            return fault;
    }
}

// Ours, or a group that neighbour discovery uses, in a frame that fits it.
static uint64_t *destination_fault(struct tr_stack *stack, const struct tr_packet *packet)
{
    const struct tr_ip *ip = &packet->destination;
    struct tr_ip solicited = tr_ip6_solicited(ip);

    if (tr_likely(!tr_ip_is_multicast6(ip))) {
        if (tr_ip_is_v4(ip) || !tr_ip_is_own(stack, ip))
            return &stack->net_counters.drop_destination;
        return packet->group ? &stack->net_counters.drop_group : NULL;
    }
    if (!tr_ip_equal(ip, &tr_ip6_all_nodes) &&
        !(tr_ip_equal(ip, &solicited) && tr_solicited_is_own(stack, ip->bytes + 13)))
        return &stack->net_counters.drop_destination;
    return packet->group ? NULL : &stack->net_counters.drop_group;
}

void tr_ip6_input(struct tr_stack *stack, struct tr_packet *packet)
{
    struct tr_net_counters *counters = &stack->net_counters;
    const uint8_t *ip = tr_packet_data(packet);
    uint8_t protocol;
    uint64_t *fault;
    uint32_t bytes;

    if (!tr_packet_has(stack, packet, HEADER_BYTES))
        return;
    bytes = HEADER_BYTES + tr_be16_get(ip + 4);
    if (ip[0] >> 4 != 6 || bytes > packet->end - packet->at)
        return tr_net_drop(&counters->drop_ip6_header);
    packet->hop_limit = ip[7];
    memcpy(packet->source.bytes, ip + 8, 16);
    memcpy(packet->destination.bytes, ip + 24, 16);
    fault = destination_fault(stack, packet);
    if (!fault && tr_ip6_source_bad(stack, &packet->source))
        fault = &counters->drop_source;
    if (fault)
        return tr_net_drop(fault);
    packet->end = packet->at + bytes;
    packet->at += HEADER_BYTES;
    protocol = ip[6];
    fault = extensions_skip(stack, packet, &protocol);
    if (fault)
        return tr_net_drop(fault);
    if (protocol == TR_PROTOCOL_ICMP6)
        return tr_icmp6_input(stack, packet);
    if (packet->group)
        return tr_net_drop(&counters->drop_group);
    if (tr_ip_equal(&packet->source, &tr_ip6_any))
        return tr_net_drop(&counters->drop_source);
    if (protocol == TR_PROTOCOL_TCP)
        return tr_segment_input(stack, packet);
    tr_net_drop(&counters->drop_protocol);
}
