// SPDX-License-Identifier: Apache-2.0
// What an ACK says: how far the peer has everything (RFC 9293 3.10.7.4, fifth), what it has beyond (RFC 2018, 6675), that
// something was lost (RFC 5681, 6675) or was not (RFC 3522, 3708), and its window.
//
// Three modes. OPEN: all is well; three duplicate ACKs, or as much sacked, begin RECOVERY, which ends when `recover` is
// acknowledged. A timeout begins LOSS, which sends from snd_una on again in slow start, and ends there too. The cause of
// either may turn out to have been none: then undo_ has the windows of before.
#include "net/tcp_internal.h"

uint32_t tr_tcp_pipe(const struct tr_tcp_conn *conn)
{
    const struct tr_scoreboard *scoreboard = &conn->scoreboard;
    uint32_t flight = conn->snd_next - conn->snd_una;

    if (conn->mode == TR_MODE_LOSS) { // what was sent again, less what was jumped over
        for (uint32_t i = 0; i < scoreboard->count && tr_seq_lt(scoreboard->ranges[i].begin, conn->snd_next); i++)
            flight -= tr_seq_min(scoreboard->ranges[i].end, conn->snd_next) - scoreboard->ranges[i].begin;
        return flight;
    }
    if (scoreboard->count)
        return tr_scoreboard_pipe(scoreboard, conn->snd_una, conn->snd_next, conn->mss_bytes);
    return flight - TR_MIN(flight, (uint32_t)conn->dupacks * tr_tcp_payload_max(conn));
}

void tr_tcp_undo_note(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    conn->is |= TR_IS_UNDO;
    conn->undo_cwnd_bytes = conn->congestion.cwnd_bytes;
    conn->undo_ssthresh_bytes = conn->congestion.ssthresh_bytes;
    conn->undo_timestamp = tr_tcp_timestamp(tcp, conn->ts_offset);
    conn->undo_segments = 0;
}

void tr_tcp_recovery_begin(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    tr_tcp_undo_note(tcp, conn);
    conn->mode = TR_MODE_RECOVERY;
    conn->recover = conn->snd_max;
    conn->scoreboard.retransmitted = conn->snd_una;
    conn->again_seq = conn->snd_una;
    conn->again_max = conn->snd_max;
    conn->is |= TR_IS_FIRST_LOST;
    conn->is &= ~(uint32_t)TR_IS_PROBED;
    tr_congestion_lost(&conn->congestion, conn->snd_max - conn->snd_una, conn->mss_bytes, tr_tcp_now(tcp));
    tr_tcp_counted(tcp, recoveries);
    tr_tcp_want(conn, TR_DUE_OUTPUT);
}

static void recovery_end(struct tr_tcp_conn *conn)
{
    conn->mode = TR_MODE_OPEN;
    conn->dupacks = 0;
    conn->is &= ~(uint32_t)(TR_IS_FIRST_LOST | TR_IS_UNDO);
    conn->snd_next = conn->snd_max;
    conn->recover = conn->snd_una;
}

// What looked lost was late.
static void undo(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    tr_congestion_undo(&conn->congestion, conn->undo_cwnd_bytes, conn->undo_ssthresh_bytes);
    recovery_end(conn);
    tr_tcp_rearm(tcp, conn);
    tr_tcp_counted(tcp, undone);
}

// Does this ACK answer the first sending of what was sent again (Eifel, RFC 3522), or say that all of what was sent
// again came twice (RFC 3708)?
static bool was_spurious(struct tr_tcp_conn *conn, const struct tr_segment *segment, uint32_t acked, bool duplicate)
{
    if (!(conn->is & TR_IS_UNDO))
        return false;
    // With a D-SACK it is the ACK of an earlier one that was lost, and the echo is of what had come then (RFC 3522 3.2).
    if (acked && !duplicate && conn->undo_segments && segment->options.has_timestamp && conn->is & TR_IS_TIMESTAMPED &&
        tr_seq_lt(segment->options.timestamp_echo, conn->undo_timestamp))
        return true;
    if (duplicate && conn->undo_segments && !--conn->undo_segments)
        return true;
    return false;
}

