// SPDX-License-Identifier: Apache-2.0
// Numbers in network order at any address.
#ifndef TR_NET_WIRE_H
#define TR_NET_WIRE_H

#include "base/tr.h"

static inline uint16_t tr_be16_get(const uint8_t *from)
{
    uint16_t value;

    memcpy(&value, from, sizeof(value));
    return __builtin_bswap16(value);
}

static inline uint32_t tr_be32_get(const uint8_t *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return __builtin_bswap32(value);
}

static inline void tr_be16_put(uint8_t *to, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(to, &value, sizeof(value));
}

static inline void tr_be32_put(uint8_t *to, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(to, &value, sizeof(value));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "x86-64 and arm64");

#endif
