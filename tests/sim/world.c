// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include <stdarg.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/pb.h"

static uint64_t draw(struct sim_world *world, uint64_t below)
{
    return tr_mix64(world->random += 0x9e3779b97f4a7c15ull) % below;
}

static uint64_t draw_power(struct sim_world *world, unsigned least, unsigned most)
{
    return 1ull << (least + draw(world, most - least + 1));
}

static bool fail(struct sim_world *world, const char *format, ...) tr_printf(2, 3);
static bool fail(struct sim_world *world, const char *format, ...)
{
    va_list args;

    if (world->failure)
        return false;
    va_start(args, format);
    vsnprintf(world->text, sizeof(world->text), format, args);
    va_end(args);
    world->failure = world->text;
    return false;
}

// --- configs: what differs between them is which traces they keep

static const char *const configs[SIM_CONFIGS] = {
    "policies: [{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}]",
    "policies: [{name: half, type: probabilistic, probabilistic: {sampling_percentage: 50}},"
    " {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}]",
    "policies: [{name: gold, type: string_attribute, string_attribute: {key: tier, values: [gold]}},"
    " {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}]",
};

static struct tr_epoch *epoch_make(struct sim_world *world, unsigned config)
{
    const char *rules = world->options.rules ? "rules: [{keys: [user.id], action: demote}]" : "rules: []";
    const struct tr_policy_set *before = world->mesh->epoch ? world->mesh->epoch->policies : NULL;
    struct tr_options_doc *policies, *attributes;
    struct tr_epoch *epoch = calloc(1, sizeof(*epoch));
    struct tr_error error = {0};

    epoch->number = ++world->epoch;
    if (tr_options_parse(&tr_tail_sampling_option_table, configs[config], strlen(configs[config]), &policies, &error) ||
        tr_options_parse(&tr_attributes_option_table, rules, strlen(rules), &attributes, &error) ||
        tr_policy_set_compile(tr_options_struct(policies), before, epoch->number, &epoch->policies, &error) ||
        tr_attr_set_compile(tr_options_struct(attributes), &epoch->attrs, &error)) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    tr_options_free(policies);
    tr_options_free(attributes);
    epoch->attrs->version = epoch->number;
    epoch->policies->wait_ns = world->options.wait_ns;
    epoch->policies->wait_min_ns = world->options.wait_min_ns;
    for (uint32_t i = 0; i < world->options.lcores; i++)
        epoch->counters[i] = calloc(epoch->policies->policies + 1, sizeof(*epoch->counters[i]));
    return epoch;
}

// --- bodies

static uint8_t *put_attribute(uint8_t *p, uint32_t number, const char *key, const char *value)
{
    uint8_t any[64], pair[128], *a, *q = pair;

    a = tr_pb_put_bytes(any, 1, value, strlen(value));
    q = tr_pb_put_bytes(q, 1, key, strlen(key));
    q = tr_pb_put_bytes(q, 2, any, (size_t)(a - any));
    return tr_pb_put_bytes(p, number, pair, (size_t)(q - pair));
}

// The bytes of a span follow from its trace and number: the outbox is compared with them.
static size_t span_make(const struct sim_world *world, uint32_t trace, uint32_t number, uint8_t *to)
{
    const struct sim_trace *of = &world->traces[trace];
    uint8_t span_id[8] = {1, (uint8_t)(trace >> 8), (uint8_t)trace, (uint8_t)(number >> 8), (uint8_t)number};
    static const uint8_t error[] = {0x18, 2};
    uint8_t *p = to;

    p = tr_pb_put_bytes(p, 1, of->id, 16);
    p = tr_pb_put_bytes(p, 2, span_id, 8);
    p = tr_pb_put_bytes(p, 5, "operation", 9);
    p = tr_pb_put_fixed64(p, 7, TR_S);
    p = tr_pb_put_fixed64(p, 8, TR_S + number);
    if (number % 3 == 0)
        p = put_attribute(p, 9, "user.id", "u-1234567890");
    if (trace % 5 == 0)
        p = put_attribute(p, 9, "tier", "gold");
    p = tr_pb_put_bytes(p, 1000, "unknown", 7);
    if (of->error && number == of->error_span)
        p = tr_pb_put_bytes(p, 15, error, sizeof(error));
    return (size_t)(p - to);
}

static struct sim_trace *trace_unsent(struct sim_world *world, uint32_t *number)
{
    uint32_t start = (uint32_t)draw(world, SIM_TRACES), open = 0;

