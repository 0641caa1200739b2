// SPDX-License-Identifier: Apache-2.0
// What the targets that hold otlp/ against protobuf-c share.
#ifndef TR_TEST_ORACLE_H
#define TR_TEST_ORACLE_H

#include "fuzz.h"

#include "otlp_trace.pb-c.h"

// A message in protobuf-c's own spelling; free() it.
static inline uint8_t *oracle_pack(const ProtobufCMessage *message, size_t *bytes)
{
    uint8_t *out = malloc(protobuf_c_message_get_packed_size(message) + 1);

    *bytes = protobuf_c_message_pack(message, out);
    return out;
}

// Do two messages say the same?
static inline bool oracle_same(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    size_t a_bytes, b_bytes;
    uint8_t *a_packed = oracle_pack(a, &a_bytes), *b_packed = oracle_pack(b, &b_bytes);
    bool same = a_bytes == b_bytes && memcmp(a_packed, b_packed, a_bytes) == 0;

    free(a_packed);
    free(b_packed);
    return same;
}

// Is there an unknown field in the message, or anywhere inside? (protobuf-c keeps their bytes as they came.)
bool oracle_has_unknown(const ProtobufCMessage *message);

static inline bool oracle_key_is(const Otlp__KeyValue *attribute, const char *key)
{
    size_t bytes = strlen(key);

    return attribute->key.len == bytes && (bytes == 0 || memcmp(attribute->key.data, key, bytes) == 0);
}

// Its value: of several pieces the last one that sets something.
static inline const Otlp__AnyValue *oracle_value(const Otlp__KeyValue *attribute)
{
    for (size_t i = attribute->n_value; i-- > 0;)
        if (attribute->value[i]->value_case)
            return attribute->value[i];
    return NULL;
}

#endif
