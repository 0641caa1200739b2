// SPDX-License-Identifier: Apache-2.0
// The processor's time stamp: to time what takes nanoseconds. It runs at one rate on every CPU of a machine that we run
// on; who knows the clock turns it into time (app/). No decision may depend on it.
#ifndef TR_BASE_CYCLES_H
#define TR_BASE_CYCLES_H

#include "base/tr.h"

static inline uint64_t tr_cycles(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t count;

    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
#else
    return 0;
#endif
}

#endif
