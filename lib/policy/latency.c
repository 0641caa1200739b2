// SPDX-License-Identifier: Apache-2.0
// Latest end less earliest start, in whole milliseconds. The Collector looks at prefixes of the trace in the order its
// spans came, so that an upper bound may let a trace through that is longer in the end; here the whole trace counts.
#include "policy/types.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    if (!options->latency)
        return tr_error_set(error, EINVAL, "%s.latency.threshold_ms: is missing", place->path);
    policy->least_ms = options->latency->threshold_ms;
    policy->most_ms = options->latency->upper_threshold_ms;
    if (policy->most_ms && policy->most_ms <= policy->least_ms)
        return tr_error_set(error, EINVAL, "%s.latency.upper_threshold_ms: %llu is not above threshold_ms %llu",
                            place->path, (unsigned long long)policy->most_ms, (unsigned long long)policy->least_ms);
    return 0;
}

static uint64_t latency_ms(const struct tr_trace *trace)
{
    return trace->end_ns > trace->start_ns ? (trace->end_ns - trace->start_ns) / TR_MS : 0;
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    uint64_t ms = latency_ms(trace);

    return ms > policy->least_ms && (!policy->most_ms || ms <= policy->most_ms) ? TR_ANSWER_KEEP : TR_ANSWER_DROP;
}

// It only grows, but where no span has said when it began: the first that does may come later.
static enum tr_answer certain(const struct tr_policy *policy, const struct tr_trace *trace)
{
    uint64_t ms = trace->start_ns ? latency_ms(trace) : 0;

    if (policy->most_ms)
        return ms > policy->most_ms ? TR_ANSWER_DROP : TR_ANSWER_PENDING;
    return ms > policy->least_ms ? TR_ANSWER_KEEP : TR_ANSWER_PENDING;
}

const struct tr_policy_type tr_policy_latency = {"latency", TR_POLICY_ANYWHERE, compile, decide, certain};
