// SPDX-License-Identifier: Apache-2.0
// Configs of rules: drawn, written as a user would, and their truth by the words of docs/rules.md over the spans that are
// there. In every fourth world.
#include "world.h"

#include <math.h>

#include "base/hash.h"

#define RULES_MAX      6
#define CONDITIONS_MAX 3

enum scope { TRACE, SPAN, ROOT };

// What a condition asks of a span, or of the trace.
static const struct {
    const char *text;
    bool of_trace, negative; // negative: true when it holds on no span (scope: trace)
} conditions[] = {
    {"{field: error, operator: exists}", false, false},
    {"{field: error, operator: not-exists}", false, true},
    {"{field: duration_ms, operator: '>=', value: 1000, datatype: float}", false, false},
    {"{field: duration_ms, operator: <, value: 1000, datatype: float}", false, false},
    {"{field: tier, operator: =, value: gold}", false, false},
    {"{field: tier, operator: not-in, value: [silver, gold]}", false, true},
    {"{field: plan, operator: exists}", false, false}, // of the resource
    {"{field: user.id, operator: starts-with, value: u-}", false, false},
    {"{fields: [nowhere, user.id], operator: matches, value: '^u-[0-9]+$'}", false, false},
    {"{field: user.id, operator: not-exists}", false, true},
    {"{field: root.error, operator: exists}", false, false},
    {"{field: root.tier, operator: in, value: [gold]}", false, false},
    {"{field: trace.parent_id, operator: exists}", false, false},
    {"{field: meta.span_count, operator: '>=', value: 4}", true, false},
    {"{operator: has-root-span, value: true}", true, false},
    {"{operator: has-root-span, value: false}", true, false},
};
#define OF_SPANS 13 // the first so many ask spans
#define HAS_ROOT 14 // the first that stands in scope trace alone

struct rule {
    enum scope scope;
    unsigned conditions[CONDITIONS_MAX], count;
    unsigned rate; // 0: drop, 1: keep
};

enum beside { ALONE, ERRORS_BEFORE, FIRST_MATCH, SHARE_BEHIND, DROP_BEHIND, BESIDES };

// A config, drawn from the world's seed and its epoch.
struct drawn {
    enum beside beside;
    bool salted, consistent, otherwise_keep, adds;
    unsigned count;
    struct rule rules[RULES_MAX];
};

static uint64_t draw(uint64_t *state, uint64_t below)
{
    return tr_mix64(*state += 0x9e3779b97f4a7c15ull) % below;
}

bool sim_ruled(const struct sim_world *world)
{
    return tr_mix64(world->options.seed ^ 0x72756c6573) % 4 == 0;
}

static struct rule rule_of(uint64_t *state)
{
    struct rule rule = {.scope = (enum scope)draw(state, 3), .count = (unsigned)draw(state, CONDITIONS_MAX + 1)};

    for (unsigned i = 0; i < rule.count; i++) {
        rule.conditions[i] = (unsigned)draw(state, rule.scope == TRACE ? TR_NELEMS(conditions) : OF_SPANS + 1);
        for (unsigned k = 0; k < i; k++) // a root and none: refused
            if (rule.conditions[i] >= HAS_ROOT && rule.conditions[k] >= HAS_ROOT)
                rule.conditions[i] = rule.conditions[k];
    }
    if (draw(state, 2)) // else few would ever match
        rule.count = TR_MIN(rule.count, 1u);
    rule.rate = (unsigned)draw(state, 5);
    return rule;
}

static struct drawn drawn_of(const struct sim_world *world, uint32_t epoch)
{
    uint64_t state = tr_mix64(world->options.seed) ^ epoch;
    struct drawn drawn = {.beside = (enum beside)draw(&state, BESIDES),
                          .salted = draw(&state, 2),
                          .otherwise_keep = draw(&state, 3) == 0,
                          .adds = draw(&state, 2),
                          .count = 1 + (unsigned)draw(&state, RULES_MAX)};

    for (unsigned i = 0; i < drawn.count; i++)
        drawn.rules[i] = rule_of(&state);
    drawn.consistent = !drawn.salted && draw(&state, 2);
    return drawn;
}

// --- as text

#define ERRORS "{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}"
#define SHARE  "{name: half, type: probabilistic, probabilistic: {sampling_percentage: 50}}"
#define DROP   "{name: large, type: drop, drop: {drop_sub_policy: [{name: l, type: span_count, span_count: {min_spans: 7}}]}}"

