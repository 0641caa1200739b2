// SPDX-License-Identifier: Apache-2.0
// An lcore's end of a DPDK device: bursts in, frames out.
//
//   count = tr_dpdk_queue_receive(queue, mbufs)       for each: tr_dpdk_frame_of() → tr_stack_input()
//   tr_dpdk_queue_free(mbufs, count)                  once the stack is done with the burst
//   tr_stack_poll()                                   sends through tr_dpdk_queue_stack_device()
//   tr_dpdk_queue_flush(queue, now)
//
// A frame that was allocated always finds room: what the device doesn't take stays and is tried again by the next flush.
// Only a device that takes nothing at all for TR_DPDK_STUCK_NS loses them, counted.
//
// Thread: the lcore.
#ifndef TR_PORT_DPDK_QUEUE_H
#define TR_PORT_DPDK_QUEUE_H

#include "base/counter.h"
#include "net/stack.h"
#include "port/dpdk_device.h"

#define TR_DPDK_BURST    32
#define TR_DPDK_WAITING  256 // frames that may wait to be sent, a power of two
#define TR_DPDK_PIECES   16  // segments of one frame; more are dropped
#define TR_DPDK_STUCK_NS (100 * TR_MS)

#define TR_DPDK_COUNTERS(X)                                                                                  \
    X(rx_frames, COUNTER, "dpdk_frames_total", "direction=\"in\"", "Frames that an lcore took from a device.") \
    X(tx_frames, COUNTER, "dpdk_frames_total", "direction=\"out\"", "Frames that a device took from an lcore.") \
    X(rx_bursts, COUNTER, "dpdk_bursts_total", "", "Bursts that were not empty.")                            \
    X(rx_pieces, COUNTER, "dpdk_dropped_total", "reason=\"pieces\"", "Frames in too many segments.")         \
    X(rx_vlan, COUNTER, "dpdk_dropped_total", "reason=\"vlan\"",                                             \
      "Frames of another VLAN, whose tag the device had taken off.")                                         \
    X(ring_full, COUNTER, "dpdk_dropped_total", "reason=\"ring_full\"",                                      \
      "Frames for another lcore whose ring was full.")                                                       \
    X(tx_stuck, COUNTER, "dpdk_dropped_total", "reason=\"tx_stuck\"",                                        \
      "Frames given up because the device took none for 100 ms.")                                            \
    X(handed, COUNTER, "dpdk_handed_total", "", "Frames handed to another lcore.")                           \
    X(tx_full, COUNTER, "dpdk_tx_full_total", "", "Times that a frame to be sent found no room.")            \
    X(no_mbuf, COUNTER, "dpdk_no_mbuf_total", "", "Times that a frame to be sent found no buffer.")          \
    X(held_off, COUNTER, "dpdk_held_off_total", "", "Polls without a burst: the device's peer was coming or going.")
TR_COUNTERS_DECLARE(dpdk, TR_DPDK_COUNTERS)

struct rte_mbuf;

struct tr_dpdk_queue {
    struct tr_dpdk_device *device;
    uint32_t lcore;
    int rx_queue;  // -1: none of its own
    uint16_t tx_queue;
    uint16_t burst; // frames taken at once, at most TR_DPDK_BURST
    pthread_mutex_t *tx_lock; // NULL: the send queue is its own
    uint16_t vlan;            // that the device may have taken off a frame
    struct rte_mbuf *waiting[TR_DPDK_WAITING]; // a ring
    uint32_t waiting_begin, waiting_end;       // count up
    uint64_t stuck_ns; // since when the device takes nothing, 0: it does
    struct tr_dpdk_counters counters; // read by any thread
};

// tx_locks  of the device's send queues, shared by its lcores
void tr_dpdk_queue_init(struct tr_dpdk_queue *queue, struct tr_dpdk_device *device, uint32_t lcore,
                        pthread_mutex_t *tx_locks);
// Give what waits back to the pool.
void tr_dpdk_queue_fini(struct tr_dpdk_queue *queue);

// Up to queue->burst frames, theirs who called.
uint32_t tr_dpdk_queue_receive(struct tr_dpdk_queue *queue, struct rte_mbuf *mbufs[TR_DPDK_BURST]);
void tr_dpdk_queue_free(struct rte_mbuf **mbufs, uint32_t count);

// A received mbuf as the stack takes it; borrowed from the mbuf and `pieces`.
//
// Returns false: it has too many segments, or is of another VLAN (counted).
bool tr_dpdk_frame_of(struct tr_dpdk_queue *queue, const struct rte_mbuf *mbuf,
                      struct tr_frame pieces[TR_DPDK_PIECES]);

// For tr_stack_create(). Valid as long as the queue.
struct tr_stack_device tr_dpdk_queue_stack_device(struct tr_dpdk_queue *queue);

// Send what waits. Returns how many frames went.
uint32_t tr_dpdk_queue_flush(struct tr_dpdk_queue *queue, uint64_t now);
static inline uint32_t tr_dpdk_queue_waiting(const struct tr_dpdk_queue *queue)
{
    return queue->waiting_end - queue->waiting_begin;
}

#endif
