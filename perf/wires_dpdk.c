// SPDX-License-Identifier: Apache-2.0
// Connections over a DPDK device: the stack of net/ as a client, one thread that polls. Each connection comes from one of
// the source addresses in turn.
#include <rte_mbuf.h>
#include <sched.h>
#include <sys/random.h>

#include "pcap.h"
#include "base/clock.h"
#include "port/dpdk_eal.h"
#include "port/dpdk_queue.h"
#include "wires.h"

#define CONNECT_NS    (5 * TR_S)
#define FRAMES_A_TURN (4 * TR_DPDK_BURST)

struct dpdk_wire {
    struct dpdk_wires *of;
    struct tr_conn *conn;
    uint64_t give_up_ns; // opening
};

struct dpdk_wires {
    struct wires wires;
    struct tr_dpdk_device *device;
    struct tr_dpdk_queue queue;
    struct tr_stack *stack;
    struct tr_stack_device below; // behind ours, which writes frames down
    struct dpdk_wire *wire;       // of each place
    struct tr_ip to;
    uint16_t to_port;
    uint32_t next_address;
    uint64_t now, timeouts_at;
    FILE *pcap;
    pthread_mutex_t tx_locks[TR_DPDK_QUEUES_MAX];
};

static struct dpdk_wires *whole(struct wires *wires)
{
    return tr_container_of(wires, struct dpdk_wires, wires);
}

static ssize_t output(void *wire, const void *data, size_t bytes)
{
    struct tr_conn *conn = ((struct dpdk_wire *)wire)->conn;

    return conn ? (ssize_t)tr_conn_send(conn, data, bytes) : -1;
}

static size_t room(void *wire)
{
    struct tr_conn *conn = ((struct dpdk_wire *)wire)->conn;

    return conn ? tr_conn_send_room(conn) : 0;
}

// --- what the stack tells

static struct wire_place *place_of(struct dpdk_wires *dpdk, struct dpdk_wire *wire)
{
    return &dpdk->wires.places[wire - dpdk->wire];
}

static int opened(void *context, struct tr_conn *conn, uint64_t now)
{
    struct dpdk_wires *dpdk = context;
    struct dpdk_wire *wire = conn->user;
    struct wire_place *place = place_of(dpdk, wire);

    place->opening = false;
    place->client = client_open(&dpdk->wires.options.client, output, room, wire);
    if (!place->client) {
        wire->conn = NULL; // closed() does not follow
        return -ENOMEM;
    }
    dpdk->wires.opened++;
    client_flush(place->client);
    return 0;
}

static void input(void *context, struct tr_conn *conn, const uint8_t *data, size_t bytes, uint64_t now)
{
    struct dpdk_wire *wire = conn->user;

    if (!wire || wire->conn != conn)
        return;
    client_input(place_of(context, wire)->client, data, bytes);
    client_flush(place_of(context, wire)->client);
}

static void eof(void *context, struct tr_conn *conn, uint64_t now)
{
    struct dpdk_wire *wire = conn->user;

    if (wire && wire->conn == conn)
        client_input(place_of(context, wire)->client, NULL, 0);
}

static void writable(void *context, struct tr_conn *conn, uint64_t now)
{
    struct dpdk_wire *wire = conn->user;

    if (wire && wire->conn == conn)
        client_flush(place_of(context, wire)->client);
}

static void closed(void *context, struct tr_conn *conn, enum tr_conn_end end, uint64_t now)
{
    struct dpdk_wire *wire = conn->user;

    if (!wire || wire->conn != conn) // it was given up before
        return;
    wire->conn = NULL;
    place_of(context, wire)->opening = false;
    if (place_of(context, wire)->client)
        client_input(place_of(context, wire)->client, NULL, 0);
}

// --- what tailgen asks

static struct tr_ip source_next(struct dpdk_wires *dpdk)
{
    const struct tr_net_address *from = &dpdk->wires.options.from;
    struct tr_ip ip = from->ip;
    uint32_t last;

    if (from->own_bits == 128)
        return ip;
    memcpy(&last, ip.bytes + 12, 4);
    last = __builtin_bswap32(last) + dpdk->next_address++ % (1u << (128 - from->own_bits));
    last = __builtin_bswap32(last);
    memcpy(ip.bytes + 12, &last, 4);
    return ip;
}

