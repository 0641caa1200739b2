// SPDX-License-Identifier: Apache-2.0
// Connections and their clients' end: what was sent is noted, what comes up is compared with it.
#include "net.h"

#include "base/hash.h"
#include "net/isn.h"

uint8_t sim_pattern(const struct sim_way *way, uint64_t offset)
{
    return (uint8_t)(tr_mix64(way->key + offset / 8) >> offset % 8 * 8);
}

static bool link_is(const struct sim_link *link, const struct tr_ip *client_ip, uint16_t client_port,
                    const struct tr_ip *server_ip, uint16_t server_port)
{
    return link->used && link->client_port == client_port && link->server_port == server_port &&
           tr_ip_equal(&link->client_ip, client_ip) && tr_ip_equal(&link->server_ip, server_ip);
}

struct sim_link *sim_link_find(struct sim_net *net, const struct tr_ip *client_ip, uint16_t client_port,
                             const struct tr_ip *server_ip, uint16_t server_port)
{
    struct sim_link *last = NULL;

    for (uint32_t i = 0; i < SIM_LINKS; i++) {
        struct sim_link *link = &net->links[i];

        if (link_is(link, client_ip, client_port, server_ip, server_port) && (!last || last->number < link->number))
            last = link;
    }
    return last;
}

struct sim_link *sim_link_of(struct sim_net *net, const struct sim_segment *s, bool *up)
{
    *up = s->to_port == SIM_HTTP_PORT || s->to_port == SIM_TALK_PORT;
    return *up ? sim_link_find(net, &s->from, s->from_port, &s->to, s->to_port)
               : sim_link_find(net, &s->to, s->to_port, &s->from, s->from_port);
}

void sim_link_free(struct sim_link *link)
{
    free(link->up.bytes);
    free(link->up.arrived);
    free(link->down.bytes);
    free(link->down.arrived);
    memset(link, 0, sizeof(*link));
}

// A place that was never used, else that of the one which ended first.
static struct sim_link *place(struct sim_net *net)
{
    struct sim_link *oldest = NULL;

    for (uint32_t i = 0; i < SIM_LINKS; i++) {
        struct sim_link *link = &net->links[i];

        if (!link->used)
            return link;
        if (!link->conn && !link->stream && (!oldest || link->ended_ns < oldest->ended_ns))
            oldest = link;
    }
    return oldest;
}

// Names are used again when nothing of an earlier connection is on its way any more (RFC 9293 3.4.3).
static uint16_t port_draw(struct sim_world *world, const struct tr_ip *client_ip, const struct tr_ip *server_ip,
                          uint16_t server_port)
{
    const struct sim_net_options *o = &world->net->options;
    uint16_t port = (uint16_t)(2000 + sim_draw(world, 4));
    const struct sim_link *before = sim_link_find(world->net, client_ip, port, server_ip, server_port);
    uint64_t life_ns = 2 * (o->delay_ns + o->jitter_ns) + 100 * TR_MS + 100 * world->options.step_ns;

    if (sim_draw(world, 3) || (before && (before->conn || world->now - before->ended_ns < life_ns)))
        return 0;
    return port;
}

// The port with which the sequence numbers of one of both ends pass 2^32 soonest, after *soonest bytes.
static uint16_t port_wrapping(struct sim_world *world, uint32_t host, const struct tr_ip *client_ip,
                              const struct tr_ip *server_ip, uint32_t *soonest)
{
    const struct sim_net *net = world->net;
    struct tr_tuple up = {*client_ip, *server_ip, 0, SIM_TALK_PORT}, down = {*server_ip, *client_ip, SIM_TALK_PORT, 0};
    uint8_t secret[2][16];
    uint16_t best = 0;

    *soonest = UINT32_MAX;
    sim_secret(&net->ends[SIM_LCORES_MAX + host], secret[0]);
    sim_secret(&net->ends[0], secret[1]);
    for (uint32_t port = 3000; port < 30000; port++) {
        uint32_t until;

        up.local_port = down.peer_port = (uint16_t)port;
        until = sim_least(-tr_isn(secret[0], &up, world->now),
                          -tr_isn(secret[1], &down, world->now + net->options.delay_ns));
        if (until > 2000 && until < *soonest) {
            *soonest = until;
            best = (uint16_t)port;
        }
    }
    return best;
}

