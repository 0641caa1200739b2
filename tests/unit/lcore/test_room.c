// SPDX-License-Identifier: Apache-2.0
// What of a journal is kept free, and when requests are refused.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lcore/lcore.h"

// Were requests refused first, no body would come in that brings the journal down to its low-water mark, for ever.
static void room_is_asked_for_before_requests_are_refused(void **state)
{
    for (uint64_t journal = 4 * TR_MIB; journal <= 64 * TR_GIB; journal *= 2) {
        for (uint64_t body = TR_KIB; body <= journal / 8; body *= 4) {
            uint64_t low = tr_lcore_low_water(journal, body), refuse = tr_lcore_refuse_below(journal, body);

            assert_true(refuse < low && low <= journal / 8);
            assert_true(low - refuse >= body / 2);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(room_is_asked_for_before_requests_are_refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
