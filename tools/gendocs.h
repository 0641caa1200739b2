// SPDX-License-Identifier: Apache-2.0
// The counter rows of all modules, from the list that tools/list_counters.py makes of the sources.
#ifndef TR_TOOLS_GENDOCS_H
#define TR_TOOLS_GENDOCS_H

#include "base/counter.h"

extern const struct tr_counter_rows *const tr_all_counter_rows[];
extern const size_t tr_all_counter_rows_count;

#endif
