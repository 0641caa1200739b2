// SPDX-License-Identifier: Apache-2.0
// Texts that others must be able to read: UTF-8 whatever a client sent, and values of any type as text.
#include "otlp/json_number.h"
#include "otlp/json_put.h"
#include "otlp/json_text.h"
#include "otlp/value.h"
#include "red/merge.h"

#define DEPTH_MAX 4

size_t tr_red_utf8(const uint8_t *text, size_t bytes, uint8_t *to)
{
    const uint8_t *end = text + bytes;
    uint8_t *t = to;

    while (text < end) {
        unsigned n = tr_utf8_bytes(text, end);

        if (n) {
            memcpy(t, text, n);
            t += n;
            text += n;
        } else {
            memcpy(t, "\xef\xbf\xbd", 3);
            t += 3;
            text++;
        }
    }
    return (size_t)(t - to);
}

static void value_put(struct tr_json_put *put, const struct tr_value *value, int depth);

// The items of an array, or the pairs of a list.
static void items_put(struct tr_json_put *put, const struct tr_value *value, int depth)
{
    bool list = value->type == TR_VALUE_KVLIST;
    const uint8_t *p = value->bytes, *end = p + value->length;
    struct tr_pb_field field;
    bool first = true;

    tr_json_put_char(put, list ? '{' : '[');
    while (p && p < end) {
        struct tr_key_value pair = {.key = NULL};

        p = tr_pb_field(p, end, &field);
        if (!p || field.number != 1 || field.wire != TR_PB_BYTES)
            continue;
        if (list ? !tr_key_value_read(field.bytes, (uint32_t)field.value, &pair)
                 : !tr_value_read(field.bytes, (uint32_t)field.value, &pair.value))
            continue;
        if (!first)
            tr_json_put_char(put, ',');
        first = false;
        if (list) {
            tr_json_put_string(put, pair.key, pair.key_bytes);
            tr_json_put_char(put, ':');
        }
        value_put(put, &pair.value, depth + 1);
    }
    tr_json_put_char(put, list ? '}' : ']');
}

static void value_put(struct tr_json_put *put, const struct tr_value *value, int depth)
{
    switch (value->type) {
    case TR_VALUE_STRING:
        tr_json_put_string(put, value->bytes, value->length);
        break;
    case TR_VALUE_BOOL:
        tr_json_put(put, value->integer ? "true" : "false", value->integer ? 4 : 5);
        break;
    case TR_VALUE_INT:
        tr_json_put_number(put, value->integer);
        break;
    case TR_VALUE_DOUBLE:
        tr_json_put_double(put, value->number);
        break;
    case TR_VALUE_BYTES:
        tr_json_put_base64(put, value->bytes, value->length);
        break;
    case TR_VALUE_ARRAY:
    case TR_VALUE_KVLIST:
        if (depth < DEPTH_MAX) {
            items_put(put, value, depth);
            break;
        }
        // fall through
    default:
        tr_json_put(put, "null", 4);
    }
}

char *tr_red_value_text(const struct tr_value *value)
{
    struct tr_json_put put = {0};

    if (value->type == TR_VALUE_STRING) {
        char *text = malloc(3 * (size_t)value->length + 1);

        if (text)
            text[tr_red_utf8(value->bytes, value->length, (uint8_t *)text)] = '\0';
        return text;
    }
    if (value->type != TR_VALUE_NONE && value->type != TR_VALUE_STRING_INDEX)
        value_put(&put, value, 0);
    tr_json_put_char(&put, '\0');
    if (put.failed) {
        free(put.data);
        return NULL;
    }
    return put.data;
}

size_t tr_red_resource_utf8(const uint8_t *from, size_t bytes, uint8_t *to)
{
    const uint8_t *p = from, *end = from + bytes;
    struct tr_pb_field field;
    uint8_t *t = to;

    while (p && p < end) {
        struct tr_key_value pair;
        uint8_t *key, *text, *kv;
        size_t key_bytes, text_bytes;

        p = tr_pb_field(p, end, &field);
        if (!p || field.number != 1 || field.wire != TR_PB_BYTES || !tr_key_value_read(field.bytes, (uint32_t)field.value, &pair))
            continue;
        if (!pair.key || pair.value.type != TR_VALUE_STRING) {
            t = tr_pb_put_bytes(t, 1, field.bytes, field.value);
            continue;
        }
        key = malloc(3 * (size_t)pair.key_bytes + 1);
        text = malloc(3 * (size_t)pair.value.length + 1);
        kv = malloc(3 * ((size_t)pair.key_bytes + pair.value.length) + 64);
        tr_assert(key && text && kv);
        key_bytes = tr_red_utf8(pair.key, pair.key_bytes, key);
        text_bytes = tr_red_utf8(pair.value.bytes, pair.value.length, text);
        if (key_bytes == pair.key_bytes && text_bytes == pair.value.length) {
            t = tr_pb_put_bytes(t, 1, field.bytes, field.value);
        } else {
            size_t any = 1 + tr_pb_varint_bytes(text_bytes) + text_bytes;
            uint8_t *k = tr_pb_put_bytes(kv, 1, key, key_bytes);

            k = tr_pb_put_tag(k, 2, TR_PB_BYTES);
            k = tr_pb_put_varint(k, any);
            k = tr_pb_put_bytes(k, 1, text, text_bytes);
            t = tr_pb_put_bytes(t, 1, kv, (size_t)(k - kv));
        }
        free(key);
        free(text);
        free(kv);
    }
    return (size_t)(t - to);
}
