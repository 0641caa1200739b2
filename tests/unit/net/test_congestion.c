// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "net/congestion.h"
#include "random.h"

// RFC 9438 as it stands there: in segments and seconds, in double precision.
struct reference {
    double cwnd, ssthresh, w_max, w_est, prior, k, epoch; // epoch < 0: none
};

static double w_cubic(const struct reference *r, double t)
{
    return 0.4 * pow(t - r->k, 3) + r->w_max;
}

static void reference_acked(struct reference *r, double segments, double rtt, double now)
{
    double target;

    if (r->cwnd < r->ssthresh) {
        r->cwnd = fmin(r->cwnd + fmin(segments, r->cwnd), r->ssthresh);
        return;
    }
    if (r->epoch < 0) {
        r->epoch = now;
        r->w_est = r->cwnd;
        r->w_max = fmax(r->w_max, r->cwnd);
        r->k = cbrt((r->w_max - r->cwnd) / 0.4);
    }
    r->w_est += (r->w_est >= r->prior ? 1 : 3 * 0.3 / 1.7) * segments / r->cwnd;
    if (w_cubic(r, now - r->epoch) < r->w_est) {
        r->cwnd = fmax(r->cwnd, r->w_est);
        return;
    }
    target = fmin(fmax(w_cubic(r, now - r->epoch + rtt), r->cwnd), 1.5 * r->cwnd);
    r->cwnd += (target - r->cwnd) / r->cwnd * segments;
}

static void reference_reduce(struct reference *r)
{
    r->prior = r->cwnd;
    r->w_max = r->cwnd < r->w_max ? r->cwnd * 1.7 / 2 : r->cwnd;
    r->ssthresh = fmax(r->cwnd * 0.7, 2);
    r->epoch = -1;
}

struct flow {
    struct tr_congestion c;
    struct reference r;
    uint32_t mss;
    uint64_t rtt, now;
};

static struct flow flow_new(uint32_t mss, uint64_t rtt)
{
    struct flow f = {.mss = mss, .rtt = rtt, .now = 1000 * TR_S};

    tr_congestion_init(&f.c, mss);
    f.r = (struct reference){.cwnd = (double)f.c.cwnd_bytes / mss, .ssthresh = 1e18, .epoch = -1};
    return f;
}

static void lose(struct flow *f)
{
    tr_congestion_lost(&f->c, f->c.cwnd_bytes, f->mss, f->now);
    reference_reduce(&f->r);
    f->r.cwnd = f->r.ssthresh;
}

static void time_out(struct flow *f)
{
    tr_congestion_timed_out(&f->c, f->c.cwnd_bytes, f->mss, f->now);
    reference_reduce(&f->r);
    f->r.w_max = 0;
    f->r.cwnd = 1;
}

// A round trip, its window acknowledged two segments at a time, evenly.
static void round_trip(struct flow *f)
{
    uint32_t acks = TR_MAX(f->c.cwnd_bytes / f->mss / 2, 1), acked = TR_MIN(2 * f->mss, f->c.cwnd_bytes);

    for (uint32_t i = 0; i < acks; i++) {
        f->now += f->rtt / acks;
        tr_congestion_acked(&f->c, acked, f->mss, f->rtt, f->now);
        reference_acked(&f->r, (double)acked / f->mss, (double)f->rtt / 1e9, (double)f->now / 1e9);
    }
}

static void check(const struct flow *f, double part)
{
    double ours = (double)f->c.cwnd_bytes / f->mss;

    if (fabs(ours - f->r.cwnd) > part * f->r.cwnd + 0.5)
        fail_msg("mss %u rtt %.1f ms: %.2f segments, the RFC's formulas say %.2f", f->mss, (double)f->rtt / 1e6,
                 ours, f->r.cwnd);
}

static void follows_the_formulas(void **state)
{
    static const uint32_t sizes[] = {64, 536, 1448, 8948};
    uint64_t random = 1;

    for (int i = 0; i < 28; i++) {
        uint64_t rtt = 200 * TR_US << random_below(&random, 11); // to 0.2 s
        struct flow f = flow_new(sizes[i % 4], rtt), first;

        while (f.c.cwnd_bytes / f.mss < 20u << i % 7)
            round_trip(&f);
        first = f;
        for (int round = 0; round < 800; round++) {
            if (f.c.cwnd_bytes / f.mss > 4000 || random_below(&random, 150) == 0) {
                if (random_below(&random, 4) == 0)
                    time_out(&f);
                else
                    lose(&f);
            }
            round_trip(&f);
            check(&f, 0.01);
        }
        assert_true(f.now > first.now);
    }
}

