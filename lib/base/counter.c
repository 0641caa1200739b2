// SPDX-License-Identifier: Apache-2.0
#include "base/counter.h"

void tr_counters_add(const struct tr_counter_rows *rows, const void *from, void *sum)
{
    for (size_t i = 0; i < rows->count; i++) {
        size_t at = rows->rows[i].offset;

        *(uint64_t *)((char *)sum + at) += tr_counter_read((const uint64_t *)((const char *)from + at));
    }
}
