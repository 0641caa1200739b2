// SPDX-License-Identifier: Apache-2.0
// A port without a network: HTTP/1.1 over streams whose bytes come in drawn pieces, whose send buffer is short,
// and which break.
#include "world.h"

static struct sim_client *client_of(struct tr_stream *stream)
{
    return stream->port_data;
}

static size_t stream_send(struct tr_stream *stream, const void *data, size_t bytes)
{
    struct sim_client *client = client_of(stream);
    size_t head, body;
    size_t room = sizeof(client->response) - 1 - client->response_bytes;
    size_t taken = sim_least(sim_least(bytes, room), 1 + sim_draw(client->world, 600));

    memcpy(client->response + client->response_bytes, data, taken);
    client->response_bytes += taken;
    client->blocked = taken < bytes;
    if (sim_response_parse(client->response, client->response_bytes, &head, &body) == 200)
        sim_success_told(client->world, client->lcore, client->count);
    return taken;
}

static void stream_pause(struct tr_stream *stream)
{
    client_of(stream)->paused = true;
}

static void stream_resume(struct tr_stream *stream)
{
    client_of(stream)->paused = false;
}

static void stream_close(struct tr_stream *stream)
{
    client_of(stream)->server_closes = true;
}

static void stream_abort(struct tr_stream *stream)
{
    client_of(stream)->server_ends = true;
}

static const struct tr_stream_ops ops = {.send = stream_send,
                                         .pause = stream_pause,
                                         .resume = stream_resume,
                                         .close = stream_close,
                                         .abort = stream_abort};

static void stream_open(struct sim_client *client, uint64_t now)
{
    struct sim_world *world = client->world;
    const struct tr_stream_user *user = tr_http_stream_user(world->lcores[client->lcore]->http);

    client->opening = client->paused = client->blocked = client->server_closes = client->server_ends =
        client->breaks = false;
    client->response_bytes = client->request_bytes = client->ready = client->given = 0;
    client->stream = (struct tr_stream){.ops = &ops,
                                        .user = user,
                                        .port_data = client,
                                        .peer = {.ip = {[15] = 1}, .port = 1234},
                                        .id = ++world->streams,
                                        .opened_ns = now};
    client->state = user->opened(user->context, &client->stream, now) < 0 ? SIM_CLOSED : SIM_IDLE;
}

static void stream_gone(struct sim_client *client, enum tr_close_reason reason, uint64_t now)
{
    const struct tr_stream_user *user = client->stream.user;

    sim_client_lost(client);
    client->breaks = client->server_closes = client->server_ends = false;
    user->closed(user->context, &client->stream, reason, now);
}

// Bytes are borrowed for the call: they come in memory that is gone after it.
static void stream_input(struct sim_client *client, uint64_t now)
{
    const struct tr_stream_user *user = client->stream.user;
    size_t bytes = sim_least(client->ready - client->given, 1 + sim_draw(client->world, 2000));
    uint8_t *copy = malloc(bytes);

    memcpy(copy, client->request + client->given, bytes);
    client->given += bytes;
    user->input(user->context, &client->stream, copy, bytes, now);
    memset(copy, 0xee, bytes);
    free(copy);
}

static size_t client_poll(struct sim_client *client, uint64_t now)
{
    size_t work = 0;

    if (client->state == SIM_CLOSED) {
        if (client->opening)
            stream_open(client, now);
        return client->state != SIM_CLOSED;
    }
    if (client->breaks) {
        stream_gone(client, TR_CLOSE_RESET, now);
        return 1;
    }
    if (!client->paused && !client->server_closes && !client->server_ends && client->given < client->ready &&
        client->state == SIM_SENDING) {
        stream_input(client, now);
        work++;
    }
    if (client->response_bytes)
        sim_client_look(client);
    if (client->blocked && !client->server_ends) {
        client->blocked = false;
        client->stream.user->writable(client->stream.user->context, &client->stream, now);
        work++;
    }
    if (client->server_ends || (client->server_closes && !client->blocked)) {
        sim_client_look(client);
        stream_gone(client, client->server_ends ? TR_CLOSE_ABORTED : TR_CLOSE_LOCAL, now);
        work++;
    }
    return work;
}

struct port {
    struct sim_world *world;
    uint32_t lcore;
};
static struct port ports[SIM_LCORES_MAX];

static size_t port_poll(void *context, uint64_t now, size_t budget)
{
    struct port *port = context;
    size_t work = 0;

    for (uint32_t i = 0; i < port->world->options.clients; i++)
        if (port->world->clients[i].lcore == port->lcore)
            work += client_poll(&port->world->clients[i], now);
    return work;
}

static uint64_t port_deadline(const void *context)
{
    return TR_NEVER;
}

struct tr_lcore_port sim_direct_port(struct sim_world *world, uint32_t lcore)
{
    ports[lcore] = (struct port){world, lcore};
    return (struct tr_lcore_port){&ports[lcore], port_poll, port_deadline};
}

// What would make a socket ready.
bool sim_direct_has_input(const struct sim_world *world, uint32_t lcore)
{
    for (uint32_t i = 0; i < world->options.clients; i++) {
        const struct sim_client *client = &world->clients[i];

        if (client->lcore != lcore)
            continue;
        if (client->state == SIM_CLOSED ? client->opening
                                        : client->breaks || client->blocked || client->server_closes ||
                                              client->server_ends || client->response_bytes ||
                                              (client->state == SIM_SENDING && !client->paused &&
                                               !client->server_closes && client->given < client->ready))
            return true;
    }
    return false;
}
