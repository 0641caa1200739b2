// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/tcp_seq.h"

static const uint32_t bases[] = {0, 1, 2, 0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff};

// How far b lies after a, and what follows from it; the same wherever a is.
static const struct {
    uint32_t distance;
    bool lt, leq, gt;
} orders[] = {
    {0, false, true, false},          {1, true, true, false},           {2, true, true, false},
    {65535, true, true, false},       {0x40000000, true, true, false},  {0x7ffffffe, true, true, false},
    {0x7fffffff, true, true, false},  {0x80000001, false, false, true}, {0xc0000000, false, false, true},
    {0xfffffffe, false, false, true}, {0xffffffff, false, false, true},
};

static void orders_by_distance(void **state)
{
    for (size_t i = 0; i < TR_NELEMS(bases); i++)
        for (size_t j = 0; j < TR_NELEMS(orders); j++) {
            uint32_t a = bases[i], b = a + orders[j].distance;

            assert_int_equal(tr_seq_lt(a, b), orders[j].lt);
            assert_int_equal(tr_seq_leq(a, b), orders[j].leq);
            assert_int_equal(tr_seq_lt(b, a), orders[j].gt);
            assert_int_equal(tr_seq_leq(b, a), orders[j].gt || a == b);
            assert_int_equal(tr_seq_max(a, b), orders[j].gt ? a : b);
            assert_int_equal(tr_seq_min(a, b), orders[j].gt ? b : a);
        }
}

// Half the circle away both are before: neither counts as after, so nothing is taken for newer that may be older.
static void the_far_side_is_not_after(void **state)
{
    for (size_t i = 0; i < TR_NELEMS(bases); i++) {
        assert_true(tr_seq_lt(bases[i], bases[i] + 0x80000000));
        assert_true(tr_seq_lt(bases[i] + 0x80000000, bases[i]));
    }
}

static void counts_a_range_around_the_wrap(void **state)
{
    static const uint32_t sizes[] = {0, 1, 2, 1460, 65535, 1u << 30, 0x7fffffff};

    for (size_t i = 0; i < TR_NELEMS(bases); i++)
        for (size_t j = 0; j < TR_NELEMS(sizes); j++) {
            uint32_t begin = bases[i], end = begin + sizes[j];

            assert_int_equal(tr_seq_in(begin, begin, end), sizes[j] > 0);
            assert_int_equal(tr_seq_in(end - 1, begin, end), sizes[j] > 0);
            assert_false(tr_seq_in(end, begin, end));
            assert_false(tr_seq_in(begin - 1, begin, end));
            assert_int_equal(tr_seq_in(begin + 1, begin, end), sizes[j] > 1);
            assert_false(tr_seq_in(begin + 0x80000000, begin, end));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_by_distance),
        cmocka_unit_test(the_far_side_is_not_after),
        cmocka_unit_test(counts_a_range_around_the_wrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
