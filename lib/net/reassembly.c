// SPDX-License-Identifier: Apache-2.0
// A chunk holds `bytes` in order from `seq`, at `begin` of its room (what was consumed lies before it). A connection's
// chunks ascend and do not overlap. An insert goes piece by piece over what lies there: bytes that fall on a chunk are
// skipped, bytes between two are appended to the chunk before or fill new ones.
//
// Most segments belong at the end, which is found at once. Others are searched from the front; that a peer may make us
// do it for every segment (CVE-2018-5390) is why heads lie apart from the data, four a cache line: a search through the
// 512 of a megabyte costs a few microseconds.
//
// `recent` holds whole runs of bytes, exactly: whatever is inserted next to one of them is merged with it there.
#include "net/reassembly.h"

#include "base/pages.h"
#include "net/tcp_seq.h"

struct chunk {
    uint32_t next; // chunk + 1, of the connection or of the free list
    uint32_t seq;
    uint16_t begin, bytes;
};

struct tr_chunks {
    struct chunk *heads; // of chunk n: heads[n - 1]
    uint8_t *data;       // of chunk n: from (n - 1) * TR_CHUNK_BYTES
    uint32_t count;
    uint32_t made; // chunks beyond were never lent: their memory is not touched
    uint32_t free; // first, 0: none
    uint32_t lent;
};

int tr_chunks_create(struct tr_chunks **chunks, uint64_t bytes, int numa_node)
{
    struct tr_chunks *c;
    uint64_t count = bytes / TR_CHUNK_BYTES;

    if (!count || count >= UINT32_MAX)
        return -EINVAL;
    c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->count = (uint32_t)count;
    c->heads = tr_pages_map(count * sizeof(*c->heads), numa_node, true);
    c->data = tr_pages_map(count * TR_CHUNK_BYTES, numa_node, false);
    if (!c->heads || !c->data) {
        tr_chunks_destroy(c);
        return -ENOMEM;
    }
    *chunks = c;
    return 0;
}

void tr_chunks_destroy(struct tr_chunks *chunks)
{
    if (!chunks)
        return;
    tr_pages_unmap(chunks->heads, chunks->count * sizeof(*chunks->heads));
    tr_pages_unmap(chunks->data, (size_t)chunks->count * TR_CHUNK_BYTES);
    free(chunks);
}

uint64_t tr_chunks_used(const struct tr_chunks *chunks)
{
    return (uint64_t)chunks->lent * TR_CHUNK_BYTES;
}

uint64_t tr_chunks_total(const struct tr_chunks *chunks)
{
    return (uint64_t)chunks->count * TR_CHUNK_BYTES;
}

static struct chunk *chunk_at(const struct tr_chunks *chunks, uint32_t n)
{
    return &chunks->heads[n - 1];
}

static uint8_t *chunk_data(const struct tr_chunks *chunks, uint32_t n)
{
    return chunks->data + (size_t)(n - 1) * TR_CHUNK_BYTES + chunk_at(chunks, n)->begin;
}

static uint32_t chunk_end(const struct chunk *chunk)
{
    return chunk->seq + chunk->bytes;
}

// Returns 0: none is left.
static uint32_t chunk_lend(struct tr_chunks *chunks)
{
    uint32_t n = chunks->free;

    if (n)
        chunks->free = chunk_at(chunks, n)->next;
    else if (chunks->made < chunks->count)
        n = ++chunks->made;
    else
        return 0;
    chunks->lent++;
    return n;
}

static void chunk_return(struct tr_chunks *chunks, uint32_t n)
{
    chunk_at(chunks, n)->next = chunks->free;
    chunks->free = n;
    chunks->lent--;
}

// --- insert

// Where in a frame's pieces the copying stands.
struct source {
    const struct tr_frame *piece;
    uint32_t offset;
};

static void source_skip(struct source *source, uint32_t bytes)
{
    source->offset += bytes;
    while (source->piece && source->offset >= source->piece->bytes) {
        source->offset -= source->piece->bytes;
        source->piece = source->piece->next;
    }
}

static void source_copy(struct source *source, uint8_t *to, uint32_t bytes)
{
    while (bytes > 0) {
        uint32_t part;

        source_skip(source, 0);
        tr_assert(source->piece);
        part = TR_MIN(bytes, source->piece->bytes - source->offset);
        memcpy(to, source->piece->data + source->offset, part);
        source->offset += part;
        to += part;
        bytes -= part;
    }
}

