// SPDX-License-Identifier: Apache-2.0
// Values of conditions: literals, paths, converters, arithmetic.
#include "policy/ottl_parser.h"

static int math(struct tr_ottl_parser *parser);

// The pool has room for the text: what goes into it is never longer than what it is made of.
static char *pool_end(const struct tr_ottl_parser *parser)
{
    return parser->tree->pool + parser->tree->pool_bytes;
}

static int string(struct tr_ottl_parser *parser)
{
    const struct tr_ottl_token token = parser->token;
    char *out = pool_end(parser);
    const char *bad;
    int bytes = tr_ottl_unquote(&token, out, &bad);

    if (bytes < 0)
        return tr_ottl_parser_fail(parser, bad, "is no escape of a string");
    out[bytes] = 0;
    parser->tree->pool_bytes += (uint32_t)bytes + 1;
    tr_ottl_parser_take(parser);
    return tr_ottl_parser_constant(parser, token.at, tr_ottl_string(out, (uint32_t)bytes));
}

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static int bytes_literal(struct tr_ottl_parser *parser)
{
    const struct tr_ottl_token token = parser->token;
    uint8_t *out = (uint8_t *)pool_end(parser);
    uint32_t count = (token.bytes - 2) / 2;

    if (token.bytes % 2)
        return tr_ottl_parser_fail(parser, token.at, "bytes have an even number of digits");
    for (uint32_t i = 0; i < count; i++)
        out[i] = (uint8_t)(hex_digit(token.at[2 + 2 * i]) << 4 | hex_digit(token.at[3 + 2 * i]));
    parser->tree->pool_bytes += count;
    tr_ottl_parser_take(parser);
    return tr_ottl_parser_constant(
        parser, token.at, (struct tr_ottl_value){.type = TR_OTTL_BYTES, .bytes = out, .length = count});
}

static int number(struct tr_ottl_parser *parser)
{
    const struct tr_ottl_token token = parser->token;
    struct tr_ottl_value made = {.type = TR_OTTL_DOUBLE};
    char copy[400], *rest;

    if (token.bytes >= sizeof(copy))
        return tr_ottl_parser_fail(parser, token.at, "is too long for a number");
    memcpy(copy, token.at, token.bytes);
    copy[token.bytes] = 0;
    errno = 0;
    if (token.type == TR_OTTL_TOKEN_INT)
        made = tr_ottl_int(strtoll(copy, &rest, 0)); // a leading 0 means octal, as in Go
    else
        made.number = strtod(copy, &rest);
    // Too small for a double is 0, in Go as well.
    if (*rest || (errno == ERANGE && (token.type == TR_OTTL_TOKEN_INT || made.number > 1)))
        return tr_ottl_parser_fail(parser, token.at, "is out of range, or no number");
    tr_ottl_parser_take(parser);
    return tr_ottl_parser_constant(parser, token.at, made);
}

// `[key]`, behind a field or a converter.
static int key(struct tr_ottl_parser *parser)
{
    int index;

    tr_ottl_parser_take(parser);
    index = parser->token.type == TR_OTTL_TOKEN_STRING ? string(parser) : math(parser);
    if (index < 0)
        return -1;
    return tr_ottl_parser_take_if(parser, ']') ? index : tr_ottl_parser_unexpected(parser, "]");
}

static int field(struct tr_ottl_parser *parser)
{
    const struct tr_ottl_token token = parser->token;
    int index;

    if (token.type != TR_OTTL_TOKEN_LOWER)
        return tr_ottl_parser_unexpected(parser, "the name of a field");
    index = tr_ottl_parser_node(parser, TR_OTTL_NODE_FIELD, token.at);
    if (index < 0)
        return -1;
    tr_ottl_parser_node_at(parser, index)->text = token.at;
    tr_ottl_parser_node_at(parser, index)->bytes = token.bytes;
    tr_ottl_parser_take(parser);
    if (tr_ottl_parser_is(parser, '('))
        return tr_ottl_parser_fail(parser, token.at,
                                   "is an editor; a condition has converters only, which begin with a capital");
    while (tr_ottl_parser_is(parser, '[')) {
        int child = key(parser);

        if (child < 0)
            return -1;
        tr_ottl_parser_child_add(parser, index, child);
    }
    return index;
}

