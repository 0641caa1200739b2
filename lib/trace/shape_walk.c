// SPDX-License-Identifier: Apache-2.0
// The holder's side of the shape: from what the walk noted of a span to the slot behind its summary.
#include "trace/shape.h"

#include "otlp/ot.h"
#include "otlp/query.h"

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

// 24 bits, never 0.
static uint32_t print_cut(uint64_t hash)
{
    uint32_t print = (uint32_t)(hash >> 40);

    return print ? print : 1;
}

static uint64_t hash_value(const struct tr_value *value, uint64_t hash)
{
    if (!value)
        return tr_mix64(hash + 1);
    return value->type == TR_VALUE_STRING ? tr_hash_bytes(value->bytes, value->length, hash)
                                          : tr_mix64(hash ^ (uint64_t)value->integer);
}

// The new name's value, or the old one's.
static const struct tr_value *either(const struct tr_walk_plan *plan, const struct tr_walk_notes *notes,
                                     enum tr_shape_key name, enum tr_shape_key old_name)
{
    const struct tr_value *value = value_of(plan, notes, name);

    return value ? value : value_of(plan, notes, old_name);
}

static const struct tr_value *either_string(const struct tr_walk_plan *plan, const struct tr_walk_notes *notes,
                                            enum tr_shape_key name, enum tr_shape_key old_name)
{
    const struct tr_value *value = string_of(plan, notes, name);

    return value ? value : string_of(plan, notes, old_name);
}

// The fingerprint of a database query: of its text; else of its summary, or of operation and collection, or of the
// span's name. Returns 0: it is none.
static uint32_t query_print(const struct tr_walk_plan *plan, const struct tr_walk_span *span,
                            const struct tr_walk_notes *notes)
{
    const struct tr_value *text = either_string(plan, notes, TR_SHAPE_DB_QUERY_TEXT, TR_SHAPE_DB_STATEMENT);
    const struct tr_value *system = either_string(plan, notes, TR_SHAPE_DB_SYSTEM_NAME, TR_SHAPE_DB_SYSTEM);
    const struct tr_value *summary = string_of(plan, notes, TR_SHAPE_DB_QUERY_SUMMARY);
    const struct tr_value *operation, *collection;
    uint8_t reduced[TR_QUERY_TEXT_MAX];

    if (text) {
        uint32_t bytes = tr_query_reduce(text->bytes, text->length,
                                         system && tr_query_quotes(system->bytes, system->length), reduced);

        return print_cut(tr_hash_bytes(reduced, bytes, 0));
    }
    if (summary)
        return print_cut(hash_value(summary, 1));
    operation = either_string(plan, notes, TR_SHAPE_DB_OPERATION_NAME, TR_SHAPE_DB_OPERATION);
    if (!operation)
        return 0;
    collection = either_string(plan, notes, TR_SHAPE_DB_COLLECTION_NAME, TR_SHAPE_DB_SQL_TABLE);
    return print_cut(hash_value(operation, hash_value(collection, tr_hash_bytes(span->name, span->name_bytes, 2))));
}

#define KIND_CLIENT   3
#define KIND_PRODUCER 4

// The fingerprint of a call: the span's name and whom and what it asks.
static uint32_t call_print(const struct tr_walk_plan *plan, const struct tr_walk_span *span,
                           const struct tr_walk_notes *notes)
{
    uint64_t hash = tr_hash_bytes(span->name, span->name_bytes, 3);

    hash = hash_value(either(plan, notes, TR_SHAPE_HTTP_REQUEST_METHOD, TR_SHAPE_HTTP_METHOD), hash);
    hash = hash_value(either(plan, notes, TR_SHAPE_URL_FULL, TR_SHAPE_HTTP_URL), hash);
    hash = hash_value(either(plan, notes, TR_SHAPE_SERVER_ADDRESS, TR_SHAPE_NET_PEER_NAME), hash);
    hash = hash_value(either(plan, notes, TR_SHAPE_SERVER_PORT, TR_SHAPE_NET_PEER_PORT), hash);
    hash = hash_value(value_of(plan, notes, TR_SHAPE_RPC_SERVICE), hash);
    hash = hash_value(value_of(plan, notes, TR_SHAPE_RPC_METHOD), hash);
    return print_cut(hash);
}

// Does its response say that it failed, in a way that makes callers try again? (Other errors set the status.)
static bool response_failed(const struct tr_walk_plan *plan, const struct tr_walk_notes *notes)
{
    const struct tr_value *code =
        either(plan, notes, TR_SHAPE_HTTP_RESPONSE_STATUS_CODE, TR_SHAPE_HTTP_STATUS_CODE);

    return code && code->type == TR_VALUE_INT && (code->integer >= 500 || code->integer == 429 || code->integer == 408);
}

static void print_make(const struct tr_walk_plan *plan, const struct tr_walk_span *span,
                       const struct tr_walk_notes *notes, struct tr_summary_shape *shape)
{
    shape->print = query_print(plan, span, notes);
    shape->query = shape->print != 0;
    if (!shape->print && (span->kind == KIND_CLIENT || span->kind == KIND_PRODUCER))
        shape->print = call_print(plan, span, notes);
    shape->error |= response_failed(plan, notes);
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
    if (needs & TR_SHAPE_PRINT)
        print_make(plan, span, notes, shape);
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
