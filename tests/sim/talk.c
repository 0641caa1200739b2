// SPDX-License-Identifier: Apache-2.0
// Talkers: a pattern both ways at once, as much as the buffers take, with pauses at either end. A third of them are
// closed by the client when it has sent all, a third by the server, a third when both have everything.
#include "net.h"

enum closer { CLOSED_BY_CLIENT, CLOSED_BY_SERVER, CLOSED_LAST };

static enum closer closer_of(const struct sim_link *link)
{
    return (enum closer)(link->number % 3);
}

bool sim_talk_send(struct sim_world *world, struct sim_link *link, bool up)
{
    struct sim_way *way = up ? &link->up : &link->down;
    bool *blocked = up ? &link->blocked : &link->server_blocked, moved = false;
    uint8_t data[4096];

    while (way->left && !*blocked) {
        size_t bytes = sim_least(way->left, 1 + sim_draw(world, sizeof(data))), taken;

        for (size_t i = 0; i < bytes; i++)
            data[i] = sim_pattern(way, way->sent + i);
        if (up) {
            taken = tr_conn_send(link->conn, data, bytes);
            sim_link_send(link, way, data, taken);
        } else {
            taken = link->stream->ops->send(link->stream, data, bytes);
        }
        way->left -= taken;
        *blocked = taken < bytes;
        moved = true;
    }
    return moved;
}

void sim_talk_input(struct sim_world *world, struct sim_link *link, bool up)
{
    bool breaks = world->options.flaky && !world->healed && sim_draw(world, 500) == 0;

    if (breaks && up) {
        link->stream->ops->abort(link->stream);
    } else if (breaks) {
        sim_link_abort(link);
    } else if (sim_draw(world, 30) == 0) {
        if (up) {
            link->stream->ops->pause(link->stream);
        } else {
            link->paused = true;
            tr_conn_pause(link->conn);
        }
    }
}

static bool client_ends(const struct sim_link *link)
{
    if (link->eof)
        return true;
    if (link->up.left)
        return false;
    return closer_of(link) == CLOSED_BY_CLIENT ||
           (closer_of(link) == CLOSED_LAST && link->was_open && !link->down.left &&
            link->down.received == link->down.sent);
}

static bool client_talks(struct sim_world *world, struct sim_link *link)
{
    bool rough = world->options.flaky && !world->healed, moved = false;

    if (world->net->ending || (rough && sim_draw(world, 2000) == 0)) {
        sim_link_close(link); // what was taken goes out, the rest was never sent
        return true;
    }
    if (rough && sim_draw(world, 1000) == 0) {
        if (sim_draw(world, 2))
            sim_link_vanish(world, link);
        else
            sim_link_abort(link);
        return true;
    }
    if (link->paused && (world->healed || sim_draw(world, world->net->options.pause_turns) == 0)) {
        link->paused = false;
        tr_conn_resume(link->conn);
        moved = true;
    }
    moved |= sim_talk_send(world, link, true);
    if (client_ends(link) && (world->healed || sim_draw(world, 10) == 0)) {
        sim_link_close(link);
        moved = true;
    }
    return moved;
}

static bool may_open(struct sim_world *world)
{
    const struct sim_net *net = world->net;
    uint32_t talking = 0, fresh = 0;

    for (uint32_t i = 0; i < SIM_LINKS; i++) {
        talking += net->links[i].talks && net->links[i].conn;
        fresh += net->links[i].talks && world->healed && net->links[i].opened_ns > world->healed_ns;
    }
    // When all is well again a few more have to go through without a scratch.
    return !net->ending && talking < net->options.talkers &&
           (world->healed ? fresh < SIM_TALKERS : sim_draw(world, 20) == 0);
}

bool sim_talk_host(struct sim_end *host)
{
    struct sim_world *world = host->world;
    struct sim_net *net = world->net;
    bool moved = false;

    for (uint32_t i = 0; i < SIM_LINKS; i++) {
        struct sim_link *link = &net->links[i];

        if (link->talks && link->conn && link->opened && !link->closing && !link->aborted &&
            link->host == host->number - SIM_LCORES_MAX)
            moved |= client_talks(world, link);
    }
    if (may_open(world))
        moved |= sim_link_open(world, host->number - SIM_LCORES_MAX, true) != NULL;
    return moved;
}

bool sim_talk_lcore(struct sim_end *lcore)
{
    struct sim_world *world = lcore->world;
    bool moved = false;

    for (uint32_t i = 0; i < SIM_LINKS; i++) {
        struct sim_link *link = &world->net->links[i];

        if (!link->talks || !link->stream || link->lcore != lcore->number || link->server_closing ||
            link->server_aborted)
            continue;
        if (link->server_paused && (world->healed || sim_draw(world, world->net->options.pause_turns) == 0)) {
            link->stream->ops->resume(link->stream);
            moved = true;
        }
        moved |= sim_talk_send(world, link, false);
        if (!link->down.left && (link->server_eof || closer_of(link) == CLOSED_BY_SERVER)) {
            link->stream->ops->close(link->stream);
            moved = true;
        }
    }
    return moved;
}
