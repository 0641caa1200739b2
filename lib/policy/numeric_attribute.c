// SPDX-License-Identifier: Apache-2.0
// An attribute of a span or a resource lies in a range. As in the Collector a bound of 0 is no bound, and a value that
// is no integer reads as 0.
#include "policy/types.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_numeric_attribute_options *o = options->numeric_attribute;

    if (!o)
        return tr_error_set(error, EINVAL, "%s.numeric_attribute.key: is missing", place->path);
    if (!o->min_value && !o->max_value)
        return tr_error_set(error, EINVAL,
                            "%s.numeric_attribute: neither min_value nor max_value is there (0 is no bound)", place->path);
    if (o->min_value && o->max_value && o->min_value > o->max_value)
        return tr_error_set(error, EINVAL, "%s.numeric_attribute.max_value: %lld is below min_value %lld", place->path,
                            (long long)o->max_value, (long long)o->min_value);
    policy->invert = o->invert_match;
    return tr_policy_any_add(policy, place,
                             tr_predicate_integer(place->predicates, o->key, TR_PLACE_BOTH,
                                                  o->min_value ? o->min_value : INT64_MIN,
                                                  o->max_value ? o->max_value : INT64_MAX),
                             error);
}

const struct tr_policy_type tr_policy_numeric_attribute = {"numeric_attribute", TR_POLICY_ANYWHERE, compile,
                                                           tr_policy_any_decide, tr_policy_any_certain};
