// SPDX-License-Identifier: Apache-2.0
// From outbox entries to the body of a request.
#include "backend/backend_internal.h"

#include <zlib.h>

#include "base/clock.h"
#include "http/request.h"

// Entries looked at before others get a turn.
#define TAKE_MOST 4096

static bool room_make(void **items, uint32_t *room, uint32_t count, size_t bytes)
{
    void *larger;

    if (count < *room)
        return true;
    larger = realloc(*items, (size_t)TR_MAX(64u, 2 * *room) * bytes);
    if (!larger)
        return false;
    *items = larger;
    *room = TR_MAX(64u, 2 * *room);
    return true;
}

static uint8_t *bytes_make(struct filling *filling, size_t bytes)
{
    if (filling->used + bytes > filling->room) {
        size_t room = TR_MAX(2 * filling->room, filling->used + bytes + 64 * TR_KIB);
        uint8_t *larger = realloc(filling->bytes, room);

        if (!larger)
            return NULL;
        filling->bytes = larger;
        filling->room = room;
    }
    return filling->bytes + filling->used;
}

// The index of a span's group in this batch. Returns -1: overrun meanwhile, or no memory.
static int64_t group_find(struct tr_backend *backend, uint32_t outbox, uint64_t position)
{
    struct filling *filling = &backend->filling;
    size_t try = 4096;
    ssize_t bytes;

    // Spans of one body follow each other: look from the end.
    for (uint32_t i = filling->groups_count; i-- > 0 && filling->groups_count - i <= 64;)
        if (filling->groups[i].position == position && filling->groups[i].outbox == outbox)
            return i;
    if (!room_make((void **)&filling->groups, &filling->groups_room, filling->groups_count, sizeof(*filling->groups)))
        return -1;
    do {
        uint8_t *to = bytes_make(filling, try);

        if (!to)
            return -1;
        bytes = tr_outbox_group_read(backend->outboxes[outbox], position, to, try);
        try *= 4;
    } while (bytes == -ENOSPC);
    if (bytes < 0)
        return -1;
    filling->groups[filling->groups_count] =
        (struct filling_group){.outbox = outbox, .position = position, .at = filling->used};
    filling->used += TR_ALIGN_UP((size_t)bytes, (size_t)8);
    return filling->groups_count++;
}

static void lost(struct tr_backend *backend, uint32_t outbox, uint64_t from, uint64_t count)
{
    tr_count(&backend->counters.routed, count);
    tr_count(&backend->counters.dropped_overrun, count);
    fate_note_range(backend, outbox, from, from + count, "the outbox overwrote it before this backend took it");
}

// What was overwritten may have had bodies of metrics or logs in it; how many nobody knows, so it counts as one.
static void bodies_lost(struct tr_backend *backend)
{
    if (!backend->signals[TR_SIGNAL_METRICS] && !backend->signals[TR_SIGNAL_LOGS])
        return;
    tr_count(&backend->counters.opaque_routed, 1);
    tr_count(&backend->counters.opaque_dropped, 1);
}

static void span_take(struct tr_backend *backend, uint32_t outbox, const struct tr_outbox_entry *entry, size_t at)
{
    struct filling *filling = &backend->filling;
    struct range *range = &filling->ranges[outbox];
    int64_t group;

    filling->used = at + TR_ALIGN_UP((size_t)entry->payload_bytes, (size_t)8);
    group = group_find(backend, outbox, entry->group);
    if (group < 0 || !room_make((void **)&filling->spans, &filling->spans_room, filling->spans_count,
                                sizeof(*filling->spans))) {
        lost(backend, outbox, entry->sequence, 1);
        filling->used = at;
        return;
    }
    filling->spans[filling->spans_count++] =
        (struct filling_span){.at = at, .bytes = entry->payload_bytes, .group = (uint32_t)group};
    tr_count(&backend->counters.routed, 1);
    tr_gauge(&backend->counters.in_flight, backend->counters.in_flight + 1);
    if (range->from == range->to)
        range->from = entry->sequence;
    range->to = entry->sequence + 1;
    if (!filling->since_ns)
        filling->since_ns = tr_clock_ns();
}

