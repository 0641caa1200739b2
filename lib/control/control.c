// SPDX-License-Identifier: Apache-2.0
//
// The control layer: essay.
//
// Four threads of its own, none of them on a data lcore: one takes notes of spans for the study of services
// (study.c, services.c; under a lock of its own), one serves the control socket, one (and one a
// connection) the telemetry listener, and a ticker looks at the flow once a second (rates.c), compares the
// config with its file (drift.c) and goes back to the old config when nobody has confirmed the new one
// (apply.c). All state is one struct under one lock (state.h), and the daemon is only called with that lock
// held: app/ never sees two requests at once. The exceptions are ready() and /healthz, so that an
// orchestrator's probe is answered while an audit or an apply runs.
//
// A request comes whole, is answered whole and leaves nothing behind (server.c). Routes are rows in api.c;
// what they answer is built as JSON once (status.c, audit.c, why.c) and drawn by tailctl and by the status
// page (page.c). Counters are rows of their modules: metrics.c reads them for Prometheus and for `stats`,
// document.c turns the same rows into docs/metrics.md.
//
// Who may call: anyone who may open the socket (0660) may do everything, and each change is logged with the
// credentials that the kernel vouches for. The telemetry listener only reads; it shows no config.
//
// Limits: 64 connections a listener, 30 and 15 s without a byte, bodies of 1 MiB, 10000 rows an answer, 8
// configs to go back to, an hour to confirm. Memory is malloc's: nothing here runs on a data lcore.
//
// Sources: prometheus.io/docs/instrumenting/exposition_formats; unix(7) for SO_PEERCRED.
#include "base/clock.h"
#include "control/control.h"

#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "control/state.h"

#define TICK_NS TR_S

void tr_control_connections_join(uint32_t lcore, const char *port, const struct tr_connection_row *streams,
                                 size_t streams_count, const struct tr_http_row *rows, size_t rows_count,
                                 tr_control_connection_fn each, void *to)
{
    size_t next = 0;

    for (size_t i = 0; i < streams_count; i++) {
        struct tr_control_connection connection = {.lcore = lcore, .port = port, .stream = &streams[i]};

        // Both lists come mostly in the order in which streams were opened: go on behind the last one found.
        for (size_t k = 0; k < rows_count && !connection.http; k++) {
            size_t at = (next + k) % rows_count;

            if (rows[at].stream_id != streams[i].id)
                continue;
            connection.http = &rows[at];
            next = at + 1;
        }
        each(to, &connection);
    }
}

static void rollback(struct tr_control *control, uint64_t now)
{
    struct tr_error error = {.text = ""};
    int rc = tr_apply_poll(&control->apply, now, &error);

    if (rc == 1) {
        tr_count(&control->counters.rolled_back, 1);
        tr_log(TR_LOG_WARN, "config.rolled_back", "reason=\"nobody confirmed the new config in time\"");
    } else if (rc < 0) {
        tr_count(&control->counters.rollback_failed, 1);
        tr_log(TR_LOG_ERROR, "config.rollback_failed", "error=\"%s\"", error.text);
    }
}

// Lock held.
static void tick(struct tr_control *control, uint64_t now)
{
    const struct tr_control_daemon *daemon = control->daemon;
    struct tr_control_status status;
    struct tr_drift_view drift;
    char *text;

    rollback(control, now);
    if (daemon->tick)
        daemon->tick(daemon->context, now);
    memset(&status, 0, sizeof(status));
    daemon->status(daemon->context, &status);
    tr_rates_look(&control->rates, &status, now);
    tr_services_look(control->services, now);
    text = daemon->config_text(daemon->context);
    tr_drift_find(status.config_path, text ? text : "", &drift);
    free(text);
    tr_gauge(&control->counters.drift, drift.drift != TR_DRIFT_NONE);
    tr_gauge(&control->counters.confirm_waiting, control->apply.confirm_at_ns != TR_NEVER);
}

static void *ticker(void *context)
{
    struct tr_control *control = context;
    uint64_t next = tr_clock_ns() + TICK_NS;

    pthread_mutex_lock(&control->lock);
    while (!control->stopping) {
        uint64_t at = TR_MIN(next, control->apply.confirm_at_ns), now;
        const struct timespec until = {.tv_sec = (time_t)(at / TR_S), .tv_nsec = (long)(at % TR_S)};

        pthread_cond_timedwait(&control->wake, &control->lock, &until);
        now = tr_clock_ns();
        if (control->stopping || now < TR_MIN(next, control->apply.confirm_at_ns))
            continue;
        tick(control, now);
        next = now + TICK_NS;
    }
    pthread_mutex_unlock(&control->lock);
    return NULL;
}

