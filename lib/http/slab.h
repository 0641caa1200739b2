// SPDX-License-Identifier: Apache-2.0
// Memory for HTTP sessions: size classes over one mapping made at start, freed one by one, bounded. It is what keeps
// malloc off the data lcores.
//
// Thread: owner lcore. Cost: a few instructions; never a system call.
#ifndef TR_HTTP_SLAB_H
#define TR_HTTP_SLAB_H

#include "base/tr.h"

#define TR_SLAB_CLASSES 16 // 32 bytes to 1 MiB

struct tr_slab {
    uint8_t *area;
    size_t area_bytes;
    size_t taken;                     // of the area, by classes
    size_t used;                      // in blocks that are allocated now
    void *free_blocks[TR_SLAB_CLASSES];
};

int tr_slab_init(struct tr_slab *slab, size_t bytes);
void tr_slab_fini(struct tr_slab *slab);

// NULL when the area is used up.
void *tr_slab_alloc(struct tr_slab *slab, size_t bytes);
void *tr_slab_realloc(struct tr_slab *slab, void *block, size_t bytes);
void tr_slab_free(struct tr_slab *slab, void *block);

#endif
