// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <math.h>

#include "otlp/json_number.h"

static const uint8_t *text(const char *s)
{
    return (const uint8_t *)s;
}

static void where_a_number_ends(void **state)
{
    static const struct {
        const char *text;
        int bytes; // -1: none
    } rows[] = {
        {"0", 1},     {"-0", 2},   {"12,", 2},  {"1.5}", 3}, {"1e5]", 3}, {"1E+05 ", 5}, {"-1.25e-3", 8},
        {"", -1},     {"-", -1},   {"+1", -1},  {"01", -1},  {"-00", -1}, {".5", -1},    {"1.", -1},
        {"1.e5", -1}, {"1e", -1},  {"1e+", -1}, {"NaN", -1}, {"x", -1},   {"1x", 1},     {"1e5.5", 3},
        {"0x10", 1},  {"1e-", -1}, {"--1", -1}, {" 1", -1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const uint8_t *begin = text(rows[i].text),
                      *end = tr_json_number_end(begin, begin + strlen(rows[i].text));

        if (rows[i].bytes < 0)
            assert_null(end);
        else
            assert_ptr_equal(end, begin + rows[i].bytes);
    }
}

static void a_number_without_end_is_refused(void **state)
{
    static uint8_t ones[TR_JSON_NUMBER_BYTES_MAX + 1];

    memset(ones, '1', sizeof(ones));
    assert_null(tr_json_number_end(ones, ones + sizeof(ones)));
    assert_non_null(tr_json_number_end(ones, ones + sizeof(ones) - 2));
}

static bool integer(const char *s, bool *negative, uint64_t *magnitude)
{
    const uint8_t *begin = text(s), *end = tr_json_number_end(begin, begin + strlen(s));

    assert_non_null(end);
    assert_int_equal(*end, 0);
    return tr_json_number_integer(begin, end, negative, magnitude);
}

static void integers_in_any_spelling(void **state)
{
    static const struct {
        const char *text;
        bool negative;
        uint64_t magnitude;
    } rows[] = {
        {"0", false, 0},
        {"-0", false, 0},
        {"0e99999999999", false, 0},
        {"0.000", false, 0},
        {"7", false, 7},
        {"-7", true, 7},
        {"1.0", false, 1},
        {"1e3", false, 1000},
        {"1.5e1", false, 15},
        {"1200e-2", false, 12},
        {"0.0012e4", false, 12},
        {"18446744073709551615", false, UINT64_MAX},
        {"-9223372036854775808", true, 1ull << 63},
        {"1e19", false, 10000000000000000000ull},
        {"1844674407370955161500000e-5", false, UINT64_MAX},
        {"100000000000000000000000000000000000000000000000000e-50", false, 1},
    };
    static const char *const refused[] = {"0.5",  "1e-1",  "18446744073709551616",   "1e20", "1.5",
                                          "1e99", "-1e-9", "1e99999999999999999999", "0.1e0"};
    bool negative;
    uint64_t magnitude;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(integer(rows[i].text, &negative, &magnitude));
        assert_int_equal(negative, rows[i].negative);
        assert_true(magnitude == rows[i].magnitude);
    }
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_false(integer(refused[i], &negative, &magnitude));
}

static double number(const char *s)
{
    const uint8_t *begin = text(s), *end = tr_json_number_end(begin, begin + strlen(s));
    double value;

    assert_non_null(end);
    assert_true(tr_json_number_double(begin, end, &value));
    return value;
}

// What the compiler reads and what we read is the same bits.
#define SAME(literal) assert_true(number(#literal) == (literal))

static void doubles_are_the_nearest(void **state)
{
    char digits[1200];

    SAME(0.1);
    SAME(1e22);
    SAME(1e23);
    SAME(9007199254740993.0);
    SAME(9007199254740993.00000000000000000000000000000001);
    SAME(123456789012345678901234567890.0);
    SAME(2.2250738585072011e-308);
    SAME(2.2250738585072014e-308);
    SAME(5e-324);
    assert_true(number("2.4703282292062327e-324") == 0); // below half of the least
    assert_true(number("2.4703282292062328e-324") == 5e-324);
    SAME(1.7976931348623157e308);
    SAME(1.7976931348623158e308);
    SAME(7.2057594037927933e16);
    SAME(8.41e21);
    SAME(0.000000000000000000000000000000000000000000001);
    assert_true(signbit(number("-0.0")));
    assert_true(number("1e-400") == 0);
    // Half way between 1 and the next double, and then a little more, 1100 digits on.
    snprintf(digits, sizeof(digits), "1.00000000000000011102230246251565404236316680908203125%0*d1", 1000, 0);
    assert_true(number(digits) == 1.0000000000000002);
    digits[strlen(digits) - 1] = '0';
    assert_true(number(digits) == 1.0);
}

static void doubles_beyond_the_largest_are_refused(void **state)
{
    static const char *const rows[] = {"1e309", "-1e309", "1.8e308", "1e99999999999"};
    double value;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_false(tr_json_number_double(text(rows[i]), text(rows[i]) + strlen(rows[i]), &value));
}

static void formats(const char *expected, double value)
{
    char out[33];

    out[tr_json_number_format(out, value)] = 0;
    assert_string_equal(out, expected);
}

static void the_shortest_text_that_comes_back(void **state)
{
    formats("0", 0);
    formats("-0.0", -0.0);
    formats("1", 1);
    formats("0.1", 0.1);
    formats("1e+22", 1e22);
    formats("0.3333333333333333", 1 / 3.0);
    formats("1.7976931348623157e+308", 1.7976931348623157e308);
    formats("NaN", NAN);
    formats("Infinity", INFINITY);
    formats("-Infinity", -INFINITY);
}

static void random_doubles_come_back(void **state)
{
    uint64_t random = 42;
    char out[33];

    for (int i = 0; i < 100000; i++) {
        double value;

        random = random * 6364136223846793005ull + 1442695040888963407ull;
        memcpy(&value, &random, 8);
        if (!isfinite(value))
            continue;
        out[tr_json_number_format(out, value)] = 0;
        assert_true(number(out) == value);
    }
}

// Where 1.5 is written 1,5.
static void a_locale_changes_nothing(void **state)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (setlocale(LC_ALL, names[i]))
            break;
    assert_true(number("123456789.12345678901234567890") == 123456789.12345678901234567890);
    formats("1.5", 1.5);
    setlocale(LC_ALL, "C");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_a_number_ends),
        cmocka_unit_test(a_number_without_end_is_refused),
        cmocka_unit_test(integers_in_any_spelling),
        cmocka_unit_test(doubles_are_the_nearest),
        cmocka_unit_test(doubles_beyond_the_largest_are_refused),
        cmocka_unit_test(the_shortest_text_that_comes_back),
        cmocka_unit_test(random_doubles_come_back),
        cmocka_unit_test(a_locale_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
