// SPDX-License-Identifier: Apache-2.0
// Notes of spans for control, which studies how services call each other (control/study.c): all spans of one trace in
// N, picked by a hash of its id, so that a studied trace is whole whichever lcores its spans come to.
//
// A note goes from the lcore that walks the span to control by a ring of its own; no other lcore sees it, and no
// decision depends on it. A full ring takes no note and counts it: control then knows that traces under study may have
// holes, and judges none of them.
//
// Thread: notes are made and put on the lcore, taken on one thread of control.
#ifndef TR_TRACE_STUDY_H
#define TR_TRACE_STUDY_H

#include "journal/journal.h"
#include "otlp/walk.h"

#define TR_STUDY_NAME_BYTES 64 // longer names are cut

// What a span's call goes to, or came through: client and server name it alike where they name it at all.
enum tr_contact {
    TR_CONTACT_NONE,
    TR_CONTACT_HTTP,      // host:port, as the client called it and as the Host header said
    TR_CONTACT_RPC,       // package and service
    TR_CONTACT_MESSAGING, // destination
    TR_CONTACT_DATABASE,  // continues no trace
};

#define TR_STUDY_ROOT   0x01 // no parent
#define TR_STUDY_LINKS  0x02 // has links: it may belong to other traces without being a child there
#define TR_STUDY_REMOTE 0x04 // its parent is of another process, as its flags say
#define TR_STUDY_LOCAL  0x08 // its parent is of its own process, as its flags say

// OTLP's SpanKind.
enum tr_span_kind {
    TR_SPAN_KIND_UNSPECIFIED,
    TR_SPAN_KIND_INTERNAL,
    TR_SPAN_KIND_SERVER,
    TR_SPAN_KIND_CLIENT,
    TR_SPAN_KIND_PRODUCER,
    TR_SPAN_KIND_CONSUMER,
};

struct tr_study_note {
    uint8_t trace_id[16];
    uint64_t span_id, parent_id; // as their bytes lie
    uint64_t start_ns, end_ns;   // as the span says, 1970
    uint8_t kind;                // enum tr_span_kind
    uint8_t flags;               // TR_STUDY_*
    uint8_t contact_kind;        // enum tr_contact
    uint8_t service_bytes, scope_bytes, contact_bytes;
    uint16_t reserved;
    uint64_t reserved2;
    char service[TR_STUDY_NAME_BYTES];
    char scope[TR_STUDY_NAME_BYTES]; // name of the instrumentation scope
    char contact[TR_STUDY_NAME_BYTES];
};
_Static_assert(sizeof(struct tr_study_note) == 256, "four cache lines");

// Studies nothing.
#define TR_STUDY_OFF UINT64_MAX

struct tr_study_ring {
    struct tr_study_note *notes;
    uint32_t slots_mask;
    uint64_t mask;                // hashes with none of these bits are studied; stored by control
    uint64_t head tr_aligned(64); // stored by the lcore
    uint64_t lost;                // same: notes that found the ring full
    uint64_t tail tr_aligned(64); // stored by control
};

// slots  power of two; 0: no ring, nothing is ever studied
//
// Returns 0, -ENOMEM. Thread: start-up.
int tr_study_ring_create(struct tr_study_ring *ring, uint32_t slots, int numa_node, bool prefault);
void tr_study_ring_destroy(struct tr_study_ring *ring);

// Is a trace of this tr_hash_trace_id() studied?
static inline bool tr_study_wants(const struct tr_study_ring *ring, uint64_t hash)
{
    return tr_unlikely(!(hash & tr_load_relaxed(&ring->mask)));
}

// Note a span that was walked. Cost: a second pass over it, some 300 ns.
void tr_study_put(struct tr_study_ring *ring, const struct tr_context *context, const uint8_t *body,
                  const uint8_t *span, uint32_t bytes, const struct tr_walk_span *walked);

// The oldest note, NULL: none. It is there until tr_study_taken().
const struct tr_study_note *tr_study_take(struct tr_study_ring *ring);
void tr_study_taken(struct tr_study_ring *ring);

// Make a note of a valid span (for tr_study_put(), and for tests).
void tr_study_note_make(struct tr_study_note *note, const struct tr_context *context, const uint8_t *body,
                        const uint8_t *span, uint32_t bytes, const struct tr_walk_span *walked);

#endif
