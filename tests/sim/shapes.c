// SPDX-License-Identifier: Apache-2.0
// The shape of traces: parents, times, calls, zones, drawn for each span, and what the six policies that look at them make
// of it, by the words of docs/shape-policies.md. In every third world.
//
// Times lie on a grid, so that what spans cover is the bits of a word.
#include "world.h"

#include "base/hash.h"
#include "base/pb.h"

#define SLOT_NS  (10000ull * 1024) // whole units of what the owner holds of it, and no duration is rounded
#define BEGIN_NS (1000000ull * 1024)
#define SLOTS    50

enum { SERVER = 2, CLIENT = 3 };
enum { NOTHING, QUERY_A, QUERY_B, CALL_A, CALL_B, CALL_NAME };

// In every third world configs look at the shape of traces.
bool sim_shaped(const struct sim_world *world)
{
    return world->options.seed % 3 == 0;
}

static uint32_t draw(uint64_t *state, uint32_t below)
{
    return tr_hash_range(tr_mix64(*state += 0x9e3779b97f4a7c15ull), below);
}

static void times_draw(uint64_t *state, struct sim_shape *spans, uint32_t number, bool chained)
{
    struct sim_shape *span = &spans[number];
    uint32_t length = draw(state, 4) ? draw(state, 6) : draw(state, SLOTS);

    span->from = (uint8_t)draw(state, SLOTS);
    if (number == 0) {
        span->from = (uint8_t)draw(state, 8);
        length = 20 + draw(state, 20);
    } else if (chained && number > 1) { // begins about where the one before ends
        span->from = (uint8_t)TR_MIN(spans[number - 1].to + draw(state, 3), SLOTS - 1u);
    }
    span->to = (uint8_t)TR_MIN(span->from + length, (uint32_t)SLOTS);
}

void sim_shapes_draw(struct sim_world *world, uint32_t number)
{
    struct sim_trace *trace = &world->traces[number];
    uint64_t state = tr_mix64(world->options.seed ^ 0x7368617065) ^ number;
    bool chained = draw(&state, 2), flat = draw(&state, 2);

    for (uint32_t i = 0; i < trace->spans; i++) {
        struct sim_shape *span = &trace->shapes[i];

        times_draw(&state, trace->shapes, i, chained);
        span->parent = (uint8_t)(i == 0 ? SIM_ROOT : draw(&state, 7) == 0 ? SIM_GONE : flat ? 0 : draw(&state, i));
        span->kind = (uint8_t)(1 + draw(&state, 3));
        span->zone = (uint8_t)draw(&state, SIM_ZONES);
        span->asks = (uint8_t)(draw(&state, 2) ? NOTHING : 1 + draw(&state, 4));
        span->waits = draw(&state, 4) == 0;
        span->failed = draw(&state, 3) != 0;
        if (span->asks >= CALL_A)
            span->kind = CLIENT;
        else if (span->asks == NOTHING && span->kind == CLIENT)
            span->asks = CALL_NAME;
        span->failed &= span->asks == CALL_A || span->asks == CALL_B;
    }
    trace->slow = false; // none takes a second
}

// --- as bytes

static uint8_t *put_number(uint8_t *p, uint32_t field, uint64_t number)
{
    return tr_pb_put_varint(tr_pb_put_tag(p, field, TR_PB_VARINT), number);
}

static uint8_t *put_attribute(uint8_t *p, const char *key, const char *value, uint64_t number)
{
    uint8_t any[96], pair[160], *a = any, *q = pair;

    a = value ? tr_pb_put_bytes(a, 1, value, strlen(value)) : put_number(a, 3, number);
    q = tr_pb_put_bytes(q, 1, key, strlen(key));
    q = tr_pb_put_bytes(q, 2, any, (size_t)(a - any));
    return tr_pb_put_bytes(p, 9, pair, (size_t)(q - pair));
}

