// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "match/match.h"

static struct tr_error error;

static struct tr_match *make(const char *const *texts, size_t count, size_t value_max)
{
    struct tr_match_pattern patterns[600];
    struct tr_match *match = NULL;

    for (size_t i = 0; i < count; i++)
        patterns[i] = (struct tr_match_pattern){.text = texts[i], .number = (uint32_t)i};
    memset(&error, 0, sizeof(error));
    tr_match_create(&match, patterns, count, (uint32_t)count, 2, value_max, &error);
    return match;
}

static uint64_t ask(struct tr_match *match, uint32_t lcore, const char *value)
{
    return tr_match_ask(match, lcore, (const uint8_t *)value, strlen(value))[0];
}

static void one_answer_for_all_patterns(void **state)
{
    struct tr_match *match = make((const char *const[]){"^/api/", "users$", "x*", "^$"}, 4, 100);

    assert_int_equal(ask(match, 0, "/api/v1/users"), 7);
    assert_int_equal(ask(match, 1, "/api/v1"), 5);
    assert_int_equal(ask(match, 0, ""), 4 | 8);
    assert_int_equal(ask(match, 0, "/api/v1/users"), 7); // out of the cache
    tr_match_destroy(match);
}

static void patterns_of_one_number_are_one(void **state)
{
    struct tr_match_pattern patterns[] = {{"^a", 0}, {"b$", 0}, {"c", 1}};
    struct tr_match *match;

    assert_int_equal(tr_match_create(&match, patterns, 3, 2, 1, 100, &error), 0);
    assert_int_equal(ask(match, 0, "ax"), 1);
    assert_int_equal(ask(match, 0, "xb"), 1);
    assert_int_equal(ask(match, 0, "xc"), 2);
    assert_int_equal(ask(match, 0, "x"), 0);
    tr_match_destroy(match);
}

static void texts_beside_patterns(void **state)
{
    struct tr_match_pattern patterns[] = {{"^a", 0}, {"a.b", 1, true}, {"ab", 1, true}, {"\xff", 2, true}, {"b?", 3}};
    struct tr_match *match;

    for (size_t count = 4; count <= 5; count++) { // with a pattern that matches everything, and without
        uint64_t all = count == 5 ? 8 : 0;

        assert_int_equal(tr_match_create(&match, patterns, count, 4, 1, 100, &error), 0);
        for (int twice = 0; twice < 2; twice++) {
            assert_int_equal(ask(match, 0, "a.b"), all | 1 | 2);
            assert_int_equal(ask(match, 0, "axb"), all | 1);
            assert_int_equal(ask(match, 0, "ab"), all | 1 | 2);
            assert_int_equal(ask(match, 0, "xa.b"), all);
            assert_int_equal(ask(match, 0, "\xff"), all | 4);
            assert_int_equal(ask(match, 0, "\xef\xbf\xbd"), all);
            assert_int_equal(ask(match, 0, ""), all);
        }
        tr_match_destroy(match);
    }
    // Texts alone, and what is wrong named by its own text.
    assert_int_equal(tr_match_create(&match, patterns + 1, 3, 4, 1, 100, &error), 0);
    assert_int_equal(ask(match, 0, "ab"), 2);
    tr_match_destroy(match);
    patterns[4].text = "(";
    assert_int_equal(tr_match_create(&match, patterns, 5, 4, 1, 100, &error), -EINVAL);
    assert_non_null(strstr(error.text, "("));
}

// A byte that is not UTF-8 is U+FFFD, one character.
static void what_is_not_utf8(void **state)
{
    struct tr_match *match = make((const char *const[]){"^.$", "^..$", "\\x{fffd}b$", "^[^a]{3}$"}, 4, 9);

    assert_int_equal(ask(match, 0, "\xff"), 1);
    assert_int_equal(ask(match, 0, "\xc3\x62"), 2 | 4);
    assert_int_equal(ask(match, 0, "\xed\xa0\x80"), 8); // a surrogate: three bad bytes
    assert_int_equal(ask(match, 0, "\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 0);
    tr_match_destroy(match);
}

// More values than the cache has slots, twice, on an lcore each.
static void the_cache_forgets_but_does_not_lie(void **state)
{
    struct tr_match *match = make((const char *const[]){"7", "^1.*5$"}, 2, 100);

    for (int n = 0; n < 20000; n++) {
        char value[16];
        uint64_t want;

        snprintf(value, sizeof(value), "%d", n % 5000);
        want = (strchr(value, '7') != NULL) | (value[0] == '1' && value[1] && value[strlen(value) - 1] == '5') << 1;
        assert_int_equal(ask(match, n / 5000 % 2, value), want);
    }
    tr_match_destroy(match);
}

static void more_numbers_than_a_word(void **state)
{
    static char text[600][8];
    const char *texts[600];
    struct tr_match *match;

    for (int i = 0; i < 600; i++) {
        snprintf(text[i], sizeof(text[i]), "^v%d$", i);
        texts[i] = text[i];
    }
    match = make(texts, 600, 100);
    for (int i = 0; i < 600; i++) {
        char value[8];
        const uint64_t *words;

        snprintf(value, sizeof(value), "v%d", i);
        words = tr_match_ask(match, 0, (const uint8_t *)value, strlen(value));
        for (int w = 0; w < 10; w++)
            assert_int_equal(words[w], w == i / 64 ? 1ull << i % 64 : 0);
    }
    tr_match_destroy(match);
}

static void what_is_refused_says_where(void **state)
{
    static const struct {
        const char *pattern, *said;
    } cases[] = {
        {"ab(?=c)", "position 2: look-around"},      {"a(?<!b)", "position 1: look-around"},
        {"(a)\\1", "position 3: not an escape"},     {"foo\\C", "position 3: not an escape"},
        {"a**", "position 2: a repetition of"},      {"(a", "position 0: the group has no end"},
        {"a)", "position 1: there is no group"},     {"x[a", "position 1: the class has no end"},
        {"a\\p{Klingon}", "position 1: a class of Unicode"}, {"a{1001}", "position 1: not a number of repetitions"},
        {"(?m)a^", "position 5: (?m)^ is supported"}, {"(?m)a$b", "position 6: (?m)$ is supported"},
        {"\xff", "position 0: not UTF-8"},
    };

    for (size_t i = 0; i < TR_NELEMS(cases); i++) {
        assert_null(make(&cases[i].pattern, 1, 10));
        if (!strstr(error.text, cases[i].said))
            fail_msg("%s says \"%s\"", cases[i].pattern, error.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_answer_for_all_patterns),
        cmocka_unit_test(patterns_of_one_number_are_one),
        cmocka_unit_test(texts_beside_patterns),
        cmocka_unit_test(what_is_not_utf8),
        cmocka_unit_test(the_cache_forgets_but_does_not_lie),
        cmocka_unit_test(more_numbers_than_a_word),
        cmocka_unit_test(what_is_refused_says_where),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
