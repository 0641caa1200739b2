// SPDX-License-Identifier: Apache-2.0
// Recursive descent, as deep as TR_OTTL_DEPTH_MAX. A parenthesis may begin arithmetic or a condition: arithmetic is
// tried first, and taken back when no comparison follows.
#include "policy/ottl_parse.h"

#include "policy/ottl_lex.h"

struct parser {
    struct tr_ottl_tree *tree;
    const char *text, *end;
    struct tr_ottl_token token; // to be taken next
    unsigned depth;
    const char *bad; // the furthest place where it could not go on
    char why[160];
};

struct mark {
    struct tr_ottl_token token;
    uint32_t nodes, pool_bytes;
};

static int expression(struct parser *parser);
static int math(struct parser *parser);
static int value(struct parser *parser);

// All rules return a node, or -1.
static int fail(struct parser *parser, const char *at, const char *why)
{
    if (!parser->bad || at > parser->bad) {
        parser->bad = at;
        snprintf(parser->why, sizeof(parser->why), "%s", why);
    }
    return -1;
}

static int unexpected(struct parser *parser, const char *wanted)
{
    const struct tr_ottl_token *token = &parser->token;
    char why[160];

    if (token->type == TR_OTTL_END)
        snprintf(why, sizeof(why), "the condition ends where %s should be", wanted);
    else
        snprintf(why, sizeof(why), "\"%.*s\" where %s should be", (int)TR_MIN(token->bytes, 40u), token->at, wanted);
    return fail(parser, token->at, why);
}

static void take(struct parser *parser)
{
    parser->token = tr_ottl_token_next(parser->token.at + parser->token.bytes, parser->end);
}

static bool is(const struct parser *parser, char c)
{
    return parser->token.type == TR_OTTL_TOKEN_PUNCTUATION && *parser->token.at == c;
}

static bool take_if(struct parser *parser, char c)
{
    if (!is(parser, c))
        return false;
    take(parser);
    return true;
}

static struct tr_ottl_node *node_at(const struct parser *parser, int index)
{
    return &parser->tree->nodes[index];
}

static int node(struct parser *parser, enum tr_ottl_node_type type, const char *at)
{
    struct tr_ottl_tree *tree = parser->tree;

    if (tree->count == TR_OTTL_NODES_MAX)
        return fail(parser, at, "the condition has too many parts");
    tree->nodes[tree->count] = (struct tr_ottl_node){
        .type = (uint8_t)type, .at = (uint32_t)(at - parser->text), .first = -1, .last = -1, .next = -1};
    return (int)tree->count++;
}

static int constant(struct parser *parser, const char *at, struct tr_ottl_value constant_value)
{
    int index = node(parser, TR_OTTL_NODE_CONSTANT, at);

    if (index >= 0)
        node_at(parser, index)->value = constant_value;
    return index;
}

static void child_add(struct parser *parser, int parent, int child)
{
    struct tr_ottl_node *to = node_at(parser, parent);

    if (to->last >= 0)
        node_at(parser, to->last)->next = child;
    else
        to->first = child;
    to->last = child;
}

static struct mark mark(const struct parser *parser)
{
    return (struct mark){parser->token, parser->tree->count, parser->tree->pool_bytes};
}

static void back_to(struct parser *parser, const struct mark *to)
{
    parser->token = to->token;
    parser->tree->count = to->nodes;
    parser->tree->pool_bytes = to->pool_bytes;
}

static bool deeper(struct parser *parser)
{
    if (parser->depth == TR_OTTL_DEPTH_MAX) {
        fail(parser, parser->token.at, "nested deeper than 32");
        return false;
    }
    parser->depth++;
    return true;
}

// The pool has room for the text: what goes into it is never longer than what it is made of.
static char *pool_end(const struct parser *parser)
{
    return parser->tree->pool + parser->tree->pool_bytes;
}

