// SPDX-License-Identifier: Apache-2.0
// Time of the root in which no other span of the trace runs: over a threshold, or a share of the root.
#include "policy/shape.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_gap_options *o = options->gap;

    if (!o || (!o->threshold_ms && o->share_percent <= 0))
        return tr_error_set(error, EINVAL, "%s.gap: threshold_ms or share_percent is needed", place->path);
    policy->shape.threshold = tr_shape_units(o->threshold_ms);
    policy->shape.share = o->share_percent;
    tr_predicates_shape(place->predicates, TR_SHAPE_LINKS, place->path);
    return 0;
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    const struct tr_shapes *shapes = tr_policy_shapes(trace);
    uint32_t at = shapes && !shapes->cut ? tr_shapes_root(shapes) : TR_SHAPE_NONE;
    const struct tr_shape_span *root;
    struct tr_shape_cover cover;
    uint64_t whole;

    if (at == TR_SHAPE_NONE)
        return TR_ANSWER_DROP;
    root = &shapes->all[at];
    whole = root->end - root->start;
    tr_shape_cover_begin(&cover, root->start, root->end);
    for (uint32_t i = 0; i < shapes->count; i++)
        if (shapes->by_start[i] != at)
            tr_shape_cover_add(&cover, &shapes->all[shapes->by_start[i]]);
    return tr_policy_shape_much(policy, whole - cover.covered, whole) ? TR_ANSWER_KEEP : TR_ANSWER_DROP;
}

const struct tr_policy_type tr_policy_gap = {"gap", TR_POLICY_ANYWHERE, compile, decide,
                                             tr_policy_never_certain};
