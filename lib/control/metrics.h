// SPDX-License-Identifier: Apache-2.0
// Counters of all modules as one set of samples: for Prometheus, for `tailctl stats`, for docs/metrics.md.
//
// Thread: control.
#ifndef TR_CONTROL_METRICS_H
#define TR_CONTROL_METRICS_H

#include <jansson.h>

#include "base/counter.h"
#include "control/control.h"
#include "control/study.h"

struct tr_sample {
    const struct tr_counter_row *row;
    char *labels; // those of the row and of its place, as Prometheus writes them: a="b",c="d"
    uint64_t value;
    size_t order; // of adding
};

struct tr_samples {
    struct tr_sample *items;
    size_t count, room;
};

// Read all counters of a struct. labels may be NULL; their values are escaped. A tr_control_counters_fn.
void tr_samples_add(void *samples, const struct tr_counter_rows *rows, const void *values,
                    const char *const *labels);
void tr_samples_fini(struct tr_samples *samples);

// By name, within a name as they were added: families must not be torn apart.
void tr_samples_sort(struct tr_samples *samples);

// Sorted samples in text format 0.0.4, or OpenMetrics 1.0 without its end: there a counter's family is named without _total.
// Source: prometheus.io/docs/instrumenting/exposition_formats
void tr_samples_write(const struct tr_samples *samples, bool openmetrics, FILE *out);

// Array of {name, labels, kind, value}, of names that begin with `prefix` (with or without "tailrace_").
json_t *tr_samples_json(const struct tr_samples *samples, const char *prefix);

// Faults of rows that a scrape or a reader would trip over: a bad name, a counter without _total, two kinds
// under one name, a row twice, no help. Each as a line to `out`. Returns how many.
size_t tr_metrics_check(const struct tr_counter_rows *const *modules, size_t count, FILE *out);

// docs/metrics.md.
void tr_metrics_document(const struct tr_counter_rows *const *modules, size_t count, FILE *out);

#define TR_BUILD_COUNTERS(X) X(info, GAUGE, "build_info", "", "1, with the version as label.")
TR_COUNTERS_DECLARE(build, TR_BUILD_COUNTERS)

#define TR_PROCESS_COUNTERS(X)                                                                               \
    X(ready, GAUGE, "ready", "", "1 when /readyz says yes.")                                                 \
    X(uptime_ns, GAUGE, "uptime_seconds", "", "Time since the daemon began.")                                \
    X(cpu_ns, COUNTER, "process_cpu_seconds_total", "", "Processor time of all threads.")                    \
    X(resident_bytes, GAUGE, "process_resident_bytes", "", "Resident memory, journals included.")            \
    X(decision_wait_ns, GAUGE, "decision_wait_seconds", "", "How long a trace waits for its decision.")      \
    X(horizon_ns, GAUGE, "horizon_seconds", "",                                                              \
      "How far back the journals reach, the least of all lcores; +Inf before one has wrapped.")              \
    X(traces_max, GAUGE, "held_traces_max", "", "Traces that the owners' tables can hold.")                  \
    X(config_applied_ns, GAUGE, "config_applied_timestamp_seconds", "",                                      \
      "When the running config was taken up.")
TR_COUNTERS_DECLARE(process, TR_PROCESS_COUNTERS)

// Written under the control layer's lock.
#define TR_CONTROL_COUNTERS(X)                                                                               \
    X(requests_done, COUNTER, "control_requests_total", "outcome=\"done\"",                                  \
      "Requests on the control socket that were answered.")                                                  \
    X(requests_refused, COUNTER, "control_requests_total", "outcome=\"refused\"",                            \
      "Requests on the control socket that were refused, the reason given.")                                 \
    X(applied, COUNTER, "config_applies_total", "outcome=\"applied\"", "Configs that were taken up.")        \
    X(refused, COUNTER, "config_applies_total", "outcome=\"refused\"", "Configs that were refused whole.")   \
    X(undone, COUNTER, "config_undos_total", "", "Configs that were undone on request.")                     \
    X(rolled_back, COUNTER, "config_rollbacks_total", "outcome=\"done\"",                                    \
      "Configs that nobody confirmed in time.")                                                              \
    X(rollback_failed, COUNTER, "config_rollbacks_total", "outcome=\"failed\"",                              \
      "Rollbacks that the daemon refused; they are tried again.")                                            \
    X(confirm_waiting, GAUGE, "config_confirm_waiting", "", "1 while an apply waits for its confirmation.")  \
    X(drift, GAUGE, "config_drift", "", "1 when the config's file is not what runs.")
TR_COUNTERS_DECLARE(control, TR_CONTROL_COUNTERS)

#define TR_CONTROL_POLICY_COUNTERS(X)                                                                        \
    X(seen, COUNTER, "policy_traces_seen_total", "", "Traces that the policy was asked about.")              \
    X(kept, COUNTER, "policy_traces_kept_total", "", "Traces that the policy wanted kept.")                  \
    X(kept_alone, COUNTER, "policy_traces_kept_alone_total", "",                                             \
      "Traces that were kept for this policy alone.")                                                        \
    X(spans_kept, COUNTER, "policy_spans_kept_total", "", "Spans of the traces that the policy wanted kept.") \
    X(dropped, COUNTER, "policy_traces_dropped_total", "", "Traces that a drop policy, or a rule, dropped.") \
    X(limited, COUNTER, "policy_traces_limited_total", "",                                                   \
      "Traces that the policy's budget turned away and no other policy kept.")                               \
    X(spans_limited, COUNTER, "policy_spans_limited_total", "",                                              \
      "Spans of the traces that the policy's budget turned away and no other policy kept.")                  \
    X(spans_seen, COUNTER, "policy_spans_seen_total", "", "Spans of the traces that the policy was asked about.") \
    X(decide_ns, GAUGE, "policy_decide_seconds", "",                                                          \
      "Time that asking the policy has taken, estimated from one decision in 64.")
TR_COUNTERS_DECLARE(control_policy, TR_CONTROL_POLICY_COUNTERS)

// All samples of a daemon: its modules, its policies, the process, and the control layer's own.
void tr_metrics_collect(struct tr_samples *samples, const struct tr_control_daemon *daemon,
                        const struct tr_control_counters *own, const struct tr_study_counters *study, uint64_t now);

#endif