struct sim_link *sim_link_open(struct sim_world *world, uint32_t host, bool talks)
{
    struct sim_net *net = world->net;
    struct sim_link *link = place(net);
    bool ipv6 = sim_draw(world, 2);
    struct tr_ip client_ip = sim_ip(1 + host, ipv6, (uint32_t)sim_draw(world, 2));
    struct tr_ip server_ip = sim_ip(0, ipv6, (uint32_t)sim_draw(world, 2));
    uint16_t server_port = talks ? SIM_TALK_PORT : SIM_HTTP_PORT;
    uint16_t port = port_draw(world, &client_ip, &server_ip, server_port);
    struct tr_conn *conn;
    uint32_t wraps = 0;

    if (talks && net->options.wraps && net->wrapped < 2) {
        port = port_wrapping(world, host, &client_ip, &server_ip, &wraps);
        net->wrapped++;
    }
    if (!link || tr_stack_connect(net->ends[SIM_LCORES_MAX + host].stack, &client_ip, port, &server_ip, server_port,
                                  link, world->now, &conn))
        return NULL;
    sim_link_free(link);
    *link = (struct sim_link){.used = true,
                              .talks = talks,
                              .number = ++net->links_made,
                              .opened_ns = world->now,
                              .client_ip = client_ip,
                              .server_ip = server_ip,
                              .client_port = conn->local_port,
                              .server_port = server_port,
                              .host = host,
                              .lcore = UINT32_MAX,
                              .conn = conn};
    link->up.key = sim_draw(world, UINT64_MAX);
    link->down.key = sim_draw(world, UINT64_MAX);
    if (talks) {
        link->up.left = wraps + sim_draw(world, net->options.talk_bytes);
        link->down.left = wraps + sim_draw(world, net->options.talk_bytes);
    }
    return link;
}

void sim_link_send(struct sim_link *link, struct sim_way *way, const void *data, size_t bytes)
{
    if (!link->talks) {
        if (way->sent + bytes > way->room) {
            way->room = 2 * (way->sent + bytes);
            way->bytes = realloc(way->bytes, way->room);
        }
        memcpy(way->bytes + way->sent, data, bytes);
    }
    way->sent += bytes;
}

bool sim_link_came(struct sim_world *world, struct sim_link *link, struct sim_way *way, const uint8_t *data,
                   size_t bytes)
{
    const char *dir = way == &link->up ? "up" : "down";

    if (way->received + bytes > way->sent)
        return sim_fail(world, "connection %llu %s: %zu bytes came at %llu, only %llu were sent",
                        (unsigned long long)link->number, dir, bytes, (unsigned long long)way->received,
                        (unsigned long long)way->sent);
    for (size_t i = 0; i < bytes; i++) {
        uint64_t at = way->received + i;

        if (data[i] != (link->talks ? sim_pattern(way, at) : way->bytes[at]))
            return sim_fail(world, "connection %llu %s: byte %llu came as %u", (unsigned long long)link->number, dir,
                            (unsigned long long)at, data[i]);
    }
    way->received += bytes;
    return true;
}

bool sim_end_has(const struct sim_end *end, const struct sim_link *link, bool client)
{
    struct tr_conn_row rows[64];
    size_t count = end->gone ? 0 : tr_stack_connections(end->stack, rows, TR_NELEMS(rows));

    for (size_t i = 0; i < count; i++) {
        const struct tr_conn *conn = rows[i].conn;

        if (conn->local_port == (client ? link->client_port : link->server_port) &&
            conn->peer_port == (client ? link->server_port : link->client_port) &&
            tr_ip_equal(&conn->local_ip, client ? &link->client_ip : &link->server_ip) &&
            tr_ip_equal(&conn->peer_ip, client ? &link->server_ip : &link->client_ip))
            return true;
    }
    return false;
}

static bool way_is_busy(const struct sim_way *way)
{
    return way->left || way->received < way->sent;
}

bool sim_link_is_busy(const struct sim_link *link)
{
    return way_is_busy(&link->up) || way_is_busy(&link->down);
}

uint64_t sim_way_in_order(struct sim_way *way)
{
    while (way->in_order < way->arrived_room && way->arrived[way->in_order])
        way->in_order++;
    return way->in_order;
}

// --- the client's end

static int client_opened(void *context, struct tr_conn *conn, uint64_t now)
{
    struct sim_end *end = context;
    struct sim_link *link = conn->user;
    const struct sim_segment *syn_ack = &end->world->net->syn_ack;

    if (link->opened)
        sim_fail(end->world, "connection %llu was opened twice", (unsigned long long)link->number);
    link->opened = true;
    link->down.isn = syn_ack->seq;
    link->down.known = true;
    link->down.scale = syn_ack->options.window_scale;
    if (!syn_ack->options.has_window_scale)
        link->up.scale = 0;
    if (link->client) {
        link->client->opening = false;
        link->client->state = SIM_IDLE;
    }
    return 0;
}

