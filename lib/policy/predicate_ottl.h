// SPDX-License-Identifier: Apache-2.0
// OTTL conditions as predicates.
#ifndef TR_POLICY_PREDICATE_OTTL_H
#define TR_POLICY_PREDICATE_OTTL_H

#include "policy/ottl.h"
#include "policy/predicate.h"

struct tr_ottl_text {
    const char *text;
    enum tr_ottl_context context;
    const char *path; // in the config
};

// One of the conditions holds: those of spans come first in `texts`.
//
// stop  an error ends it (error_mode: propagate); else the condition that makes it does not hold
//
// Returns the predicate's number; -EINVAL: error names the path, the position and why; -ENOSPC, -ENOMEM.
int tr_predicate_ottl(struct tr_predicates *predicates, const struct tr_ottl_text *texts, uint32_t count, bool stop,
                      struct tr_error *error);

#endif
