// SPDX-License-Identifier: Apache-2.0
// A span's trace_state has a member with one of some values. A list that is not valid has no members.
#include "policy/types.h"

// As the Collector: a member can't be longer than this, so the value can't occur.
#define MEMBER_BYTES_MAX 256

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_trace_state_options *o = options->trace_state;
    const char **values;
    size_t count = 0;
    int number;

    if (!o)
        return tr_error_set(error, EINVAL, "%s.trace_state.key: is missing", place->path);
    values = calloc(o->values.count + 1, sizeof(*values));
    if (!values)
        return tr_error_set(error, ENOMEM, "%s: no memory", place->path);
    for (size_t i = 0; i < o->values.count; i++)
        if (strlen(o->key) + strlen(o->values.items[i]) < MEMBER_BYTES_MAX)
            values[count++] = o->values.items[i];
    number = tr_predicate_trace_state(place->predicates, o->key, values, count);
    free(values);
    return tr_policy_any_add(policy, place, number, error);
}

const struct tr_policy_type tr_policy_trace_state = {"trace_state", TR_POLICY_ANYWHERE, compile, tr_policy_any_decide, tr_policy_any_certain};
