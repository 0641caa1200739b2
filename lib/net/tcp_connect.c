// SPDX-License-Identifier: Apache-2.0
// Active open: a port of ours, the next hop, SYN_SENT (RFC 9293 3.10.7.3).
#include "net/tcp_internal.h"

#define PORT_FIRST  32768u
#define PORTS_COUNT 28232u

static bool listens_or_taken(const struct tr_tcp *tcp, const struct tr_tuple *tuple)
{
    return tr_tcp_listens(tcp, tuple->local_port) || tr_tcp_find(tcp, tuple, tr_tuple_hash(&tcp->table, tuple)) != UINT32_MAX;
}

// RFC 6056 algorithm 4: from a keyed place for these hosts on, so that ports can't be guessed and follow each other.
static bool port_choose(struct tr_tcp *tcp, struct tr_tuple *tuple)
{
    uint32_t begin = (uint32_t)tr_siphash(tcp->stack->options.secret, tuple, sizeof(*tuple)) + tcp->port_offset;

    for (uint32_t i = 0; i < PORTS_COUNT; i++) {
        tuple->local_port = (uint16_t)(PORT_FIRST + (begin + i) % PORTS_COUNT);
        if (!listens_or_taken(tcp, tuple)) {
            tcp->port_offset += i + 1;
            return true;
        }
    }
    return false;
}

bool tr_tcp_resolve(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    const struct tr_conn *public = &conn->public;
    uint8_t mac[6];
    enum tr_neighbour_state state = tr_neighbour_find(tcp->stack, &public->local_ip, &public->peer_ip, mac);

    if (state == TR_NEIGHBOUR_ASKED)
        return false;
    if (conn->is & TR_IS_RESOLVING) {
        TAILQ_REMOVE(&tcp->resolving, conn, delay_link);
        conn->is &= ~(uint32_t)TR_IS_RESOLVING;
    }
    if (state == TR_NEIGHBOUR_UNREACHABLE) {
        tr_tcp_end(tcp, conn, TR_CONN_REFUSED);
        return false;
    }
    tr_path_init(tcp->stack, &conn->path, &public->local_ip, &public->peer_ip, mac);
    conn->retransmit_ns = 0;
    tr_tcp_want(conn, TR_DUE_OUTPUT);
    return true;
}

void tr_tcp_neighbour(struct tr_stack *stack, const struct tr_ip *ip)
{
    struct tr_tcp *tcp = stack->tcp;
    struct tr_tcp_conn *conn, *next;

    // No user is called in here: the list is ours.
    for (conn = TAILQ_FIRST(&tcp->resolving); conn; conn = next) {
        next = TAILQ_NEXT(conn, delay_link);
        tr_tcp_resolve(tcp, conn);
    }
}

static void resolve_later(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    conn->is |= TR_IS_RESOLVING;
    TAILQ_INSERT_TAIL(&tcp->resolving, conn, delay_link);
    if (tr_tcp_resolve(tcp, conn) || conn->state == TR_TCP_DEAD)
        return;
    conn->timer_kind = TR_TIMER_RETRANSMIT;
    conn->retransmit_ns = tr_tcp_now(tcp) + TR_TCP_SYN_NS;
    tr_tcp_timer_set(tcp, conn);
}

int tr_stack_connect(struct tr_stack *stack, const struct tr_ip *local_ip, uint16_t local_port,
                     const struct tr_ip *peer_ip, uint16_t peer_port, void *user, uint64_t now, struct tr_conn **opened)
{
    struct tr_tuple tuple = {*local_ip, *peer_ip, local_port, peer_port};
    struct tr_tcp *tcp = stack->tcp;
    struct tr_tcp_conn *conn;

    stack->now = TR_MAX(stack->now, now);
    if (!tr_ip_is_own(stack, local_ip) || tr_ip_is_v4(local_ip) != tr_ip_is_v4(peer_ip) ||
        !tr_ip_is_other(stack, peer_ip) || !peer_port)
        return -EADDRNOTAVAIL;
    if (!tcp->conns_free)
        return -ENOBUFS;
    if (local_port ? listens_or_taken(tcp, &tuple) : !port_choose(tcp, &tuple))
        return -EADDRINUSE;
    conn = tr_tcp_conn_open(tcp, &tuple, tr_tuple_hash(&tcp->table, &tuple),
                            tr_isn(stack->options.secret, &tuple, stack->now));
    conn->public.active = true;
    conn->public.user = user;
    conn->path.ipv6 = !tr_ip_is_v4(local_ip);
    conn->state = TR_TCP_SYN_SENT;
    conn->rtt.rto_ns = TR_TCP_SYN_NS;
    // Until the peer has said what it takes.
    conn->mss_bytes = tr_tcp_mss_default(conn->path.ipv6);
    tr_congestion_init(&conn->congestion, conn->mss_bytes);
    resolve_later(tcp, conn);
    *opened = &conn->public;
    return 0;
}

