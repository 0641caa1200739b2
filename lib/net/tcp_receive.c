// SPDX-License-Identifier: Apache-2.0
// From a segment's ACK to its FIN: the second half of RFC 9293 3.10.7.4, and what waits in the pool.
//
// Bytes that are next go up from where they lie in the frame. What comes behind a hole, or while the user pauses, is
// copied to the pool: rcv_next passes over what lies there in order, so that it is acknowledged and never lost again;
// rcv_user follows when the user resumes.
#include "net/tcp_internal.h"

// The part of a segment's text that the window takes.
struct text {
    uint32_t seq, offset, bytes;
    bool fin; // FIN is behind its last byte
};

// Call input(). Nothing of the connection but its state is known afterwards.
static void up(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const uint8_t *data, uint32_t bytes)
{
    struct tr_stack *stack = tcp->stack;

    if (tr_unlikely(conn->is & TR_IS_CLOSED)) {
        tr_tcp_counted(tcp, drop_after_close);
        return;
    }
    conn->public.bytes_in += bytes;
    tr_count(&stack->tcp_counters.bytes_in, bytes);
    stack->user.input(stack->user.context, &conn->public, data, bytes, stack->now);
}

static void eof_up(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    struct tr_stack *stack = tcp->stack;

    if (!(conn->is & TR_IS_EOF_DUE) || conn->is & TR_IS_PAUSED)
        return;
    conn->is &= ~(uint32_t)TR_IS_EOF_DUE;
    conn->rcv_user = conn->rcv_next;
    if (!(conn->is & TR_IS_CLOSED))
        stack->user.eof(stack->user.context, &conn->public, stack->now);
}

// Our window's right edge, or the FIN, ends the text; what is old goes at its front.
static struct text cut(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    struct text text = {segment->seq, 0, segment->bytes, segment->flags & TR_TCP_FIN};
    uint32_t room;

    if (tr_seq_lt(text.seq, conn->rcv_next)) {
        uint32_t old = TR_MIN(conn->rcv_next - text.seq, text.bytes);

        if (old) {
            conn->duplicate = (struct tr_sack_block){text.seq, text.seq + old};
            conn->is |= TR_IS_DUPLICATE;
            tr_tcp_counted(tcp, drop_duplicate);
        }
        text.fin = text.fin && tr_seq_leq(conn->rcv_next, segment->seq + segment->bytes);
        text.seq += old;
        text.offset = old;
        text.bytes -= old;
        if (tr_seq_lt(text.seq, conn->rcv_next))
            text.bytes = 0; // an old FIN
    }
    room = conn->rcv_edge - text.seq;
    if (text.bytes + text.fin > room) {
        text.bytes = TR_MIN(text.bytes, room);
        text.fin = false;
        tr_tcp_counted(tcp, drop_window);
    }
    if (conn->is & TR_IS_FIN_HEARD && tr_seq_lt(conn->fin_seq, text.seq + text.bytes)) {
        text.bytes = tr_seq_lt(conn->fin_seq, text.seq) ? 0 : conn->fin_seq - text.seq;
        text.fin = false;
        tr_tcp_counted(tcp, drop_after_fin);
    }
    return text;
}

// Hand up what is next from the frame, piece by piece. A user who pauses gets no more: the rest of `text` is left.
static void up_from_frame(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment,
                          struct text *text)
{
    const struct tr_frame *piece = &segment->data;
    uint32_t at = text->offset;

    while (text->bytes && !(conn->is & TR_IS_PAUSED) && conn->state != TR_TCP_DEAD) {
        uint32_t bytes;

        if (at >= piece->bytes) {
            at -= piece->bytes;
            piece = piece->next;
            continue;
        }
        bytes = TR_MIN(piece->bytes - at, text->bytes);
        conn->rcv_next += bytes;
        conn->rcv_user = conn->rcv_next;
        text->seq += bytes;
        text->offset += bytes;
        text->bytes -= bytes;
        up(tcp, conn, piece->data + at, bytes);
        at += bytes;
    }
}

void tr_tcp_holding_end(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    if (!(conn->is & TR_IS_HOLDING))
        return;
    conn->is &= ~(uint32_t)TR_IS_HOLDING;
    TAILQ_REMOVE(&tcp->holding, conn, holding_link);
}

// It has chunks, and has just begun to or made progress.
static void holding_renew(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    tr_tcp_holding_end(tcp, conn);
    conn->is |= TR_IS_HOLDING;
    TAILQ_INSERT_TAIL(&tcp->holding, conn, holding_link);
}

// Give back what was handed up.
static void consumed(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    tr_reassembly_consume(tcp->chunks, &conn->reassembly, conn->rcv_user);
    if (conn->reassembly.first)
        holding_renew(tcp, conn);
    else
        tr_tcp_holding_end(tcp, conn);
}

// A connection may hold half of the pool.
static uint32_t chunks_max(const struct tr_tcp *tcp)
{
    return TR_MAX((uint32_t)(tr_chunks_total(tcp->chunks) / TR_CHUNK_BYTES / 2), 1u);
}

