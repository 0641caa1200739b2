// SPDX-License-Identifier: Apache-2.0
// Budgets: what policies may let through a second, for the whole process however many lcores it has. The essay is in
// budget.c.
//
// A policy that spends asks for a share (a slot) of a budget, with what the trace weighs. The answer comes when the
// tick is over: PENDING until then.
//
// Threads: control compiles and frees; each lcore asks and polls for itself; the last one to close a tick settles it.
#ifndef TR_POLICY_BUDGET_H
#define TR_POLICY_BUDGET_H

#include "base/counter.h"
#include "base/error.h"
#include "trace/owner.h"

#define TR_BUDGET_TICK_NS  TR_S
#define TR_BUDGET_EARLY_NS (TR_S / 16) // the shortest tick, where the journal or the table cannot wait for its end

#define TR_BUDGET_SLOTS_MAX  64
#define TR_BUDGET_STAGES_MAX 4 // limits that wait for each other, in a row

// Ranks in buckets: 256 to an octave over the uppermost 16, and 256 for what lies below.
#define TR_BUDGET_BUCKETS (17 * 256)
#define TR_BUDGET_WORDS   (TR_BUDGET_BUCKETS / 64)

#define TR_BUDGET_COUNTERS(X)                                                                                \
    X(ticks, COUNTER, "budget_ticks_total", "when=\"tick\"", "Times that budgets were settled.")             \
    X(ticks_early, COUNTER, "budget_ticks_total", "when=\"early\"", "Times that budgets were settled.")      \
    X(asked, COUNTER, "budget_asked_total", "", "Times that a trace asked for a share of a budget.")         \
    X(refused_spent, COUNTER, "budget_refused_total", "reason=\"spent\"",                                    \
      "Times that a trace asked for a share of a budget and did not get it.")                                \
    X(refused_large, COUNTER, "budget_refused_total", "reason=\"larger_than_burst\"",                        \
      "Times that a trace asked for a share of a budget and did not get it.")                                \
    X(refused_late, COUNTER, "budget_refused_total", "reason=\"changed\"",                                   \
      "Times that a trace asked for a share of a budget and did not get it.")
TR_COUNTERS_DECLARE(budget, TR_BUDGET_COUNTERS)

// What a config says of a slot and its budget.
struct tr_budget_terms {
    uint64_t rate;  // weight a second that the budget gets
    uint64_t burst; // what it saves at most, and all that it lets through in a second
    uint64_t share; // of the rate, that this slot has before others; what they leave is lent in their order
    uint32_t order; // among the slots of the budget
};

// A set's part in the budgets.
struct tr_budget_plan {
    uint64_t slots; // bit n: terms[n] holds
    struct tr_budget_terms terms[TR_BUDGET_SLOTS_MAX];
};

// A share as a policy knows it.
struct tr_budget_share {
    struct tr_budgets *budgets;
    uint32_t slot;
    uint32_t stage; // ticks from a trace's first question to this one
    uint64_t burst; // what weighs more never passes
    uint16_t draw;  // of adjusted counts: trace->draws[draw] stands for the rank
};

// What is saved of a budget between ticks. Written by who settles.
#define TR_BUDGET_QUANTA 16
struct tr_budget_saved {
    bool begun;
    uint64_t tokens;
    uint64_t remainder; // of a token, in billionths
    uint64_t at_ns;
    struct {
        uint64_t quantum;
        uint64_t weight;
    } spent[TR_BUDGET_QUANTA]; // in the last second, by when
};

struct tr_budget {
    char *key;
    uint32_t slots; // that are of it; control only
    struct tr_budget_saved saved;
};

struct tr_budget_slot {
    char *key;
    uint32_t sets; // that use it; control only
    struct tr_budget *budget;
    struct tr_budget_terms terms; // as last settled by
    uint64_t *demand;             // [lcore][tick & 1][bucket]: weight asked for
    uint64_t sum[TR_BUDGET_BUCKETS];
    uint64_t granted[TR_BUDGET_STAGES_MAX][TR_BUDGET_WORDS]; // by tick: bit n: bucket n gets what it asked for
    uint64_t chance[TR_BUDGET_STAGES_MAX];                   // by tick: the part of all weight that did, of 2^64 - 1
};

// An lcore's part: its own, but that who settles reads what is closed.
struct tr_budget_lcore {
    uint64_t now tr_aligned(64);
    uint64_t end_ns;    // when the open tick may be closed; TR_NEVER: nothing is in it
    uint64_t asked[2];  // by tick & 1: slots that were asked
    uint32_t epoch[2];  // the oldest config whose traces did; 0: none
    uint32_t closed;    // ticks: what is asked now goes to the next one
    uint32_t seen;      // ticks whose answers were passed on
    uint64_t refused;   // slots that refused the trace which is being decided
    struct tr_budget_counters counters;
};

