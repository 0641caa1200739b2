// SPDX-License-Identifier: Apache-2.0
// The records of one trace, for its decision: an iterator over them as they came, and room to put them in order.
//
// Thread: the owner's lcore.
#ifndef TR_TRACE_SHAPES_H
#define TR_TRACE_SHAPES_H

#include "trace/table.h"

struct tr_shapes {
    const struct tr_table *table;
    const struct tr_entry *entry;
    const struct tr_shape *array; // in place of the two: tests
    uint32_t spans;               // records there are
};

struct tr_shapes_cursor {
    struct tr_ref_cursor at;
    uint32_t left;
};

static inline struct tr_shapes_cursor tr_shapes_begin(const struct tr_shapes *shapes)
{
    return (struct tr_shapes_cursor){
        .at = shapes->array ? (struct tr_ref_cursor){0} : tr_table_refs_begin(shapes->entry), .left = shapes->spans};
}

// The next record, in the order in which the spans came; NULL: that was the last.
static inline const struct tr_shape *tr_shapes_next(const struct tr_shapes *shapes, struct tr_shapes_cursor *cursor)
{
    const struct tr_shape *shape;

    if (!cursor->left)
        return NULL;
    cursor->left--;
    if (shapes->array)
        return &shapes->array[cursor->at.ref++];
    shape = tr_table_shape(shapes->table, &cursor->at);
    tr_table_refs_next(shapes->table, shapes->entry, &cursor->at);
    return shape;
}

#endif
