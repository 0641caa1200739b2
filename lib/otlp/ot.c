// SPDX-License-Identifier: Apache-2.0
#include "otlp/ot.h"

#include <math.h>

#include "otlp/trace_state.h"

#define DIGITS 14

static bool letter(uint8_t c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool value_character(uint8_t c)
{
    return letter(c) || digit(c) || c == '.' || c == '_' || c == '-';
}

// `key:value` at `p`. Returns the byte behind it (a semicolon or the end), NULL: it is none.
static const uint8_t *pair_read(const uint8_t *p, const uint8_t *end, const uint8_t **value)
{
    const uint8_t *begin = p;

    while (p < end && (digit(*p) || (*p >= 'a' && *p <= 'z')))
        p++;
    if (p == begin || digit(*begin) || p == end || *p != ':')
        return NULL;
    *value = ++p;
    while (p < end && value_character(*p))
        p++;
    return p == end || *p == ';' ? p : NULL;
}

static bool is_key(const uint8_t *pair, const uint8_t *value, const char *key)
{
    return value - pair == 3 && pair[0] == (uint8_t)key[0] && pair[1] == (uint8_t)key[1];
}

// 1 to 14 hexadecimal digits, from the left: the ones that are missing are 0.
static bool hex_read(const uint8_t *p, const uint8_t *end, unsigned least, uint64_t *number)
{
    ptrdiff_t digits = end - p;

    if (digits < (ptrdiff_t)least || digits > DIGITS)
        return false;
    *number = 0;
    for (; p < end; p++) {
        if (!digit(*p) && !((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f'))
            return false;
        *number = *number << 4 | (uint64_t)(digit(*p) ? *p - '0' : (*p | 0x20) - 'a' + 10);
    }
    *number <<= 4 * (DIGITS - digits);
    return true;
}

static bool value_read(const uint8_t *p, const uint8_t *end, struct tr_ot *ot)
{
    while (p < end) {
        const uint8_t *value, *next = pair_read(p, end, &value);

        if (!next)
            return false;
        if (is_key(p, value, "th")) {
            if (ot->has_th || !hex_read(value, next, 1, &ot->th))
                return false;
            ot->has_th = true;
        } else if (is_key(p, value, "rv")) {
            if (ot->has_rv || !hex_read(value, next, DIGITS, &ot->rv))
                return false;
            ot->has_rv = true;
        }
        p = next + 1;
        if (p == end)
            return false; // a semicolon with nothing behind it
    }
    return true;
}

static enum tr_ot_result read_at(const uint8_t *text, uint32_t bytes, struct tr_trace_state_found *found,
                                 struct tr_ot *ot)
{
    *ot = (struct tr_ot){0};
    *found = (struct tr_trace_state_found){0};
    if (!bytes)
        return TR_OT_NONE;
    if (!tr_trace_state_read(text, bytes, "ot", 2, found))
        return TR_OT_MALFORMED;
    if (!found->value)
        return TR_OT_NONE;
    if (value_read(found->value, found->value + found->value_bytes, ot))
        return TR_OT_READ;
    *ot = (struct tr_ot){0};
    return TR_OT_MALFORMED;
}

enum tr_ot_result tr_ot_read(const uint8_t *text, uint32_t bytes, struct tr_ot *ot)
{
    struct tr_trace_state_found found;

    return read_at(text, bytes, &found, ot);
}

static uint8_t *put(uint8_t *out, const void *from, size_t bytes)
{
    if (bytes)
        memcpy(out, from, bytes);
    return out + bytes;
}

static uint8_t *threshold_put(uint8_t *out, uint64_t th)
{
    out = put(out, "th:", 3);
    do {
        *out++ = (uint8_t)"0123456789abcdef"[th >> (TR_OT_BITS - 4)];
        th = th << 4 & (TR_OT_NEVER - 1);
    } while (th);
    return out;
}

// The value of `ot` with another `th`, the other pairs in their order.
static uint8_t *value_write(const uint8_t *p, const uint8_t *end, uint64_t th, uint8_t *out)
{
    const uint8_t *begin = out;
    bool written = th >= TR_OT_NEVER;

    while (p < end) {
        const uint8_t *value, *next = pair_read(p, end, &value);
        bool is_th = is_key(p, value, "th");

        if (!is_th || th < TR_OT_NEVER) {
            out = out == begin ? out : put(out, ";", 1);
            out = is_th ? threshold_put(out, th) : put(out, p, (size_t)(next - p));
            written = written || is_th;
        }
        p = next + 1;
    }
    if (written)
        return out;
    out = out == begin ? out : put(out, ";", 1);
    return threshold_put(out, th);
}

// Members, without a comma at either end.
static uint8_t *members_put(uint8_t *out, const uint8_t *begin, const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p == ',')
        p++;
    while (p < end && end[-1] == ',')
        end--;
    if (p == end)
        return out;
    if (out > begin)
        *out++ = ',';
    return put(out, p, (size_t)(end - p));
}

int tr_ot_write(const uint8_t *text, uint32_t bytes, uint64_t th, uint8_t *out)
{
    const uint8_t *end = bytes ? text + bytes : text; // which may be NULL
    struct tr_trace_state_found found;
    struct tr_ot ot;
    uint8_t *p, *value = out + 3;

    if (read_at(text, bytes, &found, &ot) == TR_OT_MALFORMED)
        return -EINVAL;
    if (!found.value && found.members == TR_TRACE_STATE_MEMBERS_MAX && th < TR_OT_NEVER)
        return -E2BIG;
    memcpy(out, "ot=", 3);
    p = value_write(found.value, found.value ? found.value + found.value_bytes : NULL, th, value);
    if (p - value > TR_OT_VALUE_MAX)
        return -E2BIG;
    if (p == value)
        p = out;
    if (!found.value)
        return (int)(members_put(p, out, text, end) - out);
    p = members_put(p, out, text, found.member);
    return (int)(members_put(p, out, found.member + found.member_bytes, end) - out);
}

uint64_t tr_ot_threshold(double share, unsigned precision)
{
    int share_exponent, rest_exponent, digits;
    uint64_t threshold;

    if (share >= 1)
        return 0;
    if (!(share >= 0x1p-56))
        return TR_OT_NEVER;
    frexp(share, &share_exponent);
    frexp(1 - share, &rest_exponent);
    digits = (int)precision + TR_MAX(-share_exponent, -rest_exponent) / 4;
    threshold = TR_OT_NEVER - (uint64_t)round(share * 0x1p56);
    if (digits < DIGITS) {
        int shift = 4 * (DIGITS - digits);

        threshold = (threshold + (1ull << (shift - 1))) >> shift << shift;
    }
    return threshold;
}
