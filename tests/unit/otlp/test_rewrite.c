// SPDX-License-Identifier: Apache-2.0
#include "build.h"

#include "otlp/rewrite.h"

static struct tr_walk_key key[] = {
    {.name = "user.id", .bytes = 7},
    {.name = "http.request.header.cookie", .bytes = 26},
    {.name = "kept", .bytes = 4},
};
static const uint8_t actions[] = {TR_ATTR_DEMOTE, TR_ATTR_DROP, TR_ATTR_KEEP};
static struct tr_rewrite_plan plan = {.keys = {.keys = key, .count = 3}, .actions = actions};

static struct build in, want;
static struct tr_rewrite_counts counts;

static int begin(void **state)
{
    in.bytes = want.bytes = 0;
    counts = (struct tr_rewrite_counts){0};
    return 0;
}

// Rewrite `in`, in buffers of exactly the sizes that the header asks for, and compare with `want`.
static void rewritten(const struct build *extra)
{
    uint32_t extra_bytes = extra ? extra->bytes : 0;
    uint8_t *span = malloc(in.bytes + 1), *out = malloc(in.bytes + extra_bytes + TR_REWRITE_GROWTH);
    size_t bytes;

    memcpy(span, in.data, in.bytes);
    bytes = tr_rewrite_span(&plan, span, in.bytes, extra ? extra->data : NULL, extra_bytes, out, &counts);
    assert_int_equal(bytes, want.bytes);
    assert_memory_equal(out, want.data, bytes);
    free(span);
    free(out);
}

static void want_event(uint64_t start_ns)
{
    uint32_t event = build_begin(&want, 11);

    if (start_ns)
        build_fixed64(&want, 1, start_ns);
    build_string(&want, 2, "tailrace.demoted");
    build_attribute_string(&want, 3, "user.id", "u-1");
    build_end(&want, event);
}

static void a_span_that_no_rule_touches_is_the_same_bytes(void **state)
{
    build_raw(&in, "\x8a\x00\x90\x00", 4); // tags and lengths spelled the long way stay so
    build_raw(&in, build_trace_id, 16);
    build_attribute_string(&in, 9, "kept", "1");
    build_attribute_string(&in, 9, "user.ID", "2");
    build_varint(&in, 99, 7);
    build_fixed64(&in, 7, 1000);
    memcpy(want.data, in.data, in.bytes);
    want.bytes = in.bytes;
    rewritten(NULL);
    assert_int_equal(counts.dropped + counts.demoted, 0);
}

static void a_demoted_attribute_becomes_the_event_s(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct build *b = i == 0 ? &in : &want;

        build_span_ids(b);
        build_string(b, 50, "unknown stays");
        if (b == &in)
            build_attribute_string(b, 9, "user.id", "u-1");
        build_attribute_string(b, 9, "kept", "1");
        build_fixed64(b, 7, 1234567);
        build_varint(b, 10, 3); // dropped_attributes_count
        build_varint(b, 1000, 5);
    }
    want_event(1234567);
    rewritten(NULL);
    assert_int_equal(counts.demoted, 1);
    assert_int_equal(counts.dropped, 0);
}

static void a_dropped_attribute_leaves_nothing(void **state)
{
    build_attribute_string(&in, 9, "http.request.header.cookie", "a=b");
    build_span_ids(&in);
    build_attribute_string(&in, 9, "http.request.header.cookie", "c=d");
    build_span_ids(&want);
    rewritten(NULL);
    assert_int_equal(counts.dropped, 2);
}

static void a_span_without_a_start_has_an_event_without_a_time(void **state)
{
    build_attribute_string(&in, 9, "user.id", "u-1");
    want_event(0);
    rewritten(NULL);
}

static void the_last_start_holds(void **state)
{
    build_fixed64(&in, 7, 1);
    build_attribute_string(&in, 9, "user.id", "u-1");
    build_fixed64(&in, 7, 2);
    build_fixed64(&want, 7, 1);
    build_fixed64(&want, 7, 2);
    want_event(2);
    rewritten(NULL);
}

static void another_event_is_appended_to_one_that_is_there(void **state)
{
    build_attribute_string(&in, 9, "user.id", "u-1");
    want_event(0);
    build_raw(&in, want.data, want.bytes);
    want_event(0);
    rewritten(NULL);
}

