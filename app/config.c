// SPDX-License-Identifier: Apache-2.0
#include "config.h"

static const char *const other_signals[] = {"forward", "accept", "refuse", NULL};
static const char *const port_kinds[] = {"kernel", "dpdk", NULL};

static const struct tr_option lcores_rows[] = {
    TR_OPTION_UINT(struct tr_lcores_options, count, "count", "auto", 1, TR_LCORES_MAX, TR_AUTO,
                   "Data lcores. auto: one for each CPU of `cpus`. More lcores than CPUs share them."),
    TR_OPTION_STRING(struct tr_lcores_options, cpus, "cpus", "auto", TR_AUTO,
                     "CPUs that data lcores are pinned to, as \"1-7,9\". auto: those of the affinity mask."),
};
static const struct tr_option_table lcores_table = {
    .title = "lcores", .rows = lcores_rows, .count = TR_NELEMS(lcores_rows),
    .struct_bytes = sizeof(struct tr_lcores_options)};

static const struct tr_option journal_rows[] = {
    TR_OPTION_SIZE(struct tr_journal_options, bytes, "size", "auto", 4 * TR_MIB, 1024 * TR_GIB,
                   TR_AUTO,
                   "Journal of each lcore; rounded down to a power of two. auto: half of the memory there is (a cgroup's "
                   "limit and the file system's room are honoured), shared by the lcores."),
    TR_OPTION_SIZE(struct tr_journal_options, outbox_bytes, "outbox_size", "auto", 4 * TR_MIB,
                   1024 * TR_GIB, TR_AUTO,
                   "Outbox of each lcore, which backends read; how long one may be away before spans are lost to it. "
                   "auto: an eighth of the journal, at least 16 MiB."),
    TR_OPTION_STRING(struct tr_journal_options, path, "path", "/dev/shm/tailrace", 0,
                     "Folder of the ring files: on tmpfs or hugetlbfs, so that they are memory."),
    TR_OPTION_BOOL(struct tr_journal_options, prefault, "prefault", "true", 0,
                   "Take the memory at start, so that nothing runs out of it later."),
};
static const struct tr_option_table journal_table = {
    .title = "journal", .rows = journal_rows, .count = TR_NELEMS(journal_rows),
    .struct_bytes = sizeof(struct tr_journal_options)};

static const struct tr_option port_rows[] = {
    TR_OPTION_STRING(struct tr_port_options, name, "name", NULL, TR_REQUIRED, "Name in logs and metrics."),
    TR_OPTION_ENUM(struct tr_port_options, kind, "kind", "kernel", port_kinds, 0,
                   "kernel: sockets of the operating system. dpdk: a network device of our own, with our own TCP."),
    TR_OPTION_STRINGS(struct tr_port_options, listen, "listen", 1, 64, 0,
                      "Each takes gRPC and OTLP/HTTP. kernel: addresses as \"127.0.0.1:4317\", \"[::1]:4317\" or "
                      "\":4317\" (all, both families). dpdk: ports as 4317, on all addresses of the port."),
    TR_DPDK_PORT_ROWS(struct tr_port_options, dpdk),
};

// Options of a dpdk port that a kernel port does not have, as far as their presence can be seen.
static const char *dpdk_option_given(const struct tr_dpdk_port_options *dpdk)
{
    return dpdk->device ? "device" : dpdk->addresses.count ? "addresses" : dpdk->gateways.count ? "gateways" : NULL;
}

static int kernel_port_check(const struct tr_port_options *port, const char *path, struct tr_error *error)
{
    const char *given = dpdk_option_given(&port->dpdk);

    if (given)
        return tr_error_set(error, EINVAL, "%s.%s: only a port of kind dpdk has one", path, given);
    if (!port->listen.count)
        return tr_error_set(error, EINVAL, "%s.listen: at least one address", path);
    for (size_t i = 0; i < port->listen.count; i++) {
        if (tr_kernel_listen_check(port->listen.items[i], error) < 0) {
            tr_error_prefix(error, "%s.listen[%zu]", path, i);
            return -EINVAL;
        }
    }
    return 0;
}

static int port_check(void *options, const char *path, struct tr_error *error)
{
    const struct tr_port_options *port = options;
    struct tr_dpdk_port_addresses addresses;

    return port->kind == TR_PORT_DPDK
               ? tr_dpdk_port_options_read(&port->dpdk, &port->listen, path, &addresses, error)
               : kernel_port_check(port, path, error);
}

