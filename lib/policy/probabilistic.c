// SPDX-License-Identifier: Apache-2.0
// A share of the traces by a hash of their id: the Collector's, bit for bit, so that both keep the same ones.
//
// Or consistent sampling: the trace's randomness against a threshold, which later samplers and whoever counts can
// rely on. equalizing: the threshold is the percentage's. proportional: it lets that share of what came through, so it
// goes by the least threshold that the trace's spans bring. Not the greatest: that one's span would not have come had the
// randomness been less, and what a trace is judged by must not depend on it.
//
// Source: FNV-1a with 64 bits over the salt and the 16 bytes of the id; kept if at most the percentage of 2^64 - 1.
#include "policy/types.h"

#define FNV_BASIS 0xcbf29ce484222325ull
#define FNV_PRIME 0x100000001b3ull

static uint64_t fnv1a(uint64_t hash, const void *data, size_t bytes)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ p[i]) * FNV_PRIME;
    return hash;
}

// floor(percentage / 100 x (2^64 - 1)). The Collector divides in float64, then multiplies in a big.Float of
// 64 bits' precision, rounding to nearest even: so does x87's long double.
static uint64_t threshold_of(double percentage)
{
    double ratio = percentage / 100;
    long double product = (long double)ratio * (long double)UINT64_MAX;

    return product >= (long double)UINT64_MAX ? UINT64_MAX : (uint64_t)product;
}

uint64_t tr_trace_hash_begin(const char *salt)
{
    if (!salt || !salt[0])
        salt = "default-hash-seed";
    return fnv1a(FNV_BASIS, salt, strlen(salt));
}

const char *tr_trace_hash_name(uint64_t begin, char name[TR_DRAW_NAME_BYTES])
{
    snprintf(name, TR_DRAW_NAME_BYTES, "fnv %016llx", (unsigned long long)begin);
    return name;
}

uint64_t tr_trace_hash(uint64_t begin, const uint8_t trace_id[16])
{
    return fnv1a(begin, trace_id, 16);
}

static int consistent_compile(struct tr_policy *policy, const struct tr_probabilistic_options *options,
                              const struct tr_policy_place *place, struct tr_error *error)
{
    double share = options->sampling_percentage / 100;
    uint64_t threshold = tr_ot_threshold(share, (unsigned)options->sampling_precision);

    if (options->hash_salt && options->hash_salt[0])
        return tr_error_set(error, EINVAL, "%s.probabilistic.hash_salt: mode %s hashes nothing", place->path,
                            tr_probabilistic_mode_names[options->mode]);
    policy->mode = (uint8_t)options->mode;
    policy->precision = (uint8_t)options->sampling_precision;
    policy->share = TR_MIN(share, 1.0);
    policy->never = threshold >= TR_OT_NEVER;
    policy->threshold = policy->never ? 0 : tr_threshold_limit(threshold);
    return tr_policy_rate_draw_use(policy, place, "probabilistic.mode", error);
}

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_probabilistic_options *o = options->probabilistic;

    if (!o)
        return tr_error_set(error, EINVAL, "%s.probabilistic.sampling_percentage: is missing", place->path);
    if (o->mode != TR_MODE_HASH_SEED)
        return consistent_compile(policy, o, place, error);
    policy->hash_begin = tr_trace_hash_begin(o->hash_salt);
    if (o->sampling_percentage >= 100)
        policy->threshold = UINT64_MAX;
    else if (o->sampling_percentage > 0)
        policy->threshold = threshold_of(o->sampling_percentage);
    return tr_policy_rate_draw_use(policy, place, "probabilistic.mode", error);
}

// With all the digits that there are: a rate of 3 counts for 3.
#define RATE_DIGITS 14

// What samplers before have let through of it, as far as the mode looks at that.
static double came_through(const struct tr_policy *policy, const struct tr_trace *trace)
{
    return policy->mode == TR_MODE_PROPORTIONAL ? 1 - (double)trace->threshold_least * 0x1p-56 : 1;
}

bool tr_policy_rate_limit(const struct tr_policy *policy, uint64_t rate, const struct tr_trace *trace, uint64_t *limit)
{
    uint64_t threshold;

    if (policy->mode == TR_MODE_HASH_SEED) {
        *limit = tr_policy_rate_threshold(rate);
        return true;
    }
    threshold = tr_ot_threshold(came_through(policy, trace) / (double)rate, RATE_DIGITS);
    *limit = threshold < TR_OT_NEVER ? tr_threshold_limit(threshold) : 0;
    return threshold < TR_OT_NEVER;
}

uint64_t tr_policy_rate_draw(const struct tr_policy *policy, const struct tr_trace *trace)
{
    if (trace->draws && policy->drawing)
        return trace->draws[policy->draw];
    return policy->mode == TR_MODE_HASH_SEED ? tr_trace_hash(policy->hash_begin, trace->trace_id) : tr_trace_draw(trace);
}

int tr_policy_rate_draw_use(struct tr_policy *policy, const struct tr_policy_place *place, const char *option,
                            struct tr_error *error)
{
    char name[TR_DRAW_NAME_BYTES];

    return tr_policy_draw_use(policy, place,
                              policy->mode == TR_MODE_HASH_SEED ? tr_trace_hash_name(policy->hash_begin, name)
                                                                : TR_DRAWS_RANDOMNESS,
                              option, error);
}

// The greatest draw that keeps the trace.
static bool limit_of(const struct tr_policy *policy, const struct tr_trace *trace, uint64_t *limit)
{
    uint64_t threshold;

    *limit = policy->threshold;
    if (policy->mode != TR_MODE_PROPORTIONAL || !trace->threshold_least)
        return !policy->never;
    threshold = tr_ot_threshold(policy->share * came_through(policy, trace), policy->precision);
    *limit = threshold < TR_OT_NEVER ? tr_threshold_limit(threshold) : 0;
    return threshold < TR_OT_NEVER;
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    uint64_t limit;

    return limit_of(policy, trace, &limit) && tr_policy_rate_draw(policy, trace) <= limit ? TR_ANSWER_KEEP : TR_ANSWER_DROP;
}

// The id alone decides, or what the first of its spans to say so said of its randomness: that may come later.
static enum tr_answer certain(const struct tr_policy *policy, const struct tr_trace *trace)
{
    return policy->mode == TR_MODE_HASH_SEED ? decide(policy, trace) : TR_ANSWER_PENDING;
}

const struct tr_policy_type tr_policy_probabilistic = {"probabilistic", TR_POLICY_ANYWHERE, compile, decide, certain,
                                                       .limit = limit_of};
