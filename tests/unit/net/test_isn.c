// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/isn.h"
#include "random.h"

static const uint8_t secret[16] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 11, 12, 13, 14, 15, 16};

static struct tr_tuple tuple_of(uint64_t seed)
{
    struct tr_tuple tuple;

    for (size_t i = 0; i < 16; i++) {
        tuple.local_ip.bytes[i] = (uint8_t)random64(&seed);
        tuple.peer_ip.bytes[i] = (uint8_t)random64(&seed);
    }
    tuple.local_port = (uint16_t)random64(&seed);
    tuple.peer_port = (uint16_t)random64(&seed);
    return tuple;
}

// The reference implementation's: key 00 01 ... 0f, message 00 01 ... of 0 to 63 bytes.
static const uint64_t vectors[64] = {
    0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
    0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
    0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
    0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
    0x3f2acc7f57c29bdb, 0x699ae9f52cbe4794, 0x4bc1b3f0968dd39c, 0xbb6dc91da77961bd,
    0xbed65cf21aa2ee98, 0xd0f2cbb02e3b67c7, 0x93536795e3a33e88, 0xa80c038ccd5ccec8,
    0xb8ad50c6f649af94, 0xbce192de8a85b8ea, 0x17d835b85bbb15f3, 0x2f2e6163076bcfad,
    0xde4daaaca71dc9a5, 0xa6a2506687956571, 0xad87a3535c49ef28, 0x32d892fad841c342,
    0x7127512f72f27cce, 0xa7f32346f95978e3, 0x12e0b01abb051238, 0x15e034d40fa197ae,
    0x314dffbe0815a3b4, 0x027990f029623981, 0xcadcd4e59ef40c4d, 0x9abfd8766a33735c,
    0x0e3ea96b5304a7d0, 0xad0c42d6fc585992, 0x187306c89bc215a9, 0xd4a60abcf3792b95,
    0xf935451de4f21df2, 0xa9538f0419755787, 0xdb9acddff56ca510, 0xd06c98cd5c0975eb,
    0xe612a3cb9ecba951, 0xc766e62cfcadaf96, 0xee64435a9752fe72, 0xa192d576b245165a,
    0x0a8787bf8ecb74b2, 0x81b3e73d20b49b6f, 0x7fa8220ba3b2ecea, 0x245731c13ca42499,
    0xb78dbfaf3a8d83bd, 0xea1ad565322a1a0b, 0x60e61c23a3795013, 0x6606d7e446282b93,
    0x6ca4ecb15c5f91e1, 0x9f626da15c9625f3, 0xe51b38608ef25f57, 0x958a324ceb064572,
};

static void siphash_gives_the_reference_vectors(void **state)
{
    uint8_t key[16], *message;

    for (uint8_t i = 0; i < 16; i++)
        key[i] = i;
    for (size_t bytes = 0; bytes < 64; bytes++) {
        message = calloc(1, bytes + 1);
        for (size_t i = 0; i < bytes; i++)
            message[i] = (uint8_t)i;
        assert_true(tr_siphash(key, message, bytes) == vectors[bytes]);
        free(message);
    }
}

// RFC 6528: for the same four names it grows with the clock, one in 4 us or so; for others it is somewhere else.
static void numbers_follow_the_clock(void **state)
{
    struct tr_tuple a = tuple_of(1), b = tuple_of(1);
    uint64_t now = 77 * TR_S;
    uint32_t first = tr_isn(secret, &a, now);

    assert_int_equal(tr_isn(secret, &b, now), first);
    for (uint64_t later = 0; later < 3600 * TR_S; later += 97 * TR_MS + 13) {
        uint32_t grown = tr_isn(secret, &a, now + later) - first;

        assert_in_range(grown, (uint32_t)(later / 4096), (uint32_t)(later / 4096) + 1);
    }
}

