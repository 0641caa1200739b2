// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include "build.h"

// --- what the users of both ends do

uint8_t wire_pattern(uint64_t offset)
{
    return (uint8_t)(offset ^ offset >> 8 ^ offset >> 16);
}

static void push(struct wire_conn *conn)
{
    uint8_t data[4096];

    while (conn->conn && conn->sent < conn->to_send) {
        size_t bytes = TR_MIN(sizeof(data), conn->to_send - conn->sent), taken;

        for (size_t i = 0; i < bytes; i++)
            data[i] = wire_pattern(conn->sent + i);
        taken = tr_conn_send(conn->conn, data, bytes);
        conn->sent += taken;
        if (taken < bytes)
            return;
    }
    if (conn->conn && conn->close_after)
        tr_conn_close(conn->conn);
}

static void introduce(struct wire_conn *conn)
{
    struct wire_end *other = &conn->owner->wire->ends[!conn->owner->number];

    for (uint32_t i = other->conns_count; i-- > 0;) {
        struct wire_conn *peer = &other->conns[i];

        if (peer->local_port == conn->peer_port && peer->peer_port == conn->local_port && !peer->closed) {
            peer->peer = conn;
            conn->peer = peer;
            return;
        }
    }
}

static struct wire_conn *conn_new(struct wire_end *end, struct tr_conn *tr)
{
    struct wire_conn *conn;

    assert_true(end->conns_count < WIRE_CONNS);
    conn = &end->conns[end->conns_count++];
    *conn = (struct wire_conn){.owner = end, .conn = tr, .local_port = tr->local_port, .peer_port = tr->peer_port};
    return conn;
}

static int opened(void *context, struct tr_conn *tr, uint64_t now)
{
    struct wire_end *end = context;
    struct wire_conn *conn = tr->user;
    int rc = 0;

    if (!conn)
        tr->user = conn = conn_new(end, tr);
    assert_false(conn->opened);
    conn->opened = true;
    introduce(conn);
    if (end->on_opened)
        rc = end->on_opened(conn);
    if (rc)
        conn->conn = NULL;
    return rc;
}

static void input(void *context, struct tr_conn *tr, const uint8_t *data, size_t bytes, uint64_t now)
{
    struct wire_conn *conn = tr->user;

    assert_false(conn->eof);
    assert_true(bytes > 0);
    for (size_t i = 0; i < bytes; i++) {
        if (data[i] != wire_pattern(conn->received + i))
            fail_msg("byte %lu is %u", conn->received + i, data[i]);
    }
    conn->received += bytes;
    assert_int_equal(tr->bytes_in, conn->received);
    if (conn->owner->on_input)
        conn->owner->on_input(conn, data, bytes);
}

static void eof(void *context, struct tr_conn *tr, uint64_t now)
{
    struct wire_conn *conn = tr->user;

    assert_false(conn->eof);
    conn->eof = true;
    if (conn->owner->on_eof)
        conn->owner->on_eof(conn);
}

static void writable(void *context, struct tr_conn *tr, uint64_t now)
{
    struct wire_conn *conn = tr->user;

    conn->writables++;
    assert_true(tr_conn_send_room(tr) > 0);
    push(conn);
}

static void closed(void *context, struct tr_conn *tr, enum tr_conn_end end, uint64_t now)
{
    struct wire_conn *conn = tr->user;

    assert_false(conn->closed);
    conn->closed = true;
    conn->end = end;
    if (conn->owner->on_closed)
        conn->owner->on_closed(conn);
    conn->conn = NULL;
}

// --- the wire

