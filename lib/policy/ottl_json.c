// SPDX-License-Identifier: Apache-2.0
// What is neither a string nor a number as JSON, as the Collector's converters see them: keys sorted, of equal ones the last, bytes in
// base64, what HTML would trip over escaped; ids, times and the rest as they happen to come out there.
#include <math.h>
#include <time.h>

#include "base/pb.h"
#include "otlp/value.h"
#include "policy/ottl_program.h"

#define MEMBERS_MAX 256 // of one map; more is an error
#define DEPTH_MAX   64

static bool put(struct tr_ottl_run *run, const void *bytes, size_t count)
{
    uint8_t *at = count <= TR_OTTL_MADE_MAX ? tr_ottl_make(run, (uint32_t)count) : NULL;

    if (!at)
        return false;
    memcpy(at, bytes, count);
    return true;
}

// Bytes of a character of UTF-8 that Go takes for one; 0: none.
static unsigned character(const uint8_t *p, const uint8_t *end)
{
    uint8_t c = *p;
    unsigned n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

    if (n == 0 || (size_t)(end - p) < n)
        return 0;
    for (unsigned i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] >= 0xa0) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] >= 0x90))
        return 0;
    return n;
}

static bool string_put(struct tr_ottl_run *run, const uint8_t *p, uint32_t bytes)
{
    const uint8_t *end = p + bytes;
    bool good = put(run, "\"", 1);

    while (good && p < end) {
        unsigned n = character(p, end);
        char escaped[8];

        if (n == 0) {
            good = put(run, "\\ufffd", 6);
            p++;
        } else if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8) {
            good = put(run, p[2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
            p += n;
        } else if (n == 1 && (*p == '"' || *p == '\\' || *p == '\n' || *p == '\r' || *p == '\t')) {
            escaped[0] = '\\';
            escaped[1] = *p == '\n' ? 'n' : *p == '\r' ? 'r' : *p == '\t' ? 't' : (char)*p;
            good = put(run, escaped, 2);
            p++;
        } else if (n == 1 && (*p < 0x20 || *p == '<' || *p == '>' || *p == '&')) {
            good = put(run, escaped, (size_t)snprintf(escaped, sizeof(escaped), "\\u%04x", *p));
            p++;
        } else {
            good = put(run, p, n);
            p += n;
        }
    }
    return good && put(run, "\"", 1);
}

static bool base64_put(struct tr_ottl_run *run, const uint8_t *p, uint32_t bytes)
{
    static const char figures[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bool good = put(run, "\"", 1);

    for (uint32_t i = 0; good && i < bytes; i += 3) {
        uint32_t left = TR_MIN(bytes - i, 3u);
        uint32_t bits = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
        char four[4] = {figures[bits >> 18], figures[bits >> 12 & 63], left > 1 ? figures[bits >> 6 & 63] : '=',
                        left > 2 ? figures[bits & 63] : '='};

        good = put(run, four, 4);
    }
    return good && put(run, "\"", 1);
}

static bool value_put(struct tr_ottl_run *run, const struct tr_ottl_value *value, unsigned depth);

static bool slice_put(struct tr_ottl_run *run, const struct tr_ottl_value *slice, unsigned depth)
{
    const uint8_t *p = slice->bytes, *end = p + slice->length;
    bool good = put(run, "[", 1), first = true;

    while (good && p < end) {
        struct tr_ottl_value item;
        struct tr_pb_field field;
        struct tr_value any;

        p = tr_pb_field(p, end, &field);
        if (!p)
            return false;
        if (field.number != slice->field || field.wire != TR_PB_BYTES)
            continue;
        if (!tr_value_read(field.bytes, (uint32_t)field.value, &any))
            return false;
        item = tr_ottl_value_of(&any);
        good = (first || put(run, ",", 1)) && value_put(run, &item, depth + 1);
        first = false;
    }
    return good && put(run, "]", 1);
}

static bool items_put(struct tr_ottl_run *run, const struct tr_ottl_value *list)
{
    int64_t count = list->type == TR_OTTL_LIST ? list->length : tr_ottl_count(list);
    bool good = put(run, "[", 1);

    for (int64_t i = 0; good && i < count; i++) {
        struct tr_ottl_value item;

        if (list->type == TR_OTTL_LIST)
            item = list->items[i];
        else if (!tr_ottl_item(list, i, &item))
            return false;
        good = (i == 0 || put(run, ",", 1)) && value_put(run, &item, 1);
    }
    return good && put(run, "]", 1);
}

// An id is an array of bytes to the Collector's JSON.
static bool id_put(struct tr_ottl_run *run, const struct tr_ottl_value *id)
{
    bool good = true;
    char text[8];

    for (uint32_t i = 0; good && i < id->length; i++)
        good = put(run, text, (size_t)snprintf(text, sizeof(text), "%c%u", i ? ',' : '[', id->bytes[i]));
    return good && put(run, "]", 1);
}

// As RFC 3339 has it, with as many digits behind the point as it takes.
static bool time_put(struct tr_ottl_run *run, const struct tr_ottl_value *value)
{
    const tr_int128 second = 1000000000;
    tr_int128 whole = value->time / second - (value->time % second < 0);
    uint32_t ns = (uint32_t)(value->time - whole * second);
    char text[64];
    struct tm tm;
    time_t at;
    int n;

    if (whole < -62167219200 || whole > 253402300799) // of the years 0 to 9999
        return false;
    at = (time_t)whole;
    gmtime_r(&at, &tm);
    n = snprintf(text, sizeof(text), "\"%04d-%02d-%02dT%02d:%02d:%02d.%09u", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                 tm.tm_hour, tm.tm_min, tm.tm_sec, ns);
    while (text[n - 1] == '0' && ns)
        n--;
    if (!ns)
        n -= 10; // the point too
    return put(run, text, (size_t)n) && put(run, "Z\"", 2);
}

// Returns how many, -1: too many, or malformed.
static int members_read(const struct tr_ottl_value *map, struct tr_key_value *members)
{
    const uint8_t *p = map->bytes, *end = p + map->length;
    struct tr_pb_field field;
    int count = 0;

    while (p < end) {
        p = tr_pb_field(p, end, &field);
        if (!p)
            return -1;
        if (field.number != map->field || field.wire != TR_PB_BYTES)
            continue;
        if (count == MEMBERS_MAX || !tr_key_value_read(field.bytes, (uint32_t)field.value, &members[count]))
            return -1;
        count++;
    }
    return count;
}

static int key_order(const struct tr_key_value *a, const struct tr_key_value *b)
{
    uint32_t common = TR_MIN(a->key_bytes, b->key_bytes);
    int order = common ? memcmp(a->key, b->key, common) : 0;

    return order ? order : (a->key_bytes > b->key_bytes) - (a->key_bytes < b->key_bytes);
}

static bool map_put(struct tr_ottl_run *run, const struct tr_ottl_value *map, unsigned depth)
{
    struct tr_key_value members[MEMBERS_MAX];
    int count = members_read(map, members);
    const struct tr_key_value *done = NULL;
    bool good = count >= 0 && put(run, "{", 1);

    while (good) {
        const struct tr_key_value *next = NULL;
        struct tr_ottl_value item;

        for (int i = 0; i < count; i++)
            if ((!done || key_order(&members[i], done) > 0) && (!next || key_order(&members[i], next) <= 0))
                next = &members[i];
        if (!next)
            break;
        item = tr_ottl_value_of(&next->value);
        good = (!done || put(run, ",", 1)) && string_put(run, next->key, next->key_bytes) && put(run, ":", 1) &&
               value_put(run, &item, depth + 1);
        done = next;
    }
    return good && put(run, "}", 1);
}

static bool value_put(struct tr_ottl_run *run, const struct tr_ottl_value *value, unsigned depth)
{
    char text[64];

    if (depth > DEPTH_MAX)
        return false;
    switch (value->type) {
    case TR_OTTL_NIL:
        return put(run, "null", 4);
    case TR_OTTL_BOOL:
        return value->integer ? put(run, "true", 4) : put(run, "false", 5);
    case TR_OTTL_INT:
        return put(run, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)value->integer));
    case TR_OTTL_DOUBLE:
        return isfinite(value->number) && put(run, text, tr_ottl_double_format(text, value->number));
    case TR_OTTL_STRING:
        return string_put(run, value->bytes, value->length);
    case TR_OTTL_BYTES:
        return base64_put(run, value->bytes, value->length);
    case TR_OTTL_SLICE:
        return slice_put(run, value, depth);
    case TR_OTTL_MAP:
        return map_put(run, value, depth);
    case TR_OTTL_LIST:
    case TR_OTTL_SPLIT:
        return items_put(run, value);
    case TR_OTTL_TRACE_ID:
    case TR_OTTL_SPAN_ID:
        return id_put(run, value);
    case TR_OTTL_TIME:
        return time_put(run, value);
    default: // to the Collector's JSON these have nothing to show
        return put(run, "{}", 2);
    }
}

bool tr_ottl_json_make(struct tr_ottl_run *run, const struct tr_ottl_value *value, struct tr_ottl_value *out)
{
    const uint8_t *begin = run->made + run->made_bytes;

    if (!value_put(run, value, 0))
        return false;
    *out = tr_ottl_string(begin, (uint32_t)(run->made + run->made_bytes - begin));
    return true;
}
