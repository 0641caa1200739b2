// SPDX-License-Identifier: Apache-2.0
// ICMPv6 (RFC 4443): echo, errors about what we have sent, and neighbour discovery's and MLD's messages. Router
// advertisements and redirects are ignored: addresses and gateways are the config's.
#include "net/checksum.h"
#include "net/stack_internal.h"

#define HEADER_BYTES  8
#define MTU_LEAST     1280 // RFC 8200; RFC 8201 4: less is not believed
#define UNREACHABLE   1
#define TOO_BIG       2
#define TIME_EXCEEDED 3
#define BAD_PARAMETER 4
#define ECHO_REQUEST  128
#define ECHO_REPLY    129
#define MLD_QUERY     130
#define SOLICITATION  135
#define ADVERTISEMENT 136

enum { CODE_PORT = 4, CODE_NEXT_HEADER = 1 };

static bool checksum_is_good(const struct tr_packet *packet)
{
    uint32_t bytes = packet->end - packet->at;
    uint64_t pseudo = (uint64_t)__builtin_bswap16(TR_PROTOCOL_ICMP6) + __builtin_bswap16((uint16_t)bytes);
    uint64_t sum = tr_frame_sum(packet->frame, packet->at, bytes);

    pseudo = tr_sum(tr_sum(pseudo, &packet->source, 16), &packet->destination, 16);
    sum += pseudo;
    sum += sum < pseudo;
    return tr_sum_fold(sum) == 0;
}

// Echo and errors go from host to host.
static void unicast_input(struct tr_stack *stack, struct tr_packet *packet, const uint8_t *icmp)
{
    uint32_t mtu_bytes = tr_be32_get(icmp + 4);

    switch (icmp[0]) {
    case ECHO_REQUEST:
        if (icmp[1] != 0)
            return tr_net_drop(&stack->net_counters.drop_icmp);
        return tr_echo_reply(stack, packet, TR_PROTOCOL_ICMP6, ECHO_REPLY);
    case TOO_BIG:
        if (mtu_bytes < MTU_LEAST)
            return tr_net_drop(&stack->net_counters.drop_icmp);
        return tr_icmp_quote_input(stack, packet, TR_ICMP_TOO_BIG, TR_MIN(mtu_bytes, 65535u));
    case UNREACHABLE:
        return tr_icmp_quote_input(stack, packet,
                                   icmp[1] == CODE_PORT ? TR_ICMP_UNREACHABLE_HARD : TR_ICMP_UNREACHABLE_SOFT, 0);
    case BAD_PARAMETER:
        return tr_icmp_quote_input(
            stack, packet, icmp[1] == CODE_NEXT_HEADER ? TR_ICMP_UNREACHABLE_HARD : TR_ICMP_UNREACHABLE_SOFT, 0);
    case TIME_EXCEEDED:
        return tr_icmp_quote_input(stack, packet, TR_ICMP_UNREACHABLE_SOFT, 0);
    default:
        return tr_net_drop(&stack->net_counters.drop_icmp_other);
    }
}

void tr_icmp6_input(struct tr_stack *stack, struct tr_packet *packet)
{
    const uint8_t *icmp = tr_packet_data(packet);

    if (!tr_packet_has(stack, packet, HEADER_BYTES))
        return;
    if (!checksum_is_good(packet))
        return tr_net_drop(&stack->net_counters.drop_icmp_checksum);
    if (icmp[0] == SOLICITATION || icmp[0] == ADVERTISEMENT)
        return tr_ndp_input(stack, packet);
    if (icmp[0] == MLD_QUERY)
        return tr_mld_input(stack, packet);
    if (packet->group)
        return tr_net_drop(&stack->net_counters.drop_group);
    if (tr_ip_equal(&packet->source, &tr_ip6_any))
        return tr_net_drop(&stack->net_counters.drop_source);
    unicast_input(stack, packet, icmp);
}
