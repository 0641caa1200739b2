// SPDX-License-Identifier: Apache-2.0
// What carries a client's bytes: sockets of the kernel (wires_socket.c), or our own TCP over a DPDK device
// (wires_dpdk.c). A set of wires is opened once; each of its places holds one connection at a time.
#ifndef TR_PERF_WIRES_H
#define TR_PERF_WIRES_H

#include <netinet/in.h>

#include "client.h"
#include "net/address.h"

struct wires;

struct wires_options {
    struct sockaddr_storage to;
    socklen_t to_bytes;
    uint32_t count; // places
    struct client_options client;

    // DPDK.
    const char *device;         // NULL: sockets
    const char *pcap;           // file for the frames that are sent, NULL: none
    struct tr_net_address from; // source addresses: a block, unless from.own_bits is 128
    struct tr_ip gateway;
    bool has_gateway;
    uint32_t mtu_bytes; // 0: the device's
};

struct wires_ops {
    // Begin to open the connection of a place, which is empty.
    void (*open)(struct wires *wires, uint32_t place);
    void (*close)(struct wires *wires, uint32_t place);
    // Move bytes both ways; with nothing to do, for `idle` a millisecond at most.
    void (*poll)(struct wires *wires, bool idle);
    void (*destroy)(struct wires *wires);
};

// The client of a place: NULL while there is no connection. A place whose client is broken, or that has none and is not
// `opening`, is to be closed and opened again by the caller.
struct wire_place {
    struct client *client;
    bool opening;
};

struct wires {
    const struct wires_ops *ops;
    struct wires_options options;
    struct wire_place *places;
    uint64_t opened; // connections that came about; tries that did not are none
};

// Return NULL with a message on stderr.
struct wires *wires_socket_create(const struct wires_options *options);
struct wires *wires_dpdk_create(const struct wires_options *options);

static inline bool wire_is_gone(const struct wire_place *place)
{
    return !place->opening && (!place->client || client_broken(place->client));
}

#endif
