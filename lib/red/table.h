// SPDX-License-Identifier: Apache-2.0
// Inside of the tables, for the files of red/.
//
// A key, which a row keeps but for its resource:
//
//   u32 resource | u16 bytes, service | u8 kind | u8 status | u8 method | u16 bytes, name | dimensions
//
// and a dimension: u8 enum tr_value_type (ABSENT: not there), then 8 bytes of an integer, a bool or a double, or u16 bytes
// and these of all others. What is excluded is left empty.
#ifndef TR_RED_TABLE_H
#define TR_RED_TABLE_H

#include "red/red.h"

#define TR_RED_TEXT_MAX  512 // bytes of a service's or a span's name, or of a dimension's value; the rest is cut
#define TR_RED_TOO_LONG  "(too long)"
#define TR_RED_KEY_MAX   (16 + (TR_RED_DIMENSIONS_MAX + 2) * (TR_RED_TEXT_MAX + 3))
#define TR_RED_ABSENT    0xff
#define TR_RED_OVERFLOW  UINT32_MAX // a row's key_bytes: it is its resource's overflow series
#define TR_RED_RESOURCE_BYTES_MAX 16384

// Kinds and states that have no name.
#define TR_RED_KIND_OTHER   6
#define TR_RED_STATUS_OTHER 3

// Before its buckets. Written by the lcore; `hash` to `key_bytes` are set before it is published.
struct tr_red_row {
    uint64_t hash[2];
    uint64_t first_wall_ns;
    uint32_t resource;
    uint32_t key; // in table.keys
    uint32_t key_bytes;
    uint32_t flush;      // of its exemplars
    uint64_t last_ns;    // lcore clock
    uint64_t sum;        // ns, a double's bits
    uint32_t exemplars;  // taken since that flush
    uint32_t version;    // EXPONENTIAL: odd while buckets move
};
_Static_assert(sizeof(struct tr_red_row) == 64, "a row begins with one cache line");

// EXPONENTIAL: before the buckets; bucket of index i is at i modulo max_size.
struct tr_red_expo {
    int64_t scale, first, last; // indices in use; first > last: none
    uint64_t zero;
    uint64_t min_ns, max_ns;
    uint64_t reserved[2];
};

struct tr_red_resource {
    uint64_t hash[2];
    uint32_t at, bytes;         // in table.texts: the attributes that tell it apart, sorted, as a Resource message
    uint32_t raw_at, raw_bytes; // all attributes, likewise; the same where nothing tells it apart but all
    uint32_t series;            // the lcore's: how many it has
    uint32_t overflow;          // row + 1, 0: none yet
};

// Where keys are put together: the walk's and the exemplars'.
struct tr_red_place {
    uint32_t resource; // TR_RED_NO_SERVICE: its spans are not counted
    uint32_t prefix;   // bytes of `key` that its spans share
    uint8_t key[TR_RED_KEY_MAX];
};
#define TR_RED_NO_SERVICE UINT32_MAX

struct tr_red_exemplar_entry {
    uint32_t row;
    uint8_t trace_id[16], span_id[8];
    uint64_t duration_ns, wall_ns;
};

// Resources by the hash of their bytes as they came; most clients send the same ones again and again.
#define TR_RED_KNOWN 1024
struct tr_red_known {
    uint64_t hash[2];
    uint32_t resource;
};

#define TR_RED_EXEMPLAR_ENTRIES 4096

struct tr_red_table {
    const struct tr_red_config *config;
    uint64_t seed;
    uint8_t *rows; // of row_bytes each
    uint32_t row_bytes, rows_max;
    uint32_t rows_count;      // published with release; overflow series included
    uint32_t counted_rows;    // without them
    uint32_t resources_count; // same; [0] is nobody's: what finds no room elsewhere
    struct tr_red_resource *resources;
    uint64_t *slots; // row + 1, and above it 32 bits of the hash
    uint32_t slots_mask;
    uint8_t *keys, *texts;
    uint32_t keys_used, keys_max, texts_used, texts_max;
    struct tr_red_known *known;
    struct tr_red_place walk;

    // Exemplars; NULL: off.
    struct tr_red_place *emit;
    struct tr_walk_notes *notes;
    struct tr_walk_plan plan; // watches the dimensions, tests nothing
    struct tr_walk_watch watched[TR_RED_DIMENSIONS_MAX];
    uint64_t emit_body;       // whose resource is in `emit`: the context's body and ScopeSpans
    uint32_t emit_scope;
    uint64_t looked_ns;
    uint32_t looks;
    struct tr_red_exemplar_entry *entries; // a ring
    uint32_t entries_head;                 // lcore's, with release
    uint32_t entries_tail;                 // control's, with release
    uint32_t flush;                        // control's: counts flushes
};

static inline struct tr_red_row *tr_red_row(const struct tr_red_table *table, uint32_t row)
{
    return (struct tr_red_row *)(table->rows + (size_t)row * table->row_bytes);
}

static inline uint64_t *tr_red_buckets(const struct tr_red_config *config, struct tr_red_row *row)
{
    uint64_t *after = (uint64_t *)(row + 1);

    return config->histogram == TR_RED_EXPONENTIAL ? after + sizeof(struct tr_red_expo) / sizeof(*after) : after;
}

int tr_red_table_create(struct tr_red_table **table, const struct tr_red_config *config, uint64_t seed);
void tr_red_table_destroy(struct tr_red_table *table);
uint32_t tr_red_row_bytes(enum tr_red_histogram histogram, uint32_t buckets);

// bound.c: the spans that a span stands for: 2^56 / (2^56 - th) of `ot=th:...` in its trace state, rounded up or down by
// the trace's id, so that it is right on average. *adjusted: there was a threshold.
uint64_t tr_red_adjusted_count(const uint8_t *state, uint32_t bytes, const uint8_t trace_id[16], bool *adjusted);

// Of an exponential histogram (bound.c): the index of a duration at a scale, -10 to 20.
// Source: OpenTelemetry's data model, "Exponential Scale", "All scales: use the logarithm function".
int64_t tr_red_expo_index(double value, int64_t scale);
// By how much the scale must go down for `first` to `last` to fit.
unsigned tr_red_expo_excess(int64_t first, int64_t last, uint32_t max_size);
// Add n of a duration.
void tr_red_expo_add(struct tr_red_expo *expo, uint64_t *buckets, uint32_t max_size, uint32_t *version, uint64_t duration_ns,
                     double value, uint64_t n);

#endif
