// SPDX-License-Identifier: Apache-2.0
#include "build.h"

#include "otlp/walk.h"

// What the tests of values were called with.
static struct tr_value seen[8];
static unsigned seen_count;

static bool note(const void *argument, const struct tr_value *value)
{
    assert_true(seen_count < TR_NELEMS(seen));
    seen[seen_count++] = *value;
    return false;
}

static bool is_yes(const void *argument, const struct tr_value *value)
{
    return value->type == TR_VALUE_STRING && value->length == 3 && memcmp(value->bytes, "yes", 3) == 0;
}

enum { BIT_YES = 3, BIT_FAR = 130, BIT_RESOURCE = 7, BIT_UNSET = 60, BIT_OK = 61, BIT_ERROR = 62 };

static const struct tr_walk_test value_tests[] = {
    {.test = note, .predicate = 0},
    {.test = is_yes, .predicate = BIT_YES},
    {.test = is_yes, .predicate = BIT_FAR},
    {.test = is_yes, .predicate = BIT_RESOURCE},
};
static struct tr_walk_key span_key[] = {
    {.name = "noted", .bytes = 5, .first_test = 0, .tests = 1},
    {.name = "asked", .bytes = 5, .first_test = 1, .tests = 2},
};
static struct tr_walk_key resource_key[] = {{.name = "asked", .bytes = 5, .first_test = 3, .tests = 1}};
static struct tr_walk_plan plan = {
    .words = 3,
    .span = {.keys = span_key, .count = 2},
    .resource = {.keys = resource_key, .count = 1},
    .tests = value_tests,
    .status = {{{1ull << BIT_UNSET}}, {{1ull << BIT_OK}}, {{1ull << BIT_ERROR}}},
};

static struct build b;
static struct tr_walk_span out;
static struct tr_bits bits;

static bool bit(unsigned n)
{
    return bits.word[n / 64] >> n % 64 & 1;
}

static int begin(void **state)
{
    b.bytes = 0;
    seen_count = 0;
    memset(&bits, 0, sizeof(bits));
    return 0;
}

static enum tr_walk_result walk(void)
{
    uint8_t *copy = malloc(b.bytes ? b.bytes : 1); // of its own size, for ASan
    enum tr_walk_result result;

    memcpy(copy, b.data, b.bytes);
    result = tr_walk_span(&plan, 0, copy, b.bytes, NULL, &out, &bits);
    free(copy);
    return result;
}

static void ids_times_name_and_status_are_noted(void **state)
{
    uint32_t status, hash;

    build_span_ids(&b);
    build_bytes(&b, 4, build_span_id, 8);
    build_string(&b, 5, "GET /");
    build_varint(&b, 6, 2);
    build_fixed64(&b, 7, 1000);
    build_fixed64(&b, 8, 5000);
    status = build_begin(&b, 15);
    build_string(&b, 2, "it broke");
    build_varint(&b, 3, 2);
    build_end(&b, status);
    build_string(&b, 3, "a=1");
    build_fixed32(&b, 16, 0x101);
    assert_int_equal(walk(), TR_WALK_OK);
    assert_int_equal(out.flags, 0x101);
    assert_int_equal(out.trace_state_bytes, 3);
    assert_memory_equal(out.trace_id, build_trace_id, 16);
    assert_int_equal(out.start_ns, 1000);
    assert_int_equal(out.end_ns, 5000);
    assert_int_equal(out.status, 2);
    assert_false(out.root);
    assert_true(bit(BIT_ERROR) && !bit(BIT_OK) && !bit(BIT_UNSET));
    hash = out.name_hash;
    build_string(&b, 5, "GET /2"); // the last one holds
    assert_int_equal(walk(), TR_WALK_OK);
    assert_int_not_equal(out.name_hash, hash);
    build_string(&b, 5, "GET /");
    assert_int_equal(walk(), TR_WALK_OK);
    assert_int_equal(out.name_hash, hash);
}

