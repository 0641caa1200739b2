// SPDX-License-Identifier: Apache-2.0
// Neighbour discovery: what others ask and say.
#include <arpa/inet.h>

#include "bed.h"

static struct built built;
static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1}, ours_mac[6] = {0x33, 0x33, 0xff, 0, 0, 2};

#define SOLICITED "ff02::1:ff00:2"

static int open_default(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_open(&options);
    return 0;
}

static void target_put(const char *target)
{
    uint8_t ip[16];

    assert_int_equal(inet_pton(AF_INET6, target, ip), 1);
    build_put(&built, ip, 16);
}

static void message_build(const uint8_t mac[6], const char *from, const char *to, uint16_t type_code, uint32_t flags,
                          const char *target, bool option)
{
    build_ethernet(&built, mac, bed_peer_mac, -1, 0x86dd);
    build_ip6(&built, from, to, 58, 255);
    build_put16(&built, type_code);
    build_put16(&built, 0);
    build_put32(&built, flags);
    target_put(target);
    if (option) {
        build_put16(&built, type_code >> 8 == 135 ? 0x0101 : 0x0201);
        build_put(&built, bed_peer_mac, 6);
    }
    build_finish(&built);
}

static void solicitation_build(void)
{
    message_build(ours_mac, BED_PEER_IP6, SOLICITED, 135 << 8, 0, BED_IP6, true);
}

// The answer of RFC 4861 7.2.4.
static void expect_answer(const uint8_t mac[6], const char *to, uint8_t flags)
{
    const struct bed_frame *sent = bed_sent_one();
    const uint8_t *ip = sent->data + 14;
    struct tr_ip local = bed_ip(BED_IP6), peer = bed_ip(to);

    assert_int_equal(sent->out.bytes, 14 + 40 + 32);
    assert_memory_equal(sent->data, mac, 6);
    assert_int_equal(ip[7], 255);
    assert_memory_equal(ip + 8, &local, 16);
    assert_memory_equal(ip + 24, &peer, 16);
    assert_int_equal(ip[40], 136);
    assert_int_equal(ip[41], 0);
    assert_int_equal(ip[44], flags);
    assert_memory_equal(ip + 45, "\0\0\0", 3);
    assert_memory_equal(ip + 48, &local, 16);
    assert_memory_equal(ip + 64, "\x02\x01\x02\0\0\0\0\x02", 8);
    assert_int_equal(build_l4_sum(ip, 72), 0);
}

static void answers_a_solicitation(void **state)
{
    solicitation_build();
    bed_input(&built);
    expect_answer(bed_peer_mac, BED_PEER_IP6, 0x60);
    message_build(bed_mac, BED_PEER_IP6, BED_IP6, 135 << 8, 0, BED_IP6, false); // is it still there?
    bed_input(&built);
    expect_answer(bed_peer_mac, BED_PEER_IP6, 0x60);
    message_build(ours_mac, "fe80::1", SOLICITED, 135 << 8, 0, BED_IP6, true); // a router
    bed_input(&built);
    expect_answer(bed_peer_mac, "fe80::1", 0x60);
    assert_int_equal(bed_counters()->ndp_replies, 3);
}

static void defends_its_address(void **state)
{
    message_build(ours_mac, "::", SOLICITED, 135 << 8, 0, BED_IP6, false); // may I have it?
    bed_input(&built);
    expect_answer(all_nodes_mac, "ff02::1", 0x20);
    message_build(ours_mac, "::", SOLICITED, 135 << 8, 0, BED_IP6, true); // must not say where it is
    bed_expect_drop(&built, ndp);
    message_build(bed_mac, "::", BED_IP6, 135 << 8, 0, BED_IP6, false); // must ask the group
    bed_expect_drop(&built, ndp);
    message_build(all_nodes_mac, "ff02::1", "ff02::1", 135 << 8, 0, BED_IP6, false);
    bed_expect_drop(&built, source);
}

static void answers_for_a_block(void **state)
{
    struct tr_stack_options options = bed_options();
    static const uint8_t seven[6] = {0x33, 0x33, 0xff, 0, 0, 7}, eight[6] = {0x33, 0x33, 0xff, 0, 0, 8};

    bed_close(NULL);
    options.addresses[1].own_bits = 125;
    bed_open(&options);
    message_build(seven, BED_PEER_IP6, "ff02::1:ff00:7", 135 << 8, 0, "fd00:1::7", true);
    bed_input(&built);
    assert_int_equal(bed_sent_one()->data[14 + 48 + 15], 7);
    message_build(eight, BED_PEER_IP6, "ff02::1:ff00:8", 135 << 8, 0, "fd00:1::8", true);
    bed_expect_drop(&built, mac);
}

