// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "control/format.h"

static char text[TR_FORMAT_BYTES];

static void test_duration(void **state)
{
    assert_string_equal(tr_format_duration(0, text), "0us");
    assert_string_equal(tr_format_duration(950 * TR_MS, text), "950ms");
    assert_string_equal(tr_format_duration(4250 * TR_MS, text), "4.2s");
    assert_string_equal(tr_format_duration(60 * TR_S, text), "1m00s");
    assert_string_equal(tr_format_duration(7500 * TR_S, text), "2h05m");
    assert_string_equal(tr_format_duration(99 * 3600 * TR_S, text), "4d03h");
    assert_non_null(tr_format_duration(UINT64_MAX, text));
}

static void test_size(void **state)
{
    assert_string_equal(tr_format_size(0, text), "0 B");
    assert_string_equal(tr_format_size(1023, text), "1023 B");
    assert_string_equal(tr_format_size(1536, text), "1.5 KiB");
    assert_string_equal(tr_format_size(TR_MIB, text), "1.0 MiB");
    assert_string_equal(tr_format_size(UINT64_MAX, text), "16.0 EiB");
}

static void test_count(void **state)
{
    assert_string_equal(tr_format_count(0, text), "0");
    assert_string_equal(tr_format_count(999, text), "999");
    assert_string_equal(tr_format_count(12.34, text), "12.3");
    assert_string_equal(tr_format_count(12345, text), "12.3k");
    assert_string_equal(tr_format_count(999960, text), "1.0M");
}

static void test_address(void **state)
{
    const struct tr_address v4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 7}, 4317};
    const struct tr_address v6 = {{0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, 4318};

    assert_string_equal(tr_format_address(&v4, text), "10.0.0.7:4317");
    assert_string_equal(tr_format_address(&v6, text), "[fd00:1::2]:4318");
    assert_string_equal(tr_format_ip(v6.ip, text), "fd00:1::2");
}

static void test_wall(void **state)
{
    assert_string_equal(tr_format_wall(0, text), "");
    assert_string_equal(tr_format_wall(1700000000 * TR_S + 7 * TR_MS, text), "2023-11-14T22:13:20.007Z");
}

static void test_json_text(void **state)
{
    json_t *json = tr_json_text("caf\xc3\xa9");

    assert_string_equal(json_string_value(json), "caf\xc3\xa9");
    json_decref(json);
    json = tr_json_text("caf\xc3");
    assert_string_equal(json_string_value(json), "caf?");
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duration), cmocka_unit_test(test_size), cmocka_unit_test(test_count),
        cmocka_unit_test(test_address),  cmocka_unit_test(test_wall), cmocka_unit_test(test_json_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
