// SPDX-License-Identifier: Apache-2.0
// Protobuf's wire format, reading and writing, on pointer and length. No allocation, no recursion, no schema.
// Source: protobuf.dev, Encoding.
#ifndef TR_BASE_PB_H
#define TR_BASE_PB_H

#include "base/tr.h"

enum tr_pb_wire { TR_PB_VARINT = 0, TR_PB_FIXED64 = 1, TR_PB_BYTES = 2, TR_PB_GROUP = 3, TR_PB_FIXED32 = 5 };

// Read a varint of at most 10 bytes. Returns the byte after it, NULL: cut short or too long.
static inline const uint8_t *tr_pb_varint(const uint8_t *p, const uint8_t *end, uint64_t *value)
{
    uint64_t v;

    if (tr_likely(p < end && *p < 0x80)) {
        *value = *p;
        return p + 1;
    }
    v = 0;
    for (unsigned shift = 0; p < end && shift < 70; shift += 7) {
        uint8_t byte = *p++;

        v |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if (!(byte & 0x80)) {
            if (shift == 63 && byte > 1)
                return NULL;
            *value = v;
            return p;
        }
    }
    return NULL;
}

struct tr_pb_field {
    uint32_t number;
    enum tr_pb_wire wire;
    uint64_t value;       // VARINT, FIXED32, FIXED64; BYTES: the length
    const uint8_t *bytes; // BYTES
    const uint8_t *begin; // of the tag
};

// Read one field. Returns the byte after it, NULL: malformed (cut short, field 0, a group, wire type 6 or 7).
static inline const uint8_t *tr_pb_field(const uint8_t *p, const uint8_t *end, struct tr_pb_field *field)
{
    uint64_t tag;

    field->begin = p;
    p = tr_pb_varint(p, end, &tag);
    if (tr_unlikely(!p || tag >> 3 == 0 || tag >> 32))
        return NULL;
    field->number = (uint32_t)(tag >> 3);
    field->wire = (enum tr_pb_wire)(tag & 7);
    switch (field->wire) {
    case TR_PB_VARINT:
        return tr_pb_varint(p, end, &field->value);
    case TR_PB_BYTES:
        p = tr_pb_varint(p, end, &field->value);
        if (tr_unlikely(!p || field->value > (uint64_t)(end - p)))
            return NULL;
        field->bytes = p;
        return p + field->value;
    case TR_PB_FIXED64:
        if (tr_unlikely(end - p < 8))
            return NULL;
        memcpy(&field->value, p, 8);
        return p + 8;
    case TR_PB_FIXED32: {
        uint32_t v;

        if (tr_unlikely(end - p < 4))
            return NULL;
        memcpy(&v, p, 4);
        field->value = v;
        return p + 4;
    }
    default:
        return NULL;
    }
}

static inline size_t tr_pb_varint_bytes(uint64_t value)
{
    return (size_t)(70 - __builtin_clzll(value | 1)) / 7;
}

// Write. The caller has made room: 10 bytes a varint.
static inline uint8_t *tr_pb_put_varint(uint8_t *p, uint64_t value)
{
    while (value >= 0x80) {
        *p++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *p++ = (uint8_t)value;
    return p;
}

static inline uint8_t *tr_pb_put_tag(uint8_t *p, uint32_t number, enum tr_pb_wire wire)
{
    return tr_pb_put_varint(p, (uint64_t)number << 3 | wire);
}

static inline uint8_t *tr_pb_put_bytes(uint8_t *p, uint32_t number, const void *data, size_t bytes)
{
    p = tr_pb_put_tag(p, number, TR_PB_BYTES);
    p = tr_pb_put_varint(p, bytes);
    memcpy(p, data, bytes);
    return p + bytes;
}

static inline uint8_t *tr_pb_put_fixed64(uint8_t *p, uint32_t number, uint64_t value)
{
    p = tr_pb_put_tag(p, number, TR_PB_FIXED64);
    memcpy(p, &value, 8);
    return p + 8;
}

#endif
