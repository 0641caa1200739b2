// SPDX-License-Identifier: Apache-2.0
// What the XDP program and the daemon share: names and layouts of the maps. Seen by both compilers.
#ifndef TR_PORT_XDP_MAPS_H
#define TR_PORT_XDP_MAPS_H

#include <linux/types.h>

#define TR_XDP_PROGRAM "tr_xdp_filter" // the kernel keeps 15 characters
#define TR_XDP_QUEUES_MAX 256          // a frame of a queue beyond goes to the kernel
#define TR_XDP_PORTS_MAX 64
#define TR_XDP_ADDRESSES_MAX 64

// Key of tr_addresses: IPv6, or IPv4 as ::ffff:a.b.c.d. The value of it and of tr_ports (key: __be16) is not read.
struct tr_xdp_address {
    __u8 bytes[16];
};

// The one entry of tr_settings.
struct tr_xdp_settings {
    __u32 check_addresses; // 0: every destination address is ours
};

// Entries of tr_counters, a __u64 a CPU.
enum tr_xdp_counter {
    TR_XDP_TAKEN,     // given to a socket
    TR_XDP_NO_SOCKET, // ours, but its queue has no socket: gone to the kernel
    TR_XDP_COUNTERS,
};

#endif
