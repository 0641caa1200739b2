// SPDX-License-Identifier: Apache-2.0
// The converters; those of times and durations are in ottl_function_time.c.
#include "policy/ottl_function_time.h"

#define CONVERTER(name_) static TR_OTTL_CONVERTER(name_)

static bool both_strings(const struct tr_ottl_value *a)
{
    return a[0].type == TR_OTTL_STRING && a[1].type == TR_OTTL_STRING;
}

static bool starts(const struct tr_ottl_value *a, const struct tr_ottl_value *b)
{
    return a->length >= b->length && (b->length == 0 || memcmp(a->bytes, b->bytes, b->length) == 0);
}

static bool ends(const struct tr_ottl_value *a, const struct tr_ottl_value *b)
{
    return a->length >= b->length &&
           (b->length == 0 || memcmp(a->bytes + a->length - b->length, b->bytes, b->length) == 0);
}

CONVERTER(is_string)
{
    *out = tr_ottl_bool(a->type == TR_OTTL_STRING);
    return true;
}

CONVERTER(is_int)
{
    *out = tr_ottl_bool(a->type == TR_OTTL_INT);
    return true;
}

CONVERTER(is_double)
{
    *out = tr_ottl_bool(a->type == TR_OTTL_DOUBLE);
    return true;
}

CONVERTER(is_bool)
{
    *out = tr_ottl_bool(a->type == TR_OTTL_BOOL);
    return true;
}

CONVERTER(is_map)
{
    *out = tr_ottl_bool(a->type == TR_OTTL_MAP);
    return true;
}

CONVERTER(is_list)
{
    *out = tr_ottl_bool(a->type == TR_OTTL_SLICE || a->type == TR_OTTL_MESSAGES || a->type == TR_OTTL_LIST ||
                        a->type == TR_OTTL_SPLIT);
    return true;
}

CONVERTER(is_root_span)
{
    uint64_t parent = 0;

    if (run->span->parent_id)
        memcpy(&parent, run->span->parent_id, 8);
    *out = tr_ottl_bool(parent == 0);
    return true;
}

CONVERTER(is_empty)
{
    static const uint8_t zero[16];

    switch (a->type) {
    case TR_OTTL_NIL:
        *out = tr_ottl_bool(true);
        return true;
    case TR_OTTL_BOOL:
    case TR_OTTL_INT:
    case TR_OTTL_DURATION:
    case TR_OTTL_DOUBLE: // all bits of it, so that -0 is none
        *out = tr_ottl_bool(a->integer == 0);
        return true;
    case TR_OTTL_STRING:
    case TR_OTTL_BYTES:
    case TR_OTTL_LIST:
        *out = tr_ottl_bool(a->length == 0);
        return true;
    case TR_OTTL_MAP:
    case TR_OTTL_SLICE:
    case TR_OTTL_SPLIT:
        *out = tr_ottl_bool(tr_ottl_count(a) == 0);
        return true;
    case TR_OTTL_TRACE_ID:
    case TR_OTTL_SPAN_ID:
        *out = tr_ottl_bool(memcmp(a->bytes, zero, a->length) == 0);
        return true;
    default:
        *out = tr_ottl_bool(false);
        return true;
    }
}

CONVERTER(has_prefix)
{
    *out = tr_ottl_bool(both_strings(a) && starts(&a[0], &a[1]));
    return both_strings(a);
}

CONVERTER(has_suffix)
{
    *out = tr_ottl_bool(both_strings(a) && ends(&a[0], &a[1]));
    return both_strings(a);
}

CONVERTER(length)
{
    switch (a->type) {
    case TR_OTTL_STRING:
    case TR_OTTL_BYTES:
    case TR_OTTL_LIST:
        *out = tr_ottl_int(a->length);
        return true;
    case TR_OTTL_MAP:
    case TR_OTTL_SLICE:
    case TR_OTTL_MESSAGES:
    case TR_OTTL_SPLIT:
        *out = tr_ottl_int(tr_ottl_count(a));
        return true;
    default:
        return false;
    }
}

CONVERTER(to_int)
{
    return tr_ottl_to_int(a, out);
}

CONVERTER(to_double)
{
    return tr_ottl_to_double(a, out);
}

CONVERTER(to_bool)
{
    return tr_ottl_to_bool(a, out);
}

CONVERTER(to_string)
{
    return tr_ottl_to_string(run, a, out);
}

