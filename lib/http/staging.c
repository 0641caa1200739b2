// SPDX-License-Identifier: Apache-2.0
// Where bodies wait for their last byte.
//
// While an input() call lasts, a piece points into the stream's memory: a body that is whole within the call is never
// copied here. What is unfinished at its end moves into chunks of a pool of fixed size, which holds at least two of the
// largest size. When the pool is used up the oldest unfinished body makes room: a client that sends what it announced
// is done long before it is the oldest, so those that trickle pay, however many they are.
#include "http/http_internal.h"

#include <sys/mman.h>

// A chunk: its piece, then the bytes.
struct chunk {
    struct tr_piece piece;
    uint8_t bytes[CHUNK_BYTES - sizeof(struct tr_piece)];
};
_Static_assert(sizeof(struct chunk) == CHUNK_BYTES, "chunks tile the pool");

int staging_init(struct tr_http *http)
{
    uint64_t bytes = TR_MAX(http->options.staged_lcore_bytes_max, 2 * http->options.body_bytes_max + TR_MIB);

    http->pool_chunks = bytes / CHUNK_BYTES + 1;
    http->pool = mmap(NULL, http->pool_chunks * CHUNK_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (http->pool == MAP_FAILED) {
        http->pool = NULL;
        return -ENOMEM;
    }
    return 0;
}

void staging_fini(struct tr_http *http)
{
    if (http->pool)
        munmap(http->pool, http->pool_chunks * CHUNK_BYTES);
}

bool staging_has_room(const struct req *req)
{
    const struct tr_http *http = req->http;

    return req->staged_bytes < http->options.staged_stream_bytes_max &&
           req->conn->staged_bytes < http->options.staged_connection_bytes_max && http->pool_used < http->pool_chunks;
}

// The oldest unfinished body other than this one is given up. Returns false: there is none.
bool staging_evict(struct req *req)
{
    struct req *oldest = req->http->staged_oldest;

    while (oldest && (oldest == req || oldest->in_sink || !oldest->conn))
        oldest = oldest->staged_next;
    if (!oldest)
        return false;
    tr_count(&req->http->counters.pool_evicted, 1);
    req_fail(oldest, TR_UNAVAILABLE, "the body came too slowly for the room there is");
    return true;
}

static void staged_insert(struct req *req)
{
    struct tr_http *http = req->http;

    req->staged_before = http->staged_newest;
    req->staged_next = NULL;
    if (http->staged_newest)
        http->staged_newest->staged_next = req;
    else
        http->staged_oldest = req;
    http->staged_newest = req;
}

static void staged_remove(struct req *req)
{
    struct tr_http *http = req->http;

    if (req->staged_before)
        req->staged_before->staged_next = req->staged_next;
    else
        http->staged_oldest = req->staged_next;
    if (req->staged_next)
        req->staged_next->staged_before = req->staged_before;
    else
        http->staged_newest = req->staged_before;
}

static struct chunk *chunk_take(struct req *req)
{
    struct tr_http *http = req->conn->http;
    struct chunk *chunk;

    if (req->staged_bytes >= http->options.staged_stream_bytes_max)
        return NULL;
    while (http->pool_used >= http->pool_chunks)
        if (!staging_evict(req))
            return NULL;
    if (http->pool_free) {
        chunk = http->pool_free;
        memcpy(&http->pool_free, chunk, sizeof(void *));
    } else {
        chunk = (struct chunk *)(http->pool + http->pool_taken++ * CHUNK_BYTES);
    }
    if (!req->staged_bytes)
        staged_insert(req);
    http->pool_used++;
    chunk->piece = (struct tr_piece){.data = chunk->bytes, .pool_bytes = CHUNK_BYTES};
    req->staged_bytes += CHUNK_BYTES;
    req->conn->staged_bytes += CHUNK_BYTES;
    tr_gauge(&http->counters.staged, http->pool_used * CHUNK_BYTES);
    return chunk;
}

static void piece_append(struct req *req, struct tr_piece *piece)
{
    if (req->last_piece)
        req->last_piece->next = piece;
    else
        req->request.pieces = piece;
    req->last_piece = piece;
}

// Copy bytes behind what is staged, filling the last chunk first.
static bool copy_in(struct req *req, const uint8_t *data, size_t bytes)
{
    while (bytes) {
        struct tr_piece *last = req->last_piece;
        size_t room, part;

        if (!last || last->bytes == sizeof(((struct chunk *)0)->bytes)) {
            struct chunk *chunk = chunk_take(req);

            if (!chunk)
                return false;
            piece_append(req, &chunk->piece);
            last = &chunk->piece;
        }
        room = sizeof(((struct chunk *)0)->bytes) - last->bytes;
        part = TR_MIN(room, bytes);
        memcpy((uint8_t *)(uintptr_t)last->data + last->bytes, data, part);
        last->bytes += (uint32_t)part;
        data += part;
        bytes -= part;
    }
    return true;
}

// A frame's worth of a body that waits in the pool already goes there at once: the call that brings the last byte seldom
// brings more than that.
#define FRAME_BYTES 9216

bool staging_borrow(struct req *req, const uint8_t *data, size_t bytes)
{
    struct tr_piece *piece;

    if (bytes <= FRAME_BYTES && req->last_piece && req->last_piece == req->last_settled) {
        if (!copy_in(req, data, bytes))
            return false;
        req->last_settled = req->last_piece;
        req->request.body_bytes += bytes;
        return true;
    }
    piece = tr_slab_alloc(&req->conn->http->slab, sizeof(*piece));
    if (!piece)
        return false;
    *piece = (struct tr_piece){.data = data, .bytes = (uint32_t)bytes};
    piece_append(req, piece);
    req->request.body_bytes += bytes;
    req->borrowed_bytes += bytes;
    req->conn->unsettled = true;
    return true;
}

bool staging_settle(struct req *req)
{
    struct tr_piece *before = req->last_settled, *borrowed = before ? before->next : req->request.pieces;
    bool all = true;

    if (!req->borrowed_bytes)
        return true;
    if (before)
        before->next = NULL;
    else
        req->request.pieces = NULL;
    req->last_piece = before;
    while (borrowed) {
        struct tr_piece *next = borrowed->next;

        all = all && copy_in(req, borrowed->data, borrowed->bytes);
        tr_slab_free(&req->conn->http->slab, borrowed);
        borrowed = next;
    }
    req->last_settled = req->last_piece;
    req->borrowed_bytes = 0;
    return all;
}

void staging_release(struct req *req)
{
    struct tr_http *http = req->http;
    struct tr_piece *piece = req->request.pieces;

    while (piece) {
        struct tr_piece *next = piece->next;

        if (piece->pool_bytes) {
            memcpy(piece, &http->pool_free, sizeof(void *));
            http->pool_free = piece;
            http->pool_used--;
        } else {
            tr_slab_free(&http->slab, piece);
        }
        piece = next;
    }
    if (req->conn)
        req->conn->staged_bytes -= req->staged_bytes;
    if (req->staged_bytes)
        staged_remove(req);
    req->request.pieces = req->last_piece = req->last_settled = NULL;
    req->staged_bytes = req->borrowed_bytes = 0;
    tr_gauge(&http->counters.staged, http->pool_used * CHUNK_BYTES);
}