static void place_open(struct wires *wires, uint32_t i)
{
    struct dpdk_wires *dpdk = whole(wires);
    struct dpdk_wire *wire = &dpdk->wire[i];
    struct tr_ip from = source_next(dpdk);

    if (!tr_dpdk_device_link(dpdk->device) ||
        tr_stack_connect(dpdk->stack, &from, 0, &dpdk->to, dpdk->to_port, wire, dpdk->now, &wire->conn) < 0)
        return;
    wires->places[i].opening = true;
    wire->give_up_ns = dpdk->now + CONNECT_NS;
}

static void place_close(struct wires *wires, uint32_t i)
{
    struct dpdk_wire *wire = &whole(wires)->wire[i];
    struct tr_conn *conn = wire->conn;

    // Whatever the stack still tells of it is told of no place.
    wire->conn = NULL;
    if (conn) {
        conn->user = NULL;
        if (wires->places[i].client && !client_broken(wires->places[i].client))
            tr_conn_close(conn);
        else
            tr_conn_abort(conn);
    }
    if (wires->places[i].client)
        client_close(wires->places[i].client);
    wires->places[i] = (struct wire_place){0};
}

static uint32_t receive(struct dpdk_wires *dpdk)
{
    struct tr_frame pieces[TR_DPDK_PIECES];
    struct rte_mbuf *mbufs[TR_DPDK_BURST];
    uint32_t count = tr_dpdk_queue_receive(&dpdk->queue, mbufs);

    for (uint32_t i = 0; i < count; i++)
        if (tr_dpdk_frame_of(&dpdk->queue, mbufs[i], pieces))
            tr_stack_input(dpdk->stack, pieces, dpdk->now);
    tr_dpdk_queue_free(mbufs, count);
    return count;
}

static void timeouts(struct dpdk_wires *dpdk)
{
    for (uint32_t i = 0; i < dpdk->wires.options.count; i++)
        if (dpdk->wires.places[i].opening && dpdk->now >= dpdk->wire[i].give_up_ns)
            place_close(&dpdk->wires, i);
    dpdk->timeouts_at = dpdk->now + 100 * TR_MS;
}

static void dpdk_poll(struct wires *wires, bool idle)
{
    struct dpdk_wires *dpdk = whole(wires);
    uint32_t received = 0, count;

    dpdk->now = tr_clock_ns();
    do {
        count = receive(dpdk);
        received += count;
    } while (count == dpdk->queue.burst && received < FRAMES_A_TURN);
    if (received >= FRAMES_A_TURN)
        tr_stack_frames_wait(dpdk->stack);
    if (dpdk->now >= dpdk->timeouts_at)
        timeouts(dpdk);
    tr_stack_poll(dpdk->stack, dpdk->now);
    if (!tr_dpdk_queue_flush(&dpdk->queue, dpdk->now) && !received && idle)
        sched_yield(); // to a receiver on the same CPU, which would take its share at a worse time
}

// FINs go out, and are answered; not for long.
static void farewell(struct dpdk_wires *dpdk)
{
    uint64_t until = tr_clock_ns() + 200 * TR_MS;
    struct tr_conn_row row;

    for (uint32_t i = 0; i < dpdk->wires.options.count; i++)
        place_close(&dpdk->wires, i);
    do {
        dpdk_poll(&dpdk->wires, false);
    } while (dpdk->now < until && tr_stack_connections(dpdk->stack, &row, 1));
}

static void destroy(struct wires *wires)
{
    struct dpdk_wires *dpdk = whole(wires);

    if (dpdk->stack) {
        farewell(dpdk);
        tr_stack_destroy(dpdk->stack, dpdk->now);
        tr_dpdk_queue_flush(&dpdk->queue, dpdk->now);
        tr_dpdk_queue_fini(&dpdk->queue);
    }
    if (dpdk->pcap)
        fclose(dpdk->pcap);
    if (dpdk->device) {
        tr_dpdk_device_close(dpdk->device);
        tr_dpdk_thread_unregister();
        tr_dpdk_eal_stop();
    }
    free(dpdk->wire);
    free(wires->places);
    free(dpdk);
}

// --- start

static bool pcap_alloc(void *context, struct tr_frame_out *frame)
{
    struct dpdk_wires *dpdk = context;

    return dpdk->below.alloc(dpdk->below.context, frame);
}

static void pcap_send(void *context, const struct tr_frame_out *frame)
{
    struct dpdk_wires *dpdk = context;

    pcap_frame(dpdk->pcap, tr_clock_wall_ns(), frame->data, frame->bytes);
    dpdk->below.send(dpdk->below.context, frame);
}

