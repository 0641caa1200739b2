// SPDX-License-Identifier: Apache-2.0
//
// Budgets: essay.
//
// "At most so many spans a second" is one number for the process, while traces are decided on every lcore. To take
// from a shared bucket as they come would make the answer hang on who came first, and every lcore wait for one line of
// memory. Instead time is cut into ticks of a second. A trace that asks is parked, its weight added to a histogram of
// its lcore, by *rank*: a hash of its trace id. When the tick is over the histograms of all lcores are summed, and the
// ranks are served from the lowest on: a bucket of ranks that fits what is left gets it, one that does not is passed
// over, so that one large trace doesn't stand before many small ones. Every lcore then asks its parked traces again,
// and each finds its answer by its rank. So what is kept follows from what asked in the tick, not from the number of
// lcores, the skew between them, or who came first.
//
// Buckets are 256 to an octave of ranks: however small the share that can be kept is, a bucket at its edge is less than
// a 256th of it; with some hundred traces in a tick a bucket is a trace.
//
//     a slot, 4 lcores        2 x 4 x 34 KiB of demand, 34 KiB of sum, 2 KiB of grants    307 KiB, only if it is used
//     a trace that asks       a hash, an add to a line of the histogram; twice through the policies
//     a tick                  a wake-up of each lcore, and for each slot a sum of 4,352 numbers an lcore: some 2 us each
//
// Saved between ticks is what the budget's bucket of tokens says: `rate` a second, up to `burst`; of a composite, whose
// second begins anew, burst is rate. A slot has a share of the rate before others; what it leaves is lent, in the order
// of the slots. What a budget may spend comes from tr_budget_refill() alone: there a lease from a cluster would go.
//
// The protocol. `settled` counts ticks. An lcore has closed as many or one more. Who has something in the open tick and
// sees its time come, stores settled + 1 to `wanted` and wakes the others. Each closes: from here on it adds to the
// other half of its histograms, and counts itself in `arrived`. The last one settles: it alone reads all halves and
// writes the grants, then stores `settled` and wakes all. Who sees that asks its parked traces again, and closes no
// further tick before it is through with them.
//
//   - Nothing is added to what is being summed: an lcore closes before it is counted, and adds to its other half.
//   - A half is cleared by its lcore when that sees its tick settled: it was summed for the last time then, and it is not
//     added to before the next tick is closed.
//   - Grants of the last four ticks stay, since a trace may ask up to four limits that wait for each other: a budget
//     in a composite, or behind another under sample_on_first_match. Each has a stage, in ticks since the trace first
//     came up. Who settles a tick writes over the grants of four ticks ago, whose traces are all decided: every lcore
//     was through with them before it closed.
//   - `wanted` is never ahead of what its writer has not closed, so two writers store the same number.
//   - Nobody wants a tick in which nothing was asked: idle lcores sleep. One asleep when a tick is wanted is woken, has
//     nothing to add, closes and sleeps on. (docs/model/budget.pml has all of this.)
//   - Nothing waits for room: an lcore that is still passing on answers waits for class 2 rings, which always drain.
//   - A config's slots stay while a tick is open in which its traces have asked: the lcore holds its epoch for that
//     long (tr_budgets_epoch_oldest), also when the traces are long decided. Slots have keys (the names of their
//     policies), so the same limit in the next config goes on with what was saved: a swap in the middle of a tick opens
//     no second budget. The terms are those of the newest config that knows the slot.
//   - A journal or table that waits for a parked trace wants its tick early, at most sixteen times a second. Tokens come
//     in proportion to time, and over any second no more than `burst` goes, whatever the ticks were.
//   - Draining changes nothing: what is parked is decided at the end of its tick, at most a second later.
//
// What a trace asked for is frozen in its struct tr_asked: when spans that come while it is parked make other policies
// match, those get nothing (refused: changed) unless they need no budget. Such spans are late: they follow the decision
// and cost no budget.
#include "policy/budget.h"

#include "base/hash.h"

TR_COUNTERS_DEFINE(budget, TR_BUDGET_COUNTERS)

// --- control

uint64_t tr_budget_slot_bytes(uint32_t lcores)
{
    return sizeof(struct tr_budget_slot) + sizeof(struct tr_budget) +
           (uint64_t)lcores * 2 * TR_BUDGET_BUCKETS * sizeof(uint64_t);
}

