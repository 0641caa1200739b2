// SPDX-License-Identifier: Apache-2.0
// Groups and then resources are numbered in the order of their first span, equal ones alike, by two hash
// tables; the spans are put in order by a counting sort; lengths are added up from the inside out. Linear
// throughout.
#include "otlp/batch.h"

#include "base/hash.h"
#include "base/pb.h"

#define NONE UINT32_MAX

// A ScopeSpans to be.
struct scope {
    uint32_t group;    // the first with these bytes
    uint32_t resource; // index in batch.resources
    uint32_t next;     // of the same resource, NONE: last
    uint32_t spans;
    uint32_t first;      // in batch.order
    uint64_t span_bytes; // with tags and lengths
    uint64_t bytes;      // of the message
};

// A ResourceSpans to be.
struct resource {
    uint32_t group;       // one that has it
    uint32_t first, last; // its scopes
    uint64_t bytes;
};

struct table {
    uint32_t *slots; // number + 1, 0: empty
    uint32_t mask;
};

struct batch {
    const struct tr_batch_group *groups;
    const struct tr_batch_span *spans;
    uint32_t group_count, span_count;
    uint32_t *scope_of; // group: index in scopes
    struct scope *scopes;
    struct resource *resources;
    uint32_t scope_count, resource_count;
    uint32_t *order; // indices of spans, by scope
    struct table scope_table, resource_table;
    void *memory;
    uint64_t bytes;
};

static bool same(const uint8_t *a, uint32_t a_bytes, const uint8_t *b, uint32_t b_bytes)
{
    return a_bytes == b_bytes && (a_bytes == 0 || memcmp(a, b, a_bytes) == 0);
}

static bool same_resource(const struct tr_batch_group *a, const struct tr_batch_group *b)
{
    return same(a->resource, a->resource_bytes, b->resource, b->resource_bytes) &&
           same(a->resource_schema_url, a->resource_schema_url_bytes, b->resource_schema_url,
                b->resource_schema_url_bytes);
}

static bool same_group(const struct tr_batch_group *a, const struct tr_batch_group *b)
{
    return same_resource(a, b) && same(a->scope, a->scope_bytes, b->scope, b->scope_bytes) &&
           same(a->scope_schema_url, a->scope_schema_url_bytes, b->scope_schema_url,
                b->scope_schema_url_bytes);
}

static uint64_t resource_hash(const struct tr_batch_group *group)
{
    uint64_t hash = tr_hash_bytes(group->resource, group->resource_bytes, 0);

    return tr_hash_bytes(group->resource_schema_url, group->resource_schema_url_bytes, hash);
}

// Number a group's resource.
static uint32_t resource_intern(struct batch *batch, const struct tr_batch_group *group, uint64_t hash)
{
    uint32_t slot = (uint32_t)hash & batch->resource_table.mask, found;

    for (; (found = batch->resource_table.slots[slot]) != 0; slot = (slot + 1) & batch->resource_table.mask)
        if (same_resource(&batch->groups[batch->resources[found - 1].group], group))
            return found - 1;
    found = batch->resource_count++;
    batch->resource_table.slots[slot] = found + 1;
    batch->resources[found] =
        (struct resource){.group = (uint32_t)(group - batch->groups), .first = NONE, .last = NONE};
    return found;
}

// Number a group.
static uint32_t scope_intern(struct batch *batch, const struct tr_batch_group *group)
{
    uint64_t hash = resource_hash(group), whole;
    uint32_t slot, found;
    struct resource *resource;

    whole = tr_hash_bytes(group->scope, group->scope_bytes, hash);
    whole = tr_hash_bytes(group->scope_schema_url, group->scope_schema_url_bytes, whole);
    slot = (uint32_t)whole & batch->scope_table.mask;
    for (; (found = batch->scope_table.slots[slot]) != 0; slot = (slot + 1) & batch->scope_table.mask)
        if (same_group(&batch->groups[batch->scopes[found - 1].group], group))
            return found - 1;
    found = batch->scope_count++;
    batch->scope_table.slots[slot] = found + 1;
    batch->scopes[found] = (struct scope){.group = (uint32_t)(group - batch->groups),
                                          .resource = resource_intern(batch, group, hash),
                                          .next = NONE};
    resource = &batch->resources[batch->scopes[found].resource];
    if (resource->first == NONE)
        resource->first = found;
    else
        batch->scopes[resource->last].next = found;
    resource->last = found;
    return found;
}

static bool memory_take(struct batch *batch)
{
    size_t groups = batch->group_count, slots = 8, bytes;
    uint8_t *p;

    while (slots < 2 * groups)
        slots *= 2;
    bytes = groups * (sizeof(struct scope) + sizeof(struct resource) + sizeof(uint32_t)) +
            2 * slots * sizeof(uint32_t) + (size_t)batch->span_count * sizeof(uint32_t);
    p = batch->memory = calloc(1, bytes);
    if (!p)
        return false;
    batch->scopes = (struct scope *)p;
    p += groups * sizeof(struct scope);
    batch->resources = (struct resource *)p;
    p += groups * sizeof(struct resource);
    batch->scope_of = (uint32_t *)p;
    p += groups * sizeof(uint32_t);
    batch->scope_table = (struct table){(uint32_t *)p, (uint32_t)slots - 1};
    p += slots * sizeof(uint32_t);
    batch->resource_table = (struct table){(uint32_t *)p, (uint32_t)slots - 1};
    p += slots * sizeof(uint32_t);
    batch->order = (uint32_t *)p;
    memset(batch->scope_of, 0xff, groups * sizeof(uint32_t));
    return true;
}

