// SPDX-License-Identifier: Apache-2.0
#include "trace/table.h"

// Every span has a slot, whatever way they are spread over traces: each trace wastes at most 3.
static uint32_t blocks_for(const struct tr_table_options *options)
{
    uint64_t blocks = ((uint64_t)options->refs_max + 3 * (uint64_t)options->traces_max) / TR_BLOCK_REFS + 1;

    return (uint32_t)TR_MIN(TR_MIN(blocks, (uint64_t)options->refs_max), (uint64_t)UINT32_MAX - 1);
}

static size_t wide_bytes(const struct tr_table_options *options)
{
    return ((size_t)options->traces_max + 1) * (options->words - 1) * sizeof(uint64_t);
}

uint64_t tr_table_bytes(const struct tr_table_options *options)
{
    return tr_index_bytes(options->traces_max) + tr_pool_bytes(options->traces_max, sizeof(struct tr_entry)) +
           tr_pool_bytes(blocks_for(options), sizeof(struct tr_block)) + wide_bytes(options);
}

int tr_table_create(struct tr_table *table, const struct tr_table_options *options)
{
    void *lines;

    *table = (struct tr_table){.refs_max = options->refs_max, .wide_words = options->words - 1};
    memcpy(table->seed, options->seed, sizeof(table->seed));
    lines = tr_pages_map(tr_index_bytes(options->traces_max), options->numa_node, options->prefault);
    if (!lines)
        return -ENOMEM;
    tr_index_init(&table->index, lines, options->traces_max);
    if (tr_pool_create(&table->entries, options->traces_max, sizeof(struct tr_entry),
                       offsetof(struct tr_entry, next), options->numa_node, options->prefault) < 0 ||
        tr_pool_create(&table->blocks, blocks_for(options), sizeof(struct tr_block),
                       offsetof(struct tr_block, next), options->numa_node, options->prefault) < 0)
        goto fail;
    if (table->wide_words) {
        table->wide = tr_pages_map(wide_bytes(options), options->numa_node, false);
        if (!table->wide)
            goto fail;
    }
    return 0;
fail:
    tr_table_destroy(table);
    return -ENOMEM;
}

void tr_table_destroy(struct tr_table *table)
{
    struct tr_table_options options = {.traces_max = table->entries.items_max,
                                       .words = table->wide_words + 1};

    tr_pages_unmap(table->wide, wide_bytes(&options));
    tr_pages_unmap(table->index.lines, tr_index_bytes(options.traces_max));
    tr_pool_destroy(&table->blocks);
    tr_pool_destroy(&table->entries);
    memset(table, 0, sizeof(*table));
}

uint32_t tr_table_begin(struct tr_table *table, uint64_t hash, const uint8_t id[16])
{
    uint32_t number = tr_pool_take(&table->entries);
    struct tr_entry *entry;

    if (tr_unlikely(!number))
        return 0;
    if (tr_unlikely(!tr_index_insert(&table->index, hash, number))) {
        tr_pool_give(&table->entries, number, number, 1);
        return 0;
    }
    entry = tr_table_entry(table, number);
    memcpy(entry->trace_id, id, 16);
    entry->start_ns = 0;
    entry->end_ns = 0;
    entry->bits = 0;
    entry->bytes = 0;
    entry->flags = 0;
    entry->origins = 0;
    entry->spans = 0;
    entry->last_block = 0;
    entry->hash = hash;
    entry->first_block = 0;
    return number;
}

void tr_table_forget(struct tr_table *table, uint32_t entry)
{
    tr_index_remove(&table->index, tr_table_entry(table, entry)->hash, entry);
}

void tr_table_end(struct tr_table *table, uint32_t number)
{
    struct tr_entry *entry = tr_table_entry(table, number);

    if (entry->first_block)
        tr_pool_give(&table->blocks, entry->first_block, entry->last_block,
                     (entry->spans + TR_BLOCK_REFS - 1) / TR_BLOCK_REFS);
    table->refs -= entry->spans;
    entry->generation++;
    entry->spans = 0;
    tr_pool_give(&table->entries, number, number, 1);
}

static void wide_add(struct tr_table *table, struct tr_entry *entry, uint32_t number,
                     const struct tr_summary *summary)
{
    const struct tr_summary_wide *more = (const struct tr_summary_wide *)(summary + 1);
    uint64_t *wide = tr_table_wide(table, number);

    if (!(entry->flags & TR_ENTRY_WIDE))
        memset(wide, 0, table->wide_words * sizeof(*wide));
    entry->flags |= TR_ENTRY_WIDE;
    for (uint32_t i = 0; i < table->wide_words; i++)
        wide[i] |= i < TR_NELEMS(more->predicates) ? more->predicates[i]
                                                   : more->predicates2[i - TR_NELEMS(more->predicates)];
}

void tr_table_add(struct tr_table *table, uint32_t number, const struct tr_summary *summary, uint32_t holder)
{
    struct tr_entry *entry = tr_table_entry(table, number);
    uint32_t slot = entry->spans % TR_BLOCK_REFS;
    struct tr_block *block;

    if (slot == 0) {
        uint32_t fresh = tr_pool_take(&table->blocks);

        tr_assert(fresh);
        if (entry->first_block)
            tr_table_block(table, entry->last_block)->next = fresh;
        else
            entry->first_block = fresh;
        entry->last_block = fresh;
        tr_table_block(table, fresh)->next = 0;
    }
    block = tr_table_block(table, entry->last_block);
    block->context[slot] = summary->context;
    block->bytes[slot] = summary->bytes;
    block->position_low[slot] = (uint32_t)summary->position;
    block->position_high[slot] = (uint16_t)(summary->position >> 32);
    block->holder[slot] = (uint8_t)holder;

    if (summary->start_ns && (!entry->start_ns || summary->start_ns < entry->start_ns))
        entry->start_ns = summary->start_ns;
    if (summary->end_ns > entry->end_ns)
        entry->end_ns = summary->end_ns;
    entry->bits |= summary->predicates;
    entry->bytes += summary->bytes;
    entry->spans++;
    if (summary->flags & TR_SPAN_ROOT)
        entry->flags |= TR_ENTRY_ROOT;
    if (tr_unlikely(summary->flags & TR_SPAN_WIDE) && table->wide_words)
        wide_add(table, entry, number, summary);
    table->refs++;
}

void tr_entry_list_append(const struct tr_table *table, struct tr_entry_list *list, uint32_t number)
{
    struct tr_entry *entry = tr_table_entry(table, number);

    entry->next = 0;
    entry->prev = list->last;
    if (list->last)
        tr_table_entry(table, list->last)->next = number;
    else
        list->first = number;
    list->last = number;
    list->count++;
}

void tr_entry_list_remove(const struct tr_table *table, struct tr_entry_list *list, uint32_t number)
{
    struct tr_entry *entry = tr_table_entry(table, number);

    if (entry->prev)
        tr_table_entry(table, entry->prev)->next = entry->next;
    else
        list->first = entry->next;
    if (entry->next)
        tr_table_entry(table, entry->next)->prev = entry->prev;
    else
        list->last = entry->prev;
    list->count--;
}
