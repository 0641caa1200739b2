// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "control/why.h"

#define WALL (1700000000 * TR_S)

static enum tr_fate first_fate(const struct tr_why *why)
{
    return (enum tr_fate)__builtin_ctz(tr_why_fates(why));
}

static const char *explain(const struct tr_why *why)
{
    static char text[4096];
    size_t bytes = tr_why_explain(why, WALL, text, sizeof(text));

    assert_int_equal(bytes, strlen(text));
    return text;
}

static void kept(struct tr_why *why)
{
    memset(why, 0, sizeof(*why));
    why->decided = true;
    why->verdict = TR_VERDICT_KEEP;
    why->decided_wall_ns = WALL;
    why->first_wall_ns = WALL - 10 * TR_S;
    why->spans = 5;
    why->known_source = true;
    why->peer_ip[10] = why->peer_ip[11] = 0xff;
    why->peer_ip[12] = 10;
    why->peer_ip[15] = 7;
    snprintf(why->service, sizeof(why->service), "checkout");
    snprintf(why->policy, sizeof(why->policy), "errors");
    snprintf(why->policy_type, sizeof(why->policy_type), "status_code");
    why->backends_count = 1;
    snprintf(why->backends[0].name, sizeof(why->backends[0].name), "tempo");
    why->backends[0].spans[TR_FATE_DELIVERED] = 4;
    why->backends[0].spans[TR_FATE_QUEUED] = 1;
}

static void test_waiting(void **state)
{
    struct tr_why why = {.held = true, .spans = 1, .due_wall_ns = WALL + 4200 * TR_MS};

    assert_int_equal(first_fate(&why), TR_TRACE_WAITING);
    assert_string_equal(explain(&why), "Waiting: 1 span so far, decided in 4.2s at the latest.");
    why.due_wall_ns = WALL - TR_S;
    assert_non_null(strstr(explain(&why), "its decision is due now"));
}

static void test_kept(void **state)
{
    struct tr_why why;

    kept(&why);
    assert_int_equal(first_fate(&why), TR_TRACE_KEPT);
    assert_string_equal(
        explain(&why),
        "Kept by policy errors (status_code) at 2023-11-14T22:13:20.000Z, when decision_wait had "
        "passed, with 5 spans. Its first span came at 2023-11-14T22:13:10.000Z from service "
        "checkout at 10.0.0.7. Backend tempo: 1 queued, 4 delivered.");
}

static void test_dropped(void **state)
{
    struct tr_why why;

    kept(&why);
    why.verdict = TR_VERDICT_DROP;
    why.policy[0] = '\0';
    why.backends_count = 0;
    assert_int_equal(first_fate(&why), TR_TRACE_DROPPED);
    assert_non_null(strstr(explain(&why), "Dropped: no policy wanted it at "));
}

static void test_evicted(void **state)
{
    struct tr_why why;

    kept(&why);
    why.verdict = TR_VERDICT_EVICTED;
    why.when = TR_WHEN_TABLE;
    assert_int_equal(first_fate(&why), TR_TRACE_EVICTED);
    assert_non_null(strstr(explain(&why), "early: the trace table was full"));
}

static void test_late(void **state)
{
    struct tr_why why;

    kept(&why);
    why.late_spans = 2;
    assert_int_equal(first_fate(&why), TR_TRACE_LATE);
    assert_true(tr_why_fates(&why) & (1u << TR_TRACE_KEPT));
    assert_non_null(strstr(explain(&why), "2 spans came late"));
}

static void test_failed(void **state)
{
    struct tr_why why;

    kept(&why);
    why.backends[0].spans[TR_FATE_REJECTED] = 1;
    snprintf(why.backends[0].said, sizeof(why.backends[0].said), "400 too old");
    assert_int_equal(first_fate(&why), TR_TRACE_FAILED);
    assert_non_null(strstr(explain(&why), "1 rejected (it said: 400 too old)."));
    why.backends[0].spans[TR_FATE_REJECTED] = 0;
    why.backends[0].spans[TR_FATE_LOST] = 1;
    assert_int_equal(first_fate(&why), TR_TRACE_FAILED);
}

