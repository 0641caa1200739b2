// SPDX-License-Identifier: Apache-2.0
// An lcore's connections: epoll, level-triggered, so that what a turn's budget leaves is found again by the next.
//
// The streams' table and send buffers are mapped at creation; pages are touched as they are used. A stream that ends
// is told so (closed()) from the poll, never from inside a call of its user: it waits on a list until then.
#include "port/kernel_internal.h"

#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

TR_COUNTERS_DEFINE(kernel, TR_KERNEL_COUNTERS)

#define EVENTS_A_TURN  128
#define ACCEPTS_A_TURN 64

static uint8_t *send_buffer(const struct connection *c)
{
    return c->kernel->send_buffers + (size_t)c->number * c->kernel->options.send_buffer_bytes;
}

static void watch(struct connection *c)
{
    bool stopped = c->half_closed ? c->eof : c->paused || c->eof || c->closing;
    uint32_t events = (stopped ? 0u : (uint32_t)EPOLLIN) | (c->send_bytes ? (uint32_t)EPOLLOUT : 0u);
    struct epoll_event event = {.events = events, .data.u64 = c->number};

    if (events == c->events || c->ended)
        return;
    c->events = events;
    epoll_ctl(c->kernel->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

static void end(struct connection *c, enum tr_close_reason reason)
{
    if (c->ended)
        return;
    c->ended = true;
    c->reason = reason;
    c->kernel->ended[c->kernel->ended_count++] = c->number;
}

// Send what waits. Returns false when the connection is broken.
static bool drain(struct connection *c)
{
    size_t room = c->kernel->options.send_buffer_bytes;

    while (c->send_bytes) {
        size_t part = TR_MIN(c->send_bytes, room - c->send_begin);
        ssize_t sent = send(c->fd, send_buffer(c) + c->send_begin, part, MSG_NOSIGNAL);

        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        if (sent < 0)
            return false;
        c->send_begin = (c->send_begin + (size_t)sent) % room;
        c->send_bytes -= (size_t)sent;
        c->stream.bytes_out += (uint64_t)sent;
        c->active_ns = c->kernel->now;
        tr_count(&c->kernel->counters.bytes_out, (uint64_t)sent);
    }
    return true;
}

static size_t stream_send(struct tr_stream *stream, const void *data, size_t bytes)
{
    struct connection *c = stream->port_data;
    size_t room = c->kernel->options.send_buffer_bytes, taken = 0;

    if (c->ended || c->closing)
        return bytes; // it goes nowhere, as it would if the peer had gone a moment later
    if (!c->send_bytes) {
        ssize_t sent = send(c->fd, data, bytes, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            end(c, TR_CLOSE_RESET);
            return bytes;
        }
        taken = sent > 0 ? (size_t)sent : 0;
        c->stream.bytes_out += taken;
        c->active_ns = c->kernel->now;
        tr_count(&c->kernel->counters.bytes_out, taken);
    }
    while (taken < bytes && c->send_bytes < room) {
        size_t at = (c->send_begin + c->send_bytes) % room;
        size_t part = TR_MIN(bytes - taken, TR_MIN(room - at, room - c->send_bytes));

        memcpy(send_buffer(c) + at, (const uint8_t *)data + taken, part);
        c->send_bytes += part;
        taken += part;
    }
    if (taken < bytes)
        tr_count(&c->kernel->counters.send_full, 1);
    watch(c);
    return taken;
}

static void stream_pause(struct tr_stream *stream)
{
    struct connection *c = stream->port_data;

    if (c->paused)
        return;
    c->paused = true;
    tr_count(&c->kernel->counters.paused, 1);
    watch(c);
}

static void stream_resume(struct tr_stream *stream)
{
    struct connection *c = stream->port_data;

    c->paused = false;
    watch(c);
}

// All is sent. Closing now would reset the connection for bytes that were not read or are on their way.
static void half_close(struct connection *c)
{
    if (c->eof || shutdown(c->fd, SHUT_WR) < 0) {
        end(c, TR_CLOSE_LOCAL);
        return;
    }
    c->half_closed = true;
    watch(c);
}

static void stream_close(struct tr_stream *stream)
{
    struct connection *c = stream->port_data;

    if (c->closing)
        return;
    c->closing = true;
    c->linger_ns = c->kernel->now + TR_CONNECTION_LINGER_NS;
    if (!c->send_bytes)
        half_close(c);
    else
        watch(c);
}

static void stream_abort(struct tr_stream *stream)
{
    struct connection *c = stream->port_data;
    struct linger hard = {.l_onoff = 1};

    if (!c->ended)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    end(c, TR_CLOSE_ABORTED);
}

static const struct tr_stream_ops ops = {
    .send = stream_send, .pause = stream_pause, .resume = stream_resume, .close = stream_close, .abort = stream_abort};

static void load_less(struct tr_kernel *kernel, uint32_t port)
{
    __atomic_sub_fetch(&kernel->ports[port]->handoffs[kernel->lcore].load, 1, __ATOMIC_RELAXED);
}

static struct connection *connection_take(struct tr_kernel *kernel)
{
    struct connection *c;
    uint32_t number;

    if (kernel->free) {
        number = kernel->free - 1;
        kernel->free = kernel->connections[number].next_free;
    } else if (kernel->used < kernel->options.connections_max) {
        number = kernel->used++;
    } else {
        return NULL;
    }
    c = &kernel->connections[number];
    memset(c, 0, sizeof(*c));
    c->number = number;
    c->kernel = kernel;
    return c;
}

void tr_connection_free(struct connection *c)
{
    struct tr_kernel *kernel = c->kernel;

    close(c->fd);
    load_less(kernel, c->port);
    c->fd = -1;
    c->open = false;
    c->next_free = kernel->free;
    kernel->free = c->number + 1;
    tr_gauge(&kernel->counters.open, kernel->counters.open - 1);
    tr_count(&kernel->counters.closed, 1);
}

static void connection_open(struct tr_kernel *kernel, uint32_t port, int fd)
{
    struct connection *c = connection_take(kernel);
    struct epoll_event event = {.events = EPOLLIN};
    struct sockaddr_storage address;
    socklen_t bytes = sizeof(address);

    if (!c) {
        tr_count(&kernel->counters.refused_limit, 1);
        close(fd);
        load_less(kernel, port);
        return;
    }
    c->fd = fd;
    c->port = port;
    c->open = true;
    c->events = EPOLLIN;
    c->active_ns = kernel->now;
    c->stream = (struct tr_stream){.ops = &ops, .user = kernel->user, .port_data = c, .opened_ns = kernel->now};
    c->stream.id = tr_stream_id_next();
    c->age_ns = tr_connection_age_at(&kernel->options, c->stream.id, kernel->now);
    if (getpeername(fd, (struct sockaddr *)&address, &bytes) == 0)
        tr_address_of(&address, &c->stream.peer);
    bytes = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &bytes) == 0)
        tr_address_of(&address, &c->stream.local);
    event.data.u64 = c->number;
    tr_count(&kernel->counters.opened, 1);
    tr_gauge(&kernel->counters.open, kernel->counters.open + 1);
    if (epoll_ctl(kernel->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ||
        kernel->user->opened(kernel->user->context, &c->stream, kernel->now) < 0)
        tr_connection_free(c);
}

static size_t handoffs_take(struct tr_kernel *kernel)
{
    size_t count = 0;

    for (uint32_t p = 0; p < kernel->ports_count; p++) {
        struct handoff *handoff = &kernel->ports[p]->handoffs[kernel->lcore];
        int fds[HANDOFF_MAX];
        uint32_t taken;

        if (!tr_load_relaxed(&handoff->count))
            continue;
        pthread_mutex_lock(&handoff->lock);
        taken = handoff->count;
        memcpy(fds, handoff->fds, taken * sizeof(*fds));
        tr_store_relaxed(&handoff->count, 0);
        pthread_mutex_unlock(&handoff->lock);
        for (uint32_t i = 0; i < taken; i++)
            connection_open(kernel, p, fds[i]);
        count += taken;
    }
    return count;
}

// What comes after the end. Returns the bytes.
static size_t discard(struct connection *c, size_t budget)
{
    struct tr_kernel *kernel = c->kernel;
    ssize_t bytes = recv(c->fd, kernel->receive_buffer, TR_MIN(budget, kernel->options.receive_buffer_bytes), 0);

    if (bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR))
        end(c, TR_CLOSE_LOCAL);
    return bytes > 0 ? (size_t)bytes : 0;
}

