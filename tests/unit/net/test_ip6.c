// SPDX-License-Identifier: Apache-2.0
#include "bed.h"

static struct built built;

static int open_default(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_open(&options);
    bed_segment6(&built);
    return 0;
}

static void hands_up_what_the_segment_says(void **state)
{
    struct tr_ip peer = bed_ip(BED_PEER_IP6), local = bed_ip(BED_IP6);

    bed_expect_up(&built);
    assert_memory_equal(&bed.segment.source_ip, &peer, 16);
    assert_memory_equal(&bed.segment.destination_ip, &local, 16);
    assert_int_equal(bed.segment.source_port, 40000);
    assert_memory_equal(bed.payload, "0123456789", 10);
    build_put(&built, "padding", 7);
    bed_expect_up(&built);
    assert_int_equal(bed.segment.bytes, 10);
}

static void drops_wrong_versions_and_lengths(void **state)
{
    struct built good = built;

    built.data[14] = 0x40;
    bed_expect_drop(&built, ip6_header);
    built = good;
    built.data[19]++;
    bed_expect_drop(&built, ip6_header);
    built.data[18] = built.data[19] = 0; // a jumbogram's
    bed_expect_drop(&built, short);
    for (built = good, built.bytes = 14; built.bytes < 54; built.bytes++)
        bed_expect_drop(&built, short);
    for (; built.bytes < good.bytes; built.bytes++)
        bed_expect_drop(&built, ip6_header);
    bed_expect_up(&good);
}

