// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include "base/hash.h"
#include "base/pb.h"

static uint8_t *put_attribute(uint8_t *p, uint32_t number, const char *key, const char *value)
{
    uint8_t any[96], pair[160], *a, *q = pair;

    a = tr_pb_put_bytes(any, 1, value, strlen(value));
    q = tr_pb_put_bytes(q, 1, key, strlen(key));
    q = tr_pb_put_bytes(q, 2, any, (size_t)(a - any));
    return tr_pb_put_bytes(p, number, pair, (size_t)(q - pair));
}

void sim_traces_draw(struct sim_world *world)
{
    for (uint32_t i = 0; i < SIM_TRACES; i++) {
        struct sim_trace *trace = &world->traces[i];

        for (int b = 0; b < 14; b++)
            trace->id[b] = (uint8_t)(1 + sim_draw(world, 255));
        trace->id[14] = (uint8_t)(i >> 8);
        trace->id[15] = (uint8_t)i;
        trace->spans = 1 + (uint32_t)sim_draw(world, sim_draw(world, 20) ? 8 : 60);
        trace->error = sim_draw(world, 4) == 0;
        trace->slow = sim_draw(world, 4) == 0;
        trace->error_span = (uint32_t)sim_draw(world, trace->spans);
        trace->slow_span = (uint32_t)sim_draw(world, trace->spans);
        if (sim_shaped(world))
            sim_shapes_draw(world, i);
    }
}

static bool is_gold(uint32_t trace)
{
    return trace % 5 == 0;
}

#define SHAPED_CONFIG 3

bool sim_looks_at_shape(const struct sim_world *world, unsigned config)
{
    return config == SHAPED_CONFIG && sim_shaped(world);
}

// The bytes of a span follow from its trace and number: what comes out of the outbox is compared with them.
size_t sim_span_make(const struct sim_world *world, uint32_t trace, uint32_t number, bool bad, uint8_t *to)
{
    static const uint8_t zero[16], error[] = {0x18, 2};
    const struct sim_trace *of = &world->traces[trace];
    uint8_t span_id[8] = {1, (uint8_t)(trace >> 8), (uint8_t)trace, (uint8_t)number};
    uint64_t end_ns = of->slow && number == of->slow_span ? 5 * TR_S : TR_S + number;
    uint8_t *p = to;

    p = tr_pb_put_bytes(p, 1, bad ? zero : of->id, 16);
    p = tr_pb_put_bytes(p, 2, span_id, 8);
    if (sim_shaped(world)) {
        p = sim_shape_put(world, trace, number, p);
    } else {
        if (number)
            p = tr_pb_put_bytes(p, 4, "\x01parents", 8);
        p = tr_pb_put_bytes(p, 5, "operation", 9);
        p = tr_pb_put_fixed64(p, 7, TR_S);
        p = tr_pb_put_fixed64(p, 8, end_ns);
    }
    if (number % 3 == 0)
        p = put_attribute(p, 9, "user.id", "u-1234567890");
    if (is_gold(trace))
        p = put_attribute(p, 9, "tier", "gold");
    p = tr_pb_put_bytes(p, 1000, "unknown", 7);
    if (of->error && number == of->error_span)
        p = tr_pb_put_bytes(p, 15, error, sizeof(error));
    return (size_t)(p - to);
}

uint32_t sim_spans_take(struct sim_world *world, uint16_t *spans, uint32_t most)
{
    uint32_t taken = 0;

    while (world->window < SIM_TRACES) {
        const struct sim_trace *trace = &world->traces[world->window];
        uint32_t done = 0;

        while (done < trace->spans && trace->fate[done] > SIM_SENT)
            done++;
        if (done < trace->spans)
            break;
        world->window++;
    }
    // A window of traces is under way at a time; their spans come in any order, now and then a little later.
    for (uint32_t tries = 0; tries < 128 && taken < most && world->window < SIM_TRACES; tries++) {
        uint32_t trace = world->window + (uint32_t)sim_draw(world, tries < 96 ? world->options.window : 4);

        if (trace >= (world->paired ? world->gate : SIM_TRACES))
            continue;
        for (uint32_t number = 0; number < world->traces[trace].spans; number++) {
            if (world->traces[trace].fate[number] == SIM_UNSENT && (sim_draw(world, 2) || world->healed)) {
                world->traces[trace].fate[number] = SIM_SENT;
                spans[taken++] = (uint16_t)(trace * SIM_TRACE_SPANS + number);
                break;
            }
        }
    }
    return taken;
}

