// SPDX-License-Identifier: Apache-2.0
// Frames out in batches, segments in.
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define ETHERNET_BYTES 14
#define IP_BYTES       20
#define TCP_BYTES      20
#define IP_MORE        0x2000

static void die(const char *what)
{
    fprintf(stderr, "attack: %s: %s\n", what, strerror(errno));
    exit(1);
}

uint64_t attack_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

bool attack_is_over(const struct attack *a)
{
    return a->sent + a->refused >= a->count_max || attack_now_ns() >= a->end_ns;
}

// Source: splitmix64.
uint64_t attack_draw(const struct attack *a, uint64_t x)
{
    x = (x + a->seed) * 0x9e3779b97f4a7c15ull + 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

void attack_open(struct attack *a, const char *interface, bool receives)
{
    // Only IPv4 to 198.19.0.0/16.
    struct sock_filter code[] = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, ETHERNET_BYTES + 16),
                                 BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ATTACK_SOURCES >> 16, 0, 1),
                                 BPF_STMT(BPF_RET | BPF_K, 0xffff), BPF_STMT(BPF_RET | BPF_K, 0)};
    struct sock_fprog filter = {4, code};
    struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_protocol = receives ? htons(ETH_P_IP) : 0,
                               .sll_ifindex = (int)if_nametoindex(interface)};
    struct ifreq request = {0};
    int one = 1, bytes = 8 << 20;

    a->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (a->fd < 0 || strlen(interface) >= IFNAMSIZ)
        die("AF_PACKET");
    strcpy(request.ifr_name, interface);
    if (setsockopt(a->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
        bind(a->fd, (struct sockaddr *)&link, sizeof(link)) < 0 || ioctl(a->fd, SIOCGIFHWADDR, &request) < 0)
        die(interface);
    setsockopt(a->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
    setsockopt(a->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
    memcpy(a->own_mac, request.ifr_hwaddr.sa_data, 6);
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) << 16 | get16(at + 2);
}

static uint32_t sum(const uint8_t *data, size_t bytes, uint32_t from)
{
    for (size_t i = 0; i + 1 < bytes; i += 2)
        from += get16(data + i);
    return bytes & 1 ? from + ((uint32_t)data[bytes - 1] << 8) : from;
}

static uint32_t fold(uint32_t s)
{
    s = (s & 0xffff) + (s >> 16);
    return ~(s + (s >> 16)) & 0xffff;
}

// Ethernet and IP headers of the batch's next frame; returns where IP's payload goes.
static uint8_t *frame_begin(struct attack *a, uint32_t from_ip, uint16_t id, uint32_t fragment, size_t payload_bytes)
{
    uint8_t *frame = a->batch[a->batch_count], *ip = frame + ETHERNET_BYTES;

    a->batch_bytes[a->batch_count] = (uint32_t)(ETHERNET_BYTES + IP_BYTES + payload_bytes);
    memcpy(frame, a->server_mac, 6);
    memcpy(frame + 6, a->own_mac, 6);
    put16(frame + 12, ETH_P_IP);
    memset(ip, 0, IP_BYTES);
    ip[0] = 0x45;
    put16(ip + 2, (uint32_t)(IP_BYTES + payload_bytes));
    put16(ip + 4, id);
    put16(ip + 6, fragment);
    ip[8] = 64;
    ip[9] = IPPROTO_TCP;
    put32(ip + 12, from_ip);
    put32(ip + 16, a->server_ip);
    put16(ip + 10, fold(sum(ip, IP_BYTES, 0)));
    return ip + IP_BYTES;
}

static void frame_end(struct attack *a)
{
    if (++a->batch_count == ATTACK_BATCH)
        attack_flush(a);
}

void attack_segment(struct attack *a, const struct segment *s)
{
    size_t head = TCP_BYTES + s->options_bytes, bytes = head + s->payload_bytes;
    uint8_t *tcp = frame_begin(a, s->from.ip, a->ip_id++, 0, bytes);

    put16(tcp, s->from.port);
    put16(tcp + 2, a->server_port);
    put32(tcp + 4, s->seq);
    put32(tcp + 8, s->ack);
    tcp[12] = (uint8_t)(head / 4 << 4);
    tcp[13] = s->flags;
    put16(tcp + 14, s->window);
    put32(tcp + 16, 0);
    if (s->options_bytes)
        memcpy(tcp + TCP_BYTES, s->options, s->options_bytes);
    if (s->payload_bytes)
        memcpy(tcp + head, s->payload, s->payload_bytes);
    put16(tcp + 16, fold(sum(tcp, bytes, sum(tcp - 8, 8, IPPROTO_TCP + (uint32_t)bytes))));
    frame_end(a);
}

void attack_fragment(struct attack *a, const struct fragment *f)
{
    uint8_t *payload =
        frame_begin(a, f->from_ip, f->id, (f->more ? IP_MORE : 0) | f->offset_bytes / 8, f->payload_bytes);

    memcpy(payload, f->payload, f->payload_bytes);
    frame_end(a);
}

// Send what was collected; slower than --rate allows is slower.
void attack_flush(struct attack *a)
{
    struct mmsghdr messages[ATTACK_BATCH];
    struct iovec parts[ATTACK_BATCH];
    uint32_t done = 0;

    memset(messages, 0, sizeof(messages));
    for (uint32_t i = 0; i < a->batch_count; i++) {
        parts[i] = (struct iovec){a->batch[i], a->batch_bytes[i]};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    while (done < a->batch_count) {
        int n = sendmmsg(a->fd, messages + done, a->batch_count - done, 0);

        if (n <= 0) {
            a->refused++; // no room at the interface: this one is lost
            done++;
        } else {
            a->sent += (uint32_t)n;
            done += (uint32_t)n;
        }
    }
    a->batch_count = 0;
    if (a->rate > 0) {
        double ahead_ns = (double)(a->sent + a->refused) / a->rate * 1e9 - (double)(attack_now_ns() - a->begun_ns);

        if (ahead_ns > 0)
            nanosleep(&(struct timespec){(time_t)(ahead_ns / 1e9), (long)ahead_ns % 1000000000}, NULL);
    }
}

bool attack_receive(struct attack *a, struct received *r)
{
    static uint8_t frame[2048];
    const uint8_t *ip = frame + ETHERNET_BYTES, *tcp;
    ssize_t bytes;

    while ((bytes = recv(a->fd, frame, sizeof(frame), MSG_TRUNC)) > 0) {
        size_t ip_head = (size_t)(ip[0] & 15) * 4, ip_bytes = get16(ip + 2), head;

        tcp = ip + ip_head;
        head = (size_t)(tcp[12] >> 4) * 4;
        if ((size_t)bytes > sizeof(frame) || ip[9] != IPPROTO_TCP || ETHERNET_BYTES + ip_bytes > (size_t)bytes ||
            ip_head + head > ip_bytes || get32(ip + 12) != a->server_ip)
            continue;
        *r = (struct received){{get32(ip + 16), (uint16_t)get16(tcp + 2)}, get32(tcp + 4), get32(tcp + 8), tcp[13],
                               tcp + head, ip_bytes - ip_head - head};
        a->received++;
        return true;
    }
    return false;
}