#define EVICT_LOOKS 8 // at those who have nothing to give: all they hold is in order
#define EVICT_MOST  4 // for one segment

// Who has made no progress for the longest loses what lies behind its hole; its peer has been told that it is here, but must
// be ready to send it again (RFC 2018 8). So those who send only what comes later, and never what comes next, make room for
// the others. What is in order is acknowledged, and stays. Returns false: there is none before `conn` itself.
static bool evict(struct tr_tcp *tcp, const struct tr_tcp_conn *conn)
{
    struct tr_tcp_conn *other = TAILQ_FIRST(&tcp->holding);

    for (unsigned looks = 0; other && other != conn && looks < EVICT_LOOKS; looks++) {
        if (tr_reassembly_cut(tcp->chunks, &other->reassembly, other->rcv_next)) {
            tr_tcp_counted(tcp, evicted);
            if (!other->reassembly.first)
                tr_tcp_holding_end(tcp, other);
            return true;
        }
        other = TAILQ_NEXT(other, holding_link);
    }
    return false;
}

static void room_make(struct tr_tcp *tcp, const struct tr_tcp_conn *conn, uint32_t bytes)
{
    uint64_t wanted = bytes + 2 * TR_CHUNK_BYTES;

    for (unsigned i = 0; i < EVICT_MOST; i++)
        if (tr_chunks_total(tcp->chunks) - tr_chunks_used(tcp->chunks) >= wanted || !evict(tcp, conn))
            return;
}

static void hold(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment, const struct text *text)
{
    uint32_t bytes, next = conn->rcv_next;

    room_make(tcp, conn, text->bytes);
    if (!tr_reassembly_insert(tcp->chunks, &conn->reassembly, text->seq, &segment->data, text->offset, text->bytes,
                              chunks_max(tcp))) {
        if (tr_chunks_used(tcp->chunks) == tr_chunks_total(tcp->chunks) || conn->reassembly.chunks >= chunks_max(tcp))
            tr_tcp_counted(tcp, drop_no_room);
        else
            tr_tcp_counted(tcp, drop_duplicate);
    }
    if (!conn->reassembly.first)
        return;
    // What lies in order is taken: it is ours to keep from here on. A peek may tell of one chunk of several.
    while (tr_reassembly_peek(tcp->chunks, &conn->reassembly, conn->rcv_next, &bytes) && bytes)
        conn->rcv_next += bytes;
    if (!(conn->is & TR_IS_HOLDING) || conn->rcv_next != next)
        holding_renew(tcp, conn);
}

bool tr_tcp_hand_up(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    uint32_t left = TR_TCP_HAND_UP_BYTES, bytes;
    const uint8_t *data;

    while (conn->is & TR_IS_HOLDING && !(conn->is & TR_IS_PAUSED)) {
        data = tr_reassembly_peek(tcp->chunks, &conn->reassembly, conn->rcv_user, &bytes);
        if (!data || !bytes)
            break;
        if (!left)
            return false;
        bytes = TR_MIN(bytes, left);
        left -= bytes;
        conn->rcv_user += bytes;
        conn->rcv_next = tr_seq_max(conn->rcv_next, conn->rcv_user);
        up(tcp, conn, data, bytes);
        if (conn->state == TR_TCP_DEAD)
            return true;
        consumed(tcp, conn);
    }
    eof_up(tcp, conn);
    if (conn->state == TR_TCP_DEAD)
        return true;
    // Tell the peer of a window that has opened again.
    bytes = TR_MIN((uint32_t)(tcp->stack->options.window_bytes / 2), 2u * conn->rcv_mss_bytes);
    if (!(conn->is & TR_IS_PAUSED) &&
        (int32_t)(conn->rcv_next + tr_tcp_window_target(tcp, conn) - conn->rcv_edge) >= (int32_t)bytes)
        tr_tcp_want(conn, TR_DUE_ACK);
    return true;
}

// FIN is next in order.
static void fin_input(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    conn->rcv_next++;
    conn->is |= TR_IS_EOF_DUE;
    tr_tcp_want(conn, TR_DUE_ACK);
    switch (conn->state) {
    case TR_TCP_ESTABLISHED:
        conn->state = TR_TCP_CLOSE_WAIT;
        break;
    case TR_TCP_FIN_WAIT_1:
        conn->state = TR_TCP_CLOSING;
        break;
    case TR_TCP_FIN_WAIT_2:
        tr_tcp_time_wait(tcp, conn);
        return;
    }
    if (conn->rcv_user + 1 == conn->rcv_next)
        eof_up(tcp, conn);
}

// When the ACK goes: at the end of this turn for what the peer should know soon, else with the next two segments' worth.
static void acknowledge(struct tr_tcp *tcp, struct tr_tcp_conn *conn, bool now)
{
    if (now || conn->rcv_next - conn->rcv_acked >= 2u * conn->rcv_mss_bytes)
        tr_tcp_want(conn, TR_DUE_ACK);
    else if (conn->rcv_next != conn->rcv_acked)
        tr_tcp_delay(conn);
}

