// SPDX-License-Identifier: Apache-2.0
// Next hops: which one, asking for it, keeping it.
#include <arpa/inet.h>

#include "bed.h"

static struct built built;
static const uint8_t hop_mac[6] = {2, 0, 0, 0, 0, 0x11}, other_mac[6] = {2, 0, 0, 0, 0, 0x22};
static uint8_t mac[6];

static int open_default(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_open(&options);
    return 0;
}

static enum tr_neighbour_state find(const char *to)
{
    struct tr_ip ip = bed_ip(to), local = bed_ip(tr_ip_is_v4(&ip) ? BED_IP4 : BED_IP6);

    memset(mac, 0, 6);
    tr_stack_check(bed.stack);
    return tr_neighbour_find(bed.stack, &local, &ip, mac);
}

static void arp_input(const uint8_t to[6], uint16_t operation, const char *sender, const uint8_t sender_mac[6], const char *target)
{
    uint8_t ip[4];

    build_ethernet(&built, to, sender_mac, -1, 0x0806);
    build_put(&built, "\0\1\x08\0\6\4", 6);
    build_put16(&built, operation);
    build_put(&built, sender_mac, 6);
    inet_pton(AF_INET, sender, ip);
    build_put(&built, ip, 4);
    build_put(&built, bed_mac, 6);
    inet_pton(AF_INET, target, ip);
    build_put(&built, ip, 4);
    bed_input(&built);
}

static void arp_reply(const char *sender, const uint8_t sender_mac[6])
{
    arp_input(bed_mac, 2, sender, sender_mac, BED_IP4);
}

static void advertise(const char *target, const uint8_t target_mac[6], uint32_t flags)
{
    static const uint8_t all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};
    uint8_t ip[16];

    build_ethernet(&built, flags & 0x40000000 ? bed_mac : all_nodes, target_mac, -1, 0x86dd);
    build_ip6(&built, target, flags & 0x40000000 ? BED_IP6 : "ff02::1", 58, 255);
    build_put32(&built, 136u << 24);
    build_put32(&built, flags);
    inet_pton(AF_INET6, target, ip);
    build_put(&built, ip, 16);
    build_put16(&built, 0x0201);
    build_put(&built, target_mac, 6);
    build_finish(&built);
    bed_input(&built);
}

// Whom it asks for, by the last byte of the address in its question.
static int asked_arp(const uint8_t to[6])
{
    const struct bed_frame *sent = bed_sent_one();

    assert_memory_equal(sent->data, to, 6);
    assert_memory_equal(sent->data + 12, "\x08\x06\0\1\x08\0\6\4\0\1", 10);
    assert_memory_equal(sent->data + 22, "\x02\0\0\0\0\x02\xc6\x12\0\x02\0\0\0\0\0\0", 16);
    return sent->data[41];
}

static int asked_ndp(bool everybody)
{
    const struct bed_frame *sent = bed_sent_one();
    const uint8_t *ip = sent->data + 14;
    struct tr_ip local = bed_ip(BED_IP6);

    if (everybody) {
        assert_memory_equal(sent->data, "\x33\x33\xff", 3);
        assert_memory_equal(ip + 24, "\xff\x02\0\0\0\0\0\0\0\0\0\x01\xff", 13);
        assert_memory_equal(sent->data + 3, ip + 37, 3);
        assert_memory_equal(ip + 37, ip + 61, 3);
    } else {
        assert_memory_equal(ip + 24, ip + 48, 16);
    }
    assert_int_equal(ip[7], 255);
    assert_memory_equal(ip + 8, &local, 16);
    assert_int_equal(ip[40], 135);
    assert_memory_equal(ip + 64, "\x01\x01\x02\0\0\0\0\x02", 8);
    assert_int_equal(build_l4_sum(ip, 72), 0);
    return ip[63];
}

static void asks_the_host_itself_or_the_gateway(void **state)
{
    assert_int_equal(find("198.18.0.77"), TR_NEIGHBOUR_ASKED);
    assert_int_equal(asked_arp(bed_broadcast), 77);
    assert_int_equal(find("203.0.113.5"), TR_NEIGHBOUR_ASKED);
    assert_int_equal(asked_arp(bed_broadcast), 1);
    assert_int_equal(find("203.0.113.6"), TR_NEIGHBOUR_ASKED); // the same gateway
    bed_sent_none();
    assert_int_equal(find("fd00:1::77"), TR_NEIGHBOUR_ASKED);
    assert_int_equal(asked_ndp(true), 0x77);
    assert_int_equal(find("2001:db8::5"), TR_NEIGHBOUR_ASKED);
    assert_int_equal(asked_ndp(true), 1);
}

