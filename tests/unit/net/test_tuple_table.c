// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/tuple_table.h"
#include "random.h"

#define ENTRIES 500

static const uint8_t secret[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

struct world {
    struct tr_tuple_table table;
    uint64_t hash[ENTRIES];
    bool in[ENTRIES];
    uint64_t random;
};

// How often a search for the hash yields the number; `yields` counts all that it yields.
static int found(const struct world *w, uint32_t wanted, uint32_t *yields)
{
    uint32_t probe = 0, number;
    int times = 0;

    for (*yields = 0; (number = tr_tuple_table_next(&w->table, w->hash[wanted], &probe)) != UINT32_MAX; ++*yields)
        times += number == wanted;
    return times;
}

static void check_all(const struct world *w)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < ENTRIES; i++) {
        uint32_t yields, same = 0;

        for (uint32_t j = 0; j < ENTRIES; j++)
            same += w->in[j] && (uint32_t)w->hash[j] == (uint32_t)w->hash[i];
        assert_int_equal(found(w, i, &yields), w->in[i]);
        assert_int_equal(yields, same);
        count += w->in[i];
    }
    assert_int_equal(w->table.count, count);
}

// `spread` bits of the hash vary, around the table's end: what wraps and what shifts back meet there.
static void random_life(uint64_t seed, unsigned spread)
{
    struct world w = {.random = seed};
    uint32_t entries = spread < 6 ? 60 : ENTRIES;

    assert_int_equal(tr_tuple_table_init(&w.table, ENTRIES, secret, -1), 0);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        uint64_t low = (random64(&w.random) & ((1ull << spread) - 1)) - (1ull << spread) / 2;

        w.hash[i] = random64(&w.random) << 32 | (uint32_t)low;
    }
    for (int step = 0; step < 20000; step++) {
        uint32_t i = random_below(&w.random, entries), yields;

        if (w.in[i])
            tr_tuple_table_remove(&w.table, w.hash[i], i);
        else
            tr_tuple_table_insert(&w.table, w.hash[i], i);
        w.in[i] = !w.in[i];
        assert_int_equal(found(&w, i, &yields), w.in[i]);
        if (step % 1000 == 0)
            check_all(&w);
    }
    check_all(&w);
    for (uint32_t i = 0; i < ENTRIES; i++)
        if (w.in[i])
            tr_tuple_table_remove(&w.table, w.hash[i], i);
    for (uint32_t i = 0; i <= w.table.mask; i++)
        assert_true(w.table.slots[i] == 0);
    tr_tuple_table_fini(&w.table);
}

static void finds_what_is_in_and_nothing_else(void **state)
{
    static const unsigned spreads[] = {0, 1, 3, 5, 7, 9, 10, 16, 32};

    for (size_t i = 0; i < TR_NELEMS(spreads); i++)
        random_life(i + 1, spreads[i]);
}

// Every subset of up to eight neighbours around the end, removed in every order of a kind: no hole cuts a search short.
static void a_removal_leaves_no_hole_in_a_run(void **state)
{
    for (uint32_t set = 0; set < 1u << 12; set++) {
        struct world w = {.random = set};

        assert_int_equal(tr_tuple_table_init(&w.table, 8, secret, -1), 0); // 16 slots
        for (uint32_t i = 0; i < 8; i++) {
            w.hash[i] = (uint64_t)i << 32 | ((0xcu + (set >> i & 3) + (set >> (i / 2 + 4) & 1) * 4) & 0xf);
            tr_tuple_table_insert(&w.table, w.hash[i], i);
            w.in[i] = true;
        }
        for (uint32_t left = 8; left > 0; left--) {
            uint32_t i = random_below(&w.random, 8), yields;

            while (!w.in[i])
                i = (i + 1) % 8;
            tr_tuple_table_remove(&w.table, w.hash[i], i);
            w.in[i] = false;
            for (uint32_t j = 0; j < 8; j++)
                assert_int_equal(found(&w, j, &yields), w.in[j]);
        }
        tr_tuple_table_fini(&w.table);
    }
}

// Real names, as many as there may be: a search looks at 1.5 slots on the average of linear probing half full, and names
// that differ in a port only are spread as well as others.
static void is_half_empty_when_it_is_full(void **state)
{
    enum { MANY = 1 << 16 };
    uint64_t *hash = calloc(MANY, sizeof(*hash)), probes = 0, yields = 0;
    struct tr_tuple tuple = {.local_port = 4317};
    struct tr_tuple_table table;

    assert_non_null(hash);
    assert_int_equal(tr_tuple_table_init(&table, MANY, secret, -1), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        tuple.peer_port = (uint16_t)i;
        hash[i] = tr_tuple_hash(&table, &tuple);
        tr_tuple_table_insert(&table, hash[i], i);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t probe = 0;

        while (tr_tuple_table_next(&table, hash[i], &probe) != i)
            yields++;
        probes += probe;
    }
    assert_in_range(probes, MANY, MANY * 8 / 5);
    assert_in_range(yields, 0, 8); // tags of 32 bits: one pair or two meet
    tr_tuple_table_fini(&table);
    free(hash);
}

static void the_hash_hangs_on_secret_and_names(void **state)
{
    struct tr_tuple tuple = {.local_port = 1, .peer_port = 2}, turned = {.local_port = 2, .peer_port = 1};
    uint8_t other[16] = {1};
    struct tr_tuple_table a, b;

    assert_int_equal(tr_tuple_table_init(&a, 1, secret, -1), 0);
    assert_int_equal(tr_tuple_table_init(&b, 1, other, -1), 0);
    assert_true(tr_tuple_hash(&a, &tuple) == tr_tuple_hash(&a, &tuple));
    assert_true(tr_tuple_hash(&a, &tuple) != tr_tuple_hash(&b, &tuple));
    assert_true(tr_tuple_hash(&a, &tuple) != tr_tuple_hash(&a, &turned));
    tr_tuple_table_fini(&a);
    tr_tuple_table_fini(&b);
    assert_int_equal(tr_tuple_table_init(&a, UINT32_MAX, secret, -1), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_in_and_nothing_else),
        cmocka_unit_test(a_removal_leaves_no_hole_in_a_run),
        cmocka_unit_test(is_half_empty_when_it_is_full),
        cmocka_unit_test(the_hash_hangs_on_secret_and_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
