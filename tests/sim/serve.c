// SPDX-License-Identifier: Apache-2.0
// The servers' end of connections: between a port's streams and HTTP, or the talkers.
#include "net.h"

static struct sim_link *link_of_stream(struct sim_net *net, const struct tr_stream *stream)
{
    for (uint32_t i = 0; i < SIM_LINKS; i++)
        if (net->links[i].stream == stream)
            return &net->links[i];
    return NULL;
}

static struct sim_end *end_of_stream(const struct tr_stream *stream)
{
    return stream->user->context;
}

static struct sim_link *link_here(const struct tr_stream *stream)
{
    struct sim_link *link = link_of_stream(end_of_stream(stream)->world->net, stream);

    tr_assert(link); // no call before opened() and after closed()
    return link;
}

// Success is told only when the body's last span is walked.
static void answer_note(struct sim_world *world, struct sim_link *link, const void *data, size_t bytes)
{
    size_t head, body;
    int status;

    bytes = sim_least(bytes, sizeof(link->answer) - 1 - link->answer_bytes);
    memcpy(link->answer + link->answer_bytes, data, bytes);
    link->answer_bytes += bytes;
    status = sim_response_parse(link->answer, link->answer_bytes, &head, &body);
    if (status == 200)
        sim_success_told(world, link->lcore, link->spans);
    if (status)
        link->answer_bytes = 0;
}

static size_t stream_send(struct tr_stream *stream, const void *data, size_t bytes)
{
    struct sim_link *link = link_here(stream);
    struct sim_end *end = end_of_stream(stream);
    uint64_t before = stream->bytes_out;
    size_t taken = link->ops->send(stream, data, bytes), went = (size_t)(stream->bytes_out - before);

    sim_link_send(link, &link->down, data, went);
    end->given += went;
    if (!link->talks)
        answer_note(end->world, link, data, went);
    return taken;
}

static void stream_pause(struct tr_stream *stream)
{
    struct sim_link *link = link_here(stream);

    link->server_paused = true;
    link->ops->pause(stream);
}

static void stream_resume(struct tr_stream *stream)
{
    struct sim_link *link = link_here(stream);

    link->server_paused = false;
    link->ops->resume(stream);
}

static void stream_close(struct tr_stream *stream)
{
    struct sim_link *link = link_here(stream);

    link->server_closing = true;
    link->ops->close(stream);
}

static void stream_abort(struct tr_stream *stream)
{
    struct sim_link *link = link_here(stream);

    link->server_aborted = true;
    link->ops->abort(stream);
}

static const struct tr_stream_ops ops = {
    .send = stream_send, .pause = stream_pause, .resume = stream_resume, .close = stream_close, .abort = stream_abort};

static const struct tr_stream_user *http_of(const struct sim_end *end)
{
    return tr_http_stream_user(end->world->lcores[end->number]->http);
}

static int server_opened(void *context, struct tr_stream *stream, uint64_t now)
{
    struct sim_end *end = context;
    struct sim_world *world = end->world;
    const struct tr_stream_user *http = http_of(end);
    struct tr_ip client_ip, server_ip;
    struct sim_link *link;
    int rc;

    memcpy(&client_ip, stream->peer.ip, 16);
    memcpy(&server_ip, stream->local.ip, 16);
    link = sim_link_find(world->net, &client_ip, stream->peer.port, &server_ip, stream->local.port);
    if (!link) {
        sim_fail(world, "lcore %u: a connection that nobody has opened", end->number);
        return -ECONNREFUSED;
    }
    if (link->was_open) {
        // A cookie knows no connection: a segment that comes late enough opens it again, as far as HTTP lets it.
        world->net->ghosts++;
        if (!tr_stack_tcp_counters(end->stack)->cookies_accepted)
            sim_fail(world, "connection %llu is opened again by lcore %u", (unsigned long long)link->number,
                     end->number);
        return -ECONNREFUSED;
    }
    link->was_open = true;
    link->lcore = end->number;
    link->stream = stream;
    link->ops = stream->ops;
    stream->ops = &ops;
    if (link->client)
        link->client->lcore = end->number;
    if (link->talks)
        return 0;
    rc = http->opened(http->context, stream, now);
    if (rc < 0)
        link->stream = NULL;
    return rc;
}

