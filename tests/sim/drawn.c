// SPDX-License-Identifier: Apache-2.0
// What of a network a seed draws.
#include "net.h"

static uint64_t draw_power(struct sim_world *world, unsigned least, unsigned most)
{
    return 1ull << (least + sim_draw(world, most - least + 1));
}

static struct tr_stack_options stack_draw(struct sim_world *world, uint32_t host, uint16_t mtu_bytes)
{
    struct sim_net_options *o = &world->net->options;
    struct tr_stack_options s = {
        .mac = {2, 0, 0, 0, 0, (uint8_t)(1 + host)},
        .vlan = o->vlan,
        .mtu_bytes = mtu_bytes,
        .connections_max = 32 + (uint32_t)sim_draw(world, 32),
        .half_open_max = sim_draw(world, 3) ? 32 : 1 + (uint32_t)sim_draw(world, 3),
        .time_wait_max = sim_draw(world, 3) ? 64 : 1 + (uint32_t)sim_draw(world, 3),
        .neighbours_max = 16,
        .window_bytes = 64 * TR_KIB << sim_draw(world, 3),
        .reassembly_bytes = sim_draw(world, 2) ? TR_MIB : 2 * TR_KIB * draw_power(world, 0, 6),
        .send_buffer_bytes = 4 * TR_KIB << sim_draw(world, 6),
        .keepalive_ns = sim_draw(world, 2) * (1 + sim_draw(world, 40)) * TR_S,
        .stall_timeout_ns = (5 + sim_draw(world, 115)) * TR_S,
        .time_wait_ns = sim_draw(world, 2) ? (1 + sim_draw(world, 60)) * TR_S : (1 + sim_draw(world, 1000)) * TR_MS,
        .output_frames = (uint32_t)draw_power(world, 1, 8),
        .numa_node = -1,
    };

    for (uint32_t i = 0; i < 4; i++)
        s.addresses[s.addresses_count++] = (struct tr_net_address){sim_ip(host, i & 1, i / 2), i & 1 ? 64 : 120, 128};
    return s;
}

static void faults_draw(struct sim_world *world)
{
    static const uint32_t paths[] = {600, 1000, 1280, 1400};
    struct sim_net_options *o = &world->net->options;
    uint32_t harsh = (uint32_t)sim_draw(world, 4); // 0: a good wire

    o->delay_ns = TR_US + sim_draw(world, draw_power(world, 10, 24));
    o->jitter_ns = sim_draw(world, 2) * sim_draw(world, 4 * o->delay_ns);
    o->starve = (uint32_t)(sim_draw(world, 3) == 0) * (uint32_t)sim_draw(world, 200);
    if (!harsh)
        return;
    o->loss = (uint32_t)sim_draw(world, harsh == 3 ? 200 : 20);
    o->repeat = (uint32_t)sim_draw(world, 2) * (uint32_t)sim_draw(world, 100);
    o->alter = (uint32_t)sim_draw(world, 2) * (uint32_t)sim_draw(world, 50);
    o->cut = (uint32_t)sim_draw(world, 2) * (uint32_t)sim_draw(world, 50);
    o->partition = (uint32_t)(sim_draw(world, 3) == 0) * (uint32_t)sim_draw(world, 4);
    o->path_mtu = sim_draw(world, 4) ? 0 : paths[sim_draw(world, TR_NELEMS(paths))];
}

void sim_net_draw(struct sim_world *world)
{
    static const uint16_t mtus[] = {1280, 1500, 1500, 4000};
    struct sim_net_options *o = &world->net->options;

    o->hosts = 1 + (uint32_t)sim_draw(world, SIM_HOSTS_MAX);
    o->talkers = (uint32_t)sim_draw(world, SIM_TALKERS + 1);
    o->talk_bytes = draw_power(world, 6, 18);
    o->pause_turns = (uint32_t)draw_power(world, 3, 9);
    o->vlan = sim_draw(world, 3) ? 0 : 7;
    o->strips = o->vlan && sim_draw(world, 2);
    o->wraps = sim_draw(world, 4) == 0;
    o->attacked = sim_draw(world, 3) == 0;
    o->reboots = world->options.flaky && sim_draw(world, 3) == 0;
    faults_draw(world);
    o->lcore = stack_draw(world, 0, mtus[sim_draw(world, TR_NELEMS(mtus))]);
    o->lcore.listen[o->lcore.listen_count++] = SIM_HTTP_PORT;
    o->lcore.listen[o->lcore.listen_count++] = SIM_TALK_PORT;
    o->host = stack_draw(world, 1, mtus[sim_draw(world, TR_NELEMS(mtus))]);
    o->streams = (struct tr_connection_options){
        .connections_max = sim_draw(world, 8) ? o->lcore.connections_max : 6 + sim_draw(world, 6),
        .connection_age_max_ns = sim_draw(world, 3) ? 0 : 100 * TR_MS + sim_draw(world, 5 * TR_S),
        .idle_timeout_ns = sim_draw(world, 2) ? 600 * TR_S : 300 * TR_MS + sim_draw(world, 10 * TR_S),
    };
    // Some worlds are fast, some have time for timers.
    world->options.step_ns *= sim_draw(world, 3) ? 1 : sim_draw(world, 2) ? 10 : 100;
}
