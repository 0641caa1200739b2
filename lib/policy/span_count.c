// SPDX-License-Identifier: Apache-2.0
#include "policy/types.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_span_count_options *o = options->span_count;

    if (!o)
        return tr_error_set(error, EINVAL, "%s.span_count.min_spans: is missing", place->path);
    if (o->max_spans && o->max_spans < o->min_spans)
        return tr_error_set(error, EINVAL, "%s.span_count.max_spans: %llu is below min_spans %llu", place->path,
                            (unsigned long long)o->max_spans, (unsigned long long)o->min_spans);
    policy->least_spans = (uint32_t)o->min_spans;
    policy->most_spans = o->max_spans ? (uint32_t)o->max_spans : UINT32_MAX;
    return 0;
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    return trace->spans >= policy->least_spans && trace->spans <= policy->most_spans ? TR_ANSWER_KEEP : TR_ANSWER_DROP;
}

static enum tr_answer certain(const struct tr_policy *policy, const struct tr_trace *trace)
{
    if (trace->spans > policy->most_spans)
        return TR_ANSWER_DROP;
    return trace->spans >= policy->least_spans && policy->most_spans == UINT32_MAX ? TR_ANSWER_KEEP : TR_ANSWER_PENDING;
}

const struct tr_policy_type tr_policy_span_count = {"span_count", TR_POLICY_ANYWHERE, compile, decide, certain};
