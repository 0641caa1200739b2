// SPDX-License-Identifier: Apache-2.0
// What every file may take for granted: sizes, branches, checks, atomics by name.
#ifndef TR_BASE_TR_H
#define TR_BASE_TR_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define TR_CACHE_LINE   64
#define tr_aligned(n)   __attribute__((aligned(n)))
#define tr_likely(x)    __builtin_expect(!!(x), 1)
#define tr_unlikely(x)  __builtin_expect(!!(x), 0)
#define tr_printf(f, a) __attribute__((format(printf, f, a)))

#define TR_NELEMS(a)                       (sizeof(a) / sizeof((a)[0]))
// Of two numbers, each of which is evaluated once.
#define TR_MIN(a, b)                       TR_PICK(a, b, TR_JOIN(tr_a_, __COUNTER__), TR_JOIN(tr_b_, __COUNTER__), <)
#define TR_MAX(a, b)                       TR_PICK(a, b, TR_JOIN(tr_a_, __COUNTER__), TR_JOIN(tr_b_, __COUNTER__), >)
#define TR_PICK(a, b, x, y, than)                                                                            \
    __extension__({                                                                                          \
        __typeof__(0 ? (a) : (b)) x = (a), y = (b);                                                          \
        x than y ? x : y;                                                                                    \
    })
#define TR_JOIN(a, b)                      TR_JOINED(a, b)
#define TR_JOINED(a, b)                    a##b
#define TR_ALIGN_UP(n, a)                  (((n) + ((a)-1)) & ~((__typeof__(n))(a)-1))
#define tr_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define TR_KIB 1024ull
#define TR_MIB (1024ull * 1024)
#define TR_GIB (1024ull * 1024 * 1024)

// Time is nanoseconds everywhere: `now` is CLOCK_MONOTONIC's, `*_wall_ns` is since 1970.
#define TR_US    1000ull
#define TR_MS    1000000ull
#define TR_S     1000000000ull
#define TR_NEVER UINT64_MAX

#define TR_LCORES_MAX 64

// An invariant of ours, checked in production too. No peer may be able to reach one.
#define tr_assert(c)                                                                                         \
    do {                                                                                                     \
        if (tr_unlikely(!(c)))                                                                               \
            tr_panic(__FILE__, __LINE__, #c);                                                                \
    } while (0)

void tr_panic(const char *file, int line, const char *what) __attribute__((noreturn, cold));

#define tr_load_relaxed(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define tr_load_acquire(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define tr_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define tr_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

#endif
