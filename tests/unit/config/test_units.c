// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/units.h"

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        int rc;
        uint64_t ns;
        const char *shown;
    } rows[] = {
        {"0", 0, 0, "0s"},
        {"10s", 0, 10 * TR_S, "10s"},
        {"250ms", 0, 250 * TR_MS, "250ms"},
        {"1h30m", 0, 5400 * TR_S, "1h30m"},
        {"1.5h", 0, 5400 * TR_S, "1h30m"},
        {"90m", 0, 5400 * TR_S, "1h30m"},
        {"1500ms", 0, 1500 * TR_MS, "1s500ms"},
        {"1us", 0, TR_US, "1us"},
        {"1µs", 0, TR_US, "1us"},
        {"7ns", 0, 7, "7ns"},
        {"0.000000001s", 0, 1, "1ns"},
        {"0.00000000000000000000001s", 0, 0, "0s"},
        {"18446744073709551615ns", 0, UINT64_MAX, "5124095h34m33s709ms551us615ns"},
        {"18446744073709551616ns", -ERANGE, 0, NULL},
        {"5124096h", -ERANGE, 0, NULL},
        {"5124095h35m", -ERANGE, 0, NULL},
        {"", -EINVAL, 0, NULL},
        {"s", -EINVAL, 0, NULL},
        {"10", -EINVAL, 0, NULL},
        {"10 s", -EINVAL, 0, NULL},
        {"-1s", -EINVAL, 0, NULL},
        {"1.s", -EINVAL, 0, NULL},
        {".5s", -EINVAL, 0, NULL},
        {"1s2", -EINVAL, 0, NULL},
        {"1d", -EINVAL, 0, NULL},
        {"1S", -EINVAL, 0, NULL},
    };

    for (size_t i = 0; i < TR_NELEMS(rows); i++) {
        char shown[TR_UNITS_BYTES];
        uint64_t ns = 0, again;

        if (tr_duration_parse(rows[i].text, &ns) != rows[i].rc)
            fail_msg("%s", rows[i].text);
        if (rows[i].rc)
            continue;
        assert_int_equal(ns, rows[i].ns);
        tr_duration_format(shown, ns);
        assert_string_equal(shown, rows[i].shown);
        assert_int_equal(tr_duration_parse(shown, &again), 0);
        assert_int_equal(again, ns);
    }
}

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        int rc;
        uint64_t bytes;
        const char *shown;
    } rows[] = {
        {"0", 0, 0, "0"},
        {"1500", 0, 1500, "1500"},
        {"12B", 0, 12, "12"},
        {"64MiB", 0, 64 * TR_MIB, "64MiB"},
        {"64mib", 0, 64 * TR_MIB, "64MiB"},
        {"512KiB", 0, 512 * TR_KIB, "512KiB"},
        {"1GB", 0, 1000000000, "1GB"},
        {"1.5GiB", 0, 1536 * TR_MIB, "1536MiB"},
        {"2TiB", 0, 2048 * TR_GIB, "2TiB"},
        {"18446744073709551615", 0, UINT64_MAX, "18446744073709551615"},
        {"18446744073709551616", -ERANGE, 0, NULL},
        {"16777216TiB", -ERANGE, 0, NULL},
        {"", -EINVAL, 0, NULL},
        {"MiB", -EINVAL, 0, NULL},
        {"64M", -EINVAL, 0, NULL},
        {"64Mi", -EINVAL, 0, NULL},
        {"64 MiB", -EINVAL, 0, NULL},
        {"-1", -EINVAL, 0, NULL},
        {"1.5", -EINVAL, 0, NULL},
        {"1.MiB", -EINVAL, 0, NULL},
        {"1KiB2", -EINVAL, 0, NULL},
    };

    for (size_t i = 0; i < TR_NELEMS(rows); i++) {
        char shown[TR_UNITS_BYTES];
        uint64_t bytes = 0, again;

        if (tr_size_parse(rows[i].text, &bytes) != rows[i].rc)
            fail_msg("%s", rows[i].text);
        if (rows[i].rc)
            continue;
        assert_int_equal(bytes, rows[i].bytes);
        tr_size_format(shown, bytes);
        assert_string_equal(shown, rows[i].shown);
        assert_int_equal(tr_size_parse(shown, &again), 0);
        assert_int_equal(again, bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
