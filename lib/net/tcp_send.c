// SPDX-License-Identifier: Apache-2.0
// One segment: header, options, window, payload.
#include "net/tcp_internal.h"

#include "net/checksum.h"

struct fields {
    uint16_t local_port, peer_port;
    uint32_t seq, ack;
    uint16_t window;
    uint8_t flags;
    uint32_t options_bytes;
};

static void put16(uint8_t *to, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(to, &value, 2);
}

static void put32(uint8_t *to, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(to, &value, 4);
}

static void put_header(uint8_t *to, const struct fields *fields)
{
    put16(to, fields->local_port);
    put16(to + 2, fields->peer_port);
    put32(to + 4, fields->seq);
    put32(to + 8, fields->ack);
    to[12] = (uint8_t)((TR_TCP_HEADER_BYTES + fields->options_bytes) / 4 << 4);
    to[13] = fields->flags;
    put16(to + 14, fields->window);
    memset(to + 16, 0, 4); // checksum: below us; urgent pointer
}

// --- the window

// As much as the options say, less when the pool runs low: what then comes out of order would find no room. Never so
// little that a sender in order has to stop.
uint32_t tr_tcp_window_target(const struct tr_tcp *tcp, const struct tr_tcp_conn *conn)
{
    uint64_t window = tcp->stack->options.window_bytes, total = tr_chunks_total(tcp->chunks);
    uint64_t room = total - tr_chunks_used(tcp->chunks);
    uint32_t waiting = conn->rcv_next - conn->rcv_user;

    if (tr_unlikely(room < total / 2))
        window = TR_MAX(64 * TR_KIB, window * room / (total / 2));
    window = TR_MIN(window, (uint64_t)UINT16_MAX << conn->rcv_scale);
    return window > waiting ? (uint32_t)window - waiting : 0;
}

// The window field, and the promise in it. The right edge moves on in steps worth it (RFC 9293 3.8.6.2.2), never back;
// rounding to the scale is towards what was promised.
static uint16_t window_announce(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    uint32_t open = conn->rcv_edge - conn->rcv_next, window;
    uint32_t unit = 1u << conn->rcv_scale;

    if (!(conn->is & TR_IS_PAUSED)) {
        uint32_t target = tr_tcp_window_target(tcp, conn);

        if ((int32_t)(target - open) >= (int32_t)TR_MIN(target / 2, tr_tcp_payload_max(conn)))
            open = target;
    }
    window = TR_MIN((open + unit - 1) >> conn->rcv_scale, UINT16_MAX);
    conn->rcv_edge = tr_seq_max(conn->rcv_edge, conn->rcv_next + (window << conn->rcv_scale));
    return (uint16_t)window;
}

// --- options

// Of the blocks that go with the next ACK, with their padding; 0: none.
uint32_t tr_tcp_sack_bytes(const struct tr_tcp_conn *conn)
{
    uint32_t blocks, blocks_max = conn->is & TR_IS_TIMESTAMPED ? 3 : 4;

    if (!(conn->is & TR_IS_SACKED) || !(conn->is & (TR_IS_HOLDING | TR_IS_DUPLICATE)))
        return 0;
    // An upper bound: what waits in order behind a pause has no block.
    blocks = conn->reassembly.recent_count + ((conn->is & TR_IS_DUPLICATE) != 0);
    return 4 + 8 * TR_MIN(TR_MAX(blocks, 1), blocks_max);
}

static uint32_t put_timestamp(uint8_t *to, uint32_t value, uint32_t echo)
{
    static const uint8_t kind[4] = {1, 1, 8, 10};

    memcpy(to, kind, 4);
    put32(to + 4, value);
    put32(to + 8, echo);
    return TR_TCP_TIMESTAMP_BYTES;
}

