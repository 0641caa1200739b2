// SPDX-License-Identifier: Apache-2.0
// The holder's side of the shape: from what the walk noted of a span to the slot behind its summary.
#include "trace/shape.h"

#include "otlp/ot.h"

#define STATUS_ERROR 2

// Returns NULL: the span, or its resource, has no such attribute.
static const struct tr_value *value_of(const struct tr_walk_plan *plan, const struct tr_walk_notes *notes,
                                       enum tr_shape_key key)
{
    uint32_t slot = plan->shape.slots[key];

    if (!slot || !(notes->have[(slot - 1) / 64] >> (slot - 1) % 64 & 1))
        return NULL;
    return &notes->values[slot - 1];
}

static const struct tr_value *string_of(const struct tr_walk_plan *plan, const struct tr_walk_notes *notes,
                                        enum tr_shape_key key)
{
    const struct tr_value *value = value_of(plan, notes, key);

    return value && value->type == TR_VALUE_STRING && value->length ? value : NULL;
}

static uint64_t id_number(const uint8_t *id)
{
    uint64_t number = 0;

    if (id)
        memcpy(&number, id, sizeof(number));
    return number;
}

static uint32_t zone_of(const struct tr_walk_plan *plan, const struct tr_walk_notes *notes)
{
    const struct tr_value *zone = string_of(plan, notes, TR_SHAPE_ZONE_NAME);
    uint32_t hash = zone ? (uint32_t)tr_hash_bytes(zone->bytes, zone->length, 0) : 0;

    return zone && !hash ? 1 : hash;
}

static uint32_t marks_of(const struct tr_walk_plan *plan, const struct tr_bits *bits)
{
    uint32_t marks = 0;

    for (uint32_t i = 0; i < TR_MARKS_MAX; i++) {
        uint32_t predicate = plan->shape.marks[i];

        if (predicate && bits->word[(predicate - 1) / 64] >> (predicate - 1) % 64 & 1)
            marks |= 1u << i;
    }
    return marks;
}

void tr_shape_walk(const struct tr_walk_plan *plan, const struct tr_walk_span *span, const struct tr_walk_notes *notes,
                   const struct tr_bits *bits, struct tr_summary_shape *shape)
{
    const uint32_t needs = plan->shape.needs;
    struct tr_ot ot;

    *shape = (struct tr_summary_shape){
        .span_id = id_number(span->span_id),
        .parent_id = id_number(span->parent_id),
        .span_kind = (uint32_t)span->kind < 6 ? (uint32_t)span->kind : 0,
        .error = span->status == STATUS_ERROR,
        .kind = TR_MESSAGE_SHAPE,
    };
    if (needs & TR_SHAPE_ZONE)
        shape->zone = zone_of(plan, notes);
    if (needs & TR_SHAPE_MARKS)
        shape->marks = marks_of(plan, bits);
    if (needs & TR_SHAPE_SAMPLER && plan->shape.sampler_key)
        shape->sampler_key = plan->shape.sampler_key(plan->shape.sampler, span, notes);
    if (needs & TR_SHAPE_OT && span->trace_state_bytes &&
        tr_ot_read(span->trace_state, span->trace_state_bytes, &ot) == TR_OT_READ) {
        shape->random = ot.rv;
        shape->threshold = ot.th;
        shape->ot = (ot.has_rv ? TR_OT_RANDOM : 0) | (ot.has_th ? TR_OT_THRESHOLD : 0);
    }
}
