// SPDX-License-Identifier: Apache-2.0
#include "otlp/json_put.h"

#include <math.h>

#include "otlp/json_number.h"
#include "otlp/json_text.h"

void tr_json_put(struct tr_json_put *put, const void *data, size_t bytes)
{
    if (put->room - put->bytes < bytes) {
        size_t room = TR_MAX(put->room * 2, put->bytes + bytes + 256);
        char *larger = put->failed ? NULL : realloc(put->data, room);

        if (!larger) {
            put->failed = true;
            return;
        }
        put->data = larger;
        put->room = room;
    }
    if (bytes)
        memcpy(put->data + put->bytes, data, bytes);
    put->bytes += bytes;
}

void tr_json_put_char(struct tr_json_put *put, char c)
{
    tr_json_put(put, &c, 1);
}

void tr_json_put_number(struct tr_json_put *put, int64_t value)
{
    char text[32];

    tr_json_put(put, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)value));
}

void tr_json_put_number64(struct tr_json_put *put, uint64_t magnitude, bool negative)
{
    char text[32];

    tr_json_put(put, text,
                (size_t)snprintf(text, sizeof(text), "\"%s%llu\"", negative ? "-" : "",
                                 (unsigned long long)magnitude));
}

void tr_json_put_double(struct tr_json_put *put, double value)
{
    char text[32];
    size_t bytes = tr_json_number_format(text, value);
    bool quotes = !isfinite(value);

    if (quotes)
        tr_json_put_char(put, '"');
    tr_json_put(put, text, bytes);
    if (quotes)
        tr_json_put_char(put, '"');
}

static void escape_put(struct tr_json_put *put, uint8_t c)
{
    static const char names[] = "\"\\\b\f\n\r\t", values[] = "\"\\bfnrt";
    const char *name = c ? strchr(names, c) : NULL;
    char text[8];

    if (name)
        tr_json_put(put, (char[]){'\\', values[name - names]}, 2);
    else
        tr_json_put(put, text, (size_t)snprintf(text, sizeof(text), "\\u%04x", c));
}

void tr_json_put_string(struct tr_json_put *put, const uint8_t *p, size_t bytes)
{
    const uint8_t *end = p + bytes, *run = p; // begin of what goes as it is

    tr_json_put_char(put, '"');
    while (p < end) {
        unsigned n = tr_utf8_bytes(p, end);

        if (n > 1 || (n == 1 && *p >= 0x20 && *p != '"' && *p != '\\')) {
            p += n;
            continue;
        }
        tr_json_put(put, run, (size_t)(p - run));
        if (n == 0)
            tr_json_put(put, "\xef\xbf\xbd", 3); // U+FFFD
        else
            escape_put(put, *p);
        run = ++p;
    }
    tr_json_put(put, run, (size_t)(p - run));
    tr_json_put_char(put, '"');
}

void tr_json_put_hex(struct tr_json_put *put, const uint8_t *p, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";

    tr_json_put_char(put, '"');
    for (size_t i = 0; i < bytes; i++)
        tr_json_put(put, (char[]){digits[p[i] >> 4], digits[p[i] & 15]}, 2);
    tr_json_put_char(put, '"');
}

void tr_json_put_base64(struct tr_json_put *put, const uint8_t *p, size_t bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    tr_json_put_char(put, '"');
    for (size_t i = 0; i < bytes; i += 3) {
        size_t left = TR_MIN(bytes - i, 3u);
        uint32_t bits =
            (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
        char text[4] = {digits[bits >> 18], digits[bits >> 12 & 63], left > 1 ? digits[bits >> 6 & 63] : '=',
                        left > 2 ? digits[bits & 63] : '='};

        tr_json_put(put, text, 4);
    }
    tr_json_put_char(put, '"');
}
