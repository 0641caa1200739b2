// SPDX-License-Identifier: Apache-2.0
#include "build.h"

#include "otlp/json.h"
#include "otlp/schema.h"

static struct tr_json_in in;
static uint8_t out[1 << 20];
static struct build want;

// Convert, in place and in the smallest steps, then apart and at once: the results are the same.
static enum tr_json_result convert_bytes(const char *json, size_t bytes)
{
    uint8_t *memory = malloc(TR_JSON_GAP + bytes);
    enum tr_json_result result;
    size_t out_bytes;

    memcpy(memory + TR_JSON_GAP, json, bytes);
    tr_json_in_init(&in, memory + TR_JSON_GAP, bytes, memory);
    while ((result = tr_json_in_run(&in, 1)) == TR_JSON_MORE)
        ;
    out_bytes = in.out_bytes;
    memcpy(out, memory, TR_MIN(out_bytes, sizeof(out)));
    free(memory);

    memory = malloc(TR_JSON_GAP + bytes);
    tr_json_in_init(&in, (const uint8_t *)json, bytes, memory);
    assert_int_equal(tr_json_in_run(&in, SIZE_MAX), result);
    assert_int_equal(in.out_bytes, out_bytes);
    if (result == TR_JSON_DONE)
        assert_memory_equal(memory, out, TR_MIN(out_bytes, sizeof(out)));
    else
        assert_int_equal(tr_json_in_run(&in, SIZE_MAX), TR_JSON_MALFORMED); // and stays so
    assert_int_equal(in.why != NULL, result == TR_JSON_MALFORMED);
    free(memory);
    return result;
}

static enum tr_json_result convert(const char *json)
{
    return convert_bytes(json, strlen(json));
}

// Read a length that may be padded to four bytes, and go into the message.
static const uint8_t *enter(const uint8_t *p, const uint8_t **end, uint32_t number)
{
    struct tr_pb_field field;

    p = tr_pb_field(p, *end, &field);
    assert_non_null(p);
    assert_ptr_equal(p, *end); // the only field
    assert_int_equal(field.number, number);
    *end = field.bytes + field.value;
    return field.bytes;
}

// Convert a span of these fields, and compare it with `want`.
static void span_is(const char *fields)
{
    static char json[1 << 20];
    const uint8_t *p = out, *end;

    snprintf(json, sizeof(json), "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{%s}]}]}]}", fields);
    assert_int_equal(convert(json), TR_JSON_DONE);
    end = out + in.out_bytes;
    p = enter(p, &end, 1);
    p = enter(p, &end, 2);
    p = enter(p, &end, 2);
    assert_int_equal(end - p, want.bytes);
    assert_memory_equal(p, want.data, want.bytes);
}

// The same for the AnyValue of an attribute.
static void value_is(const char *value, const void *any, uint32_t bytes)
{
    static char fields[1 << 18];
    uint32_t kv;

    want.bytes = 0;
    kv = build_begin(&want, 9);
    build_string(&want, 1, "k");
    build_bytes(&want, 2, any, bytes);
    build_end(&want, kv);
    snprintf(fields, sizeof(fields), "\"attributes\":[{\"key\":\"k\",\"value\":%s}]", value);
    span_is(fields);
}

#define VALUE_IS(value, any) value_is(value, any, sizeof(any) - 1)

// Convert it as a value, where it must be refused.
static void value_is_refused(const char *value)
{
    static char json[1 << 18];

    snprintf(json, sizeof(json),
             "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"attributes\":[{\"value\":%s}]}]}]}]}",
             value);
    assert_int_equal(convert(json), TR_JSON_MALFORMED);
}

static int begin(void **state)
{
    want.bytes = 0;
    return 0;
}

