// SPDX-License-Identifier: Apache-2.0
// An attribute of a span or a resource is true, or is false. As in the Collector a value that is no boolean reads as
// false.
#include "policy/types.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_boolean_attribute_options *o = options->boolean_attribute;

    if (!o)
        return tr_error_set(error, EINVAL, "%s.boolean_attribute.key: is missing", place->path);
    policy->invert = o->invert_match;
    return tr_policy_any_add(policy, place, tr_predicate_boolean(place->predicates, o->key, TR_PLACE_BOTH, o->value),
                             error);
}

const struct tr_policy_type tr_policy_boolean_attribute = {"boolean_attribute", TR_POLICY_ANYWHERE, compile,
                                                           tr_policy_any_decide, tr_policy_any_certain};