static int device_start(struct dpdk_wires *dpdk, struct tr_error *error)
{
    const struct wires_options *o = &dpdk->wires.options;
    struct tr_dpdk_device_options options = {
        .device = o->device, .lcores = 1, .queues = 1, .rx_descriptors = 1024, .tx_descriptors = 1024, .mtu_bytes = o->mtu_bytes};
    const struct tr_dpdk_options eal = {.hugepages = TR_HUGEPAGES_AUTO};
    bool pci = tr_dpdk_is_pci(o->device);
    int rc = tr_dpdk_eal_start(&eal, &o->device, pci, tr_dpdk_device_memory(&options), error);

    if (rc < 0)
        return rc;
    tr_dpdk_thread_register();
    rc = tr_dpdk_device_open(&dpdk->device, &options, error);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < TR_NELEMS(dpdk->tx_locks); i++)
        pthread_mutex_init(&dpdk->tx_locks[i], NULL);
    tr_dpdk_queue_init(&dpdk->queue, dpdk->device, 0, dpdk->tx_locks);
    return tr_dpdk_device_watch(dpdk->device, error);
}

static int stack_start(struct dpdk_wires *dpdk, struct tr_error *error)
{
    const struct wires_options *o = &dpdk->wires.options;
    bool software = o->pcap; // what is written down is whole
    struct tr_stack_options options = {.mtu_bytes = (uint16_t)dpdk->device->mtu_bytes,
                                       .tx_ip_checksum = !software && dpdk->device->tx_ip_checksum,
                                       .tx_tcp_checksum = !software && dpdk->device->tx_tcp_checksum,
                                       .addresses = {o->from},
                                       .addresses_count = 1,
                                       .gateways = {o->gateway},
                                       .gateways_count = o->has_gateway,
                                       .connections_max = TR_MAX(2 * o->count, 64u),
                                       .half_open_max = 16,
                                       .time_wait_max = 65536,
                                       .neighbours_max = 64,
                                       .window_bytes = 256 * TR_KIB,
                                       .reassembly_bytes = 16 * TR_MIB,
                                       .send_buffer_bytes = o->count > 64 ? 128 * TR_KIB : TR_MIB,
                                       .stall_timeout_ns = 30 * TR_S,
                                       .time_wait_ns = TR_S,
                                       .output_frames = TR_DPDK_WAITING / 2,
                                       .numa_node = dpdk->device->numa_node};
    const struct tr_conn_user user = {dpdk, opened, input, eof, writable, closed};
    const struct tr_stack_device writes_down = {dpdk, pcap_alloc, pcap_send};

    memcpy(options.mac, dpdk->device->mac, sizeof(options.mac));
    if (getrandom(options.secret, sizeof(options.secret), 0) != sizeof(options.secret))
        return tr_error_set(error, EIO, "no random numbers");
    dpdk->below = tr_dpdk_queue_stack_device(&dpdk->queue);
    if (o->pcap && !(dpdk->pcap = pcap_open(o->pcap)))
        return tr_error_set(error, errno, "%s: %s", o->pcap, strerror(errno));
    return tr_stack_create(&dpdk->stack, &options, dpdk->pcap ? &writes_down : &dpdk->below, &user, error);
}

static void to_read(struct dpdk_wires *dpdk)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&dpdk->wires.options.to;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&dpdk->wires.options.to;

    if (v4->sin_family == AF_INET) {
        dpdk->to = tr_ip_v4((const uint8_t *)&v4->sin_addr);
        dpdk->to_port = ntohs(v4->sin_port);
    } else {
        memcpy(dpdk->to.bytes, &v6->sin6_addr, 16);
        dpdk->to_port = ntohs(v6->sin6_port);
    }
}

struct wires *wires_dpdk_create(const struct wires_options *options)
{
    static const struct wires_ops ops = {place_open, place_close, dpdk_poll, destroy};
    struct dpdk_wires *dpdk = calloc(1, sizeof(*dpdk));
    struct tr_error error = {0};

    if (!dpdk)
        return NULL;
    dpdk->wires.ops = &ops;
    dpdk->wires.options = *options;
    dpdk->wires.places = calloc(options->count, sizeof(*dpdk->wires.places));
    dpdk->wire = calloc(options->count, sizeof(*dpdk->wire));
    tr_assert(dpdk->wires.places && dpdk->wire);
    to_read(dpdk);
    dpdk->now = tr_clock_ns();
    if (device_start(dpdk, &error) == 0 && stack_start(dpdk, &error) == 0)
        return &dpdk->wires;
    fprintf(stderr, "tailgen: --device %s: %s\n", options->device, error.text);
    destroy(&dpdk->wires);
    return NULL;
}
