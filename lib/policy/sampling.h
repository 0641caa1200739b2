// SPDX-License-Identifier: Apache-2.0
// A policy, or a rule, that asks a dynamic sampler: its key, from the spans of a trace (sampling.c).
#ifndef TR_POLICY_SAMPLING_H
#define TR_POLICY_SAMPLING_H

#include "policy/policy_type.h"
#include "policy/rule_field.h"
#include "policy/sampler.h"

#define TR_SAMPLERS_MAX        64 // of a set
#define TR_SAMPLER_FIELDS_MAX  16
#define TR_SAMPLER_LISTS_MAX   2   // different lists of fields in a set: they share the bits that a span has
#define TR_SAMPLER_VALUES_MAX  100 // different keys of spans that make one of a trace

// A list of fields, of which each span has a key.
struct tr_sampler_list {
    char *text; // its fields, quoted
    struct tr_rule_keys keys;
    struct tr_rule_field fields[TR_SAMPLER_FIELDS_MAX];
    bool of_root[TR_SAMPLER_FIELDS_MAX];
    uint32_t count;
    uint16_t *slots; // of the keys
};

// A set's samplers.
struct tr_samplers {
    uint32_t lcores;
    struct tr_sampler_list lists[TR_SAMPLER_LISTS_MAX];
    uint32_t lists_count;
    struct tr_sampler *samplers[TR_SAMPLERS_MAX];
    uint32_t count;
    uint32_t generation; // of the lists, as keys of spans have it: another than that of the set before if they differ
    const struct tr_samplers *before; // of the set before, while this one is compiled; NULL: there was none
};

struct tr_sampling {
    const struct tr_samplers *samplers;
    uint32_t sampler; // of these
    uint32_t list;
    bool with_length; // the number of spans is part of the key
};

// name  of the policy or the rule, by which the sampler is known to later configs
// path  of the block
int tr_sampling_make(struct tr_sampling *sampling, const struct tr_sampler_options *options, bool throughput,
                     const char *name, const char *path, const struct tr_policy_place *place, struct tr_error *error);

// When all are made: say which generation their lists are, and let samplers forget what they know by keys that come no more.
//
// Returns 0, -ENOMEM.
int tr_samplers_settle(struct tr_samplers *samplers);

// The rate for a trace, which is counted unless it was, or it is only a question (trace->draws): that has the answer of the
// decision before it, whatever control has published since.
uint64_t tr_sampling_rate(const struct tr_sampling *sampling, const struct tr_trace *trace);

// For the plan: the key of a span.
uint32_t tr_samplers_span_key(const void *samplers, const struct tr_walk_span *span, const struct tr_walk_notes *notes);
void tr_samplers_clear(struct tr_samplers *samplers);

#endif
