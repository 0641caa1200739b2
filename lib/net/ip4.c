// SPDX-License-Identifier: Apache-2.0
// IPv4 on the way up (RFC 791, RFC 1122 3.2).
//
// Fragments are dropped and never put together: a TCP peer that honours path MTU discovery sends none (we set DF and say
// our MSS), while a reassembly queue would be memory that anybody may fill with 16-bit identifications that collide at
// today's rates (RFC 4963, RFC 8900). A TTL of 0 or 1 is as good as any on a packet that has arrived (RFC 1122 3.2.1.7).
#include "net/checksum.h"
#include "net/stack_internal.h"

#define HEADER_BYTES 20

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_LOOSE_ROUTE = 131, OPTION_STRICT_ROUTE = 137 };

// Nothing of them is acted on; a source route would make answers go where the sender likes (RFC 6274 3.13).
static __attribute__((noinline)) bool options_are_good(const uint8_t *option, uint32_t bytes)
{
    while (bytes) {
        if (option[0] == OPTION_END)
            return true;
        if (option[0] == OPTION_NOP) {
            option++;
            bytes--;
            continue;
        }
        if (bytes < 2 || option[1] < 2 || option[1] > bytes || option[0] == OPTION_LOOSE_ROUTE ||
            option[0] == OPTION_STRICT_ROUTE)
            return false;
        bytes -= option[1];
        option += option[1];
    }
    return true;
}

// The way of nearly all: ours, from somebody else, not a fragment. Returns the counter of what is wrong, or NULL.
static inline uint64_t *addresses_fault(struct tr_stack *stack, const struct tr_packet *packet, const uint8_t *ip)
{
    struct tr_net_counters *counters = &stack->net_counters;
    const struct tr_ip_part *part = &stack->ip;
    uint32_t source, destination;
    uint32_t i;

    memcpy(&source, ip + 12, 4);
    memcpy(&destination, ip + 16, 4);
    for (i = 0; i < part->own4_count; i++)
        if (((destination ^ part->own4[i].ip) & part->own4[i].mask) == 0)
            break;
    if (i == part->own4_count)
        return &counters->drop_destination;
    if (packet->group)
        return &counters->drop_group;
    if (tr_ip4_source_bad(part, source))
        return &counters->drop_source;
    if (tr_be16_get(ip + 6) & 0x3fff)
        return &counters->drop_fragment;
    return NULL;
}

static bool checksum_is_good(const struct tr_packet *packet, const uint8_t *ip, uint32_t bytes)
{
    uint32_t flags = packet->frame->flags;

    if (flags & (TR_FRAME_IP_GOOD | TR_FRAME_IP_BAD))
        return !(flags & TR_FRAME_IP_BAD);
    return tr_sum_fold(tr_sum(0, ip, bytes)) == 0;
}

void tr_ip4_input(struct tr_stack *stack, struct tr_packet *packet)
{
    struct tr_net_counters *counters = &stack->net_counters;
    const uint8_t *ip = tr_packet_data(packet);
    uint32_t header_bytes, bytes;
    uint64_t *fault;

    if (!tr_packet_has(stack, packet, HEADER_BYTES))
        return;
    header_bytes = (ip[0] & 15) * 4u;
    bytes = tr_be16_get(ip + 2);
    if (ip[0] >> 4 != 4 || header_bytes < HEADER_BYTES || bytes < header_bytes || bytes > packet->end - packet->at)
        return tr_net_drop(&counters->drop_ip4_header);
    if (!tr_packet_has(stack, packet, header_bytes))
        return;
    if (tr_unlikely(!checksum_is_good(packet, ip, header_bytes)))
        return tr_net_drop(&counters->drop_ip4_checksum);
    if (header_bytes > HEADER_BYTES && !options_are_good(ip + HEADER_BYTES, header_bytes - HEADER_BYTES))
        return tr_net_drop(&counters->drop_ip4_options);
    fault = addresses_fault(stack, packet, ip);
    if (tr_unlikely(fault))
        return tr_net_drop(fault);
    packet->source = tr_ip_v4(ip + 12);
    packet->destination = tr_ip_v4(ip + 16);
    packet->hop_limit = ip[8];
    packet->end = packet->at + bytes; // what follows is padding
    packet->at += header_bytes;
    if (tr_likely(ip[9] == TR_PROTOCOL_TCP))
        return tr_segment_input(stack, packet);
    if (ip[9] == TR_PROTOCOL_ICMP4)
        return tr_icmp4_input(stack, packet);
    tr_net_drop(&counters->drop_protocol);
}
