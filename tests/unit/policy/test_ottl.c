// SPDX-License-Identifier: Apache-2.0
// OTTL conditions: what is refused and where, what is known when nothing is there, and the policy around them. What
// each construct says of a span is in test_ottl_golden.c.
#include "../otlp/build.h"

#include "policy/ottl.h"
#include "policy/policy.h"
#include "policy/policy_options.h"

static struct tr_error error;
static struct tr_policy_set *set;
static struct tr_walk_notes notes;
static struct build b;

static int reset(void **state)
{
    memset(&error, 0, sizeof(error));
    set = NULL;
    b.bytes = 0;
    return 0;
}

static int release(void **state)
{
    tr_policy_set_free(set);
    return 0;
}

static struct tr_ottl *compiled(const char *text, enum tr_ottl_context context)
{
    struct tr_ottl *program;

    memset(&error, 0, sizeof(error));
    return tr_ottl_compile(text, context, 1, &program, &error) == 0 ? program : NULL;
}

static void refused(const char *text, const char *why)
{
    struct tr_ottl *program = compiled(text, TR_OTTL_SPAN);

    assert_null(program);
    if (strcmp(error.text, why) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", text, error.text, why);
}

static void what_is_refused_is_named_with_its_position(void **state)
{
    refused("", "at 1: the condition ends where a value should be");
    refused("name == ", "at 9: the condition ends where a value should be");
    refused("name", "at 5: the condition ends where a comparison should be");
    refused("name == \"a\" nil", "at 13: \"nil\" where and, or, or the end should be");
    refused("name == 'a'", "at 9: \"'\" where a value should be");
    refused("name == \"a\\q\"", "at 11: is no escape of a string");
    refused("kind == SPAN_KIND_NOSUCH", "at 9: SPAN_KIND_NOSUCH is no enum of spans");
    refused("true and nosuch == 1", "at 10: nosuch is no path that a condition of this kind can read here");
    refused("spanevent.name == \"x\"",
            "at 1: spanevent.name is no path that a condition of this kind can read here");
    refused("name[\"x\"] == 1", "at 1: name[\"x\"] has no keys");
    refused("Now() > start_time", "at 1: Now is no converter that is supported here");
    refused("HasPrefix(name)", "at 1: HasPrefix takes 2 to 2 arguments, not 1");
    refused("HasPrefix(name, 5)", "at 17: 5 is not what HasPrefix takes here");
    refused("set(name, 1)", "at 1: is an editor; a condition has converters only, which begin with a capital");
    refused("attributes[name] == 1", "at 12: name] the key of an attribute must be a string, and a literal");
    refused("IsMatch(name, name)", "at 15: name must be a string, and a literal: the pattern of IsMatch");
    refused("otelcol.client.addr == 1", "at 1: otelcol.client.addr asks for the request, of which nothing is known here");
    refused("{} == nil", "at 1: maps are not supported");
    refused("0xabc == nil", "at 1: bytes have an even number of digits");
    refused("99999999999999999999 == 1", "at 1: is out of range, or no number");
}

static void a_bad_pattern_is_refused(void **state)
{
    assert_null(compiled("IsMatch(name, \"a(\")", TR_OTTL_SPAN));
    assert_non_null(strstr(error.text, "IsMatch: "));
}

static char *repeated(const char *begin, const char *each, int count, const char *end)
{
    char *text = malloc(strlen(begin) + strlen(end) + (size_t)count * strlen(each) + 1), *p = stpcpy(text, begin);

    for (int i = 0; i < count; i++)
        p = stpcpy(p, each);
    strcpy(p, end);
    return text;
}

static void nesting_and_length_have_bounds(void **state)
{
    char *text = repeated("", "(", 33, "true");

    assert_null(compiled(text, TR_OTTL_SPAN));
    assert_string_equal(error.text, "at 33: nested deeper than 32");
    free(text);
    text = repeated("0", " + 1", 80, " == 80");
    assert_null(compiled(text, TR_OTTL_SPAN));
    assert_non_null(strstr(error.text, "nested too deeply"));
    free(text);
    text = repeated("true", " and true", 2000, "");
    assert_null(compiled(text, TR_OTTL_SPAN));
    assert_non_null(strstr(error.text, "longer than 16384 bytes"));
    free(text);
    text = repeated("name == \"x\"", " or name == \"y\"", 1000, "");
    tr_ottl_free(compiled(text, TR_OTTL_SPAN));
    assert_string_equal(error.text, "");
    free(text);
}

static void a_condition_looks_at_64_attributes(void **state)
{
    char text[4096], *p = text;

    for (int i = 0; i < 65; i++) {
        struct tr_ottl *program;

        p += sprintf(p, "%sattributes[\"k%d\"] == 1", i ? " or " : "", i);
        program = compiled(text, TR_OTTL_SPAN);
        assert_int_equal(!!program, i < 64);
        tr_ottl_free(program);
    }
    assert_non_null(strstr(error.text, "more than 64 attributes"));
}

static enum tr_ottl_answer absent(const char *text)
{
    struct tr_ottl *program = compiled(text, TR_OTTL_SPAN);
    enum tr_ottl_answer answer = tr_ottl_absent(program);

    tr_ottl_free(program);
    return answer;
}

static void what_is_known_when_no_key_is_there(void **state)
{
    assert_int_equal(absent("attributes[\"a\"] == 1"), TR_OTTL_NO);
    assert_int_equal(absent("attributes[\"a\"] != 1"), TR_OTTL_YES);
    assert_int_equal(absent("not IsMatch(attributes[\"a\"], \"x\")"), TR_OTTL_YES);
    assert_int_equal(absent("HasPrefix(attributes[\"a\"], \"x\")"), TR_OTTL_ERROR);
    assert_int_equal(absent("name == \"x\""), TR_OTTL_RUN);
    // Whatever the name is:
    assert_int_equal(absent("name == \"x\" and attributes[\"a\"] == 1"), TR_OTTL_NO);
    assert_int_equal(absent("attributes[\"a\"] == 1 and Len(name) / 0 == 1"), TR_OTTL_NO);
    assert_int_equal(absent("name == \"x\" or attributes[\"a\"] == nil"), TR_OTTL_YES);
    // Not so where what comes first may be an error:
    assert_int_equal(absent("Len(events) / dropped_events_count == 1 and attributes[\"a\"] == 1"), TR_OTTL_RUN);
    assert_int_equal(absent("name == \"x\" or attributes[\"a\"] == 1"), TR_OTTL_RUN);
}

static bool context_only(const char *text)
{
    struct tr_ottl *program = compiled(text, TR_OTTL_SPAN);
    bool is = tr_ottl_context_only(program);

    tr_ottl_free(program);
    return is;
}

static void what_looks_at_the_resource_and_scope_alone_runs_once_for_all_spans(void **state)
{
    assert_true(context_only("resource.attributes[\"service.name\"] == \"x\" and scope.name != \"y\""));
    assert_false(context_only("resource.attributes[\"service.name\"] == \"x\" and name == \"y\""));
    assert_false(context_only("attributes[\"a\"] == resource.attributes[\"a\"]"));
    assert_false(context_only("IsRootSpan()"));
}

static int policies_compile(const char *text)
{
    struct tr_options_doc *doc;
    int rc;

    memset(&error, 0, sizeof(error));
    rc = tr_options_parse(&tr_tail_sampling_option_table, text, strlen(text), &doc, &error);
    assert_int_equal(rc, 0);
    tr_policy_set_free(set);
    set = NULL;
    rc = tr_policy_set_compile(tr_options_struct(doc), NULL, 1, 1, &set, &error);
    tr_options_free(doc);
    return rc;
}

static int policy_compile(const char *options)
{
    char text[8192];

    snprintf(text, sizeof(text), "policies:\n- {name: p, type: ottl_condition, ottl_condition: {%s}}\n", options);
    return policies_compile(text);
}

static void errors_name_the_path(void **state)
{
    assert_int_equal(policy_compile(""), -EINVAL);
    assert_string_equal(error.text,
                        "tail_sampling.policies[0].ottl_condition: needs a condition in span or spanevent");
    assert_int_equal(policy_compile("error_mode: loud, span: ['true']"), -EINVAL);
    assert_string_equal(error.text, "tail_sampling.policies[0].ottl_condition.error_mode: loud is none of ignore, "
                                    "silent, propagate");
    assert_int_equal(policy_compile("spanevent: ['true', 'x == 1']"), -EINVAL);
    assert_string_equal(error.text, "tail_sampling.policies[0].ottl_condition.spanevent[1]: at 1: x is no path that a "
                                    "condition of this kind can read here");
}

// Does the policy hold for the span in `b`, of no resource?
static bool holds(void)
{
    static const struct tr_context context;
    struct tr_bits bits = {{0}};
    struct tr_walk_span walked;

    tr_walk_resource(&set->plan, 0, &context, b.data, &notes, &bits);
    assert_int_equal(tr_walk_span(&set->plan, 0, b.data, b.bytes, &notes, &walked, &bits), TR_WALK_OK);
    return (bits.word[0] | bits.word[1]) != 0;
}

static void event_add(const char *name)
{
    uint32_t event = build_begin(&b, 11);

    build_string(&b, 2, name);
    build_end(&b, event);
}

static void one_condition_that_holds_is_enough(void **state)
{
    build_span_ids(&b);
    build_string(&b, 5, "get");
    assert_int_equal(policy_compile("span: ['name == \"put\"', 'name == \"get\"']"), 0);
    assert_true(holds());
    assert_int_equal(policy_compile("span: ['name == \"put\"', 'name == \"post\"']"), 0);
    assert_false(holds());
}

static void an_error_is_no_match_and_ends_the_list_under_propagate_only(void **state)
{
    build_span_ids(&b);
    build_string(&b, 5, "get");
    for (int i = 0; i < 3; i++) {
        static const char *const modes[] = {"ignore", "silent", "propagate"};
        char options[256];

        snprintf(options, sizeof(options), "error_mode: %s, span: ['HasPrefix(attributes[\"a\"], \"x\")', 'name == "
                                           "\"get\"']", modes[i]);
        assert_int_equal(policy_compile(options), 0);
        assert_int_equal(holds(), i < 2);
        // The other way round the match comes first.
        snprintf(options, sizeof(options), "error_mode: %s, span: ['name == \"get\"', 'HasPrefix(attributes[\"a\"], "
                                           "\"x\")']", modes[i]);
        assert_int_equal(policy_compile(options), 0);
        assert_true(holds());
    }
}

static void an_error_under_propagate_is_none_of_what_a_negation_keeps(void **state)
{
    static const char *const modes[] = {"ignore", "propagate"};
    static const char *const conditions[] = {"span: ['1 / dropped_links_count == 1']", // an error
                                             "span: ['name == \"put\"']",              // no
                                             "span: ['name == \"get\"']",              // yes
                                             "span: ['HasPrefix(attributes[\"a\"], \"x\")', 'name == \"put\"']",
                                             "spanevent: ['Int(name) / 0 == 1']"}; // there is no event
    static const bool kept[2][TR_NELEMS(conditions)] = {{true, true, false, true, true}, {false, true, false, false, true}};

    build_span_ids(&b);
    build_string(&b, 5, "get");
    for (size_t mode = 0; mode < TR_NELEMS(modes); mode++)
        for (size_t i = 0; i < TR_NELEMS(conditions); i++) {
            char policies[512];

            snprintf(policies, sizeof(policies),
                     "policies:\n- {name: p, type: not, not: {not_sub_policy: {type: ottl_condition, ottl_condition: "
                     "{error_mode: %s, %s}}}}\n",
                     modes[mode], conditions[i]);
            assert_int_equal(policies_compile(policies), 0);
            assert_int_equal(!holds(), kept[mode][i]);
        }
}

static void events_are_asked_one_by_one_behind_the_span(void **state)
{
    build_span_ids(&b);
    assert_int_equal(policy_compile("spanevent: ['name == \"exception\"']"), 0);
    assert_false(holds());
    event_add("log");
    build_varint(&b, 12, 4); // a field of the span between them
    event_add("exception");
    assert_true(holds());
    assert_int_equal(policy_compile("spanevent: ['name == \"retry\"', 'true']"), 0);
    assert_true(holds());
    assert_int_equal(policy_compile("spanevent: ['name == \"retry\"']"), 0);
    assert_false(holds());
    // Under propagate an error of the span's own ends it before an event is asked, and one of an event before the next.
    assert_int_equal(policy_compile("error_mode: propagate, span: ['1 / dropped_links_count == 1'], "
                                    "spanevent: ['true']"), 0);
    assert_false(holds());
    assert_int_equal(policy_compile("error_mode: propagate, "
                                    "spanevent: ['Int(name) == 1 or name == \"exception\"']"), 0);
    assert_false(holds());
    assert_int_equal(policy_compile("spanevent: ['Len(name) / (Len(name) - 3) > 0']"), 0); // an error for "log"
    assert_true(holds());
}

// A span whose attributes depend on `n`: of any kind, status and length, with `a` missing, an integer, a text or empty.
static void span_make(uint32_t n)
{
    uint32_t status;

    b.bytes = 0;
    build_span_ids(&b);
    if (n & 1)
        build_bytes(&b, 4, build_span_id, 8);
    build_string(&b, 5, n & 2 ? "get" : "put");
    build_varint(&b, 6, n % 8);
    build_fixed64(&b, 7, 1000);
    build_fixed64(&b, 8, n & 4 ? 1500 : n & 8 ? 999 : UINT64_MAX);
    if (n % 5 == 1)
        build_attribute_int(&b, 9, "a", n % 3);
    else if (n % 5 == 2)
        build_attribute_string(&b, 9, "a", "x");
    else if (n % 5 == 3)
        build_bytes(&b, 9, "\x0a\x01\x61\x12\x00", 5); // an empty value
    if (n % 7 < 3)
        build_attribute_int(&b, 9, "b", n % 4);
    if (n % 7 == 1)
        build_attribute_int(&b, 9, "b", 7); // which is not looked at: the first one is
    status = build_begin(&b, 15);
    build_varint(&b, 3, n % 6);
    build_end(&b, status);
}

// Under `propagate` nothing is known of a condition before it runs; otherwise the walk asks for its class of spans and for
// one of its attributes first, for those beyond the 64th not in passing.
static void what_is_passed_over_would_not_have_held(void **state)
{
    static const char *const conditions[] = {
        "attributes[\"a\"] == 1",
        "attributes[\"a\"] != nil and attributes[\"b\"] > 1",
        "attributes[\"a\"] == nil and attributes[\"b\"] > 1",
        "attributes[\"b\"] >= 1 and attributes[\"b\"] <= 2 and kind == 2",
        "attributes[\"b\"] > 0 or attributes[\"a\"] == \"x\"",
        "kind == SPAN_KIND_SERVER and status.code == STATUS_CODE_ERROR and attributes[\"a\"] != 2",
        "kind != 7 and end_time_unix_nano - start_time_unix_nano == 500",
        "kind == 7 and attributes[\"b\"] != nil",
        "status.code != 4 and (kind == 1 or attributes[\"a\"] == \"x\")",
        "status.code != 1 and (kind != 1 and attributes[\"a\"] == 1)",
        "IsRootSpan() and end_time - start_time > Duration(\"400ns\")",
        "end_time - start_time < Duration(\"0s\") and IsRootSpan()",
        "end_time_unix_nano - start_time_unix_nano < 0",
        "not (kind == 3) and not IsRootSpan() and attributes[\"a\"] != nil",
        "Int(attributes[\"a\"]) == 1 and attributes[\"b\"] == 1",
        "resource.attributes[\"r\"] == \"x\" and attributes[\"a\"] == 1",
        "resource.attributes[\"r\"] == nil and attributes[\"a\"] == 1 and name == \"get\"",
    };
    char options[7168];

    for (size_t i = 0; i < TR_NELEMS(conditions); i++) {
        uint32_t held = 0;
        bool truth[256];
        int length = snprintf(options, sizeof(options), "error_mode: propagate, span: ['%s']", conditions[i]);

        assert_int_equal(policy_compile(options), 0);
        for (uint32_t n = 0; n < TR_NELEMS(truth); n++) {
            span_make(n);
            truth[n] = holds();
            held += truth[n];
        }
        assert_true((held > 0) == (strncmp(conditions[i], "resource.attributes[\"r\"] == \"x\"", 31) != 0));
        snprintf(options, sizeof(options), "span: ['%s']", conditions[i]);
        assert_int_equal(policy_compile(options), 0);
        for (uint32_t n = 0; n < TR_NELEMS(truth); n++) {
            span_make(n);
            assert_int_equal(holds(), truth[n]);
        }
        length = snprintf(options, sizeof(options), "span: [");
        for (int k = 0; k < 64; k++)
            length += snprintf(options + length, sizeof(options) - (size_t)length, "'attributes[\"n%d\"] == 1', ", k);
        snprintf(options + length, sizeof(options) - (size_t)length, "'%s']", conditions[i]);
        assert_int_equal(policy_compile(options), 0);
        assert_int_equal(set->plan.programs_count, 65);
        for (uint32_t n = 0; n < TR_NELEMS(truth); n++) {
            span_make(n);
            assert_int_equal(holds(), truth[n]);
        }
    }
}

static void equal_conditions_are_one_predicate(void **state)
{
    assert_int_equal(policy_compile("span: ['name == \"a\"', 'name == \"a\"', 'name == \"b\"']"), 0);
    assert_int_equal(set->plan.programs_count, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, release)
int main(void)
{
    const struct CMUnitTest all[] = {
        TEST(what_is_refused_is_named_with_its_position),
        TEST(a_bad_pattern_is_refused),
        TEST(nesting_and_length_have_bounds),
        TEST(a_condition_looks_at_64_attributes),
        TEST(what_is_known_when_no_key_is_there),
        TEST(what_looks_at_the_resource_and_scope_alone_runs_once_for_all_spans),
        TEST(errors_name_the_path),
        TEST(one_condition_that_holds_is_enough),
        TEST(an_error_is_no_match_and_ends_the_list_under_propagate_only),
        TEST(an_error_under_propagate_is_none_of_what_a_negation_keeps),
        TEST(events_are_asked_one_by_one_behind_the_span),
        TEST(what_is_passed_over_would_not_have_held),
        TEST(equal_conditions_are_one_predicate),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
