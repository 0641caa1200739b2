// SPDX-License-Identifier: Apache-2.0
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wires.h"

struct socket_wires {
    struct wires wires;
    int *fds;            // of each place, -1: none
    struct pollfd *polls;
    uint8_t buffer[256 * 1024];
};

static struct socket_wires *whole(struct wires *wires)
{
    return tr_container_of(wires, struct socket_wires, wires);
}

static ssize_t output(void *wire, const void *data, size_t bytes)
{
    ssize_t sent = send(*(int *)wire, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

    return sent < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN) ? 0 : sent;
}

static void place_open(struct wires *wires, uint32_t i)
{
    int *fd = &whole(wires)->fds[i], one = 1;

    *fd = socket(wires->options.to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return;
    if (connect(*fd, (const struct sockaddr *)&wires->options.to, wires->options.to_bytes) == 0)
        wires->places[i].client = client_open(&wires->options.client, output, NULL, fd);
    if (!wires->places[i].client) {
        close(*fd);
        *fd = -1;
        return;
    }
    wires->opened++;
    setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void place_close(struct wires *wires, uint32_t i)
{
    int *fd = &whole(wires)->fds[i];

    if (wires->places[i].client)
        client_close(wires->places[i].client);
    wires->places[i].client = NULL;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void place_poll(struct socket_wires *sockets, uint32_t i)
{
    struct client *client = sockets->wires.places[i].client;

    client_flush(client);
    while (!client_broken(client)) {
        ssize_t got = recv(sockets->fds[i], sockets->buffer, sizeof(sockets->buffer), MSG_DONTWAIT);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        client_input(client, sockets->buffer, got > 0 ? (size_t)got : 0);
    }
    client_flush(client);
}

static void sockets_poll(struct wires *wires, bool idle)
{
    struct socket_wires *sockets = whole(wires);
    uint32_t count = wires->options.count;

    for (uint32_t i = 0; i < count; i++) {
        struct client *client = wires->places[i].client;

        if (client)
            place_poll(sockets, i);
        sockets->polls[i] = (struct pollfd){
            .fd = client ? sockets->fds[i] : -1,
            .events = (short)(POLLIN | (client && client_wants_write(client) ? POLLOUT : 0))};
    }
    if (idle)
        poll(sockets->polls, count, 1);
}

static void destroy(struct wires *wires)
{
    struct socket_wires *sockets = whole(wires);

    for (uint32_t i = 0; i < wires->options.count; i++)
        place_close(wires, i);
    free(sockets->fds);
    free(sockets->polls);
    free(wires->places);
    free(sockets);
}

struct wires *wires_socket_create(const struct wires_options *options)
{
    static const struct wires_ops ops = {place_open, place_close, sockets_poll, destroy};
    struct socket_wires *sockets = calloc(1, sizeof(*sockets));

    if (!sockets)
        return NULL;
    sockets->wires.ops = &ops;
    sockets->wires.options = *options;
    sockets->wires.places = calloc(options->count, sizeof(*sockets->wires.places));
    sockets->fds = malloc(options->count * sizeof(*sockets->fds));
    sockets->polls = calloc(options->count, sizeof(*sockets->polls));
    tr_assert(sockets->wires.places && sockets->fds && sockets->polls);
    memset(sockets->fds, -1, options->count * sizeof(*sockets->fds));
    return &sockets->wires;
}