static void a_span_of_ids_alone_is_an_unset_root(void **state)
{
    build_span_ids(&b);
    assert_int_equal(walk(), TR_WALK_OK);
    assert_true(out.root);
    assert_int_equal(out.start_ns, 0);
    assert_int_equal(out.end_ns, 0);
    assert_int_equal(out.status, 0);
    assert_true(bit(BIT_UNSET));
    build_bytes(&b, 4, "", 0);
    assert_int_equal(walk(), TR_WALK_OK);
    assert_true(out.root);
    build_bytes(&b, 4, "\0\0\0\0\0\0\0\0", 8);
    assert_int_equal(walk(), TR_WALK_OK);
    assert_true(out.root);
}

static void bad_ids_have_answers_of_their_own(void **state)
{
    static const uint8_t zero[17], one[17] = {1};
    static const struct {
        const uint8_t *trace_id;
        uint32_t trace_id_bytes;
        const uint8_t *span_id;
        uint32_t span_id_bytes;
        uint32_t parent_bytes;
        enum tr_walk_result result;
    } rows[] = {
        {one, 16, one, 8, 0, TR_WALK_OK},           {one, 15, one, 8, 0, TR_WALK_TRACE_ID},
        {one, 17, one, 8, 0, TR_WALK_TRACE_ID},     {one, 0, one, 8, 0, TR_WALK_TRACE_ID},
        {zero, 16, one, 8, 0, TR_WALK_TRACE_ID},    {one, 16, one, 7, 0, TR_WALK_SPAN_ID},
        {one, 16, one, 9, 0, TR_WALK_SPAN_ID},      {one, 16, one, 0, 0, TR_WALK_SPAN_ID},
        {one, 16, zero, 8, 0, TR_WALK_SPAN_ID},     {one, 16, one, 8, 8, TR_WALK_OK},
        {one, 16, one, 8, 16, TR_WALK_SPAN_ID},     {one, 16, one, 8, 1, TR_WALK_SPAN_ID},
        {one + 1, 16, one, 8, 0, TR_WALK_TRACE_ID},
    };

    for (size_t i = 0; i < TR_NELEMS(rows); i++) {
        b.bytes = 0;
        build_bytes(&b, 1, rows[i].trace_id, rows[i].trace_id_bytes);
        build_bytes(&b, 2, rows[i].span_id, rows[i].span_id_bytes);
        build_bytes(&b, 4, one, rows[i].parent_bytes);
        assert_int_equal(walk(), rows[i].result);
    }
    b.bytes = 0;
    build_bytes(&b, 1, one, 15);
    build_span_ids(&b); // the last one holds
    assert_int_equal(walk(), TR_WALK_OK);
    b.bytes = 0;
    assert_int_equal(walk(), TR_WALK_TRACE_ID);
}

// The value that was noted of attribute "noted" with this AnyValue.
static const struct tr_value *noted(const void *any, uint32_t bytes)
{
    uint32_t kv;

    begin(NULL);
    build_span_ids(&b);
    kv = build_begin(&b, 9);
    build_string(&b, 1, "noted");
    build_bytes(&b, 2, any, bytes);
    build_end(&b, kv);
    assert_int_equal(walk(), TR_WALK_OK);
    assert_int_equal(seen_count, 1);
    return &seen[0];
}

#define NOTED(text) noted(text, sizeof(text) - 1)

static void a_value_of_each_type_is_read(void **state)
{
    assert_int_equal(NOTED("")->type, TR_VALUE_NONE);
    assert_int_equal(NOTED("\x0a\x02hi")->type, TR_VALUE_STRING);
    assert_int_equal(seen[0].length, 2);
    assert_int_equal(NOTED("\x0a\x00")->type, TR_VALUE_STRING);
    assert_int_equal(seen[0].length, 0);
    assert_int_equal(NOTED("\x10\x01")->type, TR_VALUE_BOOL);
    assert_int_equal(seen[0].integer, 1);
    assert_int_equal(NOTED("\x10\x00")->integer, 0);
    assert_int_equal(NOTED("\x10\x80\x02")->integer, 1); // any number but 0
    assert_int_equal(NOTED("\x18\xc8\x03")->type, TR_VALUE_INT);
    assert_int_equal(seen[0].integer, 456);
    assert_int_equal(NOTED("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")->integer, -1);
    assert_int_equal(NOTED("\x21\0\0\0\0\0\0\xf8\x3f")->type, TR_VALUE_DOUBLE);
    assert_true(seen[0].number == 1.5);
    assert_int_equal(NOTED("\x2a\x04\x0a\x02\x18\x01")->type, TR_VALUE_ARRAY);
    assert_int_equal(seen[0].length, 4);
    assert_int_equal(NOTED("\x32\x05\x0a\x03\x0a\x01k")->type, TR_VALUE_KVLIST);
    assert_int_equal(NOTED("\x3a\x02\xff\x00")->type, TR_VALUE_BYTES);
    assert_int_equal(seen[0].length, 2);
    assert_int_equal(NOTED("\x40\x05")->type, TR_VALUE_STRING_INDEX);
    assert_int_equal(seen[0].integer, 5);
}

