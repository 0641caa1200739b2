// SPDX-License-Identifier: Apache-2.0
// A recursive descent over Go's syntax that writes hyperscan's as it goes. It says of each piece whether it can match
// without a byte, with and without its assertions holding: that answers the empty text, which hyperscan is not asked.
//
// (?m) anchors: hyperscan has no look behind, so `^` becomes (?:\A|\n) and `$` becomes (?:\z|\n), which take the
// newline along. That says the same where nothing stands before and behind it, and is refused elsewhere.
//
// Source: Go's regexp/syntax package documentation; RE2's syntax page.
#include "match/regex.h"

#include <hs/hs.h>

#include "match/regex_class.h"

#define DEPTH_MAX  200
#define REPEAT_MAX 1000

enum { FOLD = 1, MULTILINE = 2, DOT_ALL = 4, UNGREEDY = 8 };

// What a piece of a pattern may do.
struct piece {
    bool nullable;   // without a byte, whatever stands around it
    bool empty;      // without a byte in the empty text
    bool line_begin; // has a `^` that takes a newline along
    bool line_end;   // has such a `$`
    uint32_t repeat; // the most that repetitions in it multiply to
};

static struct piece sequence(struct piece a, struct piece b)
{
    return (struct piece){.nullable = a.nullable && b.nullable,
                          .empty = a.empty && b.empty,
                          .line_begin = a.line_begin || b.line_begin,
                          .line_end = a.line_end || b.line_end,
                          .repeat = TR_MAX(a.repeat, b.repeat)};
}

static struct piece either(struct piece a, struct piece b)
{
    return (struct piece){.nullable = a.nullable || b.nullable,
                          .empty = a.empty || b.empty,
                          .line_begin = a.line_begin || b.line_begin,
                          .line_end = a.line_end || b.line_end,
                          .repeat = TR_MAX(a.repeat, b.repeat)};
}

static const struct piece nothing = {.nullable = true, .empty = true, .repeat = 1};
static const struct piece something = {.repeat = 1};

static bool alternatives(struct tr_regex_parser *parser, unsigned depth, bool leading, struct piece *piece);

// A set of code points, which is one character of a text.
static bool class_put(struct tr_regex_parser *parser, struct tr_runes *set, struct piece *piece)
{
    bool good = tr_regex_class_write(parser, set);

    tr_runes_clear(set);
    *piece = something;
    return good;
}

static bool literal(struct tr_regex_parser *parser, uint32_t rune, struct piece *piece)
{
    struct tr_runes set = {0};

    if (parser->flags & FOLD)
        tr_runes_add_folded(&set, rune, rune);
    else
        tr_runes_add(&set, rune, rune);
    return class_put(parser, &set, piece);
}

static bool dot(struct tr_regex_parser *parser, struct piece *piece)
{
    struct tr_runes set = {0};

    if (!(parser->flags & DOT_ALL))
        tr_runes_add(&set, '\n', '\n');
    tr_runes_negate(&set);
    parser->at++;
    return class_put(parser, &set, piece);
}

static bool begin(struct tr_regex_parser *parser, bool leading, struct piece *piece)
{
    *piece = (struct piece){.empty = true, .repeat = 1};
    if (!(parser->flags & MULTILINE)) {
        fputs("\\A", parser->out);
    } else if (leading) {
        fputs("(?:\\A|\\n)", parser->out);
        piece->line_begin = true;
    } else {
        return tr_regex_fail(parser, parser->at, "(?m)^ is supported at the beginning of a pattern only");
    }
    parser->at++;
    return true;
}

static bool end(struct tr_regex_parser *parser, struct piece *piece)
{
    *piece = (struct piece){.empty = true, .line_end = parser->flags & MULTILINE, .repeat = 1};
    fputs(piece->line_end ? "(?:\\z|\\n)" : "\\z", parser->out);
    parser->at++;
    return true;
}

// (?flags) and (?flags:...): up to the `:` or `)`.
static bool flags_read(struct tr_regex_parser *parser)
{
    const char *start = parser->at;
    unsigned flags = parser->flags;
    bool clear = false, any = false;

    for (parser->at += 2; *parser->at; parser->at++) {
        unsigned flag = *parser->at == 'i'   ? FOLD
                        : *parser->at == 'm' ? MULTILINE
                        : *parser->at == 's' ? DOT_ALL
                        : *parser->at == 'U' ? UNGREEDY
                                             : 0;

        if (flag) {
            flags = clear ? flags & ~flag : flags | flag;
            any = true;
        } else if (*parser->at == '-' && !clear) {
            clear = true;
            any = false;
        } else if ((*parser->at == ':' || *parser->at == ')') && (any || !clear)) {
            parser->flags = flags;
            return true;
        } else {
            break;
        }
    }
    return tr_regex_fail(parser, start, *start && strchr("=!<", start[2]) && start[2]
                                            ? "look-around and the like are not in Go's syntax"
                                            : "not a group of Go's syntax");
}

// (?P<name> and (?<name>.
static bool name_read(struct tr_regex_parser *parser)
{
    const char *start = parser->at, *name = strchr(start, '<') + 1;
    size_t bytes = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    if (!bytes || name[bytes] != '>')
        return tr_regex_fail(parser, start, "not a name of a group");
    parser->at = name + bytes + 1;
    return true;
}

