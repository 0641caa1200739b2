// SPDX-License-Identifier: Apache-2.0
// Multicast listener reports (MLDv2, RFC 3810): switches that snoop them send us the groups that neighbour discovery
// needs only if they are told, and forget it after a while unless they hear it again when they query.
//
// The source is "::" as long as no link-local address is configured (RFC 3590 allows it); a snooping switch takes it.
#include "net/checksum.h"
#include "net/stack_internal.h"

#define REPORT         143
#define RECORD_BYTES   20
#define MODE_EXCLUDE   2 // the state as it is
#define CHANGE_EXCLUDE 4 // the state is new
#define QUERY_BYTES    24 // MLDv1's; MLDv2 has more

// Hop-by-hop header with router alert (RFC 2711), behind it ICMPv6.
static const uint8_t alert[8] = {TR_PROTOCOL_ICMP6, 0, 5, 2, 0, 0, 1, 0};

static const struct tr_ip *report_source(const struct tr_stack *stack)
{
    for (uint32_t i = 0; i < stack->options.addresses_count; i++) {
        const struct tr_ip *ip = &stack->options.addresses[i].ip;

        if (ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80)
            return ip;
    }
    return &tr_ip6_any;
}

// A record for the group of each address; a block of addresses is reported by its first one.
static uint32_t records_put(const struct tr_stack *stack, uint8_t *records, uint8_t kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < stack->options.addresses_count; i++) {
        const struct tr_ip *ip = &stack->options.addresses[i].ip;
        struct tr_ip group = tr_ip6_solicited(ip);
        uint8_t *record = records + count * RECORD_BYTES;

        if (tr_ip_is_v4(ip))
            continue;
        memset(record, 0, 4);
        record[0] = kind;
        memcpy(record + 4, group.bytes, 16);
        count++;
    }
    return count;
}

bool tr_mld_report(struct tr_stack *stack, bool changed)
{
    struct tr_frame_out frame = {0};
    struct tr_path path;
    uint16_t checksum;
    uint32_t count, bytes;
    uint64_t sum;
    uint8_t mac[6], *data, *icmp;

    tr_mac_of_group6(&tr_ip6_all_mld, mac);
    tr_path_init_for(stack, &path, report_source(stack), &tr_ip6_all_mld, mac, TR_PROTOCOL_ICMP6, 1);
    data = tr_path_begin(stack, &path, &frame);
    if (!data) {
        tr_net_drop(&stack->net_counters.drop_no_buffer);
        return false;
    }
    frame.data[path.l2_bytes + 6] = TR_PROTOCOL_HOP_BY_HOP;
    memcpy(data, alert, sizeof(alert));
    icmp = data + sizeof(alert);
    memset(icmp, 0, 8);
    icmp[0] = REPORT;
    count = records_put(stack, icmp + 8, changed ? CHANGE_EXCLUDE : MODE_EXCLUDE);
    tr_be16_put(icmp + 6, (uint16_t)count);
    bytes = 8 + count * RECORD_BYTES;
    sum = tr_path_pseudo_sum(&path, bytes);
    checksum = tr_sum_fold(tr_sum(sum, icmp, bytes));
    memcpy(icmp + 2, &checksum, 2);
    tr_path_send_other(stack, &path, &frame, (uint32_t)sizeof(alert) + bytes);
    tr_count(&stack->net_counters.mld_reports, 1);
    return true;
}

// How long an answer may take, ms: MLDv1's field, or above 32767 a floating point number (RFC 3810 5.1.3).
static uint32_t delay_max_ms(uint16_t code)
{
    if (code < 32768)
        return code;
    return ((code & 0xfffu) | 0x1000) << ((code >> 12 & 7) + 3);
}

// A query: answer at a time of our own within what it allows, one report for all groups, whichever was asked for.
void tr_mld_input(struct tr_stack *stack, struct tr_packet *packet)
{
    const uint8_t *icmp = tr_packet_data(packet);
    uint64_t delay_ns;
    uint16_t mine;

    if (!tr_packet_has(stack, packet, QUERY_BYTES))
        return;
    if (packet->hop_limit != 1 || !packet->router_alert || packet->source.bytes[0] != 0xfe ||
        (packet->source.bytes[1] & 0xc0) != 0x80)
        return tr_net_drop(&stack->net_counters.drop_ndp);
    if (stack->options.silent)
        return tr_net_drop(&stack->net_counters.drop_silent);
    mine = tr_be16_get(stack->options.mac + 4);
    delay_ns = delay_max_ms(tr_be16_get(icmp + 4)) * TR_MS * mine >> 16;
    stack->ip.mld_ns = TR_MIN(stack->ip.mld_ns, stack->now + delay_ns);
}
