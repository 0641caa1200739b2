// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>

#include "build.h"

void build_put(struct built *built, const void *data, size_t bytes)
{
    tr_assert(built->bytes + bytes <= sizeof(built->data));
    if (bytes)
        memcpy(built->data + built->bytes, data, bytes);
    built->bytes += (uint32_t)bytes;
}

void build_put16(struct built *built, uint16_t value)
{
    uint8_t data[2] = {(uint8_t)(value >> 8), (uint8_t)value};

    build_put(built, data, 2);
}

void build_put32(struct built *built, uint32_t value)
{
    build_put16(built, (uint16_t)(value >> 16));
    build_put16(built, (uint16_t)value);
}

void build_ethernet(struct built *built, const uint8_t to[6], const uint8_t from[6], int vlan, uint16_t ethertype)
{
    built->bytes = 0;
    build_put(built, to, 6);
    build_put(built, from, 6);
    if (vlan >= 0) {
        build_put16(built, 0x8100);
        build_put16(built, (uint16_t)vlan);
    }
    build_put16(built, ethertype);
    built->l3 = built->bytes;
}

void build_ip4(struct built *built, const char *from, const char *to, uint8_t protocol)
{
    uint8_t header[20] = {0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 61, protocol};

    tr_assert(inet_pton(AF_INET, from, header + 12) == 1 && inet_pton(AF_INET, to, header + 16) == 1);
    built->ipv6 = false;
    build_put(built, header, sizeof(header));
    built->l4 = built->bytes;
}

void build_ip6(struct built *built, const char *from, const char *to, uint8_t protocol, uint8_t hop_limit)
{
    uint8_t header[40] = {0x60, [6] = protocol, hop_limit};

    tr_assert(inet_pton(AF_INET6, from, header + 8) == 1 && inet_pton(AF_INET6, to, header + 24) == 1);
    built->ipv6 = true;
    build_put(built, header, sizeof(header));
    built->l4 = built->bytes;
}

void build_tcp(struct built *built, uint16_t from, uint16_t to, uint32_t seq, uint32_t ack, uint8_t flags,
               const void *payload, size_t bytes)
{
    build_put16(built, from);
    build_put16(built, to);
    build_put32(built, seq);
    build_put32(built, ack);
    build_put16(built, (uint16_t)(0x5000 | flags));
    build_put16(built, 4096);
    build_put32(built, 0);
    build_put(built, payload, bytes);
}

static uint32_t naive_add(uint32_t sum, const uint8_t *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

uint16_t build_naive_sum(uint32_t sum, const uint8_t *data, size_t bytes)
{
    return (uint16_t)~naive_add(sum, data, bytes);
}

// Where the upper layer begins, and its protocol.
static uint32_t upper_find(const uint8_t *ip, uint8_t *protocol)
{
    uint32_t at = 40;

    if (ip[0] >> 4 == 4) {
        *protocol = ip[9];
        return (ip[0] & 15) * 4u;
    }
    *protocol = ip[6];
    while (*protocol == 0 || *protocol == 43 || *protocol == 44 || *protocol == 60) {
        uint32_t bytes = *protocol == 44 ? 8 : (ip[at + 1] + 1u) * 8;

        *protocol = ip[at];
        at += bytes;
    }
    return at;
}

uint16_t build_l4_sum(const uint8_t *ip, uint32_t bytes)
{
    uint8_t protocol;
    uint32_t at = upper_find(ip, &protocol), sum = 0;

    if (protocol != 1) {
        sum = naive_add(sum, ip[0] >> 4 == 4 ? ip + 12 : ip + 8, ip[0] >> 4 == 4 ? 8 : 32);
        sum += protocol + (bytes - at);
    }
    return build_naive_sum(sum, ip + at, bytes - at);
}

static void put16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

void build_finish(struct built *built)
{
    uint8_t *ip = built->data + built->l3, protocol, *field;
    uint32_t bytes = built->bytes - built->l3, at;

    if (built->ipv6) {
        put16(ip + 4, (uint16_t)(bytes - 40));
    } else {
        put16(ip + 2, (uint16_t)bytes);
        put16(ip + 10, 0);
        put16(ip + 10, build_naive_sum(0, ip, (ip[0] & 15) * 4u));
    }
    at = upper_find(ip, &protocol);
    if ((protocol != 6 && protocol != 1 && protocol != 58) || at + (protocol == 6 ? 18 : 4) > bytes)
        return;
    field = ip + at + (protocol == 6 ? 16 : 2);
    put16(field, 0);
    put16(field, build_l4_sum(ip, bytes));
}
