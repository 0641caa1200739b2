// SPDX-License-Identifier: Apache-2.0
// Ethernet II with at most one 802.1Q tag: which frames are ours, and to whom they go.
#include "net/stack_internal.h"

// Is a group of hosts meant that we are in? Broadcast is for ARP alone, and IPv6 has the groups that neighbour discovery
// needs; a TCP segment to a group is nobody's (RFC 9293 3.10.7, MUST-57).
static bool group_is_ours(const struct tr_stack *stack, const uint8_t *mac, uint16_t ethertype)
{
    static const uint8_t all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};

    if (memcmp(mac, tr_mac_broadcast, 6) == 0)
        return ethertype == TR_ETHERTYPE_ARP;
    if (ethertype != TR_ETHERTYPE_IP6 || mac[0] != 0x33 || mac[1] != 0x33)
        return false;
    return memcmp(mac, all_nodes, 6) == 0 || (mac[2] == 0xff && tr_solicited_is_own(stack, mac + 3));
}

// Move behind the tag. Returns whether it is the port's own VLAN. A tag with VLAN 0 has a priority only.
static bool vlan_is_ours(const struct tr_stack *stack, struct tr_packet *packet, uint16_t *ethertype)
{
    bool taken_off = packet->frame->flags & TR_FRAME_NO_VLAN;
    uint16_t vlan = 0;

    if (tr_likely(*ethertype != TR_ETHERTYPE_VLAN))
        return taken_off || stack->options.vlan == 0;
    vlan = tr_be16_get(tr_packet_data(packet)) & 0xfff;
    *ethertype = tr_be16_get(tr_packet_data(packet) + 2);
    packet->at += 4;
    return !taken_off && vlan == stack->options.vlan;
}

void tr_ethernet_input(struct tr_stack *stack, const struct tr_frame *frame)
{
    struct tr_packet packet = {.frame = frame, .end = tr_frame_bytes(frame)};
    struct tr_net_counters *counters = &stack->net_counters;
    uint16_t ethertype;

    tr_count(&counters->frames_in, 1);
    tr_count(&counters->bytes_in, packet.end);
    if (!tr_packet_has(stack, &packet, 14))
        return;
    ethertype = tr_be16_get(frame->data + 12);
    packet.at = 14;
    if (ethertype == TR_ETHERTYPE_VLAN && !tr_packet_has(stack, &packet, 4))
        return;
    if (!vlan_is_ours(stack, &packet, &ethertype))
        return tr_net_drop(&counters->drop_vlan);
    packet.group = frame->data[0] & 1;
    if (packet.group ? !group_is_ours(stack, frame->data, ethertype) : memcmp(frame->data, stack->options.mac, 6) != 0)
        return tr_net_drop(&counters->drop_mac);
    switch (ethertype) {
    case TR_ETHERTYPE_IP4:
        return tr_ip4_input(stack, &packet);
    case TR_ETHERTYPE_IP6:
        return tr_ip6_input(stack, &packet);
    case TR_ETHERTYPE_ARP:
        return tr_arp_input(stack, &packet);
    case TR_ETHERTYPE_VLAN:
    case TR_ETHERTYPE_QINQ:
        return tr_net_drop(&counters->drop_vlan);
    default:
        return tr_net_drop(&counters->drop_ethertype);
    }
}
