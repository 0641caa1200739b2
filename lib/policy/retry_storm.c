// SPDX-License-Identifier: Apache-2.0
// Back-to-back sibling attempts of one call: a chain in which each begins when one before it has failed, at once.
#include "policy/shape.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_retry_storm_options *o = options->retry_storm;

    policy->shape.count = o ? (uint32_t)o->min_attempts : TR_RETRY_STORM_ATTEMPTS;
    policy->shape.gap = tr_shape_units(o ? o->max_gap_ms : TR_RETRY_STORM_GAP_MS);
    tr_predicates_shape(place->predicates, TR_SHAPE_LINKS | TR_SHAPE_PRINT, place->path);
    return 0;
}

// A span of no length ends when the next unit begins: so who ends before another begins began before it.
static uint32_t end_of(const struct tr_shape_span *span)
{
    return span->end > span->start ? span->end : span->start + (span->start < UINT32_MAX);
}

// The longest chain among calls[0..count-1], which are in the order of their starts. A call may follow any that failed
// and ended at most `gap` before it begins; of these the one with the longest chain behind it. They come in the order
// of their ends, and `queue` has those of which none behind is as long.
static uint32_t longest_chain(const struct tr_shapes *shapes, const uint32_t *calls, uint32_t count, uint64_t gap)
{
    uint32_t *lengths = shapes->lengths, *queue = shapes->queue;
    uint32_t ended = 0, first = 0, last = 0, longest = 0;
    struct tr_shape_item *ends = shapes->items;

    for (uint32_t i = 0; i < count; i++)
        ends[i] = (struct tr_shape_item){end_of(&shapes->all[calls[i]]), i};
    tr_shape_sort(ends, shapes->spare, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t start = shapes->all[calls[i]].start;

        for (; ended < count && ends[ended].key <= start; ended++) {
            if (!shapes->all[calls[ends[ended].index]].error)
                continue;
            while (last > first && lengths[ends[queue[last - 1]].index] <= lengths[ends[ended].index])
                last--;
            queue[last++] = ended;
        }
        while (first < last && ends[queue[first]].key + gap < start)
            first++;
        lengths[i] = first < last ? lengths[ends[queue[first]].index] + 1 : 1;
        longest = TR_MAX(longest, lengths[i]);
    }
    return longest;
}

static bool one_call(const struct tr_shape_span *a, const struct tr_shape_span *b)
{
    return a->parent == b->parent && a->print == b->print;
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    const struct tr_shapes *shapes = tr_policy_shapes(trace);
    uint32_t begin = 0, end;

    for (; shapes && begin < shapes->count; begin = end) {
        const struct tr_shape_span *first = &shapes->all[shapes->by_call[begin]];

        for (end = begin + 1; end < shapes->count && one_call(first, &shapes->all[shapes->by_call[end]]);)
            end++;
        if (first->parent && first->print && end - begin >= policy->shape.count &&
            longest_chain(shapes, shapes->by_call + begin, end - begin, policy->shape.gap) >= policy->shape.count)
            return TR_ANSWER_KEEP;
    }
    return TR_ANSWER_DROP;
}

const struct tr_policy_type tr_policy_retry_storm = {"retry_storm", TR_POLICY_ANYWHERE, compile, decide,
                                                     tr_policy_never_certain};
