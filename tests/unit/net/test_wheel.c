// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/wheel.h"
#include "random.h"

#define TIMERS 200

// What must be true: an array of deadlines beside the wheel.
struct model {
    struct tr_wheel *wheel;
    struct tr_timer timers[TIMERS];
    uint64_t due_ns[TIMERS]; // when it ends; TR_NEVER: not set
    bool past[TIMERS];        // it was set for before `now`
    uint64_t now, random;
};

static struct model *model_new(uint64_t seed, uint64_t now)
{
    struct model *m = calloc(1, sizeof(*m));

    assert_non_null(m);
    m->now = now;
    m->random = seed;
    assert_int_equal(tr_wheel_create(&m->wheel, now), 0);
    for (int i = 0; i < TIMERS; i++)
        m->due_ns[i] = TR_NEVER;
    return m;
}

static void model_free(struct model *m)
{
    tr_wheel_destroy(m->wheel);
    free(m);
}

static uint64_t earliest(const struct model *m)
{
    uint64_t least = TR_NEVER;

    for (int i = 0; i < TIMERS; i++)
        least = TR_MIN(least, m->due_ns[i]);
    return least;
}

static void set(struct model *m, int i, uint64_t deadline)
{
    tr_wheel_set(m->wheel, &m->timers[i], deadline);
    assert_true(m->timers[i].deadline_ns == deadline);
    m->past[i] = deadline <= m->now;
    m->due_ns[i] = (deadline + TR_WHEEL_TICK_NS - 1) / TR_WHEEL_TICK_NS * TR_WHEEL_TICK_NS;
}

static void cancel(struct model *m, int i)
{
    tr_wheel_cancel(m->wheel, &m->timers[i]);
    m->due_ns[i] = TR_NEVER;
}

// Spans of every level, from the past to weeks.
static uint64_t some_span(struct model *m)
{
    return random64(&m->random) >> (20 + random_below(&m->random, 44));
}

// All that is due ends, in the order of ticks, and nothing else.
static void advance(struct model *m)
{
    uint64_t last = 0;
    struct tr_timer *timer;

    while ((timer = tr_wheel_advance(m->wheel, m->now)) != NULL) {
        int i = (int)(timer - m->timers);

        assert_in_range(i, 0, TIMERS - 1);
        assert_true(m->due_ns[i] <= m->now);
        assert_true(timer->deadline_ns == 0 && !timer->before);
        if (!m->past[i]) {
            assert_true(m->due_ns[i] >= last);
            last = m->due_ns[i];
        }
        m->due_ns[i] = TR_NEVER;
        if (random_below(&m->random, 4) == 0) // a handler that sets one
            set(m, i, m->now + TR_WHEEL_TICK_NS + some_span(m));
        if (random_below(&m->random, 8) == 0) // and one that cancels another
            cancel(m, (int)random_below(&m->random, TIMERS));
    }
    assert_true(earliest(m) > m->now);
}

static void random_life(uint64_t seed, uint64_t begin)
{
    struct model *m = model_new(seed, begin);

    for (int step = 0; step < 3000; step++) {
        int i = (int)random_below(&m->random, TIMERS);
        uint64_t deadline;

        switch (random_below(&m->random, 8)) {
        case 0:
            cancel(m, i);
            break;
        case 1:
            deadline = some_span(m) >> 8;
            set(m, i, m->now - TR_MIN(m->now, deadline)); // in the past
            break;
        case 2:
            deadline = tr_wheel_deadline(m->wheel);
            assert_true(deadline <= TR_MAX(earliest(m), m->now));
            assert_int_equal(deadline == TR_NEVER, earliest(m) == TR_NEVER);
            if (deadline != TR_NEVER)
                m->now = TR_MAX(m->now, deadline);
            advance(m);
            break;
        case 3:
            m->now += some_span(m) >> random_below(&m->random, 30);
            advance(m);
            break;
        default:
            set(m, i, m->now + some_span(m));
        }
    }
    model_free(m);
}

static void ends_what_a_list_would(void **state)
{
    for (uint64_t seed = 1; seed <= 150; seed++)
        random_life(seed, seed % 3 == 0 ? 0 : seed % 3 == 1 ? 86400 * TR_S * seed : (1ull << 36) * TR_MS - TR_S);
}

