// SPDX-License-Identifier: Apache-2.0
#ifndef TR_POLICY_POLICY_SET_H
#define TR_POLICY_POLICY_SET_H

#include "policy/ottl.h"
#include "policy/sampling.h"
#include "policy/types.h"

// Behind struct tr_policy_set.
struct tr_policy_set_whole {
    struct tr_policy_set set;
    struct tr_policy *policies;
    uint32_t policies_count; // without the rows of those that have some
    uint16_t *order;  // in which they are asked: drop policies, then the others
    uint32_t drops;   // drop policies
    bool first_match; // the first that keeps ends it
    struct tr_policy_draws draws;
    struct tr_policy_chances *chances; // NULL: without adjusted counts
    bool *pure;       // by policy: it may be asked at any time, and again
    bool all_pure;
    struct tr_samplers samplers;
    struct tr_predicates predicates;
    struct tr_budget_plan budget_plan;
    struct tr_walk_test *tests;
    struct tr_walk_span_test *span_tests;
    struct tr_predicate_regexes **regexes; // of a key in a place each
    uint32_t regexes_count;
    struct tr_walk_program *programs;
    uint16_t *slots; // of the programs' keys
    uint32_t slots_count;
    struct tr_walk_memo *memos;
    struct tr_walk_watch *watched; // of keys that others want noted
};

// Ask policy `number`, without counting but the time that it takes, now and then. *by is what a verdict shall name: it,
// or a row of it.
enum tr_answer tr_policy_ask(const struct tr_policy_set_whole *whole, uint32_t number, const struct tr_trace *trace,
                             struct tr_policy_counters *counters, uint32_t *by);
void tr_policy_row_count(struct tr_policy_counters *counters, const struct tr_trace *trace, enum tr_answer answer);

// tr_policy_set_decide() of a set with limits.
enum tr_answer tr_policy_set_decide_budgets(const struct tr_policy_set_whole *whole, const struct tr_trace *trace,
                                            struct tr_policy_counters *counters, uint16_t *policy);

// Make the set's plan from its predicates. Returns 0; -EINVAL: patterns that can't be compiled together; -ENOMEM.
int tr_policy_plan_make(struct tr_policy_set_whole *whole, const struct tr_strings *watched, uint32_t lcores,
                        struct tr_error *error);
// The plan's programs, without their slots. Returns 0, -ENOMEM.
int tr_policy_programs_make(struct tr_policy_set_whole *whole);

// What the plan tells the walk of the shape: what is needed, and which predicates are marked.
void tr_policy_shape_make(struct tr_policy_set_whole *whole);
// Give the keys of one place that the shape looks at their slots. Returns false: there are not that many.
bool tr_policy_shape_keys(struct tr_policy_set_whole *whole, struct tr_walk_keys *keys, enum tr_ottl_place place);
// The same for what the keys of dynamic samplers are made of.
bool tr_policy_samplers_keys(struct tr_policy_set_whole *whole, struct tr_walk_keys *keys, enum tr_ottl_place place);
// The slot of a key, taken if it has none. Returns NULL: all are.
struct tr_walk_key *tr_policy_key_watch(struct tr_walk_keys *keys, const struct tr_ottl_key *wanted, uint32_t *slots);

// Give the keys of one place that programs look at their slots: spans first. `keys` has room for TR_WALK_SLOTS_MAX more.
//
// Returns 0, -EINVAL: there are not that many slots.
int tr_policy_programs_keys(struct tr_policy_set_whole *whole, struct tr_walk_keys *keys, enum tr_ottl_place place,
                            const struct tr_strings *watched, struct tr_error *error);

// Which policies share draws, for tr_policy_set_chance(). Returns 0; -EINVAL: too many combinations; -ENOMEM.
int tr_policy_chances_make(struct tr_policy_set_whole *whole, struct tr_error *error);

void tr_policy_plan_clear(struct tr_policy_set_whole *whole);

#endif