static struct tr_budgets *budgets_create(uint32_t lcores)
{
    size_t bytes = sizeof(struct tr_budgets) + lcores * sizeof(struct tr_budget_lcore);
    struct tr_budgets *budgets = aligned_alloc(TR_CACHE_LINE, TR_ALIGN_UP(bytes, (size_t)TR_CACHE_LINE));

    if (!budgets)
        return NULL;
    memset(budgets, 0, bytes);
    budgets->lcores = lcores;
    for (uint32_t i = 0; i < lcores; i++)
        budgets->lcore[i].end_ns = TR_NEVER;
    return budgets;
}

static void slot_free(struct tr_budget_slot *slot)
{
    if (slot->budget && --slot->budget->slots == 0) {
        free(slot->budget->key);
        free(slot->budget);
    }
    free(slot->demand);
    free(slot->key);
    free(slot);
}

static struct tr_budget *budget_find(const struct tr_budgets *budgets, const char *key)
{
    for (uint32_t i = 0; i < TR_BUDGET_SLOTS_MAX; i++)
        if (budgets->slots[i] && strcmp(budgets->slots[i]->budget->key, key) == 0)
            return budgets->slots[i]->budget;
    return NULL;
}

static struct tr_budget_slot *slot_create(const struct tr_budgets *budgets, const char *budget, const char *key,
                                          const struct tr_budget_terms *terms)
{
    struct tr_budget_slot *slot = calloc(1, sizeof(*slot));

    if (!slot)
        return NULL;
    slot->terms = *terms;
    slot->key = strdup(key);
    slot->demand = calloc((size_t)budgets->lcores * 2 * TR_BUDGET_BUCKETS, sizeof(uint64_t));
    slot->budget = budget_find(budgets, budget);
    if (!slot->budget) {
        slot->budget = calloc(1, sizeof(*slot->budget));
        if (slot->budget)
            slot->budget->key = strdup(budget);
    }
    if (slot->budget)
        slot->budget->slots++;
    if (slot->key && slot->demand && slot->budget && slot->budget->key)
        return slot;
    slot_free(slot);
    return NULL;
}

int tr_budgets_slot(struct tr_budgets **budgets, uint32_t lcores, const char *budget, const char *key,
                    const struct tr_budget_terms *terms)
{
    int unused = -1;

    if (!*budgets && !(*budgets = budgets_create(lcores)))
        return -ENOMEM;
    if ((*budgets)->sets == 0)
        (*budgets)->sets = 1;
    for (int i = TR_BUDGET_SLOTS_MAX - 1; i >= 0; i--) {
        struct tr_budget_slot *slot = (*budgets)->slots[i];

        if (!slot) {
            unused = i;
        } else if (strcmp(slot->key, key) == 0) {
            slot->sets++;
            return i;
        }
    }
    if (unused < 0)
        return -ENOSPC;
    tr_store_release(&(*budgets)->slots[unused], slot_create(*budgets, budget, key, terms));
    if (!(*budgets)->slots[unused])
        return -ENOMEM;
    (*budgets)->slots[unused]->sets = 1;
    return unused;
}

void tr_budgets_use(struct tr_budgets *budgets)
{
    budgets->sets++;
}

void tr_budgets_release(struct tr_budgets *budgets, const struct tr_budget_plan *plan)
{
    for (uint64_t left = plan->slots; left; left &= left - 1) {
        int i = __builtin_ctzll(left);
        struct tr_budget_slot *slot = budgets->slots[i];

        if (--slot->sets == 0) {
            tr_store_release(&budgets->slots[i], NULL);
            slot_free(slot);
        }
    }
    if (--budgets->sets == 0)
        free(budgets);
}

// --- what traces ask

// Independent of what chooses the lcore and of `probabilistic`, and uniform whatever ids clients make.
uint64_t tr_budget_rank(const uint8_t trace_id[16])
{
    return tr_mix64(tr_hash_trace_id(trace_id) ^ 0x6275646765747321ull);
}

// The open tick has something in it: it ends with the second.
static void tick_touch(struct tr_budget_lcore *me, uint32_t epoch)
{
    uint32_t half = me->closed & 1;

    if (me->end_ns == TR_NEVER)
        me->end_ns = (me->now / TR_BUDGET_TICK_NS + 1) * TR_BUDGET_TICK_NS;
    if (!me->epoch[half] || epoch < me->epoch[half])
        me->epoch[half] = epoch;
}

