// SPDX-License-Identifier: Apache-2.0
#include "build.h"

#include "otlp/check.h"

#define CONTEXTS 64

static struct tr_context contexts[CONTEXTS];
static struct tr_journal journal = {.contexts = contexts, .contexts_mask = CONTEXTS - 1, .contexts_head = 60};
static struct tr_check check;

static const struct tr_context *context(uint32_t n)
{
    assert_true(n < check.contexts);
    return tr_journal_context(&journal, journal.contexts_head + n);
}

// Whatever the budget, the result is the same; so each check is done at two.
static enum tr_check_result run(const uint8_t *body, uint32_t bytes)
{
    enum tr_check_result result;
    struct tr_check other;
    uint8_t *copy = malloc(bytes); // of its own size, for ASan

    if (bytes)
        memcpy(copy, body, bytes);
    tr_check_init(&other, copy, bytes, 1000, &journal, CONTEXTS);
    while ((result = tr_check_run(&other, 1)) == TR_CHECK_MORE)
        ;
    tr_check_init(&check, copy, bytes, 1000, &journal, CONTEXTS);
    assert_int_equal(tr_check_run(&check, UINT32_MAX), result);
    assert_int_equal(check.spans, other.spans);
    assert_int_equal(check.contexts, other.contexts);
    assert_ptr_equal(check.why, other.why);
    assert_int_equal(check.why != NULL, result == TR_CHECK_MALFORMED);
    free(copy);
    check.body = body;
    return result;
}

static void range_equals(const struct build *b, struct tr_range range, const char *text)
{
    assert_int_equal(range.bytes, strlen(text));
    assert_memory_equal(b->data + range.offset, text, range.bytes);
}

// A resource {service.name: name}.
static void resource(struct build *b, const char *name)
{
    uint32_t begin = build_begin(b, 1);

    build_attribute_string(b, 1, "service.name", name);
    build_end(b, begin);
}

static void scope(struct build *b, const char *name)
{
    uint32_t begin = build_begin(b, 1);

    build_string(b, 1, name);
    build_end(b, begin);
}

static void spans(struct build *b, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t begin = build_begin(b, 2);

        build_span_ids(b);
        build_end(b, begin);
    }
}

static void scope_spans(struct build *b, const char *name, unsigned count)
{
    uint32_t begin = build_begin(b, 2);

    scope(b, name);
    spans(b, count);
    build_end(b, begin);
}

static void a_context_for_each_scope_with_its_spans(void **state)
{
    static struct build b;
    const uint8_t *span;
    uint32_t begin, cursor = 0, bytes, seen = 0;

    b.bytes = 0;
    begin = build_begin(&b, 1);
    resource(&b, "cart");
    scope_spans(&b, "http", 2);
    scope_spans(&b, "db", 3);
    build_string(&b, 3, "https://schema/1");
    build_end(&b, begin);
    begin = build_begin(&b, 1);
    resource(&b, "shop");
    scope_spans(&b, "http", 1);
    build_end(&b, begin);

    assert_int_equal(run(b.data, b.bytes), TR_CHECK_DONE);
    assert_int_equal(check.contexts, 3);
    assert_int_equal(check.spans, 6);
    assert_int_equal(context(0)->spans, 2);
    assert_int_equal(context(1)->spans, 3);
    assert_int_equal(context(2)->spans, 1);
    range_equals(&b, context(0)->service, "cart");
    range_equals(&b, context(1)->service, "cart");
    range_equals(&b, context(2)->service, "shop");
    range_equals(&b, context(1)->scope[0],
                 "\n\x02"
                 "db");
    range_equals(&b, context(0)->resource_schema_url, "https://schema/1");
    assert_int_equal(context(2)->resource_schema_url.bytes, 0);
    assert_int_equal(context(0)->body, 1000);
    while (tr_context_span(context(1), b.data, &cursor, &span, &bytes)) {
        assert_int_equal(bytes, 28);
        assert_memory_equal(span + 2, build_trace_id, 16);
        seen++;
    }
    assert_int_equal(seen, 3);
}

static void an_empty_body_is_done(void **state)
{
    assert_int_equal(run(NULL, 0), TR_CHECK_DONE);
    assert_int_equal(check.spans, 0);
    assert_int_equal(tr_check_run(&check, 1), TR_CHECK_DONE); // and stays so
}

