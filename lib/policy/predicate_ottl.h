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

enum tr_ottl_errors {
    TR_OTTL_ERRORS_IGNORE, // the condition does not hold
    TR_OTTL_ERRORS_STOP,   // nor do those behind it (error_mode: propagate)
    TR_OTTL_ERRORS_HOLD,   // the same, but the predicate is set: for a negation, which is not kept for an error
};

// One of the conditions holds: those of spans come first in `texts`.
//
// errors  what an error does
//
// Returns the predicate's number; -EINVAL: error names the path, the position and why; -ENOSPC, -ENOMEM.
int tr_predicate_ottl(struct tr_predicates *predicates, const struct tr_ottl_text *texts, uint32_t count,
                      enum tr_ottl_errors errors, struct tr_error *error);

#endif
