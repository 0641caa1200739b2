// SPDX-License-Identifier: Apache-2.0
// How likely it was that a set would keep a trace, given what the trace is: its adjusted count is one over that.
//
// What a trace is decides most policies. What is left are draws, uniform numbers: one for each salt of the hash, and the
// randomness of consistent sampling. A policy is then a question whether some draws are at most their limits, put
// together by and, not, drop and or. Policies that share a draw hang together; groups that share none do not. Of each
// group we need two numbers, found by asking its policies at one point of each cell that the limits cut the draws' space
// into:
//
//   calm    the probability that none of its drop policies drops
//   silent  the probability that none drops and none keeps either
//
// The trace is kept with the product of the calm less the product of the silent, over the groups. With one draw in all,
// sums of lengths are exact (lengths are integers of 64 bits, as is a long double's mantissa), hence so is `ot=th`.
//
// What a policy would say is asked of the policy itself, with trace->draws: there is no second set of rules to go wrong.
// Those that keep at no draw at all, whatever the trace is, leave the group first, and their limits with them: of a hundred
// policies for a hundred services, one or two are left. What asks one draw alone, and keeps less as it grows, keeps in the
// first cells of that draw: how many is found by halving. Only the others are asked in each cell.
//
// How many questions that took is said to the owner, whose turn has room for so many.
#include "policy/policy_set.h"

// Cells that a group may have at most.
#define CELLS_MAX 4096
#define LIMITS_MAX 1024
// Questions in all its cells: those take a millisecond or two.
#define ASKED_MAX 65536

struct group {
    uint64_t draws; // bit n: draw n
    uint32_t first, count; // in members
};

struct tr_policy_chances {
    uint32_t groups_count;
    bool dropping; // a drop policy leaves something to chance
    struct group groups[TR_DRAWS_MAX];
    uint64_t *uses;    // of each policy: bit n: it asks draw n
    bool *falls;       // of each: more draws may say so as they grow, not only fewer
    uint16_t *members; // of the groups, one behind the other
};

int tr_policy_draw_use(struct tr_policy *policy, const struct tr_policy_place *place, const char *name,
                       const char *option, struct tr_error *error)
{
    struct tr_policy_draws *draws = place->draws;
    bool consistent = strcmp(name, TR_DRAWS_RANDOMNESS) == 0;

    if (consistent)
        tr_predicates_shape(place->predicates, TR_SHAPE_OT, place->path);
    if (draws->adjusted == TR_ADJUSTED_OFF)
        return 0;
    if (draws->adjusted == TR_ADJUSTED_TRACESTATE && !consistent)
        return tr_error_set(error, EINVAL,
                            "%s.%s: draws by itself; tail_sampling.adjusted_count: tracestate needs consistent "
                            "sampling (mode: proportional or equalizing)",
                            place->path, option);
    if (draws->adjusted == TR_ADJUSTED_TRACESTATE && place->negated)
        return tr_error_set(error, EINVAL,
                            "%s.%s: under a not or in a drop it keeps traces below a threshold, which "
                            "tail_sampling.adjusted_count: tracestate can't say",
                            place->path, option);
    for (uint32_t i = 0; i < draws->count; i++) {
        if (strcmp(draws->names[i], name) == 0) {
            policy->drawing = true;
            policy->draw = (uint16_t)i;
            return 0;
        }
    }
    if (draws->count == TR_DRAWS_MAX)
        return tr_error_set(error, EINVAL, "%s.%s: more than %d different salts, where tail_sampling.adjusted_count is on",
                            place->path, option, TR_DRAWS_MAX);
    draws->names[draws->count] = strdup(name);
    if (!draws->names[draws->count])
        return tr_error_set(error, ENOMEM, "%s: no memory", place->path);
    policy->drawing = true;
    policy->draw = (uint16_t)draws->count++;
    return 0;
}

void tr_policy_draws_clear(struct tr_policy_draws *draws)
{
    for (uint32_t i = 0; i < draws->count; i++)
        free(draws->names[i]);
}

static uint64_t uses_of(const struct tr_policy *policy)
{
    uint64_t uses = policy->drawing ? 1ull << policy->draw : 0;

    for (uint32_t i = 0; i < policy->sub_count; i++)
        uses |= uses_of(&policy->sub[i]);
    return uses;
}