static bool is_of(const struct sim_world *world, uint16_t span, bool gold, uint32_t zone)
{
    uint32_t trace = span / SIM_TRACE_SPANS;

    return is_gold(trace) == gold && world->traces[trace].shapes[span % SIM_TRACE_SPANS].zone == zone;
}

// The ResourceSpans of those that are, or are not, of gold traces, and of one zone: in one to three ScopeSpans, with the
// resource before or after them: both are legal.
static uint8_t *resource_spans_put(struct sim_world *world, const uint16_t *spans, uint32_t count,
                                   uint32_t bad, bool gold, uint32_t zone, uint8_t *to)
{
    static uint8_t scope_spans[16384], whole[32768], resource[256];
    uint32_t parts = 1 + (uint32_t)sim_draw(world, 3), at = 0;
    bool resource_first = sim_draw(world, 2);
    uint8_t *r, *w = whole;
    char service[16];

    snprintf(service, sizeof(service), "service-%u", (unsigned)sim_draw(world, 5));
    r = put_attribute(resource, 1, "service.name", service);
    if (gold)
        r = put_attribute(r, 1, "plan", "gold");
    if (zone)
        r = put_attribute(r, 1, "cloud.availability_zone", sim_zone_name(zone));
    if (resource_first)
        w = tr_pb_put_bytes(w, 1, resource, (size_t)(r - resource));
    for (uint32_t part = 0; part < parts; part++) {
        uint32_t until = part + 1 == parts ? count : (uint32_t)sim_draw(world, count + 1);
        uint8_t *s = tr_pb_put_bytes(scope_spans, 1, "\x0a\x03sim", 5);

        for (; at < until; at++) {
            uint32_t trace = spans[at] / SIM_TRACE_SPANS;
            uint8_t span[512];
            size_t bytes = sim_span_make(world, trace, spans[at] % SIM_TRACE_SPANS, at + bad >= count, span);

            if (is_of(world, spans[at], gold, zone))
                s = tr_pb_put_bytes(s, 2, span, bytes);
        }
        w = tr_pb_put_bytes(w, 2, scope_spans, (size_t)(s - scope_spans));
    }
    if (!resource_first)
        w = tr_pb_put_bytes(w, 1, resource, (size_t)(r - resource));
    return tr_pb_put_bytes(to, 1, whole, (size_t)(w - whole));
}

size_t sim_body_make(struct sim_world *world, const uint16_t *spans, uint32_t count, uint32_t bad,
                     uint8_t *body)
{
    uint8_t *to = body;

    for (uint32_t zone = 0; zone < (sim_shaped(world) ? SIM_ZONES : 1); zone++)
        for (int gold = 0; gold < 2; gold++)
            to = resource_spans_put(world, spans, count, bad, gold, zone, to);
    return (size_t)(to - body);
}

// --- configs

#define ERRORS "{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}"
#define GOLD   "{name: gold, type: string_attribute, string_attribute: {key: tier, values: [gold]}}"