static void client_input(void *context, struct tr_conn *conn, const uint8_t *data, size_t bytes, uint64_t now)
{
    struct sim_end *end = context;
    struct sim_link *link = conn->user;
    struct sim_client *client = link->client;

    if (link->paused || link->closing || link->eof)
        sim_fail(end->world, "connection %llu: input to a client that %s", (unsigned long long)link->number,
                 link->paused ? "has paused" : link->closing ? "has closed" : "has seen the end");
    if (!sim_link_came(end->world, link, &link->down, data, bytes))
        return;
    if (client && client->response_bytes + bytes < sizeof(client->response)) {
        memcpy(client->response + client->response_bytes, data, bytes);
        client->response_bytes += bytes;
    } else if (client) {
        sim_fail(end->world, "an answer of more than %zu bytes", client->response_bytes + bytes);
    }
    if (link->talks)
        sim_talk_input(end->world, link, false);
}

// All that the server sent before its FIN is here.
static void client_eof(void *context, struct tr_conn *conn, uint64_t now)
{
    struct sim_end *end = context;
    struct sim_link *link = conn->user;

    if (link->eof || link->paused || link->down.received != link->down.sent || !link->down.fin)
        sim_fail(end->world, "connection %llu down: the end came after %llu of %llu bytes%s%s",
                 (unsigned long long)link->number, (unsigned long long)link->down.received,
                 (unsigned long long)link->down.sent, link->eof ? ", again" : "", link->paused ? ", in a pause" : "");
    link->eof = true;
}

static void client_writable(void *context, struct tr_conn *conn, uint64_t now)
{
    struct sim_end *end = context;
    struct sim_link *link = conn->user;

    if (!tr_conn_send_room(conn))
        sim_fail(end->world, "connection %llu is writable without room", (unsigned long long)link->number);
    link->blocked = false;
}

static void client_end_holds(struct sim_world *world, struct sim_link *link, enum tr_conn_end end)
{
    const struct sim_net *net = world->net;
    unsigned long long number = link->number;
    bool fresh = world->healed && link->opened_ns > world->healed_ns;

    if (end == TR_CONN_CLOSED && !link->closing && !link->eof)
        sim_fail(world, "connection %llu closed, its client heard of no end", number);
    if (end == TR_CONN_CLOSED && link->closing && sim_way_in_order(&link->up) != link->up.sent)
        sim_fail(world, "connection %llu closed, %llu of %llu bytes had come", number,
                 (unsigned long long)link->up.in_order, (unsigned long long)link->up.sent);
    // Text that overtakes the ACK of a cookie finds no connection.
    if (end == TR_CONN_RESET && link->stream && !tr_stack_tcp_counters(net->ends[link->lcore].stack)->cookies_sent &&
        sim_end_has(&net->ends[link->lcore], link, false))
        sim_fail(world, "connection %llu was reset, its server has not done it", number);
    if (fresh && end == TR_CONN_TIMEOUT)
        sim_fail(world, "connection %llu timed out though all is well", number);
}

static void client_closed(void *context, struct tr_conn *conn, enum tr_conn_end how, uint64_t now)
{
    struct sim_end *end = context;
    struct sim_link *link = conn->user;
    struct sim_client *client = link->client;

    if (link->conn != conn)
        sim_fail(end->world, "connection %llu ended twice", (unsigned long long)link->number);
    if (!end->muted && !end->gone)
        client_end_holds(end->world, link, how);
    link->conn = NULL;
    link->ended_ns = now;
    link->client = NULL;
    if (client) {
        sim_client_look(client);
        client->link = NULL;
        client->opening = client->breaks = false;
        sim_client_lost(client);
    }
}

struct tr_conn_user sim_link_conn_user(struct sim_end *host)
{
    return (struct tr_conn_user){host, client_opened, client_input, client_eof, client_writable, client_closed};
}

static void let_go(struct sim_link *link)
{
    struct sim_client *client = link->client;

    link->client = NULL;
    if (!client)
        return;
    client->link = NULL;
    client->opening = client->breaks = false;
    sim_client_lost(client);
}

void sim_link_vanish(struct sim_world *world, struct sim_link *link)
{
    link->silent = true;
    sim_link_abort(link);
}

void sim_link_abort(struct sim_link *link)
{
    let_go(link);
    link->aborted = true;
    tr_conn_abort(link->conn);
}

void sim_link_close(struct sim_link *link)
{
    let_go(link);
    link->closing = true;
    tr_conn_close(link->conn);
}
