// SPDX-License-Identifier: Apache-2.0
// What is added to a kept span, and that nothing else changes.
#include "build.h"

#include "otlp/added.h"
#include "otlp/json.h"

static struct build in, want;
static struct tr_added added;
static struct tr_added_counts counts;

static int begin(void **state)
{
    in.bytes = want.bytes = 0;
    added = (struct tr_added){0};
    counts = (struct tr_added_counts){0};
    return 0;
}

static void build_count(struct build *b, double count)
{
    uint32_t kv = build_begin(b, 9), any;
    uint64_t bits;

    memcpy(&bits, &count, 8);
    build_string(b, 1, "tailrace.adjusted_count");
    any = build_begin(b, 2);
    build_fixed64(b, 4, bits);
    build_end(b, any);
    build_end(b, kv);
}

// A span around what is added.
static void both_begin(void)
{
    for (int i = 0; i < 2; i++) {
        struct build *b = i == 0 ? &in : &want;

        build_span_ids(b);
        build_raw(b, "\xba\x3e\x03new", 6); // an unknown field
        build_attribute_string(b, 9, "tailrace", "is no prefix of ours");
    }
}

static void both_end(void)
{
    for (int i = 0; i < 2; i++) {
        struct build *b = i == 0 ? &in : &want;

        build_attribute_string(b, 9, "user.id", "u-1");
        build_varint(b, 99, 7);
    }
}

// Add to `in`, in a buffer of exactly the size that the header asks for, and compare with `want`.
static void adds(void)
{
    uint8_t *span = malloc(in.bytes + added.fields_bytes + TR_ADDED_GROWTH);
    size_t bytes;

    memcpy(span, in.data, in.bytes);
    bytes = tr_added_put(&added, span, in.bytes, &counts);
    assert_int_equal(bytes, want.bytes);
    assert_memory_equal(span, want.data, bytes);
    free(span);
}

static void count_by(double kept)
{
    added.adjusted = TR_ADJUSTED_ATTRIBUTE;
    added.threshold = TR_OT_NEVER - (uint64_t)(kept * 0x1p56 + 0.5);
}

static void a_policy_comes_last_and_once(void **state)
{
    uint8_t field[128];
    uint32_t bytes = tr_added_string("tailrace.policy", "errors", field);

    both_begin();
    build_attribute_string(&in, 9, "tailrace.policy", "another's");
    both_end();
    build_attribute_string(&want, 9, "tailrace.policy", "errors");
    tr_added_field_add(&added, field, bytes);
    adds();
    assert_int_equal(counts.attributes, 1);
}

static void a_count_is_a_double(void **state)
{
    both_begin();
    both_end();
    build_count(&want, 100);
    count_by(0.01);
    adds();
}

static void a_count_of_one_is_written_too(void **state)
{
    both_begin();
    both_end();
    build_count(&want, 1);
    count_by(1);
    adds();
}

static void an_earlier_tailrace_s_count_multiplies(void **state)
{
    both_begin();
    build_count(&in, 4);
    both_end();
    build_count(&want, 40);
    count_by(0.1);
    added.independent = true;
    adds();
}

static void a_count_that_is_a_whole_number_counts_too(void **state)
{
    build_span_ids(&in);
    build_span_ids(&want);
    build_attribute_int(&in, 9, "tailrace.adjusted_count", 4);
    build_count(&want, 8);
    count_by(0.5);
    added.independent = true;
    adds();
}

static void a_count_that_is_none_is_replaced(void **state)
{
    build_span_ids(&in);
    build_span_ids(&want);
    build_attribute_string(&in, 9, "tailrace.adjusted_count", "many");
    build_count(&want, 2);
    count_by(0.5);
    adds();
}

// In what follows, the randomness of a span without rv is its trace id's: 0x0a0b0c0d0e0f10.

static void a_threshold_from_before_multiplies_what_is_independent(void **state)
{
    both_begin();
    build_string(&in, 3, "ot=th:8;rv:f0000000000000");
    build_string(&want, 3, "ot=th:8;rv:f0000000000000");
    both_end();
    build_count(&want, 20);
    count_by(0.1);
    added.independent = true;
    adds();
}

static void of_two_that_go_by_one_randomness_the_rarer_holds(void **state)
{
    static const struct {
        const char *before;
        double kept, count;
    } cases[] = {{"ot=th:8;rv:f0000000000000", 0.1, 10}, {"ot=th:f;rv:f0000000000000", 0.5, 16}, {"x=y", 0.25, 4}};

    for (size_t i = 0; i < TR_NELEMS(cases); i++) {
        begin(NULL);
        both_begin();
        build_string(&in, 3, cases[i].before);
        build_string(&want, 3, cases[i].before);
        both_end();
        build_count(&want, cases[i].count);
        count_by(cases[i].kept);
        adds();
    }
}

static void a_threshold_that_its_randomness_does_not_pass_counts_for_nothing(void **state)
{
    both_begin();
    build_string(&in, 3, "ot=th:8");
    build_string(&want, 3, "ot=th:8");
    both_end();
    build_count(&want, 10);
    count_by(0.1);
    adds();
    assert_int_equal(counts.inconsistent, 1);
}

