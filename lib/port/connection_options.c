// SPDX-License-Identifier: Apache-2.0
#include "port/connection.h"

#define S struct tr_connection_options

static const struct tr_option rows[] = {
    TR_OPTION_UINT(S, connections_max, "max", "10000", 1, 1000000, 0, "Connections of an lcore; more are closed on arrival."),
    TR_OPTION_DURATION(S, connection_age_max_ns, "age_max", "0", 0, 365.0 * 24 * 3600 * TR_S, 0,
                       "A connection this old is asked to go (GOAWAY, Connection: close), so that load spreads anew; "
                       "up to a tenth more, so that not all go at once. 0: never."),
    TR_OPTION_DURATION(S, idle_timeout_ns, "idle_timeout", "30m", TR_S, 365.0 * 24 * 3600 * TR_S, 0,
                       "Without a byte in either direction, until a connection is closed."),
    TR_OPTION_SIZE(S, send_buffer_bytes, "send_buffer", "256KiB", 4 * TR_KIB, 64 * TR_MIB, 0,
                   "Bytes of answers that may wait for a slow reader."),
    TR_OPTION_SIZE(S, receive_buffer_bytes, "receive_buffer", "256KiB", 4 * TR_KIB, 64 * TR_MIB, 0,
                   "Bytes read from a connection at a time; one buffer an lcore."),
};

const struct tr_option_table tr_connection_option_table = {
    .title = "connections", .rows = rows, .count = TR_NELEMS(rows), .struct_bytes = sizeof(S)};
