// SPDX-License-Identifier: Apache-2.0
// A dynamic sampler: a rate for each key, from how often the key came lately. The arithmetic is that of Honeycomb's
// dynsampler-go, EMASampleRate and EMAThroughput; the essay is in sampler.c.
//
// Thread: control, but for tr_sampler_rate().
#ifndef TR_POLICY_SAMPLER_H
#define TR_POLICY_SAMPLER_H

#include "base/counter.h"
#include "base/error.h"
#include "base/tr.h"

#define TR_SAMPLER_KEYS_MAX 65536

struct tr_sampler_terms {
    bool throughput;       // the goal is spans a second; else an average rate
    double goal;
    uint64_t initial_rate; // before anything was counted
    uint64_t interval_ns;
    double weight;         // of what came in the last interval, in the average
    double age_out;        // an average below this is forgotten
    double burst_multiple; // so many times the sum of the averages end an interval early; below 0: never
    uint64_t burst_delay;  // intervals before they can
    uint32_t keys_max;     // counted in an interval
};

// A key's average, and its rate.
struct tr_sampler_key {
    uint64_t key;
    double average;
    uint64_t rate;
};

#define TR_SAMPLER_COUNTERS(X)                                                                               \
    X(keys, GAUGE, "sampler_keys", "", "Keys that a dynamic sampler has a rate for.")                        \
    X(intervals, COUNTER, "sampler_rates_total", "when=\"interval\"", "Times that a sampler's rates were computed.") \
    X(bursts, COUNTER, "sampler_rates_total", "when=\"burst\"", "Times that a sampler's rates were computed.") \
    X(untracked, COUNTER, "sampler_untracked_spans_total", "",                                               \
      "Spans of traces whose key was not counted: more came in an interval than max_keys.")
TR_COUNTERS_DECLARE(sampler, TR_SAMPLER_COUNTERS)

struct tr_sampler;

// name      of the policy or rule; copied
// identity  names it across configs; copied
// Returns 0, -ENOMEM.
int tr_sampler_create(struct tr_sampler **sampler, const struct tr_sampler_terms *terms, const char *name,
                      const char *identity, uint32_t lcores);
// The memory of one.
uint64_t tr_sampler_bytes(const struct tr_sampler_terms *terms, uint32_t lcores);
// One more set uses it; give one up, and the sampler with the last.
void tr_sampler_hold(struct tr_sampler *sampler);
void tr_sampler_release(struct tr_sampler *sampler);
const char *tr_sampler_identity(const struct tr_sampler *sampler);
const char *tr_sampler_name(const struct tr_sampler *sampler);
const struct tr_sampler_terms *tr_sampler_terms(const struct tr_sampler *sampler);

// Count a trace of `spans` (0: only ask) under `key` and answer how many such there are to one that is kept. 0 is no key.
//
// Thread: lcore's own. Cost: two probes.
uint64_t tr_sampler_rate(struct tr_sampler *sampler, uint32_t lcore, uint64_t key, uint32_t spans);

// Compute the rates anew if an interval is over, or a burst ends it. To be called about once a second.
//
// Returns true: they were.
bool tr_sampler_poll(struct tr_sampler *sampler, uint64_t now);

// The keys that have a rate, in their order.
const struct tr_sampler_key *tr_sampler_keys(const struct tr_sampler *sampler, uint32_t *count);

// Thread: any.
void tr_sampler_counters(const struct tr_sampler *sampler, struct tr_sampler_counters *counters);

// The arithmetic (sampler_rates.c). Averages move by what was counted: both are sorted by key, and `keys` has `room`.
//
// Returns how many keys there are then.
uint32_t tr_sampler_average(struct tr_sampler_key *keys, uint32_t count, const struct tr_sampler_key *counted,
                            uint32_t counted_count, struct tr_sampler_key *scratch, uint32_t room,
                            const struct tr_sampler_terms *terms);
// Rates from averages. Returns the sum of the averages, each at least 1.
double tr_sampler_rates(struct tr_sampler_key *keys, uint32_t count, const struct tr_sampler_terms *terms);

#endif
