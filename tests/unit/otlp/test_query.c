// SPDX-License-Identifier: Apache-2.0
// What is left of a query's text.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "otlp/query.h"

static void expect(const char *text, bool quotes, const char *want)
{
    uint8_t out[TR_QUERY_TEXT_MAX];
    uint32_t bytes = tr_query_reduce((const uint8_t *)text, (uint32_t)strlen(text), quotes, out);

    if (bytes != strlen(want) || memcmp(out, want, bytes) != 0)
        fail_msg("%s\n  gives %.*s\n  not   %s", text, (int)bytes, out, want);
}

static void values_and_comments_go(void **state)
{
    static const char *const rows[][2] = {
        {"SELECT * FROM t WHERE id = 5", "select*from t where id=?"},
        {"select  *\n from T where id=-12.5e-3;", "select*from t where id=?"},
        {"SELECT * FROM t WHERE id = 'it''s' AND b = 'a\\'b'", "select*from t where id=?and b=?"},
        {"SELECT a-5 FROM t", "select a-?from t"},
        {"SELECT a FROM t WHERE b IN (1, 2,3 , 'x')", "select a from t where b in(?)"},
        {"SELECT a FROM t WHERE b IN ($1,$2)", "select a from t where b in(?)"},
        {"SELECT a FROM t WHERE b IN (%s, %s)", "select a from t where b in(?)"},
        {"SELECT a FROM t WHERE b IN (:p1, :p2) AND c = @x", "select a from t where b in(?)and c=?"},
        {"SELECT a FROM t WHERE b = %(id)s", "select a from t where b=?"},
        {"INSERT INTO t (a, b) VALUES (?, ?), (?, ?), (?, ?)", "insert into t(a,b)values(?)"},
        {"SELECT b::text FROM t", "select b::text from t"},
        {"SELECT 1 -- one\nFROM t /* SELECT 'x' */ WHERE a = 1", "select?from t where a=?"},
        {"/* traceparent='00-abc' */ SELECT 1", "select?"},
        {"SELECT $$a 'b'$$, $x$ $$ $x$ FROM t", "select?from t"},
        {"SELECT \"Name\", `Name` FROM t2024", "select\"Name\",`Name`from t2024"},
        {"SELECT E'a\\n', N'b', X'ff' FROM t", "select?from t"},
        {"SELECT a FROM t LIMIT 10 OFFSET 20", "select a from t limit?offset?"},
        {"SELECT a FROM t WHERE x = 0xFF", "select a from t where x=?"},
        {"SELECT a FROM t WHERE b IN (SELECT c FROM u WHERE d = 1)", "select a from t where b in(select c from u where d=?)"},
        {"", ""},
        {"'", "?"},
        {"/*", ""},
        {"--", ""},
        {"$a", "$a"},
    };

    for (size_t i = 0; i < TR_NELEMS(rows); i++)
        expect(rows[i][0], false, rows[i][1]);
}

static void double_quotes_are_strings_where_the_system_has_it_so(void **state)
{
    expect("SELECT a FROM t WHERE b = \"x\"", true, "select a from t where b=?");
    expect("{\"find\": \"users\", \"filter\": {\"_id\": \"abc\", \"n\": 5}}", true,
           "{\"find\":?,\"filter\":{\"_id\":?,\"n\":?}}");
    expect("GET \"user:1\"", true, "get?");
    assert_true(tr_query_quotes((const uint8_t *)"mysql", 5));
    assert_false(tr_query_quotes((const uint8_t *)"postgresql", 10));
}

static void work_is_bounded(void **state)
{
    static uint8_t text[1 << 20];
    uint8_t out[TR_QUERY_TEXT_MAX + 1];
    uint32_t bytes;

    memset(text, 'a', sizeof(text));
    out[TR_QUERY_TEXT_MAX] = 0x55;
    assert_int_equal(tr_query_reduce(text, sizeof(text), false, out), TR_QUERY_TEXT_MAX);
    memcpy(text, "select (", 8);
    for (size_t i = 8; i < sizeof(text); i++)
        text[i] = i % 2 ? ',' : '1';
    bytes = tr_query_reduce(text, sizeof(text), false, out);
    assert_true(bytes < 16);
    for (uint32_t length = 0; length < 400; length++)
        tr_query_reduce(text + sizeof(text) - length, length, length % 2, out);
    assert_int_equal(out[TR_QUERY_TEXT_MAX], 0x55);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_comments_go),
        cmocka_unit_test(double_quotes_are_strings_where_the_system_has_it_so),
        cmocka_unit_test(work_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
