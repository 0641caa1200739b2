// SPDX-License-Identifier: Apache-2.0
// What a config file may say, and what is answered when it says something else.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "sample.h"

static struct tr_options_doc *parsed(const char *text)
{
    struct tr_error error = {""};
    struct tr_options_doc *doc = NULL;

    if (tr_options_parse(&sample_table, text, strlen(text), &doc, &error))
        fail_msg("refused: %s", error.text);
    return doc;
}

static void assert_refused_bytes(const char *text, size_t bytes, const char *message)
{
    struct tr_error error = {""};
    struct tr_options_doc *doc = NULL;

    assert_int_equal(tr_options_parse(&sample_table, text, bytes, &doc, &error), -EINVAL);
    assert_string_equal(error.text, message);
    assert_null(doc);
}

static void assert_refused(const char *text, const char *message)
{
    assert_refused_bytes(text, strlen(text), message);
}

static void test_defaults(void **state)
{
    static const char *const nothing[] = {"",  "# only a comment\n", "---\n",      "{}",
                                          "~", "journal:\n",         "journal: {}"};

    for (size_t i = 0; i < TR_NELEMS(nothing); i++) {
        struct tr_options_doc *doc = parsed(nothing[i]);
        struct sample *s = tr_options_struct(doc);

        assert_true(s->enabled);
        assert_false(s->quiet);
        assert_int_equal(s->count, 4);
        assert_int_equal(s->offset, 0);
        assert_true(s->ratio == 0.1);
        assert_int_equal(s->wait_ns, 30 * TR_S);
        assert_int_equal(s->body_bytes, 64 * TR_MIB);
        assert_null(s->cpus);
        assert_null(s->listen);
        assert_int_equal(s->mode, 0);
        assert_int_equal(s->journal.size_bytes, 0);
        assert_string_equal(s->journal.path, "/dev/shm/sample");
        assert_int_equal(s->policies.count + s->backends.count + s->rules.count + s->origins.count, 0);
        tr_options_free(doc);
    }
}

static void test_every_type(void **state)
{
    struct tr_options_doc *doc = parsed("enabled: no\n"
                                        "count: 65535\n"
                                        "offset: -100\n"
                                        "ratio: 2.5e1\n"
                                        "wait: 1m30s\n"
                                        "body_size_max: 1MB\n"
                                        "cpus: 1-3\n"
                                        "listen: 4317\n"
                                        "mode: refuse\n"
                                        "journal: {size: 1GiB, path: \"/tmp/\\u00e4\"}\n"
                                        "origins: [\"*\", 5]\n"
                                        "policies:\n"
                                        "  - {name: a, type: always_sample}\n"
                                        "  - name: slow\n"
                                        "    type: latency\n"
                                        "    latency:\n"
                                        "  - {name: b, type: and, sub: [{name: c, type: latency,\n"
                                        "     latency: {threshold_ms: 7, upper_threshold_ms: 9}}]}\n"
                                        "backends:\n"
                                        "  - {name: t, headers: {x-b: 1, x-a: 'env:A'}}\n"
                                        "rules: [{keys: [a.b, c], weight: 0}]\n");
    struct sample *s = tr_options_struct(doc);
    struct sample_policy *policies = s->policies.items;
    struct sample_policy *sub = policies[2].sub.items;
    struct sample_backend *backend = s->backends.items;
    struct sample_rule *rule = s->rules.items;

    assert_false(s->enabled);
    assert_int_equal(s->count, 65535);
    assert_int_equal(s->offset, -100);
    assert_true(s->ratio == 25);
    assert_int_equal(s->wait_ns, 90 * TR_S);
    assert_int_equal(s->body_bytes, 1000000);
    assert_string_equal(s->cpus, "1-3");
    assert_string_equal(s->listen, "4317");
    assert_int_equal(s->mode, 2);
    assert_int_equal(s->journal.size_bytes, TR_GIB);
    assert_string_equal(s->journal.path, "/tmp/ä");
    assert_int_equal(s->origins.count, 2);
    assert_string_equal(s->origins.items[1], "5");
    assert_int_equal(s->policies.count, 3);
    assert_null(policies[0].latency);
    assert_non_null(policies[1].latency); // present but empty
    assert_int_equal(policies[1].latency->threshold_ms, 500);
    assert_int_equal(policies[2].sub.count, 1);
    assert_int_equal(sub->latency->threshold_ms, 7);
    assert_int_equal(sub->latency->upper_threshold_ms, 9);
    assert_int_equal(backend->timeout_ns, 10 * TR_S);
    assert_int_equal(backend->headers.count, 2);
    assert_string_equal(backend->headers.keys[0], "x-b");
    assert_string_equal(backend->headers.values[0], "1");
    assert_string_equal(backend->headers.values[1], "env:A");
    assert_int_equal(backend->signals.count, 1);
    assert_string_equal(backend->signals.items[0], "traces");
    assert_int_equal(rule->keys.count, 2);
    assert_int_equal(rule->weight, 0);
    tr_options_free(doc);
}

