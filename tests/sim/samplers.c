// SPDX-License-Identifier: Apache-2.0
// Configs with dynamic samplers, in every fifth world. Whatever the rates are, of one key all lcores go by the same one
// until the next is published; each trace is counted once, wherever and however often it was asked; and what a kept trace
// stands for is the rate by which it was kept.
#include "world.h"

#include <math.h>

#include "base/hash.h"
#include "policy/policy_set.h"
#include "policy/sampler.h"
#include "trace/shapes.h"

#define ERRORS "{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}"
#define TERMS  "adjustment_interval: 1s, age_out_value: 0.00001, field_list: [tier]"

enum { ALONE, BESIDE_ERRORS, IN_RULES, KINDS, BESIDE_LIMIT = KINDS };
_Static_assert(KINDS == SIM_SAMPLERS, "as many as the world has numbers for");

static const char *const texts[KINDS] = {
    "adjusted_count: attribute\npolicy_attribute: true\npolicies: [{name: s, type: ema_dynamic, ema_dynamic: {goal_sample_rate: 3, " TERMS "}}]",
    "policies: [" ERRORS ", {name: s, type: ema_throughput, ema_throughput: {goal_throughput_per_sec: 60, initial_sample_rate: 4, " TERMS
    "}}]",
    "adjusted_count: attribute\npolicy_attribute: true\npolicies: [{name: r, type: rules, rules: {rules: [{drop: true, conditions: [{field: meta.span_count, "
    "operator: '>=', value: 6}]}, {name: rest, sampler: {ema_dynamic: {goal_sample_rate: 2, " TERMS "}}}]}}]",
};
static const uint64_t initial_rates[] = {3, 4, 2, 4};

// A sampler, which configs in a row share.
static struct sampler {
    bool computed;
    double sum;     // of its averages
    uint64_t fresh; // spans counted since
    struct {
        uint64_t kept_most, dropped_least; // hashes, since the rates are as they are
    } of[2]; // keys: gold or not
} samplers[SIM_EPOCHS];
static uint32_t sampler_of[SIM_EPOCHS], samplers_count;

bool sim_sampled(const struct sim_world *world)
{
    return tr_mix64(world->options.seed ^ 0x73616d706c65) % 5 == 0;
}

void sim_samplers_write(unsigned kind, char *text, size_t room)
{
    snprintf(text, room, "%s", texts[kind]);
}

bool sim_samplers_may(const struct sim_trace *trace, unsigned kind, uint32_t spans, bool kept)
{
    if (kept)
        return kind != IN_RULES || spans < 6;
    return kind != BESIDE_ERRORS || !trace->error || spans < trace->spans;
}

const char *sim_samplers_name(unsigned kind, uint16_t policy)
{
    static const char *const names[KINDS][4] = {{"s"}, {"errors", "s"}, {"r", "r/0", "r/rest", "r/otherwise"}};

    return policy < 4 && names[kind][policy] ? names[kind][policy] : "";
}

static int kind_of(const struct sim_world *world, uint32_t epoch)
{
    unsigned config = world->config_of[epoch];

    if (config == SIM_CONFIGS + SIM_LIMIT_SAMPLED)
        return BESIDE_LIMIT;
    return config >= SIM_SAMPLED && config < SIM_SAMPLED + KINDS ? (int)(config - SIM_SAMPLED) : -1;
}

static void period_begin(struct sampler *sampler)
{
    for (int gold = 0; gold < 2; gold++) {
        sampler->of[gold].kept_most = 0;
        sampler->of[gold].dropped_least = UINT64_MAX;
    }
}

void sim_samplers_open(void)
{
    memset(samplers, 0, sizeof(samplers));
    memset(sampler_of, 0, sizeof(sampler_of));
    samplers_count = 0;
}

// The sampler of the config before goes on if it is the same.
void sim_samplers_swapped(const struct sim_world *world)
{
    uint32_t epoch = world->epoch;

    if (epoch > 1 && world->config_of[epoch] == world->config_of[epoch - 1]) {
        sampler_of[epoch] = sampler_of[epoch - 1];
        return;
    }
    sampler_of[epoch] = samplers_count++;
    memset(&samplers[sampler_of[epoch]], 0, sizeof(samplers[0]));
    period_begin(&samplers[sampler_of[epoch]]);
}

// Control's second, which is over in a twentieth of the lcores'.
bool sim_samplers_tick(struct sim_world *world)
{
    struct sampler *sampler = &samplers[sampler_of[world->epoch]];
    const struct tr_sampler *real = tr_policy_set_sampler(world->mesh->epoch->policies, 0);
    const struct tr_sampler_key *keys;
    struct tr_sampler_counters before, after;
    double sum = 0;
    uint32_t count;

    if (!real || world->now < world->ticked_ns + 10 * TR_MS)
        return true;
    world->ticked_ns = world->now;
    tr_sampler_counters(real, &before);
    tr_policy_set_tick(world->mesh->epoch->policies, world->now * 20);
    tr_sampler_counters(real, &after);
    if (after.intervals + after.bursts == before.intervals + before.bursts)
        return true;
    keys = tr_sampler_keys(real, &count);
    for (uint32_t i = 0; i < count; i++)
        sum += keys[i].average;
    sampler->sum = (double)sampler->fresh / 2 + sampler->sum / 2;
    sim_reaches("sampler: rates are computed");
    if (sum < sampler->sum - 1 || sum > sampler->sum + 1e-6 || after.untracked)
        return sim_fail(world, "a sampler has averages of %f spans in all, from what was decided follow %f", sum, sampler->sum);
    sampler->sum = sum;
    sampler->fresh = 0;
    sampler->computed = true;
    period_begin(sampler);
    return true;
}

