// SPDX-License-Identifier: Apache-2.0
#include "trace/shape.h"

uint32_t tr_zones_number(struct tr_zones *zones, uint32_t hash)
{
    if (!hash)
        return 0;
    for (uint32_t number = 1; number <= zones->count; number++)
        if (zones->hashes[number] == hash)
            return number;
    if (zones->count == TR_ZONES_MAX)
        return 0;
    zones->hashes[++zones->count] = hash;
    return zones->count;
}

void tr_shape_pack(struct tr_shape *shape, const struct tr_summary *summary, const struct tr_summary_shape *more,
                   uint32_t zone)
{
    uint64_t start = summary->start_ns >> TR_SHAPE_UNIT_SHIFT, end = summary->end_ns >> TR_SHAPE_UNIT_SHIFT;

    *shape = (struct tr_shape){
        .span = tr_shape_id(more->span_id),
        .parent = more->parent_id ? tr_shape_id(more->parent_id) : 0,
        .start = (uint32_t)start,
        .duration = start && end > start ? tr_shape_duration_pack(end - start) : 0,
        .zone = zone,
        .error = more->error,
        .print = more->print,
        .kind = more->span_kind,
        .query = more->query,
        .marks = more->marks,
        .sampler_key = more->sampler_key,
    };
}

void tr_trace_ot_add(struct tr_trace_ot *ot, const struct tr_summary_shape *more)
{
    if (more->ot & TR_OT_RANDOM && (!(ot->have & TR_OT_RANDOM) || more->random < ot->random))
        ot->random = more->random;
    if (more->ot & TR_OT_THRESHOLD && (!(ot->have & TR_OT_THRESHOLD) || more->threshold < ot->threshold))
        ot->threshold = more->threshold;
    ot->thresholds += more->ot & TR_OT_THRESHOLD ? 1 : 0;
    ot->have |= more->ot;
}
