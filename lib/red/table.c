// SPDX-License-Identifier: Apache-2.0
// The lcore's side: a span to its row.
#include "red/table.h"

#include "base/hash.h"
#include "otlp/keys.h"
#include "otlp/value.h"

TR_COUNTERS_DEFINE(red, TR_RED_COUNTERS)

// Slots looked at for a row. The hash's seed is secret: only bad luck makes a long chain.
#define PROBES_MAX 64
// Attributes of a resource that are put in order; one with more is taken as it came.
#define SORTED_MAX 128

static XXH128_hash_t hash128(const void *data, size_t bytes, uint64_t seed)
{
    return XXH3_128bits_withSeed(data, bytes, seed);
}

// --- resources

struct pair {
    const uint8_t *kv, *key;
    uint32_t bytes, key_bytes;
};

static bool is_key_attribute(const struct tr_red_config *config, const struct pair *pair)
{
    for (uint32_t i = 0; i < config->key_attributes_count; i++)
        if (strlen(config->key_attributes[i]) == pair->key_bytes &&
            memcmp(config->key_attributes[i], pair->key, pair->key_bytes) == 0)
            return true;
    return false;
}

static bool comes_before(const struct pair *a, const struct pair *b)
{
    int order = memcmp(a->key, b->key, TR_MIN(a->key_bytes, b->key_bytes));

    return order ? order < 0 : a->key_bytes < b->key_bytes;
}

// The attributes of a resource, in order of their keys. Returns how many, UINT32_MAX: too many.
static uint32_t pairs_sort(const struct tr_context *context, const uint8_t *body, struct pair *pairs)
{
    struct tr_pb_field field;
    uint32_t count = 0, at;

    for (unsigned i = 0; i < TR_NELEMS(context->resource); i++) {
        const uint8_t *p = body + context->resource[i].offset, *end = p + context->resource[i].bytes;

        while (p && p < end) {
            struct pair pair;

            p = tr_pb_field(p, end, &field);
            if (!p || field.number != 1 || field.wire != TR_PB_BYTES)
                continue;
            pair = (struct pair){.kv = field.bytes, .bytes = (uint32_t)field.value};
            if (!tr_key_value_key(pair.kv, pair.bytes, &pair.key, &pair.key_bytes))
                continue;
            if (count == SORTED_MAX)
                return UINT32_MAX;
            for (at = count++; at > 0 && comes_before(&pair, &pairs[at - 1]); at--)
                pairs[at] = pairs[at - 1];
            pairs[at] = pair;
        }
    }
    return count;
}

// As a Resource message. Returns its bytes, UINT32_MAX: it does not fit.
static uint32_t pairs_put(const struct tr_red_config *config, const struct pair *pairs, uint32_t count, bool all, uint8_t *to,
                          size_t room)
{
    uint8_t *p = to;

    for (uint32_t i = 0; i < count; i++) {
        if (!all && !is_key_attribute(config, &pairs[i]))
            continue;
        if (room - (size_t)(p - to) < pairs[i].bytes + 12u)
            return UINT32_MAX;
        p = tr_pb_put_bytes(p, 1, pairs[i].kv, pairs[i].bytes);
    }
    return (uint32_t)(p - to);
}

// Returns its index, 0: there is no room for it.
static uint32_t resource_make(struct tr_red_table *table, const struct tr_context *context, const uint8_t *body)
{
    const struct tr_red_config *config = table->config;
    struct pair pairs[SORTED_MAX];
    uint32_t count = pairs_sort(context, body, pairs), index = table->resources_count, room, bytes;
    uint8_t *to = table->texts + table->texts_used;
    struct tr_red_resource *resource;
    XXH128_hash_t hash;

    room = TR_MIN(table->texts_max - table->texts_used, (uint32_t)TR_RED_RESOURCE_BYTES_MAX);
    bytes = count == UINT32_MAX ? count : pairs_put(config, pairs, count, !config->key_attributes_count, to, room);
    if (bytes == UINT32_MAX)
        return 0;
    hash = hash128(to, bytes, table->seed);
    for (uint32_t i = 1; i < index; i++)
        if (table->resources[i].hash[0] == hash.low64 && table->resources[i].hash[1] == hash.high64)
            return i;
    if (index == config->resources_max + 1)
        return 0;
    resource = &table->resources[index];
    *resource = (struct tr_red_resource){
        .hash = {hash.low64, hash.high64}, .at = table->texts_used, .bytes = bytes, .raw_at = table->texts_used, .raw_bytes = bytes};
    table->texts_used += bytes;
    if (config->key_attributes_count) {
        room = TR_MIN(table->texts_max - table->texts_used, (uint32_t)TR_RED_RESOURCE_BYTES_MAX);
        bytes = pairs_put(config, pairs, count, true, to + bytes, room);
        if (bytes != UINT32_MAX) {
            resource->raw_at = table->texts_used;
            resource->raw_bytes = bytes;
            table->texts_used += bytes;
        }
    }
    tr_store_release(&table->resources_count, index + 1);
    return index;
}

