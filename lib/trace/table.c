// SPDX-License-Identifier: Apache-2.0
#include "trace/table.h"

// Every span has a slot, whatever way they are spread over traces: each trace wastes at most one.
static uint32_t blocks_for(const struct tr_table_options *options)
{
    uint64_t blocks = ((uint64_t)options->refs_max + options->traces_max) / TR_BLOCK_REFS;

    return (uint32_t)TR_MIN(TR_MIN(blocks, (uint64_t)options->refs_max), (uint64_t)TR_BLOCKS_MAX);
}

static size_t wide_bytes(uint32_t traces_max)
{
    return ((size_t)traces_max + 1) * TR_WIDE_WORDS * sizeof(uint64_t);
}

static size_t numbers_bytes(uint32_t count)
{
    return ((size_t)count + 1) * sizeof(uint32_t);
}

static size_t shapes_bytes(uint32_t blocks)
{
    return ((size_t)blocks + 1) * TR_BLOCK_REFS * sizeof(struct tr_shape_record);
}

static size_t ots_bytes(uint32_t traces_max)
{
    return ((size_t)traces_max + 1) * sizeof(struct tr_trace_ot);
}

uint64_t tr_table_bytes(const struct tr_table_options *options)
{
    const uint32_t traces = options->traces_max, blocks = blocks_for(options);

    return tr_index_bytes(traces) + tr_pool_bytes(traces, sizeof(struct tr_entry)) + numbers_bytes(traces) +
           tr_pool_bytes(blocks, sizeof(struct tr_block)) + (options->shape ? shapes_bytes(blocks) : 0) +
           (options->aside & TR_ASIDE_PREDICATES ? wide_bytes(traces) : 0) +
           (options->aside & TR_ASIDE_OT ? ots_bytes(traces) : 0);
}

// The owner's lcore sees the pointers before anything that makes it look.
int tr_table_reserve(struct tr_table *table, uint32_t aside, int numa_node, bool prefault)
{
    const uint32_t traces = table->entries.items_max;

    if (aside & TR_ASIDE_PREDICATES && !table->wide)
        tr_store_release(&table->wide, tr_pages_map(wide_bytes(traces), numa_node, prefault));
    if (aside & TR_ASIDE_OT && !table->ots)
        tr_store_release(&table->ots, tr_pages_map(ots_bytes(traces), numa_node, prefault));
    return (aside & TR_ASIDE_PREDICATES && !table->wide) || (aside & TR_ASIDE_OT && !table->ots) ? -ENOMEM : 0;
}

int tr_table_create(struct tr_table *table, const struct tr_table_options *options)
{
    const uint32_t traces = options->traces_max;
    const int node = options->numa_node;
    void *lines;
    int rc;

    *table = (struct tr_table){
        .refs_max = options->refs_max, .blocks.max = blocks_for(options)};
    memcpy(table->seed, options->seed, sizeof(table->seed));
    rc = tr_pool_create(&table->entries, traces, sizeof(struct tr_entry), offsetof(struct tr_entry, next),
                        node, options->prefault);
    lines = tr_pages_map(tr_index_bytes(traces), node, options->prefault);
    tr_index_init(&table->index, lines, traces);
    table->ages = tr_pages_map(numbers_bytes(traces), node, options->prefault);
    table->blocks.items =
        tr_pages_map(tr_pool_bytes(table->blocks.max, sizeof(struct tr_block)), node, options->prefault);
    if (rc == 0)
        rc = tr_table_reserve(table, options->aside, node, options->prefault);
    if (options->shape) {
        table->shapes = tr_pages_map(shapes_bytes(table->blocks.max), node, options->prefault);
        if (!table->shapes)
            rc = -ENOMEM;
    }
    if (rc == 0 && lines && table->ages && table->blocks.items)
        return 0;
    tr_table_destroy(table);
    return -ENOMEM;
}

void tr_table_destroy(struct tr_table *table)
{
    const uint32_t traces = table->entries.items_max;

    tr_pages_unmap(table->ots, ots_bytes(traces));
    tr_pages_unmap(table->shapes, shapes_bytes(table->blocks.max));
    tr_pages_unmap(table->wide, wide_bytes(traces));
    tr_pages_unmap(table->blocks.items, tr_pool_bytes(table->blocks.max, sizeof(struct tr_block)));
    tr_pages_unmap(table->ages, numbers_bytes(traces));
    tr_pages_unmap(table->index.lines, tr_index_bytes(traces));
    tr_pool_destroy(&table->entries);
    memset(table, 0, sizeof(*table));
}