static int path(struct tr_ottl_parser *parser)
{
    int index = tr_ottl_parser_node(parser, TR_OTTL_NODE_PATH, parser->token.at);

    if (index < 0)
        return -1;
    do {
        int child = field(parser);

        if (child < 0)
            return -1;
        tr_ottl_parser_child_add(parser, index, child);
    } while (tr_ottl_parser_take_if(parser, '.'));
    return index;
}

static bool name_part(const struct tr_ottl_parser *parser)
{
    return parser->token.type == TR_OTTL_TOKEN_UPPER || parser->token.type == TR_OTTL_TOKEN_LOWER;
}

// Values between the opening sign, which was taken, and the closing one.
static bool values(struct tr_ottl_parser *parser, int parent, char close)
{
    if (tr_ottl_parser_take_if(parser, close))
        return true;
    if (!tr_ottl_parser_deeper(parser))
        return false;
    do {
        int child = tr_ottl_parser_value(parser);

        if (child < 0)
            return false;
        tr_ottl_parser_child_add(parser, parent, child);
    } while (tr_ottl_parser_take_if(parser, ','));
    parser->depth--;
    if (!tr_ottl_parser_take_if(parser, close)) {
        tr_ottl_parser_unexpected(parser, close == ')' ? ")" : "]");
        return false;
    }
    return true;
}

// A name is made of words in capitals and in small letters, so `Is Match` is one too.
static int call(struct tr_ottl_parser *parser)
{
    int index = tr_ottl_parser_node(parser, TR_OTTL_NODE_CALL, parser->token.at);
    char *name = pool_end(parser);
    uint32_t bytes = 0;

    if (index < 0)
        return -1;
    for (; name_part(parser); tr_ottl_parser_take(parser)) {
        memcpy(name + bytes, parser->token.at, parser->token.bytes);
        bytes += parser->token.bytes;
    }
    name[bytes] = 0;
    parser->tree->pool_bytes += bytes + 1;
    tr_ottl_parser_node_at(parser, index)->text = name;
    tr_ottl_parser_node_at(parser, index)->bytes = bytes;
    if (!tr_ottl_parser_take_if(parser, '('))
        return tr_ottl_parser_unexpected(parser, "( behind the name of a converter");
    if (!values(parser, index, ')'))
        return -1;
    while (tr_ottl_parser_is(parser, '[')) {
        int child = key(parser);

        if (child < 0)
            return -1;
        tr_ottl_parser_child_add(parser, index, child);
        tr_ottl_parser_node_at(parser, index)->keys++;
    }
    return index;
}

static int primary(struct tr_ottl_parser *parser)
{
    int index;

    switch (parser->token.type) {
    case TR_OTTL_TOKEN_INT:
    case TR_OTTL_TOKEN_FLOAT:
        return number(parser);
    case TR_OTTL_TOKEN_LOWER:
        return path(parser);
    case TR_OTTL_TOKEN_UPPER:
        return call(parser);
    default:
        if (!tr_ottl_parser_is(parser, '('))
            return tr_ottl_parser_unexpected(parser, "a value");
        if (!tr_ottl_parser_deeper(parser))
            return -1;
        tr_ottl_parser_take(parser);
        index = math(parser);
        if (index >= 0 && !tr_ottl_parser_take_if(parser, ')'))
            return tr_ottl_parser_unexpected(parser, ")");
        parser->depth--;
        return index;
    }
}

