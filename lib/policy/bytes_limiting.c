// SPDX-License-Identifier: Apache-2.0
// The bytes of a trace are those of its spans, framed. Resources and scopes are shared by spans of many traces on the
// way out, so they are nobody's; the Collector counts them for each trace that has spans under them.
#include "policy/types.h"

// Of a span in its ScopeSpans: a tag, and a length of two bytes for all between 128 bytes and 16 KiB.
#define FRAME_BYTES 3

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_bytes_limiting_options *o = options->bytes_limiting;

    if (!o)
        return tr_error_set(error, EINVAL, "%s.bytes_limiting.bytes_per_second: is missing", place->path);
    return tr_policy_limit_compile(policy, place, o->bytes_per_second, o->burst_capacity, error);
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    return tr_budget_ask(policy->shares, trace, trace->bytes + (uint64_t)FRAME_BYTES * trace->spans);
}

const struct tr_policy_type tr_policy_bytes_limiting = {.name = "bytes_limiting",
                                                       .places = TR_POLICY_ANYWHERE,
                                                       .compile = compile,
                                                       .decide = decide,
                                                       .limit = tr_policy_limit_limit};
