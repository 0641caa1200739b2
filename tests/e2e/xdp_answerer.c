// SPDX-License-Identifier: Apache-2.0
// The least that can stand behind a net_af_xdp device with our XDP program: it answers SYN, echoes data and ends
// connections, all from the segment in hand. It keeps no state, so that what it does at kill -9 is the kernel's doing.
//
//     xdp-answerer INTERFACE ADDRESS... : prints "ready"; at SIGTERM closes the device and prints what the program took
#include "port/xdp.h"

#include <arpa/inet.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <signal.h>
#include <unistd.h>

#define BURST         32
#define MBUFS         8191
#define DESCRIPTORS   2048
#define OUR_ISN       1000
#define ADDRESSES_MAX 4

static const uint16_t ports[] = {4317, 4318};
static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    stopped = 1;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "xdp-answerer: %s: %s\n", what, why);
    exit(1);
}

// Turn a segment into the answer to it, in place. Returns whether there is one.
static bool tcp_answer(struct rte_mbuf *mbuf, struct rte_tcp_hdr *tcp, uint32_t payload_bytes)
{
    uint32_t seq = rte_be_to_cpu_32(tcp->sent_seq);
    uint16_t port = tcp->src_port;

    if (tcp->tcp_flags & RTE_TCP_RST_FLAG)
        return false;
    if (tcp->tcp_flags & RTE_TCP_SYN_FLAG) {
        // No options in the answer: none in the segments to come.
        rte_pktmbuf_trim(mbuf, (uint16_t)((tcp->data_off >> 4) * 4 - sizeof(*tcp)));
        tcp->data_off = (sizeof(*tcp) / 4) << 4;
        tcp->recv_ack = rte_cpu_to_be_32(seq + 1);
        tcp->sent_seq = rte_cpu_to_be_32(OUR_ISN);
        tcp->tcp_flags |= RTE_TCP_ACK_FLAG;
    } else if (payload_bytes || tcp->tcp_flags & RTE_TCP_FIN_FLAG) {
        seq += payload_bytes + !!(tcp->tcp_flags & RTE_TCP_FIN_FLAG);
        tcp->sent_seq = tcp->recv_ack;
        tcp->recv_ack = rte_cpu_to_be_32(seq);
    } else {
        return false;
    }
    tcp->src_port = tcp->dst_port;
    tcp->dst_port = port;
    tcp->rx_win = UINT16_MAX;
    tcp->cksum = 0;
    return true;
}

static bool ipv4_answer(struct rte_mbuf *mbuf, struct rte_ipv4_hdr *ip)
{
    struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)((uint8_t *)ip + rte_ipv4_hdr_len(ip));
    uint32_t payload = rte_be_to_cpu_16(ip->total_length) - rte_ipv4_hdr_len(ip) - (tcp->data_off >> 4) * 4u;
    rte_be32_t address = ip->src_addr;

    if (ip->next_proto_id != IPPROTO_TCP || !tcp_answer(mbuf, tcp, payload))
        return false;
    ip->src_addr = ip->dst_addr;
    ip->dst_addr = address;
    ip->total_length = rte_cpu_to_be_16((uint16_t)(rte_ipv4_hdr_len(ip) + (tcp->data_off >> 4) * 4u + payload));
    ip->hdr_checksum = 0;
    ip->hdr_checksum = rte_ipv4_cksum(ip);
    tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
    return true;
}

static bool ipv6_answer(struct rte_mbuf *mbuf, struct rte_ipv6_hdr *ip)
{
    struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);
    uint32_t payload = rte_be_to_cpu_16(ip->payload_len) - (tcp->data_off >> 4) * 4u;
    uint8_t address[16];

    if (ip->proto != IPPROTO_TCP || !tcp_answer(mbuf, tcp, payload))
        return false;
    memcpy(address, ip->src_addr, 16);
    memcpy(ip->src_addr, ip->dst_addr, 16);
    memcpy(ip->dst_addr, address, 16);
    ip->payload_len = rte_cpu_to_be_16((uint16_t)((tcp->data_off >> 4) * 4u + payload));
    tcp->cksum = rte_ipv6_udptcp_cksum(ip, tcp);
    return true;
}