void sim_config_write(const struct sim_world *world, uint32_t epoch, char *text, size_t room)
{
    static const char *const fixed[SIM_CONFIGS] = {
        [0] = "policies: [" ERRORS "]",
        [1] =
            "adjusted_count: attribute\npolicy_attribute: true\npolicies: [{name: half, type: probabilistic, probabilistic: {sampling_percentage: 50}}, " ERRORS
            "]",
        [2] = "policies: [" GOLD ", " ERRORS "]",
        [3] = "policies: [{name: slow, type: latency, latency: {threshold_ms: 1000}}]",
        [4] = "policies: [{name: both, type: and, and: {and_sub_policy: [" ERRORS ", "
              "{name: slow, type: latency, latency: {threshold_ms: 1000}}]}}]",
    };
    unsigned config = world->config_of[epoch];
    size_t n;

    if (config == SHAPED_CONFIG && sim_shaped(world)) {
        sim_shapes_write(world, epoch, text, room);
        return;
    }
    if (config == 6) { // of the resource, and each time another predicate: no set before tests it
        snprintf(text, room,
                 "policies: [{name: plan, type: string_attribute, string_attribute: {key: plan, values: "
                 "[gold, e%u]}}]",
                 epoch);
        return;
    }
    if (config >= SIM_SAMPLED) {
        sim_samplers_write(config - SIM_SAMPLED, text, room);
        return;
    }
    if (config == SIM_RULES) {
        sim_rules_write(world, epoch, text, room);
        return;
    }
    if (config >= SIM_CONFIGS) {
        sim_limits_write(config - SIM_CONFIGS, text, room);
        return;
    }
    if (fixed[config]) {
        snprintf(text, room, "%s", fixed[config]);
        return;
    }
    // So many predicates that the one which matters lies beyond the sixth word: not the same as that of
    // config 2.
    n = (size_t)snprintf(text, room, "policies: [");
    for (unsigned i = 0; i < 400; i++)
        n += (size_t)snprintf(
            text + n, room - n,
            "{name: n%u, type: string_attribute, string_attribute: {key: k%u, values: [x]}}, ", i, i);
    snprintf(
        text + n, room - n,
        "{name: gold, type: string_attribute, string_attribute: {key: tier, values: [silver, gold]}}, " ERRORS
        "]");
}

static bool keeps(const struct sim_trace *trace, uint32_t number, unsigned config)
{
    if (config >= SIM_CONFIGS)
        return sim_limits_want(trace, config - SIM_CONFIGS);
    switch (config) {
    case 0:
        return trace->error;
    case SIM_CONFIG_ADDS:
        return trace->error || sim_one_in(trace, "default-hash-seed", 2);
    case SHAPED_CONFIG:
        return trace->slow;
    case 4:
        return trace->error && trace->slow;
    case 6:
        return is_gold(number);
    default:
        return trace->error || is_gold(number);
    }
}

struct sim_says sim_say(const struct sim_world *world, const struct sim_trace *trace, uint32_t number, uint32_t epoch)
{
    unsigned config = world->config_of[epoch];

    if (config == SIM_RULES)
        return sim_rules_say(world, trace, number, epoch);
    if (sim_looks_at_shape(world, config))
        return sim_shapes_say(world, trace, epoch);
    if (config >= SIM_SAMPLED)
        return (struct sim_says){.kept = sim_samplers_may(trace, config - SIM_SAMPLED, trace->spans, true), .policy = SIM_POLICY_UNTOLD};
    return (struct sim_says){.kept = keeps(trace, number, config), .policy = SIM_POLICY_UNTOLD};
}

// What spans keep, more of them keep too; but rules may look at what is not there.
bool sim_may_keep(const struct sim_world *world, const struct sim_trace *trace, uint32_t number, uint32_t epoch, uint32_t spans)
{
    if (world->config_of[epoch] == SIM_RULES)
        return sim_rules_may_say(world, trace, number, epoch, spans, true);
    if (world->config_of[epoch] >= SIM_SAMPLED)
        return sim_samplers_may(trace, world->config_of[epoch] - SIM_SAMPLED, spans, true);
    return (sim_looks_at_shape(world, world->config_of[epoch]) && spans < trace->spans) || sim_say(world, trace, number, epoch).kept;
}

bool sim_may_drop(const struct sim_world *world, const struct sim_trace *trace, uint32_t number, uint32_t epoch, uint32_t spans)
{
    if (world->config_of[epoch] == SIM_RULES)
        return sim_rules_may_say(world, trace, number, epoch, spans, false);
    if (world->config_of[epoch] >= SIM_SAMPLED)
        return sim_samplers_may(trace, world->config_of[epoch] - SIM_SAMPLED, spans, false);
    return spans < trace->spans || !sim_say(world, trace, number, epoch).kept || sim_is_limited(trace, world->config_of[epoch]);
}

