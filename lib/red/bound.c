// SPDX-License-Identifier: Apache-2.0
// Numbers: how many spans a sampled one stands for, and the buckets of exponential histograms.
#include <math.h>

#include "base/hash.h"
#include "otlp/trace_state.h"
#include "red/table.h"

#define RANDOMNESS_BITS 56

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// th:1 to 14 hex digits, the trailing zeros left out. Returns false: none, or not one.
static bool threshold_find(const uint8_t *value, uint32_t bytes, uint64_t *threshold)
{
    for (const uint8_t *p = value, *end = value + bytes, *next; p < end; p = next + 1) {
        next = memchr(p, ';', (size_t)(end - p));
        next = next ? next : end;
        if (next - p < 4 || memcmp(p, "th:", 3) != 0 || next - p > 3 + RANDOMNESS_BITS / 4)
            continue;
        *threshold = 0;
        for (const uint8_t *q = p + 3; q < next; q++) {
            if (hex_digit(*q) < 0)
                return false;
            *threshold = *threshold << 4 | (uint64_t)hex_digit(*q);
        }
        *threshold <<= RANDOMNESS_BITS - 4 * (next - p - 3);
        return true;
    }
    return false;
}

uint64_t tr_red_adjusted_count(const uint8_t *state, uint32_t bytes, const uint8_t trace_id[16], bool *adjusted)
{
    const uint64_t whole = 1ull << RANDOMNESS_BITS;
    uint64_t threshold, passing;
    const uint8_t *value;

    bytes = tr_trace_state_find(state, bytes, "ot", 2, &value);
    *adjusted = bytes && threshold_find(value, bytes, &threshold);
    if (!*adjusted)
        return 1;
    passing = whole - threshold;
    // The low bits of the id decided that it was sampled: what is left over is rounded by a mix of all of them.
    return whole / passing + (tr_mix64(tr_hash_trace_id(trace_id)) % passing < whole % passing);
}

int64_t tr_red_expo_index(double value, int64_t scale)
{
    int exponent;
    bool exact = frexp(value, &exponent) == 0.5; // a power of two is its bucket's upper bound, which belongs to it

    exponent--;
    if (scale <= 0)
        return (exponent - exact) >> -scale;
    if (exact)
        return (int64_t)exponent * ((int64_t)1 << scale) - 1;
    return (int64_t)floor(log(value) * ldexp(M_LOG2E, (int)scale));
}

unsigned tr_red_expo_excess(int64_t first, int64_t last, uint32_t max_size)
{
    unsigned by = 0;

    while ((last >> by) - (first >> by) >= (int64_t)max_size)
        by++;
    return by;
}

static uint32_t place_of(int64_t index, uint32_t max_size)
{
    int64_t rest = index % (int64_t)max_size;

    return (uint32_t)(rest < 0 ? rest + max_size : rest);
}

static void scale_down(struct tr_red_expo *expo, uint64_t *buckets, uint32_t max_size, uint32_t *version, unsigned by)
{
    uint64_t before[1024];

    memcpy(before, buckets, max_size * sizeof(*before));
    __atomic_store_n(version, *version + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    for (uint32_t i = 0; i < max_size; i++)
        tr_store_relaxed(&buckets[i], 0);
    for (int64_t i = expo->first; i <= expo->last; i++)
        tr_count(&buckets[place_of(i >> by, max_size)], before[place_of(i, max_size)]);
    tr_store_relaxed(&expo->scale, expo->scale - by);
    tr_store_relaxed(&expo->first, expo->first >> by);
    tr_store_relaxed(&expo->last, expo->last >> by);
    tr_store_release(version, *version + 1);
}

void tr_red_expo_add(struct tr_red_expo *expo, uint64_t *buckets, uint32_t max_size, uint32_t *version, uint64_t duration_ns,
                     double value, uint64_t n)
{
    int64_t index;
    unsigned by;

    if (duration_ns < expo->min_ns)
        tr_store_relaxed(&expo->min_ns, duration_ns);
    if (duration_ns > expo->max_ns)
        tr_store_relaxed(&expo->max_ns, duration_ns);
    if (duration_ns == 0) {
        tr_count(&expo->zero, n);
        return;
    }
    index = tr_red_expo_index(value, expo->scale);
    if (expo->first > expo->last) {
        tr_store_relaxed(&expo->first, index);
        tr_store_relaxed(&expo->last, index);
    } else if (index < expo->first || index > expo->last) {
        by = tr_red_expo_excess(TR_MIN(index, expo->first), TR_MAX(index, expo->last), max_size);
        if (by)
            scale_down(expo, buckets, max_size, version, by);
        index >>= by;
        tr_store_relaxed(&expo->first, TR_MIN(index, expo->first));
        tr_store_relaxed(&expo->last, TR_MAX(index, expo->last));
    }
    tr_count(&buckets[place_of(index, max_size)], n);
}
