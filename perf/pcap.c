// SPDX-License-Identifier: Apache-2.0
#include "pcap.h"

FILE *pcap_open(const char *path)
{
    // Magic of nanoseconds, version 2.4, no zone, no accuracy, whole frames, Ethernet.
    const uint32_t head[6] = {0xa1b23c4d, 4 << 16 | 2, 0, 0, 65535, 1};
    FILE *file = fopen(path, "w");

    if (file)
        fwrite(head, sizeof(head), 1, file);
    return file;
}

void pcap_frame(FILE *file, uint64_t wall_ns, const uint8_t *frame, uint32_t bytes)
{
    const uint32_t head[4] = {(uint32_t)(wall_ns / TR_S), (uint32_t)(wall_ns % TR_S), bytes, bytes};

    fwrite(head, sizeof(head), 1, file);
    fwrite(frame, bytes, 1, file);
}