static uint32_t put_sack(struct tr_tcp *tcp, struct tr_tcp_conn *conn, uint8_t *to, uint32_t bytes_max)
{
    struct tr_sack_block blocks[TR_SACK_BLOCKS_MAX + 1];
    uint32_t count = 0, blocks_max = (bytes_max - 4) / 8;

    if (conn->is & TR_IS_DUPLICATE) {
        blocks[count++] = conn->duplicate;
        conn->is &= ~(uint32_t)TR_IS_DUPLICATE;
        tr_tcp_counted(tcp, duplicates_told);
    }
    count += tr_reassembly_sack(tcp->chunks, &conn->reassembly, conn->rcv_next, blocks + count);
    count = TR_MIN(count, blocks_max);
    if (!count)
        return 0;
    to[0] = to[1] = 1;
    to[2] = 5;
    to[3] = (uint8_t)(2 + 8 * count);
    for (uint32_t i = 0; i < count; i++) {
        put32(to + 4 + 8 * i, blocks[i].begin);
        put32(to + 8 + 8 * i, blocks[i].end);
    }
    return 4 + 8 * count;
}

static uint32_t put_options(struct tr_tcp *tcp, struct tr_tcp_conn *conn, uint8_t *to)
{
    uint32_t bytes = 0, sack = tr_tcp_sack_bytes(conn);

    if (conn->is & TR_IS_TIMESTAMPED)
        bytes = put_timestamp(to, tr_tcp_timestamp(tcp, conn->ts_offset), conn->ts_recent);
    if (sack)
        bytes += put_sack(tcp, conn, to + bytes, sack);
    return bytes;
}

// --- payload

// Returns the sum of what was copied, not folded.
static uint64_t copy(struct tr_tcp *tcp, uint64_t sum, uint8_t *to, const uint8_t *from, uint32_t bytes)
{
    if (!tcp->stack->options.tx_tcp_checksum)
        return tr_sum_copy(sum, to, from, bytes);
    memcpy(to, from, bytes);
    return 0;
}

static uint64_t put_payload(struct tr_tcp *tcp, struct tr_tcp_conn *conn, uint8_t *to, uint32_t seq, uint32_t bytes)
{
    const uint8_t *ring = tcp->ring_memory + (uint64_t)conn->number * (tcp->ring_mask + 1ull);
    uint32_t begin = (seq - conn->ring_seq) & tcp->ring_mask;
    uint32_t first = TR_MIN(bytes, tcp->ring_mask + 1 - begin);
    uint64_t sum = copy(tcp, 0, to, ring + begin, first), rest;

    if (tr_likely(first == bytes))
        return sum;
    if (!(first & 1))
        return copy(tcp, sum, to + first, ring, bytes - first);
    rest = tr_sum_swap(copy(tcp, 0, to + first, ring, bytes - first));
    sum += rest;
    return sum + (sum < rest);
}

static uint8_t *begin(struct tr_tcp *tcp, const struct tr_path *path, struct tr_frame_out *frame)
{
    uint8_t *at = tcp->frames_left ? tr_path_begin(tcp->stack, path, frame) : NULL;

    if (tr_unlikely(!at)) {
        tcp->starved = true;
        tr_tcp_counted(tcp, no_frame);
        return NULL;
    }
    tcp->frames_left--;
    tr_tcp_counted(tcp, segments_out);
    return at;
}

bool tr_tcp_send(struct tr_tcp *tcp, struct tr_tcp_conn *conn, uint32_t seq, uint32_t bytes, uint8_t flags)
{
    struct tr_frame_out frame;
    uint8_t *at = begin(tcp, &conn->path, &frame);
    struct fields fields = {conn->public.local_port, conn->public.peer_port, seq, conn->rcv_next, 0, flags, 0};
    uint64_t sum = 0;

    if (!at)
        return false;
    fields.window = window_announce(tcp, conn);
    fields.options_bytes = put_options(tcp, conn, at + TR_TCP_HEADER_BYTES);
    put_header(at, &fields);
    if (bytes)
        sum = put_payload(tcp, conn, at + TR_TCP_HEADER_BYTES + fields.options_bytes, seq, bytes);
    tr_path_send(tcp->stack, &conn->path, &frame, TR_TCP_HEADER_BYTES + fields.options_bytes,
                 TR_TCP_HEADER_BYTES + fields.options_bytes + bytes, sum);
    tr_tcp_acked(conn);
    return true;
}

