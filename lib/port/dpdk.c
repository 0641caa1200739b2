// SPDX-License-Identifier: Apache-2.0
// An lcore's turn on a DPDK port.
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <unistd.h>

#include "port/dpdk_internal.h"

#define BURSTS_A_TURN 8
#define NAP_MIN_NS    (10 * TR_US)
#define RETRY_NS      (50 * TR_US) // frames that the device did not take

static size_t give_to_stack(struct tr_dpdk *dpdk, struct rte_mbuf **mbufs, uint32_t count, uint64_t now)
{
    struct tr_frame pieces[TR_DPDK_PIECES];
    size_t bytes = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (i + 4 < count)
            rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + 4], const void *));
        bytes += mbufs[i]->pkt_len;
        if (tr_dpdk_frame_of(&dpdk->queue, mbufs[i], pieces))
            tr_stack_input(dpdk->stack, pieces, now);
    }
    tr_dpdk_queue_free(mbufs, count);
    return bytes;
}

// The device's frames, then those that other lcores handed on. Returns how many were seen.
static size_t receive(struct tr_dpdk *dpdk, uint64_t now, size_t budget)
{
    struct rte_mbuf *mbufs[TR_DPDK_BURST];
    size_t frames = 0, bytes = 0;
    bool more = false;
    uint32_t count;

    for (unsigned i = 0; i < BURSTS_A_TURN && bytes < budget; i++) {
        count = tr_dpdk_queue_receive(&dpdk->queue, mbufs);
        frames += count;
        bytes += give_to_stack(dpdk, mbufs, tr_dpdk_handoff(dpdk, mbufs, count), now);
        more = count == dpdk->queue.burst;
        if (!more)
            break;
    }
    tr_dpdk_handoff_wake(dpdk);
    for (unsigned i = 0; i < BURSTS_A_TURN && bytes < budget && dpdk->port->lcores > 1; i++) {
        count = tr_dpdk_handoff_take(dpdk, mbufs);
        frames += count;
        bytes += give_to_stack(dpdk, mbufs, count, now);
        if (count < TR_DPDK_BURST)
            break;
        more = more || i + 1 == BURSTS_A_TURN;
    }
    if (more)
        tr_stack_frames_wait(dpdk->stack);
    return frames;
}

static void disarm(struct tr_dpdk *dpdk)
{
    const struct tr_dpdk_device *device = dpdk->port->device;
    uint64_t ticks;

    rte_eth_dev_rx_intr_disable(device->port, (uint16_t)dpdk->queue.rx_queue);
    if (read(tr_dpdk_fd(dpdk), &ticks, sizeof(ticks)) < 0)
        ticks = 0; // nothing had come
    dpdk->armed = false;
}

// Once the port is told to refuse, or the link has come up.
static void follow(struct tr_dpdk *dpdk, uint64_t now)
{
    uint32_t links = tr_load_acquire(&dpdk->port->device->links);

    if (tr_load_relaxed(&dpdk->port->stopped) && !dpdk->refusing) {
        dpdk->refusing = true;
        tr_stack_refuse(dpdk->stack);
    }
    if (dpdk->lcore == 0 && links != dpdk->links) {
        dpdk->links = links;
        tr_stack_announce(dpdk->stack, now);
    }
}

size_t tr_dpdk_poll(struct tr_dpdk *dpdk, uint64_t now, size_t budget)
{
    size_t frames, work;

    dpdk->now = now;
    if (dpdk->armed)
        disarm(dpdk);
    follow(dpdk, now);
    frames = receive(dpdk, now, budget);
    work = frames + tr_stack_poll(dpdk->stack, now);
    work += tr_net_streams_poll(dpdk->streams, now);
    work += tr_dpdk_queue_flush(&dpdk->queue, now);
    dpdk->nap_ns = frames ? 0 : TR_MIN(TR_MAX(dpdk->nap_ns * 2, NAP_MIN_NS), dpdk->port->options.nap_max_ns);
    return work;
}

uint64_t tr_dpdk_deadline(const struct tr_dpdk *dpdk)
{
    uint64_t deadline = TR_MIN(tr_stack_deadline(dpdk->stack), tr_net_streams_deadline(dpdk->streams));

    if (dpdk->port->options.busy_poll)
        return 0;
    if (tr_dpdk_queue_waiting(&dpdk->queue))
        deadline = TR_MIN(deadline, dpdk->now + RETRY_NS);
    if (dpdk->queue.rx_queue >= 0 && tr_dpdk_fd(dpdk) < 0)
        deadline = TR_MIN(deadline, dpdk->now + dpdk->nap_ns);
    return deadline;
}

bool tr_dpdk_has_input(struct tr_dpdk *dpdk)
{
    const struct tr_dpdk_device *device = dpdk->port->device;
    uint16_t queue = (uint16_t)dpdk->queue.rx_queue;

    if (dpdk->port->lcores > 1 && tr_dpdk_handoff_waits(dpdk))
        return true;
    if (!device->interrupts || dpdk->queue.rx_queue < 0)
        return false;
    // Without an interrupt it would not wake: then it does not sleep for long.
    if (rte_eth_dev_rx_intr_enable(device->port, queue) < 0)
        return true;
    dpdk->armed = true;
    return rte_eth_rx_queue_count(device->port, queue) > 0;
}

int tr_dpdk_fd(const struct tr_dpdk *dpdk)
{
    return dpdk->queue.rx_queue < 0 ? -1 : dpdk->port->device->fds[dpdk->queue.rx_queue];
}

const char *tr_dpdk_name(const struct tr_dpdk *dpdk)
{
    return dpdk->port->name;
}

struct tr_dpdk_counters *tr_dpdk_counters(struct tr_dpdk *dpdk)
{
    return &dpdk->queue.counters;
}

struct tr_stack *tr_dpdk_stack(struct tr_dpdk *dpdk)
{
    return dpdk->stack;
}

struct tr_net_streams *tr_dpdk_streams(struct tr_dpdk *dpdk)
{
    return dpdk->streams;
}

size_t tr_dpdk_connections(const struct tr_dpdk *dpdk, struct tr_connection_row *rows, size_t max)
{
    return tr_net_streams_connections(dpdk->streams, dpdk->stack, rows, max);
}