static uint32_t resource_find(struct tr_red_table *table, const struct tr_context *context, const uint8_t *body)
{
    XXH128_hash_t hash = {0, 0};
    struct tr_red_known *known;

    for (unsigned i = 0; i < TR_NELEMS(context->resource); i++)
        if (context->resource[i].bytes || i == 0)
            hash = hash128(body + context->resource[i].offset, context->resource[i].bytes, table->seed ^ hash.low64);
    known = &table->known[hash.low64 % TR_RED_KNOWN];
    if (known->hash[0] != hash.low64 || known->hash[1] != hash.high64) {
        known->resource = resource_make(table, context, body);
        known->hash[0] = hash.low64;
        known->hash[1] = hash.high64;
    }
    return known->resource;
}

static uint8_t *put_text(uint8_t *p, const uint8_t *text, uint32_t bytes)
{
    uint16_t length = (uint16_t)TR_MIN(bytes, (uint32_t)TR_RED_TEXT_MAX);

    memcpy(p, &length, 2);
    if (length) // an empty text may be none at all
        memcpy(p + 2, text, length);
    return p + 2 + length;
}

static void place_set(struct tr_red_table *table, struct tr_red_place *place, const struct tr_context *context,
                      const uint8_t *body)
{
    bool service = table->config->own & TR_RED_SERVICE;
    uint8_t *p = place->key;

    if (!context->service.offset) {
        place->resource = TR_RED_NO_SERVICE;
        return;
    }
    place->resource = resource_find(table, context, body);
    memcpy(p, &place->resource, 4);
    p = put_text(p + 4, body + context->service.offset, service ? context->service.bytes : 0);
    place->prefix = (uint32_t)(p - place->key);
}

void tr_red_resource(struct tr_red_table *table, struct tr_red_counters *counters, const struct tr_context *context,
                     const uint8_t *body)
{
    place_set(table, &table->walk, context, body);
    tr_gauge(&counters->resources, table->resources_count - 1);
}

// --- keys

static uint8_t *put_value(uint8_t *p, const struct tr_value *value)
{
    // Half an array is none.
    if (value->type != TR_VALUE_STRING && value->length > TR_RED_TEXT_MAX) {
        *p++ = TR_VALUE_STRING;
        return put_text(p, (const uint8_t *)TR_RED_TOO_LONG, sizeof(TR_RED_TOO_LONG) - 1);
    }
    *p++ = (uint8_t)value->type;
    switch (value->type) {
    case TR_VALUE_BOOL:
    case TR_VALUE_INT:
        memcpy(p, &value->integer, 8);
        return p + 8;
    case TR_VALUE_DOUBLE:
        memcpy(p, &value->number, 8);
        return p + 8;
    case TR_VALUE_NONE:
    case TR_VALUE_STRING_INDEX:
        return put_text(p, (const uint8_t *)"", 0);
    default:
        return put_text(p, value->bytes, value->length);
    }
}

static uint8_t *put_dimension(uint8_t *p, const struct tr_red_dimension *dimension, const struct tr_walk_watch *watch,
                              const struct tr_walk_notes *notes)
{
    if (notes->have[watch->span / 64] >> watch->span % 64 & 1)
        return put_value(p, &notes->values[watch->span]);
    if (notes->have[watch->resource / 64] >> watch->resource % 64 & 1)
        return put_value(p, &notes->values[watch->resource]);
    if (!dimension->initial) {
        *p++ = TR_RED_ABSENT;
        return p;
    }
    *p++ = TR_VALUE_STRING;
    return put_text(p, (const uint8_t *)dimension->initial, (uint32_t)strlen(dimension->initial));
}

// Behind the place's prefix. Returns the key's bytes.
static uint32_t key_make(const struct tr_red_config *config, struct tr_red_place *place, const struct tr_walk_plan *plan,
                         const struct tr_walk_notes *notes, const struct tr_walk_span *span, bool adjusted)
{
    uint8_t *p = place->key + place->prefix;

    *p++ = !(config->own & TR_RED_KIND) ? 0 : span->kind >= 0 && span->kind < TR_RED_KIND_OTHER ? (uint8_t)span->kind : TR_RED_KIND_OTHER;
    *p++ = !(config->own & TR_RED_STATUS)                                          ? 0
           : span->status_code >= 0 && span->status_code < TR_RED_STATUS_OTHER ? (uint8_t)span->status_code
                                                                               : TR_RED_STATUS_OTHER;
    *p++ = config->sampling_method && adjusted;
    p = put_text(p, span->name, config->own & TR_RED_NAME ? span->name_bytes : 0);
    for (uint32_t i = 0; i < config->dimensions_count; i++)
        p = put_dimension(p, &config->dimensions[i], &plan->watched[i], notes);
    return (uint32_t)(p - place->key);
}

