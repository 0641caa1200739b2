// SPDX-License-Identifier: Apache-2.0
// ICMP (RFC 792, RFC 1122 3.2.2): echo, and errors about what we have sent. Which errors are hard: RFC 1122 4.2.3.9; what
// TCP makes of them is its own affair. Redirects and source quench are ignored (RFC 6633).
#include "net/checksum.h"
#include "net/stack_internal.h"

#define HEADER_BYTES  8
#define MTU_LEAST     68 // RFC 791
#define ECHO_REPLY    0
#define UNREACHABLE   3
#define ECHO_REQUEST  8
#define TIME_EXCEEDED 11
#define BAD_PARAMETER 12

enum { CODE_PROTOCOL = 2, CODE_PORT = 3, CODE_TOO_BIG = 4 };

static void unreachable_input(struct tr_stack *stack, struct tr_packet *packet, const uint8_t *icmp)
{
    uint32_t mtu_bytes = tr_be16_get(icmp + 6); // RFC 1191; 0: the router does not say

    switch (icmp[1]) {
    case CODE_TOO_BIG:
        if (mtu_bytes != 0 && mtu_bytes < MTU_LEAST)
            return tr_net_drop(&stack->net_counters.drop_icmp);
        return tr_icmp_quote_input(stack, packet, TR_ICMP_TOO_BIG, mtu_bytes);
    case CODE_PROTOCOL:
    case CODE_PORT:
        return tr_icmp_quote_input(stack, packet, TR_ICMP_UNREACHABLE_HARD, 0);
    default:
        return tr_icmp_quote_input(stack, packet, TR_ICMP_UNREACHABLE_SOFT, 0);
    }
}

void tr_icmp4_input(struct tr_stack *stack, struct tr_packet *packet)
{
    const uint8_t *icmp = tr_packet_data(packet);

    if (!tr_packet_has(stack, packet, HEADER_BYTES))
        return;
    if (tr_sum_fold(tr_frame_sum(packet->frame, packet->at, packet->end - packet->at)) != 0)
        return tr_net_drop(&stack->net_counters.drop_icmp_checksum);
    switch (icmp[0]) {
    case ECHO_REQUEST:
        if (icmp[1] != 0)
            return tr_net_drop(&stack->net_counters.drop_icmp);
        return tr_echo_reply(stack, packet, TR_PROTOCOL_ICMP4, ECHO_REPLY);
    case UNREACHABLE:
        return unreachable_input(stack, packet, icmp);
    case TIME_EXCEEDED:
    case BAD_PARAMETER:
        return tr_icmp_quote_input(stack, packet, TR_ICMP_UNREACHABLE_SOFT, 0);
    default:
        return tr_net_drop(&stack->net_counters.drop_icmp_other);
    }
}
