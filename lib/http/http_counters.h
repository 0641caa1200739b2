// SPDX-License-Identifier: Apache-2.0
#ifndef TR_HTTP_HTTP_COUNTERS_H
#define TR_HTTP_HTTP_COUNTERS_H

#include "base/counter.h"

#define TR_HTTP_CLOSED "http_connections_closed_total"
#define TR_HTTP_CLOSED_HELP "Connections that HTTP closed, by reason."
#define TR_HTTP_ERRORS "http_request_errors_total"
#define TR_HTTP_ERRORS_HELP "Requests answered with an error before their body was taken, by reason."

#define TR_HTTP_COUNTERS(X)                                                                                  \
    X(connections_h1, COUNTER, "http_connections_total", "protocol=\"http/1.1\"", "Connections by protocol.") \
    X(connections_h2, COUNTER, "http_connections_total", "protocol=\"h2\"", "Connections by protocol.")      \
    X(requests_grpc, COUNTER, "http_requests_total", "protocol=\"grpc\"", "Requests whose headers came in.") \
    X(requests_http, COUNTER, "http_requests_total", "protocol=\"http\"", "Requests whose headers came in.") \
    X(cancelled, COUNTER, "http_requests_cancelled_total", "", "Requests that the client gave up.")          \
    X(not_found, COUNTER, TR_HTTP_ERRORS, "reason=\"not_found\"", TR_HTTP_ERRORS_HELP)                       \
    X(bad_method, COUNTER, TR_HTTP_ERRORS, "reason=\"method\"", TR_HTTP_ERRORS_HELP)                         \
    X(bad_content, COUNTER, TR_HTTP_ERRORS, "reason=\"content_type\"", TR_HTTP_ERRORS_HELP)                  \
    X(bad_encoding, COUNTER, TR_HTTP_ERRORS, "reason=\"content_encoding\"", TR_HTTP_ERRORS_HELP)             \
    X(bad_framing, COUNTER, TR_HTTP_ERRORS, "reason=\"framing\"", TR_HTTP_ERRORS_HELP)                       \
    X(too_large, COUNTER, TR_HTTP_ERRORS, "reason=\"too_large\"", TR_HTTP_ERRORS_HELP)                       \
    X(timed_out, COUNTER, TR_HTTP_ERRORS, "reason=\"timeout\"", TR_HTTP_ERRORS_HELP)                         \
    X(pool_full, COUNTER, TR_HTTP_ERRORS, "reason=\"staging_full\"", TR_HTTP_ERRORS_HELP)                    \
    X(pool_evicted, COUNTER, TR_HTTP_ERRORS, "reason=\"staging_evicted\"", TR_HTTP_ERRORS_HELP)              \
    X(closed_malformed, COUNTER, TR_HTTP_CLOSED, "reason=\"malformed\"", TR_HTTP_CLOSED_HELP)                \
    X(closed_flood, COUNTER, TR_HTTP_CLOSED, "reason=\"flood\"", TR_HTTP_CLOSED_HELP)                        \
    X(closed_headers, COUNTER, TR_HTTP_CLOSED, "reason=\"headers\"", TR_HTTP_CLOSED_HELP)                    \
    X(closed_slow, COUNTER, TR_HTTP_CLOSED, "reason=\"slow\"", TR_HTTP_CLOSED_HELP)                          \
    X(closed_memory, COUNTER, TR_HTTP_CLOSED, "reason=\"memory\"", TR_HTTP_CLOSED_HELP)                      \
    X(windows_withheld, COUNTER, "http_windows_withheld_total", "",                                          \
      "Times that a stream's window was not given back because the staging pool was short.")                 \
    X(staged, GAUGE, "http_staged_bytes", "", "Bytes of unfinished bodies in the staging pool.")             \
    X(slab, GAUGE, "http_slab_bytes", "", "Memory of HTTP/2 sessions.")
TR_COUNTERS_DECLARE(http, TR_HTTP_COUNTERS)

#endif
