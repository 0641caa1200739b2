// SPDX-License-Identifier: Apache-2.0
// Making an lcore's part of the kernel port, and taking it down.
#include "port/kernel_internal.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

static void *pages(size_t bytes)
{
    void *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return area == MAP_FAILED ? NULL : area;
}

static int listen_watch(struct tr_kernel *kernel)
{
    for (size_t p = 0; p < kernel->ports_count; p++) {
        for (size_t i = 0; i < kernel->ports[p]->count; i++) {
            struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.u64 = EVENT_LISTEN | p << 8 | i};

            if (epoll_ctl(kernel->epoll_fd, EPOLL_CTL_ADD, kernel->ports[p]->fds[i], &event) < 0)
                return -errno;
        }
        kernel->ports[p]->handoffs[kernel->lcore].wake_fd = kernel->wake_fd;
    }
    return 0;
}

int tr_kernel_create(struct tr_kernel **out, uint32_t lcore, struct tr_kernel_port *const *ports, size_t count,
                     const struct tr_connection_options *options, const struct tr_stream_user *user,
                     struct tr_error *error)
{
    struct tr_kernel *kernel = calloc(1, sizeof(*kernel));
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = EVENT_WAKE};

    if (!kernel || count > TR_NELEMS(kernel->ports))
        return tr_error_set(error, ENOMEM, "no memory for connections");
    kernel->options = *options;
    kernel->user = user;
    kernel->lcore = lcore;
    kernel->ports_count = count;
    memcpy(kernel->ports, ports, count * sizeof(*ports));
    kernel->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    kernel->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    kernel->connections = pages(options->connections_max * sizeof(*kernel->connections));
    kernel->send_buffers = pages(options->connections_max * options->send_buffer_bytes);
    kernel->receive_buffer = pages(options->receive_buffer_bytes);
    kernel->ended = pages(options->connections_max * sizeof(*kernel->ended));
    if (kernel->epoll_fd < 0 || kernel->wake_fd < 0 || !kernel->connections || !kernel->send_buffers ||
        !kernel->receive_buffer || !kernel->ended ||
        epoll_ctl(kernel->epoll_fd, EPOLL_CTL_ADD, kernel->wake_fd, &event) < 0 || listen_watch(kernel) < 0) {
        int rc = errno ? errno : ENOMEM;

        tr_kernel_destroy(kernel, 0);
        return tr_error_set(error, rc, "connections of lcore %u: %s", lcore, strerror(rc));
    }
    *out = kernel;
    return 0;
}

int tr_kernel_watch(struct tr_kernel *kernel, int fd, struct tr_error *error)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = EVENT_OTHER | (uint32_t)fd};

    if (fd >= 0 && epoll_ctl(kernel->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return tr_error_set(error, errno, "lcore %u can't wait for a device: %s", kernel->lcore, strerror(errno));
    return 0;
}

void tr_kernel_destroy(struct tr_kernel *kernel, uint64_t now)
{
    for (uint32_t i = 0; i < kernel->used; i++) {
        struct connection *c = &kernel->connections[i];

        if (!c->open)
            continue;
        kernel->user->closed(kernel->user->context, &c->stream, TR_CLOSE_SHUTDOWN, TR_MAX(now, kernel->now));
        tr_connection_free(c);
    }
    if (kernel->epoll_fd >= 0)
        close(kernel->epoll_fd);
    if (kernel->wake_fd >= 0)
        close(kernel->wake_fd);
    if (kernel->connections)
        munmap(kernel->connections, kernel->options.connections_max * sizeof(*kernel->connections));
    if (kernel->send_buffers)
        munmap(kernel->send_buffers, kernel->options.connections_max * kernel->options.send_buffer_bytes);
    if (kernel->receive_buffer)
        munmap(kernel->receive_buffer, kernel->options.receive_buffer_bytes);
    if (kernel->ended)
        munmap(kernel->ended, kernel->options.connections_max * sizeof(*kernel->ended));
    free(kernel);
}