// Returns false on an error. *flags_only: it was (?i) and the like, which is no piece.
static bool group(struct tr_regex_parser *parser, unsigned depth, bool leading, struct piece *piece, bool *flags_only)
{
    const char *start = parser->at;
    unsigned flags = parser->flags;

    *flags_only = false;
    if (depth == DEPTH_MAX)
        return tr_regex_fail(parser, start, "groups are nested too deeply");
    if (strncmp(start, "(?P<", 4) == 0 || (strncmp(start, "(?<", 3) == 0 && start[3] != '=' && start[3] != '!')) {
        if (!name_read(parser))
            return false;
    } else if (start[1] == '?') {
        if (!flags_read(parser))
            return false;
        *flags_only = *parser->at++ == ')';
        if (*flags_only)
            return true;
    } else {
        parser->at++;
    }
    fputs("(?:", parser->out);
    if (!alternatives(parser, depth + 1, leading, piece))
        return false;
    if (*parser->at != ')')
        return tr_regex_fail(parser, start, "the group has no end");
    parser->at++;
    parser->flags = flags;
    fputc(')', parser->out);
    return true;
}

// A character of \Q...\E.
static bool quoted(struct tr_regex_parser *parser, struct piece *piece, bool *none)
{
    *none = true;
    *piece = nothing;
    if (!parser->quoting) {
        parser->quoting = true;
        parser->at += 2;
    }
    if (strncmp(parser->at, "\\E", 2) == 0) {
        parser->quoting = false;
        parser->at += 2;
        return true;
    }
    if (!*parser->at) {
        parser->quoting = false;
        return true;
    }
    *none = false;
    if (!literal(parser, tr_regex_rune(parser), piece))
        return false;
    if (strncmp(parser->at, "\\E", 2) == 0) { // what repeats behind it repeats the last character
        parser->quoting = false;
        parser->at += 2;
    }
    return true;
}

static bool escaped(struct tr_regex_parser *parser, struct piece *piece)
{
    struct tr_runes set = {0};
    uint32_t rune;

    switch (parser->at[1]) {
    case 'A':
    case 'z':
        fprintf(parser->out, "\\%c", parser->at[1]);
        *piece = (struct piece){.empty = true, .repeat = 1};
        parser->at += 2;
        return true;
    case 'b':
    case 'B':
        fprintf(parser->out, "\\%c", parser->at[1]);
        *piece = (struct piece){.empty = parser->at[1] == 'B', .repeat = 1};
        parser->at += 2;
        return true;
    default:
        break;
    }
    switch (tr_regex_class_escape(parser, &set, parser->flags & FOLD)) {
    case TR_REGEX_TAKEN:
        return class_put(parser, &set, piece);
    case TR_REGEX_FAILED:
        tr_runes_clear(&set);
        return false;
    case TR_REGEX_OTHER:
        break;
    }
    return tr_regex_escape(parser, &rune) && literal(parser, rune, piece);
}

// The bounds of a repetition. Returns false: there is none here.
static bool repetition_read(struct tr_regex_parser *parser, uint32_t *least, uint32_t *most)
{
    const char *p = parser->at;

    *least = *p == '+';
    *most = *p == '?' ? 1 : UINT32_MAX;
    if (*p && strchr("*+?", *p)) {
        parser->at++;
        return true;
    }
    if (*p != '{' || !tr_regex_number(++p, &p, least))
        return false;
    *most = *least;
    if (*p == ',') {
        p++;
        *most = UINT32_MAX;
        if (*p != '}' && !tr_regex_number(p, &p, most))
            return false;
    }
    if (*p != '}')
        return false;
    parser->at = p + 1;
    return true;
}

static void repetition_write(struct tr_regex_parser *parser, uint32_t least, uint32_t most)
{
    if (most == UINT32_MAX && least <= 1)
        fputc(least ? '+' : '*', parser->out);
    else if (least == 0 && most == 1)
        fputc('?', parser->out);
    else if (most == UINT32_MAX)
        fprintf(parser->out, "{%u,}", least);
    else
        fprintf(parser->out, "{%u,%u}", least, most);
}

// What may stand behind a piece.
static bool repetition(struct tr_regex_parser *parser, struct piece *piece, bool *repeated)
{
    const char *start = parser->at;
    uint32_t least, most;

    *repeated = false;
    if (parser->quoting || !repetition_read(parser, &least, &most))
        return true;
    if (least > REPEAT_MAX || (most != UINT32_MAX && most > REPEAT_MAX) || least > most)
        return tr_regex_fail(parser, start, "not a number of repetitions that Go takes: 0 to 1000");
    if (*start == '{') {
        piece->repeat *= TR_MAX(1u, most == UINT32_MAX ? least : most);
        if (piece->repeat > REPEAT_MAX)
            return tr_regex_fail(parser, start, "repetitions of repetitions are more than 1000");
    }
    if ((piece->line_begin || piece->line_end) && most > 1)
        return tr_regex_fail(parser, start, "an anchor of (?m) can't be repeated here");
    if (*parser->at == '?')
        parser->at++; // lazy or greedy: the same texts match
    *repeated = true;
    repetition_write(parser, least, most);
    piece->nullable = piece->nullable || least == 0;
    piece->empty = piece->empty || least == 0;
    start = parser->at;
    if (repetition_read(parser, &least, &most))
        return tr_regex_fail(parser, start, "a repetition of a repetition");
    return true;
}

