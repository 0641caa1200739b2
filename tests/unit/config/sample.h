// SPDX-License-Identifier: Apache-2.0
// A table with every type of option, for the tests and the fuzz target of config/.
#ifndef TR_TEST_CONFIG_SAMPLE_H
#define TR_TEST_CONFIG_SAMPLE_H

#include "config/option.h"

struct sample_latency {
    uint64_t threshold_ms;
    uint64_t upper_threshold_ms;
};

struct sample_policy {
    const char *name;
    int type;
    struct sample_latency *latency;
    struct tr_list sub; // of struct sample_policy: a table may hold itself
};

struct sample_backend {
    const char *name;
    const char *endpoint;
    const char *token;
    uint64_t timeout_ns;
    struct tr_map headers;
    struct tr_strings signals;
};

struct sample_rule {
    struct tr_strings keys;
    int64_t weight;
};

struct sample_journal {
    uint64_t size_bytes;
    const char *path;
};

struct sample {
    bool enabled;
    bool quiet;
    uint64_t count;
    int64_t offset;
    double ratio;
    uint64_t wait_ns;
    uint64_t body_bytes;
    const char *cpus;
    const char *listen;
    int mode;
    struct sample_journal journal;
    struct tr_strings origins;
    struct tr_list policies;
    struct tr_list backends;
    struct tr_list rules;
};

extern const struct tr_option_table sample_table;

#endif
