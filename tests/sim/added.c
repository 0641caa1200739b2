// SPDX-License-Identifier: Apache-2.0
// What tailrace adds to kept spans: the policy's name and the adjusted count, by the config under which the trace was
// decided, whatever config the holder has come to. Looked at when all is at rest, since spans may come out of an
// outbox before their verdict is read.
#include "world.h"

#include <math.h>

#include "base/pb.h"
#include "otlp/value.h"

#define PREFIX "tailrace."

static bool note(struct sim_world *world, struct sim_added *added, const struct tr_pb_field *attribute)
{
    struct tr_key_value pair;

    if (!tr_key_value_read(attribute->bytes, (uint32_t)attribute->value, &pair))
        return sim_fail(world, "an attribute was added that can't be read");
    if (pair.key_bytes == 15 && memcmp(pair.key, "tailrace.policy", 15) == 0 && !added->policy[0] &&
        pair.value.type == TR_VALUE_STRING && pair.value.length < sizeof(added->policy)) {
        memcpy(added->policy, pair.value.bytes, pair.value.length);
        return true;
    }
    if (pair.key_bytes == 23 && memcmp(pair.key, "tailrace.adjusted_count", 23) == 0 && !added->count &&
        pair.value.type == TR_VALUE_DOUBLE) {
        added->count = pair.value.number;
        return true;
    }
    if (pair.key_bytes == 17 && memcmp(pair.key, "tailrace.reopened", 17) == 0 && !added->reopened &&
        pair.value.type == TR_VALUE_BOOL && pair.value.integer == 1) {
        added->reopened = true;
        return true;
    }
    return sim_fail(world, "an attribute was added that nobody asked for");
}

bool sim_added_cut(struct sim_world *world, struct sim_added *added, const uint8_t *span, uint32_t *bytes)
{
    const uint8_t *end = span + *bytes;

    for (const uint8_t *p = span; p < end;) {
        struct tr_pb_field field;
        const uint8_t *key;
        uint32_t key_bytes;

        p = tr_pb_field(p, end, &field);
        if (!p)
            return sim_fail(world, "a span came out that is not protobuf");
        if (field.number != 9 || !tr_key_value_key(field.bytes, (uint32_t)field.value, &key, &key_bytes) ||
            key_bytes < sizeof(PREFIX) || memcmp(key, PREFIX, sizeof(PREFIX) - 1) != 0) {
            if (*bytes != (uint32_t)(end - span))
                return sim_fail(world, "something stands behind what was added");
            continue;
        }
        if (*bytes == (uint32_t)(end - span))
            *bytes = (uint32_t)(field.begin - span);
        if (!note(world, added, &field))
            return false;
    }
    return true;
}

static const char *name_of(const struct sim_world *world, uint32_t epoch, uint16_t policy, char text[SIM_POLICY_BYTES])
{
    static const char *const names[SIM_CONFIGS][2] = {{"errors"},       {"half", "errors"}, {"gold", "errors"}, {"slow"},
                                                      {"both"},         {NULL},             {"plan"}};
    unsigned config = world->config_of[epoch];

    if (config == SIM_RULES)
        return sim_rules_name(world, epoch, policy, text);
    if (sim_looks_at_shape(world, config))
        return sim_shapes_name(world, epoch, policy);
    if (config >= SIM_SAMPLED)
        return sim_samplers_name(config - SIM_SAMPLED, policy);
    if (config >= SIM_CONFIGS)
        return sim_limits_name(config - SIM_CONFIGS, policy);
    if (names[config][0])
        return policy < 2 && names[config][policy] ? names[config][policy] : "";
    if (policy >= 400)
        return policy == 400 ? "gold" : "errors";
    snprintf(text, SIM_POLICY_BYTES, "n%u", policy);
    return text;
}

static bool adds(const struct sim_world *world, uint32_t epoch)
{
    unsigned config = world->config_of[epoch];

    return config == SIM_CONFIG_ADDS || config == SIM_SAMPLED || config == SIM_SAMPLED + 2 || (config == SIM_RULES && sim_rules_add(world, epoch));
}

// Of a trace decided under a config that counts: what half of those like it share stands for two, and so on.
static bool count_holds(const struct sim_world *world, const struct sim_trace *trace, uint32_t index, double count)
{
    if (world->config_of[trace->verdict_epoch] == SIM_RULES) {
        double says = sim_say(world, trace, index, trace->verdict_epoch).count;

        return count >= 1 && (trace->verdict_spans < trace->spans || trace->verdicts > 1 || fabs(count - says) < 1e-9);
    }
    if (world->config_of[trace->verdict_epoch] >= SIM_SAMPLED)
        return count >= 1; // samplers.c has looked
    if (trace->verdict_policy == 1 || (trace->error && trace->verdict_spans == trace->spans))
        return count == 1;
    return count == 2 || (trace->error && count == 1);
}

// Do all configs of this world add?
static bool always_adds(const struct sim_world *world)
{
    for (uint32_t epoch = 1; epoch <= world->epoch; epoch++)
        if (!adds(world, epoch))
            return false;
    return true;
}

bool sim_added_holds(struct sim_world *world, uint32_t index)
{
    const struct sim_trace *trace = &world->traces[index];
    unsigned config = world->config_of[trace->verdict_epoch];
    bool always = always_adds(world);
    char text[SIM_POLICY_BYTES];

    for (uint32_t number = 0; number < trace->spans; number++) {
        const struct sim_added *added = &trace->added[number];

        if (!trace->seen[number])
            continue;
        if (added->policy[0] ? strcmp(added->policy, name_of(world, trace->verdict_epoch, trace->verdict_policy, text)) != 0 : always)
            return sim_fail(world, "trace %u span %u says that %s kept it, config %u (epoch %u) has %s", index, number,
                            added->policy, config, trace->verdict_epoch, name_of(world, trace->verdict_epoch, trace->verdict_policy, text));
        if (trace->verdicts == 1 && added->reopened != trace->reopened)
            return sim_fail(world, "trace %u span %u does %ssay that it is reopened", index, number,
                            added->reopened ? "" : "not ");
        if (added->count ? !adds(world, trace->verdict_epoch) || !count_holds(world, trace, index, added->count)
                         : always && !added->reopened)
            return sim_fail(world, "trace %u span %u stands for %g, kept by policy %u of config %u with %u of %u spans", index,
                            number, added->count, trace->verdict_policy, config, trace->verdict_spans, trace->spans);
    }
    return true;
}
