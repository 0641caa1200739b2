// SPDX-License-Identifier: Apache-2.0
// From four names to a number: open addressing over 8 bytes an entry (a tag of the hash and the number), twice as many
// slots as entries at least, so that a search touches one cache line nearly always. The hash is keyed: peers choose the
// names. Who compares the names themselves is the owner of the numbers.
#ifndef TR_NET_TUPLE_TABLE_H
#define TR_NET_TUPLE_TABLE_H

#include "net/isn.h"

struct tr_tuple_table {
    uint64_t *slots; // tag << 32 | number + 1; 0: empty
    uint32_t mask;
    uint32_t count;
    uint64_t seed[2];
};

int tr_tuple_table_init(struct tr_tuple_table *table, uint32_t entries_max, const uint8_t secret[16], int numa_node);
void tr_tuple_table_fini(struct tr_tuple_table *table);
uint64_t tr_tuple_hash(const struct tr_tuple_table *table, const struct tr_tuple *tuple);

// Walk the numbers that may be the one: *probe begins at 0. Returns UINT32_MAX: no more.
uint32_t tr_tuple_table_next(const struct tr_tuple_table *table, uint64_t hash, uint32_t *probe);
// The caller knows that it is not there; fewer than entries_max are.
void tr_tuple_table_insert(struct tr_tuple_table *table, uint64_t hash, uint32_t number);
// It is there (asserted).
void tr_tuple_table_remove(struct tr_tuple_table *table, uint64_t hash, uint32_t number);

#endif
