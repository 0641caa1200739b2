// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include <unistd.h>

#include "base/hash.h"

uint64_t sim_draw(struct sim_world *world, uint64_t below)
{
    return below ? tr_mix64(world->random += 0x9e3779b97f4a7c15ull) % below : 0;
}

static uint64_t draw_power(struct sim_world *world, unsigned least, unsigned most)
{
    return 1ull << (least + sim_draw(world, most - least + 1));
}

bool sim_fail(struct sim_world *world, const char *format, ...)
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

static void options_draw(struct sim_world *world)
{
    struct sim_options *o = &world->options;

    o->lcores = 1 + (uint32_t)sim_draw(world, SIM_LCORES_MAX);
    o->clients = 1 + (uint32_t)sim_draw(world, SIM_CLIENTS_MAX);
    o->slots = (uint32_t)draw_power(world, 1, 7);
    o->journal_bytes = draw_power(world, 16, 18);
    o->traces_max = 1 + (uint32_t)sim_draw(world, draw_power(world, 3, 9));
    o->refs_max = o->traces_max * (2 + (uint32_t)sim_draw(world, 8)) + SIM_TRACE_SPANS;
    o->spans_max = sim_draw(world, 4) ? o->refs_max : 2 + (uint32_t)sim_draw(world, 20);
    // A small cache forgets; but not within a turn, which decides no more than is held.
    o->verdicts_max = sim_draw(world, 4) ? 1024 : 128;
    if (o->verdicts_max < o->traces_max)
        o->traces_max = o->verdicts_max;
    o->wait_ns = (1 + sim_draw(world, 50)) * TR_MS;
    o->wait_min_ns = o->wait_ns / (1 + sim_draw(world, 10));
    o->step_ns = (1 + sim_draw(world, 200)) * TR_US;
    o->body_spans = 1 + (uint32_t)sim_draw(world, SIM_BODY_SPANS);
    o->swaps = sim_draw(world, 2);
    o->flaky = sim_draw(world, 2);
    o->slow_readers = sim_draw(world, 4) == 0;
    // A reader that reads after each turn is not overrun by what a turn emits.
    o->outbox_bytes = o->slow_readers ? draw_power(world, 14, 17) : draw_power(world, 18, 20);
    o->drains = sim_draw(world, 4) == 0;
    o->floods = sim_draw(world, 6) == 0;
    o->limits = o->seed % 3 == 0 || o->seed % 6 == 1;
    o->window = 24;
    o->roomy = !o->floods && sim_draw(world, 3) == 0;
    o->dropped_bytes = o->roomy ? 16 * TR_MIB : o->slots % 5 ? 4096ull << o->slots % 8 : 0;
    o->reopens = o->roomy || sim_draw(world, 4);
    if (o->roomy) {
        o->traces_max = 512;
        o->refs_max = o->spans_max = SIM_TRACES * SIM_TRACE_SPANS;
        o->verdicts_max = 1024;
    }
    if (o->floods) {
        o->lcores = 1 + (uint32_t)sim_draw(world, 2);
        o->window = 250;
        o->clients = SIM_CLIENTS_MAX;
        o->body_spans = SIM_BODY_SPANS;
        // Short of bytes, or of contexts long before.
        o->journal_bytes = sim_draw(world, 2) ? 64 * TR_KIB : TR_MIB;
        o->traces_max = TR_MIN(o->traces_max, 8u);
    }
}

static void woken(void *context)
{
    ((struct sim_sleeper *)context)->woken = true;
}

static int lcore_open(struct sim_world *world, uint32_t i, struct tr_error *error)
{
    const struct sim_options *o = &world->options;
    struct tr_lcore_options options = {.lcore = i,
                                       .numa_node = -1,
                                       .directory = world->directory,
                                       .journal_bytes = o->journal_bytes,
                                       .outbox_bytes = o->outbox_bytes,
                                       .body_bytes_max = 8192,
                                       .contexts = o->floods ? 64 : world->paired ? 8192 : (uint32_t)draw_power(world, 6, 10),
                                       .sources_max = 64,
                                       .study_slots = 16};
    int rc;

    options.owner = (struct tr_owner_options){.lcore = i,
                                              .lcores = o->lcores,
                                              .traces_max = o->traces_max,
                                              .refs_max = o->refs_max,
                                              .dropped_bytes = o->dropped_bytes,
                                              .verdicts_max = o->verdicts_max,
                                              .memo_max = o->slots % 4 * 64,
                                              .wait_ns = o->wait_ns,
                                              .wait_min_ns = o->wait_min_ns,
                                              .trace_spans_max = o->spans_max,
                                              .aside = world->mesh->epoch->policies->aside,
                                              .shape = sim_shaped(world) || sim_sampled(world) || o->limits,
                                              .directory = world->directory,
                                              .numa_node = -1,
                                              .hash_seed = 1 + sim_draw(world, UINT32_MAX)};
    rc = tr_lcore_create(&world->lcores[i], &options, world->mesh, error);
    if (rc < 0)
        return rc;
    world->lcores[i]->study.mask = 0; // all traces are studied
    world->mesh->peers[i].wake = woken;
    world->mesh->peers[i].wake_context = &world->sleepers[i];
    tr_outbox_cursor_init(&world->lcores[i]->outbox, &world->cursors[i]);
    sim_spy(world, i);
    return 0;
}