static void test_words(void **state)
{
    static const char *const yes[] = {"true", "True", "yes", "on"};

    for (size_t i = 0; i < TR_NELEMS(yes); i++) {
        char text[64];
        struct tr_options_doc *doc;

        snprintf(text, sizeof(text), "\xef\xbb\xbf{quiet: %s, cpus: auto, journal: {size: auto}}", yes[i]);
        doc = parsed(text);
        assert_true(((struct sample *)tr_options_struct(doc))->quiet);
        assert_null(((struct sample *)tr_options_struct(doc))->cpus);
        assert_int_equal(((struct sample *)tr_options_struct(doc))->journal.size_bytes, 0);
        assert_string_equal(tr_options_text(doc), text);
        tr_options_free(doc);
    }
}

// As Go's reader of YAML, and so the Collector's documentation: num_traces: 100_000.
static void test_digits_in_groups(void **state)
{
    struct tr_options_doc *doc = parsed("{count: 10_000, offset: -1_0, ratio: 1_0.2_5}");
    struct sample *s = tr_options_struct(doc);

    assert_int_equal(s->count, 10000);
    assert_int_equal(s->offset, -10);
    assert_true(s->ratio == 10.25);
    tr_options_free(doc);
    assert_refused("count: 70_000", "line 1: count: 70_000 is above 65535");
    assert_refused("count: 10_", "line 1: count: \"10_\" is not a whole number");
    assert_refused("count: _10", "line 1: count: \"_10\" is not a whole number");
    assert_refused("count: 1__0", "line 1: count: \"1__0\" is not a whole number");
    assert_refused("ratio: 1_.5", "line 1: ratio: \"1_.5\" is not a number");
}

