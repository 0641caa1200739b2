// SPDX-License-Identifier: Apache-2.0
// Many siblings with one parent and one query.
#include "policy/shape.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_n_plus_one_options *o = options->n_plus_one;

    policy->shape.count = o ? (uint32_t)o->min_siblings : TR_N_PLUS_ONE_SIBLINGS;
    policy->shape.threshold = o ? tr_shape_units(o->min_total_ms) : 0;
    tr_predicates_shape(place->predicates, TR_SHAPE_LINKS | TR_SHAPE_PRINT, place->path);
    return 0;
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    const struct tr_shapes *shapes = tr_policy_shapes(trace);
    const struct tr_shape_span *first = NULL;
    uint64_t total = 0;
    uint32_t run = 0;

    for (uint32_t i = 0; shapes && i < shapes->count; i++) {
        const struct tr_shape_span *span = &shapes->all[shapes->by_call[i]];

        if (!span->parent || !span->query)
            continue;
        if (!first || span->parent != first->parent || span->print != first->print) {
            first = span;
            total = run = 0;
        }
        run++;
        total += span->end - span->start;
        if (run >= policy->shape.count && total >= policy->shape.threshold)
            return TR_ANSWER_KEEP;
    }
    return TR_ANSWER_DROP;
}

const struct tr_policy_type tr_policy_n_plus_one = {"n_plus_one", TR_POLICY_ANYWHERE, compile, decide,
                                                    tr_policy_never_certain};
