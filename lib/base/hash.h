// SPDX-License-Identifier: Apache-2.0
// Hashes. Bytes go through xxHash; 128-bit ids, which bad clients make far from uniform, through a strong
// mix.
#ifndef TR_BASE_HASH_H
#define TR_BASE_HASH_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/tr.h"

// Murmur3's 64-bit finaliser: every input bit reaches every output bit.
static inline uint64_t tr_mix64(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdull;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ull;
    x ^= x >> 33;
    return x;
}

// The 64 bits that owner, table and caches take theirs from: top bits choose the lcore, low bits the bucket.
static inline uint64_t tr_hash_trace_id(const uint8_t id[16])
{
    uint64_t low, high;

    memcpy(&low, id, 8);
    memcpy(&high, id + 8, 8);
    return tr_mix64(tr_mix64(low + 0x9e3779b97f4a7c15ull) ^ high);
}

// Multiply-shift range reduction: uniform over [0, n), from the top bits.
static inline uint32_t tr_hash_range(uint64_t hash, uint32_t n)
{
    return (uint32_t)(((hash >> 32) * n) >> 32);
}

static inline uint64_t tr_hash_bytes(const void *data, size_t bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, bytes, seed);
}

#endif