void sim_rules_write(const struct sim_world *world, uint32_t epoch, char *text, size_t room)
{
    static const char *const scopes[] = {"trace", "span", "root"};
    static const char *const before[BESIDES] = {[ERRORS_BEFORE] = ERRORS ", ", [FIRST_MATCH] = ERRORS ", "};
    static const char *const behind[BESIDES] = {[SHARE_BEHIND] = ", " SHARE, [DROP_BEHIND] = ", " DROP};
    struct drawn drawn = drawn_of(world, epoch);
    size_t n = (size_t)snprintf(text, room, "%s%spolicies: [%s{name: r, type: rules, rules: {%sotherwise: %s, rules: [",
                                drawn.beside == FIRST_MATCH ? "sample_on_first_match: true\n" : "",
                                drawn.adds ? "adjusted_count: attribute\npolicy_attribute: true\n" : "",
                                before[drawn.beside] ? before[drawn.beside] : "", drawn.salted       ? "hash_salt: pepper, "
                                : drawn.consistent ? "mode: equalizing, "
                                                   : "",
                                drawn.otherwise_keep ? "keep" : "drop");

    for (unsigned i = 0; i < drawn.count; i++) {
        const struct rule *rule = &drawn.rules[i];

        n += (size_t)snprintf(text + n, room - n, "%s{scope: %s, ", i ? ", " : "", scopes[rule->scope]);
        if (rule->rate < 2)
            n += (size_t)snprintf(text + n, room - n, "%s: true, conditions: [", rule->rate ? "keep" : "drop");
        else
            n += (size_t)snprintf(text + n, room - n, "sample_rate: %u, conditions: [", rule->rate);
        for (unsigned k = 0; k < rule->count; k++)
            n += (size_t)snprintf(text + n, room - n, "%s%s", k ? ", " : "", conditions[rule->conditions[k]].text);
        n += (size_t)snprintf(text + n, room - n, "]}");
    }
    snprintf(text + n, room - n, "]}}%s]", behind[drawn.beside] ? behind[drawn.beside] : "");
}

// --- the truth

// Spans of a trace: bit n: span n is there.
struct view {
    const struct sim_trace *trace;
    uint32_t number;
    uint64_t there;
};

static bool holds_on(const struct view *view, unsigned condition, uint32_t span)
{
    bool error = view->trace->error && span == view->trace->error_span, gold = view->number % 5 == 0, user = span % 3 == 0;
    bool slow = view->trace->slow && span == view->trace->slow_span;

    switch (condition) {
    case 0:
        return error;
    case 1:
        return !error;
    case 2:
        return slow;
    case 3:
        return !slow;
    case 4:
    case 6:
        return gold;
    case 5:
        return !gold;
    case 7:
    case 8:
        return user;
    case 9:
        return !user;
    case 10:
        return span == 0 && error;
    case 11:
        return span == 0 && gold;
    case 12:
        return span != 0;
    default:
        return __builtin_popcountll(view->there) >= 4;
    }
}

static bool is_of_root(unsigned condition)
{
    return condition == 10 || condition == 11;
}

// Somewhere in the trace; what is denied, nowhere.
static bool holds_in(const struct view *view, unsigned condition)
{
    bool some = false, all = true, root = view->there & 1;

    if (condition == HAS_ROOT)
        return root;
    if (condition == HAS_ROOT + 1)
        return !root;
    for (uint64_t left = view->there; left; left &= left - 1) {
        bool holds = holds_on(view, condition, (uint32_t)__builtin_ctzll(left));

        some |= holds;
        all &= holds;
    }
    return conditions[condition].negative ? all : some;
}

// Is it asked of one and the same span as others of its rule?
static bool is_together(const struct rule *rule, unsigned condition)
{
    return rule->scope != TRACE && !conditions[condition].of_trace && !is_of_root(condition);
}

static bool matches(const struct view *view, const struct rule *rule)
{
    bool all = true;
    unsigned together = 0;

    for (unsigned i = 0; i < rule->count; i++) {
        together += is_together(rule, rule->conditions[i]);
        if (!is_together(rule, rule->conditions[i]) && !holds_in(view, rule->conditions[i]))
            return false;
    }
    if (!together)
        return true;
    for (uint64_t left = rule->scope == ROOT ? view->there & 1 : view->there; left; left &= left - 1, all = true) {
        for (unsigned i = 0; i < rule->count; i++)
            all &= !is_together(rule, rule->conditions[i]) ||
                   holds_on(view, rule->conditions[i], (uint32_t)__builtin_ctzll(left));
        if (all)
            return true;
    }
    return false;
}

bool sim_one_in(const struct sim_trace *trace, const char *salt, uint64_t rate)
{
    uint64_t hash = 0xcbf29ce484222325ull; // FNV-1a, 64 bits, over the salt and the id

    for (const char *p = salt; *p; p++)
        hash = (hash ^ (uint8_t)*p) * 0x100000001b3ull;
    for (int i = 0; i < 16; i++)
        hash = (hash ^ trace->id[i]) * 0x100000001b3ull;
    return hash <= UINT64_MAX / rate;
}

