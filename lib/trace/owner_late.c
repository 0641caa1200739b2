// SPDX-License-Identifier: Apache-2.0
//
// What comes after a decision: essay.
//
// A span whose trace is decided follows the verdict. Where the trace was dropped and a policy might still want it, it
// *reopens* it instead: the trace is asked about again, and if it is kept now, all of its spans that can still be found
// are emitted, marked. Nothing is searched for: a dropped trace's aggregates and references are written into a ring
// (dropped.h) when its entry is given back, and its verdict says where. The ring is sized to reach as far back as the
// journal (app/sizes.c); what it overwrites is forgotten without anybody being told. No walk over the journal, nothing
// that grows, no hold on the tail.
//
//   held --drop--> verdict and record in the ring --overwritten--> verdict --overwritten--> memo --> forgotten
//                     ^    |                                          |                        |
//                     |    late span                               late span                late span
//                     |        \--> AGAIN (an entry) <----------------- / <--------------------/
//                     |                |
//                     +--not wanted----+--wanted--> emitted, the verdict says kept (reopened)
//
// A set whose answer is certain when it drops (a drop policy that has matched, shares by trace id only) leaves nothing
// to reopen: such a trace is not written down, and its verdict is final.
//
// What was weighed against it: dropped traces that keep their entry and blocks until somebody needs the room cost no
// memory of their own, but every new trace then takes cold lines where it took those that had just been given back,
// and two lists are walked for victims: 0.1 us a span. A dropped trace is written once, in order, and never read again
// unless it is reopened.
//
// What was asked of it:
//   - Emitted twice? A trace leaves the table when it is reopened, and its verdict says kept before the first emit: a
//     further late span follows that one. Until then every late span goes into the same entry, which is asked about once
//     a poll.
//   - Counted twice? A dropped span is counted as dropped and, when its emit goes, as kept and as reopened, in one step:
//     received = kept + dropped - reopened + evicted + held. What has no reference stays dropped, and is counted gone.
//     What the holder's tail has passed is counted there, as lost to a reopening.
//   - The tail: a dropped trace has no live node in any FIFO, so nothing waits for it. The holder checks each emit
//     against its tail as ever. A late span that is still to be asked about would be passed by an acknowledgement behind
//     it: so what was asked is decided before anything is acknowledged, and emits go before acknowledgements. The
//     references of a reopened trace are in the order they came, what was late behind the rest.
//   - Configs: a trace is asked about under the epoch that dropped it, for as long as that is alive anyway; while it
//     waits for the answer it holds the epoch. When the epoch has gone, the newest one is asked, with what does not
//     depend on an epoch: times, sizes, counts. Of the bits only those of what came late are known then (`partial`), and
//     the same holds where there is no record any more. A policy keeps a partial trace only if what is known makes it
//     certain, and not by its id alone: shares are not drawn again.
//   - Budgets are not asked again (tr_policy_type.certain): a trace that a limit turned away would get a second chance
//     by being late.
//   - A trace that never ends gets a record for each poll that brings spans of it, with a reference to each of them. One
//     time in eight, about, the newer of these are made one, of which none is larger than the rest (tr_dropped_stays): each
//     reference is written some times only, however large the trace is, so that it takes little of the ring, and none of
//     the time, of other traces. What comes of it between two polls is bounded by trace_spans_max: then its next span
//     waits for the answer, and with it those behind it for one turn.
//   - Shape: who looks at the spans of a trace wants all of them, so where the table has shapes the references are there
//     again before it is asked, if none has gone; of a part these policies say what they said.
//   - What asking costs: nothing much, but for those policies, which sort its spans. A trace of more than SOON references
//     is asked about for these so rarely that it takes a fiftieth of the time (`later`), however many late spans it gets.
//     Acknowledgements don't wait for it, as what came late lies at the head of the journal.
//   - 45 bits of position: references are not followed 4 hours after they were written down first (dropped.c).
#include "trace/owner_internal.h"

