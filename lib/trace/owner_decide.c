// SPDX-License-Identifier: Apache-2.0
// The owner's decisions: which trace is due, and what becomes of it.
#include "trace/owner_internal.h"

struct tr_entry_list *tr_owner_list_of(struct tr_owner *owner, const struct tr_entry *entry)
{
    switch (entry->on) {
    case TR_ENTRY_ON_WAIT:
        return &owner->waits[entry->wait].list;
    case TR_ENTRY_ON_ROOTED:
        return &owner->rooted[entry->reason].list;
    case TR_ENTRY_ON_LARGE:
        return &owner->large;
    case TR_ENTRY_ON_PARKED:
        return &owner->parked;
    case TR_ENTRY_ON_CERTAIN:
        return &owner->certain;
    case TR_ENTRY_ON_AGAIN:
        return &owner->again;
    case TR_ENTRY_ON_LATER:
        return &owner->later;
    default:
        return NULL;
    }
}

void tr_owner_move(struct tr_owner *owner, uint32_t number, enum tr_entry_on on)
{
    struct tr_entry *entry = tr_table_entry(&owner->table, number);
    struct tr_entry_list *list = tr_owner_list_of(owner, entry);

    if (list)
        tr_entry_list_remove(&owner->table, list, number);
    entry->on = (uint8_t)on;
    list = tr_owner_list_of(owner, entry);
    if (list)
        tr_entry_list_append(&owner->table, list, number);
}

uint32_t tr_owner_oldest(const struct tr_owner *owner)
{
    uint32_t oldest = 0;
    uint64_t first_ns = 0, due_ns;

    for (uint32_t i = 0; i < TR_WAITS_MAX; i++) {
        uint32_t number = owner->waits[i].list.first;

        if (number && (!oldest || tr_table_entry(&owner->table, number)->first_ns < first_ns)) {
            oldest = number;
            first_ns = tr_table_entry(&owner->table, number)->first_ns;
        }
    }
    // Those whose root has come are decided soon by themselves.
    return oldest ? oldest : tr_owner_rooted_front(owner, &due_ns);
}

static void ot_show(const struct tr_trace_ot *ot, uint32_t spans, struct tr_trace *trace)
{
    trace->ot = ot;
    trace->threshold_least = ot->thresholds == spans ? ot->threshold : 0;
    trace->randomness = ot->have & TR_OT_RANDOM ? ot->random + 1 : 0;
}

void tr_owner_trace_view(const struct tr_owner *owner, uint32_t number, struct tr_trace *trace)
{
    const struct tr_entry *entry = tr_table_entry(&owner->table, number);

    memset(trace, 0, sizeof(*trace));
    memcpy(trace->trace_id, entry->trace_id, 16);
    trace->first_ns = entry->first_ns;
    trace->start_ns = entry->start_ns;
    trace->end_ns = entry->end_ns;
    trace->bytes = entry->bytes;
    trace->spans = entry->spans;
    trace->source = entry->source;
    trace->epoch = entry->epoch;
    trace->lcore = owner->lcore;
    trace->root_seen = entry->flags & TR_ENTRY_ROOT;
    if (tr_unlikely(entry->flags & TR_ENTRY_DROPPED)) {
        trace->again = true;
        trace->partial = entry->flags & TR_ENTRY_PARTIAL;
        trace->spans = (uint32_t)TR_MIN(entry->spans + entry->earlier, (uint64_t)UINT32_MAX);
    }
    trace->bits[0] = entry->bits;
    if (entry->flags & TR_ENTRY_WIDE)
        memcpy(trace->bits + 1, tr_table_wide(&owner->table, number),
               TR_WIDE_WORDS * sizeof(uint64_t));
    if (tr_unlikely(entry->flags & TR_ENTRY_OT))
        ot_show(&owner->table.ots[number], trace->spans, trace);
}