    // A window of traces is under way at a time; their spans come in any order of traces.
    for (uint32_t i = 0; i < SIM_TRACES && open < 24; i++) {
        struct sim_trace *trace = &world->traces[i];

        if (trace->sent == trace->spans)
            continue;
        open++;
        if ((start + i) % 24 == 0 || open == 24) {
            *number = i;
            return trace;
        }
    }
    for (uint32_t i = 0; i < SIM_TRACES; i++) {
        if (world->traces[i].sent < world->traces[i].spans) {
            *number = i;
            return &world->traces[i];
        }
    }
    return NULL;
}

static void client_send(struct sim_world *world, struct tr_lcore *lcore)
{
    static uint8_t spans[64 * 1024], resource[256], scope_spans[64 * 1024], whole[70 * 1024], body[72 * 1024];
    struct tr_address peer = {.ip = {[15] = 1}, .port = 1234};
    uint32_t count = 1 + (uint32_t)draw(world, world->options.body_spans_max), taken[64], made = 0, trace;
    uint8_t *p = spans, *q, *r;
    char service[16];

    for (; made < count && made < TR_NELEMS(taken); made++) {
        struct sim_trace *of = trace_unsent(world, &trace);
        uint8_t span[512];
        size_t bytes;

        if (!of)
            break;
        bytes = span_make(world, trace, of->sent++, span);
        p = tr_pb_put_bytes(p, 2, span, bytes);
        taken[made] = trace;
    }
    if (!made)
        return;
    snprintf(service, sizeof(service), "service-%u", (unsigned)draw(world, 5));
    r = put_attribute(resource, 1, "service.name", service);
    q = tr_pb_put_bytes(scope_spans, 1, "\x0a\x03sim", 5);
    memcpy(q, spans, (size_t)(p - spans));
    q += p - spans;
    p = tr_pb_put_bytes(whole, 2, scope_spans, (size_t)(q - scope_spans)); // the resource after its spans: legal
    p = tr_pb_put_bytes(p, 1, resource, (size_t)(r - resource));
    q = tr_pb_put_bytes(body, 1, whole, (size_t)(p - whole));
    lcore->now = world->now;
    if (tr_lcore_put(lcore, &peer, body, (uint32_t)(q - body)) < 0) {
        // No room: the client will send these again.
        while (made--)
            world->traces[taken[made]].sent--;
        return;
    }
    world->put += made;
}

// --- readers

static bool span_came_out(struct sim_world *world, const uint8_t *span, uint32_t bytes)
{
    struct tr_pb_field field;
    uint8_t want[512];
    uint32_t trace = 0, number = 0;
    size_t want_bytes;

    for (const uint8_t *p = span, *end = span + bytes; p < end;) {
        p = tr_pb_field(p, end, &field);
        if (!p)
            return fail(world, "a span came out that is not protobuf");
        if (field.number == 2 && field.value == 8) {
            trace = (uint32_t)field.bytes[1] << 8 | field.bytes[2];
            number = (uint32_t)field.bytes[3] << 8 | field.bytes[4];
        }
    }
    if (trace >= SIM_TRACES || number >= world->traces[trace].spans)
        return fail(world, "a span came out that nobody sent: trace %u span %u", trace, number);
    want_bytes = span_make(world, trace, number, want);
    if (!(world->options.rules && number % 3 == 0) && (want_bytes != bytes || memcmp(want, span, bytes) != 0))
        return fail(world, "trace %u span %u came out with other bytes", trace, number);
    if (world->seen[trace * 64 + number]++)
        return fail(world, "trace %u span %u came out twice", trace, number);
    world->traces[trace].emitted++;
    world->emitted++;
    return true;
}

static bool outboxes_read(struct sim_world *world)
{
    static uint8_t buffer[64 * 1024], group[4096];

    for (uint32_t i = 0; i < world->options.lcores; i++) {
        const struct tr_outbox *outbox = &world->lcores[i]->outbox;
        struct tr_outbox_entry entry;
        enum tr_outbox_next next;
        uint64_t lost;

        while ((next = tr_outbox_next(outbox, &world->cursors[i], &entry, buffer, sizeof(buffer), &lost)) !=
               TR_OUTBOX_EMPTY) {
            if (next != TR_OUTBOX_ENTRY)
                return fail(world, "the outbox of lcore %u overran a reader that reads after each turn", i);
            if (tr_outbox_group_read(outbox, entry.group, group, sizeof(group)) < 0)
                return fail(world, "a span's group is not there");
            if (!span_came_out(world, buffer, entry.payload_bytes))
                return false;
        }
    }
    return true;
}

// --- identities

struct sums {
    uint64_t committed, walked, not_walked, rejected, sent, in_flight;
    uint64_t received, kept, dropped, evicted, held, recounted;
    uint64_t emits_sent, emits_waiting, emitted, stale, too_large, in_class2;
};

static struct sums sum_up(const struct sim_world *world)
{
    struct sums s = {0};