// --- rows

static struct tr_red_row *row_new(struct tr_red_table *table, XXH128_hash_t hash, uint32_t resource, uint64_t wall_ns)
{
    struct tr_red_row *row = tr_red_row(table, table->rows_count);

    row->hash[0] = hash.low64;
    row->hash[1] = hash.high64;
    row->resource = resource;
    row->first_wall_ns = wall_ns;
    if (table->config->histogram == TR_RED_EXPONENTIAL)
        *(struct tr_red_expo *)(row + 1) = (struct tr_red_expo){.scale = 20, .first = 0, .last = -1, .min_ns = UINT64_MAX};
    return row;
}

static struct tr_red_row *overflow_row(struct tr_red_table *table, uint32_t number, uint64_t wall_ns)
{
    struct tr_red_resource *resource = &table->resources[number];
    struct tr_red_row *row;

    if (resource->overflow)
        return tr_red_row(table, resource->overflow - 1);
    row = row_new(table, (XXH128_hash_t){0, 0}, number, wall_ns); // there is one row for each resource beyond series_max
    row->key_bytes = TR_RED_OVERFLOW;
    resource->overflow = table->rows_count + 1;
    tr_store_release(&table->rows_count, table->rows_count + 1);
    return row;
}

// The slot of a key's row, or the empty one where it would be; NULL: neither is near.
static uint64_t *slot_find(const struct tr_red_table *table, XXH128_hash_t hash)
{
    uint32_t at = (uint32_t)hash.low64;

    for (unsigned probe = 0; probe < PROBES_MAX; probe++, at++) {
        uint64_t *slot = &table->slots[at & table->slots_mask];
        const struct tr_red_row *row;

        if (!*slot)
            return slot;
        if (*slot >> 32 != hash.low64 >> 32)
            continue;
        row = tr_red_row(table, (uint32_t)*slot - 1);
        if (tr_likely(row->hash[0] == hash.low64 && row->hash[1] == hash.high64))
            return slot;
    }
    return NULL;
}

static struct tr_red_row *row_find(struct tr_red_table *table, struct tr_red_counters *counters, struct tr_red_place *place,
                                   uint32_t bytes, uint64_t wall_ns)
{
    const struct tr_red_config *config = table->config;
    XXH128_hash_t hash = hash128(place->key, bytes, table->seed);
    struct tr_red_resource *resource = &table->resources[place->resource];
    uint64_t *slot = place->resource ? slot_find(table, hash) : NULL;
    struct tr_red_row *row;

    if (tr_likely(slot && *slot))
        return tr_red_row(table, (uint32_t)*slot - 1);
    if (!slot || table->counted_rows == config->series_max || bytes - 4 > table->keys_max - table->keys_used ||
        (config->limit && !config->projected && resource->series + (resource->overflow > 0) >= config->limit))
        return overflow_row(table, place->resource, wall_ns);
    row = row_new(table, hash, place->resource, wall_ns);
    row->key = table->keys_used;
    row->key_bytes = bytes - 4;
    memcpy(table->keys + table->keys_used, place->key + 4, bytes - 4);
    table->keys_used += bytes - 4;
    table->counted_rows++;
    resource->series++;
    *slot = (hash.low64 >> 32 << 32) | (table->rows_count + 1);
    tr_store_release(&table->rows_count, table->rows_count + 1);
    tr_gauge(&counters->series, table->rows_count);
    return row;
}

static inline uint32_t bucket_of(const struct tr_red_config *config, uint64_t duration_ns)
{
    uint32_t bucket = 0;

    for (uint32_t i = 0; i + 1 < config->buckets; i++)
        bucket += duration_ns > config->bounds_ns[i];
    return bucket;
}

static void row_add(const struct tr_red_config *config, struct tr_red_row *row, uint64_t duration_ns, uint64_t n)
{
    uint64_t *buckets = tr_red_buckets(config, row), bits;
    double sum;

    memcpy(&sum, &row->sum, sizeof(sum));
    sum += (double)duration_ns * (double)n;
    memcpy(&bits, &sum, sizeof(bits));
    tr_store_relaxed(&row->sum, bits);
    if (config->histogram == TR_RED_EXPONENTIAL)
        tr_red_expo_add((struct tr_red_expo *)(row + 1), buckets, config->buckets, &row->version, duration_ns,
                        (double)duration_ns / (config->unit == TR_RED_MS ? 1e6 : 1e9), n);
    else
        tr_count(&buckets[bucket_of(config, duration_ns)], n);
}

