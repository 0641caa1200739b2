// SPDX-License-Identifier: Apache-2.0
// Creation: what is refused, with the option's name.
#include "bed.h"

static struct tr_stack_options options;

static int options_good(void **state)
{
    options = bed_options();
    return 0;
}

static void expect_refused(const char *name)
{
    static const struct tr_stack_device device;
    static const struct tr_conn_user user;
    struct tr_error error = {{0}};
    struct tr_stack *stack = NULL;

    assert_int_equal(tr_stack_create(&stack, &options, &device, &user, &error), -EINVAL);
    assert_memory_equal(error.text, name, strlen(name));
    assert_null(stack);
}

static void refuses_addresses_that_no_host_has(void **state)
{
    static const char *const bad[] = {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "ff02::1"};

    for (size_t i = 0; i < TR_NELEMS(bad); i++) {
        options.addresses[1] = (struct tr_net_address){.ip = bed_ip(bad[i]), .prefix_bits = 120, .own_bits = 128};
        expect_refused("addresses[1]: ");
    }
}

static void refuses_bits_out_of_range(void **state)
{
    options.addresses[0].prefix_bits = 95;
    expect_refused("addresses[0]: prefix_bits");
    options.addresses[0].prefix_bits = 129;
    expect_refused("addresses[0]: prefix_bits");
    options = bed_options();
    options.addresses[0].own_bits = 96;
    expect_refused("addresses[0]: own_bits");
    options.addresses[0].own_bits = 129;
    expect_refused("addresses[0]: own_bits");
}

static void refuses_numbers_out_of_range(void **state)
{
    options.addresses_count = 0;
    expect_refused("addresses: ");
    options.addresses_count = TR_STACK_ADDRESSES_MAX + 1;
    expect_refused("addresses: ");
    options = bed_options();
    options.mtu_bytes = 1279;
    expect_refused("mtu: ");
    options = bed_options();
    options.vlan = 4095;
    expect_refused("vlan: ");
    options = bed_options();
    options.mac[0] |= 1;
    expect_refused("mac: ");
    memset(options.mac, 0, 6);
    expect_refused("mac: ");
    options = bed_options();
    options.gateways_count = 3;
    expect_refused("gateways: ");
    options.gateways_count = 2;
    options.gateways[1] = options.gateways[0];
    expect_refused("gateways: ");
}

static void nothing_is_due_at_first(void **state)
{
    bed_open(&options);
    assert_int_equal(tr_stack_deadline(bed.stack), TR_NEVER);
    assert_int_equal(tr_stack_poll(bed.stack, bed.now), 0);
    bed_sent_none();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(refuses_addresses_that_no_host_has, options_good),
        cmocka_unit_test_setup(refuses_bits_out_of_range, options_good),
        cmocka_unit_test_setup(refuses_numbers_out_of_range, options_good),
        cmocka_unit_test_setup_teardown(nothing_is_due_at_first, options_good, bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
