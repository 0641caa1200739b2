// SPDX-License-Identifier: Apache-2.0
// What a policy type is made of: a file of its own that compiles its options and decides a trace, ending in a
// `struct tr_policy_type` that policy.c lists.
#ifndef TR_POLICY_POLICY_TYPE_H
#define TR_POLICY_POLICY_TYPE_H

#include "policy/policy.h"
#include "policy/policy_options.h"
#include "policy/predicate.h"

struct tr_policy_type;

// A compiled policy.
struct tr_policy {
    const struct tr_policy_type *type;
    char *name;
    struct tr_bits any; // status_code, string_attribute: one of these predicates holds
    bool invert;
    uint64_t least_ms, most_ms; // latency: least < d, and d <= most unless that is 0
    uint64_t threshold;         // probabilistic: the hash is at most this
    uint64_t hash_begin;        // of the salt
    struct tr_policy *sub;      // and
    uint32_t sub_count;
};

struct tr_policy_type {
    const char *name;

    // Fill in *policy. The error names the path. `predicates` takes what the walk shall test.
    int (*compile)(struct tr_policy *policy, const struct tr_policy_options *options, const char *path,
                   struct tr_predicates *predicates, struct tr_error *error);

    // Thread: owner lcore.
    enum tr_answer (*decide)(const struct tr_policy *policy, const struct tr_trace *trace);
};

// NULL: not in this version.
const struct tr_policy_type *tr_policy_type_find(const char *name);

int tr_policy_compile(struct tr_policy *policy, const struct tr_policy_options *options, const char *path,
                      struct tr_predicates *predicates, struct tr_error *error);
void tr_policy_clear(struct tr_policy *policy);

static inline bool tr_trace_has_any(const struct tr_trace *trace, const struct tr_bits *bits)
{
    uint64_t any = 0;

    for (int i = 0; i < TR_PREDICATE_WORDS_MAX; i++)
        any |= trace->bits[i] & bits->word[i];
    return any;
}

#endif
