// SPDX-License-Identifier: Apache-2.0
// The control socket and the telemetry listener, on threads of their own: HTTP with JSON on a Unix socket for
// tailctl and curl; /metrics, /healthz, /readyz and the status page on TCP.
//
// Everything they tell or do goes through one struct of functions that the daemon gives (app/), so that a
// test can give another. Calls into it never overlap (one lock), except ready(), which is called at any time.
// Rows handed to a callback are borrowed for that call; so are the texts in them.
#ifndef TR_CONTROL_CONTROL_H
#define TR_CONTROL_CONTROL_H

#include <jansson.h>

#include "backend/backend.h"
#include "base/counter.h"
#include "base/error.h"
#include "config/option.h"
#include "control/audit.h"
#include "control/why.h"
#include "http/http.h"
#include "policy/policy.h"
#include "port/dpdk_device.h"
#include "port/kernel.h"
#include "trace/source.h"
#include "trace/study.h"

// `control` and `telemetry`; rows in control_options.c.
struct tr_control_options {
    const char *socket; // path; at most 107 bytes
};
extern const struct tr_option_table tr_control_option_table;

struct tr_telemetry_options {
    const char *listen; // address:port, "" none
};
extern const struct tr_option_table tr_telemetry_option_table;

// `services`; rows in control_options.c.
struct tr_services_options {
    uint64_t study_rate; // spans a second; 0: none is studied
    uint64_t wait_ns, window_ns;
    uint64_t spans_max, services_max, pairs_max;
};
extern const struct tr_option_table tr_services_option_table;

struct tr_control_lcore {
    uint32_t lcore;
    int cpu;          // it runs on, -1: not pinned
    uint64_t busy_ns; // since start: time in turns that did work. The share is found from two looks at it.
};

// Spans since start; the rates are found from two looks at them.
struct tr_control_flow {
    uint64_t requests;
    uint64_t body_bytes; // of whole bodies, as they came
    uint64_t accepted_spans;
    uint64_t rejected_spans;
    uint64_t kept_spans;
    uint64_t dropped_spans;
    uint64_t evicted_spans;
    uint64_t delivered_spans; // all backends together
    uint64_t early_spans;     // of those kept and dropped: decided before their time
    uint64_t refused_requests; // told to try again later
};
#define TR_CONTROL_FLOWS (sizeof(struct tr_control_flow) / sizeof(uint64_t))

// Cheap: read once a second. All zero when status() is called.
struct tr_control_status {
    const char *version;
    const char *state; // "starting", "running", "draining"
    uint64_t started_ns;
    uint64_t started_wall_ns;
    const char *config_path;         // as given to -c
    uint64_t config_applied_wall_ns; // when the running config was taken up
    uint32_t epoch;
    uint64_t decision_wait_ns;
    uint64_t decision_wait_min_ns;
    uint64_t
        horizon_ns; // how far back the journals reach, the least of all lcores; TR_NEVER: none has wrapped
    uint64_t journal_bytes; // all lcores
    uint64_t journal_used_bytes;
    uint64_t held_spans, held_traces, traces_max;
    uint64_t connections;
    struct tr_control_flow flow;
    uint32_t lcores_count;
    struct tr_control_lcore lcores[TR_LCORES_MAX];
};

// A set of counters: its rows, the struct they lie in (read with tr_counter_read, it may be being written),
// and the labels that tell it from the others with the same rows, as {"lcore", "0", "port", "wan0", NULL}; NULL: none.
typedef void (*tr_control_counters_fn)(void *to, const struct tr_counter_rows *rows, const void *values,
                                       const char *const *labels);

struct tr_control_policy {
    const char *name;
    const char *type;
    struct tr_policy_counters counters; // all lcores, since the policy of this name and place began
    double decide_ns;                   // asking it about a trace, on average; 0: not known yet
    double walk_ns;                     // its tests, on each span; below 0: not known
};
typedef void (*tr_control_policy_fn)(void *to, const struct tr_control_policy *policy);

struct tr_control_backend {
    const char *name;
    const char *kind;     // as in the config
    const char *endpoint; // or path
    const struct tr_backend_status *status;
};
typedef void (*tr_control_backend_fn)(void *to, const struct tr_control_backend *backend);

struct tr_control_port {
    const char *name;
    const char *kind;
    const char *device; // NULL: kernel port, which has none of the next five
    const char *memory; // "hugepages"
    const struct tr_dpdk_device *dpdk;
    const struct tr_dpdk_device_view *view;
    const struct tr_strings *addresses;
    bool shared; // with the kernel, which has our addresses too
    const uint64_t *xdp; // by enum tr_xdp_counter; NULL: no XDP program of ours
    const struct tr_address *listening;
    size_t listening_count;
    bool accepting;
    uint64_t connections;
};
typedef void (*tr_control_port_fn)(void *to, const struct tr_control_port *port);

