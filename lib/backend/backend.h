// SPDX-License-Identifier: Apache-2.0
// Backends: where kept spans go. Each runs on a thread of its own with a cursor into every lcore's outbox, batches,
// compresses, sends, retries; a slow one is just far behind, a dead one loses only what its counters say.
//
// A kind of destination is one file that ends in its `struct tr_backend_kind`, and one word in backend.c.
#ifndef TR_BACKEND_BACKEND_H
#define TR_BACKEND_BACKEND_H

#include "base/counter.h"
#include "base/error.h"
#include "config/option.h"
#include "journal/outbox.h"

// `backends[]`; rows in backend_options.c.
struct tr_backend_options {
    const char *name;
    int kind; // otlp_grpc, otlp_http, file
    const char *endpoint;
    const char *path;
    struct tr_strings signals; // traces (default), metrics, logs
    struct tr_map headers;
    const char *ca_file;
    int compression; // none, gzip
    uint64_t timeout_ns;
    uint64_t batch_spans_max;
    uint64_t batch_bytes_max;
    uint64_t batch_wait_ns;
    uint64_t requests_in_flight_max;
    uint64_t retry_initial_ns, retry_max_ns, retry_elapsed_max_ns;
    uint64_t rotate_bytes; // file
};
extern const struct tr_option_table tr_backend_option_table;

#define TR_BACKEND_COUNTERS(X)                                                                               \
    X(routed, COUNTER, "backend_spans_routed_total", "", "Spans that the backend's cursors have taken up.")  \
    X(delivered, COUNTER, "backend_spans_total", "outcome=\"delivered\"", "Spans by what became of them.")   \
    X(rejected, COUNTER, "backend_spans_total", "outcome=\"rejected\"",                                      \
      "Spans that the backend refused (partial success or a final error).")                                  \
    X(dropped_overrun, COUNTER, "backend_spans_total", "outcome=\"dropped_overrun\"",                        \
      "Spans that the outbox overwrote before the backend took them.")                                       \
    X(dropped_retries, COUNTER, "backend_spans_total", "outcome=\"dropped_retries\"",                        \
      "Spans given up after retry.elapsed_max.")                                                             \
    X(dropped_shutdown, COUNTER, "backend_spans_total", "outcome=\"dropped_shutdown\"",                      \
      "Spans still queued when drain_timeout ran out.")                                                      \
    X(dropped_removed, COUNTER, "backend_spans_total", "outcome=\"dropped_removed\"",                        \
      "Spans still queued when the backend was taken out of the config.")                                    \
    X(in_flight, GAUGE, "backend_spans_in_flight", "", "Spans in batches that are being sent or retried.")   \
    X(opaque_routed, COUNTER, "backend_bodies_routed_total", "",                                             \
      "Bodies of metrics and logs that the backend has taken up.")                                           \
    X(opaque_waiting, GAUGE, "backend_bodies_waiting", "", "Of these, being sent or retried.")               \
    X(opaque_waiting_bytes, GAUGE, "backend_bodies_waiting_bytes", "", "Their bytes, as they are sent.")     \
    X(opaque_delivered, COUNTER, "backend_bodies_total", "outcome=\"delivered\"",                            \
      "Bodies of metrics and logs passed on.")                                                               \
    X(opaque_dropped, COUNTER, "backend_bodies_total", "outcome=\"dropped\"",                                \
      "Bodies of metrics and logs given up.")                                                                \
    X(requests, COUNTER, "backend_requests_total", "", "Requests sent, retries included.")                   \
    X(retries, COUNTER, "backend_retries_total", "", "Requests that were sent again.")                       \
    X(bytes, COUNTER, "backend_bytes_total", "", "Bytes of bodies sent, before compression.")
TR_COUNTERS_DECLARE(backend, TR_BACKEND_COUNTERS)

struct tr_backend;

// Start a backend: its thread reads each of `outboxes` from its head as it is now (or the cursors of a backend of
// the same name that `adopt` stopped).
//
// Returns 0, -EINVAL (error names the option: a header's env: that is not set, a ca_file that can't be read).
// Thread: control.
int tr_backend_start(struct tr_backend **backend, const struct tr_backend_options *options,
                     const struct tr_outbox *const *outboxes, uint32_t count, struct tr_backend *adopt,
                     struct tr_error *error);

// Stop taking up; what is queued is sent until `deadline_ns` (CLOCK_MONOTONIC), the rest is counted as
// dropped_shutdown. Joins the thread; the struct stays readable until tr_backend_free().
void tr_backend_drain(struct tr_backend *backend, uint64_t deadline_ns);

// Stop at once, leaving the cursors behind what was delivered, for adopt.
void tr_backend_stop(struct tr_backend *backend);
void tr_backend_free(struct tr_backend *backend);

// A body of metrics that the daemon made itself: sent, tried again and counted as one that came in. For a backend that is
// behind by TR_BACKEND_OWN_MAX of them it is dropped, and counted.
//
// body  copied
// Returns 0; -ENOENT: the backend takes no metrics; -ENOSPC: dropped. Thread: control.
#define TR_BACKEND_OWN_MAX 64
int tr_backend_submit(struct tr_backend *backend, const uint8_t *body, size_t bytes);

// A consistent copy of rows and queue under the backend's lock.
struct tr_backend_status {
    struct tr_backend_counters counters;
    uint64_t queued_spans; // in the outboxes behind the cursors and in batches
    uint64_t committed_spans; // that the outboxes hold or held since the backend began
    bool reachable;
    char last_error[256];
    uint64_t last_error_wall_ns;
    uint64_t last_success_wall_ns;
    uint64_t retry_at_wall_ns; // 0: not waiting
};
void tr_backend_status(struct tr_backend *backend, struct tr_backend_status *status);
const struct tr_backend_options *tr_backend_options(const struct tr_backend *backend);

// Is an outbox's entry of a span one for this backend? Not if it takes no traces, or began after the entry was there.
// Thread: control.
bool tr_backend_wants(struct tr_backend *backend, uint32_t outbox, uint64_t sequence);

// What became of an outbox entry that it wants, for `traces why`.
enum tr_backend_fate { TR_FATE_QUEUED, TR_FATE_IN_FLIGHT, TR_FATE_DELIVERED, TR_FATE_REJECTED, TR_FATE_LOST };
enum tr_backend_fate tr_backend_fate(struct tr_backend *backend, uint32_t outbox, uint64_t sequence,
                                     char *said, size_t said_bytes);

#endif
