// SPDX-License-Identifier: Apache-2.0
#include "port/dpdk_options.h"

#define S struct tr_tcp_limits

static int power_of_two_check(void *options, const char *path, struct tr_error *error)
{
    const struct tr_tcp_limits *limits = options;

    if (limits->window_bytes & (limits->window_bytes - 1))
        return tr_error_set(error, EINVAL, "%s.window: %llu is not a power of two", path,
                            (unsigned long long)limits->window_bytes);
    return 0;
}

static const struct tr_option rows[] = {
    TR_OPTION_SIZE(S, window_bytes, "window", "1MiB", 64 * TR_KIB, TR_GIB, 0,
                   "Bytes that a peer may send ahead on one connection, a power of two. Takes no memory while they come in "
                   "order."),
    TR_OPTION_SIZE(S, reassembly_bytes, "reassembly", "16MiB", 256 * TR_KIB, 64 * TR_GIB, 0,
                   "Memory of an lcore for what arrives out of order or is held up by a paused reader, of all its "
                   "connections. What finds no room is dropped, and sent again by its peer."),
    TR_OPTION_UINT(S, half_open_max, "half_open_max", "1024", 16, 1000000, 0,
                   "Handshakes under way that an lcore remembers; beyond, SYN cookies."),
    TR_OPTION_UINT(S, time_wait_max, "time_wait_max", "4096", 16, 1000000, 0,
                   "Connections in TIME_WAIT that an lcore remembers; beyond, the oldest is forgotten."),
    TR_OPTION_DURATION(S, time_wait_ns, "time_wait", "60s", TR_S, 240 * TR_S, 0,
                       "How long a connection stays in TIME_WAIT (twice the maximum segment lifetime)."),
    TR_OPTION_DURATION(S, keepalive_ns, "keepalive", "75s", 0, 86400 * TR_S, 0,
                       "Without a segment, until the peer is asked whether it is there. 0: never."),
    TR_OPTION_DURATION(S, stall_timeout_ns, "stall_timeout", "30s", TR_S, 3600 * TR_S, 0,
                       "A connection whose data makes no progress for so long (peer gone, or its window shut) is reset."),
};
const struct tr_option_table tr_tcp_option_table = {.title = "tcp",
                                                    .rows = rows,
                                                    .count = TR_NELEMS(rows),
                                                    .struct_bytes = sizeof(S),
                                                    .check = power_of_two_check};

static int listen_read(const struct tr_strings *listen, const char *path, struct tr_dpdk_port_addresses *to,
                       struct tr_error *error)
{
    if (!listen->count)
        return tr_error_set(error, EINVAL, "%s.listen: at least one port", path);
    if (listen->count > TR_STACK_LISTEN_MAX)
        return tr_error_set(error, EINVAL, "%s.listen: %zu ports are more than %d", path, listen->count,
                            TR_STACK_LISTEN_MAX);
    for (size_t i = 0; i < listen->count; i++) {
        const char *text = listen->items[i];
        char *end;
        unsigned long port = strtoul(text, &end, 10);

        if (end == text || *end)
            return tr_error_set(error, EINVAL, "%s.listen[%zu]: \"%s\" is not a port number (a dpdk port listens on all "
                                "its addresses)", path, i, text);
        if (port < 1 || port > 65535)
            return tr_error_set(error, EINVAL, "%s.listen[%zu]: %lu is %s", path, i, port,
                                port ? "above 65535" : "below 1");
        for (size_t k = 0; k < i; k++)
            if (to->listen[k] == port)
                return tr_error_set(error, EINVAL, "%s.listen[%zu]: %lu is there twice", path, i, port);
        to->listen[to->listen_count++] = (uint16_t)port;
    }
    return 0;
}

static int addresses_read(const struct tr_dpdk_port_options *options, const char *path,
                          struct tr_dpdk_port_addresses *to, struct tr_error *error)
{
    if (!options->addresses.count)
        return tr_error_set(error, EINVAL, "%s.addresses: at least one address", path);
    for (size_t i = 0; i < options->addresses.count; i++) {
        struct tr_net_address *address = &to->addresses[to->addresses_count++];
        struct tr_error why = {0};

        if (tr_net_address_parse(options->addresses.items[i], address, &why) < 0)
            return tr_error_set(error, EINVAL, "%s.addresses[%zu]: %s", path, i, why.text);
        for (size_t k = 0; k < i; k++)
            if (tr_ip_equal(&to->addresses[k].ip, &address->ip))
                return tr_error_set(error, EINVAL, "%s.addresses[%zu]: %s is there twice", path, i,
                                    options->addresses.items[i]);
    }
    return 0;
}

// A host alone on its network (a cloud's /32) has its router beyond.
static bool is_reachable(const struct tr_dpdk_port_addresses *addresses, const struct tr_ip *ip)
{
    for (uint32_t i = 0; i < addresses->addresses_count; i++)
        if (tr_ip_is_v4(ip) == tr_ip_is_v4(&addresses->addresses[i].ip) &&
            (addresses->addresses[i].prefix_bits == 128 ||
             tr_ip_prefix_equal(ip, &addresses->addresses[i].ip, addresses->addresses[i].prefix_bits)))
            return true;
    // A router's link-local address is on every link.
    return ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

static int gateways_read(const struct tr_dpdk_port_options *options, const char *path,
                         struct tr_dpdk_port_addresses *to, struct tr_error *error)
{
    for (size_t i = 0; i < options->gateways.count; i++) {
        struct tr_ip *ip = &to->gateways[to->gateways_count++];
        struct tr_error why = {0};

        if (tr_ip_parse(options->gateways.items[i], ip, &why) < 0)
            return tr_error_set(error, EINVAL, "%s.gateways[%zu]: %s", path, i, why.text);
        if (!is_reachable(to, ip))
            return tr_error_set(error, EINVAL, "%s.gateways[%zu]: %s is on no network of `addresses`", path, i,
                                options->gateways.items[i]);
        if (i && tr_ip_is_v4(ip) == tr_ip_is_v4(&to->gateways[0]))
            return tr_error_set(error, EINVAL, "%s.gateways[%zu]: a second one of its family", path, i);
    }
    return 0;
}

int tr_dpdk_port_options_read(const struct tr_dpdk_port_options *options, const struct tr_strings *listen,
                              const char *path, struct tr_dpdk_port_addresses *addresses, struct tr_error *error)
{
    int rc;

    memset(addresses, 0, sizeof(*addresses));
    if (!options->device || !options->device[0] || options->device[0] == ',')
        return tr_error_set(error, EINVAL, "%s.device: a dpdk port needs one", path);
    if (strcspn(options->device, ",") >= 64)
        return tr_error_set(error, EINVAL, "%s.device: its name is longer than 63 characters", path);
    rc = addresses_read(options, path, addresses, error);
    if (rc == 0)
        rc = gateways_read(options, path, addresses, error);
    return rc ? rc : listen_read(listen, path, addresses, error);
}
