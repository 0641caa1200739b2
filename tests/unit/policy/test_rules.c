// SPDX-License-Identifier: Apache-2.0
// Rules: each operator with each datatype on one value; scopes, the first that matches, rates; what a config may not say.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "base/pb.h"
#include "policy/policy.h"
#include "policy/rule_value.h"

#define LCORES 2

static struct tr_policy_set *set;
static struct tr_policy_counters counters[64];
static struct tr_error error;
static struct tr_walk_notes notes;

// One value, as these tests write it: i:5 d:1.5 b:true s:text x:bytes a: (an array), - (not there).
static const struct tr_value *value_of(const char *text, struct tr_value *value)
{
    if (text[0] == '-')
        return NULL;
    *value = (struct tr_value){.bytes = (const uint8_t *)text + 2, .length = (uint32_t)strlen(text + 2)};
    switch (text[0]) {
    case 'i':
        value->type = TR_VALUE_INT;
        value->integer = strtoll(text + 2, NULL, 10);
        return value;
    case 'd':
        value->type = TR_VALUE_DOUBLE;
        value->number = strtod(text + 2, NULL);
        return value;
    case 'b':
        value->type = TR_VALUE_BOOL;
        value->integer = strcmp(text + 2, "true") == 0;
        return value;
    case 's':
        value->type = TR_VALUE_STRING;
        return value;
    case 'x':
        value->type = TR_VALUE_BYTES;
        return value;
    default:
        value->type = TR_VALUE_ARRAY;
        return value;
    }
}

static const char *const none[] = {NULL};

static int named(const char *const *names, const char *name)
{
    int at = 0;

    while (strcmp(names[at], name) != 0)
        at++;
    return at;
}

// Does `operator with` hold, as `datatype`, for the value? -EINVAL: it is refused. `with` is cut at its commas for `in`.
static int ask(const char *operator, const char *datatype, const char *with, const char *text)
{
    enum tr_rule_operator op = (enum tr_rule_operator)named(tr_rule_operator_names, operator);
    const char *values[8] = {with};
    char copy[128] = "";
    struct tr_rule_test test;
    struct tr_value value;
    size_t count = with != NULL;
    int rc;

    memset(&error, 0, sizeof(error));
    if (op == TR_RULE_IN || op == TR_RULE_NOT_IN) {
        snprintf(copy, sizeof(copy), "%s", with);
        values[0] = copy;
        for (char *p = copy; (p = strchr(p, ',')) != NULL;) {
            *p++ = '\0';
            values[count++] = p;
        }
    }
    rc = tr_rule_test_make(&test, op, (enum tr_rule_datatype)named(tr_rule_datatype_names, datatype),
                           count ? values : none, count, 1, &error);
    if (rc == 0)
        rc = tr_rule_test_ask(&test, value_of(text, &value), 0);
    tr_rule_test_clear(&test);
    return rc;
}

