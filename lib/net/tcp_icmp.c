// SPDX-License-Identifier: Apache-2.0
// What the network says of segments that did not arrive. Anybody can say it: only what quotes a segment in flight is
// believed, and little follows (RFC 5927): a smaller MSS, not below what every path takes; a failure only of a
// connection that is not open yet (RFC 9293 3.9.2.2).
#include "net/tcp_internal.h"

static void too_big(struct tr_tcp *tcp, struct tr_tcp_conn *conn, uint32_t mtu_bytes)
{
    uint32_t headers = (conn->path.ipv6 ? 40 : 20) + TR_TCP_HEADER_BYTES;
    uint32_t least = tr_tcp_mss_default(conn->path.ipv6), mss;

    // An old router does not say: half, as RFC 1191 7 has it in its table's spirit.
    mss = mtu_bytes ? (mtu_bytes > headers ? mtu_bytes - headers : 0) : conn->mss_bytes / 2u;
    mss = TR_MAX(mss, least);
    if (mss >= conn->mss_bytes) {
        tr_tcp_counted(tcp, icmp_ignored);
        return;
    }
    conn->mss_bytes = (uint16_t)mss;
    tr_tcp_counted(tcp, mss_lowered_icmp);
    // All in flight that was large is gone, and that says nothing of congestion (RFC 1191 6.5).
    if (conn->state < TR_TCP_ESTABLISHED)
        return;
    conn->mode = TR_MODE_LOSS;
    conn->recover = conn->snd_max;
    conn->snd_next = conn->snd_una;
    conn->dupacks = 0;
    conn->is &= ~(uint32_t)(TR_IS_TIMED | TR_IS_UNDO | TR_IS_FIRST_LOST | TR_IS_PROBED | TR_IS_PROBE_OLD);
    tr_tcp_want(conn, TR_DUE_OUTPUT);
}

void tr_tcp_icmp(struct tr_stack *stack, const struct tr_icmp_error *error)
{
    const struct tr_tuple tuple = {error->local_ip, error->peer_ip, error->local_port, error->peer_port};
    struct tr_tcp *tcp = stack->tcp;
    uint32_t number = tr_tcp_find(tcp, &tuple, tr_tuple_hash(&tcp->table, &tuple));
    struct tr_tcp_conn *conn;

    if (number >= tcp->conns_max || !tr_seq_in(error->seq, tcp->conns[number].snd_una, tcp->conns[number].snd_max)) {
        tr_tcp_counted(tcp, icmp_ignored);
        return;
    }
    conn = &tcp->conns[number];
    if (error->what == TR_ICMP_TOO_BIG)
        too_big(tcp, conn, error->mtu_bytes);
    else if (error->what == TR_ICMP_UNREACHABLE_HARD && conn->state == TR_TCP_SYN_SENT)
        tr_tcp_end(tcp, conn, TR_CONN_REFUSED);
    else
        tr_tcp_counted(tcp, icmp_ignored);
}
