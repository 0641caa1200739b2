// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "net/rtt.h"
#include "random.h"

static void begins_with_a_second(void **state)
{
    struct tr_rtt rtt;

    tr_rtt_init(&rtt);
    assert_true(tr_rtt_timeout(&rtt) == TR_S);
    assert_true(rtt.srtt_ns == 0);
}

// RFC 6298 2.2: the first sample R gives SRTT R, RTTVAR R / 2, RTO SRTT + 4 * RTTVAR.
static void takes_the_first_sample_whole(void **state)
{
    struct tr_rtt rtt;

    tr_rtt_init(&rtt);
    tr_rtt_sample(&rtt, 400 * TR_MS);
    assert_true(rtt.srtt_ns == 400 * TR_MS && rtt.rttvar_ns == 200 * TR_MS);
    assert_true(tr_rtt_timeout(&rtt) == 1200 * TR_MS);
}

// 2.3 in real numbers beside ours, over links of every kind.
static void follows_the_formulas(void **state)
{
    uint64_t random = 1;

    for (int link = 0; link < 2000; link++) {
        double base = exp2(10 + random_below(&random, 24)), srtt = 0, rttvar = 0, jitter;
        struct tr_rtt rtt;

        tr_rtt_init(&rtt);
        for (int i = 0; i < 200; i++) {
            uint64_t sample = (uint64_t)(base * (1 + random_below(&random, 1000) / 250.0));
            double rto;

            tr_rtt_sample(&rtt, sample);
            jitter = fabs(srtt - (double)sample);
            rttvar = i ? 0.75 * rttvar + 0.25 * jitter : (double)sample / 2;
            srtt = i ? 0.875 * srtt + 0.125 * (double)sample : (double)sample;
            rto = srtt + fmax(1e6, 4 * rttvar);
            rto = fmin(fmax(rto, 200e6), 60e9);
            assert_true(fabs((double)rtt.srtt_ns - srtt) < 10);
            assert_true(fabs((double)rtt.rttvar_ns - rttvar) < 20);
            assert_true(fabs((double)tr_rtt_timeout(&rtt) - rto) < 100);
        }
    }
}

// 5.5: each timeout doubles, up to the most; a new sample ends it.
static void backs_off_and_comes_back(void **state)
{
    struct tr_rtt rtt;
    uint64_t want = 300 * TR_MS;

    tr_rtt_init(&rtt);
    tr_rtt_sample(&rtt, 100 * TR_MS);
    assert_true(tr_rtt_timeout(&rtt) == want);
    for (int i = 0; i < 1000; i++) {
        tr_rtt_timed_out(&rtt);
        want = TR_MIN(2 * want, 60 * TR_S);
        assert_true(tr_rtt_timeout(&rtt) == want);
        assert_int_equal(rtt.backoff > 0, true);
    }
    tr_rtt_sample(&rtt, 100 * TR_MS);
    assert_true(tr_rtt_timeout(&rtt) < 300 * TR_MS);
    assert_int_equal(rtt.backoff, 0);
}

static void stays_within_its_bounds_whatever_is_told(void **state)
{
    uint64_t random = 2;
    struct tr_rtt rtt;

    tr_rtt_init(&rtt);
    for (int i = 0; i < 200000; i++) {
        if (random_below(&random, 5) == 0)
            tr_rtt_timed_out(&rtt);
        else
            tr_rtt_sample(&rtt, random64(&random) >> random_below(&random, 64));
        assert_true(tr_rtt_timeout(&rtt) >= TR_RTO_LEAST_NS && tr_rtt_timeout(&rtt) <= TR_RTO_MOST_NS);
        assert_true(rtt.srtt_ns > 0 || rtt.rttvar_ns == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_with_a_second),
        cmocka_unit_test(takes_the_first_sample_whole),
        cmocka_unit_test(follows_the_formulas),
        cmocka_unit_test(backs_off_and_comes_back),
        cmocka_unit_test(stays_within_its_bounds_whatever_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