static void each_operator_with_each_datatype(void **state)
{
    static const struct {
        const char *op, *datatype, *with, *value;
        int answer;
    } rows[] = {
        // int: a text of digits is one, a number is cut, a boolean is none
        {"=", "int", "200", "i:200", 1}, {"=", "int", "200", "s:200", 1}, {"=", "int", "200", "d:200.9", 1},
        {"=", "int", "200", "s:200.0", 0}, {"=", "int", "200", "s: 200", 0}, {"=", "int", "200", "s:+200", 1},
        {"=", "int", "1", "b:true", 0}, {"=", "int", "200", "-", 0}, {"=", "int", "0", "s:", 0},
        {"=", "int", "200.0", "i:200", 1}, {"=", "int", "-5", "s:-5", 1}, {"=", "int", "5", "x:5", 0},
        {"=", "int", "-9223372036854775808", "d:1e300", 1}, {"=", "int", "-9223372036854775808", "d:nan", 1},
        {"=", "int", "9223372036854775807", "s:9223372036854775807", 1},
        {"=", "int", "9223372036854775807", "s:9223372036854775808", 0},
        {"=", "int", "-9223372036854775808", "s:-9223372036854775808", 1},
        {"!=", "int", "200", "i:201", 1}, {"!=", "int", "200", "i:200", 0}, {"!=", "int", "200", "s:no", 0},
        {"!=", "int", "200", "-", 0}, {">", "int", "200", "i:201", 1}, {">", "int", "200", "i:200", 0},
        {">=", "int", "200", "s:200", 1}, {">=", "int", "200", "i:199", 0}, {"<", "int", "200", "i:199", 1},
        {"<", "int", "200", "i:200", 0}, {"<=", "int", "200", "i:200", 1}, {"<=", "int", "200", "i:201", 0},
        {"<", "int", "200", "-", 0},
        // float
        {"=", "float", "1.5", "d:1.5", 1}, {"=", "float", "1.5", "s:1.5", 1}, {"=", "float", "2", "i:2", 1},
        {"=", "float", "1.5", "s:1.5x", 0}, {"=", "float", "1.5", "b:true", 0}, {"=", "float", "1.5", "-", 0},
        {"=", "float", "10", "s:1e1", 1}, {"=", "float", "16", "s:0x10", 0}, {"=", "float", "16", "s:0x1p4", 1},
        {"=", "float", "0", "s:", 0}, {"=", "float", "0", "s: 0", 0}, {"=", "float", "0", "s:1e999", 0},
        {">", "float", "1e300", "s:inf", 1}, {">", "float", "0", "s:nan", 0}, {"!=", "float", "0", "s:nan", 1},
        {"=", "float", "nan", "s:nan", 0}, {"=", "float", "0", "s:infinitely", 0},
        {"!=", "float", "1.5", "d:1.4", 1}, {"!=", "float", "1.5", "-", 0}, {">", "float", "1.5", "d:1.51", 1},
        {">=", "float", "1.5", "d:1.5", 1}, {"<", "float", "1.5", "d:1.5", 0}, {"<=", "float", "1.5", "d:1.5", 1},
        {"<", "float", "1.5", "i:1", 1}, {"<", "float", "1.5", "a:", 0},
        // string: whatever it is, as text
        {"=", "string", "200", "i:200", 1}, {"=", "string", "200", "s:200", 1}, {"=", "string", "1.5", "d:1.5", 1},
        {"=", "string", "true", "b:true", 1}, {"=", "string", "1e+21", "d:1e21", 1}, {"=", "string", "<nil>", "-", 0},
        {"=", "string", "100000000000000000000", "d:1e20", 1}, {"=", "string", "1e-05", "d:0.00001", 1},
        {"=", "string", "0.0001", "d:0.0001", 1}, {"=", "string", "3", "d:3.0", 1}, {"=", "string", "-0.1", "d:-0.1", 1},
        {"=", "string", "NaN", "d:nan", 1}, {"=", "string", "-Inf", "d:-inf", 1}, {"=", "string", "0", "d:0", 1},
        {"=", "string", "123456.789", "d:123456.789", 1}, {"=", "string", "1200", "d:1200", 1},
        {"=", "string", "", "s:", 1}, {"=", "string", "", "-", 0}, {"=", "string", "", "x:", 0},
        {"!=", "string", "a", "s:b", 1}, {"!=", "string", "a", "s:a", 0}, {"!=", "string", "a", "-", 0},
        {">", "string", "10", "i:2", 1}, {">", "string", "a", "s:a", 0}, {">", "string", "a", "s:ab", 1},
        {">=", "string", "a", "s:a", 1}, {"<", "string", "b", "s:ab", 1}, {"<", "string", "zz", "-", 0},
        {"<=", "string", "b", "s:b", 1}, {"<=", "string", "b", "s:ba", 0},
        // bool: what is no truth is false
        {"=", "bool", "true", "b:true", 1}, {"=", "bool", "true", "s:true", 1}, {"=", "bool", "true", "i:1", 1},
        {"=", "bool", "yes", "b:true", 1}, {"=", "bool", "true", "s:yes", 0}, {"=", "bool", "false", "s:yes", 1},
        {"=", "bool", "true", "i:2", 0}, {"=", "bool", "false", "i:2", 1}, {"=", "bool", "false", "-", 0},
        {"=", "bool", "true", "s:T", 1}, {"=", "bool", "true", "d:1", 1}, {"=", "bool", "off", "b:false", 1},
        {"!=", "bool", "true", "b:false", 1}, {"!=", "bool", "true", "b:true", 0}, {"!=", "bool", "true", "-", 0},
        // none: the value's own type
        {"=", "any", "200", "i:200", 1}, {"=", "any", "200", "s:200", 1}, {"=", "any", "200", "d:200", 1},
        {"=", "any", "200.5", "i:200", 0}, {"<", "any", "200.5", "i:200", 1}, {"=", "any", "x", "i:200", 0},
        {"!=", "any", "x", "i:200", 0}, {"!=", "any", "x", "-", 0}, {"=", "any", "true", "b:true", 1},
        {">", "any", "false", "b:true", 1}, {"=", "any", "true", "s:true", 1}, {"=", "any", "true", "i:1", 0},
        {">", "any", "a", "s:b", 1}, {"=", "any", "1", "a:", 0}, {"<=", "any", "1.5", "d:1.5", 1},
        {"!=", "any", "a", "s:b", 1}, {">=", "any", "5", "i:5", 1},
        // presence
        {"exists", "any", NULL, "s:", 1}, {"exists", "int", NULL, "x:1", 1}, {"exists", "any", NULL, "-", 0},
        {"not-exists", "any", NULL, "-", 1}, {"not-exists", "any", NULL, "a:", 0},
        // text
        {"contains", "any", "bc", "s:abcd", 1}, {"contains", "int", "20", "i:1200", 1}, {"contains", "any", "x", "-", 0},
        {"contains", "any", "nil", "-", 0}, {"contains", "any", "", "s:", 1}, {"contains", "any", "abc", "s:ab", 0},
        {"contains", "any", "1", "x:1", 0}, {"does-not-contain", "any", "bc", "s:abcd", 0},
        {"does-not-contain", "any", "x", "s:abcd", 1}, {"does-not-contain", "any", "x", "-", 1},
        {"starts-with", "any", "ab", "s:abc", 1}, {"starts-with", "any", "bc", "s:abc", 0},
        {"starts-with", "any", "tr", "b:true", 1}, {"starts-with", "any", "ab", "-", 0},
        {"starts-with", "any", "", "s:x", 1}, {"starts-with", "any", "abc", "s:ab", 0},
        {"matches", "any", "^/(health|ready)z$", "s:/healthz", 1}, {"matches", "any", "^a", "s:ba", 0},
        {"matches", "any", "^2..$", "i:204", 1}, {"matches", "any", ".*", "-", 0}, {"matches", "any", "^$", "s:", 1},
        // lists
        {"in", "any", "a,b,200", "s:b", 1}, {"in", "any", "a,b,200", "i:200", 1}, {"in", "any", "a,b", "s:ab", 0},
        {"in", "string", "1.5,b", "d:1.5", 1}, {"in", "any", "a,b", "-", 0}, {"in", "any", "a,,b", "s:", 1},
        {"in", "any", "a,b", "s:", 0}, {"in", "int", "1,2,3", "s:2", 1}, {"in", "int", "1,2,3", "d:2.7", 1},
        {"in", "int", "1,2,3", "s:x", 0}, {"in", "int", "1,2", "i:3", 0}, {"in", "float", "1,2.5", "s:2.5", 1},
        {"in", "float", "1,2.5", "d:2", 0}, {"in", "float", "1", "b:true", 0}, {"in", "any", "a", "a:", 0},
        {"not-in", "any", "a,b", "s:c", 1}, {"not-in", "any", "a,b", "s:a", 0}, {"not-in", "any", "a,b", "-", 1},
        {"not-in", "int", "1,2", "s:x", 1}, {"not-in", "int", "1,2", "s:1", 0}, {"not-in", "float", "0.5", "d:0.5", 0},
        // refused
        {"=", "int", "x", "i:1", -EINVAL}, {"=", "int", "", "i:1", -EINVAL}, {"=", "int", "1e30", "i:1", -EINVAL},
        {"=", "float", "1.5.1", "i:1", -EINVAL}, {"=", "bool", "maybe", "b:true", -EINVAL},
        {">", "bool", "true", "b:true", -EINVAL}, {"<=", "bool", "true", "b:true", -EINVAL},
        {"in", "bool", "true", "b:true", -EINVAL}, {"not-in", "bool", "true", "b:true", -EINVAL},
        {"in", "int", "1,x", "i:1", -EINVAL}, {"in", "float", "1,x", "i:1", -EINVAL}, {"=", "any", NULL, "i:1", -EINVAL},
        {"matches", "any", "(", "s:", -EINVAL}, {"contains", "any", NULL, "s:", -EINVAL},
    };

    for (size_t i = 0; i < TR_NELEMS(rows); i++) {
        int answer = ask(rows[i].op, rows[i].datatype, rows[i].with, rows[i].value);

        if (answer != rows[i].answer)
            fail_msg("%s %s as %s of %s: %d, should be %d (%s)", rows[i].value, rows[i].op, rows[i].datatype,
                     rows[i].with ? rows[i].with : "nothing", answer, rows[i].answer, error.text);
    }
}

