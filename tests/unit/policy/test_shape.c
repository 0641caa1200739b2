// SPDX-License-Identifier: Apache-2.0
// The policies on the shape of a trace: each case of docs/shape-policies.md.
#include "shape_bed.h"

static struct bed bed;

static int open_bed(void **state)
{
    return tr_shapes_create(&bed.shapes, 1000, -1, false);
}

static int close_bed(void **state)
{
    tr_policy_set_free(bed.set);
    bed.set = NULL;
    tr_shapes_destroy(&bed.shapes);
    return 0;
}

static bool keeps(const struct bed_span *spans, uint32_t count)
{
    struct bed_span shuffled[64];
    uint32_t kept = bed_kept_by(&bed, spans, count);

    memcpy(shuffled, spans, count * sizeof(*spans));
    for (uint64_t seed = 0; seed < 20; seed++) {
        bed_shuffle(shuffled, count, seed);
        assert_int_equal(bed_kept_by(&bed, shuffled, count), kept);
    }
    return kept;
}

#define KEEPS(...) keeps((const struct bed_span[]){__VA_ARGS__}, TR_NELEMS(((const struct bed_span[]){__VA_ARGS__})))
#define COMPILE(text) assert_int_equal(bed_compile(&bed, text), 0)
#define ROOT(to_)     {.id = 1, .from = 0, .to = to_, .kind = SERVER, .name = "root"}

#define SQL(id_, parent_, from_, text)                                                                                    \
    {.id = id_, .parent = parent_, .from = from_, .to = (from_) + 2, .kind = CLIENT, .name = "SELECT", .key = {"db.query.text"}, \
     .value = {text}}
#define OLD_SQL(id_, parent_, from_, text)                                                                                \
    {.id = id_, .parent = parent_, .from = from_, .to = (from_) + 2, .kind = CLIENT, .name = "SELECT", .key = {"db.statement"}, \
     .value = {text}}

static void n_plus_one(void **state)
{
    COMPILE("- {name: n, type: n_plus_one, n_plus_one: {min_siblings: 3}}");
    assert_true(KEEPS(ROOT(50), SQL(2, 1, 0, "select 1"), SQL(3, 1, 5, "SELECT  2"), SQL(4, 1, 9, "select 3 -- x")));
    assert_true(KEEPS(ROOT(50), OLD_SQL(2, 1, 0, "select 1"), SQL(3, 1, 5, "select 2"), OLD_SQL(4, 1, 9, "select 3")));
    // Concurrent ones too.
    assert_true(KEEPS(ROOT(50), SQL(2, 1, 0, "select 1"), SQL(3, 1, 0, "select 2"), SQL(4, 1, 0, "select 3")));
    // Their parent never came: it is known all the same.
    assert_true(KEEPS(ROOT(50), SQL(2, 9, 0, "select 1"), SQL(3, 9, 0, "select 2"), SQL(4, 9, 0, "select 3")));
    // Two only; another query; the same under other parents; one that came three times; roots are nobody's siblings.
    assert_false(KEEPS(ROOT(50), SQL(2, 1, 0, "select 1"), SQL(3, 1, 5, "select 2")));
    assert_false(KEEPS(ROOT(50), SQL(2, 1, 0, "select 1"), SQL(3, 1, 5, "select 2"), SQL(4, 1, 9, "select a")));
    assert_false(KEEPS(ROOT(50), SQL(2, 1, 0, "select 1"), SQL(3, 1, 5, "select 2"), SQL(4, 3, 9, "select 3")));
    assert_false(KEEPS(ROOT(50), SQL(2, 1, 0, "select 1"), SQL(3, 1, 5, "select 2"), SQL(3, 1, 5, "select 2"),
                       SQL(3, 1, 5, "select 2")));
    assert_false(KEEPS(SQL(2, 0, 0, "select 1"), SQL(3, 0, 5, "select 2"), SQL(4, 0, 9, "select 3")));
    // Spans that are no queries.
    assert_false(KEEPS(ROOT(50), {.id = 2, .parent = 1, .kind = CLIENT, .name = "GET"},
                       {.id = 3, .parent = 1, .kind = CLIENT, .name = "GET"},
                       {.id = 4, .parent = 1, .kind = CLIENT, .name = "GET"}));
    COMPILE("- {name: n, type: n_plus_one, n_plus_one: {min_siblings: 3, min_total_ms: 7}}");
    assert_false(KEEPS(ROOT(50), SQL(2, 1, 0, "select 1"), SQL(3, 1, 5, "select 2"), SQL(4, 1, 9, "select 3")));
    assert_true(KEEPS(ROOT(50), SQL(2, 1, 0, "select 1"), SQL(3, 1, 5, "select 2"), SQL(4, 1, 9, "select 3"),
                      SQL(5, 1, 12, "select 3")));
}

