// SPDX-License-Identifier: Apache-2.0
// The simulation: hundreds of seeds, or one to replay.
//
//   sim [--seeds FROM-TO] [--pairs FROM-TO] [--seed N] [--pair N] [--first] [--reached] [--seconds N]
//
// --pairs runs each seed with one lcore and with four, and compares what is kept.
//
// --first stops at the first that fails, --reached says what the stacks have counted in all,
// --seconds when a seed hangs.
//
// A seed that fails prints its last frames, if there is a network in it.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

#define STEPS   6000
#define FRAMES  20  // of a failure that are shown; --seed shows more

// Seeds that ever failed stay.
static const uint64_t failed_once[] = {1, 2, 33, 148, 386, 406, 1300, 1512, 2013};

static struct sim_world world;
static unsigned seconds = 120; // of the processor's until a seed hangs: of those under a sanitizer

static void report(bool good, uint32_t frames)
{
    static char config[64 * 1024];
    const struct sim_options *o = &world.options;
    uint64_t read = 0, lost = 0, reopened = 0, gone = 0, at_once = 0;

    for (uint32_t i = 0; i < o->lcores; i++) {
        const struct tr_owner_counters *owner = tr_owner_counters(world.lcores[i]->owner);

        reopened += owner->traces_reopened;
        gone += owner->reopened_gone + world.lcores[i]->counters.emit_gone;
        at_once += owner->at_once;
        read += world.read[i];
        lost += world.lost[i];
    }
    printf("seed %llu: %s after %llu steps: %s\n", (unsigned long long)o->seed, good ? "good" : "FAILED",
           (unsigned long long)world.steps, good ? "all held" : world.failure);
    printf("  %u lcores, %u clients, rings of %u, journal %llu, outbox %llu, table %u of %u spans, %u "
           "verdicts, wait %llu us"
           "%s%s%s%s%s\n",
           o->lcores, o->clients, o->slots, (unsigned long long)o->journal_bytes,
           (unsigned long long)o->outbox_bytes, o->traces_max, o->refs_max, o->verdicts_max,
           (unsigned long long)(o->wait_ns / TR_US), o->flaky ? ", flaky" : "", o->floods ? ", floods" : "",
           o->roomy ? ", roomy" : "",
           o->slow_readers ? ", slow readers" : "", o->drains ? ", drains" : "");
    printf("  %llu requests answered, %llu refused, %llu broken; %llu spans out, %llu lost to slow readers; "
           "%llu swaps; %llu traces reopened, %llu of their spans gone; %llu spans decided at once\n",
           (unsigned long long)world.answered, (unsigned long long)world.refused,
           (unsigned long long)world.broken, (unsigned long long)read, (unsigned long long)lost,
           (unsigned long long)world.swaps, (unsigned long long)reopened, (unsigned long long)gone,
           (unsigned long long)at_once);
    if (!good && world.judged && world.judged <= world.epoch) {
        sim_config_write(&world, world.judged, config, sizeof(config));
        printf("  the last config that was judged, of epoch %u: %s\n", world.judged, config);
    }
    if (world.net)
        sim_net_report(&world, frames);
    fflush(stdout);
}

// A panic, a sanitizer's finding and a seed that does not end name the seed, too.
static const char *fate = "it died";

static void died(void)
{
    printf("seed %llu: FAILED after %llu steps: %s at %.6f s\n", (unsigned long long)world.options.seed,
           (unsigned long long)world.steps, fate, (double)world.now / 1e9);
    if (world.net)
        sim_net_report(&world, FRAMES);
    fflush(stdout);
}

static void aborted(int number)
{
    signal(number, SIG_DFL);
    if (number == SIGPROF)
        fate = "it hangs";
    died();
    if (number == SIGPROF)
        _exit(1);
    raise(number);
}

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

// Returns whether all held.
static bool run(uint64_t seed, bool talk)
{
    bool good = true;

    if (sim_open(&world, seed) < 0)
        return false;
    for (unsigned i = 0; good && i < STEPS; i++)
        good = sim_step(&world);
    good = good && sim_finish(&world);
    if (!good || talk)
        report(good, good ? 0 : talk ? UINT32_MAX : FRAMES);
    sim_close(&world);
    return good;
}

static bool run_pair(uint64_t seed, bool talk)
{
    bool good = sim_pair(&world, seed);

    if (!good) {
        printf("pair of ");
        report(good, 0);
    } else if (talk) {
        printf("pair of seed %llu: good\n", (unsigned long long)seed);
    }
    return good;
}

// In a process of its own: nothing of the seeds before it is left, and one that hangs or dies is only one.
static bool run_apart(bool (*how)(uint64_t seed, bool talk), uint64_t seed)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        setitimer(ITIMER_PROF, &(struct itimerval){.it_value = {.tv_sec = seconds}}, NULL); // of its own: the machine may be busy
        exit(!how(seed, false));
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return false;
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGABRT) // which has said so
        printf("seed %llu: FAILED: it died of signal %d\n", (unsigned long long)seed, WTERMSIG(status));
    return status == 0;
}

int main(int argc, char **argv)
{
    uint64_t from = 1, to = 300, failures = 0;
    bool first = false, counts = false, pairs = false;

    signal(SIGABRT, aborted);
    signal(SIGPROF, aborted);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(died);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--first") == 0)
            first = true;
        else if (strcmp(argv[i], "--reached") == 0)
            sim_net_reach(), sim_reach(), counts = true;
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            seconds = (unsigned)atoi(argv[++i]);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            return !run(strtoull(argv[i + 1], NULL, 10), true);
        else if (strcmp(argv[i], "--pair") == 0 && i + 1 < argc)
            return !run_pair(strtoull(argv[i + 1], NULL, 10), true);
        else if ((strcmp(argv[i], "--seeds") != 0 && !(pairs = strcmp(argv[i], "--pairs") == 0)) || i + 1 == argc ||
                 sscanf(argv[++i], "%lu-%lu", &from, &to) != 2)
            return 2;
    }
    for (size_t i = 0; i < TR_NELEMS(failed_once) && !first && !pairs; i++)
        failures += !run_apart(run, failed_once[i]);
    for (uint64_t seed = from; seed <= to && !(first && failures); seed++)
        failures += !run_apart(pairs ? run_pair : run, seed);
    if (counts)
        sim_net_reached(), sim_reached();
    printf("seeds %llu to %llu: %llu failed\n", (unsigned long long)from, (unsigned long long)to,
           (unsigned long long)failures);
    return failures > 0;
}