void tr_budget_begin(struct tr_budgets *budgets, const struct tr_trace *trace)
{
    struct tr_asked *asked = trace->asked;

    budgets->lcore[trace->lcore].refused = 0;
    if (asked->begun)
        return;
    asked->begun = true;
    asked->tick = budgets->lcore[trace->lcore].closed;
}

static bool is_granted(const struct tr_budget_slot *slot, uint32_t tick, uint32_t bucket)
{
    return slot->granted[tick % TR_BUDGET_STAGES_MAX][bucket / 64] >> bucket % 64 & 1;
}

static enum tr_answer refuse(struct tr_budget_lcore *me, uint64_t bit, uint64_t *counter)
{
    me->refused |= bit;
    tr_count(counter, 1);
    return TR_ANSWER_DROP;
}

// What its rank gets in the tick is not for it: its weight is not there, or has grown since.
static enum tr_answer refuse_for_good(struct tr_budget_lcore *me, const struct tr_trace *trace, uint64_t bit,
                                      uint64_t *counter)
{
    trace->asked->slots |= bit;
    trace->asked->refused |= bit;
    return refuse(me, bit, counter);
}

bool tr_budget_chance(const struct tr_budget_share *share, const struct tr_trace *trace, uint64_t *chance)
{
    const struct tr_budget_lcore *me = &share->budgets->lcore[trace->lcore];
    uint32_t tick = trace->asked->tick + share->stage;

    if (!((trace->asked->slots & ~trace->asked->refused) >> share->slot & 1) || (int32_t)(me->seen - tick) <= 0)
        return false;
    *chance = share->budgets->slots[share->slot]->chance[tick % TR_BUDGET_STAGES_MAX];
    return true;
}

// Nothing is asked for: would it get something, were its rank what the draw says?
static enum tr_answer would_get(const struct tr_budget_share *share, const struct tr_trace *trace)
{
    uint64_t chance;

    return tr_budget_chance(share, trace, &chance) && trace->draws[share->draw] <= chance ? TR_ANSWER_KEEP
                                                                                          : TR_ANSWER_DROP;
}

enum tr_answer tr_budget_ask(const struct tr_budget_share *share, const struct tr_trace *trace, uint64_t weight)
{
    struct tr_budget_lcore *me = &share->budgets->lcore[trace->lcore];
    const struct tr_budget_slot *slot = share->budgets->slots[share->slot];
    uint32_t bucket = tr_budget_bucket(tr_budget_rank(trace->trace_id));
    uint32_t tick = trace->asked->tick + share->stage;
    uint64_t bit = 1ull << share->slot;
    bool asked = trace->asked->slots & bit;

    if (tr_unlikely(trace->draws != NULL))
        return would_get(share, trace);
    if (trace->asked->refused & bit) {
        me->refused |= bit;
        return TR_ANSWER_DROP;
    }
    if (!asked && weight > share->burst) // one that has asked may grow beyond it, while it is parked
        return refuse_for_good(me, trace, bit, &me->counters.refused_large);
    if ((int32_t)(me->closed - tick) < 0) { // it waits for another one first
        tick_touch(me, trace->epoch);
        return TR_ANSWER_PENDING;
    }
    if (me->closed == tick && !asked) {
        tr_budget_demand(slot, trace->lcore, tick)[bucket] += weight;
        me->asked[tick & 1] |= bit;
        trace->asked->slots |= bit;
        tr_count(&me->counters.asked, 1);
        tick_touch(me, trace->epoch);
        return TR_ANSWER_PENDING;
    }
    if (!asked)
        return refuse_for_good(me, trace, bit, &me->counters.refused_late);
    if ((int32_t)(me->seen - tick) <= 0)
        return TR_ANSWER_PENDING;
    return is_granted(slot, tick, bucket) ? TR_ANSWER_KEEP : refuse(me, bit, &me->counters.refused_spent);
}

// --- ticks

static bool tick_is_due(const struct tr_budgets *budgets, const struct tr_budget_lcore *me, bool hurry)
{
    uint64_t last_ns = tr_load_relaxed(&budgets->at_ns);

    if (me->end_ns == TR_NEVER || me->closed != me->seen)
        return false;
    return me->now >= TR_MAX(me->end_ns, last_ns + TR_BUDGET_TICK_NS) ||
           (hurry && me->now >= last_ns + TR_BUDGET_EARLY_NS);
}

