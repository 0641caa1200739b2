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
    struct handoff handoffs[LCORES_MAX];
};

void tr_address_of(const void *sockaddr, struct tr_address *address);

// Accept what waits on a listening socket, at most `most`, each to the least loaded lcore. Returns how many.
size_t tr_kernel_port_accept(struct tr_kernel_port *port, size_t index, size_t most);

#endif
