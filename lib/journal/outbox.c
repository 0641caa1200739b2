// SPDX-License-Identifier: Apache-2.0
#include "journal/outbox.h"

#include "base/hash.h"

// Direct-mapped: a group that loses its row to another is written once more, no worse.
#define GROUP_ROWS 4096

// A cursor may lag by three quarters of a ring, and a span's group lies at most a quarter before it: so what
// a cursor reads, and the group that it names, are both still there.
#define REACH_BYTES(ring) ((ring)->bytes / 4 * 3)
#define GROUP_BYTES(ring) ((ring)->bytes / 4)

struct tr_outbox_groups {
    struct {
        uint64_t hash;
        uint64_t position; // + 1; 0: none
    } rows[GROUP_ROWS];
};

int tr_outbox_create(struct tr_outbox *outbox, const char *directory,
                     const struct tr_ringfile_options *options, struct tr_error *error)
{
    char name[32];
    int rc;

    memset(outbox, 0, sizeof(*outbox));
    snprintf(name, sizeof(name), "outbox.%u", options->lcore);
    rc = tr_ringfile_create(&outbox->ring, directory, name, options, error);
    if (rc < 0)
        return rc;
    outbox->groups = calloc(1, sizeof(*outbox->groups));
    if (!outbox->groups) {
        tr_ringfile_close(&outbox->ring, NULL);
        return tr_error_set(error, ENOMEM, "no memory for the groups of an outbox");
    }
    return 0;
}

void tr_outbox_close(struct tr_outbox *outbox)
{
    free(outbox->groups);
    outbox->groups = NULL;
    tr_ringfile_close(&outbox->ring, NULL);
}

static uint64_t entry_bytes(uint64_t payload_bytes)
{
    return TR_ALIGN_UP(sizeof(struct tr_outbox_entry) + payload_bytes, TR_OUTBOX_ALIGN);
}

static struct tr_outbox_entry *entry_at(const struct tr_outbox *outbox, uint64_t position)
{
    return (struct tr_outbox_entry *)tr_ringfile_at(&outbox->ring, position);
}

// What may be overwritten moves by bytes; what cursors may stand at moves by entries, a quarter of a ring
// ahead.
uint8_t *tr_outbox_reserve(struct tr_outbox *outbox, uint64_t bytes)
{
    struct tr_ringfile *ring = &outbox->ring;
    uint64_t end = ring->head + entry_bytes(bytes);

    if (entry_bytes(bytes) > ring->bytes / 4)
        return NULL;
    while (end - outbox->reach > REACH_BYTES(ring))
        outbox->reach += entry_bytes(entry_at(outbox, outbox->reach)->payload_bytes);
    if (end > ring->bytes) {
        tr_store_relaxed(&ring->header->reach, outbox->reach);
        tr_ringfile_release(ring, end - ring->bytes);
    }
    return tr_ringfile_at(ring, ring->head) + sizeof(struct tr_outbox_entry);
}

static uint64_t append(struct tr_outbox *outbox, struct tr_outbox_entry entry)
{
    bool counted = entry.kind == TR_OUTBOX_SPAN;

    entry.position = outbox->ring.head;
    entry.sequence = outbox->sequence;
    *entry_at(outbox, entry.position) = entry;
    outbox->sequence += counted;
    tr_ringfile_commit(&outbox->ring, entry.position + entry_bytes(entry.payload_bytes), counted);
    return entry.position;
}

uint64_t tr_outbox_append_span(struct tr_outbox *outbox, uint32_t bytes, uint64_t group, uint16_t policy)
{
    return append(outbox,
                  (struct tr_outbox_entry){
                      .payload_bytes = bytes, .kind = TR_OUTBOX_SPAN, .policy = policy, .group = group});
}

uint64_t tr_outbox_append_opaque(struct tr_outbox *outbox, uint32_t bytes, uint8_t signal)
{
    return append(
        outbox, (struct tr_outbox_entry){.payload_bytes = bytes, .kind = TR_OUTBOX_OPAQUE, .signal = signal});
}

static uint64_t group_payload_bytes(const struct tr_outbox_group *head)
{
    return sizeof(*head) + (uint64_t)head->resource_bytes + head->resource_schema_url_bytes +
           head->scope_bytes + head->scope_schema_url_bytes;
}

static void group_write(uint8_t *to, const struct tr_outbox_group_bytes *group)
{
    const struct {
        const uint8_t *data;
        uint32_t bytes;
    } parts[] = {{group->resource, group->head.resource_bytes},
                 {group->resource_schema_url, group->head.resource_schema_url_bytes},
                 {group->scope, group->head.scope_bytes},
                 {group->scope_schema_url, group->head.scope_schema_url_bytes}};

    memcpy(to, &group->head, sizeof(group->head));
    to += sizeof(group->head);
    for (size_t i = 0; i < TR_NELEMS(parts); i++) {
        if (parts[i].bytes)
            memcpy(to, parts[i].data, parts[i].bytes);
        to += parts[i].bytes;
    }
}

