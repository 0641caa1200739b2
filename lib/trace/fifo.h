// SPDX-License-Identifier: Apache-2.0
// For each origin: the traces that have spans in its journal, by the position of their first one there.
// Sorted by construction, since an origin's summaries come in position order.
//
// A queue of nodes in chunks of 1 KiB from one pool. A trace that is decided leaves its nodes where they are:
// a node that is older than what its entry holds now is stale, and popped when it comes to the front. A node
// takes 10 bytes: its position and its age count from those of its chunk.
#ifndef TR_TRACE_FIFO_H
#define TR_TRACE_FIFO_H

#include "base/tr.h"
#include "trace/message.h"
#include "trace/pool.h"

struct tr_fifo_node {
    uint64_t position; // modulo 2^48
    uint32_t entry;
    uint32_t age; // tr_table.age when it was pushed
};

#define TR_FIFO_CHUNK_NODES 100

struct tr_fifo_chunk {
    uint64_t position; // of its first node
    uint32_t age;      // of its first node
    uint32_t next;
    uint32_t nodes;
    uint32_t reserved;
    uint32_t position_more[TR_FIFO_CHUNK_NODES]; // than the first's
    uint32_t entry[TR_FIFO_CHUNK_NODES];
    uint16_t age_more[TR_FIFO_CHUNK_NODES];
};
_Static_assert(sizeof(struct tr_fifo_chunk) == 1024, "16 cache lines");

struct tr_fifo {
    uint32_t first; // chunks, 0: none
    uint32_t last;
    uint32_t first_node; // index in the first chunk
};

// Is position `a` below `b`? They are less than 2^47 bytes apart, as no ring is larger.
static inline bool tr_position_below(uint64_t a, uint64_t b)
{
    return ((a - b) & TR_POSITION_MASK) >> (TR_POSITION_BITS - 1);
}

// The same of a reference's position: they are less than 2^44 bytes apart.
static inline bool tr_ref_below(uint64_t a, uint64_t b)
{
    return ((a - b) & TR_REF_POSITION_MASK) >> (TR_REF_POSITION_BITS - 1);
}

static inline struct tr_fifo_chunk *tr_fifo_chunk_at(const struct tr_pool *pool, uint32_t chunk)
{
    return (struct tr_fifo_chunk *)pool->items + chunk;
}

// Does the last chunk take a node of that position and age?
static inline bool tr_fifo_fits(const struct tr_fifo *fifo, const struct tr_pool *pool, uint64_t position,
                                uint32_t age)
{
    const struct tr_fifo_chunk *last = tr_fifo_chunk_at(pool, fifo->last);

    return fifo->last && last->nodes < TR_FIFO_CHUNK_NODES &&
           ((position - last->position) & TR_POSITION_MASK) <= UINT32_MAX && age - last->age <= UINT16_MAX;
}

// Would a push find room?
static inline bool tr_fifo_room(const struct tr_fifo *fifo, const struct tr_pool *pool, uint64_t position,
                                uint32_t age)
{
    return tr_likely(tr_pool_free(pool) > 0) || tr_fifo_fits(fifo, pool, position, age);
}

static inline void tr_fifo_chunk_append(struct tr_fifo *fifo, struct tr_pool *pool,
                                        const struct tr_fifo_node *first)
{
    uint32_t number = tr_pool_take(pool);
    struct tr_fifo_chunk *chunk = tr_fifo_chunk_at(pool, number);

    chunk->position = first->position;
    chunk->age = first->age;
    chunk->next = 0;
    chunk->nodes = 0;
    if (fifo->last)
        tr_fifo_chunk_at(pool, fifo->last)->next = number;
    else
        fifo->first = number;
    fifo->last = number;
}

// Put a node at the end; there must be room.
static inline void tr_fifo_push(struct tr_fifo *fifo, struct tr_pool *pool, const struct tr_fifo_node *node)
{
    struct tr_fifo_chunk *chunk;

    if (!tr_fifo_fits(fifo, pool, node->position, node->age))
        tr_fifo_chunk_append(fifo, pool, node);
    chunk = tr_fifo_chunk_at(pool, fifo->last);
    chunk->position_more[chunk->nodes] = (uint32_t)(node->position - chunk->position);
    chunk->entry[chunk->nodes] = node->entry;
    chunk->age_more[chunk->nodes] = (uint16_t)(node->age - chunk->age);
    chunk->nodes++;
}

// Returns false: empty.
static inline bool tr_fifo_front(const struct tr_fifo *fifo, const struct tr_pool *pool, struct tr_fifo_node *node)
{
    const struct tr_fifo_chunk *chunk = tr_fifo_chunk_at(pool, fifo->first);

    if (!fifo->first)
        return false;
    *node = (struct tr_fifo_node){
        .position = (chunk->position + chunk->position_more[fifo->first_node]) & TR_POSITION_MASK,
        .entry = chunk->entry[fifo->first_node],
        .age = chunk->age + chunk->age_more[fifo->first_node]};
    return true;
}

// Remove the front, which there is.
static inline void tr_fifo_pop(struct tr_fifo *fifo, struct tr_pool *pool)
{
    uint32_t first = fifo->first;
    const struct tr_fifo_chunk *chunk = tr_fifo_chunk_at(pool, first);

    if (++fifo->first_node < chunk->nodes)
        return;
    fifo->first = chunk->next;
    fifo->first_node = 0;
    if (!fifo->first)
        fifo->last = 0;
    tr_pool_give(pool, first, first, 1);
}

#endif