#define NO_TEXT(id_, key_, table)                                                                                         \
    {.id = id_, .parent = 1, .kind = CLIENT, .name = "find", .key = {key_, table}, .value = {"find", "users"}}

static void a_query_without_text_is_its_operation(void **state)
{
    COMPILE("- {name: n, type: n_plus_one, n_plus_one: {min_siblings: 3}}");
    assert_true(KEEPS(ROOT(50), NO_TEXT(2, "db.operation", "db.sql.table"), NO_TEXT(3, "db.operation.name", "db.collection.name"),
                      NO_TEXT(4, "db.operation", "db.collection.name")));
    assert_true(KEEPS(ROOT(50), NO_TEXT(2, "db.query.summary", "x"), NO_TEXT(3, "db.query.summary", "x"),
                      NO_TEXT(4, "db.query.summary", "x")));
    assert_false(KEEPS(ROOT(50), NO_TEXT(2, "db.operation", "db.sql.table"), NO_TEXT(3, "db.operation", "db.sql.table"),
                       NO_TEXT(4, "db.operation", "x")));
}

#define CALL(id_, from_, to_, status_, url)                                                                               \
    {.id = id_, .parent = 1, .from = from_, .to = to_, .kind = CLIENT, .name = "GET", .key = {"url.full"}, .value = {url},  \
     .status = status_}

static void retry_storm(void **state)
{
    COMPILE("- {name: r, type: retry_storm, retry_storm: {min_attempts: 3, max_gap_ms: 20}}");
    assert_true(KEEPS(ROOT(90), CALL(2, 0, 10, 2, "a"), CALL(3, 10, 20, 2, "a"), CALL(4, 25, 30, 2, "a")));
    // One that succeeds in the end.
    assert_true(KEEPS(ROOT(90), CALL(2, 0, 10, 2, "a"), CALL(3, 10, 20, 2, "a"), CALL(4, 40, 50, 0, "a")));
    // By the response's status, in old names and new.
    assert_true(KEEPS(ROOT(90),
                      {.id = 2, .parent = 1, .to = 5, .kind = CLIENT, .key = {"http.status_code", "http.url", "http.method"}, .value = {"#503", "u", "GET"}},
                      {.id = 3, .parent = 1, .from = 6, .to = 9, .kind = CLIENT, .key = {"http.response.status_code", "url.full", "http.request.method"}, .value = {"#429", "u", "GET"}},
                      {.id = 4, .parent = 1, .from = 9, .to = 12, .kind = CLIENT, .key = {"http.response.status_code", "http.url", "http.method"}, .value = {"#200", "u", "GET"}}));
    // A success ends it; a pause; two; other calls; concurrent siblings; other parents.
    assert_false(KEEPS(ROOT(90), CALL(2, 0, 10, 2, "a"), CALL(3, 10, 20, 0, "a"), CALL(4, 20, 30, 2, "a")));
    assert_false(KEEPS(ROOT(90), CALL(2, 0, 10, 2, "a"), CALL(3, 31, 40, 2, "a"), CALL(4, 40, 50, 2, "a")));
    assert_false(KEEPS(ROOT(90), CALL(2, 0, 10, 2, "a"), CALL(3, 10, 20, 2, "a")));
    assert_false(KEEPS(ROOT(90), CALL(2, 0, 10, 2, "a"), CALL(3, 10, 20, 2, "b"), CALL(4, 20, 30, 2, "a")));
    assert_false(KEEPS(ROOT(90), CALL(2, 0, 10, 2, "a"), CALL(3, 1, 11, 2, "a"), CALL(4, 2, 12, 2, "a")));
    assert_false(KEEPS(ROOT(90), CALL(2, 0, 10, 2, "a"), CALL(3, 10, 20, 2, "a"),
                       {.id = 4, .parent = 3, .from = 20, .to = 30, .kind = CLIENT, .name = "GET", .key = {"url.full"}, .value = {"a"}, .status = 2}));
    // An attempt that came twice is one.
    assert_false(KEEPS(ROOT(90), CALL(2, 0, 10, 2, "a"), CALL(3, 10, 20, 2, "a"), CALL(3, 10, 20, 2, "a")));
    // Two loops side by side: each is one.
    assert_true(KEEPS(ROOT(90), CALL(2, 0, 10, 2, "a"), CALL(3, 10, 20, 2, "a"), CALL(4, 20, 30, 2, "a"),
                      CALL(5, 1, 12, 2, "a"), CALL(6, 13, 22, 2, "a"), CALL(7, 23, 33, 0, "a")));
    // Of no length at one time: none follows another.
    assert_false(KEEPS(ROOT(90), CALL(2, 5, 5, 2, "a"), CALL(3, 5, 5, 2, "a"), CALL(4, 5, 5, 2, "a")));
    // A query that is tried again.
    assert_true(KEEPS(ROOT(90), {.id = 2, .parent = 1, .to = 5, .kind = CLIENT, .key = {"db.statement"}, .value = {"update t set a=1"}, .status = 2},
                      {.id = 3, .parent = 1, .from = 6, .to = 9, .kind = CLIENT, .key = {"db.statement"}, .value = {"update t set a=2"}, .status = 2},
                      {.id = 4, .parent = 1, .from = 9, .to = 12, .kind = CLIENT, .key = {"db.statement"}, .value = {"update t set a=1"}}));
}