// Read once. Returns the bytes.
static size_t receive(struct connection *c, size_t budget)
{
    struct tr_kernel *kernel = c->kernel;
    ssize_t bytes = recv(c->fd, kernel->receive_buffer, TR_MIN(budget, kernel->options.receive_buffer_bytes), 0);

    if (bytes > 0) {
        c->active_ns = kernel->now;
        c->stream.bytes_in += (uint64_t)bytes;
        tr_count(&kernel->counters.bytes_in, (uint64_t)bytes);
        kernel->user->input(kernel->user->context, &c->stream, kernel->receive_buffer, (size_t)bytes, kernel->now);
        return (size_t)bytes;
    }
    if (bytes == 0) {
        c->eof = true;
        kernel->user->eof(kernel->user->context, &c->stream, kernel->now);
        watch(c);
    } else if (errno != EAGAIN && errno != EINTR) {
        end(c, TR_CLOSE_RESET);
    }
    return 0;
}

static size_t handle(struct connection *c, uint32_t events, size_t budget)
{
    struct tr_kernel *kernel = c->kernel;
    size_t bytes = 0;

    if ((events & EPOLLOUT) && c->send_bytes && !c->ended) {
        bool was_full = c->send_bytes == kernel->options.send_buffer_bytes;

        if (!drain(c))
            end(c, TR_CLOSE_RESET);
        else if (c->closing && !c->send_bytes)
            half_close(c);
        else if (was_full || !c->send_bytes)
            kernel->user->writable(kernel->user->context, &c->stream, kernel->now);
        watch(c);
    }
    if (c->half_closed)
        return c->ended ? 0 : discard(c, budget);
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) && !c->ended && !c->closing && !c->paused && !c->eof)
        bytes = receive(c, budget);
    if ((events & (EPOLLERR | EPOLLHUP)) && (c->paused || c->eof || c->closing))
        end(c, events & EPOLLERR ? TR_CLOSE_RESET : TR_CLOSE_PEER);
    return bytes;
}

