// SPDX-License-Identifier: Apache-2.0
// The block: what a connector's config may say, and what is refused, by its path.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "red/red.h"

static void test_the_connectors_readme_is_taken_but_for_what_is_refused(void **state)
{
    static const char text[] = "histogram:\n"
                               "  dimensions: [{name: url.scheme, default: https}]\n"
                               "  explicit: {buckets: [100us, 1ms, 2ms, 6ms, 10ms, 100ms, 250ms]}\n"
                               "dimensions: [{name: http.method, default: GET}, {name: http.status_code}]\n"
                               "calls_dimensions: [{name: http.url, default: /ping}]\n"
                               "exemplars: {enabled: true}\n"
                               "exclude_dimensions: ['status.code']\n"
                               "aggregation_temporality: AGGREGATION_TEMPORALITY_CUMULATIVE\n"
                               "metrics_flush_interval: 15s\n"
                               "metrics_expiration: 5m\n"
                               "series_expiration: 5m\n"
                               "resource_metrics_key_attributes: [service.name, telemetry.sdk.language]\n"
                               "add_resource_attributes: true\n";
    struct tr_options_doc *doc;
    struct tr_error error = {0};
    struct tr_red_set *set;

    assert_int_equal(tr_options_parse(&tr_red_option_table, text, strlen(text), &doc, &error), 0);
    assert_int_equal(tr_red_set_create(&set, tr_options_struct(doc), 2, "me", 1, &error), 0);
    assert_int_equal(set->config.dimensions_count, 4);
    assert_true(set->config.projected);
    assert_int_equal(set->config.buckets, 8);
    assert_int_equal(set->config.bounds_ns[0], 100 * TR_US);
    assert_int_equal(set->config.own, TR_RED_SERVICE | TR_RED_NAME | TR_RED_KIND | TR_RED_INSTANCE);
    assert_int_equal(set->config.exemplars_max, 5);
    assert_int_equal(set->watch.count, 4);
    assert_string_equal(set->config.namespace, "traces.span.metrics");
    tr_red_set_release(set);
    tr_options_free(doc);
}

static void test_refusals_name_the_place(void **state)
{
    static const char *const cases[][2] = {
        {"dimensions: [{glob: 'k8s.*'}]", "dimensions[0].glob: is not supported"},
        {"dimensions: [{default: x}]", "dimensions[0].name: is missing"},
        {"dimensions: [{name: span.kind}]", "dimensions[0].name: span.kind is a dimension already"},
        {"dimensions: [{name: a}, {name: a}]", "dimensions[1].name: a is named twice"},
        {"dimensions: [{name: a}]\ncalls_dimensions: [{name: a}]", "calls_dimensions[0].name: a is in"},
        {"histogram: {explicit: {buckets: [1ms, fast]}}", "buckets[1]: fast is not a duration"},
        {"histogram: {explicit: {buckets: [2ms, 1ms]}}", "buckets[1]: 1ms is not above"},
        {"histogram: {explicit: {buckets: [2ms]}, exponential: {}}", "exponential: stands beside explicit"},
        {"histogram: {unit: us}", "unit"},
        {"exclude_dimensions: [span.nome]", "exclude_dimensions[0]: span.nome is not one of"},
        {"events: {enabled: true}", "events.enabled: the metric of events is not supported"},
        {"include_instrumentation_scope: [x]", "include_instrumentation_scope: is not supported"},
        {"metrics_flush_interval: 1ms", "metrics_flush_interval"},
        {"aggregation_temporality: delta", "aggregation_temporality"},
        {"series_max: 1", "series_max"},
    };

    for (size_t i = 0; i < TR_NELEMS(cases); i++) {
        struct tr_options_doc *doc;
        struct tr_error error = {0};

        assert_int_not_equal(tr_options_parse(&tr_red_option_table, cases[i][0], strlen(cases[i][0]), &doc, &error), 0);
        if (!strstr(error.text, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], error.text);
    }
}

static void test_memory_is_told(void **state)
{
    const struct tr_red_options small = {.series_max = 100, .resource_metrics_cache_size = 10};
    struct tr_red_options large = small;

    large.series_max = 100000;
    assert_in_range(tr_red_table_bytes(&small), 100 * 256, TR_MIB);
    assert_in_range(tr_red_table_bytes(&large), 100000 * 500ull, 100000 * 600ull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_connectors_readme_is_taken_but_for_what_is_refused),
        cmocka_unit_test(test_refusals_name_the_place),
        cmocka_unit_test(test_memory_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
