// SPDX-License-Identifier: Apache-2.0
#include "policy/types.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options, const char *path,
                   struct tr_predicates *predicates, struct tr_error *error)
{
    const struct tr_list *list = options->and ? &options->and->and_sub_policy : NULL;
    const struct tr_policy_options *sub;

    if (!list || !list->count)
        return tr_error_set(error, EINVAL, "%s.and.and_sub_policy: at least one policy", path);
    sub = list->items;
    policy->sub = calloc(list->count, sizeof(*policy->sub));
    if (!policy->sub)
        return tr_error_set(error, ENOMEM, "no memory for a policy");
    for (size_t i = 0; i < list->count; i++) {
        char below[256];
        int rc;

        snprintf(below, sizeof(below), "%s.and.and_sub_policy[%zu]", path, i);
        policy->sub_count++;
        rc = tr_policy_compile(&policy->sub[i], &sub[i], below, predicates, error);
        if (rc < 0)
            return rc;
    }
    return 0;
}

// The first that says no ends it; a budget that is still open leaves it open.
static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    enum tr_answer answer = TR_ANSWER_KEEP;

    for (uint32_t i = 0; i < policy->sub_count; i++) {
        enum tr_answer sub = policy->sub[i].type->decide(&policy->sub[i], trace);

        if (sub == TR_ANSWER_DROP)
            return TR_ANSWER_DROP;
        if (sub == TR_ANSWER_PENDING)
            answer = TR_ANSWER_PENDING;
    }
    return answer;
}

const struct tr_policy_type tr_policy_and = {"and", compile, decide};
