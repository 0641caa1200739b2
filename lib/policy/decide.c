// SPDX-License-Identifier: Apache-2.0
// A whole set decides a trace, as the Collector does: `drop` policies come first, and one that drops ends it; then the
// others in their order, all of them, so that each counts what it saw and spends its budget, unless
// sample_on_first_match stops at the first that keeps. The first that keeps gives its name.
#include "policy/policy_set.h"

#include "base/counter.h"

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

static void example_note(struct tr_policy_counters *counters, const struct tr_trace *trace)
{
    memcpy(counters->example_id, trace->trace_id, sizeof(counters->example_id));
}

static enum tr_answer ask(const struct tr_policy *policy, const struct tr_trace *trace,
                          struct tr_policy_counters *counters)
{
    tr_count(&counters->traces_seen, 1);
    return policy->type->decide(policy, trace);
}

enum tr_answer tr_policy_set_decide(const struct tr_policy_set *set, const struct tr_trace *trace,
                                    struct tr_policy_counters *counters, uint16_t *policy)
{
    const struct tr_policy_set_whole *whole = (const struct tr_policy_set_whole *)set;
    uint32_t keepers = 0, keeper = 0;
    bool pending = false;

    *policy = TR_POLICY_NONE;
    for (uint32_t at = 0; at < set->policies; at++) {
        uint32_t i = whole->order[at];
        enum tr_answer answer = ask(&whole->policies[i], trace, &counters[i]);

        pending = pending || answer == TR_ANSWER_PENDING;
        if (answer != TR_ANSWER_KEEP)
            continue;
        example_note(&counters[i], trace);
        if (at < whole->drops) {
            tr_count(&counters[i].traces_dropped, 1);
            *policy = (uint16_t)i;
            return TR_ANSWER_DROP;
        }
        if (!keepers++)
            keeper = i;
        tr_count(&counters[i].traces_kept, 1);
        tr_count(&counters[i].spans_kept, trace->spans);
        if (whole->first_match)
            break;
    }
    if (!keepers)
        return pending ? TR_ANSWER_PENDING : TR_ANSWER_DROP;
    *policy = (uint16_t)keeper;
    if (keepers == 1)
        tr_count(&counters[keeper].traces_kept_alone, 1);
    return TR_ANSWER_KEEP;
}
