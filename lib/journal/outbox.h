// SPDX-License-Identifier: Apache-2.0
// The outbox: kept spans of an lcore after the common attribute rules, in a ring that every backend reads
// with a cursor of its own. Appending never waits: a backend that falls a ring behind loses the oldest and
// counts it.
//
// A GROUP entry holds resource, scope and schema URLs once; a SPAN entry names its group by position. A group
// is written anew when it lies more than a quarter of a ring back, and a cursor may lag by at most three
// quarters, so a group that an entry within reach names is still there.
//
// Thread: append on the owner lcore; everything else on any thread.
#ifndef TR_JOURNAL_OUTBOX_H
#define TR_JOURNAL_OUTBOX_H

#include "journal/ringfile.h"

enum tr_outbox_kind { TR_OUTBOX_GROUP = 1, TR_OUTBOX_SPAN = 2, TR_OUTBOX_OPAQUE = 3 };

#define TR_OUTBOX_ALIGN 16

// As it lies in the ring, before each payload; entries begin at multiples of 16.
struct tr_outbox_entry {
    uint32_t payload_bytes;
    uint8_t kind;      // enum tr_outbox_kind
    uint8_t signal;    // OPAQUE: enum tr_signal
    uint16_t policy;   // SPAN: index of the policy that kept it
    uint64_t position; // its own
    uint64_t sequence; // how many SPANs were appended before it in this ring
    uint64_t group;    // SPAN: position of its GROUP
};

// Payload of a GROUP: these lengths, then the bytes in this order.
struct tr_outbox_group {
    uint64_t hash;
    uint32_t resource_bytes; // Resource message
    uint32_t resource_schema_url_bytes;
    uint32_t scope_bytes; // InstrumentationScope message
    uint32_t scope_schema_url_bytes;
};

struct tr_outbox_groups; // the writer's cache from hash to position

struct tr_outbox {
    struct tr_ringfile ring;
    struct tr_outbox_groups *groups;
    uint64_t sequence; // writer's: of the next SPAN
    uint64_t reach;    // writer's: the oldest entry that a cursor may stand at
};

int tr_outbox_create(struct tr_outbox *outbox, const char *directory,
                     const struct tr_ringfile_options *options, struct tr_error *error);
void tr_outbox_close(struct tr_outbox *outbox);

// Writer. Position of a group with exactly these bytes, appended if it isn't within reach.
struct tr_outbox_group_bytes {
    const uint8_t *resource, *resource_schema_url, *scope, *scope_schema_url;
    struct tr_outbox_group head;
};
//
// Returns UINT64_MAX when it is larger than a quarter of the ring.
uint64_t tr_outbox_group(struct tr_outbox *outbox, const struct tr_outbox_group_bytes *group);

// Writer. May a span that is appended next still name this group?
bool tr_outbox_group_reachable(const struct tr_outbox *outbox, uint64_t position);

// Writer. Room for a payload of up to `bytes`, contiguous, at the head: write it, then append or walk away.
// Evicts the oldest entries as needed. NULL: more than a quarter of the ring.
uint8_t *tr_outbox_reserve(struct tr_outbox *outbox, uint64_t bytes);
uint64_t tr_outbox_append_span(struct tr_outbox *outbox, uint32_t bytes, uint64_t group, uint16_t policy);
uint64_t tr_outbox_append_opaque(struct tr_outbox *outbox, uint32_t bytes, uint8_t signal);

// Reader.
struct tr_outbox_cursor {
    uint64_t position;
    uint64_t sequence; // of the next SPAN
};

enum tr_outbox_next {
    TR_OUTBOX_ENTRY, // *entry and buffer are filled, the cursor is past it
    TR_OUTBOX_EMPTY, // at the head
    TR_OUTBOX_LOST,  // overrun: the cursor is now at the oldest entry within reach, *lost spans were skipped
    TR_OUTBOX_SHORT, // the buffer is smaller than entry->payload_bytes; the cursor stays
};

// A cursor at the head: what is appended from now on.
void tr_outbox_cursor_init(const struct tr_outbox *outbox, struct tr_outbox_cursor *cursor);

// Copy out the next SPAN or OPAQUE; GROUP entries are passed over.
enum tr_outbox_next tr_outbox_next(const struct tr_outbox *outbox, struct tr_outbox_cursor *cursor,
                                   struct tr_outbox_entry *entry, void *buffer, size_t buffer_bytes,
                                   uint64_t *lost);

// Copy out the GROUP at a position. Should the writer overrun it between the two calls, the span that named
// it is as lost as if the cursor had been overrun: count it so.
//
// Returns its payload's bytes, -ENOENT (overwritten), -ENOSPC (buffer).
ssize_t tr_outbox_group_read(const struct tr_outbox *outbox, uint64_t position, void *buffer,
                             size_t buffer_bytes);

// How many spans lie between the cursor and the head.
uint64_t tr_outbox_queued(const struct tr_outbox *outbox, const struct tr_outbox_cursor *cursor);

#endif