// The rules that an epoch may have, for the oracle.
static void rules_make(struct sim_world *world)
{
    static const char rules[] = "rules: [{keys: [user.id], action: demote}]";
    struct tr_options_doc *doc;
    struct tr_error error = {0};

    if (tr_options_parse(&tr_attributes_option_table, rules, strlen(rules), &doc, &error) ||
        tr_attr_set_compile(tr_options_struct(doc), &world->rules, &error))
        abort();
    tr_options_free(doc);
}

int sim_open_as(struct sim_world *world, uint64_t seed, uint32_t lcores, void (*set)(struct sim_options *options, uint32_t lcores))
{
    struct tr_error error = {0};

    memset(world, 0, sizeof(*world));
    world->random = seed;
    world->options.seed = seed;
    options_draw(world);
    world->paired = set != NULL;
    if (set)
        set(&world->options, lcores);
    sim_traces_draw(world);
    rules_make(world);
    snprintf(world->directory, sizeof(world->directory), "%s/tailrace-sim.XXXXXX",
             getenv("SIM_DIRECTORY") ? getenv("SIM_DIRECTORY") : "/dev/shm");
    if (!mkdtemp(world->directory))
        return -errno;
    if (tr_mesh_create(&world->mesh, world->options.lcores, world->options.slots, &error) < 0)
        goto fail;
    sim_limits_open();
    sim_samplers_open();
    tr_mesh_epoch_publish(world->mesh, sim_epoch_draw(world));
    sim_limits_swapped(world);
    sim_samplers_swapped(world);
    for (uint32_t i = 0; i < world->options.lcores; i++)
        if (lcore_open(world, i, &error) < 0)
            goto fail;
    world->now = TR_S;
    if (seed % 2 == 0 && !world->paired && sim_net_open(world) < 0)
        return -EINVAL;
    return sim_clients_open(world);
fail:
    fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, error.text);
    return -EINVAL;
}

int sim_open(struct sim_world *world, uint64_t seed)
{
    return sim_open_as(world, seed, 0, NULL);
}

void sim_close(struct sim_world *world)
{
    char command[160];

    if (world->net)
        sim_net_close(world);
    for (uint32_t i = 0; i < world->options.lcores; i++) {
        if (world->lcores[i] && world->lcores[i]->http)
            tr_http_destroy(world->lcores[i]->http);
        tr_lcore_destroy(world->lcores[i]);
    }
    tr_mesh_destroy(world->mesh);
    sim_red_close(world);
    tr_attr_set_free(world->rules);
    snprintf(command, sizeof(command), "rm -rf '%s'", world->directory);
    if (system(command))
        fprintf(stderr, "could not remove %s\n", world->directory);
}

// A piece of what the daemon's loop does for an lcore. Returns false when it sleeps on.
static bool lcore_step(struct sim_world *world, uint32_t i)
{
    struct sim_sleeper *sleeper = &world->sleepers[i];
    struct tr_lcore *lcore = world->lcores[i];
    uint32_t *flag = &world->mesh->peers[i].sleeping;
    uint64_t deadline;
    bool worked;
    uint32_t newest;

    switch (sleeper->state) {
    case SIM_FLAGGED: // the second look
        sleeper->state = SIM_ASLEEP;
        if (tr_lcore_has_input(lcore))
            sleeper->woken = true;
        return true;
    case SIM_ASLEEP:
        if (!sleeper->woken && world->now < sleeper->until && (world->net || !sim_direct_has_input(world, i)))
            return false;
        sleeper->woken = false;
        __atomic_exchange_n(flag, 0, __ATOMIC_SEQ_CST);
        sleeper->state = SIM_AWAKE;
        break;
    default:
        break;
    }
    newest = lcore->walker.epoch->number;
    worked = tr_lcore_poll(lcore, world->now) > 0;
    sim_limits_settled(world, newest);
    while (tr_study_take(&lcore->study))
        tr_study_taken(&lcore->study);
    if (worked)
        return true;
    deadline = tr_lcore_deadline(lcore);
    if (deadline > world->now) {
        sleeper->until = deadline;
        sleeper->state = SIM_FLAGGED;
        __atomic_exchange_n(flag, 1, __ATOMIC_SEQ_CST);
    }
    return true;
}

static void config_swap(struct sim_world *world)
{
    struct tr_error error = {0};
    struct tr_epoch *epoch;

    if (world->epoch + 1 == SIM_EPOCHS)
        return;
    epoch = sim_epoch_draw(world);
    for (uint32_t i = 0; i < world->options.lcores; i++)
        if (tr_owner_reserve(world->lcores[i]->owner, epoch->policies->aside, &error) < 0)
            abort();
    if (tr_mesh_epoch_publish(world->mesh, epoch) == 0) {
        world->swaps++;
        sim_limits_swapped(world);
        sim_samplers_swapped(world);
    } else {
        world->epoch--;
        tr_epoch_free(epoch);
    }
}

