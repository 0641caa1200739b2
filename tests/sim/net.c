// SPDX-License-Identifier: Apache-2.0
#include "net.h"

#include <sys/mman.h>

// --- an lcore's port

static size_t port_poll(void *context, uint64_t now, size_t budget)
{
    struct sim_end *end = context;
    size_t work;

    if (end->world->draining)
        tr_stack_refuse(end->stack);
    work = sim_end_turn(end);
    work += tr_net_streams_poll(end->streams, now);
    return work + sim_talk_lcore(end);
}

static uint64_t port_deadline(const void *context)
{
    const struct sim_end *end = context;

    return TR_MIN(tr_stack_deadline(end->stack), tr_net_streams_deadline(end->streams));
}

static bool port_has_input(void *context)
{
    return ((const struct sim_end *)context)->rx;
}

struct tr_lcore_port sim_net_port(struct sim_world *world, uint32_t lcore)
{
    return (struct tr_lcore_port){&world->net->ends[lcore], port_poll, port_deadline, port_has_input};
}

// --- steps

bool sim_net_step(struct sim_world *world)
{
    struct sim_net *net = world->net;

    sim_wire_change(world);
    sim_wire_pump(world);
    if (net->options.attacked && sim_draw(world, 50) == 0)
        sim_forge(world);
    return sim_host_turn(&net->ends[SIM_LCORES_MAX + sim_draw(world, net->options.hosts)]);
}

bool sim_net_step_all(struct sim_world *world)
{
    bool moved;

    sim_wire_change(world);
    moved = sim_wire_pump(world) > 0;
    for (uint32_t i = 0; i < world->net->options.hosts; i++)
        moved |= sim_host_turn(&world->net->ends[SIM_LCORES_MAX + i]);
    return moved;
}

// --- begin and end

static struct sim_end *end_at(const struct sim_world *world, uint32_t i)
{
    struct sim_end *end = &world->net->ends[i];

    return end->stack && !end->gone ? end : NULL;
}

int sim_net_open(struct sim_world *world)
{
    struct sim_net *net = world->net = calloc(1, sizeof(*net));
    struct tr_error error = {0};

    sim_net_draw(world);
    for (uint32_t i = 0; i < SIM_LCORES_MAX + net->options.hosts; i++) {
        struct sim_end *end = &net->ends[i];
        bool lcore = i < SIM_LCORES_MAX;

        if (lcore && i >= world->options.lcores)
            continue;
        *end = (struct sim_end){.world = world,
                                .number = i,
                                .pieces = sim_draw(world, 3) ? 0 : 64 + (uint32_t)sim_draw(world, 400),
                                .rx_max = sim_draw(world, 4) ? 512 : 2 + (uint32_t)sim_draw(world, 16),
                                .secret = lcore ? 1 : (uint32_t)sim_draw(world, UINT32_MAX)};
        if ((lcore && tr_net_streams_create(&end->streams, &net->options.streams, sim_link_stream_user(end),
                                            &error) < 0) ||
            sim_end_open(end, &error) < 0) {
            fprintf(stderr, "%s\n", error.text);
            return -EINVAL;
        }
    }
    return 0;
}

// Sums of all that was counted, below TCP and by TCP; shared by the processes of all seeds.
static uint64_t (*reached)[128];

static void reached_add(uint64_t *sums, const struct tr_counter_rows *rows, const void *counters)
{
    for (size_t i = 0; i < rows->count; i++) {
        uint64_t value;

        memcpy(&value, (const char *)counters + rows->rows[i].offset, sizeof(value));
        sums[i] += value;
    }
}