static void measure(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment, bool duplicate)
{
    uint64_t now = tr_tcp_now(tcp);

    if (conn->is & TR_IS_TIMED) {
        if (tr_seq_lt(segment->ack, conn->rtt_seq))
            return;
        conn->is &= ~(uint32_t)TR_IS_TIMED;
        tr_rtt_sample(&conn->rtt, TR_MAX(now - conn->rtt_ns, 1));
    } else if (conn->rtt.backoff && duplicate) {
        // All was there, its ACK was lost: the echo is as old as that. It tells no round trip, but that the path is open.
        conn->rtt.backoff = 0;
    } else if (conn->rtt.backoff && segment->options.has_timestamp && conn->is & TR_IS_TIMESTAMPED) {
        // What is in flight was sent again; the echo tells which sending is answered (RFC 7323 4.1).
        uint32_t ms = tr_tcp_timestamp(tcp, conn->ts_offset) - segment->options.timestamp_echo;

        if (ms < 300000)
            tr_rtt_sample(&conn->rtt, TR_MAX(ms, 1) * TR_MS);
    }
}

// Was it the probe that brought this ACK? Then what it repeated had been lost. It was sent 10 ms after the rest at least:
// the timestamps tell (RFC 8985 7.4 asks D-SACK instead).
static void probe_acked(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    if (conn->is & TR_IS_PROBE_OLD && conn->is & TR_IS_TIMESTAMPED && segment->options.has_timestamp &&
        !tr_seq_lt(segment->options.timestamp_echo, conn->probe_timestamp))
        tr_congestion_lost(&conn->congestion, conn->snd_max - conn->snd_una, conn->mss_bytes, tr_tcp_now(tcp));
    conn->is &= ~(uint32_t)(TR_IS_PROBED | TR_IS_PROBE_OLD);
}

// Bytes that the user sees: not SYN, not FIN.
static uint32_t text_acked(const struct tr_tcp_conn *conn, uint32_t ack)
{
    uint32_t from = conn->snd_una == conn->iss ? conn->iss + 1 : conn->snd_una;
    uint32_t to = tr_seq_min(ack, conn->snd_end);

    return tr_seq_lt(from, to) ? to - from : 0;
}

static void advance(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment, bool duplicate)
{
    uint32_t acked = segment->ack - conn->snd_una, text = text_acked(conn, segment->ack);

    conn->public.bytes_out += text;
    tr_count(&tcp->stack->tcp_counters.bytes_out, text);
    measure(tcp, conn, segment, duplicate);
    if (conn->mode != TR_MODE_RECOVERY && conn->is & TR_IS_LIMITED)
        tr_congestion_acked(&conn->congestion, acked, conn->mss_bytes, conn->rtt.srtt_ns, tr_tcp_now(tcp));
    conn->snd_una = segment->ack;
    conn->snd_next = tr_seq_max(conn->snd_next, conn->snd_una);
    conn->progress_ns = tr_tcp_now(tcp);
    conn->zero_probes = conn->silent_timeouts = 0;
    if (conn->is & TR_IS_PROBED && tr_seq_leq(conn->probe_seq, conn->snd_una))
        probe_acked(tcp, conn, segment);
    if (conn->mode != TR_MODE_OPEN && tr_seq_leq(conn->recover, conn->snd_una)) {
        recovery_end(conn);
    } else if (conn->mode == TR_MODE_RECOVERY && !(conn->is & TR_IS_SACKED)) {
        // A partial ACK of NewReno (RFC 6582 3.2): the next hole begins here.
        conn->dupacks -= (uint8_t)TR_MIN(conn->dupacks, acked / tr_tcp_payload_max(conn));
        conn->is |= TR_IS_FIRST_LOST;
        tr_tcp_want(conn, TR_DUE_OUTPUT);
    } else if (conn->mode == TR_MODE_RECOVERY) {
        conn->is &= ~(uint32_t)TR_IS_PROBED; // it goes on: the next silence is another
    } else if (conn->mode == TR_MODE_OPEN) {
        conn->dupacks = 0;
        conn->recover = conn->snd_una;
    }
    tr_tcp_rearm(tcp, conn);
    if (conn->snd_next != tr_tcp_end_seq(conn) || conn->mode != TR_MODE_OPEN)
        tr_tcp_want(conn, TR_DUE_OUTPUT);
}

static bool is_duplicate(const struct tr_tcp_conn *conn, const struct tr_segment *segment, uint32_t sacked)
{
    if (sacked)
        return true;
    // The answer to a probe of a shut window repeats the last ACK, and tells of no loss.
    return !(conn->is & TR_IS_SACKED) && segment->ack == conn->snd_una && !segment->bytes &&
           !(segment->flags & TR_TCP_FIN) && conn->snd_una != conn->snd_max && conn->timer_kind != TR_TIMER_PERSIST &&
           (uint32_t)segment->window << conn->snd_scale == conn->snd_window_bytes;
}

