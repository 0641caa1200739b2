// SPDX-License-Identifier: Apache-2.0
#include "client.h"

#include <nghttp2/nghttp2.h>

#include "base/pb.h"

struct call {
    struct client *client;
    uint64_t tag;
    uint8_t *body;
    size_t bytes, sent, room;
    bool used;
    struct client_answer answer;
    uint8_t reply[1024];
    size_t reply_bytes;
    int http_status;
};

struct client {
    struct client_options options;
    client_output_fn *output;
    client_room_fn *room;
    void *wire;
    bool broken;
    uint32_t in_flight;
    struct call *calls;
    nghttp2_session *session;
    const uint8_t *unsent;
    size_t unsent_bytes;
    // HTTP/1.1
    uint8_t *out;
    size_t out_bytes, out_sent, out_room;
    char in[16384];
    size_t in_bytes;
};

static void partial_success(struct call *call, const uint8_t *p, size_t bytes)
{
    struct tr_pb_field field, part;

    for (const uint8_t *end = p + bytes; p && p < end;) {
        p = tr_pb_field(p, end, &field);
        if (!p || field.number != 1 || field.wire != TR_PB_BYTES)
            continue;
        for (const uint8_t *q = field.bytes; q && q < field.bytes + field.value;) {
            q = tr_pb_field(q, field.bytes + field.value, &part);
            if (q && part.number == 1 && part.wire == TR_PB_VARINT)
                call->answer.rejected = part.value;
        }
    }
}

static void finish(struct call *call)
{
    call->used = false;
    call->client->in_flight--;
    call->client->options.answered(call->client->options.context, call->tag, &call->answer);
}

static struct call *call_take(struct client *client)
{
    for (uint32_t i = 0; i < client->options.streams; i++)
        if (!client->calls[i].used)
            return &client->calls[i];
    return NULL;
}

// --- HTTP/2

static int h2_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_bytes,
                     const uint8_t *value, size_t value_bytes, uint8_t flags, void *user)
{
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    if (call && name_bytes == 11 && memcmp(name, "grpc-status", 11) == 0)
        call->answer.code = atoi((const char *)value);
    // RetryInfo is not taken apart: a second is what servers of this kind ask for.
    if (call && name_bytes == 23 && memcmp(name, "grpc-status-details-bin", 23) == 0)
        call->answer.retry_ns = TR_S;
    return 0;
}

static int h2_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t bytes, void *user)
{
    struct call *call = nghttp2_session_get_stream_user_data(session, stream);

    if (call && call->reply_bytes + bytes <= sizeof(call->reply)) {
        memcpy(call->reply + call->reply_bytes, data, bytes);
        call->reply_bytes += bytes;
    }
    return 0;
}

static int h2_closed(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    struct call *call = nghttp2_session_get_stream_user_data(session, stream);

    if (!call)
        return 0;
    nghttp2_session_set_stream_user_data(session, stream, NULL);
    if (call->reply_bytes > 5)
        partial_success(call, call->reply + 5, call->reply_bytes - 5);
    finish(call);
    return 0;
}

static ssize_t h2_read(nghttp2_session *session, int32_t stream, uint8_t *to, size_t room, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    struct client *client = user;
    struct call *call = source->ptr;
    size_t bytes = TR_MIN(room, call->bytes - call->sent);

    if (client->room)
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    else
        memcpy(to, call->body + call->sent, bytes);
    call->sent += bytes;
    if (call->sent == call->bytes)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)bytes;
}

// A DATA frame of what was read last.
static int h2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t bytes,
                        nghttp2_data_source *source, void *user)
{
    struct client *client = user;
    struct call *call = source->ptr;

    if (client->room(client->wire) < 9 + bytes)
        return NGHTTP2_ERR_WOULDBLOCK;
    if (client->output(client->wire, head, 9) != 9 ||
        client->output(client->wire, call->body + call->sent - bytes, bytes) != (ssize_t)bytes)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static bool h2_open(struct client *client)
{
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}};
    nghttp2_session_callbacks *callbacks;

    if (nghttp2_session_callbacks_new(&callbacks))
        return false;
    nghttp2_session_callbacks_set_on_header_callback(callbacks, h2_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, h2_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, h2_closed);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, h2_send_data);
    if (nghttp2_session_client_new(&client->session, callbacks, client))
        client->session = NULL;
    nghttp2_session_callbacks_del(callbacks);
    return client->session && nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, settings, 1) == 0;
}