static void test_rejected(void **state)
{
    struct tr_why why = {.rejected = true, .rejected_wall_ns = WALL, .rejected_reason = "malformed span"};

    assert_int_equal(first_fate(&why), TR_TRACE_REJECTED);
    assert_string_equal(explain(&why), "Rejected to the client at 2023-11-14T22:13:20.000Z: malformed span.");
}

static void test_never_seen(void **state)
{
    struct tr_why why = {.spans = 0};

    assert_int_equal(tr_why_fates(&why), 1u << TR_TRACE_NEVER_SEEN);
    assert_string_equal(explain(&why), "Never seen: no decision has been forgotten since the start.");
    why.remembered_since_wall_ns = WALL;
    assert_non_null(strstr(explain(&why), "back to 2023-11-14T22:13:20.000Z"));
}

static void test_probability(void **state)
{
    struct tr_why why;
    json_t *json;

    kept(&why);
    assert_null(strstr(explain(&why), "stands for"));
    why.probability = 0.1;
    assert_non_null(strstr(explain(&why), " Of traces like it 10% are kept: it stands for 10."));
    json = tr_why_json(&why, WALL);
    assert_true(json_real_value(json_object_get(json, "probability")) == 0.1);
    json_decref(json);
}

static void test_json(void **state)
{
    struct tr_why why;
    json_t *json;

    kept(&why);
    why.trace_id[0] = 0xab;
    json = tr_why_json(&why, WALL);
    assert_string_equal(json_string_value(json_object_get(json, "trace_id")),
                        "ab000000000000000000000000000000");
    assert_string_equal(json_string_value(json_object_get(json, "fate")), "kept");
    assert_string_equal(json_string_value(json_object_get(json, "policy")), "errors");
    assert_string_equal(json_string_value(json_object_get(json, "peer")), "10.0.0.7");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(json_object_get(json, "backends"), 0),
                                                        "delivered_spans")),
                     4);
    json_decref(json);
}

// A peer chose the service's name and a backend its words: neither has to be UTF-8.
static void test_json_of_bad_text(void **state)
{
    struct tr_why why;
    json_t *json;

    kept(&why);
    snprintf(why.service, sizeof(why.service), "bad\xff\xfe");
    json = tr_why_json(&why, WALL);
    assert_string_equal(json_string_value(json_object_get(json, "service")), "bad??");
    assert_non_null(json_object_get(json, "explanation"));
    json_decref(json);
}

static void test_explain_is_cut(void **state)
{
    struct tr_why why;
    char text[16];

    kept(&why);
    assert_int_equal(tr_why_explain(&why, WALL, text, sizeof(text)), 15);
    assert_string_equal(text, "Kept by policy ");
}

static void test_id_parse(void **state)
{
    static const char *const bad[] = {"",
                                      "0123",
                                      "00000000000000000000000000000000",
                                      "0123456789abcdef0123456789abcde",
                                      "0123456789abcdef0123456789abcdef0",
                                      "0123456789abcdef0123456789abcdeg",
                                      "0123456789abcdef 123456789abcdef"};
    uint8_t id[16];

    assert_int_equal(tr_trace_id_parse("0123456789abcdef0123456789ABCDEF", id), 0);
    assert_int_equal(id[0], 0x01);
    assert_int_equal(id[15], 0xef);
    assert_int_equal(tr_trace_id_parse("01234567-89ab-cdef-0123-456789abcdef", id), 0);
    for (size_t i = 0; i < TR_NELEMS(bad); i++)
        assert_int_equal(tr_trace_id_parse(bad[i], id), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waiting),        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_dropped),        cmocka_unit_test(test_evicted),
        cmocka_unit_test(test_late),           cmocka_unit_test(test_failed),
        cmocka_unit_test(test_rejected),       cmocka_unit_test(test_never_seen),
        cmocka_unit_test(test_probability),
        cmocka_unit_test(test_json),           cmocka_unit_test(test_json_of_bad_text),
        cmocka_unit_test(test_explain_is_cut), cmocka_unit_test(test_id_parse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
