// SPDX-License-Identifier: Apache-2.0
// A whole set decides a trace, as the Collector does: `drop` policies come first, and one that drops ends it; then the
// others in their order, all of them, so that each counts what it saw and spends its budget, unless
// sample_on_first_match stops at the first that keeps. The first that keeps gives its name.
#include "policy/policy_set.h"

#include "base/counter.h"
#include "base/cycles.h"

// The policy that a number means, and its row; *row is UINT32_MAX for the policy itself. Returns NULL: it means none.
static const struct tr_policy *policy_of(const struct tr_policy_set *set, uint16_t number, uint32_t *row)
{
    const struct tr_policy_set_whole *whole = (const struct tr_policy_set_whole *)set;

    *row = UINT32_MAX;
    if (number < whole->policies_count)
        return &whole->policies[number];
    for (uint32_t i = 0; i < whole->policies_count; i++) {
        const struct tr_policy *policy = &whole->policies[i];

        if (number >= policy->first_row && number - policy->first_row < policy->rows) {
            *row = number - policy->first_row;
            return policy;
        }
    }
    return NULL;
}

uint32_t tr_policy_listed_after(const struct tr_policy_set *set, uint32_t number)
{
    const struct tr_policy_set_whole *whole = (const struct tr_policy_set_whole *)set;
    uint32_t row;
    const struct tr_policy *of = policy_of(set, (uint16_t)number, &row);

    if (!of)
        return set->policies;
    if (row + 1 < of->rows || (row == UINT32_MAX && of->rows))
        return of->first_row + row + 1;
    number = (uint32_t)(of - whole->policies) + 1;
    return number < whole->policies_count ? number : set->policies;
}

const char *tr_policy_name(const struct tr_policy_set *set, uint16_t policy)
{
    uint32_t row;
    const struct tr_policy *of = policy_of(set, policy, &row);

    if (!of)
        return "";
    return row == UINT32_MAX ? of->name : of->type->row_name(of, row);
}

const char *tr_policy_type_name(const struct tr_policy_set *set, uint16_t policy)
{
    uint32_t row;
    const struct tr_policy *of = policy_of(set, policy, &row);

    return of ? of->type->name : "";
}

static void example_note(struct tr_policy_counters *counters, const struct tr_trace *trace)
{
    memcpy(counters->example_id, trace->trace_id, sizeof(counters->example_id));
}

// A row that answered: who kept or dropped the trace, as far as it is up to this policy.
void tr_policy_row_count(struct tr_policy_counters *counters, const struct tr_trace *trace, enum tr_answer answer)
{
    tr_count(&counters->traces_seen, 1);
    tr_count(&counters->spans_seen, trace->spans);
    if (answer == TR_ANSWER_PENDING)
        return;
    example_note(counters, trace);
    if (answer == TR_ANSWER_DROP) {
        tr_count(&counters->traces_dropped, 1);
        return;
    }
    tr_count(&counters->traces_kept, 1);
    tr_count(&counters->spans_kept, trace->spans);
}

static enum tr_answer answer_of(const struct tr_policy *policy, const struct tr_trace *trace, uint32_t *row)
{
    return policy->rows ? policy->type->decide_row(policy, trace, row) : policy->type->decide(policy, trace);
}

// The same, timed; less what looking at the time takes.
static __attribute__((noinline)) enum tr_answer answer_timed(const struct tr_policy *policy, const struct tr_trace *trace,
                                                             struct tr_policy_counters *counters, uint32_t *row)
{
    uint64_t before = tr_cycles(), begin = tr_cycles(), took;
    enum tr_answer answer = answer_of(policy, trace, row);

    took = tr_cycles() - begin;
    tr_count(&counters->timed_cycles, took - TR_MIN(took, begin - before));
    tr_count(&counters->timed_spans, trace->spans);
    tr_count(&counters->timed_traces, 1);
    return answer;
}

enum tr_answer tr_policy_ask(const struct tr_policy_set_whole *whole, uint32_t number, const struct tr_trace *trace,
                             struct tr_policy_counters *counters, uint32_t *by)
{
    const struct tr_policy *policy = &whole->policies[number];
    enum tr_answer answer;
    uint32_t row = 0;

    if (tr_unlikely(counters[number].traces_seen % TR_POLICY_TIMED == 0))
        answer = answer_timed(policy, trace, &counters[number], &row);
    else
        answer = answer_of(policy, trace, &row);
    *by = number;
    if (!policy->rows)
        return answer;
    *by = policy->first_row + row;
    return answer;
}

static enum tr_answer ask(const struct tr_policy_set_whole *whole, uint32_t number, const struct tr_trace *trace,
                          struct tr_policy_counters *counters, uint32_t *by)
{
    enum tr_answer answer = tr_policy_ask(whole, number, trace, counters, by);

    tr_count(&counters[number].traces_seen, 1);
    tr_count(&counters[number].spans_seen, trace->spans);
    if (*by != number)
        tr_policy_row_count(&counters[*by], trace, answer);
    return answer;
}

// Does it keep a trace of which much is not known any more? Only if what is known is enough for it, and is more than the
// id: shares are not drawn again.
static bool keeps_partial(const struct tr_policy *policy, const struct tr_trace *trace)
{
    struct tr_trace blank = {.epoch = trace->epoch};

    memcpy(blank.trace_id, trace->trace_id, sizeof(blank.trace_id));
    return policy->type->certain(policy, trace) == TR_ANSWER_KEEP &&
           policy->type->certain(policy, &blank) != TR_ANSWER_KEEP;
}

