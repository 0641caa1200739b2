// SPDX-License-Identifier: Apache-2.0
#include "policy/types.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_list *list = options->and ? &options->and->and_sub_policy : NULL;

    if (!list || !list->count)
        return tr_error_set(error, EINVAL, "%s.and.and_sub_policy: at least one policy", place->path);
    return tr_policy_sub_compile(policy, list->items, list->count, place, "and.and_sub_policy", TR_POLICY_IN_AND, error);
}

const struct tr_policy_type tr_policy_and = {"and", TR_POLICY_AT_TOP | TR_POLICY_IN_COMPOSITE, compile,
                                             tr_policy_all_decide, tr_policy_all_certain};