#define WAIT(id_, from_, to_, name_) {.id = id_, .parent = 1, .from = from_, .to = to_, .kind = CLIENT, .name = name_}

static void pool_wait(void **state)
{
    COMPILE("- {name: p, type: pool_wait, pool_wait: {threshold_ms: 50}}");
    assert_true(KEEPS(ROOT(1000), WAIT(2, 0, 30, "connect"), WAIT(3, 40, 61, "HikariDataSource.getConnection")));
    assert_false(KEEPS(ROOT(1000), WAIT(2, 0, 30, "connect"), WAIT(3, 40, 59, "connect")));
    // What overlaps counts once; other spans don't.
    assert_false(KEEPS(ROOT(1000), WAIT(2, 0, 30, "connect"), WAIT(3, 0, 30, "connect"), WAIT(4, 20, 40, "connect")));
    assert_false(KEEPS(ROOT(1000), WAIT(2, 0, 300, "reconnect")));
    COMPILE("- {name: p, type: pool_wait, pool_wait: {share_percent: 20, span_names: [\"take *\"]}}");
    assert_true(KEEPS(ROOT(100), WAIT(2, 0, 21, "take a connection")));
    assert_false(KEEPS(ROOT(100), WAIT(2, 0, 19, "take a connection")));
    assert_false(KEEPS(ROOT(100), WAIT(2, 0, 90, "connect")));
    assert_int_equal(bed_compile(&bed, "- {name: p, type: pool_wait, pool_wait: {}}"), -EINVAL);
    assert_non_null(strstr(bed.error.text, "pool_wait: threshold_ms or share_percent is needed"));
}

