// SPDX-License-Identifier: Apache-2.0
// OTTL's grammar: a text to a tree. What the names in it mean is the compiler's business.
#ifndef TR_POLICY_OTTL_PARSE_H
#define TR_POLICY_OTTL_PARSE_H

#include "base/error.h"
#include "policy/ottl_value.h"

#define TR_OTTL_NODES_MAX 4096
#define TR_OTTL_DEPTH_MAX 32 // parentheses, calls and lists within each other

enum tr_ottl_node_type {
    TR_OTTL_NODE_CONSTANT, // value
    TR_OTTL_NODE_ENUM,     // text: its name
    TR_OTTL_NODE_PATH,     // children: FIELDs
    TR_OTTL_NODE_FIELD,    // text: its name; children: its keys
    TR_OTTL_NODE_CALL,     // text: the converter's name; children: arguments, then `keys` KEYs
    TR_OTTL_NODE_MATH,     // two children, op is one of + - * /
    TR_OTTL_NODE_NEGATE,
    TR_OTTL_NODE_LIST,
    TR_OTTL_NODE_COMPARE, // two children, op is enum tr_ottl_comparison
    TR_OTTL_NODE_AND,
    TR_OTTL_NODE_OR,
    TR_OTTL_NODE_NOT,
};

struct tr_ottl_node {
    uint8_t type; // enum tr_ottl_node_type
    uint8_t op;
    uint16_t keys;
    uint32_t at; // in the text
    int32_t first, last, next; // children, and the next one of the parent's; -1: none
    const char *text;
    uint32_t bytes;
    struct tr_ottl_value value;
};

struct tr_ottl_tree {
    struct tr_ottl_node *nodes;
    uint32_t count;
    int32_t root;
    char *pool; // strings, bytes and names
    uint32_t pool_bytes;
};

// Returns 0, -EINVAL (error begins with "at N: "), -ENOMEM. The tree is to be cleared in any case.
int tr_ottl_parse(const char *text, struct tr_ottl_tree *tree, struct tr_error *error);
void tr_ottl_tree_clear(struct tr_ottl_tree *tree);

#endif
