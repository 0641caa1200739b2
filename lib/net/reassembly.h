// SPDX-License-Identifier: Apache-2.0
// What arrived but can't be handed up yet: behind a hole, or while the reader pauses. It is copied to chunks of a pool
// that all connections of a stack share; what finds no chunk is dropped, and the peer sends it again. Bytes that are here
// already win over the same bytes come again (RFC 9293 3.4: either may).
//
// A connection's chunks are a list by sequence number without overlaps; a segment that continues the chunk before it is
// appended there, so that many small segments take no more room than few large ones.
#ifndef TR_NET_REASSEMBLY_H
#define TR_NET_REASSEMBLY_H

#include "net/stack.h"
#include "net/tcp_options.h"

#define TR_CHUNK_BYTES 2048 // of data

struct tr_chunks; // the pool

// bytes      of data; headers come on top, 12 bytes a chunk
// numa_node  -1: any
//
// Returns 0 and *chunks, -EINVAL (not one chunk), or -ENOMEM.
int tr_chunks_create(struct tr_chunks **chunks, uint64_t bytes, int numa_node);
void tr_chunks_destroy(struct tr_chunks *chunks);
uint64_t tr_chunks_used(const struct tr_chunks *chunks);  // bytes lent
uint64_t tr_chunks_total(const struct tr_chunks *chunks); // bytes

// A connection's. All zeros: empty.
struct tr_reassembly {
    uint32_t first, last; // chunk + 1, 0: none
    uint32_t chunks;
    uint32_t bytes;
    struct tr_sack_block recent[TR_SACK_BLOCKS_MAX]; // ranges touched last, newest first (RFC 2018 section 4)
    uint32_t recent_count;
    bool forgotten; // there was no room in `recent` for all
};

// Copy the payload of a segment, cut to the window by the caller.
//
// seq     of the first byte of `data`; may wrap
// offset  of the bytes that count in `data` (with its pieces)
// chunks_max  most chunks that this connection may hold
//
// Returns how many bytes are new and stored, the first of those that are new; fewer than came if there was no room.
//
// Cost: the copy; a search through the connection's chunks (4 to 5 a cache line) unless it belongs at the end.
uint32_t tr_reassembly_insert(struct tr_chunks *chunks, struct tr_reassembly *reassembly, uint32_t seq,
                              const struct tr_frame *data, uint32_t offset, uint32_t bytes, uint32_t chunks_max);

// Bytes that begin at `seq`, as far as they lie together: NULL: there is a hole. They stay until consumed.
const uint8_t *tr_reassembly_peek(const struct tr_chunks *chunks, const struct tr_reassembly *reassembly, uint32_t seq,
                                  uint32_t *bytes);
// Everything before `seq` is done with.
void tr_reassembly_consume(struct tr_chunks *chunks, struct tr_reassembly *reassembly, uint32_t seq);
// Everything from `seq` on goes; a chunk begins there, or nothing of it is here. Returns how many bytes.
uint32_t tr_reassembly_cut(struct tr_chunks *chunks, struct tr_reassembly *reassembly, uint32_t seq);
void tr_reassembly_clear(struct tr_chunks *chunks, struct tr_reassembly *reassembly);

// The ranges above `next` (what comes in order next), for SACK: the one touched last first. Returns how many.
uint32_t tr_reassembly_sack(const struct tr_chunks *chunks, const struct tr_reassembly *reassembly, uint32_t next,
                            struct tr_sack_block blocks[TR_SACK_BLOCKS_MAX]);

#endif
