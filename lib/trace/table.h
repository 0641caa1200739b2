// SPDX-License-Identifier: Apache-2.0
// The owner's trace table: an entry of two cache lines for each undecided trace, found by an index over its
// id, with the references of its spans in a chain of blocks. See the essay in owner.c.
//
// Thread: the owner's lcore.
#ifndef TR_TRACE_TABLE_H
#define TR_TRACE_TABLE_H

#include "trace/index.h"
#include "trace/message.h"
#include "trace/owner.h"
#include "trace/pool.h"
#include "trace/shape.h"

#define TR_ENTRY_ROOT 0x01 // its root span was seen
#define TR_ENTRY_WIDE 0x02 // its row in `wide` is in use
#define TR_ENTRY_OT   0x04 // its row in `ots` is
#define TR_ENTRY_PARTIAL 0x08 // of what came before, the bits are not known
#define TR_ENTRY_DROPPED 0x10 // dropped already; a late span has come

// Which list an entry is on.
enum tr_entry_on {
    TR_ENTRY_ON_NONE,
    TR_ENTRY_ON_WAIT,   // the FIFO of its wait
    TR_ENTRY_ON_ROOTED, // its root has come: the list of its bucket
    TR_ENTRY_ON_LARGE,  // grew too large: decided at the next poll
    TR_ENTRY_ON_PARKED, // the decider said PENDING
    TR_ENTRY_ON_CERTAIN, // its answer can't change any more: decided at the next poll
    TR_ENTRY_ON_AGAIN,   // dropped, and a late span has come: asked about again at the next poll
    TR_ENTRY_ON_LATER,   // likewise, but so large that to look at its shape takes long: when there is time
    TR_ENTRY_ON_EMIT,    // kept, and on no list: its references are on their way out
};

// First line: what each span touches. Second line: the beginning and the end of a trace, and each new block.
#define TR_ENTRY_BLOCKS 9
#define TR_BLOCK_REFS 2
struct tr_entry {
    uint8_t trace_id[16];
    uint64_t start_ns; // least start that is not 0
    uint64_t end_ns;
    uint64_t bits;
    union {
        struct {
            uint64_t bytes : 48;
            uint64_t flags : 16; // TR_ENTRY_ROOT, TR_ENTRY_WIDE
        };
        uint64_t bytes_word; // to add to
    };
    union {
        uint64_t origins; // bit n: lcore n holds spans of it
        uint64_t earlier; // dropped: spans of it that are not among its references
    };
    uint32_t spans;      // references, too: the next one goes into slot spans % TR_BLOCK_REFS
    uint32_t last_block;

    uint64_t first_ns tr_aligned(64);
    uint32_t source;
    uint32_t epoch;
    uint32_t next; // of the list it is on
    uint32_t prev;
    uint32_t blocks[TR_ENTRY_BLOCKS]; // the first of them; the last of these links to those beyond
    uint8_t wait;                     // index of its wait
    uint8_t on;                       // enum tr_entry_on
    uint8_t reason;                   // parked: enum tr_when, why it was to be decided; rooted: its bucket
};
_Static_assert(sizeof(struct tr_entry) == 128, "two cache lines");

#define TR_BLOCK_NUMBERS 7

// Two references, in half a line: position, holder and context of each are 81 bits. In what is left of the words lies
// the number of the next block, of those beyond an entry's own, in four pieces.
struct tr_block_place {
    uint64_t position : TR_REF_POSITION_BITS;
    uint64_t holder : 6;
    uint64_t next : 13;
};
struct tr_block_context {
    uint32_t context : TR_REF_CONTEXT_BITS;
    uint32_t next : 2;
};
struct tr_block {
    union {
        struct {
            struct tr_block_place place[TR_BLOCK_REFS];
            struct tr_block_context context[TR_BLOCK_REFS];
            uint32_t sampler_key[TR_BLOCK_REFS]; // tr_shape.sampler_key, where shapes are held
        };
        struct { // free, and it holds the numbers of others
            uint32_t below;
            uint32_t numbers[TR_BLOCK_NUMBERS];
        };
    };
};
_Static_assert(sizeof(struct tr_block) == 32, "two to a cache line");
_Static_assert(TR_LCORES_MAX <= 64, "a holder is a bit of tr_entry.origins, and 6 of a reference");
#define TR_BLOCKS_MAX ((1u << 30) - 1) // as many numbers as there are

