// SPDX-License-Identifier: Apache-2.0
// What the stack counts below TCP.
#ifndef TR_NET_NET_COUNTERS_H
#define TR_NET_NET_COUNTERS_H

#include "base/counter.h"

#define TR_NET_COUNTERS(X)                                                                                   \
    X(frames_in, COUNTER, "net_frames_total", "direction=\"in\"", "Frames of a DPDK port.")                  \
    X(frames_out, COUNTER, "net_frames_total", "direction=\"out\"", "Frames of a DPDK port.")                \
    X(bytes_in, COUNTER, "net_bytes_total", "direction=\"in\"", "Bytes of frames.")                          \
    X(bytes_out, COUNTER, "net_bytes_total", "direction=\"out\"", "Bytes of frames.")
TR_COUNTERS_DECLARE(net, TR_NET_COUNTERS)

#endif
