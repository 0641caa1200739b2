// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/address.h"

static void parses_and_formats(void **state)
{
    static const char *const texts[] = {"198.18.0.2", "0.0.0.0", "255.255.255.255", "fd00:1::2", "::", "2001:db8::1:0:0:1"};
    char text[TR_IP_TEXT_BYTES];
    struct tr_error error = {{0}};
    struct tr_ip ip;

    for (size_t i = 0; i < TR_NELEMS(texts); i++) {
        assert_int_equal(tr_ip_parse(texts[i], &ip, &error), 0);
        assert_string_equal(tr_ip_format(&ip, text), texts[i]);
        assert_int_equal(tr_ip_is_v4(&ip), i < 3);
    }
}

static void refuses_what_is_no_address(void **state)
{
    static const char *const texts[] = {"", "198.18.0", "198.18.0.256", "fd00:::1", "host", "198.18.0.2/24", "::ffff:198.18.0.2"};
    struct tr_ip ip;

    for (size_t i = 0; i < TR_NELEMS(texts); i++) {
        struct tr_error error = {{0}};

        assert_int_equal(tr_ip_parse(texts[i], &ip, &error), -EINVAL);
        assert_non_null(strstr(error.text, texts[i]));
    }
}

static void parses_prefixes(void **state)
{
    static const struct {
        const char *text;
        unsigned bits;
    } good[] = {{"198.18.0.2/24", 120}, {"198.18.0.2/0", 96}, {"198.18.0.2/32", 128}, {"fd00:1::2/64", 64}, {"fd00::2/128", 128}};
    static const char *const bad[] = {"198.18.0.2",   "198.18.0.2/",   "198.18.0.2/33", "198.18.0.2/-1", "198.18.0.2/2x",
                                      "fd00:1::/129", "fd00:1::/ 64",  "/24",           "198.18.0.2/24/1",
                                      "198.18.0.2/99999999999999999999"};
    struct tr_net_address address;

    for (size_t i = 0; i < TR_NELEMS(good); i++) {
        struct tr_error error = {{0}};

        assert_int_equal(tr_net_address_parse(good[i].text, &address, &error), 0);
        assert_int_equal(address.prefix_bits, good[i].bits);
        assert_int_equal(address.own_bits, 128);
    }
    for (size_t i = 0; i < TR_NELEMS(bad); i++) {
        struct tr_error error = {{0}};

        assert_int_equal(tr_net_address_parse(bad[i], &address, &error), -EINVAL);
        assert_true(error.text[0]);
    }
}

// Bit by bit: addresses that differ first in bit n are equal in n bits and no more.
static void compares_prefixes(void **state)
{
    struct tr_ip a, b;

    memset(&a, 0x5a, sizeof(a));
    for (unsigned bit = 0; bit < 128; bit++) {
        b = a;
        b.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        for (unsigned bits = 0; bits <= 128; bits++)
            assert_int_equal(tr_ip_prefix_equal(&a, &b, bits), bits <= bit);
    }
    assert_true(tr_ip_prefix_equal(&a, &a, 128));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_and_formats),
        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(parses_prefixes),
        cmocka_unit_test(compares_prefixes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
