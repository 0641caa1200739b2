// SPDX-License-Identifier: Apache-2.0
// The options of a DPDK port, and what they come to. No DPDK in it: `--check` needs none.
#ifndef TR_PORT_DPDK_OPTIONS_H
#define TR_PORT_DPDK_OPTIONS_H

#include "config/option.h"
#include "net/stack.h"

struct tr_tcp_limits {
    uint64_t window_bytes, reassembly_bytes;
    uint64_t half_open_max, time_wait_max;
    uint64_t keepalive_ns, stall_timeout_ns, time_wait_ns;
};
extern const struct tr_option_table tr_tcp_option_table;

struct tr_dpdk_port_options {
    const char *device; // NULL: not given
    struct tr_strings addresses, gateways;
    uint64_t mtu_bytes;  // 0: auto
    uint64_t vlan;
    uint64_t queues;     // 0: auto
    uint64_t rx_descriptors, tx_descriptors;
    uint64_t mbufs;      // 0: auto
    uint64_t mbuf_bytes; // 0: auto
    bool busy_poll;
    uint64_t nap_max_ns;
    struct tr_tcp_limits tcp;
};

// Rows of a port's table for a struct that has the options as a member.
#define TR_DPDK_PORT_ROWS(S, m)                                                                              \
    TR_OPTION_STRING(S, m.device, "device", NULL, 0,                                                         \
                     "dpdk: a PCI address (\"0000:03:00.0\") or a virtual device of DPDK with its arguments " \
                     "(\"net_af_xdp0,iface=eth1\", \"net_tap0,iface=tr0\", "                                 \
                     "\"net_memif0,role=server,socket=/run/tailrace/memif.sock\")."),                        \
        TR_OPTION_STRINGS(S, m.addresses, "addresses", 0, TR_STACK_ADDRESSES_MAX, 0,                         \
                          "dpdk: our addresses with their prefixes, IPv4 and IPv6."),                        \
        TR_OPTION_STRINGS(S, m.gateways, "gateways", 0, 2, 0,                                                \
                          "dpdk: a router of each family. Answers go back the way that requests came, so none is " \
                          "needed for those."),                                                              \
        TR_OPTION_UINT(S, m.mtu_bytes, "mtu", "auto", 1280, 9600, TR_AUTO,                                   \
                       "dpdk: bytes of an IP packet. auto: that of the kernel's interface if the device is one, else " \
                       "1500. Lowered to what the driver takes: 1500 for net_tap, 3434 for net_af_xdp."),    \
        TR_OPTION_UINT(S, m.vlan, "vlan", "0", 0, 4094, 0, "dpdk: tag of our frames. 0: none."),             \
        TR_OPTION_UINT(S, m.queues, "queues", "auto", 1, TR_LCORES_MAX, TR_AUTO,                             \
                       "dpdk: receive queues. auto: one an lcore where the device spreads flows by RSS, else one, "  \
                       "from which frames are handed to their lcores."),                                     \
        TR_OPTION_UINT(S, m.rx_descriptors, "rx_descriptors", "1024", 64, 8192, 0,                           \
                       "dpdk: frames that a receive queue holds; brought into the device's bounds."),        \
        TR_OPTION_UINT(S, m.tx_descriptors, "tx_descriptors", "1024", 64, 8192, 0,                           \
                       "dpdk: frames that a send queue holds; brought into the device's bounds."),           \
        TR_OPTION_UINT(S, m.mbufs, "mbufs", "auto", 512, 8 * TR_MIB, TR_AUTO,                                \
                       "dpdk: buffers of the port. auto: what its queues and lcores can hold at once."),     \
        TR_OPTION_UINT(S, m.mbuf_bytes, "mbuf_size", "auto", 256, 16384, TR_AUTO,                            \
                       "dpdk: bytes of a frame that a buffer holds. auto: a whole frame of the MTU. Less saves memory " \
                       "at a large MTU where the device can scatter."),                                      \
        TR_OPTION_BOOL(S, m.busy_poll, "busy_poll", "false", 0,                                              \
                       "dpdk: lcores never sleep. Saves the microseconds of waking up for a core each."),    \
        TR_OPTION_DURATION(S, m.nap_max_ns, "nap_max", "1ms", 10 * TR_US, 100 * TR_MS, 0,                  \
                           "dpdk: how long an idle lcore sleeps between two looks at a device that can't wake it " \
                           "(memif). A millisecond costs about a hundredth of a core."),                \
        TR_OPTION_STRUCT(S, m.tcp, "tcp", &tr_tcp_option_table, 0, "dpdk: limits of TCP.")

// The same, read. Addresses and ports are the stack's.
struct tr_dpdk_port_addresses {
    struct tr_net_address addresses[TR_STACK_ADDRESSES_MAX];
    uint32_t addresses_count;
    struct tr_ip gateways[2];
    uint32_t gateways_count;
    uint16_t listen[TR_STACK_LISTEN_MAX];
    uint32_t listen_count;
};

// Check all that can be checked without the device.
//
// path    of the port in the config, "ports[1]"
// listen  port numbers
// Returns 0, -EINVAL: the error begins with the option's path.
int tr_dpdk_port_options_read(const struct tr_dpdk_port_options *options, const struct tr_strings *listen,
                              const char *path, struct tr_dpdk_port_addresses *addresses, struct tr_error *error);

#endif
