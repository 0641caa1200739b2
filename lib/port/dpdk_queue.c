// SPDX-License-Identifier: Apache-2.0
#include "port/dpdk_queue.h"

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_tcp.h>

// A whole burst of frames above this is more than a turn wants, and than its caches hold.
#define JUMBO_BYTES 4096

TR_COUNTERS_DEFINE(dpdk, TR_DPDK_COUNTERS)

void tr_dpdk_queue_init(struct tr_dpdk_queue *queue, struct tr_dpdk_device *device, uint32_t lcore,
                        pthread_mutex_t *tx_locks)
{
    memset(queue, 0, sizeof(*queue));
    queue->device = device;
    queue->lcore = lcore;
    queue->burst = device->mtu_bytes > JUMBO_BYTES ? TR_DPDK_BURST / 4 : TR_DPDK_BURST;
    queue->rx_queue = lcore < device->rx_queues ? (int)lcore : -1;
    queue->tx_queue = (uint16_t)(lcore % device->tx_queues);
    queue->tx_lock = device->tx_queues < device->lcores ? &tx_locks[queue->tx_queue] : NULL;
}

void tr_dpdk_queue_fini(struct tr_dpdk_queue *queue)
{
    while (queue->waiting_begin != queue->waiting_end)
        rte_pktmbuf_free(queue->waiting[queue->waiting_begin++ % TR_DPDK_WAITING]);
}

uint32_t tr_dpdk_queue_receive(struct tr_dpdk_queue *queue, struct rte_mbuf *mbufs[TR_DPDK_BURST])
{
    struct tr_dpdk_device *device = queue->device;
    uint32_t count = 0;

    if (queue->rx_queue < 0)
        return 0;
    if (!tr_dpdk_guard_enter(device->guard, queue->lcore)) {
        tr_count(&queue->counters.held_off, 1);
        return 0;
    }
    if (device->started)
        count = rte_eth_rx_burst(device->port, (uint16_t)queue->rx_queue, mbufs, queue->burst);
    tr_dpdk_guard_leave(device->guard, queue->lcore);
    if (count) {
        tr_count(&queue->counters.rx_frames, count);
        tr_count(&queue->counters.rx_bursts, 1);
    }
    for (uint32_t i = 0; i < TR_MIN(count, 4u); i++)
        rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], const void *));
    return count;
}

void tr_dpdk_queue_free(struct rte_mbuf **mbufs, uint32_t count)
{
    rte_pktmbuf_free_bulk(mbufs, count);
}

static uint32_t flags_of(const struct tr_dpdk_device *device, uint64_t ol_flags)
{
    uint32_t flags = 0;

    if (device->rx_ip_checksum) {
        uint64_t ip = ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;

        flags |= ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD ? TR_FRAME_IP_GOOD : ip == RTE_MBUF_F_RX_IP_CKSUM_BAD ? TR_FRAME_IP_BAD : 0;
    }
    if (device->rx_tcp_checksum) {
        uint64_t l4 = ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

        flags |= l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD ? TR_FRAME_L4_GOOD : l4 == RTE_MBUF_F_RX_L4_CKSUM_BAD ? TR_FRAME_L4_BAD : 0;
    }
    return flags;
}

bool tr_dpdk_frame_of(struct tr_dpdk_queue *queue, const struct rte_mbuf *mbuf, struct tr_frame pieces[TR_DPDK_PIECES])
{
    uint32_t count = 0;

    if (mbuf->nb_segs > TR_DPDK_PIECES) {
        tr_count(&queue->counters.rx_pieces, 1);
        return false;
    }
    pieces[0].flags = flags_of(queue->device, mbuf->ol_flags);
    if (mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
        if ((mbuf->vlan_tci & 0xfff) != queue->vlan) {
            tr_count(&queue->counters.rx_vlan, 1);
            return false;
        }
        pieces[0].flags |= TR_FRAME_NO_VLAN;
    }
    for (const struct rte_mbuf *segment = mbuf; segment; segment = segment->next, count++) {
        pieces[count].data = rte_pktmbuf_mtod(segment, const uint8_t *);
        pieces[count].bytes = segment->data_len;
        pieces[count].next = segment->next ? &pieces[count + 1] : NULL;
    }
    return true;
}

// --- sending