static const struct tr_option_table port_table = {.title = "ports",
                                                  .rows = port_rows,
                                                  .count = TR_NELEMS(port_rows),
                                                  .struct_bytes = sizeof(struct tr_port_options),
                                                  .check = port_check};

static const struct tr_option config_rows[] = {
    TR_OPTION_STRUCT(struct tr_config, control, "control", &tr_control_option_table, 0, "The control socket."),
    TR_OPTION_STRUCT(struct tr_config, telemetry, "telemetry", &tr_telemetry_option_table, 0, "What the daemon says of itself."),
    TR_OPTION_STRUCT(struct tr_config, services, "services", &tr_services_option_table, 0,
                     "What tailctl services tells: docs/services.md."),
    TR_OPTION_STRUCT(struct tr_config, lcores, "lcores", &lcores_table, 0, "The threads that do the work."),
    TR_OPTION_STRUCT(struct tr_config, journal, "journal", &journal_table, 0, "Where spans wait for their trace's decision."),
    TR_OPTION_DURATION(struct tr_config, drain_timeout_ns, "drain_timeout", "30s", 0, 3600 * TR_S, TR_LIVE,
                       "How long a shutdown may take to deliver what is held."),
    TR_OPTION_ENUM(struct tr_config, other_signals, "other_signals", "forward", other_signals, 0,
                   "Metrics and logs: forward them to the backends that list them, accept and count them, or refuse "
                   "them with a message."),
    TR_OPTION_LIST(struct tr_config, ports, "ports", &port_table, 1, TR_LCORE_PORTS_MAX, 0, "Where spans come in."),
    TR_OPTION_STRUCT(struct tr_config, dpdk, "dpdk", &tr_dpdk_option_table, 0, "What ports of kind dpdk have in common."),
    TR_OPTION_STRUCT(struct tr_config, http, "http", &tr_http_option_table, 0, "Limits of HTTP."),
    TR_OPTION_STRUCT(struct tr_config, connections, "connections", &tr_connection_option_table, 0, "Limits of connections."),
    TR_OPTION_STRUCT(struct tr_config, tail_sampling, "tail_sampling", &tr_tail_sampling_option_table, TR_LIVE,
                     "Which traces are kept: the Collector's block, word for word."),
    TR_OPTION_STRUCT(struct tr_config, attributes, "attributes", &tr_attributes_option_table, TR_LIVE,
                     "What becomes of attributes of kept spans."),
    TR_OPTION_POINTER(struct tr_config, span_metrics, "span_metrics", &tr_red_option_table, TR_LIVE,
                      "RED metrics of all spans, before sampling: the block of the Collector's span_metrics connector. "
                      "Without it there are none. docs/span-metrics.md."),
    TR_OPTION_LIST(struct tr_config, backends, "backends", &tr_backend_option_table, 0, 64, TR_LIVE, "Where kept spans go."),
};

// Two items of a list with one name.
static const char *name_twice(const void *items, size_t count, size_t bytes, size_t name_at)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = *(const char *const *)((const char *)items + i * bytes + name_at);

        for (size_t k = 0; k < i; k++)
            if (strcmp(name, *(const char *const *)((const char *)items + k * bytes + name_at)) == 0)
                return name;
    }
    return NULL;
}

// Does a backend's endpoint name one of our own listeners? Spans would go round for ever.
static int backend_is_us(const struct tr_config *config, const struct tr_backend_options *backend, size_t index,
                         struct tr_error *error)
{
    const char *at = backend->endpoint ? strstr(backend->endpoint, "://") : NULL;
    const struct tr_port_options *ports = config->ports.items;
    char host[256] = "";
    const char *colon;
    size_t bytes;

