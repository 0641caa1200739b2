// SPDX-License-Identifier: Apache-2.0
// What a tick's questions get: one lcore works it out for all of them, while none of them adds to that tick.
#include "policy/budget.h"

static uint64_t spent_last_second(const struct tr_budget_saved *saved)
{
    uint64_t quantum = saved->at_ns / TR_BUDGET_EARLY_NS, weight = 0;

    for (uint32_t i = 0; i < TR_BUDGET_QUANTA; i++)
        if (quantum - saved->spent[i].quantum < TR_BUDGET_QUANTA)
            weight += saved->spent[i].weight;
    return weight;
}

uint64_t tr_budget_refill(struct tr_budget_saved *saved, const struct tr_budget_terms *terms, uint64_t at_ns)
{
    unsigned __int128 fresh = saved->remainder + (unsigned __int128)terms->rate * (at_ns - saved->at_ns);
    uint64_t spent;

    if (!saved->begun || fresh / TR_S >= terms->burst - TR_MIN(terms->burst, saved->tokens)) {
        saved->tokens = terms->burst;
        saved->remainder = 0;
    } else {
        saved->tokens += (uint64_t)(fresh / TR_S);
        saved->remainder = (uint64_t)(fresh % TR_S);
    }
    saved->begun = true;
    saved->at_ns = at_ns;
    spent = spent_last_second(saved);
    return TR_MIN(saved->tokens, terms->burst - TR_MIN(spent, terms->burst));
}

void tr_budget_spend(struct tr_budget_saved *saved, uint64_t weight)
{
    uint64_t quantum = saved->at_ns / TR_BUDGET_EARLY_NS;
    uint32_t i = quantum % TR_BUDGET_QUANTA;

    if (saved->spent[i].quantum != quantum)
        saved->spent[i].weight = 0;
    saved->spent[i].quantum = quantum;
    saved->spent[i].weight += weight;
    saved->tokens -= weight;
}

// Returns the weight of all.
static uint64_t demand_sum(const struct tr_budgets *budgets, struct tr_budget_slot *slot, uint32_t number, uint32_t tick)
{
    uint64_t weight = 0;

    memset(slot->sum, 0, sizeof(slot->sum));
    memset(slot->granted[tick % TR_BUDGET_STAGES_MAX], 0, sizeof(slot->granted[0]));
    for (uint32_t lcore = 0; lcore < budgets->lcores; lcore++) {
        const uint64_t *demand = tr_budget_demand(slot, lcore, tick);

        if (!(budgets->lcore[lcore].asked[tick & 1] >> number & 1))
            continue;
        for (uint32_t bucket = 0; bucket < TR_BUDGET_BUCKETS; bucket++)
            slot->sum[bucket] += demand[bucket];
    }
    for (uint32_t bucket = 0; bucket < TR_BUDGET_BUCKETS; bucket++)
        weight += slot->sum[bucket];
    return weight;
}

// After it was served: what is left is what was refused.
static void chance_note(struct tr_budget_slot *slot, uint32_t tick, uint64_t weight)
{
    uint64_t refused = 0;

    for (uint32_t bucket = 0; bucket < TR_BUDGET_BUCKETS; bucket++)
        refused += slot->sum[bucket];
    slot->chance[tick % TR_BUDGET_STAGES_MAX] =
        refused ? (uint64_t)((unsigned __int128)UINT64_MAX * (weight - refused) / weight) : UINT64_MAX;
}

// Serve the buckets from the lowest on, each that fits. Returns what they took.
static uint64_t serve(struct tr_budget_slot *slot, uint32_t tick, uint64_t room)
{
    uint64_t *granted = slot->granted[tick % TR_BUDGET_STAGES_MAX];
    uint64_t taken = 0;

    for (uint32_t bucket = 0; bucket < TR_BUDGET_BUCKETS; bucket++) {
        if (!slot->sum[bucket] || slot->sum[bucket] > room - taken)
            continue;
        taken += slot->sum[bucket];
        slot->sum[bucket] = 0; // not a second time, when shares are lent
        granted[bucket / 64] |= 1ull << bucket % 64;
    }
    return taken;
}

static void budget_settle(struct tr_budget_slot **slots, uint32_t count, uint32_t tick, uint64_t at_ns)
{
    struct tr_budget_saved *saved = &slots[0]->budget->saved;
    const struct tr_budget_terms *terms = &slots[0]->terms;
    uint64_t all = tr_budget_refill(saved, terms, at_ns), left = all;

    if (count > 1 || terms->share < terms->rate) {
        for (uint32_t i = 0; i < count; i++) {
            // An early tick has a part of the second's budget, and so have its shares.
            uint64_t share = (uint64_t)((unsigned __int128)all * slots[i]->terms.share / TR_MAX(1u, terms->rate));

            left -= serve(slots[i], tick, TR_MIN(share, left));
        }
    }
    for (uint32_t i = 0; i < count; i++)
        left -= serve(slots[i], tick, left);
    tr_budget_spend(saved, all - left);
}

// Those that are shares of the same budget, in their order. Takes them out of *asked.
static uint32_t group_take(struct tr_budgets *budgets, uint64_t *asked, struct tr_budget_slot **group)
{
    const struct tr_budget *budget = budgets->slots[__builtin_ctzll(*asked)]->budget;
    uint32_t count = 0;

    for (uint64_t left = *asked; left; left &= left - 1) {
        int number = __builtin_ctzll(left);
        struct tr_budget_slot *slot = budgets->slots[number];
        uint32_t at = count;

        if (slot->budget != budget)
            continue;
        for (; at && group[at - 1]->terms.order > slot->terms.order; at--)
            group[at] = group[at - 1];
        group[at] = slot;
        count++;
        *asked &= ~(1ull << number);
    }
    return count;
}

void tr_budgets_settle(struct tr_budgets *budgets, uint32_t tick, const struct tr_budget_plan *newest, uint64_t at_ns)
{
    struct tr_budget_slot *group[TR_BUDGET_SLOTS_MAX];
    uint64_t weights[TR_BUDGET_SLOTS_MAX], asked = 0, served;

    at_ns = TR_MAX(at_ns, budgets->at_ns);
    for (uint32_t lcore = 0; lcore < budgets->lcores; lcore++)
        asked |= budgets->lcore[lcore].asked[tick & 1];
    for (uint64_t left = asked; left; left &= left - 1) {
        uint32_t number = (uint32_t)__builtin_ctzll(left);

        if (newest->slots >> number & 1)
            budgets->slots[number]->terms = newest->terms[number];
        weights[number] = demand_sum(budgets, budgets->slots[number], number, tick);
    }
    served = asked;
    while (asked) {
        uint32_t count = group_take(budgets, &asked, group);

        budget_settle(group, count, tick, at_ns);
    }
    for (; served; served &= served - 1)
        chance_note(budgets->slots[__builtin_ctzll(served)], tick, weights[__builtin_ctzll(served)]);
    tr_store_relaxed(&budgets->at_ns, at_ns);
}
