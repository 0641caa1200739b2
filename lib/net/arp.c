// SPDX-License-Identifier: Apache-2.0
// ARP for IPv4 over Ethernet (RFC 826), with probes and announcements (RFC 5227).
#include "net/segment.h"
#include "net/stack_internal.h"

#define ARP_BYTES 28

enum { ARP_REQUEST = 1, ARP_REPLY = 2 };
// Where the fields are.
enum { OPERATION = 6, SENDER_MAC = 8, SENDER_IP = 14, TARGET_MAC = 18, TARGET_IP = 24 };

static const uint8_t ethernet_ip4[OPERATION] = {0, 1, 8, 0, 6, 4};

// target_mac  NULL: not known
static bool arp_send(struct tr_stack *stack, const uint8_t mac[6], uint16_t operation, const uint8_t sender_ip[4],
                     const uint8_t *target_mac, const uint8_t target_ip[4])
{
    struct tr_frame_out frame;
    uint8_t *arp = tr_ethernet_begin(stack, &frame, mac, TR_ETHERTYPE_ARP);

    if (!arp)
        return false;
    memcpy(arp, ethernet_ip4, sizeof(ethernet_ip4));
    tr_be16_put(arp + OPERATION, operation);
    memcpy(arp + SENDER_MAC, stack->options.mac, 6);
    memcpy(arp + SENDER_IP, sender_ip, 4);
    if (target_mac)
        memcpy(arp + TARGET_MAC, target_mac, 6);
    else
        memset(arp + TARGET_MAC, 0, 6);
    memcpy(arp + TARGET_IP, target_ip, 4);
    tr_ethernet_send(stack, &frame, ARP_BYTES);
    return true;
}

bool tr_arp_request(struct tr_stack *stack, const struct tr_ip *local_ip, const struct tr_ip *ip, const uint8_t *mac)
{
    return arp_send(stack, mac ? mac : tr_mac_broadcast, ARP_REQUEST, local_ip->bytes + 12, NULL, ip->bytes + 12);
}

bool tr_arp_announce(struct tr_stack *stack, const struct tr_ip *ip)
{
    return arp_send(stack, tr_mac_broadcast, ARP_REQUEST, ip->bytes + 12, NULL, ip->bytes + 12);
}

static void request_input(struct tr_stack *stack, const uint8_t *arp)
{
    struct tr_net_counters *counters = &stack->net_counters;

    if (stack->options.silent)
        return tr_net_drop(&counters->drop_silent);
    if (!tr_bucket_take(&stack->ip.neighbour_bucket, TR_REPLY_INTERVAL_NS, TR_REPLY_BURST, stack->now))
        return tr_net_drop(&counters->drop_neighbour_limited);
    if (arp_send(stack, arp + SENDER_MAC, ARP_REPLY, arp + TARGET_IP, arp + SENDER_MAC, arp + SENDER_IP))
        tr_count(&counters->arp_replies, 1);
}

void tr_arp_input(struct tr_stack *stack, struct tr_packet *packet)
{
    struct tr_net_counters *counters = &stack->net_counters;
    const uint8_t *arp = tr_packet_data(packet);
    struct tr_ip sender, target;
    uint32_t sender_word;
    uint16_t operation;

    if (!tr_packet_has(stack, packet, ARP_BYTES))
        return;
    operation = tr_be16_get(arp + OPERATION);
    if (memcmp(arp, ethernet_ip4, sizeof(ethernet_ip4)) != 0 || (operation != ARP_REQUEST && operation != ARP_REPLY) ||
        arp[SENDER_MAC] & 1)
        return tr_net_drop(&counters->drop_arp);
    sender = tr_ip_v4(arp + SENDER_IP);
    target = tr_ip_v4(arp + TARGET_IP);
    memcpy(&sender_word, arp + SENDER_IP, 4);
    if (memcmp(arp + SENDER_MAC, stack->options.mac, 6) == 0)
        return tr_net_drop(&counters->drop_arp_other); // our own, come back
    if (tr_ip_is_own(stack, &sender))
        return tr_count(&counters->address_conflicts, 1);
    if (sender_word != 0 && tr_ip4_source_bad(&stack->ip, sender_word))
        return tr_net_drop(&counters->drop_arp);
    // A probe (sender 0) is no next hop that anybody asks for.
    tr_neighbour_learn(stack, &sender, arp + SENDER_MAC, true, operation == ARP_REPLY && !packet->group);
    if (!tr_ip_is_own(stack, &target))
        return tr_net_drop(&counters->drop_arp_other);
    if (operation == ARP_REQUEST)
        request_input(stack, arp);
}
