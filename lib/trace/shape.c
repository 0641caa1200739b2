// SPDX-License-Identifier: Apache-2.0
#include "trace/shape.h"

// The number of the zone that came the longest ago, if that is long ago. Returns 0: it is not.
static uint32_t forgotten_find(const struct tr_zones *zones)
{
    uint32_t oldest = 1;

    for (uint32_t number = 2; number <= zones->count; number++)
        if (zones->used_ns[number] < zones->used_ns[oldest])
            oldest = number;
    return zones->now_ns - zones->used_ns[oldest] >= TR_ZONES_FORGET_NS ? oldest : 0;
}

uint32_t tr_zones_number(struct tr_zones *zones, uint32_t hash)
{
    uint32_t number = 1;

    if (!hash)
        return 0;
    while (number <= zones->count && zones->hashes[number] != hash)
        number++;
    if (number > zones->count) {
        if (zones->count < TR_ZONES_MAX) {
            zones->count++;
        } else {
            number = forgotten_find(zones);
            if (!number) {
                zones->unknown++;
                return 0;
            }
            zones->since_ns[number] = zones->now_ns;
        }
        zones->hashes[number] = hash;
    }
    zones->used_ns[number] = zones->now_ns;
    return number;
}

void tr_shape_pack(struct tr_shape_record *record, const struct tr_summary *summary, const struct tr_summary_shape *more,
                   uint32_t zone)
{
    uint64_t start = summary->start_ns >> TR_SHAPE_UNIT_SHIFT, end = summary->end_ns >> TR_SHAPE_UNIT_SHIFT;

    *record = (struct tr_shape_record){
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