static bool filling_is_full(const struct tr_backend *backend)
{
    return backend->filling.spans_count >= backend->options.batch_spans_max ||
           backend->filling.used >= backend->options.batch_bytes_max;
}

size_t filling_take(struct tr_backend *backend)
{
    struct filling *filling = &backend->filling;
    uint32_t empty = 0;
    size_t taken = 0;

    while (empty < backend->outboxes_count && taken < TAKE_MOST && !filling_is_full(backend)) {
        uint32_t number = backend->next_outbox;
        struct tr_outbox_cursor *cursor = &backend->cursors[number];
        uint64_t skipped = 0, sequence = cursor->sequence;
        struct tr_outbox_entry entry;
        uint8_t *to = bytes_make(filling, 4096);

        if (!to)
            break;
        switch (tr_outbox_next(backend->outboxes[number], cursor, &entry, to, filling->room - filling->used, &skipped)) {
        case TR_OUTBOX_EMPTY:
            empty++;
            backend->next_outbox = (number + 1) % backend->outboxes_count;
            continue;
        case TR_OUTBOX_LOST:
            lost(backend, number, sequence, skipped);
            bodies_lost(backend);
            break;
        case TR_OUTBOX_SHORT:
            if (!bytes_make(filling, entry.payload_bytes))
                return taken;
            continue;
        case TR_OUTBOX_ENTRY:
            if (entry.kind == TR_OUTBOX_SPAN && backend->signals[TR_SIGNAL_TRACES])
                span_take(backend, number, &entry, filling->used);
            else if (entry.kind == TR_OUTBOX_OPAQUE && backend->signals[entry.signal])
                batch_opaque(backend, entry.signal, to, entry.payload_bytes);
            break;
        }
        empty = 0;
        taken++;
    }
    return taken;
}

bool filling_is_due(const struct tr_backend *backend, uint64_t now)
{
    return backend->filling.spans_count &&
           (filling_is_full(backend) || now - backend->filling.since_ns >= backend->options.batch_wait_ns ||
            tr_load_relaxed(&backend->drain));
}

// gzip in one go. Returns false: no memory; the batch then goes as it is.
static bool compress_body(struct batch *batch, size_t prefix)
{
    z_stream z = {0};
    uint8_t *to;
    size_t room;

    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    room = deflateBound(&z, batch->plain_bytes);
    to = malloc(prefix + room);
    if (to) {
        z.next_in = batch->plain;
        z.avail_in = (uInt)batch->plain_bytes;
        z.next_out = to + prefix;
        z.avail_out = (uInt)room;
        deflate(&z, Z_FINISH);
        batch->body = to;
        batch->body_bytes = prefix + room - z.avail_out;
        batch->compressed = true;
    }
    deflateEnd(&z);
    return to;
}

// `plain` has `prefix` bytes of room before it.
static void body_finish(struct tr_backend *backend, struct batch *batch, size_t prefix)
{
    if (backend->options.compression != 1 || backend->options.kind == 2 || !compress_body(batch, prefix)) {
        batch->body = batch->plain - prefix;
        batch->body_bytes = batch->plain_bytes + prefix;
    } else {
        free(batch->plain - prefix);
        batch->plain = NULL;
    }
    if (prefix) {
        uint32_t bytes = (uint32_t)(batch->body_bytes - prefix);

        batch->body[0] = batch->compressed;
        for (int i = 0; i < 4; i++)
            batch->body[1 + i] = (uint8_t)(bytes >> (24 - 8 * i));
    }
    batch->next = backend->batches;
    backend->batches = batch;
    backend->batches_count++;
}

static size_t prefix_of(const struct tr_backend *backend)
{
    return backend->options.kind == 0 ? 5 : 0;
}