static inline uint64_t duration_of(const struct tr_walk_span *span)
{
    return span->end_ns > span->start_ns ? span->end_ns - span->start_ns : 0;
}

void tr_red_span(struct tr_red_table *table, struct tr_red_counters *counters, const struct tr_walk_plan *plan,
                 const struct tr_walk_notes *notes, const struct tr_walk_span *span, uint64_t now, uint64_t wall_ns)
{
    const struct tr_red_config *config = table->config;
    struct tr_red_row *row;
    bool adjusted = false;
    uint64_t n = 1;

    if (tr_unlikely(table->walk.resource == TR_RED_NO_SERVICE)) {
        tr_count(&counters->no_service, 1);
        return;
    }
    if (tr_unlikely(span->trace_state_bytes))
        n = tr_red_adjusted_count(span->trace_state, span->trace_state_bytes, span->trace_id, &adjusted);
    row = row_find(table, counters, &table->walk, key_make(config, &table->walk, plan, notes, span, adjusted), wall_ns);
    tr_count(row->key_bytes == TR_RED_OVERFLOW ? &counters->overflow : &counters->counted, 1);
    tr_store_relaxed(&row->last_ns, now);
    row_add(config, row, duration_of(span), n);
}

// --- exemplars

// Spans of kept traces that are walked for their series in a turn.
#define LOOKS_MAX 128

static bool exemplar_wanted(struct tr_red_table *table, struct tr_red_row *row)
{
    uint32_t flush = tr_load_acquire(&table->flush);

    if (row->flush != flush) {
        row->flush = flush;
        row->exemplars = 0;
    }
    return row->exemplars < table->config->exemplars_max;
}

static void exemplar_put(struct tr_red_table *table, struct tr_red_counters *counters, struct tr_red_row *row, uint32_t number,
                         const struct tr_walk_span *span, uint64_t wall_ns)
{
    uint32_t head = table->entries_head;
    struct tr_red_exemplar_entry *entry = &table->entries[head % TR_RED_EXEMPLAR_ENTRIES];

    if (!exemplar_wanted(table, row))
        return;
    if (head - tr_load_acquire(&table->entries_tail) == TR_RED_EXEMPLAR_ENTRIES) {
        tr_count(&counters->exemplars_dropped, 1);
        return;
    }
    row->exemplars++;
    entry->row = number;
    entry->duration_ns = duration_of(span);
    entry->wall_ns = wall_ns;
    memcpy(entry->trace_id, span->trace_id, 16);
    memcpy(entry->span_id, span->span_id, 8);
    tr_store_release(&table->entries_head, head + 1);
    tr_count(&counters->exemplars, 1);
}

// The resource of a context that spans are emitted of; mostly that of the span before.
static void emit_place_set(struct tr_red_table *table, const struct tr_context *context, const uint8_t *body)
{
    struct tr_bits bits = {{0}};

    if (table->emit_body == context->body && table->emit_scope == context->scope_spans.offset)
        return;
    table->emit_body = context->body;
    table->emit_scope = context->scope_spans.offset;
    place_set(table, table->emit, context, body);
    tr_walk_resource(&table->plan, 0, context, body, table->notes, &bits);
}

void tr_red_exemplar(struct tr_red_table *table, struct tr_red_counters *counters, const struct tr_context *context,
                     const uint8_t *body, const uint8_t *span, uint32_t bytes, uint64_t now, uint64_t wall_ns)
{
    struct tr_bits bits = {{0}};
    struct tr_walk_span walked;
    bool adjusted = false;
    uint64_t *slot;

    if (!table->emit)
        return;
    if (now != table->looked_ns)
        table->looks = 0;
    table->looked_ns = now;
    if (table->looks++ >= LOOKS_MAX)
        return;
    emit_place_set(table, context, body);
    if (table->emit->resource == TR_RED_NO_SERVICE || table->emit->resource == 0 ||
        tr_walk_span(&table->plan, 0, span, bytes, table->notes, &walked, &bits) != TR_WALK_OK)
        return;
    tr_red_adjusted_count(walked.trace_state, walked.trace_state_bytes, walked.trace_id, &adjusted);
    bytes = key_make(table->config, table->emit, &table->plan, table->notes, &walked, adjusted);
    slot = slot_find(table, hash128(table->emit->key, bytes, table->seed));
    if (slot && *slot) {
        uint32_t row = (uint32_t)*slot - 1;

        exemplar_put(table, counters, tr_red_row(table, row), row, &walked, wall_ns);
    }
}
