// SPDX-License-Identifier: Apache-2.0
// A pool of equal items in one array, by number: a stack of free ones over a mark of those never used, so
// that memory that was never needed is never touched. Number 0 stands for none.
#ifndef TR_TRACE_POOL_H
#define TR_TRACE_POOL_H

#include "base/tr.h"
#include "base/pages.h"

struct tr_pool {
    uint8_t *items; // of items_max + 1
    uint32_t item_bytes;
    uint32_t items_max;
    uint32_t used;       // in use now
    uint32_t touched;    // ever used: numbers 1 to touched
    uint32_t free_first; // the link of a free item is its first 4 bytes at link_offset
    uint32_t link_offset;
};

static inline size_t tr_pool_bytes(uint32_t items_max, uint32_t item_bytes)
{
    return ((size_t)items_max + 1) * item_bytes;
}

// Returns 0 or -ENOMEM.
static inline int tr_pool_create(struct tr_pool *pool, uint32_t items_max, uint32_t item_bytes,
                                 uint32_t link_offset, int numa_node, bool prefault)
{
    *pool = (struct tr_pool){.item_bytes = item_bytes, .items_max = items_max, .link_offset = link_offset};
    pool->items = tr_pages_map(tr_pool_bytes(items_max, item_bytes), numa_node, prefault);
    return pool->items ? 0 : -ENOMEM;
}

static inline void tr_pool_destroy(struct tr_pool *pool)
{
    tr_pages_unmap(pool->items, tr_pool_bytes(pool->items_max, pool->item_bytes));
    pool->items = NULL;
}

static inline uint32_t tr_pool_free(const struct tr_pool *pool)
{
    return pool->items_max - pool->used;
}

static inline uint32_t *tr_pool_link(const struct tr_pool *pool, uint32_t item)
{
    return (uint32_t *)(pool->items + (size_t)item * pool->item_bytes + pool->link_offset);
}

// Returns 0: all are in use.
static inline uint32_t tr_pool_take(struct tr_pool *pool)
{
    uint32_t item = pool->free_first;

    if (item) {
        pool->free_first = *tr_pool_link(pool, item);
        __builtin_prefetch(tr_pool_link(pool, pool->free_first), 1); // its link is what the next call reads
    } else if (pool->touched < pool->items_max)
        item = ++pool->touched;
    else
        return 0;
    pool->used++;
    return item;
}

// Give back a chain of `count` items that is linked from first to last; one item is a chain too.
static inline void tr_pool_give(struct tr_pool *pool, uint32_t first, uint32_t last, uint32_t count)
{
    *tr_pool_link(pool, last) = pool->free_first;
    pool->free_first = first;
    pool->used -= count;
}

#endif
