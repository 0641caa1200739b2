// SPDX-License-Identifier: Apache-2.0
// Configs that spend budgets, and a model of what is to spend: written down a second time, for all lcores in one place. A
// spy at each owner's decider sees who asks for what, and each answer. In every third world.
//
// Who has asked is taken from what the trace carries. What must follow of it: who gets something (the lowest ranks, each
// bucket of them that fits; shares first, then what they lend), what a budget has left, what each trace is answered, and
// that no second has more than the limit.
#include "world.h"

#include "base/hash.h"
#include "policy/budget.h"

#define ERRORS "{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}"
#define GOLD   "{name: gold, type: string_attribute, string_attribute: {key: tier, values: [gold]}}"
#define LIMIT(rate) "type: rate_limiting, rate_limiting: {spans_per_second: " #rate "}}"
#define ALL    "{name: all, type: always_sample}"

static const char *const texts[SIM_LIMITS] = {
    "policies: [" ERRORS ", {name: limit, " LIMIT(300) "]",
    "policies: [{name: c, type: composite, composite: {max_total_spans_per_second: 200, composite_sub_policy: [" ERRORS ", "
    "{name: some, " LIMIT(150) ", " ALL "]}}]",
    "policies: [{name: d, type: drop, drop: {drop_sub_policy: [{name: few, " LIMIT(100) "]}}, {name: limit, " LIMIT(200) "]",
    "policies: [{name: b, type: bytes_limiting, bytes_limiting: {bytes_per_second: 20000, burst_capacity: 30000}}]",
    "policies: [{name: k, type: composite, composite: {max_total_spans_per_second: 150, policy_order: [gold, errors, all], "
    "rate_allocation: [{policy: gold, percent: 50}, {policy: errors, percent: 30}], composite_sub_policy: [" ERRORS ", " GOLD
    ", " ALL "]}}]",
    "sample_on_first_match: true\npolicies: [" ERRORS ", {name: limit, " LIMIT(100) ", {name: more, " LIMIT(60) "]",
    "policies: [{name: a, type: and, and: {and_sub_policy: [" ERRORS ", {name: l, " LIMIT(40) "]}}]",
    "policies: [{name: small, type: rate_limiting, rate_limiting: {spans_per_second: 30, burst_capacity: 10}}]",
    "policies: [{name: limit, " LIMIT(100) ", {name: s, type: ema_dynamic, ema_dynamic: {goal_sample_rate: 4, adjustment_interval: "
    "1s, age_out_value: 0.00001, field_list: [tier]}}]",
};

// What each spends: a share of a budget.
struct share {
    unsigned limit, policy;
    const char *key, *budget;
    uint32_t stage, order;
    uint64_t rate, burst, share;
};
static const struct share shares[] = {
    {0, 1, "limit", "limit", 0, 0, 300, 600, 300},   {1, 0, "c/1 some", "c/1 some", 0, 0, 150, 300, 150},
    {1, 0, "c//errors", "c", 1, 0, 200, 200, 66},    {1, 0, "c//some", "c", 1, 1, 200, 200, 66},
    {1, 0, "c//all", "c", 1, 2, 200, 200, 66},       {2, 0, "d/0 few", "d/0 few", 0, 0, 100, 200, 100},
    {2, 1, "limit", "limit", 1, 0, 200, 400, 200},   {3, 0, "b", "b", 0, 0, 20000, 30000, 20000},
    {4, 0, "k//gold", "k", 0, 0, 150, 150, 75},      {4, 0, "k//errors", "k", 0, 1, 150, 150, 45},
    {4, 0, "k//all", "k", 0, 2, 150, 150, 50},       {5, 1, "limit", "limit", 0, 0, 100, 200, 100},
    {5, 2, "more", "more", 1, 0, 60, 120, 60},       {6, 0, "a/1 l", "a/1 l", 0, 0, 40, 80, 40},
    {7, 0, "small", "small", 0, 0, 30, 10, 30},      {8, 0, "limit", "limit", 0, 0, 100, 200, 100},
};
#define SHARES   TR_NELEMS(shares)
#define OF_BYTES 3

// A budget, named by the first share of it.
#define TICKS_KEPT 64
struct budget {
    bool begun;
    unsigned __int128 saved; // in billionths
    uint64_t at_ns;
    struct {
        uint64_t at_ns, weight;
    } spent[TICKS_KEPT];
    uint32_t ticks;
};

