// SPDX-License-Identifier: Apache-2.0
// A host's turn: the clients on it, and the host itself, which may forget everything.
#include "net.h"

static void client_vanishes(struct sim_world *world, struct sim_client *client)
{
    struct sim_link *link = client->link;

    client->breaks = false;
    switch (world->healed ? 0 : sim_draw(world, 3)) {
    case 0:
        sim_link_close(link);
        break;
    case 1:
        sim_link_abort(link);
        break;
    default:
        sim_link_vanish(world, link);
    }
}

static bool client_sends(struct sim_client *client)
{
    struct sim_link *link = client->link;
    size_t taken;

    if (client->state != SIM_SENDING || client->given == client->ready || link->blocked)
        return false;
    link->spans = client->count;
    taken = tr_conn_send(link->conn, client->request + client->given, client->ready - client->given);
    sim_link_send(link, &link->up, client->request + client->given, taken);
    client->given += taken;
    link->blocked = client->given < client->ready;
    return true;
}

static bool client_turn(struct sim_world *world, struct sim_client *client, uint32_t host)
{
    struct sim_link *link = client->link;

    if (!link) {
        if (client->state != SIM_CLOSED || !client->opening || world->net->ending)
            return false;
        client->link = sim_link_open(world, host, false);
        if (client->link)
            client->link->client = client;
        return client->link != NULL;
    }
    if (!link->opened)
        return false;
    if (client->response_bytes)
        sim_client_look(client);
    if (client->state == SIM_SENDING && world->now >= client->asked_ns + SIM_PATIENCE_NS) {
        sim_link_abort(link);
        return true;
    }
    if (client->breaks || link->eof || world->net->ending) {
        if (link->eof || world->net->ending)
            sim_link_close(link);
        else
            client_vanishes(world, client);
        return true;
    }
    if (link->paused && (world->healed || sim_draw(world, world->net->options.pause_turns) == 0)) {
        link->paused = false;
        tr_conn_resume(link->conn);
        return true;
    }
    if (!world->healed && sim_draw(world, 100) == 0) {
        link->paused = true;
        tr_conn_pause(link->conn);
    }
    return client_sends(client);
}

// All that the host knew is gone; nobody is told.
static void host_reboots(struct sim_end *end)
{
    struct tr_error error = {0};

    end->muted = true;
    tr_stack_destroy(end->stack, end->world->now);
    end->muted = false;
    for (struct sim_frame *frame; (frame = end->rx); free(frame))
        end->rx = frame->next;
    end->rx_count = 0;
    end->secret++;
    end->frames_in = end->frames_out = end->bytes_in = end->bytes_out = 0;
    if (sim_end_open(end, &error) < 0)
        sim_fail(end->world, "%s", error.text);
}

bool sim_host_turn(struct sim_end *end)
{
    struct sim_world *world = end->world;
    uint32_t host = end->number - SIM_LCORES_MAX;
    bool moved = false;

    if (world->net->options.reboots && !world->healed && sim_draw(world, 1500) == 0)
        host_reboots(end);
    for (uint32_t i = host; i < world->options.clients; i += world->net->options.hosts)
        moved |= client_turn(world, &world->clients[i], host);
    moved |= sim_talk_host(end);
    if (end->rx || tr_stack_deadline(end->stack) <= world->now)
        moved |= sim_end_turn(end) > 0;
    return moved;
}
