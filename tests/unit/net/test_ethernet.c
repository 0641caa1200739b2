// SPDX-License-Identifier: Apache-2.0
#include "bed.h"
#include "random.h"

static struct built built;

static int open_default(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_open(&options);
    bed_segment4(&built);
    return 0;
}

static void open_vlan(uint16_t vlan)
{
    struct tr_stack_options options = bed_options();

    bed_close(NULL);
    options.vlan = vlan;
    bed_open(&options);
}

static void tagged_build(int tag)
{
    build_ethernet(&built, bed_mac, bed_peer_mac, tag, 0x0800);
    build_ip4(&built, BED_PEER_IP4, BED_IP4, 6);
    build_tcp(&built, 40000, 4317, 1, 2, 0x10, "abc", 3);
    build_finish(&built);
}

static void an_untagged_port_takes_no_vlan(void **state)
{
    tagged_build(7);
    bed_expect_drop(&built, vlan);
    tagged_build(0x6000); // a priority alone
    bed_expect_up(&built);
}

static void a_tagged_port_takes_its_vlan_only(void **state)
{
    open_vlan(7);
    tagged_build(7);
    bed_expect_up(&built);
    tagged_build(0xe007); // with a priority
    bed_expect_up(&built);
    tagged_build(8);
    bed_expect_drop(&built, vlan);
    tagged_build(0);
    bed_expect_drop(&built, vlan);
    tagged_build(-1);
    bed_expect_drop(&built, vlan);
    bed_input_flags(&built, TR_FRAME_NO_VLAN);
    assert_int_equal(bed.segments, 3);
    tagged_build(7); // the device took one off, and there is another
    bed_expect_drop_(&built, TR_FRAME_NO_VLAN, &bed_counters()->drop_vlan);
}

static void drops_two_tags(void **state)
{
    tagged_build(-1);
    built.data[12] = 0x88, built.data[13] = 0xa8;
    bed_expect_drop(&built, vlan);
    tagged_build(0);
    built.data[16] = 0x81, built.data[17] = 0;
    bed_expect_drop(&built, vlan);
}

static void drops_frames_for_others(void **state)
{
    built.data[5]++;
    bed_expect_drop(&built, mac);
    memset(built.data, 0xff, 6); // TCP to everybody
    bed_expect_drop(&built, mac);
    memcpy(built.data, "\x01\x00\x5e\x00\x00\x01", 6);
    bed_expect_drop(&built, mac);
}

static void takes_groups_of_neighbour_discovery_only(void **state)
{
    static const struct {
        uint8_t mac[6];
        bool ours;
    } groups[] = {
        {{0x33, 0x33, 0, 0, 0, 1}, true},     {{0x33, 0x33, 0xff, 0, 0, 2}, true},  {{0x33, 0x33, 0xff, 0, 0, 3}, false},
        {{0x33, 0x33, 0, 0, 0, 2}, false},    {{0x33, 0x33, 0, 0, 0, 0xfb}, false}, {{0x01, 0x80, 0xc2, 0, 0, 0}, false},
        {{0x33, 0x33, 0, 0, 0, 0x16}, false},
    };
    bed_segment6(&built);
    for (size_t i = 0; i < TR_NELEMS(groups); i++) {
        memcpy(built.data, groups[i].mac, 6);
        if (groups[i].ours)
            bed_expect_drop(&built, group); // in, but TCP to us does not come this way
        else
            bed_expect_drop(&built, mac);
    }
}

static void drops_other_types(void **state)
{
    built.data[12] = 0x88, built.data[13] = 0xcc; // LLDP
    bed_expect_drop(&built, ethertype);
    built.data[12] = 0, built.data[13] = 60; // 802.3, a length
    bed_expect_drop(&built, ethertype);
}

static void drops_what_is_shorter_than_a_header(void **state)
{
    for (built.bytes = 0; built.bytes < 14; built.bytes++)
        bed_expect_drop(&built, short);
    tagged_build(0);
    for (built.bytes = 14; built.bytes < 18; built.bytes++)
        bed_expect_drop(&built, short);
}

// Wherever the first piece ends: before the headers' end it is dropped and counted, behind it nothing is different.
static void headers_lie_in_the_first_piece(void **state)
{
    struct built both[2];

    bed_segment4(&both[0]);
    bed_segment6(&both[1]);
    for (int f = 0; f < 2; f++) {
        uint32_t headers = f == 0 ? 54 : 74;

        for (uint32_t first = 0; first <= both[f].bytes; first++) {
            uint64_t split = bed_counters()->drop_split;
            uint32_t segments = bed.segments;

            memset(bed.payload, 0, 10);
            bed_input_pieces(&both[f], first, 3);
            assert_int_equal(bed.segments - segments, first >= headers);
            assert_int_equal(bed_counters()->drop_split - split, first < headers);
            if (first >= headers)
                assert_memory_equal(bed.payload, "0123456789", 10);
        }
    }
}

// A jumbo segment in pieces of any size, with its sum over all of them.
static void sums_over_pieces_of_any_size(void **state)
{
    uint8_t payload[8900];
    uint64_t seed = 1;

    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)random64(&seed);
    for (int i = 0; i < 300; i++) {
        uint32_t bytes = random_below(&seed, sizeof(payload)), bad;

        build_ethernet(&built, bed_mac, bed_peer_mac, -1, i % 2 ? 0x0800 : 0x86dd);
        if (i % 2)
            build_ip4(&built, BED_PEER_IP4, BED_IP4, 6);
        else
            build_ip6(&built, BED_PEER_IP6, BED_IP6, 6, 64);
        build_tcp(&built, 40000, 4317, 1, 2, 0x10, payload, bytes);
        build_finish(&built);
        bed_input_pieces(&built, 74 + random_below(&seed, 2000), 1 + random_below(&seed, 3000));
        assert_int_equal(bed.segments, i + 1);
        assert_int_equal(bed.segment.bytes, bytes);
        assert_memory_equal(bed.payload, payload, bytes);
        bad = built.l4 + random_below(&seed, built.bytes - built.l4);
        built.data[bad] ^= (uint8_t)(1 << random_below(&seed, 8));
        bed_input_pieces(&built, 74 + random_below(&seed, 2000), 1 + random_below(&seed, 3000));
        assert_int_equal(bed.segments, i + 1);
    }
}

static void counts_frames_and_bytes(void **state)
{
    bed_expect_up(&built);
    built.data[5]++;
    bed_expect_drop(&built, mac);
    assert_int_equal(bed_counters()->frames_in, 2);
    assert_int_equal(bed_counters()->bytes_in, 2 * built.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_untagged_port_takes_no_vlan, open_default, bed_close),
        cmocka_unit_test_setup_teardown(a_tagged_port_takes_its_vlan_only, open_default, bed_close),
        cmocka_unit_test_setup_teardown(drops_two_tags, open_default, bed_close),
        cmocka_unit_test_setup_teardown(drops_frames_for_others, open_default, bed_close),
        cmocka_unit_test_setup_teardown(takes_groups_of_neighbour_discovery_only, open_default, bed_close),
        cmocka_unit_test_setup_teardown(drops_other_types, open_default, bed_close),
        cmocka_unit_test_setup_teardown(drops_what_is_shorter_than_a_header, open_default, bed_close),
        cmocka_unit_test_setup_teardown(headers_lie_in_the_first_piece, open_default, bed_close),
        cmocka_unit_test_setup_teardown(sums_over_pieces_of_any_size, open_default, bed_close),
        cmocka_unit_test_setup_teardown(counts_frames_and_bytes, open_default, bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
