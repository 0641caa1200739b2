// SPDX-License-Identifier: Apache-2.0
// From options to a set: policies, predicates, and the plan that the walk runs.
#include "policy/policy_set.h"

// Keys of one place that predicates watch, each with its tests side by side.
static int keys_make(struct tr_policy_set_whole *whole, struct tr_walk_keys *keys)
{
    struct tr_predicates *predicates = &whole->predicates;

    keys->keys = calloc(TR_PREDICATES_MAX, sizeof(*keys->keys));
    if (!keys->keys)
        return -ENOMEM;
    for (uint32_t i = 0; i < TR_PREDICATES_MAX; i++) {
        const struct tr_predicate *row = &predicates->rows[i];
        uint32_t at = 0;

        if (!row->taken || row->status >= 0)
            continue;
        while (at < keys->count && strcmp(keys->keys[at].name, row->key) != 0)
            at++;
        if (at == keys->count)
            keys->keys[keys->count++] = (struct tr_walk_key){.name = row->key, .bytes = (uint32_t)strlen(row->key)};
        keys->keys[at].tests++;
    }
    return tr_walk_keys_build(keys);
}

static int plan_make(struct tr_policy_set_whole *whole)
{
    struct tr_walk_plan *plan = &whole->set.plan;
    uint32_t tests = 0, highest = 0;

    whole->tests = calloc(TR_PREDICATES_MAX, sizeof(*whole->tests));
    if (!whole->tests || keys_make(whole, &plan->span) < 0 || keys_make(whole, &plan->resource) < 0)
        return -ENOMEM;
    plan->tests = whole->tests;
    for (uint32_t k = 0; k < plan->span.count; k++) {
        plan->span.keys[k].first_test = plan->resource.keys[k].first_test = tests;
        for (uint32_t i = 0; i < TR_PREDICATES_MAX; i++) {
            const struct tr_predicate *row = &whole->predicates.rows[i];

            if (row->taken && row->status < 0 && strcmp(row->key, plan->span.keys[k].name) == 0)
                whole->tests[tests++] =
                    (struct tr_walk_test){.test = tr_predicate_test_string, .argument = row, .predicate = i};
        }
    }
    for (uint32_t i = 0; i < TR_PREDICATES_MAX; i++) {
        const struct tr_predicate *row = &whole->predicates.rows[i];

        if (!row->taken)
            continue;
        highest = i;
        if (row->status >= 0)
            plan->status[row->status].word[i / 64] |= 1ull << i % 64;
    }
    plan->words = highest / 64 + 1;
    plan->epoch = whole->set.epoch;
    return 0;
}

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
    if (previous &&
        tr_predicates_carry(&whole->predicates, &((const struct tr_policy_set_whole *)previous)->predicates) < 0)
        goto fail;
    for (size_t i = 0; i < options->policies.count; i++) {
        char path[64];

        snprintf(path, sizeof(path), "tail_sampling.policies[%zu]", i);
        whole->set.policies++;
        rc = tr_policy_compile(&whole->policies[i], &policies[i], path, &whole->predicates, error);
        if (rc < 0)
            goto fail;
    }
    rc = plan_make(whole);
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
    tr_walk_keys_free(&set->plan.span);
    tr_walk_keys_free(&set->plan.resource);
    free(set->plan.span.keys);
    free(set->plan.resource.keys);
    free(whole->tests);
    tr_predicates_clear(&whole->predicates);
    free(whole);
}