bool wire_parse(const uint8_t *frame, uint32_t bytes, struct wire_segment *segment)
{
    bool ipv6 = frame[12] == 0x86 && frame[13] == 0xdd;
    uint32_t l4 = ipv6 ? 54 : 34, header, end;
    const uint8_t *tcp = frame + l4;

    if (!ipv6 && (frame[12] != 0x08 || frame[13] != 0x00))
        return false;
    if (bytes < l4 + 20 || frame[ipv6 ? 20 : 23] != 6)
        return false;
    end = ipv6 ? 54u + (frame[18] << 8 | frame[19]) : 14u + (frame[16] << 8 | frame[17]);
    header = (uint32_t)(tcp[12] >> 4) * 4;
    assert_true(end <= bytes && l4 + header <= end);
    assert_int_equal(build_l4_sum(frame + 14, end - 14), 0);
    *segment = (struct wire_segment){
        .from_port = (uint16_t)(tcp[0] << 8 | tcp[1]),
        .to_port = (uint16_t)(tcp[2] << 8 | tcp[3]),
        .seq = (uint32_t)tcp[4] << 24 | tcp[5] << 16 | tcp[6] << 8 | tcp[7],
        .ack = (uint32_t)tcp[8] << 24 | tcp[9] << 16 | tcp[10] << 8 | tcp[11],
        .flags = tcp[13],
        .window = (uint16_t)(tcp[14] << 8 | tcp[15]),
        .bytes = end - l4 - header,
        .data = tcp + header,
    };
    assert_true(tr_tcp_options_parse(tcp + 20, header - 20, &segment->options));
    return true;
}

static void queue(struct wire *wire, uint32_t to, const uint8_t *data, uint32_t bytes, uint64_t at_ns)
{
    struct wire_frame **at = &wire->frames, *frame = malloc(sizeof(*frame));

    assert_non_null(frame);
    frame->at_ns = at_ns;
    frame->to = to;
    frame->bytes = bytes;
    memcpy(frame->data, data, bytes);
    while (*at && (*at)->at_ns <= at_ns)
        at = &(*at)->next;
    frame->next = *at;
    *at = frame;
}

static void transmit(struct wire *wire, uint32_t from, const uint8_t *data, uint32_t bytes)
{
    struct wire_fate fate = {.copies = 1, .delay_ns = wire->delay_ns};
    struct wire_segment segment;
    bool tcp = wire_parse(data, bytes, &segment);

    segment.from = from;
    segment.at_ns = wire->now;
    if (wire->hook)
        wire->hook(wire, from, tcp ? &segment : NULL, &fate);
    if (tcp) {
        struct wire_segment *heard = &wire->heard[wire->heard_count++ % WIRE_HEARD];

        *heard = segment;
        heard->data = NULL;
    }
    for (uint32_t i = 0; i < fate.copies && !fate.drop; i++)
        queue(wire, !from, data, bytes, wire->now + fate.delay_ns);
}

static bool frame_alloc(void *context, struct tr_frame_out *frame)
{
    struct wire_end *end = context;

    if (!end->buffers)
        return false;
    if (end->buffers != UINT32_MAX)
        end->buffers--;
    // One byte more than it may hold is one too many: the sanitizer sees it.
    frame->data = malloc(1500 + 18 + 8000);
    frame->handle = frame->data;
    return true;
}

static void frame_send(void *context, const struct tr_frame_out *frame)
{
    struct wire_end *end = context;

    end->frames_out++;
    transmit(end->wire, end->number, frame->data, frame->bytes);
    free(frame->handle);
}

struct tr_stack_options wire_options(uint32_t end, bool ipv6)
{
    struct tr_stack_options options = {
        .mac = {2, 0, 0, 0, 0, (uint8_t)(end + 1)},
        .mtu_bytes = 1500,
        .addresses_count = 1,
        .listen = {WIRE_PORT},
        .listen_count = 1,
        .connections_max = 64,
        .half_open_max = 32,
        .time_wait_max = 64,
        .neighbours_max = 16,
        .window_bytes = 256 * TR_KIB,
        .reassembly_bytes = TR_MIB,
        .send_buffer_bytes = 256 * TR_KIB,
        .stall_timeout_ns = 120 * TR_S,
        .time_wait_ns = 60 * TR_S,
        .output_frames = 256,
        .secret = {1, 2, 3, (uint8_t)end},
        .numa_node = -1,
    };
    char text[64];
    struct tr_error error = {0};

    snprintf(text, sizeof(text), ipv6 ? "fd00:1::%u/64" : "198.18.0.%u/24", end + 1);
    assert_int_equal(tr_net_address_parse(text, &options.addresses[0], &error), 0);
    return options;
}