static struct batch *batch_new(size_t prefix, size_t bytes)
{
    struct batch *batch = calloc(1, sizeof(*batch));

    if (!batch)
        return NULL;
    batch->plain = malloc(prefix + bytes + 1);
    if (!batch->plain) {
        free(batch);
        return NULL;
    }
    batch->plain += prefix;
    batch->plain_bytes = bytes;
    batch->first_try_ns = tr_clock_ns();
    return batch;
}

struct batch *batch_opaque(struct tr_backend *backend, uint8_t signal, const uint8_t *body, size_t bytes)
{
    struct batch *batch = batch_new(prefix_of(backend), bytes);

    tr_count(&backend->counters.opaque_routed, 1);
    if (!batch) {
        tr_count(&backend->counters.opaque_dropped, 1);
        return NULL;
    }
    memcpy(batch->plain, body, bytes);
    batch->signal = signal;
    tr_count(&backend->counters.bytes, bytes);
    body_finish(backend, batch, prefix_of(backend));
    tr_gauge(&backend->counters.opaque_waiting, backend->counters.opaque_waiting + 1);
    tr_gauge(&backend->counters.opaque_waiting_bytes, backend->counters.opaque_waiting_bytes + batch->body_bytes);
    return batch;
}

static void groups_view(const struct filling *filling, struct tr_batch_group *to)
{
    for (uint32_t i = 0; i < filling->groups_count; i++) {
        const uint8_t *at = filling->bytes + filling->groups[i].at;
        struct tr_outbox_group head;

        memcpy(&head, at, sizeof(head));
        at += sizeof(head);
        to[i].resource = at;
        to[i].resource_bytes = head.resource_bytes;
        to[i].resource_schema_url = at += head.resource_bytes;
        to[i].resource_schema_url_bytes = head.resource_schema_url_bytes;
        to[i].scope = at += head.resource_schema_url_bytes;
        to[i].scope_bytes = head.scope_bytes;
        to[i].scope_schema_url = at + head.scope_bytes;
        to[i].scope_schema_url_bytes = head.scope_schema_url_bytes;
    }
}

struct batch *filling_close(struct tr_backend *backend)
{
    struct filling *filling = &backend->filling;
    struct tr_batch_group *groups = calloc(filling->groups_count + 1, sizeof(*groups));
    struct tr_batch_span *spans = calloc(filling->spans_count + 1, sizeof(*spans));
    struct batch *batch = NULL;
    size_t bytes;

    if (groups && spans) {
        groups_view(filling, groups);
        for (uint32_t i = 0; i < filling->spans_count; i++)
            spans[i] = (struct tr_batch_span){.span = filling->bytes + filling->spans[i].at,
                                              .bytes = filling->spans[i].bytes,
                                              .group = filling->spans[i].group};
        bytes = tr_batch_bytes(groups, filling->groups_count, spans, filling->spans_count);
        batch = bytes == SIZE_MAX ? NULL : batch_new(prefix_of(backend), bytes);
    }
    if (batch) {
        tr_batch_write(groups, filling->groups_count, spans, filling->spans_count, batch->plain);
        batch->spans = filling->spans_count;
        memcpy(batch->ranges, filling->ranges, sizeof(batch->ranges));
        tr_count(&backend->counters.bytes, batch->plain_bytes);
        body_finish(backend, batch, prefix_of(backend));
        filling->used = 0;
        filling->spans_count = filling->groups_count = 0;
        filling->since_ns = 0;
        memset(filling->ranges, 0, sizeof(filling->ranges));
    }
    free(groups);
    free(spans);
    return batch;
}

void filling_free(struct filling *filling)
{
    free(filling->bytes);
    free(filling->spans);
    free(filling->groups);
    memset(filling, 0, sizeof(*filling));
}

void batch_free(struct batch *batch)
{
    free(batch->body);
    free(batch->answer);
    curl_slist_free_all(batch->headers);
    free(batch);
}
