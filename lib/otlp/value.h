// SPDX-License-Identifier: Apache-2.0
// A KeyValue and where it lies, read by protobuf's rules: of a field that comes twice the last one holds, a
// message that comes in pieces is merged.
#ifndef TR_OTLP_VALUE_H
#define TR_OTLP_VALUE_H

#include "base/pb.h"
#include "otlp/walk.h"

struct tr_key_value {
    const uint8_t *key; // NULL: none, or only an index
    uint32_t key_bytes;
    struct tr_value value;
};

// Returns false: malformed (what lies inside arrays and lists is not looked at).
bool tr_key_value_read(const uint8_t *kv, uint32_t bytes, struct tr_key_value *out);

// The shape of nearly every KeyValue: a key, then a value that fills the rest.
//
// Returns the AnyValue; NULL: it has another shape, or is malformed.
static inline const uint8_t *tr_key_value_plain(const uint8_t *kv, uint32_t bytes, const uint8_t **key,
                                                uint32_t *key_bytes, uint32_t *any_bytes)
{
    const uint8_t *any, *end = kv + bytes;

    if (tr_unlikely(bytes < 4 || kv[0] != (1 << 3 | TR_PB_BYTES) || kv[1] >= 0x80 || kv[1] + 4u > bytes))
        return NULL;
    *key = kv + 2;
    *key_bytes = kv[1];
    any = *key + *key_bytes;
    if (tr_unlikely(*any != (2 << 3 | TR_PB_BYTES)))
        return NULL;
    any = tr_pb_length(any + 1, end, any_bytes);
    return tr_likely(any && any + *any_bytes == end) ? any : NULL;
}

// Only the key; none is an empty one. Returns false: malformed.
bool tr_key_value_key(const uint8_t *kv, uint32_t bytes, const uint8_t **key, uint32_t *key_bytes);

#endif