// Fields of a span in their order: those up to its times, and some attributes.
uint8_t *sim_shape_put(const struct sim_world *world, uint32_t trace, uint32_t number, uint8_t *p)
{
    const struct sim_shape *span = &world->traces[trace].shapes[number];
    uint8_t parent[8] = {1, (uint8_t)(trace >> 8), (uint8_t)trace, span->parent};
    char query[64];

    if (span->parent == SIM_GONE) {
        parent[0] = 2;
        parent[3] = 0;
    }
    if (span->parent != SIM_ROOT)
        p = tr_pb_put_bytes(p, 4, parent, 8);
    if (span->asks == CALL_A || span->asks == CALL_B)
        p = tr_pb_put_bytes(p, 5, "GET", 3);
    else
        p = span->waits ? tr_pb_put_bytes(p, 5, "connect", 7) : tr_pb_put_bytes(p, 5, "operation", 9);
    p = put_number(p, 6, span->kind);
    p = tr_pb_put_fixed64(p, 7, BEGIN_NS + span->from * SLOT_NS);
    p = tr_pb_put_fixed64(p, 8, BEGIN_NS + span->to * SLOT_NS);
    if (span->asks == QUERY_A || span->asks == QUERY_B) {
        snprintf(query, sizeof(query), "SELECT a FROM %s WHERE b IN (%u, '%u') -- %u", span->asks == QUERY_A ? "t" : "u", number,
                 trace, number);
        return put_attribute(p, number % 2 ? "db.query.text" : "db.statement", query, 0);
    }
    if (span->asks != CALL_A && span->asks != CALL_B)
        return p;
    p = put_attribute(p, number % 2 ? "url.full" : "http.url", span->asks == CALL_A ? "http://x/1" : "http://x/2", 0);
    return put_attribute(p, number % 2 ? "http.response.status_code" : "http.status_code", NULL, span->failed ? 503 : 200);
}

const char *sim_zone_name(uint32_t zone)
{
    static const char *const names[SIM_ZONES] = {NULL, "a", "b"};

    return names[zone];
}

// --- the policies

static bool has_failed(const struct sim_trace *trace, uint32_t i)
{
    return trace->shapes[i].failed || (trace->error && trace->error_span == i);
}

static uint64_t slots_of(const struct sim_shape *span)
{
    return ((1ull << span->to) - 1) & ~((1ull << span->from) - 1);
}

static bool is_call(const struct sim_shape *a, const struct sim_shape *b)
{
    return a->parent == b->parent && a->asks == b->asks && (a->asks != CALL_NAME || a->waits == b->waits);
}

static bool n_plus_one(const struct sim_trace *trace)
{
    for (uint32_t i = 0; i < trace->spans; i++) {
        const struct sim_shape *span = &trace->shapes[i];
        uint32_t siblings = 0;

        for (uint32_t k = 0; k < trace->spans; k++)
            siblings += is_call(span, &trace->shapes[k]);
        if (span->parent != SIM_ROOT && (span->asks == QUERY_A || span->asks == QUERY_B) && siblings >= 3)
            return true;
    }
    return false;
}

// Does b begin at the end of a, or a slot later? One of no length ends a moment after it began.
static bool follows(const struct sim_shape *a, const struct sim_shape *b)
{
    return (a->to > a->from ? b->from >= a->to : b->from > a->from) && b->from <= a->to + 1;
}

static bool retry_storm(const struct sim_trace *trace)
{
    uint32_t attempts[SIM_TRACE_SPANS], most = 0;

    for (uint32_t i = 0; i < trace->spans; i++)
        attempts[i] = 1;
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < trace->spans; i++) {
            const struct sim_shape *span = &trace->shapes[i];

            for (uint32_t k = 0; k < trace->spans; k++)
                if (k != i && span->parent != SIM_ROOT && span->asks && is_call(span, &trace->shapes[k]) &&
                    has_failed(trace, k) && follows(&trace->shapes[k], span))
                    attempts[i] = TR_MAX(attempts[i], attempts[k] + 1);
            most = TR_MAX(most, attempts[i]);
        }
    }
    return most >= 3;
}

static bool pool_wait(const struct sim_trace *trace)
{
    uint64_t waiting = 0;
    uint32_t from = SLOTS, to = 0, slots;

    for (uint32_t i = 0; i < trace->spans; i++) {
        const struct sim_shape *span = &trace->shapes[i];

        waiting |= span->waits && span->asks != CALL_A && span->asks != CALL_B ? slots_of(span) : 0;
        from = TR_MIN(from, (uint32_t)span->from);
        to = TR_MAX(to, (uint32_t)span->to);
    }
    slots = (uint32_t)__builtin_popcountll(waiting);
    return slots >= 8 || (slots && slots * 100 >= 20 * (to - from));
}

static bool cross_zone(const struct sim_trace *trace)
{
    for (uint32_t i = 0; i < trace->spans; i++) {
        const struct sim_shape *server = &trace->shapes[i], *client;

        if (server->kind != SERVER || server->parent >= trace->spans)
            continue;
        client = &trace->shapes[server->parent];
        if (client->kind == CLIENT && client->zone && server->zone && client->zone != server->zone &&
            client->to - client->from >= 5)
            return true;
    }
    return false;
}

