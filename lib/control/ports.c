// SPDX-License-Identifier: Apache-2.0
// What `tailctl ports` and DPDK's telemetry socket show of ports.
#include "control/format.h"
#include "control/state.h"
#include "port/dpdk_device.h"
#include "port/xdp_maps.h"

#define NUMBER(value) json_integer((json_int_t)(value))

static json_t *hex_json(const uint8_t *bytes, size_t count, const char *separator)
{
    char text[256];
    size_t used = 0;

    for (size_t i = 0; i < count && used + 4 < sizeof(text); i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%02x", i ? separator : "", bytes[i]);
    return count ? json_string(text) : json_null();
}

static json_t *offloads_json(const char *names)
{
    json_t *array = json_array();

    for (size_t bytes; *names; names += bytes + (names[bytes] == ' ')) {
        bytes = strcspn(names, " ");
        json_array_append_new(array, json_stringn(names, bytes));
    }
    return array;
}

static json_t *statistics_json(const struct tr_dpdk_device_view *view)
{
    json_t *json = json_object();

    json_object_set_new(json, "rx_packets", NUMBER(view->rx_packets));
    json_object_set_new(json, "rx_bytes", NUMBER(view->rx_bytes));
    json_object_set_new(json, "rx_missed", NUMBER(view->rx_missed));
    json_object_set_new(json, "rx_errors", NUMBER(view->rx_errors));
    json_object_set_new(json, "rx_no_mbuf", NUMBER(view->rx_nombuf));
    json_object_set_new(json, "tx_packets", NUMBER(view->tx_packets));
    json_object_set_new(json, "tx_bytes", NUMBER(view->tx_bytes));
    json_object_set_new(json, "tx_errors", NUMBER(view->tx_errors));
    return json;
}

static json_t *queues_json(const struct tr_dpdk_device_view *view)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < view->queues_count; i++) {
        const struct tr_dpdk_queue_stats *queue = &view->queues[i];

        json_array_append_new(
            array, json_pack("{s:I, s:I, s:I, s:I, s:I}", "rx_packets", (json_int_t)queue->rx_packets, "rx_bytes",
                             (json_int_t)queue->rx_bytes, "rx_errors", (json_int_t)queue->rx_errors, "tx_packets",
                             (json_int_t)queue->tx_packets, "tx_bytes", (json_int_t)queue->tx_bytes));
    }
    return array;
}

static json_t *xdp_json(const uint64_t *counters)
{
    if (!counters)
        return json_null();
    return json_pack("{s:I, s:I}", "taken", (json_int_t)counters[TR_XDP_TAKEN], "no_socket",
                     (json_int_t)counters[TR_XDP_NO_SOCKET]);
}

static void put_dpdk(json_t *row, const struct tr_control_port *port)
{
    const struct tr_dpdk_device_view *view = port->view;
    const struct tr_dpdk_device *device = port->dpdk;
    json_t *addresses = json_array(), *reta = json_array();

    for (size_t i = 0; i < port->addresses->count; i++)
        json_array_append_new(addresses, tr_json_text(port->addresses->items[i]));
    for (uint32_t i = 0; i < view->reta_count; i++)
        json_array_append_new(reta, json_integer(view->reta[i]));
    json_object_set_new(row, "driver", tr_json_text(device->driver));
    json_object_set_new(row, "memory", json_string(port->memory));
    json_object_set_new(row, "mac", hex_json(device->mac, 6, ":"));
    json_object_set_new(row, "link", json_boolean(view->link));
    json_object_set_new(row, "speed_mbps", view->speed_mbps ? NUMBER(view->speed_mbps) : json_null());
    json_object_set_new(row, "mtu", NUMBER(device->mtu_bytes));
    json_object_set_new(row, "addresses", addresses);
    json_object_set_new(row, "shared_with_kernel", json_boolean(port->shared));
    json_object_set_new(row, "xdp", xdp_json(port->xdp));
    json_object_set_new(row, "rx_queues", NUMBER(device->rx_queues));
    json_object_set_new(row, "tx_queues", NUMBER(device->tx_queues));
    // By the device itself, or by us from the lcores that have a queue to those that are meant.
    json_object_set_new(row, "flows", json_string(device->lcores == 1 ? "one lcore" : device->spreads ? "rss" : "handed"));
    json_object_set_new(row, "rss_key", hex_json(view->rss_key, view->rss_key_bytes, ""));
    json_object_set_new(row, "reta", reta);
    json_object_set_new(row, "offloads", offloads_json(view->offloads));
    json_object_set_new(row, "mbufs", NUMBER(view->mbufs));
    json_object_set_new(row, "mbufs_free", NUMBER(view->mbufs_free));
    json_object_set_new(row, "statistics", statistics_json(view));
    json_object_set_new(row, "queues", queues_json(view));
}

static void port_append(void *array, const struct tr_control_port *port)
{
    json_t *row = json_object(), *listening = json_array();
    char text[TR_FORMAT_BYTES];

    for (size_t i = 0; i < port->listening_count; i++)
        json_array_append_new(listening, json_string(tr_format_address(&port->listening[i], text)));
    json_object_set_new(row, "name", tr_json_text(port->name));
    json_object_set_new(row, "kind", tr_json_text(port->kind));
    json_object_set_new(row, "device", port->device ? tr_json_text(port->device) : json_null());
    json_object_set_new(row, "listening", listening);
    json_object_set_new(row, "accepting", json_boolean(port->accepting));
    json_object_set_new(row, "connections", NUMBER(port->connections));
    if (port->dpdk)
        put_dpdk(row, port);
    json_array_append_new(array, row);
}

json_t *tr_control_ports_json(struct tr_control *control)
{
    json_t *array = json_array();

    control->daemon->ports(control->daemon->context, port_append, array);
    return array;
}