static void every_field_of_a_span(void **state)
{
    uint32_t at, kv;

    build_bytes(&want, 1, "\x5b\x8e\xff\xf7\x98\x03\x81\x03\xd2\x69\xb6\x33\x81\x3f\xc6\x0c", 16);
    build_bytes(&want, 2, "\xee\xe1\x9b\x7e\xc3\xc1\xb1\x74", 8);
    build_string(&want, 3, "a=b");
    build_bytes(&want, 4, "", 0);
    build_string(&want, 5, "I'm a server span");
    build_varint(&want, 6, 2);
    build_fixed64(&want, 7, 1544712660000000000);
    build_fixed64(&want, 8, 1544712661000000000);
    kv = build_begin(&want, 9);
    build_string(&want, 1, "my.span.attr");
    build_bytes(&want, 2, "\x0a\x0asome value", 12);
    build_end(&want, kv);
    build_varint(&want, 10, 1);
    at = build_begin(&want, 11);
    build_fixed64(&want, 1, 5);
    build_string(&want, 2, "event");
    build_attribute_string(&want, 3, "k", "v");
    build_varint(&want, 4, 2);
    build_end(&want, at);
    build_varint(&want, 12, 3);
    at = build_begin(&want, 13);
    build_bytes(&want, 1, build_trace_id, 16);
    build_bytes(&want, 2, build_span_id, 8);
    build_string(&want, 3, "x=y");
    build_fixed32(&want, 6, 256);
    build_end(&want, at);
    build_varint(&want, 14, 4294967295);
    at = build_begin(&want, 15);
    build_string(&want, 2, "broke");
    build_varint(&want, 3, 2);
    build_end(&want, at);
    build_fixed32(&want, 16, 257);
    span_is(
        "\"traceId\":\"5B8EFFF798038103D269B633813FC60C\",\"spanId\":\"eee19b7ec3c1b174\","
        "\"traceState\":\"a=b\",\"parentSpanId\":\"\",\"name\":\"I'm a server span\",\"kind\":2,"
        "\"startTimeUnixNano\":\"1544712660000000000\",\"endTimeUnixNano\":1544712661000000000,"
        "\"attributes\":[{\"key\":\"my.span.attr\",\"value\":{\"stringValue\":\"some value\"}}],"
        "\"droppedAttributesCount\":1,\"events\":[{\"timeUnixNano\":\"5\",\"name\":\"event\","
        "\"attributes\":[{\"key\":\"k\",\"value\":{\"stringValue\":\"v\"}}],\"droppedAttributesCount\":2}],"
        "\"droppedEventsCount\":3,\"links\":[{\"traceId\":\"0102030405060708090a0b0c0d0e0f10\","
        "\"spanId\":\"15161718191a1b1c\",\"traceState\":\"x=y\",\"flags\":256}],"
        "\"droppedLinksCount\":\"4294967295\",\"status\":{\"message\":\"broke\",\"code\":2},\"flags\":257");
}