static int start_socket(struct tr_control *control, const char *path, struct tr_error *error)
{
    struct tr_server_options options = {
        .name = "control",
        .connections_max = 64,
        .timeout_s = 30,
        .body_bytes_max = TR_CONTROL_BODY_BYTES_MAX,
        .handle = tr_api_handle,
        .context = control,
    };
    int rc = tr_listen_unix(path, &options.fd, error);

    if (rc)
        return rc;
    snprintf(control->socket_path, sizeof(control->socket_path), "%s", path);
    return tr_server_start(&control->socket_server, &options, error);
}

static int start_telemetry(struct tr_control *control, const char *listen, struct tr_error *error)
{
    struct tr_server_options options = {
        .name = "telemetry",
        .connections_max = 64,
        .connections_peer_max = 32,
        .timeout_s = 15,
        // A scrape waits while an audit or an apply runs; a probe that comes meanwhile must not.
        .threads = true,
        .body_bytes_max = 0,
        .handle = tr_telemetry_handle,
        .context = control,
    };
    int rc;

    if (!listen || !listen[0])
        return 0;
    rc = tr_listen_tcp(listen, &options.fd, &control->telemetry_port, error);
    return rc ? rc : tr_server_start(&control->telemetry_server, &options, error);
}

// The clock of the ticker's waits is the monotonic one: a step of the wall clock rolls nothing back.
static void sync_init(struct tr_control *control)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&control->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&control->wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void servers_stop(struct tr_control *control)
{
    tr_server_stop(control->socket_server);
    tr_server_stop(control->telemetry_server);
    if (control->socket_path[0])
        unlink(control->socket_path);
}

static void destroy(struct tr_control *control)
{
    tr_services_stop(control->services);
    tr_apply_fini(&control->apply);
    pthread_cond_destroy(&control->wake);
    pthread_mutex_destroy(&control->lock);
    free(control);
}

int tr_control_start(struct tr_control **made, const struct tr_control_options *options,
                     const struct tr_telemetry_options *telemetry, const struct tr_services_options *services,
                     const struct tr_control_daemon *daemon, struct tr_error *error)
{
    struct tr_control *control = calloc(1, sizeof(*control));
    int rc;

    if (!control)
        return tr_error_set(error, ENOMEM, "control: no memory");
    control->daemon = daemon;
    tr_apply_init(&control->apply, daemon);
    sync_init(control);
    rc = tr_services_start(&control->services, services, daemon, error);
    if (rc < 0) {
        destroy(control);
        return rc;
    }
    tick(control, tr_clock_ns());
    rc = start_socket(control, options->socket, error);
    if (rc == 0)
        rc = start_telemetry(control, telemetry->listen, error);
    if (rc == 0 && (rc = -pthread_create(&control->ticker, NULL, ticker, control)))
        tr_error_set(error, -rc, "control: no thread: %s", strerror(-rc));
    if (rc) {
        servers_stop(control);
        destroy(control);
        return rc;
    }
    *made = control;
    return 0;
}

void tr_control_stop(struct tr_control *control)
{
    if (!control)
        return;
    pthread_mutex_lock(&control->lock);
    control->stopping = true;
    pthread_cond_signal(&control->wake);
    pthread_mutex_unlock(&control->lock);
    pthread_join(control->ticker, NULL);
    servers_stop(control);
    destroy(control);
}

uint16_t tr_control_telemetry_port(const struct tr_control *control)
{
    return control->telemetry_port;
}

int tr_control_reload(struct tr_control *control, struct tr_error *error)
{
    struct tr_control_status status;
    char *text = NULL;
    size_t bytes = 0;
    int rc;

    pthread_mutex_lock(&control->lock);
    memset(&status, 0, sizeof(status));
    control->daemon->status(control->daemon->context, &status);
    rc = tr_control_file_read(status.config_path, TR_CONTROL_BODY_BYTES_MAX, &text, &bytes);
    if (rc)
        tr_error_set(error, -rc, "%s: %s", status.config_path, strerror(-rc));
    else if (strlen(text) != bytes)
        rc = tr_error_set(error, EINVAL, "%s: holds a NUL byte", status.config_path);
    if (rc == 0)
        rc = tr_apply_begin(&control->apply, text, bytes, 0, tr_clock_ns(), NULL, NULL, error);
    free(text);
    tr_count(rc ? &control->counters.refused : &control->counters.applied, 1);
    if (rc)
        tr_log(TR_LOG_ERROR, "config.refused", "reason=\"%s\"", error->text);
    else
        tr_log(TR_LOG_INFO, "config.applied", "path=%s", status.config_path);
    pthread_mutex_unlock(&control->lock);
    return rc;
}