// Policies that look at the shape of traces find it here.
void tr_owner_shapes_show(struct tr_owner *owner, uint32_t number, struct tr_trace *trace)
{
    const struct tr_entry *entry = tr_table_entry(&owner->table, number);

    owner->shapes.table = &owner->table;
    owner->shapes.entry = entry;
    owner->shapes.spans = entry->spans;
    owner->shapes.begin = (uint32_t)(entry->start_ns >> TR_SHAPE_UNIT_SHIFT);
    owner->shapes.gathered = owner->shapes.ordered = owner->shapes.looked = owner->shapes.sampled_mixed = false;
    owner->shapes.sampled_known = 0;
    trace->shapes = &owner->shapes;
}

void tr_owner_epoch_leave(struct tr_owner *owner, const struct tr_entry *entry)
{
    owner->epoch_traces[entry->epoch % 256]--;
    while (owner->epoch_oldest != owner->epoch && !owner->epoch_traces[owner->epoch_oldest % 256])
        owner->epoch_oldest++;
}

void tr_owner_end(struct tr_owner *owner, uint32_t number)
{
    tr_owner_epoch_leave(owner, tr_table_entry(&owner->table, number));
    tr_table_end(&owner->table, number);
}

// What looking at the shape has cost counts as work.
static void shapes_count(struct tr_owner *owner, struct tr_owner_turn *turn)
{
    if (owner->shapes.looked)
        tr_owner_spend(turn, owner->shapes.spans / 8);
    if (owner->shapes.gathered)
        tr_count(&owner->counters.shape_cut, owner->shapes.cut);
}

static uint64_t *early_counter(struct tr_owner_counters *counters, enum tr_when when)
{
    switch (when) {
    case TR_WHEN_JOURNAL:
        return &counters->early_journal;
    case TR_WHEN_TABLE:
        return &counters->early_table;
    case TR_WHEN_SIZE:
        return &counters->early_size;
    case TR_WHEN_SHUTDOWN:
        return &counters->early_shutdown;
    case TR_WHEN_CERTAIN:
        return &counters->at_once;
    default:
        return NULL;
    }
}

static void conclude_count(struct tr_owner_counters *counters, uint32_t spans, enum tr_verdict verdict,
                           enum tr_when when)
{
    uint64_t *early = verdict == TR_VERDICT_EVICTED ? NULL : early_counter(counters, when);

    tr_count(&counters->held, -(uint64_t)spans);
    tr_count(&counters->traces_held, -1ull);
    switch (verdict) {
    case TR_VERDICT_KEEP:
        tr_count(&counters->kept, spans);
        tr_count(&counters->traces_kept, 1);
        break;
    case TR_VERDICT_DROP:
        tr_count(&counters->dropped, spans);
        tr_count(&counters->traces_dropped, 1);
        break;
    case TR_VERDICT_EVICTED:
        tr_count(&counters->evicted, spans);
        tr_count(&counters->traces_evicted, 1);
        break;
    }
    if (early)
        tr_count(early, spans);
}

// Dropped now: may a late span change that?
static bool may_reopen(const struct tr_owner *owner, const struct tr_owner_turn *turn)
{
    uint16_t policy;

    if (!owner->reopen || !turn->trace)
        return false;
    return !owner->decider.certain ||
           owner->decider.certain(owner->decider.context, turn->trace, &policy) == TR_ANSWER_PENDING;
}

// Questions that take about as long as a span's emission.
#define QUESTIONS_A_SPAN 16

struct tr_chance tr_owner_chance(struct tr_owner *owner, const struct tr_trace *trace, struct tr_owner_turn *turn)
{
    struct tr_chance chance = owner->decider.chance(owner->decider.context, trace);

    tr_owner_spend(turn, chance.questions / QUESTIONS_A_SPAN);
    return chance;
}

void tr_owner_conclude(struct tr_owner *owner, uint32_t number, enum tr_verdict verdict, uint16_t policy,
                       enum tr_when when, struct tr_owner_turn *turn)
{
    struct tr_entry *entry = tr_table_entry(&owner->table, number);
    struct tr_chance chance = {0};
    struct tr_verdict_record record = {
        .decided_wall_ns = turn->wall_ns,
        .first_wall_ns = turn->wall_ns - (turn->now - entry->first_ns),
        .spans = entry->spans,
        .source = entry->source,
        .policy = policy,
        .verdict = (uint8_t)verdict,
        .when = (uint8_t)when,
        .epoch = entry->epoch,
    };
    bool reopens = verdict == TR_VERDICT_DROP && may_reopen(owner, turn);