struct tr_control_connection {
    uint32_t lcore;
    const char *port;
    const struct tr_connection_row *stream;
    const struct tr_http_row *http; // NULL: no byte yet
};
typedef void (*tr_control_connection_fn)(void *to, const struct tr_control_connection *connection);

// A source of an lcore. other: those that found no row.
typedef void (*tr_control_source_fn)(void *to, const struct tr_source *source, bool other);

// A remark on a config that is no error ("at 400 bytes a span decision_wait stops fitting at 120000
// spans/s").
typedef void (*tr_control_remark_fn)(void *to, const char *text);

struct tr_control_daemon {
    void *context;

    void (*status)(void *context, struct tr_control_status *status);
    void (*counters)(void *context, tr_control_counters_fn each, void *to);

    // Stops the lcores for the copy. `audit` was initialised; the caller frees it.
    // Returns 0, -ETIMEDOUT: an lcore did not come to its turn's end.
    int (*audit)(void *context, struct tr_audit *audit);

    void (*policies)(void *context, tr_control_policy_fn each, void *to);
    // Measure what policies cost the walk, where that is not known or some time ago; takes up to a tenth of a second.
    void (*policies_measure)(void *context);
    void (*backends)(void *context, tr_control_backend_fn each, void *to);
    void (*ports)(void *context, tr_control_port_fn each, void *to);
    int (*connections)(void *context, tr_control_connection_fn each, void *to);

    // Each source of each lcore; its counters are read while they are written.
    void (*sources)(void *context, tr_control_source_fn each, void *to);
    // The rings of notes of all lcores, which are there until tr_control_stop(). Returns how many.
    size_t (*study_rings)(void *context, struct tr_study_ring *rings[TR_LCORES_MAX]);

    // Fill in what is known of why->trace_id; the rest is zero. Returns 0, -ETIMEDOUT as audit.
    int (*why)(void *context, struct tr_why *why);

    // The running config: as it was given, and with defaults and secrets covered. malloc'd, the caller frees.
    char *(*config_text)(void *context);
    char *(*config_show)(void *context);

    // Each takes the whole text of a config, NUL after its last byte, and changes nothing but apply.
    // Returns 0, or -errno: the error says what and where.
    int (*config_check)(void *context, const char *text, size_t bytes, tr_control_remark_fn each, void *to,
                        struct tr_error *error);
    // A line for each option that differs from the running config.
    int (*config_diff)(void *context, const char *text, size_t bytes, tr_options_diff_fn each, void *to,
                       struct tr_error *error);
    // All or nothing. It is only called with a text whose differences are all live.
    int (*config_apply)(void *context, const char *text, size_t bytes, struct tr_error *error);

    // Once a second. NULL: nothing to do.
    void (*tick)(void *context, uint64_t now);

    // What /metrics shows besides the counters, as whole families; `openmetrics`: with exemplars. NULL: nothing.
    void (*metrics)(void *context, bool openmetrics, FILE *out);

    // Any thread, also while another call is in progress. Returns true; false after writing why not.
    bool (*ready)(void *context, char *why, size_t why_bytes);
};

struct tr_control;

// Listen and answer. `daemon` is borrowed until tr_control_stop().
//
// Returns 0, -EADDRINUSE: another daemon answers at the socket (a stale one is replaced); -errno.
// Thread: control.
int tr_control_start(struct tr_control **control, const struct tr_control_options *options,
                     const struct tr_telemetry_options *telemetry, const struct tr_services_options *services,
                     const struct tr_control_daemon *daemon, struct tr_error *error);

// Joins the threads: no callback runs after it. Unlinks the socket. NULL is allowed.
void tr_control_stop(struct tr_control *control);

// What the control socket answers to GET `path`, which takes no query. Returns a new reference, NULL: it is refused.
//
// Thread: any but a data lcore, and not from inside a callback of the daemon.
json_t *tr_control_answer(struct tr_control *control, const char *path);

// The port that telemetry listens on (the kernel's choice for port 0), 0: none.
uint16_t tr_control_telemetry_port(const struct tr_control *control);

// SIGHUP: apply the file at status.config_path, as `tailctl config apply` does. Logs the outcome.
//
// Returns 0 or -errno. Thread: any but a data lcore, and not from inside a callback of the daemon.
int tr_control_reload(struct tr_control *control, struct tr_error *error);

// For tr_control_daemon.connections: calls `each` for every stream with the HTTP row of the same id.
void tr_control_connections_join(uint32_t lcore, const char *port, const struct tr_connection_row *streams,
                                 size_t streams_count, const struct tr_http_row *rows, size_t rows_count,
                                 tr_control_connection_fn each, void *to);

#endif
