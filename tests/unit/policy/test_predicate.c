// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/policy.h"
#include "policy/predicate_types.h"

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
    a = tr_predicate_string(&first, "tier", TR_PLACE_BOTH, (const char *const[]){"gold", "silver"}, 2);
    b = tr_predicate_string(&first, "tier", TR_PLACE_BOTH, (const char *const[]){"silver", "gold"}, 2);
    assert_int_equal(a, b); // in any order
    assert_int_not_equal(tr_predicate_string(&first, "tier", TR_PLACE_BOTH, (const char *const[]){"gold"}, 1), a);
    assert_int_not_equal(tr_predicate_string(&first, "rank", TR_PLACE_BOTH, (const char *const[]){"gold", "silver"}, 2), a);
    assert_int_equal(tr_predicate_status(&first, 2), tr_predicate_status(&first, 2));
    assert_int_not_equal(tr_predicate_status(&first, 1), tr_predicate_status(&first, 2));
}

static void a_number_keeps_its_meaning_while_a_trace_may_need_it(void **state)
{
    int old, fresh;

    first.epoch = 1;
    old = tr_predicate_string(&first, "tier", TR_PLACE_BOTH, (const char *const[]){"gold"}, 1);
    second.epoch = 2;
    tr_predicates_carry(&second, &first);
    fresh = tr_predicate_status(&second, 2);
    assert_int_not_equal(fresh, old);
    assert_int_equal(tr_predicate_string(&second, "tier", TR_PLACE_BOTH, (const char *const[]){"gold"}, 1), old);
}

static void a_number_is_free_again_when_no_epoch_can_need_it(void **state)
{
    int old;

    first.epoch = 1;
    old = tr_predicate_status(&first, 2);
    second.epoch = 1 + TR_EPOCHS_LIVE_MAX;
    tr_predicates_carry(&second, &first);
    assert_null(second.rows[old].predicate);
}

static bool holds(int number, const struct tr_value *value)
{
    const struct tr_predicate *predicate = first.rows[number].predicate;

    return predicate->type->value(predicate, value);
}

static bool tests(int number, const char *text)
{
    struct tr_value value = {
        .type = TR_VALUE_STRING, .bytes = (const uint8_t *)text, .length = (uint32_t)strlen(text)};

    return holds(number, &value);
}

static int strings(unsigned places, const char *const *values, size_t count)
{
    return tr_predicate_string(&first, "k", places, values, count);
}

#define STRINGS(...) ((const char *const[]){__VA_ARGS__}), TR_NELEMS(((const char *const[]){__VA_ARGS__}))

static void a_value_is_one_of_the_set_or_not(void **state)
{
    int number = strings(TR_PLACE_BOTH, STRINGS("a", "bc", "", "def", "a"));

    assert_true(tests(number, "a"));
    assert_true(tests(number, "bc"));
    assert_true(tests(number, "def"));
    assert_false(tests(number, ""));
    assert_false(tests(number, "de"));
    assert_false(tests(number, "defg"));
    assert_false(holds(number, &(struct tr_value){.type = TR_VALUE_INT, .integer = 1}));
}

// Identity is the text: no two predicates that mean different things may have the same.
static void the_canonical_text_is_the_identity(void **state)
{
    int quoted = strings(TR_PLACE_BOTH, STRINGS("a\" \"b"));
    int two = strings(TR_PLACE_BOTH, STRINGS("a", "b"));

    assert_int_not_equal(quoted, two);
    assert_string_equal(first.rows[two].predicate->text, "string span or resource \"k\" in \"a\" \"b\"");
    assert_string_equal(first.rows[quoted].predicate->text, "string span or resource \"k\" in \"a\\\" \\\"b\"");
    assert_int_equal(strings(TR_PLACE_BOTH, STRINGS("b", "a", "b")), two);
    assert_int_not_equal(strings(TR_PLACE_SPAN, STRINGS("a", "b")), two);
}

static struct tr_value integer(int64_t n)
{
    return (struct tr_value){.type = TR_VALUE_INT, .integer = n};
}

