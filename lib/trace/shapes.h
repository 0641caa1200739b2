// SPDX-License-Identifier: Apache-2.0
// The records of one trace, for its decision: an iterator over them as they came, and the same spans unpacked and in
// order, made when the first policy asks and shared by all. What is made of them does not depend on the order in which
// they came.
//
// Thread: the owner's lcore.
#ifndef TR_TRACE_SHAPES_H
#define TR_TRACE_SHAPES_H

#include "trace/table.h"

// As OTLP numbers them.
enum tr_shape_kind { TR_SHAPE_KIND_SERVER = 2, TR_SHAPE_KIND_CLIENT = 3 };

// Unpacked. Times are in units of 1024 ns from the trace's start.
struct tr_shape_span {
    uint32_t span, parent;
    uint32_t start, end;
    uint32_t print;
    uint32_t sampler_key;
    uint8_t kind, zone, marks;
    bool error, query;
};

#define TR_SHAPE_SAMPLED_MAX 2
#define TR_SHAPE_RATES_MAX   64

struct tr_shape_item {
    uint64_t key;
    uint32_t index;
};

struct tr_shapes {
    const struct tr_table *table;
    const struct tr_entry *entry;
    const struct tr_shape *array; // in place of the two: tests
    uint32_t spans;               // records there are
    uint32_t begin;               // of the trace, units modulo 2^32
    bool looked;                  // somebody went through all of them, which counts as work

    // Keys for dynamic samplers by their list of fields, each made when a sampler first asks (policy/sampling.c).
    uint64_t sampled[TR_SHAPE_SAMPLED_MAX];
    uint32_t sampled_known; // bit n: list n
    bool sampled_mixed;     // there is none: spans were walked with other lists
    uint64_t rates_known;   // bit n: sampler n was asked in this decision
    uint64_t rates[TR_SHAPE_RATES_MAX];

    // What is made of them, once for a trace (tr_shapes_gather).
    bool gathered, ordered;
    uint32_t cut;   // spans beyond spans_max, which are not looked at
    uint32_t count; // of `all`
    struct tr_shape_span *all; // by span id and kind, each once
    uint32_t *by_start;        // indices in `all`
    uint32_t *by_parent;       // by parent, then by start
    uint32_t *by_call;         // by parent and fingerprint, then by start

    // Room, taken at start.
    uint32_t spans_max;
    struct tr_shape_span *raw;
    struct tr_shape_item *items, *spare;
    uint32_t *lengths, *queue; // for policies
    void *memory;
};

#define TR_SHAPE_NONE UINT32_MAX

// Returns 0, -ENOMEM.
int tr_shapes_create(struct tr_shapes *shapes, uint32_t spans_max, int numa_node, bool prefault);
void tr_shapes_destroy(struct tr_shapes *shapes);
uint64_t tr_shapes_bytes(uint32_t spans_max);

// Unpack the records of the trace, each span once. Of spans with one id and one kind the first to start stays. Cost:
// O(n log n), n at most spans_max; nothing when it was done.
void tr_shapes_gather(struct tr_shapes *shapes);

// Gather, and put them in the three orders.
void tr_shapes_order(struct tr_shapes *shapes);

// The index of the span with that id and kind, or of any kind if `kind` is 0. Returns TR_SHAPE_NONE.
uint32_t tr_shapes_find(const struct tr_shapes *shapes, uint32_t span, uint32_t kind);

// The span without a parent; of several the first to start, of those the longest. Returns TR_SHAPE_NONE.
uint32_t tr_shapes_root(const struct tr_shapes *shapes);

// Sort by key; equal keys stay as they are.
void tr_shape_sort(struct tr_shape_item *items, struct tr_shape_item *spare, uint32_t count);

// Time that intervals cover, given in the order of their starts.
struct tr_shape_cover {
    uint32_t from, to; // what lies outside does not count
    uint32_t reached;  // covered so far up to here
    uint64_t covered;
};
void tr_shape_cover_begin(struct tr_shape_cover *cover, uint32_t from, uint32_t to);
void tr_shape_cover_add(struct tr_shape_cover *cover, const struct tr_shape_span *span);

struct tr_shapes_cursor {
    struct tr_ref_cursor at;
    uint32_t left;
    struct tr_shape shape; // the last that was asked for
};

static inline struct tr_shapes_cursor tr_shapes_begin(const struct tr_shapes *shapes)
{
    return (struct tr_shapes_cursor){
        .at = shapes->array ? (struct tr_ref_cursor){0} : tr_table_refs_begin(shapes->entry), .left = shapes->spans};
}

// The next record, in the order in which the spans came, until the next call; NULL: that was the last.
static inline const struct tr_shape *tr_shapes_next(const struct tr_shapes *shapes, struct tr_shapes_cursor *cursor)
{
    if (!cursor->left)
        return NULL;
    cursor->left--;
    if (shapes->array)
        return &shapes->array[cursor->at.ref++];
    cursor->shape = tr_table_shape_whole(shapes->table, &cursor->at);
    tr_table_refs_next(shapes->table, shapes->entry, &cursor->at);
    return &cursor->shape;
}

#endif
