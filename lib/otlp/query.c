// SPDX-License-Identifier: Apache-2.0
#include "otlp/query.h"

struct reader {
    const uint8_t *p, *end;
    uint8_t *out;
    uint32_t length;
    bool quotes;
};

static bool digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || digit(c) || c == '_' || c >= 0x80;
}

static bool blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static uint8_t peek(const struct reader *r, uint32_t ahead)
{
    return (size_t)(r->end - r->p) > ahead ? r->p[ahead] : 0;
}

static bool ends_with(const struct reader *r, const char *tail)
{
    uint32_t bytes = (uint32_t)strlen(tail);

    return r->length >= bytes && memcmp(r->out + r->length - bytes, tail, bytes) == 0;
}

static void put(struct reader *r, uint8_t c)
{
    if (r->length < TR_QUERY_TEXT_MAX)
        r->out[r->length++] = c >= 'A' && c <= 'Z' ? c + 32 : c;
}

// A value: one more in a list of values is nothing new.
static void put_value(struct reader *r)
{
    if (ends_with(r, "?,"))
        r->length--;
    else if (!ends_with(r, "?"))
        put(r, '?');
}

static void put_sign(struct reader *r, uint8_t c)
{
    put(r, c);
    if (c == ')' && ends_with(r, "(?),(?)"))
        r->length -= 4;
}

// Pass what begins with `open` bytes and ends behind `close`, or at the end.
static void pass_to(struct reader *r, uint32_t open, const char *close)
{
    size_t bytes = strlen(close);
    const uint8_t *at;

    r->p += open;
    at = memmem(r->p, (size_t)(r->end - r->p), close, bytes);
    r->p = at ? at + bytes : r->end;
}

// Pass a string in quotes, which its quote twice or behind a backslash does not end.
static void pass_string(struct reader *r)
{
    uint8_t quote = *r->p++;

    while (r->p < r->end) {
        uint8_t c = *r->p++;

        if (c == '\\' && quote != '`' && r->p < r->end)
            r->p++;
        else if (c == quote && peek(r, 0) == quote)
            r->p++;
        else if (c == quote)
            return;
    }
}

static void pass_word(struct reader *r)
{
    while (r->p < r->end && word(*r->p))
        r->p++;
}

// 12, 1.5e-3, 0xff.
static void pass_number(struct reader *r)
{
    while (r->p < r->end && (word(*r->p) || *r->p == '.')) {
        bool exponent = (*r->p == 'e' || *r->p == 'E') && (peek(r, 1) == '-' || peek(r, 1) == '+') && digit(peek(r, 2));

        r->p += exponent ? 2 : 1;
    }
}

// PostgreSQL's $tag$ ... $tag$. Returns false: it is no such string.
static bool pass_dollar(struct reader *r)
{
    const uint8_t *close = r->p + 1, *again;
    size_t bytes;

    while (close < r->end && word(*close) && !(close == r->p + 1 && digit(*close)))
        close++;
    if (close == r->end || *close != '$')
        return false;
    bytes = (size_t)(close + 1 - r->p);
    again = memmem(close + 1, (size_t)(r->end - close - 1), r->p, bytes);
    r->p = again ? again + bytes : r->end;
    return true;
}

// A name in quotes stays as it is, but for where it lies: `a`, "a" and [a] are different texts.
static void put_name(struct reader *r)
{
    const uint8_t *from = r->p;

    pass_string(r);
    for (; from < r->p; from++)
        if (r->length < TR_QUERY_TEXT_MAX)
            r->out[r->length++] = *from;
}

// JSON's keys stay, its strings are values.
static void quoted(struct reader *r)
{
    const uint8_t *from = r->p, *ahead;

    if (!r->quotes) {
        put_name(r);
        return;
    }
    pass_string(r);
    for (ahead = r->p; ahead < r->end && blank(*ahead);)
        ahead++;
    if (ahead < r->end && *ahead == ':') {
        r->p = from;
        put_name(r);
    } else {
        put_value(r);
    }
}

