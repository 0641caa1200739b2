// SPDX-License-Identifier: Apache-2.0
// Connections over a wire that loses, repeats, delays and cuts, with users who pause, resume, abort and close, drawn from
// a seed; then the wire heals, and all that was sent arrives, and nothing is left. `test_tcp_faults FIRST LAST` runs more,
// and shows what a single one looks like.
#include "harness.h"

#include "random.h"

static uint64_t seed_first = 1, seed_last = 60;
static bool loud;

struct world {
    struct wire *wire;
    uint64_t random;
    uint32_t loss, repeat, jitter_us; // of 1000
    bool options_off[2];
};

static void faults(struct wire *wire, uint32_t from, const struct wire_segment *segment, struct wire_fate *fate)
{
    struct world *world = wire->hook_context;

    fate->drop = random_below(&world->random, 1000) < world->loss;
    if (random_below(&world->random, 1000) < world->repeat)
        fate->copies = 2;
    if (world->jitter_us)
        fate->delay_ns += random_below(&world->random, world->jitter_us) * TR_US;
}

static void paused_now_and_then(struct wire_conn *conn, const uint8_t *data, size_t bytes)
{
    struct world *world = conn->owner->wire->hook_context;

    if (random_below(&world->random, 40) == 0)
        tr_conn_pause(conn->conn);
}

static void close_too(struct wire_conn *conn)
{
    conn->close_after = true;
    if (conn->sent == conn->to_send)
        tr_conn_close(conn->conn);
}

static void act(struct world *world)
{
    struct wire_end *end = &world->wire->ends[random_below(&world->random, 2)];
    struct wire_conn *conn;

    if (!end->conns_count)
        return;
    conn = &end->conns[random_below(&world->random, end->conns_count)];
    if (!conn->conn || !conn->opened)
        return;
    switch (random_below(&world->random, 8)) {
    case 0:
        tr_conn_pause(conn->conn);
        break;
    case 1:
    case 2:
    case 3:
        tr_conn_resume(conn->conn);
        break;
    default:
        if (!conn->close_after)
            wire_send(conn, random_below(&world->random, 1 + (1u << random_below(&world->random, 21))));
    }
}

static void resume_all(struct wire *wire)
{
    for (uint32_t e = 0; e < 2; e++) {
        for (uint32_t c = 0; c < wire->ends[e].conns_count; c++) {
            if (wire->ends[e].conns[c].conn)
                tr_conn_resume(wire->ends[e].conns[c].conn);
        }
    }
}

static void all_arrived(struct wire *wire)
{
    for (uint32_t c = 0; c < wire->ends[0].conns_count; c++) {
        struct wire_conn *conn = &wire->ends[0].conns[c];

        assert_true(conn->opened);
        assert_int_equal(conn->peer->received, conn->to_send);
        assert_int_equal(conn->received, conn->peer->to_send);
    }
}

static void world_open(struct world *world, uint64_t seed)
{
    struct tr_stack_options options[2];

    *world = (struct world){.random = seed};
    for (uint32_t i = 0; i < 2; i++) {
        bool ipv6 = seed & 1;

        options[i] = wire_options(i, ipv6);
        options[i].window_bytes = 64 * TR_KIB << random_below(&world->random, 4);
        options[i].send_buffer_bytes = 8 * TR_KIB << random_below(&world->random, 6);
        options[i].reassembly_bytes = 128 * TR_KIB << random_below(&world->random, 4);
        options[i].output_frames = 4u << random_below(&world->random, 7);
        options[i].keepalive_ns = random_below(&world->random, 2) * 40 * TR_S;
        options[i].mtu_bytes = (uint16_t)(1280 + random_below(&world->random, 3) * 1500);
        options[i].stall_timeout_ns = 3600 * TR_S;
    }
    world->wire = wire_open(&options[0], &options[1]);
    for (uint32_t i = 0; i < 2; i++) {
        world->wire->ends[i].pieces = random_below(&world->random, 3) * 130;
        world->wire->ends[i].on_input = paused_now_and_then;
    }
    world->wire->hook_context = world;
    world->wire->delay_ns = (1 + random_below(&world->random, 20000)) * TR_US;
    world->loss = random_below(&world->random, 3) * random_below(&world->random, 100);
    world->repeat = random_below(&world->random, 2) * random_below(&world->random, 100);
    world->jitter_us = random_below(&world->random, 2) * random_below(&world->random, 10000);
}

static void one(uint64_t seed)
{
    struct world world;
    struct wire *wire;

    world_open(&world, seed);
    wire = world.wire;
    // The first finds the next hop: ARP and NDP try three times, and a host that is silent is one that is not there.
    wire_connected(wire);
    wire->hook = faults;
    for (uint32_t i = 1; i < 5; i++)
        wire_connect(wire, 0);
    for (uint32_t i = 0; i < 150; i++) {
        act(&world);
        if (random_below(&world.random, 10) == 0)
            wire->ends[random_below(&world.random, 2)].buffers = random_below(&world.random, 50);
        wire_run_for(wire, random_below(&world.random, 500) * TR_MS);
        wire->ends[0].buffers = wire->ends[1].buffers = UINT32_MAX;
    }
    world.loss = 0;
    wire->ends[0].on_input = wire->ends[1].on_input = NULL;
    resume_all(wire);
    wire_run_for(wire, 300 * TR_S);
    if (loud)
        wire_show(wire);
    all_arrived(wire);
    wire->ends[0].on_eof = wire->ends[1].on_eof = close_too;
    for (uint32_t c = 0; c < wire->ends[0].conns_count; c++)
        tr_conn_close(wire->ends[0].conns[c].conn);
    wire_run_for(wire, 300 * TR_S);
    for (uint32_t e = 0; e < 2; e++) {
        assert_int_equal(wire_counters(wire, e)->connections, 0);
        assert_int_equal(wire_counters(wire, e)->half_open, 0);
        assert_int_equal(wire_counters(wire, e)->time_wait, 0);
        assert_int_equal(wire_counters(wire, e)->ended_closed, 5);
        assert_int_equal(tr_stack_reassembly_used(wire->ends[e].stack), 0);
    }
    wire_close(wire);
}

// Seeds that failed once.
static const uint64_t failed_once[] = {230, 1165};

static void faults_heal(void **state)
{
    for (uint64_t seed = seed_first; seed <= seed_last; seed++) {
        fprintf(stderr, "\rseed %lu ", seed);
        one(seed);
    }
    fputc('\n', stderr);
    for (uint32_t i = 0; i < TR_NELEMS(failed_once); i++)
        one(failed_once[i]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(faults_heal)};

    if (argc == 3) {
        seed_first = strtoull(argv[1], NULL, 10);
        seed_last = strtoull(argv[2], NULL, 10);
        loud = seed_first == seed_last;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
