// SPDX-License-Identifier: Apache-2.0
// All of its policies say so: the trace is dropped, whatever others say. It answers KEEP when they do, as `and` does;
// the set knows what that means.
#include "policy/types.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_list *list = options->drop ? &options->drop->drop_sub_policy : NULL;

    if (!list || !list->count)
        return tr_error_set(error, EINVAL, "%s.drop.drop_sub_policy: at least one policy", place->path);
    return tr_policy_sub_compile(policy, list->items, list->count, place, "drop.drop_sub_policy", TR_POLICY_IN_AND,
                                 error);
}

const struct tr_policy_type tr_policy_drop = {"drop", TR_POLICY_AT_TOP, compile, tr_policy_all_decide, tr_policy_all_certain};
