// SPDX-License-Identifier: Apache-2.0
// RED metrics: how many calls, how many of them failed, how long they took; of every span, before sampling. The names,
// units, temporality and dimensions are those of the Collector's span_metrics connector.
//
// A set is what a `span_metrics` block compiles to, with a table for each lcore. It belongs to the epochs that count in it:
// a config whose block is the same goes on in the same set, one whose block differs begins a new one.
//
// An lcore's table has one writer, its walk: a span's key (service, name, kind, status, dimensions) is put together in a
// buffer, hashed with a secret seed to 128 bits, and its row's buckets and sum only grow. All its memory is there from the
// beginning: rows, their keys, resources; where one of them runs out the span counts in an overflow series. The control
// thread reads the tables while they are written, adds up the rows of all lcores that say the same (merge.h), and makes
// OTLP or Prometheus' text of it. A row is published by the table's count; a sum may be a few spans ahead of the buckets.
//
// Keys are not compared beyond their hash: 2^64 different ones would have to come before two are likely to be taken for one.
#ifndef TR_RED_RED_H
#define TR_RED_RED_H

#include "base/counter.h"
#include "base/error.h"
#include "journal/journal.h"
#include "otlp/walk.h"
#include "red/red_options.h"

#define TR_RED_SPANS      "span_metrics_spans_total"
#define TR_RED_SPANS_HELP "Spans that the RED metrics took up, by where they count."
#define TR_RED_EXEMPLARS      "span_metrics_exemplars_total"
#define TR_RED_EXEMPLARS_HELP "Exemplars of kept traces, by what became of them."
#define TR_RED_COUNTERS(X)                                                                                              \
    X(counted, COUNTER, TR_RED_SPANS, "outcome=\"series\"", TR_RED_SPANS_HELP)                                          \
    X(overflow, COUNTER, TR_RED_SPANS, "outcome=\"overflow\"", TR_RED_SPANS_HELP)                                       \
    X(no_service, COUNTER, TR_RED_SPANS, "outcome=\"no_service_name\"", TR_RED_SPANS_HELP)                              \
    X(exemplars, COUNTER, TR_RED_EXEMPLARS, "outcome=\"taken\"", TR_RED_EXEMPLARS_HELP)                                 \
    X(exemplars_dropped, COUNTER, TR_RED_EXEMPLARS, "outcome=\"dropped\"", TR_RED_EXEMPLARS_HELP)                       \
    X(series, GAUGE, "span_metrics_series", "", "Series in the lcore's table of RED metrics.")                          \
    X(resources, GAUGE, "span_metrics_resources", "", "Resources in the lcore's table of RED metrics.")
TR_COUNTERS_DECLARE(red, TR_RED_COUNTERS)

// Dimensions that every series has unless they are excluded.
#define TR_RED_SERVICE  1u
#define TR_RED_NAME     2u
#define TR_RED_KIND     4u
#define TR_RED_STATUS   8u
#define TR_RED_INSTANCE 16u

struct tr_red_dimension {
    char *name;
    char *initial; // NULL: none
    bool calls, durations;
};

enum tr_red_histogram { TR_RED_NONE, TR_RED_EXPLICIT, TR_RED_EXPONENTIAL };

// Immutable.
struct tr_red_config {
    struct tr_red_dimension dimensions[TR_RED_DIMENSIONS_MAX];
    uint32_t dimensions_count;
    unsigned own; // TR_RED_*, those that are not excluded
    enum tr_red_histogram histogram;
    enum tr_red_unit unit;
    uint64_t bounds_ns[TR_RED_BOUNDS_MAX];
    uint32_t buckets; // EXPLICIT: bounds + 1; NONE: 1; EXPONENTIAL: max_size
    bool delta;
    char *namespace;
    uint64_t flush_ns, metrics_expiration_ns, series_expiration_ns;
    uint32_t exemplars_max; // of a series and flush; 0: off
    char *key_attributes[TR_RED_KEY_ATTRIBUTES_MAX];
    uint32_t key_attributes_count;
    uint64_t limit;    // series of a resource, 0: none
    bool projected;    // calls and durations differ in their dimensions: then only the merge can hold the limit
    bool sampling_method;
    uint32_t series_max, resources_max;
};

struct tr_red_table;

struct tr_red_set {
    struct tr_red_config config;
    char instance[48]; // collector.instance.id
    uint64_t seed;
    uint32_t lcores;
    struct tr_red_table *tables[TR_LCORES_MAX];
    struct tr_strings watch; // the dimensions' names, for the plan of the policies
    uint32_t users; // epochs and the merge; control's
};

// Compile a block that its check has passed, with empty tables and one user.
//
// instance  what collector.instance.id says; copied
// seed      of the hashes: nobody outside may know it
//
// Returns 0, -ENOMEM. Thread: control.
int tr_red_set_create(struct tr_red_set **set, const struct tr_red_options *options, uint32_t lcores, const char *instance,
                      uint64_t seed, struct tr_error *error);
struct tr_red_set *tr_red_set_use(struct tr_red_set *set); // NULL is allowed
void tr_red_set_release(struct tr_red_set *set);           // same; frees it with its last user

// What the tables of an lcore take.
uint64_t tr_red_table_bytes(const struct tr_red_options *options);

// The resource of the spans that follow. Thread: lcore. Cost: a hash of the resource, some 30 ns.
//
// now, wall_ns  lcore clock, and since 1970
void tr_red_resource(struct tr_red_table *table, struct tr_red_counters *counters, const struct tr_context *context,
                     const uint8_t *body);

// Count a span. Its trace state's sampling threshold, if there is one, says for how many it stands.
//
// plan, notes  that it was walked with
// Thread: lcore. Cost: one hash of some 60 bytes, and three or four cache lines.
void tr_red_span(struct tr_red_table *table, struct tr_red_counters *counters, const struct tr_walk_plan *plan,
                 const struct tr_walk_notes *notes, const struct tr_walk_span *span, uint64_t now, uint64_t wall_ns);

// A span of a kept trace: does the series it counted in want an exemplar? At most so many are looked at in a turn.
//
// Thread: lcore. Cost: a walk of the span, only with exemplars enabled.
void tr_red_exemplar(struct tr_red_table *table, struct tr_red_counters *counters, const struct tr_context *context,
                     const uint8_t *body, const uint8_t *span, uint32_t bytes, uint64_t now, uint64_t wall_ns);

#endif
