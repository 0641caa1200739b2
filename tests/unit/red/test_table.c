// SPDX-License-Identifier: Apache-2.0
// From spans to rows, and from the rows of several lcores to points.
#include "../otlp/build.h"

#include <math.h>

#include "red/merge.h"

#define WALL (1000 * TR_S)

static struct tr_red_counters counters[2];
static struct tr_options_doc *doc;
static struct tr_red_set *set;
static struct tr_red_merge *merge;

// Every set here has exemplars on: their plan notes the dimensions' keys.
static void open_set(const char *text, uint32_t lcores)
{
    struct tr_error error = {0};
    char whole[1024];

    snprintf(whole, sizeof(whole), "exemplars: {enabled: true, max_per_data_point: 2}\nseries_max: 64\n%s\n", text);
    memset(counters, 0, sizeof(counters));
    if (tr_options_parse(&tr_red_option_table, whole, strlen(whole), &doc, &error) < 0 ||
        tr_red_set_create(&set, tr_options_struct(doc), lcores, "me", 7, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(tr_red_merge_create(&merge, set), 0);
}

static void close_set(void)
{
    tr_red_merge_destroy(merge);
    tr_red_set_release(set);
    tr_options_free(doc);
}

struct call {
    const char *service, *host; // service NULL: the resource has none
    bool host_first;
    const char *name, *route, *state;
    uint64_t duration_ns;
    uint64_t id;
};

static void attribute_put(struct build *to, uint32_t number, const char *key, const char *value)
{
    static struct build any, pair;

    any.bytes = pair.bytes = 0;
    build_string(&any, 1, value);
    build_string(&pair, 1, key);
    build_bytes(&pair, 2, any.data, any.bytes);
    build_bytes(to, number, pair.data, pair.bytes);
}

// Walk a span of one resource as an lcore does; `emit`: it is of a kept trace.
static void count(uint32_t lcore, const struct call *call, uint64_t now, bool emit)
{
    static struct build resource, span, body;
    static struct tr_walk_notes notes;
    struct tr_red_table *table = set->tables[lcore];
    struct tr_context context = {.body = call->id};
    uint8_t id[16] = {1};
    struct tr_walk_span walked;
    struct tr_bits bits = {{0}};

    resource.bytes = span.bytes = body.bytes = 0;
    build_raw(&body, "-", 1);
    if (call->host && call->host_first)
        attribute_put(&resource, 1, "host.name", call->host);
    if (call->service)
        attribute_put(&resource, 1, "service.name", call->service);
    if (call->host && !call->host_first)
        attribute_put(&resource, 1, "host.name", call->host);
    context.resource[0] = (struct tr_range){body.bytes, resource.bytes};
    build_raw(&body, resource.data, resource.bytes);
    if (call->service) {
        context.service = (struct tr_range){body.bytes, (uint32_t)strlen(call->service)};
        build_raw(&body, call->service, (uint32_t)strlen(call->service));
    }
    memcpy(id + 8, &call->id, 8);
    build_bytes(&span, 1, id, 16);
    build_bytes(&span, 2, "\1\2\3\4\5\6\7\10", 8);
    if (call->state)
        build_string(&span, 3, call->state);
    build_string(&span, 5, call->name);
    build_fixed64(&span, 7, TR_S);
    build_fixed64(&span, 8, TR_S + call->duration_ns);
    if (call->route)
        attribute_put(&span, 9, "http.route", call->route);
    if (emit) {
        tr_red_exemplar(table, &counters[lcore], &context, body.data, span.data, span.bytes, now, WALL + now);
        return;
    }
    tr_red_resource(table, &counters[lcore], &context, body.data);
    tr_walk_resource(&table->plan, lcore, &context, body.data, &notes, &bits);
    assert_int_equal(tr_walk_span(&table->plan, lcore, span.data, span.bytes, &notes, &walked, &bits), TR_WALK_OK);
    tr_red_span(table, &counters[lcore], &table->plan, &notes, &walked, now, WALL + now);
}

static uint64_t points_of(enum tr_red_metric metric, uint64_t *calls)
{
    uint64_t buckets[1024], points = 0;
    struct tr_red_values values = {.buckets = buckets};

    *calls = 0;
    for (uint32_t i = 0; i < merge->points_count; i++) {
        if (merge->points[i].metric != metric || merge->points[i].expired)
            continue;
        tr_red_point_values(merge, &merge->points[i], true, &values);
        *calls += values.count;
        points++;
    }
    return points;
}

static void test_lcores_that_say_the_same_are_one_point(void **state)
{
    uint64_t calls;

    open_set("dimensions: [{name: http.route, default: none}]", 2);
    for (uint32_t i = 0; i < 10; i++) {
        const struct call call = {.service = "shop", .host = "h", .host_first = i & 1, .name = "op", .route = i & 2 ? "/a" : NULL,
                                  .duration_ns = i * TR_MS, .id = i};

        count(i % 2, &call, i, false);
    }
    tr_red_merge_look(merge, 10, WALL);
    assert_int_equal(points_of(TR_RED_CALLS, &calls), 2);
    assert_int_equal(calls, 10);
    assert_int_equal(points_of(TR_RED_DURATION, &calls), 2);
    assert_int_equal(calls, 10);
    assert_int_equal(merge->resources_count, 2); // with nobody's
    assert_int_equal(counters[0].counted + counters[1].counted, 10);
    close_set();
}

static void test_spans_without_a_service_are_left_out(void **state)
{
    uint64_t calls;

    open_set("", 1);
    count(0, &(struct call){.host = "h", .name = "op", .id = 1}, 1, false);
    count(0, &(struct call){.service = "", .name = "op", .id = 2}, 1, false);
    tr_red_merge_look(merge, 2, WALL);
    assert_int_equal(points_of(TR_RED_CALLS, &calls), 1);
    assert_int_equal(calls, 1);
    assert_int_equal(counters[0].no_service, 1);
    close_set();
}

// However the series lie on the lcores: as many as the limit says, and one more; nothing is lost.
static void test_a_limit_holds_over_all_lcores(void **state)
{
    uint64_t calls;

    open_set("aggregation_cardinality_limit: 5", 2);
    for (uint32_t i = 0; i < 60; i++) {
        char name[16];

        snprintf(name, sizeof(name), "op-%u", i % 12);
        count(i / 12 % 2, &(struct call){.service = "shop", .name = name, .id = i}, i, false);
        if (i == 30)
            tr_red_merge_look(merge, i, WALL);
    }
    tr_red_merge_look(merge, 60, WALL);
    assert_int_equal(points_of(TR_RED_CALLS, &calls), 6);
    assert_int_equal(calls, 60);
    close_set();
}

static void test_what_has_no_room_counts_in_overflow_series(void **state)
{
    uint64_t calls;

    open_set("resource_metrics_cache_size: 3", 1);
    for (uint32_t i = 0; i < 1000; i++) {
        char name[16], service[16];

        snprintf(name, sizeof(name), "op-%u", i % 100);
        snprintf(service, sizeof(service), "s-%u", i % 10);
        count(0, &(struct call){.service = service, .name = name, .id = i}, i, false);
    }
    tr_red_merge_look(merge, 1000, WALL);
    points_of(TR_RED_CALLS, &calls);
    assert_int_equal(calls, 1000);
    assert_int_equal(counters[0].counted + counters[0].overflow, 1000);
    assert_in_range(counters[0].overflow, 700, 999);
    assert_int_equal(merge->resources_count, 4);
    close_set();
}

static void test_a_series_expires_and_begins_anew(void **state)
{
    uint64_t calls;

    open_set("series_expiration: 10s", 1);
    for (uint32_t i = 0; i < 4; i++)
        count(0, &(struct call){.service = "shop", .name = "op", .id = i}, TR_S, false);
    tr_red_merge_look(merge, 5 * TR_S, WALL + 5 * TR_S);
    assert_int_equal(points_of(TR_RED_CALLS, &calls), 1);
    tr_red_merge_look(merge, 11 * TR_S, WALL + 11 * TR_S);
    assert_int_equal(points_of(TR_RED_CALLS, &calls), 0);
    count(0, &(struct call){.service = "shop", .name = "op", .id = 9}, 20 * TR_S, false);
    tr_red_merge_look(merge, 20 * TR_S, WALL + 20 * TR_S);
    assert_int_equal(points_of(TR_RED_CALLS, &calls), 1);
    assert_int_equal(calls, 1);
    assert_int_equal(merge->points[0].start_wall_ns, WALL + 20 * TR_S);
    close_set();
}

static void body_count(void *context, const uint8_t *body, size_t bytes)
{
    size_t *total = context;

    assert_true(body[0] == (1 << 3 | TR_PB_BYTES));
    *total += bytes;
}

static void test_deltas_add_up_and_silence_sends_nothing(void **state)
{
    uint64_t calls, sent = 0;
    size_t bytes = 0;

    open_set("aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA", 1);
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < round; i++)
            count(0, &(struct call){.service = "shop", .name = "op", .id = i}, round, false);
        tr_red_merge_look(merge, round, WALL);
        for (uint32_t i = 0; i < merge->points_count; i++)
            if (merge->points[i].metric == TR_RED_CALLS)
                sent += merge->points[i].now.count - merge->points[i].before.count;
        assert_int_equal(tr_red_otlp(merge, WALL + round, false, body_count, &bytes), round ? 2 : 0);
    }
    assert_int_equal(sent, 10);
    points_of(TR_RED_CALLS, &calls);
    assert_int_equal(calls, 10); // what /metrics shows is cumulative
    assert_int_equal(tr_red_otlp(merge, WALL + 9, false, body_count, &bytes), 0);
    assert_in_range(bytes, 100, 10000);
    close_set();
}

