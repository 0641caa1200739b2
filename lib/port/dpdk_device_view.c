// SPDX-License-Identifier: Apache-2.0
// What a device says of itself while it runs.
#include <rte_alarm.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>

#include "port/dpdk_device_internal.h"

TR_COUNTERS_DEFINE(dpdk_device, TR_DPDK_DEVICE_COUNTERS)

bool tr_dpdk_device_link(const struct tr_dpdk_device *device)
{
    struct rte_eth_link link;

    if (device->interface[0]) // its driver says that the link is up, whatever happens
        return tr_dpdk_interface_runs(device->interface);
    memset(&link, 0, sizeof(link));
    return rte_eth_link_get_nowait(device->port, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

bool tr_dpdk_device_reconnect(struct tr_dpdk_device *device)
{
    bool link = tr_dpdk_device_link(device);

    if (link || !device->reconnects)
        return link;
    tr_dpdk_guard_stop_all();
    rte_eth_dev_stop(device->port);
    device->started = rte_eth_dev_start(device->port) == 0;
    tr_dpdk_guard_resume_all();
    return tr_dpdk_device_link(device);
}

#define WATCH_US        100000
#define RECONNECT_LOOKS 5

static void watch(void *argument)
{
    struct tr_dpdk_device *device = argument;
    bool link = tr_dpdk_device_link(device);

    // A handshake takes a few milliseconds: what is under way is not broken off.
    device->looks_down = link ? 0 : device->looks_down + 1;
    if (device->looks_down && device->looks_down % RECONNECT_LOOKS == 0)
        link = tr_dpdk_device_reconnect(device);
    if (link && !device->link)
        tr_store_release(&device->links, device->links + 1);
    tr_store_relaxed(&device->link, link);
    rte_eal_alarm_set(WATCH_US, watch, device);
}

int tr_dpdk_device_watch(struct tr_dpdk_device *device, struct tr_error *error)
{
    int rc = rte_eal_alarm_set(1, watch, device);

    if (rc < 0)
        return tr_error_set(error, -rc, "device: no timer: %s", strerror(-rc));
    device->watched = true;
    return 0;
}

void tr_dpdk_device_unwatch(struct tr_dpdk_device *device)
{
    if (device->watched)
        rte_eal_alarm_cancel(watch, device); // waits for one that runs
    device->watched = false;
}

static void statistics(uint16_t port, struct tr_dpdk_device_view *view)
{
    struct rte_eth_stats stats;

    memset(&stats, 0, sizeof(stats));
    if (rte_eth_stats_get(port, &stats) < 0)
        return;
    view->rx_packets = stats.ipackets;
    view->rx_bytes = stats.ibytes;
    view->rx_missed = stats.imissed;
    view->rx_errors = stats.ierrors;
    view->rx_nombuf = stats.rx_nombuf;
    view->tx_packets = stats.opackets;
    view->tx_bytes = stats.obytes;
    view->tx_errors = stats.oerrors;
    for (uint32_t i = 0; i < view->queues_count && i < RTE_ETHDEV_QUEUE_STAT_CNTRS; i++)
        view->queues[i] = (struct tr_dpdk_queue_stats){.rx_packets = stats.q_ipackets[i],
                                                       .rx_bytes = stats.q_ibytes[i],
                                                       .rx_errors = stats.q_errors[i],
                                                       .tx_packets = stats.q_opackets[i],
                                                       .tx_bytes = stats.q_obytes[i]};
}

static void spreading(uint16_t port, struct tr_dpdk_device_view *view)
{
    struct rte_eth_rss_reta_entry64 entries[TR_NELEMS(view->reta) / RTE_ETH_RETA_GROUP_SIZE];
    struct rte_eth_rss_conf conf = {.rss_key = view->rss_key, .rss_key_len = sizeof(view->rss_key)};
    struct rte_eth_dev_info info;

    if (rte_eth_dev_info_get(port, &info) < 0)
        return;
    if (rte_eth_dev_rss_hash_conf_get(port, &conf) == 0)
        view->rss_key_bytes = TR_MIN(info.hash_key_size ? info.hash_key_size : 40u, (uint32_t)sizeof(view->rss_key));
    if (!info.reta_size || info.reta_size > TR_NELEMS(view->reta))
        return;
    memset(entries, 0, sizeof(entries));
    for (uint32_t i = 0; i < info.reta_size; i++)
        entries[i / RTE_ETH_RETA_GROUP_SIZE].mask |= 1ull << (i % RTE_ETH_RETA_GROUP_SIZE);
    if (rte_eth_dev_rss_reta_query(port, entries, info.reta_size) < 0)
        return;
    view->reta_count = info.reta_size;
    for (uint32_t i = 0; i < info.reta_size; i++)
        view->reta[i] = entries[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
}

static void offloads(const struct tr_dpdk_device *device, struct tr_dpdk_device_view *view)
{
    snprintf(view->offloads, sizeof(view->offloads), "%s%s%s%s%s", device->rx_ip_checksum ? "rx_ip_checksum " : "",
             device->rx_tcp_checksum ? "rx_tcp_checksum " : "", device->tx_ip_checksum ? "tx_ip_checksum " : "",
             device->tx_tcp_checksum ? "tx_tcp_checksum " : "", device->rss ? "rss " : "");
    if (view->offloads[0])
        view->offloads[strlen(view->offloads) - 1] = '\0';
}

void tr_dpdk_device_view(const struct tr_dpdk_device *device, struct tr_dpdk_device_view *view)
{
    struct rte_eth_link link;

    memset(view, 0, sizeof(*view));
    memset(&link, 0, sizeof(link));
    if (rte_eth_link_get_nowait(device->port, &link) == 0) {
        view->speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
    }
    view->link = device->watched ? tr_load_relaxed(&device->link) : tr_dpdk_device_link(device);
    view->queues_count = TR_MAX(device->rx_queues, device->tx_queues);
    statistics(device->port, view);
    if (device->rss)
        spreading(device->port, view);
    offloads(device, view);
    view->mbufs = device->rx_pool->size;
    view->mbufs_free = rte_mempool_avail_count(device->rx_pool);
}

void tr_dpdk_device_counters(const struct tr_dpdk_device *device, struct tr_dpdk_device_counters *counters)
{
    struct rte_eth_stats stats;

    memset(&stats, 0, sizeof(stats));
    rte_eth_stats_get(device->port, &stats);
    *counters = (struct tr_dpdk_device_counters){.link = tr_load_relaxed(&device->link),
                                                 .links = tr_load_relaxed(&device->links),
                                                 .rx_packets = stats.ipackets,
                                                 .tx_packets = stats.opackets,
                                                 .rx_bytes = stats.ibytes,
                                                 .tx_bytes = stats.obytes,
                                                 .rx_missed = stats.imissed,
                                                 .rx_errors = stats.ierrors,
                                                 .rx_no_mbuf = stats.rx_nombuf,
                                                 .tx_errors = stats.oerrors,
                                                 .mbufs = device->rx_pool->size,
                                                 .mbufs_free = rte_mempool_avail_count(device->rx_pool)};
}
