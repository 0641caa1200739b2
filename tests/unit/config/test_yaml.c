// SPDX-License-Identifier: Apache-2.0
// The tree: what is found in it, how its nodes are named, and what `<<` merges.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/yaml.h"

static struct tr_arena arena;
static struct tr_error error;

static struct tr_yaml_node *parsed(const char *text, bool aliased)
{
    struct tr_yaml_node *root = NULL;
    int rc = (aliased ? tr_yaml_parse_aliased : tr_yaml_parse)(&arena, text, strlen(text), &root, &error);

    if (rc < 0)
        fail_msg("%s", error.text);
    return root;
}

static int arena_end(void **state)
{
    tr_arena_fini(&arena);
    return 0;
}

static const struct tr_yaml_node *entry(const struct tr_yaml_node *map, const char *key)
{
    const struct tr_yaml_node *node = tr_yaml_find(map, key, strlen(key));

    if (!node)
        fail_msg("no %s", key);
    return node;
}

static void test_a_key_is_found_as_a_whole(void **state)
{
    const struct tr_yaml_node *root = parsed("port: 1\nports: 2\nlist: [a]\n", false);

    assert_string_equal(entry(root, "port")->text, "1");
    assert_string_equal(entry(root, "ports")->text, "2");
    assert_string_equal(tr_yaml_find(root, "portside", 4)->text, "1");
    assert_null(tr_yaml_find(root, "por", 3));
    assert_null(tr_yaml_find(entry(root, "list"), "a", 1));
    assert_null(tr_yaml_find(entry(root, "port"), "a", 1));
}

static void test_nothing_is_plain(void **state)
{
    const struct tr_yaml_node *root = parsed("a:\nb: ~\nc: null\nd: Null\ne: 'null'\nf: ''\ng: nul\nh: []\n", false);

    for (const char *key = "abcd"; *key; key++)
        assert_true(tr_yaml_null(tr_yaml_find(root, key, 1)));
    for (const char *key = "efgh"; *key; key++)
        assert_false(tr_yaml_null(tr_yaml_find(root, key, 1)));
}

static void test_a_node_s_path(void **state)
{
    const struct tr_yaml_node *root = parsed("ports:\n- {name: x}\n- listen: [1, 2]\n", false);
    const struct tr_yaml_node *port = entry(root, "ports")->last;
    char path[TR_YAML_PATH_BYTES];

    tr_yaml_path(entry(port, "listen")->last, NULL, path);
    assert_string_equal(path, "ports[1].listen[1]");
    tr_yaml_path(port, "device", path);
    assert_string_equal(path, "ports[1].device");
    tr_yaml_path(root, NULL, path);
    assert_string_equal(path, "");
    tr_yaml_path(root, "ports", path);
    assert_string_equal(path, "ports");
    assert_int_equal(tr_yaml_fail(port, &error, "%d is wrong", 7), -EINVAL);
    assert_string_equal(error.text, "line 3: ports[1]: 7 is wrong");
    error.text[0] = 0; // the first one stays
    assert_int_equal(tr_yaml_fail_key(port, "device", 9, &error, "is missing"), -EINVAL);
    assert_string_equal(error.text, "line 9: ports[1].device: is missing");
}

static void test_a_path_that_is_too_long_is_cut(void **state)
{
    char text[2000] = "", path[TR_YAML_PATH_BYTES];
    const struct tr_yaml_node *node;

    for (int i = 0; i < 20; i++)
        strcat(text, "{a-key-of-twenty-bytes: ");
    strcat(text, "x");
    for (int i = 0; i < 20; i++)
        strcat(text, "}");
    for (node = parsed(text, false); node->first; node = node->first)
        ;
    tr_yaml_path(node, NULL, path);
    assert_int_equal(strlen(path), TR_YAML_PATH_BYTES - 1);
    assert_memory_equal(path, "a-key-of-twenty-bytes.a-key", 27);
}

static void test_an_excerpt_shows_no_control_characters_and_no_half_ones(void **state)
{
    char excerpt[TR_YAML_EXCERPT_BYTES], text[200];

    assert_string_equal(tr_yaml_excerpt(excerpt, "a\tb\x7f\xc2\x9b" "c"), "a?b??c");
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = 0;
    memcpy(text + TR_YAML_EXCERPT_BYTES - 5, "\xc3\xa9", 2); // its second byte would be the first that is cut
    tr_yaml_excerpt(excerpt, text);
    assert_int_equal(strlen(excerpt), TR_YAML_EXCERPT_BYTES - 2);
    assert_string_equal(excerpt + TR_YAML_EXCERPT_BYTES - 7, "xx...");
}

static void test_a_map_takes_what_it_does_not_have(void **state)
{
    const struct tr_yaml_node *root = parsed("base: &base {a: 1, b: 2}\n"
                                             "other: &other {b: 3, c: 4}\n"
                                             "one: {b: own, <<: *base}\n"
                                             "both: {<<: [*base, *other], d: 5}\n"
                                             "none: {<<: text, a: 1}\n",
                                             true);
    const struct tr_yaml_node *one = entry(root, "one"), *both = entry(root, "both"), *none = entry(root, "none");
    char path[TR_YAML_PATH_BYTES];

    assert_int_equal(one->count, 2);
    assert_string_equal(entry(one, "b")->text, "own");
    assert_string_equal(entry(one, "a")->text, "1");
    assert_int_equal(both->count, 4);
    assert_string_equal(entry(both, "b")->text, "2"); // of the first that has it
    assert_string_equal(entry(both, "c")->text, "4");
    assert_int_equal(none->count, 1);
    assert_int_equal(entry(root, "base")->count, 2); // they were copied, not taken away
    tr_yaml_path(entry(one, "a"), NULL, path);
    assert_string_equal(path, "one.a");
    assert_ptr_equal(both->last->parent, both);
    assert_int_equal(both->last->index, 3);
    assert_null(both->last->next);
}

static void test_our_own_files_merge_nothing(void **state)
{
    assert_string_equal(entry(parsed("one: {<<: {a: 1}}\n", false), "one")->first->key, "<<");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_key_is_found_as_a_whole, arena_end),
        cmocka_unit_test_teardown(test_nothing_is_plain, arena_end),
        cmocka_unit_test_teardown(test_a_node_s_path, arena_end),
        cmocka_unit_test_teardown(test_a_path_that_is_too_long_is_cut, arena_end),
        cmocka_unit_test_teardown(test_an_excerpt_shows_no_control_characters_and_no_half_ones, arena_end),
        cmocka_unit_test_teardown(test_a_map_takes_what_it_does_not_have, arena_end),
        cmocka_unit_test_teardown(test_our_own_files_merge_nothing, arena_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
