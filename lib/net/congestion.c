// SPDX-License-Identifier: Apache-2.0
// RFC 9438 in integers. The RFC counts in segments and seconds:
//
//   W_cubic(t) = C * (t - K)^3 + W_max     K = cbrt((W_max - cwnd_epoch) / C)     C = 0.4, beta = 0.7
//   W_est      = W_est + alpha * acked / cwnd     alpha = 3 (1 - beta) / (1 + beta) = 9 / 17, or 1 from cwnd_prior on
//   cwnd       = cwnd + (target - cwnd) / cwnd a segment acknowledged, target = W_cubic(t + RTT), cwnd to 1.5 cwnd
//
// Here windows are bytes, so C is a fifth of two segments, and growth is counted by bytes acknowledged, with the remainder
// of every division kept. Time in the cube is in units of 2^-10 s, and at most 512 s from K: far beyond any window.
//
// Deviations: slow start grows by all that an ACK acknowledges, up to doubling (RFC 5681 would have one segment an ACK,
// RFC 3465 two), because peers that take whole bursts at a time, ours among them, acknowledge whole bursts.
#include "net/congestion.h"

#define UNITS_A_S      1024
#define UNITS_MOST     (512 * UNITS_A_S)
#define INITIAL_BYTES  14600u
#define SSTHRESH_NEVER UINT32_MAX

static uint32_t initial_window(uint32_t mss)
{
    return TR_MIN(10 * mss, TR_MAX(2 * mss, INITIAL_BYTES));
}

static uint32_t bounded(uint64_t window)
{
    return (uint32_t)TR_MIN(window, TR_CWND_MOST_BYTES);
}

void tr_congestion_init(struct tr_congestion *c, uint32_t mss)
{
    *c = (struct tr_congestion){.cwnd_bytes = initial_window(mss), .ssthresh_bytes = SSTHRESH_NEVER};
}

// Floor of the cube root, a bit of the result a step.
static uint64_t cube_root(uint64_t x)
{
    uint64_t root = 0;

    for (int shift = 63; shift >= 0; shift -= 3) {
        uint64_t next;

        root *= 2;
        next = 3 * root * (root + 1) + 1;
        if (x >> shift >= next) {
            x -= next << shift;
            root++;
        }
    }
    return root;
}

static uint64_t units_of(uint64_t ns)
{
    return TR_MIN(ns, UNITS_MOST / UNITS_A_S * TR_S) * UNITS_A_S / TR_S;
}

static void epoch_begin(struct tr_congestion *c, uint32_t mss, uint64_t now)
{
    struct tr_cubic *cubic = &c->cubic;

    cubic->epoch_ns = TR_MAX(now, 1);
    cubic->w_est_bytes = c->cwnd_bytes;
    c->credit = c->w_est_credit = 0;
    if (cubic->w_max_bytes > c->cwnd_bytes) {
        uint64_t cube = ((uint64_t)(cubic->w_max_bytes - c->cwnd_bytes) * 5 << 29) / mss; // 2^30 / C is 5 << 29

        cubic->k_ns = cube_root(cube) * TR_S / UNITS_A_S;
    } else {
        // The first, or after a timeout (4.8): from here on upwards.
        cubic->k_ns = 0;
        cubic->w_max_bytes = c->cwnd_bytes;
    }
}

// W_cubic, at `t` after the epoch began.
static uint32_t w_cubic(const struct tr_cubic *cubic, uint64_t t, uint32_t mss)
{
    bool before = t < cubic->k_ns;
    uint64_t d = units_of(before ? cubic->k_ns - t : t - cubic->k_ns);
    uint64_t apart = ((d * d * d >> 10) * (2 * (uint64_t)mss) / 5) >> 20;

    if (before)
        return apart < cubic->w_max_bytes ? cubic->w_max_bytes - (uint32_t)apart : 0;
    return bounded(cubic->w_max_bytes + apart);
}

static void w_est_grow(struct tr_congestion *c, uint32_t acked, uint32_t mss)
{
    bool past = c->cubic.w_est_bytes >= c->cubic.prior_bytes;

    c->w_est_credit += (uint64_t)acked * mss * (past ? 17 : 9);
    c->cubic.w_est_bytes = bounded(c->cubic.w_est_bytes + c->w_est_credit / (17ull * c->cwnd_bytes));
    c->w_est_credit %= 17ull * c->cwnd_bytes;
}