static void cross_zone(void **state)
{
    COMPILE("- {name: z, type: cross_zone, cross_zone: {threshold_ms: 50}}");
#define PAIR(length, here, there)                                                                                         \
    {.id = 2, .parent = 1, .to = length, .kind = CLIENT, .zone = here}, {.id = 3, .parent = 2, .kind = SERVER, .zone = there}
    assert_true(KEEPS(ROOT(90), PAIR(60, "a", "b")));
    assert_false(KEEPS(ROOT(90), PAIR(49, "a", "b")));
    assert_false(KEEPS(ROOT(90), PAIR(60, "a", "a")));
    assert_false(KEEPS(ROOT(90), PAIR(60, "a", NULL)));
    assert_false(KEEPS(ROOT(90), PAIR(60, NULL, "b")));
    // Both sides with one id, as Zipkin's do.
    assert_true(KEEPS(ROOT(90), {.id = 2, .parent = 1, .to = 60, .kind = CLIENT, .zone = "a"},
                      {.id = 2, .parent = 1, .to = 50, .kind = SERVER, .zone = "b"}));
    // The client never came; a child that is no server.
    assert_false(KEEPS(ROOT(90), {.id = 3, .parent = 2, .to = 60, .kind = SERVER, .zone = "b"}));
    assert_false(KEEPS(ROOT(90), {.id = 2, .parent = 1, .to = 60, .kind = CLIENT, .zone = "a"},
                       {.id = 3, .parent = 2, .to = 60, .kind = INTERNAL, .zone = "b"}));
}

#define PART(id_, parent_, from_, to_) {.id = id_, .parent = parent_, .from = from_, .to = to_, .kind = INTERNAL, .name = "part"}

static void dominant_span(void **state)
{
    COMPILE("- {name: d, type: dominant_span, dominant_span: {share_percent: 50, min_ms: 10}}");
    assert_true(KEEPS(ROOT(100), PART(2, 1, 10, 61)));
    assert_false(KEEPS(ROOT(100), PART(2, 1, 10, 59)));
    // What its children take is not its own, concurrent ones once; one of them may be it.
    assert_false(KEEPS(ROOT(100), PART(2, 1, 0, 90), PART(3, 2, 0, 30), PART(4, 2, 20, 60)));
    assert_true(KEEPS(ROOT(100), PART(2, 1, 0, 90), PART(3, 2, 0, 30), PART(4, 2, 20, 30)));
    assert_true(KEEPS(ROOT(100), PART(2, 1, 0, 90), PART(3, 2, 0, 80)));
    // Beyond the root nothing counts; without a root nothing; the root itself is not meant; one its own parent.
    assert_false(KEEPS(ROOT(100), PART(2, 1, 60, 300)));
    assert_false(KEEPS(PART(2, 1, 0, 90), PART(3, 2, 0, 80)));
    assert_false(KEEPS(ROOT(100)));
    assert_true(KEEPS(ROOT(100), PART(2, 2, 0, 90)));
    // Client and server with one id: the server's children explain it.
    assert_false(KEEPS(ROOT(100), {.id = 2, .parent = 1, .to = 90, .kind = CLIENT}, {.id = 2, .parent = 1, .to = 88, .kind = SERVER},
                       PART(3, 2, 0, 45), PART(4, 2, 45, 85)));
    COMPILE("- {name: d, type: dominant_span, dominant_span: {span_names: [\"dns*\"], min_ms: 200}}");
    assert_false(KEEPS(ROOT(300), PART(2, 1, 0, 300)));
    assert_true(KEEPS(ROOT(300), WAIT(2, 0, 200, "dns.lookup")));
    assert_false(KEEPS(ROOT(199), WAIT(2, 0, 199, "dns.lookup")));
}

static void gap(void **state)
{
    COMPILE("- {name: g, type: gap, gap: {threshold_ms: 50}}");
    assert_true(KEEPS(ROOT(100), PART(2, 1, 0, 20), PART(3, 1, 70, 100)));
    assert_true(KEEPS(ROOT(100), PART(2, 1, 0, 20), PART(3, 1, 30, 40), PART(4, 1, 80, 100)));
    assert_false(KEEPS(ROOT(100), PART(2, 1, 0, 20), PART(3, 1, 69, 100)));
    // A grandchild explains as well as a child, also one whose parent never came; what lies outside does not.
    assert_false(KEEPS(ROOT(100), PART(2, 1, 0, 20), PART(3, 2, 20, 90)));
    assert_false(KEEPS(ROOT(100), PART(3, 9, 0, 90)));
    assert_true(KEEPS(ROOT(100), PART(2, 1, 100, 300)));
    assert_false(KEEPS(PART(3, 9, 0, 90)));
    COMPILE("- {name: g, type: gap, gap: {share_percent: 30}}");
    assert_true(KEEPS(ROOT(10), PART(2, 1, 0, 7)));
    assert_false(KEEPS(ROOT(10), PART(2, 1, 0, 8)));
    assert_int_equal(bed_compile(&bed, "- {name: g, type: gap, gap: {}}"), -EINVAL);
}

