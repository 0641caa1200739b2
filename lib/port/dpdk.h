// SPDX-License-Identifier: Apache-2.0
// The DPDK port: a device, and on every lcore a stack of our own behind struct tr_stream.
//
//   device spreads flows (RSS)     each lcore polls its queue, and its connections are those that come in there
//   it has fewer queues            the first lcores poll them and hand each frame to the lcore that its flow hashes to,
//                                  over a ring a pair; what finds a ring full is dropped, counted, and sent again
//   for all                        ICMP errors, neighbours' answers: each lcore gets them
//
// A frame is lent to the stack for the call, and freed after the burst: the pool never runs dry by what peers do.
//
// Thread: tr_dpdk_*() on the lcore, tr_dpdk_port_*() on the control path.
#ifndef TR_PORT_DPDK_H
#define TR_PORT_DPDK_H

#include "base/counter.h"
#include "port/connection.h"
#include "port/dpdk_device.h"
#include "port/dpdk_eal.h"
#include "port/dpdk_options.h"
#include "port/dpdk_queue.h"
#include "port/xdp_maps.h"
#include "port/net_stream.h"

struct tr_dpdk_port;
struct tr_dpdk; // an lcore's part

struct tr_dpdk_port_settings {
    const char *name; // borrowed while the port lives
    const struct tr_dpdk_port_options *options;       // borrowed for the call
    const struct tr_dpdk_port_addresses *addresses;   // same
    const struct tr_connection_options *connections;  // same
    uint32_t lcores;
    void (*wake)(void *context, uint32_t lcore); // called by lcores: there is a frame in a ring for it
    void *wake_context;
};

// What EAL has to have for the port. An upper bound.
uint64_t tr_dpdk_port_memory(const struct tr_dpdk_port_settings *settings);

// EAL runs. Returns 0 or -errno; the error begins with the option.
int tr_dpdk_port_open(struct tr_dpdk_port **port, const struct tr_dpdk_port_settings *settings, struct tr_error *error);
void tr_dpdk_port_close(struct tr_dpdk_port *port);
// Refuse new connections from each lcore's next turn on; what is open stays.
void tr_dpdk_port_stop(struct tr_dpdk_port *port);
const char *tr_dpdk_port_name(const struct tr_dpdk_port *port);
const struct tr_dpdk_device *tr_dpdk_port_device(const struct tr_dpdk_port *port);
const struct tr_dpdk_port_addresses *tr_dpdk_port_addresses(const struct tr_dpdk_port *port);
// Does the kernel have our addresses too, and answer ARP, NDP and echo for them?
bool tr_dpdk_port_is_shared(const struct tr_dpdk_port *port);
// What our XDP program did. Returns 0, -ENOENT: the device has none.
int tr_dpdk_port_xdp_counters(const struct tr_dpdk_port *port, uint64_t counters[TR_XDP_COUNTERS]);

int tr_dpdk_create(struct tr_dpdk **dpdk, struct tr_dpdk_port *port, uint32_t lcore, const struct tr_stream_user *user,
                   struct tr_error *error);
// Connections are reset.
void tr_dpdk_destroy(struct tr_dpdk *dpdk, uint64_t now);

// One bounded turn: frames of at most `budget` bytes in, what is due out. Returns frames and events handled.
size_t tr_dpdk_poll(struct tr_dpdk *dpdk, uint64_t now, size_t budget);
uint64_t tr_dpdk_deadline(const struct tr_dpdk *dpdk);

// Before the lcore sleeps, after others can see that it does: is there a frame for it? Arms the device's interrupt if
// there is none.
bool tr_dpdk_has_input(struct tr_dpdk *dpdk);
// Readable when there may be frames, for the lcore's epoll; -1: it has to look by itself.
int tr_dpdk_fd(const struct tr_dpdk *dpdk);

const char *tr_dpdk_name(const struct tr_dpdk *dpdk); // of its port
struct tr_dpdk_counters *tr_dpdk_counters(struct tr_dpdk *dpdk);
struct tr_stack *tr_dpdk_stack(struct tr_dpdk *dpdk);
struct tr_net_streams *tr_dpdk_streams(struct tr_dpdk *dpdk);
size_t tr_dpdk_connections(const struct tr_dpdk *dpdk, struct tr_connection_row *rows, size_t max);

#endif