static void the_resource_may_come_last_and_in_two_pieces(void **state)
{
    static struct build once, twice;
    uint64_t hash;
    uint32_t begin, piece;

    once.bytes = twice.bytes = 0;
    begin = build_begin(&once, 1);
    piece = build_begin(&once, 1);
    build_attribute_string(&once, 1, "host.name", "a");
    build_attribute_string(&once, 1, "service.name", "cart");
    build_end(&once, piece);
    scope_spans(&once, "http", 1);
    build_end(&once, begin);
    assert_int_equal(run(once.data, once.bytes), TR_CHECK_DONE);
    hash = context(0)->group_hash;

    begin = build_begin(&twice, 1);
    piece = build_begin(&twice, 1);
    build_attribute_string(&twice, 1, "host.name", "a");
    build_end(&twice, piece);
    build_bytes(&twice, 1, "", 0); // merges nothing
    scope_spans(&twice, "http", 1);
    resource(&twice, "cart");
    build_end(&twice, begin);
    assert_int_equal(run(twice.data, twice.bytes), TR_CHECK_DONE);
    assert_int_equal(check.contexts, 1);
    assert_true(context(0)->resource[1].bytes > 0);
    range_equals(&twice, context(0)->service, "cart");
    assert_int_equal(context(0)->group_hash, hash);
}

static void a_scope_merges_from_two_pieces_but_not_from_three(void **state)
{
    static struct build b;

    for (unsigned pieces = 1; pieces <= 3; pieces++) {
        uint32_t outer, inner;

        b.bytes = 0;
        outer = build_begin(&b, 1);
        inner = build_begin(&b, 2);
        for (unsigned i = 0; i < pieces; i++)
            scope(&b, i == 0 ? "first" : "second");
        spans(&b, 1);
        build_end(&b, inner);
        build_end(&b, outer);
        assert_int_equal(run(b.data, b.bytes), pieces < 3 ? TR_CHECK_DONE : TR_CHECK_MALFORMED);
        if (pieces == 2)
            range_equals(&b, context(0)->scope[1], "\n\x06second");
    }
}

static void a_resource_in_three_pieces_is_malformed(void **state)
{
    static struct build b;
    uint32_t begin;

    b.bytes = 0;
    begin = build_begin(&b, 1);
    for (unsigned i = 0; i < 3; i++)
        resource(&b, "cart");
    scope_spans(&b, "http", 1);
    build_end(&b, begin);
    assert_int_equal(run(b.data, b.bytes), TR_CHECK_MALFORMED);
}

static void the_last_schema_url_holds(void **state)
{
    static struct build b;
    uint32_t outer, inner;

    b.bytes = 0;
    outer = build_begin(&b, 1);
    build_string(&b, 3, "r1");
    inner = build_begin(&b, 2);
    build_string(&b, 3, "s1");
    spans(&b, 1);
    build_string(&b, 3, "s2");
    build_end(&b, inner);
    build_string(&b, 3, "r2");
    build_end(&b, outer);
    assert_int_equal(run(b.data, b.bytes), TR_CHECK_DONE);
    range_equals(&b, context(0)->resource_schema_url, "r2");
    range_equals(&b, context(0)->scope_schema_url, "s2");
}

// The four parts of a group, of which each may be one or two.
static uint64_t group_hash(const char *service, const char *resource_url, const char *name,
                           const char *scope_url)
{
    static struct build b;
    uint32_t outer, inner;

    b.bytes = 0;
    outer = build_begin(&b, 1);
    resource(&b, service);
    inner = build_begin(&b, 2);
    scope(&b, name);
    spans(&b, 1);
    build_string(&b, 3, scope_url);
    build_end(&b, inner);
    build_string(&b, 3, resource_url);
    build_end(&b, outer);
    assert_int_equal(run(b.data, b.bytes), TR_CHECK_DONE);
    return context(0)->group_hash;
}

static void equal_bytes_have_equal_hashes_and_others_not(void **state)
{
    static const char *values[] = {"1", "2"};
    uint64_t hashes[16];

    for (unsigned i = 0; i < 16; i++) {
        hashes[i] = group_hash(values[i & 1], values[i >> 1 & 1], values[i >> 2 & 1], values[i >> 3]);
        assert_int_equal(hashes[i],
                         group_hash(values[i & 1], values[i >> 1 & 1], values[i >> 2 & 1], values[i >> 3]));
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(hashes[i], hashes[j]);
    }
}