// Blocks this many takes ahead are called for.
#define AHEAD 8

// Numbers of a free block, and its own, under what is left of the top.
static void top_fill(struct tr_blocks *blocks)
{
    const struct tr_block *block = &blocks->items[blocks->below];

    memmove(blocks->top + TR_BLOCK_NUMBERS + 1, blocks->top, blocks->top_count * sizeof(blocks->top[0]));
    memcpy(blocks->top, block->numbers, sizeof(block->numbers));
    blocks->top[TR_BLOCK_NUMBERS] = blocks->below;
    blocks->top_count += TR_BLOCK_NUMBERS + 1;
    blocks->below = block->below;
    __builtin_prefetch(&blocks->items[blocks->below], 1);
    for (uint32_t i = 0; i < TR_BLOCK_NUMBERS; i++)
        __builtin_prefetch(&blocks->items[blocks->top[i]], 1);
}

// The lower half of the top goes into its own blocks.
static void top_spill(struct tr_blocks *blocks)
{
    uint32_t at = 0;

    for (; at < TR_BLOCKS_TOP / 2; at += TR_BLOCK_NUMBERS + 1) {
        struct tr_block *block = &blocks->items[blocks->top[at]];

        block->below = blocks->below;
        memcpy(block->numbers, blocks->top + at + 1, sizeof(block->numbers));
        blocks->below = blocks->top[at];
    }
    blocks->top_count -= at;
    memmove(blocks->top, blocks->top + at, blocks->top_count * sizeof(blocks->top[0]));
}

static __attribute__((noinline)) uint32_t block_take_more(struct tr_blocks *blocks)
{
    uint32_t block;

    if (blocks->below)
        top_fill(blocks);
    if (blocks->top_count)
        return blocks->top[--blocks->top_count];
    if (blocks->chain_first) {
        block = blocks->chain_first;
        blocks->chain_first = tr_block_next(&blocks->items[block]);
        return block;
    }
    tr_assert(blocks->touched < blocks->max);
    return ++blocks->touched;
}

static uint32_t block_take(struct tr_blocks *blocks)
{
    if (tr_unlikely(blocks->top_count <= AHEAD))
        return block_take_more(blocks);
    blocks->top_count--;
    __builtin_prefetch(&blocks->items[blocks->top[blocks->top_count - AHEAD]], 1);
    return blocks->top[blocks->top_count];
}

// Give back an entry's own blocks by number, and the chain beyond them as it is: a trace of 100,000 spans
// costs no more than one of 18.
static void blocks_give(struct tr_blocks *blocks, const struct tr_entry *entry)
{
    uint32_t count = (entry->spans + TR_BLOCK_REFS - 1) / TR_BLOCK_REFS;

    if (count > TR_ENTRY_BLOCKS) {
        uint32_t first = tr_block_next(&blocks->items[entry->blocks[TR_ENTRY_BLOCKS - 1]]);

        tr_block_next_set(&blocks->items[entry->last_block], blocks->chain_first);
        blocks->chain_first = first;
    }
    if (tr_unlikely(blocks->top_count > TR_BLOCKS_TOP - TR_ENTRY_BLOCKS))
        top_spill(blocks);
    memcpy(blocks->top + blocks->top_count, entry->blocks, sizeof(entry->blocks)); // what is no number lies above the top
    blocks->top_count += TR_MIN(count, (uint32_t)TR_ENTRY_BLOCKS);
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
    table->ages[number] = ++table->age;
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
    return number;
}

void tr_table_forget(struct tr_table *table, uint32_t entry)
{
    tr_index_remove(&table->index, tr_table_hash(table, tr_table_entry(table, entry)->trace_id), entry);
}

void tr_table_end(struct tr_table *table, uint32_t number)
{
    struct tr_entry *entry = tr_table_entry(table, number);

    blocks_give(&table->blocks, entry);
    table->refs -= entry->spans;
    tr_table_age(table, number);
    entry->spans = 0;
    tr_pool_give(&table->entries, number, number, 1);
}

void tr_table_strip(struct tr_table *table, uint32_t number)
{
    struct tr_entry *entry = tr_table_entry(table, number);

    blocks_give(&table->blocks, entry);
    table->refs -= entry->spans;
    entry->spans = 0;
    entry->last_block = 0;
}