static void a_value_of_each_type(void **state)
{
    VALUE_IS("{}", "");
    VALUE_IS("{\"stringValue\":\"\"}", "\x0a\x00");
    VALUE_IS("{\"boolValue\":true}", "\x10\x01");
    VALUE_IS("{\"boolValue\":false}", "\x10\x00");
    VALUE_IS("{\"intValue\":\"-1\"}", "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    VALUE_IS("{\"intValue\":150}", "\x18\x96\x01");
    VALUE_IS("{\"intValue\":1.5e2}", "\x18\x96\x01");
    VALUE_IS("{\"intValue\":\"-9223372036854775808\"}", "\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01");
    VALUE_IS("{\"doubleValue\":1.5}", "\x21\0\0\0\0\0\0\xf8\x3f");
    VALUE_IS("{\"doubleValue\":\"1.5\"}", "\x21\0\0\0\0\0\0\xf8\x3f");
    VALUE_IS("{\"doubleValue\":\"-Infinity\"}", "\x21\0\0\0\0\0\0\xf0\xff");
    VALUE_IS("{\"doubleValue\":\"NaN\"}", "\x21\0\0\0\0\0\0\xf8\x7f");
    VALUE_IS("{\"arrayValue\":{\"values\":[{\"intValue\":1},{},{\"stringValue\":\"a\"}]}}",
             "\x2a\x0b\x0a\x02\x18\x01\x0a\x00\x0a\x03\x0a\x01"
             "a");
    VALUE_IS("{\"arrayValue\":{}}", "\x2a\x00");
    VALUE_IS("{\"kvlistValue\":{\"values\":[{\"key\":\"a\"}]}}", "\x32\x05\x0a\x03\x0a\x01"
                                                                 "a");
    VALUE_IS("{\"bytesValue\":\"/+8=\"}", "\x3a\x02\xff\xef");
    VALUE_IS("{\"bytesValue\":\"_-8\"}", "\x3a\x02\xff\xef"); // the other alphabet, no padding
    VALUE_IS("{\"bytesValue\":\"\\/\\u002b8=\"}", "\x3a\x02\xff\xef");
    VALUE_IS("{\"bytesValue\":\"YWJj\"}", "\x3a\x03"
                                          "abc");
    VALUE_IS("{\"stringValueStrindex\":7}", "\x40\x07");
}

static void values_of_the_wrong_type_are_refused(void **state)
{
    static const char *const rows[] = {
        "{\"stringValue\":1}",
        "{\"stringValue\":true}",
        "{\"stringValue\":{}}",
        "{\"boolValue\":1}",
        "{\"boolValue\":\"true\"}",
        "{\"boolValue\":truely}",
        "{\"intValue\":true}",
        "{\"intValue\":1.5}",
        "{\"intValue\":\"\"}",
        "{\"intValue\":\" 1\"}",
        "{\"intValue\":\"1 \"}",
        "{\"intValue\":\"0x10\"}",
        "{\"intValue\":[]}",
        "{\"doubleValue\":\"nan\"}",
        "{\"doubleValue\":NaN}",
        "{\"doubleValue\":1e999}",
        "{\"doubleValue\":\"1,5\"}",
        "{\"arrayValue\":[]}",
        "{\"arrayValue\":\"\"}",
        "{\"bytesValue\":\"a\"}",
        "{\"bytesValue\":\"ab=\"}",
        "{\"bytesValue\":\"ab==c\"}",
        "{\"bytesValue\":\"a b=\"}",
        "{\"bytesValue\":[1]}",
        "{\"intValue\":9223372036854775808}",
        "{\"intValue\":-9223372036854775809}",
        "{\"stringValueStrindex\":2147483648}",
        "[]",
        "\"text\"",
        "1",
        "{\"kvlistValue\":{\"values\":{}}}",
    };

    for (size_t i = 0; i < TR_NELEMS(rows); i++)
        value_is_refused(rows[i]);
}

static void strings_are_unescaped(void **state)
{
    VALUE_IS("{\"stringValue\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "\x0a\x08\"\\/\b\f\n\r\t");
    VALUE_IS("{\"stringValue\":\"\\u0041\\u00e9\\u20ac\"}", "\x0a\x06"
                                                            "A\xc3\xa9\xe2\x82\xac");
    VALUE_IS("{\"stringValue\":\"\\ud83e\\udd80\"}", "\x0a\x04\xf0\x9f\xa6\x80");
    VALUE_IS("{\"stringValue\":\"\\uD83E\\uDD80\"}", "\x0a\x04\xf0\x9f\xa6\x80");
    VALUE_IS("{\"stringValue\":\"\\u0000\"}", "\x0a\x01\0");
    VALUE_IS("{\"stringValue\":\"12345678é🦀\"}", "\x0a\x0e"
                                                     "12345678\xc3\xa9\xf0\x9f\xa6\x80");
    // Half a surrogate pair, as JavaScript leaves it when it cuts a string: at the end, before text, before
    // an escape, the second half alone, two first halves.
    VALUE_IS("{\"stringValue\":\"a\\ud83e\"}", "\x0a\x04"
                                               "a\xef\xbf\xbd");
    VALUE_IS("{\"stringValue\":\"\\ud83eb\"}", "\x0a\x04\xef\xbf\xbd"
                                               "b");
    VALUE_IS("{\"stringValue\":\"\\ud83e\\n\"}", "\x0a\x04\xef\xbf\xbd\n");
    VALUE_IS("{\"stringValue\":\"\\udd80\"}", "\x0a\x03\xef\xbf\xbd");
    VALUE_IS("{\"stringValue\":\"\\ud83e\\ud83e\\udd80\"}", "\x0a\x07\xef\xbf\xbd\xf0\x9f\xa6\x80");
}

static void bad_strings_are_refused(void **state)
{
    static const char *const rows[] = {
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\",
        "\"tab\there\"",
        "\"\x01\"",
        "\"\x80\"",
        "\"\xc3\"",
        "\"\xc0\x80\"",
        "\"\xe0\x80\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xf5\x80\x80\x80\"",
        "\"\xff\"",
        "\"\xe2\x82\"",
        "\"12345678\x1f\"",
        "\"\\ud83e\\x\"",
        "\"no end",
    };
    char value[100];

    for (size_t i = 0; i < TR_NELEMS(rows); i++) {
        snprintf(value, sizeof(value), "{\"stringValue\":%s}", rows[i]);
        value_is_refused(value);
    }
}

// Lengths on both sides of each step of a varint, at any place in words of eight.
static void long_strings_get_long_lengths(void **state)
{
    static char value[1 << 18];
    static struct build any;

    for (uint32_t bytes = 0; bytes < 70000; bytes += bytes < 300 ? 1 : bytes / 3) {
        int n = snprintf(value, sizeof(value), "{\"stringValue\":\"%0*d\"}", (int)bytes, 0);

        any.bytes = 0;
        build_bytes(&any, 1, value + 16, (uint32_t)n - 18);
        value_is(value, any.data, any.bytes);
    }
}

static void enums_by_number_and_by_name(void **state)
{
    build_varint(&want, 6, 3);
    build_varint(&want, 6, 2);
    build_varint(&want, 6, 77);
    build_varint(&want, 6, 1);
    build_bytes(&want, 15, "\x18\x01", 2);
    span_is("\"kind\":3,\"kind\":\"SPAN_KIND_SERVER\",\"kind\":77,\"kind\":\"1\",\"status\":{\"code\":"
            "\"STATUS_CODE_OK\"}");
    assert_int_equal(convert("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"kind\":\"SERVER\"}]}]}]}"),
                     TR_JSON_MALFORMED);
    assert_int_equal(convert("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"kind\":-1}]}]}]}"),
                     TR_JSON_MALFORMED);
}

static void ids_of_any_length_are_left_to_the_walk(void **state)
{
    build_bytes(&want, 1, "\xab", 1);
    build_bytes(&want, 2, "", 0);
    span_is("\"traceId\":\"aB\",\"spanId\":\"\"");
    assert_int_equal(convert("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"abc\"}]}]}]}"),
                     TR_JSON_MALFORMED);
    assert_int_equal(
        convert("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"W47/94gDgQM=\"}]}]}]}"),
        TR_JSON_MALFORMED);
    assert_int_equal(convert("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"spanId\":12}]}]}]}"),
                     TR_JSON_MALFORMED);
}

static void unknown_names_and_null_leave_nothing(void **state)
{
    build_string(&want, 5, "n");
    build_bytes(&want, 15, "", 0);
    span_is(" \"name\" : \"n\" , "
            "\"new\":{\"a\":[1,-2.5e3,{\"b\":[]},[[]],true,false,null,\"\\\"\\\\\"],\"c\":{}},"
            "\"trace_id\":\"not even "
            "hex\",\"traceid\":5,\"status\":null,\"status\":{\"\":1},\"attributes\":null,\"kind\":null,"
            "\"\":1,\"droppedAttributesCountX\":\"x\",\"droppedAttributesCounx\":1,\"n\\u00e4me\":2,"
            "\"a name that is a good deal longer than any field of the schema\":[],\"\\ud83e\":0");
    begin(NULL);
    build_string(&want, 5, "n");
    span_is("\"\\u006eame\":\"n\""); // a name may be escaped
}

static void a_field_that_comes_twice_is_written_twice(void **state)
{
    build_string(&want, 5, "a");
    build_string(&want, 5, "b");
    build_bytes(&want, 15, "\x18\x02", 2);
    build_bytes(&want, 15, "\x12\x01m", 3);
    span_is("\"name\":\"a\",\"name\":\"b\",\"status\":{\"code\":2},\"status\":{\"message\":\"m\"}");
}

static void an_empty_request(void **state)
{
    static const char *const rows[] = {"{}", " { } ", "{\"resourceSpans\":[]}", "{\"resourceSpans\":null}",
                                       "\r\n\t{}\n"};

    for (size_t i = 0; i < TR_NELEMS(rows); i++) {
        assert_int_equal(convert(rows[i]), TR_JSON_DONE);
        assert_int_equal(in.out_bytes, 0);
    }
    assert_int_equal(convert("{\"resourceSpans\":[{},{}]}"), TR_JSON_DONE);
    assert_int_equal(in.out_bytes, 4);
    assert_memory_equal(out, "\x0a\x00\x0a\x00", 4);
}

static void what_is_not_json_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        " ",
        "null",
        "[]",
        "1",
        "\"\"",
        "{",
        "{\"",
        "{\"a",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\" 1}",
        "{\"a\":}",
        "{\"a\":1}}",
        "{}{}",
        "{} x",
        "{}\xff",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":[1}",
        "{\"a\":{]}",
        "{\"a\":[1 2]}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":tru}",
        "{\"a\":nul}",
        "{\"a\":\"x}",
        "{\"a\":1 \"b\":2}",
        "\xef\xbb\xbf",
        "{\"resourceSpans\":{}}",
        "{\"resourceSpans\":[[]]}",
        "{\"resourceSpans\":[1]}",
        "{\"resourceSpans\":[{}",
        "{\"resourceSpans\":[{}}",
        "{\"resourceSpans\":[{]]}",
        "//\n{}",
        "{\"a\":1;\"b\":2}",
        "{\"a\":\"\\",
    };

    for (size_t i = 0; i < TR_NELEMS(rows); i++) {
        assert_int_equal(convert(rows[i]), TR_JSON_MALFORMED);
        assert_true(in.offset <= strlen(rows[i]));
    }
    assert_int_equal(convert_bytes("{}\0", 3), TR_JSON_MALFORMED);
}

