// SPDX-License-Identifier: Apache-2.0
// What TCP counts.
#ifndef TR_NET_TCP_COUNTERS_H
#define TR_NET_TCP_COUNTERS_H

#include "base/counter.h"

#define TR_TCP_COUNTERS(X)                                                                                   \
    X(segments_in, COUNTER, "tcp_segments_total", "direction=\"in\"", "TCP segments.")                       \
    X(segments_out, COUNTER, "tcp_segments_total", "direction=\"out\"", "TCP segments.")
TR_COUNTERS_DECLARE(tcp, TR_TCP_COUNTERS)

#endif
