// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/cpus.h"

static void test_lists(void **state)
{
    static const char *const rows[][2] = {
        {"0", "0"},         {"1-7,9", "1-7,9"},       {"9,1-7", "1-7,9"}, {"1,2,3", "1-3"},     {"3-3", "3"},
        {"0-2,1-4", "0-4"}, {" 1 - 3 , 5 ", "1-3,5"}, {"1023", "1023"},   {"0-1023", "0-1023"},
    };

    for (size_t i = 0; i < TR_NELEMS(rows); i++) {
        char text[TR_CPUS_TEXT_BYTES];
        struct tr_error error = {""};
        cpu_set_t cpus;

        assert_int_equal(tr_cpus_parse(rows[i][0], &cpus, &error), 0);
        tr_cpus_format(&cpus, text);
        assert_string_equal(text, rows[i][1]);
    }
}

static void test_refused(void **state)
{
    static const char *const rows[][2] = {
        {"", "\"\" ends where a number should be"},
        {"a", "\"a\" is no number"},
        {"1,", "\"1,\" ends where a number should be"},
        {"1-", "\"1-\" ends where a number should be"},
        {"1,x-3", "\"1,x-3\": \"x-3\" is no number"},
        {"1-x", "\"1-x\": \"x\" is no number"},
        {"-1", "\"-1\" is no number"},
        {"7-1", "\"7-1\" is a range that runs backwards"},
        {"0,7-1,9", "\"0,7-1,9\": \"7-1,9\" is a range that runs backwards"},
        {"1024", "\"1024\" is above 1023"},
        {"1-99999999999999999999", "\"1-99999999999999999999\": \"99999999999999999999\" is above 1023"},
        {"1;2", "\"1;2\": \";2\" is neither a comma nor a range"},
        {"1 2", "\"1 2\": \"2\" is neither a comma nor a range"},
        {"1-2-3", "\"1-2-3\": \"-3\" is neither a comma nor a range"},
    };

    for (size_t i = 0; i < TR_NELEMS(rows); i++) {
        struct tr_error error = {""};
        cpu_set_t cpus;

        assert_int_equal(tr_cpus_parse(rows[i][0], &cpus, &error), -EINVAL);
        assert_string_equal(error.text, rows[i][1]);
    }
}

static void test_format_is_bounded(void **state)
{
    char text[TR_CPUS_TEXT_BYTES + 1];
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    tr_cpus_format(&cpus, text);
    assert_string_equal(text, "");
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu += 2)
        CPU_SET(cpu, &cpus);
    text[TR_CPUS_TEXT_BYTES] = '!';
    tr_cpus_format(&cpus, text);
    assert_true(strlen(text) < TR_CPUS_TEXT_BYTES);
    assert_int_equal(text[TR_CPUS_TEXT_BYTES], '!');
}

static void test_affinity(void **state)
{
    struct tr_error error = {""};
    cpu_set_t allowed, wanted, mask;

    assert_int_equal(tr_cpus_affinity(&allowed, &error), 0);
    assert_true(CPU_COUNT(&allowed) > 0);
    assert_int_equal(tr_cpus_check(&allowed, &allowed, &error), 0);

    assert_int_equal(tr_cpus_parse("1-3", &mask, &error), 0);
    assert_int_equal(tr_cpus_parse("2", &wanted, &error), 0);
    assert_int_equal(tr_cpus_check(&wanted, &mask, &error), 0);
    assert_int_equal(tr_cpus_parse("0,2,4-5", &wanted, &error), 0);
    assert_int_equal(tr_cpus_check(&wanted, &mask, &error), -EINVAL);
    assert_string_equal(error.text, "CPU 0,4-5 is not among those this process may run on (1-3)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_format_is_bounded),
        cmocka_unit_test(test_affinity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