static void of_a_value_set_twice_the_last_one_holds(void **state)
{
    uint32_t kv;

    assert_int_equal(NOTED("\x0a\x02hi\x18\x07")->type, TR_VALUE_INT);
    assert_int_equal(seen[0].integer, 7);
    assert_int_equal(NOTED("\x18\x07\x98\x01\x07")->integer, 7); // an unknown field takes nothing away

    begin(NULL);
    build_span_ids(&b);
    kv = build_begin(&b, 9); // the value in two pieces, the second one empty; the key last
    build_bytes(&b, 2, "\x18\x07", 2);
    build_bytes(&b, 2, "", 0);
    build_string(&b, 1, "other");
    build_string(&b, 1, "noted");
    build_end(&b, kv);
    assert_int_equal(walk(), TR_WALK_OK);
    assert_int_equal(seen_count, 1);
    assert_int_equal(seen[0].integer, 7);
}

static void long_keys_and_values_are_framed_right(void **state)
{
    static char text[70000];

    memset(text, 'x', sizeof(text) - 1);
    for (size_t length = 100; length < sizeof(text); length += length / 10) {
        text[length] = 0;
        begin(NULL);
        build_span_ids(&b);
        build_attribute_string(&b, 9, text, "v");
        build_attribute_string(&b, 9, "noted", text);
        build_attribute_string(&b, 9, "asked", "yes");
        assert_int_equal(walk(), TR_WALK_OK);
        assert_int_equal(seen[0].length, length);
        assert_true(bit(BIT_YES));
        text[length] = 'x';
    }
}

static void tests_set_bits_of_any_word(void **state)
{
    build_span_ids(&b);
    build_attribute_string(&b, 9, "asked", "no");
    assert_int_equal(walk(), TR_WALK_OK);
    assert_false(bit(BIT_YES) || bit(BIT_FAR));
    build_attribute_string(&b, 9, "asked", "yes"); // a duplicate key: each is tested
    build_attribute_string(&b, 9, "asked", "no");
    assert_int_equal(walk(), TR_WALK_OK);
    assert_true(bit(BIT_YES) && bit(BIT_FAR));
    assert_false(bit(BIT_RESOURCE));
}

static void a_resource_sets_its_own_bits(void **state)
{
    struct tr_context context = {0};
    uint32_t second;

    build_attribute_string(&b, 1, "other", "yes");
    second = b.bytes;
    build_varint(&b, 2, 1);
    build_attribute_string(&b, 1, "asked", "yes");
    context.resource[0] = (struct tr_range){0, second};
    tr_walk_resource(&plan, 0, &context, b.data, NULL, &bits);
    assert_false(bit(BIT_RESOURCE));
    context.resource[1] = (struct tr_range){second, b.bytes - second};
    tr_walk_resource(&plan, 0, &context, b.data, NULL, &bits);
    assert_true(bit(BIT_RESOURCE));
    assert_false(bit(BIT_YES));
}

static void status_in_pieces_is_merged(void **state)
{
    build_span_ids(&b);
    build_bytes(&b, 15, "\x18\x02", 2);
    build_bytes(&b, 15, "\x12\x01x", 3);
    assert_int_equal(walk(), TR_WALK_OK);
    assert_int_equal(out.status, 2);
    build_bytes(&b, 15, "\x18\x01", 2);
    assert_int_equal(walk(), TR_WALK_OK);
    assert_int_equal(out.status, 1);
    build_bytes(&b, 15, "\x18\x09", 2); // a code of the future
    begin(NULL);
    build_span_ids(&b);
    build_bytes(&b, 15, "\x18\x09", 2);
    assert_int_equal(walk(), TR_WALK_OK);
    assert_int_equal(out.status, 0);
}