// Append to chunk `n`, if it ends at `seq`, what fits. Returns how many bytes.
static uint32_t append(struct tr_chunks *chunks, uint32_t n, uint32_t seq, struct source *source, uint32_t bytes)
{
    struct chunk *chunk;
    uint32_t part;

    if (!n || chunk_end(chunk_at(chunks, n)) != seq)
        return 0;
    chunk = chunk_at(chunks, n);
    part = TR_MIN(bytes, (uint32_t)(TR_CHUNK_BYTES - chunk->begin - chunk->bytes));
    source_copy(source, chunk_data(chunks, n) + chunk->bytes, part);
    chunk->bytes = (uint16_t)(chunk->bytes + part);
    return part;
}

// Put a new chunk behind `before` (0: at the front). Returns it, or 0: no room.
static uint32_t put_behind(struct tr_chunks *chunks, struct tr_reassembly *r, uint32_t before, uint32_t seq,
                           uint32_t chunks_max)
{
    uint32_t n = r->chunks < chunks_max ? chunk_lend(chunks) : 0;
    uint32_t *link = before ? &chunk_at(chunks, before)->next : &r->first;
    struct chunk *chunk;

    if (!n)
        return 0;
    chunk = chunk_at(chunks, n);
    chunk->seq = seq;
    chunk->begin = chunk->bytes = 0;
    chunk->next = *link;
    *link = n;
    if (r->last == before)
        r->last = n;
    r->chunks++;
    return n;
}

// Fill a hole behind the chunk `*before`, which becomes the chunk that was filled last. Returns bytes stored.
static uint32_t fill(struct tr_chunks *chunks, struct tr_reassembly *r, uint32_t *before, uint32_t seq,
                     struct source *source, uint32_t bytes, uint32_t chunks_max)
{
    uint32_t stored = append(chunks, *before, seq, source, bytes);

    while (stored < bytes) {
        uint32_t n = put_behind(chunks, r, *before, seq + stored, chunks_max);

        if (!n)
            break;
        stored += append(chunks, n, seq + stored, source, bytes - stored);
        *before = n;
    }
    return stored;
}

// The last chunk that begins at or before `seq`; 0: none.
static uint32_t chunk_before(const struct tr_chunks *chunks, const struct tr_reassembly *r, uint32_t seq)
{
    uint32_t before = 0;

    if (r->last && tr_seq_leq(chunk_at(chunks, r->last)->seq, seq))
        return r->last;
    for (uint32_t n = r->first; n && tr_seq_leq(chunk_at(chunks, n)->seq, seq); n = chunk_at(chunks, n)->next)
        before = n;
    return before;
}

// Put what is missing of seq..end where it belongs. Returns how far everything is there.
static uint32_t insert(struct tr_chunks *chunks, struct tr_reassembly *r, uint32_t seq, uint32_t end,
                       struct source source, uint32_t chunks_max)
{
    uint32_t before = chunk_before(chunks, r, seq);

    while (seq != end) {
        uint32_t next = before ? chunk_at(chunks, before)->next : r->first, room = end - seq, stored;

        if (before && tr_seq_lt(seq, chunk_end(chunk_at(chunks, before)))) {
            stored = TR_MIN(chunk_end(chunk_at(chunks, before)) - seq, room);
            source_skip(&source, stored); // it is here already
            seq += stored;
            continue;
        }
        if (next && chunk_at(chunks, next)->seq == seq) {
            before = next;
            continue;
        }
        if (next)
            room = TR_MIN(chunk_at(chunks, next)->seq - seq, room);
        stored = fill(chunks, r, &before, seq, &source, room, chunks_max);
        seq += stored;
        r->bytes += stored;
        if (stored < room)
            break;
    }
    return seq;
}

// --- SACK

// Widen a range that is there to the whole run of bytes around it, by way of the chunks.
static void run_around(const struct tr_chunks *chunks, const struct tr_reassembly *r, struct tr_sack_block *range)
{
    struct tr_sack_block run = {chunk_at(chunks, r->first)->seq, chunk_at(chunks, r->first)->seq};

    for (uint32_t n = r->first; n; n = chunk_at(chunks, n)->next) {
        if (chunk_at(chunks, n)->seq != run.end) {
            if (tr_seq_lt(range->begin, run.end))
                break;
            run.begin = chunk_at(chunks, n)->seq;
        }
        run.end = chunk_end(chunk_at(chunks, n));
    }
    *range = run;
}

