// SPDX-License-Identifier: Apache-2.0
// The clocks, for programs and for threads that are no lcore's: whatever runs in an lcore's turn is given `now` as an
// argument (tests/style/layers.py says who may include this).
#ifndef TR_BASE_CLOCK_H
#define TR_BASE_CLOCK_H

#include <time.h>

#include "base/tr.h"

static inline uint64_t tr_clock_read_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * TR_S + (uint64_t)ts.tv_nsec;
}

// CLOCK_MONOTONIC: what `now` and deadlines are measured with.
static inline uint64_t tr_clock_ns(void)
{
    return tr_clock_read_ns(CLOCK_MONOTONIC);
}

// Since 1970.
static inline uint64_t tr_clock_wall_ns(void)
{
    return tr_clock_read_ns(CLOCK_REALTIME);
}

#endif