static bool send_bare(struct tr_tcp *tcp, const struct tr_path *path, struct fields *fields,
                      const struct tr_tcp_options *options)
{
    struct tr_frame_out frame;
    uint8_t *at = begin(tcp, path, &frame);

    if (!at)
        return false;
    if (options)
        fields->options_bytes = (uint32_t)tr_tcp_options_format(options, at + TR_TCP_HEADER_BYTES);
    put_header(at, fields);
    tr_path_send(tcp->stack, path, &frame, TR_TCP_HEADER_BYTES + fields->options_bytes,
                 TR_TCP_HEADER_BYTES + fields->options_bytes, 0);
    return true;
}

bool tr_tcp_send_syn(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    bool reply = conn->state == TR_TCP_SYN_RECEIVED;
    uint32_t window = tr_tcp_window_target(tcp, conn);
    struct tr_tcp_options options = {
        .has_mss = true,
        .mss_bytes = tr_tcp_mss_ours(tcp, conn->path.ipv6),
        .has_window_scale = !reply || conn->rcv_scale,
        .window_scale = tcp->rcv_scale,
        .has_sack_permitted = !reply || conn->is & TR_IS_SACKED,
        .has_timestamp = !reply || conn->is & TR_IS_TIMESTAMPED,
        .timestamp = tr_tcp_timestamp(tcp, conn->ts_offset),
        .timestamp_echo = reply ? conn->ts_recent : 0,
    };
    struct fields fields = {
        conn->public.local_port,
        conn->public.peer_port,
        conn->iss,
        reply ? conn->rcv_next : 0,
        (uint16_t)TR_MIN(window, UINT16_MAX),
        TR_TCP_SYN | (reply ? TR_TCP_ACK : 0),
        0,
    };

    if (!send_bare(tcp, &conn->path, &fields, &options))
        return false;
    conn->rcv_edge = conn->rcv_next + fields.window;
    if (reply)
        tr_tcp_acked(conn);
    return true;
}

bool tr_tcp_send_answer(struct tr_tcp *tcp, const struct tr_tcp_answer *answer)
{
    const struct tr_tuple *tuple = answer->tuple;
    struct tr_path path;
    struct fields fields = {tuple->local_port, tuple->peer_port, answer->seq,  answer->ack,
                            answer->window,    answer->flags,    0};
    bool starved = tcp->starved, sent;

    // Answers are no part of a poll's frames: each belongs to a segment that came, and has a limit of its own.
    uint32_t left = tcp->frames_left;
    tr_path_init(tcp->stack, &path, &tuple->local_ip, &tuple->peer_ip, answer->mac);
    tcp->frames_left = UINT32_MAX;
    sent = send_bare(tcp, &path, &fields, answer->options);
    tcp->frames_left = left;
    tcp->starved = starved;
    return sent;
}

void tr_tcp_send_reset(struct tr_tcp *tcp, const struct tr_segment *segment)
{
    const struct tr_tuple tuple = {segment->destination_ip, segment->source_ip, segment->destination_port,
                                   segment->source_port};
    struct tr_tcp_answer answer = {.tuple = &tuple, .mac = segment->mac};
    uint8_t flags = segment->flags;

    if (flags & TR_TCP_RST || !tr_tcp_may_reset(tcp))
        return;
    if (flags & TR_TCP_ACK) {
        answer.seq = segment->ack;
        answer.flags = TR_TCP_RST;
    } else {
        answer.ack = segment->seq + segment->bytes + !!(flags & TR_TCP_SYN) + !!(flags & TR_TCP_FIN);
        answer.flags = TR_TCP_RST | TR_TCP_ACK;
    }
    if (tr_tcp_send_answer(tcp, &answer))
        tr_tcp_counted(tcp, resets_out);
}