static bool frame_answer(struct rte_mbuf *mbuf)
{
    struct rte_ether_hdr *ethernet = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);
    struct rte_ether_addr address = ethernet->src_addr;

    // Padding of short frames would be echoed beyond the packet; the frames of a veth have none.
    ethernet->src_addr = ethernet->dst_addr;
    ethernet->dst_addr = address;
    if (ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
        return ipv4_answer(mbuf, (struct rte_ipv4_hdr *)(ethernet + 1));
    return ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6) &&
           ipv6_answer(mbuf, (struct rte_ipv6_hdr *)(ethernet + 1));
}

static void frames_poll(void)
{
    struct rte_mbuf *mbufs[BURST];
    uint16_t n = rte_eth_rx_burst(0, 0, mbufs, BURST), answers = 0, sent;

    for (uint16_t i = 0; i < n; i++) {
        if (frame_answer(mbufs[i]))
            mbufs[answers++] = mbufs[i];
        else
            rte_pktmbuf_free(mbufs[i]);
    }
    sent = rte_eth_tx_burst(0, 0, mbufs, answers);
    rte_pktmbuf_free_bulk(mbufs + sent, answers - sent);
}

static void device_start(const char *device)
{
    static char program[] = "xdp-answerer", vdev[600];
    char *arguments[] = {program, "--no-pci", "--no-huge", "-m", "64", "--no-telemetry", "--file-prefix", vdev + 512,
                         "-l", "0", "--vdev", vdev, NULL};
    struct rte_eth_conf conf = {0};
    struct rte_mempool *pool;

    snprintf(vdev, 512, "%s", device);
    snprintf(vdev + 512, sizeof(vdev) - 512, "answerer%d", (int)getpid());
    if (rte_eal_init(TR_NELEMS(arguments) - 1, arguments) < 0)
        fail("EAL", rte_strerror(rte_errno));
    pool = rte_pktmbuf_pool_create("frames", MBUFS, 128, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (!pool)
        fail("pool", rte_strerror(rte_errno));
    if (rte_eth_dev_configure(0, 1, 1, &conf) < 0 ||
        rte_eth_rx_queue_setup(0, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL, pool) < 0 ||
        rte_eth_tx_queue_setup(0, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL) < 0 || rte_eth_dev_start(0) < 0)
        fail("device", device);
}

int main(int argc, char **argv)
{
    char interface[IF_NAMESIZE], device[512], completed[512];
    struct tr_ip addresses[ADDRESSES_MAX];
    struct tr_xdp_filter filter = {ports, TR_NELEMS(ports), addresses, (size_t)argc - 2};
    uint64_t counters[TR_XDP_COUNTERS];
    struct tr_error error = {0};
    struct tr_xdp *xdp;

    if (argc < 3 || argc > ADDRESSES_MAX + 2)
        fail("usage", "xdp-answerer INTERFACE ADDRESS...");
    signal(SIGTERM, stop);
    snprintf(device, sizeof(device), "net_af_xdp0,iface=%s", argv[1]);
    for (size_t i = 0; i < filter.address_count; i++) {
        addresses[i] = tr_ip_v4((uint8_t[4]){0});
        if (inet_pton(AF_INET6, argv[i + 2], addresses[i].bytes) != 1 &&
            inet_pton(AF_INET, argv[i + 2], addresses[i].bytes + 12) != 1)
            fail("address", argv[i + 2]);
    }
    if (tr_xdp_device_complete(device, interface, completed, sizeof(completed), &error) < 0 ||
        tr_xdp_open(&xdp, interface, &error) < 0)
        fail("start", error.text);
    device_start(completed);
    if (tr_xdp_filter_set(xdp, &filter, &error) < 0)
        fail("filter", error.text);
    puts("ready");
    fflush(stdout);
    while (!stopped)
        frames_poll();
    if (tr_xdp_counters_read(xdp, counters, &error) < 0)
        fail("counters", error.text);
    rte_eth_dev_stop(0);
    rte_eth_dev_close(0);
    tr_xdp_close(xdp);
    printf("taken %llu no_socket %llu\n", (unsigned long long)counters[TR_XDP_TAKEN],
           (unsigned long long)counters[TR_XDP_NO_SOCKET]);
    return 0;
}
