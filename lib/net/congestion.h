// SPDX-License-Identifier: Apache-2.0
// How much may be in flight: CUBIC (RFC 9438) with appropriate byte counting, an initial window of ten segments (RFC
// 6928) and restart after idle. Arithmetic only: who calls says what happened.
#ifndef TR_NET_CONGESTION_H
#define TR_NET_CONGESTION_H

#include "base/tr.h"

struct tr_congestion {
    uint32_t cwnd_bytes, ssthresh_bytes;
    // CUBIC's epoch. Sizes in bytes.
    uint64_t epoch_ns; // 0: none
    uint32_t w_max_bytes, w_est_bytes;
    uint64_t k_ns;
    uint32_t acked_bytes; // towards the next segment of w_est and of the window
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
