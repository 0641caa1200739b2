// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/checksum.h"
#include "random.h"

#define MOST 9100

static uint8_t bytes[MOST + 64], copied[MOST + 64];

// RFC 1071 as its first paragraph says it: 16-bit words in network order.
static uint16_t naive(const uint8_t *data, size_t n)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

static uint16_t in_host_order(uint64_t sum)
{
    uint16_t field = tr_sum_fold(sum);
    uint8_t stored[2];

    memcpy(stored, &field, 2);
    return (uint16_t)(stored[0] << 8 | stored[1]);
}

static void fill(uint64_t seed)
{
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(seed == 0 ? 0xff : random64(&seed));
}

static void knows_the_example_of_rfc_1071(void **state)
{
    static const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

    assert_int_equal(in_host_order(tr_sum(0, example, sizeof(example))), (uint16_t)~0xddf2);
}

static void sums_every_length_at_every_alignment(void **state)
{
    for (uint64_t seed = 0; seed < 2; seed++) {
        fill(seed);
        for (size_t at = 0; at < 33; at++)
            for (size_t n = 0; n <= 700; n++)
                assert_int_equal(in_host_order(tr_sum(0, bytes + at, n)), naive(bytes + at, n));
        for (size_t n = 1400; n <= MOST; n += 77)
            assert_int_equal(in_host_order(tr_sum(0, bytes + n % 61, n)), naive(bytes + n % 61, n));
    }
}

static void copies_what_it_sums_and_no_more(void **state)
{
    fill(3);
    for (size_t n = 0; n <= 700; n++) {
        memset(copied, 0xa5, sizeof(copied));
        assert_int_equal(in_host_order(tr_sum_copy(0, copied + 3 + n % 8, bytes + n % 5, n)), naive(bytes + n % 5, n));
        assert_memory_equal(copied + 3 + n % 8, bytes + n % 5, n);
        assert_int_equal(copied[2 + n % 8], 0xa5);
        assert_int_equal(copied[3 + n % 8 + n], 0xa5);
    }
}

// A packet in three parts, cut anywhere, is the same as in one.
static void adds_up_from_parts(void **state)
{
    fill(4);
    for (size_t first = 0; first <= 300; first += 7) {
        for (size_t second = 0; second <= 300; second += 11) {
            uint64_t sum = tr_sum(0, bytes, first), part = tr_sum(0, bytes + first, second);
            size_t at = first + second;

            part = first % 2 ? tr_sum_swap(part) : part;
            sum += part;
            sum += sum < part;
            part = tr_sum(0, bytes + at, 400);
            part = at % 2 ? tr_sum_swap(part) : part;
            sum += part;
            sum += sum < part;
            assert_int_equal(in_host_order(sum), naive(bytes, at + 400));
        }
    }
}

// More than vectors take at a time, of the words that move their lanes most.
static void sums_megabytes(void **state)
{
    static const uint8_t extremes[] = {0x00, 0xff, 0x80, 0x7f};
    size_t n = 3 * 1024 * 1024 + 77;
    uint8_t *many = malloc(n);

    for (size_t i = 0; i < TR_NELEMS(extremes); i++) {
        memset(many, extremes[i], n);
        assert_int_equal(in_host_order(tr_sum(0, many, n)), naive(many, n));
    }
    free(many);
}

static void carries_out_of_the_top_come_in_again(void **state)
{
    fill(0);
    for (size_t n = 0; n <= 256; n += 2) {
        uint64_t sum = tr_sum(UINT64_MAX - 1, bytes, n); // all but one of what overflows: 0xfffe in 16 bits

        assert_int_equal(tr_sum_fold(sum), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_example_of_rfc_1071),
        cmocka_unit_test(sums_every_length_at_every_alignment),
        cmocka_unit_test(copies_what_it_sums_and_no_more),
        cmocka_unit_test(adds_up_from_parts),
        cmocka_unit_test(sums_megabytes),
        cmocka_unit_test(carries_out_of_the_top_come_in_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
