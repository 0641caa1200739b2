// SPDX-License-Identifier: Apache-2.0
// Frames into a stack with a listening port and an echo behind it, on steps of virtual time. After each: everything that
// must hold between the stack's parts holds, no more is sent than the contract allows, and what is sent is well formed
// (addresses, lengths, sums, by the naive way).
//
// The input is a list of records: a byte of flags, a byte for the time that passes, two for the length (big endian), and
// the frame. Flags mend what a mutation breaks, so that frames reach what lies behind the sums.
#include "fuzz.h"

#include "net/stack.h"
#include "net/wire.h"
#include "../unit/net/build.h"

#define MTU           1500
#define RECORDS_MAX   64
#define INPUT_FRAMES  4   // most that one frame may set off before the poll
#define OUTPUT_FRAMES 256 // most that a poll may send for TCP
#define BELOW_FRAMES  64  // and below it

enum flag {
    MEND = 1,        // lengths and sums
    ACKNOWLEDGE = 2, // TCP's acknowledgement and timestamps are of what was sent last, and its sequence follows
    CUT = 4,         // in pieces: all headers in the first
    CUT_EARLY = 8,   // in pieces of 16 bytes
    GOOD = 16,       // as if the device had verified the sums
    NO_BUFFER = 32,
    OPEN = 64, // open a connection of our own first
    WAIT = 128, // the time is in steps of 100 ms, not 1 ms
};

struct world {
    struct tr_stack *stack;
    uint64_t now;
    bool no_buffer, sent_segment;
    uint32_t sent;
    uint32_t next_seq, next_ack, timestamp; // what a peer says next
    uint8_t frame[MTU + 18];
};

static bool device_alloc(void *context, struct tr_frame_out *frame)
{
    struct world *world = context;

    frame->data = world->frame;
    memset(world->frame, 0xee, sizeof(world->frame));
    return !world->no_buffer;
}

// Two NOPs and the option, as everybody writes it.
static bool has_timestamp(const uint8_t *tcp, uint32_t bytes)
{
    return bytes >= 32 && tr_be32_get(tcp + 20) == 0x0101080a;
}

static void segment_note(struct world *world, const uint8_t *tcp, uint32_t bytes)
{
    uint32_t data = bytes - (tcp[12] >> 4) * 4u;

    tr_assert(bytes >= 20 && data <= bytes);
    world->sent_segment = true;
    world->next_ack = tr_be32_get(tcp + 4) + data + (tcp[13] & 1) + (tcp[13] >> 1 & 1);
    world->next_seq = tr_be32_get(tcp + 8);
    for (uint32_t at = 20; at + 10 <= (tcp[12] >> 4) * 4u; at++)
        if (tcp[at] == 8 && tcp[at + 1] == 10)
            world->timestamp = tr_be32_get(tcp + at + 2);
}

static void device_send(void *context, const struct tr_frame_out *frame)
{
    struct world *world = context;
    const uint8_t *ip = frame->data + 14;
    uint32_t bytes = frame->bytes - 14, header_bytes;
    uint16_t ethertype = tr_be16_get(frame->data + 12);

    world->sent++;
    tr_assert(frame->bytes <= sizeof(world->frame) && frame->bytes >= 42 && frame->l2_bytes == 14);
    tr_assert(memcmp(frame->data + 6, "\x02\0\0\0\0\x02", 6) == 0);
    if (ethertype == 0x0806) {
        tr_assert(bytes == 28);
        return;
    }
    if (ethertype == 0x0800) {
        header_bytes = 20;
        tr_assert(ip[0] == 0x45 && tr_be16_get(ip + 2) == bytes && build_naive_sum(0, ip, 20) == 0);
    } else {
        header_bytes = 40;
        tr_assert(ethertype == 0x86dd && ip[0] == 0x60 && tr_be16_get(ip + 4) + 40u == bytes);
    }
    tr_assert(build_l4_sum(ip, bytes) == 0);
    if (frame->tcp)
        segment_note(world, ip + header_bytes, bytes - header_bytes);
}

static int conn_opened(void *context, struct tr_conn *conn, uint64_t now)
{
    return 0;
}

