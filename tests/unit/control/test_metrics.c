// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "control/metrics.h"
#include "control/rates.h"
#include "fake.h"

static char *written(const struct tr_samples *samples)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    tr_samples_write(samples, false, out);
    fclose(out);
    return text;
}

static size_t occurrences(const char *text, const char *what)
{
    size_t n = 0;

    for (text = strstr(text, what); text; text = strstr(text + 1, what))
        n++;
    return n;
}

static char *scrape(void)
{
    const struct tr_control_counters own = {.applied = 3};
    const struct tr_study_counters study = {.one_in = 4};
    struct tr_samples samples = {0};
    struct fake fake;
    char *text;

    fake_init(&fake, "a: 1\n", "/nowhere");
    fake.started_ns = 5 * TR_S;
    tr_metrics_collect(&samples, &fake.daemon, &own, &study, 8500 * TR_MS);
    text = written(&samples);
    tr_samples_fini(&samples);
    fake_fini(&fake);
    return text;
}

// A family is one HELP, one TYPE and all its samples in a row, wherever they were counted.
static void test_families_are_whole(void **state)
{
    char *text = scrape();

    assert_non_null(strstr(text,
                           "# HELP tailrace_fake_spans_total Spans of the fake, with a \\\\ in the help.\n"
                           "# TYPE tailrace_fake_spans_total counter\n"
                           "tailrace_fake_spans_total{outcome=\"good\",lcore=\"0\"} 5\n"
                           "tailrace_fake_spans_total{outcome=\"bad\",lcore=\"0\"} 1\n"
                           "tailrace_fake_spans_total{outcome=\"good\",lcore=\"1\"} 6\n"
                           "tailrace_fake_spans_total{outcome=\"bad\",lcore=\"1\"} 0\n"));
    assert_int_equal(occurrences(text, "# TYPE tailrace_fake_spans_total "), 1);
    free(text);
}

static void test_label_values_are_escaped(void **state)
{
    char *text = scrape();

    assert_non_null(strstr(text, "tailrace_build_info{nasty=\"a \\\"b\\\"\\\\\\nc\"} 2\n"));
    free(text);
}

static void test_time_is_in_seconds(void **state)
{
    char *text = scrape();

    assert_non_null(strstr(text, "tailrace_fake_busy_seconds_total{lcore=\"0\"} 1.500000000\n"));
    assert_non_null(strstr(text, "\ntailrace_uptime_seconds 3.500000000\n"));
    assert_non_null(strstr(text, "\ntailrace_horizon_seconds +Inf\n"));
    free(text);
}

static void test_own_rows(void **state)
{
    char *text = scrape();

    assert_non_null(strstr(text, "\ntailrace_config_applies_total{outcome=\"applied\"} 3\n"));
    assert_non_null(strstr(text, "\ntailrace_policy_traces_seen_total{policy=\"errors\"} 12345\n"));
    assert_non_null(strstr(text, "\ntailrace_build_info{version=\"0.0-fake\"} 1\n"));
    free(text);
}

static void test_json_round_trips_labels(void **state)
{
    struct tr_samples samples = {0};
    json_t *array, *labels;

    tr_samples_add(&samples, &tr_build_counter_rows, &(struct tr_build_counters){7}, (const char *const[]){"nasty", "\\n\n\"\\", NULL});
    array = tr_samples_json(&samples, "tailrace_build");
    assert_int_equal(json_array_size(array), 1);
    labels = json_object_get(json_array_get(array, 0), "labels");
    assert_string_equal(json_string_value(json_object_get(labels, "nasty")), "\\n\n\"\\");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(array, 0), "value")), 7);
    json_decref(array);
    array = tr_samples_json(&samples, "buildx");
    assert_int_equal(json_array_size(array), 0);
    json_decref(array);
    tr_samples_fini(&samples);
}

static size_t faults(const struct tr_counter_row *rows, size_t count)
{
    const struct tr_counter_rows module = {"test", rows, count, sizeof(uint64_t)};
    const struct tr_counter_rows *modules[] = {&module};
    char *text = NULL;
    size_t bytes, n;
    FILE *out = open_memstream(&text, &bytes);

    n = tr_metrics_check(modules, 1, out);
    fclose(out);
    assert_int_equal(occurrences(text, "\n"), n);
    free(text);
    return n;
}

