// SPDX-License-Identifier: Apache-2.0
// A ring of bytes in a named file: one header page, then a power of two of data, mapped twice back to back so
// that whatever begins in the ring is contiguous. It outlives the process: journal, outbox and verdicts are
// three of them.
//
// Positions are bytes since the ring began and never go back; `position & mask` is the offset.
// One writer (the lcore that owns it). Readers on other threads copy first and look at the tail afterwards:
// see tr_ringfile_copy().
#ifndef TR_JOURNAL_RINGFILE_H
#define TR_JOURNAL_RINGFILE_H

#include "base/error.h"
#include "base/tr.h"

#define TR_RINGFILE_MAGIC        0x31474e4952525454ull // "TTRRING1"
#define TR_RINGFILE_VERSION      1
#define TR_RINGFILE_HEADER_BYTES 4096

enum tr_ringfile_kind { TR_RINGFILE_JOURNAL = 1, TR_RINGFILE_OUTBOX = 2, TR_RINGFILE_VERDICTS = 3 };

// The header page, as it lies in the file. Fields of one writer share a line.
struct tr_ringfile_header {
    uint64_t magic;
    uint32_t version;
    uint32_t kind;
    uint64_t data_bytes;
    uint32_t lcore;  // whose ring
    uint32_t lcores; // of how many: the map from trace id to owner depends on it
    uint64_t created_wall_ns;
    uint64_t boot[2]; // /proc/sys/kernel/random/boot_id: a ring of another boot is not ours
    uint64_t reserved[1];

    uint64_t head tr_aligned(64); // everything below is written and committed
    uint64_t tail;                // everything below may be overwritten
    uint64_t reach;               // outbox: the oldest entry that a cursor may stand at
    uint64_t turn;                // odd while head and committed_* change together
    uint64_t committed_records;
    uint64_t committed_spans;
    uint64_t accounting[32]; // the owner's rows at the last commit, for recovery
};

struct tr_ringfile {
    struct tr_ringfile_header *header;
    uint8_t *data;
    uint64_t bytes;
    uint64_t mask;
    uint64_t head; // the writer's own copy
    uint64_t tail;
    int fd;
};

struct tr_ringfile_options {
    enum tr_ringfile_kind kind;
    uint64_t bytes; // power of two, of at least a page
    uint32_t lcore;
    uint32_t lcores;
    int numa_node; // -1: wherever
    bool prefault; // take the memory now: later faults would fall on the data path
};

// Make or replace the file `directory/name` and map it.
//
// Returns 0, -ENOSPC (the file system is too small: the error says how much is there), -errno.
// Thread: start-up.
int tr_ringfile_create(struct tr_ringfile *ring, const char *directory, const char *name,
                       const struct tr_ringfile_options *options, struct tr_error *error);

// Memory that ring files of an earlier process hold in a folder, bytes; 0 too when it can't be read. What was killed
// leaves them there, and who starts in its place makes them anew.
//
// remove  unlink them as well
//
// Thread: start-up.
uint64_t tr_ringfile_leftovers(const char *directory, bool remove);

// Unmap; the file stays unless `unlink_path`.
void tr_ringfile_close(struct tr_ringfile *ring, const char *unlink_path);

static inline uint8_t *tr_ringfile_at(const struct tr_ringfile *ring, uint64_t position)
{
    return ring->data + (position & ring->mask);
}

static inline uint64_t tr_ringfile_free(const struct tr_ringfile *ring)
{
    return ring->bytes - (ring->head - ring->tail);
}

// Writer: publish what was written up to `head`: one record with so many spans.
static inline void tr_ringfile_commit(struct tr_ringfile *ring, uint64_t head, uint64_t spans)
{
    struct tr_ringfile_header *header = ring->header;
    uint64_t turn = header->turn;

    ring->head = head;
    tr_store_relaxed(&header->turn, turn + 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    tr_store_relaxed(&header->committed_records, header->committed_records + 1);
    tr_store_relaxed(&header->committed_spans, header->committed_spans + spans);
    tr_store_release(&header->head, head);
    tr_store_release(&header->turn, turn + 2);
}

// Any thread: head and the spans committed below it, as of one instant.
static inline void tr_ringfile_committed(const struct tr_ringfile *ring, uint64_t *head, uint64_t *spans)
{
    const struct tr_ringfile_header *header = ring->header;
    uint64_t turn;

    do {
        turn = tr_load_acquire(&header->turn);
        *head = tr_load_acquire(&header->head);
        *spans = tr_load_relaxed(&header->committed_spans);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while ((turn & 1) || turn != tr_load_relaxed(&header->turn));
}

// Writer: let everything below `tail` be overwritten. The fence orders it before the overwriting stores, so
// that a reader that copied old bytes sees the new tail afterwards.
static inline void tr_ringfile_release(struct tr_ringfile *ring, uint64_t tail)
{
    ring->tail = tail;
    tr_store_relaxed(&ring->header->tail, tail);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

// Reader on another thread: copy bytes that lay below the head.
//
// Returns true when they are what was committed; false when the writer has released them meanwhile (read the
// header's tail and go on from there). The copy itself races by design and is kept from the thread sanitizer.
bool tr_ringfile_copy(const struct tr_ringfile *ring, uint64_t position, void *to, size_t bytes);

#endif
