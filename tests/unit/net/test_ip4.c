// SPDX-License-Identifier: Apache-2.0
#include "bed.h"

static struct built built;

static int open_default(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_open(&options);
    bed_segment4(&built);
    return 0;
}

// A SYN as tcpdump shows it, typed in: its sums were made by another hand.
static void takes_a_frame_written_by_hand(void **state)
{
    static const uint8_t syn[] = {
        0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 9, 0x08, 0x00,                         // Ethernet
        0x45, 0x00, 0x00, 0x2c, 0x00, 0x01, 0x40, 0x00, 0x40, 0x06, 0xae, 0x9b,       // IPv4
        198, 18, 0, 9, 198, 18, 0, 2,                                                 //
        0x9c, 0x40, 0x10, 0xdd, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 0x02, 0xfa, 0xf0, 0x63, 0xe7, // TCP
        0, 0, 0x02, 0x04, 0x05, 0xb4,                                                 // MSS 1460
    };

    memcpy(built.data, syn, sizeof(syn));
    built.bytes = sizeof(syn);
    bed_expect_up(&built);
    assert_int_equal(bed.segment.flags, TR_TCP_SYN);
    assert_int_equal(bed.segment.seq, 1);
    assert_int_equal(bed.segment.window, 64240);
    assert_true(bed.segment.options.has_mss);
    assert_int_equal(bed.segment.options.mss_bytes, 1460);
    assert_int_equal(bed.segment.bytes, 0);
}

static void hands_up_what_the_segment_says(void **state)
{
    struct tr_ip peer = bed_ip(BED_PEER_IP4), local = bed_ip(BED_IP4);

    bed_expect_up(&built);
    assert_memory_equal(&bed.segment.source_ip, &peer, 16);
    assert_memory_equal(&bed.segment.destination_ip, &local, 16);
    assert_int_equal(bed.segment.source_port, 40000);
    assert_int_equal(bed.segment.destination_port, 4317);
    assert_int_equal(bed.segment.seq, 0x01020304);
    assert_int_equal(bed.segment.ack, 0x05060708);
    assert_int_equal(bed.segment.flags, TR_TCP_PSH | TR_TCP_ACK);
    assert_int_equal(bed.segment.window, 4096);
    assert_memory_equal(bed.segment.mac, bed_peer_mac, 6);
    assert_int_equal(bed.segment.bytes, 10);
    assert_memory_equal(bed.payload, "0123456789", 10);
}

static void cuts_padding_off(void **state)
{
    build_put(&built, "padding padding", 15);
    bed_expect_up(&built);
    assert_int_equal(bed.segment.bytes, 10);
    assert_int_equal(bed.segment.data.bytes, 10);
    bed_input_pieces(&built, 54, 3);
    assert_int_equal(bed.segments, 2);
    assert_int_equal(bed.segment.bytes, 10);
    assert_memory_equal(bed.payload, "0123456789", 10);
}

static void drops_wrong_versions_and_lengths(void **state)
{
    struct built good = built;

    built.data[14] = 0x65;
    bed_expect_drop(&built, ip4_header);
    built = good;
    built.data[14] = 0x44;
    bed_expect_drop(&built, ip4_header);
    built = good;
    built.data[17]++; // one more than there is
    bed_expect_drop(&built, ip4_header);
    built = good;
    built.data[16] = 0, built.data[17] = 19;
    bed_expect_drop(&built, ip4_header);
    built = good;
    built.data[14] = 0x4f; // 60 bytes of header, 50 of packet
    bed_expect_drop(&built, ip4_header);
    for (built = good, built.bytes = 0; built.bytes < 34; built.bytes++)
        bed_expect_drop(&built, short);
    for (; built.bytes < good.bytes; built.bytes++)
        bed_expect_drop(&built, ip4_header);
    bed_expect_up(&good);
}

static void verifies_the_header_sum_unless_the_device_has(void **state)
{
    built.data[24] ^= 1;
    bed_expect_drop(&built, ip4_checksum);
    bed_expect_drop_(&built, TR_FRAME_IP_BAD, &bed_counters()->drop_ip4_checksum);
    bed_input_flags(&built, TR_FRAME_IP_GOOD);
    assert_int_equal(bed.segments, 1);
    bed_segment4(&built);
    bed_expect_drop_(&built, TR_FRAME_IP_BAD | TR_FRAME_IP_GOOD, &bed_counters()->drop_ip4_checksum);
}

