// SPDX-License-Identifier: Apache-2.0
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/server.h"

#define BACKLOG 64

// Does somebody answer at the socket?
static bool answers(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool yes;

    if (fd < 0)
        return false;
    // EAGAIN: its backlog is full, so it is listening.
    yes = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN;
    close(fd);
    return yes;
}

static int replace_stale(const struct sockaddr_un *address, struct tr_error *error)
{
    struct stat stat;

    if (lstat(address->sun_path, &stat))
        return 0;
    if (!S_ISSOCK(stat.st_mode))
        return tr_error_set(error, EEXIST, "control.socket: %s is there already and no socket",
                            address->sun_path);
    if (answers(address))
        return tr_error_set(error, EADDRINUSE, "control.socket: a daemon already answers at %s",
                            address->sun_path);
    unlink(address->sun_path);
    return 0;
}

int tr_listen_unix_check(const char *path, struct tr_error *error)
{
    struct sockaddr_un address;

    if (!path[0] || strlen(path) >= sizeof(address.sun_path))
        return tr_error_set(error, ENAMETOOLONG, "control.socket: \"%s\" is not between 1 and %zu bytes",
                            path, sizeof(address.sun_path) - 1);
    return 0;
}

int tr_listen_unix(const char *path, int *made, struct tr_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, rc = tr_listen_unix_check(path, error);

    if (rc)
        return rc;
    memcpy(address.sun_path, path, strlen(path));
    rc = replace_stale(&address, error);
    if (rc)
        return rc;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return tr_error_set(error, errno, "control.socket: %s", strerror(errno));
    // Before bind(): the file is never there with a wider mode. After it: the umask may have taken too much.
    if (fchmod(fd, 0660) || bind(fd, (struct sockaddr *)&address, sizeof(address)) || chmod(path, 0660) ||
        listen(fd, BACKLOG)) {
        rc = tr_error_set(error, errno, "control.socket: %s: %s", path, strerror(errno));
        close(fd);
        return rc;
    }
    *made = fd;
    return 0;
}

// Cut "host:port" or "[host]:port". An empty host is every address.
static int address_split(const char *address, char host[256], char port[16])
{
    const char *colon = strrchr(address, ':');
    size_t bytes;

    if (!colon || strlen(colon + 1) >= 16 || !colon[1])
        return -EINVAL;
    bytes = (size_t)(colon - address);
    if (bytes >= 2 && address[0] == '[' && colon[-1] == ']') {
        address++;
        bytes -= 2;
    } else if (memchr(address, ':', bytes)) {
        return -EINVAL;
    }
    if (bytes >= 256)
        return -EINVAL;
    memcpy(host, address, bytes);
    host[bytes] = '\0';
    snprintf(port, 16, "%s", colon + 1);
    return 0;
}

static int listen_at(const struct addrinfo *info)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, zero = 0;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    if (bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, BACKLOG)) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t bytes = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &bytes))
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

int tr_listen_tcp_check(const char *address, struct tr_error *error)
{
    char host[256], port[16];

    if (address_split(address, host, port) || port[strspn(port, "0123456789")])
        return tr_error_set(error, EINVAL, "telemetry.listen: \"%s\" is not ADDRESS:PORT", address);
    if (strtoul(port, NULL, 10) > 65535)
        return tr_error_set(error, EINVAL, "telemetry.listen: %s: the port is above 65535", address);
    return 0;
}

int tr_listen_tcp(const char *address, int *made, uint16_t *made_port, struct tr_error *error)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char host[256], port[16];
    int rc, fd = -EADDRNOTAVAIL;

    if (address_split(address, host, port))
        return tr_error_set(error, EINVAL, "telemetry.listen: \"%s\" is not ADDRESS:PORT", address);
    // Every address: one IPv6 socket takes IPv4 too, where the machine has IPv6.
    rc = getaddrinfo(host[0] ? host : "::", port, &hints, &found);
    if (rc)
        return tr_error_set(error, EINVAL, "telemetry.listen: %s: %s", address, gai_strerror(rc));
    for (const struct addrinfo *info = found; info && fd < 0; info = info->ai_next)
        fd = listen_at(info);
    freeaddrinfo(found);
    if (fd == -EAFNOSUPPORT && !host[0] && getaddrinfo("0.0.0.0", port, &hints, &found) == 0) {
        fd = listen_at(found);
        freeaddrinfo(found);
    }
    if (fd < 0)
        return tr_error_set(error, -fd, "telemetry.listen: %s: %s", address, strerror(-fd));
    *made = fd;
    *made_port = bound_port(fd);
    return 0;
}
