// SPDX-License-Identifier: Apache-2.0
// Neighbour discovery (RFC 4861): who has our addresses, and where next hops are. Routers and prefixes are the config's.
// Answers go to the Ethernet address that the question came from.
#include "net/checksum.h"
#include "net/stack_internal.h"

#define SOLICITATION   135
#define ADVERTISEMENT  136
#define MESSAGE_BYTES  24 // without options
#define OPTION_BYTES   8
#define OPTION_SOURCE  1
#define OPTION_TARGET  2
#define FLAG_SOLICITED 0x40
#define FLAG_OVERRIDE  0x20

// A message with the one option that says our Ethernet address. Returns false: no buffer.
static bool message_send(struct tr_stack *stack, const uint8_t mac[6], const struct tr_ip *from, const struct tr_ip *to,
                         uint8_t type, uint8_t flags, const struct tr_ip *target)
{
    struct tr_frame_out frame = {0};
    struct tr_path path;
    uint16_t checksum;
    uint8_t *icmp;

    tr_path_init_for(stack, &path, from, to, mac, TR_PROTOCOL_ICMP6, 255);
    icmp = tr_path_begin(stack, &path, &frame);
    if (!icmp) {
        tr_net_drop(&stack->net_counters.drop_no_buffer);
        return false;
    }
    memset(icmp, 0, 8);
    icmp[0] = type;
    icmp[4] = flags;
    memcpy(icmp + 8, target->bytes, 16);
    icmp[MESSAGE_BYTES] = type == SOLICITATION ? OPTION_SOURCE : OPTION_TARGET;
    icmp[MESSAGE_BYTES + 1] = 1;
    memcpy(icmp + MESSAGE_BYTES + 2, stack->options.mac, 6);
    checksum = tr_sum_fold(tr_sum(tr_path_pseudo_sum(&path, MESSAGE_BYTES + OPTION_BYTES), icmp, MESSAGE_BYTES + OPTION_BYTES));
    memcpy(icmp + 2, &checksum, 2);
    tr_path_send_other(stack, &path, &frame, MESSAGE_BYTES + OPTION_BYTES);
    return true;
}

bool tr_ndp_solicit(struct tr_stack *stack, const struct tr_ip *local_ip, const struct tr_ip *ip, const uint8_t *mac)
{
    struct tr_ip group = tr_ip6_solicited(ip);
    uint8_t group_mac[6];

    if (mac)
        return message_send(stack, mac, local_ip, ip, SOLICITATION, 0, ip);
    tr_mac_of_group6(&group, group_mac);
    return message_send(stack, group_mac, local_ip, &group, SOLICITATION, 0, ip);
}

bool tr_ndp_announce(struct tr_stack *stack, const struct tr_ip *ip)
{
    uint8_t mac[6];

    tr_mac_of_group6(&tr_ip6_all_nodes, mac);
    return message_send(stack, mac, ip, &tr_ip6_all_nodes, ADVERTISEMENT, FLAG_OVERRIDE, ip);
}

// All options must have a length; *mac is the one of `kind`, or NULL.
static bool options_parse(const uint8_t *option, uint32_t bytes, uint8_t kind, const uint8_t **mac)
{
    *mac = NULL;
    while (bytes) {
        uint32_t length = bytes >= 2 ? option[1] * 8u : 0;

        if (length == 0 || length > bytes)
            return false;
        if (option[0] == kind && length == OPTION_BYTES)
            *mac = option + 2;
        option += length;
        bytes -= length;
    }
    return !*mac || !((*mac)[0] & 1);
}

static void solicitation_input(struct tr_stack *stack, const struct tr_packet *packet, const struct tr_ip *target,
                               const uint8_t *mac)
{
    struct tr_net_counters *counters = &stack->net_counters;
    const uint8_t *ethernet = packet->frame->data + 6;
    bool probe = tr_ip_equal(&packet->source, &tr_ip6_any); // duplicate address detection (RFC 4862)

    if (probe && (mac || !packet->group || tr_ip_equal(&packet->destination, &tr_ip6_all_nodes)))
        return tr_net_drop(&counters->drop_ndp);
    if (mac)
        tr_neighbour_learn(stack, &packet->source, mac, true, false);
    if (!tr_ip_is_own(stack, target))
        return tr_net_drop(&counters->drop_ndp_other);
    if (stack->options.silent)
        return tr_net_drop(&counters->drop_silent);
    if (!tr_bucket_take(&stack->ip.neighbour_bucket, TR_REPLY_INTERVAL_NS, TR_REPLY_BURST, stack->now))
        return tr_net_drop(&counters->drop_neighbour_limited);
    if (probe ? tr_ndp_announce(stack, target)
              : message_send(stack, ethernet, target, &packet->source, ADVERTISEMENT, FLAG_SOLICITED | FLAG_OVERRIDE, target))
        tr_count(&counters->ndp_replies, 1);
}

// RFC 4861 7.2.5.
static void advertisement_input(struct tr_stack *stack, const struct tr_packet *packet, const struct tr_ip *target,
                                uint8_t flags, const uint8_t *mac)
{
    struct tr_net_counters *counters = &stack->net_counters;

    if (flags & FLAG_SOLICITED && packet->group)
        return tr_net_drop(&counters->drop_ndp);
    if (tr_ip_is_own(stack, target))
        return tr_count(&counters->address_conflicts, 1);
    // An answer to a unicast question may leave the option out.
    if (!mac && flags & FLAG_SOLICITED && !(packet->frame->data[6] & 1))
        mac = packet->frame->data + 6;
    if (mac)
        tr_neighbour_learn(stack, target, mac, flags & FLAG_OVERRIDE, flags & FLAG_SOLICITED);
}

void tr_ndp_input(struct tr_stack *stack, struct tr_packet *packet)
{
    const uint8_t *icmp = tr_packet_data(packet), *mac;
    uint32_t bytes = packet->end - packet->at;
    bool solicitation = icmp[0] == SOLICITATION;
    struct tr_ip target;

    if (bytes < MESSAGE_BYTES)
        return tr_net_drop(&stack->net_counters.drop_ndp);
    if (!tr_packet_has(stack, packet, bytes))
        return;
    memcpy(target.bytes, icmp + 8, 16);
    // A hop limit of 255 has passed no router.
    if (packet->hop_limit != 255 || icmp[1] != 0 || tr_ip_is_multicast6(&target) || tr_ip_is_v4(&target) ||
        !options_parse(icmp + MESSAGE_BYTES, bytes - MESSAGE_BYTES, solicitation ? OPTION_SOURCE : OPTION_TARGET, &mac))
        return tr_net_drop(&stack->net_counters.drop_ndp);
    if (memcmp(packet->frame->data + 6, stack->options.mac, 6) == 0)
        return tr_net_drop(&stack->net_counters.drop_ndp_other); // our own, come back
    if (solicitation)
        return solicitation_input(stack, packet, &target, mac);
    if (tr_ip_equal(&packet->source, &tr_ip6_any))
        return tr_net_drop(&stack->net_counters.drop_source);
    advertisement_input(stack, packet, &target, icmp[4], mac);
}