static void test_wrong_values(void **state)
{
    assert_refused("\ncount: 70000", "line 2: count: 70000 is above 65535");
    assert_refused("count: 0", "line 1: count: 0 is below 1");
    assert_refused("count: -3", "line 1: count: -3 is below 0");
    assert_refused("count: 99999999999999999999",
                   "line 1: count: 99999999999999999999 is above 18446744073709551615");
    assert_refused("count: \"5\"", "line 1: count: \"5\" is not a whole number");
    assert_refused("count: 1.5", "line 1: count: \"1.5\" is not a whole number");
    assert_refused("count: auto", "line 1: count: \"auto\" is not a whole number");
    assert_refused("count:\nwait: 1s", "line 1: count: has no value");
    assert_refused("count: [1]", "line 1: count: expected a single value, found a list");
    assert_refused("count: {a: 1}", "line 1: count: expected a single value, found a mapping");
    assert_refused("offset: -101", "line 1: offset: -101 is below -100");
    assert_refused("offset: 0x5", "line 1: offset: \"0x5\" is not a whole number");
    assert_refused("offset: 9223372036854775808", "line 1: offset: 9223372036854775808 does not fit 64 bits");
    assert_refused("ratio: 100.5", "line 1: ratio: 100.5 is above 100");
    assert_refused("ratio: .nan", "line 1: ratio: \".nan\" is not a number");
    assert_refused("ratio: 1e999", "line 1: ratio: \"1e999\" is not a number");
    assert_refused("ratio: inf", "line 1: ratio: \"inf\" is not a number");
    assert_refused("wait: 30", "line 1: wait: 30 has no unit: write 30s, 30ms, ...");
    assert_refused("wait: 5 minutes",
                   "line 1: wait: \"5 minutes\" is not a duration such as 10s, 250ms or 1h30m");
    assert_refused("wait: 2h", "line 1: wait: 2h is above 1h");
    assert_refused("wait: 10us", "line 1: wait: 10us is below 1ms");
    assert_refused("wait: 0", "line 1: wait: 0 is below 1ms");
    assert_refused("wait: 9999999999h", "line 1: wait: 9999999999h does not fit 64 bits");
    assert_refused("body_size_max: 2GiB", "line 1: body_size_max: 2GiB is above 1GiB");
    assert_refused("body_size_max: 64 Mi",
                   "line 1: body_size_max: \"64 Mi\" is not a size such as 512KiB, 64MiB or 1GB");
    assert_refused("enabled: 1", "line 1: enabled: \"1\" is not true or false");
    assert_refused(
        "mode: refus",
        "line 1: mode: \"refus\" is not one of forward, accept, refuse (did you mean \"refuse\"?)");
    assert_refused("mode: x", "line 1: mode: \"x\" is not one of forward, accept, refuse");
    assert_refused("origins: a", "line 1: origins: expected a list, found a single value");
    assert_refused("origins: [a, b, c, d]", "line 1: origins: has 4 items, at most 3 are allowed");
    assert_refused("origins:\n  - a\n  - {b: c}",
                   "line 3: origins[1]: expected a single value, found a mapping");
    assert_refused("journal: 5", "line 1: journal: expected a mapping, found a single value");
    assert_refused("policies: {name: a}", "line 1: policies: expected a list, found a mapping");
    assert_refused("backends: [{name: a, headers: [b]}]",
                   "line 1: backends[0].headers: expected a mapping, found a list");
    assert_refused("- a", "line 1: expected a mapping, found a list");
    assert_refused("hello", "line 1: expected a mapping, found a single value");
}

static void test_wrong_keys(void **state)
{
    assert_refused("count: 1\n\npolices: []", "line 3: polices: unknown key (did you mean \"policies\"?)");
    assert_refused("journal:\n  sise: 1GiB", "line 2: journal.sise: unknown key (did you mean \"size\"?)");
    assert_refused("zebra: 1", "line 1: zebra: unknown key");
    assert_refused("<<: {a: 1}", "line 1: <<: unknown key");
    assert_refused("count: 1\nwait: 1s\ncount: 2", "line 3: count: given twice (first on line 1)");
    assert_refused("b: 1\nb: 1\na: 1\na: 2", "line 2: b: given twice (first on line 1)");
    assert_refused("backends: [{name: a}, {name: a,\n headers: {x: 1, x: 2}}]",
                   "line 2: backends[1].headers.x: given twice (first on line 2)");
    assert_refused("[a]: 1", "line 1: a key must be text");
    assert_refused("{\"\\e[31m\\u009b\": 1}", "line 1: ?[31m?: unknown key");
}

