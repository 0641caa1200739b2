// SPDX-License-Identifier: Apache-2.0
// Which lcore a frame belongs to. It reads no more than the headers and believes none of them: the stack checks.
#include "base/hash.h"
#include "net/stack_internal.h"

#define EXTENSIONS_MAX 8

// Both directions give the same: the ends are added, which is symmetric, after each was mixed.
static uint32_t hash_of(const uint8_t *source, const uint8_t *destination, size_t address_bytes, const uint8_t *ports)
{
    uint64_t from = tr_hash_bytes(source, address_bytes, tr_be16_get(ports));
    uint64_t to = tr_hash_bytes(destination, address_bytes, tr_be16_get(ports + 2));

    return (uint32_t)(tr_mix64(from + to) >> 32);
}

static enum tr_flow_kind flow4(const uint8_t *ip, size_t bytes, uint32_t *hash)
{
    size_t header_bytes;

    if (bytes < 20)
        return TR_FLOW_FIRST;
    header_bytes = (ip[0] & 15) * 4u;
    if (header_bytes < 20 || bytes < header_bytes + 4 || tr_be16_get(ip + 6) & 0x3fff)
        return TR_FLOW_FIRST;
    if (ip[9] == TR_PROTOCOL_TCP) {
        *hash = hash_of(ip + 12, ip + 16, 4, ip + header_bytes);
        return TR_FLOW_TCP;
    }
    // Echo is not an error; nor is what we do not know.
    if (ip[9] == TR_PROTOCOL_ICMP4 && (ip[header_bytes] == 3 || ip[header_bytes] == 11 || ip[header_bytes] == 12))
        return TR_FLOW_ALL;
    return TR_FLOW_FIRST;
}

static enum tr_flow_kind flow6(const uint8_t *ip, size_t bytes, uint32_t *hash)
{
    size_t at = 40;
    uint8_t protocol;

    if (bytes < 40)
        return TR_FLOW_FIRST;
    protocol = ip[6];
    for (unsigned i = 0; i < EXTENSIONS_MAX && at + 8 <= bytes; i++) {
        if (protocol == TR_PROTOCOL_FRAGMENT) {
            if (tr_be16_get(ip + at + 2) & 0xfff9)
                return TR_FLOW_FIRST;
            protocol = ip[at];
            at += 8;
        } else if (protocol == TR_PROTOCOL_HOP_BY_HOP || protocol == TR_PROTOCOL_ROUTING ||
                   protocol == TR_PROTOCOL_DESTINATION) {
            protocol = ip[at];
            at += (ip[at + 1] + 1u) * 8;
        } else {
            break;
        }
    }
    if (at + 4 > bytes)
        return TR_FLOW_FIRST;
    if (protocol == TR_PROTOCOL_TCP) {
        *hash = hash_of(ip + 8, ip + 24, 16, ip + at);
        return TR_FLOW_TCP;
    }
    // Errors, and neighbour advertisements.
    return protocol == TR_PROTOCOL_ICMP6 && (ip[at] < 128 || ip[at] == 136) ? TR_FLOW_ALL : TR_FLOW_FIRST;
}

enum tr_flow_kind tr_flow_of(const uint8_t *frame, size_t bytes, uint32_t *hash)
{
    size_t at = 14;
    uint16_t ethertype;

    *hash = 0;
    if (bytes < 18)
        return TR_FLOW_FIRST;
    ethertype = tr_be16_get(frame + 12);
    if (ethertype == TR_ETHERTYPE_VLAN) {
        ethertype = tr_be16_get(frame + 16);
        at = 18;
    }
    if (ethertype == TR_ETHERTYPE_IP4)
        return flow4(frame + at, bytes - at, hash);
    if (ethertype == TR_ETHERTYPE_IP6)
        return flow6(frame + at, bytes - at, hash);
    if (ethertype == TR_ETHERTYPE_ARP && bytes >= at + 8 && tr_be16_get(frame + at + 6) == 2)
        return TR_FLOW_ALL; // a reply
    return TR_FLOW_FIRST;
}
