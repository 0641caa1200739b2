// SPDX-License-Identifier: Apache-2.0
// A span's flags say that it was sampled. Source: W3C Trace Context 3.2.2.5.1.
#include "policy/types.h"

#define SAMPLED 0x01u

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    return tr_policy_any_add(policy, place, tr_predicate_flags(place->predicates, SAMPLED), error);
}

const struct tr_policy_type tr_policy_trace_flags = {"trace_flags", TR_POLICY_ANYWHERE, compile, tr_policy_any_decide, tr_policy_any_certain};
