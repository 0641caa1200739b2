// SPDX-License-Identifier: Apache-2.0
// The begin and the end of a connection's place, and TIME_WAIT: a small entry that answers for a connection that is gone.
#include "net/tcp_internal.h"

struct tr_tcp_conn *tr_tcp_conn_open(struct tr_tcp *tcp, const struct tr_tuple *tuple, uint64_t hash, uint32_t iss)
{
    uint32_t number = tcp->conns_free - 1;
    struct tr_tcp_conn *conn;

    if (!tcp->conns_free)
        return NULL;
    conn = &tcp->conns[number];
    tcp->conns_free = conn->next_free;
    tcp->conns_count++;
    memset(conn, 0, sizeof(*conn));
    conn->tcp = tcp;
    conn->number = number;
    conn->hash = hash;
    conn->public.peer_ip = tuple->peer_ip;
    conn->public.local_ip = tuple->local_ip;
    conn->public.peer_port = tuple->peer_port;
    conn->public.local_port = tuple->local_port;
    conn->public.opened_ns = conn->public.input_ns = conn->progress_ns = tr_tcp_now(tcp);
    conn->ts_offset = tr_tcp_ts_offset(tcp, tuple);
    conn->iss = conn->snd_una = conn->snd_next = conn->snd_max = conn->recover = iss;
    conn->snd_end = conn->ring_seq = iss + 1;
    conn->rcv_mss_bytes = TR_TCP_MSS_DEFAULT_V4;
    tr_rtt_init(&conn->rtt);
    tr_tuple_table_insert(&tcp->table, hash, number);
    return conn;
}

static void conn_free(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    conn->next_free = tcp->conns_free;
    tcp->conns_free = conn->number + 1;
    tcp->conns_count--;
}

static void end_count(struct tr_tcp *tcp, enum tr_conn_end end)
{
    switch (end) {
    case TR_CONN_CLOSED:
        tr_tcp_counted(tcp, ended_closed);
        break;
    case TR_CONN_RESET:
        tr_tcp_counted(tcp, ended_reset);
        break;
    case TR_CONN_ABORTED:
        tr_tcp_counted(tcp, ended_aborted);
        break;
    case TR_CONN_TIMEOUT:
        tr_tcp_counted(tcp, ended_timeout);
        break;
    case TR_CONN_REFUSED:
        tr_tcp_counted(tcp, ended_refused);
        break;
    }
}

void tr_tcp_end(struct tr_tcp *tcp, struct tr_tcp_conn *conn, enum tr_conn_end end)
{
    if (conn->is & (TR_IS_DELAYED | TR_IS_RESOLVING))
        TAILQ_REMOVE(conn->is & TR_IS_DELAYED ? &tcp->delayed : &tcp->resolving, conn, delay_link);
    if (conn->is & TR_IS_IN_DUE)
        TAILQ_REMOVE(&tcp->due, conn, due_link);
    tr_wheel_cancel(tcp->wheel, &conn->timer);
    tr_reassembly_clear(tcp->chunks, &conn->reassembly);
    tr_tcp_holding_end(tcp, conn);
    tr_tuple_table_remove(&tcp->table, conn->hash, conn->number);
    conn->is &= ~(uint32_t)(TR_IS_DELAYED | TR_IS_RESOLVING | TR_IS_IN_DUE);
    conn->due = 0;
    conn->state = TR_TCP_DEAD;
    conn->end = (uint8_t)end;
    end_count(tcp, end);
    if (!(conn->is & TR_IS_DISOWNED) && (conn->is & TR_IS_OPENED || conn->public.active))
        TAILQ_INSERT_TAIL(&tcp->ended, conn, due_link);
    else
        conn_free(tcp, conn);
}

void tr_tcp_abort(struct tr_tcp *tcp, struct tr_tcp_conn *conn, enum tr_conn_end end)
{
    const struct tr_tuple tuple = {conn->public.local_ip, conn->public.peer_ip, conn->public.local_port,
                                   conn->public.peer_port};
    struct tr_tcp_answer answer = {.tuple = &tuple,
                                   .mac = conn->path.header,
                                   .seq = tr_seq_min(conn->snd_max, conn->snd_una + conn->snd_window_bytes),
                                   .ack = conn->rcv_next,
                                   .flags = TR_TCP_RST | TR_TCP_ACK};

    if (conn->state > TR_TCP_SYN_SENT && tr_tcp_send_answer(tcp, &answer))
        tr_tcp_counted(tcp, resets_out);
    tr_tcp_end(tcp, conn, end);
}

void tr_tcp_disown(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    conn->is |= TR_IS_DISOWNED;
    if (conn->state != TR_TCP_DEAD) {
        tr_tcp_abort(tcp, conn, TR_CONN_ABORTED);
        return;
    }
    // Aborted by the user meanwhile.
    TAILQ_REMOVE(&tcp->ended, conn, due_link);
    conn_free(tcp, conn);
}

size_t tr_tcp_ended_poll(struct tr_tcp *tcp)
{
    struct tr_stack *stack = tcp->stack;
    struct tr_tcp_conn *conn;
    size_t done = 0;

    for (; (conn = TAILQ_FIRST(&tcp->ended)); done++) {
        TAILQ_REMOVE(&tcp->ended, conn, due_link);
        stack->user.closed(stack->user.context, &conn->public, (enum tr_conn_end)conn->end, stack->now);
        conn_free(tcp, conn);
    }
    return done;
}

// --- TIME_WAIT

static uint32_t wait_number(const struct tr_tcp *tcp, const struct tr_tcp_wait *wait)
{
    return tcp->conns_max + tcp->halves_max + (uint32_t)(wait - tcp->waits);
}