static void too_many_name_lists_are_refused(void **state)
{
    char text[1024] = "";

    for (int i = 0; i < 5; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text),
                 "- {name: p%d, type: pool_wait, pool_wait: {threshold_ms: 1, span_names: [n%d]}}\n", i, i);
    assert_int_equal(bed_compile(&bed, text), -EINVAL);
    assert_non_null(strstr(bed.error.text, "policies[4].pool_wait.span_names: more than 4 different lists"));
}

static void of_a_large_trace_the_first_spans_are_looked_at(void **state)
{
    static struct bed_span spans[3000];

    COMPILE("- {name: n, type: n_plus_one, n_plus_one: {min_siblings: 500}}\n"
            "- {name: g, type: gap, gap: {threshold_ms: 1}}");
    spans[0] = (struct bed_span)ROOT(100);
    for (uint32_t i = 1; i < TR_NELEMS(spans); i++)
        spans[i] = (struct bed_span)SQL(i + 1, 1, 0, "select 1");
    // The room is for 1000: enough to count to 500, and no word of what the rest would have explained.
    assert_int_equal(bed_kept_by(&bed, spans, TR_NELEMS(spans)), 1);
    assert_int_equal(bed.shapes.cut, 2000);
    assert_int_equal(bed_kept_by(&bed, spans, 400), 2);
}

static void a_set_that_does_not_look_needs_nothing(void **state)
{
    COMPILE("- {name: a, type: always_sample}");
    assert_int_equal(bed.set->plan.shape.needs, 0);
    assert_false(bed.set->plan.looks);
    assert_string_equal(bed.set->shape_path, "");
    COMPILE("- {name: a, type: always_sample}\n- {name: n, type: n_plus_one}");
    assert_string_equal(bed.set->shape_path, "tail_sampling.policies[1]");
    assert_int_equal(bed.set->plan.shape.needs, TR_SHAPE_LINKS | TR_SHAPE_PRINT);
}

// A late span asks again, of all spans; of a part of them nothing is said, not even that something is not there.
static void a_late_span_asks_again(void **state)
{
    struct tr_trace trace = {.trace_id = {1}, .epoch = 1, .spans = 3, .again = true, .shapes = &bed.shapes};
    uint16_t policy;

    COMPILE("- {name: n, type: n_plus_one, n_plus_one: {min_siblings: 2}}");
    assert_true(KEEPS(ROOT(50), SQL(2, 1, 0, "select 1"), SQL(3, 1, 5, "select 2")));
    assert_int_equal(tr_policy_set_decide(bed.set, &trace, bed.counters, &policy), TR_ANSWER_KEEP);
    trace.shapes = NULL;
    assert_int_equal(tr_policy_set_decide(bed.set, &trace, bed.counters, &policy), TR_ANSWER_DROP);
    COMPILE("- {name: not, type: not, not: {not_sub_policy: {name: g, type: gap, gap: {threshold_ms: 10}}}}");
    assert_int_equal(tr_policy_set_decide(bed.set, &trace, bed.counters, &policy), TR_ANSWER_DROP);
    COMPILE("- {name: d, type: drop, drop: {drop_sub_policy: [{name: g, type: gap, gap: {threshold_ms: 10}}]}}\n"
            "- {name: all, type: always_sample}");
    assert_int_equal(tr_policy_set_decide(bed.set, &trace, bed.counters, &policy), TR_ANSWER_DROP);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bed, close_bed)
    const struct CMUnitTest tests[] = {
        TEST(n_plus_one),
        TEST(a_query_without_text_is_its_operation),
        TEST(retry_storm),
        TEST(pool_wait),
        TEST(cross_zone),
        TEST(dominant_span),
        TEST(gap),
        TEST(too_many_name_lists_are_refused),
        TEST(of_a_large_trace_the_first_spans_are_looked_at),
        TEST(a_set_that_does_not_look_needs_nothing),
        TEST(a_late_span_asks_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