static bool group_equals(const uint8_t *at, const struct tr_outbox_group_bytes *group)
{
    const uint8_t *bytes = at + sizeof(group->head);

    if (memcmp(at, &group->head, sizeof(group->head)) != 0)
        return false;
#define SAME(part)                                                                                           \
    if (group->head.part##_bytes && memcmp(bytes, group->part, group->head.part##_bytes) != 0)               \
        return false;                                                                                        \
    bytes += group->head.part##_bytes
    SAME(resource);
    SAME(resource_schema_url);
    SAME(scope);
    SAME(scope_schema_url);
#undef SAME
    return true;
}

bool tr_outbox_group_reachable(const struct tr_outbox *outbox, uint64_t position)
{
    return outbox->ring.head - position <= GROUP_BYTES(&outbox->ring);
}

uint64_t tr_outbox_group(struct tr_outbox *outbox, const struct tr_outbox_group_bytes *group)
{
    uint64_t row = group->head.hash & (GROUP_ROWS - 1), bytes = group_payload_bytes(&group->head), position;
    uint8_t *at;

    if (outbox->groups->rows[row].position && outbox->groups->rows[row].hash == group->head.hash) {
        position = outbox->groups->rows[row].position - 1;
        if (tr_outbox_group_reachable(outbox, position) &&
            group_equals((uint8_t *)(entry_at(outbox, position) + 1), group))
            return position;
    }
    at = tr_outbox_reserve(outbox, bytes);
    if (!at)
        return UINT64_MAX;
    group_write(at, group);
    position =
        append(outbox, (struct tr_outbox_entry){.payload_bytes = (uint32_t)bytes, .kind = TR_OUTBOX_GROUP});
    outbox->groups->rows[row].hash = group->head.hash;
    outbox->groups->rows[row].position = position + 1;
    return position;
}

void tr_outbox_cursor_init(const struct tr_outbox *outbox, struct tr_outbox_cursor *cursor)
{
    tr_ringfile_committed(&outbox->ring, &cursor->position, &cursor->sequence);
}

uint64_t tr_outbox_queued(const struct tr_outbox *outbox, const struct tr_outbox_cursor *cursor)
{
    uint64_t head, sequence;

    tr_ringfile_committed(&outbox->ring, &head, &sequence);
    return sequence - cursor->sequence;
}

// The cursor was overrun: to the oldest entry that is within reach. The writer may move on while we look.
static uint64_t cursor_advance(const struct tr_outbox *outbox, struct tr_outbox_cursor *cursor)
{
    struct tr_outbox_entry entry;
    uint64_t reach, lost;

    do
        reach = tr_load_relaxed(&outbox->ring.header->reach);
    while (!tr_ringfile_copy(&outbox->ring, reach, &entry, sizeof(entry)));
    lost = entry.sequence - cursor->sequence;
    cursor->position = reach;
    cursor->sequence = entry.sequence;
    return lost;
}

enum tr_outbox_next tr_outbox_next(const struct tr_outbox *outbox, struct tr_outbox_cursor *cursor,
                                   struct tr_outbox_entry *entry, void *buffer, size_t buffer_bytes,
                                   uint64_t *lost)
{
    const struct tr_ringfile *ring = &outbox->ring;

    for (;;) {
        if (cursor->position == tr_load_acquire(&ring->header->head))
            return TR_OUTBOX_EMPTY;
        if (tr_load_relaxed(&ring->header->reach) > cursor->position ||
            !tr_ringfile_copy(ring, cursor->position, entry, sizeof(*entry)))
            goto overrun;
        if (entry->kind == TR_OUTBOX_GROUP) {
            cursor->position += entry_bytes(entry->payload_bytes);
            continue;
        }
        if (entry->payload_bytes > buffer_bytes)
            return TR_OUTBOX_SHORT;
        if (!tr_ringfile_copy(ring, cursor->position + sizeof(*entry), buffer, entry->payload_bytes) ||
            tr_load_relaxed(&ring->header->tail) > cursor->position)
            goto overrun;
        cursor->position += entry_bytes(entry->payload_bytes);
        cursor->sequence = entry->sequence + (entry->kind == TR_OUTBOX_SPAN);
        return TR_OUTBOX_ENTRY;
    }
overrun:
    *lost = cursor_advance(outbox, cursor);
    return TR_OUTBOX_LOST;
}

ssize_t tr_outbox_group_read(const struct tr_outbox *outbox, uint64_t position, void *buffer,
                             size_t buffer_bytes)
{
    const struct tr_ringfile *ring = &outbox->ring;
    struct tr_outbox_entry entry;

    if (!tr_ringfile_copy(ring, position, &entry, sizeof(entry)) || entry.kind != TR_OUTBOX_GROUP)
        return -ENOENT;
    if (entry.payload_bytes > buffer_bytes)
        return -ENOSPC;
    // The header's copy was good, so the length is; should the tail pass meanwhile, this copy says so.
    if (!tr_ringfile_copy(ring, position + sizeof(entry), buffer, entry.payload_bytes) ||
        tr_load_relaxed(&ring->header->tail) > position)
        return -ENOENT;
    return (ssize_t)entry.payload_bytes;
}
