// SPDX-License-Identifier: Apache-2.0
// Protobuf's wire format, reading and writing, on pointer and length. No allocation, no recursion, no schema.
// Tags and lengths longer than five bytes are refused, as the parsers behind us do.
// Source: protobuf.dev, Encoding.
#ifndef TR_BASE_PB_H
#define TR_BASE_PB_H

#include "base/tr.h"

enum tr_pb_wire { TR_PB_VARINT = 0, TR_PB_FIXED64 = 1, TR_PB_BYTES = 2, TR_PB_GROUP = 3, TR_PB_FIXED32 = 5 };

// The rest of a varint whose first byte says that more follow; NULL: cut short, or too long. Out of line:
// rare.
const uint8_t *tr_pb_varint_long(const uint8_t *p, const uint8_t *end, uint64_t *value);

// A tag or a length of two bytes or more, of which parsers take five at most.
const uint8_t *tr_pb_varint32_long(const uint8_t *p, const uint8_t *end, uint32_t *value);

// Read a varint of at most 10 bytes. Returns the byte after it, NULL: cut short or too long.
static inline const uint8_t *tr_pb_varint(const uint8_t *p, const uint8_t *end, uint64_t *value)
{
    if (tr_likely(p < end && *p < 0x80)) {
        *value = *p;
        return p + 1;
    }
    return tr_pb_varint_long(p, end, value);
}

// Read a tag. Returns the byte after it, NULL: cut short, above 32 bits or longer than 5 bytes.
static inline const uint8_t *tr_pb_tag(const uint8_t *p, const uint8_t *end, uint32_t *tag)
{
    if (tr_likely(p < end && *p < 0x80)) {
        *tag = *p;
        return p + 1;
    }
    return tr_pb_varint32_long(p, end, tag);
}

// Read the length of what follows. Returns its first byte, NULL: cut short, above 2^31 - 1, longer than 5
// bytes, or beyond the end.
static inline const uint8_t *tr_pb_length(const uint8_t *p, const uint8_t *end, uint32_t *bytes)
{
    uint32_t n;

    if (tr_likely(p < end && *p < 0x80)) {
        n = *p++;
    } else if (tr_likely(end - p >= 2 && p[1] < 0x80)) {
        n = (uint32_t)(*p & 0x7f) | (uint32_t)p[1] << 7;
        p += 2;
    } else {
        p = tr_pb_varint32_long(p, end, &n);
        if (tr_unlikely(!p || n > INT32_MAX))
            return NULL;
    }
    *bytes = n;
    return tr_likely(n <= (size_t)(end - p)) ? p : NULL;
}

// The length that stands before `bytes`, where tr_pb_length() has read it: a varint is known from behind, too, since all
// of its bytes but the last have their high bit set, and of the tag before it the last has not.
static inline uint32_t tr_pb_length_before(const uint8_t *bytes)
{
    uint32_t length = *--bytes;

    while (bytes[-1] & 0x80)
        length = length << 7 | (*--bytes & 0x7f);
    return length;
}

// Pass over a field whose tag was read. Returns the byte after it, NULL: malformed.
static inline const uint8_t *tr_pb_skip(const uint8_t *p, const uint8_t *end, unsigned wire)
{
    uint64_t value;
    uint32_t bytes;

    switch (wire) {
    case TR_PB_VARINT:
        return tr_pb_varint(p, end, &value);
    case TR_PB_BYTES:
        p = tr_pb_length(p, end, &bytes);
        return p ? p + bytes : NULL;
    case TR_PB_FIXED64:
        return end - p >= 8 ? p + 8 : NULL;
    case TR_PB_FIXED32:
        return end - p >= 4 ? p + 4 : NULL;
    default:
        return NULL;
    }
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
    uint32_t n;

    field->begin = p;
    p = tr_pb_tag(p, end, &n);
    if (tr_unlikely(!p || n >> 3 == 0))
        return NULL;
    field->number = n >> 3;
    field->wire = (enum tr_pb_wire)(n & 7);
    switch (field->wire) {
    case TR_PB_VARINT:
        return tr_pb_varint(p, end, &field->value);
    case TR_PB_BYTES:
        p = tr_pb_length(p, end, &n);
        if (tr_unlikely(!p))
            return NULL;
        field->value = n;
        field->bytes = p;
        return p + n;
    case TR_PB_FIXED64:
        if (tr_unlikely(end - p < 8))
            return NULL;
        memcpy(&field->value, p, 8);
        return p + 8;
    case TR_PB_FIXED32:
        if (tr_unlikely(end - p < 4))
            return NULL;
        memcpy(&n, p, 4);
        field->value = n;
        return p + 4;
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
