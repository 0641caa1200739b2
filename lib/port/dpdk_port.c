// SPDX-License-Identifier: Apache-2.0
// Opening a DPDK port, and each lcore's part of it.
#include <netinet/in.h>
#include <sys/random.h>

#include "base/log.h"
#include "port/dpdk_internal.h"

#define NEIGHBOURS_MAX 16  // we open no connections
#define OUTPUT_FRAMES  128 // of a turn: half of what may wait for the device

static uint32_t power_of_two_above(uint64_t n)
{
    return (uint32_t)(n <= 1 ? 1 : 1ull << (64 - __builtin_clzll(n - 1)));
}

// Solicited-node groups of our IPv6 addresses (RFC 4291 2.7.1), and all nodes.
static void multicast_add(const struct tr_dpdk_port_addresses *addresses, struct tr_dpdk_device_options *device)
{
    for (uint32_t i = 0; i < addresses->addresses_count; i++) {
        const uint8_t *ip = addresses->addresses[i].ip.bytes;
        const uint8_t group[6] = {0x33, 0x33, 0xff, ip[13], ip[14], ip[15]};

        if (!tr_ip_is_v4(&addresses->addresses[i].ip) && device->multicast_count < TR_DPDK_MULTICAST_MAX - 1)
            memcpy(device->multicast[device->multicast_count++], group, 6);
    }
    if (device->multicast_count)
        memcpy(device->multicast[device->multicast_count++], "\x33\x33\0\0\0\x01", 6);
}

static struct tr_dpdk_device_options device_options(const struct tr_dpdk_port_settings *settings)
{
    const struct tr_dpdk_port_options *options = settings->options;
    struct tr_dpdk_device_options device = {.device = options->device,
                                            .lcores = settings->lcores,
                                            .queues = (uint32_t)options->queues,
                                            .rx_descriptors = (uint32_t)options->rx_descriptors,
                                            .tx_descriptors = (uint32_t)options->tx_descriptors,
                                            .mbufs = (uint32_t)options->mbufs,
                                            .mbuf_bytes = (uint32_t)options->mbuf_bytes,
                                            .mtu_bytes = (uint32_t)options->mtu_bytes,
                                            .interrupts = !options->busy_poll};

    // What may lie in rings between lcores; a guess that memory allows: what doesn't fit is dropped and sent again.
    if (settings->lcores > 1)
        device.extra_mbufs = 1024 + 256 * settings->lcores;
    multicast_add(settings->addresses, &device);
    return device;
}

uint64_t tr_dpdk_port_memory(const struct tr_dpdk_port_settings *settings)
{
    struct tr_dpdk_device_options device = device_options(settings);

    return tr_dpdk_device_memory(&device) + (uint64_t)settings->lcores * settings->lcores * 16 * TR_KIB;
}

// A NIC that the kernel has too: our program takes what is ours, and where the kernel has all our addresses as well it
// answers for them.
static int filter_set(struct tr_dpdk_port *port, struct tr_error *error)
{
    struct tr_ip addresses[TR_STACK_ADDRESSES_MAX];
    struct tr_xdp_filter filter = {.ports = port->addresses.listen,
                                   .port_count = port->addresses.listen_count,
                                   .addresses = addresses,
                                   .address_count = port->addresses.addresses_count};

    if (!port->xdp)
        return 0;
    port->silent = true;
    for (uint32_t i = 0; i < port->addresses.addresses_count; i++) {
        addresses[i] = port->addresses.addresses[i].ip;
        port->silent = port->silent && tr_xdp_kernel_has(&addresses[i]);
    }
    return tr_xdp_filter_set(port->xdp, &filter, error);
}

static int device_open(struct tr_dpdk_port *port, const struct tr_dpdk_port_settings *settings, struct tr_error *error)
{
    struct tr_dpdk_device_options device = device_options(settings);
    char interface[IF_NAMESIZE], completed[1024];
    int rc = tr_xdp_device_complete(device.device, interface, completed, sizeof(completed), error);

    if (rc == 1) {
        rc = tr_xdp_open(&port->xdp, interface, error);
        device.device = completed;
    }
    if (rc == 0)
        rc = tr_dpdk_device_open(&port->device, &device, error);
    return rc ? rc : filter_set(port, error);
}

int tr_dpdk_port_open(struct tr_dpdk_port **out, const struct tr_dpdk_port_settings *settings, struct tr_error *error)
{
    struct tr_dpdk_port *port = calloc(1, sizeof(*port));
    int rc;

    if (!port)
        return tr_error_set(error, ENOMEM, "device: no memory");
    port->name = settings->name;
    port->options = *settings->options;
    port->addresses = *settings->addresses;
    port->connections = *settings->connections;
    port->lcores = settings->lcores;
    port->wake = settings->wake;
    port->wake_context = settings->wake_context;
    for (size_t i = 0; i < TR_NELEMS(port->tx_locks); i++)
        pthread_mutex_init(&port->tx_locks[i], NULL);
    rc = getrandom(port->secret, sizeof(port->secret), 0) == sizeof(port->secret)
             ? device_open(port, settings, error)
             : tr_error_set(error, errno, "device: no random numbers: %s", strerror(errno));
    if (rc == 0)
        rc = tr_dpdk_rings_create(port, error);
    if (rc == 0)
        rc = tr_dpdk_device_watch(port->device, error);
    if (rc < 0) {
        tr_dpdk_port_close(port);
        return rc;
    }
    *out = port;
    return 0;
}

