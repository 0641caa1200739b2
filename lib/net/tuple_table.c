// SPDX-License-Identifier: Apache-2.0
// Linear probing; what is removed is filled by shifting back what follows (Knuth, vol. 3, 6.4, algorithm R), so that
// nothing but entries ever fills the table. A slot's home is the low bits of its tag, and the tag is the low half of the
// hash: what is shifted needs nothing but its slot.
#include "net/tuple_table.h"

#include "base/pages.h"

int tr_tuple_table_init(struct tr_tuple_table *table, uint32_t entries_max, const uint8_t secret[16], int numa_node)
{
    uint64_t slots = TR_CACHE_LINE / sizeof(*table->slots);

    if (entries_max > 1u << 30)
        return -EINVAL;
    while (slots < 2ull * entries_max)
        slots *= 2;
    *table = (struct tr_tuple_table){.mask = (uint32_t)(slots - 1)};
    memcpy(table->seed, secret, sizeof(table->seed));
    table->slots = tr_pages_map(slots * sizeof(*table->slots), numa_node, true);
    return table->slots ? 0 : -ENOMEM;
}

void tr_tuple_table_fini(struct tr_tuple_table *table)
{
    tr_pages_unmap(table->slots, ((size_t)table->mask + 1) * sizeof(*table->slots));
    table->slots = NULL;
}

uint64_t tr_tuple_hash(const struct tr_tuple_table *table, const struct tr_tuple *tuple)
{
    return tr_siphash((const uint8_t *)table->seed, tuple, sizeof(*tuple));
}

static uint32_t tag_of(uint64_t slot)
{
    return (uint32_t)(slot >> 32);
}

uint32_t tr_tuple_table_next(const struct tr_tuple_table *table, uint64_t hash, uint32_t *probe)
{
    while (*probe <= table->mask) {
        uint64_t slot = table->slots[((uint32_t)hash + (*probe)++) & table->mask];

        if (!slot)
            return UINT32_MAX;
        if (tag_of(slot) == (uint32_t)hash)
            return (uint32_t)slot - 1;
    }
    return UINT32_MAX;
}

void tr_tuple_table_insert(struct tr_tuple_table *table, uint64_t hash, uint32_t number)
{
    uint32_t at = (uint32_t)hash & table->mask;

    tr_assert(table->count <= table->mask / 2);
    while (table->slots[at])
        at = (at + 1) & table->mask;
    table->slots[at] = hash << 32 | (number + 1);
    table->count++;
}

void tr_tuple_table_remove(struct tr_tuple_table *table, uint64_t hash, uint32_t number)
{
    uint32_t mask = table->mask, hole = (uint32_t)hash & mask;
    uint64_t wanted = hash << 32 | (number + 1);

    while (table->slots[hole] != wanted) {
        tr_assert(table->slots[hole]);
        hole = (hole + 1) & mask;
    }
    for (uint32_t at = (hole + 1) & mask; table->slots[at]; at = (at + 1) & mask) {
        uint32_t home = tag_of(table->slots[at]) & mask;

        // It may move to the hole unless its home lies between the two.
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->slots[hole] = table->slots[at];
            hole = at;
        }
    }
    table->slots[hole] = 0;
    table->count--;
}
