// SPDX-License-Identifier: Apache-2.0
// The decision cache: the verdict ring of an owner with an index over it, so that late spans find what their
// trace got. 77 bytes a trace; what the ring overwrites goes to a memo of 16 bytes a trace, which keeps the
// verdict and the policy and forgets the rest.
//
// Thread: the owner's lcore.
#ifndef TR_TRACE_VERDICTS_H
#define TR_TRACE_VERDICTS_H

#include "journal/verdict.h"
#include "trace/memo.h"
#include "trace/table.h"

struct tr_verdicts {
    struct tr_verdict_ring ring;
    struct tr_index index; // row: place in the ring + 1
    struct tr_memo memo;   // of what the ring has overwritten
};

static inline struct tr_verdict_record *tr_verdicts_find(const struct tr_verdicts *verdicts, uint64_t hash,
                                                         const uint8_t id[16])
{
    struct tr_index_search search;
    uint32_t row;

    tr_index_search_begin(&verdicts->index, hash, &search);
    while ((row = tr_index_search_next(&search)) != 0) {
        struct tr_verdict_record *record = tr_verdict_ring_at(&verdicts->ring, row - 1);

        if (tr_id_equal(record->trace_id, id))
            return record;
    }
    return NULL;
}

// memo  traces that the memo remembers beyond the ring, 0: none
int tr_verdicts_create(struct tr_verdicts *verdicts, const char *directory,
                       const struct tr_ringfile_options *options, uint32_t records, uint32_t memo,
                       struct tr_error *error);
void tr_verdicts_destroy(struct tr_verdicts *verdicts);

// Remember a decision; the id is not there yet.
//
// table  whose hash the index goes by
void tr_verdicts_add(struct tr_verdicts *verdicts, const struct tr_table *table,
                     const struct tr_verdict_record *record);

#endif
