// SPDX-License-Identifier: Apache-2.0
// A server of http/ for the targets: small limits, every request admitted, a stream that only its target's functions are
// told about.
#ifndef TR_FUZZ_HTTP_SERVER_H
#define TR_FUZZ_HTTP_SERVER_H

#include "fuzz.h"

#include "http/http_internal.h"

static bool admit_any(void *context, const struct tr_request *request, struct tr_reply *reply, uint64_t now)
{
    return true;
}

static void stream_ignore(struct tr_stream *stream)
{
}

// complete  gets the whole requests, and answers them
static inline struct tr_http *fuzz_server(uint64_t body_bytes_max,
                                          void (*complete)(void *, struct tr_request *, uint64_t))
{
    const struct tr_http_options options = {.body_bytes_max = body_bytes_max,
                                            .header_bytes_max = 4096,
                                            .streams_max = 16,
                                            .staged_stream_bytes_max = 65536,
                                            .staged_connection_bytes_max = 1 << 20,
                                            .staged_lcore_bytes_max = 1 << 18,
                                            .request_timeout_ns = TR_S,
                                            .header_timeout_ns = TR_S,
                                            .idle_timeout_ns = 10 * TR_S,
                                            .resets_max = 50,
                                            .control_frames_max = 50};
    const struct tr_request_sink sink = {.admit = admit_any, .complete = complete};
    struct tr_http *http;

    tr_assert(tr_http_create(&http, &options, &sink, NULL) == 0);
    return http;
}

#endif