static void cubic_grow(struct tr_congestion *c, uint32_t acked, uint32_t mss, uint64_t srtt, uint64_t now)
{
    uint32_t cwnd = c->cwnd_bytes, target;
    uint64_t t = now - c->cubic.epoch_ns;

    w_est_grow(c, acked, mss);
    if (w_cubic(&c->cubic, t, mss) < c->cubic.w_est_bytes) {
        c->cwnd_bytes = TR_MAX(cwnd, c->cubic.w_est_bytes);
        c->credit = 0;
        return;
    }
    target = w_cubic(&c->cubic, t + srtt, mss);
    target = TR_MIN(TR_MAX(target, cwnd), bounded(cwnd + cwnd / 2));
    c->credit += (uint64_t)(target - cwnd) * acked;
    c->cwnd_bytes = bounded(cwnd + c->credit / cwnd);
    c->credit %= cwnd;
}

void tr_congestion_acked(struct tr_congestion *c, uint32_t acked, uint32_t mss, uint64_t srtt, uint64_t now)
{
    uint64_t pause = TR_MAX(2 * srtt, 10 * TR_MS);

    acked = TR_MIN(acked, c->cwnd_bytes); // one ACK never more than doubles
    if (c->cwnd_bytes < c->ssthresh_bytes) {
        c->cwnd_bytes = bounded(TR_MIN((uint64_t)c->cwnd_bytes + acked, c->ssthresh_bytes));
    } else {
        if (!c->cubic.epoch_ns)
            epoch_begin(c, mss, now);
        else if (now - c->acked_ns > pause)
            c->cubic.epoch_ns += now - c->acked_ns - pause; // not limited by the window: no time for the cube (5.8)
        cubic_grow(c, acked, mss, srtt, now);
    }
    c->acked_ns = now;
}

static void reduce(struct tr_congestion *c, uint32_t flight, uint32_t mss)
{
    uint32_t cwnd = c->cwnd_bytes;

    c->undo = c->cubic;
    // 4.7, fast convergence: a window that did not come back to where it was makes room for others.
    c->cubic.w_max_bytes = cwnd < c->cubic.w_max_bytes ? (uint32_t)(cwnd * 17ull / 20) : cwnd;
    c->cubic.prior_bytes = cwnd;
    c->cubic.epoch_ns = 0;
    c->ssthresh_bytes = TR_MAX((uint32_t)(flight * 7ull / 10), 2 * mss);
}

void tr_congestion_lost(struct tr_congestion *c, uint32_t flight, uint32_t mss, uint64_t now)
{
    reduce(c, flight, mss);
    c->cwnd_bytes = bounded(c->ssthresh_bytes);
}

void tr_congestion_timed_out(struct tr_congestion *c, uint32_t flight, uint32_t mss, uint64_t now)
{
    bool again = c->cwnd_bytes <= mss && !c->cubic.w_max_bytes; // what an undo takes back is from before the first
    struct tr_cubic undo = c->undo;

    reduce(c, flight, mss);
    c->cubic.w_max_bytes = 0; // 4.8: the next epoch begins where slow start will have ended
    if (again)
        c->undo = undo;
    c->cwnd_bytes = mss;
}

void tr_congestion_undo(struct tr_congestion *c, uint32_t cwnd, uint32_t ssthresh)
{
    c->cwnd_bytes = bounded(TR_MAX(c->cwnd_bytes, cwnd));
    c->ssthresh_bytes = TR_MAX(c->ssthresh_bytes, ssthresh);
    c->cubic = c->undo;
    c->credit = c->w_est_credit = 0;
}

void tr_congestion_idle(struct tr_congestion *c, uint32_t mss)
{
    // RFC 5681 4.1, and RFC 2861's way back: slow start up to near what it had been.
    if (c->cwnd_bytes <= initial_window(mss))
        return;
    if (c->ssthresh_bytes != SSTHRESH_NEVER)
        c->ssthresh_bytes = TR_MAX(c->ssthresh_bytes, c->cwnd_bytes / 4 * 3);
    c->cwnd_bytes = initial_window(mss);
    c->cubic.epoch_ns = 0;
}
