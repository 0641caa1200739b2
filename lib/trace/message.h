// SPDX-License-Identifier: Apache-2.0
// What travels between lcores: slots of 64 bytes, in two classes of rings.
//
// Class 1, holder to owner: summaries, tail requests, epoch marks. A full ring stops the holder's walk.
// Class 2, owner to holder: emits and acknowledgements. Consuming it needs no room anywhere.
//
// A holder is the lcore whose journal has the span; an owner is the lcore that decides the trace. Which ring
// a slot comes out of says who sent it, so no slot carries its origin.
#ifndef TR_TRACE_MESSAGE_H
#define TR_TRACE_MESSAGE_H

#include "base/tr.h"

enum tr_message_kind {
    TR_MESSAGE_SUMMARY = 1, // class 1
    TR_MESSAGE_TAIL = 2,    // class 1
    TR_MESSAGE_EPOCH = 3,   // class 1
    TR_MESSAGE_EMIT = 4,    // class 2
    TR_MESSAGE_ACK = 5,     // class 2
    TR_MESSAGE_WIDE = 6,    // class 1, behind a SUMMARY with TR_SPAN_WIDE
    TR_MESSAGE_SHAPE = 7,   // class 1, behind a SUMMARY with TR_SPAN_SHAPE, and behind its WIDE
};

// Flags of a summary.
#define TR_SPAN_ROOT 0x01 // no parent
#define TR_SPAN_WIDE 0x02 // one slot follows: predicates 64 and up, of which at least one holds
#define TR_SPAN_SHAPE 0x04 // one slot follows, behind WIDE: the span's part in the shape of its trace

#define TR_POSITION_BITS 48
#define TR_POSITION_MASK ((1ull << TR_POSITION_BITS) - 1)

// A span as its owner knows it. Positions are of the span's first byte in the holder's journal.
struct tr_summary {
    uint8_t trace_id[16];
    uint64_t start_ns; // as the span says, 1970
    uint64_t end_ns;
    uint64_t predicates; // bit n: predicate n of the epoch holds for this span
    uint64_t position : 48;
    uint64_t kind : 4;  // enum tr_message_kind
    uint64_t flags : 4; // TR_SPAN_*
    uint64_t epoch : 8; // of the config that walked it, modulo 256
    uint32_t context;   // index of its context in the holder's side ring, modulo 2^32
    uint32_t bytes;     // of the Span message
    uint32_t name_hash;
    uint32_t source; // tr_sources: (peer, service)
};

// The slot behind a summary with TR_SPAN_WIDE; both are enqueued in one go.
struct tr_summary_wide {
    uint64_t predicates[5]; // words 1 to 5
    uint64_t reserved : 48;
    uint64_t kind : 4; // TR_MESSAGE_WIDE
    uint64_t flags : 4;
    uint64_t epoch : 8;
    uint64_t predicates2[2]; // words 6 and 7
};

// Which of `ot` in a span's trace_state are there.
#define TR_OT_RANDOM    0x01
#define TR_OT_THRESHOLD 0x02

#define TR_MARKS_MAX 4

// The slot behind a summary with TR_SPAN_SHAPE; sent only where the config needs it. All are enqueued in one go.
struct tr_summary_shape {
    uint64_t span_id;        // the 8 bytes, as they lie in memory
    uint64_t parent_id;      // 0: none
    uint32_t print;          // fingerprint of its query or call; 0: it has none
    uint32_t sampler_key;    // of dynamic samplers; 0: none
    uint64_t random : 56;    // ot=rv
    uint64_t ot : 8;         // TR_OT_*
    uint64_t threshold : 56; // ot=th
    uint64_t span_kind : 3;  // as OTLP numbers them
    uint64_t error : 1;      // its status is ERROR, or that of its response says so
    uint64_t query : 1;      // `print` is that of a query
    uint64_t reserved : 3;
    uint64_t zone : 32; // hash of its resource's availability zone; 0: not known
    uint64_t marks : 4; // predicates that a policy wants to know of each span
    uint64_t reserved2 : 12;
    uint64_t kind : 4; // TR_MESSAGE_SHAPE
    uint64_t flags : 4;
    uint64_t epoch : 8;
    uint64_t reserved3[2];
};

// "Decide and emit what began in my journal below this position." Sent behind the summaries it covers.
struct tr_tail_message {
    uint64_t position; // 48 bits are not enough to be lazy with: whole
    uint64_t reserved[3];
    uint64_t reserved2;
    uint64_t reserved3 : 48;
    uint64_t kind : 4;
    uint64_t urgent : 4; // 0: a trace waits until it is decision_wait_min old; 1: whatever its age
    uint64_t epoch : 8;
    uint64_t reserved4[2];
};

// Where a span lies, in 81 bits. How long it is stands before it in the journal. No ring is longer than 2^40 bytes and
// none has more than 2^30 contexts, so these do while what they speak of is there, and for 2^45 bytes beyond.
#define TR_REF_POSITION_BITS 45
#define TR_REF_POSITION_MASK ((1ull << TR_REF_POSITION_BITS) - 1)
#define TR_REF_CONTEXT_BITS 30
#define TR_REF_CONTEXT_MASK ((1u << TR_REF_CONTEXT_BITS) - 1)

// A span to emit. The holder checks the position against its tail.
struct tr_emit_span {
    uint64_t position : TR_REF_POSITION_BITS;
    uint64_t reserved : 19;
    uint32_t context : TR_REF_CONTEXT_BITS;
    uint32_t reserved2 : 2;
    uint32_t reserved3;
};

#define TR_EMIT_SPANS 2

struct tr_emit_message {
    struct tr_emit_span span[TR_EMIT_SPANS];
    uint64_t trace_hash;    // tr_hash_trace_id, for the log of what was lost
    uint64_t position : 48; // ACK: everything below is decided and its emits are ahead in this ring
    uint64_t kind : 4;
    uint64_t spans : 4; // EMIT: 1 to TR_EMIT_SPANS
    uint64_t epoch : 8;
    uint16_t policy;
    uint16_t reserved2;
    uint32_t epoch_whole;    // `epoch` is this modulo 256
    uint64_t threshold : 56; // as in the trace's verdict
    uint64_t marks : 8;      // TR_MARK_*, likewise
};

union tr_message {
    struct tr_summary summary;
    struct tr_summary_wide wide;
    struct tr_summary_shape shape;
    struct tr_tail_message tail;
    struct tr_emit_message emit;
    struct { // what all share: the word that holds the kind
        uint64_t words[5];
        uint64_t position : 48;
        uint64_t kind : 4;
        uint64_t flags : 4;
        uint64_t epoch : 8;
        uint64_t words2[2];
    } any;
};
_Static_assert(sizeof(union tr_message) == 64, "a slot is one cache line");
_Static_assert(sizeof(struct tr_summary_shape) == 64, "a slot too");

// How many slots a summary takes with what follows it.
static inline uint32_t tr_summary_slots(const struct tr_summary *summary)
{
    return 1 + (summary->flags & TR_SPAN_WIDE ? 1 : 0) + (summary->flags & TR_SPAN_SHAPE ? 1 : 0);
}

#endif
