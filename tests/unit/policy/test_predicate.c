// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/policy.h"
#include "policy/predicate.h"

static struct tr_predicates first, second;

static int clear(void **state)
{
    tr_predicates_clear(&first);
    tr_predicates_clear(&second);
    memset(&first, 0, sizeof(first));
    memset(&second, 0, sizeof(second));
    return 0;
}

static void equal_predicates_share_a_number(void **state)
{
    int a, b;

    first.epoch = 1;
    a = tr_predicate_string(&first, "tier", (const char *const[]){"gold", "silver"}, 2);
    b = tr_predicate_string(&first, "tier", (const char *const[]){"silver", "gold"}, 2);
    assert_int_equal(a, b); // in any order
    assert_int_not_equal(tr_predicate_string(&first, "tier", (const char *const[]){"gold"}, 1), a);
    assert_int_not_equal(tr_predicate_string(&first, "rank", (const char *const[]){"gold", "silver"}, 2), a);
    assert_int_equal(tr_predicate_status(&first, 2), tr_predicate_status(&first, 2));
    assert_int_not_equal(tr_predicate_status(&first, 1), tr_predicate_status(&first, 2));
}

static void a_number_keeps_its_meaning_while_a_trace_may_need_it(void **state)
{
    int old, fresh;

    first.epoch = 1;
    old = tr_predicate_string(&first, "tier", (const char *const[]){"gold"}, 1);
    second.epoch = 2;
    assert_int_equal(tr_predicates_carry(&second, &first), 0);
    fresh = tr_predicate_status(&second, 2);
    assert_int_not_equal(fresh, old);
    assert_int_equal(tr_predicate_string(&second, "tier", (const char *const[]){"gold"}, 1), old);
}

static void a_number_is_free_again_when_no_epoch_can_need_it(void **state)
{
    int old;

    first.epoch = 1;
    old = tr_predicate_status(&first, 2);
    second.epoch = 1 + TR_EPOCHS_LIVE_MAX;
    assert_int_equal(tr_predicates_carry(&second, &first), 0);
    assert_false(second.rows[old].taken);
}

static bool tests(int number, const char *text)
{
    struct tr_value value = {
        .type = TR_VALUE_STRING, .bytes = (const uint8_t *)text, .length = (uint32_t)strlen(text)};

    return tr_predicate_test_string(&first.rows[number], &value);
}

static void a_value_is_one_of_the_set_or_not(void **state)
{
    int number = tr_predicate_string(&first, "k", (const char *const[]){"a", "bc", "", "def"}, 4);
    struct tr_value value = {.type = TR_VALUE_INT, .integer = 1};

    assert_true(tests(number, "a"));
    assert_true(tests(number, "bc"));
    assert_true(tests(number, "def"));
    assert_false(tests(number, ""));
    assert_false(tests(number, "de"));
    assert_false(tests(number, "defg"));
    assert_false(tr_predicate_test_string(&first.rows[number], &value));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, clear, clear)
int main(void)
{
    const struct CMUnitTest all[] = {
        TEST(equal_predicates_share_a_number),
        TEST(a_number_keeps_its_meaning_while_a_trace_may_need_it),
        TEST(a_number_is_free_again_when_no_epoch_can_need_it),
        TEST(a_value_is_one_of_the_set_or_not),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
