// SPDX-License-Identifier: Apache-2.0
// The daemon: what main() starts, the control socket steers, and SIGTERM drains.
#ifndef TR_APP_DAEMON_H
#define TR_APP_DAEMON_H

#include <pthread.h>

#include "config.h"
#include "base/clock.h"
#include "control/control.h"
#include "port/dpdk.h"
#include "port/dpdk_telemetry.h"
#include "red/merge.h"

struct tr_daemon;

// A data lcore's thread: app/lcore_thread.c.
struct tr_lcore_thread {
    pthread_t thread;
    bool running;
    struct tr_daemon *daemon;
    struct tr_lcore *lcore;
    struct tr_kernel *kernel;
    struct tr_dpdk *dpdk[TR_LCORE_PORTS_MAX]; // in the order of the dpdk ports
    size_t dpdk_count;
    int cpu;
    bool polls;      // spins a little before it sleeps: it has the CPU to itself
    uint32_t finish; // asked to end
};

// A port of the config; one of the two is set.
struct tr_daemon_port {
    const struct tr_port_options *options;
    struct tr_kernel_port *kernel;
    struct tr_dpdk_port *dpdk;
};

// RED metrics of a config that is no longer in force: sent a last time when every lcore walks under a later one.
struct tr_daemon_red_old {
    struct tr_red_merge *merge;
    uint32_t epoch; // the first without it
};
#define TR_DAEMON_RED_OLD_MAX 8

struct tr_daemon_red {
    pthread_mutex_t lock; // of all below but instance and seed: the drain meets ticks and scrapes
    struct tr_red_merge *merge; // of the set in force, NULL: off
    uint64_t flush_at_ns;
    struct tr_daemon_red_old old[TR_DAEMON_RED_OLD_MAX];
    uint32_t old_count;
    char instance[40]; // of this run of the daemon
    uint64_t seed;
};

struct tr_daemon {
    char *config_path;
    struct tr_options_doc *doc_start; // what cannot change lives in it until the end
    struct tr_options_doc *doc;       // in force
    struct tr_config *config;         // of doc
    uint64_t applied_wall_ns;
    struct tr_sizes sizes;
    uint64_t started_ns, started_wall_ns, started_cycles; // of one moment
    uint32_t epoch; // number of the newest

    struct tr_mesh *mesh;
    struct tr_lcore_thread lcores[TR_LCORES_MAX];
    struct tr_daemon_port ports[TR_LCORE_PORTS_MAX]; // in the config's order
    size_t ports_count;
    struct tr_backend **backends; // in the config's order
    size_t backends_count;
    struct tr_daemon_red red;
    struct tr_control *control;
    struct tr_daemon_costs *costs; // costs.c; NULL: nobody has asked
    struct tr_control_daemon callbacks; // borrowed by control
    bool ready;    // read by any thread
    bool draining; // same
};

// Start everything that a config asks for; on failure nothing is left running.
int tr_daemon_start(struct tr_daemon *daemon, const char *config_path, struct tr_error *error);

// Drain within drain_timeout: refuse, decide, deliver; count what is left. Then end everything.
void tr_daemon_stop(struct tr_daemon *daemon);

// malloc_guard.c: set while a data lcore is inside a turn.
extern _Thread_local bool tr_in_turn;

// lcore_thread.c
int tr_lcore_thread_start(struct tr_lcore_thread *thread, struct tr_error *error);
void tr_lcore_thread_join(struct tr_lcore_thread *thread);

// ports.c: ports are opened before lcores and closed after them; _create() and _destroy() are an lcore's part.
int tr_daemon_ports_open(struct tr_daemon *daemon, struct tr_error *error);
int tr_daemon_ports_create(struct tr_daemon *daemon, struct tr_lcore_thread *thread, struct tr_error *error);
void tr_daemon_ports_stop(struct tr_daemon *daemon); // accept no more
void tr_daemon_ports_destroy(struct tr_lcore_thread *thread);
void tr_daemon_ports_close(struct tr_daemon *daemon);

// apply.c: make a parsed config the one in force, live, all or nothing. Takes the doc over when it returns 0; else
// the error says why and everything is as before. Thread: control.
int tr_daemon_apply(struct tr_daemon *daemon, struct tr_options_doc *doc, struct tr_error *error);
// red  of the config's span_metrics, NULL: none; the epoch is one more user of it
struct tr_epoch *tr_daemon_epoch_make(struct tr_daemon *daemon, const struct tr_config *config, struct tr_red_set *red,
                                      struct tr_error *error);

// red.c: RED metrics. A new set and its merge for a config, *set NULL if it wants none. lcores: 0 for a look at the config.
int tr_daemon_red_make(struct tr_daemon *daemon, const struct tr_config *config, uint32_t lcores, struct tr_red_set **set,
                       struct tr_error *error);
// Returns -EAGAIN: the metrics of too many configs before are still to be sent a last time.
int tr_daemon_red_ready(struct tr_daemon *daemon, struct tr_error *error);
// Make a set (or none) the one that is sent, with the config of that epoch.
void tr_daemon_red_begin(struct tr_daemon *daemon, struct tr_red_set *set, uint32_t epoch);
void tr_daemon_red_tick(void *context, uint64_t now);
void tr_daemon_red_show(void *context, bool openmetrics, FILE *out);
void tr_daemon_red_drain(struct tr_daemon *daemon); // when no lcore walks any more, before the backends drain
void tr_daemon_red_end(struct tr_daemon *daemon);

// costs.c: what policies cost the walk. Thread: under the control layer's lock.
void tr_daemon_costs_measure(void *context);
double tr_daemon_walk_cost(const struct tr_daemon *daemon, uint32_t policy); // ns a span, below 0: not known
void tr_daemon_costs_free(struct tr_daemon *daemon);

// why.c: what is known of a trace.
int tr_daemon_why(void *context, struct tr_why *why);

// introspect.c: what the control socket shows; introspect_ports.c: of ports and connections.
void tr_daemon_show_ports(void *context, tr_control_port_fn each, void *to);
void tr_daemon_telemetry_start(struct tr_daemon *daemon); // on DPDK's own socket, if it has one
int tr_daemon_show_connections(void *context, tr_control_connection_fn each, void *to);
void tr_daemon_control_init(struct tr_daemon *daemon, struct tr_control_daemon *callbacks);

#endif
