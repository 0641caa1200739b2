// SPDX-License-Identifier: Apache-2.0
// YAML text to a tree of nodes that know their lines, on top of libyaml's scanner. Hostile text is bounded:
// size, depth and number of nodes; anchors, aliases and tags are refused, and so is a key that comes twice.
#ifndef TR_CONFIG_YAML_H
#define TR_CONFIG_YAML_H

#include "base/error.h"
#include "config/arena.h"

#define TR_YAML_BYTES_MAX     TR_MIB
#define TR_YAML_DEPTH_MAX     32
#define TR_YAML_NODES_MAX     65536
#define TR_YAML_KEY_BYTES_MAX 200 // escaped, it still fits the 1024 that YAML allows a key on one line
#define TR_YAML_PATH_BYTES    256 // longer paths are cut

enum tr_yaml_kind { TR_YAML_SCALAR, TR_YAML_LIST, TR_YAML_MAP };

struct tr_yaml_node {
    enum tr_yaml_kind kind;
    bool plain;        // SCALAR without quotes
    unsigned line;     // from 1; 0: not from the file but a default of ours
    unsigned key_line; // of an entry of a map
    const char *key;   // of an entry of a map, else NULL
    const char *text;  // SCALAR
    size_t index;      // among its siblings
    size_t count;      // LIST, MAP
    const struct tr_yaml_node *parent;
    struct tr_yaml_node *first, *last; // LIST, MAP
    struct tr_yaml_node *next;
};

// Returns 0 and *root, a MAP (empty, for an empty text) or whatever the text is; -EINVAL with line; -ENOMEM.
int tr_yaml_parse(struct tr_arena *arena, const char *text, size_t bytes, struct tr_yaml_node **root,
                  struct tr_error *error);

// The same of others' files: an alias is a copy of what its anchor names (within the same bounds), and a map takes what
// its key `<<` names and it doesn't have itself. Keys with an anchor are refused.
int tr_yaml_parse_aliased(struct tr_arena *arena, const char *text, size_t bytes, struct tr_yaml_node **root,
                          struct tr_error *error);

// Do so for one map. Used within config/.
void tr_yaml_merge(struct tr_yaml_node *map);

// The entry of a map. NULL: there is none.
const struct tr_yaml_node *tr_yaml_find(const struct tr_yaml_node *map, const char *key, size_t key_bytes);

// `key:` with nothing behind it, `~` and `null`.
bool tr_yaml_null(const struct tr_yaml_node *node);

// "ports[1].listen[0]", of the key `name` below it if that isn't NULL. "": the root.
void tr_yaml_path(const struct tr_yaml_node *node, const char *name, char path[TR_YAML_PATH_BYTES]);

// Say what is wrong with a node: "line 12: ports[1].listen[0]: " before the rest. Returns -EINVAL.
int tr_yaml_fail(const struct tr_yaml_node *node, struct tr_error *error, const char *format, ...)
    tr_printf(3, 4);
// The same of a key that is missing in a map, or that shouldn't be there.
int tr_yaml_fail_key(const struct tr_yaml_node *map, const char *name, unsigned line, struct tr_error *error,
                     const char *format, ...) tr_printf(5, 6);

// Text of unknown origin as an error shows it: cut after some 60 bytes, control characters as '?'.
#define TR_YAML_EXCERPT_BYTES 72
const char *tr_yaml_excerpt(char excerpt[TR_YAML_EXCERPT_BYTES], const char *text);

#endif