static void what_has_no_spans_leaves_no_context(void **state)
{
    static struct build b;
    uint32_t begin;

    b.bytes = 0;
    begin = build_begin(&b, 1);
    resource(&b, "cart");
    scope_spans(&b, "http", 0);
    build_bytes(&b, 2, "", 0);
    build_end(&b, begin);
    build_bytes(&b, 1, "", 0);
    assert_int_equal(run(b.data, b.bytes), TR_CHECK_DONE);
    assert_int_equal(check.contexts, 0);
}

static void unknown_fields_are_passed_over(void **state)
{
    static struct build b;
    const uint8_t *span;
    uint32_t outer, inner, cursor = 0, bytes;

    b.bytes = 0;
    build_varint(&b, 7, 1);
    outer = build_begin(&b, 1);
    build_fixed32(&b, 1000, 1);
    resource(&b, "cart");
    inner = build_begin(&b, 2);
    build_fixed64(&b, 9, 1);
    spans(&b, 1);
    build_string(&b, 200, "new");
    spans(&b, 1);
    build_varint(&b, 10, 5);
    build_end(&b, inner);
    build_end(&b, outer);
    build_string(&b, 2, "new");
    assert_int_equal(run(b.data, b.bytes), TR_CHECK_DONE);
    assert_int_equal(check.spans, 2);
    assert_true(tr_context_span(context(0), b.data, &cursor, &span, &bytes));
    assert_true(tr_context_span(context(0), b.data, &cursor, &span, &bytes));
    assert_false(tr_context_span(context(0), b.data, &cursor, &span, &bytes));
}

static void a_service_that_is_no_string_is_an_empty_one(void **state)
{
    static struct build b;
    uint32_t outer, inner;

    b.bytes = 0;
    outer = build_begin(&b, 1);
    inner = build_begin(&b, 1);
    build_attribute_int(&b, 1, "service.name", 7);
    build_attribute_string(&b, 1, "service.namespace", "x");
    build_end(&b, inner);
    scope_spans(&b, "http", 1);
    build_end(&b, outer);
    assert_int_equal(run(b.data, b.bytes), TR_CHECK_DONE);
    assert_int_equal(context(0)->service.bytes, 0);
    assert_int_not_equal(context(0)->service.offset, 0);
    // One that is not there is another thing; and one that is a string counts, wherever it stands.
    b.bytes = 0;
    outer = build_begin(&b, 1);
    inner = build_begin(&b, 1);
    build_attribute_string(&b, 1, "service.namespace", "x");
    build_end(&b, inner);
    scope_spans(&b, "http", 1);
    build_end(&b, outer);
    outer = build_begin(&b, 1);
    inner = build_begin(&b, 1);
    build_attribute_int(&b, 1, "service.name", 7);
    build_attribute_string(&b, 1, "service.name", "cart");
    build_end(&b, inner);
    scope_spans(&b, "http", 1);
    build_end(&b, outer);
    assert_int_equal(run(b.data, b.bytes), TR_CHECK_DONE);
    assert_int_equal(context(0)->service.offset, 0);
    range_equals(&b, context(1)->service, "cart");
}

static void a_frame_that_is_cut_anywhere_is_malformed(void **state)
{
    static struct build b;
    uint32_t begin;

    b.bytes = 0;
    begin = build_begin(&b, 1);
    resource(&b, "cart");
    scope_spans(&b, "http", 2);
    build_string(&b, 3, "url");
    build_end(&b, begin);
    for (uint32_t bytes = 1; bytes < b.bytes; bytes++) {
        assert_int_equal(run(b.data, bytes), TR_CHECK_MALFORMED);
        assert_true(check.offset < bytes);
    }
    assert_int_equal(run(b.data, b.bytes), TR_CHECK_DONE);
}

