// SPDX-License-Identifier: Apache-2.0
#include "control/control.h"

static const struct tr_option control_rows[] = {
    TR_OPTION_STRING(struct tr_control_options, socket, "socket", "/run/tailrace/control.sock", 0,
                     "Unix socket that tailctl talks to; mode 0660, so that the daemon's group may use it."),
};
const struct tr_option_table tr_control_option_table = {
    .title = "Control socket",
    .rows = control_rows,
    .count = TR_NELEMS(control_rows),
    .struct_bytes = sizeof(struct tr_control_options),
};

static const struct tr_option telemetry_rows[] = {
    TR_OPTION_STRING(
        struct tr_telemetry_options, listen, "listen", "127.0.0.1:9464", 0,
        "Address and port of /metrics, /healthz, /readyz and the status page, readable by whoever "
        "reaches it; \"\" is none."),
};
const struct tr_option_table tr_telemetry_option_table = {
    .title = "Telemetry",
    .rows = telemetry_rows,
    .count = TR_NELEMS(telemetry_rows),
    .struct_bytes = sizeof(struct tr_telemetry_options),
};