static void numbers_hang_on_every_bit(void **state)
{
    struct tr_tuple a = tuple_of(2);
    uint32_t first = tr_isn(secret, &a, TR_S);
    uint32_t ones = 0, bits = 8 * sizeof(a);

    for (size_t bit = 0; bit < 8 * sizeof(a) + 128; bit++) {
        struct tr_tuple b = a;
        uint8_t other[16];

        memcpy(other, secret, sizeof(other));
        if (bit < bits)
            ((uint8_t *)&b)[bit / 8] ^= (uint8_t)(1 << bit % 8);
        else
            other[(bit - bits) / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(tr_isn(other, &b, TR_S), first);
        ones += (uint32_t)__builtin_popcount(tr_isn(other, &b, TR_S) ^ first);
    }
    assert_in_range(ones, (bits + 128) * 15, (bits + 128) * 17); // half of 32 bits flip
}

static struct tr_cookie some_cookie(uint64_t *random)
{
    return (struct tr_cookie){.mss_bytes = (uint16_t)random64(random),
                              .has_timestamp = random_below(random, 2),
                              .sack_permitted = random_below(random, 2),
                              .has_window_scale = random_below(random, 2),
                              .window_scale = (uint8_t)random_below(random, 15)};
}

static void check_offer(const struct tr_cookie *in, const struct tr_cookie *out)
{
    static const uint16_t common[] = {64, 536, 1220, 1360, 1440, 1460, 4000, 8940, UINT16_MAX};
    size_t i = 0;

    while (i + 1 < TR_NELEMS(common) - 1 && common[i + 1] <= in->mss_bytes)
        i++;
    assert_int_equal(out->mss_bytes, common[i]);
    assert_int_equal(out->has_timestamp, in->has_timestamp);
    assert_int_equal(out->sack_permitted, in->has_timestamp && in->sack_permitted);
    assert_int_equal(out->has_window_scale, in->has_timestamp && in->has_window_scale);
    assert_int_equal(out->window_scale, out->has_window_scale ? in->window_scale : 0);
}

static void a_cookie_tells_what_was_asked_for(void **state)
{
    uint64_t random = 3;

    for (int round = 0; round < 100000; round++) {
        struct tr_tuple tuple = tuple_of(random64(&random));
        uint32_t peer_isn = (uint32_t)random64(&random), clock = (uint32_t)random64(&random), stamp = clock, isn;
        uint64_t now = random64(&random) >> (1 + random_below(&random, 40)), age = random_below(&random, 64);
        struct tr_cookie in = some_cookie(&random), out;

        isn = tr_cookie_make(secret, &tuple, peer_isn, &in, now, &stamp);
        if (in.has_timestamp)
            assert_in_range(clock - stamp, 0, 63);
        else
            assert_int_equal(stamp, clock);
        assert_true(tr_cookie_check(secret, &tuple, peer_isn, isn, in.has_timestamp, stamp, now + age * TR_S, &out));
        check_offer(&in, &out);
    }
}

// For 64 s it is good, from 128 s on it is not; nor is it before its time, nor in the same place of a later period.
static void a_cookie_grows_old(void **state)
{
    struct tr_tuple tuple = tuple_of(4);
    struct tr_cookie in = {.mss_bytes = 1460}, out;
    uint32_t stamp = 0;

    for (uint64_t made = 1000; made < 1200; made++) {
        uint32_t isn = tr_cookie_make(secret, &tuple, 5, &in, made * TR_S, &stamp);

        for (uint64_t age = 0; age < 20000; age += age < 130 ? 1 : 64) {
            bool good = tr_cookie_check(secret, &tuple, 5, isn, false, 0, (made + age) * TR_S, &out);

            assert_true(good || age > 64);
            assert_true(!good || age < 128);
        }
        assert_false(tr_cookie_check(secret, &tuple, 5, isn, false, 0, (made - 64) * TR_S, &out));
        assert_false(tr_cookie_check(secret, &tuple, 5, isn, false, 0, 0, &out));
    }
}

// Nothing of a cookie may be changed, and none is good for another connection, SYN or secret.
static void a_cookie_is_not_to_be_bent(void **state)
{
    struct tr_tuple tuple = tuple_of(6);
    struct tr_cookie in = {.mss_bytes = 1460}, out;
    uint32_t stamp = 0, isn = tr_cookie_make(secret, &tuple, 5, &in, 100 * TR_S, &stamp);
    uint8_t other[16];

    assert_true(tr_cookie_check(secret, &tuple, 5, isn, false, 0, 100 * TR_S, &out));
    for (uint32_t bit = 0; bit < 32; bit++) {
        assert_false(tr_cookie_check(secret, &tuple, 5, isn ^ 1u << bit, false, 0, 100 * TR_S, &out));
        assert_false(tr_cookie_check(secret, &tuple, 5 ^ 1u << bit, isn, false, 0, 100 * TR_S, &out));
    }
    for (size_t bit = 0; bit < 8 * sizeof(tuple); bit++) {
        struct tr_tuple b = tuple;

        ((uint8_t *)&b)[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(tr_cookie_check(secret, &b, 5, isn, false, 0, 100 * TR_S, &out));
    }
    memcpy(other, secret, sizeof(other));
    other[7] ^= 0x40;
    assert_false(tr_cookie_check(other, &tuple, 5, isn, false, 0, 100 * TR_S, &out));
}

// A million guesses of a peer that knows the scheme: 2^28 are needed for one.
static void a_guess_is_worth_nothing(void **state)
{
    struct tr_tuple tuple = tuple_of(7);
    struct tr_cookie out;
    uint64_t random = 8;
    uint32_t hits = 0;

    for (int i = 0; i < 1000000; i++)
        hits += tr_cookie_check(secret, &tuple, 1, (uint32_t)random64(&random), false, 0, 9000 * TR_S, &out);
    assert_in_range(hits, 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_gives_the_reference_vectors),
        cmocka_unit_test(numbers_follow_the_clock),
        cmocka_unit_test(numbers_hang_on_every_bit),
        cmocka_unit_test(a_cookie_tells_what_was_asked_for),
        cmocka_unit_test(a_cookie_grows_old),
        cmocka_unit_test(a_cookie_is_not_to_be_bent),
        cmocka_unit_test(a_guess_is_worth_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