static void errors_of_values_name_them(void **state)
{
    assert_int_equal(ask("=", "int", "x", "-"), -EINVAL);
    assert_string_equal(error.text, "value: x is no int");
    assert_int_equal(ask("=", "any", NULL, "-"), -EINVAL);
    assert_string_equal(error.text, "value: is required by operator =");
    assert_int_equal(ask(">", "bool", "true", "-"), -EINVAL);
    assert_string_equal(error.text, "operator: > can't be used with datatype bool");
}

static int compile(const char *rules)
{
    struct tr_options_doc *doc;
    char text[8192];
    int rc;

    memset(&error, 0, sizeof(error));
    tr_policy_set_free(set);
    set = NULL;
    snprintf(text, sizeof(text), "policies:\n- {name: r, type: rules, rules: {%s}}\n", rules);
    rc = tr_options_parse(&tr_tail_sampling_option_table, text, strlen(text), &doc, &error);
    if (rc < 0)
        return rc;
    rc = tr_policy_set_compile(tr_options_struct(doc), NULL, 1, LCORES, &set, &error);
    tr_options_free(doc);
    return rc;
}

static int reset(void **state)
{
    memset(counters, 0, sizeof(counters));
    set = NULL;
    return 0;
}

static int release(void **state)
{
    tr_policy_set_free(set);
    return 0;
}

