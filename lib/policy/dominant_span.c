// SPDX-License-Identifier: Apache-2.0
// One span, less what its children take, takes most of its root.
#include "policy/shape.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_dominant_span_options *o = options->dominant_span;

    policy->shape.share = o ? o->share_percent : TR_DOMINANT_SPAN_SHARE;
    policy->shape.threshold = tr_shape_units(o ? o->min_ms : TR_DOMINANT_SPAN_MS);
    tr_predicates_shape(place->predicates, TR_SHAPE_LINKS, place->path);
    if (!o || !o->span_names.count)
        return 0;
    return tr_policy_shape_mark(policy, place, &o->span_names, NULL, 0, "dominant_span", error);
}

// Where the children of a span begin in by_parent.
static uint32_t children_find(const struct tr_shapes *shapes, uint32_t span)
{
    uint32_t low = 0, high = shapes->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (shapes->all[shapes->by_parent[middle]].parent < span)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// The time of a span within the root in which none of its children runs.
static uint64_t self_time(const struct tr_shapes *shapes, const struct tr_shape_span *span, const struct tr_shape_span *root)
{
    uint32_t from = TR_MAX(span->start, root->start), to = TR_MIN(span->end, root->end);
    struct tr_shape_cover cover;

    if (to <= from)
        return 0;
    tr_shape_cover_begin(&cover, from, to);
    for (uint32_t i = children_find(shapes, span->span); i < shapes->count; i++) {
        const struct tr_shape_span *child = &shapes->all[shapes->by_parent[i]];

        if (child->parent != span->span)
            break;
        if (child != span) // a span that names itself its parent is no child
            tr_shape_cover_add(&cover, child);
    }
    return to - from - cover.covered;
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    const struct tr_shapes *shapes = tr_policy_shapes(trace);
    uint32_t at = shapes && !shapes->cut ? tr_shapes_root(shapes) : TR_SHAPE_NONE;
    const struct tr_shape_span *root;
    uint64_t whole;

    if (at == TR_SHAPE_NONE)
        return TR_ANSWER_DROP;
    root = &shapes->all[at];
    whole = root->end - root->start;
    for (uint32_t i = 0; i < shapes->count; i++) {
        const struct tr_shape_span *span = &shapes->all[i];
        uint64_t self;

        if (span->span == root->span || (policy->shape.mark && !(span->marks & policy->shape.mark)))
            continue;
        // Where client and server share an id, the children are the server's.
        if (i + 1 < shapes->count && shapes->all[i + 1].span == span->span)
            continue;
        if (i && shapes->all[i - 1].span == span->span && span->kind != TR_SHAPE_KIND_SERVER)
            continue;
        self = self_time(shapes, span, root);
        if (self && self >= policy->shape.threshold && (double)self * 100 >= policy->shape.share * (double)whole)
            return TR_ANSWER_KEEP;
    }
    return TR_ANSWER_DROP;
}

const struct tr_policy_type tr_policy_dominant_span = {"dominant_span", TR_POLICY_ANYWHERE, compile, decide,
                                                       tr_policy_never_certain};
