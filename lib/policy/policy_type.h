// SPDX-License-Identifier: Apache-2.0
// What a policy type is made of: a file of its own that compiles its options and decides a trace, ending in a
// `struct tr_policy_type` that policy.c lists.
#ifndef TR_POLICY_POLICY_TYPE_H
#define TR_POLICY_POLICY_TYPE_H

#include "policy/budget.h"
#include "policy/policy.h"
#include "policy/policy_options.h"
#include "policy/predicate.h"

#define TR_DRAW_NAME_BYTES 32

struct tr_policy_type;
struct tr_rules;
struct tr_sampling;
struct tr_policy_set_whole;

// A compiled policy.
struct tr_policy {
    const struct tr_policy_type *type;
    char *name;
    struct tr_bits any; // one of these predicates holds
    bool invert;
    uint64_t least_ms, most_ms;       // latency: least < d, and d <= most unless that is 0
    uint32_t least_spans, most_spans; // span_count
    uint64_t threshold;               // probabilistic: the draw is at most this
    uint64_t hash_begin;              // of the salt, in mode hash_seed
    double share;                     // proportional
    uint8_t mode, precision;          // of what draws: enum tr_probabilistic_mode; probabilistic: digits
    bool never;                       // probabilistic: no draw keeps
    bool drawing;                     // it leaves something to chance, by
    uint16_t draw;                    // this draw of the set
    struct tr_policy_shape {
        uint64_t threshold, gap; // units of 1024 ns
        double share;            // percent
        uint32_t count;
        uint32_t mark; // a bit of tr_shape.marks
    } shape;
    bool stateful;                    // asking it changes what it says of others, whatever its type
    struct tr_policy *sub;            // and, drop, not, composite
    uint32_t sub_count;
    struct tr_rules *rules; // rules
    struct tr_sampling *sampling; // ema_dynamic, ema_throughput
    uint32_t rows;          // of its own, behind the policies of the set: a rule each
    uint32_t first_row;
    struct tr_budget_share *shares;   // rate_limiting, bytes_limiting: one; composite: of each sub-policy
    char draw_name[TR_DRAW_NAME_BYTES]; // of what they leave to chance
    uint64_t slots;                   // of budgets, its own and those of its sub-policies
    uint32_t stages;                  // ticks that its answer may take; 0: it never is PENDING
};

// Where a policy may stand.
#define TR_POLICY_AT_TOP       1u
#define TR_POLICY_IN_AND       2u // and in a drop
#define TR_POLICY_IN_NOT       4u
#define TR_POLICY_IN_COMPOSITE 8u
#define TR_POLICY_ANYWHERE     15u

// Where the one that is being compiled stands.
struct tr_policy_place {
    const char *path; // tail_sampling.policies[2]
    unsigned place;   // one of TR_POLICY_*
    struct tr_predicates *predicates; // takes what the walk shall test
    struct tr_policy_draws *draws;    // takes what is left to chance
    bool negated;                     // it keeps where this one does not: under `not`, or in a `drop`
    const char *key;                  // names of the policies down to it, which are its budget's identity
    uint32_t stage;                   // its limits are asked so many ticks after the trace came up
    struct tr_policy_set_whole *whole;
};

// What the policies of a set leave to chance: a draw for each salt (chance.c).
#define TR_DRAWS_MAX        64
#define TR_DRAWS_RANDOMNESS "" // not a salt: the trace's randomness, which samplers share
struct tr_policy_draws {
    enum tr_adjusted adjusted;
    uint32_t count;
    char *names[TR_DRAWS_MAX];
};

struct tr_policy_type {
    const char *name;
    unsigned places; // TR_POLICY_*

    // Fill in *policy. The error names the path.
    int (*compile)(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error);

    // Thread: owner lcore. With trace->draws set it is a question what it would say: nothing may be spent or counted.
    enum tr_answer (*decide)(const struct tr_policy *policy, const struct tr_trace *trace);

    // What it will say whatever else comes of the trace; PENDING: that is still open. Counts nothing.
    // NULL: it is not to be asked ahead of its time, nor a second time (a budget, a sampler that learns): a set that
    // has one decides nothing at once, and where a late span reopens a trace it is passed over.
    enum tr_answer (*certain)(const struct tr_policy *policy, const struct tr_trace *trace);

    // For a type whose policies have rows, all three; else NULL. *row is the one that answered, below policy->rows.
    enum tr_answer (*decide_row)(const struct tr_policy *policy, const struct tr_trace *trace, uint32_t *row);
    const char *(*row_name)(const struct tr_policy *policy, uint32_t row);
    void (*clear)(struct tr_policy *policy);

    // Of a type that leaves its answer to chance: a draw is uniform over 64 bits, equal for equal traces, and *limit is
    // the greatest at which it keeps this one. Such a type says in compile() what it draws (tr_policy_draw_use()), and
    // in decide() what it would say for trace->draws[policy->draw].
    //
    // Returns false: none keeps it. NULL: nothing is left to chance.
    bool (*limit)(const struct tr_policy *policy, const struct tr_trace *trace, uint64_t *limit);
};

// In compile(): what this policy draws. Equal names are one draw; a salt's begins with the type that hashes it.
// TR_DRAWS_RANDOMNESS: that of consistent sampling, as tr_trace_draw() has it.
//
// option  below place->path, for the error: "probabilistic.mode"
//
// Returns 0, -EINVAL: with that, adjusted counts can't be given (the error says why); -ENOMEM.
int tr_policy_draw_use(struct tr_policy *policy, const struct tr_policy_place *place, const char *name,
                       const char *option, struct tr_error *error);
