// SPDX-License-Identifier: Apache-2.0
// The XDP program on an interface: whose it is, and what its maps say.
//
// DPDK loads and attaches it, and keeps no way to its maps; so we find the program that the interface carries, and the
// maps by the names they were loaded under. It is attached through netlink, not by a BPF link: it stays when its
// process dies, and DPDK attaches only where there is none. Hence the claim: an abstract Unix socket named by the
// interface's index, which is scoped to the network namespace as the interface is, and ends with the process.
#include "port/xdp.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAPS_MAX 16 // a program of ours has five, and one that the compiler makes

enum map { PORTS, ADDRESSES, SETTINGS, COUNTERS, MAPS };
static const char *const map_names[MAPS] = {"tr_ports", "tr_addresses", "tr_settings", "tr_counters"};

struct tr_xdp {
    char interface[IF_NAMESIZE];
    int ifindex;
    int claim_fd;
};

// The attached program.
struct attached {
    uint32_t id; // 0: none
    uint32_t flags;
    int fd; // the caller closes it
    struct bpf_prog_info info;
    uint32_t map_ids[MAPS_MAX];
};

static int attached_read(const struct tr_xdp *xdp, struct attached *attached, struct tr_error *error)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, query);
    uint32_t bytes = sizeof(attached->info);
    int rc;

    memset(attached, 0, sizeof(*attached));
    attached->fd = -1;
    rc = bpf_xdp_query(xdp->ifindex, 0, &query);
    if (rc < 0)
        return tr_error_set(error, -rc, "%s: which XDP program is attached: %s", xdp->interface, strerror(-rc));
    if (query.attach_mode == XDP_ATTACHED_NONE)
        return 0;
    if (query.attach_mode != XDP_ATTACHED_DRV && query.attach_mode != XDP_ATTACHED_SKB)
        return tr_error_set(error, EBUSY, "%s: several XDP programs are attached, or one in the NIC's hardware",
                            xdp->interface);
    attached->id = query.prog_id;
    attached->flags = query.attach_mode == XDP_ATTACHED_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
    attached->fd = bpf_prog_get_fd_by_id(attached->id);
    if (attached->fd < 0)
        return tr_error_set(error, -attached->fd, "%s: XDP program %u: %s%s", xdp->interface, attached->id,
                            strerror(-attached->fd), attached->fd == -EPERM ? " (CAP_SYS_ADMIN is needed)" : "");
    attached->info.nr_map_ids = MAPS_MAX;
    attached->info.map_ids = (uintptr_t)attached->map_ids;
    rc = bpf_obj_get_info_by_fd(attached->fd, &attached->info, &bytes);
    if (rc < 0) {
        close(attached->fd);
        return tr_error_set(error, -rc, "%s: XDP program %u: %s", xdp->interface, attached->id, strerror(-rc));
    }
    return 0;
}

static bool attached_is_ours(const struct attached *attached)
{
    return strcmp(attached->info.name, TR_XDP_PROGRAM) == 0;
}

// Nobody living has the interface: what is there of ours was left behind.
static int stale_detach(struct tr_xdp *xdp, struct tr_error *error)
{
    LIBBPF_OPTS(bpf_xdp_attach_opts, options);
    struct attached attached;
    int rc = attached_read(xdp, &attached, error);

    if (rc < 0 || !attached.id)
        return rc;
    if (!attached_is_ours(&attached)) {
        close(attached.fd);
        return tr_error_set(error, EBUSY,
                            "%s: carries the XDP program %.16s (id %u), which isn't ours; if nothing needs it, "
                            "`ip link set %s xdp off` takes it off",
                            xdp->interface, attached.info.name, attached.id, xdp->interface);
    }
    options.old_prog_fd = attached.fd;
    rc = bpf_xdp_detach(xdp->ifindex, attached.flags, &options);
    close(attached.fd);
    if (rc < 0)
        return tr_error_set(error, -rc, "%s: XDP program %u can't be taken off: %s", xdp->interface, attached.id,
                            strerror(-rc));
    return 0;
}

