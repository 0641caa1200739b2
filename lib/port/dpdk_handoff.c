// SPDX-License-Identifier: Apache-2.0
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "base/hash.h"
#include "port/dpdk_internal.h"

#define SLOTS     1024 // of a ring that flows are handed over
#define SLOTS_ALL 64   // of one that only takes what everybody gets

int tr_dpdk_rings_create(struct tr_dpdk_port *port, struct tr_error *error)
{
    uint32_t from_count = port->device->rx_queues;
    unsigned slots = port->device->spreads ? SLOTS_ALL : SLOTS;

    for (uint32_t from = 0; port->lcores > 1 && from < from_count; from++) {
        for (uint32_t to = 0; to < port->lcores; to++) {
            char name[RTE_RING_NAMESIZE];

            if (from == to)
                continue;
            snprintf(name, sizeof(name), "port%u_%u_%u", port->device->port, from, to);
            port->rings[from][to] = rte_ring_create(name, slots, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
            if (!port->rings[from][to])
                return tr_error_set(error, rte_errno, "device: no memory for the rings between lcores: %s",
                                    rte_strerror(rte_errno));
        }
    }
    return 0;
}

void tr_dpdk_rings_destroy(struct tr_dpdk_port *port)
{
    for (uint32_t from = 0; from < port->lcores; from++) {
        for (uint32_t to = 0; to < port->lcores; to++) {
            struct rte_ring *ring = port->rings[from][to];
            struct rte_mbuf *mbuf;

            while (ring && rte_ring_sc_dequeue(ring, (void **)&mbuf) == 0)
                rte_pktmbuf_free(mbuf);
            rte_ring_free(ring);
        }
    }
}

static void hand(struct tr_dpdk *dpdk, uint32_t to, struct rte_mbuf *mbuf)
{
    if (rte_ring_sp_enqueue(dpdk->port->rings[dpdk->lcore][to], mbuf) < 0) {
        tr_count(&dpdk->queue.counters.ring_full, 1);
        rte_pktmbuf_free(mbuf);
        return;
    }
    tr_count(&dpdk->queue.counters.handed, 1);
    dpdk->handed_to |= 1ull << to;
}

// Everybody gets the same buffers, which are only read.
static void hand_to_all(struct tr_dpdk *dpdk, struct rte_mbuf *mbuf)
{
    for (struct rte_mbuf *segment = mbuf; segment; segment = segment->next)
        rte_mbuf_refcnt_update(segment, (int16_t)(dpdk->port->lcores - 1));
    for (uint32_t to = 0; to < dpdk->port->lcores; to++)
        if (to != dpdk->lcore)
            hand(dpdk, to, mbuf);
}

uint32_t tr_dpdk_handoff(struct tr_dpdk *dpdk, struct rte_mbuf **mbufs, uint32_t count)
{
    const struct tr_dpdk_port *port = dpdk->port;
    uint32_t kept = 0;

    if (port->lcores == 1)
        return count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t hash, to = dpdk->lcore;

        switch (tr_flow_of(rte_pktmbuf_mtod(mbufs[i], const uint8_t *), mbufs[i]->data_len, &hash)) {
        case TR_FLOW_TCP:
            if (!port->device->spreads)
                to = tr_hash_range((uint64_t)hash << 32, port->lcores);
            break;
        case TR_FLOW_ALL:
            hand_to_all(dpdk, mbufs[i]);
            break;
        case TR_FLOW_FIRST:
            to = 0;
            break;
        }
        if (to == dpdk->lcore)
            mbufs[kept++] = mbufs[i];
        else
            hand(dpdk, to, mbufs[i]);
    }
    return kept;
}

void tr_dpdk_handoff_wake(struct tr_dpdk *dpdk)
{
    for (; dpdk->handed_to; dpdk->handed_to &= dpdk->handed_to - 1)
        dpdk->port->wake(dpdk->port->wake_context, (uint32_t)__builtin_ctzll(dpdk->handed_to));
}

uint32_t tr_dpdk_handoff_take(struct tr_dpdk *dpdk, struct rte_mbuf *mbufs[TR_DPDK_BURST])
{
    uint32_t count = 0;

    for (uint32_t from = 0; from < dpdk->port->device->rx_queues && count < TR_DPDK_BURST; from++)
        if (dpdk->port->rings[from][dpdk->lcore])
            count += rte_ring_sc_dequeue_burst(dpdk->port->rings[from][dpdk->lcore], (void **)&mbufs[count],
                                               TR_DPDK_BURST - count, NULL);
    return count;
}

bool tr_dpdk_handoff_waits(const struct tr_dpdk *dpdk)
{
    for (uint32_t from = 0; from < dpdk->port->device->rx_queues; from++) {
        const struct rte_ring *ring = dpdk->port->rings[from][dpdk->lcore];

        // rte_ring_empty() reads the producer's side plainly.
        if (ring && __atomic_load_n(&ring->prod.tail, __ATOMIC_ACQUIRE) != ring->cons.tail)
            return true;
    }
    return false;
}