static void unknown_fields_pass(void **state)
{
    build_varint(&b, 17, 1);
    build_fixed64(&b, 1000, 1);
    build_span_ids(&b);
    build_string(&b, 20, "new");
    build_fixed32(&b, 536870911, 1);
    assert_int_equal(walk(), TR_WALK_OK);
}

static void a_tag_spelled_the_long_way_is_the_same_field(void **state)
{
    build_raw(&b, "\x8a\x80\x00\x10", 4); // field 1, bytes, 16 of them
    build_raw(&b, build_trace_id, 16);
    build_raw(&b, "\x92\x00\x88\x00", 4); // field 2, bytes, 8
    build_raw(&b, build_span_id, 8);
    build_raw(&b, "\x85\x81\x00\x01\x00\x00\x00", 7); // field 16 in three bytes
    assert_int_equal(walk(), TR_WALK_OK);
    assert_memory_equal(out.trace_id, build_trace_id, 16);
}

static void malformed_spans(void **state)
{
    static const struct {
        const char *bytes;
        uint32_t count;
    } rows[] = {
        {"\x08\x01", 2},                                   // trace id as a number
        {"\x3a\x08\0\0\0\0\0\0\0\0", 10},                  // start as bytes
        {"\x38\x01", 2},                                   // start as a number
        {"\x4d\x01\x01\x01\x01", 5},                       // attributes as fixed32
        {"\x82\x01\x00", 3},                               // flags as bytes
        {"\x80\x01\x00", 3},                               // flags as a number
        {"\x00\x00", 2},                                   // field 0
        {"\x80\x00\x00", 3},                               // field 0, the long way
        {"\x4b\x4c", 2},                                   // a group
        {"\x8b\x01\x8c\x01", 4},                           // a group of field 17
        {"\x4a", 1},                                       // cut after the tag
        {"\x4a\x05\x0a\x01k", 5},                          // cut in an attribute
        {"\x4a\x03\x0a\x02k", 5},                          // key longer than its attribute
        {"\x4a\x05\x0a\x01k\x12\x01", 7},                  // value longer than its attribute
        {"\x4a\x07\x0a\x01k\x12\x02\x0a\x01", 9},          // string longer than its value
        {"\x4a\x07\x0a\x01k\x12\x02\x18\x80", 9},          // number cut short
        {"\x4a\x07\x0a\x01k\x12\x02\x21\x01", 9},          // double cut short
        {"\x4a\x07\x0a\x01k\x12\x02\x08\x01", 9},          // string as a number
        {"\x4a\x05\x0a\x01k\x10\x01", 7},                  // value as a number
        {"\x4a\x09\x0a\x01k\x12\x04\x2a\x02\x0a\x01", 11}, // an array's value cut short
        {"\x5a\x02\x08\x01", 4},                           // an event's time as a number
        {"\x5a\x02\x1a\x01", 4},                           // an event's attribute cut short
        {"\x6a\x03\x0a\x01x", 5},                          // a link's trace id of one byte
        {"\x6a\x03\x12\x01x", 5},                          // a link's span id of one byte
        {"\x7a\x02\x1a\x00", 4},                           // a status code as bytes
        {"\x7a\x02\x10\x00", 4},                           // a status message as a number
        {"\x41\0\0\0\0\0\0\0", 8},                         // end cut short
        {"\x85\x01\0\0\0", 5},                             // flags cut short
        {"\x30", 1},                                       // kind cut short
        {"\x8a\x80\x80\x80\x80\x00\x00", 7},               // a tag of six bytes
    };

    for (size_t i = 0; i < TR_NELEMS(rows); i++) {
        b.bytes = 0;
        build_span_ids(&b);
        build_raw(&b, rows[i].bytes, rows[i].count);
        assert_int_equal(walk(), TR_WALK_MALFORMED);
    }
}