static void test_missing(void **state)
{
    assert_refused("policies:\n  - type: and", "line 2: policies[0].name: is required");
    assert_refused("policies:\n  - name: ''\n    type: and", "line 2: policies[0].name: must not be empty");
    assert_refused("policies:\n  -\n", "line 2: policies[0].name: is required");
    assert_refused("rules:\n  - weight: 0", "line 2: rules[0].keys: has 0 items, needs at least 1");
    assert_refused("rules:\n  - keys:\n", "line 2: rules[0].keys: has 0 items, needs at least 1");
    assert_refused("rules: [{keys: [~]}]", "line 1: rules[0].keys[0]: has no value");
}

static void test_checks_of_tables(void **state)
{
    assert_refused("policies:\n- {name: a, type: and}\n- name: b\n  type: latency",
                   "line 3: policies[1].latency: is required for type latency");
    assert_refused("policies:\n- name: b\n  type: latency\n  latency:\n    threshold_ms: 13",
                   "line 5: policies[0].latency.threshold_ms: 13 brings bad luck");
    assert_refused("count: 2\nenabled: false\nquiet: true", "line 3: quiet: needs enabled");
}

static void test_not_yaml(void **state)
{
    assert_refused("count: 1\nwait: [1s\nmode: accept\n",
                   "line 3: not YAML: did not find expected ',' or ']' (while parsing a flow sequence that "
                   "began on line 2)");
    assert_refused(
        "count: 1\n\twait: 1s",
        "line 2: not YAML: found a tab character that violates indentation (while scanning a plain "
        "scalar that began on line 1)");
    assert_refused("count: \"1", "line 1: not YAML: found unexpected end of stream");
    assert_refused("count: 1\nmode: \xff", "line 2: not YAML: invalid leading UTF-8 octet");
    assert_refused_bytes("count: 1\nmode: \0", 16, "line 2: not YAML: control characters are not allowed");
    assert_refused("mode: \"\\0\"", "line 1: a NUL character in text");
    assert_refused("count: 1\n---\ncount: 2", "line 2: a second document");
}

static void test_hostile(void **state)
{
    char *text = malloc(TR_MIB + 2);
    size_t used = 0;

    assert_refused("a: &x [1]\nb: *x", "line 1: anchors and aliases are not supported");
    assert_refused("a: &x {b: 1}", "line 1: anchors and aliases are not supported");
    assert_refused("a: &x 1", "line 1: anchors and aliases are not supported");
    assert_refused("\n*x", "line 2: anchors and aliases are not supported");
    assert_refused("count: !!str 5", "line 1: tags are not supported");
    assert_refused("count: !x {a: 1}", "line 1: tags are not supported");

    memset(text, '[', TR_MIB);
    assert_refused_bytes(text, TR_MIB, "line 1: nested deeper than 32 levels");
    memset(text, ' ', TR_MIB + 2);
    assert_refused_bytes(text, TR_MIB + 1, "1048577 bytes of text, more than 1048576");
    used = (size_t)sprintf(text, "origins:\n");
    while (used < TR_MIB - 8)
        used += (size_t)sprintf(text + used, "- a\n");
    assert_refused_bytes(text, used, "line 65536: more than 65536 values");

    // A key of any length is named in a line of bounded length.
    memset(text, 'k', TR_KIB);
    strcpy(text + 200, ": 1");
    assert_refused(text, "line 1: kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...: "
                         "unknown key");
    strcpy(text + 200, "k: 1");
    assert_refused(text, "line 1: a key of more than 200 bytes");
    free(text);
}

static void test_covered_secrets(void **state)
{
    const char *message =
        "line 1: backends[0].token: *** stands for a secret: write it, or env:NAME, or file:PATH";

    assert_refused("backends: [{name: a, token: \"***\"}]", message);
    assert_refused(
        "backends: [{name: a, headers: {k: \"***\"}}]",
        "line 1: backends[0].headers.k: *** stands for a secret: write it, or env:NAME, or file:PATH");
}

