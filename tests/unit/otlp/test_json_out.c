// SPDX-License-Identifier: Apache-2.0
#include "build.h"

#include "otlp/json.h"
#include "otlp/schema.h"

static struct build b;

static void text_is(const char *expected)
{
    uint8_t *copy = malloc(b.bytes + 1);
    size_t bytes;
    char *text;

    memcpy(copy, b.data, b.bytes);
    text = tr_json_out(copy, b.bytes, &bytes);
    assert_non_null(text);
    assert_int_equal(bytes, strlen(expected));
    assert_memory_equal(text, expected, bytes + 1); // and a NUL
    free(text);
    free(copy);
}

static int begin(void **state)
{
    b.bytes = 0;
    return 0;
}

static void a_span_as_the_collector_writes_it(void **state)
{
    uint32_t resource_spans = build_begin(&b, 1), scope_spans, at;

    at = build_begin(&b, 1);
    build_attribute_string(&b, 1, "service.name", "cart");
    build_end(&b, at);
    scope_spans = build_begin(&b, 2);
    at = build_begin(&b, 1);
    build_string(&b, 1, "http");
    build_end(&b, at);
    at = build_begin(&b, 2);
    build_span_ids(&b);
    build_bytes(&b, 4, "", 0);
    build_string(&b, 5, "GET /");
    build_varint(&b, 6, 2);
    build_fixed64(&b, 7, 1700000000000000000);
    build_attribute_int(&b, 9, "n", -5);
    build_bytes(&b, 15, "\x18\x02", 2);
    build_fixed32(&b, 16, 1);
    build_end(&b, at);
    build_end(&b, scope_spans);
    build_string(&b, 3, "https://s");
    build_end(&b, resource_spans);
    text_is(
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":"
        "{\"stringValue\":\"cart\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"http\"},\"spans\":[{"
        "\"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"spanId\":\"15161718191a1b1c\",\"name\":\"GET /\","
        "\"kind\":2,\"startTimeUnixNano\":\"1700000000000000000\",\"attributes\":[{\"key\":\"n\",\"value\":"
        "{\"intValue\":\"-5\"}}],\"status\":{\"code\":2},\"flags\":1}]}],\"schemaUrl\":\"https://s\"}]}");
}

static void nothing_is_an_empty_object(void **state)
{
    text_is("{}");
    build_bytes(&b, 1, "", 0);
    text_is("{\"resourceSpans\":[{}]}");
    build_bytes(&b, 1, "", 0);
    text_is("{\"resourceSpans\":[{},{}]}");
}

// An attribute of the resource, whose value is this AnyValue.
static void value_is(const void *any, uint32_t bytes, const char *json)
{
    char expected[1000];
    uint32_t resource_spans, resource, kv;

    b.bytes = 0;
    resource_spans = build_begin(&b, 1);
    resource = build_begin(&b, 1);
    kv = build_begin(&b, 1);
    build_bytes(&b, 2, any, bytes);
    build_end(&b, kv);
    build_end(&b, resource);
    build_end(&b, resource_spans);
    snprintf(expected, sizeof(expected),
             "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"value\":%s}]}}]}", json);
    text_is(expected);
}

#define VALUE_IS(any, json) value_is(any, sizeof(any) - 1, json)

static void a_value_of_each_type(void **state)
{
    VALUE_IS("", "{}");
    VALUE_IS("\x0a\x00", "{\"stringValue\":\"\"}");
    VALUE_IS("\x10\x00", "{\"boolValue\":false}");
    VALUE_IS("\x10\x01", "{\"boolValue\":true}");
    VALUE_IS("\x18\x00", "{\"intValue\":\"0\"}");
    VALUE_IS("\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", "{\"intValue\":\"-9223372036854775808\"}");
    VALUE_IS("\x21\0\0\0\0\0\0\0\0", "{\"doubleValue\":0}");
    VALUE_IS("\x21\x9a\x99\x99\x99\x99\x99\xb9\x3f", "{\"doubleValue\":0.1}");
    VALUE_IS("\x21\0\0\0\0\0\0\xf0\x7f", "{\"doubleValue\":\"Infinity\"}");
    VALUE_IS("\x2a\x00", "{\"arrayValue\":{}}");
    VALUE_IS("\x2a\x06\x0a\x02\x10\x01\x0a\x00", "{\"arrayValue\":{\"values\":[{\"boolValue\":true},{}]}}");
    VALUE_IS("\x32\x05\x0a\x03\x0a\x01k", "{\"kvlistValue\":{\"values\":[{\"key\":\"k\"}]}}");
    VALUE_IS("\x3a\x00", "{\"bytesValue\":\"\"}");
    VALUE_IS("\x3a\x01\xff", "{\"bytesValue\":\"/w==\"}");
    VALUE_IS("\x3a\x02\xff\xef", "{\"bytesValue\":\"/+8=\"}");
    VALUE_IS("\x3a\x03\x61\x62\x63", "{\"bytesValue\":\"YWJj\"}");
    VALUE_IS("\x40\x07", "{\"stringValueStrindex\":7}");
    VALUE_IS("\x0a\x01x\x18\x05", "{\"intValue\":\"5\"}"); // the last one holds
    VALUE_IS("\x2a\x02\x0a\x00\x0a\x01x\x2a\x02\x0a\x00", "{\"arrayValue\":{\"values\":[{}]}}");
    VALUE_IS("\x2a\x02\x0a\x00\x2a\x02\x0a\x00", "{\"arrayValue\":{\"values\":[{},{}]}}");
}

