// SPDX-License-Identifier: Apache-2.0
// Finding a key among the watched ones. Most keys of a span are not watched and end at the first questions: is there one
// of this length, and one with this last byte? (The first bytes would tell less: keys of a namespace share them.)
#ifndef TR_OTLP_KEYS_H
#define TR_OTLP_KEYS_H

#include "otlp/walk.h"

static inline uint64_t tr_key_load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, 8);
    return v;
}

static inline uint32_t tr_key_load32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return v;
}

// The first and the last 8 bytes; of a key of up to 16 bytes they and the length are the whole of it.
static inline void tr_key_ends(const uint8_t *key, uint32_t bytes, uint64_t *first, uint64_t *last)
{
    if (tr_likely(bytes >= 8)) {
        *first = tr_key_load64(key);
        *last = tr_key_load64(key + bytes - 8);
    } else if (bytes >= 4) {
        *first = tr_key_load32(key);
        *last = tr_key_load32(key + bytes - 4);
    } else {
        *first = bytes == 0 ? 0 : key[0] | (uint32_t)key[bytes / 2] << 8 | (uint32_t)key[bytes - 1] << 16;
        *last = 0;
    }
}

static inline uint64_t tr_key_end_bit(const uint8_t *key, uint32_t bytes)
{
    return 1ull << (bytes ? key[bytes - 1] % 64 : 0);
}

static inline uint32_t tr_key_hash(uint64_t first, uint64_t last, uint32_t bytes, uint64_t multiplier)
{
    return (uint32_t)(((first ^ (last << 29 | last >> 35) ^ bytes) * multiplier) >> 32);
}

// Ends are equal: is the middle? Two loads reach over it up to 32 bytes.
static inline bool tr_key_middle_equal(const uint8_t *a, const uint8_t *b, uint32_t bytes)
{
    if (bytes <= 16)
        return true;
    if (tr_likely(bytes <= 32))
        return tr_key_load64(a + 8) == tr_key_load64(b + 8) &&
               tr_key_load64(a + bytes - 16) == tr_key_load64(b + bytes - 16);
    return memcmp(a + 8, b + 8, bytes - 16) == 0;
}

// Returns the key's index, -1: not watched.
static inline int tr_walk_keys_find(const struct tr_walk_keys *keys, const uint8_t *name, uint32_t bytes)
{
    uint64_t first, last, ends = keys->ends[TR_MIN(bytes, 63u)];
    uint32_t slot;

    if (tr_likely(!ends || !(ends & tr_key_end_bit(name, bytes))))
        return -1;
    tr_key_ends(name, bytes, &first, &last);
    slot = tr_key_hash(first, last, bytes, keys->multiplier) & keys->slots_mask;
    for (uint32_t index; (index = keys->slots[slot]) != 0; slot = (slot + 1) & keys->slots_mask) {
        const struct tr_walk_key *key = &keys->keys[index - 1];

        if (key->first == first && key->last == last && key->bytes == bytes &&
            tr_key_middle_equal((const uint8_t *)key->name, name, bytes))
            return (int)index - 1;
    }
    return -1;
}

#endif
