// SPDX-License-Identifier: Apache-2.0
// Frames to a file that tcpdump and Wireshark read (pcap with nanoseconds).
#ifndef TR_PERF_PCAP_H
#define TR_PERF_PCAP_H

#include <stdio.h>

#include "base/tr.h"

// Returns NULL: errno says why.
FILE *pcap_open(const char *path);
void pcap_frame(FILE *file, uint64_t wall_ns, const uint8_t *frame, uint32_t bytes);

#endif
