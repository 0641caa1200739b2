// SPDX-License-Identifier: Apache-2.0
// When the link comes up: tell neighbours and switches where our addresses are, twice, 2 s apart (RFC 5227 1.1).
#include "net/stack_internal.h"

#define ROUNDS      2
#define INTERVAL_NS (2 * TR_S)
#define AGAIN_NS    TR_MS // no buffer

static size_t addresses_announce(struct tr_stack *stack, bool *complete)
{
    bool ipv6 = false;
    size_t sent = 0;

    *complete = true;
    for (uint32_t i = 0; i < stack->options.addresses_count && *complete; i++) {
        const struct tr_ip *ip = &stack->options.addresses[i].ip;

        *complete = tr_ip_is_v4(ip) ? tr_arp_announce(stack, ip) : tr_ndp_announce(stack, ip);
        sent += *complete;
        ipv6 |= !tr_ip_is_v4(ip);
    }
    if (ipv6 && *complete) {
        *complete = tr_mld_report(stack, true);
        sent += *complete;
    }
    return sent;
}

size_t tr_announce_poll(struct tr_stack *stack)
{
    struct tr_ip_part *ip = &stack->ip;
    bool complete;
    size_t sent = 0;

    if (ip->announce_ns <= stack->now) {
        sent += addresses_announce(stack, &complete); // a round that was cut short begins again
        if (complete)
            ip->announce_rounds--;
        ip->announce_ns = !complete            ? stack->now + AGAIN_NS
                          : ip->announce_rounds ? stack->now + INTERVAL_NS
                                                : TR_NEVER;
    }
    if (ip->mld_ns <= stack->now) {
        complete = tr_mld_report(stack, false);
        sent += complete;
        ip->mld_ns = complete ? TR_NEVER : stack->now + AGAIN_NS;
    }
    return sent;
}

void tr_stack_announce(struct tr_stack *stack, uint64_t now)
{
    tr_assert(now >= stack->now);
    stack->now = now;
    if (stack->options.silent)
        return;
    stack->ip.announce_rounds = ROUNDS;
    stack->ip.announce_ns = now;
    tr_announce_poll(stack);
}
