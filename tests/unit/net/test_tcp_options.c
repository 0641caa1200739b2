// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/tcp_options.h"
#include "random.h"

// Parse from a block of exactly that size, so that a sanitizer sees a byte read too many.
static bool parse(const void *data, size_t bytes, struct tr_tcp_options *options)
{
    uint8_t *exact = malloc(bytes ? bytes : 1);
    bool good;

    memcpy(exact, data, bytes);
    memset(options, 0xa5, sizeof(*options));
    good = tr_tcp_options_parse(exact, bytes, options);
    free(exact);
    return good;
}

static bool nothing(const struct tr_tcp_options *o)
{
    return !o->has_mss && !o->has_window_scale && !o->has_sack_permitted && !o->has_timestamp && !o->sack_count;
}

static void reads_the_syn_of_linux(void **state)
{
    static const uint8_t data[] = {2, 4,    5,    0xb4, 4, 2, 8, 10,  0xf1, 0xf2,
                                   3, 0xf4, 0,    0,    0, 0, 1, 3,   3,    7};
    struct tr_tcp_options o;

    assert_true(parse(data, sizeof(data), &o));
    assert_true(o.has_mss && o.has_sack_permitted && o.has_timestamp && o.has_window_scale);
    assert_int_equal(o.mss_bytes, 1460);
    assert_int_equal(o.timestamp, 0xf1f203f4);
    assert_int_equal(o.timestamp_echo, 0);
    assert_int_equal(o.window_scale, 7);
    assert_int_equal(o.sack_count, 0);
}

static void reads_sack_beside_a_timestamp(void **state)
{
    static const uint8_t data[] = {1, 1,    8,    10,   0, 0, 0, 1, 0, 0,    0,    2,    1, 1, 5, 18,
                                   0, 0x10, 0x20, 0x30, 0, 0, 0, 9, 9, 0xff, 0xff, 0xff, 0, 0, 0, 5};
    struct tr_tcp_options o;

    assert_true(parse(data, sizeof(data), &o));
    assert_true(o.has_timestamp);
    assert_int_equal(o.timestamp, 1);
    assert_int_equal(o.timestamp_echo, 2);
    assert_int_equal(o.sack_count, 2);
    assert_int_equal(o.sack[0].begin, 0x102030);
    assert_int_equal(o.sack[0].end, 9);
    assert_int_equal(o.sack[1].begin, 0x09ffffff);
    assert_int_equal(o.sack[1].end, 5);
}

static void passes_over_what_it_does_not_know(void **state)
{
    static const uint8_t data[] = {254, 4, 1, 2, 1, 30, 2, 2, 4, 4, 2, 0}; // experiment, NOP, MPTCP, MSS, end
    static const uint8_t after_end[] = {2, 4, 1, 0, 0, 9, 0, 7}; // nothing after the end is looked at
    struct tr_tcp_options o;

    assert_true(parse(data, sizeof(data), &o));
    assert_true(o.has_mss && !o.has_sack_permitted);
    assert_int_equal(o.mss_bytes, 0x0402);
    assert_true(parse(after_end, sizeof(after_end), &o));
    assert_true(o.has_mss);
    assert_int_equal(o.mss_bytes, 256);
}

static void refuses_lengths_that_lead_nowhere(void **state)
{
    static const struct {
        uint8_t data[4], bytes;
    } bad[] = {
        {{2}, 1}, {{2, 0}, 2}, {{2, 1}, 2}, {{2, 3}, 2}, {{1, 8}, 2}, {{1, 99, 0, 0}, 4}, {{99, 5, 0, 0}, 4},
    };
    struct tr_tcp_options o;

    for (size_t i = 0; i < TR_NELEMS(bad); i++)
        assert_false(parse(bad[i].data, bad[i].bytes, &o));
    assert_true(parse("", 0, &o));
    assert_true(nothing(&o));
}

// A known kind with any length but its own counts for nothing, and what follows is still read.
static void ignores_wrong_lengths_of_known_kinds(void **state)
{
    static const struct {
        uint8_t kind, bytes;
    } known[] = {{2, 4}, {3, 3}, {4, 2}, {8, 10}, {5, 10}, {5, 18}, {5, 26}, {5, 34}};

    for (unsigned kind = 2; kind <= 8; kind++)
        for (unsigned bytes = 2; bytes <= 36; bytes++) {
            uint8_t data[40] = {(uint8_t)kind, (uint8_t)bytes};
            bool fits = false;
            struct tr_tcp_options o;

            data[bytes] = 4; // SACK permitted, or a second one
            data[bytes + 1] = 2;
            for (size_t i = 0; i < TR_NELEMS(known); i++)
                fits |= known[i].kind == kind && known[i].bytes == bytes;
            assert_true(parse(data, bytes + 2, &o));
            assert_true(o.has_sack_permitted);
            assert_int_equal(o.has_mss, fits && kind == 2);
            assert_int_equal(o.has_window_scale, fits && kind == 3);
            assert_int_equal(o.has_timestamp, fits && kind == 8);
            assert_int_equal(o.sack_count, fits && kind == 5 ? (bytes - 2) / 8 : 0);
        }
}

