// SPDX-License-Identifier: Apache-2.0
// What of a driver is not in what it says of itself.
#ifndef TR_PORT_DPDK_DEVICE_INTERNAL_H
#define TR_PORT_DPDK_DEVICE_INTERNAL_H

#include <net/if.h>

#include "port/dpdk_device.h"

#define TR_DPDK_RING_HEADERS 128 // in front of a packet in a frame of net_af_packet's ring, at most

enum tr_dpdk_sleep_kind { TR_SLEEP_NONE, TR_SLEEP_AF_XDP, TR_SLEEP_AF_PACKET, TR_SLEEP_TUN };

struct tr_dpdk_driver {
    const char *prefix;      // of the device's arguments
    bool pairs;              // as many send queues as receive queues, whose number is ours or the peer's to choose
    bool own_queues;         // its arguments say how many; frames come to each of them
    bool peer_mac;           // the Ethernet address that it tells is that of the kernel's end
    bool no_offloads;        // computed by the driver itself: no cheaper than by us
    bool guarded;            // its memory can go while it is used (dpdk_guard.h)
    bool has_interface;      // iface=NAME in its arguments is one of the kernel's, whose MTU counts
    uint32_t room_bytes_max; // of a buffer, headroom included; 0: any
    uint32_t room_lost_bytes; // of it, what the driver and the kernel take besides the headroom
    uint32_t mtu_bytes_max;  // that it sends, 0: any
    uint32_t queue_mbufs;    // that a receive queue holds beyond its descriptors
    enum tr_dpdk_sleep_kind sleep;
};

// Never NULL.
const struct tr_dpdk_driver *tr_dpdk_driver_find(const char *device);

// The value of `key=` in a device's arguments. Returns false: there is none, or it is too long.
bool tr_dpdk_argument(const char *device, const char *key, char *value, size_t size);

// memif: "client" is what it is unless its arguments say otherwise.
bool tr_dpdk_memif_is_client(const char *device);
// A client's ring buffers must hold a frame whole: frames in several are repeated and mixed up (DPDK 22.11). Are its
// 2048 bytes too few, and nothing else is given?
bool tr_dpdk_memif_wants_buffers(const char *device, uint32_t mtu_bytes);
// A server that was killed leaves its socket behind, which the next one can't bind: remove it if nobody listens there.
void tr_dpdk_memif_stale_remove(const char *device);
// net_af_packet: bytes of a frame of its ring, headers of the kernel's included: framesz= of its arguments, or what an
// MTU needs.
uint32_t tr_dpdk_ring_frame(const char *device, uint32_t mtu_bytes);

// The MTU of a network interface of this namespace, 0: there is no such.
uint32_t tr_dpdk_interface_mtu(const char *name);
// Is it up, with a carrier?
bool tr_dpdk_interface_runs(const char *name);

// Which descriptors the process has, and the one that a queue's set-up opened: a driver that receives from a socket has
// no interrupts in DPDK, but the socket can be waited for.
struct tr_dpdk_fds {
    uint64_t open[64]; // bit n: descriptor n
};
void tr_dpdk_fds_read(struct tr_dpdk_fds *fds);
// The one with `index` others of its kind before it; -1: there is none.
int tr_dpdk_fds_find_new(const struct tr_dpdk_fds *before, enum tr_dpdk_sleep_kind kind, unsigned index);

#endif