static int string(struct parser *parser)
{
    const struct tr_ottl_token token = parser->token;
    char *out = pool_end(parser);
    const char *bad;
    int bytes = tr_ottl_unquote(&token, out, &bad);

    if (bytes < 0)
        return fail(parser, bad, "is no escape of a string");
    out[bytes] = 0;
    parser->tree->pool_bytes += (uint32_t)bytes + 1;
    take(parser);
    return constant(parser, token.at, tr_ottl_string(out, (uint32_t)bytes));
}

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static int bytes_literal(struct parser *parser)
{
    const struct tr_ottl_token token = parser->token;
    uint8_t *out = (uint8_t *)pool_end(parser);
    uint32_t count = (token.bytes - 2) / 2;

    if (token.bytes % 2)
        return fail(parser, token.at, "bytes have an even number of digits");
    for (uint32_t i = 0; i < count; i++)
        out[i] = (uint8_t)(hex_digit(token.at[2 + 2 * i]) << 4 | hex_digit(token.at[3 + 2 * i]));
    parser->tree->pool_bytes += count;
    take(parser);
    return constant(parser, token.at, (struct tr_ottl_value){.type = TR_OTTL_BYTES, .bytes = out, .length = count});
}

static int number(struct parser *parser)
{
    const struct tr_ottl_token token = parser->token;
    struct tr_ottl_value made = {.type = TR_OTTL_DOUBLE};
    char copy[400], *rest;

    if (token.bytes >= sizeof(copy))
        return fail(parser, token.at, "is too long for a number");
    memcpy(copy, token.at, token.bytes);
    copy[token.bytes] = 0;
    errno = 0;
    if (token.type == TR_OTTL_TOKEN_INT)
        made = tr_ottl_int(strtoll(copy, &rest, 0)); // a leading 0 means octal, as in Go
    else
        made.number = strtod(copy, &rest);
    // Too small for a double is 0, in Go as well.
    if (*rest || (errno == ERANGE && (token.type == TR_OTTL_TOKEN_INT || made.number > 1)))
        return fail(parser, token.at, "is out of range, or no number");
    take(parser);
    return constant(parser, token.at, made);
}

// `[key]`, behind a field or a converter.
static int key(struct parser *parser)
{
    int index;

    take(parser);
    index = parser->token.type == TR_OTTL_TOKEN_STRING ? string(parser) : math(parser);
    if (index < 0)
        return -1;
    return take_if(parser, ']') ? index : unexpected(parser, "]");
}

static int field(struct parser *parser)
{
    const struct tr_ottl_token token = parser->token;
    int index;

    if (token.type != TR_OTTL_TOKEN_LOWER)
        return unexpected(parser, "the name of a field");
    index = node(parser, TR_OTTL_NODE_FIELD, token.at);
    if (index < 0)
        return -1;
    node_at(parser, index)->text = token.at;
    node_at(parser, index)->bytes = token.bytes;
    take(parser);
    if (is(parser, '('))
        return fail(parser, token.at, "is an editor; a condition has converters only, which begin with a capital");
    while (is(parser, '[')) {
        int child = key(parser);

        if (child < 0)
            return -1;
        child_add(parser, index, child);
    }
    return index;
}

static int path(struct parser *parser)
{
    int index = node(parser, TR_OTTL_NODE_PATH, parser->token.at);

    if (index < 0)
        return -1;
    do {
        int child = field(parser);

        if (child < 0)
            return -1;
        child_add(parser, index, child);
    } while (take_if(parser, '.'));
    return index;
}

static bool name_part(const struct parser *parser)
{
    return parser->token.type == TR_OTTL_TOKEN_UPPER || parser->token.type == TR_OTTL_TOKEN_LOWER;
}

// Values between the opening sign, which was taken, and the closing one.
static bool values(struct parser *parser, int parent, char close)
{
    if (take_if(parser, close))
        return true;
    if (!deeper(parser))
        return false;
    do {
        int child = value(parser);

        if (child < 0)
            return false;
        child_add(parser, parent, child);
    } while (take_if(parser, ','));
    parser->depth--;
    if (!take_if(parser, close)) {
        unexpected(parser, close == ')' ? ")" : "]");
        return false;
    }
    return true;
}

// A name is made of words in capitals and in small letters, so `Is Match` is one too.
static int call(struct parser *parser)
{
    int index = node(parser, TR_OTTL_NODE_CALL, parser->token.at);
    char *name = pool_end(parser);
    uint32_t bytes = 0;

    if (index < 0)
        return -1;
    for (; name_part(parser); take(parser)) {
        memcpy(name + bytes, parser->token.at, parser->token.bytes);
        bytes += parser->token.bytes;
    }
    name[bytes] = 0;
    parser->tree->pool_bytes += bytes + 1;
    node_at(parser, index)->text = name;
    node_at(parser, index)->bytes = bytes;
    if (!take_if(parser, '('))
        return unexpected(parser, "( behind the name of a converter");
    if (!values(parser, index, ')'))
        return -1;
    while (is(parser, '[')) {
        int child = key(parser);

        if (child < 0)
            return -1;
        child_add(parser, index, child);
        node_at(parser, index)->keys++;
    }
    return index;
}

