// SPDX-License-Identifier: Apache-2.0
// Echo and errors, of both families.
#include "bed.h"

static struct built built;

static int open_default(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_open(&options);
    return 0;
}

static void icmp4_begin(uint8_t type, uint8_t code, uint32_t rest)
{
    build_ethernet(&built, bed_mac, bed_peer_mac, -1, 0x0800);
    build_ip4(&built, "203.0.113.7", BED_IP4, 1);
    build_put16(&built, (uint16_t)(type << 8 | code));
    build_put16(&built, 0);
    build_put32(&built, rest);
}

static void icmp6_begin(uint8_t type, uint8_t code, uint32_t rest)
{
    build_ethernet(&built, bed_mac, bed_peer_mac, -1, 0x86dd);
    build_ip6(&built, "2001:db8::7", BED_IP6, 58, 64);
    build_put16(&built, (uint16_t)(type << 8 | code));
    build_put16(&built, 0);
    build_put32(&built, rest);
}

static void echo_build(bool ipv6, uint32_t bytes)
{
    static const uint8_t pattern[9000] = "abcdefghi";

    if (ipv6)
        icmp6_begin(128, 0, 0x12340007);
    else
        icmp4_begin(8, 0, 0x12340007);
    build_put(&built, pattern, bytes);
    build_finish(&built);
}

// The reply is the request with the ends exchanged, a type of its own and good sums.
static void expect_reply(bool ipv6, uint32_t data_bytes)
{
    const struct bed_frame *sent = bed_sent_one();
    const uint8_t *ip = sent->data + 14;
    uint32_t header = ipv6 ? 40 : 20, address = ipv6 ? 16 : 4, from = ipv6 ? 8 : 12;

    assert_int_equal(sent->out.bytes, 14 + header + 8 + data_bytes);
    assert_false(sent->out.tcp);
    assert_memory_equal(sent->data, bed_peer_mac, 6);
    assert_memory_equal(sent->data + 6, bed_mac, 6);
    assert_memory_equal(ip + from, built.data + 14 + from + address, address);
    assert_memory_equal(ip + from + address, built.data + 14 + from, address);
    assert_int_equal(ip[header], ipv6 ? 129 : 0);
    assert_memory_equal(ip + header + 4, built.data + 14 + header + 4, 4 + data_bytes);
    assert_int_equal(build_l4_sum(ip, header + 8 + data_bytes), 0);
    if (!ipv6) {
        assert_int_equal(build_naive_sum(0, ip, 20), 0);
        assert_int_equal(ip[8], 64);
        assert_int_equal(ip[6], 0x40); // DF
        assert_int_equal(tr_be16_get(ip + 2), 28 + data_bytes);
    } else {
        assert_int_equal(ip[7], 64);
        assert_int_equal(tr_be16_get(ip + 4), 8 + data_bytes);
    }
}

static void answers_echo(void **state)
{
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        static const uint32_t sizes[] = {0, 1, 56, 57, 1452};

        for (size_t i = 0; i < TR_NELEMS(sizes); i++) {
            echo_build(ipv6, sizes[i]);
            bed_input(&built);
            expect_reply(ipv6, sizes[i]);
            bed_input_pieces(&built, 14 + (ipv6 ? 48 : 28), 33);
            expect_reply(ipv6, sizes[i]);
        }
    }
    assert_int_equal(bed_counters()->echo_replies, 20);
}

static void answers_no_echo_longer_than_the_mtu(void **state)
{
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        uint32_t most = 1500 - 8 - (ipv6 ? 40 : 20);

        echo_build(ipv6, most);
        bed_input(&built);
        expect_reply(ipv6, most);
        echo_build(ipv6, most + 1);
        bed_expect_drop(&built, echo_limited);
        echo_build(ipv6, 9000);
        bed_expect_drop(&built, echo_limited);
    }
}

static void answers_echo_at_a_bounded_rate(void **state)
{
    echo_build(false, 10);
    for (uint32_t i = 0; i < 200; i++)
        bed_input(&built);
    assert_int_equal(bed.sent_count, TR_REPLY_BURST);
    assert_int_equal(bed_counters()->drop_echo_limited, 200 - TR_REPLY_BURST);
    bed.sent_count = 0;
    for (int ms = 0; ms < 1000; ms++) { // 10 a millisecond for a second
        bed.now += TR_MS;
        for (int i = 0; i < 10; i++)
            bed_input(&built);
        assert_int_equal(bed.sent_count, 1);
        bed.sent_count = 0;
    }
}

static void counts_echo_without_a_buffer(void **state)
{
    bed.no_buffer = true;
    echo_build(true, 10);
    bed_expect_drop(&built, no_buffer);
}

static void leaves_echo_to_the_kernel_if_silent(void **state)
{
    struct tr_stack_options options = bed_options();

    bed_close(NULL);
    options.silent = true;
    bed_open(&options);
    echo_build(false, 10);
    bed_expect_drop(&built, silent);
    echo_build(true, 10);
    bed_expect_drop(&built, silent);
}