#define NV(name, value)                                                                                      \
    {(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1, sizeof(value) - 1,       \
     NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE}

static void h2_send(struct client *client, struct call *call)
{
    nghttp2_data_provider provider = {.source.ptr = call, .read_callback = h2_read};
    nghttp2_nv nv[] = {NV(":method", "POST"),
                       NV(":scheme", "http"),
                       NV(":path", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
                       NV(":authority", "tailrace"),
                       NV("content-type", "application/grpc"),
                       NV("te", "trailers"),
                       NV("user-agent", "tailgen"),
                       NV("grpc-encoding", "gzip")};
    nghttp2_nv zstd = NV("grpc-encoding", "zstd");
    size_t count = TR_NELEMS(nv) - (client->options.compression == CLIENT_NONE);

    if (client->options.compression == CLIENT_ZSTD)
        nv[TR_NELEMS(nv) - 1] = zstd;
    call->answer.code = 2;
    if (nghttp2_submit_request(client->session, NULL, nv, count, &provider, call) < 0) {
        call->answer.code = -1;
        finish(call);
    }
}

static void h2_flush(struct client *client)
{
    while (!client->broken) {
        ssize_t sent;

        if (!client->unsent_bytes) {
            ssize_t bytes = nghttp2_session_mem_send(client->session, &client->unsent);

            client->broken = bytes < 0;
            if (bytes <= 0)
                return;
            client->unsent_bytes = (size_t)bytes;
        }
        sent = client->output(client->wire, client->unsent, client->unsent_bytes);
        client->broken = sent < 0;
        if (sent <= 0)
            return;
        client->unsent += sent;
        client->unsent_bytes -= (size_t)sent;
    }
}

// --- HTTP/1.1: one request at a time

static void h1_send(struct client *client, struct call *call)
{
    static const char *const encodings[] = {"", "Content-Encoding: gzip\r\n", "Content-Encoding: zstd\r\n"};
    char head[320];
    int n = snprintf(head, sizeof(head),
                     "POST /v1/traces HTTP/1.1\r\nHost: tailrace\r\nContent-Type: application/%s\r\n%sContent-Length: "
                     "%zu\r\n\r\n",
                     client->options.protocol == CLIENT_JSON ? "json" : "x-protobuf",
                     encodings[client->options.compression], call->bytes);

    if (client->out_room < (size_t)n + call->bytes) {
        client->out_room = (size_t)n + call->bytes;
        client->out = realloc(client->out, client->out_room);
        tr_assert(client->out);
    }
    memcpy(client->out, head, (size_t)n);
    memcpy(client->out + n, call->body, call->bytes);
    client->out_bytes = (size_t)n + call->bytes;
    client->out_sent = 0;
}

static void h1_flush(struct client *client)
{
    while (client->out_sent < client->out_bytes) {
        ssize_t sent = client->output(client->wire, client->out + client->out_sent, client->out_bytes - client->out_sent);

        client->broken = sent < 0;
        if (sent <= 0)
            return;
        client->out_sent += (size_t)sent;
    }
}

static int code_of(int status)
{
    switch (status) {
    case 200:
        return 0;
    case 400:
        return 3;
    case 413:
        return 8;
    case 429:
    case 502:
    case 503:
    case 504:
        return 14;
    default:
        return 2;
    }
}

static void h1_input(struct client *client)
{
    struct call *call = &client->calls[0];

    while (client->in_bytes && call->used) {
        char *end = memmem(client->in, client->in_bytes, "\r\n\r\n", 4), *length, *retry;
        size_t head, body = 0, whole;

        if (!end)
            return;
        *end = '\0';
        head = (size_t)(end + 4 - client->in);
        length = strcasestr(client->in, "content-length:");
        retry = strcasestr(client->in, "retry-after:");
        if (length)
            body = strtoul(length + 15, NULL, 10);
        whole = head + body;
        *end = '\r';
        if (client->in_bytes < whole)
            return;
        call->answer.code = code_of(atoi(client->in + 9));
        call->answer.retry_ns = retry ? strtoul(retry + 12, NULL, 10) * TR_S : 0;
        if (client->options.protocol == CLIENT_HTTP && call->answer.code == 0)
            partial_success(call, (uint8_t *)client->in + head, body);
        memmove(client->in, client->in + whole, client->in_bytes - whole);
        client->in_bytes -= whole;
        finish(call);
    }
}

// --- both

struct client *client_open(const struct client_options *options, client_output_fn *output, client_room_fn *room,
                           void *wire)
{
    struct client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->options = *options;
    client->output = output;
    client->room = room;
    client->wire = wire;
    if (options->protocol != CLIENT_GRPC)
        client->options.streams = 1;
    client->calls = calloc(client->options.streams, sizeof(*client->calls));
    if (!client->calls || (options->protocol == CLIENT_GRPC && !h2_open(client))) {
        client_close(client);
        return NULL;
    }
    for (uint32_t i = 0; i < client->options.streams; i++)
        client->calls[i].client = client;
    return client;
}

static void all_failed(struct client *client)
{
    for (uint32_t i = 0; client->calls && i < client->options.streams; i++) {
        if (!client->calls[i].used)
            continue;
        client->calls[i].answer = (struct client_answer){.code = -1};
        finish(&client->calls[i]);
    }
}

void client_close(struct client *client)
{
    all_failed(client);
    for (uint32_t i = 0; client->calls && i < client->options.streams; i++)
        free(client->calls[i].body);
    if (client->session)
        nghttp2_session_del(client->session);
    free(client->calls);
    free(client->out);
    free(client);
}

bool client_ready(const struct client *client)
{
    return !client->broken && client->in_flight < client->options.streams;
}

uint32_t client_in_flight(const struct client *client)
{
    return client->in_flight;
}

static size_t prefix_bytes(const struct client *client)
{
    return client->options.protocol == CLIENT_GRPC ? 5 : 0;
}

uint8_t *client_body(struct client *client, size_t bytes)
{
    struct call *call = call_take(client);
    size_t prefix = prefix_bytes(client);

    if (call->room < prefix + bytes) {
        call->room = prefix + bytes;
        call->body = realloc(call->body, call->room);
        tr_assert(call->body);
    }
    return call->body + prefix;
}

void client_send(struct client *client, uint64_t tag, size_t bytes)
{
    struct call *call = call_take(client);
    size_t prefix = prefix_bytes(client);

    if (prefix) {
        call->body[0] = client->options.compression != CLIENT_NONE;
        for (int i = 0; i < 4; i++)
            call->body[1 + i] = (uint8_t)(bytes >> (24 - 8 * i));
    }
    call->bytes = prefix + bytes;
    call->sent = call->reply_bytes = 0;
    call->tag = tag;
    call->used = true;
    memset(&call->answer, 0, sizeof(call->answer));
    client->in_flight++;
    (client->session ? h2_send : h1_send)(client, call);
}

static void h1_take(struct client *client, const uint8_t *data, size_t bytes)
{
    if (bytes > sizeof(client->in) - client->in_bytes) {
        client->broken = true;
        return;
    }
    memcpy(client->in + client->in_bytes, data, bytes);
    client->in_bytes += bytes;
    h1_input(client);
}

void client_input(struct client *client, const uint8_t *data, size_t bytes)
{
    if (client->broken)
        return;
    if (!bytes)
        client->broken = true;
    else if (!client->session)
        h1_take(client, data, bytes);
    else if (nghttp2_session_mem_recv(client->session, data, bytes) < 0)
        client->broken = true;
}

void client_flush(struct client *client)
{
    if (client->broken)
        return;
    (client->session ? h2_flush : h1_flush)(client);
    if (client->session && !nghttp2_session_want_read(client->session) && !nghttp2_session_want_write(client->session))
        client->broken = true;
}

bool client_broken(const struct client *client)
{
    return client->broken;
}

bool client_wants_write(const struct client *client)
{
    return client->unsent_bytes || client->out_sent < client->out_bytes ||
           (client->session && nghttp2_session_want_write(client->session));
}
