// SPDX-License-Identifier: Apache-2.0
#include "net/stack_internal.h"

static bool address_is_host(const struct tr_ip *ip)
{
    uint8_t first = ip->bytes[12];
    static const struct tr_ip loopback = {{[15] = 1}};

    if (tr_ip_is_v4(ip))
        return first != 0 && first != 127 && first < 224;
    return !tr_ip_is_multicast6(ip) && !tr_ip_equal(ip, &tr_ip6_any) && !tr_ip_equal(ip, &loopback);
}

static int addresses_check(const struct tr_stack_options *options, struct tr_error *error)
{
    char text[TR_IP_TEXT_BYTES];

    if (options->addresses_count == 0 || options->addresses_count > TR_STACK_ADDRESSES_MAX)
        return tr_error_set(error, EINVAL, "addresses: %u of them; 1 to %u are possible", options->addresses_count,
                            TR_STACK_ADDRESSES_MAX);
    for (uint32_t i = 0; i < options->addresses_count; i++) {
        const struct tr_net_address *address = &options->addresses[i];
        unsigned least = tr_ip_is_v4(&address->ip) ? 96 : 0;

        if (!address_is_host(&address->ip))
            return tr_error_set(error, EINVAL, "addresses[%u]: %s is no address that a host may have", i,
                                tr_ip_format(&address->ip, text));
        if (address->prefix_bits < least || address->prefix_bits > 128)
            return tr_error_set(error, EINVAL, "addresses[%u]: prefix_bits %u is not in %u to 128", i,
                                address->prefix_bits, least);
        if (address->own_bits <= least || address->own_bits > 128)
            return tr_error_set(error, EINVAL, "addresses[%u]: own_bits %u is not in %u to 128", i, address->own_bits,
                                least + 1);
    }
    return 0;
}

static int options_check(const struct tr_stack_options *options, struct tr_error *error)
{
    static const uint8_t none[6];
    int rc = addresses_check(options, error);

    if (rc)
        return rc;
    if (options->mac[0] & 1 || memcmp(options->mac, none, 6) == 0)
        return tr_error_set(error, EINVAL, "mac: not the address of one host");
    if (options->vlan > 4094)
        return tr_error_set(error, EINVAL, "vlan: %u is above 4094", options->vlan);
    if (options->mtu_bytes < 1280)
        return tr_error_set(error, EINVAL, "mtu: %u is below 1280", options->mtu_bytes);
    if (options->gateways_count > TR_NELEMS(options->gateways))
        return tr_error_set(error, EINVAL, "gateways: %u is above 2", options->gateways_count);
    if (options->gateways_count == 2 && tr_ip_is_v4(&options->gateways[0]) == tr_ip_is_v4(&options->gateways[1]))
        return tr_error_set(error, EINVAL, "gateways: two of the same family");
    return 0;
}

int tr_stack_create(struct tr_stack **stack, const struct tr_stack_options *options,
                    const struct tr_stack_device *device, const struct tr_conn_user *user, struct tr_error *error)
{
    struct tr_stack *made;
    int rc = options_check(options, error);

    if (rc)
        return rc;
    made = calloc(1, sizeof(*made));
    if (!made)
        return tr_error_set(error, ENOMEM, "no memory for a stack");
    made->options = *options;
    made->device = *device;
    made->user = *user;
    made->ip.announce_ns = made->ip.mld_ns = TR_NEVER;
    for (uint32_t i = 0; i < options->addresses_count; i++)
        tr_own_add(&made->ip, &options->addresses[i]);
    rc = tr_neighbours_create(made);
    if (rc)
        rc = tr_error_set(error, -rc, "neighbours_max: no memory for %u", options->neighbours_max);
    else
        rc = tr_tcp_create(made, error);
    if (rc) {
        tr_neighbours_destroy(made);
        free(made);
        return rc;
    }
    *stack = made;
    return 0;
}

void tr_stack_destroy(struct tr_stack *stack, uint64_t now)
{
    if (!stack)
        return;
    stack->now = TR_MAX(stack->now, now);
    tr_tcp_destroy(stack);
    tr_neighbours_destroy(stack);
    free(stack);
}

void tr_stack_input(struct tr_stack *stack, const struct tr_frame *frame, uint64_t now)
{
    tr_assert(now >= stack->now);
    stack->now = now;
    tr_ethernet_input(stack, frame);
}

size_t tr_stack_poll(struct tr_stack *stack, uint64_t now)
{
    size_t done;

    tr_assert(now >= stack->now);
    stack->now = now;
    done = tr_announce_poll(stack);
    done += tr_neighbours_poll(stack);
    return done + tr_tcp_poll(stack, now);
}

uint64_t tr_stack_deadline(const struct tr_stack *stack)
{
    uint64_t below = TR_MIN(TR_MIN(stack->ip.announce_ns, stack->ip.mld_ns), tr_neighbours_deadline(stack));
    uint64_t tcp = tr_tcp_deadline(stack);

    return TR_MIN(below, tcp);
}

struct tr_net_counters *tr_stack_net_counters(struct tr_stack *stack)
{
    return &stack->net_counters;
}

struct tr_tcp_counters *tr_stack_tcp_counters(struct tr_stack *stack)
{
    return &stack->tcp_counters;
}

void tr_stack_check(const struct tr_stack *stack)
{
    tr_neighbours_check(stack);
    tr_tcp_check(stack);
}