static int primary(struct parser *parser)
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
        if (!is(parser, '('))
            return unexpected(parser, "a value");
        if (!deeper(parser))
            return -1;
        take(parser);
        index = math(parser);
        if (index >= 0 && !take_if(parser, ')'))
            return unexpected(parser, ")");
        parser->depth--;
        return index;
    }
}

static int signed_primary(struct parser *parser)
{
    const struct tr_ottl_token token = parser->token;
    struct tr_ottl_node *of;
    int index, negate;

    if (token.type != TR_OTTL_TOKEN_SIGN)
        return primary(parser);
    take(parser);
    index = primary(parser);
    if (index < 0 || *token.at == '+')
        return index;
    of = node_at(parser, index);
    if (of->type == TR_OTTL_NODE_CONSTANT) {
        if (of->value.type == TR_OTTL_INT)
            of->value.integer = -of->value.integer;
        else
            of->value.number = -of->value.number;
        return index;
    }
    negate = node(parser, TR_OTTL_NODE_NEGATE, token.at);
    if (negate >= 0)
        child_add(parser, negate, index);
    return negate;
}

static int operation(struct parser *parser, char op, const char *at, int left, int right)
{
    int index = left < 0 || right < 0 ? -1 : node(parser, TR_OTTL_NODE_MATH, at);

    if (index < 0)
        return -1;
    node_at(parser, index)->op = (uint8_t)op;
    child_add(parser, index, left);
    child_add(parser, index, right);
    return index;
}

static int product(struct parser *parser)
{
    int left = signed_primary(parser);

    while (left >= 0 && parser->token.type == TR_OTTL_TOKEN_FACTOR) {
        const char *at = parser->token.at;

        take(parser);
        left = operation(parser, *at, at, left, signed_primary(parser));
    }
    return left;
}

static int math(struct parser *parser)
{
    int left = product(parser);

    while (left >= 0 && parser->token.type == TR_OTTL_TOKEN_SIGN) {
        const char *at = parser->token.at;

        take(parser);
        left = operation(parser, *at, at, left, product(parser));
    }
    return left;
}

static bool begins_call(const struct parser *parser)
{
    struct tr_ottl_token next = tr_ottl_token_next(parser->token.at + parser->token.bytes, parser->end);

    return next.type == TR_OTTL_TOKEN_LOWER || next.type == TR_OTTL_TOKEN_UPPER ||
           (next.type == TR_OTTL_TOKEN_PUNCTUATION && *next.at == '(');
}

static int value(struct parser *parser)
{
    const struct tr_ottl_token token = parser->token;
    int index;

    switch (token.type) {
    case TR_OTTL_TOKEN_NIL:
        take(parser);
        return constant(parser, token.at, (struct tr_ottl_value){.type = TR_OTTL_NIL});
    case TR_OTTL_TOKEN_STRING:
        return string(parser);
    case TR_OTTL_TOKEN_BOOLEAN:
        take(parser);
        return constant(parser, token.at, tr_ottl_bool(*token.at == 't'));
    case TR_OTTL_TOKEN_BYTES:
        return bytes_literal(parser);
    case TR_OTTL_TOKEN_UPPER:
        if (begins_call(parser))
            return math(parser);
        take(parser);
        index = node(parser, TR_OTTL_NODE_ENUM, token.at);
        if (index >= 0) {
            node_at(parser, index)->text = token.at;
            node_at(parser, index)->bytes = token.bytes;
        }
        return index;
    default:
        if (is(parser, '{'))
            return fail(parser, token.at, "maps are not supported");
        if (!take_if(parser, '['))
            return math(parser);
        index = node(parser, TR_OTTL_NODE_LIST, token.at);
        return index >= 0 && values(parser, index, ']') ? index : -1;
    }
}

