// SPDX-License-Identifier: Apache-2.0
// show: everything with defaults, secrets covered, and it parses back to the same.
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
        fail_msg("refused: %s\n%s", error.text, text);
    return doc;
}

static void assert_shown(const char *text, const char *expected)
{
    struct tr_options_doc *doc = parsed(text);
    char *shown = tr_options_show(doc);

    assert_string_equal(shown, expected);
    free(shown);
    tr_options_free(doc);
}

static void assert_round_trip(const char *text)
{
    struct tr_options_doc *doc = parsed(text), *again;
    char *shown = tr_options_show(doc), *shown_again;

    again = parsed(shown);
    assert_int_equal(tr_options_diff(doc, again, NULL, NULL), 0);
    shown_again = tr_options_show(again);
    assert_string_equal(shown, shown_again);
    free(shown);
    free(shown_again);
    tr_options_free(doc);
    tr_options_free(again);
}

static void test_defaults(void **state)
{
    assert_shown("", "enabled: true\n"
                     "quiet: false\n"
                     "count: 4\n"
                     "offset: 0\n"
                     "ratio: 0.1\n"
                     "wait: 30s\n"
                     "body_size_max: 64MiB\n"
                     "cpus: auto\n"
                     "mode: forward\n"
                     "journal:\n"
                     "  size: auto\n"
                     "  path: /dev/shm/sample\n"
                     "origins: []\n"
                     "policies: []\n"
                     "backends: []\n"
                     "rules: []\n");
}

static const char everything[] = "{ratio: 33.3, wait: 90s, listen: ':4317', origins: ['*', a b, 'null'],"
                                 " cpus: '', journal: {size: 65536},"
                                 " policies: [{name: slow, type: latency, latency: {threshold_ms: 1}},"
                                 "  {name: both, type: and, sub: [{name: x, type: always_sample}]}],"
                                 " backends: [{name: t, token: 'env:TOKEN', headers: {'a b': 'file:/k'}}],"
                                 " rules: [{keys: [a]}]}";

static void test_blocks(void **state)
{
    assert_shown(everything, "enabled: true\n"
                             "quiet: false\n"
                             "count: 4\n"
                             "offset: 0\n"
                             "ratio: 33.3\n"
                             "wait: 1m30s\n"
                             "body_size_max: 64MiB\n"
                             "cpus: \"\"\n"
                             "listen: \":4317\"\n"
                             "mode: forward\n"
                             "journal:\n"
                             "  size: 64KiB\n"
                             "  path: /dev/shm/sample\n"
                             "origins: [\"*\", \"a b\", \"null\"]\n"
                             "policies:\n"
                             "  - name: slow\n"
                             "    type: latency\n"
                             "    latency:\n"
                             "      threshold_ms: 1\n"
                             "    sub: []\n"
                             "  - name: both\n"
                             "    type: and\n"
                             "    sub:\n"
                             "      - name: x\n"
                             "        type: always_sample\n"
                             "        sub: []\n"
                             "backends:\n"
                             "  - name: t\n"
                             "    token: \"env:TOKEN\"\n"
                             "    timeout: 10s\n"
                             "    headers: {\"a b\": \"file:/k\"}\n"
                             "    signals: [traces]\n"
                             "rules:\n"
                             "  - keys: [a]\n"
                             "    weight: -1\n");
}

static void test_round_trips(void **state)
{
    assert_round_trip("");
    assert_round_trip(everything);
    assert_round_trip("ratio: 0.30000000000000004");
    assert_round_trip("ratio: 1e-300");
    assert_round_trip("wait: 3423.004005006s");
    assert_round_trip("offset: -7\nmode: refuse\nquiet: yes\ncpus: 'Auto'\n");
    assert_round_trip("listen: \"\\x01\\\"\\\\\\n\\u009b\\u2028\\ufeff\\ufffeä€\\U0001F600 '#: -\"");
    assert_round_trip("listen: 'yes'\norigins: ['~', '5', '']");
    assert_round_trip("backends: [{name: '- a', headers: {'': '', '? x': 'env:: y', \"\\n\": 'file:\t'}}]");
    assert_round_trip("policies: [{name: a, type: and, latency: {}}]");
}

static void test_key_of_full_length(void **state)
{
    char text[2048] = "backends: [{name: a, headers: {? \"";

    for (int i = 0; i < 200; i++)
        strcat(text, "\\x01");
    strcat(text, "\" : 'env:b'}}]");
    assert_round_trip(text);
}

static void test_secrets_are_covered(void **state)
{
    struct tr_options_doc *doc =
        parsed("backends: [{name: a, token: hunter2, headers: {k: hunter2, l: 'env:L', m: ''}}]");
    char *shown = tr_options_show(doc);
    struct tr_options_doc *again = NULL;
    struct tr_error error = {""};

    assert_null(strstr(shown, "hunter2"));
    assert_non_null(strstr(shown, "    token: \"***\"\n"));
    assert_non_null(strstr(shown, "    headers: {k: \"***\", l: \"env:L\", m: \"\"}\n"));
    // What is shown can't be applied by mistake.
    assert_int_equal(tr_options_parse(&sample_table, shown, strlen(shown), &again, &error), -EINVAL);
    assert_non_null(strstr(error.text, "backends[0].token: *** stands for a secret"));
    free(shown);
    tr_options_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_key_of_full_length),
        cmocka_unit_test(test_secrets_are_covered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
