// SPDX-License-Identifier: Apache-2.0
#include "policy/go_number.h"

#include <math.h>

#define DOUBLE_BYTES_MAX 400 // its digits, written out, are fewer

bool tr_go_int_read(const uint8_t *text, uint32_t bytes, int64_t *integer)
{
    const uint8_t *p = text, *end = text + bytes;
    bool minus = bytes && *p == '-';
    uint64_t number = 0, bound = minus ? 1ull << 63 : INT64_MAX;

    if (bytes && (*p == '-' || *p == '+'))
        p++;
    if (p == end)
        return false;
    for (; p < end; p++) {
        unsigned digit = (unsigned)*p - '0';

        if (digit > 9 || number > (bound - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *integer = minus ? (int64_t)(0 - number) : (int64_t)number;
    return true;
}

static bool special(const char *text)
{
    if (strcasecmp(text, "nan") == 0)
        return true;
    text += *text == '+' || *text == '-';
    return strcasecmp(text, "inf") == 0 || strcasecmp(text, "infinity") == 0;
}

// Take the underscores out that may stand between digits, as in Go's own numbers. Returns false: one stands elsewhere.
static bool underscores_drop(char *text)
{
    const char *p = text + (*text == '+' || *text == '-');
    bool hex = p[0] == '0' && (p[1] | 0x20) == 'x', digit = false;
    char *to = text, last = 0;

    for (const char *from = text; *from; from++) {
        bool is = (*from >= '0' && *from <= '9') || (hex && strchr("abcdefABCDEFxX", *from));

        if ((*from == '_' && !digit) || (last == '_' && !is))
            return false;
        if (*from != '_')
            *to++ = *from;
        digit = is;
        last = *from;
    }
    *to = 0;
    return last != '_';
}

bool tr_go_double_read(const uint8_t *text, uint32_t bytes, double *number)
{
    char copy[DOUBLE_BYTES_MAX + 1], *rest;

    if (!bytes || bytes > DOUBLE_BYTES_MAX || memchr(text, 0, bytes))
        return false;
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    if (strchr(copy, '_') && !underscores_drop(copy))
        return false;
    // strtod() takes more than Go: blanks in front, NAN(...), and hexadecimal without an exponent.
    if (strpbrk(copy, "xX")) {
        if (strspn(copy, "+-0123456789abcdefABCDEFxXpP.") != strlen(copy) || !strpbrk(copy, "pP"))
            return false;
    } else if (strspn(copy, "+-0123456789.eE") != strlen(copy) && !special(copy)) {
        return false;
    }
    errno = 0;
    *number = strtod(copy, &rest);
    return !*rest && rest != copy && !(errno == ERANGE && isinf(*number));
}

int64_t tr_go_double_truncate(double number)
{
    return number >= -0x1p63 && number < 0x1p63 ? (int64_t)number : INT64_MIN;
}