#define ASKS 4096
struct ask {
    uint16_t trace, share;
    uint32_t tick, bucket;
    uint64_t weight;
    bool settled, granted;
};

static struct model {
    struct budget budgets[SHARES];
    int terms[SHARES]; // by the first share of that key: whose terms hold; -1: it is not there
    struct ask asks[ASKS];
    uint32_t asks_count, settled;
    uint64_t at_ns;
} model;

void sim_limits_write(unsigned limit, char *text, size_t room)
{
    snprintf(text, room, "%s", texts[limit]);
}

bool sim_limits_want(const struct sim_trace *trace, unsigned limit)
{
    return limit != 6 || trace->error;
}

bool sim_limits_refuse(const struct sim_trace *trace, unsigned limit)
{
    return !((limit == 0 || limit == 5) && trace->error);
}

const char *sim_limits_name(unsigned limit, uint16_t policy)
{
    static const char *const names[SIM_LIMITS][3] = {{"errors", "limit"}, {"c"},  {"d", "limit"}, {"b"}, {"k"},
                                                     {"errors", "limit", "more"}, {"a"}, {"small"},
                                                     {"limit", "s"}};

    return policy < 3 && names[limit][policy] ? names[limit][policy] : "";
}

// --- the model

static uint32_t key_of(uint32_t share)
{
    uint32_t key = 0;

    while (strcmp(shares[key].key, shares[share].key) != 0)
        key++;
    return key;
}

static struct budget *budget_of(uint32_t share)
{
    uint32_t first = 0;

    while (strcmp(shares[first].budget, shares[share].budget) != 0)
        first++;
    return &model.budgets[first];
}

static const struct tr_budgets *budgets_of(const struct sim_world *world)
{
    return world->mesh->epoch ? world->mesh->epoch->policies->budgets : NULL;
}

static bool is_there(const struct tr_budgets *budgets, const char *key)
{
    for (uint32_t i = 0; budgets && i < TR_BUDGET_SLOTS_MAX; i++)
        if (budgets->slots[i] && strcmp(budgets->slots[i]->key, key) == 0)
            return true;
    return false;
}

// A config has come, others have gone, and what they had saved with them if nobody else knows it.
void sim_limits_swapped(struct sim_world *world)
{
    const struct tr_budgets *budgets = budgets_of(world);
    unsigned limit = world->config_of[world->epoch] - SIM_CONFIGS;

    for (uint32_t i = 0; i < SHARES; i++) {
        if (!is_there(budgets, shares[i].key)) {
            model.terms[key_of(i)] = -1;
            memset(budget_of(i), 0, sizeof(struct budget));
        }
    }
    for (uint32_t i = 0; i < SHARES; i++)
        if (shares[i].limit == limit && model.terms[key_of(i)] < 0)
            model.terms[key_of(i)] = (int)i;
}

static uint64_t room_of(struct budget *budget, const struct share *terms, uint64_t at_ns)
{
    unsigned __int128 most = (unsigned __int128)terms->burst * TR_S;
    uint64_t spent = 0, left;

    budget->saved = budget->begun ? budget->saved + (unsigned __int128)terms->rate * (at_ns - budget->at_ns) : most;
    // What does not fit is lost, with its fraction.
    if (budget->saved / TR_S >= terms->burst)
        budget->saved = most;
    budget->begun = true;
    budget->at_ns = at_ns;
    for (uint32_t i = 0; i < TR_MIN(budget->ticks, (uint32_t)TICKS_KEPT); i++)
        if (at_ns - budget->spent[i].at_ns < TR_S)
            spent += budget->spent[i].weight;
    left = terms->burst - TR_MIN(spent, terms->burst);
    return TR_MIN((uint64_t)(budget->saved / TR_S), left);
}

static uint64_t bucket_weight(uint32_t tick, uint32_t key, uint32_t bucket)
{
    uint64_t weight = 0;

    for (uint32_t i = 0; i < TR_MIN(model.asks_count, (uint32_t)ASKS); i++) {
        const struct ask *ask = &model.asks[i];

        if (ask->tick == tick && !ask->settled && !ask->granted && key_of(ask->share) == key && ask->bucket == bucket)
            weight += ask->weight;
    }
    return weight;
}

