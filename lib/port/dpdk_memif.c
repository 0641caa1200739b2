// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "port/dpdk_device_internal.h"

#define MEMIF_BUFFER_BYTES 2048 // unless bsize= says otherwise

bool tr_dpdk_memif_is_client(const char *device)
{
    char role[16];

    return !tr_dpdk_argument(device, "role", role, sizeof(role)) || (strcmp(role, "server") && strcmp(role, "master"));
}

bool tr_dpdk_memif_wants_buffers(const char *device, uint32_t mtu_bytes)
{
    char given[16];

    return tr_dpdk_memif_is_client(device) && mtu_bytes + TR_DPDK_FRAME_EXTRA > MEMIF_BUFFER_BYTES &&
           !tr_dpdk_argument(device, "bsize", given, sizeof(given));
}

void tr_dpdk_memif_stale_remove(const char *device)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char abstract[8];
    int fd;

    if (strncmp(device, "net_memif", 9) != 0 || tr_dpdk_memif_is_client(device) ||
        !tr_dpdk_argument(device, "socket-abstract", abstract, sizeof(abstract)) || strcmp(abstract, "no") != 0 ||
        !tr_dpdk_argument(device, "socket", address.sun_path, sizeof(address.sun_path)))
        return;
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 && errno == ECONNREFUSED)
        unlink(address.sun_path);
    close(fd);
}
