// SPDX-License-Identifier: Apache-2.0
// A DPDK device, from its arguments to queues that run: PCI address or virtual device.
//
//   receive queues   one an lcore where the device spreads flows by itself (RSS); else one, or as many as asked for.
//                    `spreads` says whether a flow reaches its lcore by that alone
//   send queues      one an lcore, or fewer; lcores that share one take turns (dpdk_queue.h)
//   frames           buffers hold a whole frame of the MTU, unless mbuf_bytes says otherwise and the device scatters
//
// EAL runs (dpdk_eal.h). Thread: control path, while no lcore uses the device.
#ifndef TR_PORT_DPDK_DEVICE_H
#define TR_PORT_DPDK_DEVICE_H

#include "base/counter.h"
#include "base/error.h"
#include "port/dpdk_guard.h"

#define TR_DPDK_QUEUES_MAX    64
#define TR_DPDK_MULTICAST_MAX 64
#define TR_DPDK_FRAME_EXTRA   22 // Ethernet header, VLAN tag and frame check around the MTU

struct rte_mempool;

struct tr_dpdk_device_options {
    const char *device;       // "0000:03:00.0", "net_tap0,iface=tap0"
    uint32_t lcores;          // that receive and send
    uint32_t queues;          // receive queues, 0: auto
    uint32_t rx_descriptors;  // of a queue
    uint32_t tx_descriptors;
    uint32_t mbufs;           // 0: auto
    uint32_t mbuf_bytes;      // of a buffer, 0: a whole frame
    uint32_t mtu_bytes;       // 0: the interface's, or 1500
    uint32_t extra_mbufs;     // that the caller may hold besides
    bool interrupts;          // ask for what an lcore can sleep on
    uint8_t multicast[TR_DPDK_MULTICAST_MAX][6]; // groups to receive
    uint32_t multicast_count;
};

struct tr_dpdk_device {
    uint16_t port;      // DPDK's number
    char name[64];      // DPDK's: the arguments up to the first comma
    char driver[64];
    char interface[16]; // of the kernel, whose link is the device's; "": none
    uint8_t mac[6];
    int numa_node;      // -1: any
    uint32_t lcores;
    uint32_t mtu_bytes; // that frames may have, both ways
    uint16_t rx_queues, tx_queues;
    bool spreads;       // every lcore has a queue, and a flow's frames all come to one
    bool rss;
    bool rx_ip_checksum, rx_tcp_checksum; // the device verifies
    bool tx_ip_checksum, tx_tcp_checksum; // the device puts them in
    bool started;       // bursts may be asked for; changes while lcores are kept out (guard)
    uint32_t links;     // times that the link came up; stored by the watch, read by lcores
    bool link;          // same
    bool watched;
    uint32_t looks_down; // of the watch, without a link
    bool reconnects;    // memif's client: tr_dpdk_device_reconnect() after its server went
    struct tr_dpdk_guard *guard; // NULL: the device goes away under nobody's hands
    struct rte_mempool *rx_pool, *tx_pool; // the same, unless frames are larger than rx buffers
    int fds[TR_DPDK_QUEUES_MAX]; // by receive queue: readable while frames wait, -1: none
    bool interrupts;    // fds tell once, and have to be armed (rte_eth_dev_rx_intr_enable)
};

// What its pools will take, for tr_dpdk_eal_start(). An upper bound.
uint64_t tr_dpdk_device_memory(const struct tr_dpdk_device_options *options);

// Returns 0 and *device; -errno with a line that names the option: no such device or driver, no memory, a value that the
// device refuses.
int tr_dpdk_device_open(struct tr_dpdk_device **device, const struct tr_dpdk_device_options *options,
                        struct tr_error *error);
// Stop it, give everything back, and take a virtual device away. NULL is allowed.
void tr_dpdk_device_close(struct tr_dpdk_device *device);

// Look at the link ten times a second, on EAL's interrupt thread: count when it comes up (`links`), and twice a second
// let a memif client try to connect. Until the device is closed.
int tr_dpdk_device_watch(struct tr_dpdk_device *device, struct tr_error *error);
void tr_dpdk_device_unwatch(struct tr_dpdk_device *device);

// Is there a link? Thread: any; a look at memory, or one call of the kernel's for tap and its like.
bool tr_dpdk_device_link(const struct tr_dpdk_device *device);

// A memif client whose server has gone connects again as soon as there is one. Does nothing on other devices, or while
// there is a link.
//
// Returns whether there is a link. Thread: any; lcores wait meanwhile (their bursts come up empty).
bool tr_dpdk_device_reconnect(struct tr_dpdk_device *device);

// What a device counts by itself.
#define TR_DPDK_DEVICE_COUNTERS(X)                                                                           \
    X(link, GAUGE, "port_link", "", "1 while a DPDK port has a link.")                                       \
    X(links, COUNTER, "port_links_total", "", "Times that a DPDK port's link came up.")                      \
    X(rx_packets, COUNTER, "port_packets_total", "direction=\"in\"", "Frames that the device counted.")      \
    X(tx_packets, COUNTER, "port_packets_total", "direction=\"out\"", "Frames that the device counted.")     \
    X(rx_bytes, COUNTER, "port_bytes_total", "direction=\"in\"", "Bytes that the device counted.")           \
    X(tx_bytes, COUNTER, "port_bytes_total", "direction=\"out\"", "Bytes that the device counted.")          \
    X(rx_missed, COUNTER, "port_errors_total", "reason=\"rx_missed\"", "Frames that the device lost: queue full.") \
    X(rx_errors, COUNTER, "port_errors_total", "reason=\"rx_errors\"", "Frames that came in damaged.")       \
    X(rx_no_mbuf, COUNTER, "port_errors_total", "reason=\"rx_no_mbuf\"", "Frames without a buffer to go to.") \
    X(tx_errors, COUNTER, "port_errors_total", "reason=\"tx_errors\"", "Frames that the device could not send.") \
    X(mbufs, GAUGE, "port_mbufs", "", "Buffers of the port.")                                                \
    X(mbufs_free, GAUGE, "port_mbufs_free", "", "Buffers of the port that nobody holds.")
TR_COUNTERS_DECLARE(dpdk_device, TR_DPDK_DEVICE_COUNTERS)
void tr_dpdk_device_counters(const struct tr_dpdk_device *device, struct tr_dpdk_device_counters *counters);

// For `tailctl ports`. Thread: control.
struct tr_dpdk_queue_stats {
    uint64_t rx_packets, rx_bytes, rx_errors, tx_packets, tx_bytes;
};
struct tr_dpdk_device_view {
    bool link;
    uint32_t speed_mbps; // 0: none or unknown
    uint64_t rx_packets, rx_bytes, rx_missed, rx_errors, rx_nombuf, tx_packets, tx_bytes, tx_errors;
    struct tr_dpdk_queue_stats queues[TR_DPDK_QUEUES_MAX]; // the first 16 are counted by DPDK
    uint32_t queues_count;
    uint8_t rss_key[64];
    uint32_t rss_key_bytes;
    uint16_t reta[512];
    uint32_t reta_count;
    uint32_t mbufs, mbufs_free;
    char offloads[256]; // names, separated by spaces
};
void tr_dpdk_device_view(const struct tr_dpdk_device *device, struct tr_dpdk_device_view *view);

#endif
