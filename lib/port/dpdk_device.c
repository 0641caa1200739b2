// SPDX-License-Identifier: Apache-2.0
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "base/log.h"
#include "port/dpdk_device_internal.h"
#include "port/dpdk_eal.h"

#define CACHE_MBUFS   256 // of a pool, an lcore
#define BURST_MBUFS   256 // an lcore has in its hands: a burst received, frames that wait to be sent

#define RSS_WANTED                                                                                           \
    (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_TCP |     \
     RTE_ETH_RSS_IPV6_TCP_EX)

// A Toeplitz key that repeats every 16 bits gives both directions of a connection the same hash.
// Source: Woo and Park, "Scalable TCP Session Monitoring with Symmetric Receive-side Scaling", 2012.
static uint8_t rss_key[64];

static void rss_key_make(void)
{
    for (size_t i = 0; i < sizeof(rss_key); i += 2) {
        rss_key[i] = 0x6d;
        rss_key[i + 1] = 0x5a;
    }
}

// --- sizes

static uint32_t queues_most(const struct tr_dpdk_device_options *options)
{
    return options->queues ? options->queues : options->lcores;
}

static uint32_t mbufs_wanted(const struct tr_dpdk_device_options *options, const struct tr_dpdk_driver *driver,
                             uint32_t rx_queues, uint32_t tx_queues)
{
    uint32_t mbufs = options->mbufs;

    if (!mbufs)
        mbufs = rx_queues * options->rx_descriptors + tx_queues * options->tx_descriptors +
                options->lcores * (CACHE_MBUFS * 2 + BURST_MBUFS) + options->extra_mbufs;
    return mbufs + rx_queues * driver->queue_mbufs;
}

static uint32_t mtu_wanted(const struct tr_dpdk_device_options *options, const struct tr_dpdk_driver *driver)
{
    char interface[IF_NAMESIZE];
    uint32_t mtu = options->mtu_bytes, most = UINT32_MAX;

    if (!mtu && driver->has_interface && tr_dpdk_argument(options->device, "iface", interface, sizeof(interface)))
        mtu = tr_dpdk_interface_mtu(interface);
    if (!mtu)
        mtu = 1500;
    if (driver->sleep == TR_SLEEP_AF_PACKET)
        most = TR_MAX(tr_dpdk_ring_frame(options->device, mtu), 2 * TR_DPDK_RING_HEADERS) - TR_DPDK_RING_HEADERS;
    if (driver->mtu_bytes_max)
        most = driver->mtu_bytes_max;
    if (driver->room_bytes_max)
        most = TR_MIN(most, driver->room_bytes_max - RTE_PKTMBUF_HEADROOM - driver->room_lost_bytes - TR_DPDK_FRAME_EXTRA);
    return TR_MIN(mtu, most);
}

// Bytes of a buffer that holds a whole frame, headroom included.
static uint32_t room_of(const struct tr_dpdk_device_options *options, const struct tr_dpdk_driver *driver, uint32_t mtu)
{
    uint32_t room = mtu + TR_DPDK_FRAME_EXTRA + driver->room_lost_bytes;

    // The driver copies from frames of a ring, and wants room for the whole of one.
    if (driver->sleep == TR_SLEEP_AF_PACKET)
        room = TR_MAX(room, tr_dpdk_ring_frame(options->device, mtu));
    room = TR_MAX(TR_ALIGN_UP(room, 64u), 2048u) + RTE_PKTMBUF_HEADROOM;
    return driver->room_bytes_max ? TR_MIN(room, driver->room_bytes_max) : room;
}

uint64_t tr_dpdk_device_memory(const struct tr_dpdk_device_options *options)
{
    const struct tr_dpdk_driver *driver = tr_dpdk_driver_find(options->device);
    uint32_t queues = queues_most(options);
    uint64_t mbufs = mbufs_wanted(options, driver, queues, TR_MAX(queues, options->lcores));
    uint64_t room = TR_MAX(room_of(options, driver, mtu_wanted(options, driver)),
                           TR_ALIGN_UP(options->mbuf_bytes + RTE_PKTMBUF_HEADROOM, 64u));

    // Of a buffer: rte_mbuf and the pool's header and trailer; of the pool: a ring of pointers.
    return mbufs * (room + sizeof(struct rte_mbuf) + 128 + 2 * sizeof(void *)) + 4 * TR_MIB;
}

// --- opening, step by step

struct opening {
    const struct tr_dpdk_device_options *options;
    const struct tr_dpdk_driver *driver;
    struct tr_dpdk_device *device;
    struct rte_eth_dev_info info;
    struct tr_dpdk_fds fds_before;
    uint32_t room;
    bool scatter;
    struct tr_error *error;
};