// "key=i:5 other=s:x": the KeyValues, as fields `number`.
static uint8_t *attributes_put(uint8_t *p, uint32_t number, const char *text)
{
    char copy[256];

    snprintf(copy, sizeof(copy), "%s", text ? text : "");
    for (char *save, *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        uint8_t pair[256], any[128], *q, *a = any;
        char *equals = strchr(word, '=');
        struct tr_value value;

        value_of(equals + 1, &value);
        if (value.type == TR_VALUE_STRING)
            a = tr_pb_put_bytes(a, 1, value.bytes, value.length);
        else if (value.type == TR_VALUE_DOUBLE) {
            a = tr_pb_put_tag(a, 4, TR_PB_FIXED64);
            memcpy(a, &value.number, 8);
            a += 8;
        } else
            a = tr_pb_put_varint(tr_pb_put_tag(a, value.type == TR_VALUE_BOOL ? 2 : 3, TR_PB_VARINT),
                                 (uint64_t)value.integer);
        q = tr_pb_put_bytes(pair, 1, word, (size_t)(equals - word));
        q = tr_pb_put_bytes(q, 2, any, (size_t)(a - any));
        p = tr_pb_put_bytes(p, number, pair, (size_t)(q - pair));
    }
    return p;
}

struct span {
    const char *attributes;
    const char *name;
    bool child;
    int status, kind, events;
    uint64_t ms; // its duration
    const char *resource, *scope;
};

static uint8_t *span_put(uint8_t *p, const struct span *span)
{
    p = tr_pb_put_bytes(p, 1, "0123456789abcdef", 16);
    p = tr_pb_put_bytes(p, 2, "\1\2\3\4\5\6\7\10", 8);
    if (span->child)
        p = tr_pb_put_bytes(p, 4, "\2\2\3\4\5\6\7\10", 8);
    if (span->name)
        p = tr_pb_put_bytes(p, 5, span->name, strlen(span->name));
    if (span->kind)
        p = tr_pb_put_varint(tr_pb_put_tag(p, 6, TR_PB_VARINT), (uint64_t)span->kind);
    p = tr_pb_put_fixed64(p, 7, TR_S);
    p = tr_pb_put_fixed64(p, 8, TR_S + span->ms * TR_MS);
    for (int i = 0; i < span->events; i++)
        p = tr_pb_put_bytes(p, 11, "", 0);
    if (span->status)
        p = tr_pb_put_bytes(p, 15, (uint8_t[2]){0x18, (uint8_t)span->status}, 2);
    return attributes_put(p, 9, span->attributes);
}

static void span_walk(const struct span *span, struct tr_trace *trace)
{
    uint8_t body[1024], *resource_end = attributes_put(body, 1, span->resource), *p;
    struct tr_context context = {0};
    struct tr_bits bits = {{0}};
    struct tr_walk_span walked;

    context.resource[0] = (struct tr_range){.bytes = (uint32_t)(resource_end - body)};
    p = resource_end;
    if (span->scope)
        p = attributes_put(tr_pb_put_bytes(p, 1, "lib", 3), 3, span->scope);
    context.scope[0] =
        (struct tr_range){.offset = (uint32_t)(resource_end - body), .bytes = (uint32_t)(p - resource_end)};
    tr_walk_resource(&set->plan, 0, &context, body, &notes, &bits);
    resource_end = p;
    p = span_put(p, span);
    assert_int_equal(tr_walk_span(&set->plan, 0, resource_end, (uint32_t)(p - resource_end), &notes, &walked, &bits),
                     TR_WALK_OK);
    for (int w = 0; w < TR_PREDICATE_WORDS_MAX; w++)
        trace->bits[w] |= bits.word[w];
    trace->spans++;
    trace->root_seen = trace->root_seen || walked.root;
}

// The rule that matches a trace of these spans, without the policy's name.
static const char *match(const struct span *spans, size_t count)
{
    struct tr_trace trace = {.trace_id = "0123456789abcde", .epoch = 1};
    uint16_t policy;

    for (size_t i = 0; i < count; i++)
        span_walk(&spans[i], &trace);
    tr_policy_set_decide(set, &trace, counters, &policy);
    assert_memory_equal(tr_policy_name(set, policy), "r/", 2);
    return tr_policy_name(set, policy) + 2;
}

#define MATCH(...) match((const struct span[]){__VA_ARGS__}, TR_NELEMS(((const struct span[]){__VA_ARGS__})))
#define YES(...)   assert_string_equal(MATCH(__VA_ARGS__), "x")
#define NO(...)    assert_string_equal(MATCH(__VA_ARGS__), "otherwise")

// One rule, "x", of a scope and conditions.
static void rule(const char *scope, const char *conditions)
{
    char text[4096];

    snprintf(text, sizeof(text), "rules: [{name: x, keep: true, scope: %s, conditions: [%s]}]", scope, conditions);
    if (compile(text) < 0)
        fail_msg("%s", error.text);
}

