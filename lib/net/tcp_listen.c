// SPDX-License-Identifier: Apache-2.0
// Passive open (RFC 9293 3.10.7.2 and, for SYN_RECEIVED, 3.10.7.4). A SYN is remembered in a small entry, or, when there
// is none left, in the cookie that our SYN-ACK carries; the connection gets its place when the handshake is complete.
#include "net/tcp_internal.h"

#define MSS_LEAST 96 // a peer that claims less gets this: room for options and a little text

uint16_t tr_tcp_mss_ours(const struct tr_tcp *tcp, bool ipv6)
{
    return (uint16_t)(tcp->stack->options.mtu_bytes - (ipv6 ? 40 : 20) - TR_TCP_HEADER_BYTES);
}

uint16_t tr_tcp_mss_default(bool ipv6)
{
    return ipv6 ? TR_TCP_MSS_DEFAULT_V6 : TR_TCP_MSS_DEFAULT_V4;
}

// A timestamp clock of its own for each pair of hosts and ports (RFC 7323 5.4): it goes on where an earlier connection
// of the same names left off, and tells nobody how long we are up.
uint32_t tr_tcp_ts_offset(const struct tr_tcp *tcp, const struct tr_tuple *tuple)
{
    struct {
        struct tr_tuple tuple;
        char what[4];
    } named = {*tuple, "time"};

    return (uint32_t)tr_siphash(tcp->stack->options.secret, &named, sizeof(named));
}

void tr_tcp_peer_options(struct tr_tcp_conn *conn, const struct tr_tcp_options *options, uint16_t window)
{
    struct tr_tcp *tcp = conn->tcp;
    uint16_t mss = options->has_mss ? options->mss_bytes : tr_tcp_mss_default(conn->path.ipv6);

    conn->mss_bytes = TR_MAX(TR_MIN(mss, tr_tcp_mss_ours(tcp, conn->path.ipv6)), MSS_LEAST);
    if (options->has_window_scale) {
        conn->snd_scale = TR_MIN(options->window_scale, 14);
        conn->rcv_scale = tcp->rcv_scale;
    }
    conn->is |= (options->has_timestamp ? TR_IS_TIMESTAMPED : 0) | (options->has_sack_permitted ? TR_IS_SACKED : 0);
    if (options->has_timestamp) {
        conn->ts_recent = options->timestamp;
        conn->ts_recent_ns = tr_tcp_now(tcp);
    }
    conn->snd_window_bytes = conn->window_max_bytes = window;
    tr_congestion_init(&conn->congestion, conn->mss_bytes);
}

// --- the table

static uint32_t half_number(const struct tr_tcp *tcp, const struct tr_tcp_half *half)
{
    return tcp->conns_max + (uint32_t)(half - tcp->halves);
}

static void half_free(struct tr_tcp *tcp, struct tr_tcp_half *half)
{
    tr_wheel_cancel(tcp->wheel, &half->timer);
    tr_tuple_table_remove(&tcp->table, half->hash, half_number(tcp, half));
    half->next_free = tcp->halves_free;
    tcp->halves_free = (uint32_t)(half - tcp->halves) + 1;
    tcp->halves_count--;
}

static struct tr_tcp_half *half_alloc(struct tr_tcp *tcp)
{
    struct tr_tcp_half *half;

    if (!tcp->halves_free)
        return NULL;
    half = &tcp->halves[tcp->halves_free - 1];
    tcp->halves_free = half->next_free;
    tcp->halves_count++;
    return half;
}

static uint16_t window_first(const struct tr_tcp *tcp)
{
    return (uint16_t)TR_MIN(tcp->stack->options.window_bytes, UINT16_MAX);
}

static struct tr_tcp_options answer_options(const struct tr_tcp *tcp, const struct tr_tcp_half *half)
{
    return (struct tr_tcp_options){
        .has_mss = true,
        .mss_bytes = tr_tcp_mss_ours(tcp, !tr_ip_is_v4(&half->tuple.peer_ip)),
        .has_window_scale = half->has_window_scale,
        .window_scale = tcp->rcv_scale,
        .has_sack_permitted = half->sack_permitted,
        .has_timestamp = half->has_timestamp,
        .timestamp = tr_tcp_timestamp(tcp, half->ts_offset),
        .timestamp_echo = half->ts_recent,
    };
}

static void half_answer(struct tr_tcp *tcp, const struct tr_tcp_half *half, uint8_t flags,
                        const struct tr_tcp_options *options)
{
    struct tr_tcp_answer answer = {.tuple = &half->tuple,
                                   .mac = half->mac,
                                   .seq = half->iss + !(flags & TR_TCP_SYN),
                                   .ack = half->irs + 1,
                                   .window = window_first(tcp),
                                   .flags = flags,
                                   .options = options};

    tr_tcp_send_answer(tcp, &answer);
}

static void half_syn_ack(struct tr_tcp *tcp, const struct tr_tcp_half *half)
{
    struct tr_tcp_options options = answer_options(tcp, half);

    half_answer(tcp, half, TR_TCP_SYN | TR_TCP_ACK, &options);
}

