// SPDX-License-Identifier: Apache-2.0
#ifndef TR_PORT_KERNEL_INTERNAL_H
#define TR_PORT_KERNEL_INTERNAL_H

#include <pthread.h>

#include "port/kernel.h"

#define LISTEN_MAX  64
#define HANDOFF_MAX 1024
#define LCORES_MAX  64

// Connections on their way from the lcore that accepted them to the one that will own them. Connections are rare
// next to bytes: a lock is good enough.
struct handoff {
    pthread_mutex_t lock;
    int fds[HANDOFF_MAX];
    uint32_t count;
    uint32_t load;  // connections open or on their way, read by whoever accepts
    int wake_fd;    // of the lcore
};

struct tr_kernel_port {
    char name[64];
    int fds[LISTEN_MAX];
    struct tr_address addresses[LISTEN_MAX];
    size_t count;
    uint32_t lcores;
    bool stopped;
    pthread_mutex_t choosing; // of the first of a process's ports: whoever chooses an lcore for a connection
    struct handoff handoffs[LCORES_MAX];
};

// What epoll's data says: a stream's number, or one of these and a number.
#define EVENT_WAKE   (1ull << 62)
#define EVENT_LISTEN (1ull << 61)
#define EVENT_OTHER  (1ull << 60) // and a descriptor that is not ours: it only ends a wait

struct connection {
    struct tr_stream stream;
    struct tr_kernel *kernel;
    uint32_t number;
    uint32_t next_free;
    uint32_t port; // whose handoff counts it
    int fd;        // -1: not in use
    uint32_t events; // that epoll watches
    bool open, paused, eof, closing, half_closed, ended;
    bool aged;
    enum tr_close_reason reason;
    uint64_t active_ns; // last byte in either direction
    uint64_t age_ns;    // when it is old
    uint64_t linger_ns; // closing: when it is aborted
    size_t send_bytes, send_begin; // ring in its slot of send buffers
};

struct tr_kernel {
    struct tr_connection_options options;
    struct tr_kernel_counters counters;
    const struct tr_stream_user *user;
    struct tr_kernel_port *ports[8];
    size_t ports_count;
    uint32_t lcore;
    int epoll_fd, wake_fd;
    uint64_t now, timers_ns;
    struct connection *connections;
    uint8_t *send_buffers, *receive_buffer;
    uint32_t used, free; // connections ever used; first free + 1
    uint32_t *ended;     // numbers of connections whose closed() is due
    uint32_t ended_count;
    uint64_t random;
};

// Close it, and give its slot back. Its user knows.
void tr_connection_free(struct connection *c);

void tr_address_of(const void *sockaddr, struct tr_address *address);

// Accept what waits on a listening socket, at most `most`, each to the least loaded lcore. Returns how many.
size_t tr_kernel_port_accept(struct tr_kernel *kernel, struct tr_kernel_port *port, size_t index, size_t most);

#endif
