// SPDX-License-Identifier: Apache-2.0
// The journal: every accepted body of an lcore, whole, in the order it was accepted.
//
// The head belongs to one body at a time: the writer takes tr_journal_head(), copies, inflates or converts a
// body straight to it, has it checked in place, and commits it or walks away. Each body leaves contexts, one
// for each ScopeSpans that has spans, in a side ring that is freed with the tail.
#ifndef TR_JOURNAL_JOURNAL_H
#define TR_JOURNAL_JOURNAL_H

#include "journal/ringfile.h"

#define TR_RECORD_MAGIC 0x31434552u // "REC1"
#define TR_RECORD_ALIGN 64

// As it lies in the ring, before each body.
struct tr_record {
    uint32_t magic;
    uint32_t body_bytes;
    uint64_t position; // its own: a replay knows a torn or overwritten record by it
    uint64_t accepted_wall_ns;
    uint32_t spans; // that the check found
    uint32_t contexts;
    uint8_t peer_ip[16];
    uint16_t peer_port;
    uint8_t protocol; // enum tr_protocol
    uint8_t flags;
    uint32_t reserved;
    uint64_t first_context; // index in the side ring; derived, a replay makes it anew
};
_Static_assert(sizeof(struct tr_record) == 64, "a record header is one cache line");

// A range of a body: offset from the body's first byte.
struct tr_range {
    uint32_t offset;
    uint32_t bytes;
};

// A (resource, scope) of a body: everything a span needs from around it. Protobuf lets `resource` come after
// its scope spans and come twice (they merge, which for bytes is concatenation), so it is made after the
// whole ResourceSpans was seen; more than two pieces of one are refused as malformed.
struct tr_context {
    uint64_t body;               // position of the body's first byte in the journal
    uint64_t group_hash;         // of resource, scope and both schema URLs: equal bytes, equal hash
    struct tr_range scope_spans; // the ScopeSpans message: its field 2 are the spans
    struct tr_range resource[2];
    struct tr_range scope[2];
    struct tr_range resource_schema_url;
    struct tr_range scope_schema_url;
    struct tr_range service; // value of service.name inside the resource, {0, 0}: none
    uint32_t spans;
    uint32_t source;     // tr_sources: (peer, service); set when the walk comes to it
    uint64_t group;      // position in the outbox of its group, as of the attribute rules of that version
    uint64_t group_made; // 0: not yet
    uint32_t demotes;    // 1: attributes of the resource go to each of its spans
    uint32_t reserved;
};

struct tr_journal {
    struct tr_ringfile ring;
    struct tr_context *contexts; // ring of contexts_mask + 1
    uint32_t contexts_mask;
    uint64_t contexts_head; // indices, never go back
    uint64_t contexts_tail;
};

// Where the next body would begin, with room for `bytes` of it and 64 readable bytes beyond.
//
// Returns NULL when there is no room.
uint8_t *tr_journal_head(struct tr_journal *journal, uint64_t bytes);

// The most bytes a body could have now.
uint64_t tr_journal_room(const struct tr_journal *journal);

// Where the check may leave contexts, and how many at most: they count only from the commit on.
struct tr_context *tr_journal_context(struct tr_journal *journal, uint64_t index);
uint32_t tr_journal_context_room(const struct tr_journal *journal);

// Commit the body at the head. `meta` gives every field but magic, position and first_context.
//
// Returns the record's position.
uint64_t tr_journal_commit(struct tr_journal *journal, const struct tr_record *meta);

// Let everything below `position` (a record's begin, or the head) be overwritten, and its contexts with it.
void tr_journal_release(struct tr_journal *journal, uint64_t position);

int tr_journal_create(struct tr_journal *journal, const char *directory,
                      const struct tr_ringfile_options *options, uint32_t contexts, struct tr_error *error);
void tr_journal_close(struct tr_journal *journal);

static inline const struct tr_record *tr_journal_record(const struct tr_journal *journal, uint64_t position)
{
    return (const struct tr_record *)tr_ringfile_at(&journal->ring, position);
}

static inline uint64_t tr_record_next(const struct tr_record *record)
{
    return record->position + TR_ALIGN_UP(sizeof(*record) + (uint64_t)record->body_bytes, TR_RECORD_ALIGN);
}

#endif