static void wide_add(struct tr_table *table, struct tr_entry *entry, uint32_t number,
                     const struct tr_summary *summary)
{
    const struct tr_summary_wide *more = (const struct tr_summary_wide *)(summary + 1);
    uint64_t *wide = tr_table_wide(table, number);

    if (!(entry->flags & TR_ENTRY_WIDE))
        memset(wide, 0, TR_WIDE_WORDS * sizeof(*wide));
    entry->flags |= TR_ENTRY_WIDE;
    for (uint32_t i = 0; i < TR_WIDE_WORDS; i++)
        wide[i] |= i < TR_NELEMS(more->predicates) ? more->predicates[i]
                                                   : more->predicates2[i - TR_NELEMS(more->predicates)];
}

static __attribute__((noinline)) void shape_add(struct tr_table *table, struct tr_entry *entry, uint32_t number,
                                                const struct tr_summary *summary)
{
    const struct tr_summary *last = summary + (summary->flags & TR_SPAN_WIDE ? 1 : 0);
    const struct tr_summary_shape *shape = (const struct tr_summary_shape *)(last + 1);
    struct tr_ref_cursor at = {.block = entry->last_block, .ref = entry->spans};

    if (table->shapes) {
        tr_shape_pack(tr_table_shape(table, &at), summary, shape, tr_zones_number(&table->zones, (uint32_t)shape->zone));
        tr_table_block(table, at.block)->sampler_key[at.ref % TR_BLOCK_REFS] = shape->sampler_key;
    }
    if (!shape->ot || !table->ots)
        return;
    if (!(entry->flags & TR_ENTRY_OT))
        table->ots[number] = (struct tr_trace_ot){0};
    entry->flags |= TR_ENTRY_OT;
    tr_trace_ot_add(&table->ots[number], shape);
}

// shape  NULL: of a span that was walked before any policy wanted it
static void shape_put(struct tr_table *table, const struct tr_entry *entry, const struct tr_shape *shape)
{
    struct tr_ref_cursor at = {.block = entry->last_block, .ref = entry->spans};

    *tr_table_shape(table, &at) = shape ? shape->record : (struct tr_shape_record){0};
    tr_table_block(table, at.block)->sampler_key[at.ref % TR_BLOCK_REFS] = shape ? shape->sampler_key : 0;
}

static void block_add(struct tr_table *table, struct tr_entry *entry)
{
    uint32_t count = entry->spans / TR_BLOCK_REFS;
    uint32_t fresh = block_take(&table->blocks);

    if (count < TR_ENTRY_BLOCKS)
        entry->blocks[count] = fresh;
    else
        tr_block_next_set(tr_table_block(table, entry->last_block), fresh);
    entry->last_block = fresh;
}

static void ref_put(struct tr_table *table, struct tr_entry *entry, const struct tr_ref *ref)
{
    uint32_t slot = entry->spans % TR_BLOCK_REFS;
    struct tr_block *block;

    if (slot == 0)
        block_add(table, entry);
    block = tr_table_block(table, entry->last_block);
    block->place[slot] =
        (struct tr_block_place){.position = ref->position & TR_REF_POSITION_MASK, .holder = ref->holder & 63};
    block->context[slot] = (struct tr_block_context){.context = ref->context & TR_REF_CONTEXT_MASK};
}

void tr_table_ref_add(struct tr_table *table, uint32_t number, const struct tr_ref *ref, const struct tr_shape *shape)
{
    struct tr_entry *entry = tr_table_entry(table, number);

    ref_put(table, entry, ref);
    if (table->shapes)
        shape_put(table, entry, shape);
    entry->spans++;
    table->refs++;
}

void tr_table_add(struct tr_table *table, uint32_t number, const struct tr_summary *summary, uint32_t holder)
{
    struct tr_entry *entry = tr_table_entry(table, number);

    ref_put(table, entry,
            &(struct tr_ref){.position = summary->position, .context = summary->context, .holder = holder});
    if (summary->start_ns && (!entry->start_ns || summary->start_ns < entry->start_ns))
        entry->start_ns = summary->start_ns;
    if (summary->end_ns > entry->end_ns)
        entry->end_ns = summary->end_ns;
    if (tr_unlikely(summary->flags & TR_SPAN_SHAPE))
        shape_add(table, entry, number, summary);
    else if (tr_unlikely(table->shapes != NULL))
        shape_put(table, entry, NULL);
    entry->bits |= summary->predicates;
    entry->bytes_word += summary->bytes;
    entry->spans++;
    if (summary->flags & TR_SPAN_ROOT)
        entry->flags |= TR_ENTRY_ROOT;
    if (tr_unlikely(summary->flags & TR_SPAN_WIDE) && table->wide)
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
