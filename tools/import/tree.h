// SPDX-License-Identifier: Apache-2.0
// A config as it is being put together: a tree that is written as YAML, with a comment where something was changed.
//
// A part may be removed again once it is in (what the daemon's check refuses): it is then written as a comment, under
// the reason. All memory is the arena's; out of memory ends the process.
#ifndef TR_TOOLS_IMPORT_TREE_H
#define TR_TOOLS_IMPORT_TREE_H

#include "config/yaml.h"

enum tree_kind { TREE_SCALAR, TREE_LIST, TREE_MAP };

struct tree {
    enum tree_kind kind;
    const char *key;     // in a map; NULL: an item of a list, or the root
    const char *text;    // SCALAR
    bool plain;          // SCALAR: written as it is
    bool removable;      // without it the rest still makes sense
    const char *comment; // lines above it; NULL: none
    const char *removed; // why it was; NULL: it is in
    const struct tr_yaml_node *from; // NULL: of our own
    struct tree *parent, *first, *last, *next;
};

struct tree *tree_map(struct tr_arena *arena, struct tree *parent, const char *key);
struct tree *tree_list(struct tr_arena *arena, struct tree *parent, const char *key);

// The map or list of that key, made if it is not there.
struct tree *tree_map_in(struct tr_arena *arena, struct tree *parent, const char *key);
struct tree *tree_list_in(struct tr_arena *arena, struct tree *parent, const char *key);

// A scalar: of a map (in place of one of the same key) or, with a NULL key, one more of a list. `plain`: a number, a
// word, a duration; else it is quoted where YAML wants that. Text is copied.
struct tree *tree_put(struct tr_arena *arena, struct tree *parent, const char *key, const char *text, bool plain);

struct tree *tree_find(const struct tree *map, const char *key);

// One more line above it.
void tree_comment(struct tr_arena *arena, struct tree *tree, const char *format, ...) tr_printf(3, 4);

// What a path of an error ("tail_sampling.policies[3].latency") leads to, or as far as it leads. Counts only what is in.
struct tree *tree_at(struct tree *root, const char *path);

void tree_write(const struct tree *root, FILE *out);

// printf() into the arena.
const char *arena_format(struct tr_arena *arena, const char *format, ...) tr_printf(2, 3);

#endif