// An echo that pauses for a while on some bytes and closes on others.
static void conn_input(void *context, struct tr_conn *conn, const uint8_t *data, size_t bytes, uint64_t now)
{
    tr_assert(bytes > 0);
    tr_conn_send(conn, data, bytes);
    if (data[0] == 'p')
        tr_conn_pause(conn);
    if (data[0] == 'r')
        tr_conn_resume(conn);
    if (data[0] == 'c')
        tr_conn_close(conn);
    if (data[0] == 'a')
        tr_conn_abort(conn);
}

static void conn_eof(void *context, struct tr_conn *conn, uint64_t now)
{
    tr_conn_close(conn);
}

static void conn_writable(void *context, struct tr_conn *conn, uint64_t now)
{
    tr_conn_resume(conn);
}

static void conn_closed(void *context, struct tr_conn *conn, enum tr_conn_end end, uint64_t now)
{
}

static void world_create(struct world *world)
{
    struct tr_stack_options options = {
        .mac = {2, 0, 0, 0, 0, 2}, .mtu_bytes = MTU, .addresses_count = 2, .gateways_count = 1, .listen = {4317},
        .listen_count = 1, .connections_max = 16, .half_open_max = 4, .time_wait_max = 4, .neighbours_max = 4,
        .window_bytes = 64 * TR_KIB, .reassembly_bytes = 64 * TR_KIB, .send_buffer_bytes = 64 * TR_KIB,
        .keepalive_ns = 30 * TR_S, .stall_timeout_ns = 20 * TR_S, .time_wait_ns = 2 * TR_S,
        .output_frames = OUTPUT_FRAMES, .secret = "not to be known", .numa_node = -1,
    };
    const struct tr_stack_device device = {.context = world, .alloc = device_alloc, .send = device_send};
    const struct tr_conn_user user = {.context = world, .opened = conn_opened, .input = conn_input, .eof = conn_eof,
                                      .writable = conn_writable, .closed = conn_closed};
    struct tr_error error = {{0}};

    tr_assert(tr_net_address_parse("198.18.0.2/24", &options.addresses[0], &error) == 0);
    tr_assert(tr_net_address_parse("fd00:1::2/64", &options.addresses[1], &error) == 0);
    tr_assert(tr_ip_parse("198.18.0.1", &options.gateways[0], &error) == 0);
    *world = (struct world){.now = TR_S};
    tr_assert(tr_stack_create(&world->stack, &options, &device, &user, &error) == 0);
    tr_stack_poll(world->stack, world->now);
}

// Where the layer above IP begins, or 0: not to be mended. No extension headers.
static uint32_t upper_find(const uint8_t *frame, uint32_t bytes, uint8_t *protocol)
{
    uint16_t ethertype = bytes >= 14 ? tr_be16_get(frame + 12) : 0;

    if (ethertype == 0x0800 && bytes >= 34 && frame[14] >> 4 == 4) {
        uint32_t at = 14 + (frame[14] & 15) * 4u;

        *protocol = frame[23];
        return at >= 34 && at < bytes ? at : 0;
    }
    *protocol = bytes >= 54 ? frame[20] : 0;
    return ethertype == 0x86dd && bytes > 54 && frame[14] >> 4 == 6 ? 54 : 0;
}

static void mend(uint8_t *frame, uint32_t bytes)
{
    uint8_t protocol;
    uint32_t at = upper_find(frame, bytes, &protocol), field;
    uint16_t sum;

    if (at == 0 || (protocol != 6 && protocol != 1 && protocol != 58))
        return;
    if (frame[14] >> 4 == 4) {
        tr_be16_put(frame + 16, (uint16_t)(bytes - 14));
        tr_be16_put(frame + 24, 0);
        tr_be16_put(frame + 24, build_naive_sum(0, frame + 14, at - 14));
    } else {
        tr_be16_put(frame + 18, (uint16_t)(bytes - 54));
    }
    field = at + (protocol == 6 ? 16 : 2);
    if (field + 2 > bytes)
        return;
    tr_be16_put(frame + field, 0);
    sum = build_l4_sum(frame + 14, bytes - 14);
    tr_be16_put(frame + field, sum);
}

