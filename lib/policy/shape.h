// SPDX-License-Identifier: Apache-2.0
// What policies on the shape of a trace share. docs/shape-policies.md defines them.
#ifndef TR_POLICY_SHAPE_H
#define TR_POLICY_SHAPE_H

#include "policy/types.h"
#include "trace/shapes.h"

static inline uint64_t tr_shape_units(uint64_t ms)
{
    return TR_MIN(ms, (uint64_t)UINT32_MAX) * TR_MS >> TR_SHAPE_UNIT_SHIFT;
}

// The trace's spans in order. Returns NULL: their shape is not held (it began under a config before), or there are none.
const struct tr_shapes *tr_policy_shapes(const struct tr_trace *trace);

// Mark the spans whose name is one of `names`, each of which may begin or end with a `*`; of `defaults` if there are none.
//
// Returns 0, and policy->mark; or the error with the path of the policy's block `type`.
int tr_policy_shape_mark(struct tr_policy *policy, const struct tr_policy_place *place, const struct tr_strings *names,
                         const char *const *defaults, size_t defaults_count, const char *type, struct tr_error *error);

// Is `part` at least the policy's threshold or its share of `whole`, as far as they are given?
bool tr_policy_shape_much(const struct tr_policy *policy, uint64_t part, uint64_t whole);

#endif