    memcpy(record.trace_id, entry->trace_id, 16);
    if (tr_unlikely(owner->counting) && verdict == TR_VERDICT_KEEP) {
        chance = tr_owner_chance(owner, turn->trace, turn);
        record.threshold = chance.threshold & TR_CHANCE_MASK;
        record.marks = chance.marks;
    }
    tr_owner_move(owner, number, TR_ENTRY_ON_NONE);
    owner->waits[entry->wait].traces--;
    tr_table_forget(&owner->table, number);
    if (verdict == TR_VERDICT_DROP && !reopens)
        record.marks |= TR_MARK_FINAL;
    if (reopens)
        record.dropped = tr_owner_dropped_keep(owner, number, 0, 0, (uint32_t)(turn->now / TR_S), turn);
    tr_verdicts_add(&owner->verdicts, &owner->table, &record);
    conclude_count(&owner->counters, entry->spans, verdict, when);
    if (verdict != TR_VERDICT_KEEP) {
        tr_owner_end(owner, number);
        return;
    }
    tr_owner_emit_begin(owner, number, policy, &chance, turn);
}

// Its references are read whether it is kept or dropped. What a long trace has beyond these is few among many.
#define CALLED_BLOCKS 4
static void refs_call(const struct tr_table *table, const struct tr_entry *entry)
{
    uint32_t blocks = (entry->spans + TR_BLOCK_REFS - 1) / TR_BLOCK_REFS;

    for (uint32_t i = 0; i < TR_MIN(blocks, (uint32_t)CALLED_BLOCKS); i++)
        __builtin_prefetch(tr_table_block(table, entry->blocks[i]), 1);
}

// An entry comes up for its decision cold, and so do the lines of both indices that its end touches. Its own
// lines are called for some decisions ahead, theirs when its id has come.
static void scout_advance(struct tr_owner *owner, struct tr_wait *wait)
{
    wait->scout_ahead -= wait->scout_ahead > 0;
    for (int steps = 0; steps < 2 && wait->scout_ahead < TR_SCOUT_AHEAD; steps++) {
        uint32_t number = wait->scout ? wait->scout : wait->list.first;
        const struct tr_entry *entry = tr_table_entry(&owner->table, number);
        const struct tr_entry *next = tr_table_entry(&owner->table, entry->next);
        uint32_t earlier = wait->scouted[(wait->scout_turn - TR_SCOUT_AHEAD / 2) % TR_SCOUT_AHEAD];
        uint64_t hash = tr_table_hash(&owner->table, tr_table_entry(&owner->table, earlier)->trace_id);

        if (!number || entry->on != TR_ENTRY_ON_WAIT) {
            wait->scout = 0;
            wait->scout_ahead = 0;
            return;
        }
        __builtin_prefetch(&next->trace_id);
        __builtin_prefetch(&next->first_ns, 1);
        __builtin_prefetch(tr_index_line_of(&owner->table.index, hash), 1);
        __builtin_prefetch(tr_index_line_of(&owner->verdicts.index, hash), 1);
        refs_call(&owner->table, tr_table_entry(&owner->table, earlier));
        wait->scouted[wait->scout_turn++ % TR_SCOUT_AHEAD] = number;
        wait->scout = entry->next;
        wait->scout_ahead++;
    }
}

