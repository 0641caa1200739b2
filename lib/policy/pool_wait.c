// SPDX-License-Identifier: Apache-2.0
// Time in which a span of the trace waits for a pool: over a threshold, or a share of the trace.
#include "policy/shape.h"

// What instrumentations call it: SQLAlchemy, node's pg, JDBC's data sources.
static const char *const names[] = {"connect", "pg-pool.connect", "*.getConnection", "*pool.acquire", "*pool.checkout"};

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_pool_wait_options *o = options->pool_wait;

    if (!o || (!o->threshold_ms && o->share_percent <= 0))
        return tr_error_set(error, EINVAL, "%s.pool_wait: threshold_ms or share_percent is needed", place->path);
    policy->shape.threshold = tr_shape_units(o->threshold_ms);
    policy->shape.share = o->share_percent;
    return tr_policy_shape_mark(policy, place, &o->span_names, names, TR_NELEMS(names), "pool_wait", error);
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    const struct tr_shapes *shapes = tr_policy_shapes(trace);
    struct tr_shape_cover cover;
    uint64_t whole;

    tr_shape_cover_begin(&cover, 0, UINT32_MAX);
    for (uint32_t i = 0; shapes && i < shapes->count; i++)
        if (shapes->all[shapes->by_start[i]].marks & policy->shape.mark)
            tr_shape_cover_add(&cover, &shapes->all[shapes->by_start[i]]);
    whole = trace->end_ns > trace->start_ns
                ? (trace->end_ns >> TR_SHAPE_UNIT_SHIFT) - (trace->start_ns >> TR_SHAPE_UNIT_SHIFT)
                : 0;
    return tr_policy_shape_much(policy, cover.covered, whole) ? TR_ANSWER_KEEP : TR_ANSWER_DROP;
}

const struct tr_policy_type tr_policy_pool_wait = {"pool_wait", TR_POLICY_ANYWHERE, compile, decide,
                                                   tr_policy_never_certain};
