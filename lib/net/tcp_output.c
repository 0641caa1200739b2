// SPDX-License-Identifier: Apache-2.0
// What may be sent now: in recovery what was lost, then what is new, as far as the peer's window and the congestion
// window let it (RFC 9293 3.8.6.2.1, 5681, 6675), then FIN; and an ACK if nothing carried it.
#include "net/tcp_internal.h"

enum verdict { SENT, NOTHING, NO_FRAME };

// What fits a segment besides its options.
uint32_t tr_tcp_payload_max(const struct tr_tcp_conn *conn)
{
    return conn->mss_bytes - (conn->is & TR_IS_TIMESTAMPED ? TR_TCP_TIMESTAMP_BYTES : 0);
}

static uint32_t payload_now(const struct tr_tcp_conn *conn)
{
    return tr_tcp_payload_max(conn) - tr_tcp_sack_bytes(conn);
}

// When an ACK may be had at the latest, or the tail is asked for (RFC 8985 7.2). Behind a hole the peer answers at once,
// and too few segments to tell a loss by their number tell it by their silence (6.2, step 5).
static uint64_t probe_ns(const struct tr_tcp_conn *conn)
{
    uint64_t wait;

    if (conn->scoreboard.count || conn->mode == TR_MODE_RECOVERY)
        return TR_MAX(2 * conn->rtt.srtt_ns, TR_TCP_REORDER_NS);
    wait = TR_MAX(2 * conn->rtt.srtt_ns, TR_TCP_PROBE_LEAST_NS);

    if (conn->snd_max - conn->snd_una <= conn->mss_bytes)
        wait += TR_TCP_PEER_DELAY_NS;
    return wait;
}

void tr_tcp_rearm(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    uint64_t now = tr_tcp_now(tcp), timeout;

    if (conn->snd_una == conn->snd_max) {
        if (conn->timer_kind != TR_TIMER_PERSIST || conn->snd_una == tr_tcp_end_seq(conn)) {
            conn->timer_kind = TR_TIMER_NONE;
            conn->retransmit_ns = 0;
        }
        return;
    }
    timeout = tr_rtt_timeout(&conn->rtt);
    conn->timer_kind = TR_TIMER_RETRANSMIT;
    if (conn->mode != TR_MODE_LOSS && !(conn->is & TR_IS_PROBED) && conn->rtt.srtt_ns && !conn->rtt.backoff &&
        probe_ns(conn) < timeout) {
        conn->timer_kind = TR_TIMER_PROBE;
        timeout = probe_ns(conn);
    }
    conn->retransmit_ns = now + timeout;
    tr_tcp_timer_set(tcp, conn);
}

bool tr_tcp_send_range(struct tr_tcp *tcp, struct tr_tcp_conn *conn, uint32_t seq, uint32_t bytes, bool fin)
{
    uint32_t end = seq + bytes;
    uint8_t flags = TR_TCP_ACK | (fin ? TR_TCP_FIN : 0);

    if (end == conn->snd_end && bytes)
        flags |= TR_TCP_PSH;
    if (!tr_tcp_send(tcp, conn, seq, bytes, flags))
        return false;
    end += fin;
    if (tr_seq_lt(conn->snd_max, end)) {
        conn->snd_max = end;
        if (!(conn->is & TR_IS_TIMED)) {
            conn->is |= TR_IS_TIMED;
            conn->rtt_seq = end;
            conn->rtt_ns = tr_tcp_now(tcp);
        }
    }
    conn->sent_ns = tr_tcp_now(tcp);
    return true;
}

uint32_t tr_tcp_resend(struct tr_tcp *tcp, struct tr_tcp_conn *conn, uint32_t seq, uint32_t bytes)
{
    uint32_t text = tr_seq_lt(seq, conn->snd_end) ? TR_MIN(conn->snd_end - seq, bytes) : 0;

    bool fin;

    text = TR_MIN(text, payload_now(conn));
    fin = conn->is & TR_IS_CLOSED && seq + text == conn->snd_end && conn->snd_max == tr_tcp_end_seq(conn);
    if (!tr_tcp_send_range(tcp, conn, seq, text, fin))
        return 0;
    // Karn: what is sent twice tells no round trip.
    conn->is &= ~(uint32_t)TR_IS_TIMED;
    conn->retransmitted++;
    conn->undo_segments += (conn->is & TR_IS_UNDO) != 0;
    return TR_MAX(text + fin, 1);
}

