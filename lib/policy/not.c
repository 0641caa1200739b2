// SPDX-License-Identifier: Apache-2.0
#include "policy/types.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_policy_options *sub = options->not ? options->not ->not_sub_policy : NULL;

    if (!sub)
        return tr_error_set(error, EINVAL, "%s.not.not_sub_policy: is missing", place->path);
    return tr_policy_sub_compile(policy, sub, 1, place, "not.not_sub_policy", TR_POLICY_IN_NOT, error);
}

// A budget that is still open leaves it open.
static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    enum tr_answer answer = policy->sub->type->decide(policy->sub, trace);

    if (answer == TR_ANSWER_PENDING)
        return answer;
    return answer == TR_ANSWER_KEEP ? TR_ANSWER_DROP : TR_ANSWER_KEEP;
}

static enum tr_answer certain(const struct tr_policy *policy, const struct tr_trace *trace)
{
    enum tr_answer answer = policy->sub->type->certain(policy->sub, trace);

    if (answer == TR_ANSWER_PENDING)
        return answer;
    return answer == TR_ANSWER_KEEP ? TR_ANSWER_DROP : TR_ANSWER_KEEP;
}

const struct tr_policy_type tr_policy_not = {"not", TR_POLICY_AT_TOP | TR_POLICY_IN_AND, compile, decide, certain};
