// SPDX-License-Identifier: Apache-2.0
// How much may be in flight: CUBIC (RFC 9438) with appropriate byte counting, an initial window of ten segments (RFC
// 6928) and restart after idle. Arithmetic only: who calls says what happened.
#ifndef TR_NET_CONGESTION_H
#define TR_NET_CONGESTION_H

#include "base/tr.h"

#define TR_CWND_MOST_BYTES (1u << 30) // as large as a window gets (RFC 7323)

// CUBIC's state, which an undo takes back whole. Bytes and nanoseconds.
struct tr_cubic {
    uint64_t epoch_ns; // when this congestion avoidance began; 0: it has not
    uint64_t k_ns;     // from there until the window is w_max again
    uint32_t w_max_bytes;
    uint32_t w_est_bytes; // what Reno would have
    uint32_t prior_bytes; // the window before the last reduction
};

struct tr_congestion {
    uint32_t cwnd_bytes, ssthresh_bytes;
    uint64_t acked_ns;               // the last growth
    uint64_t credit, w_est_credit;   // fractions of a byte: of cwnd and w_est, times what they are divided by
    struct tr_cubic cubic, undo;
};

void tr_congestion_init(struct tr_congestion *congestion, uint32_t mss_bytes);
// `acked` new bytes were acknowledged, outside recovery, while the window was what limited us.
void tr_congestion_acked(struct tr_congestion *congestion, uint32_t acked_bytes, uint32_t mss_bytes, uint64_t srtt_ns,
                         uint64_t now);
// Recovery begins; once a window.
void tr_congestion_lost(struct tr_congestion *congestion, uint32_t flight_bytes, uint32_t mss_bytes, uint64_t now);
// A timeout: one segment.
void tr_congestion_timed_out(struct tr_congestion *congestion, uint32_t flight_bytes, uint32_t mss_bytes, uint64_t now);
// The loss was none (D-SACK, Eifel): take the window back that it cost.
void tr_congestion_undo(struct tr_congestion *congestion, uint32_t cwnd_bytes, uint32_t ssthresh_bytes);
// Nothing was sent for a timeout and more.
void tr_congestion_idle(struct tr_congestion *congestion, uint32_t mss_bytes);

#endif