static void all_conditions_hold_on_one_span(void **state)
{
    rule("span", "{field: a, operator: =, value: 1}, {field: b, operator: exists}");
    YES({"a=i:1 b=s:"});
    YES({"a=i:2"}, {"a=i:1 b=s:"});
    NO({"a=i:1"}, {"b=s:"});
    NO({"b=s:"});
    NO({NULL});
    // What a span does not have, its resource may: that is the same span still.
    YES({"a=i:1", .resource = "b=s:x"});
    NO({"a=i:1"}, {.resource = "b=s:x"});
    rule("trace", "{field: a, operator: =, value: 1}, {field: b, operator: exists}");
    YES({"a=i:1"}, {"b=s:"});
    NO({"a=i:1"}, {"a=i:1"});
}

static void conditions_of_the_root(void **state)
{
    rule("root", "{field: a, operator: =, value: 1}, {field: b, operator: not-exists}");
    YES({"a=i:1"}, {"b=i:1", .child = true});
    NO({"a=i:1", .child = true}, {"a=i:2"});
    NO({"a=i:1 b=i:1"});
    rule("trace", "{field: root.a, operator: =, value: 1}, {field: b, operator: =, value: 1}");
    YES({"a=i:1"}, {"b=i:1", .child = true});
    NO({"a=i:1", .child = true}, {"b=i:1"});
    // In a rule of one span, too, what is of the root is asked of the root.
    rule("span", "{field: root.a, operator: =, value: 1}, {field: b, operator: =, value: 1}, "
                 "{field: c, operator: =, value: 1}");
    YES({"a=i:1"}, {"b=i:1 c=i:1", .child = true});
    NO({"a=i:1 b=i:1"}, {"c=i:1", .child = true});
    // Without a root nothing holds of it.
    rule("trace", "{field: root.a, operator: not-exists}");
    YES({"b=i:1"});
    NO({"a=i:1"});
    NO({"b=i:1", .child = true});
}

static void what_a_rule_of_the_trace_denies_holds_nowhere(void **state)
{
    rule("trace", "{field: a, operator: not-exists}");
    YES({"b=i:1"}, {NULL});
    NO({"b=i:1"}, {"a=i:1"});
    rule("trace", "{field: a, operator: '!=', value: 1}");
    YES({"a=i:2"}, {NULL});
    NO({"a=i:2"}, {"a=i:1"});
    NO({"b=i:2"}); // nobody has it
    rule("trace", "{field: a, operator: not-in, value: [x, y]}");
    YES({"a=s:z"}, {NULL});
    YES({NULL});
    NO({"a=s:z"}, {"a=s:y"});
    rule("trace", "{field: a, operator: does-not-contain, value: x}");
    YES({"a=s:z"}, {NULL});
    NO({"a=s:z"}, {"a=s:yxz"});
    // On one span they are of that span.
    rule("span", "{field: a, operator: '!=', value: 1}");
    YES({"a=i:2"}, {"a=i:1"});
    rule("span", "{field: a, operator: not-exists}, {field: b, operator: =, value: 1}");
    YES({"b=i:1"}, {"a=i:1"});
    NO({"a=i:1 b=i:1"}, {NULL});
}

static void the_first_field_that_a_span_has_counts(void **state)
{
    rule("span", "{fields: [new, old], operator: =, value: 1}");
    YES({"new=i:1"});
    YES({"old=i:1"});
    NO({"new=i:2 old=i:1"});
    YES({"new=i:2"}, {"old=i:1"});
    rule("root", "{fields: [root.new, root.old], operator: '>', value: 1, datatype: int}");
    YES({"old=s:2"});
}

static void fields_of_the_span_itself(void **state)
{
    rule("span", "{field: name, operator: =, value: GET /}, {field: span.kind, operator: =, value: server}");
    YES({.name = "GET /", .kind = 2});
    NO({.name = "GET /", .kind = 3});
    NO({.kind = 2});
    rule("span", "{field: duration_ms, operator: '>=', value: 1000, datatype: int}");
    YES({.ms = 1000});
    NO({.ms = 999});
    rule("span", "{field: error, operator: exists}");
    YES({.status = 2});
    NO({.status = 1});
    YES({"error=b:true"}); // an attribute does, where the status is not ERROR
    rule("span", "{field: error, operator: =, value: true}");
    YES({"error=b:false", .status = 2});
    NO({"error=b:false"});
    rule("span", "{field: status_code, operator: in, value: [1, 2], datatype: int}");
    YES({.status = 1});
    NO({.status = 0});
    rule("span", "{field: trace.parent_id, operator: not-exists}, {field: service.name, operator: =, value: users}");
    YES({.resource = "service.name=s:users"});
    NO({.resource = "service.name=s:users", .child = true}, {NULL});
    rule("span", "{field: trace.trace_id, operator: starts-with, value: '30313233'}, {field: trace.span_id, operator: exists}");
    YES({NULL});
    rule("span", "{field: span.num_events, operator: '>', value: 1}");
    YES({.events = 2});
    NO({.events = 1});
    rule("span", "{field: library.name, operator: =, value: lib}, {field: s, operator: =, value: 1}");
    YES({.scope = "s=i:1"});
    NO({"s=i:1"});
}

