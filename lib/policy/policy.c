// SPDX-License-Identifier: Apache-2.0
#include "policy/policy_set.h"

#include "base/counter.h"
#include "policy/types.h"

static const struct tr_policy_type *const types[] = {
    &tr_policy_always_sample, &tr_policy_and, &tr_policy_boolean_attribute, &tr_policy_bytes_limiting,
    &tr_policy_composite, &tr_policy_drop, &tr_policy_ema_dynamic, &tr_policy_ema_throughput, &tr_policy_latency,
    &tr_policy_not, &tr_policy_numeric_attribute, &tr_policy_ottl_condition, &tr_policy_probabilistic,
    &tr_policy_rate_limiting, &tr_policy_rules, &tr_policy_span_count, &tr_policy_status_code,
    &tr_policy_string_attribute, &tr_policy_trace_flags, &tr_policy_trace_state, &tr_policy_n_plus_one,
    &tr_policy_retry_storm, &tr_policy_pool_wait, &tr_policy_cross_zone, &tr_policy_dominant_span, &tr_policy_gap,
};

const struct tr_policy_type *tr_policy_type_find(const char *name)
{
    for (size_t i = 0; i < TR_NELEMS(types); i++)
        if (strcmp(types[i]->name, name) == 0)
            return types[i];
    return NULL;
}

int tr_policy_bit_add(struct tr_bits *bits, const struct tr_policy_place *place, int number, struct tr_error *error)
{
    if (number == -ENOMEM)
        return tr_error_set(error, ENOMEM, "%s: no memory", place->path);
    if (number < 0)
        return tr_error_set(error, EINVAL,
                            "%s: more than %d different conditions in all policies of the last %d configs", place->path,
                            TR_PREDICATES_MAX, TR_EPOCHS_LIVE_MAX);
    bits->word[number / 64] |= 1ull << number % 64;
    return 0;
}

int tr_policy_any_add(struct tr_policy *policy, const struct tr_policy_place *place, int number, struct tr_error *error)
{
    return tr_policy_bit_add(&policy->any, place, number, error);
}

enum tr_answer tr_policy_any_decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    return tr_trace_has_any(trace, &policy->any) != policy->invert ? TR_ANSWER_KEEP : TR_ANSWER_DROP;
}

enum tr_answer tr_policy_all_decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    enum tr_answer answer = TR_ANSWER_KEEP;

    for (uint32_t i = 0; i < policy->sub_count; i++) {
        enum tr_answer sub = policy->sub[i].type->decide(&policy->sub[i], trace);

        if (sub == TR_ANSWER_DROP)
            return TR_ANSWER_DROP;
        if (sub == TR_ANSWER_PENDING)
            answer = TR_ANSWER_PENDING;
    }
    return answer;
}

enum tr_answer tr_policy_any_certain(const struct tr_policy *policy, const struct tr_trace *trace)
{
    if (!tr_trace_has_any(trace, &policy->any))
        return TR_ANSWER_PENDING;
    return policy->invert ? TR_ANSWER_DROP : TR_ANSWER_KEEP;
}

enum tr_answer tr_policy_all_certain(const struct tr_policy *policy, const struct tr_trace *trace)
{
    enum tr_answer answer = TR_ANSWER_KEEP;

    for (uint32_t i = 0; i < policy->sub_count; i++) {
        enum tr_answer sub = policy->sub[i].type->certain(&policy->sub[i], trace);

        if (sub == TR_ANSWER_DROP)
            return TR_ANSWER_DROP;
        if (sub == TR_ANSWER_PENDING)
            answer = TR_ANSWER_PENDING;
    }
    return answer;
}

enum tr_answer tr_policy_never_certain(const struct tr_policy *policy, const struct tr_trace *trace)
{
    return TR_ANSWER_PENDING;
}

bool tr_policy_is_pure(const struct tr_policy *policy)
{
    for (uint32_t i = 0; i < policy->sub_count; i++)
        if (!tr_policy_is_pure(&policy->sub[i]))
            return false;
    return policy->type->certain && !policy->stateful;
}

int tr_policy_compile(struct tr_policy *policy, const struct tr_policy_options *options,
                      const struct tr_policy_place *place, struct tr_error *error)
{
    policy->type = tr_policy_type_find(options->type);
    if (!policy->type)
        return tr_error_set(error, EINVAL, "%s.type: %s is not a policy type", place->path, options->type);
    if (!(policy->type->places & place->place))
        return tr_error_set(error, EINVAL, "%s.type: %s can't stand inside another policy", place->path,
                            options->type);
    policy->name = strdup(options->name ? options->name : "");
    if (!policy->name)
        return tr_error_set(error, ENOMEM, "%s: no memory", place->path);
    return policy->type->compile(policy, options, place, error);
}

int tr_policy_sub_compile(struct tr_policy *policy, const struct tr_policy_options *sub, size_t count,
                          const struct tr_policy_place *place, const char *below, unsigned sub_place,
                          struct tr_error *error)
{
    return tr_policy_subs_compile(policy, sub, NULL, count, place, below, sub_place, error);
}

int tr_policy_subs_compile(struct tr_policy *policy, const struct tr_policy_options *sub, const uint32_t *numbers,
                           size_t count, const struct tr_policy_place *place, const char *below, unsigned sub_place,
                           struct tr_error *error)
{
    policy->sub = calloc(count, sizeof(*policy->sub));
    if (!policy->sub)
        return tr_error_set(error, ENOMEM, "%s: no memory", place->path);
    for (size_t i = 0; i < count; i++) {
        char path[256], key[512];
        struct tr_policy_place under = *place;
        size_t number = numbers ? numbers[i] : i;
        int rc;

        if (sub_place == TR_POLICY_IN_NOT)
            snprintf(path, sizeof(path), "%s.%s", place->path, below);
        else
            snprintf(path, sizeof(path), "%s.%s[%zu]", place->path, below, number);
        snprintf(key, sizeof(key), "%s/%zu %s", place->key, number, sub[i].name ? sub[i].name : "");
        under.path = path;
        under.key = key;
        under.place = sub_place;
        under.negated = place->negated != (policy->type == &tr_policy_not || policy->type == &tr_policy_drop);
        policy->sub_count++;
        rc = tr_policy_compile(&policy->sub[i], &sub[i], &under, error);
        if (rc < 0)
            return rc;
        policy->slots |= policy->sub[i].slots;
        policy->stages = TR_MAX(policy->stages, policy->sub[i].stages);
    }
    return 0;
}

void tr_policy_clear(struct tr_policy *policy)
{
    for (uint32_t i = 0; i < policy->sub_count; i++)
        tr_policy_clear(&policy->sub[i]);
    if (policy->type && policy->type->clear)
        policy->type->clear(policy);
    free(policy->sub);
    free(policy->shares);
    free(policy->name);
}
