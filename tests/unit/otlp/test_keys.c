// SPDX-License-Identifier: Apache-2.0
#include "build.h"

#include "otlp/keys.h"

static int find(const struct tr_walk_keys *keys, const char *name)
{
    return tr_walk_keys_find(keys, (const uint8_t *)name, (uint32_t)strlen(name));
}

static void each_key_of_any_length_is_found_and_its_neighbours_are_not(void **state)
{
    enum { COUNT = 100 };
    static char names[COUNT][COUNT + 1];
    struct tr_walk_key key[COUNT] = {0};
    struct tr_walk_keys keys = {.keys = key, .count = COUNT};

    for (unsigned i = 0; i < COUNT; i++) { // of 0 to 99 bytes
        memset(names[i], 'a', i);
        key[i] = (struct tr_walk_key){.name = names[i], .bytes = i};
    }
    assert_int_equal(tr_walk_keys_build(&keys), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(find(&keys, names[i]), i);
        for (unsigned at = 0; at < i; at++) { // a difference at any place
            char other[COUNT + 1];

            memcpy(other, names[i], sizeof(other));
            other[at] = 'b';
            assert_int_equal(find(&keys, other), -1);
        }
    }
    names[0][0] = 'a';
    memset(names[0], 'a', COUNT);
    assert_int_equal(tr_walk_keys_find(&keys, (const uint8_t *)names[0], COUNT), -1);
    tr_walk_keys_free(&keys);
    assert_int_equal(find(&keys, "a"), -1);
}

static void many_keys_of_one_length_are_found(void **state)
{
    enum { COUNT = 5000 };
    static char names[COUNT][16];
    static struct tr_walk_key key[COUNT];
    struct tr_walk_keys keys = {.keys = key, .count = COUNT};

    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof(names[i]), "key.%08u", i);
        key[i] = (struct tr_walk_key){.name = names[i], .bytes = 12};
    }
    assert_int_equal(tr_walk_keys_build(&keys), 0);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(find(&keys, names[i]), i);
    assert_int_equal(find(&keys, "key.00005000"), -1);
    tr_walk_keys_free(&keys);
}

static void a_name_that_comes_twice_is_refused(void **state)
{
    struct tr_walk_key key[] = {
        {.name = "a.b", .bytes = 3}, {.name = "a", .bytes = 1}, {.name = "a.b", .bytes = 3}};
    struct tr_walk_keys keys = {.keys = key, .count = 3};

    assert_int_equal(tr_walk_keys_build(&keys), -EEXIST);
    keys.count = 2;
    assert_int_equal(tr_walk_keys_build(&keys), 0);
    tr_walk_keys_free(&keys);
}

static void no_keys_find_nothing(void **state)
{
    struct tr_walk_keys keys = {.count = 0};

    assert_int_equal(find(&keys, ""), -1); // not even built
    assert_int_equal(tr_walk_keys_build(&keys), 0);
    assert_int_equal(find(&keys, ""), -1);
    assert_int_equal(find(&keys, "service.name"), -1);
    tr_walk_keys_free(&keys);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_of_any_length_is_found_and_its_neighbours_are_not),
        cmocka_unit_test(many_keys_of_one_length_are_found),
        cmocka_unit_test(a_name_that_comes_twice_is_refused),
        cmocka_unit_test(no_keys_find_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
