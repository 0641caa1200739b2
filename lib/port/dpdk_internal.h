// SPDX-License-Identifier: Apache-2.0
#ifndef TR_PORT_DPDK_INTERNAL_H
#define TR_PORT_DPDK_INTERNAL_H

#include "port/dpdk.h"
#include "port/xdp.h"

struct rte_ring;

struct tr_dpdk_port {
    const char *name;
    struct tr_dpdk_device *device;
    struct tr_xdp *xdp; // NULL: the NIC is not shared with the kernel
    bool silent;        // the kernel has our addresses too, and answers ARP, NDP and echo
    struct tr_dpdk_port_options options;
    struct tr_dpdk_port_addresses addresses;
    struct tr_connection_options connections;
    uint32_t lcores;
    bool stopped; // stored by control, read by lcores
    void (*wake)(void *context, uint32_t lcore);
    void *wake_context;
    uint8_t secret[16];
    pthread_mutex_t tx_locks[TR_DPDK_QUEUES_MAX]; // of send queues that lcores share
    struct rte_ring *rings[TR_LCORES_MAX][TR_LCORES_MAX]; // [from][to], NULL: nothing is handed that way
};

struct tr_dpdk {
    struct tr_dpdk_port *port;
    uint32_t lcore;
    struct tr_dpdk_queue queue;
    struct tr_stack *stack;
    struct tr_net_streams *streams;
    uint64_t now;
    uint64_t nap_ns;    // after a turn without a frame: how long until the next look
    uint64_t handed_to; // bit n: lcore n was handed a frame in this turn
    uint32_t links;     // of the device, when last announced
    bool refusing;
    bool armed; // the queue's interrupt
};

// dpdk_handoff.c: which lcore a burst's frames are for.

int tr_dpdk_rings_create(struct tr_dpdk_port *port, struct tr_error *error);
void tr_dpdk_rings_destroy(struct tr_dpdk_port *port);

// Hand on what is not ours. Returns how many are left in `mbufs`, in order: those for this lcore.
uint32_t tr_dpdk_handoff(struct tr_dpdk *dpdk, struct rte_mbuf **mbufs, uint32_t count);
// Wake who was handed something.
void tr_dpdk_handoff_wake(struct tr_dpdk *dpdk);
// Take what others handed to this lcore, up to TR_DPDK_BURST.
uint32_t tr_dpdk_handoff_take(struct tr_dpdk *dpdk, struct rte_mbuf *mbufs[TR_DPDK_BURST]);
bool tr_dpdk_handoff_waits(const struct tr_dpdk *dpdk);

#endif