#include "base/hash.h"

#define SOON     1024        // references
#define LATER_NS (20 * TR_US) // for each span that was sorted, which took some 0.3 us

bool tr_owner_past_find(const struct tr_owner *owner, uint64_t hash, const uint8_t id[16], struct tr_past *past)
{
    struct tr_verdict_record *record = tr_verdicts_find(&owner->verdicts, hash, id);
    const struct tr_memo_slot *slot;

    if (tr_unlikely(record)) {
        *past = (struct tr_past){.record = record,
                                 .epoch = record->epoch,
                                 .policy = record->policy,
                                 .verdict = record->verdict,
                                 .marks = record->marks & TR_MARKS_EMITTED};
        if (record->verdict == TR_VERDICT_DROP)
            past->dropped = record->dropped;
        else
            past->threshold = record->threshold;
        return true;
    }
    *past = (struct tr_past){.policy = TR_POLICY_NONE};
    slot = owner->verdicts.memo.lines ? tr_memo_find(&owner->verdicts.memo, hash) : NULL;
    if (!slot)
        return false;
    past->epoch = owner->epoch - ((owner->epoch - slot->epoch) & 0xff);
    past->policy = slot->policy;
    past->verdict = slot->verdict;
    past->marks = (uint8_t)(slot->marks << 1);
    past->threshold = slot->threshold;
    if (slot->verdict == TR_MEMO_FINAL) {
        past->verdict = TR_VERDICT_DROP;
        past->marks = TR_MARK_FINAL;
    }
    return true;
}

uint64_t tr_owner_dropped_keep(struct tr_owner *owner, uint32_t number, uint32_t from, uint64_t earlier,
                               uint32_t written_s, struct tr_owner_turn *turn)
{
    uint64_t position = tr_dropped_put(&owner->dropped, &owner->table, number, from, earlier, written_s);

    tr_owner_spend(turn, tr_table_entry(&owner->table, number)->spans / 16);
    tr_gauge(&owner->counters.traces_mindful, owner->dropped.traces);
    return position;
}

// --- late spans

// Spans that come after a decision at once are not late before decision_wait would have passed.
static bool is_following(const struct tr_owner *owner, const struct tr_past *past, uint64_t wall_ns)
{
    return past->record && past->record->when == TR_WHEN_CERTAIN &&
           wall_ns - past->record->first_wall_ns < owner->waits[owner->wait].wait_ns;
}

static void late_count(struct tr_owner *owner, const struct tr_past *past, uint64_t wall_ns)
{
    struct tr_owner_counters *counters = &owner->counters;
    bool following = is_following(owner, past, wall_ns);

    switch ((enum tr_verdict)past->verdict) {
    case TR_VERDICT_KEEP:
        tr_count(&counters->kept, 1);
        tr_count(following ? &counters->followed_kept : &counters->late_kept, 1);
        break;
    case TR_VERDICT_DROP:
        tr_count(&counters->dropped, 1);
        tr_count(following ? &counters->followed_dropped : &counters->late_dropped, 1);
        break;
    case TR_VERDICT_EVICTED:
        tr_count(&counters->evicted, 1);
        tr_count(&counters->late_evicted, 1);
        break;
    }
    if (past->record && following)
        past->record->followed_spans++;
    else if (past->record)
        past->record->late_spans++;
}

static bool late_emit(struct tr_owner *owner, const struct tr_summary *summary, uint32_t origin,
                      const struct tr_past *past)
{
    union tr_message message = {.emit = {.trace_hash = tr_hash_trace_id(summary->trace_id),
                                         .kind = TR_MESSAGE_EMIT,
                                         .spans = 1,
                                         .epoch = (uint8_t)past->epoch,
                                         .policy = past->policy,
                                         .epoch_whole = past->epoch,
                                         .threshold = past->threshold & TR_CHANCE_MASK,
                                         .marks = past->marks}};

    message.emit.span[0] = (struct tr_emit_span){.position = summary->position & TR_REF_POSITION_MASK,
                                                 .context = summary->context & TR_REF_CONTEXT_MASK};
    if (!owner->output.send(owner->output.context, origin, &message)) {
        tr_count(&owner->counters.output_full, 1);
        return false;
    }
    tr_count(&owner->counters.emits_sent, 1);
    return true;
}