// The lowest bucket of `key` from `from` on that somebody is in. Returns UINT32_MAX: none.
static uint32_t bucket_next(uint32_t tick, uint32_t key, uint32_t from)
{
    uint32_t next = UINT32_MAX;

    for (uint32_t i = 0; i < TR_MIN(model.asks_count, (uint32_t)ASKS); i++) {
        const struct ask *ask = &model.asks[i];

        if (ask->tick == tick && !ask->settled && !ask->granted && key_of(ask->share) == key && ask->bucket >= from)
            next = TR_MIN(next, ask->bucket);
    }
    return next;
}

static uint64_t serve(uint32_t tick, uint32_t key, uint64_t room)
{
    uint64_t taken = 0;

    for (uint32_t bucket = 0; (bucket = bucket_next(tick, key, bucket)) != UINT32_MAX; bucket++) {
        uint64_t weight = bucket_weight(tick, key, bucket);

        if (weight > room - taken)
            continue;
        taken += weight;
        for (uint32_t i = 0; i < TR_MIN(model.asks_count, (uint32_t)ASKS); i++) {
            struct ask *ask = &model.asks[i];

            ask->granted |= ask->tick == tick && !ask->settled && key_of(ask->share) == key && ask->bucket == bucket;
        }
    }
    return taken;
}

// The keys of a budget that were asked in the tick, in their order. Returns how many.
static uint32_t asked_keys(uint32_t tick, const struct budget *budget, uint32_t keys[SHARES])
{
    uint32_t count = 0;

    for (uint32_t order = 0; order < 3; order++)
        for (uint32_t i = 0; i < SHARES; i++)
            if (key_of(i) == i && budget_of(i) == budget && model.terms[i] >= 0 && shares[model.terms[i]].order == order &&
                bucket_next(tick, i, 0) != UINT32_MAX)
                keys[count++] = i;
    return count;
}

static void budget_settle(uint32_t tick, struct budget *budget, uint64_t at_ns)
{
    uint32_t keys[SHARES], count = asked_keys(tick, budget, keys);
    const struct share *terms;
    uint64_t all, left;

    if (!count)
        return;
    terms = &shares[model.terms[keys[0]]];
    all = left = room_of(budget, terms, at_ns);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t share = (uint64_t)((unsigned __int128)all * shares[model.terms[keys[i]]].share / terms->rate);

        left -= serve(tick, keys[i], TR_MIN(share, left));
    }
    for (uint32_t i = 0; i < count; i++)
        left -= serve(tick, keys[i], left);
    budget->saved -= (unsigned __int128)(all - left) * TR_S;
    budget->spent[budget->ticks % TICKS_KEPT].at_ns = at_ns;
    budget->spent[budget->ticks++ % TICKS_KEPT].weight = all - left;
}

// The lcore has settled a tick, or somebody before it; `newest` is what it walked under.
bool sim_limits_settled(struct sim_world *world, uint32_t newest)
{
    const struct tr_budgets *budgets = budgets_of(world);
    unsigned limit = world->config_of[newest] - SIM_CONFIGS;
    uint64_t at_ns = world->now / TR_BUDGET_EARLY_NS * TR_BUDGET_EARLY_NS;
    uint32_t tick = model.settled;

    if (!budgets || budgets->settled == model.settled)
        return true;
    if (budgets->settled != ++model.settled)
        return sim_fail(world, "tick %u is settled, and %u was before", budgets->settled, tick);
    if (budgets->at_ns != at_ns || (tick && at_ns - model.at_ns < TR_BUDGET_EARLY_NS))
        return sim_fail(world, "tick %u was settled at %llu ns for %llu ns, the one before at %llu ns", tick,
                        (unsigned long long)world->now, (unsigned long long)budgets->at_ns, (unsigned long long)model.at_ns);
    model.at_ns = at_ns;
    for (uint32_t i = 0; i < SHARES; i++) // terms change where the share is asked
        if (shares[i].limit == limit && bucket_next(tick, key_of(i), 0) != UINT32_MAX)
            model.terms[key_of(i)] = (int)i;
    for (uint32_t i = 0; i < SHARES; i++)
        budget_settle(tick, &model.budgets[i], at_ns);
    for (uint32_t i = 0; i < TR_MIN(model.asks_count, (uint32_t)ASKS); i++)
        if (model.asks[i].tick == tick && !model.asks[i].settled) {
            model.asks[i].settled = true;
            sim_reaches("limit %u: %s %s", shares[model.asks[i].share].limit, shares[model.asks[i].share].key,
                        model.asks[i].granted ? "granted" : "refused");
        }
    return true;
}