// 4.2: after a loss at W_max the window is concave up to W_max at K, flat there, convex beyond.
static void has_the_shape_of_a_cube(void **state)
{
    struct flow f = flow_new(1448, 100 * TR_MS);
    double w_max = 1000, k = cbrt(w_max * 0.3 / 0.4);
    uint64_t begin;

    f.c.cwnd_bytes = 1000 * 1448;
    lose(&f);
    f.r.cwnd = f.c.cwnd_bytes / 1448.0;
    round_trip(&f);
    begin = f.now;
    for (double t; (t = (double)(f.now - begin) / 1e9) < 2.2 * k;) {
        double want = 0.4 * pow(t - k, 3) + w_max;

        assert_true(fabs(f.c.cwnd_bytes / 1448.0 - want) < 0.02 * want);
        round_trip(&f);
    }
    assert_true(f.c.cwnd_bytes / 1448.0 > 1.4 * w_max);
}

// 4.3: where round trips are short and windows small, what Reno would get is more, and CUBIC takes as much.
static void is_fair_to_reno(void **state)
{
    struct flow f = flow_new(1448, 5 * TR_MS);

    f.c.cwnd_bytes = 40 * 1448;
    lose(&f); // 28 segments
    for (int round = 0; round < 20; round++)
        round_trip(&f);
    // 20 round trips of 9/17 of a segment each; the cube would have gained under 3 in 0.1 s
    assert_in_range(f.c.cwnd_bytes, (28 + 9) * 1448, (28 + 12) * 1448);
}

// 4.4: the target is at most half more than the window, however far ahead a long round trip looks.
static void grows_by_half_a_round_trip_at_most(void **state)
{
    struct flow f = flow_new(1448, 20 * TR_S);

    f.c.cwnd_bytes = 1448 * 20;
    lose(&f);
    for (int round = 0; round < 5; round++) {
        uint32_t before = f.c.cwnd_bytes;

        round_trip(&f);
        assert_true(f.c.cwnd_bytes <= before * 1.8); // half, compounded by each ACK
    }
}

static void fast_convergence_gives_room(void **state)
{
    struct flow f = flow_new(1000, 50 * TR_MS);

    f.c.cwnd_bytes = 100000;
    tr_congestion_lost(&f.c, 100000, 1000, f.now);
    assert_int_equal(f.c.cubic.w_max_bytes, 100000);
    assert_int_equal(f.c.cwnd_bytes, 70000);
    tr_congestion_lost(&f.c, 70000, 1000, f.now); // it had not come back to 100000
    assert_int_equal(f.c.cubic.w_max_bytes, 70000 * 17 / 20);
    assert_int_equal(f.c.cwnd_bytes, 49000);
}

static void begins_with_ten_segments_and_doubles(void **state)
{
    static const struct {
        uint32_t mss, window;
    } initial[] = {{536, 5360}, {1448, 14480}, {1460, 14600}, {4000, 14600}, {8948, 17896}, {64, 640}};

    for (size_t i = 0; i < TR_NELEMS(initial); i++) { // RFC 6928 2: min(10 MSS, max(2 MSS, 14600))
        struct flow f = flow_new(initial[i].mss, TR_MS);

        assert_int_equal(f.c.cwnd_bytes, initial[i].window);
        tr_congestion_acked(&f.c, f.c.cwnd_bytes, f.mss, f.rtt, f.now);
        assert_int_equal(f.c.cwnd_bytes, 2 * initial[i].window);
        tr_congestion_acked(&f.c, UINT32_MAX, f.mss, f.rtt, f.now); // an ACK of more than was in flight
        assert_int_equal(f.c.cwnd_bytes, 4 * initial[i].window);
    }
}

