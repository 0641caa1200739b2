// SPDX-License-Identifier: Apache-2.0
#include "control/server.h"

#include <microhttpd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

// Of a connection, for headers and what is read at once.
#define CONNECTION_MEMORY_BYTES (32 * 1024)

struct tr_server {
    struct tr_server_options options;
    struct MHD_Daemon *daemon;
};

// A request whose body is still coming.
struct pending {
    char *body;
    size_t bytes, room;
};

const char *tr_call_query(const struct tr_call *call, const char *key)
{
    return MHD_lookup_connection_value(call->connection, MHD_GET_ARGUMENT_KIND, key);
}

const char *tr_call_header(const struct tr_call *call, const char *name)
{
    return MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND, name);
}

int tr_call_peer(const struct tr_call *call, struct ucred *peer)
{
    const union MHD_ConnectionInfo *info;
    socklen_t bytes = sizeof(*peer);

    info = MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!info)
        return -ENOTCONN;
    return getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, peer, &bytes) ? -errno : 0;
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct tr_response *answer)
{
    struct MHD_Response *response;
    enum MHD_Result result;

    response =
        MHD_create_response_from_buffer(answer->body ? answer->bytes : 0, answer->body ? answer->body : "",
                                        answer->body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!response) {
        free(answer->body);
        return MHD_NO;
    }
    if (answer->content_type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    if (answer->allow)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, answer->allow);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Content-Security-Policy",
                            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
    result = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse_large(struct MHD_Connection *connection, size_t body_bytes_max)
{
    struct tr_response answer = {.status = MHD_HTTP_CONTENT_TOO_LARGE, .content_type = "application/json"};
    int n = asprintf(&answer.body, "{\"error\": \"the body is longer than %zu bytes\"}\n", body_bytes_max);

    if (n < 0)
        return MHD_NO;
    answer.bytes = (size_t)n;
    return send_answer(connection, &answer);
}

static enum MHD_Result begin(struct tr_server *server, struct MHD_Connection *connection, void **slot)
{
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    size_t body_bytes_max = server->options.body_bytes_max;

    if (length && strtoull(length, NULL, 10) > body_bytes_max)
        return refuse_large(connection, body_bytes_max);
    *slot = calloc(1, sizeof(struct pending));
    return *slot ? MHD_YES : MHD_NO;
}

// Grows with what really came: a length that a client only claims reserves nothing.
static enum MHD_Result take(struct tr_server *server, struct pending *pending, const char *data, size_t bytes)
{
    if (bytes > server->options.body_bytes_max - pending->bytes)
        return MHD_NO;
    if (pending->bytes + bytes + 1 > pending->room) {
        size_t room = TR_MAX(pending->room * 2, pending->bytes + bytes + 1);
        char *body = realloc(pending->body, room);

        if (!body)
            return MHD_NO;
        pending->body = body;
        pending->room = room;
    }
    memcpy(pending->body + pending->bytes, data, bytes);
    pending->bytes += bytes;
    pending->body[pending->bytes] = '\0';
    return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *bytes,
                                  void **slot)
{
    struct tr_response answer = {.status = MHD_HTTP_INTERNAL_SERVER_ERROR};
    struct tr_server *server = context;
    struct pending *pending = *slot;
    struct tr_call call;
    char none[1] = "";
    size_t taken;

    (void)version;
    if (!pending)
        return begin(server, connection, slot);
    if (*bytes) {
        taken = *bytes;
        *bytes = 0;
        return take(server, pending, data, taken);
    }
    call = (struct tr_call){.method = method,
                            .path = url,
                            .body = pending->body ? pending->body : none,
                            .body_bytes = pending->bytes,
                            .connection = connection};
    server->options.handle(server->options.context, &call, &answer);
    return send_answer(connection, &answer);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode why)
{
    struct pending *pending = *slot;

    if (pending)
        free(pending->body);
    free(pending);
    *slot = NULL;
}

static void tr_printf(2, 0) on_log(void *context, const char *format, va_list args)
{
    struct tr_server *server = context;
    char text[256];

    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\r\n")] = '\0';
    tr_log(TR_LOG_DEBUG, "control.http", "server=%s text=\"%s\"", server->options.name, text);
}

int tr_server_start(struct tr_server **made, const struct tr_server_options *options, struct tr_error *error)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG;
    struct tr_server *server = calloc(1, sizeof(*server));

    // Threads for connections wait by poll(), MHD knows no epoll there.
    flags |= options->threads ? MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL : MHD_USE_AUTO;
    if (!server) {
        close(options->fd);
        return tr_error_set(error, ENOMEM, "%s: no memory", options->name);
    }
    server->options = *options;
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, on_log, server,
        MHD_OPTION_LISTEN_SOCKET, options->fd, MHD_OPTION_CONNECTION_LIMIT, options->connections_max,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->connections_peer_max, MHD_OPTION_CONNECTION_TIMEOUT,
        options->timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    if (!server->daemon) {
        close(options->fd);
        free(server);
        return tr_error_set(error, EIO, "%s: the HTTP server does not start", options->name);
    }
    *made = server;
    return 0;
}

void tr_server_stop(struct tr_server *server)
{
    if (!server)
        return;
    MHD_stop_daemon(server->daemon);
    free(server);
}
