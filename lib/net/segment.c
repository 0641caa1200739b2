// SPDX-License-Identifier: Apache-2.0
// From an IP packet to a TCP segment: lengths, checksum, options (RFC 9293 3.1).
#include "net/checksum.h"
#include "net/stack_internal.h"

#define HEADER_BYTES 20

static uint64_t pseudo_sum(const struct tr_packet *packet, uint32_t bytes)
{
    uint64_t sum = __builtin_bswap16((uint16_t)bytes) + (uint64_t)__builtin_bswap16(TR_PROTOCOL_TCP);
    uint32_t source, destination;

    if (!tr_ip_is_v4(&packet->source))
        return tr_sum(tr_sum(sum, &packet->source, 16), &packet->destination, 16);
    memcpy(&source, packet->source.bytes + 12, 4);
    memcpy(&destination, packet->destination.bytes + 12, 4);
    return sum + source + destination;
}

static bool checksum_is_good(const struct tr_packet *packet, uint32_t bytes)
{
    uint64_t sum, pseudo;

    if (packet->frame->flags & (TR_FRAME_L4_GOOD | TR_FRAME_L4_BAD))
        return packet->frame->flags & TR_FRAME_L4_GOOD && !(packet->frame->flags & TR_FRAME_L4_BAD);
    sum = tr_frame_sum(packet->frame, packet->at, bytes);
    pseudo = pseudo_sum(packet, bytes);
    sum += pseudo;
    sum += sum < pseudo;
    return tr_sum_fold(sum) == 0;
}

// The payload, which may begin anywhere and end before the frame does.
static void payload_set(struct tr_segment *segment, const struct tr_packet *packet, uint32_t header_bytes)
{
    const struct tr_frame *piece = packet->frame;
    uint32_t at = packet->at + header_bytes;

    segment->bytes = packet->end - at;
    while (piece->next && at >= piece->bytes) {
        at -= piece->bytes;
        piece = piece->next;
    }
    segment->data.data = piece->data + at;
    segment->data.bytes = TR_MIN(piece->bytes - at, segment->bytes);
    segment->data.flags = packet->frame->flags;
    segment->data.next = segment->data.bytes < segment->bytes ? piece->next : NULL;
}

void tr_segment_input(struct tr_stack *stack, struct tr_packet *packet)
{
    struct tr_net_counters *counters = &stack->net_counters;
    const uint8_t *tcp = tr_packet_data(packet);
    uint32_t bytes = packet->end - packet->at, header_bytes;
    struct tr_segment segment;

    if (!tr_packet_has(stack, packet, HEADER_BYTES))
        return;
    header_bytes = (tcp[12] >> 4) * 4u;
    if (header_bytes < HEADER_BYTES || header_bytes > bytes)
        return tr_net_drop(&counters->drop_tcp_header);
    if (!tr_packet_has(stack, packet, header_bytes))
        return;
    if (!checksum_is_good(packet, bytes))
        return tr_net_drop(&counters->drop_tcp_checksum);
    if (header_bytes == HEADER_BYTES)
        memset(&segment.options, 0, sizeof(segment.options));
    else if (!tr_tcp_options_parse(tcp + HEADER_BYTES, header_bytes - HEADER_BYTES, &segment.options))
        return tr_net_drop(&counters->drop_tcp_header);
    segment.source_ip = packet->source;
    segment.destination_ip = packet->destination;
    segment.source_port = tr_be16_get(tcp);
    segment.destination_port = tr_be16_get(tcp + 2);
    segment.seq = tr_be32_get(tcp + 4);
    segment.ack = tr_be32_get(tcp + 8);
    segment.flags = tcp[13];
    segment.window = tr_be16_get(tcp + 14);
    memcpy(segment.mac, packet->frame->data + 6, 6);
    payload_set(&segment, packet, header_bytes);
    tr_tcp_input(stack, &segment);
}