static void wait_free(struct tr_tcp *tcp, struct tr_tcp_wait *wait)
{
    TAILQ_REMOVE(&tcp->waiting, wait, link);
    tr_tuple_table_remove(&tcp->table, wait->hash, wait_number(tcp, wait));
    wait->next_free = tcp->waits_free;
    tcp->waits_free = (uint32_t)(wait - tcp->waits) + 1;
    tcp->waits_count--;
}

static struct tr_tcp_wait *wait_alloc(struct tr_tcp *tcp)
{
    struct tr_tcp_wait *wait;

    if (!tcp->waits_free) {
        tr_tcp_counted(tcp, time_wait_evicted);
        wait_free(tcp, TAILQ_FIRST(&tcp->waiting));
    }
    wait = &tcp->waits[tcp->waits_free - 1];
    tcp->waits_free = wait->next_free;
    tcp->waits_count++;
    return wait;
}

static void wait_answer(struct tr_tcp *tcp, const struct tr_tcp_wait *wait)
{
    struct tr_tcp_options options = {.has_timestamp = wait->has_timestamp,
                                     .timestamp = tr_tcp_timestamp(tcp, wait->ts_offset),
                                     .timestamp_echo = wait->ts_recent};
    struct tr_tcp_answer answer = {.tuple = &wait->tuple,
                                   .mac = wait->mac,
                                   .seq = wait->snd_next,
                                   .ack = wait->rcv_next,
                                   .window = wait->window,
                                   .flags = TR_TCP_ACK,
                                   .options = &options};

    tr_tcp_send_answer(tcp, &answer);
}

void tr_tcp_time_wait(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    bool owed = conn->due & TR_DUE_ACK || conn->rcv_acked != conn->rcv_next;
    struct tr_tcp_wait *wait = wait_alloc(tcp);
    // Rounded towards what was promised: the right edge does not move back.
    uint32_t window = (conn->rcv_edge - conn->rcv_next + (1u << conn->rcv_scale) - 1) >> conn->rcv_scale;

    *wait = (struct tr_tcp_wait){
        .tuple = {conn->public.local_ip, conn->public.peer_ip, conn->public.local_port, conn->public.peer_port},
        .snd_next = conn->snd_max,
        .rcv_next = conn->rcv_next,
        .ts_recent = conn->ts_recent,
        .ts_offset = conn->ts_offset,
        .has_timestamp = conn->is & TR_IS_TIMESTAMPED,
        .window = (uint16_t)TR_MIN(window, UINT16_MAX),
        .ends_ns = tr_tcp_now(tcp) + tcp->stack->options.time_wait_ns,
        .hash = conn->hash,
    };
    memcpy(wait->mac, conn->path.header, sizeof(wait->mac));
    TAILQ_INSERT_TAIL(&tcp->waiting, wait, link);
    tr_tcp_end(tcp, conn, TR_CONN_CLOSED);
    tr_tuple_table_insert(&tcp->table, wait->hash, wait_number(tcp, wait));
    if (owed)
        wait_answer(tcp, wait);
}

// A new SYN may take the names over if nothing of the old connection can be mistaken for it (RFC 9293 3.6.1, RFC 6191).
static bool may_reuse(const struct tr_tcp_wait *wait, const struct tr_segment *segment)
{
    if ((segment->flags & (TR_TCP_SYN | TR_TCP_ACK | TR_TCP_RST)) != TR_TCP_SYN)
        return false;
    if (wait->has_timestamp && segment->options.has_timestamp && segment->options.timestamp != wait->ts_recent)
        return tr_seq_lt(wait->ts_recent, segment->options.timestamp);
    return tr_seq_lt(wait->rcv_next, segment->seq);
}

void tr_tcp_wait_input(struct tr_tcp *tcp, struct tr_tcp_wait *wait, const struct tr_segment *segment)
{
    const struct tr_tuple tuple = wait->tuple;
    uint32_t snd_next = wait->snd_next;
    uint64_t hash = wait->hash;

    if (may_reuse(wait, segment)) {
        tr_tcp_counted(tcp, time_wait_reused);
        wait_free(tcp, wait);
        // RFC 6528 counts on, but slower than data may have gone.
        tr_tcp_listen_input(tcp, segment, &tuple, hash, snd_next + 65537);
        return;
    }
    tr_tcp_counted(tcp, drop_time_wait);
    if (segment->flags & TR_TCP_RST) {
        if (segment->seq == wait->rcv_next)
            wait_free(tcp, wait);
        return;
    }
    // The peer's FIN again: its ACK was lost, and the wait begins anew.
    if (segment->flags & TR_TCP_FIN && segment->seq + segment->bytes + 1 == wait->rcv_next) {
        wait->ends_ns = tr_tcp_now(tcp) + tcp->stack->options.time_wait_ns;
        TAILQ_REMOVE(&tcp->waiting, wait, link);
        TAILQ_INSERT_TAIL(&tcp->waiting, wait, link);
        wait_answer(tcp, wait);
    } else if ((segment->bytes || segment->flags & (TR_TCP_SYN | TR_TCP_FIN) || segment->seq != wait->rcv_next) &&
               tr_tcp_may_challenge(tcp)) {
        wait_answer(tcp, wait);
    }
}

size_t tr_tcp_waits_poll(struct tr_tcp *tcp)
{
    struct tr_tcp_wait *wait;
    size_t done = 0;

    for (; (wait = TAILQ_FIRST(&tcp->waiting)) && wait->ends_ns <= tr_tcp_now(tcp); done++)
        wait_free(tcp, wait);
    return done;
}
