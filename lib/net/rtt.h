// SPDX-License-Identifier: Apache-2.0
// Round trips and the retransmission timeout (RFC 6298).
#ifndef TR_NET_RTT_H
#define TR_NET_RTT_H

#include "base/tr.h"

#define TR_RTO_LEAST_NS (200 * TR_MS) // as Linux; RFC 6298 would have 1 s, and allows less where delayed ACKs are known
#define TR_RTO_MOST_NS  (60 * TR_S)

struct tr_rtt {
    uint64_t srtt_ns, rttvar_ns; // 0: nothing was measured yet
    uint64_t rto_ns;
    uint32_t backoff; // timeouts in a row
};

void tr_rtt_init(struct tr_rtt *rtt);
// A round trip of something that was sent once (Karn), or that a timestamp tells. Ends the backoff.
void tr_rtt_sample(struct tr_rtt *rtt, uint64_t sample_ns);
void tr_rtt_timed_out(struct tr_rtt *rtt);
// Timeout with its backoff.
uint64_t tr_rtt_timeout(const struct tr_rtt *rtt);

#endif
