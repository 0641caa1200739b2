// SPDX-License-Identifier: Apache-2.0
#include "otlp/keys.h"

int tr_walk_keys_build(struct tr_walk_keys *keys)
{
    uint32_t slots = 8;

    keys->slots = NULL;
    keys->lengths = 0;
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
        uint32_t slot;

        if (tr_walk_keys_find(keys, (const uint8_t *)key->name, key->bytes) >= 0) {
            tr_walk_keys_free(keys);
            return -EEXIST;
        }
        tr_key_ends((const uint8_t *)key->name, key->bytes, &key->first, &key->last);
        slot = tr_key_hash(key->first, key->last, key->bytes) & keys->slots_mask;
        while (keys->slots[slot])
            slot = (slot + 1) & keys->slots_mask;
        keys->slots[slot] = (uint16_t)(i + 1);
        keys->lengths |= tr_key_length_bit(key->bytes);
    }
    return 0;
}

void tr_walk_keys_free(struct tr_walk_keys *keys)
{
    free(keys->slots);
    keys->slots = NULL;
    keys->lengths = 0;
}