static void strings_are_escaped_and_made_utf8(void **state)
{
    VALUE_IS("\x0a\x0c\"\\/\b\f\n\r\t\x01\x7f\0x",
             "{\"stringValue\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\x7f\\u0000x\"}");
    VALUE_IS("\x0a\x05\xc3\xa9\xff\xc3x", "{\"stringValue\":\"\xc3\xa9\xef\xbf\xbd\xef\xbf\xbdx\"}");
    VALUE_IS("\x0a\x04\xf0\x9f\xa6\x80", "{\"stringValue\":\"\xf0\x9f\xa6\x80\"}");
    VALUE_IS("\x0a\x03\xf0\x9f\xa6", "{\"stringValue\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}");
}

static void pieces_runs_and_unknown_fields(void **state)
{
    uint32_t resource_spans = build_begin(&b, 1);

    build_bytes(&b, 2, "", 0);
    build_bytes(&b, 1, "\x10\x01", 2);
    build_string(&b, 77, "unknown");
    build_string(&b, 3, "first");
    build_bytes(&b, 1, "\x0a\x00\x98\x06\x01", 5);
    build_bytes(&b, 2, "", 0);
    build_string(&b, 3, "last");
    build_bytes(&b, 1, "\x10\x02", 2);
    build_end(&b, resource_spans);
    text_is("{\"resourceSpans\":[{\"resource\":{\"attributes\":[{}],\"droppedAttributesCount\":2},"
            "\"scopeSpans\":[{},{}],\"schemaUrl\":\"last\"}]}");
}

static void malformed_protobuf_is_refused(void **state)
{
    size_t bytes;

    assert_null(tr_json_out((const uint8_t *)"\x0a", 1, &bytes));
    assert_null(tr_json_out((const uint8_t *)"\x0a\x02\x08\x01", 4, &bytes));
}

// An attribute of arrays in one another, as many as may be.
static void deep_attribute(uint32_t number)
{
    uint32_t begins[TR_OTLP_DEPTH_MAX], kv = build_begin(&b, number), depth = 0;

    begins[depth++] = build_begin(&b, 2);
    while (depth + 2 <= TR_OTLP_DEPTH_MAX) {
        begins[depth++] = build_begin(&b, 5);
        begins[depth++] = build_begin(&b, 1);
    }
    while (depth-- > 0)
        build_end(&b, begins[depth]);
    build_end(&b, kv);
}

// What the walk lets pass can be demoted, walked again by the next one, written as JSON, and read.
static void the_deepest_attribute_can_go_everywhere(void **state)
{
    static const struct tr_walk_plan plan = {.words = 1};
    static struct tr_json_in in;
    static uint8_t out[1 << 16];
    struct tr_walk_span walked;
    struct tr_bits bits = {0};
    uint32_t outer[3], event, span;
    size_t bytes;
    char *text;

    for (unsigned i = 0; i < 3; i++)
        outer[i] = build_begin(&b, i == 0 ? 1 : 2);
    span = b.bytes;
    build_span_ids(&b);
    deep_attribute(9);
    event = build_begin(&b, 11);
    deep_attribute(3);
    build_end(&b, event);
    assert_int_equal(tr_walk_span(&plan, 0, b.data + span, b.bytes - span, NULL, &walked, &bits), TR_WALK_OK);
    for (unsigned i = 3; i-- > 0;)
        build_end(&b, outer[i]);
    text = tr_json_out(b.data, b.bytes, &bytes);
    assert_non_null(text);
    tr_json_in_init(&in, (const uint8_t *)text, bytes, out);
    assert_int_equal(tr_json_in_run(&in, SIZE_MAX), TR_JSON_DONE);
    free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_span_as_the_collector_writes_it, begin),
        cmocka_unit_test_setup(nothing_is_an_empty_object, begin),
        cmocka_unit_test_setup(a_value_of_each_type, begin),
        cmocka_unit_test_setup(strings_are_escaped_and_made_utf8, begin),
        cmocka_unit_test_setup(pieces_runs_and_unknown_fields, begin),
        cmocka_unit_test_setup(malformed_protobuf_is_refused, begin),
        cmocka_unit_test_setup(the_deepest_attribute_can_go_everywhere, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
