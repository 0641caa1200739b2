// SPDX-License-Identifier: Apache-2.0
// Initial sequence numbers (RFC 6528), the table's hash, and SYN cookies, all keyed by a secret (SipHash-2-4).
//
// A cookie is an initial sequence number that says what a SYN asked for, so that the SYN need not be remembered: a
// counter of 64 s, the index of an MSS, and a MAC over both and the addresses. What more the SYN offered goes into the
// low bits of the timestamp that the peer echoes: window scale and whether SACK is allowed. Without timestamps there is
// neither.
#ifndef TR_NET_ISN_H
#define TR_NET_ISN_H

#include "net/address.h"

// A connection's four names.
struct tr_tuple {
    struct tr_ip local_ip, peer_ip;
    uint16_t local_port, peer_port;
};

uint64_t tr_siphash(const uint8_t key[16], const void *data, size_t bytes);
uint32_t tr_isn(const uint8_t secret[16], const struct tr_tuple *tuple, uint64_t now);

#define TR_COOKIE_MSS_LEAST 64 // who offers less gets this

struct tr_cookie {
    uint16_t mss_bytes; // what comes back is the nearest at or below of 8 common ones, TR_COOKIE_MSS_LEAST to 8940
    bool has_timestamp, sack_permitted;
    bool has_window_scale;
    uint8_t window_scale;
};

// peer_isn   of the SYN
// timestamp  our clock; the one to be sent comes back in its place, its 6 low bits being the cookie's: behind the clock
//            by at most 63, never ahead
uint32_t tr_cookie_make(const uint8_t secret[16], const struct tr_tuple *tuple, uint32_t peer_isn,
                        const struct tr_cookie *cookie, uint64_t now, uint32_t *timestamp);
// isn             ACK - 1
// timestamp_echo  of the ACK, if has_timestamp
//
// Returns whether it is one of ours and younger than 128 s; then *cookie is what was asked for.
bool tr_cookie_check(const uint8_t secret[16], const struct tr_tuple *tuple, uint32_t peer_isn, uint32_t isn,
                     bool has_timestamp, uint32_t timestamp_echo, uint64_t now, struct tr_cookie *cookie);

#endif
