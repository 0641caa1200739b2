// SPDX-License-Identifier: Apache-2.0
#include "policy/policy_set.h"

#include "base/counter.h"

static const struct tr_policy_type *const types[] = {
    &tr_policy_always_sample, &tr_policy_and,         &tr_policy_latency,
    &tr_policy_probabilistic, &tr_policy_status_code, &tr_policy_string_attribute,
};

// What the Collector has beside these.
static const char *const later[] = {"numeric_attribute", "rate_limiting", "bytes_limiting", "span_count",
                                    "trace_state",       "trace_flags",   "boolean_attribute", "ottl_condition",
                                    "not",               "drop",          "composite"};

const struct tr_policy_type *tr_policy_type_find(const char *name)
{
    for (size_t i = 0; i < TR_NELEMS(types); i++)
        if (strcmp(types[i]->name, name) == 0)
            return types[i];
    return NULL;
}

int tr_policy_predicates_full(const char *path, int rc, struct tr_error *error)
{
    if (rc == -ENOMEM)
        return tr_error_set(error, ENOMEM, "%s: no memory", path);
    return tr_error_set(error, EINVAL, "%s: more than %d different conditions in all policies of the last %d configs",
                        path, TR_PREDICATES_MAX, TR_EPOCHS_LIVE_MAX);
}

int tr_policy_compile(struct tr_policy *policy, const struct tr_policy_options *options, const char *path,
                      struct tr_predicates *predicates, struct tr_error *error)
{
    policy->type = tr_policy_type_find(options->type);
    if (!policy->type) {
        for (size_t i = 0; i < TR_NELEMS(later); i++)
            if (strcmp(later[i], options->type) == 0)
                return tr_error_set(error, EINVAL, "%s.type: %s is not in this version", path, options->type);
        return tr_error_set(error, EINVAL, "%s.type: %s is not a policy type", path, options->type);
    }
    policy->name = strdup(options->name);
    if (!policy->name)
        return tr_error_set(error, ENOMEM, "%s: no memory", path);
    return policy->type->compile(policy, options, path, predicates, error);
}

void tr_policy_clear(struct tr_policy *policy)
{
    for (uint32_t i = 0; i < policy->sub_count; i++)
        tr_policy_clear(&policy->sub[i]);
    free(policy->sub);
    free(policy->name);
}

const char *tr_policy_name(const struct tr_policy_set *set, uint16_t policy)
{
    const struct tr_policy_set_whole *whole = (const struct tr_policy_set_whole *)set;

    return policy < set->policies ? whole->policies[policy].name : "";
}

const char *tr_policy_type_name(const struct tr_policy_set *set, uint16_t policy)
{
    const struct tr_policy_set_whole *whole = (const struct tr_policy_set_whole *)set;

    return policy < set->policies ? whole->policies[policy].type->name : "";
}

// All policies are asked, so that each counts what it saw; the first that keeps gives its name.
enum tr_answer tr_policy_set_decide(const struct tr_policy_set *set, const struct tr_trace *trace,
                                    struct tr_policy_counters *counters, uint16_t *policy)
{
    const struct tr_policy_set_whole *whole = (const struct tr_policy_set_whole *)set;
    uint32_t keepers = 0, keeper = 0;
    bool pending = false;

    for (uint32_t i = 0; i < set->policies; i++) {
        enum tr_answer answer = whole->policies[i].type->decide(&whole->policies[i], trace);

        tr_count(&counters[i].traces_seen, 1);
        pending = pending || answer == TR_ANSWER_PENDING;
        if (answer != TR_ANSWER_KEEP)
            continue;
        if (!keepers++)
            keeper = i;
        tr_count(&counters[i].traces_kept, 1);
        tr_count(&counters[i].spans_kept, trace->spans);
        memcpy(counters[i].example_id, trace->trace_id, sizeof(counters[i].example_id));
    }
    *policy = keepers ? (uint16_t)keeper : TR_POLICY_NONE;
    if (keepers == 1)
        tr_count(&counters[keeper].traces_kept_alone, 1);
    return keepers ? TR_ANSWER_KEEP : pending ? TR_ANSWER_PENDING : TR_ANSWER_DROP;
}