// A trace_state as it comes and as it goes, among other fields.
static void state_becomes(const char *before, uint64_t threshold, const char *after)
{
    begin(NULL);
    both_begin();
    if (before)
        build_string(&in, 3, before);
    if (before && after)
        build_string(&want, 3, after);
    both_end();
    if (!before && after)
        build_string(&want, 3, after);
    added.adjusted = TR_ADJUSTED_TRACESTATE;
    added.threshold = threshold;
    adds();
}

static void a_threshold_is_written_where_the_trace_state_is(void **state)
{
    state_becomes(NULL, 0, "ot=th:0");
    state_becomes("", 0x08000000000000, "ot=th:08");
    state_becomes("a=1", 0x08000000000000, "ot=th:08,a=1");
    state_becomes("a=1,ot=rv:e0000000000000;th:8", 0xc0000000000000, "ot=rv:e0000000000000;th:c,a=1");
}

static void a_threshold_only_rises(void **state)
{
    state_becomes("ot=rv:e0000000000000;th:c", 0x80000000000000, "ot=rv:e0000000000000;th:c");
}

static void one_that_the_randomness_does_not_pass_is_erased(void **state)
{
    state_becomes("ot=th:8", 0, NULL);
    state_becomes("a=1,ot=th:8", 0, "a=1");
    assert_int_equal(counts.inconsistent, 1);
    state_becomes("ot=rv:10000000000000", 0x80000000000000, "ot=rv:10000000000000");
}

static void a_trace_state_that_is_malformed_stays(void **state)
{
    state_becomes("ot=th:", 0x08000000000000, "ot=th:");
    assert_int_equal(counts.malformed, 1);
    state_becomes("=,ot=th:8", 0x08000000000000, "=,ot=th:8");
    assert_int_equal(counts.malformed, 1);
}

static void of_several_trace_states_the_last_holds(void **state)
{
    for (int i = 0; i < 2; i++)
        build_string(i ? &want : &in, 3, "a=1");
    build_string(&in, 3, "ot=th:8");
    build_string(&want, 3, ""); // gone, and the first must not come to life
    build_span_ids(&in);
    build_span_ids(&want);
    added.adjusted = TR_ADJUSTED_TRACESTATE;
    adds();
}

static void a_malformed_span_is_left_alone(void **state)
{
    build_span_ids(&in);
    build_raw(&in, "\x4a\x7f", 2);
    build_raw(&want, in.data, in.bytes);
    count_by(0.5);
    adds();
    assert_int_equal(counts.attributes, 0);
}

static void json_shows_them(void **state)
{
    static struct build request;
    uint8_t field[64], span[512];
    uint32_t resource, scope;
    char *text;
    size_t n;

    build_span_ids(&in);
    memcpy(span, in.data, in.bytes);
    tr_added_field_add(&added, field, tr_added_string("tailrace.policy", "baseline", field));
    count_by(0.1);
    n = tr_added_put(&added, span, in.bytes, &counts);
    request.bytes = 0;
    resource = build_begin(&request, 1);
    scope = build_begin(&request, 2);
    build_bytes(&request, 2, span, (uint32_t)n);
    build_end(&request, scope);
    build_end(&request, resource);
    text = tr_json_out(request.data, request.bytes, &n);
    assert_non_null(text);
    assert_non_null(strstr(text, "{\"key\":\"tailrace.policy\",\"value\":{\"stringValue\":\"baseline\"}}"));
    assert_non_null(strstr(text, "{\"key\":\"tailrace.adjusted_count\",\"value\":{\"doubleValue\":10}}"));
    free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_policy_comes_last_and_once, begin),
        cmocka_unit_test_setup(a_count_is_a_double, begin),
        cmocka_unit_test_setup(a_count_of_one_is_written_too, begin),
        cmocka_unit_test_setup(an_earlier_tailrace_s_count_multiplies, begin),
        cmocka_unit_test_setup(a_count_that_is_a_whole_number_counts_too, begin),
        cmocka_unit_test_setup(a_count_that_is_none_is_replaced, begin),
        cmocka_unit_test_setup(a_threshold_from_before_multiplies_what_is_independent, begin),
        cmocka_unit_test_setup(of_two_that_go_by_one_randomness_the_rarer_holds, begin),
        cmocka_unit_test_setup(a_threshold_that_its_randomness_does_not_pass_counts_for_nothing, begin),
        cmocka_unit_test_setup(a_threshold_is_written_where_the_trace_state_is, begin),
        cmocka_unit_test_setup(a_threshold_only_rises, begin),
        cmocka_unit_test_setup(one_that_the_randomness_does_not_pass_is_erased, begin),
        cmocka_unit_test_setup(a_trace_state_that_is_malformed_stays, begin),
        cmocka_unit_test_setup(of_several_trace_states_the_last_holds, begin),
        cmocka_unit_test_setup(a_malformed_span_is_left_alone, begin),
        cmocka_unit_test_setup(json_shows_them, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
