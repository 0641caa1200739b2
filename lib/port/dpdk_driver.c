// SPDX-License-Identifier: Apache-2.0
// What was read in the drivers of DPDK 22.11, or found by trying.
//
//   net_af_xdp     the pool is the UMEM: a buffer and its header in 4096 bytes, of which the kernel keeps 256 in front
//                  of a frame (longer ones are lost silently); the fill ring holds 2048 buffers of a queue
//   net_memif      the number of queues is the client's; a client that goes takes the memory along; frames that take
//                  several buffers of its rings are repeated and mixed up
//   net_tap        computes checksums in the driver; hashes flows by a program of its own that not every kernel takes;
//                  its Ethernet address is that of the kernel's end, so ours has to be another;
//                  sends no frame above 1500 bytes, and says so for whatever MTU it is told
//   net_af_packet  a ring of fixed frames, framesz= of its arguments
#include "port/dpdk_device_internal.h"

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef AF_XDP
#define AF_XDP 44
#endif

static const struct tr_dpdk_driver drivers[] = {
    {.prefix = "net_af_xdp",
     .pairs = true,
     .own_queues = true,
     .has_interface = true,
     .room_bytes_max = 3840,
     .room_lost_bytes = 256,
     .queue_mbufs = 2048,
     .sleep = TR_SLEEP_AF_XDP},
    {.prefix = "net_memif", .pairs = true, .guarded = true},
    {.prefix = "net_tap",
     .pairs = true,
     .peer_mac = true,
     .no_offloads = true,
     .has_interface = true,
     .mtu_bytes_max = 1500,
     .sleep = TR_SLEEP_TUN},
    {.prefix = "net_af_packet",
     .pairs = true,
     .own_queues = true,
     .has_interface = true,
     .sleep = TR_SLEEP_AF_PACKET},
    {.prefix = "net_pcap", .pairs = true, .has_interface = true},
    {.prefix = "net_ring", .pairs = true},
    {.prefix = ""},
};

const struct tr_dpdk_driver *tr_dpdk_driver_find(const char *device)
{
    const struct tr_dpdk_driver *driver = drivers;

    while (strncmp(device, driver->prefix, strlen(driver->prefix)) != 0)
        driver++;
    return driver;
}

bool tr_dpdk_argument(const char *device, const char *key, char *value, size_t size)
{
    size_t key_bytes = strlen(key);

    for (const char *at = strchr(device, ','); at; at = strchr(at, ',')) {
        size_t bytes;

        at++;
        if (strncmp(at, key, key_bytes) != 0 || at[key_bytes] != '=')
            continue;
        at += key_bytes + 1;
        bytes = strcspn(at, ",");
        if (bytes >= size)
            return false;
        memcpy(value, at, bytes);
        value[bytes] = '\0';
        return true;
    }
    return false;
}

uint32_t tr_dpdk_ring_frame(const char *device, uint32_t mtu_bytes)
{
    char text[16];

    if (tr_dpdk_argument(device, "framesz", text, sizeof(text)))
        return (uint32_t)strtoul(text, NULL, 10);
    return mtu_bytes + TR_DPDK_RING_HEADERS <= 2048 ? 2048 : mtu_bytes + TR_DPDK_RING_HEADERS <= 4096 ? 4096 : 16384;
}

static bool interface_ask(const char *name, unsigned long what, struct ifreq *request)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool answered;

    memset(request, 0, sizeof(*request));
    snprintf(request->ifr_name, sizeof(request->ifr_name), "%s", name);
    answered = fd >= 0 && ioctl(fd, what, request) == 0;
    if (fd >= 0)
        close(fd);
    return answered;
}

uint32_t tr_dpdk_interface_mtu(const char *name)
{
    struct ifreq request;

    return interface_ask(name, SIOCGIFMTU, &request) && request.ifr_mtu > 0 ? (uint32_t)request.ifr_mtu : 0;
}

bool tr_dpdk_interface_runs(const char *name)
{
    struct ifreq request;

    return interface_ask(name, SIOCGIFFLAGS, &request) && (request.ifr_flags & IFF_UP) &&
           (request.ifr_flags & IFF_RUNNING);
}

#define FDS_MAX (64u * 64u)

void tr_dpdk_fds_read(struct tr_dpdk_fds *fds)
{
    DIR *dir = opendir("/proc/self/fd");

    memset(fds, 0, sizeof(*fds));
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        unsigned fd;

        if (sscanf(entry->d_name, "%u", &fd) == 1 && fd < FDS_MAX && (int)fd != dirfd(dir))
            fds->open[fd / 64] |= 1ull << (fd % 64);
    }
    if (dir)
        closedir(dir);
}

static bool is_kind(int fd, enum tr_dpdk_sleep_kind kind)
{
    char path[64], target[64] = "";
    int domain = 0;
    socklen_t bytes = sizeof(domain);

    if (kind == TR_SLEEP_TUN) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return readlink(path, target, sizeof(target) - 1) > 0 && strcmp(target, "/dev/net/tun") == 0;
    }
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 &&
           domain == (kind == TR_SLEEP_AF_XDP ? AF_XDP : AF_PACKET);
}

int tr_dpdk_fds_find_new(const struct tr_dpdk_fds *before, enum tr_dpdk_sleep_kind kind, unsigned index)
{
    struct tr_dpdk_fds now;

    if (kind == TR_SLEEP_NONE)
        return -1;
    tr_dpdk_fds_read(&now);
    for (unsigned fd = 0; fd < FDS_MAX; fd++)
        if ((now.open[fd / 64] & ~before->open[fd / 64]) >> (fd % 64) & 1 && is_kind((int)fd, kind) &&
            index-- == 0)
            return (int)fd;
    return -1;
}
