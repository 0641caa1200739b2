// SPDX-License-Identifier: Apache-2.0
// The tick of the budgets between threads: each an lcore that asks, closes and passes on answers, on a clock that they
// push on together. For the thread sanitizer above all.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include "base/hash.h"
#include "policy/budget.h"

#define LCORES 4
#define TRACES 20000 // of each
#define OPEN   64    // that wait at a time
#define RATE   500
#define TICKS  65536

struct trace {
    struct tr_trace trace;
    struct tr_asked asked;
    bool waits;
};

static struct tr_budgets *budgets;
static struct tr_budget_plan plan;
static struct tr_budget_share share;
static uint64_t clock_ns = 100 * TR_S;
static uint32_t done;
static uint64_t kept_in[LCORES][TICKS], kept[LCORES], refused[LCORES];

static void answer_take(struct trace *one, uint32_t lcore)
{
    uint32_t tick = one->asked.tick;

    switch (tr_budget_ask(&share, &one->trace, one->trace.spans)) {
    case TR_ANSWER_PENDING:
        one->waits = true;
        return;
    case TR_ANSWER_KEEP:
        kept_in[lcore][tick % TICKS] += one->trace.spans;
        kept[lcore]++;
        break;
    case TR_ANSWER_DROP:
        refused[lcore]++;
        break;
    }
    one->waits = false;
}

// A trace comes up.
static void begin(struct trace *one, uint32_t lcore, uint32_t number)
{
    uint32_t id[4] = {lcore, number, 1, 2};

    memset(one, 0, sizeof(*one));
    memcpy(one->trace.trace_id, id, sizeof(id));
    one->trace.lcore = lcore;
    one->trace.spans = 1 + number % 7;
    one->trace.epoch = 1;
    one->trace.asked = &one->asked;
    tr_budget_begin(budgets, &one->trace);
    answer_take(one, lcore);
}

static void *run(void *argument)
{
    static __thread struct trace open[OPEN];
    uint32_t lcore = (uint32_t)(uintptr_t)argument, begun = 0, waiting = 0;
    bool said = false;

    while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) < LCORES) {
        uint64_t now = __atomic_add_fetch(&clock_ns, TR_MS, __ATOMIC_RELAXED), wake = 0;
        bool settled = tr_budgets_poll(budgets, lcore, now, &plan, now / TR_S % 3 == 0, false, &wake);

        waiting = 0;
        for (uint32_t i = 0; i < OPEN; i++) {
            if (open[i].waits && settled)
                answer_take(&open[i], lcore);
            if (!open[i].waits && begun < TRACES)
                begin(&open[i], lcore, begun++);
            waiting += open[i].waits;
        }
        if (!said && begun == TRACES && !waiting) {
            said = true;
            __atomic_add_fetch(&done, 1, __ATOMIC_RELEASE);
        }
        sched_yield();
    }
    return NULL;
}

static void threads_agree_and_no_tick_has_more_than_its_budget(void **state)
{
    const struct tr_budget_terms terms = {.rate = RATE, .burst = RATE, .share = RATE};
    pthread_t threads[LCORES];
    uint64_t all = 0;
    int slot = tr_budgets_slot(&budgets, LCORES, "b", "b", &terms);

    assert_int_equal(slot, 0);
    plan.slots = 1;
    plan.terms[0] = terms;
    share = (struct tr_budget_share){.budgets = budgets, .burst = RATE};
    for (uintptr_t i = 0; i < LCORES; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, (void *)i), 0);
    for (uint32_t i = 0; i < LCORES; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < LCORES; i++) {
        assert_int_equal(kept[i] + refused[i], TRACES);
        all += kept[i];
    }
    assert_true(budgets->settled > 100 && budgets->settled < TICKS);
    for (uint32_t tick = 0; tick < budgets->settled; tick++) {
        uint64_t spans = 0;

        for (uint32_t i = 0; i < LCORES; i++)
            spans += kept_in[i][tick];
        assert_true(spans <= RATE);
    }
    assert_true(all > 1000);
    tr_budgets_release(budgets, &plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_agree_and_no_tick_has_more_than_its_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
