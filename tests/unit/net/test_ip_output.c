// SPDX-License-Identifier: Apache-2.0
#include "bed.h"
#include "net/checksum.h"
#include "random.h"

static int open_default(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_open(&options);
    return 0;
}

static void reopen(uint16_t vlan, bool ip_checksum, bool tcp_checksum)
{
    struct tr_stack_options options = bed_options();

    bed_close(NULL);
    options.vlan = vlan;
    options.tx_ip_checksum = ip_checksum;
    options.tx_tcp_checksum = tcp_checksum;
    bed_open(&options);
}

static const uint8_t tcp_header[24] = {0x10, 0xdd, 0x9c, 0x40, 1, 2, 3, 4, 5, 6, 7, 8, 0x60, 0x18, 1, 0, 0xba, 0xad, 0, 0, 1, 1, 1, 1};

static const struct bed_frame *segment_send(bool ipv6, const uint8_t *payload, uint32_t bytes)
{
    struct tr_ip local = bed_ip(ipv6 ? BED_IP6 : BED_IP4), peer = bed_ip(ipv6 ? BED_PEER_IP6 : BED_PEER_IP4);
    struct tr_frame_out frame = {0};
    struct tr_path path;
    uint64_t sum;
    uint8_t *to;

    tr_path_init(bed.stack, &path, &local, &peer, bed_broadcast);
    tr_path_mac_set(&path, bed_peer_mac);
    to = tr_path_begin(bed.stack, &path, &frame);
    assert_non_null(to);
    memcpy(to, tcp_header, sizeof(tcp_header));
    sum = tr_sum_copy(0, to + sizeof(tcp_header), payload, bytes);
    tr_path_send(bed.stack, &path, &frame, sizeof(tcp_header), sizeof(tcp_header) + bytes, sum);
    return bed_sent_one();
}

static void sends_a_whole_frame(void **state)
{
    static const uint8_t expected[] = {
        2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 2, 0x08, 0x00,                                // Ethernet
        0x45, 0, 0, 47, 0, 0, 0x40, 0, 64, 6, 0xae, 0x99, 198, 18, 0, 2, 198, 18, 0, 9, // IPv4
    };
    const struct bed_frame *sent = segment_send(false, (const uint8_t *)"abc", 3);

    assert_memory_equal(sent->data, expected, sizeof(expected));
    assert_memory_equal(sent->data + 34, tcp_header, 16);
    assert_memory_equal(sent->data + 52, tcp_header + 18, 6);
    assert_memory_equal(sent->data + 58, "abc", 3);
    assert_int_equal(build_l4_sum(sent->data + 14, 47), 0);
    assert_int_equal(sent->out.bytes, 61);
    assert_int_equal(sent->out.l2_bytes, 14);
    assert_int_equal(sent->out.l3_bytes, 20);
    assert_false(sent->out.ipv6);
    assert_true(sent->out.tcp);
    assert_int_equal(bed_counters()->frames_out, 1);
    assert_int_equal(bed_counters()->bytes_out, 61);
}

static void sends_ipv6_with_a_tag(void **state)
{
    struct tr_ip local = bed_ip(BED_IP6), peer = bed_ip(BED_PEER_IP6);
    const struct bed_frame *sent;

    reopen(0x234, false, false);
    sent = segment_send(true, (const uint8_t *)"abc", 3);
    assert_memory_equal(sent->data + 12, "\x81\x00\x02\x34\x86\xdd\x60\0\0\0\0\x1b\x06\x40", 14);
    assert_memory_equal(sent->data + 18 + 8, &local, 16);
    assert_memory_equal(sent->data + 18 + 24, &peer, 16);
    assert_int_equal(build_l4_sum(sent->data + 18, 40 + 27), 0);
    assert_int_equal(sent->out.l2_bytes, 18);
    assert_int_equal(sent->out.l3_bytes, 40);
    assert_true(sent->out.ipv6);
    assert_int_equal(sent->out.bytes, 18 + 40 + 27);
}

// What leaves comes in again at another host, with good sums, whatever is in it.
static void sums_are_good_for_any_payload(void **state)
{
    uint8_t payload[1400];
    uint64_t seed = 7;

    for (int i = 0; i < 2000; i++) {
        uint32_t bytes = random_below(&seed, sizeof(payload) + 1);
        const struct bed_frame *sent;

        for (uint32_t at = 0; at < bytes; at++)
            payload[at] = i % 5 == 0 ? 0xff : (uint8_t)random64(&seed);
        sent = segment_send(i % 2, payload, bytes);
        assert_int_equal(build_l4_sum(sent->data + 14, sent->out.bytes - 14), 0);
        if (i % 2 == 0)
            assert_int_equal(build_naive_sum(0, sent->data + 14, 20), 0);
    }
}

// The device goes on from the sum of the pseudo-header, lengths included, not inverted: as the DPDK guide has it
// (rte_ipv4_phdr_cksum(), rte_ipv6_phdr_cksum() without segmentation).
static void leaves_sums_to_the_device(void **state)
{
    const struct bed_frame *sent;
    uint8_t pseudo[40] = {198, 18, 0, 2, 198, 18, 0, 9, 0, 6, 0, 27};

    reopen(0, true, true);
    sent = segment_send(false, (const uint8_t *)"abc", 3);
    assert_memory_equal(sent->data + 24, "\0\0", 2);
    assert_int_equal(tr_be16_get(sent->data + 34 + 16), (uint16_t)~build_naive_sum(0, pseudo, 12));
    sent = segment_send(true, (const uint8_t *)"abc", 3);
    memcpy(pseudo, sent->data + 14 + 8, 32);
    memcpy(pseudo + 32, "\0\0\0\x1b\0\0\0\x06", 8);
    assert_int_equal(tr_be16_get(sent->data + 54 + 16), (uint16_t)~build_naive_sum(0, pseudo, 40));
    reopen(0, true, false);
    sent = segment_send(false, (const uint8_t *)"abc", 3);
    assert_memory_equal(sent->data + 24, "\0\0", 2);
    assert_int_equal(build_l4_sum(sent->data + 14, 47), 0);
}

static void begins_nothing_without_a_buffer(void **state)
{
    struct tr_ip local = bed_ip(BED_IP4), peer = bed_ip(BED_PEER_IP4);
    struct tr_frame_out frame = {0};
    struct tr_path path;

    bed.no_buffer = true;
    tr_path_init(bed.stack, &path, &local, &peer, bed_peer_mac);
    assert_null(tr_path_begin(bed.stack, &path, &frame));
    assert_int_equal(bed_counters()->frames_out, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sends_a_whole_frame, open_default, bed_close),
        cmocka_unit_test_setup_teardown(sends_ipv6_with_a_tag, open_default, bed_close),
        cmocka_unit_test_setup_teardown(sums_are_good_for_any_payload, open_default, bed_close),
        cmocka_unit_test_setup_teardown(leaves_sums_to_the_device, open_default, bed_close),
        cmocka_unit_test_setup_teardown(begins_nothing_without_a_buffer, open_default, bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
