// SPDX-License-Identifier: Apache-2.0
// The config that benchmarks of the data path run under: the quickstart's policies and rules.
#ifndef TR_PERF_EPOCH_H
#define TR_PERF_EPOCH_H

#include "lcore/mesh.h"

// lcores  that it counts for
//
// Exits with a message if it can't be made.
struct tr_epoch *bench_epoch_make(uint32_t lcores, uint64_t wait_ns);

#endif
