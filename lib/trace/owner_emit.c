// SPDX-License-Identifier: Apache-2.0
// The owner's emits: a kept trace's references, as messages to their holders, at the pace of rings and
// budget.
#include "trace/owner_internal.h"

#include "base/hash.h"

static struct tr_emit_span block_span(const struct tr_block *block, uint32_t slot)
{
    return (struct tr_emit_span){
        .position = (uint64_t)block->position_high[slot] << 32 | block->position_low[slot],
        .context = block->context[slot],
        .bytes = block->bytes[slot],
    };
}

// Fill a message from the cursor on: spans that follow each other and have one holder. Moves the cursor.
static uint32_t emission_fill(const struct tr_owner *owner, struct tr_emission *emission,
                              union tr_message *message, uint32_t spans_max)
{
    const struct tr_entry *entry = tr_table_entry(&owner->table, emission->entry);
    uint32_t spans = 0;
    uint32_t holder = 0;

    while (spans < spans_max && emission->left) {
        const struct tr_block *block = tr_table_block(&owner->table, emission->at.block);
        uint32_t slot = emission->at.ref % TR_BLOCK_REFS;

        if (spans && block->holder[slot] != holder)
            break;
        holder = block->holder[slot];
        message->emit.span[spans++] = block_span(block, slot);
        emission->left--;
        tr_table_refs_next(&owner->table, entry, &emission->at);
    }
    message->emit.spans = spans;
    return holder;
}

void tr_owner_emit(struct tr_owner *owner, struct tr_owner_turn *turn)
{
    struct tr_emission *emission = &owner->emission;
    const struct tr_entry *entry = tr_table_entry(&owner->table, emission->entry);
    struct tr_owner_counters *counters = &owner->counters;
    uint64_t trace_hash = tr_hash_trace_id(entry->trace_id);

    while (emission->left && turn->left) {
        union tr_message message = {.emit = {.trace_hash = trace_hash,
                                             .kind = TR_MESSAGE_EMIT,
                                             .epoch = (uint8_t)entry->epoch,
                                             .policy = emission->policy,
                                             .epoch_whole = entry->epoch,
                                             .threshold = emission->chance.threshold & TR_CHANCE_MASK,
                                             .marks = emission->chance.marks}};
        struct tr_emission ahead = *emission;
        uint32_t holder = emission_fill(owner, &ahead, &message, TR_MIN(turn->left, (uint32_t)TR_EMIT_SPANS));

        if (!owner->output.send(owner->output.context, holder, &message)) {
            tr_count(&counters->output_full, 1);
            return;
        }
        *emission = ahead;
        tr_owner_spend(turn, message.emit.spans);
        tr_count(&counters->emits_sent, message.emit.spans);
        if (tr_unlikely(emission->chance.marks & TR_MARK_REOPENED)) {
            // They move when they go, so that at any moment a span is one or the other.
            tr_count(&counters->kept, message.emit.spans);
            tr_count(&counters->reopened, message.emit.spans);
        } else {
            tr_gauge(&counters->emits_waiting, emission->left);
        }
    }
    if (!emission->left) {
        tr_owner_end(owner, emission->entry);
        emission->entry = 0;
    }
}