static void a_span_hides_its_resource(void **state)
{
    rule("span", "{field: a, operator: =, value: 1}");
    YES({.resource = "a=i:1"});
    NO({"a=i:2", .resource = "a=i:1"});
    YES({"a=i:1", .resource = "a=i:2"});
    NO({.scope = "a=i:2", .resource = "a=i:1"});
}

static void what_is_of_the_trace(void **state)
{
    rule("trace", "{operator: has-root-span, value: false}");
    YES({.child = true});
    NO({.child = true}, {NULL});
    rule("trace", "{operator: has-root-span, value: true}, {field: '?.NUM_DESCENDANTS', operator: =, value: 1, datatype: int}");
    YES({NULL});
    NO({NULL}, {.child = true});
    NO({.child = true});
    rule("span", "{field: meta.span_count, operator: '>=', value: 2}, {field: a, operator: exists}");
    YES({NULL}, {"a=i:1"});
    NO({"a=i:1"});
}

static void the_first_rule_that_matches_decides(void **state)
{
    struct tr_trace trace = {.trace_id = "0123456789abcde", .epoch = 1};
    uint16_t policy;

    assert_int_equal(compile("rules: [{name: health, drop: true, conditions: [{field: route, operator: =, value: /h}]}, "
                             "{name: errors, keep: true, conditions: [{field: error, operator: exists}]}, "
                             "{drop: true, conditions: [{field: a, operator: exists}]}], otherwise: drop"),
                     0);
    assert_int_equal(set->policies, 5);
    assert_string_equal(tr_policy_name(set, 0), "r");
    assert_string_equal(tr_policy_name(set, 1), "r/health");
    assert_string_equal(tr_policy_name(set, 3), "r/2");
    assert_string_equal(tr_policy_name(set, 4), "r/otherwise");
    assert_string_equal(tr_policy_name(set, 5), "");
    assert_string_equal(tr_policy_type_name(set, 4), "rules");
    assert_string_equal(MATCH({"route=s:/h", .status = 2}), "health");
    assert_string_equal(MATCH({"a=i:1", .status = 2}), "errors");
    assert_string_equal(MATCH({"a=i:1"}), "2");
    assert_string_equal(MATCH({NULL}), "otherwise");
    assert_int_equal(counters[0].traces_seen, 4);
    assert_int_equal(counters[0].traces_kept, 1);
    assert_int_equal(counters[1].traces_seen, 1);
    assert_int_equal(counters[1].traces_dropped, 1);
    assert_int_equal(counters[2].traces_kept, 1);
    assert_int_equal(counters[2].traces_kept_alone, 1);
    assert_int_equal(counters[2].spans_kept, 1);
    assert_int_equal(counters[3].traces_dropped, 1);
    assert_int_equal(counters[4].traces_dropped, 1);
    // A rule without conditions matches what is left.
    assert_int_equal(compile("rules: [{name: all, sample_rate: 1}]"), 0);
    assert_int_equal(tr_policy_set_decide(set, &trace, counters, &policy), TR_ANSWER_KEEP);
    assert_int_equal(policy, 1);
    // Nothing matches: Refinery keeps it.
    assert_int_equal(compile("rules: [{drop: true, conditions: [{field: a, operator: exists}]}]"), 0);
    assert_int_equal(tr_policy_set_decide(set, &trace, counters, &policy), TR_ANSWER_KEEP);
}

static void what_is_certain_before_its_time(void **state)
{
    struct tr_trace trace = {.trace_id = "0123456789abcde", .epoch = 1};
    uint16_t policy;

    assert_int_equal(compile("rules: [{keep: true, conditions: [{field: a, operator: exists}]}, "
                             "{drop: true, conditions: [{field: b, operator: not-exists}]}]"),
                     0);
    assert_int_equal(tr_policy_set_certain(set, &trace, &policy), TR_ANSWER_PENDING);
    span_walk(&(const struct span){"b=i:1"}, &trace);
    assert_int_equal(tr_policy_set_certain(set, &trace, &policy), TR_ANSWER_PENDING); // `a` may still come
    span_walk(&(const struct span){"a=i:1"}, &trace);
    assert_int_equal(tr_policy_set_certain(set, &trace, &policy), TR_ANSWER_KEEP);
    assert_string_equal(tr_policy_name(set, policy), "r/0");
    // A first rule that has met what it denies is out of the way.
    assert_int_equal(compile("rules: [{drop: true, conditions: [{field: b, operator: not-exists}]}, "
                             "{keep: true, conditions: [{field: a, operator: exists}]}]"),
                     0);
    memset(trace.bits, 0, sizeof(trace.bits));
    span_walk(&(const struct span){"a=i:1"}, &trace);
    assert_int_equal(tr_policy_set_certain(set, &trace, &policy), TR_ANSWER_PENDING); // matches the first, for now
    span_walk(&(const struct span){"b=i:1"}, &trace);
    assert_int_equal(tr_policy_set_certain(set, &trace, &policy), TR_ANSWER_KEEP);
    // What its randomness decides is not, for a later span may say what that is.
    assert_int_equal(compile("mode: equalizing, rules: [{keep: true, conditions: [{field: b, operator: exists}]}]"), 0);
    assert_int_equal(tr_policy_set_certain(set, &trace, &policy), TR_ANSWER_KEEP);
    assert_int_equal(compile("mode: equalizing, rules: [{sample_rate: 2, conditions: [{field: b, operator: exists}]}]"), 0);
    assert_int_equal(tr_policy_set_certain(set, &trace, &policy), TR_ANSWER_PENDING);
    // A rule that drops for certain is named, too.
    assert_int_equal(compile("rules: [{drop: true, conditions: [{field: b, operator: exists}]}]"), 0);
    assert_int_equal(tr_policy_set_certain(set, &trace, &policy), TR_ANSWER_DROP);
    assert_string_equal(tr_policy_name(set, policy), "r/0");
}

