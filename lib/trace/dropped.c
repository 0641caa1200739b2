// SPDX-License-Identifier: Apache-2.0
#include "trace/dropped.h"

#include "base/pages.h"

#define FOLLOWED_S (4 * 3600u) // no lcore writes 2^44 bytes in that time

// In `flags` of a record, beside TR_ENTRY_*.
#define WITH_SHAPES 0x8000

struct ref {
    uint32_t position_low;
    uint32_t position_high : TR_REF_POSITION_BITS - 32;
    uint32_t holder : 8;
    uint32_t reserved : 11;
    uint32_t context;
};
_Static_assert(sizeof(struct ref) == 12, "five to a line");

int tr_dropped_create(struct tr_dropped *dropped, uint64_t bytes, int numa_node, bool prefault)
{
    *dropped = (struct tr_dropped){.bytes = bytes, .head = 64, .tail = 64};
    if (!bytes)
        return 0;
    tr_assert(bytes >= TR_DROPPED_BYTES_MIN && !(bytes & (bytes - 1)));
    dropped->ring = tr_pages_map(bytes, numa_node, prefault);
    return dropped->ring ? 0 : -ENOMEM;
}

void tr_dropped_destroy(struct tr_dropped *dropped)
{
    if (dropped->ring)
        tr_pages_unmap(dropped->ring, dropped->bytes);
    dropped->ring = NULL;
}

static struct tr_dropped_record *record_at(const struct tr_dropped *dropped, uint64_t position)
{
    return (struct tr_dropped_record *)(dropped->ring + (position & (dropped->bytes - 1)));
}

const struct tr_dropped_record *tr_dropped_at(const struct tr_dropped *dropped, uint64_t position)
{
    return position >= dropped->tail && position < dropped->head ? record_at(dropped, position) : NULL;
}

// What follows a record's aggregates, in this order.
static uint64_t *wide_of(const struct tr_dropped_record *record)
{
    return (uint64_t *)(record + 1);
}

static struct tr_trace_ot *ot_of(const struct tr_dropped_record *record)
{
    return (struct tr_trace_ot *)(wide_of(record) + (record->flags & TR_ENTRY_WIDE ? TR_WIDE_WORDS : 0));
}

static size_t refs_begin(uint64_t flags)
{
    size_t bytes = sizeof(struct tr_dropped_record) + (flags & TR_ENTRY_WIDE ? TR_WIDE_WORDS * sizeof(uint64_t) : 0) +
                   (flags & TR_ENTRY_OT ? sizeof(struct tr_trace_ot) : 0);

    return (bytes + 15) / 16 * 16;
}

static struct ref *refs_of(const struct tr_dropped_record *record)
{
    return (struct ref *)((uint8_t *)record + refs_begin(record->flags));
}

// Make room for a record in one piece, at the cost of the oldest.
static struct tr_dropped_record *record_begin(struct tr_dropped *dropped, uint64_t size)
{
    uint64_t at = dropped->head & (dropped->bytes - 1), skipped = at + size > dropped->bytes ? dropped->bytes - at : 0;

    while (dropped->head + skipped + size - dropped->tail > dropped->bytes) {
        const struct tr_dropped_record *oldest = record_at(dropped, dropped->tail);

        dropped->traces -= !oldest->earlier;
        dropped->tail += oldest->size;
    }
    if (skipped) {
        if (dropped->tail < dropped->head)
            record_at(dropped, dropped->last)->size += skipped;
        else
            dropped->tail += skipped;
        dropped->head += skipped;
    }
    dropped->last = dropped->head;
    dropped->head += size;
    return record_at(dropped, dropped->last);
}

static struct tr_shape *shapes_of(const struct tr_dropped_record *record)
{
    return (struct tr_shape *)(refs_of(record) + record->refs);
}

static size_t ref_bytes(const struct tr_table *table)
{
    return sizeof(struct ref) + (table->shapes ? sizeof(struct tr_shape) : 0);
}

static void refs_write(const struct tr_dropped_record *record, const struct tr_table *table, const struct tr_entry *entry,
                       uint32_t from)
{
    struct ref *refs = refs_of(record);
    struct tr_shape *shapes = shapes_of(record);
    struct tr_ref_cursor at = tr_table_refs_begin(entry);

    while (at.ref < from)
        tr_table_refs_next(table, entry, &at);
    for (uint32_t i = 0; i < record->refs; i++) {
        struct tr_ref ref = tr_table_ref(table, &at);

        refs[i] = (struct ref){.position_low = (uint32_t)ref.position,
                               .position_high = (uint32_t)(ref.position >> 32) & (TR_REF_POSITION_MASK >> 32),
                               .holder = ref.holder & 0xff,
                               .context = ref.context};
        if (tr_unlikely(table->shapes != NULL))
            shapes[i] = tr_table_shape_whole(table, &at);
        tr_table_refs_next(table, entry, &at);
    }
}