static bool dominant_span(const struct sim_trace *trace)
{
    uint64_t root = slots_of(&trace->shapes[0]);

    for (uint32_t i = 1; i < trace->spans; i++) {
        uint64_t own = slots_of(&trace->shapes[i]) & root;

        for (uint32_t k = 0; k < trace->spans; k++)
            own &= trace->shapes[k].parent == i ? ~slots_of(&trace->shapes[k]) : UINT64_MAX;
        if (__builtin_popcountll(own) >= 8 && __builtin_popcountll(own) * 100 >= 40 * __builtin_popcountll(root))
            return true;
    }
    return false;
}

static bool gap(const struct sim_trace *trace)
{
    uint64_t root = slots_of(&trace->shapes[0]), left = root;

    for (uint32_t i = 1; i < trace->spans; i++)
        left &= ~slots_of(&trace->shapes[i]);
    return __builtin_popcountll(left) >= 20 ||
           (left && __builtin_popcountll(left) * 100 >= 60 * __builtin_popcountll(root));
}

#define POLICIES 6
static const struct {
    const char *name, *text;
    bool (*keeps)(const struct sim_trace *trace);
} policies[POLICIES] = {
    {"n", "type: n_plus_one, n_plus_one: {min_siblings: 3}", n_plus_one},
    {"retry", "type: retry_storm, retry_storm: {min_attempts: 3, max_gap_ms: 12}", retry_storm},
    {"pool", "type: pool_wait, pool_wait: {threshold_ms: 75, share_percent: 20}", pool_wait},
    {"zone", "type: cross_zone, cross_zone: {threshold_ms: 45}", cross_zone},
    {"dominant", "type: dominant_span, dominant_span: {share_percent: 40, min_ms: 75}", dominant_span},
    {"gap", "type: gap, gap: {threshold_ms: 200, share_percent: 60}", gap},
};

// One of them, all of them, or the one beside what another drops.
static unsigned kind_of(const struct sim_world *world, uint32_t epoch, unsigned *first, unsigned *second)
{
    uint64_t state = tr_mix64(world->options.seed ^ epoch << 20);

    *first = draw(&state, POLICIES);
    *second = (*first + 1 + draw(&state, POLICIES - 1)) % POLICIES;
    return draw(&state, 4);
}

void sim_shapes_write(const struct sim_world *world, uint32_t epoch, char *text, size_t room)
{
    unsigned a, b, kind = kind_of(world, epoch, &a, &b);
    size_t n = 0;

    switch (kind) {
    case 0:
        snprintf(text, room, "policies: [{name: %s, %s}]", policies[a].name, policies[a].text);
        return;
    case 1:
        snprintf(text, room, "policies: [{name: %s, %s}, {name: d, type: drop, drop: {drop_sub_policy: [{name: %s, %s}]}}]",
                 policies[a].name, policies[a].text, policies[b].name, policies[b].text);
        return;
    case 2:
        snprintf(text, room, "policies: [{name: not, type: not, not: {not_sub_policy: {name: %s, %s}}}]", policies[a].name,
                 policies[a].text);
        return;
    default:
        for (unsigned i = 0; i < POLICIES; i++)
            n += (size_t)snprintf(text + n, room - n, "%s{name: %s, %s}%s", i ? ", " : "policies: [", policies[i].name,
                                  policies[i].text, i + 1 == POLICIES ? "]" : "");
    }
}

struct sim_says sim_shapes_say(const struct sim_world *world, const struct sim_trace *trace, uint32_t epoch)
{
    unsigned a, b, kind = kind_of(world, epoch, &a, &b);

    if (kind == 1 && policies[b].keeps(trace))
        return (struct sim_says){.kept = false, .policy = 1};
    if (kind < 3)
        return (struct sim_says){.kept = policies[a].keeps(trace) != (kind == 2), .policy = SIM_POLICY_UNTOLD};
    for (unsigned i = 0; i < POLICIES; i++)
        if (policies[i].keeps(trace))
            return (struct sim_says){.kept = true, .policy = (uint16_t)i};
    return (struct sim_says){.kept = false, .policy = TR_POLICY_NONE};
}

const char *sim_shapes_name(const struct sim_world *world, uint32_t epoch, uint16_t policy)
{
    unsigned a, b, kind = kind_of(world, epoch, &a, &b);

    if (kind == 3)
        return policy < POLICIES ? policies[policy].name : "";
    return policy ? "d" : kind == 2 ? "not" : policies[a].name;
}
