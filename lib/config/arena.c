// SPDX-License-Identifier: Apache-2.0
#include "config/arena.h"

#define CHUNK_BYTES (16 * TR_KIB)

struct tr_arena_chunk {
    struct tr_arena_chunk *next;
    size_t used;
    size_t bytes;
    max_align_t data[];
};

static struct tr_arena_chunk *chunk_add(struct tr_arena *arena, size_t least_bytes)
{
    size_t bytes = TR_MAX(least_bytes, CHUNK_BYTES);
    struct tr_arena_chunk *chunk = calloc(1, sizeof(*chunk) + bytes);

    if (!chunk)
        return NULL;
    chunk->bytes = bytes;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    return chunk;
}

void *tr_arena_alloc(struct tr_arena *arena, size_t bytes)
{
    struct tr_arena_chunk *chunk = arena->chunks;
    void *p;

    if (bytes > SIZE_MAX / 2)
        return NULL;
    bytes = TR_ALIGN_UP(TR_MAX(bytes, (size_t)1), sizeof(max_align_t));
    if (!chunk || chunk->bytes - chunk->used < bytes)
        chunk = chunk_add(arena, bytes);
    if (!chunk)
        return NULL;
    p = (char *)chunk->data + chunk->used;
    chunk->used += bytes;
    return p;
}

void *tr_arena_array(struct tr_arena *arena, size_t count, size_t bytes)
{
    size_t total;

    if (__builtin_mul_overflow(count, bytes, &total))
        return NULL;
    return tr_arena_alloc(arena, total);
}

char *tr_arena_text(struct tr_arena *arena, const char *text, size_t bytes)
{
    char *copy = tr_arena_alloc(arena, bytes + 1);

    if (copy && bytes)
        memcpy(copy, text, bytes);
    return copy;
}

void tr_arena_fini(struct tr_arena *arena)
{
    while (arena->chunks) {
        struct tr_arena_chunk *next = arena->chunks->next;

        free(arena->chunks);
        arena->chunks = next;
    }
}