static void ignores_questions_for_others(void **state)
{
    message_build(ours_mac, BED_PEER_IP6, SOLICITED, 135 << 8, 0, "fd00:2::2", true); // the same group
    bed_expect_drop(&built, ndp_other);
}

static void drops_the_malformed(void **state)
{
    solicitation_build();
    built.data[14 + 7] = 254; // has passed a router
    bed_expect_drop(&built, ndp);
    message_build(ours_mac, BED_PEER_IP6, SOLICITED, 135 << 8 | 1, 0, BED_IP6, true);
    bed_expect_drop(&built, ndp);
    message_build(ours_mac, BED_PEER_IP6, SOLICITED, 135 << 8, 0, "ff02::1", true);
    bed_expect_drop(&built, ndp);
    message_build(ours_mac, BED_PEER_IP6, SOLICITED, 135 << 8, 0, "::ffff:198.18.0.2", true);
    bed_expect_drop(&built, ndp);
    solicitation_build();
    built.data[14 + 65] = 0; // an option without a length
    build_finish(&built);
    bed_expect_drop(&built, ndp);
    built.data[14 + 65] = 2; // and beyond the end
    build_finish(&built);
    bed_expect_drop(&built, ndp);
    built.data[14 + 65] = 1;
    built.data[14 + 66] |= 1; // a group as a host's address
    build_finish(&built);
    bed_expect_drop(&built, ndp);
    solicitation_build();
    built.data[70] ^= 1;
    bed_expect_drop(&built, icmp_checksum);
    for (solicitation_build(); built.bytes > 14 + 40 + 8; built.bytes--) {
        if (built.bytes == 14 + 40 + 32 || built.bytes == 14 + 40 + 24)
            continue;
        build_finish(&built);
        bed_expect_drop(&built, ndp);
    }
    solicitation_build();
    bed_input_pieces(&built, 80, 100);
    assert_int_equal(bed_counters()->drop_split, 1);
    bed_sent_none();
}

static void passes_over_other_options(void **state)
{
    message_build(ours_mac, BED_PEER_IP6, SOLICITED, 135 << 8, 0, BED_IP6, false);
    build_put(&built, "\x0e\x01nonce!", 8);
    build_put(&built, "\x01\x02 a longer one..", 16);
    build_finish(&built);
    bed_input(&built);
    expect_answer(bed_peer_mac, BED_PEER_IP6, 0x60);
}

static void counts_a_host_with_our_address(void **state)
{
    message_build(all_nodes_mac, BED_IP6, "ff02::1", 136 << 8, 0x20000000, BED_IP6, true);
    bed_expect_drop(&built, source);
    message_build(all_nodes_mac, "fe80::9", "ff02::1", 136 << 8, 0x20000000, BED_IP6, true);
    bed_input(&built);
    assert_int_equal(bed_counters()->address_conflicts, 1);
}

static void advertisements_to_all_are_not_solicited(void **state)
{
    message_build(all_nodes_mac, BED_PEER_IP6, "ff02::1", 136 << 8, 0x60000000, BED_PEER_IP6, true);
    bed_expect_drop(&built, ndp);
    message_build(bed_mac, "::", BED_IP6, 136 << 8, 0x60000000, BED_PEER_IP6, true);
    bed_expect_drop(&built, source);
}

static void answers_at_a_bounded_rate(void **state)
{
    solicitation_build();
    for (int i = 0; i < 200; i++)
        bed_input(&built);
    assert_int_equal(bed.sent_count, TR_REPLY_BURST);
    assert_int_equal(bed_counters()->drop_neighbour_limited, 200 - TR_REPLY_BURST);
}

static void is_silent_beside_the_kernel(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_close(NULL);
    options.silent = true;
    bed_open(&options);
    solicitation_build();
    bed_expect_drop(&built, silent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_a_solicitation, open_default, bed_close),
        cmocka_unit_test_setup_teardown(defends_its_address, open_default, bed_close),
        cmocka_unit_test_setup_teardown(answers_for_a_block, open_default, bed_close),
        cmocka_unit_test_setup_teardown(ignores_questions_for_others, open_default, bed_close),
        cmocka_unit_test_setup_teardown(drops_the_malformed, open_default, bed_close),
        cmocka_unit_test_setup_teardown(passes_over_other_options, open_default, bed_close),
        cmocka_unit_test_setup_teardown(counts_a_host_with_our_address, open_default, bed_close),
        cmocka_unit_test_setup_teardown(advertisements_to_all_are_not_solicited, open_default, bed_close),
        cmocka_unit_test_setup_teardown(answers_at_a_bounded_rate, open_default, bed_close),
        cmocka_unit_test_setup_teardown(is_silent_beside_the_kernel, open_default, bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
