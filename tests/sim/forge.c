// SPDX-License-Identifier: Apache-2.0
// Somebody who sees what goes over the wire (nearly all of it), and sends what neither end has. Nothing that comes
// of it may harm a connection (RFC 5961, RFC 7323 5.3).
#include "net.h"

#include <arpa/inet.h>

#include "../unit/net/build.h"

enum forgery { RST_AHEAD, SYN_AHEAD, ACK_OF_NOTHING, OLD_STAMP, FAR_AWAY, COOKIE_OF_ANOTHER, FORGERIES };

struct forged {
    uint32_t seq, ack;
    uint8_t flags;
    bool has_timestamp;
    uint32_t timestamp;
    uint32_t bytes;
    uint16_t client_port;
};

static void address(const struct tr_ip *ip, char text[INET6_ADDRSTRLEN])
{
    bool v4 = tr_ip_is_v4(ip);

    inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip->bytes + 12 : ip->bytes, text, INET6_ADDRSTRLEN);
}

static void forged_send(struct sim_world *world, const struct sim_link *link, bool up, const struct forged *f)
{
    struct sim_net *net = world->net;
    struct sim_end *lcore = &net->ends[link->lcore], *host = &net->ends[SIM_LCORES_MAX + link->host];
    struct sim_end *from = up ? host : lcore, *to = up ? lcore : host;
    bool ipv6 = !tr_ip_is_v4(&link->client_ip);
    uint16_t vlan = net->options.vlan;
    uint8_t options[40] = {0}, text[100];
    struct tr_tcp_options o = {.has_timestamp = f->has_timestamp, .timestamp = f->timestamp};
    size_t options_bytes = tr_tcp_options_format(&o, options);
    char client[INET6_ADDRSTRLEN], server[INET6_ADDRSTRLEN];
    struct built built = {0};

    address(&link->client_ip, client);
    address(&link->server_ip, server);
    memset(text, 0x5a, sizeof(text));
    build_ethernet(&built, to->mac, from->mac, vlan ? vlan : -1, ipv6 ? 0x86dd : 0x0800);
    if (ipv6)
        build_ip6(&built, up ? client : server, up ? server : client, 6, 64);
    else
        build_ip4(&built, up ? client : server, up ? server : client, 6);
    build_put16(&built, up ? f->client_port : link->server_port);
    build_put16(&built, up ? link->server_port : f->client_port);
    build_put32(&built, f->seq);
    build_put32(&built, f->ack);
    build_put16(&built, (uint16_t)((20 + options_bytes) / 4 << 12 | f->flags));
    build_put16(&built, 1000);
    build_put32(&built, 0);
    build_put(&built, options, options_bytes);
    build_put(&built, text, f->bytes);
    build_finish(&built);
    net->forged++;
    sim_seen_note(net, world->now, from->number, built.data, built.bytes, SIM_FORGED);
    sim_end_input(to, built.data, built.bytes, true);
}

static void forge(struct sim_world *world, struct sim_link *link, bool up, enum forgery what)
{
    struct sim_way *way = up ? &link->up : &link->down, *back = up ? &link->down : &link->up;
    uint32_t first = way->isn + 1, next = first + (uint32_t)way->received;
    uint32_t ack = back->isn + 1 + (uint32_t)back->in_order;
    uint32_t beyond = first + (uint32_t)way->sent + 2 + (uint32_t)sim_draw(world, 20000);
    // The stamp is that of the last segment, or much older.
    struct forged f = {next, ack, TR_TCP_ACK, way->timestamp != 0, way->timestamp, 1 + (uint32_t)sim_draw(world, 100),
                       link->client_port};

    switch (what) {
    case RST_AHEAD:
        f.seq = beyond;
        f.flags = TR_TCP_RST | TR_TCP_ACK;
        f.bytes = 0;
        break;
    case SYN_AHEAD:
        f.seq = beyond;
        f.flags = TR_TCP_SYN;
        f.bytes = 0;
        break;
    case ACK_OF_NOTHING:
        f.ack = back->isn + 1 + (uint32_t)back->sent + 1000 + (uint32_t)sim_draw(world, 1u << 30);
        break;
    case OLD_STAMP:
        if (!f.has_timestamp)
            return;
        f.timestamp -= 1u << 20;
        break;
    case FAR_AWAY:
        f.seq += 1u << 30;
        break;
    default: // from a port that has opened nothing, with what another was given
        if (!up || way->sent != way->received)
            return;
        f.seq = first;
        f.ack = back->isn + 1;
        f.client_port ^= 0x4000;
        f.bytes = 0;
        break;
    }
    forged_send(world, link, up, &f);
}

void sim_forge(struct sim_world *world)
{
    struct sim_net *net = world->net;
    struct sim_link *link = &net->links[sim_draw(world, SIM_LINKS)];

    // Most places are empty: look on.
    for (uint32_t i = 0; i < SIM_LINKS && !(link->used && link->conn && link->stream && link->opened); i++)
        link = &net->links[(link - net->links + 1) % SIM_LINKS];
    if (link->used && link->conn && link->stream && link->opened && !link->silent)
        forge(world, link, sim_draw(world, 2), (enum forgery)sim_draw(world, FORGERIES));
}
