// SPDX-License-Identifier: Apache-2.0
#include "policy/types.h"

#include "match/regex.h"

static int patterns_check(const struct tr_strings *patterns, const char *path, struct tr_error *error)
{
    for (size_t i = 0; i < patterns->count; i++) {
        struct tr_regex regex;
        int rc = tr_regex_translate(patterns->items[i], &regex, error);

        free(regex.text);
        if (rc < 0) {
            tr_error_prefix(error, "%s.string_attribute.values[%zu]", path, i);
            return rc;
        }
    }
    return 0;
}

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_string_attribute_options *o = options->string_attribute;
    int number;

    if (!o)
        return tr_error_set(error, EINVAL, "%s.string_attribute.key: is missing", place->path);
    if (o->enabled_regex_matching && patterns_check(&o->values, place->path, error) < 0)
        return -EINVAL;
    policy->invert = o->invert_match;
    number = (o->enabled_regex_matching ? tr_predicate_regex : tr_predicate_string)(
        place->predicates, o->key, TR_PLACE_BOTH, o->values.items, o->values.count);
    return tr_policy_any_add(policy, place, number, error);
}

const struct tr_policy_type tr_policy_string_attribute = {"string_attribute", TR_POLICY_ANYWHERE, compile,
                                                          tr_policy_any_decide, tr_policy_any_certain};