bool sim_is_limited(const struct sim_trace *trace, unsigned config)
{
    if (config >= SIM_SAMPLED)
        return sim_samplers_may(trace, config - SIM_SAMPLED, trace->spans, false);
    return config >= SIM_CONFIGS && config != SIM_RULES && sim_limits_refuse(trace, config - SIM_CONFIGS);
}

// With whatever spans were there then.
bool sim_may_reopen(const struct sim_world *world, const struct sim_trace *trace, uint32_t number, uint32_t epoch)
{
    for (uint32_t spans = 1; spans <= trace->spans; spans++)
        if (sim_may_keep(world, trace, number, epoch, spans))
            return true;
    return false;
}

struct tr_epoch *sim_epoch_draw(struct sim_world *world)
{
    static char text[64 * 1024];
    const struct tr_policy_set *before = world->mesh->epoch ? world->mesh->epoch->policies : NULL;
    const char *rules = sim_draw(world, 2) ? "rules: [{keys: [user.id], action: demote}]" : "rules: []";
    struct tr_epoch *epoch = calloc(1, sizeof(*epoch));
    unsigned config = (unsigned)sim_draw(world, SIM_CONFIGS);
    struct tr_tail_sampling_options sampling;
    struct tr_options_doc *policies, *attributes;
    struct tr_error error = {0};

    if (world->options.limits && config % 4) // one in four has none
        config = SIM_CONFIGS + (unsigned)(tr_mix64(world->options.seed << 16 ^ epoch->number) % SIM_LIMITS);
    epoch->number = ++world->epoch;
    if (sim_shaped(world) && epoch->number % 2) // it comes and goes
        config = SHAPED_CONFIG;
    if (sim_ruled(world) && !sim_looks_at_shape(world, config) && (epoch->number % 3 || !world->options.swaps))
        config = SIM_RULES;
    if (sim_sampled(world) && (epoch->number % 2 || !world->options.swaps))
        config = SIM_SAMPLED + (unsigned)(tr_mix64(world->options.seed << 16 ^ epoch->number / 4) % SIM_SAMPLERS);
    world->config_of[epoch->number] = config;
    sim_config_write(world, epoch->number, text, sizeof(text));
    if (tr_options_parse(&tr_tail_sampling_option_table, text, strlen(text), &policies, &error) ||
        tr_options_parse(&tr_attributes_option_table, rules, strlen(rules), &attributes, &error))
        goto fail;
    sampling = *(const struct tr_tail_sampling_options *)tr_options_struct(policies);
    epoch->red = sim_red_of(world, epoch->number);
    sampling.decide_at_once = true; // if policies allow it
    sampling.watched = epoch->red ? &epoch->red->watch : NULL;
    if (tr_policy_set_compile(&sampling, before, epoch->number, world->options.lcores, &epoch->policies,
                              &error) ||
        tr_attr_set_compile(tr_options_struct(attributes), &epoch->attrs, &error))
        goto fail;
    tr_options_free(policies);
    tr_options_free(attributes);
    epoch->attrs->version = epoch->number;
    epoch->policies->wait_ns = world->options.wait_ns * (1 + sim_draw(world, 3));
    epoch->policies->wait_min_ns = world->options.wait_min_ns;
    epoch->policies->reopen = world->options.reopens && (world->options.roomy || sim_draw(world, 8));
    epoch->policies->at_once &= sim_draw(world, 2);
    for (uint32_t i = 0; i < world->options.lcores; i++)
        epoch->counters[i] = calloc(epoch->policies->policies + 1, sizeof(*epoch->counters[i]));
    world->wait_of[epoch->number] = epoch->policies->wait_ns;
    return epoch;
fail:
    fprintf(stderr, "%s\n", error.text);
    abort();
}
