// SPDX-License-Identifier: Apache-2.0
// The owner's intake: summaries into the table, TAIL requests noted.
#include "trace/owner_internal.h"

// Messages whose cache lines are called for together: more than the misses a core can have in flight is no
// gain.
#define BURST 64

// Where a trace is looked for that is not held.
static void past_prefetch(const struct tr_owner *owner, uint64_t hash)
{
    __builtin_prefetch(tr_index_line_of(&owner->verdicts.index, hash));
    if (owner->verdicts.memo.lines)
        __builtin_prefetch(tr_memo_line_of(&owner->verdicts.memo, hash));
}

// Three rounds, each as far as it gets without waiting: lines of the index, lines of entries, last blocks.
static void burst_prefetch(const struct tr_owner *owner, const union tr_message *messages, uint32_t count,
                           uint64_t *hashes)
{
    const struct tr_table *table = &owner->table;
    uint32_t entries[BURST];

    for (uint32_t i = 0; i < count; i++) {
        hashes[i] = tr_table_hash(table, messages[i].summary.trace_id);
        __builtin_prefetch(tr_index_line_of(&table->index, hashes[i]));
    }
    for (uint32_t i = 0; i < count; i++) {
        struct tr_index_search search;

        tr_index_search_begin(&table->index, hashes[i], &search);
        entries[i] = tr_index_search_next(&search);
        if (entries[i])
            __builtin_prefetch(tr_table_entry(table, entries[i]), 1);
        else
            past_prefetch(owner, hashes[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct tr_entry *entry = tr_table_entry(table, entries[i]);

        if (!entries[i])
            continue;
        if (entry->spans % TR_BLOCK_REFS)
            __builtin_prefetch(tr_table_block(table, entry->last_block), 1);
        else
            __builtin_prefetch(&entry->first_ns, 1); // takes the next block's number
    }
}

// Returns the new trace's entry, 0: the table is full.
static uint32_t trace_begin(struct tr_owner *owner, uint64_t hash, const struct tr_summary *summary,
                            uint64_t now)
{
    uint32_t number = tr_table_begin(&owner->table, hash, summary->trace_id);
    struct tr_entry *entry;

    entry = tr_table_entry(&owner->table, number);
    if (!number) {
        tr_count(&owner->counters.table_full, 1);
        return 0;
    }
    entry->first_ns = now;
    entry->source = summary->source;
    entry->epoch = owner->epoch;
    entry->wait = (uint8_t)owner->wait;
    entry->on = TR_ENTRY_ON_NONE;
    owner->waits[entry->wait].traces++;
    owner->epoch_traces[entry->epoch % 256]++;
    tr_owner_move(owner, number, TR_ENTRY_ON_WAIT);
    tr_count(&owner->counters.traces_held, 1);
    return number;
}

// Returns false: there is no room for it now, and nothing was changed.
static bool summary_take(struct tr_owner *owner, uint32_t origin, const struct tr_summary *summary,
                         uint64_t hash, uint64_t now, uint64_t wall_ns)
{
    struct tr_table *table = &owner->table;
    uint32_t number = tr_table_find(table, hash, summary->trace_id);
    struct tr_origin *from = &owner->origins[origin];
    struct tr_owner_before before;
    struct tr_entry *entry = tr_table_entry(table, number);
    struct tr_past past;

    if (!number) {
        if (tr_owner_past_find(owner, hash, summary->trace_id, &past))
            return tr_owner_late_take(owner, origin, summary, hash, 0, &past, now, wall_ns);
    } else if (tr_unlikely(entry->flags & TR_ENTRY_DROPPED)) {
        tr_owner_past_find(owner, hash, summary->trace_id, &past);
        return tr_owner_late_take(owner, origin, summary, hash, number, &past, now, wall_ns);
    }
    if (tr_unlikely(table->refs == table->refs_max ||
                    !tr_fifo_room(&from->fifo, &owner->chunks, summary->position, table->age + 1))) {
        tr_count(&owner->counters.refs_full, 1);
        return false;
    }
    if (!number) {
        number = trace_begin(owner, hash, summary, now);
        if (!number)
            return false;
    }
    entry = tr_table_entry(table, number);
    before = (struct tr_owner_before){entry->bits, entry->start_ns, entry->end_ns};
    tr_table_add(table, number, summary, origin);
    if (!(entry->origins & 1ull << origin)) {
        entry->origins |= 1ull << origin;
        tr_fifo_push(&from->fifo, &owner->chunks,
                     &(struct tr_fifo_node){.position = summary->position, .entry = number, .age = table->age});
    }
    if (tr_unlikely(entry->spans >= owner->trace_spans_max || entry->bytes >= owner->trace_bytes_max) &&
        (entry->on == TR_ENTRY_ON_WAIT || entry->on == TR_ENTRY_ON_ROOTED))
        tr_owner_move(owner, number, TR_ENTRY_ON_LARGE);
    if (owner->wait_root_ns && summary->flags & TR_SPAN_ROOT)
        tr_owner_root_seen(owner, number, now);
    if (tr_unlikely(owner->at_once))
        tr_owner_certain_look(owner, number, &before, summary);
    tr_count(&owner->counters.held, 1);
    return true;
}

static void epoch_check(struct tr_owner *owner, const struct tr_summary *summary)
{
    // Walked under an epoch behind the one that new traces begin under: its marks were not all in.
    if (tr_unlikely((uint8_t)(summary->epoch - owner->epoch) >= 128))
        tr_count(&owner->counters.epoch_behind, 1);
}

uint32_t tr_owner_receive(struct tr_owner *owner, uint32_t origin, const union tr_message *messages,
                          uint32_t count, uint64_t now, uint64_t wall_ns)
{
    uint64_t hashes[BURST];
    uint64_t spans = 0;
    uint32_t i = 0;

    tr_assert(origin < owner->lcores);
    if (tr_unlikely(owner->table.shapes != NULL))
        owner->table.zones.now_ns = now;
    for (; i < count; i++) {
        const union tr_message *message = &messages[i];

        if (i % BURST == 0)
            burst_prefetch(owner, message, TR_MIN(count - i, (uint32_t)BURST), hashes);
        if (tr_likely(message->any.kind == TR_MESSAGE_SUMMARY)) {
            if (tr_unlikely(message->summary.flags & (TR_SPAN_WIDE | TR_SPAN_SHAPE)) &&
                count - i < tr_summary_slots(&message->summary))
                break;
            if (!summary_take(owner, origin, &message->summary, hashes[i % BURST], now, wall_ns))
                break;
            epoch_check(owner, &message->summary);
            spans++;
        } else if (message->any.kind == TR_MESSAGE_TAIL) {
            tr_owner_tail_ask(owner, origin, &message->tail);
        } else if (message->any.kind != TR_MESSAGE_WIDE && message->any.kind != TR_MESSAGE_SHAPE) {
            break;
        }
    }
    tr_count(&owner->counters.received, spans);
    if (tr_unlikely(owner->table.shapes && owner->table.zones.unknown)) {
        tr_count(&owner->counters.zones_unknown, owner->table.zones.unknown);
        owner->table.zones.unknown = 0;
    }
    return i;
}