// Ask about a trace that is due for `reason`, or was when it was parked.
static void decide(struct tr_owner *owner, uint32_t number, enum tr_when reason, struct tr_owner_turn *turn)
{
    struct tr_entry *entry = tr_table_entry(&owner->table, number);
    bool waited = turn->now - entry->first_ns >= owner->waits[entry->wait].wait_ns;
    uint16_t policy = TR_POLICY_NONE;
    struct tr_asked fresh = {0};
    enum tr_answer answer;
    struct tr_trace trace;

    if (entry->on == TR_ENTRY_ON_WAIT)
        scout_advance(owner, &owner->waits[entry->wait]);
    tr_owner_spend(turn, 1);
    if (tr_unlikely(owner->discarding) && !waited && reason == TR_WHEN_SHUTDOWN) {
        tr_owner_conclude(owner, number, TR_VERDICT_EVICTED, TR_POLICY_NONE, TR_WHEN_SHUTDOWN, turn);
        turn->decided++;
        return;
    }
    tr_owner_trace_view(owner, number, &trace);
    if (tr_unlikely(owner->table.shapes != NULL))
        tr_owner_shapes_show(owner, number, &trace);
    trace.asked = entry->on == TR_ENTRY_ON_PARKED && owner->asked ? &owner->asked[number] : &fresh;
    turn->trace = &trace;
    answer = owner->decider.decide(owner->decider.context, &trace, &policy);
    if (tr_unlikely(owner->table.shapes != NULL))
        shapes_count(owner, turn);
    if (tr_unlikely(fresh.begun))
        owner->asked[number] = fresh;
    if (tr_unlikely(reason == TR_WHEN_CERTAIN)) // all were asked, for what they count; these are the ones that matter
        answer = owner->decider.certain(owner->decider.context, &trace, &policy);
    switch (answer) {
    case TR_ANSWER_PENDING:
        tr_owner_move(owner, number, TR_ENTRY_ON_PARKED);
        entry->reason = (uint8_t)reason; // not before: it may have been its bucket
        turn->trace = NULL;
        return;
    case TR_ANSWER_KEEP:
        tr_owner_conclude(owner, number, TR_VERDICT_KEEP, policy, waited ? TR_WHEN_WAIT : reason, turn);
        break;
    case TR_ANSWER_DROP:
        tr_owner_conclude(owner, number, TR_VERDICT_DROP, policy, waited ? TR_WHEN_WAIT : reason, turn);
        break;
    }
    turn->decided++;
    turn->trace = NULL;
}

static uint32_t pressed_next(struct tr_owner *owner, uint64_t now)
{
    bool pressed = tr_owner_pressed(owner);
    uint32_t number = pressed ? tr_owner_oldest(owner) : 0;
    const struct tr_entry *entry = tr_table_entry(&owner->table, number);

    if (tr_unlikely(pressed && owner->parked.count))
        owner->hurries = true;
    return number && now - entry->first_ns >= tr_owner_wait_min(owner, entry) ? number : 0;
}

static uint32_t rooted_next(const struct tr_owner *owner, uint64_t now)
{
    uint64_t due_ns;
    uint32_t number = tr_owner_rooted_front(owner, &due_ns);

    return number && now >= due_ns ? number : 0;
}

static uint32_t waited_next(const struct tr_owner *owner, uint64_t now)
{
    for (uint32_t i = 0; i < TR_WAITS_MAX; i++) {
        const struct tr_wait *wait = &owner->waits[i];
        uint32_t number = wait->list.first;

        if (number && now - tr_table_entry(&owner->table, number)->first_ns >= wait->wait_ns)
            return number;
    }
    return 0;
}

// The trace to decide next, 0: none is due. Holders that wait for room come before traces that merely wait.
static uint32_t due_next(struct tr_owner *owner, enum tr_when *reason, struct tr_owner_turn *turn)
{
    uint32_t number = owner->large.first;

    *reason = TR_WHEN_SIZE;
    if (number)
        return number;
    // Before any acknowledgement: what they wait for may lie below it.
    *reason = TR_WHEN_CERTAIN;
    if (owner->certain.first)
        return owner->certain.first;
    if (owner->again.first)
        return owner->again.first;
    if (tr_unlikely(owner->later.first) && (turn->now >= owner->later_ns || owner->draining))
        return owner->later.first;
    if (owner->settle_left) {
        owner->settle_left--;
        number = owner->parked.first;
        *reason = (enum tr_when)tr_table_entry(&owner->table, number)->reason;
        if (number)
            return number;
    }
    *reason = TR_WHEN_JOURNAL;
    number = owner->asking ? tr_owner_tail_poll(owner, turn) : 0;
    if (number)
        return number;
    *reason = TR_WHEN_TABLE;
    number = pressed_next(owner, turn->now);
    if (number)
        return number;
    *reason = TR_WHEN_WAIT;
    number = rooted_next(owner, turn->now);
    if (number)
        return number;
    *reason = TR_WHEN_SHUTDOWN;
    return owner->draining ? tr_owner_oldest(owner) : waited_next(owner, turn->now);
}