static void json_cut_anywhere_is_refused(void **state)
{
    static const char json[] =
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"a\",\"value\":{\"stringValue\":"
        "\"\\u00e9\"}}]},"
        "\"scopeSpans\":[{\"spans\":[{\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"flags\":1.0e0,"
        "\"x\":[null,true,\"\\\"\"],\"attributes\":[{\"value\":{\"bytesValue\":\"YQ==\"}}]}]}]}]}";

    for (size_t bytes = 0; bytes < sizeof(json) - 1; bytes++)
        assert_int_equal(convert_bytes(json, bytes), TR_JSON_MALFORMED);
    assert_int_equal(convert_bytes(json, sizeof(json) - 1), TR_JSON_DONE);
}

// `depth` objects or arrays that nobody knows, in one another.
static enum tr_json_result nested(unsigned depth, char open, char close)
{
    static char json[100000];
    size_t n = 0;

    n += (size_t)sprintf(json, "{\"x\":");
    for (unsigned i = 0; i < depth; i++) {
        json[n++] = open;
        if (open == '{' && i + 1 < depth)
            n += (size_t)sprintf(json + n, "\"a\":");
    }
    for (unsigned i = 0; i < depth; i++)
        json[n++] = close;
    json[n++] = '}';
    return convert_bytes(json, n);
}