static bool falls_of(const struct tr_policy *policy)
{
    for (uint32_t i = 0; i < policy->sub_count; i++)
        if (falls_of(&policy->sub[i]))
            return true;
    return policy->type == &tr_policy_not && uses_of(policy);
}

static uint32_t limits_count(const struct tr_policy *policy, uint32_t draw)
{
    uint32_t count = policy->drawing && policy->draw == draw;

    for (uint32_t i = 0; i < policy->sub_count; i++)
        count += limits_count(&policy->sub[i], draw);
    return count;
}

// Does it go by one draw alone, and says so less as that grows?
static bool is_plain(const struct tr_policy_chances *chances, uint16_t policy)
{
    return !chances->falls[policy] && !(chances->uses[policy] & (chances->uses[policy] - 1));
}

static int group_check(const struct tr_policy_set_whole *whole, const struct group *group, struct tr_error *error)
{
    const uint16_t *members = whole->chances->members + group->first;
    uint64_t cells = 1, asked = 0;

    for (uint32_t i = 0; i < group->count; i++)
        asked += !is_plain(whole->chances, members[i]);

    for (uint64_t draws = group->draws; draws; draws &= draws - 1) {
        uint32_t limits = 0;

        for (uint32_t i = 0; i < group->count; i++)
            limits += limits_count(&whole->policies[members[i]], (uint32_t)__builtin_ctzll(draws));
        cells *= limits + 1;
        if (limits > LIMITS_MAX || cells > CELLS_MAX || cells * asked > ASKED_MAX)
            return tr_error_set(error, EINVAL,
                                "tail_sampling.policies[%u]: it and the policies that share its draws have more than %d "
                                "outcomes, where tail_sampling.adjusted_count is on; use fewer different salts, or one for all",
                                members[0], limits > LIMITS_MAX || cells > CELLS_MAX ? CELLS_MAX : ASKED_MAX);
    }
    return 0;
}

// The draws that hang together with `draws`.
static uint64_t closure(const struct tr_policy_set_whole *whole, uint64_t draws)
{
    const struct tr_policy_chances *chances = whole->chances;

    for (uint64_t before = 0; before != draws;) {
        before = draws;
        for (uint32_t i = 0; i < whole->policies_count; i++)
            draws |= chances->uses[i] & draws ? chances->uses[i] : 0;
    }
    return draws;
}

int tr_policy_chances_make(struct tr_policy_set_whole *whole, struct tr_error *error)
{
    uint32_t policies = whole->policies_count, members = 0;
    struct tr_policy_chances *chances =
        calloc(1, sizeof(*chances) + policies * (sizeof(uint64_t) + sizeof(uint16_t) + sizeof(bool)));
    uint64_t grouped = 0;

    if (!chances)
        return tr_error_set(error, ENOMEM, "no memory for adjusted counts");
    whole->chances = chances;
    chances->uses = (uint64_t *)(chances + 1);
    chances->members = (uint16_t *)(chances->uses + policies);
    chances->falls = (bool *)(chances->members + policies);
    for (uint32_t i = 0; i < policies; i++) {
        chances->uses[i] = uses_of(&whole->policies[i]);
        chances->falls[i] = falls_of(&whole->policies[i]);
        chances->dropping = chances->dropping || (chances->uses[i] && whole->policies[i].type == &tr_policy_drop);
    }
    for (uint32_t i = 0; i < policies; i++) {
        struct group *group = &chances->groups[chances->groups_count];
        int rc;

        if (!(chances->uses[i] & ~grouped))
            continue;
        *group = (struct group){.draws = closure(whole, chances->uses[i]), .first = members};
        grouped |= group->draws;
        for (uint32_t k = 0; k < policies; k++)
            if (chances->uses[k] & group->draws)
                chances->members[members++] = (uint16_t)k;
        group->count = members - group->first;
        chances->groups_count++;
        rc = group_check(whole, group, error);
        if (rc < 0)
            return rc;
    }
    return 0;
}

// --- of a trace

// A draw, cut by limits: cell n ends at ends[n].
struct cut {
    uint32_t draw;
    uint32_t cells, at;
    uint32_t drops, keeps; // so many of the first cells a plain policy drops in, and keeps in
    uint64_t *ends;
};

