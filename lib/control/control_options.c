// SPDX-License-Identifier: Apache-2.0
#include "control/control.h"
#include "control/server.h"

static const struct tr_option control_rows[] = {
    TR_OPTION_STRING(struct tr_control_options, socket, "socket", "/run/tailrace/control.sock", 0,
                     "Unix socket that tailctl talks to; mode 0660, so that the daemon's group may use it."),
};
static int control_check(void *options, const char *path, struct tr_error *error)
{
    const struct tr_control_options *control = options;

    return tr_listen_unix_check(control->socket, error);
}

const struct tr_option_table tr_control_option_table = {
    .title = "Control socket",
    .rows = control_rows,
    .count = TR_NELEMS(control_rows),
    .struct_bytes = sizeof(struct tr_control_options),
    .check = control_check,
};

static const struct tr_option telemetry_rows[] = {
    TR_OPTION_STRING(
        struct tr_telemetry_options, listen, "listen", "127.0.0.1:9464", 0,
        "Address and port of /metrics, /healthz, /readyz and the status page, readable by whoever "
        "reaches it; \"\" is none."),
};
static const struct tr_option services_rows[] = {
    TR_OPTION_UINT(struct tr_services_options, study_rate, "study_rate", "10000", 0, 1000000, 0,
                   "Spans a second to study at most, of whole traces picked by a hash of their ids, for who calls "
                   "whom and where the trace context is lost; 0 studies none. A studied span costs some 300 ns."),
    TR_OPTION_DURATION(struct tr_services_options, wait_ns, "wait", "15s", 100 * TR_MS, 3600 * TR_S, 0,
                       "A studied trace is judged when nothing has come of it for so long: a missing root or parent "
                       "may only be slow."),
    TR_OPTION_DURATION(struct tr_services_options, window_ns, "window", "5m", TR_S, 24 * 3600 * TR_S, 0,
                       "What the study says is of the last one to two of these."),
    TR_OPTION_UINT(struct tr_services_options, spans_max, "spans_max", "262144", 1024, 16777216, 0,
                   "Spans of traces under study at once, 120 bytes each; with more, a smaller share of the "
                   "traces is studied."),
    TR_OPTION_UINT(struct tr_services_options, services_max, "services_max", "1000", 1, 100000, 0,
                   "Services that have a row; those beyond share one, (other)."),
    TR_OPTION_UINT(struct tr_services_options, pairs_max, "pairs_max", "4000", 1, 1000000, 0,
                   "Calling pairs of services, and hosts, RPC services and destinations called, that have a row."),
};
const struct tr_option_table tr_services_option_table = {
    .title = "Services",
    .rows = services_rows,
    .count = TR_NELEMS(services_rows),
    .struct_bytes = sizeof(struct tr_services_options),
};

static int telemetry_check(void *options, const char *path, struct tr_error *error)
{
    const struct tr_telemetry_options *telemetry = options;

    return telemetry->listen && telemetry->listen[0] ? tr_listen_tcp_check(telemetry->listen, error) : 0;
}

const struct tr_option_table tr_telemetry_option_table = {
    .title = "Telemetry",
    .rows = telemetry_rows,
    .count = TR_NELEMS(telemetry_rows),
    .struct_bytes = sizeof(struct tr_telemetry_options),
    .check = telemetry_check,
};