static void end_open(struct wire *wire, uint32_t number, const struct tr_stack_options *options)
{
    struct wire_end *end = &wire->ends[number];
    const struct tr_stack_device device = {end, frame_alloc, frame_send};
    const struct tr_conn_user user = {end, opened, input, eof, writable, closed};
    struct tr_error error = {0};

    end->wire = wire;
    end->number = number;
    end->buffers = UINT32_MAX;
    end->ip = options->addresses[0].ip;
    memcpy(end->mac, options->mac, sizeof(end->mac));
    if (!options->mtu_bytes)
        return;
    if (tr_stack_create(&end->stack, options, &device, &user, &error))
        fail_msg("%s", error.text);
}

static void lost(struct wire *wire, uint32_t from, const struct wire_segment *segment, struct wire_fate *fate)
{
    fate->drop = true;
}

struct wire *wire_open(const struct tr_stack_options *zero, const struct tr_stack_options *one)
{
    struct tr_stack_options defaults[2] = {wire_options(0, false), wire_options(1, false)};
    struct wire *wire = calloc(1, sizeof(*wire));

    assert_non_null(wire);
    wire->now = WIRE_BEGIN;
    wire->delay_ns = WIRE_DELAY;
    end_open(wire, 0, zero ? zero : &defaults[0]);
    end_open(wire, 1, one ? one : &defaults[1]);
    wire->ipv6 = !tr_ip_is_v4(&wire->ends[1].ip);
    return wire;
}

void wire_replace(struct wire *wire, uint32_t number, const struct tr_stack_options *options)
{
    struct wire_end *end = &wire->ends[number];
    void (*hook)(struct wire *, uint32_t, const struct wire_segment *, struct wire_fate *) = wire->hook;

    wire->hook = lost;
    tr_stack_destroy(end->stack, wire->now);
    wire->hook = hook;
    end_open(wire, number, options);
}

void wire_close(struct wire *wire)
{
    wire->hook = NULL;
    for (uint32_t i = 0; i < 2; i++) {
        if (wire->ends[i].stack)
            tr_stack_destroy(wire->ends[i].stack, wire->now);
        for (uint32_t c = 0; c < wire->ends[i].conns_count; c++)
            assert_null(wire->ends[i].conns[c].conn);
    }
    while (wire->frames) {
        struct wire_frame *frame = wire->frames;

        wire->frames = frame->next;
        free(frame);
    }
    free(wire);
}

// A frame as the device would hand it up, perhaps in pieces, each in memory of its own.
static void arrive(struct wire_end *end, struct wire_frame *frame)
{
    struct tr_frame pieces[128] = {0};
    uint32_t count = 0, at = 0, first = end->pieces ? TR_MAX(end->pieces, 128) : frame->bytes;

    if (!end->stack)
        return;
    while (at < frame->bytes) {
        uint32_t bytes = TR_MIN(count ? end->pieces : first, frame->bytes - at);
        uint8_t *copy = malloc(bytes);

        assert_true(count < TR_NELEMS(pieces));
        memcpy(copy, frame->data + at, bytes);
        pieces[count++] = (struct tr_frame){.data = copy, .bytes = bytes};
        at += bytes;
    }
    for (uint32_t i = 0; i + 1 < count; i++)
        pieces[i].next = &pieces[i + 1];
    tr_stack_input(end->stack, pieces, end->wire->now);
    tr_stack_check(end->stack);
    for (uint32_t i = 0; i < count; i++)
        free((void *)(uintptr_t)pieces[i].data);
}

static void turn(struct wire *wire)
{
    while (wire->frames && wire->frames->at_ns <= wire->now) {
        struct wire_frame *frame = wire->frames;

        wire->frames = frame->next;
        arrive(&wire->ends[frame->to], frame);
        free(frame);
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (!wire->ends[i].stack)
            continue;
        tr_stack_poll(wire->ends[i].stack, wire->now);
        tr_stack_check(wire->ends[i].stack);
    }
    wire->turns++;
}

static uint64_t next_event(const struct wire *wire)
{
    uint64_t at = wire->frames ? wire->frames->at_ns : TR_NEVER;

    for (uint32_t i = 0; i < 2; i++) {
        if (wire->ends[i].stack)
            at = TR_MIN(at, tr_stack_deadline(wire->ends[i].stack));
    }
    return at;
}