// By the last 56 bits of the id, which are at least the threshold.
static bool is_random_enough(const struct sim_trace *trace, uint64_t rate)
{
    uint64_t randomness = 0;

    for (int i = 9; i < 16; i++)
        randomness = randomness << 8 | trace->id[i];
    return randomness >= (1ull << 56) - (uint64_t)llround(0x1p56 / (double)rate);
}

static struct sim_says says_of(const struct view *view, const struct drawn *drawn)
{
    bool error = view->trace->error && view->there >> view->trace->error_span & 1;
    bool first = drawn->beside == ERRORS_BEFORE || drawn->beside == FIRST_MATCH;
    unsigned row = 0, others = drawn->beside != ALONE, policies = 1 + others, rate;
    const char *salt = drawn->salted ? "pepper" : "default-hash-seed";
    double share = drawn->beside == SHARE_BEHIND ? 0.5 : 0;
    struct sim_says says;

    while (row < drawn->count && !matches(view, &drawn->rules[row]))
        row++;
    rate = row < drawn->count ? drawn->rules[row].rate : drawn->otherwise_keep;
    says = (struct sim_says){.policy = (uint16_t)(policies + row)};
    says.kept = rate && (drawn->consistent ? is_random_enough(view->trace, rate) : sim_one_in(view->trace, salt, rate));
    says.count = rate ? rate : 0;
    if (drawn->beside == DROP_BEHIND && __builtin_popcountll(view->there) >= 7)
        return (struct sim_says){.kept = false, .policy = 1};
    if (first && error)
        return (struct sim_says){.kept = true, .policy = 0, .count = 1};
    if (share > 0) { // of one salt the greater share, of two both are drawn
        double own = rate ? 1.0 / rate : 0;

        says.count = 1 / (drawn->salted || drawn->consistent || !rate ? 1 - (1 - own) * (1 - share) : TR_MAX(own, share));
        if (!says.kept && sim_one_in(view->trace, "default-hash-seed", 2))
            says = (struct sim_says){.kept = true, .policy = 1, .count = says.count};
    }
    return says;
}

static uint64_t all_of(const struct sim_trace *trace)
{
    return trace->spans == 64 ? UINT64_MAX : (1ull << trace->spans) - 1;
}

struct sim_says sim_rules_say(const struct sim_world *world, const struct sim_trace *trace, uint32_t number, uint32_t epoch)
{
    struct drawn drawn = drawn_of(world, epoch);
    struct view view = {trace, number, all_of(trace)};

    return says_of(&view, &drawn);
}

bool sim_rules_add(const struct sim_world *world, uint32_t epoch)
{
    return drawn_of(world, epoch).adds;
}

const char *sim_rules_name(const struct sim_world *world, uint32_t epoch, uint16_t policy, char text[SIM_POLICY_BYTES])
{
    static const char *const names[BESIDES][2] = {
        {"r"}, {"errors", "r"}, {"errors", "r"}, {"r", "half"}, {"r", "large"}};
    struct drawn drawn = drawn_of(world, epoch);
    uint32_t policies = 1 + (drawn.beside != ALONE), row = policy - policies;

    if (policy < policies)
        return names[drawn.beside][policy];
    if (row > drawn.count)
        return "";
    snprintf(text, SIM_POLICY_BYTES, row == drawn.count ? "r/otherwise" : "r/%u", row);
    return text;
}

// Take of `from`, the lowest first, until there are `count`.
static uint64_t fill(uint64_t there, uint64_t from, uint32_t count)
{
    for (from &= ~there; from && (uint32_t)__builtin_popcountll(there) < count; from &= from - 1)
        there |= from & -from;
    return there;
}

// Could these be its spans, some `count` of them? Whatever rules ask of spans is one of few things: those that are the
// only ones to have it are there or not, of the others all that matters is whether some are.
bool sim_rules_may_say(const struct sim_world *world, const struct sim_trace *trace, uint32_t number, uint32_t epoch,
                       uint32_t count, bool kept)
{
    struct drawn drawn = drawn_of(world, epoch);
    uint64_t all = all_of(trace), users = 0x9249249249249249ull & all, special[3] = {1, 0, 0};

    special[1] = trace->error ? 1ull << trace->error_span : 0;
    special[2] = trace->slow ? 1ull << trace->slow_span : 0;
    for (unsigned with = 0; with < 8; with++) {
        uint64_t there = 0, rest = all & ~(special[0] | special[1] | special[2]);

        for (unsigned i = 0; i < 3; i++)
            there |= with >> i & 1 ? special[i] : 0;
        for (unsigned how = 0; how < 3; how++) {
            uint64_t one = rest & users, seen = there;

            if (how == 2)
                seen |= one & -one;
            seen = fill(fill(seen, how == 1 ? one : rest & ~users, count), rest, count);
            if ((uint32_t)__builtin_popcountll(seen) == count) {
                struct view view = {trace, number, seen};

                if (says_of(&view, &drawn).kept == kept)
                    return true;
            }
        }
    }
    return false;
}
