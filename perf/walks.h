// SPDX-License-Identifier: Apache-2.0
// What a config costs the walk: the corpus that tailgen sends, checked once and walked over and over.
#ifndef TR_PERF_WALKS_H
#define TR_PERF_WALKS_H

#include "corpus.h"
#include "journal/journal.h"
#include "policy/policy_set.h"
#include "red/red.h"

struct walks {
    struct corpus corpus; // its bodies with ids, as they are sent
    struct tr_context *contexts;
    uint32_t *requests_contexts; // how many of these each request has, one behind the other
};

// RED metrics that go with a walk.
struct walks_red {
    struct tr_red_set *set;
    struct tr_red_counters counters;
};

struct walks_cost {
    double ns, instructions; // a span; instructions 0: nothing counts them here
    double share;            // of spans for which a predicate holds
};

// Exits with a message if there is no memory.
void walks_make(struct walks *walks);
void walks_free(struct walks *walks);

// Walk all spans over and over for so long: the least time that a span took.
//
// red  NULL: none
struct walks_cost walks_measure(const struct walks *walks, const struct tr_policy_set *set, struct walks_red *red,
                                double seconds);

#endif
