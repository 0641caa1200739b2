// SPDX-License-Identifier: Apache-2.0
// perf/replay: what a span costs from the frame to the outbox, on one data lcore and on two, without a generator and
// without a wire: recorded frames are replayed from memory into the network stack of each lcore.
//
// Each lcore has some connections. A round has two phases, which the lcores go through side by side:
//
//   record   requests (gRPC, 100 spans) with fresh trace ids are written down as the frames in which a client would send
//            them. Not counted.
//   replay   the frames go through the real code: net/, HTTP/2, journal, walk, owner, outbox. Counted: the CPU time of
//            turns that found something to do.
//
// The lcores take the requests of one corpus in turn, so that the spans of a trace come in at all of them, and owners are
// as random as the ids: of two lcores' summaries half change lcores. Frames say that a NIC has verified their checksums;
// with --software-checksums it is done here, as for a vdev.
//
// One lcore and two are measured in turns, --repeat times each; the ratio is of their medians.
#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "epoch.h"
#include "recorder.h"
#include "replay_lcore.h"
#include "base/clock.h"

struct options {
    double seconds;
    uint32_t repeat;
    uint64_t wait_ns;
    bool software_checksums, json;
};

struct run {
    const struct options *options;
    const struct corpus *corpus;
    struct tr_mesh *mesh;
    uint32_t lcores;
    struct replay_lcore lcore[2];
    pthread_barrier_t barrier;
    uint32_t replaying; // lcores with frames left
    bool counts, over;
    char directory[64];
};

struct thread {
    struct run *run;
    struct replay_lcore *lcore;
};

static void cpu_pin(uint32_t cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

// A round of one lcore. The barriers keep the phases of all together.
static void round_run(struct run *run, struct replay_lcore *lcore)
{
    bool last = false;

    replay_record(lcore);
    pthread_barrier_wait(&run->barrier);
    while (tr_load_acquire(&run->replaying)) {
        replay_turn(lcore, run->counts);
        if (!last && replay_done(lcore)) {
            last = true;
            __atomic_sub_fetch(&run->replaying, 1, __ATOMIC_ACQ_REL);
        }
    }
    pthread_barrier_wait(&run->barrier);
}

static void *thread_run(void *argument)
{
    struct thread *thread = argument;
    struct run *run = thread->run;

    cpu_pin(thread->lcore->number);
    while (!tr_load_acquire(&run->over)) {
        round_run(run, thread->lcore);
        pthread_barrier_wait(&run->barrier); // the main thread has seen to what comes next
    }
    return NULL;
}

static void run_open(struct run *run, uint32_t lcores)
{
    struct tr_error error = {0};

    run->lcores = lcores;
    snprintf(run->directory, sizeof(run->directory), "/dev/shm/tailrace-replay.XXXXXX");
    if (!mkdtemp(run->directory) || tr_mesh_create(&run->mesh, lcores, 4096, &error) < 0) {
        fprintf(stderr, "replay: %s\n", error.text);
        exit(1);
    }
    tr_mesh_epoch_publish(run->mesh, bench_epoch_make(lcores, run->options->wait_ns));
    for (uint32_t i = 0; i < lcores; i++)
        replay_lcore_open(&run->lcore[i], i, lcores, run->mesh, run->corpus, run->directory, run->options->wait_ns,
                          run->options->software_checksums);
    pthread_barrier_init(&run->barrier, NULL, lcores + 1);
    run->over = run->counts = false;
    run->replaying = lcores;
}

static void run_close(struct run *run)
{
    char command[96];

    for (uint32_t i = 0; i < run->lcores; i++)
        replay_lcore_close(&run->lcore[i]);
    tr_mesh_destroy(run->mesh);
    pthread_barrier_destroy(&run->barrier);
    snprintf(command, sizeof(command), "rm -rf %s", run->directory);
    if (system(command))
        fprintf(stderr, "replay: %s is left\n", run->directory);
}

// Rounds until the table is as full as it will be, then `seconds` of rounds that count. Returns ns a span, NAN: spans
// were not accepted, or decided early.
static double measure(struct run *run, uint32_t lcores)
{
    uint64_t warm, until, busy = 0, spans = 0, fed = 0, accepted = 0, early = 0;
    struct thread threads[2];
    pthread_t ids[2];

    run_open(run, lcores);
    for (uint32_t i = 0; i < lcores; i++) {
        threads[i] = (struct thread){run, &run->lcore[i]};
        tr_assert(pthread_create(&ids[i], NULL, thread_run, &threads[i]) == 0);
    }
    warm = tr_clock_ns() + 5 * run->options->wait_ns / 2;
    until = warm + (uint64_t)(run->options->seconds * 1e9);
    for (bool over = false; !over;) {
        pthread_barrier_wait(&run->barrier);
        pthread_barrier_wait(&run->barrier);
        run->replaying = lcores;
        run->counts = tr_clock_ns() >= warm;
        over = run->lcore[0].spans_counted && tr_clock_ns() >= until;
        tr_store_release(&run->over, over);
        pthread_barrier_wait(&run->barrier);
    }
    for (uint32_t i = 0; i < lcores; i++) {
        pthread_join(ids[i], NULL);
        busy += run->lcore[i].busy_ns;
        spans += run->lcore[i].spans_counted;
        fed += run->lcore[i].spans_fed;
        accepted += run->lcore[i].lcore->counters.committed;
        early += tr_owner_counters(run->lcore[i].lcore->owner)->early_journal +
                 tr_owner_counters(run->lcore[i].lcore->owner)->early_table;
    }
    if (fed != accepted || early)
        fprintf(stderr, "replay: %llu spans fed, %llu accepted, %llu decided early: void\n", (unsigned long long)fed,
                (unsigned long long)accepted, (unsigned long long)early);
    run_close(run);
    return fed == accepted && !early ? (double)busy / (double)spans : NAN;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void usage(void)
{
    fprintf(stderr, "usage: replay [--seconds N] [--repeat N] [--wait SECONDS] [--software-checksums] [--json]\n");
    exit(2);
}

static struct options options_parse(int argc, char **argv)
{
    static const struct option known[] = {{"seconds", required_argument, NULL, 's'},
                                          {"repeat", required_argument, NULL, 'r'},
                                          {"wait", required_argument, NULL, 'w'},
                                          {"software-checksums", no_argument, NULL, 'c'},
                                          {"json", no_argument, NULL, 'j'},
                                          {0}};
    struct options options = {.seconds = 8, .repeat = 3, .wait_ns = 2 * TR_S};
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 's':
            options.seconds = atof(optarg);
            break;
        case 'r':
            options.repeat = (uint32_t)atoi(optarg);
            break;
        case 'w':
            options.wait_ns = (uint64_t)(atof(optarg) * 1e9);
            break;
        case 'c':
            options.software_checksums = true;
            break;
        case 'j':
            options.json = true;
            break;
        default:
            usage();
        }
    }
    if (options.seconds <= 0 || !options.repeat || options.repeat > 20 || options.wait_ns < TR_S / 10)
        usage();
    return options;
}

