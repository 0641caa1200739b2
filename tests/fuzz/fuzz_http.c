// SPDX-License-Identifier: Apache-2.0
// A connection's bytes of any kind, cut anywhere: HTTP/1.1, HTTP/2 or neither. Whatever they are, every request that
// reaches the sink is answered once, nothing stays allocated, and no body is larger than it may be.
//
// The input: a byte that says how large pieces are, then the stream. Where it says so the sink answers late, or after
// the connection has gone.
#include "http_server.h"

static struct tr_http *http;
static struct tr_stream stream;
static bool closed, late;
static struct tr_request *waiting[1024];
static unsigned waiting_count;

static size_t stream_send(struct tr_stream *s, const void *data, size_t bytes)
{
    return bytes;
}

static void stream_end(struct tr_stream *s)
{
    closed = true;
}

static const struct tr_stream_ops ops = {
    .send = stream_send, .pause = stream_ignore, .resume = stream_ignore, .close = stream_end, .abort = stream_end};

static void complete(void *context, struct tr_request *request, uint64_t now)
{
    uint64_t bytes = 0;

    for (const struct tr_piece *piece = request->pieces; piece; piece = piece->next) {
        volatile uint8_t last = piece->bytes ? piece->data[piece->bytes - 1] : 0;

        (void)last;
        bytes += piece->bytes;
    }
    tr_assert(bytes == request->body_bytes && bytes <= 65536);
    if (late && waiting_count < TR_NELEMS(waiting))
        waiting[waiting_count++] = request;
    else
        tr_request_reply(request, &(struct tr_reply){.code = TR_OK}, now);
}

static void answer_all(uint64_t now)
{
    for (unsigned i = 0; i < waiting_count; i++)
        tr_request_reply(waiting[i], &(struct tr_reply){.code = TR_UNAVAILABLE, .message = "x", .retry_delay_ns = 1}, now);
    waiting_count = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const struct tr_stream_user *user;
    uint64_t now = TR_S;
    size_t piece;

    if (!bytes)
        return 0;
    if (!http)
        http = fuzz_server(65536, complete);
    user = tr_http_stream_user(http);
    closed = false;
    late = data[0] & 0x80;
    piece = 1 + (data[0] & 0x3f) * 16u;
    http->now = 0;
    http->timeouts_at = 0;
    stream = (struct tr_stream){.ops = &ops, .user = user, .id = 1};
    tr_assert(user->opened(user->context, &stream, now) == 0);
    for (size_t at = 1; at < bytes && !closed; at += piece) {
        size_t part = TR_MIN(piece, bytes - at);
        uint8_t *copy = malloc(part);

        memcpy(copy, data + at, part);
        user->input(user->context, &stream, copy, part, now);
        free(copy);
        tr_http_poll(http, now += TR_MS);
        if (late && (data[0] & 0x40))
            answer_all(now);
    }
    if (!closed && bytes > 2 && (data[1] & 1))
        tr_http_poll(http, now += 2 * TR_S);
    user->closed(user->context, &stream, TR_CLOSE_PEER, now);
    answer_all(now);
    tr_assert(http->slab.used == 0 && http->pool_used == 0);
    return 0;
}
