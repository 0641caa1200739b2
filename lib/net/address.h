// SPDX-License-Identifier: Apache-2.0
// IP addresses of both families in one form: 16 bytes in network order, IPv4 mapped (::ffff:a.b.c.d).
#ifndef TR_NET_ADDRESS_H
#define TR_NET_ADDRESS_H

#include "base/error.h"
#include "base/tr.h"

struct tr_ip {
    uint8_t bytes[16];
};

static inline bool tr_ip_equal(const struct tr_ip *a, const struct tr_ip *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool tr_ip_is_v4(const struct tr_ip *ip)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    return memcmp(ip->bytes, mapped, sizeof(mapped)) == 0;
}

static inline struct tr_ip tr_ip_v4(const uint8_t bytes[4])
{
    struct tr_ip ip = {{[10] = 0xff, [11] = 0xff}};

    memcpy(ip.bytes + 12, bytes, 4);
    return ip;
}

// An address of ours.
struct tr_net_address {
    struct tr_ip ip;
    uint8_t prefix_bits; // of 128 what is on the link with it: 96 more than IPv4 writes
    uint8_t own_bits;    // of 128 what must be the same for an address to be ours: 128, or fewer: a whole block is
                         // ours (a load generator with many source addresses)
};

// "198.18.0.2", "fd00:1::2".
//
// Returns 0, or -EINVAL with what is wrong.
int tr_ip_parse(const char *text, struct tr_ip *ip, struct tr_error *error);
// "198.18.0.2/24", "fd00:1::2/64": own_bits is 128.
int tr_net_address_parse(const char *text, struct tr_net_address *address, struct tr_error *error);

#define TR_IP_TEXT_BYTES 46
// Returns `text`.
const char *tr_ip_format(const struct tr_ip *ip, char text[TR_IP_TEXT_BYTES]);

// Are the first `bits` the same?
bool tr_ip_prefix_equal(const struct tr_ip *a, const struct tr_ip *b, unsigned bits);

#endif
