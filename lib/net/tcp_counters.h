// SPDX-License-Identifier: Apache-2.0
// What TCP counts.
#ifndef TR_NET_TCP_COUNTERS_H
#define TR_NET_TCP_COUNTERS_H

#include "base/counter.h"

#define TR_TCP_DROPS_ "TCP segments or their payload thrown away."
#define TR_TCP_SENT_AGAIN_ "Segments sent again: after duplicate ACKs, a timeout, as a tail-loss probe, SYNs."

#define TR_TCP_COUNTERS(X)                                                                                   \
    X(segments_in, COUNTER, "tcp_segments_total", "direction=\"in\"", "TCP segments.")                       \
    X(segments_out, COUNTER, "tcp_segments_total", "direction=\"out\"", "TCP segments.")                     \
    X(bytes_in, COUNTER, "tcp_bytes_total", "direction=\"in\"", "Payload handed up, and acknowledged.")      \
    X(bytes_out, COUNTER, "tcp_bytes_total", "direction=\"out\"", "Payload handed up, and acknowledged.")    \
    X(connections, GAUGE, "tcp_connections", "state=\"open\"", "TCP connections.")                           \
    X(half_open, GAUGE, "tcp_connections", "state=\"half_open\"", "TCP connections.")                        \
    X(time_wait, GAUGE, "tcp_connections", "state=\"time_wait\"", "TCP connections.")                        \
    X(opened_passive, COUNTER, "tcp_opened_total", "by=\"peer\"", "Handshakes completed.")                   \
    X(opened_active, COUNTER, "tcp_opened_total", "by=\"us\"", "Handshakes completed.")                      \
    X(ended_closed, COUNTER, "tcp_ended_total", "how=\"closed\"", "Connections that ended.")                 \
    X(ended_reset, COUNTER, "tcp_ended_total", "how=\"reset\"", "Connections that ended.")                   \
    X(ended_aborted, COUNTER, "tcp_ended_total", "how=\"aborted\"", "Connections that ended.")               \
    X(ended_timeout, COUNTER, "tcp_ended_total", "how=\"timeout\"", "Connections that ended.")               \
    X(ended_refused, COUNTER, "tcp_ended_total", "how=\"refused\"", "Connections that ended.")               \
    X(drop_no_connection, COUNTER, "tcp_drops_total", "reason=\"no_connection\"", TR_TCP_DROPS_)             \
    X(drop_not_listening, COUNTER, "tcp_drops_total", "reason=\"not_listening\"", TR_TCP_DROPS_)             \
    X(drop_refusing, COUNTER, "tcp_drops_total", "reason=\"draining\"", TR_TCP_DROPS_)                       \
    X(drop_table_full, COUNTER, "tcp_drops_total", "reason=\"table_full\"", TR_TCP_DROPS_)                   \
    X(drop_syn_flood, COUNTER, "tcp_drops_total", "reason=\"syn_flood\"", TR_TCP_DROPS_)                     \
    X(drop_half_open, COUNTER, "tcp_drops_total", "reason=\"handshake\"", TR_TCP_DROPS_)                     \
    X(drop_time_wait, COUNTER, "tcp_drops_total", "reason=\"time_wait\"", TR_TCP_DROPS_)                     \
    X(drop_window, COUNTER, "tcp_drops_total", "reason=\"window\"", TR_TCP_DROPS_)                           \
    X(drop_duplicate, COUNTER, "tcp_drops_total", "reason=\"duplicate\"", TR_TCP_DROPS_)                     \
    X(drop_paws, COUNTER, "tcp_drops_total", "reason=\"paws\"", TR_TCP_DROPS_)                               \
    X(drop_no_timestamp, COUNTER, "tcp_drops_total", "reason=\"no_timestamp\"", TR_TCP_DROPS_)               \
    X(drop_rst, COUNTER, "tcp_drops_total", "reason=\"rst\"", TR_TCP_DROPS_)                                 \
    X(drop_syn, COUNTER, "tcp_drops_total", "reason=\"syn\"", TR_TCP_DROPS_)                                 \
    X(drop_ack, COUNTER, "tcp_drops_total", "reason=\"ack\"", TR_TCP_DROPS_)                                 \
    X(drop_no_ack, COUNTER, "tcp_drops_total", "reason=\"no_ack\"", TR_TCP_DROPS_)                           \
    X(evicted, COUNTER, "tcp_reassembly_evicted_total", "",                                                  \
      "Times that a connection without progress lost what it held out of order, to make room for another.") \
    X(drop_no_room, COUNTER, "tcp_drops_total", "reason=\"pool_full\"", TR_TCP_DROPS_)                       \
    X(drop_after_fin, COUNTER, "tcp_drops_total", "reason=\"after_fin\"", TR_TCP_DROPS_)                     \
    X(drop_after_close, COUNTER, "tcp_drops_total", "reason=\"after_close\"", TR_TCP_DROPS_)                 \
    X(out_of_order, COUNTER, "tcp_out_of_order_total", "", "Segments that came before others were there.")   \
    X(duplicates_told, COUNTER, "tcp_duplicates_told_total", "", "ACKs with a D-SACK block.")                \
    X(retransmits_fast, COUNTER, "tcp_retransmits_total", "kind=\"fast\"", TR_TCP_SENT_AGAIN_)               \
    X(retransmits_timeout, COUNTER, "tcp_retransmits_total", "kind=\"timeout\"", TR_TCP_SENT_AGAIN_)         \
    X(retransmits_probe, COUNTER, "tcp_retransmits_total", "kind=\"probe\"", TR_TCP_SENT_AGAIN_)             \
    X(retransmits_syn, COUNTER, "tcp_retransmits_total", "kind=\"syn\"", TR_TCP_SENT_AGAIN_)                 \
    X(timeouts, COUNTER, "tcp_timeouts_total", "", "Retransmission timers that ended.")                      \
    X(recoveries, COUNTER, "tcp_recoveries_total", "", "Times that fast recovery began.")                    \
    X(undone, COUNTER, "tcp_undone_total", "", "Losses that were none: the window was taken back.")          \
    X(zero_probes, COUNTER, "tcp_probes_total", "kind=\"zero_window\"", "Probes of a peer.")                 \
    X(keepalive_probes, COUNTER, "tcp_probes_total", "kind=\"keepalive\"", "Probes of a peer.")              \
    X(mss_lowered_icmp, COUNTER, "tcp_mss_lowered_total", "by=\"icmp\"", "Segments made smaller.")           \
    X(mss_lowered_timeout, COUNTER, "tcp_mss_lowered_total", "by=\"timeout\"", "Segments made smaller.")     \
    X(icmp_ignored, COUNTER, "tcp_icmp_ignored_total", "", "ICMP errors that fit no connection, or say nothing.") \
    X(cookies_sent, COUNTER, "tcp_syn_cookies_total", "what=\"sent\"", "SYN cookies.")                       \
    X(cookies_accepted, COUNTER, "tcp_syn_cookies_total", "what=\"accepted\"", "SYN cookies.")               \
    X(cookies_rejected, COUNTER, "tcp_syn_cookies_total", "what=\"rejected\"", "SYN cookies.")               \
    X(half_open_expired, COUNTER, "tcp_half_open_expired_total", "", "SYNs whose handshake was never completed.") \
    X(challenges, COUNTER, "tcp_challenge_acks_total", "sent=\"yes\"", "Challenge ACKs (RFC 5961).")         \
    X(challenges_held, COUNTER, "tcp_challenge_acks_total", "sent=\"no\"", "Challenge ACKs (RFC 5961).")     \
    X(resets_in, COUNTER, "tcp_resets_total", "direction=\"in\"", "RSTs taken, sent, and held back by their limit.") \
    X(resets_out, COUNTER, "tcp_resets_total", "direction=\"out\"", "RSTs taken, sent, and held back by their limit.") \
    X(resets_held, COUNTER, "tcp_resets_total", "direction=\"held\"", "RSTs taken, sent, and held back by their limit.") \
    X(time_wait_reused, COUNTER, "tcp_time_wait_total", "what=\"reused\"", "TIME_WAITs cut short: by a new SYN, for want of room.") \
    X(time_wait_evicted, COUNTER, "tcp_time_wait_total", "what=\"evicted\"", "TIME_WAITs cut short: by a new SYN, for want of room.") \
    X(no_frame, COUNTER, "tcp_no_frame_total", "", "Segments that found no buffer to be sent in; most go later.")
TR_COUNTERS_DECLARE(tcp, TR_TCP_COUNTERS)

#endif