struct decider {
    uint32_t lcore, wrong;
    struct tr_policy_counters counters[8];
};

static void *decide_away(void *context)
{
    struct decider *decider = context;

    for (uint32_t spans = 1; spans <= 300000; spans++) {
        struct tr_trace trace = {.epoch = 1, .spans = spans, .lcore = decider->lcore};
        uint16_t policy;

        decider->wrong += (tr_policy_set_decide(set, &trace, decider->counters, &policy) == TR_ANSWER_KEEP) != (spans % 10 == 7);
    }
    return NULL;
}

// Patterns have a scratch for each lcore: also where the owner asks them, of the number of spans.
static void lcores_that_decide_at_once_share_no_scratch(void **state)
{
    struct decider deciders[LCORES] = {{.lcore = 0}, {.lcore = 1}};
    pthread_t threads[LCORES];

    assert_int_equal(compile("otherwise: drop, rules: [{keep: true, conditions: [{field: meta.span_count, operator: "
                             "matches, value: '7$'}]}]"),
                     0);
    for (uint32_t i = 0; i < LCORES; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, decide_away, &deciders[i]), 0);
    for (uint32_t i = 0; i < LCORES; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(deciders[i].wrong, 0);
    }
}

static void a_rate_keeps_its_share_by_the_id(void **state)
{
    uint32_t kept = 0;

    assert_int_equal(compile("rules: [{name: tenth, sample_rate: 10}]"), 0);
    for (uint64_t i = 0; i < 20000; i++) {
        struct tr_trace trace = {.epoch = 1};
        uint64_t mixed = i * 0x9e3779b97f4a7c15ull;
        uint16_t policy;
        enum tr_answer answer;

        memcpy(trace.trace_id, &mixed, 8);
        memcpy(trace.trace_id + 8, &i, 8);
        answer = tr_policy_set_decide(set, &trace, counters, &policy);
        assert_int_equal(policy, 1); // dropped by it as well
        assert_int_equal(tr_policy_set_decide(set, &trace, counters, &policy), answer);
        kept += answer == TR_ANSWER_KEEP;
    }
    assert_in_range(kept, 2000 - 170, 2000 + 170); // four standard deviations
}

static void rules_stand_beside_other_policies(void **state)
{
    static const char text[] = "policies:\n- {name: r, type: rules, rules: {rules: [{name: x, drop: true}]}}\n"
                               "- {name: all, type: always_sample}\n";
    static const uint32_t listed[] = {0, 2, 3, 1};
    struct tr_trace trace = {.epoch = 1};
    struct tr_options_doc *doc;
    uint16_t policy;

    assert_int_equal(tr_options_parse(&tr_tail_sampling_option_table, text, strlen(text), &doc, &error), 0);
    assert_int_equal(tr_policy_set_compile(tr_options_struct(doc), NULL, 1, 1, &set, &error), 0);
    tr_options_free(doc);
    assert_int_equal(set->policies, 4);
    assert_string_equal(tr_policy_name(set, 2), "r/x");
    for (uint32_t i = 0, number = 0; i < 4; i++, number = tr_policy_listed_after(set, number))
        assert_int_equal(number, listed[i]); // r, its rules, all
    assert_int_equal(tr_policy_listed_after(set, 1), set->policies);
    assert_int_equal(tr_policy_set_decide(set, &trace, counters, &policy), TR_ANSWER_KEEP);
    assert_int_equal(policy, 1);
}

