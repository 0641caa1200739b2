// SPDX-License-Identifier: Apache-2.0
// Sampling policies: compiled from the `tail_sampling` block to predicates (tested by the walk) and to expressions
// over predicate bits and aggregates (evaluated by the owner).
//
// A policy type is one file that ends in its `struct tr_policy_type`, and one word in the list of policy.c.
#ifndef TR_POLICY_POLICY_H
#define TR_POLICY_POLICY_H

#include "base/error.h"
#include "config/option.h"
#include "otlp/added.h"
#include "otlp/walk.h"
#include "policy/budget.h"
#include "trace/owner.h"

// The `tail_sampling` block, as tr_tail_sampling_options fills it (rows in policy_options.c).
struct tr_policy_options; // one policy: name, type, and a pointer to the block of each type

struct tr_decision_cache_options {
    uint64_t sampled_cache_size, non_sampled_cache_size; // decisions to be remembered, at least
};

// Memory for the shape of traces: where a policy of the config at start looks at it, or in any case.
enum tr_shape_reserve { TR_SHAPE_AUTO, TR_SHAPE_ALWAYS };

struct tr_tail_sampling_options {
    uint64_t decision_wait_ns;
    uint64_t decision_wait_after_root_ns;
    uint64_t decision_wait_min_ns; // ours: how early the journal may force a decision
    uint64_t num_traces;           // 0: auto, from the journal's size
    uint64_t expected_new_traces_per_sec; // accepted for compatibility
    uint64_t maximum_trace_size_bytes;
    struct tr_decision_cache_options decision_cache;
    bool sample_on_first_match;
    bool drop_pending_traces_on_shutdown;
    bool block_on_overflow;
    int shape;             // enum tr_shape_reserve
    uint64_t shape_spans_max;
    bool policy_attribute;
    int adjusted_count; // enum tr_adjusted
    bool reopen;         // ours
    bool decide_at_once; // ours
    int sampling_strategy; // accepted for compatibility: trace-complete
    uint64_t num_shards;   // accepted for compatibility
    struct tr_list policies;       // of struct tr_policy_options
    // No option: keys of spans and resources whose values the plan notes as well; NULL: none.
    const struct tr_strings *watched;
};
extern const struct tr_option_table tr_tail_sampling_option_table;

#define TR_POLICIES_MAX 1024
#define TR_EPOCHS_LIVE_MAX 16

// A compiled set: immutable, shared by all lcores, freed when no trace is held under its epoch.
struct tr_policy_set {
    uint32_t epoch; // counts up from 1
    struct tr_walk_plan plan;
    uint32_t policies; // numbered in verdicts and counters: those of the config, then a row for each rule of them
    uint64_t wait_ns;
    uint64_t wait_min_ns;
    uint64_t wait_root_ns; // from a trace's root; 0: no matter
    uint32_t aside;         // TR_ASIDE_*: what of traces it and those before it need at their owner
    const char *shape_path; // the first policy that looks at the shape of traces; "": none does
    enum tr_adjusted adjusted;
    bool policy_attribute; // kept spans say which policy it was
    struct tr_budgets *budgets; // shared by all sets since one that had limits; NULL: none had
    const struct tr_budget_plan *budget_plan;
    bool reopen;           // a late span may make it keep a trace that was dropped
    bool at_once;          // a trace is decided as soon as tr_policy_set_certain() knows the answer
};

#define TR_POLICY_TIMED 64 // power of two

struct tr_policy_counters {
    uint64_t traces_seen, traces_kept, traces_kept_alone, spans_kept;
    uint64_t traces_dropped; // a drop policy: that it dropped
    uint64_t traces_limited, spans_limited; // that its budget turned away
    uint64_t spans_seen;     // of the traces seen
    // Of one decision in TR_POLICY_TIMED, what asking the policy took.
    uint64_t timed_traces, timed_spans, timed_cycles; // tr_cycles()
    uint8_t example_id[16];  // of a kept trace, of a dropped one for a drop policy
};

// Compile under a new epoch. The plan tests the predicates of `previous` too (which may be NULL), under the same
// numbers, so that traces begun under it are decided as before; equal predicates share a number.
//
// lcores  that will walk with it
//
// Returns 0 and *set; -EINVAL: error names the path (tail_sampling.policies[2].latency.threshold_ms: ...).
// Thread: control.
int tr_policy_set_compile(const struct tr_tail_sampling_options *options, const struct tr_policy_set *previous,
                          uint32_t epoch, uint32_t lcores, struct tr_policy_set **set, struct tr_error *error);
void tr_policy_set_free(struct tr_policy_set *set);

// What a set does by the clock: dynamic samplers' rates. To be called about once a second for the newest set.
void tr_policy_set_tick(struct tr_policy_set *set, uint64_t now);

// Its dynamic samplers, for their counters (policy/sampler.h). Returns NULL behind the last.
struct tr_sampler;
const struct tr_sampler *tr_policy_set_sampler(const struct tr_policy_set *set, uint32_t index);

// Their numbers in the order to list them in: each policy, then its rules. From 0 to the one behind `policy`.
//
// Returns set->policies: that was the last.
uint32_t tr_policy_listed_after(const struct tr_policy_set *set, uint32_t policy);

const char *tr_policy_name(const struct tr_policy_set *set, uint16_t policy);
const char *tr_policy_type_name(const struct tr_policy_set *set, uint16_t policy);

// Ask the policies of the set about a trace, as the Collector does (decide.c).
//
// counters  one row a policy, this lcore's
// Thread: owner lcore. Cost: some 5 ns a policy.
enum tr_answer tr_policy_set_decide(const struct tr_policy_set *set, const struct tr_trace *trace,
                                    struct tr_policy_counters *counters, uint16_t *policy);

// How likely it was that the set would keep this trace, being what it is (chance.c). Of a trace that it keeps, under a
// set with adjusted counts.
//
// Thread: owner lcore. Cost: some 10 ns where a policy without chance keeps it; elsewhere as much as asking the policies
// that could, once for each combination of their draws.
struct tr_chance tr_policy_set_chance(const struct tr_policy_set *set, const struct tr_trace *trace);

// What the set will say whatever else comes of the trace, and by which policy (the first that is certain to keep it);
// PENDING: that is still open. Counts nothing; a set without `at_once` may be asked too.
//
// Thread: owner lcore. Cost: some 5 ns a policy.
enum tr_answer tr_policy_set_certain(const struct tr_policy_set *set, const struct tr_trace *trace, uint16_t *policy);

#endif