static int signed_primary(struct tr_ottl_parser *parser)
{
    const struct tr_ottl_token token = parser->token;
    struct tr_ottl_node *of;
    int index, negate;

    if (token.type != TR_OTTL_TOKEN_SIGN)
        return primary(parser);
    tr_ottl_parser_take(parser);
    index = primary(parser);
    if (index < 0 || *token.at == '+')
        return index;
    of = tr_ottl_parser_node_at(parser, index);
    if (of->type == TR_OTTL_NODE_CONSTANT) {
        if (of->value.type == TR_OTTL_INT)
            of->value.integer = -of->value.integer;
        else
            of->value.number = -of->value.number;
        return index;
    }
    negate = tr_ottl_parser_node(parser, TR_OTTL_NODE_NEGATE, token.at);
    if (negate >= 0)
        tr_ottl_parser_child_add(parser, negate, index);
    return negate;
}

static int operation(struct tr_ottl_parser *parser, char op, const char *at, int left, int right)
{
    int index = left < 0 || right < 0 ? -1 : tr_ottl_parser_node(parser, TR_OTTL_NODE_MATH, at);

    if (index < 0)
        return -1;
    tr_ottl_parser_node_at(parser, index)->op = (uint8_t)op;
    tr_ottl_parser_child_add(parser, index, left);
    tr_ottl_parser_child_add(parser, index, right);
    return index;
}

static int product(struct tr_ottl_parser *parser)
{
    int left = signed_primary(parser);

    while (left >= 0 && parser->token.type == TR_OTTL_TOKEN_FACTOR) {
        const char *at = parser->token.at;

        tr_ottl_parser_take(parser);
        left = operation(parser, *at, at, left, signed_primary(parser));
    }
    return left;
}

static int math(struct tr_ottl_parser *parser)
{
    int left = product(parser);

    while (left >= 0 && parser->token.type == TR_OTTL_TOKEN_SIGN) {
        const char *at = parser->token.at;

        tr_ottl_parser_take(parser);
        left = operation(parser, *at, at, left, product(parser));
    }
    return left;
}

static bool begins_call(const struct tr_ottl_parser *parser)
{
    struct tr_ottl_token next = tr_ottl_token_next(parser->token.at + parser->token.bytes, parser->end);

    return next.type == TR_OTTL_TOKEN_LOWER || next.type == TR_OTTL_TOKEN_UPPER ||
           (next.type == TR_OTTL_TOKEN_PUNCTUATION && *next.at == '(');
}

int tr_ottl_parser_value(struct tr_ottl_parser *parser)
{
    const struct tr_ottl_token token = parser->token;
    int index;

    switch (token.type) {
    case TR_OTTL_TOKEN_NIL:
        tr_ottl_parser_take(parser);
        return tr_ottl_parser_constant(parser, token.at, (struct tr_ottl_value){.type = TR_OTTL_NIL});
    case TR_OTTL_TOKEN_STRING:
        return string(parser);
    case TR_OTTL_TOKEN_BOOLEAN:
        tr_ottl_parser_take(parser);
        return tr_ottl_parser_constant(parser, token.at, tr_ottl_bool(*token.at == 't'));
    case TR_OTTL_TOKEN_BYTES:
        return bytes_literal(parser);
    case TR_OTTL_TOKEN_UPPER:
        if (begins_call(parser))
            return math(parser);
        tr_ottl_parser_take(parser);
        index = tr_ottl_parser_node(parser, TR_OTTL_NODE_ENUM, token.at);
        if (index >= 0) {
            tr_ottl_parser_node_at(parser, index)->text = token.at;
            tr_ottl_parser_node_at(parser, index)->bytes = token.bytes;
        }
        return index;
    default:
        if (tr_ottl_parser_is(parser, '{'))
            return tr_ottl_parser_fail(parser, token.at, "maps are not supported");
        if (!tr_ottl_parser_take_if(parser, '['))
            return math(parser);
        index = tr_ottl_parser_node(parser, TR_OTTL_NODE_LIST, token.at);
        return index >= 0 && values(parser, index, ']') ? index : -1;
    }
}
