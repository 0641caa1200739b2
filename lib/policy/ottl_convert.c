// SPDX-License-Identifier: Apache-2.0
// Values of one type to another, as Int(), Double(), Bool() and String() do.
#include <math.h>

#include "otlp/json_number.h"
#include "policy/go_number.h"
#include "policy/ottl_program.h"

bool tr_ottl_to_int(const struct tr_ottl_value *value, struct tr_ottl_value *out)
{
    *out = tr_ottl_int(value->integer);
    switch (value->type) {
    case TR_OTTL_NIL:
        *out = *value;
        return true;
    case TR_OTTL_INT:
    case TR_OTTL_BOOL:
        return true;
    case TR_OTTL_DOUBLE:
        out->integer = tr_go_double_truncate(value->number);
        return true;
    case TR_OTTL_STRING:
        return tr_go_int_read(value->bytes, value->length, &out->integer);
    default:
        return false;
    }
}

bool tr_ottl_to_double(const struct tr_ottl_value *value, struct tr_ottl_value *out)
{
    *out = (struct tr_ottl_value){.type = TR_OTTL_DOUBLE, .number = value->number};
    switch (value->type) {
    case TR_OTTL_NIL:
        *out = *value;
        return true;
    case TR_OTTL_DOUBLE:
        return true;
    case TR_OTTL_INT:
    case TR_OTTL_BOOL:
        out->number = (double)value->integer;
        return true;
    case TR_OTTL_STRING:
        return tr_go_double_read(value->bytes, value->length, &out->number);
    default:
        return false;
    }
}

static bool bool_read(const struct tr_ottl_value *value, struct tr_ottl_value *out)
{
    static const char *const words[2][6] = {{"0", "f", "F", "false", "FALSE", "False"},
                                            {"1", "t", "T", "true", "TRUE", "True"}};

    for (int is = 0; is < 2; is++)
        for (size_t i = 0; i < TR_NELEMS(words[is]); i++)
            if (strlen(words[is][i]) == value->length && memcmp(words[is][i], value->bytes, value->length) == 0) {
                *out = tr_ottl_bool(is);
                return true;
            }
    return false;
}

bool tr_ottl_to_bool(const struct tr_ottl_value *value, struct tr_ottl_value *out)
{
    switch (value->type) {
    case TR_OTTL_NIL:
    case TR_OTTL_BOOL:
        *out = *value;
        return true;
    case TR_OTTL_INT:
        *out = tr_ottl_bool(value->integer != 0);
        return true;
    case TR_OTTL_DOUBLE:
        *out = tr_ottl_bool(value->number != 0);
        return true;
    case TR_OTTL_STRING:
        return bool_read(value, out);
    default:
        return false;
    }
}

static bool text_make(struct tr_ottl_run *run, const char *text, size_t bytes, struct tr_ottl_value *out)
{
    uint8_t *at = tr_ottl_make(run, (uint32_t)bytes);

    if (!at)
        return false;
    memcpy(at, text, bytes);
    *out = tr_ottl_string(at, (uint32_t)bytes);
    return true;
}

// The digits of a double, shortest first, without its exponent: as the Collector writes JSON.
size_t tr_ottl_double_format(char *out, double number)
{
    char digits[40], *mark, *point;
    size_t n = tr_json_number_format(digits, number), count = 0;
    int exponent, at;
    char figures[40];

    if (number == 0)
        return (size_t)sprintf(out, signbit(number) ? "-0" : "0");
    mark = strchr(digits, 'e');
    exponent = mark ? atoi(mark + 1) : 0;
    if (mark)
        n = (size_t)(mark - digits);
    digits[n] = 0;
    point = strchr(digits, '.');
    at = (int)((point ? (size_t)(point - digits) : n) - (digits[0] == '-'));
    for (const char *p = digits; *p; p++)
        if (*p >= '0' && *p <= '9')
            figures[count++] = *p;
    while (count && figures[0] == '0') { // 0.00012: the point moves behind the first figure
        memmove(figures, figures + 1, --count);
        at--;
    }
    while (count && figures[count - 1] == '0')
        count--;
    at += exponent; // number = 0.figures * 10^at
    n = 0;
    if (digits[0] == '-')
        out[n++] = '-';
    if (at <= -6 || at > 21) {
        out[n++] = figures[0];
        if (count > 1) {
            out[n++] = '.';
            memcpy(out + n, figures + 1, count - 1);
            n += count - 1;
        }
        return n + (size_t)sprintf(out + n, "e%c%02d", at - 1 < 0 ? '-' : '+', abs(at - 1));
    }
    if (at <= 0) {
        n += (size_t)sprintf(out + n, "0.%.*s", -at, "000000");
        memcpy(out + n, figures, count);
        return n + count;
    }
    for (int i = 0; i < at || i < (int)count; i++) {
        if (i == at)
            out[n++] = '.';
        out[n++] = i < (int)count ? figures[i] : '0';
    }
    return n;
}

static bool hex_make(struct tr_ottl_run *run, const struct tr_ottl_value *value, struct tr_ottl_value *out)
{
    static const char figures[] = "0123456789abcdef";
    uint8_t *at = value->length < TR_OTTL_MADE_MAX ? tr_ottl_make(run, 2 * value->length) : NULL;

    if (!at)
        return false;
    *out = tr_ottl_string(at, 2 * value->length);
    for (uint32_t i = 0; i < value->length; i++) {
        *at++ = (uint8_t)figures[value->bytes[i] >> 4];
        *at++ = (uint8_t)figures[value->bytes[i] & 15];
    }
    return true;
}

bool tr_ottl_to_string(struct tr_ottl_run *run, const struct tr_ottl_value *value, struct tr_ottl_value *out)
{
    char text[64];

    switch (value->type) {
    case TR_OTTL_NIL:
    case TR_OTTL_STRING:
        *out = *value;
        return true;
    case TR_OTTL_BOOL:
        *out = value->integer ? tr_ottl_string("true", 4) : tr_ottl_string("false", 5);
        return true;
    case TR_OTTL_INT:
    case TR_OTTL_DURATION:
        return text_make(run, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)value->integer), out);
    case TR_OTTL_DOUBLE:
        // JSON has no words for these, so the Collector's converter fails.
        return isfinite(value->number) && text_make(run, text, tr_ottl_double_format(text, value->number), out);
    case TR_OTTL_BYTES:
        return hex_make(run, value, out);
    default:
        return tr_ottl_json_make(run, value, out);
    }
}