static void others_wake(const struct tr_budgets *budgets, uint32_t lcore, uint64_t *wake)
{
    uint64_t all = budgets->lcores == 64 ? UINT64_MAX : (1ull << budgets->lcores) - 1;

    *wake |= all & ~(1ull << lcore);
}

// A tick is settled: its half is clean for the next but one. Not later: its slots stay only for as long as the tick is
// open.
static void half_clear(struct tr_budgets *budgets, uint32_t lcore, uint32_t tick)
{
    struct tr_budget_lcore *me = &budgets->lcore[lcore];

    for (uint64_t left = me->asked[tick & 1]; left; left &= left - 1)
        memset(tr_budget_demand(budgets->slots[__builtin_ctzll(left)], lcore, tick), 0,
               TR_BUDGET_BUCKETS * sizeof(uint64_t));
    me->asked[tick & 1] = 0;
    me->epoch[tick & 1] = 0;
}

// From here on this lcore adds to the next tick.
static void tick_close(struct tr_budgets *budgets, uint32_t lcore, const struct tr_budget_plan *newest, uint64_t *wake)
{
    struct tr_budget_lcore *me = &budgets->lcore[lcore];
    uint32_t tick = me->closed;
    uint64_t at_ns;

    me->closed = tick + 1;
    me->end_ns = TR_NEVER;
    if (__atomic_add_fetch(&budgets->arrived, 1, __ATOMIC_ACQ_REL) < budgets->lcores)
        return;
    tr_store_relaxed(&budgets->arrived, 0);
    at_ns = TR_MAX(me->now, tr_load_relaxed(&budgets->wanted_ns));
    tr_count(at_ns >= budgets->at_ns + TR_BUDGET_TICK_NS ? &me->counters.ticks : &me->counters.ticks_early, 1);
    tr_budgets_settle(budgets, tick, newest, at_ns / TR_BUDGET_EARLY_NS * TR_BUDGET_EARLY_NS);
    tr_store_release(&budgets->settled, tick + 1);
    others_wake(budgets, lcore, wake);
}

bool tr_budgets_poll(struct tr_budgets *budgets, uint32_t lcore, uint64_t now, const struct tr_budget_plan *newest,
                     bool hurry, bool settling, uint64_t *wake)
{
    struct tr_budget_lcore *me = &budgets->lcore[lcore];
    uint32_t settled;

    me->now = now;
    if (tick_is_due(budgets, me, hurry)) {
        if (tr_load_relaxed(&budgets->wanted) == me->closed)
            others_wake(budgets, lcore, wake);
        tr_store_relaxed(&budgets->wanted_ns, now);
        tr_store_release(&budgets->wanted, me->closed + 1);
    }
    if (!settling && (int32_t)(tr_load_acquire(&budgets->wanted) - me->closed) > 0)
        tick_close(budgets, lcore, newest, wake);
    settled = tr_load_acquire(&budgets->settled);
    if (settled == me->seen)
        return false;
    half_clear(budgets, lcore, me->seen);
    me->seen = settled;
    return true;
}

uint64_t tr_budgets_deadline(const struct tr_budgets *budgets, uint32_t lcore, bool hurry, bool settling)
{
    const struct tr_budget_lcore *me = &budgets->lcore[lcore];
    uint64_t last_ns = tr_load_relaxed(&budgets->at_ns), deadline;

    if (tr_budgets_has_input(budgets, lcore, settling))
        return 0;
    if (me->end_ns == TR_NEVER || me->closed != me->seen)
        return TR_NEVER;
    deadline = TR_MAX(me->end_ns, last_ns + TR_BUDGET_TICK_NS);
    return hurry ? TR_MIN(deadline, last_ns + TR_BUDGET_EARLY_NS) : deadline;
}

bool tr_budgets_has_input(const struct tr_budgets *budgets, uint32_t lcore, bool settling)
{
    const struct tr_budget_lcore *me = &budgets->lcore[lcore];

    return tr_load_acquire(&budgets->settled) != me->seen ||
           (!settling && (int32_t)(tr_load_acquire(&budgets->wanted) - me->closed) > 0);
}

uint32_t tr_budgets_epoch_oldest(const struct tr_budgets *budgets, uint32_t lcore)
{
    const struct tr_budget_lcore *me = &budgets->lcore[lcore];
    uint32_t open = me->epoch[me->closed & 1];
    uint32_t closed = me->closed != me->seen ? me->epoch[(me->closed + 1) & 1] : 0;

    return !open ? closed : !closed ? open : TR_MIN(open, closed);
}
