// SPDX-License-Identifier: Apache-2.0
#include "policy/types.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_rate_limiting_options *o = options->rate_limiting;

    if (!o)
        return tr_error_set(error, EINVAL, "%s.rate_limiting.spans_per_second: is missing", place->path);
    return tr_policy_limit_compile(policy, place, o->spans_per_second, o->burst_capacity, error);
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    return tr_budget_ask(policy->shares, trace, trace->spans);
}

const struct tr_policy_type tr_policy_rate_limiting = {.name = "rate_limiting",
                                                       .places = TR_POLICY_ANYWHERE,
                                                       .compile = compile,
                                                       .decide = decide,
                                                       .limit = tr_policy_limit_limit};
