// SPDX-License-Identifier: Apache-2.0
//
// The owner's emits: a kept trace's references, as messages to their holders, at the pace of rings and budget. Essay.
//
// Most traces leave in the call that decides them. A *giant*, or one that finds a ring full, leaves its first AT_ONCE
// spans so, and the rest in turns, beside the decisions that follow: each poll gives half its budget to the emissions
// in progress, an even part to each, and what decisions leave of the other half. So a trace of 100,000 spans takes
// 400 polls and delays what is due meanwhile by none of them. There are TR_EMISSIONS_MAX places; while all are taken
// nothing is decided, and the whole budget is theirs.
//
// What was asked of it:
//   - The tail: an acknowledgement may not overtake an emit that it covers. References of one holder stand in a trace
//     in the order of their positions, as an origin's summaries do; so the first that is left of a holder says whether
//     anything below a position is. It is looked for LOOK references far: behind that the answer is "yes, wait", which
//     is safe, and the cursor comes nearer. Without this a giant would hold up the tail of every holder that has spans
//     of it until its last span is out, which is a whole journal's time when it is as large as one allows.
//   - The FIFOs: a trace in emission is decided, so its nodes must not stand in the way of those behind them: they
//     are made stale when its emission takes a place. (In the call that decides, nobody looks.)
//   - Twice? It has left the index, and its cursor moves with each message that was taken, so each reference goes once;
//     late spans go by the verdict, perhaps ahead of the rest.
//   - Deadlock? An emission needs room in class 2 only, which its holder makes whatever else stands still. One whose
//     ring is full passes its part on to the others.
//   - Epochs: it leaves its epoch when it ends. Drains: a drain waits for `busy`, so for all of them. Eviction gives up
//     what is undecided only.
//   - Hot path: who has no giant pays a test of `emitting` a poll.
#include "trace/owner_internal.h"

#include "base/hash.h"

#define AT_ONCE 128 // spans
#define LOOK    64  // references

// Fill a message from the cursor on: spans that follow each other and have one holder. Moves the cursor.
static uint32_t emission_fill(const struct tr_owner *owner, struct tr_emission *emission,
                              union tr_message *message, uint32_t spans_max)
{
    const struct tr_entry *entry = tr_table_entry(&owner->table, emission->entry);
    uint32_t spans = 0;
    uint32_t holder = 0;

    while (spans < spans_max && emission->left) {
        struct tr_ref ref =
            tr_block_ref(tr_table_block(&owner->table, emission->at.block), emission->at.ref % TR_BLOCK_REFS);

        if (spans && ref.holder != holder)
            break;
        holder = ref.holder;
        message->emit.span[spans++] =
            (struct tr_emit_span){.position = ref.position & TR_REF_POSITION_MASK, .context = ref.context & TR_REF_CONTEXT_MASK};
        emission->left--;
        tr_table_refs_next(&owner->table, entry, &emission->at);
    }
    message->emit.spans = spans;
    return holder;
}

// Send emits, at most `most` spans. Returns how many; fewer with some left: a ring is full.
static uint32_t emission_advance(struct tr_owner *owner, struct tr_emission *emission, uint32_t most)
{
    const struct tr_entry *entry = tr_table_entry(&owner->table, emission->entry);
    struct tr_owner_counters *counters = &owner->counters;
    uint64_t trace_hash = tr_hash_trace_id(entry->trace_id);
    bool reopened = emission->chance.marks & TR_MARK_REOPENED;
    uint32_t sent = 0;

    while (emission->left && sent < most) {
        union tr_message message = {.emit = {.trace_hash = trace_hash,
                                             .kind = TR_MESSAGE_EMIT,
                                             .epoch = (uint8_t)entry->epoch,
                                             .policy = emission->policy,
                                             .epoch_whole = entry->epoch,
                                             .threshold = emission->chance.threshold & TR_CHANCE_MASK,
                                             .marks = emission->chance.marks}};
        struct tr_emission ahead = *emission;
        uint32_t holder = emission_fill(owner, &ahead, &message, TR_MIN(most - sent, (uint32_t)TR_EMIT_SPANS));

        if (!owner->output.send(owner->output.context, holder, &message)) {
            tr_count(&counters->output_full, 1);
            break;
        }
        *emission = ahead;
        sent += message.emit.spans;
        tr_count(&counters->emits_sent, message.emit.spans);
        if (tr_unlikely(reopened)) {
            // They move when they go, so that at any moment a span is one or the other.
            tr_count(&counters->kept, message.emit.spans);
            tr_count(&counters->reopened, message.emit.spans);
        } else {
            tr_count(&counters->emits_waiting, -(uint64_t)message.emit.spans);
        }
    }
    return sent;
}

void tr_owner_emit_begin(struct tr_owner *owner, uint32_t number, uint16_t policy, const struct tr_chance *chance,
                         struct tr_owner_turn *turn)
{
    struct tr_entry *entry = tr_table_entry(&owner->table, number);
    struct tr_emission emission = {.entry = number,
                                   .at = tr_table_refs_begin(entry),
                                   .left = entry->spans,
                                   .policy = policy,
                                   .chance = *chance};

    for (uint32_t i = 0; i < TR_MIN(entry->spans / TR_BLOCK_REFS + 1, (uint32_t)TR_ENTRY_BLOCKS); i++)
        __builtin_prefetch(tr_table_block(&owner->table, entry->blocks[i]));
    if (!(chance->marks & TR_MARK_REOPENED))
        tr_count(&owner->counters.emits_waiting, entry->spans);
    tr_owner_spend(turn, emission_advance(owner, &emission, TR_MIN(turn->left, (uint32_t)AT_ONCE)));
    if (tr_likely(!emission.left)) {
        tr_owner_end(owner, number);
        return;
    }
    entry->on = TR_ENTRY_ON_EMIT;
    tr_table_age(&owner->table, number); // it is decided: the FIFOs' fronts are those behind it
    owner->emissions[owner->emitting++] = emission;
}

uint32_t tr_owner_emit_poll(struct tr_owner *owner, struct tr_owner_turn *turn, uint32_t share)
{
    uint32_t left = TR_MIN(share, turn->left), before = turn->left;

    for (uint32_t others = owner->emitting; others && left; others--) {
        uint32_t at = owner->emission_turn % owner->emitting;
        struct tr_emission *emission = &owner->emissions[at];
        uint32_t sent = emission_advance(owner, emission, TR_MAX(left / others, 1u));

        left -= sent;
        tr_owner_spend(turn, sent);
        owner->emission_turn = at + 1;
        if (emission->left)
            continue;
        tr_owner_end(owner, emission->entry);
        *emission = owner->emissions[--owner->emitting];
        owner->emission_turn = at;
    }
    return before - turn->left;
}

bool tr_owner_emit_wants(const struct tr_owner *owner, uint32_t holder, uint64_t position)
{
    for (uint32_t i = 0; i < owner->emitting; i++) {
        const struct tr_emission *emission = &owner->emissions[i];
        const struct tr_entry *entry = tr_table_entry(&owner->table, emission->entry);
        struct tr_ref_cursor at = emission->at;

        for (uint32_t looked = 0; looked < emission->left; looked++) {
            struct tr_ref ref = tr_block_ref(tr_table_block(&owner->table, at.block), at.ref % TR_BLOCK_REFS);

            if (looked == LOOK || (ref.holder == holder && tr_ref_below(ref.position, position)))
                return true;
            if (ref.holder == holder) // the rest of them lie above it
                break;
            tr_table_refs_next(&owner->table, entry, &at);
        }
    }
    return false;
}
