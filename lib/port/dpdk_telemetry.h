// SPDX-License-Identifier: Apache-2.0
// Our answers on DPDK's own telemetry socket (dpdk-telemetry.py): what the control socket says, as /tailrace/NAME.
#ifndef TR_PORT_DPDK_TELEMETRY_H
#define TR_PORT_DPDK_TELEMETRY_H

#include <jansson.h>

#include "base/tr.h"

// Returns a new reference, NULL: there is no answer. Thread: DPDK's telemetry's, several at once.
typedef json_t *(*tr_dpdk_telemetry_fn)(void *context, const char *name);

// Register /tailrace/status, /tailrace/ports and /tailrace/connections. EAL runs.
void tr_dpdk_telemetry_start(tr_dpdk_telemetry_fn answer, void *context);
// No call runs after it: commands can't be taken away, they answer nothing from here on.
void tr_dpdk_telemetry_stop(void);

#endif
