// SPDX-License-Identifier: Apache-2.0
// diff: a line a value, under the path that a person would use.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sample.h"

static struct tr_options_doc *parsed(const char *text)
{
    struct tr_error error = {""};
    struct tr_options_doc *doc = NULL;

    if (tr_options_parse(&sample_table, text, strlen(text), &doc, &error))
        fail_msg("refused: %s", error.text);
    return doc;
}

static void line_add(void *context, const char *path, const char *before, const char *after, bool live)
{
    char *lines = context;

    sprintf(lines + strlen(lines), "%s: %s -> %s%s\n", path, before, after, live ? "" : " (restart)");
}

static void assert_diff(const char *before, const char *after, const char *expected)
{
    struct tr_options_doc *old = parsed(before), *new = parsed(after);
    char lines[8192] = "";
    size_t count = tr_options_diff(old, new, line_add, lines), newlines = 0;

    assert_string_equal(lines, expected);
    for (const char *p = lines; *p; p++)
        newlines += *p == '\n';
    assert_int_equal(count, newlines);
    tr_options_free(old);
    tr_options_free(new);
}

static void test_values(void **state)
{
    assert_diff("", "", "");
    assert_diff("wait: 90s", "wait: 1m30s", "");
    assert_diff("enabled: true", "", "");
    assert_diff("count: 5\nratio: 1\nmode: accept\noffset: 1\nenabled: true",
                "count: 6\nratio: 1.5\nmode: refuse\noffset: -1\nenabled: false",
                "enabled: true -> false\n"
                "count: 5 -> 6\n"
                "offset: 1 -> -1\n"
                "ratio: 1 -> 1.5\n"
                "mode: accept -> refuse\n");
    assert_diff("wait: 5s\nbody_size_max: 64KiB\ncpus: auto\nlisten: a\njournal: {size: 64KiB}\norigins: [a]",
                "wait: 5ms\nbody_size_max: 65537\ncpus: 1-2\norigins: [b, a]",
                "wait: 5s -> 5ms\n"
                "body_size_max: 64KiB -> 65537 (restart)\n"
                "cpus: auto -> \"1-2\" (restart)\n"
                "listen: a ->  (restart)\n"
                "journal.size: 64KiB -> auto (restart)\n"
                "origins: [a] -> [b, a] (restart)\n");
    assert_diff("listen: ''", "", "listen: \"\" ->  (restart)\n");
}

static void test_named_lists(void **state)
{
    assert_diff("policies: [{name: a, type: and}, {name: b, type: latency, latency: {}}]",
                "policies: [{name: new, type: always_sample}, {name: a, type: and},"
                " {name: b, type: latency, latency: {threshold_ms: 7, upper_threshold_ms: 8}}]",
                "policies[b].latency.threshold_ms: 500 -> 7\n"
                "policies[b].latency.upper_threshold_ms:  -> 8\n"
                "policies[new]:  -> {name: new, type: always_sample}\n");
    assert_diff("policies: [{name: a, type: and}, {name: b, type: and}]", "policies: [{name: b, type: and}]",
                "policies[a]: {name: a, type: and} -> \n");
    assert_diff("policies: [{name: a, type: and}, {name: b, type: and}]",
                "policies: [{name: b, type: and}, {name: a, type: and}]", "policies: [a, b] -> [b, a]\n");
    assert_diff("policies: [{name: a, type: and, sub: [{name: x, type: and}]}]",
                "policies: [{name: a, type: and, sub: [{name: x, type: always_sample}]}]",
                "policies[a].sub[x].type: and -> always_sample\n");
    // Twice the same name: by index.
    assert_diff("policies: [{name: a, type: and}, {name: a, type: and}]",
                "policies: [{name: a, type: and}, {name: b, type: and}]", "policies[1].name: a -> b\n");
    // Adding to a list whose row is not live, changing a live value in it.
    assert_diff("backends: [{name: a}]", "backends: [{name: a, timeout: 5s}, {name: b, endpoint: x}]",
                "backends[a].timeout: 10s -> 5s\n"
                "backends[b]:  -> {name: b, endpoint: x, signals: [traces]} (restart)\n");
}

static void test_lists_by_index(void **state)
{
    assert_diff("rules: [{keys: [a]}, {keys: [b]}]", "rules: [{keys: [a, c], weight: 0}]",
                "rules[0].keys: [a] -> [a, c]\n"
                "rules[0].weight: -1 -> 0 (restart)\n"
                "rules[1]: {keys: [b]} -> \n");
}

static void test_blocks_come_and_go(void **state)
{
    assert_diff("policies: [{name: a, type: and}]",
                "policies: [{name: a, type: and, latency: {threshold_ms: 9}}]",
                "policies[a].latency:  -> {threshold_ms: 9}\n");
    assert_diff("policies: [{name: a, type: and, latency: {}}]", "policies: [{name: a, type: and}]",
                "policies[a].latency: {} -> \n");
}

static void test_maps_and_secrets(void **state)
{
    assert_diff("backends: [{name: a, headers: {x: 'env:X', y: old, gone: 'file:/g'}}]",
                "backends: [{name: a, headers: {z: 'env:Z', y: new, x: 'env:X'}}]",
                "backends[a].headers.y: \"***\" -> \"***\"\n"
                "backends[a].headers.gone: \"file:/g\" -> \n"
                "backends[a].headers.z:  -> \"env:Z\"\n");
    assert_diff("backends: [{name: a, headers: {x: a, y: b}}]",
                "backends: [{name: a, headers: {y: b, x: a}}]", "");
    assert_diff("backends: [{name: a, token: one}]", "backends: [{name: a, token: two}]",
                "backends[a].token: \"***\" -> \"***\"\n");
    assert_diff(
        "", "backends: [{name: a, token: one, headers: {k: v}}]",
        "backends[a]:  -> {name: a, token: \"***\", headers: {k: \"***\"}, signals: [traces]} (restart)\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),           cmocka_unit_test(test_named_lists),
        cmocka_unit_test(test_lists_by_index),   cmocka_unit_test(test_blocks_come_and_go),
        cmocka_unit_test(test_maps_and_secrets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
