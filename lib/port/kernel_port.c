// SPDX-License-Identifier: Apache-2.0
// Listening sockets, shared by all lcores, and which lcore gets a connection: the one with the fewest.
#include "port/kernel_internal.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

void tr_address_of(const void *sockaddr, struct tr_address *address)
{
    const struct sockaddr_in *v4 = sockaddr;
    const struct sockaddr_in6 *v6 = sockaddr;

    memset(address, 0, sizeof(*address));
    if (v4->sin_family == AF_INET) {
        address->ip[10] = address->ip[11] = 0xff;
        memcpy(address->ip + 12, &v4->sin_addr, 4);
        address->port = ntohs(v4->sin_port);
    } else {
        memcpy(address->ip, &v6->sin6_addr, 16);
        address->port = ntohs(v6->sin6_port);
    }
}

// "127.0.0.1:4317", "[::1]:4317", ":4317".
static int address_parse(const char *text, struct sockaddr_storage *to, socklen_t *bytes, bool *any,
                         struct tr_error *error)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
    const char *colon = strrchr(text, ':');
    char host[64], *end;
    unsigned long port;

    memset(to, 0, sizeof(*to));
    if (!colon || (size_t)(colon - text) >= sizeof(host))
        return tr_error_set(error, EINVAL, "%s is not ADDRESS:PORT, as \":4317\"", text);
    port = strtoul(colon + 1, &end, 10);
    if (end == colon + 1 || *end)
        return tr_error_set(error, EINVAL, "%s is not ADDRESS:PORT, as \":4317\"", text);
    if (port > 65535)
        return tr_error_set(error, EINVAL, "%s: the port is above 65535", text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    *any = !host[0];
    if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = '\0';
        memmove(host, host + 1, strlen(host));
    }
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *bytes = sizeof(*v4);
        return 0;
    }
    if (*any || inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        if (*any)
            v6->sin6_addr = in6addr_any;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *bytes = sizeof(*v6);
        return 0;
    }
    return tr_error_set(error, EINVAL, "%s: %s is neither an IPv4 address nor [an IPv6 address]", text, host);
}

int tr_kernel_listen_check(const char *text, struct tr_error *error)
{
    struct sockaddr_storage address;
    socklen_t bytes;
    bool any;

    return address_parse(text, &address, &bytes, &any, error);
}

static int listen_open(struct tr_kernel_port *port, const char *text, struct tr_error *error)
{
    struct sockaddr_storage address;
    socklen_t bytes;
    int one = 1, zero = 0, fd;
    bool any = false;

    if (address_parse(text, &address, &bytes, &any, error) < 0)
        return -EINVAL;
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return tr_error_set(error, errno, "%s: %s", text, strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (address.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, any ? &zero : &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, bytes) < 0 || listen(fd, BACKLOG) < 0) {
        int rc = errno;

        close(fd);
        return tr_error_set(error, rc, "%s: %s", text, strerror(rc));
    }
    bytes = sizeof(address);
    getsockname(fd, (struct sockaddr *)&address, &bytes);
    tr_address_of(&address, &port->addresses[port->count]);
    port->fds[port->count++] = fd;
    return 0;
}

int tr_kernel_port_open(struct tr_kernel_port **out, const char *name, const char *const *listen, size_t count,
                        uint32_t lcores, const struct tr_connection_options *options, struct tr_error *error)
{
    struct tr_kernel_port *port = calloc(1, sizeof(*port));
    int rc = 0;

    if (!port)
        return tr_error_set(error, ENOMEM, "no memory for a port");
    snprintf(port->name, sizeof(port->name), "%s", name);
    port->lcores = lcores;
    pthread_mutex_init(&port->choosing, NULL);
    for (uint32_t i = 0; i < lcores; i++) {
        pthread_mutex_init(&port->handoffs[i].lock, NULL);
        port->handoffs[i].wake_fd = -1;
    }
    for (size_t i = 0; rc == 0 && i < count && i < LISTEN_MAX; i++)
        rc = listen_open(port, listen[i], error);
    if (rc < 0) {
        tr_kernel_port_close(port);
        return rc;
    }
    *out = port;
    return 0;
}

void tr_kernel_port_stop(struct tr_kernel_port *port)
{
    // The sockets stay open until the port is closed: an lcore may be accepting right now.
    if (__atomic_exchange_n(&port->stopped, true, __ATOMIC_SEQ_CST))
        return;
    for (size_t i = 0; i < port->count; i++)
        shutdown(port->fds[i], SHUT_RDWR);
}

void tr_kernel_port_close(struct tr_kernel_port *port)
{
    for (size_t i = 0; i < port->count; i++)
        close(port->fds[i]);
    for (uint32_t i = 0; i < port->lcores; i++) {
        struct handoff *handoff = &port->handoffs[i];

        while (handoff->count)
            close(handoff->fds[--handoff->count]);
        pthread_mutex_destroy(&handoff->lock);
    }
    pthread_mutex_destroy(&port->choosing);
    free(port);
}

size_t tr_kernel_port_listening(const struct tr_kernel_port *port, size_t index, struct tr_address *address)
{
    if (index >= port->count)
        return 0;
    *address = port->addresses[index];
    return 1;
}

uint64_t tr_kernel_port_connections(const struct tr_kernel_port *port)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < port->lcores; i++)
        count += tr_load_relaxed(&port->handoffs[i].load);
    return count;
}

static uint32_t load_of(const struct tr_kernel *kernel, uint32_t lcore)
{
    uint32_t load = 0;

    for (size_t p = 0; p < kernel->ports_count; p++)
        load += tr_load_relaxed(&kernel->ports[p]->handoffs[lcore].load);
    return load;
}

// A place for one more connection: the lcore with the fewest, of all ports together. A few fat connections are the normal
// case, and lcores accept at the same time: they choose one after the other, or all of them would choose the same.
static struct handoff *place_take(struct tr_kernel *kernel, struct tr_kernel_port *port)
{
    uint32_t best = 0;

    pthread_mutex_lock(&kernel->ports[0]->choosing);
    for (uint32_t i = 1; i < port->lcores; i++)
        if (load_of(kernel, i) < load_of(kernel, best))
            best = i;
    __atomic_add_fetch(&port->handoffs[best].load, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&kernel->ports[0]->choosing);
    return &port->handoffs[best];
}

size_t tr_kernel_port_accept(struct tr_kernel *kernel, struct tr_kernel_port *port, size_t index, size_t most)
{
    size_t count = 0;

    while (count < most && !tr_load_relaxed(&port->stopped)) {
        int fd = accept4(port->fds[index], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
        struct handoff *handoff;
        uint64_t tick = 1;
        bool taken = false;

        if (fd < 0)
            break;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        handoff = place_take(kernel, port);
        pthread_mutex_lock(&handoff->lock);
        if (handoff->count < HANDOFF_MAX) {
            handoff->fds[handoff->count] = fd;
            tr_store_relaxed(&handoff->count, handoff->count + 1); // looked at without the lock
            taken = true;
        }
        pthread_mutex_unlock(&handoff->lock);
        if (!taken) {
            __atomic_sub_fetch(&handoff->load, 1, __ATOMIC_RELAXED);
            close(fd);
        } else if (write(handoff->wake_fd, &tick, sizeof(tick)) < 0) {
            break; // only when it is full of ticks, and then it is awake
        }
        count++;
    }
    return count;
}