struct tr_ref {
    uint64_t position;
    uint32_t context;
    uint32_t holder;
};

static inline struct tr_ref tr_block_ref(const struct tr_block *block, uint32_t slot)
{
    return (struct tr_ref){block->place[slot].position, block->context[slot].context, block->place[slot].holder};
}

// The block behind a full one.
static inline uint32_t tr_block_next(const struct tr_block *block)
{
    return (uint32_t)(block->place[0].next | (uint64_t)block->place[1].next << 13) | (uint32_t)block->context[0].next << 26 |
           (uint32_t)block->context[1].next << 28;
}

static inline void tr_block_next_set(struct tr_block *block, uint32_t next)
{
    block->place[0].next = next & 0x1fff;
    block->place[1].next = next >> 13 & 0x1fff;
    block->context[0].next = next >> 26 & 3;
    block->context[1].next = next >> 28 & 3;
}

// Where the references of a span lie.
struct tr_ref_cursor {
    uint32_t block;
    uint32_t ref; // of the trace: slot ref % TR_BLOCK_REFS
};

// Blocks that are free: a stack of numbers, read ahead so that a block is there when it is taken, and what the stack does
// not know, the chains of large traces, given back whole. Only the top of the stack lies here; what is below lies in free
// blocks, 7 numbers in each, so that it takes no memory.
#define TR_BLOCKS_TOP 128
struct tr_blocks {
    struct tr_block *items; // of max + 1
    uint32_t top[TR_BLOCKS_TOP];
    uint32_t top_count;
    uint32_t below; // the block that holds the numbers next below, 0: none
    uint32_t chain_first;
    uint32_t touched; // ever used: numbers 1 to touched
    uint32_t max;
};

// A list of entries by their links.
struct tr_entry_list {
    uint32_t first;
    uint32_t last;
    uint32_t count;
};

struct tr_table {
    struct tr_index index;
    struct tr_pool entries;
    struct tr_blocks blocks;
    uint32_t age;             // counts traces that begin, modulo 2^32
    uint32_t *ages;           // of each entry: when its trace began, or was given up
    struct tr_shape_record *shapes; // of each reference, by block and slot; NULL: not reserved
    struct tr_trace_ot *ots;  // of each entry; NULL: no config has needed them
    uint64_t *wide;           // predicate words 1 and up of each entry; NULL: no config has needed them
    uint32_t refs_max;
    uint32_t refs;
    uint64_t seed[2]; // of the hash: nobody can aim ids at one line
    struct tr_zones zones; // with `shapes`
};

#define TR_WIDE_WORDS (TR_AGGREGATE_WORDS - 1)

struct tr_table_options {
    uint32_t traces_max;
    uint32_t refs_max;
    uint32_t aside; // TR_ASIDE_*
    uint64_t seed[2];
    bool shape; // reserve room for the shape of traces
    int numa_node;
    bool prefault;
};

// Returns 0 or -ENOMEM.
int tr_table_reserve(struct tr_table *table, uint32_t aside, int numa_node, bool prefault);
int tr_table_create(struct tr_table *table, const struct tr_table_options *options);
void tr_table_destroy(struct tr_table *table);
uint64_t tr_table_bytes(const struct tr_table_options *options);

static inline struct tr_entry *tr_table_entry(const struct tr_table *table, uint32_t entry)
{
    return (struct tr_entry *)table->entries.items + entry;
}

static inline struct tr_block *tr_table_block(const struct tr_table *table, uint32_t block)
{
    return table->blocks.items + block;
}

static inline struct tr_shape_record *tr_table_shape(const struct tr_table *table, const struct tr_ref_cursor *at)
{
    return table->shapes + (size_t)at->block * TR_BLOCK_REFS + at->ref % TR_BLOCK_REFS;
}

static inline struct tr_shape tr_table_shape_whole(const struct tr_table *table, const struct tr_ref_cursor *at)
{
    return (struct tr_shape){.record = *tr_table_shape(table, at),
                             .sampler_key = tr_table_block(table, at->block)->sampler_key[at->ref % TR_BLOCK_REFS]};
}