static void link_local_is_on_the_link(void **state)
{
    assert_int_equal(find("fe80::5"), TR_NEIGHBOUR_ASKED);
    assert_int_equal(asked_ndp(true), 5);
}

static void without_a_gateway_there_is_no_way(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_close(NULL);
    options.gateways_count = 1;
    bed_open(&options);
    assert_int_equal(find("2001:db8::5"), TR_NEIGHBOUR_UNREACHABLE);
    assert_int_equal(find("203.0.113.5"), TR_NEIGHBOUR_ASKED);
    bed_close(NULL);
    options.gateways[0] = bed_ip("fd00:1::1");
    options.addresses[1].prefix_bits = 0; // all of IPv6 is on the link, and nothing of IPv4
    bed_open(&options);
    assert_int_equal(find("203.0.113.5"), TR_NEIGHBOUR_UNREACHABLE);
    bed_sent_none();
    assert_int_equal(find("2001:db8::5"), TR_NEIGHBOUR_ASKED);
    assert_int_equal(asked_ndp(true), 5);
}

static void an_answer_is_kept_and_told(void **state)
{
    struct tr_ip gateway = bed_ip("198.18.0.1"), gateway6 = bed_ip("fd00:1::1");

    find("203.0.113.5");
    arp_reply("198.18.0.1", hop_mac);
    assert_int_equal(bed.neighbours, 1);
    assert_memory_equal(&bed.neighbour, &gateway, 16);
    assert_int_equal(find("203.0.113.6"), TR_NEIGHBOUR_KNOWN);
    assert_memory_equal(mac, hop_mac, 6);
    find("2001:db8::5");
    advertise("fd00:1::1", other_mac, 0x60000000);
    assert_int_equal(bed.neighbours, 2);
    assert_memory_equal(&bed.neighbour, &gateway6, 16);
    assert_int_equal(find("2001:db8::6"), TR_NEIGHBOUR_KNOWN);
    assert_memory_equal(mac, other_mac, 6);
    assert_int_equal(bed.sent_count, 2);
    assert_int_equal(tr_stack_deadline(bed.stack), TR_NEVER);
}

static void asks_three_times_and_gives_up_for_a_while(void **state)
{
    find("198.18.0.77");
    asked_arp(bed_broadcast);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tr_stack_deadline(bed.stack), bed.now + TR_S);
        bed.now += TR_S - 1;
        tr_stack_poll(bed.stack, bed.now);
        bed_sent_none();
        bed.now++;
        tr_stack_poll(bed.stack, bed.now);
        assert_int_equal(asked_arp(bed_broadcast), 77);
        assert_int_equal(find("198.18.0.77"), TR_NEIGHBOUR_ASKED);
    }
    bed.now += TR_S;
    tr_stack_poll(bed.stack, bed.now);
    bed_sent_none();
    assert_int_equal(tr_stack_deadline(bed.stack), TR_NEVER);
    assert_int_equal(bed_counters()->neighbour_requests, 3);
    assert_int_equal(bed_counters()->neighbour_unreachable, 1);
    assert_int_equal(find("198.18.0.77"), TR_NEIGHBOUR_UNREACHABLE);
    bed_sent_none();
    bed.now += 5 * TR_S;
    tr_stack_poll(bed.stack, bed.now);
    assert_int_equal(find("198.18.0.77"), TR_NEIGHBOUR_ASKED);
    assert_int_equal(asked_arp(bed_broadcast), 77);
}

static void a_late_answer_is_welcome(void **state)
{
    find("198.18.0.77");
    for (int i = 0; i < 4; i++)
        tr_stack_poll(bed.stack, bed.now += TR_S);
    assert_int_equal(find("198.18.0.77"), TR_NEIGHBOUR_UNREACHABLE);
    arp_reply("198.18.0.77", hop_mac);
    assert_int_equal(bed.neighbours, 1);
    assert_int_equal(find("198.18.0.77"), TR_NEIGHBOUR_KNOWN);
}

