// SPDX-License-Identifier: Apache-2.0
// A segment finds its connection. Nearly all carry the next bytes of an established one and take the path at the top of
// tr_tcp_conn_input(); the rest goes by RFC 9293 3.10.7.4, step by step.
#include "net/tcp_internal.h"

void tr_tcp_challenge(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    if (tr_tcp_may_challenge(tcp))
        tr_tcp_want(conn, TR_DUE_ACK);
}

// Does the sequence space of the segment touch the window (RFC 9293 3.4)?
static bool in_window(const struct tr_tcp_conn *conn, uint32_t seq, uint32_t length)
{
    uint32_t window = conn->rcv_edge - conn->rcv_next;

    if (!window)
        return seq == conn->rcv_next; // with text it is a probe: ACK and RST are taken, the text is not
    if (tr_seq_in(seq, conn->rcv_next, conn->rcv_edge))
        return true;
    if (!length)
        return seq == conn->rcv_edge; // the peer has filled the window
    return tr_seq_in(seq + length - 1, conn->rcv_next, conn->rcv_edge) ||
           (tr_seq_lt(seq, conn->rcv_next) && tr_seq_leq(conn->rcv_edge, seq + length - 1));
}

// Returns false: the segment is from before (PAWS, RFC 7323 5.3), or has lost its timestamp.
static bool timestamp_check(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    if (!(conn->is & TR_IS_TIMESTAMPED) || segment->flags & TR_TCP_RST)
        return true;
    if (!segment->options.has_timestamp) {
        tr_tcp_counted(tcp, drop_no_timestamp);
        return false;
    }
    if (!tr_seq_lt(segment->options.timestamp, conn->ts_recent) ||
        tr_tcp_now(tcp) - conn->ts_recent_ns > TR_TCP_PAWS_NS)
        return true;
    tr_tcp_counted(tcp, drop_paws);
    if (segment->bytes || segment->flags & (TR_TCP_SYN | TR_TCP_FIN))
        tr_tcp_want(conn, TR_DUE_ACK);
    else
        tr_tcp_challenge(tcp, conn);
    return false;
}

// A segment that lies outside is answered with where we are. An empty one is not always: two ends that each believe the
// other outside would go on forever.
static void outside(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    uint32_t end = segment->seq + segment->bytes;

    if (segment->flags & TR_TCP_RST) {
        tr_tcp_counted(tcp, drop_rst);
        return;
    }
    if (tr_seq_leq(end, conn->rcv_next))
        tr_tcp_counted(tcp, drop_duplicate);
    else
        tr_tcp_counted(tcp, drop_window);
    if (!segment->bytes && !(segment->flags & (TR_TCP_SYN | TR_TCP_FIN)) && segment->seq + 1 != conn->rcv_next) {
        tr_tcp_challenge(tcp, conn);
        return;
    }
    if (segment->bytes && tr_seq_leq(end, conn->rcv_next) && conn->rcv_next - segment->seq <= TR_GIB) {
        conn->duplicate = (struct tr_sack_block){segment->seq, end};
        conn->is |= TR_IS_DUPLICATE;
    }
    tr_tcp_want(conn, TR_DUE_ACK);
}

static void reset_input(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    // RFC 5961 3.2: only the very next sequence number is believed.
    if (segment->seq != conn->rcv_next) {
        tr_tcp_counted(tcp, drop_rst);
        tr_tcp_challenge(tcp, conn);
        return;
    }
    tr_tcp_counted(tcp, resets_in);
    tr_tcp_end(tcp, conn, conn->is & TR_IS_OPENED ? TR_CONN_RESET : TR_CONN_REFUSED);
}

static void timestamp_take(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    if (!segment->options.has_timestamp || tr_seq_lt(conn->rcv_acked, segment->seq))
        return;
    conn->ts_recent = segment->options.timestamp;
    conn->ts_recent_ns = tr_tcp_now(tcp);
}

// Where the peer is on the link: a router in front of it may change.
static void seen(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    conn->public.input_ns = tr_tcp_now(tcp);
    conn->keepalive_probes = 0;
    if (tr_unlikely(memcmp(conn->path.header, segment->mac, sizeof(segment->mac)) != 0))
        tr_path_mac_set(&conn->path, segment->mac);
}

