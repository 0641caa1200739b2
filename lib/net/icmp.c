// SPDX-License-Identifier: Apache-2.0
// What ICMP has in common in both families: echo, and the quote in an error message.
#include "net/checksum.h"
#include "net/stack_internal.h"

void tr_echo_reply(struct tr_stack *stack, const struct tr_packet *packet, uint8_t protocol, uint8_t reply)
{
    struct tr_net_counters *counters = &stack->net_counters;
    uint32_t bytes = packet->end - packet->at;
    struct tr_frame_out frame = {0};
    struct tr_path path;
    uint16_t checksum = 0;
    uint8_t *icmp;
    uint64_t sum;

    if (stack->options.silent)
        return tr_net_drop(&counters->drop_silent);
    // It goes back where it came from: to the router, if there is one.
    tr_path_init_for(stack, &path, &packet->destination, &packet->source, packet->frame->data + 6, protocol, 64);
    if (path.bytes - path.l2_bytes + bytes > stack->options.mtu_bytes ||
        !tr_bucket_take(&stack->ip.echo_bucket, TR_REPLY_INTERVAL_NS, TR_REPLY_BURST, stack->now))
        return tr_net_drop(&counters->drop_echo_limited);
    icmp = tr_path_begin(stack, &path, &frame);
    if (!icmp)
        return tr_net_drop(&counters->drop_no_buffer);
    tr_frame_sum_copy(icmp, packet->frame, packet->at, bytes);
    icmp[0] = reply;
    memcpy(icmp + 2, &checksum, 2);
    sum = protocol == TR_PROTOCOL_ICMP6 ? tr_path_pseudo_sum(&path, bytes) : 0;
    checksum = tr_sum_fold(tr_sum(sum, icmp, bytes));
    memcpy(icmp + 2, &checksum, 2);
    tr_path_send_other(stack, &path, &frame, bytes);
    tr_count(&counters->echo_replies, 1);
}

// An IPv4 header that we would have sent: no options, not a fragment. Returns where TCP's begins, or NULL.
static const uint8_t *quote4_parse(const uint8_t *ip, uint32_t bytes, struct tr_icmp_error *error)
{
    if (bytes < 20 + 8 || ip[0] != 0x45 || tr_be16_get(ip + 6) & 0x3fff || ip[9] != TR_PROTOCOL_TCP)
        return NULL;
    error->local_ip = tr_ip_v4(ip + 12);
    error->peer_ip = tr_ip_v4(ip + 16);
    return ip + 20;
}

static const uint8_t *quote6_parse(const uint8_t *ip, uint32_t bytes, struct tr_icmp_error *error)
{
    if (bytes < 40 + 8 || ip[0] >> 4 != 6 || ip[6] != TR_PROTOCOL_TCP)
        return NULL;
    memcpy(error->local_ip.bytes, ip + 8, 16);
    memcpy(error->peer_ip.bytes, ip + 24, 16);
    return tr_ip_is_v4(&error->peer_ip) ? NULL : ip + 40;
}

void tr_icmp_quote_input(struct tr_stack *stack, struct tr_packet *packet, unsigned what, uint32_t mtu_bytes)
{
    struct tr_icmp_error error = {.what = what, .mtu_bytes = mtu_bytes};
    const uint8_t *quote, *tcp;
    uint32_t bytes;

    packet->at += 8;
    // What lies in the first piece is enough, or it counts as quoting too little.
    bytes = TR_MIN(packet->end, packet->frame->bytes);
    bytes = bytes > packet->at ? bytes - packet->at : 0;
    quote = packet->frame->data + packet->at;
    tcp = tr_ip_is_v4(&packet->source) ? quote4_parse(quote, bytes, &error) : quote6_parse(quote, bytes, &error);
    // It was sent to who has sent what it quotes: to one of us.
    if (!tcp || !tr_ip_equal(&error.local_ip, &packet->destination))
        return tr_net_drop(&stack->net_counters.drop_icmp_quote);
    error.local_port = tr_be16_get(tcp);
    error.peer_port = tr_be16_get(tcp + 2);
    error.seq = tr_be32_get(tcp + 4);
    tr_count(&stack->net_counters.icmp_errors, 1);
    tr_tcp_icmp(stack, &error);
}