static void test_locate(void **state)
{
    struct tr_options_doc *doc =
        parsed("count: 1\npolicies:\n- {name: a, type: and}\n- name: b.c\n  type: and\n"
               "backends:\n- name: t\n  headers:\n    a: 1\n    a.b: 2\n");
    static const char *const lines[][2] = {
        {"policies[1].type: no", "line 5: policies[1].type: no"},
        {"policies[b.c].type: no", "line 5: policies[b.c].type: no"},
        {"policies[b.c].latency.threshold_ms: no", "line 4: policies[b.c].latency.threshold_ms: no"},
        {"policies[7]: no", "line 3: policies[7]: no"},
        {"backends[t].headers.a.b: no", "line 10: backends[t].headers.a.b: no"},
        {"backends[t].headers.a: no", "line 9: backends[t].headers.a: no"},
        {"count", "line 1: count"},
        {"counter: no", "counter: no"},
        {"no room", "no room"},
    };

    for (size_t i = 0; i < TR_NELEMS(lines); i++) {
        struct tr_error error = {""};

        tr_error_set(&error, EINVAL, "%s", lines[i][0]);
        tr_options_locate(doc, &error);
        assert_string_equal(error.text, lines[i][1]);
    }
    tr_options_free(doc);
}

static void test_files(void **state)
{
    char path[] = "/tmp/tailrace-test-XXXXXX", message[128];
    struct tr_options_doc *doc = NULL;
    struct tr_error error = {""};
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "count: 9\n", 9), 9);
    assert_int_equal(tr_options_parse_file(&sample_table, path, &doc, &error), 0);
    assert_int_equal(((struct sample *)tr_options_struct(doc))->count, 9);
    tr_options_free(doc);

    assert_int_equal(ftruncate(fd, TR_MIB + 1), 0);
    assert_int_equal(tr_options_parse_file(&sample_table, path, &doc, &error), -EINVAL);
    assert_string_equal(error.text, "1048577 bytes of text, more than 1048576");
    close(fd);
    unlink(path);

    error.text[0] = 0;
    assert_int_equal(tr_options_parse_file(&sample_table, path, &doc, &error), -ENOENT);
    snprintf(message, sizeof(message), "%s: No such file or directory", path);
    assert_string_equal(error.text, message);
    error.text[0] = 0;
    assert_int_equal(tr_options_parse_file(&sample_table, "/tmp", &doc, &error), -EISDIR);
    assert_string_equal(error.text, "/tmp: Is a directory");
}

static void assert_lint(const struct tr_option *row, const char *message)
{
    const struct tr_option_table table = {
        .title = "T", .rows = row, .count = 1, .struct_bytes = sizeof(struct sample)};
    struct tr_error error = {""};

    assert_int_equal(tr_options_lint(&table, &error), -EINVAL);
    assert_string_equal(error.text, message);
}

static void test_lint(void **state)
{
    const struct tr_option bad_range = TR_OPTION_UINT(struct sample, count, "n", "0", 1, 5, 0, "Help.");
    const struct tr_option no_help = TR_OPTION_UINT(struct sample, count, "n", "1", 1, 5, 0, "");
    const struct tr_option outside = {
        .name = "n", .type = TR_TYPE_UINT, .offset = sizeof(struct sample) - 4, .help = "Help."};
    const struct tr_option list = {.name = "n", .type = TR_TYPE_LIST, .help = "Help."};
    struct tr_error error = {""};

    if (tr_options_lint(&sample_table, &error))
        fail_msg("%s", error.text);
    assert_lint(&bad_range, "table \"T\": default of n: 0 is below 1");
    assert_lint(&no_help, "table \"T\", option n: has no help");
    assert_lint(&outside, "table \"T\", option n: lies outside its struct");
    assert_lint(&list, "table \"T\", option n: has no table");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_digits_in_groups),
        cmocka_unit_test(test_wrong_values),
        cmocka_unit_test(test_wrong_keys),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_checks_of_tables),
        cmocka_unit_test(test_not_yaml),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_covered_secrets),
        cmocka_unit_test(test_locate),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_lint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