// Its epoch has gone: what is left is what means the same under any, and the newest is asked.
static void entry_rebase(struct tr_owner *owner, struct tr_entry *entry)
{
    entry->epoch = owner->epoch;
    entry->bits = 0;
    entry->flags = (entry->flags & ~TR_ENTRY_WIDE) | TR_ENTRY_PARTIAL;
}

static bool epoch_alive(const struct tr_owner *owner, uint32_t epoch)
{
    return epoch - owner->epoch_oldest <= owner->epoch - owner->epoch_oldest;
}

// Its references, if all are there, and leave room for what comes.
static void whole_recall(struct tr_owner *owner, uint32_t number, const struct tr_past *past, uint64_t now)
{
    struct tr_entry *entry = tr_table_entry(&owner->table, number);
    uint64_t refs = tr_dropped_chain(&owner->dropped, past->dropped, 0, now).refs;

    if (refs != entry->earlier || refs > owner->trace_spans_max / 2 ||
        refs >= owner->table.refs_max - owner->table.refs)
        return;
    tr_dropped_refs(&owner->dropped, past->dropped, &owner->table, number, owner->trace_spans_max, 0, now);
    entry->earlier -= entry->spans;
}

// An entry for a dropped trace, with what is known of it but for its references. Returns 0: the table is full.
static uint32_t entry_anew(struct tr_owner *owner, uint64_t hash, const struct tr_summary *summary,
                           const struct tr_past *past, uint64_t now)
{
    uint32_t number = tr_table_begin(&owner->table, hash, summary->trace_id);
    struct tr_entry *entry = tr_table_entry(&owner->table, number);

    if (!number) {
        tr_count(&owner->counters.table_full, 1);
        return 0;
    }
    if (tr_dropped_at(&owner->dropped, past->dropped)) {
        tr_dropped_recall(&owner->dropped, past->dropped, &owner->table, number);
    } else {
        entry->first_ns = now;
        entry->epoch = past->epoch;
        entry->flags = TR_ENTRY_PARTIAL;
    }
    if (!epoch_alive(owner, entry->epoch))
        entry_rebase(owner, entry);
    entry->flags |= TR_ENTRY_DROPPED;
    entry->source = past->record ? past->record->source : summary->source;
    entry->earlier = past->record ? past->record->spans + past->record->late_spans : 0;
    entry->wait = (uint8_t)owner->wait;
    entry->on = TR_ENTRY_ON_NONE;
    owner->epoch_traces[entry->epoch % 256]++;
    if (tr_unlikely(owner->table.shapes != NULL))
        whole_recall(owner, number, past, now);
    tr_owner_move(owner, number, owner->table.shapes && entry->spans > SOON ? TR_ENTRY_ON_LATER : TR_ENTRY_ON_AGAIN);
    return number;
}

// A late span joins its dropped trace, which is asked about at the next poll.
static bool again_take(struct tr_owner *owner, uint32_t origin, const struct tr_summary *summary, uint64_t hash,
                       uint32_t number, const struct tr_past *past, uint64_t now)
{
    if (tr_unlikely(number && tr_table_entry(&owner->table, number)->spans >= owner->trace_spans_max)) {
        tr_owner_move(owner, number, TR_ENTRY_ON_AGAIN);
        tr_count(&owner->counters.refs_full, 1);
        return false;
    }
    if (owner->table.refs == owner->table.refs_max) {
        tr_count(&owner->counters.refs_full, 1);
        return false;
    }
    if (!number)
        number = entry_anew(owner, hash, summary, past, now);
    if (!number)
        return false;
    tr_table_add(&owner->table, number, summary, origin);
    return true;
}