static void test_a_kept_trace_leaves_so_many_exemplars_and_a_flush_makes_room(void **state)
{
    size_t bytes = 0;

    open_set("", 1);
    for (uint32_t i = 0; i < 5; i++)
        count(0, &(struct call){.service = "shop", .name = "op", .duration_ns = i, .id = i + 1}, 1, false);
    for (uint32_t i = 0; i < 5; i++)
        count(0, &(struct call){.service = "shop", .name = "op", .duration_ns = i, .id = i + 1}, 2, true);
    count(0, &(struct call){.service = "shop", .name = "unknown", .id = 9}, 2, true);
    tr_red_merge_look(merge, 3, WALL);
    assert_int_equal(merge->points[0].exemplars_count, 2);
    assert_int_equal(merge->points[0].exemplars[1].trace_id[8], 2);
    tr_red_otlp(merge, WALL, false, body_count, &bytes);
    count(0, &(struct call){.service = "shop", .name = "op", .id = 77}, 4, true);
    tr_red_merge_look(merge, 5, WALL);
    assert_int_equal(merge->points[0].exemplars_count, 1);
    assert_int_equal(merge->points[0].exemplars[0].trace_id[8], 77);
    close_set();
}

// A threshold's count is right on average, and exactly right where it is a whole number.
static void test_sampled_spans_count_for_those_that_they_stand_for(void **state)
{
    static const struct {
        const char *text;
        double count;
    } cases[] = {{"ot=th:8", 2},      {"ot=th:c", 4},    {"ot=th:0", 1},          {"a=b,ot=rv:00000000000001;th:f", 16},
                 {"ot=th:3", 16. / 13}, {"ot=th:e6666666666668", 10}, {"ot=th:", 1}, {"ot=th:x", 1}, {"a=b", 1},
                 {"ot=th:123456789abcdef", 1}};

    for (size_t i = 0; i < TR_NELEMS(cases); i++) {
        uint64_t sum = 0;
        bool adjusted;

        for (uint64_t n = 0; n < 50000; n++) {
            uint8_t id[16] = {1};

            memcpy(id + 8, &n, 8);
            sum += tr_red_adjusted_count((const uint8_t *)cases[i].text, (uint32_t)strlen(cases[i].text), id, &adjusted);
        }
        if (fabs((double)sum / 50000 - cases[i].count) > 0.01 * cases[i].count)
            fail_msg("%s: %f", cases[i].text, (double)sum / 50000);
    }
}

