// SPDX-License-Identifier: Apache-2.0
// The simulation: hundreds of seeds, or one to replay.
//
//   sim [--seeds FROM-TO] [--seed N]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define STEPS 6000

// Seeds that ever failed stay.
static const uint64_t failed_once[] = {1};

static bool run(uint64_t seed, bool talk)
{
    static struct sim_world world;
    bool good = true;

    if (sim_open(&world, seed) < 0)
        return false;
    for (unsigned i = 0; good && i < STEPS; i++)
        good = sim_step(&world);
    good = good && sim_finish(&world);
    if (!good || talk)
        printf("seed %llu: %s after %llu steps, %llu of %llu spans kept (%u lcores, rings of %u, journal %llu, table %u, "
               "%llu swaps): %s\n",
               (unsigned long long)seed, good ? "good" : "FAILED", (unsigned long long)world.steps,
               (unsigned long long)world.emitted, (unsigned long long)world.put, world.options.lcores, world.options.slots, (unsigned long long)world.options.journal_bytes,
               world.options.traces_max, (unsigned long long)world.swaps, good ? "all held" : world.failure);
    sim_close(&world);
    return good;
}

int main(int argc, char **argv)
{
    uint64_t from = 1, to = 300, failures = 0;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            return !run(strtoull(argv[i + 1], NULL, 10), true);
        if (strcmp(argv[i], "--seeds") == 0 && sscanf(argv[i + 1], "%lu-%lu", &from, &to) != 2)
            return 2;
    }
    for (size_t i = 0; i < TR_NELEMS(failed_once); i++)
        failures += !run(failed_once[i], false);
    for (uint64_t seed = from; seed <= to; seed++)
        failures += !run(seed, false);
    printf("%llu seeds, %llu failed\n", (unsigned long long)(to - from + 1 + TR_NELEMS(failed_once)),
           (unsigned long long)failures);
    return failures > 0;
}
