// SPDX-License-Identifier: Apache-2.0
// A run of tailgen: what is sent, what is in flight, what became of it.
#ifndef TR_PERF_RUN_H
#define TR_PERF_RUN_H

#include <zstd.h>

#include "corpus.h"
#include "options.h"
#include "wires.h"

#define BUCKETS 512 // of the latency histogram: 16 a doubling, from 1 us

enum fate { FATE_UNSENT, FATE_ACKNOWLEDGED, FATE_FAILED };

// A pass: what became of each of its requests.
struct pass {
    uint64_t delta_ns;
    uint8_t *fates;
};

struct pending {
    uint64_t pass;
    uint32_t request;
    uint64_t due_ns;
};

struct run {
    struct options options;
    struct corpus corpus;
    struct wires *wires;
    uint32_t *place_requests; // sent on the connection of each place
    struct pass *passes;
    uint64_t passes_count, passes_room;
    uint32_t next; // request of the last pass
    bool sending;  // more passes may begin
    struct pending *retries;
    size_t retries_count, retries_room;
    struct {
        uint64_t pass, begun_ns;
        uint32_t request;
    } *flights;
    uint32_t *flights_free; // a stack
    uint32_t flights_room, in_flight;
    uint8_t *body, *packed;
    ZSTD_CCtx *zstd;

    uint64_t begun_ns, ended_ns, progress_ns; // progress_ns: when the next line of --progress is due
    uint64_t requests, bytes, sent, acknowledged, rejected, retried, failed;
    uint64_t codes[20];
    uint64_t latencies[BUCKETS], latencies_count, latency_max_ns;
};

// report.c, when the run is over.

// A line for each trace whose spans were all acknowledged (options.truth). Returns 0, or 1 with a message.
int run_truth_write(struct run *run);
void run_report(const struct run *run);

#endif
