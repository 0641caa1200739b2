// SPDX-License-Identifier: Apache-2.0
// The compiler's parts.
#ifndef TR_POLICY_OTTL_COMPILE_H
#define TR_POLICY_OTTL_COMPILE_H

#include "policy/ottl_parse.h"
#include "policy/ottl_program.h"

enum tr_ottl_path_context { TR_OTTL_PATH_SPAN, TR_OTTL_PATH_RESOURCE, TR_OTTL_PATH_SCOPE, TR_OTTL_PATH_EVENT };

struct tr_ottl_compiler {
    struct tr_ottl *program;
    struct tr_ottl_tree tree;
    const char *text;
    struct tr_error *error;
    uint32_t codes_room, constants_room;
    unsigned stack, depth;
    bool fields; // the condition in hand looks at more than constants and keys
    bool span;   // the whole looks at the span
};

// The error for a node: "at N: `path` is no ...". Returns -EINVAL.
int tr_ottl_refuse(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *node, const char *why);

// Append a code, which changes the stack by `grows`. `a` may be an error, which it returns; else 0.
int tr_ottl_emit(struct tr_ottl_compiler *compiler, enum tr_ottl_op op, unsigned n, int a, int grows);

// Returns the constant's number, -ENOMEM.
int tr_ottl_constant_add(struct tr_ottl_compiler *compiler, const struct tr_ottl_value *value);

int tr_ottl_path_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *path);
int tr_ottl_value_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *node);
int tr_ottl_call_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *call);

// The value of a node that is a literal. Returns 1, 0: it is none; -EINVAL.
int tr_ottl_literal(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *node, struct tr_ottl_value *value);

#endif
