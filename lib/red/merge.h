// SPDX-License-Identifier: Apache-2.0
// The control thread's side: rows of all lcores that say the same are one point of a metric. Rows are found once, when they
// are new, and added up at each look; nothing stops the lcores.
//
// A point is never forgotten. One that expired is not shown; should it count again, it begins again at zero, as a series of
// the connector's that was removed does. With delta temporality `before` is what was sent last.
//
// Thread: control, under its lock. Cost: some 100 ns a row and look. Memory is malloc's.
#ifndef TR_RED_MERGE_H
#define TR_RED_MERGE_H

#include <stdio.h>

#include "red/table.h"

enum tr_red_metric { TR_RED_CALLS, TR_RED_DURATION, TR_RED_METRICS };

struct tr_red_values {
    uint64_t count;
    double sum_ns;
    uint64_t *buckets;       // DURATION: as many as the config says
    struct tr_red_expo expo; // EXPONENTIAL; bucket of index i is at i - first
};

struct tr_red_point {
    enum tr_red_metric metric;
    uint32_t resource;
    uint64_t hash;
    uint8_t *key; // as a row's, dimensions of the other metric absent; NULL: the overflow series
    uint32_t key_bytes;
    uint64_t start_wall_ns; // of what is shown
    uint64_t sent_wall_ns;  // 0: not yet
    uint64_t last_ns;       // lcore clock
    bool expired;
    struct tr_red_values now, before;
    struct tr_red_exemplar_entry *exemplars; // up to config.exemplars_max
    uint32_t exemplars_count;
    bool exemplars_sent;
};

struct tr_red_merged_resource {
    uint64_t hash;
    uint8_t *key;
    uint32_t key_bytes;
    uint8_t *attributes; // a Resource message, its texts valid UTF-8
    uint32_t attributes_bytes;
    uint64_t last_ns;
    uint32_t points[TR_RED_METRICS];   // without the overflow series
    uint32_t overflow[TR_RED_METRICS]; // point + 1, 0: none
};

struct tr_red_merge {
    struct tr_red_set *set;
    struct tr_red_merged_resource *resources;
    uint32_t resources_count, resources_room;
    struct tr_red_point *points;
    uint32_t points_count, points_room;
    uint32_t *slots; // point + 1, by hash
    uint32_t slots_mask;
    uint32_t *resource_of[TR_LCORES_MAX];              // by the lcore's number
    uint32_t resources_mapped[TR_LCORES_MAX];
    uint32_t *point_of[TR_RED_METRICS][TR_LCORES_MAX]; // by row
    uint32_t rows_mapped[TR_LCORES_MAX];
};

// Uses the set. Returns 0, -ENOMEM.
int tr_red_merge_create(struct tr_red_merge **merge, struct tr_red_set *set);
void tr_red_merge_destroy(struct tr_red_merge *merge);

// Look at all tables: every point's `now`, new points, exemplars. Then what has expired.
//
// now, wall_ns  as the lcores' clock, and since 1970
void tr_red_merge_look(struct tr_red_merge *merge, uint64_t now, uint64_t wall_ns);

// What a point shows: all since its start (`cumulative`), or since it was sent last. `to` has its own buckets, as many as
// the config says.
void tr_red_point_values(const struct tr_red_merge *merge, const struct tr_red_point *point, bool cumulative,
                         struct tr_red_values *to);

// merge_view.c: what a row has now, on top of what is there; and a copy, buckets and all.
void tr_red_values_add_row(const struct tr_red_config *config, struct tr_red_row *row, struct tr_red_values *to);
void tr_red_values_copy(const struct tr_red_config *config, const struct tr_red_values *from, struct tr_red_values *to);

// An attribute of a point: `value` is TR_VALUE_STRING, BOOL, INT, DOUBLE, NONE, ARRAY, KVLIST or BYTES.
typedef void (*tr_red_attribute_fn)(void *context, const char *name, const struct tr_value *value);
void tr_red_point_attributes(const struct tr_red_merge *merge, const struct tr_red_point *point, tr_red_attribute_fn each,
                             void *context);

// otlp.c: what is due, as bodies of ExportMetricsServiceRequest of some 2 MiB at most; counts as sent.
//
// last  nothing is sent after it: what a new series counted goes behind its 0
// Returns the data points.
typedef void (*tr_red_body_fn)(void *context, const uint8_t *body, size_t bytes);
uint64_t tr_red_otlp(struct tr_red_merge *merge, uint64_t wall_ns, bool last, tr_red_body_fn each, void *context);

// prometheus.c: the families as the Collector's prometheus exporter names them; `openmetrics`: with exemplars.
void tr_red_prometheus(struct tr_red_merge *merge, bool openmetrics, FILE *out);

// text.c: a text with each byte that is not UTF-8 replaced by U+FFFD. Returns its bytes; `to` has room for 3 times as many.
size_t tr_red_utf8(const uint8_t *text, size_t bytes, uint8_t *to);
// A value as the Collector would print it. malloc'd, NULL: no memory.
char *tr_red_value_text(const struct tr_value *value);
// A Resource message whose texts are valid UTF-8. Returns its bytes; `to` has room for 4 times as many, and 64.
size_t tr_red_resource_utf8(const uint8_t *from, size_t bytes, uint8_t *to);

#endif