struct question {
    const struct tr_policy_set_whole *whole;
    struct tr_trace trace; // with `draws` set to those here
    uint64_t draws[TR_DRAWS_MAX];
    uint64_t most[TR_DRAWS_MAX]; // a draw above this did not come: samplers before this one held it back
    uint64_t asked;              // draws that mattered
    uint32_t questions;
    uint16_t live[TR_POLICIES_MAX]; // those that are not plain come to the front
    uint32_t live_count;
    uint64_t ends[LIMITS_MAX + 2 * TR_DRAWS_MAX];
    uint32_t ends_count;
};

static bool says_so(struct question *question, uint32_t policy)
{
    const struct tr_policy *of = &question->whole->policies[policy];

    question->questions++;
    return of->type->decide(of, &question->trace) == TR_ANSWER_KEEP;
}

static bool is_drop(const struct question *question, uint32_t policy)
{
    return question->whole->policies[policy].type == &tr_policy_drop;
}

static void limits_take(struct question *question, const struct tr_policy *policy, struct cut *cut)
{
    uint64_t limit, most = question->most[cut->draw];
    uint32_t at = cut->cells;

    for (uint32_t i = 0; i < policy->sub_count; i++)
        limits_take(question, &policy->sub[i], cut);
    if (!policy->drawing || policy->draw != cut->draw || !policy->type->limit(policy, &question->trace, &limit) ||
        limit >= most)
        return;
    while (at && cut->ends[at - 1] > limit)
        at--;
    if (at && cut->ends[at - 1] == limit)
        return;
    question->questions += (cut->cells - at) / 16;
    memmove(cut->ends + at + 1, cut->ends + at, (cut->cells - at) * sizeof(*cut->ends));
    cut->ends[at] = limit;
    cut->cells++;
}

static void cut_make(struct question *question, uint32_t draw, struct cut *cut)
{
    *cut = (struct cut){.draw = draw, .ends = question->ends + question->ends_count};
    for (uint32_t i = 0; i < question->live_count; i++)
        limits_take(question, &question->whole->policies[question->live[i]], cut);
    cut->ends[cut->cells++] = question->most[draw];
    question->ends_count += cut->cells;
    question->draws[draw] = cut->ends[0];
}

static long double cell_size(const struct cut *cut)
{
    long double end = (long double)cut->ends[cut->at] + 1;

    return (cut->at ? end - ((long double)cut->ends[cut->at - 1] + 1) : end) * 0x1p-64L;
}

// On to the next cell of the group. Returns false: that was the last.
static bool advance(struct question *question, struct cut *cuts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct cut *cut = &cuts[i];

        cut->at = cut->at + 1 < cut->cells ? cut->at + 1 : 0;
        question->draws[cut->draw] = cut->ends[cut->at];
        if (cut->at)
            return true;
    }
    return false;
}

// In how many of the draw's first cells does a plain policy say so?
static uint32_t cells_of(struct question *question, const struct cut *cut, uint16_t policy)
{
    uint32_t from = 0, to = cut->cells;

    while (from < to) {
        uint32_t middle = (from + to) / 2;

        question->draws[cut->draw] = cut->ends[middle];
        if (says_so(question, policy))
            from = middle + 1;
        else
            to = middle;
    }
    question->draws[cut->draw] = cut->ends[0];
    return from;
}

// Ask the plain ones. Returns how many are left, in front of `live`.
static uint32_t plain_ask(struct question *question, struct cut *cuts, uint32_t count)
{
    const struct tr_policy_chances *chances = question->whole->chances;
    uint32_t left = 0;

    for (uint32_t i = 0; i < question->live_count; i++) {
        uint16_t policy = question->live[i];
        struct cut *cut = cuts;
        uint32_t cells;

        if (!is_plain(chances, policy)) {
            question->live[left++] = policy;
            continue;
        }
        while (cut + 1 < cuts + count && !(chances->uses[policy] >> cut->draw & 1))
            cut++;
        cells = cells_of(question, cut, policy);
        if (is_drop(question, policy))
            cut->drops = TR_MAX(cut->drops, cells);
        else
            cut->keeps = TR_MAX(cut->keeps, cells);
    }
    return left;
}

static void live_find(struct question *question, const struct group *group, uint64_t *draws)
{
    const struct tr_policy_chances *chances = question->whole->chances;

    question->live_count = question->ends_count = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        uint16_t policy = chances->members[group->first + i];

        // With all draws at 0, their least, one that never falls says the most that it can say.
        if (chances->falls[policy] || says_so(question, policy)) {
            question->live[question->live_count++] = policy;
            *draws |= chances->uses[policy];
        }
    }
    question->asked |= *draws;
}