// Everything but the next text in order.
static void receive_hard(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment,
                         struct text *text)
{
    if (text->fin && !(conn->is & TR_IS_FIN_HEARD)) {
        conn->is |= TR_IS_FIN_HEARD;
        conn->fin_seq = text->seq + text->bytes;
    }
    if (text->seq == conn->rcv_next && conn->rcv_user == conn->rcv_next)
        up_from_frame(tcp, conn, segment, text);
    if (conn->state == TR_TCP_DEAD)
        return;
    if (text->bytes) {
        if (text->seq != conn->rcv_next)
            tr_tcp_counted(tcp, out_of_order);
        hold(tcp, conn, segment, text);
    } else if (conn->is & TR_IS_HOLDING) {
        consumed(tcp, conn);
    }
    if (conn->is & TR_IS_HOLDING && !(conn->is & TR_IS_PAUSED) && !tr_tcp_hand_up(tcp, conn))
        tr_tcp_want(conn, TR_DUE_INPUT);
}

static void size_note(struct tr_tcp *tcp, struct tr_tcp_conn *conn, uint32_t bytes)
{
    if (tr_unlikely(bytes > conn->rcv_mss_bytes))
        conn->rcv_mss_bytes = (uint16_t)TR_MIN(bytes, tr_tcp_mss_ours(tcp, conn->path.ipv6));
}

void tr_tcp_receive_next(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    uint32_t bytes = segment->bytes;

    size_note(tcp, conn, bytes);
    if (tr_likely(segment->data.bytes >= bytes)) {
        conn->rcv_next += bytes;
        conn->rcv_user = conn->rcv_next;
        up(tcp, conn, segment->data.data, bytes);
    } else {
        struct text text = {segment->seq, 0, bytes, false};

        up_from_frame(tcp, conn, segment, &text);
        if (tr_unlikely(text.bytes && conn->state != TR_TCP_DEAD)) // paused between two pieces
            hold(tcp, conn, segment, &text);
    }
    if (tr_likely(conn->state != TR_TCP_DEAD))
        acknowledge(tcp, conn, conn->rcv_next == conn->rcv_edge);
}

void tr_tcp_receive(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    // A pause is no reason to be quick with an ACK: the peer is not waiting for it.
    bool quick = segment->seq != conn->rcv_next || segment->flags & TR_TCP_FIN ||
                 (conn->is & TR_IS_HOLDING && conn->rcv_user == conn->rcv_next) || conn->rcv_next == conn->rcv_edge;
    struct text text = cut(tcp, conn, segment);

    size_note(tcp, conn, segment->bytes);
    receive_hard(tcp, conn, segment, &text);
    if (conn->state == TR_TCP_DEAD)
        return;
    acknowledge(tcp, conn, quick || conn->rcv_next == conn->rcv_edge);
    if (tr_unlikely(conn->is & TR_IS_FIN_HEARD) && conn->rcv_next == conn->fin_seq && conn->state < TR_TCP_CLOSE_WAIT)
        fin_input(tcp, conn);
}

// Our FIN is acknowledged.
static void fin_acked(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    switch (conn->state) {
    case TR_TCP_FIN_WAIT_1:
        conn->state = TR_TCP_FIN_WAIT_2;
        conn->linger_ns = tr_tcp_now(tcp) + TR_TCP_LINGER_NS;
        tr_tcp_timer_set(tcp, conn);
        break;
    case TR_TCP_CLOSING:
        tr_tcp_time_wait(tcp, conn);
        break;
    case TR_TCP_LAST_ACK:
        tr_tcp_end(tcp, conn, TR_CONN_CLOSED);
        break;
    }
}

void tr_tcp_text_input(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    if (conn->state == TR_TCP_SYN_RECEIVED) {
        if (segment->ack - conn->snd_una - 1 >= conn->snd_max - conn->snd_una) {
            tr_tcp_counted(tcp, drop_ack);
            tr_tcp_send_reset(tcp, segment);
            return;
        }
        if (!tr_tcp_establish(tcp, conn))
            return;
    }
    if (!tr_tcp_ack(tcp, conn, segment) || conn->state == TR_TCP_DEAD)
        return;
    if (conn->is & TR_IS_CLOSED && conn->snd_una == tr_tcp_end_seq(conn)) {
        fin_acked(tcp, conn);
        if (conn->state == TR_TCP_DEAD)
            return;
    }
    if ((!segment->bytes && !(segment->flags & TR_TCP_FIN)) || segment->flags & TR_TCP_SYN)
        return;
    if (conn->state >= TR_TCP_CLOSE_WAIT) {
        // After the peer's FIN there is no text; a FIN that comes again has lost its ACK.
        tr_tcp_counted(tcp, drop_after_fin);
        tr_tcp_want(conn, TR_DUE_ACK);
        return;
    }
    tr_tcp_receive(tcp, conn, segment);
}
