// SPDX-License-Identifier: Apache-2.0
// A KeyValue and where it lies, read by protobuf's rules: of a field that comes twice the last one holds, a
// message that comes in pieces is merged.
#ifndef TR_OTLP_VALUE_H
#define TR_OTLP_VALUE_H

#include "otlp/walk.h"

struct tr_key_value {
    const uint8_t *key; // NULL: none, or only an index
    uint32_t key_bytes;
    struct tr_value value;
};

// Returns false: malformed (what lies inside arrays and lists is not looked at).
bool tr_key_value_read(const uint8_t *kv, uint32_t bytes, struct tr_key_value *out);

// Only the key; none is an empty one. Returns false: malformed.
bool tr_key_value_key(const uint8_t *kv, uint32_t bytes, const uint8_t **key, uint32_t *key_bytes);

#endif
