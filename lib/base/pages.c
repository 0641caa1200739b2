// SPDX-License-Identifier: Apache-2.0
#include "base/pages.h"

#include <limits.h>
#include <numaif.h>
#include <sys/mman.h>

#define HUGE_BYTES (2 * TR_MIB)

// Whole huge pages: a part of one would never become one.
static size_t whole_pages(size_t bytes)
{
    return TR_ALIGN_UP(bytes ? bytes : 1, bytes >= HUGE_BYTES ? (size_t)HUGE_BYTES : (size_t)4096);
}

void *tr_pages_map(size_t bytes, int numa_node, bool prefault)
{
    size_t size = whole_pages(bytes);
    size_t slack = size >= HUGE_BYTES ? HUGE_BYTES : 0;
    uint8_t *area, *at;

    area = mmap(NULL, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
        return NULL;
    at = area;
    if (slack) {
        at = (uint8_t *)TR_ALIGN_UP((uintptr_t)area, (uintptr_t)HUGE_BYTES);
        if (at > area)
            munmap(area, (size_t)(at - area));
        if (area + size + slack > at + size)
            munmap(at + size, (size_t)(area + slack - at));
        madvise(at, size, MADV_HUGEPAGE);
    }
    if (numa_node >= 0 && numa_node < (int)(sizeof(unsigned long) * CHAR_BIT)) {
        unsigned long mask = 1ul << numa_node;

        // A preference: memory of another node is slower, not wrong.
        (void)mbind(at, size, MPOL_PREFERRED, &mask, sizeof(mask) * CHAR_BIT, 0);
    }
    if (prefault && madvise(at, size, MADV_POPULATE_WRITE) < 0 && errno == ENOMEM) {
        munmap(at, size);
        return NULL;
    }
    return at;
}

void tr_pages_unmap(void *pages, size_t bytes)
{
    if (pages)
        munmap(pages, whole_pages(bytes));
}
