// SPDX-License-Identifier: Apache-2.0
// Messages by hand, bad ones too: what a test is about stands in the test.
#ifndef TR_TEST_OTLP_BUILD_H
#define TR_TEST_OTLP_BUILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/pb.h"

struct build {
    uint8_t data[1 << 20];
    uint32_t bytes;
};

static inline void build_raw(struct build *b, const void *data, uint32_t bytes)
{
    assert_true(b->bytes + bytes <= sizeof(b->data));
    if (bytes)
        memcpy(b->data + b->bytes, data, bytes);
    b->bytes += bytes;
}

static inline void build_tag(struct build *b, uint32_t number, unsigned wire)
{
    b->bytes = (uint32_t)(tr_pb_put_tag(b->data + b->bytes, number, wire) - b->data);
}

static inline void build_varint(struct build *b, uint32_t number, uint64_t value)
{
    build_tag(b, number, TR_PB_VARINT);
    b->bytes = (uint32_t)(tr_pb_put_varint(b->data + b->bytes, value) - b->data);
}

static inline void build_bytes(struct build *b, uint32_t number, const void *data, uint32_t bytes)
{
    build_tag(b, number, TR_PB_BYTES);
    b->bytes = (uint32_t)(tr_pb_put_varint(b->data + b->bytes, bytes) - b->data);
    build_raw(b, data, bytes);
}

static inline void build_string(struct build *b, uint32_t number, const char *text)
{
    build_bytes(b, number, text, (uint32_t)strlen(text));
}

static inline void build_fixed64(struct build *b, uint32_t number, uint64_t value)
{
    b->bytes = (uint32_t)(tr_pb_put_fixed64(b->data + b->bytes, number, value) - b->data);
}

static inline void build_fixed32(struct build *b, uint32_t number, uint32_t value)
{
    build_tag(b, number, TR_PB_FIXED32);
    build_raw(b, &value, 4);
}

// A message inside: begin, its fields, end.
static inline uint32_t build_begin(struct build *b, uint32_t number)
{
    build_tag(b, number, TR_PB_BYTES);
    return b->bytes;
}

static inline void build_end(struct build *b, uint32_t begin)
{
    uint8_t length[10];
    uint32_t bytes = b->bytes - begin, n = (uint32_t)(tr_pb_put_varint(length, bytes) - length);

    memmove(b->data + begin + n, b->data + begin, bytes);
    memcpy(b->data + begin, length, n);
    b->bytes += n;
}

// Attributes.
static inline void build_attribute_string(struct build *b, uint32_t number, const char *key,
                                          const char *value)
{
    uint32_t kv = build_begin(b, number), any;

    build_string(b, 1, key);
    any = build_begin(b, 2);
    build_string(b, 1, value);
    build_end(b, any);
    build_end(b, kv);
}

static inline void build_attribute_int(struct build *b, uint32_t number, const char *key, int64_t value)
{
    uint32_t kv = build_begin(b, number), any;

    build_string(b, 1, key);
    any = build_begin(b, 2);
    build_varint(b, 3, (uint64_t)value);
    build_end(b, any);
    build_end(b, kv);
}

static const uint8_t build_trace_id[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const uint8_t build_span_id[8] = {21, 22, 23, 24, 25, 26, 27, 28};

// The least that a span needs.
static inline void build_span_ids(struct build *b)
{
    build_bytes(b, 1, build_trace_id, 16);
    build_bytes(b, 2, build_span_id, 8);
}

#endif