static bool all_holds(struct sim_world *world)
{
    return sim_outboxes_read(world, false) && sim_verdicts_read(world) && sim_identities_hold(world) && sim_tails_hold(world) &&
           (!world->net || sim_net_holds(world)) && !world->failure;
}

bool sim_step(struct sim_world *world)
{
    world->steps++;
    world->now += sim_draw(world, world->options.step_ns);
    if (!world->paired && !sim_samplers_tick(world))
        return false;
    if (world->net)
        sim_net_step(world);
    if (sim_draw(world, 3) == 0)
        sim_client_step(world, &world->clients[sim_draw(world, world->options.clients)]);
    if (world->options.swaps && sim_draw(world, 200) == 0)
        config_swap(world);
    return !lcore_step(world, (uint32_t)sim_draw(world, world->options.lcores)) || all_holds(world);
}

static void drain_begin(struct sim_world *world)
{
    world->draining = true;
    for (uint32_t i = 0; i < world->options.lcores; i++) {
        world->lcores[i]->draining = true;
        tr_http_drain(world->lcores[i]->http, world->now);
        tr_owner_drain(world->lcores[i]->owner, false);
        tr_mesh_wake(world->mesh, i);
    }
}

static bool at_rest(const struct sim_world *world)
{
    for (uint32_t i = 0; i < world->options.lcores; i++)
        if (!tr_lcore_drained(world->lcores[i]))
            return false;
    return sim_clients_done(world) && (!world->net || sim_net_is_done(world));
}

// Nobody has anything to do now: on to the next deadline. Returns false when there is none, ever.
static bool time_passes(struct sim_world *world)
{
    uint64_t next = sim_clients_deadline(world);

    if (world->net)
        next = TR_MIN(next, sim_net_deadline(world));
    for (uint32_t i = 0; i < world->options.lcores; i++)
        next = TR_MIN(next, world->sleepers[i].until);
    if (next == TR_NEVER)
        return false;
    world->now = TR_MAX(world->now + 1, next);
    return true;
}

// Everybody has a turn. Returns whether anybody did anything.
static bool all_step(struct sim_world *world, bool clients)
{
    bool moved = false;

    // An lcore that looks again and again at a full table lets time pass, too.
    world->now += sim_draw(world, 200 * TR_US);
    if (!world->paired)
        sim_samplers_tick(world);
    for (uint32_t i = 0; clients && i < world->options.clients; i++)
        moved |= sim_client_step(world, &world->clients[i]);
    if (world->net)
        moved |= sim_net_step_all(world);
    for (uint32_t i = 0; i < world->options.lcores; i++)
        moved |= lcore_step(world, i);
    return moved;
}

// Returns false when something does not hold.
static bool run_until(struct sim_world *world, bool (*done)(const struct sim_world *), bool clients)
{
    for (unsigned rounds = 0; rounds < 400000 && !done(world); rounds++) {
        bool moved = all_step(world, clients);

        if (moved && !all_holds(world))
            return false;
        if (world->options.drains && !world->draining && sim_clients_done(world))
            drain_begin(world);
        // What nobody wakes up for is never done.
        if (!moved && !time_passes(world))
            break;
    }
    return true;
}

bool sim_run_until(struct sim_world *world, bool (*done)(const struct sim_world *))
{
    return run_until(world, done, true);
}

static bool unrest_fail(struct sim_world *world)
{
    uint32_t sending = 0, unsent = 0, sent = 0;

    if (sim_clients_done(world))
        return sim_fail(world, "it did not come to rest: lcores are busy, or asleep with work%s",
                        world->net && !sim_net_is_done(world) ? ", or talkers stand still" : "");
    for (uint32_t i = 0; i < world->options.clients; i++)
        sending += world->clients[i].state == SIM_SENDING;
    for (uint32_t i = 0; i < SIM_TRACES; i++)
        for (uint32_t number = 0; number < world->traces[i].spans; number++) {
            unsent += world->traces[i].fate[number] == SIM_UNSENT;
            sent += world->traces[i].fate[number] == SIM_SENT;
        }
    return sim_fail(world, "it did not come to rest: %u clients wait for answers, "
                    "%u spans are not sent, %u not answered",
                    sending, unsent, sent);
}

bool sim_finish(struct sim_world *world)
{
    world->healed = true;
    world->healed_ns = world->now;
    if (!run_until(world, at_rest, true))
        return false;
    if (!sim_outboxes_read(world, true) || !all_holds(world))
        return false;
    if (!at_rest(world))
        return unrest_fail(world);
    if (!sim_rest_holds(world) || !world->net)
        return !world->failure;
    sim_net_end(world);
    return run_until(world, sim_net_is_empty, false) && all_holds(world) && sim_net_rest_holds(world);
}
