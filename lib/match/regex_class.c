// SPDX-License-Identifier: Apache-2.0
#include "match/regex_class.h"

#include <ctype.h>

bool tr_regex_fail(struct tr_regex_parser *parser, const char *at, const char *what)
{
    tr_error_set(parser->error, EINVAL, "position %zu: %s: %.40s", (size_t)(at - parser->pattern), what, at);
    return false;
}

uint32_t tr_regex_rune(struct tr_regex_parser *parser)
{
    uint32_t rune;
    bool valid;

    parser->at += tr_rune_get((const uint8_t *)parser->at, strlen(parser->at), &rune, &valid);
    return rune;
}

bool tr_regex_number(const char *p, const char **end, uint32_t *number)
{
    uint32_t value = 0;

    if (!isdigit((unsigned char)*p) || (*p == '0' && isdigit((unsigned char)p[1])))
        return false;
    for (; isdigit((unsigned char)*p); p++)
        value = TR_MIN(value * 10 + (uint32_t)(*p - '0'), 100000u);
    *number = value;
    *end = p;
    return true;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// \x7f and \x{10ffff}, behind the x.
static bool hex_read(struct tr_regex_parser *parser, const char *start, const char *p, uint32_t *rune)
{
    *rune = 0;
    if (*p != '{') {
        if (hex(p[0]) < 0 || hex(p[1]) < 0)
            return tr_regex_fail(parser, start, "not an escape of Go's syntax");
        *rune = (uint32_t)(hex(p[0]) << 4 | hex(p[1]));
        parser->at = p + 2;
        return true;
    }
    for (p++; hex(*p) >= 0 && *rune <= TR_RUNE_MAX; p++)
        *rune = *rune << 4 | (uint32_t)hex(*p);
    if (*p != '}' || p[-1] == '{' || *rune > TR_RUNE_MAX)
        return tr_regex_fail(parser, start, "not an escape of Go's syntax");
    parser->at = p + 1;
    return true;
}

bool tr_regex_escape(struct tr_regex_parser *parser, uint32_t *rune)
{
    static const char names[] = "aftnrv", values[] = "\a\f\t\n\r\v";
    const char *start = parser->at, *p = start + 1, *named;
    unsigned char c = (unsigned char)*p;

    if (c == 'x')
        return hex_read(parser, start, p + 1, rune);
    // A digit by itself is a back reference elsewhere; two are octal.
    if (c == '0' || (c >= '1' && c <= '7' && p[1] >= '0' && p[1] <= '7')) {
        *rune = 0;
        for (int i = 0; i < 3 && *p >= '0' && *p <= '7'; i++)
            *rune = *rune * 8 + (uint32_t)(*p++ - '0');
        parser->at = p;
        return true;
    }
    named = c ? strchr(names, c) : NULL;
    if (named || (c && c < 0x80 && !isalnum(c))) {
        *rune = named ? (uint32_t)values[named - names] : c;
        parser->at = p + 1;
        return true;
    }
    return tr_regex_fail(parser, start, c ? "not an escape of Go's syntax" : "a backslash at the end");
}

// What \d and [:digit:] stand for: pairs of first and last, ended by a NUL.
struct named {
    const char *name, *pairs;
};

static const struct named perl[] = {{"d", "09"}, {"s", "\t\n\f\r  "}, {"w", "09AZ__az"}};

static const struct named posix[] = {
    {"alnum", "09AZaz"},       {"alpha", "AZaz"},
    {"ascii", "\x01\x7f"},     {"blank", "\t\t  "},
    {"cntrl", "\x01\x1f\x7f\x7f"}, {"digit", "09"},
    {"graph", "!~"},           {"lower", "az"},
    {"print", " ~"},           {"punct", "!/:@[`{~"},
    {"space", "\t\r  "},       {"upper", "AZ"},
    {"word", "09AZ__az"},      {"xdigit", "09AFaf"},
};

static void named_add(struct tr_runes *set, const struct named *named, bool fold, bool negate)
{
    struct tr_runes own = {0}, folded = {0};

    for (const char *p = named->pairs; *p; p += 2)
        tr_runes_add(&own, (unsigned char)p[0], (unsigned char)p[1]);
    if (strcmp(named->name, "ascii") == 0 || strcmp(named->name, "cntrl") == 0)
        tr_runes_add(&own, 0, 0); // which ends the pairs
    tr_runes_add_set(&folded, &own, fold);
    if (negate)
        tr_runes_negate(&folded);
    tr_runes_add_set(set, &folded, false);
    tr_runes_clear(&own);
    tr_runes_clear(&folded);
}

static enum tr_regex_taken unicode_fail(struct tr_regex_parser *parser, const char *what)
{
    tr_regex_fail(parser, parser->at, what);
    return TR_REGEX_FAILED;
}

static enum tr_regex_taken unicode_add(struct tr_regex_parser *parser, struct tr_runes *set, bool fold)
{
    const char *start = parser->at, *name = start + 2, *after;
    bool negate = start[1] == 'P', found;
    struct tr_runes own = {0}, folded = {0};
    size_t bytes;

    if (*name == '{') {
        name++;
        if (*name == '^') {
            negate = !negate;
            name++;
        }
        bytes = strcspn(name, "}");
        after = name + bytes + 1;
        if (!name[bytes])
            return unicode_fail(parser, "the class has no end");
    } else {
        bytes = *name ? 1 : 0;
        after = name + 1;
    }
    found = bytes && tr_runes_add_named(&own, name, bytes);
    if (found) {
        tr_runes_add_set(&folded, &own, fold);
        if (negate)
            tr_runes_negate(&folded);
        tr_runes_add_set(set, &folded, false);
        parser->at = after;
    }
    tr_runes_clear(&own);
    tr_runes_clear(&folded);
    if (found)
        return TR_REGEX_TAKEN;
    return unicode_fail(parser, "a class of Unicode that is not known here");
}

enum tr_regex_taken tr_regex_class_escape(struct tr_regex_parser *parser, struct tr_runes *set, bool fold)
{
    char c = parser->at[1];

    if (c == 'p' || c == 'P')
        return unicode_add(parser, set, fold);
    for (size_t i = 0; i < TR_NELEMS(perl); i++) {
        if (tolower((unsigned char)c) != perl[i].name[0])
            continue;
        named_add(set, &perl[i], fold, isupper((unsigned char)c));
        parser->at += 2;
        return TR_REGEX_TAKEN;
    }
    return TR_REGEX_OTHER;
}

// [:alpha:] inside of a class. What has no `:]` is none.
static enum tr_regex_taken posix_add(struct tr_regex_parser *parser, struct tr_runes *set, bool fold)
{
    const char *start = parser->at, *name = start + 2, *stop = strstr(name, ":]");
    bool negate = *name == '^';

    if (!stop)
        return TR_REGEX_OTHER;
    name += negate;
    for (size_t i = 0; i < TR_NELEMS(posix); i++) {
        if (strlen(posix[i].name) != (size_t)(stop - name) || memcmp(posix[i].name, name, (size_t)(stop - name)) != 0)
            continue;
        named_add(set, &posix[i], fold, negate);
        parser->at = stop + 2;
        return TR_REGEX_TAKEN;
    }
    tr_regex_fail(parser, start, "not a class of Go's syntax");
    return TR_REGEX_FAILED;
}

static bool class_rune(struct tr_regex_parser *parser, const char *start, uint32_t *rune)
{
    if (!*parser->at)
        return tr_regex_fail(parser, start, "the class has no end");
    if (*parser->at == '\\')
        return tr_regex_escape(parser, rune);
    *rune = tr_regex_rune(parser);
    return true;
}

static bool class_range(struct tr_regex_parser *parser, struct tr_runes *set, bool fold, const char *start)
{
    const char *range = parser->at;
    uint32_t first, last;

    if (!class_rune(parser, start, &first))
        return false;
    last = first;
    if (parser->at[0] == '-' && parser->at[1] && parser->at[1] != ']') {
        parser->at++;
        if (!class_rune(parser, start, &last))
            return false;
        if (last < first)
            return tr_regex_fail(parser, range, "the range ends before it begins");
    }
    if (fold)
        tr_runes_add_folded(set, first, last);
    else
        tr_runes_add(set, first, last);
    return true;
}

bool tr_regex_class_read(struct tr_regex_parser *parser, struct tr_runes *set, bool fold)
{
    const char *start = parser->at;
    bool negate = start[1] == '^', first = true;

    parser->at += 1 + negate;
    while (first || *parser->at != ']') {
        enum tr_regex_taken taken = TR_REGEX_OTHER;

        if (!*parser->at)
            return tr_regex_fail(parser, start, "the class has no end");
        first = false;
        if (parser->at[0] == '[' && parser->at[1] == ':')
            taken = posix_add(parser, set, fold);
        else if (parser->at[0] == '\\')
            taken = tr_regex_class_escape(parser, set, fold);
        if (taken == TR_REGEX_FAILED || (taken == TR_REGEX_OTHER && !class_range(parser, set, fold, start)))
            return false;
    }
    parser->at++;
    if (negate)
        tr_runes_negate(set);
    return true;
}

static void rune_write(FILE *out, uint32_t rune)
{
    char text[4];

    if (rune < 0x80 && !isalnum((int)rune))
        fprintf(out, "\\x%02x", rune);
    else
        fwrite(text, 1, tr_rune_put(rune, text), out);
}

static void ranges_write(FILE *out, const struct tr_runes *set, bool negated)
{
    fputs(negated ? "[^" : "[", out);
    for (size_t i = 0; i < set->count; i++) {
        rune_write(out, set->ranges[i].first);
        if (set->ranges[i].last == set->ranges[i].first)
            continue;
        fputc('-', out);
        rune_write(out, set->ranges[i].last);
    }
    fputc(']', out);
}

// They are in no text, and hyperscan takes them in no class.
#define SURROGATES_FIRST 0xd800u
#define SURROGATES_LAST  0xdfffu

static bool only_surrogates(const struct tr_range *range)
{
    return range->first == SURROGATES_FIRST && range->last == SURROGATES_LAST;
}

bool tr_regex_class_write(struct tr_regex_parser *parser, struct tr_runes *set)
{
    struct tr_runes rest = {0};
    bool good = true;

    // Out with the surrogates: the complement, with them, and that one's complement.
    tr_runes_negate(set);
    tr_runes_add(set, SURROGATES_FIRST, SURROGATES_LAST);
    tr_runes_add_set(&rest, set, false);
    tr_runes_negate(set);
    tr_runes_sort(&rest);
    if (set->failed || rest.failed)
        good = tr_regex_fail(parser, parser->at, "no memory");
    else if (!set->count)
        good = tr_regex_fail(parser, parser->at, "a class without characters before this matches nothing");
    else if (rest.count == 1 && only_surrogates(&rest.ranges[0]))
        fputs("(?s:.)", parser->out);
    else if (set->count == 1 && set->ranges[0].first == set->ranges[0].last)
        rune_write(parser->out, set->ranges[0].first);
    else if (only_surrogates(&rest.ranges[rest.count - 1]) && rest.count <= set->count + 1) {
        rest.count--;
        ranges_write(parser->out, &rest, true);
    } else {
        ranges_write(parser->out, set, false);
    }
    tr_runes_clear(&rest);
    return good;
}
