// SPDX-License-Identifier: Apache-2.0
#ifndef TR_POLICY_POLICY_SET_H
#define TR_POLICY_POLICY_SET_H

#include "policy/types.h"

// Behind struct tr_policy_set.
struct tr_policy_set_whole {
    struct tr_policy_set set;
    struct tr_policy *policies;
    uint16_t *order;  // in which they are asked: drop policies, then the others
    uint32_t drops;   // drop policies
    bool first_match; // the first that keeps ends it
    struct tr_predicates predicates;
    struct tr_walk_test *tests;
    struct tr_walk_span_test *span_tests;
    struct tr_predicate_regexes **regexes; // of a key in a place each
    uint32_t regexes_count;
};

// Make the set's plan from its predicates. Returns 0; -EINVAL: patterns that can't be compiled together; -ENOMEM.
int tr_policy_plan_make(struct tr_policy_set_whole *whole, uint32_t lcores, struct tr_error *error);
void tr_policy_plan_clear(struct tr_policy_set_whole *whole);

#endif