static uint32_t first_sacked(const struct tr_tcp_conn *conn, uint32_t otherwise)
{
    return conn->scoreboard.count ? conn->scoreboard.ranges[0].begin : otherwise;
}

static enum verdict send_lost(struct tr_tcp *tcp, struct tr_tcp_conn *conn, bool any)
{
    struct tr_sack_block hole = {conn->snd_una, first_sacked(conn, conn->snd_max)};
    uint32_t sent;

    if (conn->is & TR_IS_FIRST_LOST) {
        if (tr_seq_leq(hole.end, hole.begin)) {
            conn->is &= ~(uint32_t)TR_IS_FIRST_LOST;
            return NOTHING;
        }
    } else if (!(conn->is & TR_IS_SACKED) ||
               tr_tcp_pipe(conn) + tr_tcp_payload_max(conn) > conn->congestion.cwnd_bytes ||
               !tr_scoreboard_hole(&conn->scoreboard, conn->snd_una, conn->mss_bytes, any, &hole)) {
        return NOTHING;
    }
    sent = tr_tcp_resend(tcp, conn, hole.begin, hole.end - hole.begin);
    if (!sent)
        return NO_FRAME;
    conn->is &= ~(uint32_t)TR_IS_FIRST_LOST;
    conn->scoreboard.retransmitted = tr_seq_max(conn->scoreboard.retransmitted, hole.begin + sent);
    tr_tcp_counted(tcp, retransmits_fast);
    return SENT;
}

// After a timeout: the next that is not sacked, from snd_next on.
static uint32_t skip_sacked(struct tr_tcp_conn *conn)
{
    const struct tr_scoreboard *scoreboard = &conn->scoreboard;

    for (uint32_t i = 0; i < scoreboard->count; i++) {
        const struct tr_sack_block *range = &scoreboard->ranges[i];

        if (tr_seq_lt(conn->snd_next, range->begin))
            return range->begin - conn->snd_next;
        if (tr_seq_lt(conn->snd_next, range->end))
            conn->snd_next = range->end;
    }
    return UINT32_MAX;
}

// How many bytes go at snd_next: 0 if the peer's window, the congestion window or the want of data forbids.
static uint32_t next_bytes(struct tr_tcp_conn *conn, uint32_t limit, bool *fin)
{
    uint32_t data = tr_seq_lt(conn->snd_next, conn->snd_end) ? conn->snd_end - conn->snd_next : 0;
    uint32_t window = conn->snd_una + conn->snd_window_bytes - conn->snd_next;
    uint32_t full = payload_now(conn), bytes, pipe;

    conn->is &= ~(uint32_t)TR_IS_LIMITED;
    *fin = false;
    if ((int32_t)window < 0)
        window = 0;
    bytes = TR_MIN(TR_MIN(TR_MIN(data, full), window), limit);
    *fin = conn->is & TR_IS_CLOSED && bytes == data && bytes < window && tr_seq_leq(conn->snd_next, conn->snd_end);
    if (!bytes && !*fin)
        return 0;
    // Silly window (RFC 9293 3.8.6.2.1): less than a segment goes only if it's all that there is, or much of the window.
    if (bytes < full && bytes < data && bytes < limit && bytes < conn->window_max_bytes / 2)
        return 0;
    pipe = tr_tcp_pipe(conn);
    if (pipe && pipe + bytes > conn->congestion.cwnd_bytes) {
        conn->is |= TR_IS_LIMITED;
        *fin = false;
        return 0;
    }
    return bytes;
}

