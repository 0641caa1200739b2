// SPDX-License-Identifier: Apache-2.0
// receiver: the receiving end of a comparison. It takes OTLP over gRPC, keeps count of each trace's spans, and answers
// commands that come on its standard input, a line each, by a line of JSON:
//
//   counts                        what came so far
//   check all|sampled FILE        what came, held against tailgen's truth
//
// It ends with its standard input, so that it can't outlive who started it.
//
// One thread, epoll, nghttp2. A server that lives for minutes between programs of this machine: it bounds nothing.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "kept.h"

#define WINDOW_BYTES (16 << 20)

struct body {
    uint8_t *bytes;
    size_t count, room;
};

struct connection {
    int fd;
    nghttp2_session *session;
    const uint8_t *unsent;
    size_t unsent_bytes;
};

static struct kept kept;
static uint64_t malformed; // requests
static int epoll_fd;

// --- requests

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct body *body = calloc(1, sizeof(*body));

    return body && nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, body) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t bytes, void *user)
{
    struct body *body = nghttp2_session_get_stream_user_data(session, stream);

    if (!body)
        return 0;
    if (body->count + bytes > body->room) {
        body->room = TR_MAX(2 * body->room, body->count + bytes + 16384);
        body->bytes = realloc(body->bytes, body->room);
        tr_assert(body->bytes);
    }
    memcpy(body->bytes + body->count, data, bytes);
    body->count += bytes;
    return 0;
}

#define NV(name, value)                                                                                      \
    {(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1, sizeof(value) - 1,       \
     NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE}

// An empty response message, and the status behind it.
static ssize_t on_read(nghttp2_session *session, int32_t stream, uint8_t *to, size_t room, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    nghttp2_nv good = NV("grpc-status", "0"), bad = NV("grpc-status", "3");

    memset(to, 0, 5);
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(session, stream, source->fd ? &good : &bad, 1);
    return 5;
}

// The message of a body, inflated if it is compressed. Returns false: it is none.
static bool message_take(const struct body *body)
{
    static struct body plain;
    z_stream z = {.next_in = body->bytes + 5, .avail_in = (uInt)body->count - 5};
    int result = Z_OK;

    if (body->count < 5 || body->bytes[0] > 1)
        return false;
    if (!body->bytes[0])
        return kept_body(&kept, body->bytes + 5, body->count - 5);
    if (inflateInit2(&z, 31) != Z_OK)
        return false;
    while (result == Z_OK) {
        if (z.total_out == plain.room) {
            plain.room = 2 * plain.room + (4 << 20);
            plain.bytes = realloc(plain.bytes, plain.room);
            tr_assert(plain.bytes);
        }
        z.next_out = plain.bytes + z.total_out;
        z.avail_out = (uInt)(plain.room - z.total_out);
        result = inflate(&z, Z_NO_FLUSH);
    }
    inflateEnd(&z);
    return result == Z_STREAM_END && kept_body(&kept, plain.bytes, z.total_out);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    nghttp2_nv nv[] = {NV(":status", "200"), NV("content-type", "application/grpc")};
    nghttp2_data_provider provider = {.read_callback = on_read};
    struct body *body;

    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
        (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS))
        return 0;
    body = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!body)
        return 0;
    provider.source.fd = message_take(body);
    malformed += !provider.source.fd;
    nghttp2_submit_response(session, frame->hd.stream_id, nv, TR_NELEMS(nv), &provider);
    return 0;
}

static int on_closed(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    struct body *body = nghttp2_session_get_stream_user_data(session, stream);

    if (body)
        free(body->bytes);
    free(body);
    return 0;
}

// --- connections

static bool session_open(struct connection *connection)
{
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES},
                                               {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 10000}};
    nghttp2_session_callbacks *callbacks;

    if (nghttp2_session_callbacks_new(&callbacks))
        return false;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_closed);
    if (nghttp2_session_server_new(&connection->session, callbacks, connection))
        connection->session = NULL;
    nghttp2_session_callbacks_del(callbacks);
    return connection->session &&
           nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, TR_NELEMS(settings)) == 0 &&
           nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, WINDOW_BYTES) == 0;
}

static void connection_close(struct connection *connection)
{
    close(connection->fd);
    nghttp2_session_del(connection->session);
    free(connection);
}