static int refused(struct opening *o, int rc, const char *what)
{
    return tr_error_set(o->error, rc ? -rc : EINVAL, "device: %s: %s: %s", o->device->name, what,
                        rc ? rte_strerror(-rc) : "refused");
}

// What the driver is given behind the device's name.
static void arguments_write(const struct opening *o, char *text, size_t size)
{
    const char *given = strchr(o->options->device, ',');
    uint32_t mtu = mtu_wanted(o->options, o->driver), frame = tr_dpdk_ring_frame(o->options->device, mtu);

    snprintf(text, size, "%s", given ? given + 1 : "");
    if (o->driver->sleep == TR_SLEEP_AF_PACKET && !strstr(text, "frame") && !strstr(text, "blocksz="))
        snprintf(text + strlen(text), size - strlen(text), ",blocksz=%u,framesz=%u,framecnt=%u", TR_MAX(frame, 4096u),
                 frame, TR_ALIGN_UP(o->options->rx_descriptors * 4, 2u)); // the ring takes the place of descriptors
    if (o->driver->guarded && tr_dpdk_memif_wants_buffers(o->options->device, mtu))
        snprintf(text + strlen(text), size - strlen(text), ",bsize=%u",
                 TR_ALIGN_UP(mtu + TR_DPDK_FRAME_EXTRA, 64u));
}

static int probe(struct opening *o)
{
    struct tr_dpdk_device *device = o->device;
    struct rte_eth_dev_info *info = &o->info;
    char arguments[1024];
    int rc = 0;

    snprintf(device->name, sizeof(device->name), "%.*s", (int)strcspn(o->options->device, ","), o->options->device);
    tr_dpdk_memif_stale_remove(o->options->device);
    arguments_write(o, arguments, sizeof(arguments));
    tr_dpdk_fds_read(&o->fds_before);
    if (!tr_dpdk_is_pci(o->options->device)) // EAL has probed PCI when it started
        rc = rte_eal_hotplug_add("vdev", device->name, arguments);
    if (rc < 0)
        return refused(o, rc, "no such device, or its driver is not installed, or it refuses the arguments");
    rc = rte_eth_dev_get_port_by_name(device->name, &device->port);
    if (rc < 0)
        return refused(o, rc, "no network device");
    rc = rte_eth_dev_info_get(device->port, info);
    if (rc < 0)
        return refused(o, rc, "says nothing of itself");
    snprintf(device->driver, sizeof(device->driver), "%s", info->driver_name);
    if (o->driver->has_interface && !tr_dpdk_argument(o->options->device, "iface", device->interface, IF_NAMESIZE))
        device->interface[0] = '\0';
    device->numa_node = rte_eth_dev_socket_id(device->port);
    return 0;
}

static int sizes(struct opening *o)
{
    const struct tr_dpdk_device_options *options = o->options;
    struct tr_dpdk_device *device = o->device;
    const struct rte_eth_dev_info *info = &o->info;
    uint64_t rss = info->flow_type_rss_offloads;
    uint32_t mtu = mtu_wanted(options, o->driver), whole = room_of(options, o->driver, mtu), queues;
    bool hashes = !o->driver->pairs && (rss & RTE_ETH_RSS_NONFRAG_IPV4_TCP) && (rss & RTE_ETH_RSS_NONFRAG_IPV6_TCP);

    if (mtu < options->mtu_bytes) // what peers send is bounded by the MSS that we tell them
        tr_log(TR_LOG_WARN, "dpdk.mtu_lowered", "device=%s mtu=%u wanted=%u driver=%s", device->name, mtu,
               options->mtu_bytes, device->driver);
    o->room = whole;
    if (options->mbuf_bytes) {
        o->room = TR_ALIGN_UP(options->mbuf_bytes, 64u) + RTE_PKTMBUF_HEADROOM;
        o->scatter = o->room < whole;
        if (o->scatter && !(info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) && !o->driver->guarded)
            return tr_error_set(o->error, EINVAL, "mbuf_size: %u holds no frame of %u bytes, and %s does not scatter",
                                options->mbuf_bytes, mtu + TR_DPDK_FRAME_EXTRA, device->driver);
    }
    device->mtu_bytes = mtu;
    queues = options->queues ? options->queues : hashes ? options->lcores : 1;
    if (options->queues && options->queues > info->max_rx_queues)
        return tr_error_set(o->error, EINVAL, "queues: %u is above %u, which %s has", options->queues,
                            info->max_rx_queues, device->driver);
    if (o->driver->own_queues)
        queues = info->max_rx_queues;
    if (o->driver->own_queues && queues > options->lcores)
        return tr_error_set(o->error, EINVAL, "device: %s has %u queues by its arguments, more than the %u lcores",
                            device->name, queues, options->lcores);
    queues = TR_MIN(TR_MIN(queues, options->lcores), TR_MIN(info->max_rx_queues, TR_DPDK_QUEUES_MAX));
    device->rx_queues = (uint16_t)TR_MAX(queues, 1u);
    device->tx_queues = o->driver->pairs ? device->rx_queues
                                         : (uint16_t)TR_MIN(TR_MIN(options->lcores, info->max_tx_queues), 64u);
    device->rss = hashes && device->rx_queues > 1;
    device->spreads = options->lcores == 1 || (device->rss && device->rx_queues == options->lcores);
    return 0;
}