static void the_resource_s_demoted_attributes_come_with_it(void **state)
{
    static struct build resource, extra, rest;
    uint8_t out[1000], demoted[1000];
    uint32_t demoted_bytes, event;

    resource.bytes = extra.bytes = rest.bytes = 0;
    build_attribute_string(&resource, 1, "service.name", "cart");
    build_attribute_string(&resource, 1, "user.id", "pod-1");
    build_attribute_string(&resource, 1, "http.request.header.cookie", "x");
    build_varint(&resource, 2, 1);
    build_attribute_string(&rest, 1, "service.name", "cart");
    build_varint(&rest, 2, 1);
    build_attribute_string(&extra, 3, "user.id", "pod-1");
    assert_int_equal(
        tr_rewrite_resource(&plan, resource.data, resource.bytes, out, demoted, &demoted_bytes, &counts),
        rest.bytes);
    assert_memory_equal(out, rest.data, rest.bytes);
    assert_int_equal(demoted_bytes, extra.bytes);
    assert_memory_equal(demoted, extra.data, extra.bytes);
    assert_int_equal(counts.demoted, 1);
    assert_int_equal(counts.dropped, 1);

    build_span_ids(&in); // a span with nothing of its own to demote
    build_fixed64(&in, 7, 9);
    build_raw(&want, in.data, in.bytes);
    event = build_begin(&want, 11);
    build_fixed64(&want, 1, 9);
    build_string(&want, 2, "tailrace.demoted");
    build_raw(&want, extra.data, extra.bytes);
    build_end(&want, event);
    rewritten(&extra);
    assert_int_equal(counts.demoted, 1); // it was counted with its resource

    build_attribute_string(&in, 9, "user.id", "u-1"); // its own come first
    want.bytes = in.bytes - 18;
    event = build_begin(&want, 11);
    build_fixed64(&want, 1, 9);
    build_string(&want, 2, "tailrace.demoted");
    build_attribute_string(&want, 3, "user.id", "u-1");
    build_raw(&want, extra.data, extra.bytes);
    build_end(&want, event);
    rewritten(&extra);
}

static void many_demoted_attributes_stay_within_the_room(void **state)
{
    uint32_t event;

    build_fixed64(&in, 7, 5);
    build_fixed64(&want, 7, 5);
    event = build_begin(&want, 11);
    build_fixed64(&want, 1, 5);
    build_string(&want, 2, "tailrace.demoted");
    for (int i = 0; i < 10000; i++) {
        build_attribute_int(&in, 9, "user.id", i);
        build_attribute_int(&want, 3, "user.id", i);
    }
    build_end(&want, event);
    rewritten(NULL);
    assert_int_equal(counts.demoted, 10000);
}

static void a_malformed_span_is_left_alone(void **state)
{
    build_attribute_string(&in, 9, "user.id", "u-1");
    build_raw(&in, "\x4a\x05", 2);
    build_raw(&want, in.data, in.bytes);
    rewritten(NULL);
    assert_int_equal(counts.demoted, 0);
}

static void an_empty_span_stays_empty(void **state)
{
    rewritten(NULL);
}

static int group_begin(void **state)
{
    return tr_walk_keys_build(&plan.keys);
}

static int group_end(void **state)
{
    tr_walk_keys_free(&plan.keys);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_span_that_no_rule_touches_is_the_same_bytes, begin),
        cmocka_unit_test_setup(a_demoted_attribute_becomes_the_event_s, begin),
        cmocka_unit_test_setup(a_dropped_attribute_leaves_nothing, begin),
        cmocka_unit_test_setup(a_span_without_a_start_has_an_event_without_a_time, begin),
        cmocka_unit_test_setup(the_last_start_holds, begin),
        cmocka_unit_test_setup(another_event_is_appended_to_one_that_is_there, begin),
        cmocka_unit_test_setup(the_resource_s_demoted_attributes_come_with_it, begin),
        cmocka_unit_test_setup(many_demoted_attributes_stay_within_the_room, begin),
        cmocka_unit_test_setup(a_malformed_span_is_left_alone, begin),
        cmocka_unit_test_setup(an_empty_span_stays_empty, begin),
    };

    return cmocka_run_group_tests(tests, group_begin, group_end);
}