// What the frame says of what we have sent follows what was sent last: TCP's numbers (the low 12 bits of the sequence
// that stands there are kept, as a distance from it), and the one in the quote of an ICMP error.
static void acknowledge(const struct world *world, uint8_t *frame, uint32_t bytes)
{
    uint8_t protocol;
    uint32_t at = upper_find(frame, bytes, &protocol), quote;

    if (at == 0 || !world->sent_segment)
        return;
    quote = 8 + (frame[14] >> 4 == 4 ? 20 : 40);
    if ((protocol == 1 || protocol == 58) && at + quote + 8 <= bytes)
        tr_be32_put(frame + at + quote + 4, world->next_ack - 1);
    if (protocol != 6 || at + 20 > bytes)
        return;
    tr_be32_put(frame + at + 4, world->next_seq + (tr_be32_get(frame + at + 4) & 0xfff));
    tr_be32_put(frame + at + 8, world->next_ack);
    if (has_timestamp(frame + at, bytes - at)) {
        tr_be32_put(frame + at + 24, world->timestamp);
        tr_be32_put(frame + at + 28, world->timestamp);
    }
}

static uint32_t headers_bytes(const uint8_t *frame, uint32_t bytes)
{
    uint8_t protocol;
    uint32_t at = upper_find(frame, bytes, &protocol);

    return at && at + 13 <= bytes && protocol == 6 ? at + (frame[at + 12] >> 4) * 4u : 62;
}

// In pieces in memory of their own size.
static void frame_input(struct world *world, uint8_t flags, const uint8_t *frame, uint32_t bytes)
{
    uint32_t first = flags & CUT ? headers_bytes(frame, bytes) : flags & CUT_EARLY ? 16 : bytes, at = 0, count = 0;
    struct tr_frame pieces[256];
    uint8_t *memory[256];

    do {
        uint32_t n = TR_MIN(count == 0 ? first : TR_MAX(16u, bytes / 100), bytes - at);

        memory[count] = malloc(n);
        memcpy(memory[count], frame + at, n);
        pieces[count] = (struct tr_frame){.data = memory[count], .bytes = n};
        if (count)
            pieces[count - 1].next = &pieces[count];
        at += n;
        count++;
    } while (at < bytes);
    pieces[0].flags = flags & GOOD ? TR_FRAME_IP_GOOD | TR_FRAME_L4_GOOD : 0;
    tr_stack_input(world->stack, pieces, world->now);
    for (uint32_t i = 0; i < count; i++)
        free(memory[i]);
}

static void connection_open(struct world *world)
{
    struct tr_error error = {{0}};
    struct tr_ip local, peer;
    struct tr_conn *conn;

    tr_assert(tr_ip_parse("198.18.0.2", &local, &error) == 0 && tr_ip_parse("198.18.0.9", &peer, &error) == 0);
    tr_stack_connect(world->stack, &local, 0, &peer, 80, world, world->now, &conn);
}

static void poll(struct world *world)
{
    world->sent = 0;
    tr_stack_poll(world->stack, world->now);
    tr_assert(world->sent <= OUTPUT_FRAMES + BELOW_FRAMES);
    tr_stack_check(world->stack);
    tr_assert(tr_stack_deadline(world->stack) > 0 || world->no_buffer || world->sent > 0);
}

static void record_run(struct world *world, uint8_t flags, uint8_t time, uint8_t *frame, uint32_t bytes)
{
    uint32_t hash;

    world->now += time * (flags & WAIT ? 100 * TR_MS : TR_MS);
    world->no_buffer = flags & NO_BUFFER;
    if (flags & OPEN)
        connection_open(world);
    if (flags & ACKNOWLEDGE)
        acknowledge(world, frame, bytes);
    if (flags & MEND)
        mend(frame, bytes);
    tr_flow_of(frame, bytes, &hash);
    world->sent = 0;
    frame_input(world, flags, frame, bytes);
    tr_assert(world->sent <= INPUT_FRAMES);
    poll(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct world world;
    size_t at = 0;

    world_create(&world);
    for (int records = 0; records < RECORDS_MAX && bytes - at >= 4; records++) {
        uint32_t length = (uint32_t)TR_MIN(tr_be16_get(data + at + 2), bytes - at - 4);
        uint8_t *frame = malloc(length);

        memcpy(frame, data + at + 4, length);
        record_run(&world, data[at], data[at + 1], frame, length);
        free(frame);
        at += 4 + length;
    }
    // Left alone, all of it is over within the timeouts: nothing is held for ever.
    world.no_buffer = false;
    for (int i = 0; i < 400; i++) {
        world.now += TR_S / 2;
        poll(&world);
    }
    tr_assert(tr_stack_reassembly_used(world.stack) == 0);
    tr_stack_destroy(world.stack, world.now);
    return 0;
}