    for (uint32_t i = 0; i < world->options.lcores; i++) {
        const struct tr_lcore *lcore = world->lcores[i];
        const struct tr_owner_counters *owner = tr_owner_counters(lcore->owner);
        uint64_t spans, traces;

        s.committed += lcore->counters.committed;
        s.walked += lcore->counters.walked;
        s.not_walked += lcore->counters.not_walked;
        s.rejected += lcore->counters.rejected_malformed + lcore->counters.rejected_trace_id +
                      lcore->counters.rejected_span_id;
        s.sent += lcore->counters.sent;
        s.in_flight += tr_lcore_summaries_in_flight(lcore);
        s.received += owner->received;
        s.kept += owner->kept;
        s.dropped += owner->dropped;
        s.evicted += owner->evicted;
        s.held += owner->held;
        s.emits_sent += owner->emits_sent;
        s.emits_waiting += owner->emits_waiting;
        s.emitted += lcore->counters.emitted;
        s.stale += lcore->counters.emit_stale;
        s.too_large += lcore->counters.emit_too_large;
        tr_owner_recount(lcore->owner, &spans, &traces);
        s.recounted += spans;
        for (uint32_t to = 0; to < world->options.lcores; to++)
            if (to != i)
                s.in_class2 += tr_mesh_emits(world->mesh, i, to);
    }
    return s;
}

#define HOLDS(world, left, right)                                                                            \
    do {                                                                                                     \
        if ((left) != (right))                                                                               \
            return fail(world, #left " = %llu but " #right " = %llu", (unsigned long long)(left),            \
                        (unsigned long long)(right));                                                        \
    } while (0)

static bool identities_hold(struct sim_world *world)
{
    struct sums s = sum_up(world);

    HOLDS(world, s.committed, world->put);
    HOLDS(world, s.committed, s.walked + s.rejected + s.not_walked);
    HOLDS(world, s.rejected, 0ull);
    HOLDS(world, s.walked, s.sent);
    HOLDS(world, s.sent, s.received + s.in_flight);
    HOLDS(world, s.received, s.kept + s.dropped + s.evicted + s.held);
    HOLDS(world, s.held, s.recounted);
    HOLDS(world, s.emits_sent, s.emitted + s.stale + s.too_large + s.in_class2);
    HOLDS(world, s.emitted, world->emitted);
    HOLDS(world, s.kept, s.emits_sent + s.emits_waiting);
    if (s.stale)
        return fail(world, "%llu spans of kept traces were gone from the journal", (unsigned long long)s.stale);
    return true;
}

// --- the world

int sim_open(struct sim_world *world, uint64_t seed)
{
    struct sim_options *o = &world->options;
    struct tr_error error = {0};

    memset(world, 0, sizeof(*world));
    world->random = seed;
    o->seed = seed;
    o->lcores = 1 + (uint32_t)draw(world, SIM_LCORES_MAX);
    o->slots = (uint32_t)draw_power(world, 1, 7);
    o->journal_bytes = draw_power(world, 13, 18);
    o->outbox_bytes = draw_power(world, 16, 20);
    o->traces_max = (uint32_t)draw_power(world, 3, 9);
    o->refs_max = o->traces_max * (2 + (uint32_t)draw(world, 8)) + 64;
    o->verdicts_max = 1024;
    o->wait_ns = (1 + draw(world, 50)) * TR_MS;
    o->wait_min_ns = o->wait_ns / (1 + draw(world, 10));
    o->step_ns = (1 + draw(world, 200)) * TR_US;
    o->body_spans_max = 1 + (uint32_t)draw(world, 12);
    o->swaps = draw(world, 2);
    o->rules = draw(world, 2);
    snprintf(world->directory, sizeof(world->directory), "/dev/shm/tailrace-sim.XXXXXX");
    if (!mkdtemp(world->directory))
        return -errno;
    for (uint32_t i = 0; i < SIM_TRACES; i++) {
        struct sim_trace *trace = &world->traces[i];

        for (int b = 0; b < 16; b++)
            trace->id[b] = (uint8_t)(1 + draw(world, 255));
        trace->spans = 1 + (uint32_t)draw(world, draw(world, 20) ? 8 : 60);
        trace->error = draw(world, 4) == 0;
        trace->error_span = (uint32_t)draw(world, trace->spans);
        world->spans_total += trace->spans;
    }
    world->seen = calloc(SIM_TRACES * 64, 1);
    if (tr_mesh_create(&world->mesh, o->lcores, o->slots, &error) < 0)
        goto fail;
    tr_mesh_epoch_publish(world->mesh, epoch_make(world, (unsigned)draw(world, SIM_CONFIGS)));
    for (uint32_t i = 0; i < o->lcores; i++) {
        struct tr_lcore_options options = {.lcore = i,
                                           .numa_node = -1,
                                           .directory = world->directory,
                                           .journal_bytes = o->journal_bytes,
                                           .outbox_bytes = o->outbox_bytes,
                                           .body_bytes_max = 4096,
                                           .contexts = 1024,
                                           .sources_max = 64};

        options.owner = (struct tr_owner_options){.lcore = i,
                                                  .lcores = o->lcores,
                                                  .traces_max = o->traces_max,
                                                  .refs_max = o->refs_max,
                                                  .verdicts_max = o->verdicts_max,
                                                  .wait_ns = o->wait_ns,
                                                  .wait_min_ns = o->wait_min_ns,
                                                  .trace_spans_max = o->refs_max / 2,
                                                  .directory = world->directory,
                                                  .numa_node = -1,
                                                  .hash_seed = 1 + draw(world, UINT32_MAX)};
        if (tr_lcore_create(&world->lcores[i], &options, world->mesh, &error) < 0)
            goto fail;
        tr_outbox_cursor_init(&world->lcores[i]->outbox, &world->cursors[i]);
    }
    world->now = TR_S;
    return 0;
fail:
    fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, error.text);
    return -EINVAL;
}