static void long_way(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    uint8_t flags = segment->flags;
    uint32_t length = segment->bytes + !!(flags & TR_TCP_SYN) + !!(flags & TR_TCP_FIN);

    if (!timestamp_check(tcp, conn, segment))
        return;
    if (!in_window(conn, segment->seq, length)) {
        // Both sides have sent SYN: the peer's SYN-ACK repeats the SYN that is here already.
        if (conn->state != TR_TCP_SYN_RECEIVED || segment->seq != conn->irs ||
            (flags & (TR_TCP_SYN | TR_TCP_ACK | TR_TCP_RST)) != (TR_TCP_SYN | TR_TCP_ACK)) {
            outside(tcp, conn, segment);
            return;
        }
    } else if (flags & TR_TCP_RST) {
        reset_input(tcp, conn, segment);
        return;
    } else if (flags & TR_TCP_SYN) {
        tr_tcp_counted(tcp, drop_syn);
        tr_tcp_challenge(tcp, conn);
        return;
    }
    if (!(flags & TR_TCP_ACK)) {
        tr_tcp_counted(tcp, drop_no_ack);
        return;
    }
    timestamp_take(tcp, conn, segment);
    seen(tcp, conn, segment);
    tr_tcp_text_input(tcp, conn, segment);
}

// Is it the next text of an established connection, with nothing else about it?
static bool is_next(const struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    return conn->state == TR_TCP_ESTABLISHED && !(conn->is & TR_IS_SLOW) && segment->seq == conn->rcv_next &&
           (segment->flags & (TR_TCP_FIN | TR_TCP_SYN | TR_TCP_RST | TR_TCP_ACK)) == TR_TCP_ACK &&
           segment->bytes - 1 < conn->rcv_edge - conn->rcv_next && // and not empty
           segment->options.has_timestamp == ((conn->is & TR_IS_TIMESTAMPED) != 0) &&
           conn->rcv_user == conn->rcv_next;
}

void tr_tcp_conn_input(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    if (tr_likely(is_next(conn, segment))) {
        if (segment->options.has_timestamp) {
            if (tr_unlikely(tr_seq_lt(segment->options.timestamp, conn->ts_recent))) {
                long_way(tcp, conn, segment);
                return;
            }
            timestamp_take(tcp, conn, segment);
        }
        seen(tcp, conn, segment);
        if (segment->ack == conn->snd_una && !segment->options.sack_count &&
            (uint32_t)segment->window << conn->snd_scale == conn->snd_window_bytes) {
            conn->snd_wl1 = segment->seq;
            tr_tcp_receive_next(tcp, conn, segment);
        } else if (tr_tcp_ack(tcp, conn, segment) && conn->state != TR_TCP_DEAD) {
            tr_tcp_receive(tcp, conn, segment); // writable() may have paused it
        }
        return;
    }
    if (conn->state == TR_TCP_SYN_SENT)
        tr_tcp_syn_sent_input(tcp, conn, segment);
    else
        long_way(tcp, conn, segment);
}

static uint32_t *recent_place(struct tr_tcp *tcp, const struct tr_segment *segment)
{
    uint32_t from, to;

    memcpy(&from, segment->source_ip.bytes + 12, 4);
    memcpy(&to, segment->destination_ip.bytes + 12, 4);
    from = (from ^ to) * 0x9e3779b1u + segment->source_port * 0x85ebca6bu + segment->destination_port;
    return &tcp->recent[(from ^ from >> 16) % TR_TCP_RECENT];
}

static bool is_of(const struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    return conn->state != TR_TCP_DEAD && conn->public.peer_port == segment->source_port &&
           conn->public.local_port == segment->destination_port &&
           tr_ip_equal(&conn->public.peer_ip, &segment->source_ip) &&
           tr_ip_equal(&conn->public.local_ip, &segment->destination_ip);
}

static void find_input(struct tr_tcp *tcp, const struct tr_segment *segment, uint32_t *recent)
{
    const struct tr_tuple tuple = {segment->destination_ip, segment->source_ip, segment->destination_port,
                                   segment->source_port};
    uint64_t hash = tr_tuple_hash(&tcp->table, &tuple);
    uint32_t number = tr_tcp_find(tcp, &tuple, hash);

    if (number < tcp->conns_max) {
        *recent = number;
        tr_tcp_conn_input(tcp, &tcp->conns[number], segment);
    } else if (number == UINT32_MAX) {
        tr_tcp_listen_input(tcp, segment, &tuple, hash, 0);
    } else if (number - tcp->conns_max < tcp->halves_max) {
        tr_tcp_half_input(tcp, &tcp->halves[number - tcp->conns_max], segment);
    } else {
        tr_tcp_wait_input(tcp, &tcp->waits[number - tcp->conns_max - tcp->halves_max], segment);
    }
}

void tr_tcp_input(struct tr_stack *stack, const struct tr_segment *segment)
{
    struct tr_tcp *tcp = stack->tcp;
    uint32_t *recent = recent_place(tcp, segment);
    struct tr_tcp_conn *conn = &tcp->conns[*recent];

    tr_tcp_counted(tcp, segments_in);
    if (tr_likely(is_of(conn, segment)))
        tr_tcp_conn_input(tcp, conn, segment);
    else
        find_input(tcp, segment, recent);
}
