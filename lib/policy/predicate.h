// SPDX-License-Identifier: Apache-2.0
// Predicates: what the walk tests on each span. Equal ones share a number; a number keeps its meaning for as long as
// a trace may be live that began under a config which used it.
#ifndef TR_POLICY_PREDICATE_H
#define TR_POLICY_PREDICATE_H

#include "otlp/walk.h"
#include "trace/owner.h"

#define TR_PREDICATES_MAX (64 * TR_PREDICATE_WORDS_MAX)

struct tr_predicate {
    int status;   // 0 to 2: the span has this status; -1: an attribute
    char *key;    // of the attribute
    char **values; // sorted, no two equal
    uint32_t values_count;
    uint64_t lengths; // of the values, a bit each; 63 and above share one: most values end here
    uint32_t *slots; // open addressing over the values' hashes; 0 is empty, else index + 1
    uint32_t slots_mask;
    uint32_t used_by; // the last epoch that a policy used it in
    bool taken;
};

struct tr_predicates {
    uint32_t epoch;
    struct tr_predicate rows[TR_PREDICATES_MAX]; // by number
};

// The number of a predicate, -ENOSPC: TR_PREDICATES_MAX are in use; -ENOMEM.
int tr_predicate_status(struct tr_predicates *predicates, int status);
int tr_predicate_string(struct tr_predicates *predicates, const char *key, const char *const *values, size_t count);

// Take over what is still needed of the set before.
int tr_predicates_carry(struct tr_predicates *predicates, const struct tr_predicates *before);
void tr_predicates_clear(struct tr_predicates *predicates);

bool tr_predicate_test_string(const void *predicate, const struct tr_value *value);

#endif