void sim_close(struct sim_world *world)
{
    char command[96];

    for (uint32_t i = 0; i < world->options.lcores; i++)
        tr_lcore_destroy(world->lcores[i]);
    tr_mesh_destroy(world->mesh);
    free(world->seen);
    snprintf(command, sizeof(command), "rm -rf '%s'", world->directory);
    if (system(command))
        fprintf(stderr, "could not remove %s\n", world->directory);
}

bool sim_step(struct sim_world *world)
{
    struct tr_lcore *lcore = world->lcores[draw(world, world->options.lcores)];

    world->steps++;
    world->now += draw(world, world->options.step_ns);
    if (draw(world, 3) == 0)
        client_send(world, lcore);
    if (world->options.swaps && draw(world, 200) == 0) {
        struct tr_epoch *epoch = epoch_make(world, (unsigned)draw(world, SIM_CONFIGS));

        if (tr_mesh_epoch_publish(world->mesh, epoch) == 0) {
            world->swaps++;
        } else {
            world->epoch--;
            tr_epoch_free(epoch);
        }
    }
    tr_lcore_poll(world->lcores[draw(world, world->options.lcores)], world->now);
    return outboxes_read(world) && identities_hold(world);
}

static bool all_sent(const struct sim_world *world)
{
    return world->put == world->spans_total;
}

static bool at_rest(const struct sim_world *world)
{
    for (uint32_t i = 0; i < world->options.lcores; i++)
        if (!tr_lcore_drained(world->lcores[i]))
            return false;
    return true;
}

// What must hold when nothing moves any more: a trace went out whole or not at all, and one with an error whose
// spans were all there at its decision went out.
static bool traces_hold(struct sim_world *world)
{
    bool early = false;

    for (uint32_t i = 0; i < world->options.lcores; i++) {
        const struct tr_owner_counters *c = tr_owner_counters(world->lcores[i]->owner);

        early = early || c->early_journal || c->early_table || c->early_size || c->late_kept || c->late_dropped;
        HOLDS(world, c->held, 0ull);
    }
    for (uint32_t i = 0; i < SIM_TRACES; i++) {
        const struct sim_trace *trace = &world->traces[i];

        if (trace->emitted && trace->emitted != trace->spans)
            return fail(world, "trace %u went out in part: %u of %u spans", i, trace->emitted, trace->spans);
        if (trace->error && !trace->emitted && !early)
            return fail(world, "trace %u has an error and did not go out", i);
    }
    return true;
}

bool sim_finish(struct sim_world *world)
{
    struct sums s;

    for (unsigned i = 0; i < 400000 && !(all_sent(world) && at_rest(world)); i++) {
        for (uint32_t k = 0; k < world->options.lcores; k++) {
            world->now += draw(world, world->options.wait_ns / 50 + 1);
            if (!all_sent(world))
                client_send(world, world->lcores[k]);
            tr_lcore_poll(world->lcores[k], world->now);
            if (!outboxes_read(world))
                return false;
        }
    }
    if (!identities_hold(world))
        return false;
    if (!all_sent(world) || !at_rest(world))
        return fail(world, "it did not come to rest: %llu of %u spans put, %s", (unsigned long long)world->put,
                    world->spans_total, at_rest(world) ? "at rest" : "busy");
    s = sum_up(world);
    HOLDS(world, s.kept, s.emitted + s.too_large);
    return traces_hold(world);
}