int main(int argc, char **argv)
{
    struct options options = options_parse(argc, argv);
    struct corpus_options made = {.seed = 1, .spans = 100000, .batch = 100, .services = 40, .error_rate = 0.01,
                                  .slow_rate = 0.01, .shuffle = true};
    double cost[2][20];
    struct corpus corpus;
    struct run run = {.options = &options, .corpus = &corpus};
    bool good = true;

    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        fprintf(stderr, "replay: two CPUs are needed\n");
        return 1;
    }
    if (corpus_make(&corpus, &made) < 0)
        return 1;
    for (uint32_t i = 0; i < options.repeat; i++) {
        for (uint32_t lcores = 1; lcores <= 2; lcores++) {
            cost[lcores - 1][i] = measure(&run, lcores);
            good = good && !isnan(cost[lcores - 1][i]);
            if (!options.json)
                printf("%u lcore%s: %.1f ns a span\n", lcores, lcores > 1 ? "s" : "", cost[lcores - 1][i]);
            fflush(stdout);
        }
    }
    for (uint32_t i = 0; i < 2; i++)
        qsort(cost[i], options.repeat, sizeof(**cost), by_value);
    {
        double one = cost[0][options.repeat / 2], two = cost[1][options.repeat / 2];

        // At two lcores half of the summaries cross.
        printf(options.json ? "{\"one_ns\": %.2f, \"two_ns\": %.2f, \"ratio\": %.3f, \"cross_summary_ns\": %.2f, "
                              "\"span_bytes\": %.0f, \"valid\": %s}\n"
                            : "one %.1f, two %.1f ns a span: ratio %.3f; a summary that crosses costs %.1f ns; %.0f bytes a "
                              "span%s\n",
               one, two, two / one, 2 * (two - one), (double)corpus.bytes / (double)corpus.spans,
               options.json ? (good ? "true" : "false") : (good ? "" : "; void"));
    }
    corpus_free(&corpus);
    return !good;
}