// Any single bit that is wrong is found: by one sum or the other.
static void finds_every_flipped_bit(void **state)
{
    for (uint32_t bit = 14 * 8; bit < built.bytes * 8; bit++) {
        built.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bed_input(&built);
        assert_int_equal(bed.segments, 0);
        built.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(bed_counters()->drop_tcp_checksum + bed_counters()->drop_tcp_header, 30 * 8);
}

static void verifies_the_segment_sum_unless_the_device_has(void **state)
{
    built.data[60] ^= 1;
    bed_expect_drop(&built, tcp_checksum);
    bed_input_flags(&built, TR_FRAME_L4_GOOD);
    assert_int_equal(bed.segments, 1);
    bed_segment4(&built);
    bed_expect_drop_(&built, TR_FRAME_L4_BAD, &bed_counters()->drop_tcp_checksum);
    bed_expect_drop_(&built, TR_FRAME_L4_BAD | TR_FRAME_L4_GOOD, &bed_counters()->drop_tcp_checksum);
}

static void options_build(const uint8_t *options, uint32_t bytes)
{
    build_ethernet(&built, bed_mac, bed_peer_mac, -1, 0x0800);
    build_ip4(&built, BED_PEER_IP4, BED_IP4, 6);
    build_put(&built, options, bytes);
    built.data[14] = (uint8_t)(0x45 + bytes / 4);
    build_tcp(&built, 40000, 4317, 1, 2, 0x10, "abc", 3);
    build_finish(&built);
}

static void takes_options_but_no_source_route(void **state)
{
    static const uint8_t timestamp[8] = {68, 8, 5, 0, 0, 0, 0, 0}, nops[4] = {1, 1, 1, 0}, after_end[4] = {0, 131, 1, 1};
    static const uint8_t loose[4] = {131, 3, 4, 0}, strict[8] = {1, 137, 7, 4, 198, 18, 0, 7};
    static const uint8_t no_length[4] = {1, 1, 1, 7}, zero[4] = {7, 0, 0, 0}, one[4] = {7, 1, 0, 0}, beyond[4] = {7, 5, 4, 0};

    options_build(timestamp, 8);
    bed_expect_up(&built);
    assert_memory_equal(bed.payload, "abc", 3);
    options_build(nops, 4);
    bed_expect_up(&built);
    options_build(after_end, 4);
    bed_expect_up(&built);
    options_build(loose, 4);
    bed_expect_drop(&built, ip4_options);
    options_build(strict, 8);
    bed_expect_drop(&built, ip4_options);
    options_build(no_length, 4);
    bed_expect_drop(&built, ip4_options);
    options_build(zero, 4);
    bed_expect_drop(&built, ip4_options);
    options_build(one, 4);
    bed_expect_drop(&built, ip4_options);
    options_build(beyond, 4);
    bed_expect_drop(&built, ip4_options);
}

static void drops_fragments(void **state)
{
    built.data[20] = 0x20; // more to come
    build_finish(&built);
    bed_expect_drop(&built, fragment);
    built.data[20] = 0, built.data[21] = 1; // not the first
    build_finish(&built);
    bed_expect_drop(&built, fragment);
    built.data[20] = 0, built.data[21] = 0; // whole, though DF is not set
    build_finish(&built);
    bed_expect_up(&built);
}

static void any_ttl_will_do(void **state)
{
    for (int ttl = 0; ttl < 256; ttl += 51) {
        built.data[22] = (uint8_t)ttl;
        build_finish(&built);
        bed_expect_up(&built);
    }
}

static void from_build(const char *from, const char *to)
{
    build_ethernet(&built, bed_mac, bed_peer_mac, -1, 0x0800);
    build_ip4(&built, from, to, 6);
    build_tcp(&built, 40000, 4317, 1, 2, 0x10, NULL, 0);
    build_finish(&built);
}

static void nobody_sends_from_such_an_address(void **state)
{
    static const char *const bad[] = {"0.0.0.0",   "0.1.2.3",         "127.0.0.1",  "224.0.0.1", "239.255.255.255",
                                      "240.0.0.1", "255.255.255.255", BED_IP4,      "198.18.0.255"};

    for (size_t i = 0; i < TR_NELEMS(bad); i++) {
        from_build(bad[i], BED_IP4);
        bed_expect_drop(&built, source);
    }
    from_build("198.18.1.255", BED_IP4); // another subnet's broadcast can't be known
    bed_expect_up(&built);
}

static void a_link_of_two_has_no_broadcast(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_close(NULL);
    options.addresses[0].prefix_bits = 96 + 31;
    bed_open(&options);
    from_build("198.18.0.3", BED_IP4);
    bed_expect_up(&built);
    bed_close(NULL);
    options.addresses[0].prefix_bits = 96 + 30;
    bed_open(&options);
    bed_expect_drop(&built, source);
}

static void drops_what_is_for_others(void **state)
{
    static const char *const others[] = {"198.18.0.3", "198.18.0.255", "255.255.255.255", "224.0.0.1", "127.0.0.1"};

    for (size_t i = 0; i < TR_NELEMS(others); i++) {
        from_build(BED_PEER_IP4, others[i]);
        bed_expect_drop(&built, destination);
    }
}

static void drops_other_protocols(void **state)
{
    built.data[23] = 17;
    build_finish(&built);
    bed_expect_drop(&built, protocol);
}

static void a_block_of_addresses_is_ours(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_close(NULL);
    options.addresses[0].own_bits = 96 + 26; // 198.18.0.0 to .63
    bed_open(&options);
    from_build(BED_PEER_IP4, "198.18.0.60");
    bed_expect_drop(&built, source); // .9 is one of us
    from_build("198.18.0.64", "198.18.0.60");
    bed_expect_up(&built);
    from_build("198.18.0.64", "198.18.0.65");
    bed_expect_drop(&built, destination);
}

static void tcp_headers_must_fit(void **state)
{
    struct built good = built;

    built.data[46] = 0x40; // 16 bytes of header
    build_finish(&built);
    bed_expect_drop(&built, tcp_header);
    built = good;
    built.data[46] = 0x80; // 32 of 30
    build_finish(&built);
    bed_expect_drop(&built, tcp_header);
    built = good;
    for (built.bytes = 34; built.bytes < 54; built.bytes++) {
        build_finish(&built);
        bed_expect_drop(&built, short);
    }
    built = good;
    built.data[46] = 0x60; // "0123" as options: 0x30 of a length that leads beyond
    build_finish(&built);
    bed_expect_drop(&built, tcp_header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(takes_a_frame_written_by_hand, open_default, bed_close),
        cmocka_unit_test_setup_teardown(hands_up_what_the_segment_says, open_default, bed_close),
        cmocka_unit_test_setup_teardown(cuts_padding_off, open_default, bed_close),
        cmocka_unit_test_setup_teardown(drops_wrong_versions_and_lengths, open_default, bed_close),
        cmocka_unit_test_setup_teardown(verifies_the_header_sum_unless_the_device_has, open_default, bed_close),
        cmocka_unit_test_setup_teardown(finds_every_flipped_bit, open_default, bed_close),
        cmocka_unit_test_setup_teardown(verifies_the_segment_sum_unless_the_device_has, open_default, bed_close),
        cmocka_unit_test_setup_teardown(takes_options_but_no_source_route, open_default, bed_close),
        cmocka_unit_test_setup_teardown(drops_fragments, open_default, bed_close),
        cmocka_unit_test_setup_teardown(any_ttl_will_do, open_default, bed_close),
        cmocka_unit_test_setup_teardown(nobody_sends_from_such_an_address, open_default, bed_close),
        cmocka_unit_test_setup_teardown(a_link_of_two_has_no_broadcast, open_default, bed_close),
        cmocka_unit_test_setup_teardown(drops_what_is_for_others, open_default, bed_close),
        cmocka_unit_test_setup_teardown(drops_other_protocols, open_default, bed_close),
        cmocka_unit_test_setup_teardown(a_block_of_addresses_is_ours, open_default, bed_close),
        cmocka_unit_test_setup_teardown(tcp_headers_must_fit, open_default, bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
