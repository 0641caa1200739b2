// SPDX-License-Identifier: Apache-2.0
// Comparison by the Collector's rules: numbers with numbers, else like with like; whatever does not go together is
// unequal, and neither above nor below. Nothing equals nil but nil, and bytes that are empty, which it takes for nil.
#include "policy/ottl_value.h"

#include "base/pb.h"
#include "otlp/value.h"

static bool ordered(int order, enum tr_ottl_comparison how)
{
    switch (how) {
    case TR_OTTL_EQ:
        return order == 0;
    case TR_OTTL_NE:
        return order != 0;
    case TR_OTTL_LT:
        return order < 0;
    case TR_OTTL_LE:
        return order <= 0;
    case TR_OTTL_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

// NaN is unequal to everything.
static bool numbers(double a, double b, enum tr_ottl_comparison how)
{
    if (a != a || b != b)
        return how == TR_OTTL_NE;
    return ordered((a > b) - (a < b), how);
}

static bool strings(const struct tr_ottl_value *a, const struct tr_ottl_value *b, enum tr_ottl_comparison how)
{
    uint32_t common = TR_MIN(a->length, b->length);
    int order;

    if (how <= TR_OTTL_NE && a->length != b->length)
        return how == TR_OTTL_NE;
    order = common ? memcmp(a->bytes, b->bytes, common) : 0;
    return ordered(order ? order : (a->length > b->length) - (a->length < b->length), how);
}

static bool nil(const struct tr_ottl_value *value)
{
    return value->type == TR_OTTL_NIL || (value->type == TR_OTTL_BYTES && value->length == 0);
}

// Equality of an attribute's array with a literal list: item by item, of the same type.
static bool slice_equals_list(const struct tr_ottl_value *slice, const struct tr_ottl_value *list)
{
    const uint8_t *p = slice->bytes, *end = p + slice->length;
    uint32_t at = 0;

    while (p && p < end) {
        struct tr_ottl_value item;
        struct tr_pb_field field;
        struct tr_value any;

        p = tr_pb_field(p, end, &field);
        if (!p || field.number != slice->field || field.wire != TR_PB_BYTES)
            continue;
        if (at == list->length || !tr_value_read(field.bytes, (uint32_t)field.value, &any))
            return false;
        item = tr_ottl_value_of(&any);
        if (item.type != list->items[at].type || !tr_ottl_compare(&item, &list->items[at], TR_OTTL_EQ))
            return false;
        at++;
    }
    return at == list->length;
}

static bool lists_equal(const struct tr_ottl_value *a, const struct tr_ottl_value *b)
{
    if (a->length != b->length)
        return false;
    for (uint32_t i = 0; i < a->length; i++)
        if (a->items[i].type != b->items[i].type || !tr_ottl_compare(&a->items[i], &b->items[i], TR_OTTL_EQ))
            return false;
    return true;
}

// What has no order: equal, or not. Two maps or arrays of the span are equal when their bytes are.
static bool composites(const struct tr_ottl_value *a, const struct tr_ottl_value *b, enum tr_ottl_comparison how)
{
    bool equal;

    if (a->type == TR_OTTL_LIST && b->type == TR_OTTL_SLICE)
        equal = slice_equals_list(b, a);
    else if (a->type == TR_OTTL_SLICE && b->type == TR_OTTL_LIST)
        equal = slice_equals_list(a, b);
    else if (a->type != b->type)
        equal = false;
    else if (a->type == TR_OTTL_LIST)
        equal = lists_equal(a, b);
    else if (a->type == TR_OTTL_STATUS)
        equal = true; // there is one
    else
        equal = a->type != TR_OTTL_SPLIT && a->field == b->field && a->length == b->length &&
                (a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
    return how == TR_OTTL_EQ ? equal : how == TR_OTTL_NE && !equal;
}

bool tr_ottl_compare(const struct tr_ottl_value *a, const struct tr_ottl_value *b, enum tr_ottl_comparison how)
{
    if (nil(a) || nil(b)) {
        if (nil(a) && nil(b))
            return how == TR_OTTL_EQ || how == TR_OTTL_LE || how == TR_OTTL_GE;
        return how == TR_OTTL_NE;
    }
    if (a->type == TR_OTTL_INT && b->type == TR_OTTL_DOUBLE)
        return numbers((double)a->integer, b->number, how);
    if (a->type == TR_OTTL_DOUBLE && b->type == TR_OTTL_INT)
        return numbers(a->number, (double)b->integer, how);
    if (a->type != b->type && a->type != TR_OTTL_LIST && b->type != TR_OTTL_LIST)
        return how == TR_OTTL_NE;
    switch (a->type) {
    case TR_OTTL_BOOL:
    case TR_OTTL_INT:
    case TR_OTTL_DURATION:
        return b->type == a->type ? ordered((a->integer > b->integer) - (a->integer < b->integer), how)
                                  : how == TR_OTTL_NE;
    case TR_OTTL_DOUBLE:
        return b->type == a->type ? numbers(a->number, b->number, how) : how == TR_OTTL_NE;
    case TR_OTTL_TIME:
        return b->type == a->type ? ordered((a->time > b->time) - (a->time < b->time), how) : how == TR_OTTL_NE;
    case TR_OTTL_STRING:
    case TR_OTTL_BYTES:
        return b->type == a->type ? strings(a, b, how) : how == TR_OTTL_NE;
    default:
        return composites(a, b, how);
    }
}

struct tr_ottl_value tr_ottl_value_of(const struct tr_value *value)
{
    static const uint8_t types[] = {
        [TR_VALUE_NONE] = TR_OTTL_NIL,     [TR_VALUE_STRING] = TR_OTTL_STRING,    [TR_VALUE_BOOL] = TR_OTTL_BOOL,
        [TR_VALUE_INT] = TR_OTTL_INT,      [TR_VALUE_DOUBLE] = TR_OTTL_DOUBLE,    [TR_VALUE_ARRAY] = TR_OTTL_SLICE,
        [TR_VALUE_KVLIST] = TR_OTTL_MAP,   [TR_VALUE_BYTES] = TR_OTTL_BYTES,      [TR_VALUE_STRING_INDEX] = TR_OTTL_NIL,
    };
    struct tr_ottl_value out = {.type = types[value->type], .field = 1};

    if (out.type == TR_OTTL_DOUBLE) {
        out.number = value->number;
    } else if (out.type == TR_OTTL_INT || out.type == TR_OTTL_BOOL) {
        out.integer = value->integer;
    } else if (out.type != TR_OTTL_NIL) {
        out.bytes = value->bytes;
        out.length = value->length;
    }
    return out;
}

// The next piece of a SPLIT, `p` at its begin. Returns its end; the next one begins a delimiter behind it.
static const uint8_t *piece(const struct tr_ottl_value *split, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *cut;

    if (split->field == 0) {
        // Go splits after each character of UTF-8.
        if (p < end)
            p++;
        while (p < end && (*p & 0xc0) == 0x80)
            p++;
        return p;
    }
    cut = end > p ? memmem(p, (size_t)(end - p), split->delimiter, split->field) : NULL;
    return cut ? cut : end;
}

// Item `index` of a SPLIT, or how many there are where that is -1.
static int64_t split_walk(const struct tr_ottl_value *split, int64_t index, struct tr_ottl_value *item)
{
    const uint8_t *p = split->bytes, *end = p + split->length, *cut;
    int64_t count = 0;

    if (split->field == 0 && split->length == 0)
        return 0;
    for (;; p = cut + split->field) {
        cut = piece(split, p, end);
        if (count++ == index)
            *item = tr_ottl_string(p, (uint32_t)(cut - p));
        if (cut == end)
            return count;
    }
}

static int64_t fields_walk(const struct tr_ottl_value *value, int64_t index, struct tr_ottl_value *item)
{
    const uint8_t *p = value->bytes, *end = p + value->length;
    int64_t count = 0;

    while (p && p < end) {
        struct tr_pb_field field;
        struct tr_value any;

        p = tr_pb_field(p, end, &field);
        if (!p || field.number != value->field || field.wire != TR_PB_BYTES)
            continue;
        if (count++ == index && tr_value_read(field.bytes, (uint32_t)field.value, &any))
            *item = tr_ottl_value_of(&any);
    }
    return count;
}

int64_t tr_ottl_count(const struct tr_ottl_value *value)
{
    return value->type == TR_OTTL_SPLIT ? split_walk(value, -1, NULL) : fields_walk(value, -1, NULL);
}

bool tr_ottl_item(const struct tr_ottl_value *value, int64_t index, struct tr_ottl_value *item)
{
    int64_t count;

    if (index < 0)
        return false;
    *item = (struct tr_ottl_value){.type = TR_OTTL_NIL};
    count = value->type == TR_OTTL_SPLIT ? split_walk(value, index, item) : fields_walk(value, index, item);
    return index < count;
}

bool tr_ottl_member(const struct tr_ottl_value *map, const uint8_t *key, uint32_t bytes, struct tr_ottl_value *member)
{
    const uint8_t *p = map->bytes, *end = p + map->length;

    while (p && p < end) {
        struct tr_key_value pair;
        struct tr_pb_field field;
        const uint8_t *at;
        uint32_t length;

        p = tr_pb_field(p, end, &field);
        if (!p || field.number != map->field || field.wire != TR_PB_BYTES)
            continue;
        if (!tr_key_value_key(field.bytes, (uint32_t)field.value, &at, &length) || length != bytes ||
            (bytes && memcmp(at, key, bytes) != 0))
            continue;
        if (!tr_key_value_read(field.bytes, (uint32_t)field.value, &pair))
            return false;
        *member = tr_ottl_value_of(&pair.value);
        return true;
    }
    return false;
}