// The trace of this entry is given up: what refers to it by the age of then is stale.
static inline void tr_table_age(struct tr_table *table, uint32_t entry)
{
    table->ages[entry] = table->age + 1;
}

// Was `age` before the trace began that the entry holds now, if it holds one?
static inline bool tr_table_older(const struct tr_table *table, uint32_t entry, uint32_t age)
{
    return (int32_t)(table->ages[entry] - age) > 0;
}

static inline uint64_t *tr_table_wide(const struct tr_table *table, uint32_t entry)
{
    return table->wide + (size_t)entry * TR_WIDE_WORDS;
}

// Keyed, so that ids which collide are not to be found by calculation: a product of both halves, then a mix.
static inline uint64_t tr_table_hash(const struct tr_table *table, const uint8_t id[16])
{
    uint64_t low, high;
    __uint128_t product;

    memcpy(&low, id, 8);
    memcpy(&high, id + 8, 8);
    product = (__uint128_t)(low ^ table->seed[0]) * (high ^ table->seed[1]);
    low = (uint64_t)product ^ (uint64_t)(product >> 64);
    low ^= low >> 32;
    low *= 0x9fb21c651e98df25ull;
    return low ^ low >> 28;
}

static inline bool tr_id_equal(const uint8_t a[16], const uint8_t b[16])
{
    uint64_t x[2], y[2];

    memcpy(x, a, 16);
    memcpy(y, b, 16);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

// Returns the entry's number, 0: the trace is not held.
static inline uint32_t tr_table_find(const struct tr_table *table, uint64_t hash, const uint8_t id[16])
{
    struct tr_index_search search;
    uint32_t entry;

    tr_index_search_begin(&table->index, hash, &search);
    while ((entry = tr_index_search_next(&search)) != 0)
        if (tr_likely(tr_id_equal(tr_table_entry(table, entry)->trace_id, id)))
            return entry;
    return 0;
}

// Begin a trace without spans. Returns 0: the table is full.
uint32_t tr_table_begin(struct tr_table *table, uint64_t hash, const uint8_t id[16]);

// Take the trace out of the index: it is decided, and found no more. Its spans stay until tr_table_end().
void tr_table_forget(struct tr_table *table, uint32_t entry);

// Give the entry and its references back.
void tr_table_end(struct tr_table *table, uint32_t entry);

// Give the references back and keep the entry.
void tr_table_strip(struct tr_table *table, uint32_t entry);

// Add a summary's span to a trace, with the slots that follow it. There must be room: table->refs < table->refs_max.
void tr_table_add(struct tr_table *table, uint32_t entry, const struct tr_summary *summary, uint32_t holder);

// Add a reference alone: the aggregates know of its span. Likewise.
//
// shape  what the span's shape was, NULL: not known
void tr_table_ref_add(struct tr_table *table, uint32_t entry, const struct tr_ref *ref, const struct tr_shape *shape);

static inline struct tr_ref_cursor tr_table_refs_begin(const struct tr_entry *entry)
{
    return (struct tr_ref_cursor){.block = entry->blocks[0]};
}

static inline struct tr_ref tr_table_ref(const struct tr_table *table, const struct tr_ref_cursor *at)
{
    return tr_block_ref(tr_table_block(table, at->block), at->ref % TR_BLOCK_REFS);
}

// Move to the next reference; its block is 0 behind the last one of a full block.
static inline void tr_table_refs_next(const struct tr_table *table, const struct tr_entry *entry,
                                      struct tr_ref_cursor *at)
{
    uint32_t block = ++at->ref / TR_BLOCK_REFS;

    if (at->ref % TR_BLOCK_REFS)
        return;
    at->block = block < TR_ENTRY_BLOCKS ? entry->blocks[block] : tr_block_next(tr_table_block(table, at->block));
}

void tr_entry_list_append(const struct tr_table *table, struct tr_entry_list *list, uint32_t entry);
void tr_entry_list_remove(const struct tr_table *table, struct tr_entry_list *list, uint32_t entry);

#endif
