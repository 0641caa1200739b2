// SPDX-License-Identifier: Apache-2.0
// Memory for tables that are made once: anonymous pages, zero, a cache line apart from everything else, in
// huge pages where the kernel gives them. A page that was never touched costs nothing.
//
// Thread: start-up.
#ifndef TR_BASE_PAGES_H
#define TR_BASE_PAGES_H

#include "base/tr.h"

// numa_node  -1: wherever
// prefault   take the pages now, so that no first touch falls on the data path
//
// Returns NULL: no memory.
void *tr_pages_map(size_t bytes, int numa_node, bool prefault);
void tr_pages_unmap(void *pages, size_t bytes);

#endif
