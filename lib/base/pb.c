// SPDX-License-Identifier: Apache-2.0
#include "base/pb.h"

const uint8_t *tr_pb_varint_long(const uint8_t *p, const uint8_t *end, uint64_t *value)
{
    uint64_t v = 0;

    for (unsigned shift = 0; p < end && shift < 70; shift += 7) {
        uint8_t byte = *p++;

        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        if (shift == 63 && byte > 1)
            return NULL;
        *value = v;
        return p;
    }
    return NULL;
}

const uint8_t *tr_pb_varint32_long(const uint8_t *p, const uint8_t *end, uint32_t *value)
{
    uint64_t v = 0;

    for (unsigned shift = 0; p < end && shift < 35; shift += 7) {
        uint8_t byte = *p++;

        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        if (v > UINT32_MAX)
            return NULL;
        *value = (uint32_t)v;
        return p;
    }
    return NULL;
}
