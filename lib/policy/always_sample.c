// SPDX-License-Identifier: Apache-2.0
#include "policy/types.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    return 0;
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    return TR_ANSWER_KEEP;
}

const struct tr_policy_type tr_policy_always_sample = {"always_sample", TR_POLICY_ANYWHERE, compile, decide, decide};
