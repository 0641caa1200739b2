// SPDX-License-Identifier: Apache-2.0
#include "http/http.h"

#define S struct tr_http_options

static const struct tr_option rows[] = {
    TR_OPTION_SIZE(S, body_bytes_max, "body_size_max", "64MiB", TR_KIB, TR_GIB, 0,
                   "Largest body of a request, as sent and after decompression; never more than an eighth of the "
                   "journal."),
    TR_OPTION_SIZE(S, header_bytes_max, "header_size_max", "16KiB", TR_KIB, TR_MIB, 0, "Largest header block."),
    TR_OPTION_UINT(S, streams_max, "streams_max", "256", 1, 100000, 0, "Requests at a time on an HTTP/2 connection."),
    TR_OPTION_SIZE(S, staged_stream_bytes_max, "staged_stream_max", "64MiB", 64 * TR_KIB, TR_GIB, 0,
                   "Unfinished body of one request."),
    TR_OPTION_SIZE(S, staged_connection_bytes_max, "staged_connection_max", "128MiB", 64 * TR_KIB, 16 * TR_GIB, 0,
                   "Unfinished bodies of a connection."),
    TR_OPTION_SIZE(S, staged_lcore_bytes_max, "staged_lcore_max", "256MiB", TR_MIB, 64 * TR_GIB, 0,
                   "Unfinished bodies of an lcore: the staging pool. At least one body of the largest size fits."),
    TR_OPTION_DURATION(S, request_timeout_ns, "request_timeout", "30s", TR_MS, 3600 * TR_S, 0,
                       "From a request's headers to the last byte of its body."),
    TR_OPTION_DURATION(S, header_timeout_ns, "header_timeout", "10s", TR_MS, 3600 * TR_S, 0,
                       "For the first bytes of a connection, and for a header block of HTTP/1.1."),
    TR_OPTION_DURATION(S, idle_timeout_ns, "idle_timeout", "10m", TR_S, 24 * 3600 * TR_S, 0,
                       "Without a request, until a connection is closed."),
    TR_OPTION_UINT(S, resets_max, "resets_max", "500", 1, 1000000, 0,
                   "RST_STREAM frames of a connection in 10 s, above which it gets GOAWAY."),
    TR_OPTION_UINT(S, control_frames_max, "control_frames_max", "1000", 1, 1000000, 0,
                   "PING and SETTINGS frames of a connection in 10 s, above which it gets GOAWAY; each request pays for one."),
    TR_OPTION_STRINGS(S, cors_origins, "cors_origins", 0, 100, 0,
                      "Origins whose browsers may send here, as \"https://shop.example.com\"; \"*\" is any."),
};

const struct tr_option_table tr_http_option_table = {
    .title = "http", .rows = rows, .count = TR_NELEMS(rows), .struct_bytes = sizeof(S)};