bool tr_owner_late_take(struct tr_owner *owner, uint32_t origin, const struct tr_summary *summary, uint64_t hash,
                        uint32_t number, struct tr_past *past, uint64_t now, uint64_t wall_ns)
{
    // Where nothing is left of what a drop policy had seen, its word stands.
    bool reopens = past->verdict == TR_VERDICT_DROP && owner->reopen && !(past->marks & TR_MARK_FINAL) &&
                   (number || past->policy == TR_POLICY_NONE || tr_dropped_at(&owner->dropped, past->dropped));

    if (reopens && !again_take(owner, origin, summary, hash, number, past, now))
        return false;
    if (past->verdict == TR_VERDICT_KEEP && !late_emit(owner, summary, origin, past))
        return false;
    late_count(owner, past, wall_ns);
    return true;
}

// --- asked again

// The references that came late, and those of the records before them, up to the one that stays (0: none does): all into
// the entry, in the order they came.
static void refs_gather(struct tr_owner *owner, uint32_t number, uint64_t earlier, uint64_t stays,
                        struct tr_owner_turn *turn)
{
    struct tr_entry *entry = tr_table_entry(&owner->table, number);
    uint64_t position = tr_owner_dropped_keep(owner, number, 0, earlier, (uint32_t)(turn->now / TR_S), turn);

    entry->earlier += entry->spans;
    tr_table_strip(&owner->table, number);
    tr_dropped_refs(&owner->dropped, position, &owner->table, number, owner->trace_spans_max, stays, turn->now);
    entry->earlier -= entry->spans;
    tr_owner_spend(turn, entry->spans / 16);
}

// What was written of it stays there, and what came is written behind it. Of a long chain the newer records are written
// anew with it, which makes none of their references younger; and so is what the entry has if the ring has lost some of it.
static void dropped_again(struct tr_owner *owner, uint32_t number, struct tr_verdict_record *record, bool apart,
                          struct tr_owner_turn *turn)
{
    const struct tr_dropped *dropped = &owner->dropped;
    struct tr_dropped_chain chain = tr_dropped_chain(dropped, record->dropped, 0, turn->now);
    uint64_t stays = apart || chain.whole ? record->dropped : 0;
    uint32_t written_s = (uint32_t)(turn->now / TR_S), from;

    if (stays && chain.records >= TR_DROPPED_CHAIN - 1)
        stays = tr_dropped_stays(dropped, record->dropped, turn->now);
    if (stays != record->dropped && chain.records)
        written_s = tr_dropped_chain(dropped, record->dropped, stays, turn->now).written_s;
    from = apart ? 0 : (uint32_t)tr_dropped_chain(dropped, stays, 0, turn->now).refs;
    if (apart && stays != record->dropped)
        refs_gather(owner, number, record->dropped, stays, turn);
    record->dropped = tr_owner_dropped_keep(owner, number, from, stays, written_s, turn);
}

// Where only the memo knows of it, that goes on knowing that it was dropped.
static void again_drop(struct tr_owner *owner, uint32_t number, struct tr_verdict_record *record, bool apart,
                       struct tr_owner_turn *turn)
{
    if (record)
        dropped_again(owner, number, record, apart, turn);
    tr_table_forget(&owner->table, number);
    tr_owner_end(owner, number);
}

static void verdict_reopen(struct tr_owner *owner, const struct tr_entry *entry, struct tr_verdict_record *record,
                           uint16_t policy, const struct tr_chance *chance, const struct tr_owner_turn *turn)
{
    struct tr_verdict_record anew = {.decided_wall_ns = turn->wall_ns,
                                     .first_wall_ns = turn->wall_ns - (turn->now - entry->first_ns),
                                     .spans = entry->spans,
                                     .source = entry->source};
    struct tr_verdict_record *to = record ? record : &anew; // forgotten, but for the memo

    to->verdict = TR_VERDICT_KEEP;
    to->policy = policy;
    to->epoch = entry->epoch;
    to->lost_spans = (uint32_t)entry->earlier;
    to->threshold = chance->threshold & TR_CHANCE_MASK;
    to->marks = (to->marks & TR_MARK_INDEXED) | chance->marks;
    if (record)
        return;
    memcpy(anew.trace_id, entry->trace_id, 16);
    tr_verdicts_add(&owner->verdicts, &owner->table, &anew);
}

