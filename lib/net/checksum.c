// SPDX-License-Identifier: Apache-2.0
// One's complement addition is the same in every word size whose 16-bit words come out even (2^64 - 1 is a multiple of
// 2^16 - 1), and in either byte order (RFC 1071 section 2): words are taken as they lie in memory, 8 bytes at a time, and
// a carry out of the top comes in again at the bottom. Long runs go by vectors: with AVX2 as below, else the 32-bit
// halves are summed in 64-bit lanes, which can't overflow before 2^32 of them.
#if defined(__x86_64__)
#include <immintrin.h>
#endif

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
// Three instructions for 32 bytes: vpmaddwd adds pairs of signed 16-bit words, so each word is taken less 32768, which
// is made good at the end. A lane moves by 65536 at most a step; a megabyte is far from its end.
#define AVX2       __attribute__((target("avx2")))
#define AVX2_BYTES (512 * 1024)

typedef int lanes32 __attribute__((vector_size(32)));

AVX2 ALWAYS_INLINE __m256i madd_add(__m256i lane, uint8_t *to, const uint8_t *from)
{
    __m256i words = _mm256_lddqu_si256((const __m256i *)from); // loadu would be cut in halves for older CPUs

    if (to)
        _mm256_storeu_si256((__m256i *)to, words);
    words = _mm256_xor_si256(words, _mm256_set1_epi16(INT16_MIN));
    return _mm256_add_epi32(lane, _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
}

AVX2 ALWAYS_INLINE uint64_t madd_sum(uint64_t sum, uint8_t *to, const uint8_t *from, size_t bytes)
{
    __m256i a = _mm256_setzero_si256(), b = a;
    size_t at = 0, most = TR_MIN(bytes, AVX2_BYTES);
    lanes32 lane;
    int64_t total;

    for (; most - at >= 128; at += 128) {
        a = madd_add(a, to ? to + at : NULL, from + at);
        b = madd_add(b, to ? to + at + 32 : NULL, from + at + 32);
        a = madd_add(a, to ? to + at + 64 : NULL, from + at + 64);
        b = madd_add(b, to ? to + at + 96 : NULL, from + at + 96);
    }
    for (; most - at >= 32; at += 32)
        a = madd_add(a, to ? to + at : NULL, from + at);
    lane = (lanes32)_mm256_add_epi32(a, b);
    total = (int64_t)at / 2 * 32768;
    for (int i = 0; i < 8; i++)
        total += lane[i];
    sum = add(sum, (uint64_t)total);
    if (tr_unlikely(bytes > AVX2_BYTES))
        return vectors_sum(sum, to ? to + at : NULL, from + at, bytes - at);
    return words_sum(sum, to ? to + at : NULL, from + at, bytes - at);
}

AVX2 static uint64_t avx2_sum(uint64_t sum, const uint8_t *from, size_t bytes)
{
    return madd_sum(sum, NULL, from, bytes);
}

AVX2 static uint64_t avx2_sum_copy(uint64_t sum, uint8_t *to, const uint8_t *from, size_t bytes)
{
    return madd_sum(sum, to, from, bytes);
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
