// SPDX-License-Identifier: Apache-2.0
// What is said unasked when the link comes up, and to who queries for listeners.
#include "bed.h"

static struct built built;

static int open_default(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_open(&options);
    return 0;
}

static void expect_report(const struct bed_frame *sent, uint8_t kind)
{
    const uint8_t *ip = sent->data + 14;

    assert_int_equal(sent->out.bytes, 14 + 40 + 8 + 28);
    assert_memory_equal(sent->data, "\x33\x33\0\0\0\x16", 6);
    assert_int_equal(ip[6], 0); // hop-by-hop
    assert_int_equal(ip[7], 1);
    assert_memory_equal(ip + 8, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_memory_equal(ip + 24, "\xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\x16", 16);
    assert_memory_equal(ip + 40, "\x3a\0\x05\x02\0\0\x01\0", 8);
    assert_int_equal(ip[48], 143);
    assert_memory_equal(ip + 52, "\0\0\0\1", 4);
    assert_int_equal(ip[56], kind);
    assert_memory_equal(ip + 60, "\xff\x02\0\0\0\0\0\0\0\0\0\x01\xff\0\0\x02", 16);
    assert_int_equal(build_l4_sum(ip, 76), 0);
}

static void tells_both_families_twice(void **state)
{
    static const uint8_t arp[42] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 2, 0x08, 0x06,                 // Ethernet
        0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 198, 18, 0, 2, 0, 0, 0, 0, 0, 0, 198, 18, 0, 2,
    };

    tr_stack_announce(bed.stack, bed.now);
    for (int round = 0; round < 2; round++) {
        const uint8_t *ip = bed.sent[1].data + 14;

        assert_int_equal(bed.sent_count, 3);
        assert_memory_equal(bed.sent[0].data, arp, sizeof(arp));
        assert_memory_equal(bed.sent[1].data, "\x33\x33\0\0\0\1", 6);
        assert_memory_equal(ip + 24, "\xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
        assert_memory_equal(ip + 40, "\x88\0", 2);
        assert_int_equal(ip[44], 0x20); // override
        assert_int_equal(build_l4_sum(ip, 72), 0);
        expect_report(&bed.sent[2], 4);
        bed.sent_count = 0;
        assert_int_equal(tr_stack_deadline(bed.stack), round == 0 ? bed.now + 2 * TR_S : TR_NEVER);
        tr_stack_poll(bed.stack, bed.now += 2 * TR_S);
    }
    bed_sent_none();
}

static void tells_again_without_a_buffer(void **state)
{
    bed.no_buffer = true;
    tr_stack_announce(bed.stack, bed.now);
    assert_int_equal(tr_stack_deadline(bed.stack), bed.now + TR_MS);
    bed.no_buffer = false;
    tr_stack_poll(bed.stack, bed.now += TR_MS);
    assert_int_equal(bed.sent_count, 3);
}

static void is_silent_beside_the_kernel(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_close(NULL);
    options.silent = true;
    bed_open(&options);
    tr_stack_announce(bed.stack, bed.now);
    bed_sent_none();
    assert_int_equal(tr_stack_deadline(bed.stack), TR_NEVER);
}

static void reports_from_a_link_local_address_if_there_is_one(void **state)
{
    struct tr_stack_options options = bed_options();
    struct tr_error error = {{0}};

    bed_close(NULL);
    options.addresses_count = 3;
    assert_int_equal(tr_net_address_parse("fe80::2/64", &options.addresses[2], &error), 0);
    bed_open(&options);
    tr_stack_announce(bed.stack, bed.now);
    assert_int_equal(bed.sent_count, 4);
    assert_memory_equal(bed.sent[3].data + 14 + 8, &options.addresses[2].ip, 16);
    assert_memory_equal(bed.sent[3].data + 14 + 52, "\0\0\0\2", 4);
    assert_int_equal(build_l4_sum(bed.sent[3].data + 14, 96), 0);
}

static void query_build(const char *from, uint8_t hop_limit, bool alert, uint16_t delay)
{
    static const uint8_t all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};

    build_ethernet(&built, all_nodes, bed_peer_mac, -1, 0x86dd);
    build_ip6(&built, from, "ff02::1", 0, hop_limit);
    build_put(&built, alert ? "\x3a\0\x05\x02\0\0\x01\0" : "\x3a\0\x01\x04\0\0\0\0", 8);
    build_put32(&built, 130u << 24);
    build_put16(&built, delay);
    build_put(&built, (uint8_t[22]){0}, 22);
    build_finish(&built);
}

static void answers_a_query_in_time(void **state)
{
    query_build("fe80::1", 1, true, 10000);
    bed_input(&built);
    bed_sent_none();
    assert_true(tr_stack_deadline(bed.stack) <= bed.now + 10 * TR_S);
    bed.now += 10 * TR_S;
    tr_stack_poll(bed.stack, bed.now);
    assert_int_equal(bed.sent_count, 1);
    expect_report(&bed.sent[0], 2);
    assert_int_equal(tr_stack_deadline(bed.stack), TR_NEVER);
    assert_int_equal(bed_counters()->mld_reports, 1);
}

static void a_flood_of_queries_is_one_answer(void **state)
{
    query_build("fe80::1", 1, true, 0xffff);
    for (int i = 0; i < 100; i++)
        bed_input(&built);
    tr_stack_poll(bed.stack, bed.now += 9000 * TR_S);
    assert_int_equal(bed.sent_count, 1);
}

// Each may take 10 s; the first one's answer is not put off by those that follow.
static void later_queries_do_not_put_it_off(void **state)
{
    struct tr_stack_options options = bed_options();
    uint64_t first;

    bed_close(NULL);
    options.mac[4] = 0x80; // half of the time that there is
    bed_open(&options);
    first = bed.now;
    query_build("fe80::1", 1, true, 10000);
    for (int i = 0; i < 5; i++) {
        bed_input(&built);
        bed_sent_none();
        assert_int_equal(tr_stack_deadline(bed.stack) / TR_S, (first + 5 * TR_S) / TR_S);
        tr_stack_poll(bed.stack, bed.now += TR_S);
    }
    tr_stack_poll(bed.stack, bed.now += TR_S);
    assert_int_equal(bed.sent_count, 1);
}

static void believes_no_query_from_beyond_the_link(void **state)
{
    query_build("fe80::1", 2, true, 0);
    bed_expect_drop(&built, ndp);
    query_build("fe80::1", 1, false, 0);
    bed_expect_drop(&built, ndp);
    query_build(BED_PEER_IP6, 1, true, 0);
    bed_expect_drop(&built, ndp);
    query_build("fe80::1", 1, true, 0);
    built.bytes -= 5;
    build_finish(&built);
    bed_expect_drop(&built, short);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tells_both_families_twice, open_default, bed_close),
        cmocka_unit_test_setup_teardown(tells_again_without_a_buffer, open_default, bed_close),
        cmocka_unit_test_setup_teardown(is_silent_beside_the_kernel, open_default, bed_close),
        cmocka_unit_test_setup_teardown(reports_from_a_link_local_address_if_there_is_one, open_default, bed_close),
        cmocka_unit_test_setup_teardown(answers_a_query_in_time, open_default, bed_close),
        cmocka_unit_test_setup_teardown(a_flood_of_queries_is_one_answer, open_default, bed_close),
        cmocka_unit_test_setup_teardown(later_queries_do_not_put_it_off, open_default, bed_close),
        cmocka_unit_test_setup_teardown(believes_no_query_from_beyond_the_link, open_default, bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