// The first hole was sent again, and what was sent after that has come: then it was lost again. Without this a timeout
// would be all there is, 200 ms and more where a round trip may be less than one. RFC 8985 tells by time, for every
// segment; this looks at the first hole alone, and at what is new: a hole that becomes the first is given until then.
static void lost_again(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    const struct tr_scoreboard *scoreboard = &conn->scoreboard;

    if (!scoreboard->count || conn->is & TR_IS_FIRST_LOST || !tr_seq_lt(conn->snd_una, scoreboard->retransmitted))
        return;
    if (conn->again_seq != conn->snd_una) {
        conn->again_seq = conn->snd_una;
        conn->again_max = conn->snd_max;
    } else if (tr_seq_lt(conn->again_max + 2u * tr_tcp_payload_max(conn), scoreboard->ranges[scoreboard->count - 1].end)) {
        conn->again_max = conn->snd_max;
        conn->is |= TR_IS_FIRST_LOST;
        tr_tcp_want(conn, TR_DUE_OUTPUT);
    }
}

static void losses(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment, uint32_t sacked)
{
    if (is_duplicate(conn, segment, sacked)) {
        conn->dupacks += conn->dupacks < UINT8_MAX;
        tr_tcp_want(conn, TR_DUE_OUTPUT);
    } else if (!conn->scoreboard.count) {
        return;
    }
    if (conn->mode == TR_MODE_OPEN && conn->snd_una != conn->snd_max &&
        (conn->dupacks >= 3 || tr_scoreboard_lost(&conn->scoreboard, conn->snd_una, conn->mss_bytes)))
        tr_tcp_recovery_begin(tcp, conn);
    else if (conn->mode == TR_MODE_RECOVERY)
        lost_again(tcp, conn);
}

static void window_update(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    uint32_t window = (uint32_t)segment->window << (segment->flags & TR_TCP_SYN ? 0 : conn->snd_scale);
    bool grew;

    if (!tr_seq_lt(conn->snd_wl1, segment->seq) &&
        !(conn->snd_wl1 == segment->seq && tr_seq_leq(conn->snd_wl2, segment->ack)))
        return;
    grew = window > conn->snd_window_bytes;
    conn->snd_window_bytes = window;
    conn->window_max_bytes = TR_MAX(conn->window_max_bytes, window);
    conn->snd_wl1 = segment->seq;
    conn->snd_wl2 = segment->ack;
    if (grew && conn->snd_next != tr_tcp_end_seq(conn))
        tr_tcp_want(conn, TR_DUE_OUTPUT);
}

// Half of the buffer is free again: the user is called seldom and can send much.
static void room_up(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    struct tr_stack *stack = tcp->stack;

    if (tr_likely(!(conn->is & TR_IS_BLOCKED)) || conn->is & TR_IS_CLOSED || !(conn->is & TR_IS_OPENED) ||
        conn->snd_end - conn->snd_una > tcp->ring_mask / 2)
        return;
    conn->is &= ~(uint32_t)TR_IS_BLOCKED;
    stack->user.writable(stack->user.context, &conn->public, stack->now);
}

bool tr_tcp_ack(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    uint32_t acked = segment->ack - conn->snd_una, sacked = 0;
    bool duplicate = false;

    // RFC 5961 5.2: what is beyond, or older than any window that there was, is somebody's guess.
    if (tr_seq_lt(conn->snd_max, segment->ack) ||
        tr_seq_lt(segment->ack, conn->snd_una - conn->window_max_bytes)) {
        tr_tcp_counted(tcp, drop_ack);
        tr_tcp_challenge(tcp, conn);
        return false;
    }
    if ((int32_t)acked < 0)
        return true; // an old ACK; its text counts
    if (acked && conn->scoreboard.count)
        tr_scoreboard_acknowledge(&conn->scoreboard, segment->ack);
    if (segment->options.sack_count && conn->is & TR_IS_SACKED)
        sacked = tr_scoreboard_update(&conn->scoreboard, segment->ack, conn->snd_max, segment->options.sack,
                                      segment->options.sack_count, &duplicate);
    if (tr_unlikely(was_spurious(conn, segment, acked, duplicate)))
        undo(tcp, conn);
    if (acked)
        advance(tcp, conn, segment, duplicate);
    else if (!segment->bytes)
        conn->is |= TR_IS_ANSWERED;
    if (tr_unlikely(!acked || sacked || conn->scoreboard.count))
        losses(tcp, conn, segment, sacked);
    window_update(tcp, conn, segment);
    if (acked)
        room_up(tcp, conn);
    return true;
}