uint32_t tr_owner_poll(struct tr_owner *owner, uint64_t now, uint64_t wall_ns, uint32_t budget)
{
    struct tr_owner_turn turn = {.now = now, .wall_ns = wall_ns, .left = budget};

    owner->hurries = false;
    if (tr_unlikely(owner->emitting))
        tr_owner_emit_poll(owner, &turn, budget - budget / 2);
    while (turn.left) {
        enum tr_when reason;
        uint32_t number = tr_owner_emit_room(owner) ? due_next(owner, &reason, &turn) : 0;

        if (!number) {
            if (tr_owner_emit_poll(owner, &turn, turn.left))
                continue;
            break;
        }
        if (tr_unlikely(tr_table_entry(&owner->table, number)->flags & TR_ENTRY_DROPPED))
            tr_owner_again(owner, number, &turn);
        else
            decide(owner, number, reason, &turn);
    }
    tr_owner_fifos_trim(owner, &turn);
    return budget - turn.left;
}

uint32_t tr_owner_settle(struct tr_owner *owner, uint64_t now, uint64_t wall_ns, uint32_t budget)
{
    owner->settle_left = owner->parked.count;
    return tr_owner_poll(owner, now, wall_ns, budget);
}

uint32_t tr_owner_evict(struct tr_owner *owner, uint64_t now, uint64_t wall_ns, uint32_t budget)
{
    struct tr_owner_turn turn = {.now = now, .wall_ns = wall_ns, .left = budget};

    while (turn.left) {
        uint32_t number = owner->large.first     ? owner->large.first
                          : owner->certain.first ? owner->certain.first
                          : owner->parked.first  ? owner->parked.first
                                                 : tr_owner_oldest(owner);

        if (!number)
            break;
        tr_owner_conclude(owner, number, TR_VERDICT_EVICTED, TR_POLICY_NONE, TR_WHEN_SHUTDOWN, &turn);
        tr_owner_spend(&turn, 1);
    }
    owner->settle_left = TR_MIN(owner->settle_left, owner->parked.count);
    return budget - turn.left;
}

bool tr_owner_settling(const struct tr_owner *owner)
{
    return owner->settle_left > 0;
}

bool tr_owner_hurries(const struct tr_owner *owner)
{
    return owner->hurries;
}

bool tr_owner_busy(const struct tr_owner *owner)
{
    return owner->emitting || owner->asking || owner->again.first || owner->certain.first ||
           (owner->draining && owner->later.first);
}

uint64_t tr_owner_deadline(const struct tr_owner *owner)
{
    uint32_t oldest = tr_owner_oldest(owner);
    uint64_t deadline = TR_NEVER, due_ns;

    if (owner->emitting || owner->large.first || owner->certain.first || owner->again.first || owner->settle_left ||
        (owner->draining && oldest))
        return 0;
    if (owner->asking)
        deadline = tr_owner_tail_deadline(owner);
    if (owner->later.first)
        deadline = TR_MIN(deadline, owner->draining ? 0 : owner->later_ns);
    if (oldest && tr_owner_pressed(owner)) {
        const struct tr_entry *entry = tr_table_entry(&owner->table, oldest);

        deadline = TR_MIN(deadline, entry->first_ns + tr_owner_wait_min(owner, entry));
    }
    if (tr_owner_rooted_front(owner, &due_ns))
        deadline = TR_MIN(deadline, due_ns);
    for (uint32_t i = 0; i < TR_WAITS_MAX; i++) {
        const struct tr_wait *wait = &owner->waits[i];

        if (wait->list.first)
            deadline =
                TR_MIN(deadline, tr_table_entry(&owner->table, wait->list.first)->first_ns + wait->wait_ns);
    }
    return deadline;
}
