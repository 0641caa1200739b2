// SPDX-License-Identifier: Apache-2.0
// The types of predicates, one file each (predicate_*.c).
//
// Each call numbers a predicate: returns the number, -ENOSPC: TR_PREDICATES_MAX are in use; -ENOMEM.
#ifndef TR_POLICY_PREDICATE_TYPES_H
#define TR_POLICY_PREDICATE_TYPES_H

#include "policy/predicate.h"
#include "policy/values.h"

// The span's status is 0 UNSET, 1 OK, 2 ERROR.
int tr_predicate_status(struct tr_predicates *predicates, int status);

// A string attribute is one of `values`; an empty value is left out, as the Collector does.
int tr_predicate_string(struct tr_predicates *predicates, const char *key, unsigned places, const char *const *values,
                        size_t count);

// A string attribute matches one of `patterns`, in Go's syntax, anywhere in the value. The patterns have been tried
// with tr_regex_translate().
int tr_predicate_regex(struct tr_predicates *predicates, const char *key, unsigned places, const char *const *patterns,
                       size_t count);

// An integer attribute lies in [least, most]. What is no integer counts as 0, as in the Collector.
int tr_predicate_integer(struct tr_predicates *predicates, const char *key, unsigned places, int64_t least,
                         int64_t most);

// A boolean attribute is `wanted`. What is no boolean counts as false, as in the Collector.
int tr_predicate_boolean(struct tr_predicates *predicates, const char *key, unsigned places, bool wanted);

// The span's trace_state has the member `key` with one of `values`.
int tr_predicate_trace_state(struct tr_predicates *predicates, const char *key, const char *const *values,
                             size_t count);

// The span's name is one of `names`, each of which may begin or end with a `*`.
int tr_predicate_name(struct tr_predicates *predicates, const char *const *names, size_t count);

// The span's flags have one of the bits of `mask`.
int tr_predicate_flags(struct tr_predicates *predicates, uint32_t mask);

// The walk knows a status by itself: no call per span.
extern const struct tr_predicate_type tr_predicate_type_status;
int tr_predicate_status_of(const struct tr_predicate *predicate);

// The strings of a predicate made by tr_predicate_string(), if they are few. NULL: they are many, or it is of another type.
const struct tr_values *tr_predicate_string_few(const struct tr_predicate *predicate);

// All regexes of one key in one place (TR_PLACE_SPAN or TR_PLACE_RESOURCE), for the plan; tr_predicate_string_few() of that key
// are answered with them.
struct tr_predicate_regexes;
int tr_predicate_regexes_make(struct tr_predicate_regexes **regexes, const struct tr_predicates *predicates,
                              const char *key, unsigned place, uint32_t lcores, struct tr_error *error);
void tr_predicate_regexes_free(struct tr_predicate_regexes *regexes);
struct tr_walk_match tr_predicate_regexes_match(const struct tr_predicate_regexes *regexes);
extern const struct tr_predicate_type tr_predicate_type_regex;

#endif