static void malformed_frames(void **state)
{
    static const struct {
        const char *bytes;
        uint32_t count;
    } rows[] = {
        {"\x08\x01", 2},                 // ResourceSpans as a number
        {"\x0a\x02\x08\x01", 4},         // resource as a number
        {"\x0a\x02\x10\x01", 4},         // ScopeSpans as a number
        {"\x0a\x04\x12\x02\x10\x01", 6}, // span as a number
        {"\x0a\x04\x12\x02\x08\x01", 6}, // scope as a number
        {"\x0a\x02\x12\x01", 4},         // ScopeSpans longer than its ResourceSpans
        {"\x0a\x04\x12\x02\x12\x01", 6}, // span longer than its ScopeSpans
        {"\x0b\x0c", 2},                 // a group
        {"\x00\x00", 2},                 // field 0
        {"\x0a\xff\xff\xff\xff\x0f", 6}, // a length above 2^31
        {"\x0a\x04\x0a\x02\x0a\x01", 6}, // an attribute longer than its resource
        {"\x0a\x04\x0a\x02\x08\x01", 6}, // an attribute as a number
    };

    for (size_t i = 0; i < TR_NELEMS(rows); i++)
        assert_int_equal(run((const uint8_t *)rows[i].bytes, rows[i].count), TR_CHECK_MALFORMED);
}

static void a_resource_above_the_bound_is_refused(void **state)
{
    static struct build b;
    static uint8_t value[TR_CONTEXT_BYTES_MAX];
    uint32_t outer, inner;

    for (uint32_t over = 0; over < 2; over++) {
        b.bytes = 0;
        outer = build_begin(&b, 1);
        inner = build_begin(&b, 1);
        build_bytes(&b, 9, value, sizeof(value) - 4 + over); // tag and length take 4
        build_end(&b, inner);
        scope_spans(&b, "http", 1);
        build_end(&b, outer);
        assert_int_equal(run(b.data, b.bytes), over ? TR_CHECK_MALFORMED : TR_CHECK_DONE);
    }
}

static void more_contexts_than_there_is_room_for(void **state)
{
    static struct build b;
    uint32_t begin;

    b.bytes = 0;
    for (unsigned i = 0; i < CONTEXTS + 1; i++) {
        begin = build_begin(&b, 1);
        scope_spans(&b, "http", 1);
        build_end(&b, begin);
        assert_int_equal(run(b.data, b.bytes), i < CONTEXTS ? TR_CHECK_DONE : TR_CHECK_CONTEXTS);
    }
    assert_int_equal(check.contexts, CONTEXTS);
    assert_int_equal(tr_check_run(&check, UINT32_MAX), TR_CHECK_CONTEXTS);
}

// Two bytes each, and nothing in them: a turn ends at its budget all the same.
static void a_body_of_empty_messages_takes_turns(void **state)
{
    enum { BYTES = 1 << 20, BUDGET = 1 << 16 };
    uint8_t *body = malloc(BYTES);
    unsigned turns = 0;

    for (uint32_t i = 0; i < BYTES; i += 2)
        memcpy(body + i, "\x0a\x00", 2);
    tr_check_init(&check, body, BYTES, 0, &journal, CONTEXTS);
    while (tr_check_run(&check, BUDGET) == TR_CHECK_MORE)
        turns++;
    assert_int_equal(check.contexts, 0);
    assert_in_range(turns, BYTES / BUDGET, 32 * BYTES / BUDGET);
    free(body);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_for_each_scope_with_its_spans),
        cmocka_unit_test(an_empty_body_is_done),
        cmocka_unit_test(the_resource_may_come_last_and_in_two_pieces),
        cmocka_unit_test(a_scope_merges_from_two_pieces_but_not_from_three),
        cmocka_unit_test(a_resource_in_three_pieces_is_malformed),
        cmocka_unit_test(the_last_schema_url_holds),
        cmocka_unit_test(equal_bytes_have_equal_hashes_and_others_not),
        cmocka_unit_test(what_has_no_spans_leaves_no_context),
        cmocka_unit_test(unknown_fields_are_passed_over),
        cmocka_unit_test(a_service_that_is_no_string_is_an_empty_one),
        cmocka_unit_test(a_frame_that_is_cut_anywhere_is_malformed),
        cmocka_unit_test(malformed_frames),
        cmocka_unit_test(a_resource_above_the_bound_is_refused),
        cmocka_unit_test(more_contexts_than_there_is_room_for),
        cmocka_unit_test(a_body_of_empty_messages_takes_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