// Note that this range, which is there, came now.
static void touch(const struct tr_chunks *chunks, struct tr_reassembly *r, struct tr_sack_block range)
{
    uint32_t kept = 0;

    if (r->forgotten)
        run_around(chunks, r, &range);
    for (uint32_t i = 0; i < r->recent_count; i++) {
        struct tr_sack_block other = r->recent[i];

        if (tr_seq_leq(other.begin, range.end) && tr_seq_leq(range.begin, other.end)) {
            range.begin = tr_seq_min(range.begin, other.begin);
            range.end = tr_seq_max(range.end, other.end);
        } else {
            r->recent[kept++] = other;
        }
    }
    if (kept == TR_SACK_BLOCKS_MAX) {
        r->forgotten = true;
        kept--;
    }
    memmove(r->recent + 1, r->recent, kept * sizeof(*r->recent));
    r->recent[0] = range;
    r->recent_count = kept + 1;
}

uint32_t tr_reassembly_insert(struct tr_chunks *chunks, struct tr_reassembly *r, uint32_t seq,
                              const struct tr_frame *data, uint32_t offset, uint32_t bytes, uint32_t chunks_max)
{
    uint32_t before = r->bytes, end = insert(chunks, r, seq, seq + bytes, (struct source){data, offset}, chunks_max);

    if (end != seq)
        touch(chunks, r, (struct tr_sack_block){seq, end});
    return r->bytes - before;
}

uint32_t tr_reassembly_sack(const struct tr_chunks *chunks, const struct tr_reassembly *r, uint32_t next,
                            struct tr_sack_block blocks[TR_SACK_BLOCKS_MAX])
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < r->recent_count; i++)
        if (tr_seq_lt(next, r->recent[i].begin))
            blocks[count++] = r->recent[i];
    return count;
}

// --- read

const uint8_t *tr_reassembly_peek(const struct tr_chunks *chunks, const struct tr_reassembly *r, uint32_t seq,
                                  uint32_t *bytes)
{
    uint32_t n = r->first;

    while (n && tr_seq_leq(chunk_end(chunk_at(chunks, n)), seq))
        n = chunk_at(chunks, n)->next;
    if (!n || tr_seq_lt(seq, chunk_at(chunks, n)->seq))
        return NULL;
    *bytes = chunk_end(chunk_at(chunks, n)) - seq;
    return chunk_data(chunks, n) + (seq - chunk_at(chunks, n)->seq);
}

void tr_reassembly_consume(struct tr_chunks *chunks, struct tr_reassembly *r, uint32_t seq)
{
    uint32_t kept = 0;

    while (r->first) {
        uint32_t n = r->first;
        struct chunk *chunk = chunk_at(chunks, n);
        uint32_t done = tr_seq_lt(chunk->seq, seq) ? TR_MIN(seq - chunk->seq, chunk->bytes) : 0;

        r->bytes -= done;
        if (done < chunk->bytes) {
            chunk->seq += done;
            chunk->begin = (uint16_t)(chunk->begin + done);
            chunk->bytes = (uint16_t)(chunk->bytes - done);
            break;
        }
        r->first = chunk->next;
        r->chunks--;
        chunk_return(chunks, n);
    }
    if (!r->first) {
        r->last = 0;
        r->forgotten = false;
    }
    for (uint32_t i = 0; i < r->recent_count; i++)
        if (tr_seq_lt(seq, r->recent[i].end))
            r->recent[kept++] = r->recent[i];
    r->recent_count = kept;
}

uint32_t tr_reassembly_cut(struct tr_chunks *chunks, struct tr_reassembly *r, uint32_t seq)
{
    uint32_t before = 0, cut = 0, kept = 0, n;

    for (n = r->first; n && tr_seq_lt(chunk_at(chunks, n)->seq, seq); n = chunk_at(chunks, n)->next)
        before = n;
    while (n) {
        uint32_t next = chunk_at(chunks, n)->next;

        cut += chunk_at(chunks, n)->bytes;
        r->chunks--;
        chunk_return(chunks, n);
        n = next;
    }
    if (before)
        chunk_at(chunks, before)->next = 0;
    else
        r->first = 0;
    r->last = before;
    r->bytes -= cut;
    for (uint32_t i = 0; i < r->recent_count; i++)
        if (tr_seq_leq(r->recent[i].end, seq))
            r->recent[kept++] = r->recent[i];
    r->recent_count = kept;
    r->forgotten = r->forgotten && before;
    return cut;
}

void tr_reassembly_clear(struct tr_chunks *chunks, struct tr_reassembly *r)
{
    while (r->first) {
        uint32_t n = r->first;

        r->first = chunk_at(chunks, n)->next;
        chunk_return(chunks, n);
    }
    *r = (struct tr_reassembly){0};
}
