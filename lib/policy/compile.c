// SPDX-License-Identifier: Apache-2.0
// From options to a set: policies, their predicates, and the plan that the walk runs.
#include "policy/policy_set.h"

int tr_policy_set_compile(const struct tr_tail_sampling_options *options, const struct tr_policy_set *previous,
                          uint32_t epoch, struct tr_policy_set **set, struct tr_error *error)
{
    const struct tr_policy_options *policies = options->policies.items;
    struct tr_policy_set_whole *whole = calloc(1, sizeof(*whole));
    int rc = -ENOMEM;

    if (!whole)
        return tr_error_set(error, ENOMEM, "no memory for a policy set");
    whole->set.epoch = whole->predicates.epoch = epoch;
    whole->set.wait_ns = options->decision_wait_ns;
    whole->set.wait_min_ns = options->decision_wait_min_ns;
    whole->policies = calloc(options->policies.count, sizeof(*whole->policies));
    if (!whole->policies)
        goto fail;
    if (previous)
        tr_predicates_carry(&whole->predicates, &((const struct tr_policy_set_whole *)previous)->predicates);
    for (size_t i = 0; i < options->policies.count; i++) {
        char path[64];

        snprintf(path, sizeof(path), "tail_sampling.policies[%zu]", i);
        whole->set.policies++;
        rc = tr_policy_compile(&whole->policies[i], &policies[i], path, &whole->predicates, error);
        if (rc < 0)
            goto fail;
    }
    rc = tr_policy_plan_make(whole);
    if (rc < 0)
        goto fail;
    *set = &whole->set;
    return 0;
fail:
    tr_error_set(error, -rc, "no memory for a policy set");
    tr_policy_set_free(&whole->set);
    return rc;
}

void tr_policy_set_free(struct tr_policy_set *set)
{
    struct tr_policy_set_whole *whole = (struct tr_policy_set_whole *)set;

    if (!set)
        return;
    for (uint32_t i = 0; whole->policies && i < set->policies; i++)
        tr_policy_clear(&whole->policies[i]);
    free(whole->policies);
    tr_policy_plan_clear(whole);
    tr_predicates_clear(&whole->predicates);
    free(whole);
}