static void half_challenge(struct tr_tcp *tcp, const struct tr_tcp_half *half)
{
    struct tr_tcp_options options = {.has_timestamp = half->has_timestamp,
                                     .timestamp = tr_tcp_timestamp(tcp, half->ts_offset),
                                     .timestamp_echo = half->ts_recent};

    tr_tcp_counted(tcp, drop_half_open);
    if (tr_tcp_may_challenge(tcp))
        half_answer(tcp, half, TR_TCP_ACK, &options);
}

void tr_tcp_half_timer(struct tr_tcp *tcp, struct tr_tcp_half *half)
{
    if (half->tries == TR_TCP_HALF_TRIES) {
        tr_tcp_counted(tcp, half_open_expired);
        half_free(tcp, half);
        return;
    }
    // A flood's SYNs end together; they count among a poll's frames.
    if (!tcp->frames_left) {
        tr_wheel_set(tcp->wheel, &half->timer, tr_tcp_now(tcp) + TR_WHEEL_TICK_NS);
        return;
    }
    tcp->frames_left--;
    half->tries++;
    tr_tcp_counted(tcp, retransmits_syn);
    half_syn_ack(tcp, half);
    tr_wheel_set(tcp->wheel, &half->timer, tr_tcp_now(tcp) + (TR_TCP_SYN_NS << half->tries));
}

// --- a SYN

static void half_fill(struct tr_tcp *tcp, struct tr_tcp_half *half, const struct tr_segment *segment,
                      const struct tr_tuple *tuple, uint64_t hash)
{
    const struct tr_tcp_options *options = &segment->options;

    *half = (struct tr_tcp_half){
        .tuple = *tuple,
        .irs = segment->seq,
        .ts_recent = options->timestamp,
        .ts_offset = tr_tcp_ts_offset(tcp, tuple),
        .mss_bytes = options->has_mss ? options->mss_bytes : tr_tcp_mss_default(!tr_ip_is_v4(&tuple->peer_ip)),
        .window_scale = options->window_scale,
        .has_window_scale = options->has_window_scale,
        .has_timestamp = options->has_timestamp,
        .sack_permitted = options->has_sack_permitted,
        .sent_ns = tr_tcp_now(tcp),
        .hash = hash,
    };
    memcpy(half->mac, segment->mac, sizeof(half->mac));
}

// What the cookie can't carry is not offered either.
static void cookie_send(struct tr_tcp *tcp, struct tr_tcp_half *half)
{
    struct tr_cookie cookie = {
        .mss_bytes = half->mss_bytes,
        .has_timestamp = half->has_timestamp,
        .sack_permitted = half->sack_permitted && half->has_timestamp,
        .has_window_scale = half->has_window_scale && half->has_timestamp,
        .window_scale = half->window_scale,
    };
    struct tr_tcp_options options;

    half->sack_permitted = cookie.sack_permitted;
    half->has_window_scale = cookie.has_window_scale;
    options = answer_options(tcp, half);
    half->iss = tr_cookie_make(tcp->stack->options.secret, &half->tuple, half->irs, &cookie, tr_tcp_now(tcp),
                               &options.timestamp);
    tcp->cookie_ns = tr_tcp_now(tcp);
    tr_tcp_counted(tcp, cookies_sent);
    half_answer(tcp, half, TR_TCP_SYN | TR_TCP_ACK, &options);
}

static void syn_input(struct tr_tcp *tcp, const struct tr_segment *segment, const struct tr_tuple *tuple, uint64_t hash,
                      uint32_t iss_least)
{
    struct tr_tcp_half *half, passing;

    if (!tcp->conns_free) {
        tr_tcp_counted(tcp, drop_table_full);
        return;
    }
    half = half_alloc(tcp);
    if (!half && !tcp->cookies_left) {
        tr_tcp_counted(tcp, drop_syn_flood);
        return;
    }
    if (!half) {
        tcp->cookies_left--;
        half_fill(tcp, &passing, segment, tuple, hash);
        cookie_send(tcp, &passing);
        return;
    }
    half_fill(tcp, half, segment, tuple, hash);
    half->iss = tr_isn(tcp->stack->options.secret, tuple, tr_tcp_now(tcp));
    if (iss_least)
        half->iss = tr_seq_max(half->iss, iss_least);
    tr_tuple_table_insert(&tcp->table, hash, half_number(tcp, half));
    tr_wheel_set(tcp->wheel, &half->timer, tr_tcp_now(tcp) + TR_TCP_SYN_NS);
    half_syn_ack(tcp, half);
}

// --- the ACK that completes

