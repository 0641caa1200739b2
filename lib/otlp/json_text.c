// SPDX-License-Identifier: Apache-2.0
#include "otlp/json_text.h"

#define ONES 0x0101010101010101ull
#define TOPS 0x8080808080808080ull
#define WORD 8

unsigned tr_utf8_bytes(const uint8_t *p, const uint8_t *end)
{
    static const uint8_t least_second[] = {0x80, 0xa0, 0x90}; // after e0 and f0: no longer than needed
    uint8_t lead = p < end ? *p : 0xff, low = 0x80, high = 0xbf;
    unsigned bytes;

    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    bytes = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if ((size_t)(end - p) < bytes)
        return 0;
    if (lead == 0xe0 || lead == 0xf0)
        low = least_second[bytes - 2];
    if (lead == 0xed) // a surrogate
        high = 0x9f;
    if (lead == 0xf4) // above U+10FFFF
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (unsigned i = 2; i < bytes; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return bytes;
}

static uint8_t *utf8_put(uint8_t *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (uint8_t)c;
    } else if (c < 0x800) {
        *out++ = (uint8_t)(0xc0 | c >> 6);
        *out++ = (uint8_t)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (uint8_t)(0xe0 | c >> 12);
        *out++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        *out++ = (uint8_t)(0x80 | (c & 0x3f));
    } else {
        *out++ = (uint8_t)(0xf0 | c >> 18);
        *out++ = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        *out++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        *out++ = (uint8_t)(0x80 | (c & 0x3f));
    }
    return out;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The escape whose backslash is at p[0]. Returns the byte after it and its UTF-16 unit, NULL: bad.
static const uint8_t *escape_read(const uint8_t *p, const uint8_t *end, uint32_t *unit)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *name;

    if (end - p < 2)
        return NULL;
    if (p[1] == 'u') {
        *unit = 0;
        if (end - p < 6)
            return NULL;
        for (unsigned i = 2; i < 6; i++) {
            int digit = hex_digit(p[i]);

            if (digit < 0)
                return NULL;
            *unit = *unit << 4 | (uint32_t)digit;
        }
        return p + 6;
    }
    name = p[1] ? strchr(names, p[1]) : NULL;
    if (!name)
        return NULL;
    *unit = (uint8_t)values[name - names];
    return p + 2;
}

// An escape, or two that are a surrogate pair, as a code point.
static const uint8_t *code_point_read(const uint8_t *p, const uint8_t *end, uint32_t *c)
{
    uint32_t low;

    p = escape_read(p, end, c);
    if (!p || *c < 0xd800 || *c > 0xdfff)
        return p;
    if (*c < 0xdc00 && p < end && *p == '\\') {
        const uint8_t *next = escape_read(p, end, &low);

        if (next && low >= 0xdc00 && low <= 0xdfff) {
            *c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
            return next;
        }
    }
    *c = 0xfffd;
    return p;
}

int tr_json_char_next(const uint8_t **p, const uint8_t *end)
{
    uint32_t unit;

    if (*p == end)
        return TR_JSON_CHAR_BAD;
    if (**p == '"') {
        (*p)++;
        return TR_JSON_CHAR_END;
    }
    if (**p != '\\') {
        unit = *(*p)++;
        return unit >= 0x20 && unit < 0x80 ? (int)unit : TR_JSON_CHAR_BAD;
    }
    *p = escape_read(*p, end, &unit);
    if (!*p) {
        *p = end;
        return TR_JSON_CHAR_BAD;
    }
    return unit < 0x80 ? (int)unit : TR_JSON_CHAR_BAD;
}

// Is one of these eight bytes a quote, a backslash, a control character or beyond ASCII? (A byte that isn't
// may be taken for one when a lower one is: the answer is only ever too cautious.)
static bool special(uint64_t eight)
{
    uint64_t quote = eight ^ ONES * '"', backslash = eight ^ ONES * '\\';

    return (((quote - ONES) & ~quote) | ((backslash - ONES) & ~backslash) | (eight - ONES * 0x20) | eight) &
           TOPS;
}

// Copy what needs no thought. Eight bytes are read before eight are written, not beyond what was read.
static const uint8_t *plain_copy(const uint8_t *p, const uint8_t *end, uint8_t **out)
{
    while (end - p >= WORD) {
        uint64_t eight;

        memcpy(&eight, p, WORD);
        if (special(eight))
            break;
        memcpy(*out, &eight, WORD);
        *out += WORD;
        p += WORD;
    }
    return p;
}

const uint8_t *tr_json_string_copy(const uint8_t *p, const uint8_t *end, uint8_t *out, size_t bytes_max,
                                   size_t *bytes)
{
    uint8_t *begin = out;

    while ((size_t)(out - begin) <= bytes_max) {
        p = plain_copy(p, (size_t)(end - p) > bytes_max ? p + bytes_max : end, &out);
        if (p == end || *p < 0x20)
            return NULL;
        if (*p == '"') {
            *bytes = (size_t)(out - begin);
            return *bytes <= bytes_max ? p + 1 : NULL;
        }
        if (*p == '\\') {
            uint32_t c;

            p = code_point_read(p, end, &c);
            if (!p)
                return NULL;
            out = utf8_put(out, c);
            continue;
        }
        for (unsigned n = tr_utf8_bytes(p, end), i = 0; i < TR_MAX(n, 1u); i++) {
            if (n == 0)
                return NULL;
            *out++ = *p++;
        }
    }
    return NULL;
}

const uint8_t *tr_json_string_skip(const uint8_t *p, const uint8_t *end, size_t bytes_max, bool *closed)
{
    const uint8_t *stop = (size_t)(end - p) > bytes_max ? p + bytes_max : end;

    *closed = false;
    while (p < stop) {
        if (*p == '"') {
            *closed = true;
            return p + 1;
        }
        p += *p == '\\' ? 2 : 1;
    }
    return p < end ? p : NULL;
}
