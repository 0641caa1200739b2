// SPDX-License-Identifier: Apache-2.0
// For each origin: the traces that have spans in its journal, by the position of their first one there.
// Sorted by construction, since an origin's summaries come in position order.
//
// A queue of nodes in chunks of 1 KiB from one pool. A trace that is decided leaves its nodes where they are:
// a node whose generation is not its entry's is stale, and popped when it comes to the front.
#ifndef TR_TRACE_FIFO_H
#define TR_TRACE_FIFO_H

#include "base/tr.h"
#include "trace/message.h"
#include "trace/pool.h"

struct tr_fifo_node {
    uint64_t position; // modulo 2^48
    uint32_t entry;
    uint32_t generation;
};

#define TR_FIFO_CHUNK_NODES 63

struct tr_fifo_chunk {
    uint32_t next;
    uint32_t reserved[3];
    struct tr_fifo_node node[TR_FIFO_CHUNK_NODES];
};
_Static_assert(sizeof(struct tr_fifo_chunk) == 1024, "16 cache lines");

struct tr_fifo {
    uint32_t first; // chunks, 0: none
    uint32_t last;
    uint32_t first_node; // index in the first chunk
    uint32_t last_nodes; // nodes in the last chunk
};

// Is position `a` below `b`? They are less than 2^47 bytes apart, as no ring is larger.
static inline bool tr_position_below(uint64_t a, uint64_t b)
{
    return ((a - b) & TR_POSITION_MASK) >> (TR_POSITION_BITS - 1);
}

static inline struct tr_fifo_chunk *tr_fifo_chunk_at(const struct tr_pool *pool, uint32_t chunk)
{
    return (struct tr_fifo_chunk *)pool->items + chunk;
}

// Would a push find room?
static inline bool tr_fifo_room(const struct tr_fifo *fifo, const struct tr_pool *pool)
{
    return (fifo->last && fifo->last_nodes < TR_FIFO_CHUNK_NODES) || tr_pool_free(pool) > 0;
}

// Put a node at the end; there must be room.
static inline void tr_fifo_push(struct tr_fifo *fifo, struct tr_pool *pool, uint64_t position, uint32_t entry,
                                uint32_t generation)
{
    if (!fifo->last || fifo->last_nodes == TR_FIFO_CHUNK_NODES) {
        uint32_t chunk = tr_pool_take(pool);

        tr_fifo_chunk_at(pool, chunk)->next = 0;
        if (fifo->last)
            tr_fifo_chunk_at(pool, fifo->last)->next = chunk;
        else
            fifo->first = chunk;
        fifo->last = chunk;
        fifo->last_nodes = 0;
    }
    tr_fifo_chunk_at(pool, fifo->last)->node[fifo->last_nodes++] =
        (struct tr_fifo_node){.position = position, .entry = entry, .generation = generation};
}

// Returns NULL: empty.
static inline struct tr_fifo_node *tr_fifo_front(const struct tr_fifo *fifo, const struct tr_pool *pool)
{
    return fifo->first ? &tr_fifo_chunk_at(pool, fifo->first)->node[fifo->first_node] : NULL;
}

// Remove the front, which there is.
static inline void tr_fifo_pop(struct tr_fifo *fifo, struct tr_pool *pool)
{
    uint32_t first = fifo->first;
    uint32_t nodes = first == fifo->last ? fifo->last_nodes : TR_FIFO_CHUNK_NODES;

    if (++fifo->first_node < nodes)
        return;
    fifo->first = tr_fifo_chunk_at(pool, first)->next;
    fifo->first_node = 0;
    if (!fifo->first) {
        fifo->last = 0;
        fifo->last_nodes = 0;
    }
    tr_pool_give(pool, first, first, 1);
}

#endif
