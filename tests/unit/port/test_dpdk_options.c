// SPDX-License-Identifier: Apache-2.0
// A DPDK port's options, read and refused, each with its path, value and bound.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "port/dpdk_options.h"

struct fixture {
    struct tr_dpdk_port_options options;
    struct tr_strings listen;
};

static struct fixture good(void)
{
    static const char *addresses[] = {"198.18.0.2/24", "fd00:1::2/64"}, *gateways[] = {"198.18.0.1", "fe80::1"},
                      *listen[] = {"4317", "4318"};

    return (struct fixture){.options = {.device = "net_tap0,iface=x",
                                        .addresses = {addresses, 2},
                                        .gateways = {gateways, 2}},
                            .listen = {listen, 2}};
}

static void what_is_good_is_read(void **state)
{
    struct fixture f = good();
    struct tr_dpdk_port_addresses read;
    struct tr_error error = {0};
    char text[TR_IP_TEXT_BYTES];

    assert_int_equal(tr_dpdk_port_options_read(&f.options, &f.listen, "ports[1]", &read, &error), 0);
    assert_int_equal(read.addresses_count, 2);
    assert_string_equal(tr_ip_format(&read.addresses[0].ip, text), "198.18.0.2");
    assert_int_equal(read.addresses[0].prefix_bits, 96 + 24);
    assert_int_equal(read.gateways_count, 2);
    assert_int_equal(read.listen_count, 2);
    assert_int_equal(read.listen[1], 4318);
}

static void refused(struct fixture *f, const char *says)
{
    struct tr_dpdk_port_addresses read;
    struct tr_error error = {0};

    assert_int_equal(tr_dpdk_port_options_read(&f->options, &f->listen, "ports[1]", &read, &error), -EINVAL);
    if (strncmp(error.text, says, strlen(says)) != 0)
        fail_msg("\"%s\" is not \"%s\"", error.text, says);
}

static void a_device_is_needed(void **state)
{
    static const char *const none[] = {NULL, "", ",iface=x"};

    for (size_t i = 0; i < TR_NELEMS(none); i++) {
        struct fixture f = good();

        f.options.device = none[i];
        refused(&f, "ports[1].device: a dpdk port needs one");
    }
}

static void addresses_are_checked(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {{"198.18.0.2", "ports[1].addresses[1]: 198.18.0.2 is no address with a prefix length"},
               {"198.18.0.3/33", "ports[1].addresses[1]: 198.18.0.3/33: the prefix length is a number from 0 to 32"},
               {"fd00::/129", "ports[1].addresses[1]: fd00::/129: the prefix length is a number from 0 to 128"},
               {"example.com/24", "ports[1].addresses[1]: example.com is no IPv4 or IPv6 address"},
               {"198.18.0.2/16", "ports[1].addresses[1]: 198.18.0.2/16 is there twice"}};

    for (size_t i = 0; i < TR_NELEMS(bad); i++) {
        struct fixture f = good();
        const char *addresses[] = {"198.18.0.2/24", bad[i].text};

        f.options.gateways.count = 0;
        f.options.addresses.items = addresses;
        refused(&f, bad[i].says);
    }
    struct fixture f = good();

    f.options.addresses.count = 0;
    refused(&f, "ports[1].addresses: at least one address");
}

static void gateways_are_checked(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {{"198.18.0.1/24", "ports[1].gateways[1]: 198.18.0.1/24 is no IPv4 or IPv6 address"},
               {"10.0.0.1", "ports[1].gateways[1]: 10.0.0.1 is on no network of `addresses`"},
               {"198.18.0.9", "ports[1].gateways[1]: a second one of its family"}};

    for (size_t i = 0; i < TR_NELEMS(bad); i++) {
        struct fixture f = good();
        const char *gateways[] = {"198.18.0.1", bad[i].text};

        f.options.gateways.items = gateways;
        refused(&f, bad[i].says);
    }
}

static void a_host_alone_on_its_network_has_its_router_beyond(void **state)
{
    struct fixture f = good();
    struct tr_dpdk_port_addresses read;
    struct tr_error error = {0};
    const char *addresses[] = {"10.128.0.2/32"}, *gateways[] = {"10.128.0.1"};

    f.options.addresses = (struct tr_strings){addresses, 1};
    f.options.gateways = (struct tr_strings){gateways, 1};
    assert_int_equal(tr_dpdk_port_options_read(&f.options, &f.listen, "ports[1]", &read, &error), 0);
}

static void ports_are_checked(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {{"70000", "ports[1].listen[1]: 70000 is above 65535"},
               {"0", "ports[1].listen[1]: 0 is below 1"},
               {"127.0.0.1:4318", "ports[1].listen[1]: \"127.0.0.1:4318\" is not a port number"},
               {"4317", "ports[1].listen[1]: 4317 is there twice"},
               {"", "ports[1].listen[1]: \"\" is not a port number"}};

    for (size_t i = 0; i < TR_NELEMS(bad); i++) {
        struct fixture f = good();
        const char *listen[] = {"4317", bad[i].text};

        f.listen.items = listen;
        refused(&f, bad[i].says);
    }
    struct fixture f = good();

    f.listen.count = 0;
    refused(&f, "ports[1].listen: at least one port");
}

static void the_rows_have_good_defaults_and_bounds(void **state)
{
    static const struct tr_option rows[] = {TR_DPDK_PORT_ROWS(struct fixture, options)};
    static const struct tr_option_table table = {
        .title = "port", .rows = rows, .count = TR_NELEMS(rows), .struct_bytes = sizeof(struct fixture)};
    static const struct {
        const char *yaml, *says;
    } bad[] = {{"mtu: 1279", "mtu"},           {"mtu: 9601", "mtu"},
               {"vlan: 4095", "vlan"},         {"nap_max: 1s", "nap_max"},
               {"tcp: {window: 3MiB}", "tcp.window: 3145728 is not a power of two"},
               {"tcp: {window: 32KiB}", "tcp.window"}, {"queues: 65", "queues"}};
    struct tr_error error = {0};
    struct tr_options_doc *doc;
    const struct fixture *f;

    if (tr_options_lint(&table, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(tr_options_parse(&table, "{}", 2, &doc, &error), 0);
    f = tr_options_struct(doc);
    assert_int_equal(f->options.tcp.window_bytes, TR_MIB);
    assert_int_equal(f->options.nap_max_ns, TR_MS);
    assert_int_equal(f->options.mtu_bytes, 0);
    tr_options_free(doc);
    for (size_t i = 0; i < TR_NELEMS(bad); i++) {
        memset(&error, 0, sizeof(error));
        if (tr_options_parse(&table, bad[i].yaml, strlen(bad[i].yaml), &doc, &error) == 0)
            fail_msg("%s was taken", bad[i].yaml);
        if (!strstr(error.text, bad[i].says))
            fail_msg("%s: %s", bad[i].yaml, error.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_good_is_read),
        cmocka_unit_test(a_device_is_needed),
        cmocka_unit_test(addresses_are_checked),
        cmocka_unit_test(gateways_are_checked),
        cmocka_unit_test(a_host_alone_on_its_network_has_its_router_beyond),
        cmocka_unit_test(ports_are_checked),
        cmocka_unit_test(the_rows_have_good_defaults_and_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
