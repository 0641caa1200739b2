// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"
#include "bed.h"

static struct built built;
static uint32_t hash;

static enum tr_flow_kind flow(void)
{
    return tr_flow_of(built.data, built.bytes, &hash);
}

static void tcp_build(int vlan, bool ipv6, const char *from, uint16_t from_port, const char *to, uint16_t to_port)
{
    build_ethernet(&built, bed_mac, bed_peer_mac, vlan, ipv6 ? 0x86dd : 0x0800);
    if (ipv6)
        build_ip6(&built, from, to, 6, 64);
    else
        build_ip4(&built, from, to, 6);
    build_tcp(&built, from_port, to_port, 1, 2, 0x10, NULL, 0);
    build_finish(&built);
}

static void both_directions_are_one(void **state)
{
    for (int i = 0; i < 4; i++) {
        const char *a = i & 1 ? BED_IP6 : BED_IP4, *b = i & 1 ? BED_PEER_IP6 : BED_PEER_IP4;
        uint32_t there;

        tcp_build(i & 2 ? 5 : -1, i & 1, a, 4317, b, 40000);
        assert_int_equal(flow(), TR_FLOW_TCP);
        there = hash;
        tcp_build(i & 2 ? 5 : -1, i & 1, b, 40000, a, 4317);
        assert_int_equal(flow(), TR_FLOW_TCP);
        assert_int_equal(hash, there);
        tcp_build(i & 2 ? 5 : -1, i & 1, b, 4317, a, 40000); // ports exchanged: another connection
        flow();
        assert_int_not_equal(hash, there);
    }
}

static void connections_are_spread(void **state)
{
    uint32_t lcores[4] = {0};

    for (uint16_t port = 0; port < 4000; port++) {
        tcp_build(-1, false, BED_PEER_IP4, 32768 + port, BED_IP4, 4317);
        flow();
        lcores[tr_hash_range((uint64_t)hash << 32, 4)]++;
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(lcores[i], 850, 1150);
}

static void sees_through_headers_in_between(void **state)
{
    uint32_t plain;

    tcp_build(-1, true, BED_PEER_IP6, 40000, BED_IP6, 4317);
    flow();
    plain = hash;
    build_ethernet(&built, bed_mac, bed_peer_mac, -1, 0x86dd);
    build_ip6(&built, BED_PEER_IP6, BED_IP6, 60, 64);
    build_put(&built, "\x2c\0\1\4\0\0\0\0", 8);
    build_put(&built, "\x06\0\0\0\1\2\3\4", 8); // an atomic fragment
    build_tcp(&built, 40000, 4317, 1, 2, 0x10, NULL, 0);
    assert_int_equal(flow(), TR_FLOW_TCP);
    assert_int_equal(hash, plain);
}

static void message(bool ipv6, uint8_t type)
{
    build_ethernet(&built, bed_mac, bed_peer_mac, -1, ipv6 ? 0x86dd : 0x0800);
    if (ipv6)
        build_ip6(&built, BED_PEER_IP6, BED_IP6, 58, 255);
    else
        build_ip4(&built, BED_PEER_IP4, BED_IP4, 1);
    build_put32(&built, (uint32_t)type << 24);
    build_put32(&built, 0);
}

static void what_is_for_all_and_what_for_the_first(void **state)
{
    static const struct {
        bool ipv6;
        uint8_t type;
        enum tr_flow_kind kind;
    } messages[] = {
        {false, 3, TR_FLOW_ALL}, {false, 11, TR_FLOW_ALL}, {false, 12, TR_FLOW_ALL}, {false, 8, TR_FLOW_FIRST}, {false, 5, TR_FLOW_FIRST},
        {true, 1, TR_FLOW_ALL},  {true, 2, TR_FLOW_ALL},   {true, 136, TR_FLOW_ALL}, {true, 128, TR_FLOW_FIRST},
        {true, 135, TR_FLOW_FIRST}, {true, 130, TR_FLOW_FIRST},
    };

    for (size_t i = 0; i < TR_NELEMS(messages); i++) {
        message(messages[i].ipv6, messages[i].type);
        assert_int_equal(flow(), messages[i].kind);
    }
    for (uint16_t operation = 1; operation <= 2; operation++) {
        build_ethernet(&built, bed_broadcast, bed_peer_mac, operation == 1 ? -1 : 3, 0x0806);
        build_put(&built, "\0\1\x08\0\6\4", 6);
        build_put16(&built, operation);
        build_put(&built, (uint8_t[20]){0}, 20);
        assert_int_equal(flow(), operation == 1 ? TR_FLOW_FIRST : TR_FLOW_ALL);
    }
}

static void fragments_and_the_rest_go_to_the_first(void **state)
{
    tcp_build(-1, false, BED_PEER_IP4, 40000, BED_IP4, 4317);
    built.data[20] = 0x20;
    assert_int_equal(flow(), TR_FLOW_FIRST);
    built.data[20] = 0x40, built.data[23] = 17;
    assert_int_equal(flow(), TR_FLOW_FIRST);
    built.data[12] = 0x88;
    assert_int_equal(flow(), TR_FLOW_FIRST);
}

// Cut anywhere, in memory of its own size: never a read beyond.
static void reads_no_further_than_the_frame(void **state)
{
    for (int i = 0; i < 2; i++) {
        tcp_build(-1, i, i ? BED_PEER_IP6 : BED_PEER_IP4, 40000, i ? BED_IP6 : BED_IP4, 4317);
        for (uint32_t n = 0; n <= built.bytes; n++) {
            uint8_t *cut = malloc(n);

            memcpy(cut, built.data, n);
            assert_int_equal(tr_flow_of(cut, n, &hash), n >= built.l4 + 4 ? TR_FLOW_TCP : TR_FLOW_FIRST);
            free(cut);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_directions_are_one),
        cmocka_unit_test(connections_are_spread),
        cmocka_unit_test(sees_through_headers_in_between),
        cmocka_unit_test(what_is_for_all_and_what_for_the_first),
        cmocka_unit_test(fragments_and_the_rest_go_to_the_first),
        cmocka_unit_test(reads_no_further_than_the_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