static void a_config_says_what_it_means(void **state)
{
#define PATH "tail_sampling.policies[0].rules.rules[0]"
#define ONE(c) "rules: [{drop: true, conditions: [" c "]}]"
    static const struct {
        const char *rules, *why;
    } rows[] = {
        {"rules: []", NULL},
        {"rules: [{conditions: [{field: a, operator: like, value: 1}], drop: true}]", NULL},
        {"rules: [{scope: everywhere, drop: true}]", NULL},
        {ONE("{field: a, operator: =, value: 1, datatype: double}"), NULL},
        {ONE("{field: a}"), NULL},
        {"rules: [{name: x}]", PATH ": needs one of sample_rate, drop: true, keep: true and sampler"},
        {"rules: [{drop: true, keep: true}]", PATH ": has more than one of sample_rate, drop, keep and sampler"},
        {"rules: [{name: x, drop: true}, {name: x, keep: true}]",
         "tail_sampling.policies[0].rules.rules[1].name: x is the name of rules[0] too"},
        {ONE("{operator: exists}"), PATH ".conditions[0].field: is required by operator exists"},
        {ONE("{field: a, fields: [b], operator: exists}"), PATH ".conditions[0].fields: is there beside field"},
        {ONE("{fields: [root.a, b], operator: exists}"),
         PATH ".conditions[0].fields: some are of the root and some are not; make it two rules"},
        {ONE("{field: root., operator: exists}"), PATH ".conditions[0].field: is empty"},
        {ONE("{field: '?.DEPTH', operator: exists}"),
         PATH ".conditions[0].field: ?.DEPTH is no field; ?.NUM_DESCENDANTS is"},
        {ONE("{fields: [a, meta.span_count], operator: exists}"),
         PATH ".conditions[0].fields: meta.span_count is of the trace, and stands alone"},
        {ONE("{field: a, operator: exists, value: false}"), PATH ".conditions[0].value: operator exists takes none"},
        {ONE("{field: a, operator: =, value: x, datatype: int}"), PATH ".conditions[0].value: x is no int"},
        {ONE("{field: a, operator: =, value: [1, 2]}"), PATH ".conditions[0].value: operator = takes one, not 2"},
        {ONE("{field: a, operator: exists}, {field: b, operator: in}"),
         PATH ".conditions[1].value: is required by operator in"},
        {ONE("{field: a, operator: in, value: true, datatype: bool}"),
         PATH ".conditions[0].operator: in can't be used with datatype bool"},
        {ONE("{field: meta.span_count, operator: '>', value: many, datatype: int}"),
         PATH ".conditions[0].value: many is no int"},
        {ONE("{operator: has-root-span}"), PATH ".conditions[0].value: is required by operator ="},
        {ONE("{operator: has-root-span, value: maybe}"), PATH ".conditions[0].value: maybe is no bool"},
        {ONE("{field: a, operator: has-root-span, value: true}"),
         PATH ".conditions[0].field: has-root-span takes none"},
        {"rules: [{drop: true, scope: span, conditions: [{operator: has-root-span, value: true}]}]",
         PATH ".conditions[0].operator: has-root-span is of the trace, not of one span (scope: trace)"},
        {ONE("{operator: has-root-span, value: true}, {operator: has-root-span, value: false}"),
         PATH ".conditions[1].value: has-root-span is asked to be both true and false"},
    };

    for (size_t i = 0; i < TR_NELEMS(rows); i++) {
        if (compile(rows[i].rules) != -EINVAL)
            fail_msg("%s: is taken", rows[i].rules);
        if (rows[i].why)
            assert_string_equal(error.text, rows[i].why);
    }
    assert_int_equal(compile(ONE("{field: a, operator: matches, value: '(?<n>a'}")), -EINVAL);
    assert_non_null(strstr(error.text, PATH ".conditions[0].value: "));
}

static void rules_of_equal_conditions_share_a_predicate(void **state)
{
    uint32_t programs;

    assert_int_equal(compile("rules: [{name: a, sample_rate: 2, scope: span, conditions: [{field: a, operator: exists}]}]"), 0);
    programs = set->plan.programs_count;
    assert_int_equal(compile("rules: [{name: a, sample_rate: 2, scope: span, conditions: [{field: a, operator: exists}]}, "
                             "{name: b, keep: true, conditions: [{field: a, operator: not-exists}]}]"), 0);
    assert_int_equal(programs, 1);
    assert_int_equal(set->plan.programs_count, programs);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, release)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_operator_with_each_datatype),
        TEST(errors_of_values_name_them),
        TEST(all_conditions_hold_on_one_span),
        TEST(conditions_of_the_root),
        TEST(what_a_rule_of_the_trace_denies_holds_nowhere),
        TEST(the_first_field_that_a_span_has_counts),
        TEST(fields_of_the_span_itself),
        TEST(a_span_hides_its_resource),
        TEST(what_is_of_the_trace),
        TEST(the_first_rule_that_matches_decides),
        TEST(what_is_certain_before_its_time),
        TEST(lcores_that_decide_at_once_share_no_scratch),
        TEST(a_rate_keeps_its_share_by_the_id),
        TEST(rules_stand_beside_other_policies),
        TEST(a_config_says_what_it_means),
        TEST(rules_of_equal_conditions_share_a_predicate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