// The compiler puts the list's items in a row, the delimiter last.
CONVERTER(concat)
{
    const struct tr_ottl_value *delimiter = &a[count - 1];
    struct tr_ottl_value parts[TR_OTTL_STACK_MAX];
    uint32_t bytes = 0;
    uint8_t *at;

    if (delimiter->type != TR_OTTL_STRING)
        return false;
    for (unsigned i = 0; i + 1 < count; i++) {
        if (!tr_ottl_to_string(run, &a[i], &parts[i]))
            return false;
        if (parts[i].type == TR_OTTL_NIL)
            parts[i] = tr_ottl_string("<nil>", 5);
        if (parts[i].length > TR_OTTL_MADE_MAX || delimiter->length > TR_OTTL_MADE_MAX)
            return false;
        bytes += parts[i].length + (i ? delimiter->length : 0);
    }
    at = tr_ottl_make(run, bytes);
    if (!at)
        return false;
    *out = tr_ottl_string(at, bytes);
    for (unsigned i = 0; i + 1 < count; i++) {
        if (i && delimiter->length)
            at = (uint8_t *)mempcpy(at, delimiter->bytes, delimiter->length);
        if (parts[i].length)
            at = (uint8_t *)mempcpy(at, parts[i].bytes, parts[i].length);
    }
    return true;
}

// Does a character of UTF-8 begin here? As Go asks.
static bool begins(const struct tr_ottl_value *text, int64_t at)
{
    return (text->bytes[at] & 0xc0) != 0x80;
}

CONVERTER(substring)
{
    int64_t from, to, bytes = a[0].length;

    if (a[0].type != TR_OTTL_STRING || a[1].type != TR_OTTL_INT || a[2].type != TR_OTTL_INT)
        return false;
    from = a[1].integer;
    if (from < 0 || a[2].integer <= 0 || from > bytes || a[2].integer > bytes - from)
        return false;
    to = from + a[2].integer;
    if (count > 3 && a[3].integer) {
        while (from < bytes && !begins(a, from))
            from++;
        while (from < to && to < bytes && !begins(a, to))
            to--;
        to = TR_MAX(from, to);
    }
    *out = tr_ottl_string(a[0].bytes + from, (uint32_t)(to - from));
    return true;
}

// Letters of ASCII, and the two others each that become one.
static bool case_convert(struct tr_ottl_run *run, const struct tr_ottl_value *a, bool upper, struct tr_ottl_value *out)
{
    const uint8_t *p = a->bytes, *end = p + a->length;
    uint8_t *begin = a->type == TR_OTTL_STRING ? tr_ottl_make(run, a->length) : NULL, *to = begin;

    if (!begin)
        return false;
    for (; p < end; p++) {
        if (*p < 0x80) {
            *to++ = (uint8_t)(upper ? (*p >= 'a' && *p <= 'z' ? *p - 32 : *p) : (*p >= 'A' && *p <= 'Z' ? *p + 32 : *p));
        } else if (!upper && end - p > 2 && memcmp(p, "\xe2\x84\xaa", 3) == 0) { // the Kelvin sign
            *to++ = 'k';
            p += 2;
        } else if (!upper && end - p > 1 && memcmp(p, "\xc4\xb0", 2) == 0) { // I with a dot
            *to++ = 'i';
            p++;
        } else if (upper && end - p > 1 && memcmp(p, "\xc4\xb1", 2) == 0) { // i without one
            *to++ = 'I';
            p++;
        } else if (upper && end - p > 1 && memcmp(p, "\xc5\xbf", 2) == 0) { // the long s
            *to++ = 'S';
            p++;
        } else {
            *to++ = *p;
        }
    }
    *out = tr_ottl_string(begin, (uint32_t)(to - begin));
    return true;
}

CONVERTER(to_lower)
{
    return case_convert(run, a, false, out);
}

CONVERTER(to_upper)
{
    return case_convert(run, a, true, out);
}

CONVERTER(convert_case)
{
    return case_convert(run, a, a[1].bytes[0] == 'u', out);
}

CONVERTER(split)
{
    *out = a[0];
    out->type = TR_OTTL_SPLIT;
    out->delimiter = a[1].bytes;
    out->field = (uint8_t)a[1].length;
    return a[0].type == TR_OTTL_STRING && a[1].length <= UINT8_MAX;
}

static bool in_set(uint8_t c, const struct tr_ottl_value *set)
{
    return set->length && memchr(set->bytes, c, set->length);
}

CONVERTER(trim)
{
    const struct tr_ottl_value blank = tr_ottl_string(" ", 1), *set = count > 1 ? &a[1] : &blank;

    *out = a[0];
    if (a[0].type != TR_OTTL_STRING)
        return false;
    while (out->length && in_set(out->bytes[0], set)) {
        out->bytes++;
        out->length--;
    }
    while (out->length && in_set(out->bytes[out->length - 1], set))
        out->length--;
    return true;
}

CONVERTER(trim_prefix)
{
    *out = a[0];
    if (!both_strings(a))
        return false;
    if (starts(&a[0], &a[1])) {
        out->bytes += a[1].length;
        out->length -= a[1].length;
    }
    return true;
}

CONVERTER(trim_suffix)
{
    *out = a[0];
    if (!both_strings(a))
        return false;
    if (ends(&a[0], &a[1]))
        out->length -= a[1].length;
    return true;
}

