// SPDX-License-Identifier: Apache-2.0
// What the control socket shows of ports and connections.
#include "daemon.h"

#include <arpa/inet.h>

#define EACH_LCORE(daemon, thread)                                                                           \
    for (struct tr_lcore_thread *thread = (daemon)->lcores;                                                  \
         thread < (daemon)->lcores + (daemon)->sizes.lcores; thread++)

// Which of an lcore's dpdk parts belongs to a port of the config.
static size_t dpdk_index(const struct tr_daemon *daemon, const struct tr_daemon_port *port)
{
    size_t index = 0;

    for (const struct tr_daemon_port *before = daemon->ports; before < port; before++)
        index += before->dpdk != NULL;
    return index;
}

static void show_kernel(struct tr_daemon *daemon, const struct tr_daemon_port *port, struct tr_control_port *row,
                        struct tr_address *addresses, size_t max)
{
    static const char kind[] = "kernel";

    row->kind = kind;
    while (row->listening_count < max &&
           tr_kernel_port_listening(port->kernel, row->listening_count, &addresses[row->listening_count]))
        row->listening_count++;
    row->connections = tr_kernel_port_connections(port->kernel);
}

static void show_dpdk(struct tr_daemon *daemon, const struct tr_daemon_port *port, struct tr_control_port *row,
                      struct tr_dpdk_device_view *view, uint64_t xdp[TR_XDP_COUNTERS], struct tr_address *addresses,
                      size_t max)
{
    const struct tr_dpdk_port_addresses *own = tr_dpdk_port_addresses(port->dpdk);
    size_t index = dpdk_index(daemon, port);

    row->kind = "dpdk";
    row->device = port->options->dpdk.device;
    row->memory = tr_dpdk_eal_memory();
    row->dpdk = tr_dpdk_port_device(port->dpdk);
    row->addresses = &port->options->dpdk.addresses;
    row->shared = tr_dpdk_port_is_shared(port->dpdk);
    row->xdp = tr_dpdk_port_xdp_counters(port->dpdk, xdp) == 0 ? xdp : NULL;
    tr_dpdk_device_view(row->dpdk, view);
    row->view = view;
    for (uint32_t a = 0; a < own->addresses_count; a++) {
        for (uint32_t l = 0; l < own->listen_count && row->listening_count < max; l++) {
            struct tr_address *address = &addresses[row->listening_count++];

            memcpy(address->ip, own->addresses[a].ip.bytes, sizeof(address->ip));
            address->port = own->listen[l];
        }
    }
    EACH_LCORE(daemon, thread)
        row->connections += tr_counter_read(&tr_net_streams_counters(tr_dpdk_streams(thread->dpdk[index]))->open);
}

void tr_daemon_show_ports(void *context, tr_control_port_fn each, void *to)
{
    struct tr_daemon *daemon = context;
    struct tr_dpdk_device_view *view = calloc(1, sizeof(*view));
    struct tr_address addresses[TR_STACK_ADDRESSES_MAX * TR_STACK_LISTEN_MAX];
    uint64_t xdp[TR_XDP_COUNTERS];

    for (size_t i = 0; view && i < daemon->ports_count; i++) {
        const struct tr_daemon_port *port = &daemon->ports[i];
        struct tr_control_port row = {.name = port->options->name,
                                      .listening = addresses,
                                      .accepting = !tr_load_relaxed(&daemon->draining)};

        if (port->dpdk)
            show_dpdk(daemon, port, &row, view, xdp, addresses, TR_NELEMS(addresses));
        else
            show_kernel(daemon, port, &row, addresses, TR_NELEMS(addresses));
        each(to, &row);
    }
    free(view);
}

#define CONNECTION_ROWS 4096

struct rows {
    struct tr_connection_row *streams;
    struct tr_http_row *http;
    size_t http_count;
};

static void show_lcore(struct tr_daemon *daemon, struct tr_lcore_thread *thread, struct rows *rows,
                       tr_control_connection_fn each, void *to)
{
    uint32_t lcore = thread->lcore->options.lcore;
    size_t dpdk = 0, kernel = 0, count;

    rows->http_count = tr_http_connections(thread->lcore->http, rows->http, CONNECTION_ROWS);
    for (size_t i = 0; i < daemon->ports_count; i++) {
        if (daemon->ports[i].dpdk)
            count = tr_dpdk_connections(thread->dpdk[dpdk++], rows->streams, CONNECTION_ROWS);
        else
            count = tr_kernel_connections(thread->kernel, kernel++, rows->streams, CONNECTION_ROWS);
        tr_control_connections_join(lcore, daemon->ports[i].options->name, rows->streams, count, rows->http,
                                    rows->http_count, each, to);
    }
}

int tr_daemon_show_connections(void *context, tr_control_connection_fn each, void *to)
{
    struct tr_daemon *daemon = context;
    struct rows rows = {.streams = calloc(CONNECTION_ROWS, sizeof(*rows.streams)),
                        .http = calloc(CONNECTION_ROWS, sizeof(*rows.http))};

    if (rows.streams && rows.http) {
        tr_mesh_stop(daemon->mesh);
        EACH_LCORE(daemon, thread)
            show_lcore(daemon, thread, &rows, each, to);
        tr_mesh_resume(daemon->mesh);
    }
    free(rows.streams);
    free(rows.http);
    return 0;
}

static json_t *telemetry_answer(void *context, const char *name)
{
    struct tr_daemon *daemon = context;
    char path[64];

    snprintf(path, sizeof(path), "/v1/%s", name);
    return tr_control_answer(daemon->control, path);
}

void tr_daemon_telemetry_start(struct tr_daemon *daemon)
{
    if (tr_dpdk_eal_memory())
        tr_dpdk_telemetry_start(telemetry_answer, daemon);
}
