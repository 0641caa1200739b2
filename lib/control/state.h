// SPDX-License-Identifier: Apache-2.0
// The control layer's inside: one struct under one lock, and the answers made of it.
#ifndef TR_CONTROL_STATE_H
#define TR_CONTROL_STATE_H

#include <jansson.h>
#include <pthread.h>

#include "control/apply.h"
#include "control/control.h"
#include "control/metrics.h"
#include "control/rates.h"
#include "control/server.h"
#include "control/services.h"

#define TR_CONTROL_BODY_BYTES_MAX TR_MIB
#define TR_CONTROL_ROWS_MAX       10000 // of one answer

struct tr_control {
    const struct tr_control_daemon *daemon;
    pthread_mutex_t lock; // everything below, and every call into the daemon but ready()
    pthread_cond_t wake;
    bool stopping;
    struct tr_apply apply;
    struct tr_rates rates;
    struct tr_services *services;
    struct tr_control_counters counters;

    // Set at start.
    pthread_t ticker;
    struct tr_server *socket_server;
    struct tr_server *telemetry_server;
    uint16_t telemetry_port;
    char socket_path[108];
};

// Read a whole file of at most `bytes_max`. Returns 0 and malloc'd text, -EFBIG, -errno.
int tr_control_file_read(const char *path, size_t bytes_max, char **text, size_t *bytes);

// How the config's file differs from what runs.
enum tr_drift { TR_DRIFT_NONE, TR_DRIFT_CHANGED, TR_DRIFT_MISSING, TR_DRIFT_UNREADABLE };
struct tr_drift_view {
    enum tr_drift drift;
    char running[40]; // fingerprint: "xxh128:" and 32 digits are cut nowhere
    char file[40];    // "": not read
};
void tr_drift_find(const char *path, const char *running, struct tr_drift_view *view);

// Answers. Each returns a new reference. Lock held.
json_t *tr_control_status_json(struct tr_control *control);
json_t *tr_control_policies_json(struct tr_control *control);
json_t *tr_control_backends_json(struct tr_control *control);
json_t *tr_control_ports_json(struct tr_control *control);

// Handlers of the control socket: fill *answer, return the HTTP status. Lock held.
//
// argument  the part of the path that the route's '*' stands for, "" without one
typedef unsigned (*tr_api_fn)(struct tr_control *control, const struct tr_call *call, const char *argument,
                              json_t **answer);
unsigned tr_api_error(json_t **answer, int rc, const char *text);
unsigned tr_api_config_show(struct tr_control *control, const struct tr_call *call, const char *argument,
                            json_t **answer);
unsigned tr_api_config_check(struct tr_control *control, const struct tr_call *call, const char *argument,
                             json_t **answer);
unsigned tr_api_config_diff(struct tr_control *control, const struct tr_call *call, const char *argument,
                            json_t **answer);
unsigned tr_api_config_apply(struct tr_control *control, const struct tr_call *call, const char *argument,
                             json_t **answer);
unsigned tr_api_config_confirm(struct tr_control *control, const struct tr_call *call, const char *argument,
                               json_t **answer);
unsigned tr_api_config_undo(struct tr_control *control, const struct tr_call *call, const char *argument,
                            json_t **answer);

// The two servers' handlers; context is the struct tr_control.
void tr_api_handle(void *context, const struct tr_call *call, struct tr_response *answer);
void tr_telemetry_handle(void *context, const struct tr_call *call, struct tr_response *answer);

// The status page. Lock held.
void tr_page_write(struct tr_control *control, FILE *out);

#endif