// Does it want the records of the trace's spans, of which some have gone?
static bool lacks_shape(const struct tr_policy *policy, const struct tr_trace *trace)
{
    for (uint32_t i = 0; i < policy->sub_count; i++)
        if (lacks_shape(&policy->sub[i], trace))
            return true;
    return policy->type->certain == tr_policy_never_certain && !trace->shapes;
}

// A trace that was dropped, and is asked about again: what keeps state has had its say, and what looks at the shape says
// nothing about a part of it.
static enum tr_answer ask_again(const struct tr_policy_set_whole *whole, uint32_t at, const struct tr_trace *trace,
                                uint32_t *by)
{
    const struct tr_policy *policy = &whole->policies[whole->order[at]];
    enum tr_answer answer;
    uint32_t row;

    *by = whole->order[at];
    if (!whole->pure[*by] || lacks_shape(policy, trace))
        return at < whole->drops ? TR_ANSWER_KEEP : TR_ANSWER_DROP; // as it was: dropped
    if (at >= whole->drops && trace->partial)
        return keeps_partial(policy, trace) ? TR_ANSWER_KEEP : TR_ANSWER_DROP;
    if (!policy->rows)
        return policy->type->decide(policy, trace);
    answer = policy->type->decide_row(policy, trace, &row);
    *by = policy->first_row + row;
    return answer;
}

enum tr_answer tr_policy_set_decide(const struct tr_policy_set *set, const struct tr_trace *trace,
                                    struct tr_policy_counters *counters, uint16_t *policy)
{
    const struct tr_policy_set_whole *whole = (const struct tr_policy_set_whole *)set;
    uint32_t keepers = 0, keeper = 0, keeper_by = 0;

    if (tr_unlikely(whole->budget_plan.slots) && !trace->again)
        return tr_policy_set_decide_budgets(whole, trace, counters, policy);
    *policy = TR_POLICY_NONE;
    for (uint32_t at = 0; at < whole->policies_count; at++) {
        uint32_t i = whole->order[at], by;
        enum tr_answer answer = tr_unlikely(trace->again) ? ask_again(whole, at, trace, &by)
                                                          : ask(whole, i, trace, counters, &by);

        // A rule that dropped it is worth a name, if nobody keeps it.
        if (answer == TR_ANSWER_DROP && by != i && *policy == TR_POLICY_NONE)
            *policy = (uint16_t)by;
        if (answer != TR_ANSWER_KEEP)
            continue;
        example_note(&counters[i], trace);
        if (at < whole->drops) {
            tr_count(&counters[i].traces_dropped, !trace->again);
            *policy = (uint16_t)i;
            return TR_ANSWER_DROP;
        }
        if (!keepers++) {
            keeper = i;
            keeper_by = by;
        }
        tr_count(&counters[i].traces_kept, 1);
        tr_count(&counters[i].spans_kept, trace->spans);
        if (whole->first_match)
            break;
    }
    if (!keepers)
        return TR_ANSWER_DROP;
    *policy = (uint16_t)keeper_by;
    if (keepers == 1) {
        tr_count(&counters[keeper].traces_kept_alone, 1);
        if (keeper_by != keeper)
            tr_count(&counters[keeper_by].traces_kept_alone, 1);
    }
    return TR_ANSWER_KEEP;
}

static bool draws(const struct tr_policy *policy)
{
    for (uint32_t i = 0; i < policy->sub_count; i++)
        if (draws(&policy->sub[i]))
            return true;
    return policy->drawing;
}

// What a verdict shall name for policy `number`, which answers this trace: it, or the row of it that does.
static uint16_t by_of(const struct tr_policy_set_whole *whole, uint32_t number, const struct tr_trace *trace)
{
    const struct tr_policy *policy = &whole->policies[number];
    uint32_t row;

    if (!policy->rows)
        return (uint16_t)number;
    policy->type->decide_row(policy, trace, &row);
    return (uint16_t)(policy->first_row + row);
}

// A policy that is sure of itself keeps the trace, and none that drops can still say so. That no policy will keep it
// is certain when each says so by itself.
enum tr_answer tr_policy_set_certain(const struct tr_policy_set *set, const struct tr_trace *trace, uint16_t *policy)
{
    const struct tr_policy_set_whole *whole = (const struct tr_policy_set_whole *)set;
    uint16_t dropper = TR_POLICY_NONE; // a rule, which is worth a name
    bool open = false;

    *policy = TR_POLICY_NONE;
    for (uint32_t at = 0; at < whole->policies_count; at++) {
        uint32_t i = whole->order[at];
        enum tr_answer answer = whole->pure[i] ? whole->policies[i].type->certain(&whole->policies[i], trace)
                                               : TR_ANSWER_PENDING;

        if (at < whole->drops && answer == TR_ANSWER_KEEP) {
            *policy = (uint16_t)i;
            return TR_ANSWER_DROP;
        }
        if (at < whole->drops && answer == TR_ANSWER_PENDING)
            return TR_ANSWER_PENDING;
        // With adjusted counts, not by chance: what may still come could make it certain, and the count another one.
        if (answer == TR_ANSWER_KEEP && at >= whole->drops &&
            (set->adjusted == TR_ADJUSTED_OFF || !draws(&whole->policies[i]))) {
            *policy = by_of(whole, i, trace);
            return TR_ANSWER_KEEP;
        }
        open = open || (at >= whole->drops && answer != TR_ANSWER_DROP);
        if (!open && whole->policies[i].rows && dropper == TR_POLICY_NONE)
            dropper = by_of(whole, i, trace);
    }
    if (!open)
        *policy = dropper;
    return open ? TR_ANSWER_PENDING : TR_ANSWER_DROP;
}