static void timers(struct tr_kernel *kernel)
{
    for (uint32_t i = 0; i < kernel->used; i++) {
        struct connection *c = &kernel->connections[i];

        if (!c->open || c->ended)
            continue;
        if (kernel->now - c->active_ns >= kernel->options.idle_timeout_ns) {
            tr_count(&kernel->counters.idle_timeouts, 1);
            end(c, TR_CLOSE_TIMEOUT);
        } else if (c->closing && kernel->now >= c->linger_ns) {
            end(c, c->half_closed ? TR_CLOSE_LOCAL : TR_CLOSE_TIMEOUT);
        } else if (kernel->now >= c->age_ns && !c->aged) {
            c->aged = true;
            tr_count(&kernel->counters.aged, 1);
            kernel->user->aged(kernel->user->context, &c->stream, kernel->now);
        }
    }
    kernel->timers_ns = kernel->now + TR_CONNECTION_TIMERS_NS;
}

static void ended_tell(struct tr_kernel *kernel)
{
    for (uint32_t i = 0; i < kernel->ended_count; i++) {
        struct connection *c = &kernel->connections[kernel->ended[i]];

        kernel->user->closed(kernel->user->context, &c->stream, c->reason, kernel->now);
        tr_connection_free(c);
    }
    kernel->ended_count = 0;
}

