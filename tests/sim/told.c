// SPDX-License-Identifier: Apache-2.0
// What the ends tell each other on the wire: is it true?
#include "net.h"

#include "net/tcp_seq.h"

static bool is_there(const struct sim_way *way, uint32_t begin, uint32_t end)
{
    return begin < end && end <= way->arrived_room && !memchr(way->arrived + begin, 0, end - begin);
}

// What an end says of the bytes that it gets: no more than have come, and no window that shrinks (RFC 9293 3.8.6).
static void told_holds(struct sim_world *world, const struct sim_link *link, struct sim_way *way, uint8_t scale,
                       const struct sim_segment *s)
{
    uint32_t first = way->isn + 1, ack = s->ack - first, edge = s->ack + ((uint32_t)s->window << scale);
    const char *dir = way == &link->up ? "up" : "down";
    unsigned long long number = link->number;
    uint64_t most;

    most = sim_way_in_order(way);
    most += way->fin && most == way->sent;
    if ((int32_t)(ack - (uint32_t)most) > 0)
        sim_fail(world, "connection %llu %s: an ACK of %u bytes, %llu have come", number, dir, ack,
                 (unsigned long long)most);
    for (uint32_t i = 0; i < s->options.sack_count; i++)
        // A D-SACK may be of what was forged.
        if (!(world->net->forged && tr_seq_leq(s->options.sack[i].end, s->ack)) &&
            !is_there(way, s->options.sack[i].begin - first, s->options.sack[i].end - first))
            sim_fail(world, "connection %llu %s: bytes %u to %u are sacked, they have not come", number, dir,
                     s->options.sack[i].begin - first, s->options.sack[i].end - first);
    if (way->edge_known && (int32_t)(edge - way->edge) < 0)
        sim_fail(world, "connection %llu %s: the window has shrunk by %u bytes", number, dir, way->edge - edge);
    way->edge = edge;
    way->edge_known = true;
}

void sim_link_sends(struct sim_world *world, const struct sim_segment *s)
{
    bool up;
    struct sim_link *link = sim_link_of(world->net, s, &up);
    struct sim_way *way, *back;
    uint32_t offset;

    if (!link)
        return;
    way = up ? &link->up : &link->down;
    back = up ? &link->down : &link->up;
    if (up && s->flags & TR_TCP_SYN) {
        way->isn = s->seq;
        way->known = true;
        way->scale = s->options.window_scale;
    }
    if (s->flags & (TR_TCP_SYN | TR_TCP_RST) || !(up ? link->conn && link->opened : link->stream && link->opened))
        return;
    way->timestamp = s->options.timestamp;
    offset = s->seq - way->isn - 1;
    if (s->bytes && (offset > way->sent || offset + s->bytes > way->sent))
        sim_fail(world, "connection %llu %s: %u bytes go out at %u, %llu are there", (unsigned long long)link->number,
                 up ? "up" : "down", s->bytes, offset, (unsigned long long)way->sent);
    way->fin |= s->flags & TR_TCP_FIN;
    if (s->flags & TR_TCP_FIN && offset + s->bytes != way->sent)
        sim_fail(world, "connection %llu %s: FIN at %u, %llu bytes are there", (unsigned long long)link->number,
                 up ? "up" : "down", offset + s->bytes, (unsigned long long)way->sent);
    if (s->flags & TR_TCP_ACK && back->known)
        told_holds(world, link, back, way->scale, s);
}

void sim_link_takes(struct sim_world *world, const struct sim_segment *s)
{
    bool up;
    struct sim_link *link = sim_link_of(world->net, s, &up);
    struct sim_way *way;
    uint32_t offset;

    if (!link)
        return;
    way = up ? &link->up : &link->down;
    if (!up && (s->flags & (TR_TCP_SYN | TR_TCP_ACK)) == (TR_TCP_SYN | TR_TCP_ACK))
        world->net->syn_ack = *s;
    offset = s->seq - way->isn - 1;
    if (!s->bytes || !way->known || offset > way->sent || offset + s->bytes > way->sent)
        return;
    if (way->arrived_room < way->sent) {
        way->arrived = realloc(way->arrived, way->sent);
        memset(way->arrived + way->arrived_room, 0, way->sent - way->arrived_room);
        way->arrived_room = way->sent;
    }
    memset(way->arrived + offset, 1, s->bytes);
}
