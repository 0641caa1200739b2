// SPDX-License-Identifier: Apache-2.0
// What is left of a decision when the verdict ring has overwritten it: 16 bytes a trace, so that late spans follow it
// for much longer than a whole record could be kept. A million traces are 16 MiB.
//
//   line = 4 slots of (fingerprint, verdict, marks, policy, threshold, epoch modulo 256)              64 bytes
//
// The hash chooses the line; a new slot pushes the oldest of its line out, so that how long a trace is remembered
// varies around the mean: half are still there after 0.9 times as many others as there are slots, one in fifty is gone
// after 0.3 times.
//
// A trace is known by its line and 43 further bits of its hash: a new one is taken for one that is remembered with a
// probability of 4 / 2^43, one in 2 x 10^12 traces. A policy of a config more than 256 configs back is taken for one of
// a newer.
//
// Thread: the owner's lcore.
#ifndef TR_TRACE_MEMO_H
#define TR_TRACE_MEMO_H

#include "base/tr.h"

#define TR_MEMO_SLOTS 4u
#define TR_MEMO_FINAL 3u // a drop that no late span can reopen; else enum tr_verdict

struct tr_memo_slot {
    uint64_t tag : 43; // 0: empty
    uint64_t verdict : 2;
    uint64_t marks : 3; // TR_MARK_COUNTED, INDEPENDENT and REOPENED, shifted down by 1
    uint64_t policy : 16;
    uint64_t threshold : 56;
    uint64_t epoch : 8;
};
_Static_assert(sizeof(struct tr_memo_slot) == 16, "four to a line");

struct tr_memo_line {
    struct tr_memo_slot slot[TR_MEMO_SLOTS]; // newest first
};
_Static_assert(sizeof(struct tr_memo_line) == 64, "one cache line");

struct tr_memo {
    struct tr_memo_line *lines; // NULL: nothing is remembered
    uint32_t count;
};

static inline uint64_t tr_memo_bytes(uint32_t traces)
{
    return ((uint64_t)traces + TR_MEMO_SLOTS - 1) / TR_MEMO_SLOTS * sizeof(struct tr_memo_line);
}

// traces  to remember, 0: none
//
// Returns 0 or -ENOMEM.
int tr_memo_create(struct tr_memo *memo, uint32_t traces, int numa_node, bool prefault);
void tr_memo_destroy(struct tr_memo *memo);

static inline struct tr_memo_line *tr_memo_line_of(const struct tr_memo *memo, uint64_t hash)
{
    return &memo->lines[((hash >> 32) * memo->count) >> 32];
}

// Returns NULL: not known.
const struct tr_memo_slot *tr_memo_find(const struct tr_memo *memo, uint64_t hash);

// Remember, in place of what may be known of the same hash.
//
// slot  all but the tag
void tr_memo_put(struct tr_memo *memo, uint64_t hash, const struct tr_memo_slot *slot);

#endif
