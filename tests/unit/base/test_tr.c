// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/tr.h"

static uint32_t asked;

// Grows with each question, as a clock does, or what another thread writes.
static uint64_t growing(void)
{
    return ++asked;
}

static void least_and_greatest_ask_once(void **state)
{
    asked = 3;
    assert_int_equal(TR_MIN(growing(), 4u), 4);
    assert_int_equal(asked, 4);
    assert_int_equal(TR_MAX(growing(), 5u), 5);
    assert_int_equal(asked, 5);
    assert_int_equal(TR_MAX(TR_MIN(growing(), growing()), 1u), 6);
    assert_int_equal(asked, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(least_and_greatest_ask_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
