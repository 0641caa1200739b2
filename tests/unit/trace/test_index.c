// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hash.h"
#include "trace/index.h"

#define ROWS_MAX 2000

struct rows {
    struct tr_index index;
    uint64_t hash[ROWS_MAX + 1];
    bool in[ROWS_MAX + 1];
};

static struct rows *rows_new(uint32_t rows)
{
    struct rows *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    tr_index_init(&r->index, calloc(1, tr_index_bytes(rows)), rows);
    return r;
}

static void rows_free(struct rows *r)
{
    free(r->index.lines);
    free(r);
}

static bool found(const struct rows *r, uint32_t wanted)
{
    struct tr_index_search search;
    uint32_t row;

    tr_index_search_begin(&r->index, r->hash[wanted], &search);
    while ((row = tr_index_search_next(&search)) != 0)
        if (row == wanted)
            return true;
    return false;
}

static void finds_what_is_in_and_nothing_else(void **state)
{
    struct rows *r = rows_new(1000);
    uint64_t random = 7;

    for (uint32_t i = 1; i <= ROWS_MAX; i++)
        r->hash[i] = tr_mix64(i);
    for (int step = 0; step < 100000; step++) {
        uint32_t row = (uint32_t)((random = tr_mix64(random + 1)) % 1000) + 1;

        if (r->in[row])
            tr_index_remove(&r->index, r->hash[row], row);
        else
            assert_true(tr_index_insert(&r->index, r->hash[row], row));
        r->in[row] = !r->in[row];
        assert_int_equal(found(r, row), r->in[row]);
        row = (uint32_t)(random >> 40) % ROWS_MAX + 1;
        assert_int_equal(found(r, row), r->in[row]);
    }
    rows_free(r);
}

// All rows want one line: they fill the lines that are tried and no more, and leave nothing behind.
static void refuses_when_the_lines_tried_are_full(void **state)
{
    struct rows *r = rows_new(ROWS_MAX);
    const uint32_t room = TR_INDEX_LANES * TR_INDEX_LINES_TRIED;

    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 1; i <= ROWS_MAX; i++)
            r->hash[i] = (uint64_t)(round == 2 ? UINT32_MAX : 0) << 32 | (round ? i : 0);
        for (uint32_t i = 1; i <= room; i++)
            assert_true(tr_index_insert(&r->index, r->hash[i], i));
        assert_false(tr_index_insert(&r->index, r->hash[room + 1], room + 1));
        assert_false(found(r, room + 1));
        for (uint32_t i = 1; i <= room; i++)
            assert_true(found(r, i));
        for (uint32_t i = room; i >= 1; i--)
            tr_index_remove(&r->index, r->hash[i], i);
    }
    for (size_t i = 0; i < tr_index_bytes(ROWS_MAX); i++)
        assert_int_equal(((uint8_t *)r->index.lines)[i] * (i % 64 < 24), 0); // tags and counts
    rows_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_in_and_nothing_else),
        cmocka_unit_test(refuses_when_the_lines_tried_are_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