static int claim(struct tr_xdp *xdp, struct tr_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "tailrace/xdp/%d", xdp->ifindex);

    xdp->claim_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (xdp->claim_fd < 0)
        return tr_error_set(error, errno, "%s: socket: %s", xdp->interface, strerror(errno));
    if (bind(xdp->claim_fd, (struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0)
        return 0;
    if (errno == EADDRINUSE)
        return tr_error_set(error, EBUSY, "%s: another process has it (the abstract socket @%s)", xdp->interface,
                            address.sun_path + 1);
    return tr_error_set(error, errno, "%s: bind: %s", xdp->interface, strerror(errno));
}

int tr_xdp_open(struct tr_xdp **out, const char *interface, struct tr_error *error)
{
    struct tr_xdp *xdp = calloc(1, sizeof(*xdp));
    int rc;

    if (!xdp)
        return tr_error_set(error, ENOMEM, "%s: out of memory", interface);
    snprintf(xdp->interface, sizeof(xdp->interface), "%s", interface);
    xdp->claim_fd = -1;
    xdp->ifindex = (int)if_nametoindex(interface);
    if (!xdp->ifindex)
        rc = tr_error_set(error, ENODEV, "%s: no such interface", interface);
    else
        rc = claim(xdp, error);
    if (rc == 0)
        rc = stale_detach(xdp, error);
    if (rc < 0) {
        tr_xdp_close(xdp);
        return rc;
    }
    *out = xdp;
    return 0;
}

void tr_xdp_close(struct tr_xdp *xdp)
{
    if (!xdp)
        return;
    if (xdp->claim_fd >= 0)
        close(xdp->claim_fd);
    free(xdp);
}

static void maps_close(int fds[MAPS])
{
    for (size_t i = 0; i < MAPS; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

// Keep the map's descriptor if it is one of ours.
static void map_take(int fds[MAPS], uint32_t id)
{
    struct bpf_map_info info = {0};
    uint32_t bytes = sizeof(info);
    int fd = bpf_map_get_fd_by_id(id);

    if (fd < 0)
        return;
    if (bpf_obj_get_info_by_fd(fd, &info, &bytes) == 0) {
        for (size_t i = 0; i < MAPS; i++) {
            if (strcmp(info.name, map_names[i]) == 0 && fds[i] < 0) {
                fds[i] = fd;
                return;
            }
        }
    }
    close(fd);
}

// The maps of the program that is attached now: it is another one after a restart of the device. Looked for each time,
// so that threads need not agree on descriptors. After 0 the caller closes them.
static int maps_find(const struct tr_xdp *xdp, int fds[MAPS], struct tr_error *error)
{
    struct attached attached;
    int rc = attached_read(xdp, &attached, error);

    for (size_t i = 0; i < MAPS; i++)
        fds[i] = -1;
    if (rc < 0)
        return rc;
    if (!attached.id)
        return tr_error_set(error, ENOENT, "%s: no XDP program is attached", xdp->interface);
    close(attached.fd);
    if (!attached_is_ours(&attached))
        return tr_error_set(error, ENOENT, "%s: the XDP program %.16s is attached in place of ours", xdp->interface,
                            attached.info.name);
    for (uint32_t i = 0; i < TR_MIN(attached.info.nr_map_ids, MAPS_MAX); i++)
        map_take(fds, attached.map_ids[i]);
    for (size_t i = 0; i < MAPS; i++) {
        if (fds[i] < 0) {
            maps_close(fds);
            return tr_error_set(error, ENOENT, "%s: the XDP program has no map %s: it is of another version",
                                xdp->interface, map_names[i]);
        }
    }
    return 0;
}

// Make a hash map's entries exactly those given: new ones come before old ones go.
static int entries_replace(int fd, const void *keys, const uint8_t *values, size_t count, size_t key_bytes)
{
    uint8_t key[sizeof(struct tr_xdp_address)], next[sizeof(key)];
    size_t i;
    int rc;

    for (i = 0; i < count; i++) {
        rc = bpf_map_update_elem(fd, (const uint8_t *)keys + i * key_bytes, &values[i], BPF_ANY);
        if (rc < 0)
            return rc;
    }
    rc = bpf_map_get_next_key(fd, NULL, next);
    while (rc == 0) {
        memcpy(key, next, key_bytes);
        rc = bpf_map_get_next_key(fd, key, next);
        for (i = 0; i < count && memcmp((const uint8_t *)keys + i * key_bytes, key, key_bytes) != 0; i++)
            ;
        if (i == count)
            bpf_map_delete_elem(fd, key);
    }
    return rc == -ENOENT ? 0 : rc;
}

bool tr_xdp_kernel_has(const struct tr_ip *ip)
{
    struct ifaddrs *all, *at;
    struct tr_ip other;
    bool found = false;

    if (getifaddrs(&all) < 0)
        return true;
    for (at = all; at && !found; at = at->ifa_next) {
        if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET)
            other = tr_ip_v4((const uint8_t *)&((const struct sockaddr_in *)(const void *)at->ifa_addr)->sin_addr);
        else if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET6)
            memcpy(&other, &((const struct sockaddr_in6 *)(const void *)at->ifa_addr)->sin6_addr, sizeof(other));
        else
            continue;
        found = tr_ip_equal(&other, ip);
    }
    freeifaddrs(all);
    return found;
}

int tr_xdp_filter_set(const struct tr_xdp *xdp, const struct tr_xdp_filter *filter, struct tr_error *error)
{
    struct tr_xdp_settings settings = {.port_count = (uint32_t)filter->port_count,
                                       .address_count = (uint32_t)filter->address_count};
    uint8_t owners[TR_XDP_ADDRESSES_MAX], yes[TR_XDP_PORTS_MAX] = {0};
    uint16_t ports_be[TR_XDP_PORTS_MAX];
    const uint32_t zero = 0;
    int fds[MAPS], rc;

    // Room for the old and the new keys at once: half of what the maps hold.
    if (filter->port_count > TR_XDP_PORTS_MAX / 2)
        return tr_error_set(error, E2BIG, "%s: %zu ports are above %d", xdp->interface, filter->port_count,
                            TR_XDP_PORTS_MAX / 2);
    if (filter->address_count > TR_XDP_ADDRESSES_MAX / 2)
        return tr_error_set(error, E2BIG, "%s: %zu addresses are above %d", xdp->interface, filter->address_count,
                            TR_XDP_ADDRESSES_MAX / 2);
    rc = maps_find(xdp, fds, error);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < filter->port_count; i++)
        ports_be[i] = htons(filter->ports[i]);
    for (size_t i = 0; i < filter->address_count; i++)
        owners[i] = tr_xdp_kernel_has(&filter->addresses[i]) ? TR_XDP_SHARED : TR_XDP_ALONE;
    rc = entries_replace(fds[ADDRESSES], filter->addresses, owners, filter->address_count,
                         sizeof(struct tr_ip));
    if (rc == 0)
        rc = entries_replace(fds[PORTS], ports_be, yes, filter->port_count, sizeof(ports_be[0]));
    if (rc == 0)
        rc = bpf_map_update_elem(fds[SETTINGS], &zero, &settings, BPF_ANY);
    maps_close(fds);
    if (rc < 0)
        return tr_error_set(error, -rc, "%s: the XDP program's maps: %s", xdp->interface, strerror(-rc));
    return 0;
}

int tr_xdp_counters_read(const struct tr_xdp *xdp, uint64_t counters[TR_XDP_COUNTERS], struct tr_error *error)
{
    int cpus = libbpf_num_possible_cpus(), fds[MAPS], rc;
    uint64_t *values = calloc(cpus > 0 ? (size_t)cpus : 1, sizeof(*values));

    if (!values)
        return tr_error_set(error, ENOMEM, "%s: out of memory", xdp->interface);
    rc = maps_find(xdp, fds, error);
    if (rc < 0) {
        free(values);
        return rc;
    }
    for (uint32_t counter = 0; counter < TR_XDP_COUNTERS && rc == 0; counter++) {
        counters[counter] = 0;
        rc = bpf_map_lookup_elem(fds[COUNTERS], &counter, values);
        for (int cpu = 0; cpu < cpus && rc == 0; cpu++)
            counters[counter] += values[cpu];
    }
    free(values);
    maps_close(fds);
    if (rc < 0)
        return tr_error_set(error, -rc, "%s: the XDP program's counters: %s", xdp->interface, strerror(-rc));
    return 0;
}
