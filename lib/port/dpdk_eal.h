// SPDX-License-Identifier: Apache-2.0
// DPDK's environment, started from inside a process that keeps its own threads: no files shared with other processes,
// no scan of PCI but for the devices named, the calling thread's CPUs as they were before.
//
// Who has no DPDK port never calls tr_dpdk_eal_start(), and needs none of DPDK's drivers.
// Thread: control path, one at a time; tr_dpdk_thread_register(): the data lcore itself.
#ifndef TR_PORT_DPDK_EAL_H
#define TR_PORT_DPDK_EAL_H

#include "base/error.h"
#include "config/option.h"

enum tr_dpdk_hugepages { TR_HUGEPAGES_AUTO, TR_HUGEPAGES_REQUIRE, TR_HUGEPAGES_NEVER };

struct tr_dpdk_options {
    int hugepages;         // enum tr_dpdk_hugepages
    uint64_t memory_bytes; // 0: what the devices' pools come to
    struct tr_strings eal_arguments;
};
extern const struct tr_option_table tr_dpdk_option_table;

// Start EAL, once in the life of a process.
//
// options       eal_arguments are put behind our own
// pci           addresses of the devices that are wanted ("0000:03:00.0"); none: the bus is not looked at
// memory_bytes  what the pools will need, if options->memory_bytes is 0
//
// Returns 0, -ENOMEM: hugepages are required and there are not enough; -EALREADY; -EINVAL: EAL refused, the log says why.
int tr_dpdk_eal_start(const struct tr_dpdk_options *options, const char *const *pci, size_t pci_count,
                      uint64_t memory_bytes, struct tr_error *error);

// After the last device was closed; the process ends soon. EAL can't be started again.
void tr_dpdk_eal_stop(void);

// How EAL was started: "hugepages" or "no hugepages"; NULL: it is not running.
const char *tr_dpdk_eal_memory(void);

// Is it an address on the PCI bus ("0000:03:00.0", "03:00.0")? Otherwise a virtual device.
bool tr_dpdk_is_pci(const char *device);

// Make the calling thread known to DPDK, so that memory pools keep a cache for it. Failing costs only speed.
void tr_dpdk_thread_register(void);
void tr_dpdk_thread_unregister(void);

#endif