static void an_integer_lies_in_a_range_ends_included(void **state)
{
    int number = tr_predicate_integer(&first, "k", TR_PLACE_BOTH, 400, 599);
    int zero = tr_predicate_integer(&first, "k", TR_PLACE_BOTH, INT64_MIN, 10);
    struct tr_value below = integer(399), least = integer(400), most = integer(599), above = integer(600);
    struct tr_value lowest = integer(INT64_MIN), real = {.type = TR_VALUE_DOUBLE, .number = 450};

    assert_false(holds(number, &below));
    assert_true(holds(number, &least));
    assert_true(holds(number, &most));
    assert_false(holds(number, &above));
    assert_false(holds(number, &real));
    assert_true(holds(zero, &lowest));
    assert_true(holds(zero, &real)); // reads as 0
}

static void a_boolean_is_wanted_or_not(void **state)
{
    int yes = tr_predicate_boolean(&first, "k", TR_PLACE_BOTH, true);
    int no = tr_predicate_boolean(&first, "k", TR_PLACE_BOTH, false);
    struct tr_value set = {.type = TR_VALUE_BOOL, .integer = 1}, unset = {.type = TR_VALUE_BOOL}, other = integer(1);

    assert_int_not_equal(yes, no);
    assert_true(holds(yes, &set));
    assert_false(holds(no, &set));
    assert_false(holds(yes, &unset));
    assert_true(holds(no, &unset));
    assert_false(holds(yes, &other));
    assert_true(holds(no, &other)); // reads as false
}

static bool span_holds(int number, const struct tr_walk_span *span)
{
    const struct tr_predicate *predicate = first.rows[number].predicate;

    return predicate->type->span(predicate, span, &(struct tr_bits){{0}});
}

static void the_spans_own_fields(void **state)
{
    static const uint8_t text[] = "a=1,vendor@x=gold";
    int vendor = tr_predicate_trace_state(&first, "vendor@x", STRINGS("gold", "tin"));
    int other = tr_predicate_trace_state(&first, "a", STRINGS("2", ""));
    int flags = tr_predicate_flags(&first, 1);
    struct tr_walk_span span = {.trace_state = text, .trace_state_bytes = sizeof(text) - 1, .flags = 0x100};

    assert_true(span_holds(vendor, &span));
    assert_false(span_holds(other, &span));
    assert_false(span_holds(flags, &span));
    span.flags = 0x101;
    assert_true(span_holds(flags, &span));
    span.trace_state_bytes = 0;
    span.trace_state = NULL;
    assert_false(span_holds(vendor, &span));
    assert_false(span_holds(other, &span));
}

// A predicate outlives the set that made it, for as long as a later one holds it.
static void sets_share_their_predicates(void **state)
{
    int number = strings(TR_PLACE_BOTH, STRINGS("a"));

    tr_predicates_carry(&second, &first);
    tr_predicates_clear(&first);
    assert_string_equal(second.rows[number].predicate->key, "k");
}

static void the_one_over_the_limit_has_no_number(void **state)
{
    for (int i = 0; i < TR_PREDICATES_MAX; i++)
        assert_true(tr_predicate_integer(&first, "k", TR_PLACE_SPAN, i, i) >= 0);
    assert_int_equal(tr_predicate_integer(&first, "k", TR_PLACE_SPAN, -1, -1), -ENOSPC);
    assert_true(tr_predicate_integer(&first, "k", TR_PLACE_SPAN, 7, 7) >= 0); // there is one such
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, clear, clear)
int main(void)
{
    const struct CMUnitTest all[] = {
        TEST(equal_predicates_share_a_number),
        TEST(a_number_keeps_its_meaning_while_a_trace_may_need_it),
        TEST(a_number_is_free_again_when_no_epoch_can_need_it),
        TEST(a_value_is_one_of_the_set_or_not),
        TEST(the_canonical_text_is_the_identity),
        TEST(an_integer_lies_in_a_range_ends_included),
        TEST(a_boolean_is_wanted_or_not),
        TEST(the_spans_own_fields),
        TEST(sets_share_their_predicates),
        TEST(the_one_over_the_limit_has_no_number),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
