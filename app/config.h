// SPDX-License-Identifier: Apache-2.0
// The whole config file, put together from the tables of the layers, and the sizes that follow from it.
#ifndef TR_APP_CONFIG_H
#define TR_APP_CONFIG_H

#include <sched.h>

#include "attr/attr.h"
#include "backend/backend.h"
#include "config/option.h"
#include "control/control.h"
#include "http/http.h"
#include "lcore/lcore.h"
#include "policy/policy.h"
#include "port/dpdk_eal.h"
#include "port/dpdk_options.h"
#include "port/kernel.h"
#include "red/red.h"

struct tr_port_options {
    const char *name;
    int kind; // enum tr_port_kind
    struct tr_strings listen; // kernel: ADDRESS:PORT; dpdk: PORT
    struct tr_dpdk_port_options dpdk;
};
enum tr_port_kind { TR_PORT_KERNEL, TR_PORT_DPDK };

struct tr_lcores_options {
    uint64_t count;   // 0: auto
    const char *cpus; // NULL: auto
};

struct tr_journal_options {
    uint64_t bytes;        // 0: auto
    uint64_t outbox_bytes; // 0: auto
    const char *path;
    bool prefault;
};

struct tr_config {
    struct tr_control_options control;
    struct tr_telemetry_options telemetry;
    struct tr_services_options services;
    struct tr_lcores_options lcores;
    struct tr_journal_options journal;
    uint64_t drain_timeout_ns;
    int other_signals;
    struct tr_list ports; // of struct tr_port_options
    struct tr_dpdk_options dpdk;
    struct tr_http_options http;
    struct tr_connection_options connections;
    struct tr_tail_sampling_options tail_sampling;
    struct tr_attributes_options attributes;
    struct tr_red_options *span_metrics; // NULL: off
    struct tr_list backends; // of struct tr_backend_options
};
extern const struct tr_option_table tr_config_table;

// What only compiled policies tell of the memory that they take.
struct tr_needs {
    bool shape;      // room for the shape of traces is reserved
    uint32_t aside;  // TR_ASIDE_*
    uint32_t limits; // slots of budgets: taken when a config that has them is compiled
    uint32_t samplers; // dynamic ones: likewise
    uint64_t samplers_bytes, samplers_lcore_bytes; // of all together, and for each lcore beside
};

// What follows from a config and the machine.
struct tr_sizes {
    uint32_t lcores;
    int cpus[TR_LCORES_MAX]; // of each lcore
    uint32_t cpus_distinct;
    uint64_t journal_bytes; // per lcore
    uint64_t outbox_bytes;
    uint64_t body_bytes_max;
    uint32_t traces_max;
    uint32_t refs_max;
    uint32_t verdicts_max;
    uint32_t memo_max; // decisions beyond these, in brief
    uint32_t contexts;
    uint32_t shape_spans_max;
    uint64_t red_bytes; // RED metrics, per lcore
    struct tr_needs needs;
};

// Returns 0, -EINVAL or -ENOSPC with the path in the config. Reads the affinity mask, memory and file systems.
int tr_sizes_derive(const struct tr_config *config, struct tr_sizes *sizes, struct tr_error *error);

// Is there memory for the tables of RED metrics? Returns 0, -ENOSPC.
int tr_sizes_red_check(const struct tr_config *config, uint32_t lcores, struct tr_error *error);

struct tr_needs tr_sizes_needs(const struct tr_config *config, const struct tr_policy_set *policies);

// Per lcore, for what late spans may reopen; a power of two.
uint64_t tr_sizes_dropped_bytes(const struct tr_sizes *sizes);

// What `--check` says about it: where things go, and the rate at which decision_wait stops fitting.
void tr_sizes_print(const struct tr_config *config, const struct tr_sizes *sizes, FILE *out);

#endif