static void finds_every_flipped_bit_that_a_sum_covers(void **state)
{
    for (uint32_t bit = 22 * 8; bit < built.bytes * 8; bit++) {
        built.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bed_input(&built);
        assert_int_equal(bed.segments, 0);
        built.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void from_build(const char *from, const char *to)
{
    build_ethernet(&built, bed_mac, bed_peer_mac, -1, 0x86dd);
    build_ip6(&built, from, to, 6, 64);
    build_tcp(&built, 40000, 4317, 1, 2, 0x10, NULL, 0);
    build_finish(&built);
}

static void nobody_sends_from_such_an_address(void **state)
{
    static const char *const bad[] = {"::", "::1", "ff02::1", "ff0e::1:2", "::ffff:198.18.0.9", BED_IP6};

    for (size_t i = 0; i < TR_NELEMS(bad); i++) {
        from_build(bad[i], BED_IP6);
        bed_expect_drop(&built, source);
    }
    from_build("fe80::1", BED_IP6);
    bed_expect_up(&built);
}

static void drops_what_is_for_others(void **state)
{
    // The mapped one is an address of ours, written so that it must not count as such.
    static const char *const others[] = {"fd00:1::3", "::1", "::ffff:198.18.0.2", "ff02::2", "ff02::1:ff00:3", "ff05::1"};

    for (size_t i = 0; i < TR_NELEMS(others); i++) {
        from_build(BED_PEER_IP6, others[i]);
        bed_expect_drop(&built, destination);
    }
    from_build(BED_PEER_IP6, "ff02::1"); // a group of ours, to our own Ethernet address
    bed_expect_drop(&built, group);
    memcpy(built.data, "\x33\x33\0\0\0\1", 6);
    bed_expect_drop(&built, group); // and TCP to it
}

// Extension headers before a segment: `kinds` end in 6.
static void chain_build(const uint8_t *kinds, const uint8_t *headers, uint32_t bytes)
{
    build_ethernet(&built, bed_mac, bed_peer_mac, -1, 0x86dd);
    build_ip6(&built, BED_PEER_IP6, BED_IP6, kinds[0], 64);
    build_put(&built, headers, bytes);
    build_tcp(&built, 40000, 4317, 1, 2, 0x10, "abc", 3);
    build_finish(&built);
}

static void extension_build(uint8_t kind, const uint8_t header[8])
{
    uint8_t bytes[8];

    memcpy(bytes, header, 8);
    bytes[0] = 6;
    chain_build(&kind, bytes, 8);
}

static void passes_over_extension_headers(void **state)
{
    static const uint8_t padded[8] = {0, 0, 1, 4, 0, 0, 0, 0}, pads[8] = {0}, alert[8] = {0, 0, 5, 2, 0, 0, 1, 0};
    static const uint8_t unknown[8] = {0, 0, 0x1e, 4, 1, 2, 3, 4}, done[8] = {0, 0, 2, 0, 0, 0, 0, 0};
    static const uint8_t atomic[8] = {0, 0xaa, 0, 6, 1, 2, 3, 4}; // reserved bits are ignored
    static const uint8_t kinds[] = {0, 60};


    for (size_t i = 0; i < TR_NELEMS(kinds); i++) {
        extension_build(kinds[i], padded);
        bed_expect_up(&built);
        extension_build(kinds[i], pads);
        bed_expect_up(&built);
        extension_build(kinds[i], alert);
        bed_expect_up(&built);
        extension_build(kinds[i], unknown);
        bed_expect_up(&built);
    }
    extension_build(43, done);
    bed_expect_up(&built);
    extension_build(44, atomic);
    bed_expect_up(&built);
    assert_memory_equal(bed.payload, "abc", 3);
}

static void drops_bad_extension_headers(void **state)
{
    static const uint8_t must_drop[][8] = {{0, 0, 0x40, 4, 0, 0, 0, 0}, {0, 0, 0x80, 4, 0, 0, 0, 0}, {0, 0, 0xc2, 4, 0, 0, 0, 0}};
    static const uint8_t beyond[8] = {0, 0, 1, 5, 0, 0, 0, 0}, no_length[8] = {0, 0, 1, 3, 0, 0, 0, 1};
    static const uint8_t type0[8] = {0, 0, 0, 0, 0, 0, 0, 0}, segments_left[8] = {0, 0, 4, 1, 0, 0, 0, 0};
    static const uint8_t first[8] = {0, 0, 0, 1, 0, 0, 0, 1}, later[8] = {0, 0, 0, 8, 0, 0, 0, 1};

    for (size_t i = 0; i < TR_NELEMS(must_drop); i++) {
        extension_build(0, must_drop[i]);
        bed_expect_drop(&built, ip6_extension);
        extension_build(60, must_drop[i]);
        bed_expect_drop(&built, ip6_extension);
    }
    extension_build(60, beyond);
    bed_expect_drop(&built, ip6_extension);
    extension_build(60, no_length);
    bed_expect_drop(&built, ip6_extension);
    extension_build(43, type0);
    bed_expect_drop(&built, ip6_extension);
    extension_build(43, segments_left);
    bed_expect_drop(&built, ip6_extension);
    extension_build(44, first);
    bed_expect_drop(&built, fragment);
    extension_build(44, later);
    bed_expect_drop(&built, fragment);
}

static void walks_a_bounded_chain(void **state)
{
    uint8_t headers[9 * 8] = {0}, kind = 60;

    for (int n = 1; n <= 9; n++) {
        for (int i = 0; i < n; i++)
            headers[i * 8] = i + 1 < n ? 60 : 6;
        chain_build(&kind, headers, (uint32_t)n * 8);
        if (n <= 8)
            bed_expect_up(&built);
        else
            bed_expect_drop(&built, ip6_extension);
    }
    headers[0] = 0; // hop-by-hop, not first
    headers[8] = 6;
    chain_build(&kind, headers, 16);
    bed_expect_drop(&built, ip6_extension);
}

static void extension_headers_must_fit(void **state)
{
    uint8_t header[16] = {6, 1, 1, 12}, kind = 60;
    struct built good;

    chain_build(&kind, header, 16);
    bed_expect_up(&built);
    good = built;
    for (built.bytes = 54; built.bytes < 70; built.bytes++) {
        built.data[18] = 0, built.data[19] = (uint8_t)(built.bytes - 54);
        bed_expect_drop(&built, short);
    }
    for (uint32_t first = 54; first < 70 + 20; first++) {
        bed_input_pieces(&good, first, 100);
        assert_int_equal(bed_counters()->drop_split, first - 53);
    }
}

static void drops_other_protocols(void **state)
{
    built.data[20] = 17;
    bed_expect_drop(&built, protocol);
    built.data[20] = 59;
    bed_expect_drop(&built, protocol);
    built.data[20] = 51; // AH
    bed_expect_drop(&built, protocol);
    built.data[20] = 1; // ICMP of the other family
    bed_expect_drop(&built, protocol);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hands_up_what_the_segment_says, open_default, bed_close),
        cmocka_unit_test_setup_teardown(drops_wrong_versions_and_lengths, open_default, bed_close),
        cmocka_unit_test_setup_teardown(finds_every_flipped_bit_that_a_sum_covers, open_default, bed_close),
        cmocka_unit_test_setup_teardown(nobody_sends_from_such_an_address, open_default, bed_close),
        cmocka_unit_test_setup_teardown(drops_what_is_for_others, open_default, bed_close),
        cmocka_unit_test_setup_teardown(passes_over_extension_headers, open_default, bed_close),
        cmocka_unit_test_setup_teardown(drops_bad_extension_headers, open_default, bed_close),
        cmocka_unit_test_setup_teardown(walks_a_bounded_chain, open_default, bed_close),
        cmocka_unit_test_setup_teardown(extension_headers_must_fit, open_default, bed_close),
        cmocka_unit_test_setup_teardown(drops_other_protocols, open_default, bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
