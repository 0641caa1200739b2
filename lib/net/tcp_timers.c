// SPDX-License-Identifier: Apache-2.0
// A connection's timer: whatever is due. Retransmission (RFC 6298), the tail-loss probe (RFC 8985 7), the probe of a
// window that is shut (RFC 9293 3.8.6.1), keepalive (3.8.4), the end of FIN_WAIT_2, and no progress for too long.
#include "net/tcp_internal.h"

static uint64_t keepalive_deadline(const struct tr_tcp *tcp, const struct tr_tcp_conn *conn)
{
    uint64_t idle = tcp->stack->options.keepalive_ns, between = TR_MAX(TR_MIN(idle / 4, 75 * TR_S), TR_S);

    if (!idle || conn->state < TR_TCP_ESTABLISHED || conn->retransmit_ns)
        return TR_NEVER;
    return conn->public.input_ns + idle + conn->keepalive_probes * between;
}

static uint64_t stall_deadline(const struct tr_tcp *tcp, const struct tr_tcp_conn *conn)
{
    if (!conn->retransmit_ns || conn->state < TR_TCP_ESTABLISHED || !tcp->stack->options.stall_timeout_ns)
        return TR_NEVER;
    return conn->progress_ns + tcp->stack->options.stall_timeout_ns;
}

void tr_tcp_timer_set(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    uint64_t deadline = keepalive_deadline(tcp, conn);

    if (conn->retransmit_ns)
        deadline = TR_MIN(TR_MIN(deadline, conn->retransmit_ns), stall_deadline(tcp, conn));
    if (conn->linger_ns)
        deadline = TR_MIN(deadline, conn->linger_ns);
    if (deadline == TR_NEVER || (conn->timer.deadline_ns && conn->timer.deadline_ns <= deadline))
        return;
    // What is due and could not be done has its time in the next tick: one in this would go off again and again.
    tr_wheel_set(tcp->wheel, &conn->timer, TR_MAX(deadline, tr_tcp_now(tcp) + 1));
}

// A path that swallows large packets and says nothing (RFC 4821 has more): after some timeouts of a full segment, less.
static void mss_lower(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    static const uint16_t sizes[] = {4312, 1440, 1220, 536};
    uint16_t least = tr_tcp_mss_default(conn->path.ipv6);

    // A peer that answers each one, without room for it perhaps, gets them.
    conn->silent_timeouts = conn->is & TR_IS_ANSWERED ? 0 : conn->silent_timeouts + 1;
    conn->is &= ~(uint32_t)TR_IS_ANSWERED;
    if (conn->silent_timeouts < TR_TCP_TRIES_FULL_SIZE || conn->snd_max - conn->snd_una < tr_tcp_payload_max(conn))
        return;
    for (uint32_t i = 0; i < TR_NELEMS(sizes); i++) {
        if (sizes[i] < conn->mss_bytes && sizes[i] >= least) {
            conn->mss_bytes = sizes[i];
            conn->silent_timeouts = 0;
            tr_tcp_counted(tcp, mss_lowered_timeout);
            return;
        }
    }
}

// The next hop of what we opened may have another Ethernet address by now, so that nothing of ours reaches it. (A peer's
// that opened follows its segments.)
static void next_hop_renew(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    const struct tr_conn *public = &conn->public;
    uint8_t mac[6];

    if (public->active &&
        tr_neighbour_find(tcp->stack, &public->local_ip, &public->peer_ip, mac) == TR_NEIGHBOUR_KNOWN)
        tr_path_mac_set(&conn->path, mac);
}

static void timed_out(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    tr_tcp_counted(tcp, timeouts);
    tr_rtt_timed_out(&conn->rtt);
    next_hop_renew(tcp, conn);
    mss_lower(tcp, conn);
    if (conn->mode == TR_MODE_LOSS) {
        conn->congestion.cwnd_bytes = conn->mss_bytes; // ssthresh knows already (RFC 5681 3.1)
    } else {
        tr_tcp_undo_note(tcp, conn);
        tr_congestion_timed_out(&conn->congestion, conn->snd_max - conn->snd_una, conn->mss_bytes, tr_tcp_now(tcp));
    }
    // A peer may take back what it has sacked (RFC 2018 8): one that seems to, or is silent, is sent all of it.
    if (conn->rtt.backoff > 1 || (conn->scoreboard.count && conn->scoreboard.ranges[0].begin == conn->snd_una))
        tr_scoreboard_clear(&conn->scoreboard);
    conn->mode = TR_MODE_LOSS;
    conn->recover = conn->snd_max;
    conn->snd_next = conn->snd_una;
    conn->dupacks = 0;
    conn->is &= ~(uint32_t)(TR_IS_FIRST_LOST | TR_IS_PROBED | TR_IS_PROBE_OLD | TR_IS_TIMED);
    tr_tcp_want(conn, TR_DUE_OUTPUT);
}