static void never_ends_before_its_deadline(void **state)
{
    struct tr_timer timer = {0};
    struct tr_wheel *wheel;

    assert_int_equal(tr_wheel_create(&wheel, 5 * TR_MS), 0);
    assert_true(tr_wheel_deadline(wheel) == TR_NEVER);
    tr_wheel_set(wheel, &timer, 7 * TR_MS + 1);
    assert_true(tr_wheel_deadline(wheel) == 8 * TR_MS);
    assert_null(tr_wheel_advance(wheel, 8 * TR_MS - 1));
    assert_ptr_equal(tr_wheel_advance(wheel, 8 * TR_MS), &timer);
    tr_wheel_set(wheel, &timer, 3 * TR_MS); // past: at once, and once
    assert_ptr_equal(tr_wheel_advance(wheel, 8 * TR_MS), &timer);
    assert_null(tr_wheel_advance(wheel, 8 * TR_MS));
    tr_wheel_set(wheel, &timer, 9 * TR_MS);
    tr_wheel_set(wheel, &timer, TR_NEVER);
    assert_true(tr_wheel_deadline(wheel) == TR_NEVER);
    assert_null(tr_wheel_advance(wheel, 20 * TR_MS));
    tr_wheel_destroy(wheel);
}

// Who sleeps until the deadline gets to a timer in a few steps, however far it is.
static void a_deadline_leads_there_in_a_step_a_level(void **state)
{
    for (unsigned shift = 0; shift < 63; shift++) {
        struct tr_timer timer = {0};
        struct tr_wheel *wheel;
        uint64_t now = 12345678901;
        int steps = 0;

        assert_int_equal(tr_wheel_create(&wheel, now), 0);
        tr_wheel_set(wheel, &timer, now + (1ull << shift));
        for (; !tr_wheel_advance(wheel, now); steps++) {
            assert_true(steps == 0 || tr_wheel_deadline(wheel) > now);
            now = TR_MAX(now, tr_wheel_deadline(wheel));
        }
        assert_true(now >= 12345678901 + (1ull << shift));
        assert_true(now < 12345678901 + (1ull << shift) + TR_WHEEL_TICK_NS);
        assert_in_range(steps, 0, 9);
        tr_wheel_destroy(wheel);
    }
}

// Many in one coarse slot: sorted a piece a turn, all on time by then, and those cancelled meanwhile never end.
static void sorts_a_crowd_piece_by_piece(void **state)
{
    enum { CROWD = 20000 };
    struct tr_timer *crowd = calloc(CROWD, sizeof(*crowd));
    uint64_t now = 0, last = 0;
    struct tr_wheel *wheel;
    uint32_t ended = 0, turns = 0, most = 0;

    assert_non_null(crowd);
    assert_int_equal(tr_wheel_create(&wheel, 0), 0);
    for (uint32_t i = 0; i < CROWD; i++)
        tr_wheel_set(wheel, &crowd[i], 300 * TR_S + i * 1000);
    for (; tr_wheel_deadline(wheel) != TR_NEVER; turns++) {
        struct tr_timer *timer;
        uint32_t in_turn = 0;

        now = TR_MAX(now, tr_wheel_deadline(wheel));
        if (turns == 3)
            tr_wheel_cancel(wheel, &crowd[CROWD - 1]);
        while ((timer = tr_wheel_advance(wheel, now)) != NULL) {
            assert_ptr_not_equal(timer, &crowd[CROWD - 1]);
            ended++;
            in_turn++;
        }
        assert_true(now >= last);
        last = now;
        most = TR_MAX(most, in_turn);
    }
    assert_int_equal(ended, CROWD - 1);
    assert_in_range(turns, CROWD / 512, 4 * CROWD / 512 + 100);
    assert_in_range(most, 1, 2000);
    tr_wheel_destroy(wheel);
    free(crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_ends_before_its_deadline),
        cmocka_unit_test(ends_what_a_list_would),
        cmocka_unit_test(a_deadline_leads_there_in_a_step_a_level),
        cmocka_unit_test(sorts_a_crowd_piece_by_piece),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
