// SPDX-License-Identifier: Apache-2.0
#include "policy/shape.h"

const struct tr_shapes *tr_policy_shapes(const struct tr_trace *trace)
{
    if (!trace->shapes)
        return NULL;
    tr_shapes_order(trace->shapes);
    return trace->shapes->count ? trace->shapes : NULL;
}

int tr_policy_shape_mark(struct tr_policy *policy, const struct tr_policy_place *place, const struct tr_strings *names,
                         const char *const *defaults, size_t defaults_count, const char *type, struct tr_error *error)
{
    bool own = names && names->count;
    int number = tr_predicate_name(place->predicates, own ? names->items : defaults, own ? names->count : defaults_count);
    int mark = number;

    if (number >= 0)
        mark = tr_predicates_mark(place->predicates, number, place->path);
    if (number >= 0 && mark < 0)
        return tr_error_set(error, EINVAL,
                            "%s.%s.span_names: more than %d different lists in all policies of the last %d configs",
                            place->path, type, TR_MARKS_MAX, TR_EPOCHS_LIVE_MAX);
    if (mark < 0) {
        struct tr_policy none = {0};

        return tr_policy_any_add(&none, place, number, error);
    }
    policy->shape.mark = 1u << mark;
    return 0;
}

bool tr_policy_shape_much(const struct tr_policy *policy, uint64_t part, uint64_t whole)
{
    if (policy->shape.threshold && part >= policy->shape.threshold)
        return true;
    return policy->shape.share > 0 && part && (double)part * 100 >= policy->shape.share * (double)whole;
}
