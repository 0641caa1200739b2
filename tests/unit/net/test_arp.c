// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>

#include "bed.h"

static struct built built;

static int open_default(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_open(&options);
    return 0;
}

static void arp_build(const uint8_t to[6], uint16_t operation, const char *sender, const char *target)
{
    static const uint8_t ethernet_ip4[6] = {0, 1, 8, 0, 6, 4}, nobody[6];
    uint8_t ip[4];

    build_ethernet(&built, to, bed_peer_mac, -1, 0x0806);
    build_put(&built, ethernet_ip4, 6);
    build_put16(&built, operation);
    build_put(&built, bed_peer_mac, 6);
    assert_int_equal(inet_pton(AF_INET, sender, ip), 1);
    build_put(&built, ip, 4);
    build_put(&built, operation == 1 ? nobody : bed_mac, 6);
    assert_int_equal(inet_pton(AF_INET, target, ip), 1);
    build_put(&built, ip, 4);
    build_put(&built, (uint8_t[18]){0}, 18); // to 60 bytes
}

static void answers_a_request(void **state)
{
    static const uint8_t reply[42] = {
        2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 2, 0x08, 0x06,                                      // Ethernet
        0, 1, 8, 0, 6, 4, 0, 2,                                                              // is at
        2, 0, 0, 0, 0, 2, 198, 18, 0, 2, 2, 0, 0, 0, 0, 9, 198, 18, 0, 9,                    //
    };
    const struct bed_frame *sent;

    arp_build(bed_broadcast, 1, BED_PEER_IP4, BED_IP4);
    bed_input(&built);
    sent = bed_sent_one();
    assert_int_equal(sent->out.bytes, sizeof(reply));
    assert_int_equal(sent->out.l3_bytes, 0);
    assert_memory_equal(sent->data, reply, sizeof(reply));
    arp_build(bed_mac, 1, BED_PEER_IP4, BED_IP4); // to us alone: is it still there?
    bed_input(&built);
    assert_memory_equal(bed_sent_one()->data, reply, sizeof(reply));
    assert_int_equal(bed_counters()->arp_replies, 2);
}

static void answers_a_probe(void **state)
{
    const struct bed_frame *sent;

    arp_build(bed_broadcast, 1, "0.0.0.0", BED_IP4);
    bed_input(&built);
    sent = bed_sent_one();
    assert_memory_equal(sent->data, bed_peer_mac, 6);
    assert_memory_equal(sent->data + 14 + 24, "\0\0\0\0", 4);
}

static void tags_what_it_sends(void **state)
{
    struct tr_stack_options options = bed_options();
    const struct bed_frame *sent;

    bed_close(NULL);
    options.vlan = 0x123;
    bed_open(&options);
    arp_build(bed_broadcast, 1, BED_PEER_IP4, BED_IP4);
    bed_input_flags(&built, TR_FRAME_NO_VLAN);
    sent = bed_sent_one();
    assert_int_equal(sent->out.l2_bytes, 18);
    assert_memory_equal(sent->data + 12, "\x81\x00\x01\x23\x08\x06\0\1", 8);
}

static void answers_for_a_block(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_close(NULL);
    options.addresses[0].own_bits = 96 + 29;
    bed_open(&options);
    arp_build(bed_broadcast, 1, BED_PEER_IP4, "198.18.0.7");
    bed_input(&built);
    assert_memory_equal(bed_sent_one()->data + 14 + 14, "\xc6\x12\x00\x07", 4);
    arp_build(bed_broadcast, 1, BED_PEER_IP4, "198.18.0.8");
    bed_expect_drop(&built, arp_other);
}

static void ignores_what_concerns_others(void **state)
{
    arp_build(bed_broadcast, 1, BED_PEER_IP4, "198.18.0.1");
    bed_expect_drop(&built, arp_other);
    arp_build(bed_broadcast, 1, BED_PEER_IP4, BED_PEER_IP4); // gratuitous
    bed_expect_drop(&built, arp_other);
}

static void drops_the_malformed(void **state)
{
    static const struct {
        uint8_t at, value;
    } wrong[] = {{1, 2}, {2, 9}, {4, 8}, {5, 16}, {7, 3}, {7, 0}, {8, 3}, {14, 127}, {14, 224}, {14, 255}};

    for (size_t i = 0; i < TR_NELEMS(wrong); i++) {
        arp_build(bed_broadcast, 1, BED_PEER_IP4, BED_IP4);
        built.data[14 + wrong[i].at] = wrong[i].value;
        bed_expect_drop(&built, arp);
    }
    arp_build(bed_broadcast, 1, BED_PEER_IP4, BED_IP4);
    for (built.bytes = 14; built.bytes < 42; built.bytes++)
        bed_expect_drop(&built, short);
}

static void counts_a_host_with_our_address(void **state)
{
    arp_build(bed_broadcast, 1, BED_IP4, BED_IP4);
    bed_input(&built);
    arp_build(bed_mac, 2, BED_IP4, BED_IP4);
    bed_input(&built);
    bed_sent_none();
    assert_int_equal(bed_counters()->address_conflicts, 2);
    memcpy(built.data + 6, bed_mac, 6); // our own frame, come back from a switch
    memcpy(built.data + 14 + 8, bed_mac, 6);
    bed_expect_drop(&built, arp_other);
    assert_int_equal(bed_counters()->address_conflicts, 2);
}

static void answers_at_a_bounded_rate(void **state)
{
    arp_build(bed_broadcast, 1, BED_PEER_IP4, BED_IP4);
    for (int i = 0; i < 200; i++)
        bed_input(&built);
    assert_int_equal(bed.sent_count, TR_REPLY_BURST);
    assert_int_equal(bed_counters()->drop_neighbour_limited, 200 - TR_REPLY_BURST);
    bed.now += 3 * TR_MS;
    for (int i = 0; i < 10; i++)
        bed_input(&built);
    assert_int_equal(bed.sent_count, TR_REPLY_BURST + 3);
}

static void is_silent_beside_the_kernel(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_close(NULL);
    options.silent = true;
    bed_open(&options);
    arp_build(bed_broadcast, 1, BED_PEER_IP4, BED_IP4);
    bed_expect_drop(&built, silent);
}

static void answers_nothing_without_a_buffer(void **state)
{
    bed.no_buffer = true;
    arp_build(bed_broadcast, 1, BED_PEER_IP4, BED_IP4);
    bed_expect_drop(&built, no_buffer);
    assert_int_equal(bed_counters()->arp_replies, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_a_request, open_default, bed_close),
        cmocka_unit_test_setup_teardown(answers_a_probe, open_default, bed_close),
        cmocka_unit_test_setup_teardown(tags_what_it_sends, open_default, bed_close),
        cmocka_unit_test_setup_teardown(answers_for_a_block, open_default, bed_close),
        cmocka_unit_test_setup_teardown(ignores_what_concerns_others, open_default, bed_close),
        cmocka_unit_test_setup_teardown(drops_the_malformed, open_default, bed_close),
        cmocka_unit_test_setup_teardown(counts_a_host_with_our_address, open_default, bed_close),
        cmocka_unit_test_setup_teardown(answers_at_a_bounded_rate, open_default, bed_close),
        cmocka_unit_test_setup_teardown(is_silent_beside_the_kernel, open_default, bed_close),
        cmocka_unit_test_setup_teardown(answers_nothing_without_a_buffer, open_default, bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
