// SPDX-License-Identifier: Apache-2.0
// Which addresses are ours, and which nobody may send from.
#include "net/stack_internal.h"

const struct tr_ip tr_ip6_any;
const struct tr_ip tr_ip6_all_nodes = {{0xff, 2, [15] = 1}};
const struct tr_ip tr_ip6_all_mld = {{0xff, 2, [15] = 0x16}};

void tr_own_add(struct tr_ip_part *part, const struct tr_net_address *address)
{
    const uint8_t *ip = address->ip.bytes;
    uint8_t mask[16] = {0}, link_mask[16] = {0};

    for (unsigned bit = 0; bit < 128; bit++) {
        mask[bit / 8] |= (uint8_t)(bit < address->own_bits ? 0x80 >> bit % 8 : 0);
        link_mask[bit / 8] |= (uint8_t)(bit < address->prefix_bits ? 0x80 >> bit % 8 : 0);
    }
    if (tr_ip_is_v4(&address->ip)) {
        struct tr_own4 *own = &part->own4[part->own4_count++];
        uint32_t link;

        memcpy(&own->ip, ip + 12, 4);
        memcpy(&own->mask, mask + 12, 4);
        memcpy(&link, link_mask + 12, 4);
        own->broadcast = address->prefix_bits <= 126 ? own->ip | ~link : 0; // a /31 has none (RFC 3021)
    } else {
        struct tr_own6 *own = &part->own6[part->own6_count++];

        memcpy(own->ip, ip, sizeof(own->ip));
        memcpy(own->mask, mask, sizeof(own->mask));
    }
}

static bool own6_has(const struct tr_ip_part *part, const struct tr_ip *ip)
{
    uint64_t words[2];

    memcpy(words, ip, sizeof(words));
    for (uint32_t i = 0; i < part->own6_count; i++) {
        const struct tr_own6 *own = &part->own6[i];

        if ((((words[0] ^ own->ip[0]) & own->mask[0]) | ((words[1] ^ own->ip[1]) & own->mask[1])) == 0)
            return true;
    }
    return false;
}

bool tr_ip_is_own(const struct tr_stack *stack, const struct tr_ip *ip)
{
    const struct tr_ip_part *part = &stack->ip;
    uint32_t word;

    if (!tr_ip_is_v4(ip))
        return own6_has(part, ip);
    memcpy(&word, ip->bytes + 12, 4);
    for (uint32_t i = 0; i < part->own4_count; i++)
        if (((word ^ part->own4[i].ip) & part->own4[i].mask) == 0)
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
bool tr_ip4_source_bad(const struct tr_ip_part *part, uint32_t ip)
{
    uint8_t first = (uint8_t)ip;

    if (first == 0 || first == 127 || first >= 224)
        return true;
    for (uint32_t i = 0; i < part->own4_count; i++)
        if (((ip ^ part->own4[i].ip) & part->own4[i].mask) == 0 || ip == part->own4[i].broadcast)
            return true;
    return false;
}

// A mapped IPv4 address must not come from the wire: it would be taken for one of IPv4's (RFC 4942 2.2).
bool tr_ip6_source_bad(const struct tr_stack *stack, const struct tr_ip *ip)
{
    static const struct tr_ip loopback = {{[15] = 1}};

    return tr_ip_is_multicast6(ip) || tr_ip_equal(ip, &loopback) || tr_ip_is_v4(ip) || own6_has(&stack->ip, ip);
}

bool tr_ip_is_other(const struct tr_stack *stack, const struct tr_ip *ip)
{
    uint32_t word;

    if (!tr_ip_is_v4(ip))
        return !tr_ip6_source_bad(stack, ip) && !tr_ip_equal(ip, &tr_ip6_any);
    memcpy(&word, ip->bytes + 12, sizeof(word));
    return !tr_ip4_source_bad(&stack->ip, word);
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
