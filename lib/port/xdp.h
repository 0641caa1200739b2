// SPDX-License-Identifier: Apache-2.0
// A NIC shared with the kernel: a net_af_xdp device whose XDP program (xdp_filter.bpf.c) takes only what is ours.
//
// Of an address that the kernel has too that is TCP to our ports and the ICMP errors about it; the kernel answers ARP,
// NDP and echo, and peers' MACs are learned from their segments. An address that the kernel doesn't have is ours alone.
//
//     tr_xdp_device_complete()   the device's arguments, with our program in them, and the interface
//     tr_xdp_open()              before EAL makes the device: claim the interface, take a dead daemon's program off
//     ...                        DPDK loads and attaches the program when the first receive queue is set up
//     tr_xdp_filter_set()        what is ours; until then, and whenever no port is set, every frame passes
//     tr_xdp_close()             after rte_eth_dev_close(), which takes the program off
//
// kill -9 leaves the program attached, and the kernel takes the sockets out of its map as they die: every frame passes,
// so that the host stays reachable, and connections to our ports are refused by the kernel until the next start.
//
// Needs root, or CAP_NET_ADMIN, CAP_BPF and CAP_SYS_ADMIN (the kernel wants the last to find a program by its id).
// Thread: control path.
#ifndef TR_PORT_XDP_H
#define TR_PORT_XDP_H

#include "base/error.h"
#include "net/address.h"
#include "port/xdp_maps.h"

#include <net/if.h>

struct tr_xdp;

// Recognise a net_af_xdp device and put our program into its arguments.
//
// device     DPDK's device arguments: "net_af_xdp0,iface=eth0"
// interface  the network interface, only when 1 is returned
// completed  the arguments to give to EAL, size bytes; a copy of `device` when 0 is returned
//
// Returns 1: it runs our program; 0: another device, or one with an xdp_prog of the user's choice, which is left
// alone; -EINVAL: no iface, or it is too long; -ENOENT: our program's file is nowhere.
int tr_xdp_device_complete(const char *device, char interface[IF_NAMESIZE], char *completed, size_t size,
                           struct tr_error *error);

// Where our program's object file is: TAILRACE_XDP_PROGRAM, or beside the executable in the build folder, or in
// PREFIX/libexec/tailrace of an installed one (executable in PREFIX/bin or PREFIX/sbin).
//
// Returns 0, -ENOENT with the places that were looked at.
int tr_xdp_program_find(char *path, size_t size, struct tr_error *error);

// Claim an interface of this network namespace for this process, until tr_xdp_close() or the process's end, however it
// ends. A program of ours that a dead process left is taken off.
//
// Returns 0, -ENODEV: no such interface; -EBUSY: a living process has it, or a program that isn't ours is attached
// (named in the error); -EPERM: the capabilities above.
int tr_xdp_open(struct tr_xdp **xdp, const char *interface, struct tr_error *error);
void tr_xdp_close(struct tr_xdp *xdp);

struct tr_xdp_filter {
    const uint16_t *ports; // host order
    size_t port_count;     // 0: everything goes to the kernel
    const struct tr_ip *addresses;
    size_t address_count; // 0: whatever the destination address, as if the kernel had it
};

// Replace what is taken. Which addresses the kernel has is looked up here: call it again when that changed. Frames in
// flight meanwhile go by the old, the new or a mixture; what is in both never passes to the kernel.
//
// Returns 0, -ENOENT: our program isn't attached (yet); -E2BIG: more than half of
// TR_XDP_PORTS_MAX or TR_XDP_ADDRESSES_MAX (old and new are there at once for a moment);
// -errno of the kernel's.
int tr_xdp_filter_set(const struct tr_xdp *xdp, const struct tr_xdp_filter *filter, struct tr_error *error);

// Does the kernel have the address, on any interface of this network namespace? Then it answers ARP, NDP and echo for it,
// and goes on doing so: what tr_xdp_filter_set() goes by. true also when it can't be told, since sharing harms nobody.
bool tr_xdp_kernel_has(const struct tr_ip *ip);

// How many frames the program took, and how many it had to leave, since it was attached; all CPUs summed.
//
// Returns 0, -ENOENT as above. Thread: any.
int tr_xdp_counters_read(const struct tr_xdp *xdp, uint64_t counters[TR_XDP_COUNTERS], struct tr_error *error);

#endif