static void what_is_old_is_checked_while_it_is_used(void **state)
{
    find("198.18.0.77");
    arp_reply("198.18.0.77", hop_mac);
    bed.sent_count = 0;
    bed.now += 30 * TR_S - 1;
    tr_stack_poll(bed.stack, bed.now);
    assert_int_equal(find("198.18.0.77"), TR_NEIGHBOUR_KNOWN);
    bed_sent_none();
    tr_stack_poll(bed.stack, ++bed.now);
    bed_sent_none(); // not before it is used
    assert_int_equal(find("198.18.0.77"), TR_NEIGHBOUR_KNOWN);
    assert_int_equal(asked_arp(hop_mac), 77); // it alone
    arp_reply("198.18.0.77", hop_mac);
    assert_int_equal(tr_stack_deadline(bed.stack), TR_NEVER);
    bed.now += 30 * TR_S;
    tr_stack_poll(bed.stack, bed.now);
    for (int i = 0; i < 3; i++) { // no answer: three times it alone, then everybody
        assert_int_equal(find("198.18.0.77"), TR_NEIGHBOUR_KNOWN);
        asked_arp(hop_mac);
        tr_stack_poll(bed.stack, bed.now += TR_S);
    }
    asked_arp(bed_broadcast);
    assert_int_equal(find("198.18.0.77"), TR_NEIGHBOUR_ASKED);
    assert_int_equal(bed.neighbours, 1);
}

static void a_host_that_moves_is_followed(void **state)
{
    find("198.18.0.77");
    arp_reply("198.18.0.77", hop_mac);
    bed.sent_count = 0;
    arp_input(bed_broadcast, 1, "198.18.0.77", other_mac, "198.18.0.77"); // gratuitous: a failover
    assert_int_equal(find("198.18.0.77"), TR_NEIGHBOUR_KNOWN);
    assert_memory_equal(mac, other_mac, 6);
    assert_int_equal(asked_arp(other_mac), 77); // is it true?
}

// A host that asks for us tells where it is (RFC 826, RFC 4861 7.2.3), and is checked as it did not answer us.
static void who_asks_us_tells_where_it_is(void **state)
{
    static const uint8_t group[6] = {0x33, 0x33, 0xff, 0, 0, 2};
    uint8_t target[16];

    find("198.18.0.77");
    arp_input(bed_broadcast, 1, "198.18.0.77", hop_mac, BED_IP4);
    assert_int_equal(bed.neighbours, 1);
    bed.sent_count = 0;
    assert_int_equal(find("198.18.0.77"), TR_NEIGHBOUR_KNOWN);
    assert_memory_equal(mac, hop_mac, 6);
    assert_int_equal(asked_arp(hop_mac), 77);
    find("fd00:1::77");
    bed.sent_count = 0;
    build_ethernet(&built, group, hop_mac, -1, 0x86dd);
    build_ip6(&built, "fd00:1::77", "ff02::1:ff00:2", 58, 255);
    build_put32(&built, 135u << 24);
    build_put32(&built, 0);
    inet_pton(AF_INET6, BED_IP6, target);
    build_put(&built, target, 16);
    build_put16(&built, 0x0101);
    build_put(&built, hop_mac, 6);
    build_finish(&built);
    bed_input(&built);
    assert_int_equal(bed.neighbours, 2);
    bed.sent_count = 0;
    assert_int_equal(find("fd00:1::77"), TR_NEIGHBOUR_KNOWN);
    assert_int_equal(asked_ndp(false), 0x77);
}

// RFC 4861 7.2.5: what the override flag does.
static void advertisements_override_or_not(void **state)
{
    find("fd00:1::77");
    advertise("fd00:1::77", hop_mac, 0x60000000);
    bed.sent_count = 0;
    advertise("fd00:1::77", other_mac, 0x40000000); // another, which does not override
    assert_int_equal(find("fd00:1::77"), TR_NEIGHBOUR_KNOWN);
    assert_memory_equal(mac, hop_mac, 6);
    assert_int_equal(asked_ndp(false), 0x77); // checked
    advertise("fd00:1::77", hop_mac, 0x40000000);
    find("fd00:1::77");
    bed_sent_none();
    advertise("fd00:1::77", other_mac, 0x20000000); // unsolicited, overrides: taken, and checked
    assert_int_equal(find("fd00:1::77"), TR_NEIGHBOUR_KNOWN);
    assert_memory_equal(mac, other_mac, 6);
    assert_memory_equal(bed.sent[0].data, other_mac, 6);
    assert_int_equal(asked_ndp(false), 0x77);
}

