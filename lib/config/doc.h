// SPDX-License-Identifier: Apache-2.0
// What lies behind a parsed config. Used within config/.
#ifndef TR_CONFIG_DOC_H
#define TR_CONFIG_DOC_H

#include "config/option.h"
#include "config/yaml.h"

struct tr_options_doc {
    struct tr_arena arena; // holds everything below
    const struct tr_option_table *table;
    void *options;
    char *text;
    const struct tr_yaml_node *root;
};

// Fill the struct at `options` (zeroed) from a map: rows, defaults, checks; blocks inside first.
//
// Returns 0, -EINVAL with line and path, -ENOMEM. Recursion is as deep as the text and the tables nest.
int tr_options_bind(struct tr_arena *arena, const struct tr_option_table *table, void *options,
                    const struct tr_yaml_node *map, struct tr_error *error);

// Put "line N: " before an error that begins with a path, if the file has that path or a beginning of it.
void tr_options_locate_in(const struct tr_yaml_node *root, struct tr_error *error);

#endif
