// SPDX-License-Identifier: Apache-2.0
// The inside of services*.c.
#ifndef TR_CONTROL_SERVICES_INTERNAL_H
#define TR_CONTROL_SERVICES_INTERNAL_H

#include <pthread.h>

#include "control/services.h"

// What is counted of every span, by the service's row in the study.
struct exact {
    uint64_t first_ns, last_ns;
    uint64_t spans, rejected, kept;
    uint32_t sources;
};

#define LOOKS 11
struct look {
    uint64_t now;
    struct counts {
        uint64_t spans, rejected, kept;
    } * counts; // by row
};

struct tr_services {
    const struct tr_control_daemon *daemon;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool running, stopping;
    struct tr_study *study;
    struct tr_study_ring *rings[TR_LCORES_MAX];
    uint64_t lost[TR_LCORES_MAX]; // of each ring, that the study was told of
    size_t rings_count;
    struct exact *exact;
    struct look looks[LOOKS];
    uint64_t looks_count;
    uint64_t counted_ns; // when findings were counted for the metrics
};

// Sum the sources up by service. Lock held.
void tr_services_exact_read(struct tr_services *services);

#endif