// One character, class, group or assertion. *none: it was something that is none of these.
static bool atom(struct tr_regex_parser *parser, unsigned depth, bool leading, struct piece *piece, bool *none)
{
    uint32_t least, most;
    const char *start = parser->at;

    *none = false;
    if (parser->quoting || strncmp(start, "\\Q", 2) == 0)
        return quoted(parser, piece, none);
    switch (*start) {
    case '(':
        return group(parser, depth, leading, piece, none);
    case '[': {
        struct tr_runes set = {0};

        if (tr_regex_class_read(parser, &set, parser->flags & FOLD))
            return class_put(parser, &set, piece);
        tr_runes_clear(&set);
        return false;
    }
    case '.':
        return dot(parser, piece);
    case '^':
        return begin(parser, leading, piece);
    case '$':
        return end(parser, piece);
    case '\\':
        return escaped(parser, piece);
    case '*':
    case '+':
    case '?':
        return tr_regex_fail(parser, start, "nothing to repeat");
    case '{':
        if (repetition_read(parser, &least, &most))
            return tr_regex_fail(parser, start, "nothing to repeat");
        break;
    default:
        break;
    }
    return literal(parser, tr_regex_rune(parser), piece);
}

static bool concatenation(struct tr_regex_parser *parser, unsigned depth, bool leading, struct piece *whole)
{
    bool first = true;

    *whole = nothing;
    while (parser->quoting || (*parser->at && *parser->at != '|' && *parser->at != ')')) {
        const char *start = parser->at;
        struct piece piece;
        bool none, repeated;

        // Each piece in a group of its own, so that what repeats it repeats all of it.
        fputs("(?:", parser->out);
        if (!atom(parser, depth, leading && first, &piece, &none))
            return false;
        fputc(')', parser->out);
        if (none)
            continue;
        if (whole->line_end)
            return tr_regex_fail(parser, start, "(?m)$ is supported at the end of a pattern only");
        if (!repetition(parser, &piece, &repeated))
            return false;
        *whole = sequence(*whole, piece);
        first = false;
    }
    return true;
}

static bool alternatives(struct tr_regex_parser *parser, unsigned depth, bool leading, struct piece *piece)
{
    struct piece other;

    if (!concatenation(parser, depth, leading, piece))
        return false;
    while (*parser->at == '|') {
        parser->at++;
        fputc('|', parser->out);
        if (!concatenation(parser, depth, leading, &other))
            return false;
        *piece = either(*piece, other);
    }
    return true;
}

// Does hyperscan take it? That it is too large is known when it is compiled.
static bool hyperscan_takes(struct tr_regex_parser *parser, const char *text)
{
    hs_compile_error_t *problem = NULL;
    hs_expr_info_t *info = NULL;
    bool good = hs_expression_info(text, HS_FLAG_UTF8 | HS_FLAG_ALLOWEMPTY, &info, &problem) == HS_SUCCESS;

    if (!good)
        tr_regex_fail(parser, parser->pattern, problem ? problem->message : "hyperscan refuses it");
    hs_free_compile_error(problem);
    free(info);
    return good;
}

static bool pattern_valid_utf8(struct tr_regex_parser *parser)
{
    size_t bytes = strlen(parser->pattern), at = 0;

    while (at < bytes) {
        uint32_t rune;
        bool valid;
        size_t step = tr_rune_get((const uint8_t *)parser->pattern + at, bytes - at, &rune, &valid);

        if (!valid)
            return tr_regex_fail(parser, parser->pattern + at, "not UTF-8");
        at += step;
    }
    return true;
}

int tr_regex_translate(const char *pattern, struct tr_regex *regex, struct tr_error *error)
{
    struct tr_regex_parser parser = {.pattern = pattern, .at = pattern, .error = error};
    struct piece piece;
    size_t bytes;
    bool good;

    memset(regex, 0, sizeof(*regex));
    parser.out = open_memstream(&regex->text, &bytes);
    if (!parser.out)
        return tr_error_set(error, ENOMEM, "no memory for a pattern");
    good = pattern_valid_utf8(&parser) && alternatives(&parser, 0, true, &piece);
    if (good && *parser.at)
        good = tr_regex_fail(&parser, parser.at, "there is no group that this ends");
    if (fclose(parser.out) != 0) {
        free(regex->text);
        regex->text = NULL;
        return tr_error_set(error, ENOMEM, "no memory for a pattern");
    }
    if (good && !piece.nullable)
        good = hyperscan_takes(&parser, regex->text);
    if (!good) {
        free(regex->text);
        regex->text = NULL;
        return -EINVAL;
    }
    regex->always = piece.nullable;
    regex->empty = piece.empty;
    return 0;
}
