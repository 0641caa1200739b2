// SPDX-License-Identifier: Apache-2.0
// The shape of a trace at its owner: slots behind summaries, records, and the iterator over them.
#include "harness.h"

#include "trace/shapes.h"

struct seen {
    struct tr_shape records[64];
    uint32_t count;
    struct tr_trace_ot ot;
};

static enum tr_answer look(void *context, const struct tr_trace *trace, uint16_t *policy)
{
    struct seen *seen = context;
    struct tr_shapes_cursor cursor = tr_shapes_begin(trace->shapes);
    const struct tr_shape *shape;

    seen->count = 0;
    while ((shape = tr_shapes_next(trace->shapes, &cursor)) != NULL)
        seen->records[seen->count++] = *shape;
    seen->ot = *trace->ot;
    *policy = 0;
    return TR_ANSWER_DROP;
}

static struct bench *bench_shaped(struct seen *seen)
{
    struct tr_owner_options options = bench_options();
    const struct tr_decider decider = {seen, look};

    options.shape = true;
    return bench_new_with(&options, &decider, NULL);
}

// A summary and the slots behind it: `wide` one for predicate 70 too.
static uint32_t span_make(struct bench *b, union tr_message *m, const char *name, uint64_t id, bool wide)
{
    uint32_t slots = 1;

    memset(m, 0, 3 * sizeof(*m));
    m[0] = bench_span(b, 0, name);
    m[0].summary.flags = TR_SPAN_SHAPE | (wide ? TR_SPAN_WIDE : 0);
    m[0].summary.start_ns = TR_S + (id << TR_SHAPE_UNIT_SHIFT);
    m[0].summary.end_ns = m[0].summary.start_ns + (5 << TR_SHAPE_UNIT_SHIFT);
    if (wide) {
        m[slots].wide = (struct tr_summary_wide){.kind = TR_MESSAGE_WIDE, .predicates = {1 << 6}};
        slots++;
    }
    m[slots++].shape = (struct tr_summary_shape){.kind = TR_MESSAGE_SHAPE, .span_id = id, .parent_id = id / 2,
                                                 .print = 77, .sampler_key = 99, .span_kind = 3, .error = 1, .query = 1,
                                                 .zone = 4711, .marks = 5, .ot = TR_OT_RANDOM, .random = 1000 - id};
    return slots;
}

static void a_trace_shows_its_records_in_the_order_they_came(void **state)
{
    struct seen seen = {0};
    struct bench *b = bench_shaped(&seen);

    for (uint64_t id = 1; id <= 50; id++) {
        union tr_message m[3];
        uint32_t slots = span_make(b, m, "d1", id, id % 3 == 0);

        assert_int_equal(tr_owner_receive(b->owner, 0, m, slots, b->now, b->wall), slots);
    }
    bench_pass(b, 10 * TR_S);
    bench_poll(b);
    assert_int_equal(seen.count, 50);
    for (uint32_t i = 0; i < 50; i++) {
        const struct tr_shape_record *s = &seen.records[i].record;

        assert_int_equal(s->span, tr_shape_id(i + 1));
        assert_int_equal(s->parent, (i + 1) / 2 ? tr_shape_id((i + 1) / 2) : 0);
        assert_int_equal(s->start, (TR_S >> TR_SHAPE_UNIT_SHIFT) + i + 1);
        assert_int_equal(tr_shape_duration(s), 5);
        assert_int_equal(s->zone, 1);
        assert_int_equal(s->print, 77);
        assert_int_equal(seen.records[i].sampler_key, 99);
        assert_int_equal(s->marks, 5);
        assert_true(s->error && s->query && s->kind == 3);
    }
    assert_int_equal(seen.ot.have, TR_OT_RANDOM);
    assert_int_equal(seen.ot.random, 950);
    bench_balance(b);
    bench_free(b);
}

static void a_summary_waits_for_all_its_slots(void **state)
{
    struct seen seen = {0};
    struct bench *b = bench_shaped(&seen);
    union tr_message m[6];
    uint32_t first = span_make(b, m, "d1", 1, true);

    span_make(b, m + first, "d1", 2, true);
    for (uint32_t part = 1; part < first; part++)
        assert_int_equal(tr_owner_receive(b->owner, 0, m, part, b->now, b->wall), 0);
    assert_int_equal(tr_owner_receive(b->owner, 0, m, first + 2, b->now, b->wall), first);
    assert_int_equal(tr_owner_receive(b->owner, 0, m + first, 3, b->now, b->wall), 3);
    assert_int_equal(b->counters->received, 2);
    bench_pass(b, 10 * TR_S);
    bench_poll(b);
    assert_int_equal(seen.count, 2);
    bench_free(b);
}

