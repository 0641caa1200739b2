// SPDX-License-Identifier: Apache-2.0
// A world on virtual time: several lcores of the real code in one thread, tiny rings, journals and tables, clients
// that send spans of known traces, readers of the outboxes, config swaps; one seed draws all of it.
#ifndef TEST_SIM_WORLD_H
#define TEST_SIM_WORLD_H

#include "lcore/lcore.h"

#define SIM_LCORES_MAX 4
#define SIM_TRACES     400
#define SIM_CONFIGS    3

// A trace as the client knows it.
struct sim_trace {
    uint8_t id[16];
    uint32_t spans;   // in all
    uint32_t sent;    // so far
    uint32_t emitted; // seen in an outbox
    bool error;       // one of its spans says so
    uint32_t error_span;
};

struct sim_options {
    uint64_t seed;
    uint32_t lcores, slots, traces_max, refs_max, verdicts_max;
    uint64_t journal_bytes, outbox_bytes, wait_ns, wait_min_ns, step_ns;
    uint32_t body_spans_max;
    bool swaps; // configs change on the way
    bool rules; // attributes are demoted on the way
};

struct sim_world {
    struct sim_options options;
    uint64_t random;
    uint64_t now;
    char directory[64];
    struct tr_mesh *mesh;
    struct tr_lcore *lcores[SIM_LCORES_MAX];
    struct tr_outbox_cursor cursors[SIM_LCORES_MAX];
    struct sim_trace traces[SIM_TRACES];
    uint8_t *seen; // by span number: times it came out
    uint32_t spans_total;
    uint64_t put, emitted, steps, swaps;
    uint32_t epoch;
    const char *failure; // the first thing that did not hold
    char text[512];
};

// Draw everything from the seed. Returns 0 or -errno.
int sim_open(struct sim_world *world, uint64_t seed);
void sim_close(struct sim_world *world);

// One step: time passes, an lcore polls, a client may send, a config may change; then all identities are checked.
// Returns false when one does not hold (world->text says which).
bool sim_step(struct sim_world *world);

// Heal: no more input; time passes until all is decided, emitted and let go. Then everything that must hold at rest.
bool sim_finish(struct sim_world *world);

#endif
