// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/arena.h"

#define CHUNK (16 * TR_KIB)

static void test_each_piece_is_its_own_zeroed_and_aligned(void **state)
{
    static const size_t sizes[] = {0, 1, 7, 16, 100, 4096, CHUNK - 16, CHUNK, CHUNK + 1, 1, 3 * CHUNK, 5};
    uint8_t *pieces[TR_NELEMS(sizes)];
    struct tr_arena arena = {NULL};

    for (size_t i = 0; i < TR_NELEMS(sizes); i++) {
        pieces[i] = tr_arena_alloc(&arena, sizes[i]);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(pieces[i][at], 0);
        memset(pieces[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < TR_NELEMS(sizes); i++)
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(pieces[i][at], i + 1);
    tr_arena_fini(&arena);
    assert_null(arena.chunks);
}

static void test_sizes_that_can_not_be_are_no_memory(void **state)
{
    struct tr_arena arena = {NULL};

    assert_null(tr_arena_alloc(&arena, SIZE_MAX));
    assert_null(tr_arena_alloc(&arena, SIZE_MAX / 2 + 1));
    assert_null(tr_arena_array(&arena, SIZE_MAX / 8, 16));
    assert_null(tr_arena_array(&arena, 1ull << 33, 1ull << 33));
    assert_null(arena.chunks);
    assert_non_null(tr_arena_array(&arena, 0, 16));
    assert_non_null(tr_arena_array(&arena, 1000, 40));
    tr_arena_fini(&arena);
}

static void test_text_ends_with_a_nul(void **state)
{
    struct tr_arena arena = {NULL};

    assert_string_equal(tr_arena_text(&arena, "journal: 64MiB", 7), "journal");
    assert_string_equal(tr_arena_text(&arena, NULL, 0), "");
    assert_memory_equal(tr_arena_text(&arena, "a\0b", 3), "a\0b", 4);
    tr_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_piece_is_its_own_zeroed_and_aligned),
        cmocka_unit_test(test_sizes_that_can_not_be_are_no_memory),
        cmocka_unit_test(test_text_ends_with_a_nul),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
