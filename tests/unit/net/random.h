// SPDX-License-Identifier: Apache-2.0
// Random numbers that a seed repeats.
#ifndef TR_TESTS_NET_RANDOM_H
#define TR_TESTS_NET_RANDOM_H

#include "base/hash.h"

static inline uint64_t random64(uint64_t *state)
{
    return tr_mix64(*state += 0x9e3779b97f4a7c15ull);
}

// 0 to n - 1.
static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
    return tr_hash_range(random64(state), n);
}

#endif