bool tr_tcp_establish(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    struct tr_stack *stack = tcp->stack;

    conn->state = conn->is & TR_IS_CLOSED ? TR_TCP_FIN_WAIT_1 : TR_TCP_ESTABLISHED;
    conn->is |= TR_IS_OPENED;
    conn->public.input_ns = stack->now;
    if (conn->timer_kind == TR_TIMER_RETRANSMIT) {
        conn->timer_kind = TR_TIMER_NONE;
        conn->retransmit_ns = 0;
    }
    if (conn->public.active)
        tr_tcp_counted(tcp, opened_active);
    else
        tr_tcp_counted(tcp, opened_passive);
    tr_tcp_timer_set(tcp, conn);
    if (stack->user.opened(stack->user.context, &conn->public, stack->now)) {
        tr_tcp_disown(tcp, conn);
        return false;
    }
    return conn->state != TR_TCP_DEAD;
}

static void peer_syn(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    conn->irs = segment->seq;
    conn->rcv_next = conn->rcv_user = conn->rcv_acked = segment->seq + 1;
    conn->rcv_edge = conn->rcv_next + (uint32_t)TR_MIN(tcp->stack->options.window_bytes, UINT16_MAX);
    conn->snd_wl1 = segment->seq;
    conn->snd_wl2 = segment->flags & TR_TCP_ACK ? segment->ack : conn->iss;
    tr_tcp_peer_options(conn, &segment->options, segment->window);
}

// SYN and ACK: we are there. What more the segment has is taken as if it came alone.
static void syn_ack_input(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    struct tr_segment rest = *segment;

    peer_syn(tcp, conn, segment);
    if (!tr_tcp_establish(tcp, conn))
        return;
    tr_tcp_want(conn, TR_DUE_ACK);
    rest.seq++;
    rest.flags &= (uint8_t)~TR_TCP_SYN;
    // The window of a SYN is not scaled, that of `rest` would be: it is the one that is known already.
    rest.window = (uint16_t)(segment->window >> conn->snd_scale);
    tr_tcp_text_input(tcp, conn, &rest);
}

void tr_tcp_syn_sent_input(struct tr_tcp *tcp, struct tr_tcp_conn *conn, const struct tr_segment *segment)
{
    uint8_t flags = segment->flags;
    bool acks = flags & TR_TCP_ACK && segment->ack == conn->iss + 1 && conn->snd_max == conn->iss + 1;

    if (flags & TR_TCP_ACK && !acks) {
        tr_tcp_counted(tcp, drop_ack);
        tr_tcp_send_reset(tcp, segment);
        return;
    }
    if (flags & TR_TCP_RST) {
        if (acks) {
            tr_tcp_counted(tcp, resets_in);
            tr_tcp_end(tcp, conn, TR_CONN_REFUSED);
        } else {
            tr_tcp_counted(tcp, drop_rst);
        }
        return;
    }
    if (!(flags & TR_TCP_SYN) || conn->is & TR_IS_RESOLVING) {
        tr_tcp_counted(tcp, drop_syn);
        return;
    }
    conn->public.input_ns = tr_tcp_now(tcp);
    if (acks) {
        syn_ack_input(tcp, conn, segment);
        return;
    }
    // Both sides open at once: our SYN goes again, as SYN-ACK.
    peer_syn(tcp, conn, segment);
    conn->state = TR_TCP_SYN_RECEIVED;
    conn->retransmit_ns = 0;
    tr_tcp_want(conn, TR_DUE_OUTPUT);
}