static void group_ask(struct question *question, const struct group *group, long double *calm, long double *silent)
{
    struct cut cuts[TR_DRAWS_MAX];
    uint32_t count = 0, left;
    uint64_t draws = 0;

    live_find(question, group, &draws);
    for (; draws; draws &= draws - 1)
        cut_make(question, (uint32_t)__builtin_ctzll(draws), &cuts[count++]);
    left = plain_ask(question, cuts, count);
    *calm = *silent = 0;
    do {
        bool drops = false, keeps = false;
        long double size = 1;

        for (uint32_t i = 0; i < count; i++) {
            size *= cell_size(&cuts[i]);
            drops |= cuts[i].at < cuts[i].drops;
            keeps |= cuts[i].at < cuts[i].keeps;
        }
        for (uint32_t i = 0; i < left && !drops; i++) {
            bool so = (!keeps || is_drop(question, question->live[i])) && says_so(question, question->live[i]);

            drops = so && is_drop(question, question->live[i]);
            keeps = keeps || so;
        }
        question->questions++;
        *calm += drops ? 0 : size;
        *silent += drops || keeps ? 0 : size;
    } while (advance(question, cuts, count));
}

// Does a policy keep it that leaves nothing to chance?
static bool is_certain(struct question *question)
{
    const struct tr_policy_set_whole *whole = question->whole;

    for (uint32_t at = whole->drops; at < whole->policies_count; at++)
        if (!whole->chances->uses[whole->order[at]] && says_so(question, whole->order[at]))
            return true;
    return false;
}

// The draw of consistent sampling, TR_DRAWS_MAX: nothing goes by it.
static uint32_t randomness_draw(const struct tr_policy_draws *draws)
{
    for (uint32_t i = 0; i < draws->count; i++)
        if (strcmp(draws->names[i], TR_DRAWS_RANDOMNESS) == 0)
            return i;
    return TR_DRAWS_MAX;
}

static struct tr_chance chance_of(const struct question *question, long double probability, bool independent)
{
    uint64_t passing = (uint64_t)(probability * 0x1p56L + 0.5L);

    return (struct tr_chance){.threshold = TR_OT_NEVER - TR_MIN(TR_MAX(passing, 1ull), TR_OT_NEVER),
                              .marks = (uint8_t)(TR_MARK_COUNTED | (independent ? TR_MARK_INDEPENDENT : 0)),
                              .questions = question->questions};
}

// The probability that the groups keep it; `silent` is that of the policies without chance.
static long double groups_ask(struct question *question, long double silent)
{
    const struct tr_policy_chances *chances = question->whole->chances;
    long double calm = 1;

    memset(question->draws, 0, sizeof(question->draws));
    for (uint32_t i = 0; i < chances->groups_count; i++) {
        long double group_calm, group_silent;

        group_ask(question, &chances->groups[i], &group_calm, &group_silent);
        calm *= group_calm;
        silent *= group_silent;
    }
    return calm - silent;
}

struct tr_chance tr_policy_set_chance(const struct tr_policy_set *set, const struct tr_trace *trace)
{
    const struct tr_policy_set_whole *whole = (const struct tr_policy_set_whole *)set;
    const struct tr_policy_chances *chances = whole->chances;
    struct question question;
    long double silent = 1, probability;
    uint32_t randomness;

    // A reopened trace stands for none but itself, and where shares are drawn not even for that: those like it that were
    // kept at first stand for it.
    if (!chances || (trace->again && whole->draws.count))
        return (struct tr_chance){0};
    question.whole = whole;
    question.trace = *trace;
    question.trace.draws = question.draws;
    question.asked = question.questions = 0;
    memset(question.draws, 0, sizeof(question.draws));
    if (is_certain(&question)) {
        if (!chances->dropping)
            return chance_of(&question, 1, true);
        silent = 0;
    }
    memset(question.most, 0xff, sizeof(question.most));
    randomness = randomness_draw(&whole->draws);
    if (randomness < TR_DRAWS_MAX)
        question.most[randomness] = tr_threshold_limit(trace->threshold_least);
    probability = groups_ask(&question, silent);
    return chance_of(&question, probability, randomness == TR_DRAWS_MAX || !(question.asked >> randomness & 1));
}