// Where the item is in an array, -1: nowhere.
static int64_t item_find(const struct tr_ottl_value *in, const struct tr_ottl_value *item)
{
    int64_t count = in->type == TR_OTTL_LIST ? in->length : tr_ottl_count(in);

    for (int64_t i = 0; i < count && i < 1024; i++) {
        struct tr_ottl_value one;

        if (in->type == TR_OTTL_LIST)
            one = in->items[i];
        else if (!tr_ottl_item(in, i, &one))
            break;
        if (tr_ottl_compare(&one, item, TR_OTTL_EQ))
            return i;
    }
    return -1;
}

static bool array(const struct tr_ottl_value *value)
{
    return value->type == TR_OTTL_SLICE || value->type == TR_OTTL_LIST || value->type == TR_OTTL_SPLIT;
}

CONVERTER(contains_value)
{
    if (!array(a))
        return false;
    *out = tr_ottl_bool(item_find(&a[0], &a[1]) >= 0);
    return true;
}

CONVERTER(index_of)
{
    const uint8_t *found;

    if (a[0].type != TR_OTTL_STRING) {
        if (!array(a))
            return false;
        *out = tr_ottl_int(item_find(&a[0], &a[1]));
        return true;
    }
    if (a[1].type != TR_OTTL_STRING)
        return false;
    found = a[1].length ? memmem(a[0].bytes, a[0].length, a[1].bytes, a[1].length) : a[0].bytes;
    *out = tr_ottl_int(!found && a[1].length ? -1 : found - a[0].bytes);
    return true;
}

// Bytes, or their digits; the compiler lets in nothing else.
static bool id_make(struct tr_ottl_run *run, const struct tr_ottl_value *a, enum tr_ottl_type type, uint32_t bytes,
                    struct tr_ottl_value *out)
{
    uint8_t *to;

    *out = *a;
    out->type = (uint8_t)type;
    if (a->length == bytes)
        return true;
    to = a->length == 2 * bytes ? tr_ottl_make(run, bytes) : NULL;
    if (!to)
        return false;
    for (uint32_t i = 0; i < bytes; i++) {
        char digits[3] = {(char)a->bytes[2 * i], (char)a->bytes[2 * i + 1], 0}, *rest;

        if (strspn(digits, "0123456789abcdefABCDEF") != 2)
            return false;
        to[i] = (uint8_t)strtoul(digits, &rest, 16);
    }
    out->bytes = to;
    out->length = bytes;
    return true;
}

CONVERTER(trace_id)
{
    return id_make(run, a, TR_OTTL_TRACE_ID, 16, out);
}

CONVERTER(span_id)
{
    return id_make(run, a, TR_OTTL_SPAN_ID, 8, out);
}

const struct tr_ottl_function tr_ottl_functions[] = {
    {"Bool", "b", 1, to_bool},
    {"Concat", "*s", 2, concat},
    {"ContainsValue", "la", 2, contains_value},
    {"ConvertCase", "sc", 2, convert_case},
    {"Double", "f", 1, to_double},
    {"Duration", "s", 1, tr_ottl_call_duration},
    {"HasPrefix", "ss", 2, has_prefix},
    {"HasSuffix", "ss", 2, has_suffix},
    {"Hours", "d", 1, tr_ottl_call_hours},
    {"Index", "aa", 2, index_of},
    {"Int", "i", 1, to_int},
    {"IsBool", "B", 1, is_bool},
    {"IsDouble", "D", 1, is_double},
    {"IsEmpty", "a", 1, is_empty},
    {"IsInt", "n", 1, is_int},
    {"IsList", "a", 1, is_list},
    {"IsMap", "M", 1, is_map},
    {"IsRootSpan", "", 0, is_root_span},
    {"IsString", "s", 1, is_string},
    {"Len", "a", 1, length},
    {"Microseconds", "d", 1, tr_ottl_call_microseconds},
    {"Milliseconds", "d", 1, tr_ottl_call_milliseconds},
    {"Minutes", "d", 1, tr_ottl_call_minutes},
    {"Nanoseconds", "d", 1, tr_ottl_call_nanoseconds},
    {"Seconds", "d", 1, tr_ottl_call_seconds},
    {"SpanID", "x", 1, span_id},
    {"Split", "sS", 2, split},
    {"String", "t", 1, to_string},
    {"Substring", "snnT", 3, substring},
    {"ToLowerCase", "s", 1, to_lower},
    {"ToUpperCase", "s", 1, to_upper},
    {"TraceID", "x", 1, trace_id},
    {"Trim", "sS", 1, trim},
    {"TrimPrefix", "ss", 2, trim_prefix},
    {"TrimSuffix", "ss", 2, trim_suffix},
    {"Unix", "nn", 1, tr_ottl_call_unix_make},
    {"UnixMicro", "m", 1, tr_ottl_call_unix_micro},
    {"UnixMilli", "m", 1, tr_ottl_call_unix_milli},
    {"UnixNano", "m", 1, tr_ottl_call_unix_nano},
    {"UnixSeconds", "m", 1, tr_ottl_call_unix_seconds},
};
const uint32_t tr_ottl_functions_count = TR_NELEMS(tr_ottl_functions);
