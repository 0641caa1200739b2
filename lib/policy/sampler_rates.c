// SPDX-License-Identifier: Apache-2.0
// From counts to averages to rates. Source: dynsampler-go, as its documentation and behaviour have it. Each key gets a
// share of the goal by the logarithm of how often it comes, and at least one; what a key does not need goes to those
// behind it. Keys are taken in their order, so that rounding is the same wherever it is computed.
#include <math.h>

#include "policy/sampler.h"

static double moved(double average, double counted, double weight)
{
    return counted * weight + (1 - weight) * average;
}

uint32_t tr_sampler_average(struct tr_sampler_key *keys, uint32_t count, const struct tr_sampler_key *counted,
                            uint32_t counted_count, struct tr_sampler_key *scratch, uint32_t room,
                            const struct tr_sampler_terms *terms)
{
    uint32_t made = 0, at = 0, next = 0;

    while ((at < count || next < counted_count) && made < room) {
        bool old = at < count && (next == counted_count || keys[at].key <= counted[next].key);
        bool seen = next < counted_count && (!old || keys[at].key == counted[next].key);
        double average = moved(old ? keys[at].average : 0, seen ? counted[next].average : 0, terms->weight);

        if (average >= terms->age_out)
            scratch[made++] = (struct tr_sampler_key){.key = old ? keys[at].key : counted[next].key, .average = average};
        at += old;
        next += seen;
    }
    memcpy(keys, scratch, made * sizeof(*keys));
    return made;
}

static uint64_t rate_of(double average, double goal)
{
    double rate = ceil(average / goal);

    return rate >= 1 && rate < 0x1p62 ? (uint64_t)rate : 1;
}

double tr_sampler_rates(struct tr_sampler_key *keys, uint32_t count, const struct tr_sampler_terms *terms)
{
    double sum = 0, logarithms = 0, extra = 0, goal, ratio;

    for (uint32_t i = 0; i < count; i++) {
        sum += fmax(1, keys[i].average);
        logarithms += log10(fmax(1, keys[i].average));
    }
    goal = terms->throughput ? terms->goal * ((double)terms->interval_ns / TR_S) : sum / terms->goal;
    ratio = goal / logarithms; // no key above 1: infinite, and each of them gets 1
    for (uint32_t i = 0; i < count; i++) {
        double average = fmax(1, keys[i].average), share = log10(average) * ratio, lent = extra / (count - i);

        share = (share > 1 ? share : 1) + lent;
        extra -= lent;
        if (average <= share) {
            keys[i].rate = 1;
            extra += share - average;
        } else {
            keys[i].rate = rate_of(average, share);
            extra += share - average / (double)keys[i].rate;
        }
    }
    return sum;
}
