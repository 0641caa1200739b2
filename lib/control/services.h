// SPDX-License-Identifier: Apache-2.0
// `tailctl services`: the study of services with a thread that feeds it, and beside it what is counted of every span
// (trace/source.h), by service.
//
// Thread: any; it has a lock of its own, taken after the control layer's.
#ifndef TR_CONTROL_SERVICES_H
#define TR_CONTROL_SERVICES_H

#include <jansson.h>

#include "control/control.h"
#include "control/study.h"

#define TR_STUDY_SLOTS 2048 // notes on their way to control, an lcore

struct tr_services;

// Rings are borrowed from the daemon until tr_services_stop().
int tr_services_start(struct tr_services **services, const struct tr_services_options *options,
                      const struct tr_control_daemon *daemon, struct tr_error *error);
void tr_services_stop(struct tr_services *services); // NULL is allowed

// Look at the sources, about once a second: rates are found from looks. Lock of control held.
void tr_services_look(struct tr_services *services, uint64_t now);

// A new reference. Lock of control held.
json_t *tr_services_json(struct tr_services *services, uint64_t now, uint64_t wall_ns);

// Memory that the study and its rings take at most.
uint64_t tr_services_bytes(const struct tr_services_options *options, uint32_t lcores);

void tr_services_counters(struct tr_services *services, struct tr_study_counters *counters);

#endif
