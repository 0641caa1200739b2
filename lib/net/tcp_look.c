// SPDX-License-Identifier: Apache-2.0
// Looking: rows for people, and the check of all that must hold.
#include "net/tcp_internal.h"

static const char *const state_names[] = {
    [TR_TCP_DEAD] = "closed",           [TR_TCP_SYN_SENT] = "syn_sent",     [TR_TCP_SYN_RECEIVED] = "syn_received",
    [TR_TCP_ESTABLISHED] = "established", [TR_TCP_FIN_WAIT_1] = "fin_wait_1", [TR_TCP_FIN_WAIT_2] = "fin_wait_2",
    [TR_TCP_CLOSE_WAIT] = "close_wait", [TR_TCP_CLOSING] = "closing",       [TR_TCP_LAST_ACK] = "last_ack",
};

size_t tr_stack_connections(const struct tr_stack *stack, struct tr_conn_row *rows, size_t max)
{
    const struct tr_tcp *tcp = stack->tcp;
    size_t count = 0;

    for (uint32_t i = 0; i < tcp->conns_max && count < max; i++) {
        const struct tr_tcp_conn *conn = &tcp->conns[i];

        if (conn->state == TR_TCP_DEAD)
            continue;
        rows[count++] = (struct tr_conn_row){
            .conn = &conn->public,
            .state = state_names[conn->state],
            .paused = conn->is & TR_IS_PAUSED,
            .cwnd_bytes = conn->congestion.cwnd_bytes,
            .flight_bytes = conn->snd_max - conn->snd_una,
            .unsent_bytes = tr_seq_lt(conn->snd_max, conn->snd_end) ? conn->snd_end - conn->snd_max : 0,
            .peer_window_bytes = conn->snd_window_bytes,
            .window_bytes = conn->rcv_edge - conn->rcv_next,
            .waiting_bytes = conn->reassembly.bytes,
            .mss_bytes = conn->mss_bytes,
            .srtt_us = (uint32_t)(conn->rtt.srtt_ns / TR_US),
            .rto_ms = (uint32_t)(tr_rtt_timeout(&conn->rtt) / TR_MS),
            .retransmitted = conn->retransmitted,
        };
    }
    return count;
}

uint64_t tr_stack_reassembly_used(const struct tr_stack *stack)
{
    return tr_chunks_used(stack->tcp->chunks);
}

void tr_stack_frames_wait(struct tr_stack *stack)
{
    stack->tcp->frames_wait = true;
}

void tr_stack_refuse(struct tr_stack *stack)
{
    stack->tcp->refusing = true;
}

static void conn_check(const struct tr_tcp *tcp, const struct tr_tcp_conn *conn)
{
    const struct tr_tuple tuple = {conn->public.local_ip, conn->public.peer_ip, conn->public.local_port,
                                   conn->public.peer_port};

    tr_assert(tr_tcp_find(tcp, &tuple, conn->hash) == conn->number);
    tr_assert(tr_seq_leq(conn->snd_una, conn->snd_next) && tr_seq_leq(conn->snd_next, conn->snd_max));
    tr_assert(tr_seq_leq(conn->snd_max, tr_tcp_end_seq(conn)));
    tr_assert(conn->state < TR_TCP_ESTABLISHED || conn->snd_end - conn->snd_una <= tcp->ring_mask + 1 ||
              conn->snd_una == conn->snd_end + 1);
    tr_assert(conn->state < TR_TCP_SYN_RECEIVED ||
              (tr_seq_leq(conn->rcv_user, conn->rcv_next) && tr_seq_leq(conn->rcv_next, conn->rcv_edge) &&
               tr_seq_leq(conn->rcv_acked, conn->rcv_next)));
    tr_assert(!(conn->is & TR_IS_IN_DUE) == !conn->due);
    tr_assert(!(conn->is & TR_IS_HOLDING) == !conn->reassembly.first);
    tr_assert(!conn->retransmit_ns == (conn->timer_kind == TR_TIMER_NONE) || conn->state < TR_TCP_ESTABLISHED);
    // Whatever has a deadline has a timer that goes off by then.
    tr_assert(!conn->retransmit_ns || (conn->timer.deadline_ns && conn->timer.deadline_ns <= conn->retransmit_ns));
    // What is in flight is watched, or goes out with the next poll.
    tr_assert(conn->snd_una == conn->snd_max || conn->retransmit_ns || conn->due);
    // What waits in order is handed up with the next poll, or waits for the user.
    tr_assert(conn->rcv_user == conn->rcv_next || conn->is & TR_IS_PAUSED || conn->due & TR_DUE_INPUT ||
              conn->state < TR_TCP_ESTABLISHED);
}

static uint64_t list_length(const struct tr_tcp_conns *list, uint32_t is)
{
    const struct tr_tcp_conn *conn;
    uint64_t length = 0;

    for (conn = TAILQ_FIRST(list); conn; conn = is & TR_IS_IN_DUE ? TAILQ_NEXT(conn, due_link)
                                                                  : TAILQ_NEXT(conn, delay_link), length++)
        tr_assert(conn->is & is);
    return length;
}

static void waits_check(const struct tr_tcp *tcp)
{
    const struct tr_tcp_wait *wait;
    uint64_t ends_ns = 0, length = 0;

    for (wait = TAILQ_FIRST(&tcp->waiting); wait; wait = TAILQ_NEXT(wait, link), length++) {
        tr_assert(wait->ends_ns >= ends_ns);
        ends_ns = wait->ends_ns;
        tr_assert(tr_tcp_find(tcp, &wait->tuple, wait->hash) ==
                  tcp->conns_max + tcp->halves_max + (uint32_t)(wait - tcp->waits));
    }
    tr_assert(length == tcp->waits_count);
}

void tr_tcp_check(const struct tr_stack *stack)
{
    const struct tr_tcp *tcp = stack->tcp;
    const struct tr_tcp_conn *conn;
    uint64_t live = 0, ended = 0, due = 0, delayed = 0, resolving = 0, holding = 0, chunks = 0;

    for (uint32_t i = 0; i < tcp->conns_max; i++) {
        conn = &tcp->conns[i];
        if (conn->state == TR_TCP_DEAD)
            continue;
        conn_check(tcp, conn);
        live++;
        due += (conn->is & TR_IS_IN_DUE) != 0;
        delayed += (conn->is & TR_IS_DELAYED) != 0;
        resolving += (conn->is & TR_IS_RESOLVING) != 0;
        holding += (conn->is & TR_IS_HOLDING) != 0;
        chunks += conn->reassembly.chunks;
    }
    for (conn = TAILQ_FIRST(&tcp->ended); conn; conn = TAILQ_NEXT(conn, due_link), ended++)
        tr_assert(conn->state == TR_TCP_DEAD && !conn->reassembly.first);
    tr_assert(live + ended == tcp->conns_count);
    tr_assert(live + tcp->halves_count + tcp->waits_count == tcp->table.count);
    tr_assert(due == list_length(&tcp->due, TR_IS_IN_DUE));
    tr_assert(delayed == list_length(&tcp->delayed, TR_IS_DELAYED));
    tr_assert(resolving == list_length(&tcp->resolving, TR_IS_RESOLVING));
    TAILQ_FOREACH(conn, &tcp->holding, holding_link)
        holding--;
    tr_assert(holding == 0);
    tr_assert(chunks * TR_CHUNK_BYTES == tr_chunks_used(tcp->chunks));
    waits_check(tcp);
}
