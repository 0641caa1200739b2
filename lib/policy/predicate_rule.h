// SPDX-License-Identifier: Apache-2.0
// Conditions of a rule that must hold on one span, as one predicate.
#ifndef TR_POLICY_PREDICATE_RULE_H
#define TR_POLICY_PREDICATE_RULE_H

#include "policy/predicate.h"
#include "policy/rule_value.h"

struct tr_rule_condition {
    const char *path;          // in the config
    const char *const *fields; // the first that a span has counts
    size_t fields_count;
    enum tr_rule_operator op;
    enum tr_rule_datatype datatype;
    const char *const *values;
    size_t values_count;
};

// Number a predicate: all conditions hold on one span, which is a root if `root`.
//
// A field is an attribute of the span, else of its scope, else of its resource; or one of the names of docs/rules.md for
// what the span itself has.
//
// Returns the number; -EINVAL: error names the path and why; -ENOSPC, -ENOMEM. Thread: control.
int tr_predicate_rule(struct tr_predicates *predicates, bool root, const struct tr_rule_condition *conditions,
                      size_t count, struct tr_error *error);

#endif