void tr_dpdk_port_close(struct tr_dpdk_port *port)
{
    tr_dpdk_rings_destroy(port);
    tr_dpdk_device_close(port->device);
    if (port->xdp)
        tr_xdp_close(port->xdp);
    for (size_t i = 0; i < TR_NELEMS(port->tx_locks); i++)
        pthread_mutex_destroy(&port->tx_locks[i]);
    free(port);
}

void tr_dpdk_port_stop(struct tr_dpdk_port *port)
{
    tr_store_relaxed(&port->stopped, true);
}

const char *tr_dpdk_port_name(const struct tr_dpdk_port *port)
{
    return port->name;
}

const struct tr_dpdk_device *tr_dpdk_port_device(const struct tr_dpdk_port *port)
{
    return port->device;
}

const struct tr_dpdk_port_addresses *tr_dpdk_port_addresses(const struct tr_dpdk_port *port)
{
    return &port->addresses;
}

bool tr_dpdk_port_is_shared(const struct tr_dpdk_port *port)
{
    return port->silent;
}

int tr_dpdk_port_xdp_counters(const struct tr_dpdk_port *port, uint64_t counters[TR_XDP_COUNTERS])
{
    return port->xdp ? tr_xdp_counters_read(port->xdp, counters, NULL) : -ENOENT;
}

static struct tr_stack_options stack_options(const struct tr_dpdk_port *port)
{
    const struct tr_tcp_limits *tcp = &port->options.tcp;
    const struct tr_dpdk_device *device = port->device;
    struct tr_stack_options options = {.vlan = (uint16_t)port->options.vlan,
                                       .mtu_bytes = (uint16_t)device->mtu_bytes,
                                       .tx_ip_checksum = device->tx_ip_checksum,
                                       .tx_tcp_checksum = device->tx_tcp_checksum,
                                       .silent = port->silent,
                                       .addresses_count = port->addresses.addresses_count,
                                       .gateways_count = port->addresses.gateways_count,
                                       .listen_count = port->addresses.listen_count,
                                       .connections_max = (uint32_t)TR_MAX(port->connections.connections_max, 16),
                                       .half_open_max = (uint32_t)tcp->half_open_max,
                                       .time_wait_max = (uint32_t)tcp->time_wait_max,
                                       .neighbours_max = NEIGHBOURS_MAX,
                                       .window_bytes = tcp->window_bytes,
                                       .reassembly_bytes = tcp->reassembly_bytes,
                                       .send_buffer_bytes = power_of_two_above(port->connections.send_buffer_bytes),
                                       .keepalive_ns = tcp->keepalive_ns,
                                       .stall_timeout_ns = tcp->stall_timeout_ns,
                                       .time_wait_ns = tcp->time_wait_ns,
                                       .output_frames = OUTPUT_FRAMES,
                                       .numa_node = device->numa_node};

    memcpy(options.mac, device->mac, sizeof(options.mac));
    memcpy(options.addresses, port->addresses.addresses, sizeof(options.addresses));
    memcpy(options.gateways, port->addresses.gateways, sizeof(options.gateways));
    memcpy(options.listen, port->addresses.listen, sizeof(options.listen));
    memcpy(options.secret, port->secret, sizeof(options.secret));
    return options;
}

int tr_dpdk_create(struct tr_dpdk **out, struct tr_dpdk_port *port, uint32_t lcore, const struct tr_stream_user *user,
                   struct tr_error *error)
{
    struct tr_dpdk *dpdk = aligned_alloc(TR_CACHE_LINE, TR_ALIGN_UP(sizeof(*dpdk), (size_t)TR_CACHE_LINE));
    struct tr_stack_options options = stack_options(port);
    struct tr_stack_device device;
    struct tr_conn_user conn_user;
    int rc;

    if (!dpdk)
        return tr_error_set(error, ENOMEM, "no memory for lcore %u", lcore);
    memset(dpdk, 0, sizeof(*dpdk));
    dpdk->port = port;
    dpdk->lcore = lcore;
    tr_dpdk_queue_init(&dpdk->queue, port->device, lcore, port->tx_locks);
    dpdk->queue.vlan = options.vlan;
    rc = tr_net_streams_create(&dpdk->streams, &port->connections, user, error);
    if (rc == 0) {
        device = tr_dpdk_queue_stack_device(&dpdk->queue);
        conn_user = tr_net_streams_conn_user(dpdk->streams);
        rc = tr_stack_create(&dpdk->stack, &options, &device, &conn_user, error);
    }
    if (rc < 0) {
        tr_dpdk_destroy(dpdk, 0);
        return rc;
    }
    *out = dpdk;
    return 0;
}

void tr_dpdk_destroy(struct tr_dpdk *dpdk, uint64_t now)
{
    if (dpdk->streams)
        tr_net_streams_shut(dpdk->streams);
    if (dpdk->stack) {
        tr_stack_destroy(dpdk->stack, TR_MAX(now, dpdk->now));
        tr_dpdk_queue_flush(&dpdk->queue, TR_MAX(now, dpdk->now)); // the resets
    }
    if (dpdk->streams)
        tr_net_streams_destroy(dpdk->streams);
    tr_dpdk_queue_fini(&dpdk->queue);
    free(dpdk);
}
