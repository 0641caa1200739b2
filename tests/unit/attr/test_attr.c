// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attr/attr.h"
#include "base/pb.h"

static struct tr_error error;

static struct tr_attr_set *compile(const char *text)
{
    struct tr_options_doc *doc;
    struct tr_attr_set *set = NULL;

    memset(&error, 0, sizeof(error));
    if (tr_options_parse(&tr_attributes_option_table, text, strlen(text), &doc, &error) < 0)
        return NULL;
    assert_int_equal(tr_attr_set_compile(tr_options_struct(doc), &set, &error), 0);
    tr_options_free(doc);
    return set;
}

static uint8_t *put_attribute(uint8_t *p, const char *key)
{
    uint8_t pair[64], *q = tr_pb_put_bytes(pair, 1, key, strlen(key));

    q = tr_pb_put_bytes(q, 2, "\x0a\x01v", 3);
    return tr_pb_put_bytes(p, 9, pair, (size_t)(q - pair));
}

static struct tr_rewrite_counts rewrite(const struct tr_attr_set *set)
{
    struct tr_rewrite_counts counts = {0};
    uint8_t span[256], out[1024], *p = span;

    p = put_attribute(p, "user.id");
    p = put_attribute(p, "secret");
    p = put_attribute(p, "http.route");
    tr_rewrite_span(&set->plan, span, (uint32_t)(p - span), NULL, 0, out, &counts);
    return counts;
}

static void rules_do_what_they_say(void **state)
{
    struct tr_attr_set *set =
        compile("rules: [{keys: [user.id], action: demote}, {keys: [secret, http.secret], action: drop}]");
    struct tr_rewrite_counts counts = rewrite(set);

    assert_int_equal(counts.demoted, 1);
    assert_int_equal(counts.dropped, 1);
    tr_attr_set_free(set);
}

static void the_first_rule_of_a_key_wins(void **state)
{
    struct tr_attr_set *set = compile("rules: [{keys: [user.id, secret], action: keep},"
                                      " {keys: [secret, user.id], action: drop}]");
    struct tr_rewrite_counts counts = rewrite(set);

    assert_int_equal(counts.demoted + counts.dropped, 0);
    tr_attr_set_free(set);
}

static void no_rules_touch_nothing(void **state)
{
    struct tr_attr_set *set = compile("{}");
    struct tr_rewrite_counts counts = rewrite(set);

    assert_int_equal(counts.demoted + counts.dropped, 0);
    tr_attr_set_free(set);
}

static void an_unknown_action_is_refused(void **state)
{
    assert_null(compile("rules: [{keys: [a], action: melt}]"));
    assert_non_null(strstr(error.text, "rules[0].action"));
    assert_non_null(strstr(error.text, "melt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_do_what_they_say),
        cmocka_unit_test(the_first_rule_of_a_key_wins),
        cmocka_unit_test(no_rules_touch_nothing),
        cmocka_unit_test(an_unknown_action_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