static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

// Exponential buckets: each duration lies in the one whose bounds it is between; two lcores' are those of one.
static void test_exponential_buckets_are_the_same_however_they_came_together(void **state)
{
    static const char *const options[] = {"histogram: {exponential: {}}", "histogram: {exponential: {max_size: 4}}"};
    uint64_t durations[400], seed = 42;

    for (size_t o = 0; o < TR_NELEMS(options); o++) {
        uint64_t buckets[2][1024], expected[1024] = {0};
        struct tr_red_values values[2] = {{.buckets = buckets[0]}, {.buckets = buckets[1]}};

        for (size_t i = 0; i < TR_NELEMS(durations); i++)
            durations[i] = 1 | draw(&seed) >> (20 + draw(&seed) % 44);
        durations[7] = 0;
        for (unsigned lcores = 1; lcores <= 2; lcores++) {
            open_set(options[o], lcores);
            for (size_t i = 0; i < TR_NELEMS(durations); i++) {
                count((uint32_t)(i / 3 % lcores),
                      &(struct call){.service = "shop", .name = "op", .duration_ns = durations[i], .id = i}, i, false);
                if (i % 100 == 0)
                    tr_red_merge_look(merge, i, WALL);
            }
            tr_red_merge_look(merge, 1000, WALL);
            for (uint32_t i = 0; i < merge->points_count; i++)
                if (merge->points[i].metric == TR_RED_DURATION)
                    tr_red_point_values(merge, &merge->points[i], true, &values[lcores - 1]);
            close_set();
        }
        assert_int_equal(values[0].count, TR_NELEMS(durations));
        assert_memory_equal(&values[0].expo, &values[1].expo, sizeof(values[0].expo));
        assert_true(values[0].expo.last - values[0].expo.first < (o ? 4 : 160));
        for (size_t i = 0; i < TR_NELEMS(durations); i++) {
            // The bucket above base^index, up to base^(index+1).
            double power = exp2(-(double)values[0].expo.scale), where = log2((double)durations[i] / 1e6) / power;

            if (durations[i])
                expected[(int64_t)ceil(where - 1e-9) - 1 - values[0].expo.first]++;
            else
                assert_int_equal(values[0].expo.zero, 1);
        }
        for (int64_t i = 0; i <= values[0].expo.last - values[0].expo.first; i++) {
            assert_int_equal(buckets[0][i], buckets[1][i]);
            assert_int_equal(buckets[0][i], expected[i]);
        }
    }
}