void sim_net_reach(void)
{
    reached = mmap(NULL, 2 * sizeof(*reached), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

void sim_net_reached(void)
{
    for (size_t i = 0; i < tr_net_counter_rows.count; i++)
        printf("net %-22s %12llu\n", tr_net_counter_rows.rows[i].field, (unsigned long long)reached[0][i]);
    for (size_t i = 0; i < tr_tcp_counter_rows.count; i++)
        printf("tcp %-22s %12llu\n", tr_tcp_counter_rows.rows[i].field, (unsigned long long)reached[1][i]);
}

void sim_net_close(struct sim_world *world)
{
    struct sim_net *net = world->net;

    for (uint32_t i = 0; i < SIM_ENDS_MAX; i++) {
        struct sim_end *end = end_at(world, i);

        if (!end)
            continue;
        end->buffers = UINT32_MAX;
        if (reached) {
            reached_add(reached[0], &tr_net_counter_rows, tr_stack_net_counters(end->stack));
            reached_add(reached[1], &tr_tcp_counter_rows, tr_stack_tcp_counters(end->stack));
        }
        if (end->streams)
            tr_net_streams_shut(end->streams);
        tr_stack_destroy(end->stack, world->now);
        end->gone = true;
        if (end->streams)
            tr_net_streams_destroy(end->streams);
    }
    sim_wire_clear(net);
    for (uint32_t i = 0; i < SIM_LINKS; i++)
        sim_link_free(&net->links[i]);
    free(net);
    world->net = NULL;
}

uint64_t sim_net_deadline(const struct sim_world *world)
{
    uint64_t deadline = world->net->frames ? world->net->frames->at_ns : TR_NEVER;

    for (uint32_t i = 0; i < SIM_ENDS_MAX; i++)
        if (end_at(world, i))
            deadline = TR_MIN(deadline, end_at(world, i)->rx ? world->now : tr_stack_deadline(end_at(world, i)->stack));
    return deadline;
}

void sim_net_end(struct sim_world *world)
{
    world->net->ending = true;
}

// --- what must hold

#define HOLDS(end, left, right)                                                                              \
    do {                                                                                                     \
        if ((left) != (right))                                                                               \
            return sim_fail((end)->world, "end %u: " #left " = %llu but " #right " = %llu", (end)->number,   \
                            (unsigned long long)(left), (unsigned long long)(right));                        \
    } while (0)

static bool lcore_holds(const struct sim_end *end)
{
    const struct tr_tcp_counters *tcp = tr_stack_tcp_counters(end->stack);
    const struct tr_net_stream_counters *streams = tr_net_streams_counters(end->streams);
    struct tr_conn_row rows[64];
    uint64_t live = tr_stack_connections(end->stack, rows, TR_NELEMS(rows));
    uint64_t ended = tcp->ended_closed + tcp->ended_reset + tcp->ended_aborted + tcp->ended_timeout +
                     tcp->ended_refused;

    HOLDS(end, tcp->opened_passive, ended + live);
    HOLDS(end, tcp->bytes_in, end->taken);
    HOLDS(end, streams->bytes_in, end->taken);
    HOLDS(end, streams->bytes_out, end->given);
    HOLDS(end, streams->opened, streams->closed + streams->open);
    return tcp->bytes_out <= end->given ||
           sim_fail(end->world, "end %u: more is acknowledged than was sent", end->number);
}

bool sim_net_holds(struct sim_world *world)
{
    for (uint32_t i = 0; i < SIM_ENDS_MAX; i++) {
        const struct sim_end *end = end_at(world, i);
        const struct tr_net_counters *net;

        if (!end)
            continue;
        net = tr_stack_net_counters(end->stack);
        HOLDS(end, net->frames_in, end->frames_in);
        HOLDS(end, net->frames_out, end->frames_out);
        HOLDS(end, net->bytes_in, end->bytes_in);
        HOLDS(end, net->bytes_out, end->bytes_out);
        if (end->streams && !lcore_holds(end))
            return false;
        if (tr_stack_reassembly_used(end->stack) > TR_MAX(world->net->options.lcore.reassembly_bytes,
                                                          world->net->options.host.reassembly_bytes))
            return sim_fail(world, "end %u: the pool has lent more than it has", i);
    }
    return true;
}

static bool end_is_empty(const struct sim_end *end)
{
    const struct tr_tcp_counters *tcp = tr_stack_tcp_counters(end->stack);
    struct tr_conn_row row;

    return !end->rx && !tcp->half_open && !tcp->time_wait && !tr_stack_connections(end->stack, &row, 1) &&
           tr_stack_deadline(end->stack) == TR_NEVER;
}

bool sim_net_is_done(const struct sim_world *world)
{
    for (uint32_t i = 0; i < SIM_LINKS; i++) {
        const struct sim_link *link = &world->net->links[i];

        if (link->talks && link->conn && link->stream && !link->silent && sim_link_is_busy(link))
            return false;
    }
    return true;
}

bool sim_net_is_empty(const struct sim_world *world)
{
    for (uint32_t i = 0; i < SIM_ENDS_MAX; i++)
        if (end_at(world, i) && !end_is_empty(end_at(world, i)))
            return false;
    return !world->net->frames;
}

bool sim_net_rest_holds(struct sim_world *world)
{
    for (uint32_t i = 0; i < SIM_ENDS_MAX; i++) {
        const struct sim_end *end = end_at(world, i);
        const struct tr_tcp_counters *tcp;
        struct tr_conn_row rows[64];

        if (!end)
            continue;
        tcp = tr_stack_tcp_counters(end->stack);
        HOLDS(end, (uint64_t)tr_stack_connections(end->stack, rows, TR_NELEMS(rows)), 0ull);
        HOLDS(end, tcp->connections, 0ull);
        HOLDS(end, tcp->half_open, 0ull);
        HOLDS(end, tcp->time_wait, 0ull);
        HOLDS(end, tr_stack_reassembly_used(end->stack), 0ull);
        HOLDS(end, tr_stack_deadline(end->stack), TR_NEVER);
        if (end->streams)
            HOLDS(end, tr_net_streams_counters(end->streams)->open, 0ull);
    }
    for (uint32_t i = 0; i < SIM_LINKS; i++)
        if (world->net->links[i].conn || world->net->links[i].stream)
            return sim_fail(world, "connection %llu never ended", (unsigned long long)world->net->links[i].number);
    return !world->net->frames || sim_fail(world, "frames go back and forth");
}
