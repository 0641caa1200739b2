// SPDX-License-Identifier: Apache-2.0
// From options to a set: policies, their predicates, and the plan that the walk runs.
#include "policy/policy_set.h"
#include "policy/types.h"

static int names_check(const struct tr_policy_options *policies, size_t count, struct tr_error *error)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(policies[i].name, policies[k].name) == 0)
                return tr_error_set(error, EINVAL,
                                    "tail_sampling.policies[%zu].name: %s is the name of policies[%zu] too", i,
                                    policies[i].name, k);
    return 0;
}

// Drop policies first, each kind in the order of the config.
static int order_make(struct tr_policy_set_whole *whole)
{
    uint32_t count = whole->policies_count, at = 0;

    whole->order = calloc(count + 1, sizeof(*whole->order));
    if (!whole->order)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        if (whole->policies[i].type == &tr_policy_drop)
            whole->order[at++] = (uint16_t)i;
    whole->drops = at;
    for (uint32_t i = 0; i < count; i++)
        if (whole->policies[i].type != &tr_policy_drop)
            whole->order[at++] = (uint16_t)i;
    return 0;
}

// Number the rows of those policies that have some behind the policies.
static int rows_make(struct tr_policy_set_whole *whole, struct tr_error *error)
{
    uint32_t rows = whole->policies_count;

    for (uint32_t i = 0; i < whole->policies_count; i++) {
        whole->policies[i].first_row = rows;
        rows += whole->policies[i].rows;
    }
    if (rows >= TR_POLICY_NONE)
        return tr_error_set(error, EINVAL, "tail_sampling.policies: %u policies and rules, at most %d are possible",
                            rows, TR_POLICY_NONE - 1);
    whole->set.policies = rows;
    return 0;
}

static int policy_make(struct tr_policy_set_whole *whole, const struct tr_policy_options *options, size_t number,
                       uint32_t stage, struct tr_error *error)
{
    char path[64];
    struct tr_policy_place place = {.path = path,
                                    .place = TR_POLICY_AT_TOP,
                                    .predicates = &whole->predicates,
                                    .draws = &whole->draws,
                                    .key = options->name,
                                    .stage = stage,
                                    .whole = whole};

    snprintf(path, sizeof(path), "tail_sampling.policies[%zu]", number);
    return tr_policy_compile(&whole->policies[number], options, &place, error);
}

// Limits of drop policies are asked before those of others, and where the first that keeps ends it, each before those
// behind it: what spends nothing when an answer is known is not asked before.
static int policies_make(struct tr_policy_set_whole *whole, const struct tr_list *list, struct tr_error *error)
{
    const struct tr_policy_options *policies = list->items;
    int rc = names_check(policies, list->count, error);
    uint32_t stage = 0, stages = 0;

    if (rc < 0)
        return rc;
    whole->policies = calloc(list->count + 1, sizeof(*whole->policies));
    if (!whole->policies)
        return -ENOMEM;
    whole->policies_count = (uint32_t)list->count;
    for (int drops = 1; drops >= 0; drops--) {
        for (size_t i = 0; i < list->count; i++) {
            if ((strcmp(policies[i].type, tr_policy_drop.name) == 0) != drops)
                continue;
            rc = policy_make(whole, &policies[i], i, stage, error);
            if (rc < 0)
                return rc;
            stages = TR_MAX(stages, stage + whole->policies[i].stages);
            stage = !drops && whole->first_match ? stages : stage;
        }
        stage = stages;
    }
    rc = rows_make(whole, error);
    if (rc < 0)
        return rc;
    whole->pure = calloc(list->count + 1, sizeof(*whole->pure));
    if (!whole->pure)
        return -ENOMEM;
    whole->all_pure = true;
    for (size_t i = 0; i < list->count; i++) {
        whole->pure[i] = tr_policy_is_pure(&whole->policies[i]);
        whole->all_pure &= whole->pure[i];
    }
    return order_make(whole);
}

static uint32_t aside_of(const struct tr_policy_set_whole *whole)
{
    uint32_t aside = whole->set.budgets ? TR_ASIDE_ASKED : 0;

    for (uint32_t i = 64; i < TR_PREDICATES_MAX; i++)
        aside |= whole->predicates.rows[i].predicate ? TR_ASIDE_PREDICATES : 0;
    return aside | (tr_predicates_shape_needs(&whole->predicates) & TR_SHAPE_OT ? TR_ASIDE_OT : 0);
}

int tr_policy_set_compile(const struct tr_tail_sampling_options *options, const struct tr_policy_set *previous,
                          uint32_t epoch, uint32_t lcores, struct tr_policy_set **set, struct tr_error *error)
{
    struct tr_policy_set_whole *whole = calloc(1, sizeof(*whole));
    int rc;

    if (!whole)
        return tr_error_set(error, ENOMEM, "no memory for a policy set");
    whole->set.epoch = whole->predicates.epoch = epoch;
    whole->predicates.lcores = whole->samplers.lcores = lcores;
    whole->set.wait_ns = options->decision_wait_ns;
    whole->set.wait_min_ns = options->decision_wait_min_ns;
    whole->set.wait_root_ns = options->decision_wait_after_root_ns;
    whole->set.adjusted = whole->draws.adjusted = (enum tr_adjusted)options->adjusted_count;
    whole->set.policy_attribute = options->policy_attribute;
    whole->first_match = options->sample_on_first_match;
    if (previous)
        whole->samplers.before = &((const struct tr_policy_set_whole *)previous)->samplers;
    if (previous)
        tr_predicates_carry(&whole->predicates, &((const struct tr_policy_set_whole *)previous)->predicates);
    if (previous && previous->budgets) {
        whole->set.budgets = previous->budgets;
        tr_budgets_use(whole->set.budgets);
    }
    whole->set.budget_plan = &whole->budget_plan;
    rc = policies_make(whole, &options->policies, error);
    if (rc < 0)
        goto fail;
    whole->set.shape_path = whole->predicates.shape_path;
    whole->set.aside = aside_of(whole);
    whole->set.reopen = options->reopen;
    whole->set.at_once = options->decide_at_once && whole->all_pure;
    rc = tr_samplers_settle(&whole->samplers);
    if (rc < 0)
        goto fail;
    rc = tr_policy_plan_make(whole, options->watched, lcores, error);
    if (rc < 0)
        goto fail;
    if (whole->set.adjusted != TR_ADJUSTED_OFF) {
        rc = tr_policy_chances_make(whole, error);
        if (rc < 0)
            goto fail;
    }
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
    for (uint32_t i = 0; whole->policies && i < whole->policies_count; i++)
        tr_policy_clear(&whole->policies[i]);
    free(whole->policies);
    free(whole->order);
    free(whole->chances);
    tr_policy_draws_clear(&whole->draws);
    if (set->budgets)
        tr_budgets_release(set->budgets, &whole->budget_plan);
    free(whole->pure);
    tr_samplers_clear(&whole->samplers);
    tr_policy_plan_clear(whole);
    tr_predicates_clear(&whole->predicates);
    free(whole);
}