static void test_texts_come_out_as_utf8(void **state)
{
    uint8_t to[64];

    assert_int_equal(tr_red_utf8((const uint8_t *)"a\xffz\xc3\xa9\xc3", 6, to), 10);
    assert_memory_equal(to, "a\xef\xbf\xbdz\xc3\xa9\xef\xbf\xbd", 10);
}

static void test_prometheus_adds_up_what_has_the_same_labels(void **state)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    open_set("dimensions: [{name: http.route}]\nexclude_dimensions: [collector.instance.id]\nhistogram: {unit: s}", 1);
    for (uint32_t i = 0; i < 6; i++)
        count(0, &(struct call){.service = "sh\"op", .host = i & 1 ? "a" : "b", .name = "op", .route = "/x\\", .duration_ns = TR_S, .id = i},
              i, false);
    count(0, &(struct call){.service = "sh\"op", .host = "a", .name = "op", .route = "/x\\", .duration_ns = TR_S, .id = 3}, 9, true);
    tr_red_merge_look(merge, 9, WALL);
    tr_red_prometheus(merge, true, out);
    fclose(out);
    assert_non_null(strstr(text, "# TYPE traces_span_metrics_calls counter\n"
                                 "traces_span_metrics_calls_total{http_route=\"/x\\\\\",job=\"sh\\\"op\","
                                 "otel_scope_name=\"spanmetricsconnector\",service_name=\"sh\\\"op\",span_kind=\"SPAN_KIND_UNSPECIFIED\","
                                 "span_name=\"op\",status_code=\"STATUS_CODE_UNSET\"} 6"));
    assert_non_null(strstr(text, "le=\"0.8\"} 0\n"));
    assert_non_null(strstr(text, "le=\"1.0\"} 6 # {trace_id=\"01000000000000000300000000000000\",span_id=\"0102030405060708\"} 1.0 1000.000\n"));
    assert_non_null(strstr(text, "le=\"+Inf\"} 6\n"));
    assert_non_null(strstr(text, "traces_span_metrics_duration_seconds_sum{"));
    assert_non_null(strstr(text, "target_info{host_name="));
    free(text);
    close_set();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lcores_that_say_the_same_are_one_point),
        cmocka_unit_test(test_spans_without_a_service_are_left_out),
        cmocka_unit_test(test_a_limit_holds_over_all_lcores),
        cmocka_unit_test(test_what_has_no_room_counts_in_overflow_series),
        cmocka_unit_test(test_a_series_expires_and_begins_anew),
        cmocka_unit_test(test_deltas_add_up_and_silence_sends_nothing),
        cmocka_unit_test(test_a_kept_trace_leaves_so_many_exemplars_and_a_flush_makes_room),
        cmocka_unit_test(test_sampled_spans_count_for_those_that_they_stand_for),
        cmocka_unit_test(test_exponential_buckets_are_the_same_however_they_came_together),
        cmocka_unit_test(test_texts_come_out_as_utf8),
        cmocka_unit_test(test_prometheus_adds_up_what_has_the_same_labels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
