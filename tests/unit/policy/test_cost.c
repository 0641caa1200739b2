// SPDX-License-Identifier: Apache-2.0
// What policies cost the walk: the order of things, not the nanoseconds.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/pb.h"
#include "policy/cost.h"

static struct tr_options_doc *doc;
static struct tr_policy_costs *costs;
static struct tr_cost_spans spans;
static uint64_t ticks;

static uint64_t clock_counting(void)
{
    return ++ticks;
}

static void costs_of(const char *policies)
{
    struct tr_error error;

    assert_int_equal(tr_options_parse(&tr_tail_sampling_option_table, policies, strlen(policies), &doc, &error), 0);
    assert_int_equal(tr_policy_costs_create(&costs, tr_options_struct(doc)), 0);
}

// A span with an attribute, and a resource with another; each value is one of its own.
static void spans_fill(void)
{
    for (int i = 0; i < TR_COST_SPANS_MAX + 5; i++) {
        uint8_t body[512], pair[128], any[64], *p = body, *q, *a, *span;
        struct tr_context context = {.spans = 10};
        char value[32];

        snprintf(value, sizeof(value), "/api/v%d/orders", i);
        a = tr_pb_put_bytes(any, 1, value, strlen(value));
        q = tr_pb_put_bytes(pair, 1, "http.route", 10);
        q = tr_pb_put_bytes(q, 2, any, (size_t)(a - any));
        *p++ = 0; // the resource does not begin the body
        context.resource[0].offset = (uint32_t)(p - body);
        p = tr_pb_put_bytes(p, 1, pair, (size_t)(q - pair));
        context.resource[0].bytes = (uint32_t)(p - body) - context.resource[0].offset;
        span = p;
        p = tr_pb_put_bytes(p, 1, "\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10", 16);
        p = tr_pb_put_bytes(p, 2, "\1\2\3\4\5\6\7\10", 8);
        for (int k = 0; k < 8; k++)
            p = tr_pb_put_bytes(p, 9, pair, (size_t)(q - pair));
        tr_cost_span_add(&spans, &context, body, span, (uint32_t)(p - span));
        memset(body, 0xff, sizeof(body)); // it was copied
    }
    assert_int_equal(spans.count, TR_COST_SPANS_MAX);
}

static int release(void **state)
{
    tr_policy_costs_destroy(costs);
    tr_options_free(doc);
    tr_cost_spans_clear(&spans);
    return 0;
}

static void tests_of_many_values_cost_more_than_none(void **state)
{
    costs_of("policies:\n- {name: all, type: always_sample}\n"
             "- {name: routes, type: string_attribute, string_attribute: {key: http.route, values: [\"^/api/v[0-9]+/x\", "
             "\"orders.*z\"], enabled_regex_matching: true}}\n");
    assert_true(tr_policy_cost(costs, 0) < 0);
    spans_fill();
    tr_policy_costs_measure(costs, &spans, tr_clock_ns, 10 * TR_S);
    assert_true(tr_policy_cost(costs, 0) >= 0);
    // Eight watched attributes a span, of which each is looked at: no noise is as large.
    assert_true(tr_policy_cost(costs, 1) > 2 * tr_policy_cost(costs, 0));
    assert_true(tr_policy_cost(costs, 1) > 5);
    assert_true(tr_policy_cost(costs, 2) < 0); // there is none
}

static void it_stops_in_time_and_goes_on_from_there(void **state)
{
    unsigned calls = 0, known = 0;

    costs_of("policies:\n- {name: a, type: always_sample}\n- {name: b, type: always_sample}\n"
             "- {name: c, type: always_sample}\n- {name: d, type: always_sample}\n");
    tr_policy_costs_measure(costs, &spans, clock_counting, TR_S); // no span: nothing to be known
    assert_true(tr_policy_cost(costs, 0) < 0);
    spans_fill();
    for (; known < 4 && calls < 10; calls++) {
        tr_policy_costs_measure(costs, &spans, clock_counting, 60); // 36 looks at the clock for each plan
        known = 0;
        for (uint32_t i = 0; i < 4; i++)
            known += tr_policy_cost(costs, i) >= 0;
        assert_in_range(known, calls + 1, 2 * calls + 2);
    }
    assert_in_range(calls, 2, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(tests_of_many_values_cost_more_than_none, release),
        cmocka_unit_test_teardown(it_stops_in_time_and_goes_on_from_there, release),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
