// SPDX-License-Identifier: Apache-2.0
// The `rules` policy: an ordered list of which the first that matches decides (rules.c).
#ifndef TR_POLICY_RULES_H
#define TR_POLICY_RULES_H

#include "policy/policy_type.h"
#include "policy/rule_value.h"
#include "policy/sampling.h"

#define TR_RULES_MAX       512
#define TR_RULE_FIELDS_MAX 16

enum tr_rule_action { TR_RULE_DROP, TR_RULE_SAMPLE, TR_RULE_DYNAMIC };

struct tr_rule {
    char *name;           // the policy's, a slash, its own
    struct tr_bits all;   // these predicates hold, each on some span
    struct tr_bits none;  // these on no span
    int8_t root;          // 1: a root was seen, 0: none was, -1: no matter
    enum tr_rule_action action;
    uint64_t rate;              // SAMPLE: one trace in so many
    uint64_t limit;             // and the greatest draw that keeps one, but in mode proportional
    struct tr_sampling sampling; // DYNAMIC
    struct tr_rule_test *spans; // of the trace's number of spans
    uint32_t spans_count;
};

// The last of them stands for what matches no other.
struct tr_rules {
    struct tr_rule *rules;
    uint32_t count;
};

// Compile the conditions of a rule; `path` is the rule's. Returns 0, below 0: the error names the path. (rules_compile.c)
int tr_rule_conditions_compile(struct tr_rule *rule, const struct tr_rule_options *options,
                               const struct tr_policy_place *place, const char *path, struct tr_error *error);

#endif
