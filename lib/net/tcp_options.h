// SPDX-License-Identifier: Apache-2.0
// The options of a TCP header: MSS, window scale, SACK permitted, SACK, timestamps (RFC 9293 3.2, 7323, 2018).
#ifndef TR_NET_TCP_OPTIONS_H
#define TR_NET_TCP_OPTIONS_H

#include "base/tr.h"

#define TR_SACK_BLOCKS_MAX 4u

struct tr_sack_block {
    uint32_t begin, end; // sequence numbers; end is behind the last byte
};

struct tr_tcp_options {
    bool has_mss, has_window_scale, has_sack_permitted, has_timestamp;
    uint8_t window_scale;  // 14 at most
    uint8_t sack_count;
    uint16_t mss_bytes;
    uint32_t timestamp, timestamp_echo;
    struct tr_sack_block sack[TR_SACK_BLOCKS_MAX];
};

// Read options: `bytes` of them, all after the fixed header. Unknown ones are passed over.
//
// Returns false: a length that leads nowhere; the segment is to be dropped.
bool tr_tcp_options_parse(const uint8_t *data, size_t bytes, struct tr_tcp_options *options);

// Write them, padded to a multiple of 4, at most 40 bytes; SACK blocks as many as fit.
//
// Returns how many bytes.
size_t tr_tcp_options_format(const struct tr_tcp_options *options, uint8_t to[40]);

#endif
