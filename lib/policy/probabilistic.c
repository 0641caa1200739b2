// SPDX-License-Identifier: Apache-2.0
// A share of the traces by a hash of their id: the Collector's, bit for bit, so that both keep the same ones.
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

uint64_t tr_trace_hash(uint64_t begin, const uint8_t trace_id[16])
{
    return fnv1a(begin, trace_id, 16);
}

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    if (!options->probabilistic)
        return tr_error_set(error, EINVAL, "%s.probabilistic.sampling_percentage: is missing", place->path);
    policy->hash_begin = tr_trace_hash_begin(options->probabilistic->hash_salt);
    if (options->probabilistic->sampling_percentage >= 100)
        policy->threshold = UINT64_MAX;
    else if (options->probabilistic->sampling_percentage > 0)
        policy->threshold = threshold_of(options->probabilistic->sampling_percentage);
    return 0;
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    return tr_trace_hash(policy->hash_begin, trace->trace_id) <= policy->threshold ? TR_ANSWER_KEEP : TR_ANSWER_DROP;
}

const struct tr_policy_type tr_policy_probabilistic = {"probabilistic", TR_POLICY_ANYWHERE, compile, decide};
