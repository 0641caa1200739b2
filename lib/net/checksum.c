// SPDX-License-Identifier: Apache-2.0
// One's complement addition is the same in every word size whose 16-bit words come out even (2^64 - 1 is a multiple of
// 2^16 - 1), and in either byte order (RFC 1071 section 2): words are taken as they lie in memory, 8 bytes at a time, and
// a carry out of the top comes in again at the bottom. Long runs go by vectors: their 32-bit halves are summed in 64-bit
// lanes, which can't overflow before 2^32 of them.
#include "net/checksum.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define VECTORS_LEAST 128 // bytes; below, the vectors' folding costs more than they save

typedef uint64_t lanes __attribute__((vector_size(32), aligned(1), may_alias));

static inline uint64_t add(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word);
}

static inline uint64_t load(const uint8_t *from, size_t bytes)
{
    uint64_t word = 0;

    memcpy(&word, from, bytes);
    return word;
}

// The last 0 to 7 bytes.
static inline uint64_t tail_load(const uint8_t *from, size_t bytes)
{
    uint64_t word = 0;
    uint8_t last[8] = {0};

    if (bytes & 4)
        word = load(from, 4);
    if (bytes & 3) {
        for (size_t i = bytes & 4, to = 0; i < bytes; i++, to++)
            last[to] = from[i];
        word += load(last, 4);
    }
    return word;
}

ALWAYS_INLINE uint64_t words_sum(uint64_t sum, uint8_t *to, const uint8_t *from, size_t bytes)
{
    size_t at = 0;

    for (; bytes - at >= 8; at += 8)
        sum = add(sum, load(from + at, 8));
    sum = add(sum, tail_load(from + at, bytes - at));
    if (to)
        memcpy(to, from, bytes);
    return sum;
}

// Whole blocks of 64 bytes; the rest is the words'.
ALWAYS_INLINE uint64_t vectors_sum(uint64_t sum, uint8_t *to, const uint8_t *from, size_t bytes)
{
    lanes low = {0}, high = {0};
    size_t at = 0;

    for (; bytes - at >= 64; at += 64) {
        lanes first = *(const lanes *)(from + at), second = *(const lanes *)(from + at + 32);

        if (to) {
            *(lanes *)(to + at) = first;
            *(lanes *)(to + at + 32) = second;
        }
        low += (first & 0xffffffff) + (second & 0xffffffff);
        high += (first >> 32) + (second >> 32);
    }
    low += high; // each below 2^63 as long as there are fewer than 2^31 bytes
    for (int i = 0; i < 4; i++)
        sum = add(sum, low[i]);
    return words_sum(sum, to ? to + at : NULL, from + at, bytes - at);
}

static uint64_t plain_sum(uint64_t sum, uint8_t *to, const uint8_t *from, size_t bytes)
{
    return vectors_sum(sum, to, from, bytes);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t avx2_sum(uint64_t sum, const uint8_t *from, size_t bytes)
{
    return vectors_sum(sum, NULL, from, bytes);
}

__attribute__((target("avx2"))) static uint64_t avx2_sum_copy(uint64_t sum, uint8_t *to, const uint8_t *from, size_t bytes)
{
    return vectors_sum(sum, to, from, bytes);
}
#endif

uint64_t tr_sum(uint64_t sum, const void *data, size_t bytes)
{
    if (bytes < VECTORS_LEAST)
        return words_sum(sum, NULL, data, bytes);
#if defined(__x86_64__)
    // Asked each time: a load and a test. (An ifunc would be resolved before the sanitizers are ready.)
    if (tr_likely(__builtin_cpu_supports("avx2")))
        return avx2_sum(sum, data, bytes);
#endif
    return plain_sum(sum, NULL, data, bytes);
}

uint64_t tr_sum_copy(uint64_t sum, void *to, const void *from, size_t bytes)
{
    if (bytes < VECTORS_LEAST)
        return words_sum(sum, to, from, bytes);
#if defined(__x86_64__)
    if (tr_likely(__builtin_cpu_supports("avx2")))
        return avx2_sum_copy(sum, to, from, bytes);
#endif
    return plain_sum(sum, to, from, bytes);
}

uint64_t tr_sum_swap(uint64_t sum)
{
    return sum << 8 | sum >> 56;
}

uint16_t tr_sum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}
