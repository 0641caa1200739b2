// SPDX-License-Identifier: Apache-2.0
#include "policy/types.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_string_attribute_options *o = options->string_attribute;

    if (!o)
        return tr_error_set(error, EINVAL, "%s.string_attribute.key: is missing", place->path);
    if (o->enabled_regex_matching)
        return tr_error_set(error, EINVAL,
                            "%s.string_attribute.enabled_regex_matching: regular expressions are not in this version",
                            place->path);
    policy->invert = o->invert_match;
    return tr_policy_any_add(
        policy, place,
        tr_predicate_string(place->predicates, o->key, TR_PLACE_BOTH, o->values.items, o->values.count), error);
}

const struct tr_policy_type tr_policy_string_attribute = {"string_attribute", TR_POLICY_ANYWHERE, compile,
                                                          tr_policy_any_decide};