static void test_check_of_rows(void **state)
{
    static const struct tr_counter_row good[] = {
        {"a", "a_total", "x=\"1\",y=\"2 3\"", "Help.", TR_COUNTER, 0},
        {"b", "a_total", "x=\"2\"", "Help.", TR_COUNTER, 0},
        {"c", "b_bytes", "", "Help.", TR_GAUGE, 0},
    };
    static const struct tr_counter_row bad[] = {
        {"a", "A_total", "", "Help.", TR_COUNTER, 0},
        {"a", "a", "", "Help.", TR_COUNTER, 0},
        {"a", "a_total", "", "Help.", TR_GAUGE, 0},
        {"a", "a_total", "", "", TR_COUNTER, 0},
        {"a", "a_total", "x=1", "Help.", TR_COUNTER, 0},
        {"a", "a_total", "x=\"1\",", "Help.", TR_COUNTER, 0},
        {"a", "a_total", "x=\"1", "Help.", TR_COUNTER, 0},
        {"a", "a_total", "x=\"\\\"", "Help.", TR_COUNTER, 0},
        {"a", "a_total", "=\"1\"", "Help.", TR_COUNTER, 0},
        {"a", "", "", "Help.", TR_GAUGE, 0},
    };
    static const struct tr_counter_row twice[] = {
        {"a", "a_total", "", "Help.", TR_COUNTER, 0},
        {"b", "a_total", "", "Help.", TR_COUNTER, 0},
    };

    assert_int_equal(faults(good, TR_NELEMS(good)), 0);
    for (size_t i = 0; i < TR_NELEMS(bad); i++)
        assert_int_equal(faults(&bad[i], 1), 1);
    assert_int_equal(faults(twice, 2), 1);
}

static void look(struct tr_rates *rates, uint64_t accepted, uint64_t busy_ns, uint64_t now)
{
    const struct tr_control_status status = {
        .flow = {.accepted_spans = accepted}, .lcores_count = 1, .lcores[0].busy_ns = busy_ns};

    tr_rates_look(rates, &status, now);
}

static void test_rates(void **state)
{
    const size_t accepted = offsetof(struct tr_control_flow, accepted_spans) / sizeof(uint64_t);
    struct tr_rates rates = {0};
    struct tr_rates_view view;

    tr_rates_view(&rates, &view);
    assert_int_equal(view.window_ns, 0);
    look(&rates, 100, 0, TR_S);
    tr_rates_view(&rates, &view);
    assert_int_equal(view.window_ns, 0);
    look(&rates, 300, TR_S / 2, 3 * TR_S);
    tr_rates_view(&rates, &view);
    assert_int_equal(view.window_ns, 2 * TR_S);
    assert_float_equal(view.flow_per_s[accepted], 100, 1e-9);
    assert_float_equal(view.busy[0], 0.25, 1e-9);
    // Twenty more looks, one a second: only the last ten seconds count.
    for (uint64_t i = 1; i <= 20; i++)
        look(&rates, 300 + 7 * i, TR_S / 2 + i * TR_S * 2, (3 + i) * TR_S);
    tr_rates_view(&rates, &view);
    assert_int_equal(view.window_ns, 10 * TR_S);
    assert_float_equal(view.flow_per_s[accepted], 7, 1e-9);
    assert_float_equal(view.busy[0], 1, 1e-9);
    // A sum that went back (a backend is gone) is no negative rate.
    look(&rates, 0, 0, 24 * TR_S);
    tr_rates_view(&rates, &view);
    assert_float_equal(view.flow_per_s[accepted], 0, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families_are_whole),
        cmocka_unit_test(test_label_values_are_escaped),
        cmocka_unit_test(test_time_is_in_seconds),
        cmocka_unit_test(test_own_rows),
        cmocka_unit_test(test_json_round_trips_labels),
        cmocka_unit_test(test_check_of_rows),
        cmocka_unit_test(test_rates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