static void verifies_the_sum(void **state)
{
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        echo_build(ipv6, 11);
        for (uint32_t bit = built.l4 * 8; bit < built.bytes * 8; bit++) {
            built.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            bed_expect_drop(&built, icmp_checksum);
            built.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    // What a device says of the layer above IP is meant for TCP.
    echo_build(false, 11);
    built.data[built.bytes - 1] ^= 1;
    bed_expect_drop_(&built, TR_FRAME_L4_GOOD, &bed_counters()->drop_icmp_checksum);
}

static void drops_what_is_too_short_or_means_nothing(void **state)
{
    echo_build(false, 0);
    for (built.bytes = 34; built.bytes < 42; built.bytes++) {
        build_finish(&built);
        bed_expect_drop(&built, short);
    }
    icmp4_begin(8, 1, 0); // echo with a code
    build_finish(&built);
    bed_expect_drop(&built, icmp);
    static const uint8_t others4[] = {0, 4, 5, 9, 10, 13, 17, 255}, others6[] = {0, 5, 127, 129, 133, 134, 137, 143, 255};

    for (size_t i = 0; i < TR_NELEMS(others4); i++) {
        icmp4_begin(others4[i], 0, 0);
        build_finish(&built);
        bed_expect_drop(&built, icmp_other);
    }
    for (size_t i = 0; i < TR_NELEMS(others6); i++) {
        icmp6_begin(others6[i], 0, 0);
        build_finish(&built);
        bed_expect_drop(&built, icmp_other);
    }
}

// --- errors: what a router far away says of a segment that we have sent to 198.51.100.9 or 2001:db8::99

static void quote_put(bool ipv6, uint32_t tcp_bytes)
{
    static const uint8_t ip4[20] = {0x45, 0, 5, 220, 0, 0, 0x40, 0, 50, 6, 0, 0, 198, 18, 0, 2, 198, 51, 100, 9};
    static const uint8_t ip6[40] = {0x60, 0, 0, 0, 5, 0xa0, 6, 50, 0xfd, 0, 0, 1, [23] = 2, 0x20, 0x01, 0x0d, 0xb8, [39] = 0x99};
    static const uint8_t tcp[20] = {0x10, 0xdd, 0x9c, 0x40, 0xde, 0xad, 0xbe, 0xef};

    build_put(&built, ipv6 ? ip6 : ip4, ipv6 ? 40 : 20);
    build_put(&built, tcp, tcp_bytes);
    build_finish(&built);
}

static void error_build(bool ipv6, uint8_t type, uint8_t code, uint32_t rest)
{
    if (ipv6)
        icmp6_begin(type, code, rest);
    else
        icmp4_begin(type, code, rest);
    quote_put(ipv6, 8);
}

static void expect_error(bool ipv6, unsigned what, uint32_t mtu_bytes)
{
    struct tr_ip local = bed_ip(ipv6 ? BED_IP6 : BED_IP4), peer = bed_ip(ipv6 ? "2001:db8::99" : "198.51.100.9");
    uint32_t before = bed.icmps;

    bed_input(&built);
    assert_int_equal(bed.icmps, before + 1);
    assert_int_equal(bed_counters()->icmp_errors, bed.icmps);
    assert_memory_equal(&bed.icmp.local_ip, &local, 16);
    assert_memory_equal(&bed.icmp.peer_ip, &peer, 16);
    assert_int_equal(bed.icmp.local_port, 4317);
    assert_int_equal(bed.icmp.peer_port, 40000);
    assert_int_equal(bed.icmp.seq, 0xdeadbeef);
    assert_int_equal(bed.icmp.what, what);
    assert_int_equal(bed.icmp.mtu_bytes, mtu_bytes);
}

static void hands_errors_to_tcp(void **state)
{
    static const struct {
        bool ipv6;
        uint8_t type, code;
        uint32_t rest;
        unsigned what;
        uint32_t mtu_bytes;
    } errors[] = {
        {false, 3, 4, 1400, TR_ICMP_TOO_BIG, 1400},      {false, 3, 4, 0, TR_ICMP_TOO_BIG, 0},
        {false, 3, 4, 68, TR_ICMP_TOO_BIG, 68},          {false, 3, 0, 0, TR_ICMP_UNREACHABLE_SOFT, 0},
        {false, 3, 1, 0, TR_ICMP_UNREACHABLE_SOFT, 0},   {false, 3, 2, 0, TR_ICMP_UNREACHABLE_HARD, 0},
        {false, 3, 3, 0, TR_ICMP_UNREACHABLE_HARD, 0},   {false, 3, 5, 0, TR_ICMP_UNREACHABLE_SOFT, 0},
        {false, 3, 13, 0, TR_ICMP_UNREACHABLE_SOFT, 0},  {false, 11, 0, 0, TR_ICMP_UNREACHABLE_SOFT, 0},
        {false, 12, 0, 0, TR_ICMP_UNREACHABLE_SOFT, 0},  {true, 2, 0, 1280, TR_ICMP_TOO_BIG, 1280},
        {true, 2, 0, 100000, TR_ICMP_TOO_BIG, 65535},    {true, 1, 0, 0, TR_ICMP_UNREACHABLE_SOFT, 0},
        {true, 1, 3, 0, TR_ICMP_UNREACHABLE_SOFT, 0},    {true, 1, 4, 0, TR_ICMP_UNREACHABLE_HARD, 0},
        {true, 3, 0, 0, TR_ICMP_UNREACHABLE_SOFT, 0},    {true, 4, 0, 0, TR_ICMP_UNREACHABLE_SOFT, 0},
        {true, 4, 1, 0, TR_ICMP_UNREACHABLE_HARD, 0},
    };

    for (size_t i = 0; i < TR_NELEMS(errors); i++) {
        error_build(errors[i].ipv6, errors[i].type, errors[i].code, errors[i].rest);
        expect_error(errors[i].ipv6, errors[i].what, errors[i].mtu_bytes);
    }
}

static void believes_no_mtu_below_the_least(void **state)
{
    error_build(false, 3, 4, 67);
    bed_expect_drop(&built, icmp);
    error_build(true, 2, 0, 1279);
    bed_expect_drop(&built, icmp);
}

// Each byte of the quoted header that says what was sent and by whom.
static void believes_no_quote_that_is_not_ours(void **state)
{
    static const struct {
        bool ipv6;
        uint8_t at, value;
    } wrong[] = {
        {false, 0, 0x46},  {false, 0, 0x55}, {false, 0, 0x65}, {false, 6, 0x20}, {false, 7, 1},
        {false, 9, 17},    {false, 15, 3},   {true, 0, 0x40},  {true, 6, 17},    {true, 6, 44},
        {true, 23, 3},     {true, 8, 0xfc},
    };

    for (size_t i = 0; i < TR_NELEMS(wrong); i++) {
        error_build(wrong[i].ipv6, wrong[i].ipv6 ? 1 : 3, 0, 0);
        built.data[built.l4 + 8 + wrong[i].at] = wrong[i].value;
        build_finish(&built);
        bed_expect_drop(&built, icmp_quote);
    }
}

static void a_quote_must_hold_ports_and_sequence(void **state)
{
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        for (uint32_t tcp_bytes = 0; tcp_bytes < 8; tcp_bytes++) {
            if (ipv6)
                icmp6_begin(1, 0, 0);
            else
                icmp4_begin(3, 0, 0);
            quote_put(ipv6, tcp_bytes);
            bed_expect_drop(&built, icmp_quote);
        }
        if (ipv6)
            icmp6_begin(1, 0, 0);
        else
            icmp4_begin(3, 0, 0);
        build_finish(&built);
        bed_expect_drop(&built, icmp_quote);
    }
}

