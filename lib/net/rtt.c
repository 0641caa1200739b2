// SPDX-License-Identifier: Apache-2.0
#include "net/rtt.h"

#define RTO_FIRST_NS (1 * TR_S)  // RFC 6298 2.1
#define CLOCK_NS     TR_MS       // G of 2.2: a timer ends on a tick of the wheel
#define SAMPLE_MOST  (TR_RTO_MOST_NS * 2)
#define BACKOFF_MOST 16          // 2^16 of the least timeout is beyond the most

void tr_rtt_init(struct tr_rtt *rtt)
{
    *rtt = (struct tr_rtt){.rto_ns = RTO_FIRST_NS};
}

void tr_rtt_sample(struct tr_rtt *rtt, uint64_t sample_ns)
{
    // 0 says that nothing was measured; a peer's timestamps may tell anything.
    uint64_t r = TR_MIN(TR_MAX(sample_ns, 1), SAMPLE_MOST);

    if (!rtt->srtt_ns) {
        rtt->srtt_ns = r;
        rtt->rttvar_ns = r / 2;
    } else {
        uint64_t apart = rtt->srtt_ns > r ? rtt->srtt_ns - r : r - rtt->srtt_ns;

        rtt->rttvar_ns = (3 * rtt->rttvar_ns + apart) / 4;
        rtt->srtt_ns = TR_MAX((7 * rtt->srtt_ns + r) / 8, 1);
    }
    rtt->rto_ns = rtt->srtt_ns + TR_MAX(CLOCK_NS, 4 * rtt->rttvar_ns);
    rtt->rto_ns = TR_MIN(TR_MAX(rtt->rto_ns, TR_RTO_LEAST_NS), TR_RTO_MOST_NS);
    rtt->backoff = 0;
}

void tr_rtt_timed_out(struct tr_rtt *rtt)
{
    if (rtt->backoff < BACKOFF_MOST)
        rtt->backoff++;
}

uint64_t tr_rtt_timeout(const struct tr_rtt *rtt)
{
    return TR_MIN(rtt->rto_ns << rtt->backoff, TR_RTO_MOST_NS);
}
