// SPDX-License-Identifier: Apache-2.0
#include "backend/backend.h"

#define S struct tr_backend_options

static const char *const kinds[] = {"otlp_grpc", "otlp_http", "file", NULL};
static const char *const compressions[] = {"none", "gzip", NULL};

static const struct tr_option rows[] = {
    TR_OPTION_STRING(S, name, "name", NULL, TR_LIVE | TR_REQUIRED, "Name in metrics and answers."),
    TR_OPTION_ENUM(S, kind, "kind", NULL, kinds, TR_LIVE | TR_REQUIRED,
                   "otlp_grpc, otlp_http, or file: a line of OTLP JSON for each batch."),
    TR_OPTION_STRING(S, endpoint, "endpoint", NULL, TR_LIVE,
                     "http://HOST:PORT or https://HOST:PORT. otlp_http adds /v1/traces unless it ends in that."),
    TR_OPTION_STRING(S, path, "path", NULL, TR_LIVE, "Of kind file."),
    TR_OPTION_STRINGS(S, signals, "signals", 0, 3, TR_LIVE, "traces, metrics, logs; none given: traces."),
    TR_OPTION_MAP(S, headers, "headers", 64, TR_LIVE | TR_SECRET,
                  "Sent with each request; env:NAME and file:PATH, also behind a word (\"Bearer env:TOKEN\"), are read when the "
                  "backend starts, and never shown."),
    TR_OPTION_STRING(S, ca_file, "ca_file", NULL, TR_LIVE, "Certificates to trust instead of the system's."),
    TR_OPTION_ENUM(S, compression, "compression", "gzip", compressions, TR_LIVE, "Of request bodies."),
    TR_OPTION_DURATION(S, timeout_ns, "timeout", "10s", TR_MS, 600 * TR_S, TR_LIVE, "Of a request."),
    TR_OPTION_UINT(S, batch_spans_max, "batch_spans", "8192", 1, 1000000, TR_LIVE, "Most spans of a request."),
    TR_OPTION_SIZE(S, batch_bytes_max, "batch_size", "3MiB", 4 * TR_KIB, TR_GIB, TR_LIVE,
                   "Most bytes of a request before compression; many servers refuse more than 4 MiB."),
    TR_OPTION_DURATION(S, batch_wait_ns, "batch_wait", "200ms", 0, 60 * TR_S, TR_LIVE,
                       "How long a span may wait for a batch to fill."),
    TR_OPTION_UINT(S, requests_in_flight_max, "requests_in_flight", "8", 1, 1000, TR_LIVE,
                   "Requests at a time, those that wait to be tried again included."),
    TR_OPTION_DURATION(S, retry_initial_ns, "retry_initial", "1s", TR_MS, 3600 * TR_S, TR_LIVE,
                       "Before the first try again; doubles, with jitter."),
    TR_OPTION_DURATION(S, retry_max_ns, "retry_max", "30s", TR_MS, 3600 * TR_S, TR_LIVE, "Most between two tries."),
    TR_OPTION_DURATION(S, retry_elapsed_max_ns, "retry_elapsed_max", "5m", 0, 7 * 24 * 3600.0 * TR_S, TR_LIVE,
                       "After which a batch is given up and counted; 0: never."),
    TR_OPTION_SIZE(S, rotate_bytes, "rotate_size", "1GiB", 0, 1024 * TR_GIB, TR_LIVE,
                   "Of kind file: above this it becomes PATH.1; 0: never."),
};

static int check(void *options, const char *path, struct tr_error *error)
{
    const S *o = options;

    for (size_t i = 0; i < o->signals.count; i++)
        if (strcmp(o->signals.items[i], "traces") != 0 && strcmp(o->signals.items[i], "metrics") != 0 &&
            strcmp(o->signals.items[i], "logs") != 0)
            return tr_error_set(error, EINVAL, "%s.signals[%zu]: %s is not one of traces, metrics, logs", path, i,
                                o->signals.items[i]);
    if (o->kind == 2) {
        if (!o->path)
            return tr_error_set(error, EINVAL, "%s.path: is missing", path);
        return 0;
    }
    if (!o->endpoint)
        return tr_error_set(error, EINVAL, "%s.endpoint: is missing", path);
    if (strncmp(o->endpoint, "http://", 7) != 0 && strncmp(o->endpoint, "https://", 8) != 0)
        return tr_error_set(error, EINVAL, "%s.endpoint: %s does not begin with http:// or https://", path, o->endpoint);
    return 0;
}

const struct tr_option_table tr_backend_option_table = {
    .title = "backends", .rows = rows, .count = TR_NELEMS(rows), .struct_bytes = sizeof(S), .check = check};