uint64_t tr_dropped_put(struct tr_dropped *dropped, const struct tr_table *table, uint32_t number, uint32_t from,
                        uint64_t earlier, uint32_t written_s)
{
    const struct tr_entry *entry = tr_table_entry(table, number);
    uint64_t begin = refs_begin(entry->flags), size = begin + (entry->spans - from) * ref_bytes(table);
    struct tr_dropped_record *record;
    uint32_t refs = entry->spans - from;

    if (!dropped->ring)
        return 0;
    size = (size + 15) / 16 * 16;
    if (size > dropped->bytes / 2) {
        size = begin;
        refs = 0;
    }
    record = record_begin(dropped, size);
    *record = (struct tr_dropped_record){.start_ns = entry->start_ns,
                                         .end_ns = entry->end_ns,
                                         .bits = entry->bits,
                                         .bytes = entry->bytes,
                                         .flags = entry->flags | (table->shapes ? WITH_SHAPES : 0u),
                                         .first_ns = entry->first_ns,
                                         .earlier = earlier,
                                         .size = (uint32_t)size,
                                         .epoch = entry->epoch,
                                         .refs = refs,
                                         .written_s = written_s};
    dropped->traces += !earlier;
    if (tr_unlikely(entry->flags & TR_ENTRY_WIDE))
        memcpy(wide_of(record), tr_table_wide(table, number), TR_WIDE_WORDS * sizeof(uint64_t));
    if (tr_unlikely(entry->flags & TR_ENTRY_OT))
        *ot_of(record) = table->ots[number];
    if (refs)
        refs_write(record, table, entry, from);
    return dropped->last;
}

void tr_dropped_recall(const struct tr_dropped *dropped, uint64_t position, struct tr_table *table, uint32_t number)
{
    const struct tr_dropped_record *record = record_at(dropped, position);
    struct tr_entry *entry = tr_table_entry(table, number);

    entry->start_ns = record->start_ns;
    entry->end_ns = record->end_ns;
    entry->bits = record->bits;
    entry->bytes = record->bytes;
    entry->flags = record->flags & ~WITH_SHAPES;
    entry->first_ns = record->first_ns;
    entry->epoch = record->epoch;
    if (record->flags & TR_ENTRY_WIDE)
        memcpy(tr_table_wide(table, number), wide_of(record), TR_WIDE_WORDS * sizeof(uint64_t));
    if (record->flags & TR_ENTRY_OT)
        table->ots[number] = *ot_of(record);
}

// The records that a position leads to, newest first. Returns how many.
static uint32_t chain_read(const struct tr_dropped *dropped, uint64_t position, uint64_t until, uint64_t now,
                           const struct tr_dropped_record *chain[TR_DROPPED_CHAIN])
{
    const struct tr_dropped_record *record;
    uint32_t count = 0;

    while (count < TR_DROPPED_CHAIN && position != until && (record = tr_dropped_at(dropped, position)) != NULL &&
           (uint32_t)(now / TR_S) - record->written_s < FOLLOWED_S) {
        chain[count++] = record;
        position = record->earlier;
    }
    return count;
}

struct tr_dropped_chain tr_dropped_chain(const struct tr_dropped *dropped, uint64_t position, uint64_t until,
                                         uint64_t now)
{
    const struct tr_dropped_record *records[TR_DROPPED_CHAIN];
    struct tr_dropped_chain chain = {.records = chain_read(dropped, position, until, now, records)};

    for (uint32_t i = 0; i < chain.records; i++) {
        chain.refs += records[i]->refs;
        chain.written_s = records[i]->written_s;
        chain.whole = !records[i]->earlier;
    }
    return chain;
}

uint64_t tr_dropped_stays(const struct tr_dropped *dropped, uint64_t position, uint64_t now)
{
    const struct tr_dropped_record *records[TR_DROPPED_CHAIN];
    uint32_t count = chain_read(dropped, position, 0, now, records);
    uint64_t refs = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (i >= TR_DROPPED_CHAIN / 2 && records[i]->refs > refs)
            return records[i - 1]->earlier;
        refs += records[i]->refs;
    }
    return 0;
}

static void refs_add(const struct tr_dropped_record *record, uint32_t skip, struct tr_table *table, uint32_t number)
{
    const struct ref *refs = refs_of(record);
    const struct tr_shape *shapes = record->flags & WITH_SHAPES ? shapes_of(record) : NULL;

    for (uint32_t i = skip; i < record->refs; i++)
        tr_table_ref_add(table, number,
                         &(struct tr_ref){.position = (uint64_t)refs[i].position_high << 32 | refs[i].position_low,
                                          .context = refs[i].context,
                                          .holder = refs[i].holder},
                         shapes ? &shapes[i] : NULL);
}

void tr_dropped_refs(const struct tr_dropped *dropped, uint64_t position, struct tr_table *table, uint32_t number,
                     uint32_t most, uint64_t until, uint64_t now)
{
    const struct tr_dropped_record *chain[TR_DROPPED_CHAIN];
    uint32_t count = chain_read(dropped, position, until, now, chain);
    uint64_t refs = 0, skip;

    for (uint32_t i = 0; i < count; i++)
        refs += chain[i]->refs;
    skip = refs - TR_MIN(refs, (uint64_t)TR_MIN(most, table->refs_max - table->refs));
    while (count--) {
        uint32_t skipped = (uint32_t)TR_MIN(skip, (uint64_t)chain[count]->refs);

        refs_add(chain[count], skipped, table, number);
        skip -= skipped;
    }
}
