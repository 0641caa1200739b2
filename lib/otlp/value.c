// SPDX-License-Identifier: Apache-2.0
#include "otlp/value.h"

// A piece of an AnyValue: what it sets takes the place of what was there.
static bool value_merge(const uint8_t *any, uint32_t bytes, struct tr_value *value)
{
    static const uint8_t wires[] = {0xff,        TR_PB_BYTES, TR_PB_VARINT, TR_PB_VARINT, TR_PB_FIXED64,
                                    TR_PB_BYTES, TR_PB_BYTES, TR_PB_BYTES,  TR_PB_VARINT};
    static const uint8_t types[] = {TR_VALUE_NONE,   TR_VALUE_STRING, TR_VALUE_BOOL,
                                    TR_VALUE_INT,    TR_VALUE_DOUBLE, TR_VALUE_ARRAY,
                                    TR_VALUE_KVLIST, TR_VALUE_BYTES,  TR_VALUE_STRING_INDEX};
    const uint8_t *p = any, *end = any + bytes;
    struct tr_pb_field field;

    while (p < end) {
        p = tr_pb_field(p, end, &field);
        if (!p)
            return false;
        if (field.number >= TR_NELEMS(types))
            continue;
        if (field.wire != wires[field.number])
            return false;
        value->type = types[field.number];
        value->bytes = field.wire == TR_PB_BYTES ? field.bytes : NULL;
        value->length = field.wire == TR_PB_BYTES ? (uint32_t)field.value : 0;
        value->integer = value->type == TR_VALUE_BOOL ? field.value != 0 : 0;
        if (value->type == TR_VALUE_INT)
            value->integer = (int64_t)field.value;
        if (value->type == TR_VALUE_STRING_INDEX)
            value->integer = (int32_t)field.value;
        value->number = 0;
        if (value->type == TR_VALUE_DOUBLE)
            memcpy(&value->number, &field.value, sizeof(value->number));
    }
    return true;
}

bool tr_value_read(const uint8_t *any, uint32_t bytes, struct tr_value *value)
{
    *value = (struct tr_value){.type = TR_VALUE_NONE};
    return value_merge(any, bytes, value);
}

bool tr_key_value_read(const uint8_t *kv, uint32_t bytes, struct tr_key_value *out)
{
    const uint8_t *p = kv, *end = kv + bytes;
    struct tr_pb_field field;

    *out = (struct tr_key_value){.value.type = TR_VALUE_NONE};
    while (p < end) {
        p = tr_pb_field(p, end, &field);
        if (!p)
            return false;
        if (field.number > 2)
            continue;
        if (field.wire != TR_PB_BYTES)
            return false;
        if (field.number == 1) {
            out->key = field.bytes;
            out->key_bytes = (uint32_t)field.value;
        } else if (!value_merge(field.bytes, (uint32_t)field.value, &out->value)) {
            return false;
        }
    }
    return true;
}

bool tr_key_value_key(const uint8_t *kv, uint32_t bytes, const uint8_t **key, uint32_t *key_bytes)
{
    const uint8_t *p = kv, *end = kv + bytes;
    struct tr_pb_field field;
    uint32_t any_bytes;

    if (tr_likely(tr_key_value_plain(kv, bytes, key, key_bytes, &any_bytes) != NULL))
        return true;
    *key = NULL;
    *key_bytes = 0;
    while (p < end) {
        p = tr_pb_field(p, end, &field);
        if (!p)
            return false;
        if (field.number == 1 && field.wire == TR_PB_BYTES) {
            *key = field.bytes;
            *key_bytes = (uint32_t)field.value;
        }
    }
    return true;
}