void wire_run(struct wire *wire, uint64_t until_ns)
{
    uint32_t still = 0;

    for (;;) {
        uint64_t at = TR_MAX(next_event(wire), wire->now);

        if (at > until_ns)
            break;
        // A stack that asks for a turn at once, for ever, would burn a processor.
        still = at == wire->now ? still + 1 : 0;
        if (still > 10000)
            fail_msg("no end of work at %lu ns", wire->now);
        wire->now = at;
        turn(wire);
    }
    wire->now = TR_MAX(until_ns, wire->now);
}

void wire_run_for(struct wire *wire, uint64_t ns)
{
    wire_run(wire, wire->now + ns);
}

void wire_settle(struct wire *wire)
{
    uint64_t until = wire->now + TR_S;

    turn(wire);
    while (wire->now < until && (wire->frames || next_event(wire) <= wire->now)) {
        wire->now = TR_MAX(wire->now, next_event(wire));
        turn(wire);
    }
}

struct wire_conn *wire_connect(struct wire *wire, uint32_t from)
{
    struct wire_end *end = &wire->ends[from], *other = &wire->ends[!from];
    struct tr_conn *tr;
    struct wire_conn *conn = &end->conns[end->conns_count];

    assert_true(end->conns_count < WIRE_CONNS);
    assert_int_equal(tr_stack_connect(end->stack, &end->ip, 0, &other->ip, WIRE_PORT, conn, wire->now, &tr), 0);
    assert_ptr_equal(conn_new(end, tr), conn);
    return conn;
}

struct wire_conn *wire_connected(struct wire *wire)
{
    struct wire_conn *conn = wire_connect(wire, 0);

    for (uint32_t i = 0; i < 200 && !conn->peer; i++)
        wire_run_for(wire, 10 * TR_MS);
    assert_non_null(conn->peer);
    return conn;
}

void wire_send(struct wire_conn *conn, uint64_t bytes)
{
    conn->to_send += bytes;
    push(conn);
}

// --- by hand

void wire_inject(struct wire *wire, uint32_t from, const struct wire_segment *segment)
{
    const struct wire_end *a = &wire->ends[from], *b = &wire->ends[!from];
    char from_text[TR_IP_TEXT_BYTES], to_text[TR_IP_TEXT_BYTES];
    uint8_t options[40];
    size_t options_bytes = tr_tcp_options_format(&segment->options, options);
    static const uint8_t zeros[9000];
    struct built built = {0};
    struct wire_frame frame;

    tr_ip_format(&a->ip, from_text);
    tr_ip_format(&b->ip, to_text);
    build_ethernet(&built, b->mac, a->mac, -1, wire->ipv6 ? 0x86dd : 0x0800);
    if (wire->ipv6)
        build_ip6(&built, from_text, to_text, 6, 64);
    else
        build_ip4(&built, from_text, to_text, 6);
    build_put16(&built, segment->from_port);
    build_put16(&built, segment->to_port);
    build_put32(&built, segment->seq);
    build_put32(&built, segment->ack);
    build_put16(&built, (uint16_t)((20 + options_bytes) / 4 << 12 | segment->flags));
    build_put16(&built, segment->window);
    build_put32(&built, 0);
    build_put(&built, options, options_bytes);
    build_put(&built, segment->data ? segment->data : zeros, segment->bytes);
    build_finish(&built);
    frame.bytes = built.bytes;
    memcpy(frame.data, built.data, built.bytes);
    arrive(&wire->ends[!from], &frame);
}

static const struct wire_segment *heard_at(const struct wire *wire, uint32_t number)
{
    return &wire->heard[number % WIRE_HEARD];
}

const struct wire_segment *wire_last(const struct wire *wire, uint32_t from, uint32_t since)
{
    for (uint32_t i = wire->heard_count; i-- > since;) {
        if (heard_at(wire, i)->from == from)
            return heard_at(wire, i);
    }
    return NULL;
}

uint32_t wire_count(const struct wire *wire, uint32_t from, uint32_t since, uint8_t flags)
{
    uint32_t count = 0;

    for (uint32_t i = since; i < wire->heard_count; i++)
        count += heard_at(wire, i)->from == from && (heard_at(wire, i)->flags & flags) == flags;
    return count;
}