static void bounds_the_window_scale(void **state)
{
    for (unsigned scale = 0; scale < 256; scale++) {
        uint8_t data[] = {3, 3, (uint8_t)scale};
        struct tr_tcp_options o;

        assert_true(parse(data, 3, &o));
        assert_int_equal(o.window_scale, TR_MIN(scale, 14));
    }
}

// Do the lengths lead to the end? Written apart from the parser.
static bool walks(const uint8_t *data, size_t bytes)
{
    for (size_t at = 0; at < bytes && data[at] != 0; at += data[at] == 1 ? 1 : data[at + 1])
        if (data[at] != 1 && (at + 1 == bytes || data[at + 1] < 2 || at + data[at + 1] > bytes))
            return false;
    return true;
}

static void survives_anything(void **state)
{
    uint64_t random = 11;

    for (int round = 0; round < 300000; round++) {
        uint8_t data[40];
        size_t bytes = random_below(&random, 41);
        struct tr_tcp_options o;

        for (size_t i = 0; i < bytes; i++)
            data[i] = (uint8_t)random_below(&random, round % 2 ? 12 : 256);
        assert_int_equal(parse(data, bytes, &o), walks(data, bytes));
        assert_true(o.sack_count <= TR_SACK_BLOCKS_MAX);
    }
}

static void check_round(const struct tr_tcp_options *in, uint32_t room_for)
{
    uint8_t to[40];
    size_t bytes = tr_tcp_options_format(in, to);
    struct tr_tcp_options out;

    assert_true(bytes <= 40 && bytes % 4 == 0);
    assert_true(parse(to, bytes, &out));
    assert_int_equal(out.has_mss, in->has_mss);
    assert_int_equal(out.has_window_scale, in->has_window_scale);
    assert_int_equal(out.has_sack_permitted, in->has_sack_permitted);
    assert_int_equal(out.has_timestamp, in->has_timestamp);
    if (in->has_mss)
        assert_int_equal(out.mss_bytes, in->mss_bytes);
    if (in->has_window_scale)
        assert_int_equal(out.window_scale, in->window_scale);
    if (in->has_timestamp) {
        assert_int_equal(out.timestamp, in->timestamp);
        assert_int_equal(out.timestamp_echo, in->timestamp_echo);
    }
    assert_int_equal(out.sack_count, TR_MIN(in->sack_count, room_for));
    if (out.sack_count)
        assert_memory_equal(out.sack, in->sack, out.sack_count * sizeof(*out.sack));
}

// Every combination of what may be there; as many SACK blocks as the rest leaves room for.
static void writes_what_it_reads(void **state)
{
    uint64_t random = 5;

    for (unsigned set = 0; set < 16; set++)
        for (unsigned blocks = 0; blocks <= TR_SACK_BLOCKS_MAX; blocks++) {
            struct tr_tcp_options in = {.has_mss = set & 1,
                                        .has_window_scale = set & 2,
                                        .has_sack_permitted = set & 4,
                                        .has_timestamp = set & 8,
                                        .window_scale = (uint8_t)random_below(&random, 15),
                                        .mss_bytes = (uint16_t)random64(&random),
                                        .timestamp = (uint32_t)random64(&random),
                                        .timestamp_echo = (uint32_t)random64(&random),
                                        .sack_count = (uint8_t)blocks};
            unsigned used = (set & 1 ? 4 : 0) + (set & 2 ? 4 : 0) + (set & 8 ? 12 : set & 4 ? 4 : 0);

            for (unsigned i = 0; i < blocks; i++)
                in.sack[i] = (struct tr_sack_block){(uint32_t)random64(&random), (uint32_t)random64(&random)};
            check_round(&in, (40 - used - 4) / 8);
        }
}

static void stays_within_forty_bytes_and_three_blocks_beside_a_timestamp(void **state)
{
    struct tr_tcp_options in = {.has_timestamp = true, .sack_count = 4};
    uint8_t to[40];

    assert_int_equal(tr_tcp_options_format(&in, to), 12 + 4 + 3 * 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_syn_of_linux),
        cmocka_unit_test(reads_sack_beside_a_timestamp),
        cmocka_unit_test(passes_over_what_it_does_not_know),
        cmocka_unit_test(refuses_lengths_that_lead_nowhere),
        cmocka_unit_test(ignores_wrong_lengths_of_known_kinds),
        cmocka_unit_test(bounds_the_window_scale),
        cmocka_unit_test(survives_anything),
        cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(stays_within_forty_bytes_and_three_blocks_beside_a_timestamp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
