// SPDX-License-Identifier: Apache-2.0
#include "otlp/json_number.h"

#include <math.h>

// A double's nearest value never hangs on more digits than these, but for whether any follows that is not 0.
#define DIGITS_MAX 770

static const uint8_t *digits_end(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

const uint8_t *tr_json_number_end(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *begin = p, *digits;

    if ((size_t)(end - p) > TR_JSON_NUMBER_BYTES_MAX)
        end = p + TR_JSON_NUMBER_BYTES_MAX;
    if (p < end && *p == '-')
        p++;
    digits = p;
    p = digits_end(p, end);
    if (p == digits || (*digits == '0' && p - digits > 1))
        return NULL;
    if (p < end && *p == '.') {
        digits = ++p;
        p = digits_end(p, end);
        if (p == digits)
            return NULL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        digits = p;
        p = digits_end(p, end);
        if (p == digits)
            return NULL;
    }
    return p - begin < TR_JSON_NUMBER_BYTES_MAX ? p : NULL;
}

// A number taken apart: its digits without leading and trailing zeros, as an integer, times 10^exponent.
struct parts {
    char digits[DIGITS_MAX + 1];
    unsigned count;
    int64_t exponent;
    bool negative;
};

static void digit_add(struct parts *parts, unsigned *zeros, uint8_t digit)
{
    if (digit == '0') {
        *zeros += parts->count != 0;
        return;
    }
    while (*zeros > 0 && parts->count < DIGITS_MAX) {
        parts->digits[parts->count++] = '0';
        (*zeros)--;
    }
    if (parts->count < DIGITS_MAX) {
        parts->digits[parts->count++] = (char)digit;
        return;
    }
    // Too many: that there is more is all that counts, and a last digit of 1 says it.
    if (parts->count == DIGITS_MAX)
        parts->digits[parts->count++] = '1';
}

// `p` is a number by tr_json_number_end(). The value is 0.d1d2d3... * 10^point, so digits that are let go by
// don't matter for the exponent.
static void take_apart(const uint8_t *p, const uint8_t *end, struct parts *parts)
{
    unsigned zeros = 0;
    int64_t point = 0, exponent = 0;
    bool fraction = false;

    parts->count = 0;
    parts->negative = *p == '-';
    for (p += parts->negative; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        digit_add(parts, &zeros, *p);
        if (parts->count && !fraction)
            point++;
        else if (!parts->count && fraction)
            point--;
    }
    if (p < end) {
        bool down = p[1] == '-';

        for (p += 1 + (p[1] == '-' || p[1] == '+'); p < end; p++)
            if (exponent < 1000000)
                exponent = exponent * 10 + (*p - '0');
        exponent = down ? -exponent : exponent;
    }
    parts->exponent = parts->count ? point + exponent - parts->count : 0;
}

// The digits as an integer. Returns false: above 2^64 - 1.
static bool mantissa(const struct parts *parts, uint64_t *value)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < parts->count; i++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, parts->digits[i] - '0', &v))
            return false;
    *value = v;
    return true;
}

bool tr_json_number_integer(const uint8_t *p, const uint8_t *end, bool *negative, uint64_t *magnitude)
{
    struct parts parts;

    take_apart(p, end, &parts);
    if (!mantissa(&parts, magnitude))
        return false;
    if (parts.exponent < 0 || parts.exponent > 19) // the last digit is not 0
        return false;
    for (int64_t i = 0; i < parts.exponent; i++)
        if (__builtin_mul_overflow(*magnitude, 10, magnitude))
            return false;
    *negative = parts.negative && *magnitude;
    return true;
}

bool tr_json_number_double(const uint8_t *p, const uint8_t *end, double *value)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    char text[DIGITS_MAX + 32];
    struct parts parts;
    uint64_t whole;
    double v;

    take_apart(p, end, &parts);
    if (mantissa(&parts, &whole) && whole <= 1ull << 53 && parts.exponent >= -22 && parts.exponent <= 22) {
        // Both are doubles exactly, so that one rounding is all there is.
        v = parts.exponent < 0 ? (double)whole / tens[-parts.exponent] : (double)whole * tens[parts.exponent];
    } else {
        // Without a decimal point there is nothing that a locale could spell otherwise.
        memcpy(text, parts.digits, parts.count);
        snprintf(text + parts.count, sizeof(text) - parts.count, "e%lld", (long long)parts.exponent);
        v = strtod(text, NULL);
    }
    *value = parts.negative ? -v : v;
    return !isinf(v);
}

size_t tr_json_number_format(char *out, double value)
{
    int n = 0;

    if (isnan(value))
        return (size_t)snprintf(out, 32, "NaN");
    if (isinf(value))
        return (size_t)snprintf(out, 32, value < 0 ? "-Infinity" : "Infinity");
    if (value == 0 && signbit(value)) // "-0" is an integer to some, and loses its sign
        return (size_t)snprintf(out, 32, "-0.0");
    for (int precision = 15; precision <= 17; precision++) {
        double back;

        n = snprintf(out, 32, "%.*g", precision, value);
        for (char *c = out; *c; c++)
            if (*c == ',') // the decimal point of some locales
                *c = '.';
        if (tr_json_number_double((const uint8_t *)out, (const uint8_t *)out + n, &back) && back == value)
            break;
    }
    return (size_t)n;
}
