// SPDX-License-Identifier: Apache-2.0
// What policies that spend have in common: their shares of budgets.
#include "policy/policy_set.h"

int tr_policy_share_add(struct tr_policy *policy, uint32_t index, const struct tr_policy_place *place, const char *budget,
                        const char *key, const struct tr_budget_terms *terms, struct tr_error *error)
{
    struct tr_policy_set_whole *whole = place->whole;
    struct tr_budget_plan *plan = &whole->budget_plan;
    int slot = tr_budgets_slot(&whole->set.budgets, whole->predicates.lcores, budget, key, terms);

    if (slot == -ENOMEM)
        return tr_error_set(error, ENOMEM, "%s: no memory", place->path);
    if (slot < 0)
        return tr_error_set(error, EINVAL, "%s: more than %d limits in all policies of the last %d configs", place->path,
                            TR_BUDGET_SLOTS_MAX, TR_EPOCHS_LIVE_MAX);
    plan->slots |= 1ull << slot;
    plan->terms[slot] = *terms;
    policy->slots |= 1ull << slot;
    policy->shares[index] = (struct tr_budget_share){.budgets = whole->set.budgets,
                                                     .slot = (uint32_t)slot,
                                                     .stage = place->stage + policy->stages,
                                                     .burst = terms->burst};
    if (index == 0)
        snprintf(policy->draw_name, sizeof(policy->draw_name), "\1limit %d", slot);
    if (place->stage + policy->stages >= TR_BUDGET_STAGES_MAX)
        return tr_error_set(error, EINVAL, "%s: more than %d limits that wait for each other", place->path,
                            TR_BUDGET_STAGES_MAX);
    return 0;
}

// Which traces a limit keeps is left to chance, their ids': a draw of adjusted counts.
int tr_policy_shares_draw(struct tr_policy *policy, uint32_t count, const struct tr_policy_place *place,
                          const char *option, struct tr_error *error)
{
    int rc = tr_policy_draw_use(policy, place, policy->draw_name, option, error);

    for (uint32_t i = 0; i < count; i++)
        policy->shares[i].draw = policy->draw;
    return rc;
}

int tr_policy_limit_compile(struct tr_policy *policy, const struct tr_policy_place *place, uint64_t rate, uint64_t burst,
                            struct tr_error *error)
{
    const struct tr_budget_terms terms = {.rate = rate, .burst = burst ? burst : 2 * rate, .share = rate};
    int rc;

    policy->shares = calloc(1, sizeof(*policy->shares));
    if (!policy->shares)
        return tr_error_set(error, ENOMEM, "%s: no memory", place->path);
    rc = tr_policy_share_add(policy, 0, place, place->key, place->key, &terms, error);
    policy->stages = 1;
    return rc < 0 ? rc : tr_policy_shares_draw(policy, 1, place, policy->type->name, error);
}

bool tr_policy_limit_limit(const struct tr_policy *policy, const struct tr_trace *trace, uint64_t *limit)
{
    return tr_budget_chance(policy->shares, trace, limit);
}
