// SPDX-License-Identifier: Apache-2.0
// The owner's side of an lcore: class 1 messages in, decisions, class 2 messages out.
#include "lcore/lcore.h"

static const struct tr_epoch *epoch_find(const struct tr_lcore *lcore, uint32_t number)
{
    const struct tr_epoch *epoch = tr_load_acquire(&lcore->mesh->epochs[number % TR_EPOCHS_LIVE_MAX]);

    // A trace is held under it, so it is not freed: peers[].epoch_oldest says so.
    tr_assert(epoch && epoch->number == number);
    return epoch;
}

static enum tr_answer decide(void *context, const struct tr_trace *trace, uint16_t *policy)
{
    struct tr_lcore *lcore = context;
    const struct tr_epoch *epoch = epoch_find(lcore, trace->epoch);

    return tr_policy_set_decide(epoch->policies, trace, epoch->counters[lcore->options.lcore], policy);
}

static struct tr_chance chance(void *context, const struct tr_trace *trace)
{
    return tr_policy_set_chance(epoch_find(context, trace->epoch)->policies, trace);
}

static enum tr_answer certain(void *context, const struct tr_trace *trace, uint16_t *policy)
{
    return tr_policy_set_certain(epoch_find(context, trace->epoch)->policies, trace, policy);
}

struct tr_decider tr_lcore_decider(struct tr_lcore *lcore)
{
    return (struct tr_decider){.context = lcore, .decide = decide, .chance = chance, .certain = certain};
}

static bool class2_send(void *context, uint32_t holder, const union tr_message *message)
{
    struct tr_lcore *lcore = context;
    uint32_t self = lcore->options.lcore;

    if (holder == self) {
        tr_lcore_class2(lcore, self, message);
        return true;
    }
    if (!tr_mesh_send(lcore->mesh, TR_CLASS_2, self, holder, message, 1)) {
        tr_count(&lcore->counters.class2_full, 1);
        return false;
    }
    lcore->wake |= 1ull << holder;
    return true;
}

struct tr_owner_output tr_lcore_owner_output(struct tr_lcore *lcore)
{
    return (struct tr_owner_output){.context = lcore, .send = class2_send};
}

// A mark from `origin`: behind it, everything was walked under that epoch. Once the marks of all are in, traces
// begin under it.
static void epoch_mark(struct tr_lcore *lcore, uint32_t origin, uint32_t epoch)
{
    uint32_t least = epoch;
    const struct tr_epoch *to;

    lcore->epochs_in[origin] = epoch;
    for (uint32_t i = 0; i < lcore->mesh->lcores; i++)
        least = TR_MIN(least, lcore->epochs_in[i]);
    if (!least)
        return;
    // Marks of later epochs may already be in from all: then the one that is least is still the right one.
    to = tr_load_acquire(&lcore->mesh->epochs[least % TR_EPOCHS_LIVE_MAX]);
    if (!to || to->number != least)
        return;
    tr_owner_epoch_set(lcore->owner, least);
    tr_owner_wait_set(lcore->owner, to->policies->wait_ns, to->policies->wait_min_ns);
    tr_owner_wait_root_set(lcore->owner, to->policies->wait_root_ns);
    if (to->policies->adjusted != TR_ADJUSTED_OFF)
        tr_owner_counting_set(lcore->owner);
    tr_owner_late_set(lcore->owner, to->policies->reopen, to->policies->at_once);
}

// Take class 1 messages of one origin, in order. Returns how many were taken.
uint32_t tr_lcore_class1(struct tr_lcore *lcore, uint32_t origin, const union tr_message *messages, uint32_t count)
{
    uint64_t wall_ns = lcore->now + tr_load_relaxed(&lcore->wall_offset_ns);
    uint32_t taken = 0;

    while (taken < count) {
        uint32_t run = 0, got;

        while (taken + run < count && messages[taken + run].any.kind != TR_MESSAGE_EPOCH)
            run++;
        got = run ? tr_owner_receive(lcore->owner, origin, messages + taken, run, lcore->now, wall_ns) : 0;
        taken += got;
        if (got < run)
            break;
        if (taken < count) {
            epoch_mark(lcore, origin, (uint32_t)messages[taken].any.words[0]);
            taken++;
        }
    }
    return taken;
}

// What was taken out of a ring and did not fit the owner waits here, ahead of what is still in the ring.
static size_t origin_receive(struct tr_lcore *lcore, uint32_t origin)
{
    union tr_message *held = lcore->held_back[origin];
    uint32_t *count = &lcore->held_back_count[origin];
    uint32_t self = lcore->options.lcore, taken;
    size_t work = 0;

    for (unsigned bursts = 0; bursts < 8; bursts++) {
        if (*count < TR_BURST)
            *count += tr_mesh_receive(lcore->mesh, TR_CLASS_1, origin, self, held + *count, TR_BURST - *count);
        if (!*count)
            break;
        taken = tr_lcore_class1(lcore, origin, held, *count);
        work += taken;
        *count -= taken;
        memmove(held, held + taken, *count * sizeof(*held));
        if (*count)
            break;
    }
    return work;
}

// Spans of decided traces a turn: at some 500 bytes each, a turn's share of emitting.
#define DECIDE_SPANS 512

// The tick of the budgets, if a config has any.
static size_t budgets_poll(struct tr_lcore *lcore, uint64_t wall_ns)
{
    const struct tr_policy_set *set = lcore->walker.epoch->policies;
    bool settling = tr_owner_settling(lcore->owner);

    if (tr_likely(!set->budgets) ||
        !tr_budgets_poll(set->budgets, lcore->options.lcore, lcore->now, set->budget_plan, tr_owner_hurries(lcore->owner),
                         settling, &lcore->wake))
        return 0;
    return 1 + tr_owner_settle(lcore->owner, lcore->now, wall_ns, DECIDE_SPANS);
}

// What the control thread must not free: the oldest config under which a trace is held, or has asked budgets.
static void epoch_oldest_store(struct tr_lcore *lcore)
{
    const struct tr_policy_set *set = lcore->walker.epoch->policies;
    uint32_t self = lcore->options.lcore, oldest = tr_owner_epoch_oldest(lcore->owner), asked;

    asked = tr_unlikely(set->budgets != NULL) ? tr_budgets_epoch_oldest(set->budgets, self) : 0;
    tr_store_release(&lcore->mesh->peers[self].epoch_oldest, asked ? TR_MIN(asked, oldest) : oldest);
}

size_t tr_lcore_own(struct tr_lcore *lcore)
{
    uint64_t wall_ns = lcore->now + tr_load_relaxed(&lcore->wall_offset_ns);
    uint32_t self = lcore->options.lcore;
    size_t work = 0;

    for (uint32_t origin = 0; origin < lcore->mesh->lcores; origin++)
        if (origin != self)
            work += origin_receive(lcore, origin);
    work += budgets_poll(lcore, wall_ns);
    work += tr_owner_poll(lcore->owner, lcore->now, wall_ns, DECIDE_SPANS);
    tr_lcore_emit_flush(lcore);
    epoch_oldest_store(lcore);
    return work;
}
