// SPDX-License-Identifier: Apache-2.0
// The same traces, the same config, with one lcore and with four, in turns that other seeds draw: what is kept is the same,
// by the same policy, limits and samplers included. For that the spans of a trace come within its wait, and traces in waves
// that begin with a second: what asks in one tick follows from the wave, not from who was fast. Rates of samplers are
// computed between waves.
#include "world.h"

#include "base/hash.h"
#include "policy/policy_set.h"

#define WAVE    50  // traces
#define WAVE_NS (4 * TR_S)
#define STEPS   400000

static struct side {
    bool kept[SIM_TRACES];
    uint16_t policy[SIM_TRACES];
    bool at_once; // whose word it is hangs on who came first
} sides[2];

static void options_set(struct sim_options *o, uint32_t lcores)
{
    o->lcores = lcores;
    o->clients = SIM_CLIENTS_MAX;
    o->slots = 64;
    o->journal_bytes = o->outbox_bytes = TR_MIB;
    o->traces_max = 512;
    o->refs_max = o->spans_max = SIM_TRACES * SIM_TRACE_SPANS;
    o->verdicts_max = 1024;
    o->wait_ns = o->wait_min_ns = 150 * TR_MS;
    o->step_ns = 10 * TR_US;
    o->body_spans = SIM_BODY_SPANS;
    o->window = WAVE;
    o->swaps = o->flaky = o->floods = o->slow_readers = o->drains = o->reopens = false;
    o->limits = o->seed % 4 != 1;
    o->roomy = true;
}

static bool is_sent(const struct sim_world *world)
{
    for (uint32_t i = 0; i < world->gate; i++)
        for (uint32_t number = 0; number < world->traces[i].spans; number++)
            if (world->traces[i].fate[number] != SIM_ACCEPTED)
                return false;
    return true;
}

static bool is_decided(const struct sim_world *world)
{
    for (uint32_t i = 0; i < world->gate; i++)
        if (!world->traces[i].verdicts)
            return false;
    return true;
}

static bool wave_run(struct sim_world *world)
{
    uint64_t start_ns = world->now;

    for (uint32_t i = 0; i < STEPS && !is_sent(world); i++)
        if (!sim_step(world))
            return false;
    if (!is_sent(world) || world->now - start_ns > world->options.wait_ns / 2)
        return sim_fail(world, "a wave took %llu ns", (unsigned long long)(world->now - start_ns));
    if (!sim_run_until(world, is_decided))
        return false;
    return is_decided(world) || sim_fail(world, "a wave is not decided after %llu ns", (unsigned long long)(world->now - start_ns));
}

static bool side_run(struct sim_world *world, uint32_t number)
{
    struct side *side = &sides[number];

    for (uint32_t wave = 0; world->gate < SIM_TRACES; wave++) {
        world->gate = TR_MIN(world->gate + WAVE, SIM_TRACES);
        world->now = TR_S + wave * WAVE_NS + sim_draw(world, TR_MS);
        sim_samplers_tick(world);
        if (!wave_run(world))
            return false;
        if (world->now >= TR_S + (wave + 1) * WAVE_NS)
            return sim_fail(world, "a wave ended with the next one");
    }
    side->at_once = world->mesh->epoch->policies->at_once;
    for (uint32_t i = 0; i < SIM_TRACES; i++) {
        side->kept[i] = world->traces[i].kept;
        side->policy[i] = world->traces[i].verdict_policy;
    }
    return true;
}

bool sim_pair(struct sim_world *world, uint64_t seed)
{
    static const uint32_t lcores[2] = {1, SIM_LCORES_MAX};
    uint32_t kept = 0;

    for (uint32_t number = 0; number < 2; number++) {
        if (sim_open_as(world, seed, lcores[number], options_set) < 0)
            return sim_fail(world, "it can't be opened");
        world->random = tr_mix64(seed ^ (uint64_t)(number + 1) << 56);
        if (!side_run(world, number))
            return false;
        if (number == 0)
            sim_close(world);
    }
    for (uint32_t i = 0; i < SIM_TRACES; i++) {
        kept += sides[0].kept[i];
        world->judged = 1;
        if (sides[0].kept[i] != sides[1].kept[i])
            return sim_fail(world, "trace %u is %s with one lcore, and %s with %u", i, sides[0].kept[i] ? "kept" : "dropped",
                            sides[1].kept[i] ? "kept" : "dropped", SIM_LCORES_MAX);
        if (!sides[0].at_once && sides[0].policy[i] != sides[1].policy[i])
            return sim_fail(world, "trace %u is policy %u's with one lcore, and %u's with %u", i, sides[0].policy[i],
                            sides[1].policy[i], SIM_LCORES_MAX);
    }
    sim_reaches("pairs of config %u%s", world->config_of[1], kept == 0 ? ": nothing kept" : kept == SIM_TRACES ? ": all kept" : "");
    sim_close(world);
    return true;
}