void tr_policy_draws_clear(struct tr_policy_draws *draws);

// The draw of consistent sampling: the greater the randomness, the smaller the draw, so that R >= T is draw <= limit.
static inline uint64_t tr_threshold_limit(uint64_t threshold)
{
    return (TR_OT_NEVER - 1 - threshold) << 8 | 0xff;
}

static inline uint64_t tr_trace_draw(const struct tr_trace *trace)
{
    uint64_t randomness = trace->randomness ? trace->randomness - 1 : tr_ot_randomness(trace->trace_id);

    return (TR_OT_NEVER - 1 - randomness) << 8;
}

// NULL: not in this version.
const struct tr_policy_type *tr_policy_type_find(const char *name);

int tr_policy_compile(struct tr_policy *policy, const struct tr_policy_options *options,
                      const struct tr_policy_place *place, struct tr_error *error);
void tr_policy_clear(struct tr_policy *policy);

// Compile `count` policies into policy->sub; `below` is their path in the policy's block, `place` theirs.
int tr_policy_sub_compile(struct tr_policy *policy, const struct tr_policy_options *sub, size_t count,
                          const struct tr_policy_place *place, const char *below, unsigned sub_place,
                          struct tr_error *error);
// The same in another order than the config's: `numbers` are their places there, NULL: the same.
int tr_policy_subs_compile(struct tr_policy *policy, const struct tr_policy_options *sub, const uint32_t *numbers,
                           size_t count, const struct tr_policy_place *place, const char *below, unsigned sub_place,
                           struct tr_error *error);

// All of policy->sub say keep: the first that does not ends it; a budget that is still open leaves it open.
enum tr_answer tr_policy_all_decide(const struct tr_policy *policy, const struct tr_trace *trace);

enum tr_answer tr_policy_all_certain(const struct tr_policy *policy, const struct tr_trace *trace);

// `certain` of the types that look at the shape of a trace: functions of it, but never sure of themselves early.
enum tr_answer tr_policy_never_certain(const struct tr_policy *policy, const struct tr_trace *trace);

// May it, and all that is in it, be asked at any time and as often as one likes?
bool tr_policy_is_pure(const struct tr_policy *policy);

// Put a predicate's number into *bits, or the error for one that could not be numbered (below 0).
int tr_policy_bit_add(struct tr_bits *bits, const struct tr_policy_place *place, int number, struct tr_error *error);
// Take the share `terms` of a budget for policy->shares[index] (policy_budget.c).
//
// budget, key  of the budget, and of the share in it
int tr_policy_share_add(struct tr_policy *policy, uint32_t index, const struct tr_policy_place *place, const char *budget,
                        const char *key, const struct tr_budget_terms *terms, struct tr_error *error);

int tr_policy_shares_draw(struct tr_policy *policy, uint32_t count, const struct tr_policy_place *place,
                          const char *option, struct tr_error *error);

// A policy that is one bucket of tokens.
bool tr_policy_limit_limit(const struct tr_policy *policy, const struct tr_trace *trace, uint64_t *limit);
int tr_policy_limit_compile(struct tr_policy *policy, const struct tr_policy_place *place, uint64_t rate, uint64_t burst,
                            struct tr_error *error);

// Put a predicate's number into policy->any, or the error for one that could not be numbered (below 0).
int tr_policy_any_add(struct tr_policy *policy, const struct tr_policy_place *place, int number,
                      struct tr_error *error);

// One of policy->any holds for a span or its resource. `invert` negates that for the whole trace: no span or
// resource has it.
enum tr_answer tr_policy_any_decide(const struct tr_policy *policy, const struct tr_trace *trace);

// The hash that shares of traces are cut from: the Collector's, over a salt (NULL or empty: its default) and the id.
const char *tr_trace_hash_name(uint64_t begin, char name[TR_DRAW_NAME_BYTES]); // of the draw it is
uint64_t tr_trace_hash_begin(const char *salt);
uint64_t tr_trace_hash(uint64_t begin, const uint8_t trace_id[16]);
// Once one holds that stays so; that none does never is certain.
enum tr_answer tr_policy_any_certain(const struct tr_policy *policy, const struct tr_trace *trace);

// A policy that keeps one in `rate` traces, by its mode: the greatest draw that keeps this one, and what it has drawn.
//
// Returns false: none keeps it. Cost: a division; in a consistent mode some 20 ns.
bool tr_policy_rate_limit(const struct tr_policy *policy, uint64_t rate, const struct tr_trace *trace, uint64_t *limit);
uint64_t tr_policy_rate_draw(const struct tr_policy *policy, const struct tr_trace *trace);

// In compile(), of a policy whose mode and hash are set: what its rates draw. `option` as in tr_policy_draw_use().
int tr_policy_rate_draw_use(struct tr_policy *policy, const struct tr_policy_place *place, const char *option,
                            struct tr_error *error);

// The greatest draw by a hash that keeps one in `rate` traces.
static inline uint64_t tr_policy_rate_threshold(uint64_t rate)
{
    return rate <= 1 ? UINT64_MAX : UINT64_MAX / rate;
}

static inline bool tr_trace_has_any(const struct tr_trace *trace, const struct tr_bits *bits)
{
    uint64_t any = 0;

    for (int i = 0; i < TR_PREDICATE_WORDS_MAX; i++)
        any |= trace->bits[i] & bits->word[i];
    return any;
}

#endif
