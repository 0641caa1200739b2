// SPDX-License-Identifier: Apache-2.0
// What the two halves of the parser share: values (ottl_parse_value.c), and conditions of them (ottl_parse.c).
//
// All rules return a node, or -1.
#ifndef TR_POLICY_OTTL_PARSER_H
#define TR_POLICY_OTTL_PARSER_H

#include "policy/ottl_lex.h"
#include "policy/ottl_parse.h"

struct tr_ottl_parser {
    struct tr_ottl_tree *tree;
    const char *text, *end;
    struct tr_ottl_token token; // to be taken next
    unsigned depth;
    const char *bad; // the furthest place where it could not go on
    char why[160];
};

static inline bool tr_ottl_parser_is(const struct tr_ottl_parser *parser, char c)
{
    return parser->token.type == TR_OTTL_TOKEN_PUNCTUATION && *parser->token.at == c;
}

static inline struct tr_ottl_node *tr_ottl_parser_node_at(const struct tr_ottl_parser *parser, int index)
{
    return &parser->tree->nodes[index];
}

int tr_ottl_parser_fail(struct tr_ottl_parser *parser, const char *at, const char *why);
int tr_ottl_parser_unexpected(struct tr_ottl_parser *parser, const char *wanted);
void tr_ottl_parser_take(struct tr_ottl_parser *parser);
bool tr_ottl_parser_take_if(struct tr_ottl_parser *parser, char c);
int tr_ottl_parser_node(struct tr_ottl_parser *parser, enum tr_ottl_node_type type, const char *at);
int tr_ottl_parser_constant(struct tr_ottl_parser *parser, const char *at, struct tr_ottl_value constant_value);
void tr_ottl_parser_child_add(struct tr_ottl_parser *parser, int parent, int child);
bool tr_ottl_parser_deeper(struct tr_ottl_parser *parser);

// A value: a literal, a list, or arithmetic.
int tr_ottl_parser_value(struct tr_ottl_parser *parser);

#endif
