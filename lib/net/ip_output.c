// SPDX-License-Identifier: Apache-2.0
// The way down: a connection's headers are made once and copied to the front of each of its frames.
//
// DF is set on every IPv4 packet, so that none is fragmented and its identification means nothing (RFC 6864 4.1): it is
// 0, which tells nobody how much we send, and lets a receiver merge segments (GRO wants it constant or counted up).
#include "net/checksum.h"
#include "net/stack_internal.h"

const uint8_t tr_mac_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

#define HOP_LIMIT 64

static uint32_t ethernet_put(const struct tr_stack *stack, uint8_t *to, const uint8_t mac[6], uint16_t ethertype)
{
    memcpy(to, mac, 6);
    memcpy(to + 6, stack->options.mac, 6);
    if (stack->options.vlan == 0) {
        tr_be16_put(to + 12, ethertype);
        return 14;
    }
    tr_be16_put(to + 12, TR_ETHERTYPE_VLAN);
    tr_be16_put(to + 14, stack->options.vlan);
    tr_be16_put(to + 16, ethertype);
    return 18;
}

static void send(struct tr_stack *stack, struct tr_frame_out *frame, uint32_t bytes)
{
    frame->bytes = bytes;
    tr_count(&stack->net_counters.frames_out, 1);
    tr_count(&stack->net_counters.bytes_out, bytes);
    stack->device.send(stack->device.context, frame);
}

uint8_t *tr_ethernet_begin(struct tr_stack *stack, struct tr_frame_out *frame, const uint8_t mac[6], uint16_t ethertype)
{
    memset(frame, 0, sizeof(*frame));
    if (!stack->device.alloc(stack->device.context, frame)) {
        tr_net_drop(&stack->net_counters.drop_no_buffer);
        return NULL;
    }
    frame->l2_bytes = (uint16_t)ethernet_put(stack, frame->data, mac, ethertype);
    return frame->data + frame->l2_bytes;
}

void tr_ethernet_send(struct tr_stack *stack, struct tr_frame_out *frame, uint32_t bytes)
{
    send(stack, frame, frame->l2_bytes + bytes);
}

static void header4_put(uint8_t *to, const struct tr_ip *local_ip, const struct tr_ip *peer_ip, uint8_t protocol,
                        uint8_t hop_limit)
{
    to[0] = 0x45;
    to[6] = 0x40; // DF
    to[8] = hop_limit;
    to[9] = protocol;
    memcpy(to + 12, local_ip->bytes + 12, 4);
    memcpy(to + 16, peer_ip->bytes + 12, 4);
}

static void header6_put(uint8_t *to, const struct tr_ip *local_ip, const struct tr_ip *peer_ip, uint8_t protocol,
                        uint8_t hop_limit)
{
    to[0] = 0x60;
    to[6] = protocol;
    to[7] = hop_limit;
    memcpy(to + 8, local_ip->bytes, 16);
    memcpy(to + 24, peer_ip->bytes, 16);
}

void tr_path_init_for(const struct tr_stack *stack, struct tr_path *path, const struct tr_ip *local_ip,
                      const struct tr_ip *peer_ip, const uint8_t mac[6], uint8_t protocol, uint8_t hop_limit)
{
    uint64_t sum;

    memset(path, 0, sizeof(*path));
    path->ipv6 = !tr_ip_is_v4(peer_ip);
    path->l2_bytes = (uint8_t)ethernet_put(stack, path->header, mac, path->ipv6 ? TR_ETHERTYPE_IP6 : TR_ETHERTYPE_IP4);
    path->bytes = path->l2_bytes + (path->ipv6 ? 40 : 20);
    (path->ipv6 ? header6_put : header4_put)(path->header + path->l2_bytes, local_ip, peer_ip, protocol, hop_limit);
    // The addresses are the end of either header.
    sum = tr_sum(__builtin_bswap16(protocol), path->header + path->bytes - (path->ipv6 ? 32 : 8), path->ipv6 ? 32 : 8);
    path->pseudo_sum = (uint16_t)~tr_sum_fold(sum);
}

void tr_path_init(const struct tr_stack *stack, struct tr_path *path, const struct tr_ip *local_ip,
                  const struct tr_ip *peer_ip, const uint8_t mac[6])
{
    tr_path_init_for(stack, path, local_ip, peer_ip, mac, TR_PROTOCOL_TCP, HOP_LIMIT);
}

void tr_path_mac_set(struct tr_path *path, const uint8_t mac[6])
{
    memcpy(path->header, mac, 6);
}

uint64_t tr_path_pseudo_sum(const struct tr_path *path, uint32_t bytes)
{
    return (uint64_t)path->pseudo_sum + __builtin_bswap16((uint16_t)bytes);
}

uint8_t *tr_path_begin(struct tr_stack *stack, const struct tr_path *path, struct tr_frame_out *frame)
{
    if (!stack->device.alloc(stack->device.context, frame))
        return NULL;
    memcpy(frame->data, path->header, path->bytes);
    frame->l2_bytes = path->l2_bytes;
    frame->l3_bytes = path->bytes - path->l2_bytes;
    frame->ipv6 = path->ipv6;
    return frame->data + path->bytes;
}

// What of the IP header differs from packet to packet.
static void ip_finish(const struct tr_path *path, struct tr_frame_out *frame, uint32_t bytes, bool device_sums)
{
    uint8_t *ip = frame->data + path->l2_bytes;
    uint16_t checksum;

    if (path->ipv6) {
        tr_be16_put(ip + 4, (uint16_t)bytes);
        return;
    }
    tr_be16_put(ip + 2, (uint16_t)(20 + bytes));
    if (device_sums)
        return; // the field is 0
    checksum = tr_sum_fold(tr_sum(0, ip, 20));
    memcpy(ip + 10, &checksum, 2);
}

void tr_path_send_other(struct tr_stack *stack, const struct tr_path *path, struct tr_frame_out *frame, uint32_t bytes)
{
    frame->tcp = false;
    ip_finish(path, frame, bytes, false);
    send(stack, frame, path->bytes + bytes);
}

void tr_path_send(struct tr_stack *stack, const struct tr_path *path, struct tr_frame_out *frame, uint32_t tcp_header_bytes,
                  uint32_t tcp_bytes, uint64_t payload_sum)
{
    uint8_t *tcp = frame->data + path->bytes;
    uint64_t sum = tr_path_pseudo_sum(path, tcp_bytes);
    uint16_t checksum = 0;

    frame->tcp = true;
    ip_finish(path, frame, tcp_bytes, stack->options.tx_ip_checksum);
    memcpy(tcp + 16, &checksum, 2);
    if (stack->options.tx_tcp_checksum) {
        checksum = (uint16_t)~tr_sum_fold(sum); // the device goes on from the pseudo-header's sum
    } else {
        sum = tr_sum(sum, tcp, tcp_header_bytes);
        sum += payload_sum;
        sum += sum < payload_sum;
        checksum = tr_sum_fold(sum);
    }
    memcpy(tcp + 16, &checksum, 2);
    send(stack, frame, path->bytes + tcp_bytes);
}