static void a_loss_that_was_none_costs_nothing(void **state)
{
    for (int timeouts = 0; timeouts < 4; timeouts++) {
        struct flow f = flow_new(1448, 20 * TR_MS), other;
        uint32_t cwnd, ssthresh;

        f.c.cwnd_bytes = 300 * 1448;
        lose(&f);
        for (int round = 0; round < 30; round++)
            round_trip(&f);
        other = f;
        cwnd = f.c.cwnd_bytes;
        ssthresh = f.c.ssthresh_bytes;
        if (timeouts == 0)
            tr_congestion_lost(&f.c, cwnd, f.mss, f.now);
        for (int i = 0; i < timeouts; i++)
            tr_congestion_timed_out(&f.c, cwnd, f.mss, f.now);
        assert_int_equal(f.c.cwnd_bytes, timeouts ? 1448 : cwnd * 7ull / 10);
        assert_int_equal(f.c.ssthresh_bytes, cwnd * 7ull / 10);
        tr_congestion_undo(&f.c, cwnd, ssthresh);
        for (int round = 0; round < 100; round++) { // 4.9: as if nothing had been
            assert_true(fabs((double)f.c.cwnd_bytes - other.c.cwnd_bytes) < 10);
            round_trip(&f);
            round_trip(&other);
        }
    }
}

// 5.8, and RFC 5681 4.1: time without a full window is not time for the cube; after idleness the window begins small.
static void does_not_grow_by_waiting(void **state)
{
    struct flow f = flow_new(1448, 20 * TR_MS), other;
    uint32_t before;

    f.c.cwnd_bytes = 1000 * 1448;
    lose(&f);
    for (int round = 0; round < 50; round++)
        round_trip(&f);
    other = f;
    other.now += 100 * TR_S;
    round_trip(&f);
    round_trip(&other);
    assert_true(fabs((double)f.c.cwnd_bytes - other.c.cwnd_bytes) < 0.01 * f.c.cwnd_bytes);
    before = f.c.cwnd_bytes;
    tr_congestion_idle(&f.c, f.mss);
    assert_int_equal(f.c.cwnd_bytes, 14480);
    assert_in_range(f.c.ssthresh_bytes, before / 4 * 3 - 4, before);
    tr_congestion_idle(&f.c, f.mss); // once is enough
    assert_int_equal(f.c.cwnd_bytes, 14480);
    assert_in_range(f.c.ssthresh_bytes, before / 4 * 3 - 4, before);
}

// Whatever happens, and in whatever order: a segment at least, TR_CWND_MOST_BYTES at most, and ACKs never shrink it.
static void stays_within_its_bounds(void **state)
{
    uint64_t random = 9;

    for (int life = 0; life < 200; life++) {
        struct flow f = flow_new(64 + random_below(&random, 9000), TR_MS);

        for (int i = 0; i < 3000; i++) {
            uint32_t before = f.c.cwnd_bytes, some = (uint32_t)(random64(&random) >> (32 + random_below(&random, 32)));

            f.now += random64(&random) >> (24 + random_below(&random, 40));
            switch (random_below(&random, 12)) {
            case 0:
                tr_congestion_lost(&f.c, some, f.mss, f.now);
                break;
            case 1:
                tr_congestion_timed_out(&f.c, some, f.mss, f.now);
                break;
            case 2:
                tr_congestion_undo(&f.c, before, some);
                break;
            case 3:
                tr_congestion_idle(&f.c, f.mss);
                break;
            default:
                tr_congestion_acked(&f.c, some, f.mss, random64(&random) >> 20, f.now);
                assert_true(f.c.cwnd_bytes >= before);
            }
            assert_true(f.c.cwnd_bytes >= f.mss);
            assert_true(f.c.ssthresh_bytes >= 2 * f.mss);
            assert_true(f.c.cwnd_bytes <= TR_CWND_MOST_BYTES);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_formulas),
        cmocka_unit_test(has_the_shape_of_a_cube),
        cmocka_unit_test(is_fair_to_reno),
        cmocka_unit_test(grows_by_half_a_round_trip_at_most),
        cmocka_unit_test(fast_convergence_gives_room),
        cmocka_unit_test(begins_with_ten_segments_and_doubles),
        cmocka_unit_test(a_loss_that_was_none_costs_nothing),
        cmocka_unit_test(does_not_grow_by_waiting),
        cmocka_unit_test(stays_within_its_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