static bool frame_alloc(void *context, struct tr_frame_out *frame)
{
    struct tr_dpdk_queue *queue = context;
    struct rte_mbuf *mbuf;

    if (tr_dpdk_queue_waiting(queue) == TR_DPDK_WAITING) {
        tr_count(&queue->counters.tx_full, 1);
        return false;
    }
    mbuf = rte_pktmbuf_alloc(queue->device->tx_pool);
    if (!mbuf) {
        tr_count(&queue->counters.no_mbuf, 1);
        return false;
    }
    frame->handle = mbuf;
    frame->data = rte_pktmbuf_mtod(mbuf, uint8_t *);
    return true;
}

// What the device is to fill in: the TCP checksum starts from that of the pseudo-header, the IP header's from 0.
static void checksums_ask(const struct tr_dpdk_device *device, const struct tr_frame_out *frame, struct rte_mbuf *mbuf)
{
    void *ip = frame->data + frame->l2_bytes;

    mbuf->l2_len = frame->l2_bytes;
    mbuf->l3_len = frame->l3_bytes;
    mbuf->ol_flags |= frame->ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
    if (device->tx_ip_checksum && !frame->ipv6) {
        mbuf->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
        ((struct rte_ipv4_hdr *)ip)->hdr_checksum = 0;
    }
    if (device->tx_tcp_checksum && frame->tcp) {
        struct rte_tcp_hdr *tcp = (void *)(frame->data + frame->l2_bytes + frame->l3_bytes);

        mbuf->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
        tcp->cksum = frame->ipv6 ? rte_ipv6_phdr_cksum(ip, mbuf->ol_flags) : rte_ipv4_phdr_cksum(ip, mbuf->ol_flags);
    }
}

static void frame_send(void *context, const struct tr_frame_out *frame)
{
    struct tr_dpdk_queue *queue = context;
    const struct tr_dpdk_device *device = queue->device;
    struct rte_mbuf *mbuf = frame->handle;

    mbuf->data_len = (uint16_t)frame->bytes;
    mbuf->pkt_len = frame->bytes;
    if (frame->l3_bytes && (device->tx_ip_checksum || device->tx_tcp_checksum))
        checksums_ask(device, frame, mbuf);
    queue->waiting[queue->waiting_end++ % TR_DPDK_WAITING] = mbuf;
}

struct tr_stack_device tr_dpdk_queue_stack_device(struct tr_dpdk_queue *queue)
{
    return (struct tr_stack_device){.context = queue, .alloc = frame_alloc, .send = frame_send};
}

static uint32_t burst_out(struct tr_dpdk_queue *queue)
{
    struct tr_dpdk_device *device = queue->device;
    uint32_t sent = 0;

    while (device->started && queue->waiting_begin != queue->waiting_end) {
        uint32_t at = queue->waiting_begin % TR_DPDK_WAITING;
        uint32_t count = TR_MIN(tr_dpdk_queue_waiting(queue), TR_DPDK_WAITING - at), taken;

        taken = rte_eth_tx_burst(device->port, queue->tx_queue, &queue->waiting[at], (uint16_t)count);
        queue->waiting_begin += taken;
        sent += taken;
        if (taken < count)
            break;
    }
    return sent;
}

uint32_t tr_dpdk_queue_flush(struct tr_dpdk_queue *queue, uint64_t now)
{
    uint32_t sent = 0;

    if (queue->waiting_begin == queue->waiting_end)
        return 0;
    // Who finds the queue in another lcore's hands tries again next turn.
    if (queue->tx_lock && pthread_mutex_trylock(queue->tx_lock) != 0)
        return 0;
    if (tr_dpdk_guard_enter(queue->device->guard, queue->lcore)) {
        sent = burst_out(queue);
        tr_dpdk_guard_leave(queue->device->guard, queue->lcore);
    } else {
        tr_count(&queue->counters.held_off, 1);
    }
    if (queue->tx_lock)
        pthread_mutex_unlock(queue->tx_lock);
    if (sent) {
        tr_count(&queue->counters.tx_frames, sent);
        queue->stuck_ns = 0;
    } else if (!queue->stuck_ns) {
        queue->stuck_ns = now;
    } else if (now - queue->stuck_ns >= TR_DPDK_STUCK_NS) {
        tr_count(&queue->counters.tx_stuck, tr_dpdk_queue_waiting(queue));
        tr_dpdk_queue_fini(queue);
        queue->stuck_ns = 0;
    }
    return sent;
}
