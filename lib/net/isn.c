// SPDX-License-Identifier: Apache-2.0
#include "net/isn.h"

// --- SipHash-2-4 (Aumasson and Bernstein, 2012)

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

// The hash is defined on little-endian words.
static inline uint64_t load_le(const uint8_t *p, size_t bytes)
{
    uint64_t word = 0;

    memcpy(&word, p, bytes);
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word : __builtin_bswap64(word);
}

uint64_t tr_siphash(const uint8_t key[16], const void *data, size_t bytes)
{
    uint64_t k0 = load_le(key, 8), k1 = load_le(key + 8, 8);
    struct sip s = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                    k1 ^ 0x7465646279746573};
    const uint8_t *p = data;
    size_t left = bytes;

    for (; left >= 8; p += 8, left -= 8)
        sip_word(&s, load_le(p, 8));
    sip_word(&s, (uint64_t)bytes << 56 | load_le(p, left));
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

// --- initial sequence numbers

#define ISN_TICK_NS 4096 // RFC 6528 3: a clock of 4 us; the nearest that needs no division

// What a secret is used for goes into the hash, so that no use tells anything of another.
enum purpose { PURPOSE_ISN = 1, PURPOSE_COOKIE };

static uint64_t keyed(const uint8_t secret[16], enum purpose purpose, const struct tr_tuple *tuple, uint64_t more)
{
    struct {
        struct tr_tuple tuple;
        uint32_t purpose;
        uint64_t more;
    } in = {*tuple, purpose, more};

    _Static_assert(sizeof(in) == sizeof(struct tr_tuple) + 12, "no padding");
    return tr_siphash(secret, &in, sizeof(in));
}

uint32_t tr_isn(const uint8_t secret[16], const struct tr_tuple *tuple, uint64_t now)
{
    return (uint32_t)(now / ISN_TICK_NS) + (uint32_t)keyed(secret, PURPOSE_ISN, tuple, 0);
}

// --- SYN cookies
//
//   bit  31      the counter's lowest bit: a cookie is of this 64 s or of the last
//   bits 30..28  the MSS's index
//        27..0   the MAC, over the whole counter
//
// So a guess has 2^28 tries to make, of which each costs a segment, for one connection within 128 s.
// Source: Bernstein, SYN cookies (1996), with a keyed hash in place of MD5 and the SYN's number within it.

#define COUNTER_NS (64 * TR_S)
#define MAC_BITS   28
#define MAC_MASK   ((1u << MAC_BITS) - 1)

// Ethernet of 1500 and 9000 bytes, IPv4 and IPv6, a tunnel's 1400, the least of IPv6 and IPv4, and whatever is smaller.
static const uint16_t mss_table[8] = {TR_COOKIE_MSS_LEAST, 536, 1220, 1360, 1440, 1460, 4000, 8940};

// The timestamp's low bits: 4 for the window scale (15: none), 1 for SACK.
#define STAMP_MASK     0x3fu
#define STAMP_SACK     0x10u
#define STAMP_NO_SCALE 0x0fu

static uint32_t mac(const uint8_t secret[16], const struct tr_tuple *tuple, uint32_t peer_isn, uint64_t counter,
                    uint32_t index)
{
    uint64_t more = (uint64_t)peer_isn << 32 | (counter & 0x1fffffff) << 3 | index;

    return (uint32_t)keyed(secret, PURPOSE_COOKIE, tuple, more) & MAC_MASK;
}

// It may not run ahead of the clock: what is sent next must not look older (RFC 7323 5).
static uint32_t stamp(uint32_t timestamp, const struct tr_cookie *cookie)
{
    uint32_t bits = cookie->has_window_scale ? TR_MIN(cookie->window_scale, 14u) : STAMP_NO_SCALE;
    uint32_t out;

    if (cookie->sack_permitted)
        bits |= STAMP_SACK;
    out = (timestamp & ~STAMP_MASK) | bits;
    return (int32_t)(out - timestamp) > 0 ? out - STAMP_MASK - 1 : out;
}

uint32_t tr_cookie_make(const uint8_t secret[16], const struct tr_tuple *tuple, uint32_t peer_isn,
                        const struct tr_cookie *cookie, uint64_t now, uint32_t *timestamp)
{
    uint64_t counter = now / COUNTER_NS;
    uint32_t index = TR_NELEMS(mss_table) - 1;

    while (index > 0 && mss_table[index] > cookie->mss_bytes)
        index--;
    if (cookie->has_timestamp)
        *timestamp = stamp(*timestamp, cookie);
    return (uint32_t)(counter & 1) << 31 | index << MAC_BITS | mac(secret, tuple, peer_isn, counter, index);
}

bool tr_cookie_check(const uint8_t secret[16], const struct tr_tuple *tuple, uint32_t peer_isn, uint32_t isn,
                     bool has_timestamp, uint32_t timestamp_echo, uint64_t now, struct tr_cookie *cookie)
{
    uint64_t counter = now / COUNTER_NS;
    uint32_t index = isn >> MAC_BITS & (TR_NELEMS(mss_table) - 1);
    uint8_t scale = timestamp_echo & 0xf;

    counter -= (counter ^ isn >> 31) & 1;
    if (mac(secret, tuple, peer_isn, counter, index) != (isn & MAC_MASK))
        return false;
    *cookie = (struct tr_cookie){.mss_bytes = mss_table[index], .has_timestamp = has_timestamp};
    if (has_timestamp) {
        cookie->sack_permitted = timestamp_echo & STAMP_SACK;
        cookie->has_window_scale = scale != STAMP_NO_SCALE;
        cookie->window_scale = cookie->has_window_scale ? scale : 0;
    }
    return true;
}