static void a_span_cut_anywhere_never_reads_beyond(void **state)
{
    uint32_t whole, at;

    build_attribute_string(&b, 9, "noted", "value");
    build_attribute_int(&b, 9, "a.number", 1 << 20);
    at = build_begin(&b, 11);
    build_string(&b, 2, "event");
    build_attribute_string(&b, 3, "in", "it");
    build_end(&b, at);
    at = build_begin(&b, 13);
    build_span_ids(&b);
    build_end(&b, at);
    build_span_ids(&b);
    whole = b.bytes;
    assert_int_equal(walk(), TR_WALK_OK);
    for (b.bytes = 0; b.bytes < whole; b.bytes++) {
        seen_count = 0;
        assert_int_not_equal(walk(), TR_WALK_OK);
    }
}

// An attribute of `depth` arrays in one another.
static void nest(unsigned depth)
{
    uint32_t begins[400], kv;

    kv = build_begin(&b, 9);
    build_string(&b, 1, "deep");
    begins[0] = build_begin(&b, 2);
    for (unsigned i = 0; i < depth; i++) {
        begins[1 + 2 * i] = build_begin(&b, 5);
        begins[2 + 2 * i] = build_begin(&b, 1);
    }
    for (unsigned i = 2 * depth + 1; i-- > 0;)
        build_end(&b, begins[i]);
    build_end(&b, kv);
}

static void nesting_is_bounded(void **state)
{
    static const struct {
        unsigned depth;
        enum tr_walk_result result;
    } rows[] = {{1, TR_WALK_OK}, {31, TR_WALK_OK}, {32, TR_WALK_MALFORMED}, {199, TR_WALK_MALFORMED}};

    for (size_t i = 0; i < TR_NELEMS(rows); i++) {
        b.bytes = 0;
        build_span_ids(&b);
        nest(rows[i].depth);
        assert_int_equal(walk(), rows[i].result);
    }
}

static void a_span_above_the_bound_is_refused(void **state)
{
    static uint8_t span[TR_SPAN_BYTES_MAX + 1];
    uint32_t value = TR_SPAN_BYTES_MAX - 28 - 6; // tag of two bytes and length of four

    build_span_ids(&b);
    build_tag(&b, 100, TR_PB_BYTES);
    b.bytes = (uint32_t)(tr_pb_put_varint(b.data + b.bytes, value) - b.data);
    memcpy(span, b.data, b.bytes);
    assert_int_equal(b.bytes + value, TR_SPAN_BYTES_MAX);
    assert_int_equal(tr_walk_span(&plan, 0, span, TR_SPAN_BYTES_MAX, NULL, &out, &bits), TR_WALK_OK);
    assert_int_equal(tr_walk_span(&plan, 0, span, TR_SPAN_BYTES_MAX + 1, NULL, &out, &bits), TR_WALK_TOO_LARGE);
}

static int group_begin(void **state)
{
    return tr_walk_keys_build(&plan.span) || tr_walk_keys_build(&plan.resource);
}

static int group_end(void **state)
{
    tr_walk_keys_free(&plan.span);
    tr_walk_keys_free(&plan.resource);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(ids_times_name_and_status_are_noted, begin),
        cmocka_unit_test_setup(a_span_of_ids_alone_is_an_unset_root, begin),
        cmocka_unit_test_setup(bad_ids_have_answers_of_their_own, begin),
        cmocka_unit_test_setup(a_value_of_each_type_is_read, begin),
        cmocka_unit_test_setup(of_a_value_set_twice_the_last_one_holds, begin),
        cmocka_unit_test_setup(long_keys_and_values_are_framed_right, begin),
        cmocka_unit_test_setup(tests_set_bits_of_any_word, begin),
        cmocka_unit_test_setup(a_resource_sets_its_own_bits, begin),
        cmocka_unit_test_setup(status_in_pieces_is_merged, begin),
        cmocka_unit_test_setup(unknown_fields_pass, begin),
        cmocka_unit_test_setup(a_tag_spelled_the_long_way_is_the_same_field, begin),
        cmocka_unit_test_setup(malformed_spans, begin),
        cmocka_unit_test_setup(a_span_cut_anywhere_never_reads_beyond, begin),
        cmocka_unit_test_setup(nesting_is_bounded, begin),
        cmocka_unit_test_setup(a_span_above_the_bound_is_refused, begin),
    };

    return cmocka_run_group_tests(tests, group_begin, group_end);
}
