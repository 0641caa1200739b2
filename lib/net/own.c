// SPDX-License-Identifier: Apache-2.0
// Which addresses are ours, and which nobody may send from.
#include "net/stack_internal.h"

const struct tr_ip tr_ip6_any;
const struct tr_ip tr_ip6_all_nodes = {{0xff, 2, [15] = 1}};
const struct tr_ip tr_ip6_all_mld = {{0xff, 2, [15] = 0x16}};

void tr_own_init(struct tr_own *own, const struct tr_net_address *address)
{
    uint8_t mask[16] = {0};

    memset(own, 0, sizeof(*own));
    for (unsigned bit = 0; bit < address->own_bits; bit++)
        mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    memcpy(own->mask, mask, sizeof(mask));
    memcpy(own->ip, address->ip.bytes, sizeof(own->ip));
    // A /31 has no broadcast address (RFC 3021), nor has IPv6.
    if (tr_ip_is_v4(&address->ip) && address->prefix_bits <= 126) {
        own->broadcast = address->ip;
        for (unsigned bit = address->prefix_bits; bit < 128; bit++)
            own->broadcast.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    }
}

bool tr_ip_is_own(const struct tr_stack *stack, const struct tr_ip *ip)
{
    const struct tr_own *own = stack->ip.own;
    uint64_t words[2];

    memcpy(words, ip, sizeof(words));
    for (uint32_t i = 0; i < stack->options.addresses_count; i++)
        if ((((words[0] ^ own[i].ip[0]) & own[i].mask[0]) | ((words[1] ^ own[i].ip[1]) & own[i].mask[1])) == 0)
            return true;
    return false;
}

bool tr_solicited_is_own(const struct tr_stack *stack, const uint8_t low[3])
{
    for (uint32_t i = 0; i < stack->options.addresses_count; i++) {
        const struct tr_net_address *address = &stack->options.addresses[i];
        struct tr_ip ip = address->ip;

        if (tr_ip_is_v4(&ip))
            continue;
        memcpy(ip.bytes + 13, low, 3);
        if (tr_ip_prefix_equal(&ip, &address->ip, address->own_bits))
            return true;
    }
    return false;
}

// Sources: RFC 1122 3.2.1.3, RFC 6890.
bool tr_ip4_source_bad(const struct tr_stack *stack, const struct tr_ip *ip)
{
    uint8_t first = ip->bytes[12];

    if (first == 0 || first == 127 || first >= 224 || tr_ip_is_own(stack, ip))
        return true;
    for (uint32_t i = 0; i < stack->options.addresses_count; i++)
        if (tr_ip_equal(ip, &stack->ip.own[i].broadcast))
            return true;
    return false;
}

// A mapped IPv4 address must not come from the wire: it would be taken for one of IPv4's (RFC 4942 2.2).
bool tr_ip6_source_bad(const struct tr_stack *stack, const struct tr_ip *ip)
{
    static const struct tr_ip loopback = {{[15] = 1}};

    return tr_ip_is_multicast6(ip) || tr_ip_equal(ip, &loopback) || tr_ip_is_v4(ip) || tr_ip_is_own(stack, ip);
}

struct tr_ip tr_ip6_solicited(const struct tr_ip *ip)
{
    struct tr_ip group = {{0xff, 2, [11] = 1, [12] = 0xff}};

    memcpy(group.bytes + 13, ip->bytes + 13, 3);
    return group;
}

void tr_mac_of_group6(const struct tr_ip *group, uint8_t mac[6])
{
    mac[0] = mac[1] = 0x33;
    memcpy(mac + 2, group->bytes + 12, 4);
}
