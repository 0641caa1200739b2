// SPDX-License-Identifier: Apache-2.0
// What the tests of each policy cost the walk: measured apart from it, on copies of spans that came lately, so that the
// walk itself pays nothing for being measured.
//
// Each policy is compiled alone, and the spans are walked with its tests and with none; the difference is its cost. Tests
// that policies share (a key, a database of patterns) are made once in the walk, so the costs of all add up to more than
// the walk takes. A pattern's answer for a value that came before is remembered, there as here: the values of these spans
// have been seen.
//
// Thread: control.
#ifndef TR_POLICY_COST_H
#define TR_POLICY_COST_H

#include "policy/policy.h"

#define TR_COST_SPANS_MAX 64
#define TR_COST_BODY_BYTES_MAX (64 * TR_KIB) // of a resource, a scope and a span

// A span and what is around it, in one piece of memory. The context's ranges are of that.
struct tr_cost_span {
    struct tr_context context; // .spans: how many share the walk of its resource
    uint8_t *body;
    const uint8_t *span; // in body
    uint32_t bytes;
};

struct tr_cost_spans {
    struct tr_cost_span spans[TR_COST_SPANS_MAX];
    uint32_t count;
};

// Copy a span out of a body. One that is too large, and one too many, is left out.
void tr_cost_span_add(struct tr_cost_spans *spans, const struct tr_context *context, const uint8_t *body,
                      const uint8_t *span, uint32_t bytes);
void tr_cost_spans_clear(struct tr_cost_spans *spans);

struct tr_policy_costs;

// options  borrowed: of the config that is measured
//
// Returns 0, -ENOMEM.
int tr_policy_costs_create(struct tr_policy_costs **costs, const struct tr_tail_sampling_options *options);
void tr_policy_costs_destroy(struct tr_policy_costs *costs); // NULL is allowed

// Measure the policies in turn, going on where the last call stopped, until `budget_ns` have passed: the first look at a
// policy compiles it, which takes milliseconds where it has patterns.
void tr_policy_costs_measure(struct tr_policy_costs *costs, const struct tr_cost_spans *spans,
                             uint64_t (*clock_ns)(void), uint64_t budget_ns);

// ns a span, below 0: not measured yet.
double tr_policy_cost(const struct tr_policy_costs *costs, uint32_t policy);

#endif