// Returns the left value where no comparison follows.
static int comparison(struct parser *parser)
{
    const char *at;
    int left = value(parser), right, index;

    if (left < 0 || parser->token.type != TR_OTTL_TOKEN_COMPARISON)
        return left;
    at = parser->token.at;
    take(parser);
    right = value(parser);
    index = right < 0 ? -1 : node(parser, TR_OTTL_NODE_COMPARE, at);
    if (index < 0)
        return -1;
    switch (*at) {
    case '=':
        node_at(parser, index)->op = TR_OTTL_EQ;
        break;
    case '!':
        node_at(parser, index)->op = TR_OTTL_NE;
        break;
    case '<':
        node_at(parser, index)->op = at[1] == '=' ? TR_OTTL_LE : TR_OTTL_LT;
        break;
    default:
        node_at(parser, index)->op = at[1] == '=' ? TR_OTTL_GE : TR_OTTL_GT;
    }
    child_add(parser, index, left);
    child_add(parser, index, right);
    return index;
}

// Is this a condition by itself?
static bool boolean(const struct tr_ottl_node *of)
{
    return of->type == TR_OTTL_NODE_COMPARE || of->type == TR_OTTL_NODE_CALL ||
           (of->type == TR_OTTL_NODE_CONSTANT && of->value.type == TR_OTTL_BOOL);
}

static int condition_plain(struct parser *parser)
{
    const struct mark before = mark(parser);
    const unsigned depth = parser->depth;
    bool parenthesis = is(parser, '(');
    int index = comparison(parser);

    if (index >= 0 && (node_at(parser, index)->type == TR_OTTL_NODE_COMPARE ||
                       (!parenthesis && boolean(node_at(parser, index)))))
        return index;
    if (!parenthesis)
        return index < 0 ? -1 : unexpected(parser, "a comparison");
    back_to(parser, &before);
    parser->depth = depth;
    if (!deeper(parser))
        return -1;
    take(parser);
    index = expression(parser);
    if (index >= 0 && !take_if(parser, ')'))
        return unexpected(parser, ")");
    parser->depth--;
    return index;
}

static int condition(struct parser *parser)
{
    const char *at = parser->token.at;
    int index, inner;

    if (parser->token.type != TR_OTTL_TOKEN_NOT)
        return condition_plain(parser);
    take(parser);
    inner = condition_plain(parser);
    index = inner < 0 ? -1 : node(parser, TR_OTTL_NODE_NOT, at);
    if (index >= 0)
        child_add(parser, index, inner);
    return index;
}

// Conditions joined by one word, each of them by `each`.
static int joined(struct parser *parser, enum tr_ottl_token_type word, enum tr_ottl_node_type type,
                  int (*each)(struct parser *))
{
    int first = each(parser), index;

    if (first < 0 || parser->token.type != word)
        return first;
    index = node(parser, type, parser->token.at);
    if (index < 0)
        return -1;
    child_add(parser, index, first);
    while (parser->token.type == word) {
        int child;

        take(parser);
        child = each(parser);
        if (child < 0)
            return -1;
        child_add(parser, index, child);
    }
    return index;
}

static int conjunction(struct parser *parser)
{
    return joined(parser, TR_OTTL_TOKEN_AND, TR_OTTL_NODE_AND, condition);
}

static int expression(struct parser *parser)
{
    return joined(parser, TR_OTTL_TOKEN_OR, TR_OTTL_NODE_OR, conjunction);
}

int tr_ottl_parse(const char *text, struct tr_ottl_tree *tree, struct tr_error *error)
{
    size_t bytes = strlen(text);
    struct parser parser = {.tree = tree, .text = text, .end = text + bytes};

    *tree = (struct tr_ottl_tree){.root = -1};
    if (bytes > TR_OTTL_NODES_MAX * 4)
        return tr_error_set(error, EINVAL, "the condition is longer than %d bytes", TR_OTTL_NODES_MAX * 4);
    tree->nodes = calloc(TR_OTTL_NODES_MAX, sizeof(*tree->nodes));
    tree->pool = malloc(2 * bytes + 64);
    if (!tree->nodes || !tree->pool)
        return tr_error_set(error, ENOMEM, "no memory for a condition");
    parser.token = tr_ottl_token_next(text, parser.end);
    tree->root = expression(&parser);
    if (tree->root >= 0 && parser.token.type != TR_OTTL_END)
        tree->root = unexpected(&parser, "and, or, or the end");
    if (tree->root < 0)
        return tr_error_set(error, EINVAL, "at %d: %s", (int)(parser.bad - text) + 1, parser.why);
    return 0;
}

void tr_ottl_tree_clear(struct tr_ottl_tree *tree)
{
    free(tree->nodes);
    free(tree->pool);
    *tree = (struct tr_ottl_tree){.root = -1};
}