void hand_send(struct hand *hand, int32_t seq, uint8_t flags, const void *data, uint32_t bytes)
{
    struct wire_segment segment = {.from_port = hand->port,
                                   .to_port = WIRE_PORT,
                                   .seq = hand->seq + (uint32_t)seq,
                                   .ack = flags & TR_TCP_ACK ? hand->ack : 0,
                                   .flags = flags,
                                   .window = hand->window,
                                   .bytes = bytes,
                                   .data = data};

    if (hand->timestamps) {
        segment.options.has_timestamp = true;
        segment.options.timestamp = hand->timestamp;
        segment.options.timestamp_echo = hand->timestamp_echo;
    }
    wire_inject(hand->wire, 0, &segment);
}

const struct wire_segment *hand_answer(struct hand *hand)
{
    uint32_t since = hand->wire->heard_count;

    turn(hand->wire);
    return wire_last(hand->wire, 1, since);
}

void hand_open(struct hand *hand, struct wire *wire, const struct tr_tcp_options *options)
{
    static uint16_t port = 40000;
    struct wire_segment syn = {.from_port = (port = port < 60000 ? port + 1 : 10000), .to_port = WIRE_PORT, .seq = 1000, .flags = TR_TCP_SYN, .window = 65535};
    const struct wire_segment *answer;
    uint32_t since = wire->heard_count;

    if (options)
        syn.options = *options;
    else
        syn.options = (struct tr_tcp_options){.has_mss = true, .mss_bytes = 1460};
    wire_inject(wire, 0, &syn);
    answer = wire_last(wire, 1, since);
    assert_non_null(answer);
    assert_int_equal(answer->flags, TR_TCP_SYN | TR_TCP_ACK);
    *hand = (struct hand){.wire = wire,
                          .port = port,
                          .seq = 1001,
                          .ack = answer->seq + 1,
                          .window = 65535,
                          .timestamps = answer->options.has_timestamp,
                          .timestamp = syn.options.timestamp,
                          .timestamp_echo = answer->options.timestamp};
    hand_send(hand, 0, TR_TCP_ACK, NULL, 0);
    assert_non_null(hand_conn(hand));
}

struct wire_conn *hand_conn(struct hand *hand)
{
    struct wire_end *end = &hand->wire->ends[1];

    for (uint32_t i = end->conns_count; i-- > 0;) {
        if (end->conns[i].peer_port == hand->port)
            return &end->conns[i];
    }
    return NULL;
}

struct tr_tcp_counters *wire_counters(struct wire *wire, uint32_t end)
{
    return tr_stack_tcp_counters(wire->ends[end].stack);
}

static void row_show(uint32_t end, const struct tr_conn_row *row)
{
    fprintf(stderr, "%u: %u-%u %s%s cwnd %u flight %u unsent %u peer's window %u window %u waiting %u mss %u rto %u ms, again %lu\n",
            end, row->conn->local_port, row->conn->peer_port, row->state, row->paused ? " paused" : "", row->cwnd_bytes,
            row->flight_bytes, row->unsent_bytes, row->peer_window_bytes, row->window_bytes, row->waiting_bytes,
            row->mss_bytes, row->rto_ms, row->retransmitted);
}

void wire_show(const struct wire *wire)
{
    static struct tr_conn_row rows[WIRE_CONNS];

    for (uint32_t e = 0; e < 2; e++) {
        const struct wire_end *end = &wire->ends[e];
        size_t count = end->stack ? tr_stack_connections(end->stack, rows, WIRE_CONNS) : 0;

        for (size_t i = 0; i < count; i++)
            row_show(e, &rows[i]);
        for (uint32_t i = 0; i < end->conns_count; i++) {
            const struct wire_conn *conn = &end->conns[i];

            fprintf(stderr, "%u: %u-%u opened %d eof %d closed %d (%d) sent %lu of %lu received %lu\n", e, conn->local_port,
                    conn->peer_port, conn->opened, conn->eof, conn->closed, conn->end, conn->sent, conn->to_send,
                    conn->received);
        }
        for (size_t i = 0; end->stack && i < tr_tcp_counter_rows.count; i++) {
            const struct tr_counter_row *row = &tr_tcp_counter_rows.rows[i];
            const char *counters = (const char *)tr_stack_tcp_counters(end->stack);
            uint64_t value;

            memcpy(&value, counters + row->offset, sizeof(value));
            if (value)
                fprintf(stderr, "%u: %s %lu\n", e, row->field, value);
        }
    }
}