static void again_keep(struct tr_owner *owner, uint32_t number, struct tr_verdict_record *record, uint16_t policy,
                       struct tr_chance *chance, struct tr_owner_turn *turn)
{
    struct tr_entry *entry = tr_table_entry(&owner->table, number);

    chance->marks |= TR_MARK_REOPENED;
    verdict_reopen(owner, entry, record, policy, chance, turn);
    tr_count(&owner->counters.traces_kept, 1);
    tr_count(&owner->counters.traces_reopened, 1);
    tr_count(&owner->counters.reopened_gone, entry->earlier);
    tr_table_forget(&owner->table, number);
    entry->flags = 0;
    tr_owner_emit_begin(owner, number, policy, chance, turn);
}

void tr_owner_again(struct tr_owner *owner, uint32_t number, struct tr_owner_turn *turn)
{
    struct tr_entry *entry = tr_table_entry(&owner->table, number);
    uint64_t hash = tr_table_hash(&owner->table, entry->trace_id);
    struct tr_verdict_record *record = tr_verdicts_find(&owner->verdicts, hash, entry->trace_id);
    bool shown = owner->table.shapes && !entry->earlier;
    bool apart = entry->earlier && record && tr_dropped_at(&owner->dropped, record->dropped);
    uint16_t policy = TR_POLICY_NONE;
    struct tr_chance chance = {0};
    struct tr_trace trace;
    enum tr_answer answer;

    tr_owner_spend(turn, 1);
    tr_owner_move(owner, number, TR_ENTRY_ON_NONE);
    tr_owner_trace_view(owner, number, &trace);
    if (tr_unlikely(shown))
        tr_owner_shapes_show(owner, number, &trace);
    answer = owner->decider.decide(owner->decider.context, &trace, &policy);
    if (tr_unlikely(shown && owner->shapes.looked)) {
        tr_owner_spend(turn, owner->shapes.spans / 8);
        if (entry->spans > SOON)
            owner->later_ns = turn->now + TR_MIN(owner->shapes.spans, owner->shapes.spans_max) * (uint64_t)LATER_NS;
    }
    if (answer != TR_ANSWER_KEEP) {
        again_drop(owner, number, record, apart, turn);
        return;
    }
    if (owner->counting)
        chance = tr_owner_chance(owner, &trace, turn);
    if (apart)
        refs_gather(owner, number, record->dropped, 0, turn);
    again_keep(owner, number, record, policy, &chance, turn);
}

// --- certain before its time

void tr_owner_certain_look(struct tr_owner *owner, uint32_t number, const struct tr_owner_before *before,
                           const struct tr_summary *summary)
{
    struct tr_entry *entry = tr_table_entry(&owner->table, number);
    struct tr_trace trace;
    uint16_t policy;

    if (entry->epoch != owner->epoch || (entry->on != TR_ENTRY_ON_WAIT && entry->on != TR_ENTRY_ON_ROOTED))
        return;
    // One more span of what was seen before changes nothing but the count, which matters now and then.
    if (entry->bits == before->bits && entry->start_ns == before->start_ns && entry->end_ns == before->end_ns &&
        !(summary->flags & TR_SPAN_WIDE) && entry->spans > 8 && entry->spans % 64)
        return;
    tr_owner_trace_view(owner, number, &trace);
    if (owner->decider.certain(owner->decider.context, &trace, &policy) != TR_ANSWER_PENDING)
        tr_owner_move(owner, number, TR_ENTRY_ON_CERTAIN);
}