// A sign before a number belongs to it where no value can stand before.
static bool signed_number(const struct reader *r)
{
    uint8_t c = r->length ? r->out[r->length - 1] : '(';

    return (*r->p == '-' || *r->p == '+') && (digit(peek(r, 1)) || (peek(r, 1) == '.' && digit(peek(r, 2)))) && !word(c) &&
           c != '?' && c != ')' && c != '"' && c != '`' && c != ']';
}

// ?, $1, :name, @name, %s, %(name)s
static bool placeholder(struct reader *r)
{
    uint8_t c = *r->p, next = peek(r, 1);

    if (c == '?') {
        r->p++;
    } else if (c == '$' && digit(next)) {
        r->p++;
        pass_word(r);
    } else if ((c == ':' || c == '@') && word(next) && !ends_with(r, c == ':' ? ":" : "@")) {
        r->p++;
        pass_word(r);
    } else if (c == '%' && (next == 's' || next == 'd') && !word(peek(r, 2))) {
        r->p += 2;
    } else if (c == '%' && next == '(') {
        pass_to(r, 2, ")");
        pass_word(r);
    } else {
        return false;
    }
    return true;
}

// The letter of E'', N'' and X'' belongs to the string.
static void prefix_drop(struct reader *r)
{
    if (!r->length || !word(r->out[r->length - 1]) || (r->length > 1 && word(r->out[r->length - 2])))
        return;
    r->length--;
    if (ends_with(r, " "))
        r->length--;
}

static void step(struct reader *r, bool *apart)
{
    uint8_t c = *r->p, next = peek(r, 1);

    if (blank(c)) {
        *apart = true;
        r->p++;
        return;
    }
    if (c == '-' && next == '-') {
        pass_to(r, 2, "\n");
        *apart = true;
        return;
    }
    if (c == '/' && next == '*') {
        pass_to(r, 2, "*/");
        *apart = true;
        return;
    }
    if (c == '\'') {
        if (!*apart)
            prefix_drop(r);
        pass_string(r);
        put_value(r);
    } else if (c == '"') {
        quoted(r);
    } else if (c == '`') {
        put_name(r);
    } else if (digit(c) || (c == '.' && digit(next) && (!r->length || !word(r->out[r->length - 1]))) || signed_number(r)) {
        r->p += c == '-' || c == '+' ? 1 : 0;
        pass_number(r);
        put_value(r);
    } else if (placeholder(r) || (c == '$' && pass_dollar(r))) {
        put_value(r);
    } else if (word(c)) {
        if (*apart && r->length && word(r->out[r->length - 1]))
            put(r, ' ');
        while (r->p < r->end && (word(*r->p) || *r->p == '$'))
            put(r, *r->p++);
    } else {
        put_sign(r, c);
        r->p++;
    }
    *apart = false;
}

uint32_t tr_query_reduce(const uint8_t *text, uint32_t bytes, bool quotes, uint8_t *out)
{
    struct reader r = {.p = text, .end = text + TR_MIN(bytes, (uint32_t)TR_QUERY_READ_MAX), .out = out, .quotes = quotes};
    bool apart = false;

    while (r.p < r.end && r.length < TR_QUERY_TEXT_MAX)
        step(&r, &apart);
    while (r.length && (out[r.length - 1] == ';'))
        r.length--;
    return r.length;
}

bool tr_query_quotes(const uint8_t *system, uint32_t bytes)
{
    static const char *const systems[] = {"mysql",         "mariadb",    "mongodb",   "redis",           "valkey",     "memcached",
                                          "elasticsearch", "opensearch", "couchbase", "azure.cosmosdb", "cosmosdb",
                                          "gcp.spanner",   "spanner"};

    for (size_t i = 0; i < TR_NELEMS(systems); i++)
        if (strlen(systems[i]) == bytes && memcmp(systems[i], system, bytes) == 0)
            return true;
    return false;
}