// An error of a device's socket (its interface went down) would wake us until somebody has asked for it.
static void error_take(int fd)
{
    socklen_t bytes = sizeof(int);
    int error;

    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
}

static size_t listen_handle(struct tr_kernel *kernel, struct tr_kernel_port *port, size_t index)
{
    if (!tr_load_relaxed(&port->stopped))
        return tr_kernel_port_accept(kernel, port, index, ACCEPTS_A_TURN);
    epoll_ctl(kernel->epoll_fd, EPOLL_CTL_DEL, port->fds[index], NULL); // it would wake us for ever
    return 1;
}

size_t tr_kernel_poll(struct tr_kernel *kernel, uint64_t now, size_t budget)
{
    struct epoll_event events[EVENTS_A_TURN];
    size_t work, bytes = 0;
    uint64_t ticks;
    int count;

    kernel->now = now;
    work = handoffs_take(kernel);
    count = epoll_wait(kernel->epoll_fd, events, TR_NELEMS(events), 0);
    for (int i = 0; i < count; i++) {
        uint64_t what = events[i].data.u64;

        if (what == EVENT_WAKE) {
            work += read(kernel->wake_fd, &ticks, sizeof(ticks)) > 0;
        } else if (what & EVENT_LISTEN) {
            work += listen_handle(kernel, kernel->ports[what >> 8 & 0xff], what & 0xff);
        } else if (what & EVENT_OTHER) {
            if (events[i].events & EPOLLERR)
                error_take((int)(what & UINT32_MAX));
        } else if (bytes < budget || !(events[i].events & EPOLLIN)) {
            bytes += handle(&kernel->connections[what], events[i].events, budget - TR_MIN(bytes, budget - 1));
            work++;
        }
    }
    if (now >= kernel->timers_ns)
        timers(kernel);
    work += kernel->ended_count;
    ended_tell(kernel);
    return work;
}

uint64_t tr_kernel_deadline(const struct tr_kernel *kernel)
{
    return kernel->ended_count ? 0 : kernel->counters.open ? kernel->timers_ns : TR_NEVER;
}

void tr_kernel_wait(struct tr_kernel *kernel, uint64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / TR_S), .tv_nsec = (long)(timeout_ns % TR_S)};
    struct epoll_event event;

    epoll_pwait2(kernel->epoll_fd, &event, 1, &timeout, NULL);
}

void tr_kernel_wake(struct tr_kernel *kernel)
{
    uint64_t tick = 1;

    // It fails only when it is full of ticks, and then the lcore is awake.
    if (write(kernel->wake_fd, &tick, sizeof(tick)) < 0)
        return;
}

void tr_kernel_age_all(struct tr_kernel *kernel, uint64_t now)
{
    kernel->now = TR_MAX(kernel->now, now);
    for (uint32_t i = 0; i < kernel->used; i++)
        if (kernel->connections[i].open && !kernel->connections[i].ended)
            kernel->user->aged(kernel->user->context, &kernel->connections[i].stream, now);
}

struct tr_kernel_counters *tr_kernel_counters(struct tr_kernel *kernel)
{
    return &kernel->counters;
}

size_t tr_kernel_connections(const struct tr_kernel *kernel, size_t port, struct tr_connection_row *rows, size_t max)
{
    size_t count = 0;

    for (uint32_t i = 0; i < kernel->used && count < max; i++) {
        const struct connection *c = &kernel->connections[i];

        if (!c->open || c->port != port)
            continue;
        rows[count++] = (struct tr_connection_row){.peer = c->stream.peer,
                                                   .local = c->stream.local,
                                                   .id = c->stream.id,
                                                   .opened_ns = c->stream.opened_ns,
                                                   .bytes_in = c->stream.bytes_in,
                                                   .bytes_out = c->stream.bytes_out,
                                                   .last_ns = c->active_ns,
                                                   .paused = c->paused};
    }
    return count;
}
