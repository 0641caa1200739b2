// SPDX-License-Identifier: Apache-2.0
// The user's calls (RFC 9293 3.9.1). They may come from inside a callback, about any connection: all they do is to note
// what the next poll is to do; abort alone sends at once.
#include "net/tcp_internal.h"

static struct tr_tcp_conn *of(const struct tr_conn *public)
{
    return tr_container_of((struct tr_conn *)(uintptr_t)public, struct tr_tcp_conn, public);
}

// Nothing was waiting: time without progress begins here.
static void progress_begin(struct tr_tcp_conn *conn)
{
    if (conn->snd_una == tr_tcp_end_seq(conn))
        conn->progress_ns = tr_tcp_now(conn->tcp);
}

size_t tr_conn_send_room(const struct tr_conn *public)
{
    const struct tr_tcp_conn *conn = of(public);

    if (conn->state == TR_TCP_DEAD || conn->is & TR_IS_CLOSED)
        return 0;
    return conn->tcp->ring_mask + 1 - (conn->snd_end - conn->snd_una);
}

size_t tr_conn_send(struct tr_conn *public, const void *data, size_t bytes)
{
    struct tr_tcp_conn *conn = of(public);
    struct tr_tcp *tcp = conn->tcp;
    uint8_t *ring = tcp->ring_memory + (uint64_t)conn->number * (tcp->ring_mask + 1ull);
    size_t room = tr_conn_send_room(public), taken = TR_MIN(bytes, room), first;
    uint32_t begin;

    if (taken < bytes)
        conn->is |= TR_IS_BLOCKED;
    if (!taken)
        return 0;
    progress_begin(conn);
    if (conn->snd_una == conn->snd_end)
        conn->ring_seq = conn->snd_end; // from the front again: the pages there are warm
    begin = (conn->snd_end - conn->ring_seq) & tcp->ring_mask;
    first = TR_MIN(taken, tcp->ring_mask + 1ull - begin);
    memcpy(ring + begin, data, first);
    memcpy(ring, (const uint8_t *)data + first, taken - first);
    conn->snd_end += (uint32_t)taken;
    if (conn->state >= TR_TCP_ESTABLISHED)
        tr_tcp_want(conn, TR_DUE_OUTPUT);
    return taken;
}

void tr_conn_pause(struct tr_conn *public)
{
    struct tr_tcp_conn *conn = of(public);

    if (!(conn->is & TR_IS_CLOSED))
        conn->is |= TR_IS_PAUSED;
}

void tr_conn_resume(struct tr_conn *public)
{
    struct tr_tcp_conn *conn = of(public);

    if (!(conn->is & TR_IS_PAUSED))
        return;
    conn->is &= ~(uint32_t)TR_IS_PAUSED;
    if (conn->state >= TR_TCP_ESTABLISHED)
        tr_tcp_want(conn, TR_DUE_INPUT);
}

void tr_conn_close(struct tr_conn *public)
{
    struct tr_tcp_conn *conn = of(public);

    if (conn->state == TR_TCP_DEAD || conn->is & TR_IS_CLOSED)
        return;
    tr_conn_resume(public); // what comes is thrown away
    if (conn->state == TR_TCP_SYN_SENT) {
        tr_tcp_end(conn->tcp, conn, TR_CONN_ABORTED);
        return;
    }
    progress_begin(conn);
    conn->is |= TR_IS_CLOSED;
    if (conn->state == TR_TCP_ESTABLISHED)
        conn->state = TR_TCP_FIN_WAIT_1;
    else if (conn->state == TR_TCP_CLOSE_WAIT)
        conn->state = TR_TCP_LAST_ACK;
    if (conn->state >= TR_TCP_ESTABLISHED)
        tr_tcp_want(conn, TR_DUE_OUTPUT);
}

void tr_conn_abort(struct tr_conn *public)
{
    struct tr_tcp_conn *conn = of(public);

    if (conn->state != TR_TCP_DEAD)
        tr_tcp_abort(conn->tcp, conn, TR_CONN_ABORTED);
}
