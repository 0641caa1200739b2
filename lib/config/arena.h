// SPDX-License-Identifier: Apache-2.0
// A bump allocator: everything of a parsed config is freed at once. Control path only.
#ifndef TR_CONFIG_ARENA_H
#define TR_CONFIG_ARENA_H

#include "base/tr.h"

struct tr_arena_chunk;

struct tr_arena {
    struct tr_arena_chunk *chunks; // newest first
};

// Zeroed bytes, aligned for any type. NULL: out of memory.
void *tr_arena_alloc(struct tr_arena *arena, size_t bytes);

// `count` items of `bytes` each. NULL: out of memory, or the product overflows.
void *tr_arena_array(struct tr_arena *arena, size_t count, size_t bytes);

// A copy with a NUL behind it.
char *tr_arena_text(struct tr_arena *arena, const char *text, size_t bytes);

void tr_arena_fini(struct tr_arena *arena);

#endif
