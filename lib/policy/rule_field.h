// SPDX-License-Identifier: Apache-2.0
// Fields of rules and of samplers' keys: an attribute of the span, else of its scope, else of its resource; or what the
// span has by itself, under the names of docs/rules.md.
#ifndef TR_POLICY_RULE_FIELD_H
#define TR_POLICY_RULE_FIELD_H

#include "policy/ottl_program.h"

#define TR_RULE_PLACES 3 // where an attribute is looked for

struct tr_rule_field {
    int own;      // what the span has by itself; 0: an attribute
    uint32_t key; // of the first of its places, among the keys
};

// The attributes that some fields look at, for a plan.
struct tr_rule_keys {
    struct tr_ottl_key *keys; // all of them idle
    char **names;             // of the keys, one for each TR_RULE_PLACES of them
    uint32_t count;
};

// Room for that many fields. Returns 0, -ENOMEM; it is to be cleared in any case.
int tr_rule_keys_make(struct tr_rule_keys *keys, size_t fields);
void tr_rule_keys_clear(struct tr_rule_keys *keys);

// Returns 0, -ENOMEM. *field was zeroed.
int tr_rule_field_make(struct tr_rule_keys *keys, const char *name, struct tr_rule_field *field);

// The field's value. `run` has a span, its notes and the slots of the keys; `own` takes what is made on the way.
//
// Returns NULL: the span does not have it.
const struct tr_value *tr_rule_field_read(const struct tr_rule_field *field, struct tr_ottl_run *run,
                                          struct tr_value *own);

#endif