// A field of type bytes with a one-byte tag.
static uint64_t field_bytes(uint64_t bytes)
{
    return 1 + tr_pb_varint_bytes(bytes) + bytes;
}

static uint64_t field_bytes_if(uint32_t bytes)
{
    return bytes ? field_bytes(bytes) : 0;
}

static void spans_count(struct batch *batch)
{
    for (uint32_t i = 0; i < batch->span_count; i++) {
        const struct tr_batch_span *span = &batch->spans[i];
        uint32_t *scope;

        tr_assert(span->group < batch->group_count);
        scope = &batch->scope_of[span->group];
        if (*scope == NONE)
            *scope = scope_intern(batch, &batch->groups[span->group]);
        batch->scopes[*scope].spans++;
        batch->scopes[*scope].span_bytes += field_bytes(span->bytes);
    }
}

static void spans_sort(struct batch *batch)
{
    uint32_t first = 0;

    for (uint32_t i = 0; i < batch->scope_count; i++) {
        batch->scopes[i].first = first;
        first += batch->scopes[i].spans;
        batch->scopes[i].spans = 0;
    }
    for (uint32_t i = 0; i < batch->span_count; i++) {
        struct scope *scope = &batch->scopes[batch->scope_of[batch->spans[i].group]];

        batch->order[scope->first + scope->spans++] = i;
    }
}

static void lengths_add(struct batch *batch)
{
    for (uint32_t i = 0; i < batch->scope_count; i++) {
        struct scope *scope = &batch->scopes[i];
        const struct tr_batch_group *group = &batch->groups[scope->group];

        scope->bytes = field_bytes_if(group->scope_bytes) + scope->span_bytes +
                       field_bytes_if(group->scope_schema_url_bytes);
        batch->resources[scope->resource].bytes += field_bytes(scope->bytes);
    }
    for (uint32_t i = 0; i < batch->resource_count; i++) {
        struct resource *resource = &batch->resources[i];
        const struct tr_batch_group *group = &batch->groups[resource->group];

        resource->bytes +=
            field_bytes_if(group->resource_bytes) + field_bytes_if(group->resource_schema_url_bytes);
        batch->bytes += field_bytes(resource->bytes);
    }
}

// Returns false: no memory.
static bool prepare(struct batch *batch, const struct tr_batch_group *groups, uint32_t group_count,
                    const struct tr_batch_span *spans, uint32_t span_count)
{
    *batch = (struct batch){
        .groups = groups, .group_count = group_count, .spans = spans, .span_count = span_count};
    if (!memory_take(batch))
        return false;
    spans_count(batch);
    spans_sort(batch);
    lengths_add(batch);
    return true;
}

size_t tr_batch_bytes(const struct tr_batch_group *groups, uint32_t group_count,
                      const struct tr_batch_span *spans, uint32_t span_count)
{
    struct batch batch;

    if (!prepare(&batch, groups, group_count, spans, span_count))
        return SIZE_MAX;
    free(batch.memory);
    return batch.bytes > INT32_MAX ? SIZE_MAX : batch.bytes;
}

static uint8_t *put_if(uint8_t *out, uint32_t number, const uint8_t *data, uint32_t bytes)
{
    return bytes ? tr_pb_put_bytes(out, number, data, bytes) : out;
}

static uint8_t *put_scope(const struct batch *batch, const struct scope *scope, uint8_t *out)
{
    const struct tr_batch_group *group = &batch->groups[scope->group];

    out = tr_pb_put_tag(out, 2, TR_PB_BYTES);
    out = tr_pb_put_varint(out, scope->bytes);
    out = put_if(out, 1, group->scope, group->scope_bytes);
    for (uint32_t i = 0; i < scope->spans; i++) {
        const struct tr_batch_span *span = &batch->spans[batch->order[scope->first + i]];

        out = tr_pb_put_bytes(out, 2, span->span, span->bytes);
    }
    return put_if(out, 3, group->scope_schema_url, group->scope_schema_url_bytes);
}

size_t tr_batch_write(const struct tr_batch_group *groups, uint32_t group_count,
                      const struct tr_batch_span *spans, uint32_t span_count, uint8_t *out)
{
    struct batch batch;
    uint8_t *p = out;

    if (!prepare(&batch, groups, group_count, spans, span_count))
        return SIZE_MAX;
    for (uint32_t i = 0; i < batch.resource_count; i++) {
        const struct resource *resource = &batch.resources[i];
        const struct tr_batch_group *group = &groups[resource->group];

        p = tr_pb_put_tag(p, 1, TR_PB_BYTES);
        p = tr_pb_put_varint(p, resource->bytes);
        p = put_if(p, 1, group->resource, group->resource_bytes);
        for (uint32_t scope = resource->first; scope != NONE; scope = batch.scopes[scope].next)
            p = put_scope(&batch, &batch.scopes[scope], p);
        p = put_if(p, 3, group->resource_schema_url, group->resource_schema_url_bytes);
    }
    tr_assert((uint64_t)(p - out) == batch.bytes);
    free(batch.memory);
    return (size_t)(p - out);
}
