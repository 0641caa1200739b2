// SPDX-License-Identifier: Apache-2.0
// A set with limits decides a trace: as decide.c does, but what is PENDING is asked about again, and each policy counts
// it once, when the answer is there.
//
// One that keeps is enough, whatever is open: the trace goes, and what it asked of budgets is spent, as in the Collector.
// Only drop policies have to be through before others are asked.
#include "policy/policy_set.h"

#define WORDS ((TR_POLICIES_MAX + 63) / 64)

// What each policy said, by its place in the order.
struct answers {
    uint32_t asked; // the first so many
    uint32_t keepers;
    uint32_t dropper; // place of the drop policy that dropped it; == drops: none
    bool pending;
    uint64_t keep[WORDS];
    uint16_t by[TR_POLICIES_MAX]; // what a verdict would name
};

static bool kept(const struct answers *answers, uint32_t at)
{
    return answers->keep[at / 64] >> at % 64 & 1;
}

static void ask_all(const struct tr_policy_set_whole *whole, const struct tr_trace *trace,
                    struct tr_policy_counters *counters, struct answers *answers)
{
    answers->dropper = whole->drops;
    for (uint32_t at = 0; at < whole->policies_count; at++) {
        enum tr_answer answer;
        uint32_t by;

        if (at == whole->drops && answers->pending)
            return;
        answer = tr_policy_ask(whole, whole->order[at], trace, counters, &by);
        answers->by[at] = (uint16_t)by;
        answers->asked++;
        answers->pending |= answer == TR_ANSWER_PENDING;
        if (answer != TR_ANSWER_KEEP)
            continue;
        answers->keep[at / 64] |= 1ull << at % 64;
        if (at < whole->drops) {
            answers->dropper = at;
            return;
        }
        answers->keepers++;
        if (whole->first_match)
            return;
    }
}

static void count(const struct tr_policy_set_whole *whole, const struct tr_trace *trace, const struct answers *answers,
                  struct tr_policy_counters *counters)
{
    uint64_t refused = whole->set.budgets->lcore[trace->lcore].refused;

    for (uint32_t at = 0; at < answers->asked; at++) {
        uint32_t i = whole->order[at];
        struct tr_policy_counters *row = &counters[i];

        tr_count(&row->traces_seen, 1);
        tr_count(&row->spans_seen, trace->spans);
        if (answers->by[at] != i)
            tr_policy_row_count(&counters[answers->by[at]], trace, kept(answers, at) ? TR_ANSWER_KEEP : TR_ANSWER_DROP);
        if (kept(answers, at)) {
            memcpy(row->example_id, trace->trace_id, sizeof(row->example_id));
            if (at < whole->drops) {
                tr_count(&row->traces_dropped, 1);
                continue;
            }
            tr_count(&row->traces_kept, 1);
            tr_count(&row->spans_kept, trace->spans);
            tr_count(&row->traces_kept_alone, answers->keepers == 1);
            if (answers->by[at] != i)
                tr_count(&counters[answers->by[at]].traces_kept_alone, answers->keepers == 1);
        } else if (whole->policies[i].slots & refused && !answers->keepers) {
            tr_count(&row->traces_limited, 1);
            tr_count(&row->spans_limited, trace->spans);
        }
    }
}

enum tr_answer tr_policy_set_decide_budgets(const struct tr_policy_set_whole *whole, const struct tr_trace *trace,
                                            struct tr_policy_counters *counters, uint16_t *policy)
{
    struct answers answers;
    uint32_t at = 0;

    memset(&answers, 0, offsetof(struct answers, by));
    tr_budget_begin(whole->set.budgets, trace);
    *policy = TR_POLICY_NONE;
    ask_all(whole, trace, counters, &answers);
    trace->asked->counted |= answers.asked > whole->drops;
    if (answers.pending && !answers.keepers && answers.dropper == whole->drops)
        return TR_ANSWER_PENDING;
    count(whole, trace, &answers, counters);
    while (at < answers.asked && !kept(&answers, at))
        at++;
    for (uint32_t i = 0; at == answers.asked && i < at && *policy == TR_POLICY_NONE; i++)
        if (answers.by[i] != whole->order[i]) // a rule that dropped it is worth a name, if nobody keeps it
            *policy = answers.by[i];
    if (at == answers.asked)
        return TR_ANSWER_DROP;
    *policy = answers.by[at];
    return at < whole->drops ? TR_ANSWER_DROP : TR_ANSWER_KEEP;
}
