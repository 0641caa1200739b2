// SPDX-License-Identifier: Apache-2.0
#ifndef TR_POLICY_POLICY_SET_H
#define TR_POLICY_POLICY_SET_H

#include "policy/types.h"

// Behind struct tr_policy_set.
struct tr_policy_set_whole {
    struct tr_policy_set set;
    struct tr_policy *policies;
    struct tr_predicates predicates;
    struct tr_walk_test *tests;
};

#endif
