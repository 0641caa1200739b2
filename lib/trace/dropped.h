// SPDX-License-Identifier: Apache-2.0
// What is kept in mind of dropped traces, should a late span reopen one: aggregates and references, written one trace
// behind the other into a ring. A record is found by its position, which stands in the trace's verdict; what the ring
// has overwritten is gone, and nobody has to be told.
//
//   record = 64 bytes of aggregates | wide predicate words, and a tr_trace_ot, if it has them
//            | a reference of 12 bytes each | a tr_shape of 24 bytes each, if the table has them
//
// A trace that a late span has not reopened gets a further record, with the aggregates of all and the references of
// what came since, that leads to the one before it.
//
// A trace of 8 spans takes 160 bytes, with shape 352, so with spans of 400 bytes a ring of a 16th, or an 8th, of the
// journal reaches as far back as the journal does.
//
// Thread: the owner's lcore.
#ifndef TR_TRACE_DROPPED_H
#define TR_TRACE_DROPPED_H

#include "trace/table.h"

struct tr_dropped_record {
    uint64_t start_ns;
    uint64_t end_ns;
    uint64_t bits;
    uint64_t bytes : 48;
    uint64_t flags : 16; // TR_ENTRY_*
    uint64_t first_ns;
    uint64_t earlier;   // position of the record before it, 0: none
    uint32_t size;      // to the next record, bytes
    uint32_t epoch;
    uint32_t refs;
    uint32_t written_s; // lcore clock: when the oldest of its references was written down first
};
_Static_assert(sizeof(struct tr_dropped_record) == 64, "one cache line");

struct tr_dropped {
    uint8_t *ring; // NULL: none
    uint64_t bytes; // of it, power of two
    uint64_t head;  // position of the next record; positions only grow
    uint64_t tail;  // of the oldest that is whole
    uint64_t last;  // of the newest, 0: none
    uint64_t traces; // begun by a record between tail and head
};

#define TR_DROPPED_BYTES_MIN 4096u

// Records of one trace that are followed: more are made one by tr_dropped_put()'s caller.
#define TR_DROPPED_CHAIN 16u

// bytes  of the ring, power of two from TR_DROPPED_BYTES_MIN on; 0: nothing is kept in mind
//
// Returns 0 or -ENOMEM.
int tr_dropped_create(struct tr_dropped *dropped, uint64_t bytes, int numa_node, bool prefault);
void tr_dropped_destroy(struct tr_dropped *dropped);

// Write down an entry. Of a trace that takes more than half of the ring, the aggregates only.
//
// from       reference: those before it are in earlier records
// earlier    position of its record so far, 0: none
// written_s  lcore clock; of references that come from records, the time of the oldest of these
// Returns its position, 0: there is no ring. Cost: in order, 12 bytes a span; the entry's blocks are read.
uint64_t tr_dropped_put(struct tr_dropped *dropped, const struct tr_table *table, uint32_t number, uint32_t from,
                        uint64_t earlier, uint32_t written_s);

// Returns the record at a position; NULL: overwritten, or 0.
const struct tr_dropped_record *tr_dropped_at(const struct tr_dropped *dropped, uint64_t position);

// What a position leads to: exactly what tr_dropped_refs() gives, if there is room for it.
//
// until  position of a record of it that is not followed, 0: none
// now    records of references that were written down 4 hours ago or longer are not followed: positions have 45 bits
struct tr_dropped_chain {
    uint32_t records;   // at most TR_DROPPED_CHAIN
    uint32_t written_s; // of the oldest, if there are any
    uint64_t refs;
    bool whole; // to its first record
};
struct tr_dropped_chain tr_dropped_chain(const struct tr_dropped *dropped, uint64_t position, uint64_t until,
                                         uint64_t now);

// Which record of a long chain is to stay, with those before it, when the newer ones are made one. Half of the chain goes
// at least, and no record that is larger than what goes beside it, so that a large trace is not written again and again.
// Returns its position, 0: all are to be made one.
uint64_t tr_dropped_stays(const struct tr_dropped *dropped, uint64_t position, uint64_t now);

// Give an entry the aggregates of a record, without references.
void tr_dropped_recall(const struct tr_dropped *dropped, uint64_t position, struct tr_table *table, uint32_t number);

// Give an entry, which has none, the references of a record and those before it in the order they came; of more than
// `most`, or than the table has room for, the latest. `until` and `now` as above.
void tr_dropped_refs(const struct tr_dropped *dropped, uint64_t position, struct tr_table *table, uint32_t number,
                     uint32_t most, uint64_t until, uint64_t now);

#endif