static int pools_make(struct opening *o)
{
    struct tr_dpdk_device *device = o->device;
    uint32_t mbufs = mbufs_wanted(o->options, o->driver, device->rx_queues, device->tx_queues);
    int node = device->numa_node < 0 ? SOCKET_ID_ANY : device->numa_node;
    char name[RTE_MEMPOOL_NAMESIZE];

    snprintf(name, sizeof(name), "port%u", device->port);
    device->rx_pool = rte_pktmbuf_pool_create(name, mbufs, CACHE_MBUFS, 0, (uint16_t)o->room, node);
    device->tx_pool = device->rx_pool;
    if (device->rx_pool && o->scatter) {
        uint32_t room = room_of(o->options, o->driver, device->mtu_bytes);

        snprintf(name, sizeof(name), "port%u_out", device->port);
        device->tx_pool = rte_pktmbuf_pool_create(
            name, device->tx_queues * o->options->tx_descriptors + o->options->lcores * (CACHE_MBUFS * 2 + BURST_MBUFS),
            CACHE_MBUFS, 0, (uint16_t)room, node);
    }
    if (!device->rx_pool || !device->tx_pool)
        return tr_error_set(o->error, ENOMEM, "mbufs: no memory for %u buffers of %u bytes: %s", mbufs, o->room,
                            rte_strerror(rte_errno));
    return 0;
}

static void offloads_choose(struct opening *o, struct rte_eth_conf *conf)
{
    const uint64_t rx_checksums = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
    const uint64_t tx_checksums = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
    struct tr_dpdk_device *device = o->device;
    uint64_t rx = o->info.rx_offload_capa, tx = o->info.tx_offload_capa;

    if (o->scatter)
        conf->rxmode.offloads |= rx & RTE_ETH_RX_OFFLOAD_SCATTER;
    if (o->driver->no_offloads)
        return;
    conf->rxmode.offloads |= rx & rx_checksums;
    conf->txmode.offloads |= tx & tx_checksums;
    if (device->rx_pool == device->tx_pool)
        conf->txmode.offloads |= tx & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
    device->rx_ip_checksum = rx & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
    device->rx_tcp_checksum = rx & RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
    device->tx_ip_checksum = tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
    device->tx_tcp_checksum = tx & RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
}

static int configure(struct opening *o)
{
    struct tr_dpdk_device *device = o->device;
    struct rte_eth_conf conf = {0};
    int rc;

    offloads_choose(o, &conf);
    if (!o->driver->pairs)
        conf.rxmode.mtu = device->mtu_bytes; // of a NIC of our own; an interface of the kernel's keeps its own
    if (device->rss) {
        rss_key_make();
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = RSS_WANTED & o->info.flow_type_rss_offloads;
        conf.rx_adv_conf.rss_conf.rss_key = rss_key;
        conf.rx_adv_conf.rss_conf.rss_key_len = o->info.hash_key_size ? o->info.hash_key_size : 40;
    }
    conf.intr_conf.rxq = o->options->interrupts && tr_dpdk_is_pci(o->options->device);
    rc = rte_eth_dev_configure(device->port, device->rx_queues, device->tx_queues, &conf);
    if (rc < 0 && conf.intr_conf.rxq) { // a driver without them, or a bus
        conf.intr_conf.rxq = 0;
        rc = rte_eth_dev_configure(device->port, device->rx_queues, device->tx_queues, &conf);
    }
    if (rc < 0)
        return refused(o, rc, "configuration");
    device->interrupts = conf.intr_conf.rxq;
    return 0;
}

