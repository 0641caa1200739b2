// SPDX-License-Identifier: Apache-2.0
// In debug builds: nothing may take memory from the heap inside a data lcore's turn, our code or a library's. What
// needs memory there has its own, made at start.
#include "daemon.h"

#include "base/tr.h"

_Thread_local bool tr_in_turn;

#if defined(TR_DEBUG) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void *malloc(size_t bytes);
void *calloc(size_t count, size_t bytes);
void *realloc(void *block, size_t bytes);

static void guard(void)
{
    if (!tr_in_turn)
        return;
    tr_in_turn = false; // what tells of it may need memory
    tr_panic(__FILE__, __LINE__, "no heap inside an lcore's turn");
}

void *malloc(size_t bytes)
{
    guard();
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    guard();
    return __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes)
{
    guard();
    return __libc_realloc(block, bytes);
}
#endif