static void complete(struct tr_tcp *tcp, const struct tr_tcp_half *half, const struct tr_segment *segment)
{
    struct tr_tcp_conn *conn = tr_tcp_conn_open(tcp, &half->tuple, half->hash, half->iss);
    struct tr_tcp_options options = {
        .has_mss = true,
        .mss_bytes = half->mss_bytes,
        .has_window_scale = half->has_window_scale,
        .window_scale = half->window_scale,
        .has_timestamp = half->has_timestamp,
        .timestamp = half->ts_recent,
        .has_sack_permitted = half->sack_permitted,
    };

    tr_path_init(tcp->stack, &conn->path, &half->tuple.local_ip, &half->tuple.peer_ip, segment->mac);
    tr_tcp_peer_options(conn, &options, segment->window);
    conn->irs = half->irs;
    conn->rcv_next = conn->rcv_user = conn->rcv_acked = half->irs + 1;
    conn->rcv_edge = conn->rcv_next + window_first(tcp);
    conn->snd_wl1 = half->irs;
    conn->snd_wl2 = half->iss;
    conn->snd_next = conn->snd_max = half->iss + 1;
    if (half->sent_ns && !half->tries) {
        conn->is |= TR_IS_TIMED;
        conn->rtt_seq = half->iss + 1;
        conn->rtt_ns = half->sent_ns;
    }
    if (tr_tcp_establish(tcp, conn))
        tr_tcp_conn_input(tcp, conn, segment);
}

static void cookie_input(struct tr_tcp *tcp, const struct tr_segment *segment, const struct tr_tuple *tuple,
                         uint64_t hash)
{
    struct tr_tcp_half half = {.tuple = *tuple, .hash = hash, .iss = segment->ack - 1, .irs = segment->seq - 1};
    const struct tr_tcp_options *options = &segment->options;
    struct tr_cookie cookie;

    if (!tr_cookie_check(tcp->stack->options.secret, tuple, half.irs, half.iss, options->has_timestamp,
                         options->timestamp_echo, tr_tcp_now(tcp), &cookie)) {
        tr_tcp_counted(tcp, cookies_rejected);
        tr_tcp_send_reset(tcp, segment);
        return;
    }
    if (!tcp->conns_free) {
        tr_tcp_counted(tcp, drop_table_full);
        return;
    }
    tr_tcp_counted(tcp, cookies_accepted);
    half.mss_bytes = cookie.mss_bytes;
    half.has_window_scale = cookie.has_window_scale;
    half.window_scale = cookie.window_scale;
    half.sack_permitted = cookie.sack_permitted;
    half.has_timestamp = cookie.has_timestamp;
    half.ts_recent = options->timestamp;
    complete(tcp, &half, segment);
}

void tr_tcp_half_input(struct tr_tcp *tcp, struct tr_tcp_half *half, const struct tr_segment *segment)
{
    uint32_t next = half->irs + 1;
    uint8_t flags = segment->flags;
    struct tr_tcp_half done;

    if (flags & TR_TCP_RST) {
        if (segment->seq == next) {
            tr_tcp_counted(tcp, resets_in);
            half_free(tcp, half);
        } else if (tr_seq_in(segment->seq, next, next + window_first(tcp))) {
            half_challenge(tcp, half);
        } else {
            tr_tcp_counted(tcp, drop_rst);
        }
        return;
    }
    if ((flags & (TR_TCP_SYN | TR_TCP_ACK)) == TR_TCP_SYN && segment->seq == half->irs) {
        half_syn_ack(tcp, half); // ours was lost
        return;
    }
    if (flags & TR_TCP_SYN || !(flags & TR_TCP_ACK) || !tr_seq_in(segment->seq, next, next + window_first(tcp)) ||
        (half->has_timestamp &&
         (!segment->options.has_timestamp || tr_seq_lt(segment->options.timestamp, half->ts_recent)))) {
        half_challenge(tcp, half);
        return;
    }
    if (segment->ack != half->iss + 1) {
        tr_tcp_counted(tcp, drop_half_open);
        tr_tcp_send_reset(tcp, segment);
        return;
    }
    if (!tcp->conns_free) {
        tr_tcp_counted(tcp, drop_table_full);
        return;
    }
    done = *half;
    half_free(tcp, half);
    complete(tcp, &done, segment);
}

bool tr_tcp_listens(const struct tr_tcp *tcp, uint16_t port)
{
    const struct tr_stack_options *options = &tcp->stack->options;

    for (uint32_t i = 0; i < options->listen_count; i++) {
        if (options->listen[i] == port)
            return true;
    }
    return false;
}

void tr_tcp_listen_input(struct tr_tcp *tcp, const struct tr_segment *segment, const struct tr_tuple *tuple,
                         uint64_t hash, uint32_t iss_least)
{
    uint8_t flags = segment->flags & (TR_TCP_SYN | TR_TCP_ACK | TR_TCP_RST);
    bool listening = tr_tcp_listens(tcp, tuple->local_port);

    if (flags == TR_TCP_SYN && listening && !tcp->refusing) {
        syn_input(tcp, segment, tuple, hash, iss_least);
        return;
    }
    if (flags == TR_TCP_ACK && listening && tcp->cookie_ns && tr_tcp_now(tcp) - tcp->cookie_ns < TR_TCP_COOKIE_NS) {
        cookie_input(tcp, segment, tuple, hash);
        return;
    }
    if (flags != TR_TCP_SYN)
        tr_tcp_counted(tcp, drop_no_connection);
    else if (listening)
        tr_tcp_counted(tcp, drop_refusing);
    else
        tr_tcp_counted(tcp, drop_not_listening);
    tr_tcp_send_reset(tcp, segment);
}
