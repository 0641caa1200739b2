// SPDX-License-Identifier: Apache-2.0
#include "http/slab.h"

#include <sys/mman.h>

// Before each block: its class, and 16 bytes' alignment for what follows.
struct header {
    uint64_t class;
    uint64_t unused;
};

#define CLASS_BYTES(class) ((size_t)32 << (class))

int tr_slab_init(struct tr_slab *slab, size_t bytes)
{
    memset(slab, 0, sizeof(*slab));
    slab->area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slab->area == MAP_FAILED) {
        slab->area = NULL;
        return -ENOMEM;
    }
    slab->area_bytes = bytes;
    return 0;
}

void tr_slab_fini(struct tr_slab *slab)
{
    if (slab->area)
        munmap(slab->area, slab->area_bytes);
    slab->area = NULL;
}

static unsigned class_of(size_t bytes)
{
    size_t whole = bytes + sizeof(struct header);

    return whole <= 32 ? 0 : (unsigned)(64 - __builtin_clzll(whole - 1)) - 5;
}

void *tr_slab_alloc(struct tr_slab *slab, size_t bytes)
{
    unsigned class = class_of(bytes);
    struct header *header;

    if (class >= TR_SLAB_CLASSES)
        return NULL;
    if (slab->free_blocks[class]) {
        header = (struct header *)slab->free_blocks[class] - 1;
        memcpy(&slab->free_blocks[class], header + 1, sizeof(void *));
    } else {
        if (slab->area_bytes - slab->taken < CLASS_BYTES(class))
            return NULL;
        header = (struct header *)(slab->area + slab->taken);
        slab->taken += CLASS_BYTES(class);
    }
    header->class = class;
    slab->used += CLASS_BYTES(class);
    return header + 1;
}

void tr_slab_free(struct tr_slab *slab, void *block)
{
    struct header *header;

    if (!block)
        return;
    header = (struct header *)block - 1;
    slab->used -= CLASS_BYTES(header->class);
    memcpy(block, &slab->free_blocks[header->class], sizeof(void *));
    slab->free_blocks[header->class] = block;
}

void *tr_slab_realloc(struct tr_slab *slab, void *block, size_t bytes)
{
    size_t room;
    void *larger;

    if (!block)
        return tr_slab_alloc(slab, bytes);
    room = CLASS_BYTES(((struct header *)block - 1)->class) - sizeof(struct header);
    if (bytes <= room)
        return block;
    larger = tr_slab_alloc(slab, bytes);
    if (larger) {
        memcpy(larger, block, room);
        tr_slab_free(slab, block);
    }
    return larger;
}