static void nesting_is_bounded(void **state)
{
    assert_int_equal(nested(TR_JSON_DEPTH_MAX - 1, '[', ']'), TR_JSON_DONE);
    assert_int_equal(nested(TR_JSON_DEPTH_MAX, '[', ']'), TR_JSON_MALFORMED);
    assert_int_equal(nested(TR_JSON_DEPTH_MAX - 1, '{', '}'), TR_JSON_DONE);
    assert_int_equal(nested(TR_JSON_DEPTH_MAX, '{', '}'), TR_JSON_MALFORMED);
    assert_int_equal(nested(10000, '[', ']'), TR_JSON_MALFORMED);
}

// A turn ends near its budget, whatever the JSON is made of.
static void turns_are_bounded(void **state)
{
    enum { BYTES = 4 << 20, BUDGET = 1 << 16 };
    static const char *const fills[] = {" ", "x", "{},", "\\\""};
    char *json = malloc(BYTES + 64);
    uint8_t *memory = malloc(BYTES + 128);

    for (size_t i = 0; i < TR_NELEMS(fills); i++) {
        size_t fill = strlen(fills[i]), n, last = 0;

        n = (size_t)sprintf(json, i == 2 ? "{\"resourceSpans\":[" : i == 0 ? "" : "{\"u\":\"");
        while (n < BYTES) {
            memcpy(json + n, fills[i], fill);
            n += fill;
        }
        n += (size_t)sprintf(json + n, i == 2 ? "{}]}" : i == 0 ? "{}" : "\"}");
        tr_json_in_init(&in, (const uint8_t *)json, n, memory);
        for (enum tr_json_result result = TR_JSON_MORE; result == TR_JSON_MORE;) {
            result = tr_json_in_run(&in, BUDGET);
            assert_int_not_equal(result, TR_JSON_MALFORMED);
            assert_true(in.state[0] - last < 2 * BUDGET); // its first word is where it is
            last = in.state[0];
        }
    }
    free(json);
    free(memory);
}

