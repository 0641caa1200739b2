// SPDX-License-Identifier: Apache-2.0
// Attribute rules, compiled to a rewrite plan. Applied to kept spans on the way to the outbox.
#ifndef TR_ATTR_ATTR_H
#define TR_ATTR_ATTR_H

#include "base/error.h"
#include "config/option.h"
#include "otlp/rewrite.h"

// `attributes.rules[]`
struct tr_attr_rule_options {
    struct tr_strings keys; // exact
    int action;             // enum tr_attr_action
};

struct tr_attributes_options {
    struct tr_list rules; // of struct tr_attr_rule_options; a key's first rule wins
};
extern const struct tr_option_table tr_attributes_option_table;

struct tr_attr_set {
    struct tr_rewrite_plan plan;
    uint64_t version;
};

// Returns 0 and *set, -EINVAL with the path. Thread: control.
int tr_attr_set_compile(const struct tr_attributes_options *options, struct tr_attr_set **set,
                        struct tr_error *error);
void tr_attr_set_free(struct tr_attr_set *set);

#endif