static enum verdict send_next(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    bool again, fin;
    uint32_t limit = conn->mode == TR_MODE_LOSS && conn->scoreboard.count ? skip_sacked(conn) : UINT32_MAX;
    uint32_t bytes = next_bytes(conn, limit, &fin);

    if (!bytes && !fin)
        return NOTHING;
    again = tr_seq_lt(conn->snd_next, conn->snd_max);
    if (again) {
        uint32_t sent = tr_tcp_resend(tcp, conn, conn->snd_next, bytes);

        if (!sent)
            return NO_FRAME;
        tr_tcp_counted(tcp, retransmits_timeout);
        conn->snd_next += TR_MIN(sent, bytes + fin);
        return SENT;
    }
    if (!tr_tcp_send_range(tcp, conn, conn->snd_next, bytes, fin))
        return NO_FRAME;
    conn->snd_next = conn->snd_max;
    return SENT;
}

static bool output_syn(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    if (conn->is & TR_IS_RESOLVING || conn->retransmit_ns > tr_tcp_now(tcp))
        return true;
    if (!tr_tcp_send_syn(tcp, conn))
        return false;
    if (conn->snd_max == conn->iss) {
        conn->is |= TR_IS_TIMED;
        conn->rtt_seq = conn->iss + 1;
        conn->rtt_ns = tr_tcp_now(tcp);
    } else {
        conn->is &= ~(uint32_t)TR_IS_TIMED;
    }
    conn->snd_next = conn->snd_max = conn->iss + 1;
    conn->timer_kind = TR_TIMER_RETRANSMIT;
    conn->retransmit_ns = tr_tcp_now(tcp) + tr_rtt_timeout(&conn->rtt);
    tr_tcp_timer_set(tcp, conn);
    return true;
}

// Nothing is in flight and something waits that the window does not let through: ask now and then (RFC 9293 3.8.6.1).
static void persist(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    if (conn->snd_next != conn->snd_una || conn->snd_una == tr_tcp_end_seq(conn)) {
        if (conn->timer_kind == TR_TIMER_PERSIST)
            tr_tcp_rearm(tcp, conn);
        return;
    }
    if (conn->timer_kind == TR_TIMER_PERSIST)
        return;
    conn->timer_kind = TR_TIMER_PERSIST;
    conn->retransmit_ns = tr_tcp_now(tcp) + conn->rtt.rto_ns;
    tr_tcp_timer_set(tcp, conn);
}

// In recovery: lost ranges, then new data, then what is not known to be lost (RFC 6675 NextSeg).
static enum verdict send_one(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    enum verdict verdict;

    if (tr_likely(conn->mode != TR_MODE_RECOVERY))
        return send_next(tcp, conn);
    verdict = send_lost(tcp, conn, false);
    if (verdict == NOTHING)
        verdict = send_next(tcp, conn);
    if (verdict == NOTHING && !(conn->is & TR_IS_LIMITED))
        verdict = send_lost(tcp, conn, true);
    return verdict;
}

bool tr_tcp_output(struct tr_tcp *tcp, struct tr_tcp_conn *conn, bool ack)
{
    enum verdict verdict;
    uint32_t sent = 0;

    if (tr_unlikely(conn->state <= TR_TCP_SYN_RECEIVED))
        return output_syn(tcp, conn);
    // RFC 9293 3.8.6.2.1 aside, a pause of a timeout and more ends what the window knew of the path (RFC 5681 4.1).
    if (conn->snd_una == conn->snd_max && conn->snd_next != tr_tcp_end_seq(conn) && conn->sent_ns &&
        tr_tcp_now(tcp) - conn->sent_ns > conn->rtt.rto_ns)
        tr_congestion_idle(&conn->congestion, conn->mss_bytes);
    do
        verdict = send_one(tcp, conn);
    while (verdict == SENT && ++sent < TR_TCP_BURST);
    if (sent)
        tr_tcp_rearm(tcp, conn);
    if (verdict == NO_FRAME)
        return false;
    if (verdict == SENT) {
        tr_tcp_want(conn, TR_DUE_OUTPUT);
        return true;
    }
    // An ACK beyond the peer's window would not be looked at.
    if (ack && !sent &&
        !tr_tcp_send(tcp, conn, tr_seq_min(conn->snd_max, conn->snd_una + conn->snd_window_bytes), 0, TR_TCP_ACK))
        return false;
    persist(tcp, conn);
    return true;
}
