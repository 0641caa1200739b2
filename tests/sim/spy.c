// SPDX-License-Identifier: Apache-2.0
// Between each owner and the set that decides for it: who was asked, and what was said, for the models.
#include "world.h"

#include "trace/owner_internal.h"

static struct spy {
    struct sim_world *world;
    uint32_t lcore;
    struct tr_decider decider;
} spies[SIM_LCORES_MAX];

static enum tr_answer decide(void *context, const struct tr_trace *trace, uint16_t *policy)
{
    struct spy *spy = context;
    uint64_t slots = trace->asked ? trace->asked->slots : 0;
    bool counted = trace->asked && trace->asked->counted;
    enum tr_answer answer;

    sim_limits_settled(spy->world, spy->world->lcores[spy->lcore]->walker.epoch->number);
    answer = spy->decider.decide(spy->decider.context, trace, policy);
    sim_limits_hold(spy->world, trace, slots, answer, *policy);
    sim_samplers_hold(spy->world, trace, counted, answer, *policy);
    return answer;
}

static struct tr_chance chance_of(void *context, const struct tr_trace *trace)
{
    const struct spy *spy = context;
    struct tr_chance chance = spy->decider.chance(spy->decider.context, trace);

    sim_samplers_chance_holds(spy->world, trace, &chance);
    return chance;
}

static enum tr_answer certain(void *context, const struct tr_trace *trace, uint16_t *policy)
{
    const struct spy *spy = context;

    return spy->decider.certain(spy->decider.context, trace, policy);
}

void sim_spy(struct sim_world *world, uint32_t lcore)
{
    struct tr_owner *owner = world->lcores[lcore]->owner;

    spies[lcore] = (struct spy){world, lcore, owner->decider};
    owner->decider = (struct tr_decider){.context = &spies[lcore], .decide = decide, .chance = chance_of, .certain = certain};
}