// There was silence. Behind a hole: then what is first was lost, or lost again, or its ACK. Else one segment more than the
// congestion window has: new if there is some, else the last once again.
static void probe_tail(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    uint32_t window = conn->snd_una + conn->snd_window_bytes - conn->snd_max, full = tr_tcp_payload_max(conn);
    uint32_t fresh = conn->snd_max == conn->snd_next && tr_seq_lt(conn->snd_max, conn->snd_end)
                         ? conn->snd_end - conn->snd_max
                         : 0;

    if (conn->mode == TR_MODE_OPEN && conn->scoreboard.count)
        tr_tcp_recovery_begin(tcp, conn);
    conn->is |= TR_IS_PROBED;
    conn->probe_seq = conn->snd_max;
    if (conn->mode == TR_MODE_RECOVERY) {
        conn->is |= TR_IS_FIRST_LOST;
        tr_tcp_want(conn, TR_DUE_OUTPUT);
        tr_tcp_rearm(tcp, conn);
        return;
    }
    conn->probe_timestamp = tr_tcp_timestamp(tcp, conn->ts_offset);
    fresh = TR_MIN(fresh, full - tr_tcp_sack_bytes(conn));
    if (fresh && (int32_t)window >= (int32_t)fresh) {
        if (tr_tcp_send_range(tcp, conn, conn->snd_max, fresh, false))
            conn->snd_next = conn->snd_max;
    } else {
        uint32_t last = TR_MIN(conn->snd_max - conn->snd_una, full);

        conn->is |= TR_IS_PROBE_OLD;
        if (tr_tcp_resend(tcp, conn, conn->snd_max - last, last))
            tr_tcp_counted(tcp, retransmits_probe);
    }
    conn->probe_seq = conn->snd_max;
    tr_tcp_rearm(tcp, conn);
}

// As much as the window lets through, and a byte if it is shut; without data, FIN.
static void probe_window(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    uint32_t data = tr_seq_lt(conn->snd_una, conn->snd_end) ? conn->snd_end - conn->snd_una : 0;
    uint32_t bytes = TR_MIN(data, TR_MIN(TR_MAX(conn->snd_window_bytes, 1), tr_tcp_payload_max(conn) - 40));

    tr_tcp_counted(tcp, zero_probes);
    if (tr_tcp_send_range(tcp, conn, conn->snd_una, bytes, !data) && conn->snd_window_bytes) {
        conn->snd_next = conn->snd_una + bytes + !data;
        tr_tcp_rearm(tcp, conn);
        return;
    }
    conn->is &= ~(uint32_t)TR_IS_TIMED; // the peer answers when it likes
    conn->zero_probes += conn->zero_probes < 16;
    conn->timer_kind = TR_TIMER_PERSIST;
    conn->retransmit_ns = tr_tcp_now(tcp) + TR_MIN(conn->rtt.rto_ns << conn->zero_probes, TR_RTO_MOST_NS);
}

static void syn_timed_out(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    if (tr_tcp_now(tcp) - conn->public.opened_ns >= TR_TCP_SYN_GIVE_UP_NS) {
        tr_tcp_end(tcp, conn, TR_CONN_TIMEOUT);
        return;
    }
    if (conn->is & TR_IS_RESOLVING && !tr_tcp_resolve(tcp, conn)) {
        if (conn->state != TR_TCP_DEAD)
            conn->retransmit_ns = tr_tcp_now(tcp) + TR_TCP_SYN_NS;
        return;
    }
    if (conn->snd_max != conn->iss) {
        tr_rtt_timed_out(&conn->rtt);
        tr_tcp_counted(tcp, retransmits_syn);
        conn->retransmitted++;
    }
    tr_tcp_want(conn, TR_DUE_OUTPUT);
}

static void retransmit_due(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    uint8_t kind = conn->timer_kind;

    conn->timer_kind = TR_TIMER_NONE;
    conn->retransmit_ns = 0;
    if (conn->state < TR_TCP_ESTABLISHED)
        syn_timed_out(tcp, conn);
    else if (kind == TR_TIMER_RETRANSMIT)
        timed_out(tcp, conn);
    else if (kind == TR_TIMER_PROBE)
        probe_tail(tcp, conn);
    else
        probe_window(tcp, conn);
}

// An old sequence number asks for an ACK.
static void keepalive_due(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    if (conn->keepalive_probes == TR_TCP_KEEPALIVE_TRIES) {
        tr_tcp_abort(tcp, conn, TR_CONN_TIMEOUT);
        return;
    }
    // Without a frame it is due again in the next tick.
    if (!tr_tcp_send(tcp, conn, conn->snd_una - 1, 0, TR_TCP_ACK))
        return;
    conn->keepalive_probes++;
    tr_tcp_counted(tcp, keepalive_probes);
}

void tr_tcp_conn_timer(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    uint64_t now = tr_tcp_now(tcp);

    if ((conn->linger_ns && conn->linger_ns <= now) || stall_deadline(tcp, conn) <= now) {
        tr_tcp_abort(tcp, conn, TR_CONN_TIMEOUT);
        return;
    }
    if (conn->retransmit_ns && conn->retransmit_ns <= now)
        retransmit_due(tcp, conn);
    else if (keepalive_deadline(tcp, conn) <= now)
        keepalive_due(tcp, conn);
    if (conn->state != TR_TCP_DEAD)
        tr_tcp_timer_set(tcp, conn);
}
