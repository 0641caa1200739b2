// SPDX-License-Identifier: Apache-2.0
// Numbers in text, as Go's strconv reads them. Source: strconv's atoi_test.go and atof_test.go, and its documentation.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "policy/go_number.h"

static bool int_reads(const char *text, int64_t *integer)
{
    return tr_go_int_read((const uint8_t *)text, (uint32_t)strlen(text), integer);
}

static bool double_reads(const char *text, double *number)
{
    return tr_go_double_read((const uint8_t *)text, (uint32_t)strlen(text), number);
}

static void integers(void **state)
{
    static const struct {
        const char *text;
        int64_t integer;
    } good[] = {
        {"0", 0}, {"-0", 0}, {"+5", 5}, {"007", 7}, {"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN},
        {"0000000000000000000000000000000000000000000000000000000000000000000000012", 12},
    };
    static const char *const bad[] = {"",     "+",   "-",   " 1",  "1 ", "1.0", "1e3", "0x1",
                                      "1_00", "--1", "+-1", "9223372036854775808", "-9223372036854775809"};
    int64_t integer;

    for (size_t i = 0; i < TR_NELEMS(good); i++) {
        assert_true(int_reads(good[i].text, &integer));
        assert_int_equal(integer, good[i].integer);
    }
    for (size_t i = 0; i < TR_NELEMS(bad); i++)
        assert_false(int_reads(bad[i], &integer));
    assert_false(tr_go_int_read((const uint8_t *)"1\0", 2, &integer));
    assert_false(tr_go_int_read(NULL, 0, &integer));
}

static void doubles(void **state)
{
    static const struct {
        const char *text;
        double number;
    } good[] = {
        {"0", 0},         {"-1.5", -1.5},      {".5", 0.5},        {"5.", 5},           {"1e3", 1000},
        {"+1E-2", 0.01},  {"1_000", 1000},     {"1_23.50_0_0e+1_2", 1.235e14},          {"0x1p4", 16},
        {"0x_1_0p0", 16}, {"inf", INFINITY},   {"-Infinity", -INFINITY},                {"1e-400", 0},
    };
    static const char *const bad[] = {"",      " 1",  "1 ",   "1x",    "0x1", "1__0", "_1", "1_",     "1_.5", "1._5",
                                      "1e400", "e5",  "1e",   "+nan",  "nan(1)", "-",  ".",  "0x.p1_", "i",    "infin"};
    double number;

    for (size_t i = 0; i < TR_NELEMS(good); i++) {
        assert_true(double_reads(good[i].text, &number));
        assert_true(number == good[i].number);
    }
    assert_true(double_reads("NaN", &number) && isnan(number));
    for (size_t i = 0; i < TR_NELEMS(bad); i++)
        assert_false(double_reads(bad[i], &number));
    assert_false(tr_go_double_read((const uint8_t *)"1\0", 2, &number));
    assert_false(tr_go_double_read(NULL, 0, &number));
}

static void truncations(void **state)
{
    assert_int_equal(tr_go_double_truncate(-2.9), -2);
    assert_int_equal(tr_go_double_truncate(0x1p63), INT64_MIN);
    assert_int_equal(tr_go_double_truncate(-0x1p63), INT64_MIN);
    assert_int_equal(tr_go_double_truncate(NAN), INT64_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers),
        cmocka_unit_test(doubles),
        cmocka_unit_test(truncations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