static void nobody_else_adds_an_entry(void **state)
{
    char text[32];

    find("198.18.0.77");
    bed.sent_count = 0;
    for (int i = 100; i < 200; i++) {
        snprintf(text, sizeof(text), "198.18.0.%d", i);
        arp_reply(text, hop_mac);
        snprintf(text, sizeof(text), "fd00:1::%d", i);
        advertise(text, hop_mac, 0x60000000);
    }
    assert_int_equal(bed.neighbours, 0);
    assert_int_equal(find("198.18.0.77"), TR_NEIGHBOUR_ASKED); // still there
    bed_sent_none();
    assert_int_equal(find("198.18.0.100"), TR_NEIGHBOUR_ASKED); // was not learnt
    assert_int_equal(asked_arp(bed_broadcast), 100);
}

static void the_one_not_used_longest_makes_room(void **state)
{
    char text[32];

    for (int i = 1; i <= 4; i++) {
        snprintf(text, sizeof(text), "198.18.0.%d", 10 + i);
        find(text);
        arp_reply(text, hop_mac);
    }
    assert_int_equal(find("198.18.0.11"), TR_NEIGHBOUR_KNOWN);
    assert_int_equal(find("198.18.0.15"), TR_NEIGHBOUR_ASKED); // in place of .12
    assert_int_equal(bed_counters()->neighbour_evicted, 1);
    assert_int_equal(find("198.18.0.11"), TR_NEIGHBOUR_KNOWN);
    assert_int_equal(find("198.18.0.13"), TR_NEIGHBOUR_KNOWN);
    assert_int_equal(find("198.18.0.14"), TR_NEIGHBOUR_KNOWN);
    assert_int_equal(find("198.18.0.12"), TR_NEIGHBOUR_ASKED);
    assert_int_equal(bed_counters()->neighbour_evicted, 2);
    for (int i = 0; i < 1000; i++) { // many that are asked for at once
        snprintf(text, sizeof(text), "198.18.0.%d", 20 + i % 200);
        assert_int_equal(find(text), TR_NEIGHBOUR_ASKED);
        bed.sent_count = 0;
        bed.now += 7 * TR_MS;
        tr_stack_poll(bed.stack, bed.now);
    }
}

static void without_a_buffer_it_tries_again_in_a_millisecond(void **state)
{
    find("198.18.0.77");
    asked_arp(bed_broadcast);
    bed.now += TR_S / 2;
    tr_stack_poll(bed.stack, bed.now);
    bed.no_buffer = true;
    assert_int_equal(find("198.18.0.78"), TR_NEIGHBOUR_ASKED);
    assert_int_equal(tr_stack_deadline(bed.stack), bed.now + TR_MS);
    tr_stack_poll(bed.stack, bed.now += TR_MS);
    assert_int_equal(tr_stack_deadline(bed.stack), bed.now + TR_MS);
    bed.no_buffer = false;
    tr_stack_poll(bed.stack, bed.now += TR_MS);
    assert_int_equal(asked_arp(bed_broadcast), 78);
    assert_int_equal(bed_counters()->neighbour_requests, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(asks_the_host_itself_or_the_gateway, open_default, bed_close),
        cmocka_unit_test_setup_teardown(link_local_is_on_the_link, open_default, bed_close),
        cmocka_unit_test_setup_teardown(without_a_gateway_there_is_no_way, open_default, bed_close),
        cmocka_unit_test_setup_teardown(an_answer_is_kept_and_told, open_default, bed_close),
        cmocka_unit_test_setup_teardown(asks_three_times_and_gives_up_for_a_while, open_default, bed_close),
        cmocka_unit_test_setup_teardown(a_late_answer_is_welcome, open_default, bed_close),
        cmocka_unit_test_setup_teardown(what_is_old_is_checked_while_it_is_used, open_default, bed_close),
        cmocka_unit_test_setup_teardown(a_host_that_moves_is_followed, open_default, bed_close),
        cmocka_unit_test_setup_teardown(who_asks_us_tells_where_it_is, open_default, bed_close),
        cmocka_unit_test_setup_teardown(advertisements_override_or_not, open_default, bed_close),
        cmocka_unit_test_setup_teardown(nobody_else_adds_an_entry, open_default, bed_close),
        cmocka_unit_test_setup_teardown(the_one_not_used_longest_makes_room, open_default, bed_close),
        cmocka_unit_test_setup_teardown(without_a_buffer_it_tries_again_in_a_millisecond, open_default, bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
