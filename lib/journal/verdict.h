// SPDX-License-Identifier: Apache-2.0
// The verdict ring: every decision of an owner, oldest first, in a file. It is what recovery reads, and with
// an index over it (trace/) it is the decision cache that late spans and `traces why` ask.
#ifndef TR_JOURNAL_VERDICT_H
#define TR_JOURNAL_VERDICT_H

#include "journal/ringfile.h"

enum tr_verdict { TR_VERDICT_DROP = 0, TR_VERDICT_KEEP = 1, TR_VERDICT_EVICTED = 2 };

// Why a trace was decided when it was.
enum tr_when {
    TR_WHEN_WAIT = 0,     // decision_wait had passed
    TR_WHEN_JOURNAL = 1,  // early: the journal needed its room
    TR_WHEN_TABLE = 2,    // early: the trace table was full
    TR_WHEN_SIZE = 3,     // early: the trace reached maximum_trace_size_bytes or spans
    TR_WHEN_SHUTDOWN = 4, // early: drain
    TR_WHEN_CERTAIN = 5,  // at once: nothing could change the answer any more
};

#define TR_POLICY_NONE 0xffff // no policy kept it

// Marks of a verdict. Its emits carry them too.
#define TR_MARK_INDEXED     0x01 // only in the ring: the record made it into the decision cache's index
#define TR_MARK_COUNTED     0x02 // `threshold` holds
#define TR_MARK_INDEPENDENT 0x04 // its chance has nothing to do with the randomness that `ot=th` is about
#define TR_MARK_REOPENED    0x08 // it was dropped; a late span reopened it
#define TR_MARK_FINAL       0x10 // dropped, and no late span could change that
#define TR_MARKS_EMITTED    ((uint8_t)~TR_MARK_INDEXED)

struct tr_verdict_record {
    uint8_t trace_id[16];
    uint64_t decided_wall_ns;
    uint64_t first_wall_ns; // its first span's arrival
    uint32_t spans;         // at the decision
    uint32_t late_spans;    // since (updated in place)
    uint32_t source;        // of the first span
    uint16_t policy;        // index in the epoch's policies, TR_POLICY_NONE
    uint8_t verdict;        // enum tr_verdict
    uint8_t when;           // enum tr_when
    uint32_t epoch;
    union {
        uint32_t lost_spans;     // reopened: that were not to be found any more
        uint32_t followed_spans; // TR_WHEN_CERTAIN: since, but before its decision_wait (updated in place)
    };
    union {
        uint64_t threshold : 56; // with TR_MARK_COUNTED: it is kept with probability 1 - threshold / 2^56
        uint64_t dropped : 56;   // of a dropped trace: where the owner has what may reopen it, 0: nowhere
        struct {
            uint64_t : 56;
            uint64_t marks : 8; // TR_MARK_*
        };
    };
};
_Static_assert(sizeof(struct tr_verdict_record) == 64, "a verdict is one cache line");

struct tr_verdict_ring {
    struct tr_ringfile file;
    uint64_t records_max;
};

// Make `directory/verdicts.<lcore>`.
//
// options  kind and bytes are ours to set
// records  power of two, at least TR_VERDICTS_MIN (a page of them)
//
// Returns 0 or -errno. Thread: start-up.
#define TR_VERDICTS_MIN 64u
int tr_verdict_ring_create(struct tr_verdict_ring *ring, const char *directory,
                           const struct tr_ringfile_options *options, uint32_t records,
                           struct tr_error *error);
void tr_verdict_ring_close(struct tr_verdict_ring *ring);

// The record that the next append overwrites, NULL while there is room.
struct tr_verdict_record *tr_verdict_ring_oldest(const struct tr_verdict_ring *ring);

// Write a record at the head; the oldest goes when the ring is full.
//
// Returns its number: records since the ring began.
uint64_t tr_verdict_ring_append(struct tr_verdict_ring *ring, const struct tr_verdict_record *record);

// A record that is still there.
static inline struct tr_verdict_record *tr_verdict_ring_at(const struct tr_verdict_ring *ring,
                                                           uint64_t number)
{
    return (struct tr_verdict_record *)tr_ringfile_at(&ring->file, number * sizeof(struct tr_verdict_record));
}

#endif
