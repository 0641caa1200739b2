// SPDX-License-Identifier: Apache-2.0
// A gRPC call's framing, cut anywhere: five bytes and a message, too few, too many, flagged, too long. What the server
// makes of it is what the rules below say, and the next call on the connection works.
//
// The input: a byte for grpc-encoding (0x80: gzip) and for how large DATA frames are, then what the frames hold.
#include "http_server.h"

#define BODY_MAX 1024
#define EXPORT   "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

static struct tr_http *http;
static struct tr_stream stream;
static nghttp2_session *client;
static uint8_t out[1 << 16], body[BODY_MAX];
static size_t out_bytes, body_bytes;
static unsigned completed;
static enum tr_encoding encoding;

struct call {
    const uint8_t *data;
    size_t left, piece;
    int status;
    bool closed;
};

static size_t stream_send(struct tr_stream *s, const void *data, size_t bytes)
{
    tr_assert(out_bytes + bytes <= sizeof(out));
    memcpy(out + out_bytes, data, bytes);
    out_bytes += bytes;
    return bytes;
}

static void stream_end(struct tr_stream *s)
{
    tr_assert(!"bad framing is the call's affair, not the connection's");
}

static const struct tr_stream_ops ops = {
    .send = stream_send, .pause = stream_ignore, .resume = stream_ignore, .close = stream_end, .abort = stream_end};

static void complete(void *context, struct tr_request *request, uint64_t now)
{
    completed++;
    encoding = request->encoding;
    body_bytes = 0;
    for (const struct tr_piece *piece = request->pieces; piece; piece = piece->next) {
        tr_assert(body_bytes + piece->bytes <= sizeof(body));
        memcpy(body + body_bytes, piece->data, piece->bytes);
        body_bytes += piece->bytes;
    }
    tr_request_reply(request, &(struct tr_reply){.code = TR_OK}, now);
}

static ssize_t data_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    struct call *call = source->ptr;
    size_t bytes = TR_MIN(TR_MIN(room, call->piece), call->left);

    memcpy(to, call->data, bytes);
    call->data += bytes;
    call->left -= bytes;
    *flags |= call->left ? NGHTTP2_DATA_FLAG_NONE : NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)bytes;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_bytes,
                     const uint8_t *value, size_t value_bytes, uint8_t flags, void *user)
{
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    if (call && strcmp((const char *)name, "grpc-status") == 0)
        call->status = atoi((const char *)value);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct call *call = nghttp2_session_get_stream_user_data(session, id);

    tr_assert(code == NGHTTP2_NO_ERROR);
    call->closed = true;
    return 0;
}

// Let both talk until neither has anything to say.
static void exchange(void)
{
    const uint8_t *data;
    ssize_t bytes;

    do {
        size_t got = out_bytes;

        bytes = nghttp2_session_mem_send(client, &data);
        if (bytes > 0)
            stream.user->input(stream.user->context, &stream, data, (size_t)bytes, TR_S);
        tr_http_poll(http, TR_S);
        got = out_bytes;
        tr_assert(nghttp2_session_mem_recv(client, out, got) == (ssize_t)got);
        out_bytes = 0;
        if (got)
            bytes = 1;
    } while (bytes > 0);
}

static struct call call_make(const uint8_t *data, size_t bytes, size_t piece, bool gzip)
{
#define NV(name, value) {(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value), 0}
    nghttp2_nv nv[] = {NV(":method", "POST"),  NV(":scheme", "http"), NV(":path", EXPORT),
                       NV(":authority", "x"),  NV("te", "trailers"),  NV("content-type", "application/grpc"),
                       NV("grpc-encoding", "gzip")};
    struct call call = {.data = data, .left = bytes, .piece = piece, .status = -1};
    nghttp2_data_provider provider = {.source.ptr = &call, .read_callback = data_read};

    tr_assert(nghttp2_submit_request(client, NULL, nv, gzip ? 7 : 6, &provider, &call) > 0);
    exchange();
    tr_assert(call.closed);
    return call;
}

// What gRPC says: the status, and the message where it is 0.
static int judge(const uint8_t *data, size_t bytes, bool gzip)
{
    uint32_t message;

    if (bytes < 5)
        return TR_INTERNAL;
    message = (uint32_t)data[1] << 24 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 8 | data[4];
    if (data[0] > 1 || (data[0] == 1 && !gzip))
        return TR_INTERNAL;
    if (message > BODY_MAX)
        return TR_RESOURCE_EXHAUSTED;
    return bytes - 5 == message ? TR_OK : TR_INTERNAL;
}

static void open_both(void)
{
    nghttp2_session_callbacks *callbacks;

    if (!http)
        http = fuzz_server(BODY_MAX, complete);
    stream = (struct tr_stream){.ops = &ops, .user = tr_http_stream_user(http), .id = 1};
    tr_assert(stream.user->opened(stream.user->context, &stream, TR_S) == 0);
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_client_new(&client, callbacks, NULL);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(client, 0, NULL, 0);
    completed = 0;
    out_bytes = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const uint8_t good[] = {0, 0, 0, 0, 3, 'a', 'b', 'c'};
    bool gzip;
    int status;

    if (!bytes || bytes > 60000)
        return 0;
    gzip = data[0] & 0x80;
    status = judge(data + 1, bytes - 1, gzip);
    open_both();
    tr_assert(call_make(data + 1, bytes - 1, 1 + (data[0] & 0x7f), gzip).status == status);
    tr_assert(completed == (status == TR_OK));
    if (status == TR_OK) {
        tr_assert(body_bytes == bytes - 6 && memcmp(body, data + 6, body_bytes) == 0);
        tr_assert(encoding == (data[1] ? TR_ENCODING_GZIP : TR_ENCODING_IDENTITY));
    }
    tr_assert(call_make(good, sizeof(good), sizeof(good), false).status == TR_OK && body_bytes == 3);
    nghttp2_session_del(client);
    stream.user->closed(stream.user->context, &stream, TR_CLOSE_PEER, TR_S);
    tr_assert(http->slab.used == 0 && http->pool_used == 0);
    return 0;
}
