// SPDX-License-Identifier: Apache-2.0
#include "policy/ottl_lex.h"

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool hex(char c)
{
    return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool word(char c)
{
    return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static const char *digits(const char *p, const char *end)
{
    while (p < end && digit(*p))
        p++;
    return p;
}

static const char *exponent(const char *p, const char *end)
{
    const char *q = p + 1;

    if (p == end || (*p != 'e' && *p != 'E'))
        return p;
    if (q < end && (*q == '+' || *q == '-'))
        q++;
    return digits(q, end) > q ? digits(q, end) : p;
}

static struct tr_ottl_token number(const char *p, const char *end)
{
    const char *q = p, *whole = digits(p, end);

    if (end - p > 2 && p[0] == '0' && p[1] == 'x' && hex(p[2])) {
        for (q += 2; q < end && hex(*q); q++)
            ;
        return (struct tr_ottl_token){TR_OTTL_TOKEN_BYTES, p, (uint32_t)(q - p)};
    }
    if (whole < end && *whole == '.' && (whole > p || (whole + 1 < end && digit(whole[1])))) {
        q = exponent(digits(whole + 1, end), end);
        return (struct tr_ottl_token){TR_OTTL_TOKEN_FLOAT, p, (uint32_t)(q - p)};
    }
    return (struct tr_ottl_token){TR_OTTL_TOKEN_INT, p, (uint32_t)(whole - p)};
}

static struct tr_ottl_token string(const char *p, const char *end)
{
    const char *q = p + 1;

    while (q < end && *q != '"') {
        if (*q == '\\' && (q + 1 == end || q[1] == '\n'))
            return (struct tr_ottl_token){TR_OTTL_BAD, p, 1};
        q += *q == '\\' ? 2 : 1;
    }
    if (q >= end)
        return (struct tr_ottl_token){TR_OTTL_BAD, p, 1};
    return (struct tr_ottl_token){TR_OTTL_TOKEN_STRING, p, (uint32_t)(q + 1 - p)};
}

static struct tr_ottl_token lower(const char *p, const char *end)
{
    static const struct {
        const char *word;
        enum tr_ottl_token_type type;
    } words[] = {{"nil", TR_OTTL_TOKEN_NIL}, {"not", TR_OTTL_TOKEN_NOT},      {"or", TR_OTTL_TOKEN_OR},
                 {"and", TR_OTTL_TOKEN_AND}, {"true", TR_OTTL_TOKEN_BOOLEAN}, {"false", TR_OTTL_TOKEN_BOOLEAN}};
    const char *q = p;

    while (q < end && word(*q) && !(*q >= 'A' && *q <= 'Z'))
        q++;
    for (size_t i = 0; i < TR_NELEMS(words); i++)
        if (strlen(words[i].word) == (size_t)(q - p) && memcmp(p, words[i].word, (size_t)(q - p)) == 0 &&
            (q == end || !word(*q)))
            return (struct tr_ottl_token){words[i].type, p, (uint32_t)(q - p)};
    return (struct tr_ottl_token){TR_OTTL_TOKEN_LOWER, p, (uint32_t)(q - p)};
}

static struct tr_ottl_token sign(const char *p, const char *end)
{
    bool equals = p + 1 < end && p[1] == '=';

    switch (*p) {
    case '=':
        if (p + 1 < end && p[1] == '>')
            return (struct tr_ottl_token){TR_OTTL_TOKEN_ARROW, p, 2};
        return (struct tr_ottl_token){equals ? TR_OTTL_TOKEN_COMPARISON : TR_OTTL_TOKEN_PUNCTUATION, p, equals ? 2 : 1};
    case '!':
        return (struct tr_ottl_token){equals ? TR_OTTL_TOKEN_COMPARISON : TR_OTTL_BAD, p, equals ? 2 : 1};
    case '<':
    case '>':
        return (struct tr_ottl_token){TR_OTTL_TOKEN_COMPARISON, p, equals ? 2 : 1};
    case '+':
    case '-':
        return (struct tr_ottl_token){TR_OTTL_TOKEN_SIGN, p, 1};
    case '*':
    case '/':
        return (struct tr_ottl_token){TR_OTTL_TOKEN_FACTOR, p, 1};
    case '(':
    case ')':
    case '{':
    case '}':
    case '[':
    case ']':
    case ':':
    case ',':
    case '.':
        return (struct tr_ottl_token){TR_OTTL_TOKEN_PUNCTUATION, p, 1};
    default:
        return (struct tr_ottl_token){TR_OTTL_BAD, p, 1};
    }
}

struct tr_ottl_token tr_ottl_token_next(const char *p, const char *end)
{
    const char *q;

    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r' || *p == '\f'))
        p++;
    if (p == end)
        return (struct tr_ottl_token){TR_OTTL_END, p, 0};
    if (digit(*p) || (*p == '.' && p + 1 < end && digit(p[1])))
        return number(p, end);
    if (*p == '"')
        return string(p, end);
    if (*p >= 'a' && *p <= 'z')
        return lower(p, end);
    if (*p >= 'A' && *p <= 'Z') {
        for (q = p; q < end && word(*q) && !(*q >= 'a' && *q <= 'z'); q++)
            ;
        return (struct tr_ottl_token){TR_OTTL_TOKEN_UPPER, p, (uint32_t)(q - p)};
    }
    return sign(p, end);
}

static char *utf8_put(char *out, uint32_t rune)
{
    if (rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff))
        rune = 0xfffd;
    if (rune < 0x80) {
        *out++ = (char)rune;
    } else if (rune < 0x800) {
        *out++ = (char)(0xc0 | rune >> 6);
        *out++ = (char)(0x80 | (rune & 0x3f));
    } else if (rune < 0x10000) {
        *out++ = (char)(0xe0 | rune >> 12);
        *out++ = (char)(0x80 | (rune >> 6 & 0x3f));
        *out++ = (char)(0x80 | (rune & 0x3f));
    } else {
        *out++ = (char)(0xf0 | rune >> 18);
        *out++ = (char)(0x80 | (rune >> 12 & 0x3f));
        *out++ = (char)(0x80 | (rune >> 6 & 0x3f));
        *out++ = (char)(0x80 | (rune & 0x3f));
    }
    return out;
}

// Read `count` digits of `base` at p. Returns false: there are fewer.
static bool digits_read(const char *p, const char *end, int count, uint32_t base, uint32_t *value)
{
    *value = 0;
    if (end - p < count)
        return false;
    for (int i = 0; i < count; i++) {
        uint32_t n;

        if (!hex(p[i]))
            return false;
        n = digit(p[i]) ? (uint32_t)(p[i] - '0') : (uint32_t)((p[i] | 0x20) - 'a' + 10);
        if (n >= base)
            return false;
        *value = *value * base + n;
    }
    return true;
}

// An escape, p behind the backslash. As Go reads it: \x and octals are characters too, not bytes.
// Returns what follows, NULL: bad.
static const char *escape(const char *p, const char *end, char **out)
{
    static const char plain[] = "abfnrtv\\\"", mean[] = "\a\b\f\n\r\t\v\\\"";
    const char *found = strchr(plain, *p);
    uint32_t rune;
    int count;

    if (found && *p) {
        *(*out)++ = mean[found - plain];
        return p + 1;
    }
    if (digits_read(p, end, 3, 8, &rune)) {
        *out = utf8_put(*out, rune);
        return rune > 255 ? NULL : p + 3;
    }
    count = *p == 'x' ? 2 : *p == 'u' ? 4 : *p == 'U' ? 8 : 0;
    if (!count || !digits_read(p + 1, end, count, 16, &rune))
        return NULL;
    if (*p != 'x' && (rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff)))
        return NULL;
    *out = utf8_put(*out, rune);
    return p + 1 + count;
}

int tr_ottl_unquote(const struct tr_ottl_token *token, char *out, const char **bad)
{
    const char *p = token->at + 1, *end = token->at + token->bytes - 1;
    char *begin = out;

    while (p < end) {
        const char *next;

        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        next = escape(p + 1, end, &out);
        if (!next) {
            *bad = p;
            return -EINVAL;
        }
        p = next;
    }
    *out = 0;
    return (int)(out - begin);
}