static void a_span_that_was_walked_before_has_an_empty_record(void **state)
{
    struct seen seen = {0};
    struct bench *b = bench_shaped(&seen);
    union tr_message m[3];

    bench_receive(b, 0, "d1");
    span_make(b, m, "d1", 7, false);
    assert_int_equal(tr_owner_receive(b->owner, 0, m, 2, b->now, b->wall), 2);
    bench_pass(b, 10 * TR_S);
    bench_poll(b);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.records[0].record.span, 0);
    assert_int_equal(seen.records[1].record.span, tr_shape_id(7));
    bench_free(b);
}

static void durations_are_packed(void **state)
{
    const uint64_t units[] = {0, 1, (1 << 19) - 1, 1 << 19, (1 << 19) + 1, 3 << 20, 0xfffffffe, 1ull << 40};

    for (size_t i = 0; i < TR_NELEMS(units); i++) {
        struct tr_shape_record shape = {.duration = tr_shape_duration_pack(units[i])};
        uint64_t most = TR_MIN(units[i], (uint64_t)UINT32_MAX);

        assert_true(tr_shape_duration(&shape) <= most);
        assert_true(tr_shape_duration(&shape) >= most - (most >> 18));
        assert_true(units[i] >= 1 << 19 || tr_shape_duration(&shape) == units[i]);
    }
}

static void zones_are_numbered_and_bounded(void **state)
{
    struct tr_zones zones = {.count = 0};

    assert_int_equal(tr_zones_number(&zones, 0), 0);
    for (uint32_t i = 1; i <= TR_ZONES_MAX; i++)
        assert_int_equal(tr_zones_number(&zones, 1000 + i), i);
    assert_int_equal(tr_zones_number(&zones, 1001), 1);
    assert_int_equal(tr_zones_number(&zones, 5), 0);
    assert_int_equal(zones.unknown, 1);
}

static void spans_of_zones_too_many_are_counted(void **state)
{
    struct seen seen = {0};
    struct bench *b = bench_shaped(&seen);

    for (uint64_t id = 1; id <= TR_ZONES_MAX + 3; id++) {
        union tr_message m[3];
        uint32_t slots = span_make(b, m, "d1", id, false);

        m[slots - 1].shape.zone = (uint32_t)id;
        assert_int_equal(tr_owner_receive(b->owner, 0, m, slots, b->now, b->wall), slots);
    }
    assert_int_equal(b->counters->zones_unknown, 3);
    bench_free(b);
}

static void a_zone_that_came_long_ago_makes_room(void **state)
{
    struct tr_zones zones = {.now_ns = 100 * TR_S};

    for (uint32_t i = 1; i <= TR_ZONES_MAX; i++)
        tr_zones_number(&zones, 1000 + i);
    zones.now_ns += TR_ZONES_FORGET_NS - 1;
    for (uint32_t i = 1; i <= TR_ZONES_MAX; i++)
        if (i != 77)
            tr_zones_number(&zones, 1000 + i);
    assert_int_equal(tr_zones_number(&zones, 5), 0);
    zones.now_ns++;
    assert_int_equal(tr_zones_number(&zones, 5), 77);
    assert_int_equal(tr_zones_number(&zones, 6), 0); // all others came lately
    assert_int_equal(tr_zones_number(&zones, 1078), 78);
    // A trace that began before may mean the old one by that number.
    assert_int_equal(tr_zones_known(&zones, 77, zones.now_ns - 1), 0);
    assert_int_equal(tr_zones_known(&zones, 77, zones.now_ns), 77);
    assert_int_equal(tr_zones_known(&zones, 78, zones.now_ns - 1), 78);
    // And back: it is a new one by then.
    zones.now_ns += TR_ZONES_FORGET_NS;
    assert_int_not_equal(tr_zones_number(&zones, 1077), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trace_shows_its_records_in_the_order_they_came),
        cmocka_unit_test(a_summary_waits_for_all_its_slots),
        cmocka_unit_test(a_span_that_was_walked_before_has_an_empty_record),
        cmocka_unit_test(durations_are_packed),
        cmocka_unit_test(zones_are_numbered_and_bounded),
        cmocka_unit_test(spans_of_zones_too_many_are_counted),
        cmocka_unit_test(a_zone_that_came_long_ago_makes_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
