// SPDX-License-Identifier: Apache-2.0
// Recursive descent, as deep as TR_OTTL_DEPTH_MAX. A parenthesis may begin arithmetic or a condition: arithmetic is
// tried first, and taken back when no comparison follows.
#include "policy/ottl_parser.h"

struct mark {
    struct tr_ottl_token token;
    uint32_t nodes, pool_bytes;
};

static int expression(struct tr_ottl_parser *parser);

int tr_ottl_parser_fail(struct tr_ottl_parser *parser, const char *at, const char *why)
{
    if (!parser->bad || at > parser->bad) {
        parser->bad = at;
        snprintf(parser->why, sizeof(parser->why), "%s", why);
    }
    return -1;
}

int tr_ottl_parser_unexpected(struct tr_ottl_parser *parser, const char *wanted)
{
    const struct tr_ottl_token *token = &parser->token;
    char why[160];

    if (token->type == TR_OTTL_END)
        snprintf(why, sizeof(why), "the condition ends where %s should be", wanted);
    else
        snprintf(why, sizeof(why), "\"%.*s\" where %s should be", (int)TR_MIN(token->bytes, 40u), token->at, wanted);
    return tr_ottl_parser_fail(parser, token->at, why);
}

void tr_ottl_parser_take(struct tr_ottl_parser *parser)
{
    parser->token = tr_ottl_token_next(parser->token.at + parser->token.bytes, parser->end);
}

bool tr_ottl_parser_take_if(struct tr_ottl_parser *parser, char c)
{
    if (!tr_ottl_parser_is(parser, c))
        return false;
    tr_ottl_parser_take(parser);
    return true;
}

int tr_ottl_parser_node(struct tr_ottl_parser *parser, enum tr_ottl_node_type type, const char *at)
{
    struct tr_ottl_tree *tree = parser->tree;

    if (tree->count == TR_OTTL_NODES_MAX)
        return tr_ottl_parser_fail(parser, at, "the condition has too many parts");
    tree->nodes[tree->count] = (struct tr_ottl_node){
        .type = (uint8_t)type, .at = (uint32_t)(at - parser->text), .first = -1, .last = -1, .next = -1};
    return (int)tree->count++;
}

int tr_ottl_parser_constant(struct tr_ottl_parser *parser, const char *at, struct tr_ottl_value constant_value)
{
    int index = tr_ottl_parser_node(parser, TR_OTTL_NODE_CONSTANT, at);

    if (index >= 0)
        tr_ottl_parser_node_at(parser, index)->value = constant_value;
    return index;
}

void tr_ottl_parser_child_add(struct tr_ottl_parser *parser, int parent, int child)
{
    struct tr_ottl_node *to = tr_ottl_parser_node_at(parser, parent);

    if (to->last >= 0)
        tr_ottl_parser_node_at(parser, to->last)->next = child;
    else
        to->first = child;
    to->last = child;
}

bool tr_ottl_parser_deeper(struct tr_ottl_parser *parser)
{
    if (parser->depth == TR_OTTL_DEPTH_MAX) {
        tr_ottl_parser_fail(parser, parser->token.at, "nested deeper than 32");
        return false;
    }
    parser->depth++;
    return true;
}

static struct mark mark(const struct tr_ottl_parser *parser)
{
    return (struct mark){parser->token, parser->tree->count, parser->tree->pool_bytes};
}

static void back_to(struct tr_ottl_parser *parser, const struct mark *to)
{
    parser->token = to->token;
    parser->tree->count = to->nodes;
    parser->tree->pool_bytes = to->pool_bytes;
}