static bool flush(struct connection *connection)
{
    for (;;) {
        ssize_t sent;

        if (!connection->unsent_bytes) {
            sent = nghttp2_session_mem_send(connection->session, &connection->unsent);
            if (sent <= 0)
                return sent == 0;
            connection->unsent_bytes = (size_t)sent;
        }
        sent = send(connection->fd, connection->unsent, connection->unsent_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR;
        connection->unsent += sent;
        connection->unsent_bytes -= (size_t)sent;
    }
}

// Returns false: the connection is over.
static bool serve(struct connection *connection)
{
    static uint8_t buffer[256 * 1024];
    struct epoll_event event = {.data.ptr = connection};
    ssize_t got = recv(connection->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        return false;
    if (got > 0 && nghttp2_session_mem_recv(connection->session, buffer, (size_t)got) < 0)
        return false;
    if (!flush(connection))
        return false;
    event.events = EPOLLIN | (connection->unsent_bytes ? EPOLLOUT : 0);
    return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, connection->fd, &event) == 0 &&
           (nghttp2_session_want_read(connection->session) || nghttp2_session_want_write(connection->session));
}

static void connection_open(int listener)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = connection};
    int one = 1;

    tr_assert(connection);
    connection->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (connection->fd < 0) {
        free(connection);
        return;
    }
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (!session_open(connection) || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0)
        connection_close(connection);
}

// --- commands

static void counts(void)
{
    printf("{\"spans\": %llu, \"traces\": %llu, \"requests\": %llu, \"bytes\": %llu, \"malformed\": %llu, "
           "\"spans_with_keys\": %llu, \"spans_with_event\": %llu}\n",
           (unsigned long long)kept.spans, (unsigned long long)kept.traces_count, (unsigned long long)kept.requests,
           (unsigned long long)kept.bytes, (unsigned long long)malformed, (unsigned long long)kept.spans_with_keys,
           (unsigned long long)kept.spans_with_event);
}

static void check(const char *file, bool sampled)
{
    struct kept_truth t;

    if (kept_check(&kept, file, sampled, &t) < 0) {
        printf("{\"error\": \"can't read the truth\"}\n");
        return;
    }
    printf("{\"sent_traces\": %llu, \"sent_spans\": %llu, \"expected_traces\": %llu, \"expected_spans\": %llu, "
           "\"missing\": %llu, \"superfluous\": %llu, \"partial\": %llu, \"unread\": %llu}\n",
           (unsigned long long)t.sent_traces, (unsigned long long)t.sent_spans, (unsigned long long)t.expected_traces,
           (unsigned long long)t.expected_spans, (unsigned long long)t.missing, (unsigned long long)t.superfluous,
           (unsigned long long)t.partial, (unsigned long long)t.unread);
}

// Returns false: the input is over.
static bool command(void)
{
    char line[4200], file[4096];

    if (!fgets(line, sizeof(line), stdin))
        return false;
    if (strcmp(line, "counts\n") == 0)
        counts();
    else if (sscanf(line, "check all %4095[^\n]", file) == 1)
        check(file, false);
    else if (sscanf(line, "check sampled %4095[^\n]", file) == 1)
        check(file, true);
    else
        printf("{\"error\": \"no such command\"}\n");
    fflush(stdout);
    return true;
}

static int listen_on(const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    return bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0 && listen(fd, 64) == 0 ? fd : -1;
}

int main(int argc, char **argv)
{
    struct epoll_event events[64], event = {.events = EPOLLIN};
    int listener = argc == 2 ? listen_on(argv[1]) : -1;
    bool running = true;

    if (listener < 0) {
        fprintf(stderr, "usage: receiver PORT: listens on 127.0.0.1 only%s%s\n", argc == 2 ? ": " : "",
                argc == 2 ? strerror(errno) : "");
        return 2;
    }
    kept_init(&kept);
    setvbuf(stdin, NULL, _IONBF, 0); // or lines would wait in a buffer that epoll can't see
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    event.data.ptr = &listener;
    tr_assert(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) == 0);
    event.data.ptr = stdin;
    tr_assert(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event) == 0);
    while (running) {
        int count = epoll_wait(epoll_fd, events, TR_NELEMS(events), -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &listener)
                connection_open(listener);
            else if (events[i].data.ptr == stdin)
                running = command();
            else if (!serve(events[i].data.ptr))
                connection_close(events[i].data.ptr);
        }
    }
    kept_fini(&kept);
    return 0;
}