static uint64_t hash_of(const struct sim_trace *trace)
{
    uint64_t hash = 0xcbf29ce484222325ull; // FNV-1a over the default salt and the id

    for (const char *p = "default-hash-seed"; *p; p++)
        hash = (hash ^ (uint8_t)*p) * 0x100000001b3ull;
    for (int i = 0; i < 16; i++)
        hash = (hash ^ trace->id[i]) * 0x100000001b3ull;
    return hash;
}

// What the sampler said of a trace, as far as the whole answer tells: 1: keep, 0: not, -1: untold.
static int says(int kind, enum tr_answer answer, uint16_t policy, uint32_t spans)
{
    if (kind == BESIDE_LIMIT)
        return answer == TR_ANSWER_KEEP ? (policy == 1 ? 1 : -1) : 0;
    if (kind == BESIDE_ERRORS && answer == TR_ANSWER_KEEP && policy == 0)
        return -1;
    return kind == IN_RULES && spans >= 6 ? -1 : answer == TR_ANSWER_KEEP;
}

static bool one_rate_holds(struct sim_world *world, const struct sampler *sampler, uint32_t index, int kind)
{
    uint64_t kept = sampler->of[index % 5 == 0].kept_most, dropped = sampler->of[index % 5 == 0].dropped_least;

    if (kept >= dropped)
        return sim_fail(world, "trace %u: a sampler keeps one by %llx and drops one by %llx", index, (unsigned long long)kept,
                        (unsigned long long)dropped);
    if (!sampler->computed && (kept > UINT64_MAX / initial_rates[kind] || dropped <= UINT64_MAX / initial_rates[kind]))
        return sim_fail(world, "trace %u: a sampler that has not counted yet does not keep one in %llu", index,
                        (unsigned long long)initial_rates[kind]);
    return true;
}

bool sim_samplers_hold(struct sim_world *world, const struct tr_trace *trace, bool counted, enum tr_answer answer, uint16_t policy)
{
    uint32_t index = (uint32_t)trace->trace_id[14] << 8 | trace->trace_id[15];
    int kind = kind_of(world, trace->epoch), said;
    struct sampler *sampler = &samplers[sampler_of[trace->epoch]];
    uint64_t hash = hash_of(&world->traces[index]);
    bool mixed = trace->shapes && trace->shapes->sampled_mixed;

    if (kind < 0 || trace->again)
        return true;
    if (!counted && !mixed && (kind != IN_RULES || trace->spans < 6))
        sampler->fresh += trace->spans;
    said = says(kind, answer, policy, trace->spans);
    if (said < 0)
        return true;
    sim_reaches("sampler %d: %s%s", kind, said ? "kept" : "dropped", mixed ? " without a key" : "");
    if (mixed) // some of its spans were walked with other fields
        return said == (hash <= UINT64_MAX / initial_rates[kind]) ||
               sim_fail(world, "trace %u has no key, and does not go by the initial rate", index);
    if (said)
        sampler->of[index % 5 == 0].kept_most = TR_MAX(sampler->of[index % 5 == 0].kept_most, hash);
    else
        sampler->of[index % 5 == 0].dropped_least = TR_MIN(sampler->of[index % 5 == 0].dropped_least, hash);
    return one_rate_holds(world, sampler, index, kind);
}

// It stands for as many as the rate says by which it was kept.
bool sim_samplers_chance_holds(struct sim_world *world, const struct tr_trace *trace, const struct tr_chance *chance)
{
    uint32_t index = (uint32_t)trace->trace_id[14] << 8 | trace->trace_id[15];
    int kind = kind_of(world, trace->epoch);
    const struct sampler *sampler = &samplers[sampler_of[trace->epoch]];
    long double limit = (1 - (long double)chance->threshold * 0x1p-56L) * 0x1p64L;

    if (kind < 0 || trace->again || world->config_of[trace->epoch] < SIM_SAMPLED || !(chance->marks & TR_MARK_COUNTED))
        return true;
    if (trace->shapes && trace->shapes->sampled_mixed)
        return fabsl(0x1p64L / limit - initial_rates[kind]) < 1e-9L ||
               sim_fail(world, "trace %u has no key, and counts as one of %.3Lf", index, 0x1p64L / limit);
    // Limits are rounded to 56 bits.
    if (limit + 512 < (long double)sampler->of[index % 5 == 0].kept_most ||
        limit - 512 > (long double)sampler->of[index % 5 == 0].dropped_least)
        return sim_fail(world, "trace %u: it counts as one of %.3Lf, kept by %llx, dropped from %llx on", index, 0x1p64L / limit,
                        (unsigned long long)sampler->of[index % 5 == 0].kept_most,
                        (unsigned long long)sampler->of[index % 5 == 0].dropped_least);
    return true;
}