struct tr_budgets {
    uint32_t sets; // control only
    uint32_t lcores;
    struct tr_budget_slot *slots[TR_BUDGET_SLOTS_MAX]; // stored by control, read where some lcore's `asked` names it
    uint64_t at_ns;                  // when the last tick was settled
    uint64_t wanted_ns;              // clock of who wanted it closed: it may be ahead of that of who settles
    uint32_t wanted tr_aligned(64);  // ticks that somebody wants closed: settled, or one more
    uint32_t settled;                // ticks
    uint32_t arrived;                // lcores that have closed the one being settled
    struct tr_budget_lcore lcore[];
};

// --- control

// The slot of that key, made if it is not there; the set uses it until tr_budgets_release(). *budgets may be NULL: then
// they are created.
//
// budget  key of the budget it is a share of: equal keys share what is saved, from one config to the next too
// terms   of a slot that is made: until a tick is settled under the config that brings it
//
// Returns the slot, -ENOSPC: TR_BUDGET_SLOTS_MAX are in use; -ENOMEM.
int tr_budgets_slot(struct tr_budgets **budgets, uint32_t lcores, const char *budget, const char *key,
                    const struct tr_budget_terms *terms);
void tr_budgets_use(struct tr_budgets *budgets);
void tr_budgets_release(struct tr_budgets *budgets, const struct tr_budget_plan *plan);

// The memory of one slot, bytes.
uint64_t tr_budget_slot_bytes(uint32_t lcores);

// --- lcores

// A trace comes up for its first decision, or again: where its questions go.
void tr_budget_begin(struct tr_budgets *budgets, const struct tr_trace *trace);

// Ask for a share. Asking again costs nothing; the answer is the same on all lcores.
enum tr_answer tr_budget_ask(const struct tr_budget_share *share, const struct tr_trace *trace, uint64_t weight);

// The part of its tick that got what a trace has asked for, of 2^64 - 1: how likely it was that this one did. Returns
// false: it has not asked, or the tick is not over.
bool tr_budget_chance(const struct tr_budget_share *share, const struct tr_trace *trace, uint64_t *chance);

// A part of a turn: close the tick when it is time or somebody wants it, settle it when all have closed it.
//
// newest    the newest config that the lcore walks under: its terms hold
// hurry     a parked trace is in somebody's way
// settling  the owner still passes on the answers of the tick before
// wake      gets a bit for each lcore that has something to do now
//
// Returns true: answers have come, ask the parked traces again.
bool tr_budgets_poll(struct tr_budgets *budgets, uint32_t lcore, uint64_t now, const struct tr_budget_plan *newest,
                     bool hurry, bool settling, uint64_t *wake);
uint64_t tr_budgets_deadline(const struct tr_budgets *budgets, uint32_t lcore, bool hurry, bool settling);
bool tr_budgets_has_input(const struct tr_budgets *budgets, uint32_t lcore, bool settling);

// The oldest config whose traces have asked in a tick that is not settled; 0: none. Its slots must stay.
uint32_t tr_budgets_epoch_oldest(const struct tr_budgets *budgets, uint32_t lcore);

// --- inside

// What there is to spend at `at_ns`, by the terms of the budget (budget_settle.c).
uint64_t tr_budget_refill(struct tr_budget_saved *saved, const struct tr_budget_terms *terms, uint64_t at_ns);
void tr_budget_spend(struct tr_budget_saved *saved, uint64_t weight);
void tr_budgets_settle(struct tr_budgets *budgets, uint32_t tick, const struct tr_budget_plan *newest, uint64_t at_ns);

static inline uint64_t *tr_budget_demand(const struct tr_budget_slot *slot, uint32_t lcore, uint32_t tick)
{
    return slot->demand + ((size_t)lcore * 2 + (tick & 1)) * TR_BUDGET_BUCKETS;
}

uint64_t tr_budget_rank(const uint8_t trace_id[16]);

static inline uint32_t tr_budget_bucket(uint64_t rank)
{
    uint32_t octave;

    if (rank < 1ull << 48)
        return (uint32_t)(rank >> 40);
    octave = 63u - (uint32_t)__builtin_clzll(rank);
    return 256 * (octave - 47) + ((rank >> (octave - 8)) & 255);
}

#endif