// The quote lies in the first piece, or it can't be read.
static void a_quote_in_pieces(void **state)
{
    error_build(false, 3, 1, 0);
    for (uint32_t first = 42; first <= built.bytes; first++) {
        uint32_t before = bed.icmps;

        bed_input_pieces(&built, first, 5);
        assert_int_equal(bed.icmps - before, first == built.bytes);
    }
}

// One that another of our addresses has sent: the error would have gone there.
static void an_error_goes_to_who_has_sent(void **state)
{
    struct tr_stack_options options = bed_options();
    struct tr_error error = {{0}};

    bed_close(NULL);
    options.addresses_count = 3;
    assert_int_equal(tr_net_address_parse("198.18.0.3/24", &options.addresses[2], &error), 0);
    bed_open(&options);
    error_build(false, 3, 1, 0);
    built.data[14 + 19] = 3;
    build_finish(&built);
    bed_expect_drop(&built, icmp_quote);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_echo, open_default, bed_close),
        cmocka_unit_test_setup_teardown(answers_no_echo_longer_than_the_mtu, open_default, bed_close),
        cmocka_unit_test_setup_teardown(answers_echo_at_a_bounded_rate, open_default, bed_close),
        cmocka_unit_test_setup_teardown(counts_echo_without_a_buffer, open_default, bed_close),
        cmocka_unit_test_setup_teardown(leaves_echo_to_the_kernel_if_silent, open_default, bed_close),
        cmocka_unit_test_setup_teardown(verifies_the_sum, open_default, bed_close),
        cmocka_unit_test_setup_teardown(drops_what_is_too_short_or_means_nothing, open_default, bed_close),
        cmocka_unit_test_setup_teardown(hands_errors_to_tcp, open_default, bed_close),
        cmocka_unit_test_setup_teardown(believes_no_mtu_below_the_least, open_default, bed_close),
        cmocka_unit_test_setup_teardown(believes_no_quote_that_is_not_ours, open_default, bed_close),
        cmocka_unit_test_setup_teardown(a_quote_must_hold_ports_and_sequence, open_default, bed_close),
        cmocka_unit_test_setup_teardown(a_quote_in_pieces, open_default, bed_close),
        cmocka_unit_test_setup_teardown(an_error_goes_to_who_has_sent, open_default, bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