    if (!at)
        return 0;
    at += 3;
    bytes = strcspn(at, "/?#");
    snprintf(host, sizeof(host), "%.*s", (int)TR_MIN(bytes, sizeof(host) - 1), at);
    if (strncmp(host, "localhost", 9) == 0) {
        memcpy(host, "127.0.0.1", 9); // as long as the name
    }
    colon = strrchr(host, ':');
    for (size_t p = 0; p < config->ports.count; p++) {
        for (size_t l = 0; l < ports[p].listen.count; l++) {
            const char *listen = ports[p].listen.items[l], *port = strrchr(listen, ':');
            bool any = port && (port == listen || strncmp(listen, "0.0.0.0:", 8) == 0 || strncmp(listen, "[::]:", 5) == 0);
            bool local = strncmp(host, "127.", 4) == 0 || strncmp(host, "[::1]", 5) == 0;

            if (strcmp(host, listen) == 0 || (any && local && colon && strcmp(colon, port) == 0))
                return tr_error_set(error, EINVAL, "backends[%zu].endpoint: %s is our own listener ports[%zu].listen[%zu]",
                                    index, backend->endpoint, p, l);
        }
    }
    return 0;
}

// An address of a kernel port that stands before ports[p].listen[i] already; port 0 is another each time.
static bool listen_before(const struct tr_port_options *ports, size_t p, size_t i, size_t *q, size_t *k)
{
    const char *text = ports[p].listen.items[i];

    if (ports[p].kind != TR_PORT_KERNEL || strcmp(strrchr(text, ':'), ":0") == 0)
        return false;
    for (*q = 0; *q <= p; ++*q)
        for (*k = 0; *k < (*q == p ? i : ports[*q].listen.count); ++*k)
            if (ports[*q].kind == TR_PORT_KERNEL && strcmp(ports[*q].listen.items[*k], text) == 0)
                return true;
    return false;
}

static int listen_check(const struct tr_config *config, struct tr_error *error)
{
    const struct tr_port_options *ports = config->ports.items;
    size_t q, k;

    for (size_t p = 0; p < config->ports.count; p++)
        for (size_t i = 0; i < ports[p].listen.count; i++)
            if (listen_before(ports, p, i, &q, &k))
                return tr_error_set(error, EINVAL, "ports[%zu].listen[%zu]: %s is ports[%zu].listen[%zu] too", p, i,
                                    ports[p].listen.items[i], q, k);
    return 0;
}

// Two ports on one device.
static int devices_check(const struct tr_config *config, struct tr_error *error)
{
    const struct tr_port_options *ports = config->ports.items;

    for (size_t i = 0; i < config->ports.count; i++) {
        for (size_t k = 0; k < i; k++) {
            const char *a = ports[i].dpdk.device, *b = ports[k].dpdk.device;

            if (a && b && strcspn(a, ",") == strcspn(b, ",") && strncmp(a, b, strcspn(a, ",")) == 0)
                return tr_error_set(error, EINVAL, "ports[%zu].device: %.*s is the device of ports[%zu] too", i,
                                    (int)strcspn(a, ","), a, k);
        }
    }
    return 0;
}

static int config_check(void *options, const char *path, struct tr_error *error)
{
    struct tr_config *config = options;
    const struct tr_backend_options *backends = config->backends.items;
    const char *twice;

    twice = name_twice(config->ports.items, config->ports.count, sizeof(struct tr_port_options),
                       offsetof(struct tr_port_options, name));
    if (twice)
        return tr_error_set(error, EINVAL, "ports: two are named \"%s\"", twice);
    twice = name_twice(backends, config->backends.count, sizeof(*backends), offsetof(struct tr_backend_options, name));
    if (twice)
        return tr_error_set(error, EINVAL, "backends: two are named \"%s\"", twice);
    for (size_t i = 0; i < config->backends.count; i++) {
        int rc = backend_is_us(config, &backends[i], i, error);

        if (rc < 0)
            return rc;
    }
    return listen_check(config, error) < 0 ? -EINVAL : devices_check(config, error);
}

// Everybody's first try is the file that they have.
static const char *key_of_another(const char *key)
{
    static const char *const collector[] = {"receivers", "processors", "exporters", "connectors", "extensions", "service"};

    for (size_t i = 0; i < TR_NELEMS(collector); i++)
        if (strcmp(key, collector[i]) == 0)
            return "this is a Collector's config; `tailctl config import FILE` makes one of ours";
    return NULL;
}

const struct tr_option_table tr_config_table = {.title = "tailrace",
                                                .rows = config_rows,
                                                .count = TR_NELEMS(config_rows),
                                                .struct_bytes = sizeof(struct tr_config),
                                                .check = config_check,
                                                .unknown = key_of_another};
