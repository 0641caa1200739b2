// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "trace/source.h"

static uint32_t intern(struct tr_sources *sources, uint8_t peer, const char *service, uint64_t now)
{
    uint8_t ip[16] = {[15] = peer};

    return tr_source_intern(sources, ip, (const uint8_t *)service, (uint32_t)strlen(service), now);
}

static void equal_pairs_get_one_number(void **state)
{
    struct tr_sources sources;
    const struct tr_source *row;
    uint32_t a, b, c;

    assert_int_equal(tr_sources_create(&sources, 5, 100), 0);
    a = intern(&sources, 1, "cart", 10);
    b = intern(&sources, 2, "cart", 20);
    c = intern(&sources, 1, "", 30);
    assert_true(a != b && b != c && a != c);
    assert_int_equal(intern(&sources, 1, "cart", 40), a);
    assert_int_equal(TR_SOURCE_LCORE(a), 5);
    row = tr_source_find(&sources, a);
    assert_int_equal(row->peer_ip[15], 1);
    assert_int_equal(row->service_bytes, 4);
    assert_memory_equal(row->service, "cart", 4);
    assert_int_equal(row->first_ns, 10);
    assert_int_equal(row->last_ns, 40);
    assert_null(tr_source_find(&sources, a + 100));
    assert_null(tr_source_find(&sources, a ^ 1u << 24)); // of another lcore
    tr_sources_destroy(&sources);
}

static void the_ones_too_many_are_other(void **state)
{
    struct tr_sources sources;
    char name[16];
    uint32_t numbers[64];

    assert_int_equal(tr_sources_create(&sources, 1, 40), 0);
    for (uint32_t i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "service-%u", i);
        numbers[i] = intern(&sources, 1, name, i);
        assert_int_equal(numbers[i] == TR_SOURCE_OTHER, i >= 40);
    }
    for (uint32_t i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "service-%u", i);
        assert_int_equal(intern(&sources, 1, name, 100), numbers[i]);
    }
    assert_int_equal(tr_source_find(&sources, TR_SOURCE_OTHER)->last_ns, 100);
    assert_int_equal(tr_source_find(&sources, TR_SOURCE_OTHER)->service_bytes, 0);
    tr_sources_destroy(&sources);
}

static void a_long_name_is_cut(void **state)
{
    struct tr_sources sources;
    char name[200];
    uint32_t a;

    memset(name, 'x', sizeof(name));
    name[199] = 0;
    assert_int_equal(tr_sources_create(&sources, 0, 10), 0);
    a = intern(&sources, 1, name, 1);
    name[100] = 0;
    assert_int_equal(intern(&sources, 1, name, 1), a);
    assert_int_equal(tr_source_find(&sources, a)->service_bytes, TR_SERVICE_BYTES_MAX);
    name[TR_SERVICE_BYTES_MAX - 1] = 0;
    assert_int_not_equal(intern(&sources, 1, name, 1), a);
    tr_sources_destroy(&sources);
}

static void impossible_sizes_are_refused(void **state)
{
    struct tr_sources sources;

    assert_int_equal(tr_sources_create(&sources, 0, 0), -EINVAL);
    assert_int_equal(tr_sources_create(&sources, 0, 1u << 24), -EINVAL);
    assert_int_equal(tr_sources_create(&sources, 256, 10), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_pairs_get_one_number),
        cmocka_unit_test(the_ones_too_many_are_other),
        cmocka_unit_test(a_long_name_is_cut),
        cmocka_unit_test(impossible_sizes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
