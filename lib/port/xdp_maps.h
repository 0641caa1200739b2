// SPDX-License-Identifier: Apache-2.0
// What the XDP program and the daemon share: names and layouts of the maps. Seen by both compilers.
#ifndef TR_PORT_XDP_MAPS_H
#define TR_PORT_XDP_MAPS_H

#include <linux/types.h>

#define TR_XDP_PROGRAM "tr_xdp_filter" // the kernel keeps 15 characters
#define TR_XDP_QUEUES_MAX 256          // a frame of a queue beyond goes to the kernel
#define TR_XDP_PORTS_MAX 64
#define TR_XDP_ADDRESSES_MAX 64

// Key of tr_addresses: IPv6, or IPv4 as ::ffff:a.b.c.d.
struct tr_xdp_address {
    __u8 bytes[16];
};

// Its value. (That of tr_ports, whose key is a __be16, is not read.)
enum tr_xdp_owner {
    TR_XDP_NOBODY, // not in the map: the kernel's
    TR_XDP_SHARED, // the kernel has it too: only our ports of it are ours
    TR_XDP_ALONE,  // the kernel doesn't have it: all of it is ours, ARP and NDP for it too
};

// The one entry of tr_settings.
struct tr_xdp_settings {
    __u32 port_count;    // 0: every frame passes
    __u32 address_count; // 0: every destination address is shared
};

// Entries of tr_counters, a __u64 a CPU.
enum tr_xdp_counter {
    TR_XDP_TAKEN,     // given to a socket
    TR_XDP_NO_SOCKET, // ours, but its queue has no socket: gone to the kernel
    TR_XDP_COUNTERS,
};

#endif
