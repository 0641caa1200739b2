// SPDX-License-Identifier: Apache-2.0
// Sub-policies that share a budget: the first that wants a trace pays for it, and when its share and what others lend
// is spent, the trace is not kept, whoever else wants it.
#include "policy/types.h"

static int position_of(const struct tr_list *subs, const char *name)
{
    const struct tr_policy_options *sub = subs->items;

    for (size_t i = 0; i < subs->count; i++)
        if (strcmp(sub[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int names_check(const struct tr_composite_options *o, const char *path, struct tr_error *error)
{
    const struct tr_policy_options *subs = o->composite_sub_policy.items;
    const struct tr_rate_allocation_options *rates = o->rate_allocation.items;

    for (size_t i = 0; i < o->composite_sub_policy.count; i++)
        if (position_of(&o->composite_sub_policy, subs[i].name) != (int)i)
            return tr_error_set(error, EINVAL, "%s.composite.composite_sub_policy[%zu].name: %s is there twice", path, i,
                                subs[i].name);
    for (size_t i = 0; i < o->policy_order.count; i++)
        if (position_of(&o->composite_sub_policy, o->policy_order.items[i]) < 0)
            return tr_error_set(error, EINVAL, "%s.composite.policy_order[%zu]: %s is not a sub-policy", path, i,
                                o->policy_order.items[i]);
    for (size_t i = 0; i < o->rate_allocation.count; i++)
        if (position_of(&o->composite_sub_policy, rates[i].policy) < 0)
            return tr_error_set(error, EINVAL, "%s.composite.rate_allocation[%zu].policy: %s is not a sub-policy", path, i,
                                rates[i].policy);
    return 0;
}

// The place of each sub-policy: as policy_order has it, the others behind, as listed.
static uint32_t place_of(const struct tr_composite_options *o, const char *name, uint32_t index)
{
    uint32_t i = 0;

    while (i < o->policy_order.count && strcmp(o->policy_order.items[i], name) != 0)
        i++;
    return i < o->policy_order.count ? i : (uint32_t)o->policy_order.count + index;
}

static uint64_t share_of(const struct tr_composite_options *o, const char *name)
{
    const struct tr_rate_allocation_options *rates = o->rate_allocation.items;

    for (size_t i = o->rate_allocation.count; i-- > 0;) // of two, the last
        if (strcmp(rates[i].policy, name) == 0 && rates[i].percent > 0)
            return (uint64_t)((unsigned __int128)o->max_total_spans_per_second * (uint64_t)rates[i].percent / 100);
    return o->max_total_spans_per_second / o->composite_sub_policy.count;
}

// Sub-policies in their order, so that `decide` reads them so.
static void sort(struct tr_policy_options *subs, uint32_t *numbers, const struct tr_composite_options *o)
{
    const struct tr_policy_options *listed = o->composite_sub_policy.items;
    uint32_t count = (uint32_t)o->composite_sub_policy.count, filled = 0;

    for (uint32_t place = 0; filled < count; place++)
        for (uint32_t i = 0; i < count; i++)
            if (place_of(o, listed[i].name, i) == place) {
                numbers[filled] = i;
                subs[filled++] = listed[i];
            }
}

static int shares_take(struct tr_policy *policy, const struct tr_policy_options *subs,
                       const struct tr_composite_options *o, const struct tr_policy_place *place, struct tr_error *error)
{
    uint64_t total = o->max_total_spans_per_second;

    policy->shares = calloc(policy->sub_count, sizeof(*policy->shares));
    if (!policy->shares)
        return tr_error_set(error, ENOMEM, "%s: no memory", place->path);
    for (uint32_t i = 0; i < policy->sub_count; i++) {
        struct tr_budget_terms terms = {
            .rate = total, .burst = total, .share = share_of(o, subs[i].name), .order = i};
        char key[512];
        int rc;

        snprintf(key, sizeof(key), "%s//%s", place->key, subs[i].name);
        rc = tr_policy_share_add(policy, i, place, place->key, key, &terms, error);
        if (rc < 0)
            return rc;
    }
    policy->stages++;
    return tr_policy_shares_draw(policy, policy->sub_count, place, "composite", error);
}

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_composite_options *o = options->composite;
    struct tr_policy_options subs[TR_BUDGET_SLOTS_MAX];
    uint32_t numbers[TR_BUDGET_SLOTS_MAX];
    int rc;

    if (!o)
        return tr_error_set(error, EINVAL, "%s.composite.composite_sub_policy: is missing", place->path);
    rc = names_check(o, place->path, error);
    if (rc < 0)
        return rc;
    sort(subs, numbers, o);
    rc = tr_policy_subs_compile(policy, subs, numbers, o->composite_sub_policy.count, place,
                                "composite.composite_sub_policy", TR_POLICY_IN_COMPOSITE, error);
    return rc < 0 ? rc : shares_take(policy, subs, o, place, error);
}

// The share that was asked for the trace, NULL: none was.
static const struct tr_budget_share *share_asked(const struct tr_policy *policy, const struct tr_trace *trace)
{
    for (uint32_t i = 0; i < policy->sub_count; i++)
        if (trace->asked->slots >> policy->shares[i].slot & 1)
            return &policy->shares[i];
    return NULL;
}

static bool limit_of(const struct tr_policy *policy, const struct tr_trace *trace, uint64_t *limit)
{
    const struct tr_budget_share *share = share_asked(policy, trace);

    return share && tr_budget_chance(share, trace, limit);
}

// Would a sub-policy want it, and would that be paid for?
static enum tr_answer would_keep(const struct tr_policy *policy, const struct tr_trace *trace)
{
    const struct tr_budget_share *share = share_asked(policy, trace);

    for (uint32_t i = 0; share && i < policy->sub_count; i++)
        if (policy->sub[i].type->decide(&policy->sub[i], trace) == TR_ANSWER_KEEP)
            return tr_budget_ask(share, trace, trace->spans);
    return TR_ANSWER_DROP;
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    const struct tr_budget_share *share;

    if (tr_unlikely(trace->draws != NULL))
        return would_keep(policy, trace);
    // One that was asked for the trace stays it, also when spans have come that make another one want it.
    share = share_asked(policy, trace);
    if (share)
        return tr_budget_ask(share, trace, trace->spans);
    for (uint32_t i = 0; i < policy->sub_count; i++) {
        enum tr_answer answer = policy->sub[i].type->decide(&policy->sub[i], trace);

        if (answer == TR_ANSWER_PENDING)
            return answer;
        if (answer == TR_ANSWER_KEEP)
            return tr_budget_ask(&policy->shares[i], trace, trace->spans);
    }
    return TR_ANSWER_DROP;
}

const struct tr_policy_type tr_policy_composite = {
    .name = "composite", .places = TR_POLICY_AT_TOP, .compile = compile, .decide = decide, .limit = limit_of};