// Returns the left value where no comparison follows.
static int comparison(struct tr_ottl_parser *parser)
{
    const char *at;
    int left = tr_ottl_parser_value(parser), right, index;

    if (left < 0 || parser->token.type != TR_OTTL_TOKEN_COMPARISON)
        return left;
    at = parser->token.at;
    tr_ottl_parser_take(parser);
    right = tr_ottl_parser_value(parser);
    index = right < 0 ? -1 : tr_ottl_parser_node(parser, TR_OTTL_NODE_COMPARE, at);
    if (index < 0)
        return -1;
    switch (*at) {
    case '=':
        tr_ottl_parser_node_at(parser, index)->op = TR_OTTL_EQ;
        break;
    case '!':
        tr_ottl_parser_node_at(parser, index)->op = TR_OTTL_NE;
        break;
    case '<':
        tr_ottl_parser_node_at(parser, index)->op = at[1] == '=' ? TR_OTTL_LE : TR_OTTL_LT;
        break;
    default:
        tr_ottl_parser_node_at(parser, index)->op = at[1] == '=' ? TR_OTTL_GE : TR_OTTL_GT;
    }
    tr_ottl_parser_child_add(parser, index, left);
    tr_ottl_parser_child_add(parser, index, right);
    return index;
}

// Is this a condition by itself?
static bool boolean(const struct tr_ottl_node *of)
{
    return of->type == TR_OTTL_NODE_COMPARE || of->type == TR_OTTL_NODE_CALL ||
           (of->type == TR_OTTL_NODE_CONSTANT && of->value.type == TR_OTTL_BOOL);
}

static int condition_plain(struct tr_ottl_parser *parser)
{
    const struct mark before = mark(parser);
    const unsigned depth = parser->depth;
    bool parenthesis = tr_ottl_parser_is(parser, '(');
    int index = comparison(parser);

    if (index >= 0 && (tr_ottl_parser_node_at(parser, index)->type == TR_OTTL_NODE_COMPARE ||
                       (!parenthesis && boolean(tr_ottl_parser_node_at(parser, index)))))
        return index;
    if (!parenthesis)
        return index < 0 ? -1 : tr_ottl_parser_unexpected(parser, "a comparison");
    back_to(parser, &before);
    parser->depth = depth;
    if (!tr_ottl_parser_deeper(parser))
        return -1;
    tr_ottl_parser_take(parser);
    index = expression(parser);
    if (index >= 0 && !tr_ottl_parser_take_if(parser, ')'))
        return tr_ottl_parser_unexpected(parser, ")");
    parser->depth--;
    return index;
}

static int condition(struct tr_ottl_parser *parser)
{
    const char *at = parser->token.at;
    int index, inner;

    if (parser->token.type != TR_OTTL_TOKEN_NOT)
        return condition_plain(parser);
    tr_ottl_parser_take(parser);
    inner = condition_plain(parser);
    index = inner < 0 ? -1 : tr_ottl_parser_node(parser, TR_OTTL_NODE_NOT, at);
    if (index >= 0)
        tr_ottl_parser_child_add(parser, index, inner);
    return index;
}

// Conditions joined by one word, each of them by `each`.
static int joined(struct tr_ottl_parser *parser, enum tr_ottl_token_type word, enum tr_ottl_node_type type,
                  int (*each)(struct tr_ottl_parser *))
{
    int first = each(parser), index;

    if (first < 0 || parser->token.type != word)
        return first;
    index = tr_ottl_parser_node(parser, type, parser->token.at);
    if (index < 0)
        return -1;
    tr_ottl_parser_child_add(parser, index, first);
    while (parser->token.type == word) {
        int child;

        tr_ottl_parser_take(parser);
        child = each(parser);
        if (child < 0)
            return -1;
        tr_ottl_parser_child_add(parser, index, child);
    }
    return index;
}

static int conjunction(struct tr_ottl_parser *parser)
{
    return joined(parser, TR_OTTL_TOKEN_AND, TR_OTTL_NODE_AND, condition);
}

static int expression(struct tr_ottl_parser *parser)
{
    return joined(parser, TR_OTTL_TOKEN_OR, TR_OTTL_NODE_OR, conjunction);
}

int tr_ottl_parse(const char *text, struct tr_ottl_tree *tree, struct tr_error *error)
{
    size_t bytes = strlen(text);
    struct tr_ottl_parser parser = {.tree = tree, .text = text, .end = text + bytes};

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
        tree->root = tr_ottl_parser_unexpected(&parser, "and, or, or the end");
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
