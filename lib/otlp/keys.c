// SPDX-License-Identifier: Apache-2.0
#include "otlp/keys.h"

#include "base/hash.h"

#define MULTIPLIERS 64 // that are tried

// Put the keys into the slots. Returns how many of them are not in the slot where the search for them begins.
static uint32_t slots_fill(struct tr_walk_keys *keys)
{
    uint32_t displaced = 0;

    memset(keys->slots, 0, (keys->slots_mask + 1) * sizeof(*keys->slots));
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct tr_walk_key *key = &keys->keys[i];
        uint32_t slot = tr_key_hash(key->first, key->last, key->bytes, keys->multiplier) & keys->slots_mask;

        for (; keys->slots[slot]; slot = (slot + 1) & keys->slots_mask)
            displaced++;
        keys->slots[slot] = (uint16_t)(i + 1);
    }
    return displaced;
}

// Under the best of some multipliers: dozens of keys all come to lie where the search for them begins.
static void slots_choose(struct tr_walk_keys *keys)
{
    uint64_t best = 0;
    uint32_t least = UINT32_MAX;

    for (uint64_t n = 1; n <= MULTIPLIERS && least > 0; n++) {
        uint32_t displaced;

        keys->multiplier = tr_mix64(n) | 1;
        displaced = slots_fill(keys);
        if (displaced >= least)
            continue;
        least = displaced;
        best = keys->multiplier;
    }
    keys->multiplier = best;
    slots_fill(keys);
}

int tr_walk_keys_build(struct tr_walk_keys *keys)
{
    uint32_t slots = 8;

    keys->slots = NULL;
    memset(keys->ends, 0, sizeof(keys->ends));
    if (keys->count > UINT16_MAX)
        return -E2BIG;
    while (slots < keys->count * 4) // three of four stay empty: a key that isn't there ends at the first
        slots *= 2;
    keys->slots = calloc(slots, sizeof(*keys->slots));
    if (!keys->slots)
        return -ENOMEM;
    keys->slots_mask = slots - 1;
    for (uint32_t i = 0; i < keys->count; i++) {
        struct tr_walk_key *key = &keys->keys[i];

        tr_key_ends((const uint8_t *)key->name, key->bytes, &key->first, &key->last);
        keys->ends[TR_MIN(key->bytes, 63u)] |= tr_key_end_bit((const uint8_t *)key->name, key->bytes);
    }
    slots_choose(keys);
    for (uint32_t i = 0; i < keys->count; i++) {
        if (tr_walk_keys_find(keys, (const uint8_t *)keys->keys[i].name, keys->keys[i].bytes) == (int)i)
            continue;
        tr_walk_keys_free(keys); // an equal one was found first
        return -EEXIST;
    }
    return 0;
}

void tr_walk_keys_free(struct tr_walk_keys *keys)
{
    free(keys->slots);
    keys->slots = NULL;
    memset(keys->ends, 0, sizeof(keys->ends));
}
