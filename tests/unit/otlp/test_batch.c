// SPDX-License-Identifier: Apache-2.0
#include "build.h"

#include "otlp/batch.h"

static struct build want;

static struct tr_batch_group group(const char *resource, const char *resource_url, const char *scope,
                                   const char *scope_url)
{
    return (struct tr_batch_group){
        .resource = (const uint8_t *)resource,
        .resource_schema_url = (const uint8_t *)resource_url,
        .scope = (const uint8_t *)scope,
        .scope_schema_url = (const uint8_t *)scope_url,
        .resource_bytes = (uint32_t)strlen(resource),
        .resource_schema_url_bytes = (uint32_t)strlen(resource_url),
        .scope_bytes = (uint32_t)strlen(scope),
        .scope_schema_url_bytes = (uint32_t)strlen(scope_url),
    };
}

static struct tr_batch_span span(const char *text, uint32_t in_group)
{
    return (struct tr_batch_span){(const uint8_t *)text, (uint32_t)strlen(text), in_group};
}

static void written(const struct tr_batch_group *groups, uint32_t group_count,
                    const struct tr_batch_span *spans, uint32_t span_count)
{
    size_t bytes = tr_batch_bytes(groups, group_count, spans, span_count);
    uint8_t *out;

    assert_int_equal(bytes, want.bytes);
    out = malloc(bytes + 1);
    assert_int_equal(tr_batch_write(groups, group_count, spans, span_count, out), bytes);
    assert_memory_equal(out, want.data, bytes);
    free(out);
}

static void spans_are_gathered_by_resource_and_scope(void **state)
{
    const struct tr_batch_group groups[] = {
        group("RA", "ua", "S1", "s"), group("RB", "", "", ""),
        group("RA", "ua", "S2", ""),  group("RA", "", "S1", "s"), // another schema URL, another resource
        group("RA", "ua", "S1", "s"),                             // equal bytes: the same
        group("never", "", "", ""),
    };
    const struct tr_batch_span spans[] = {span("a", 0), span("b", 1), span("c", 2), span("d", 3),
                                          span("e", 4), span("", 1),  span("f", 0)};
    uint32_t outer, inner;

    want.bytes = 0;
    outer = build_begin(&want, 1);
    build_string(&want, 1, "RA");
    inner = build_begin(&want, 2);
    build_string(&want, 1, "S1");
    build_string(&want, 2, "a");
    build_string(&want, 2, "e");
    build_string(&want, 2, "f");
    build_string(&want, 3, "s");
    build_end(&want, inner);
    inner = build_begin(&want, 2);
    build_string(&want, 1, "S2");
    build_string(&want, 2, "c");
    build_end(&want, inner);
    build_string(&want, 3, "ua");
    build_end(&want, outer);
    outer = build_begin(&want, 1);
    build_string(&want, 1, "RB");
    inner = build_begin(&want, 2);
    build_string(&want, 2, "b");
    build_string(&want, 2, "");
    build_end(&want, inner);
    build_end(&want, outer);
    outer = build_begin(&want, 1);
    build_string(&want, 1, "RA");
    inner = build_begin(&want, 2);
    build_string(&want, 1, "S1");
    build_string(&want, 2, "d");
    build_string(&want, 3, "s");
    build_end(&want, inner);
    build_end(&want, outer);
    written(groups, TR_NELEMS(groups), spans, TR_NELEMS(spans));
}

static void no_spans_make_no_bytes(void **state)
{
    const struct tr_batch_group groups[] = {group("RA", "", "", "")};

    want.bytes = 0;
    written(groups, 1, NULL, 0);
    written(NULL, 0, NULL, 0);
}

// What differs only in where one field ends and the next begins is not equal.
static void fields_do_not_run_into_each_other(void **state)
{
    const struct tr_batch_group groups[] = {group("ab", "c", "", ""), group("a", "bc", "", "")};
    const struct tr_batch_span spans[] = {span("x", 0), span("y", 1)};

    want.bytes = 0;
    for (int i = 0; i < 2; i++) {
        uint32_t outer = build_begin(&want, 1), inner;

        build_string(&want, 1, i == 0 ? "ab" : "a");
        inner = build_begin(&want, 2);
        build_string(&want, 2, i == 0 ? "x" : "y");
        build_end(&want, inner);
        build_string(&want, 3, i == 0 ? "c" : "bc");
        build_end(&want, outer);
    }
    written(groups, 2, spans, 2);
}

// As many groups as spans, all of them different: it ends, and every span is there once.
static void many_groups_are_one_pass(void **state)
{
    enum { COUNT = 100000 };
    struct tr_batch_group *groups = calloc(COUNT, sizeof(*groups));
    struct tr_batch_span *spans = calloc(COUNT, sizeof(*spans));
    uint32_t *ids = calloc(COUNT, sizeof(*ids));
    size_t bytes, found = 0;
    uint8_t *out;
    struct tr_pb_field resource, scope, field;

    for (uint32_t i = 0; i < COUNT; i++) {
        ids[i] = i;
        groups[i] = (struct tr_batch_group){.resource = (const uint8_t *)&ids[i], .resource_bytes = 4};
        spans[i] = (struct tr_batch_span){(const uint8_t *)&ids[i], 4, COUNT - 1 - i};
    }
    bytes = tr_batch_bytes(groups, COUNT, spans, COUNT);
    out = malloc(bytes);
    assert_int_equal(tr_batch_write(groups, COUNT, spans, COUNT, out), bytes);
    for (const uint8_t *p = out; p < out + bytes; found++) {
        p = tr_pb_field(p, out + bytes, &resource);
        assert_non_null(p);
        assert_int_equal(resource.value, 6 + 8);
        tr_pb_field(resource.bytes + 6, p, &scope);
        tr_pb_field(scope.bytes, p, &field);
        assert_int_equal(field.number, 2);
        assert_memory_equal(field.bytes, &ids[found], 4);
        assert_memory_equal(resource.bytes + 2, &ids[COUNT - 1 - found], 4);
    }
    assert_int_equal(found, COUNT);
    free(out);
    free(groups);
    free(spans);
    free(ids);
}

static void two_gibibytes_are_too_much(void **state)
{
    static const struct tr_batch_group groups[1];
    struct tr_batch_span spans[2] = {{NULL, 1u << 30, 0}, {NULL, 1u << 30, 0}};

    assert_true(tr_batch_bytes(groups, 1, spans, 2) == SIZE_MAX);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_gathered_by_resource_and_scope),
        cmocka_unit_test(no_spans_make_no_bytes),
        cmocka_unit_test(fields_do_not_run_into_each_other),
        cmocka_unit_test(many_groups_are_one_pass),
        cmocka_unit_test(two_gibibytes_are_too_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