static int queues_set_up(struct opening *o)
{
    struct tr_dpdk_device *device = o->device;
    uint16_t rx = (uint16_t)o->options->rx_descriptors, tx = (uint16_t)o->options->tx_descriptors;
    unsigned node = device->numa_node < 0 ? (unsigned)SOCKET_ID_ANY : (unsigned)device->numa_node;
    int rc = rte_eth_dev_adjust_nb_rx_tx_desc(device->port, &rx, &tx);

    if (rc < 0)
        return refused(o, rc, "descriptors");
    for (uint16_t i = 0; i < device->rx_queues; i++) {
        unsigned before = o->driver->sleep == TR_SLEEP_AF_PACKET ? i : 0; // its sockets were opened by the probe

        if (o->driver->sleep != TR_SLEEP_AF_PACKET)
            tr_dpdk_fds_read(&o->fds_before);
        rc = rte_eth_rx_queue_setup(device->port, i, rx, node, NULL, device->rx_pool);
        if (rc < 0)
            return refused(o, rc, "receive queue");
        device->fds[i] = tr_dpdk_fds_find_new(&o->fds_before, o->driver->sleep, before);
    }
    for (uint16_t i = 0; i < device->tx_queues; i++) {
        rc = rte_eth_tx_queue_setup(device->port, i, tx, node, NULL);
        if (rc < 0)
            return refused(o, rc, "send queue");
    }
    return 0;
}

static void multicast_join(struct opening *o)
{
    struct rte_ether_addr groups[TR_DPDK_MULTICAST_MAX];

    for (uint32_t i = 0; i < o->options->multicast_count; i++)
        memcpy(groups[i].addr_bytes, o->options->multicast[i], 6);
    if (rte_eth_promiscuous_get(o->device->port) == 1)
        rte_eth_promiscuous_disable(o->device->port);
    if (o->options->multicast_count &&
        rte_eth_dev_set_mc_addr_list(o->device->port, groups, o->options->multicast_count) < 0)
        rte_eth_allmulticast_enable(o->device->port);
}

static int start(struct opening *o)
{
    struct tr_dpdk_device *device = o->device;
    struct rte_ether_addr mac;
    int rc;

    device->reconnects = o->driver->guarded && tr_dpdk_memif_is_client(o->options->device);
    if (device->reconnects) // each try that fails would be an error
        rte_log_set_level_pattern("pmd.net.memif", RTE_LOG_CRIT);
    rc = rte_eth_dev_start(device->port);
    if (rc < 0 && !device->reconnects)
        return refused(o, rc, "start");
    device->started = rc == 0;
    rc = rte_eth_macaddr_get(device->port, &mac);
    if (rc < 0)
        return refused(o, rc, "no Ethernet address");
    memcpy(device->mac, mac.addr_bytes, 6);
    if (o->driver->peer_mac)
        device->mac[5] ^= 1;
    multicast_join(o);
    for (uint16_t i = 0; device->interrupts && i < device->rx_queues; i++)
        device->fds[i] = rte_eth_dev_rx_intr_ctl_q_get_fd(device->port, i);
    return 0;
}

int tr_dpdk_device_open(struct tr_dpdk_device **out, const struct tr_dpdk_device_options *options, struct tr_error *error)
{
    struct tr_dpdk_device *device = calloc(1, sizeof(*device));
    struct opening o = {
        .options = options, .driver = tr_dpdk_driver_find(options->device), .device = device, .error = error};
    int rc;

    if (!device)
        return tr_error_set(error, ENOMEM, "device: no memory");
    device->port = RTE_MAX_ETHPORTS;
    device->lcores = options->lcores;
    for (size_t i = 0; i < TR_NELEMS(device->fds); i++)
        device->fds[i] = -1;
    if (o.driver->guarded && !(device->guard = tr_dpdk_guard_create(options->lcores)))
        rc = tr_error_set(error, ENOMEM, "device: no memory");
    else if ((rc = probe(&o)) == 0 && (rc = sizes(&o)) == 0 && (rc = pools_make(&o)) == 0 && (rc = configure(&o)) == 0 &&
             (rc = queues_set_up(&o)) == 0)
        rc = start(&o);
    if (rc < 0) {
        tr_dpdk_device_close(device);
        return rc;
    }
    tr_log(TR_LOG_INFO, "dpdk.device", "device=%s driver=%s mtu=%u queues=%u/%u rss=%d", device->name, device->driver,
           device->mtu_bytes, device->rx_queues, device->tx_queues, device->rss);
    *out = device;
    return 0;
}

void tr_dpdk_device_close(struct tr_dpdk_device *device)
{
    if (!device)
        return;
    if (device->port != RTE_MAX_ETHPORTS) {
        bool is_virtual = !tr_dpdk_is_pci(device->name);

        tr_dpdk_device_unwatch(device);
        tr_dpdk_guard_stop_all(); // memif's handler may be at work
        rte_eth_dev_stop(device->port);
        rte_eth_dev_close(device->port);
        tr_dpdk_guard_resume_all();
        if (is_virtual)
            rte_eal_hotplug_remove("vdev", device->name);
    }
    if (device->tx_pool != device->rx_pool)
        rte_mempool_free(device->tx_pool);
    rte_mempool_free(device->rx_pool);
    tr_dpdk_guard_destroy(device->guard);
    free(device);
}
