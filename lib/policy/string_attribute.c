// SPDX-License-Identifier: Apache-2.0
#include "policy/types.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options, const char *path,
                   struct tr_predicates *predicates, struct tr_error *error)
{
    const struct tr_string_attribute_options *o = options->string_attribute;
    int number;

    if (!o)
        return tr_error_set(error, EINVAL, "%s.string_attribute.key: is missing", path);
    if (o->enabled_regex_matching)
        return tr_error_set(error, EINVAL,
                            "%s.string_attribute.enabled_regex_matching: regular expressions are not in this version",
                            path);
    number = tr_predicate_string(predicates, o->key, TR_PLACE_BOTH, o->values.items, o->values.count);
    if (number < 0)
        return tr_policy_predicates_full(path, number, error);
    policy->any.word[number / 64] |= 1ull << number % 64;
    policy->invert = o->invert_match;
    return 0;
}

// The negation is of the whole trace: none of its spans and resources has one of the values.
static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    return tr_trace_has_any(trace, &policy->any) != policy->invert ? TR_ANSWER_KEEP : TR_ANSWER_DROP;
}

const struct tr_policy_type tr_policy_string_attribute = {"string_attribute", compile, decide};