static void a_string_above_the_bound_is_refused(void **state)
{
    static char json[TR_SPAN_BYTES_MAX + 200];
    int n = sprintf(json, "{\"resourceSpans\":[{\"schemaUrl\":\"");

    for (size_t bytes = TR_SPAN_BYTES_MAX; bytes <= TR_SPAN_BYTES_MAX + 1; bytes++) {
        memset(json + n, 'x', bytes);
        memcpy(json + n + bytes, "\"}]}", 5);
        assert_int_equal(convert(json), bytes == TR_SPAN_BYTES_MAX ? TR_JSON_DONE : TR_JSON_MALFORMED);
    }
}

// The three outer messages at any size: their lengths have four bytes unless they fit in one.
static void outer_lengths_fit(void **state)
{
    static char json[300000];

    for (unsigned bytes = 1; bytes < 250000; bytes += bytes < 300 ? 1 : bytes / 5) {
        const uint8_t *p = out, *end;

        sprintf(json, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"%0*d\"}]}]}]}",
                (int)bytes, 0);
        assert_int_equal(convert(json), TR_JSON_DONE);
        end = out + in.out_bytes;
        assert_true(tr_otlp_valid(TR_OTLP_REQUEST, out, (uint32_t)in.out_bytes));
        p = enter(p, &end, 1);
        p = enter(p, &end, 2);
        p = enter(p, &end, 2);
        p = enter(p, &end, 5);
        assert_int_equal(end - p, bytes);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_field_of_a_span, begin),
        cmocka_unit_test_setup(a_value_of_each_type, begin),
        cmocka_unit_test_setup(values_of_the_wrong_type_are_refused, begin),
        cmocka_unit_test_setup(strings_are_unescaped, begin),
        cmocka_unit_test_setup(bad_strings_are_refused, begin),
        cmocka_unit_test_setup(long_strings_get_long_lengths, begin),
        cmocka_unit_test_setup(enums_by_number_and_by_name, begin),
        cmocka_unit_test_setup(ids_of_any_length_are_left_to_the_walk, begin),
        cmocka_unit_test_setup(unknown_names_and_null_leave_nothing, begin),
        cmocka_unit_test_setup(a_field_that_comes_twice_is_written_twice, begin),
        cmocka_unit_test_setup(an_empty_request, begin),
        cmocka_unit_test_setup(what_is_not_json_is_refused, begin),
        cmocka_unit_test_setup(json_cut_anywhere_is_refused, begin),
        cmocka_unit_test_setup(nesting_is_bounded, begin),
        cmocka_unit_test_setup(turns_are_bounded, begin),
        cmocka_unit_test_setup(a_string_above_the_bound_is_refused, begin),
        cmocka_unit_test_setup(outer_lengths_fit, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