static void server_input(void *context, struct tr_stream *stream, const uint8_t *data, size_t bytes, uint64_t now)
{
    struct sim_end *end = context;
    struct sim_link *link = link_here(stream);

    if (link->server_paused || link->server_closing || link->server_aborted || link->server_eof)
        sim_fail(end->world, "connection %llu: input to a server that %s", (unsigned long long)link->number,
                 link->server_paused ? "has paused" : link->server_eof ? "has seen the end" : "has closed");
    end->taken += bytes;
    if (!sim_link_came(end->world, link, &link->up, data, bytes))
        return;
    if (link->talks)
        sim_talk_input(end->world, link, true);
    else
        http_of(end)->input(http_of(end)->context, stream, data, bytes, now);
}

static void server_eof(void *context, struct tr_stream *stream, uint64_t now)
{
    struct sim_end *end = context;
    struct sim_link *link = link_here(stream);

    if (link->server_eof || link->server_paused || link->up.received != link->up.sent || !link->closing)
        sim_fail(end->world, "connection %llu up: the end came after %llu of %llu bytes%s%s%s",
                 (unsigned long long)link->number, (unsigned long long)link->up.received,
                 (unsigned long long)link->up.sent, link->server_eof ? ", again" : "",
                 link->server_paused ? ", in a pause" : "", link->closing ? "" : ", nobody closed");
    link->server_eof = true;
    if (!link->talks)
        http_of(end)->eof(http_of(end)->context, stream, now);
}

static void server_writable(void *context, struct tr_stream *stream, uint64_t now)
{
    struct sim_end *end = context;
    struct sim_link *link = link_here(stream);

    link->server_blocked = false;
    if (!link->talks)
        http_of(end)->writable(http_of(end)->context, stream, now);
}

// What waits so long after the network healed waits for ever.
#define HEALED_NS (150 * TR_S)

static void server_end_holds(struct sim_world *world, const struct sim_link *link, enum tr_close_reason reason)
{
    const struct sim_end *host = &world->net->ends[SIM_LCORES_MAX + link->host];
    unsigned long long number = link->number;

    if (reason == TR_CLOSE_PEER && !link->server_eof && !link->server_closing)
        sim_fail(world, "connection %llu closed, its server heard of no end", number);
    if (reason == TR_CLOSE_RESET && link->conn && !link->silent && sim_end_has(host, link, true))
        sim_fail(world, "connection %llu was reset, its client has not done it", number);
    if (reason == TR_CLOSE_TIMEOUT && world->healed && world->now > world->healed_ns + HEALED_NS && !link->silent &&
        sim_link_is_busy(link))
        sim_fail(world, "connection %llu stood still: up %llu of %llu bytes, down %llu of %llu", number,
                 (unsigned long long)link->up.received, (unsigned long long)link->up.sent,
                 (unsigned long long)link->down.received, (unsigned long long)link->down.sent);
}

static void server_closed(void *context, struct tr_stream *stream, enum tr_close_reason reason, uint64_t now)
{
    struct sim_end *end = context;
    struct sim_link *link = link_here(stream);

    if (!end->gone)
        server_end_holds(end->world, link, reason);
    if (!link->talks)
        http_of(end)->closed(http_of(end)->context, stream, reason, now);
    link->stream = NULL;
    end->ended++;
}

static void server_aged(void *context, struct tr_stream *stream, uint64_t now)
{
    struct sim_end *end = context;

    if (link_here(stream)->talks)
        stream->ops->close(stream);
    else
        http_of(end)->aged(http_of(end)->context, stream, now);
}

const struct tr_stream_user *sim_link_stream_user(struct sim_end *lcore)
{
    static struct tr_stream_user users[SIM_LCORES_MAX];

    users[lcore->number] = (struct tr_stream_user){.context = lcore,
                                                   .opened = server_opened,
                                                   .input = server_input,
                                                   .eof = server_eof,
                                                   .writable = server_writable,
                                                   .closed = server_closed,
                                                   .aged = server_aged};
    return &users[lcore->number];
}