// --- what owners ask, and are answered

static int share_find(unsigned limit, const char *key)
{
    for (uint32_t i = 0; i < SHARES; i++)
        if (shares[i].limit == limit && strcmp(shares[i].key, key) == 0)
            return (int)i;
    return -1;
}

// The last time that a trace asked for a share. Returns NULL: it has not.
static const struct ask *ask_find(uint32_t trace, uint32_t share)
{
    for (uint32_t n = 0; n < TR_MIN(model.asks_count, (uint32_t)ASKS); n++) {
        const struct ask *ask = &model.asks[(model.asks_count - 1 - n) % ASKS];

        if (ask->trace == trace && ask->share == share)
            return ask;
    }
    return NULL;
}

static bool asked(struct sim_world *world, const struct tr_trace *trace, uint32_t index, unsigned limit, uint32_t slot)
{
    const struct tr_budgets *budgets = budgets_of(world);
    int share = share_find(limit, budgets->slots[slot]->key);
    uint32_t tick = budgets->lcore[trace->lcore].closed;

    if (share < 0 || tick != trace->asked->tick + shares[share].stage)
        return sim_fail(world, "trace %u asks for %s in tick %u, it came up in %u", index, budgets->slots[slot]->key, tick,
                        trace->asked->tick);
    model.asks[model.asks_count++ % ASKS] =
        (struct ask){.trace = (uint16_t)index,
                     .share = (uint16_t)share,
                     .tick = tick,
                     .bucket = tr_budget_bucket(tr_budget_rank(trace->trace_id)),
                     .weight = limit == OF_BYTES ? trace->bytes + 3ull * trace->spans : trace->spans};
    return true;
}

// Has it got what a policy wants?
static bool has_got(const struct tr_trace *trace, uint32_t index, unsigned limit, unsigned policy)
{
    for (uint32_t i = 0; i < SHARES; i++) {
        const struct ask *ask = shares[i].limit == limit && shares[i].policy == policy ? ask_find(index, i) : NULL;

        // That of a sub-policy pays for nothing yet.
        if (ask && ask->granted && ask->tick - trace->asked->tick == shares[i].stage && strcmp(shares[i].key, "c/1 some") != 0)
            return true;
    }
    return false;
}

static bool answer_holds(struct sim_world *world, const struct tr_trace *trace, uint32_t index, unsigned limit,
                         enum tr_answer answer, uint16_t policy)
{
    bool drops = limit == 2;
    bool spends = !((limit == 0 || limit == 5) && policy == 0) && !(limit == SIM_LIMIT_SAMPLED && policy == 1);
    unsigned first = 0;

    if (answer == TR_ANSWER_KEEP && !spends)
        return true; // an error, or a sampler, which ask nobody
    while (first < 3 && !has_got(trace, index, limit, first))
        first++;
    if (drops && first == 0)
        return (answer == TR_ANSWER_DROP && policy == 0) ||
               sim_fail(world, "trace %u has got its share of few, and is not dropped for that", index);
    if (answer == TR_ANSWER_DROP)
        return first == 3 || sim_fail(world, "trace %u was refused by limit %u, though policy %u has got its share", index, limit,
                                      first);
    return first == policy || sim_fail(world, "trace %u is kept by policy %u of limit %u, the model has %u", index, policy, limit,
                                       first);
}

bool sim_limits_hold(struct sim_world *world, const struct tr_trace *trace, uint64_t slots_before, enum tr_answer answer,
                     uint16_t policy)
{
    uint32_t index = (uint32_t)trace->trace_id[14] << 8 | trace->trace_id[15];
    unsigned limit = world->config_of[trace->epoch] - SIM_CONFIGS;

    if (world->config_of[trace->epoch] < SIM_CONFIGS || limit >= SIM_LIMITS || trace->again)
        return true;
    for (uint64_t fresh = trace->asked->slots & ~trace->asked->refused & ~slots_before; fresh; fresh &= fresh - 1)
        if (!asked(world, trace, index, limit, (uint32_t)__builtin_ctzll(fresh)))
            return false;
    return answer == TR_ANSWER_PENDING || answer_holds(world, trace, index, limit, answer, policy);
}

void sim_limits_open(void)
{
    memset(&model, 0, sizeof(model));
    for (uint32_t i = 0; i < SHARES; i++)
        model.terms[i] = -1;
}
