// SPDX-License-Identifier: Apache-2.0
// TAIL requests: which traces a holder waits for, and when its request is done.
#include "trace/owner_internal.h"

static bool node_stale(const struct tr_owner *owner, const struct tr_fifo_node *node)
{
    return tr_table_older(&owner->table, node->entry, node->age);
}

// Nodes of one chunk lie in a row; what they refer to does not.
static void node_prefetch(const struct tr_owner *owner, const struct tr_fifo *fifo)
{
    const struct tr_fifo_chunk *chunk = tr_fifo_chunk_at(&owner->chunks, fifo->first);
    uint32_t ahead = fifo->first_node + 8;

    if (ahead < chunk->nodes)
        __builtin_prefetch(&owner->table.ages[chunk->entry[ahead]]);
}

// Pop stale nodes off the front, at most `most`. Returns how many.
static uint32_t stale_pop(struct tr_owner *owner, struct tr_fifo *fifo, uint32_t most)
{
    struct tr_fifo_node node;
    uint32_t popped = 0;

    while (popped < most && tr_fifo_front(fifo, &owner->chunks, &node) && node_stale(owner, &node)) {
        node_prefetch(owner, fifo);
        tr_fifo_pop(fifo, &owner->chunks);
        popped++;
    }
    return popped;
}

void tr_owner_fifos_trim(struct tr_owner *owner, const struct tr_owner_turn *turn)
{
    bool low = tr_pool_free(&owner->chunks) <= owner->chunks_low;
    uint32_t most = turn->decided + (low ? 16 * TR_FIFO_CHUNK_NODES : 8);

    // A decision makes a stale node in an origin at most, so this keeps up with them.
    for (uint32_t i = 0; i < owner->lcores && (turn->decided || low); i++)
        stale_pop(owner, &owner->origins[i].fifo, most);
}

static void request_raise(struct tr_tail_request *request, uint64_t position)
{
    if (!request->wanted || tr_position_below(request->position, position))
        *request = (struct tr_tail_request){position, true};
}

void tr_owner_tail_ask(struct tr_owner *owner, uint32_t origin, const struct tr_tail_message *message)
{
    struct tr_origin *from = &owner->origins[origin];

    if (message->urgent)
        request_raise(&from->urgent, message->position);
    // The first is acknowledged as soon as it is done, so that the holder's tail moves however young the rest
    // is.
    if (!from->now.wanted)
        request_raise(&from->now, message->position);
    else if (tr_position_below(from->now.position, message->position))
        request_raise(&from->next, message->position);
    owner->asking |= 1ull << origin;
}

// Send the acknowledgement of the first request and go on to the second. Returns false: the ring is full.
static bool acknowledge(struct tr_owner *owner, uint32_t origin)
{
    struct tr_origin *from = &owner->origins[origin];
    union tr_message message = {
        .emit = {.position = from->now.position & TR_POSITION_MASK, .kind = TR_MESSAGE_ACK}};

    if (!owner->output.send(owner->output.context, origin, &message)) {
        tr_count(&owner->counters.output_full, 1);
        return false;
    }
    from->now = from->next;
    from->next.wanted = false;
    if (!from->now.wanted) {
        owner->asking &= ~(1ull << origin);
        from->urgent.wanted = false;
    }
    return true;
}

// The node at the front of an origin's FIFO, if its request asks for it; live once the stale are popped.
static bool asked_front(const struct tr_owner *owner, const struct tr_origin *from, struct tr_fifo_node *node)
{
    return tr_fifo_front(&from->fifo, &owner->chunks, node) &&
           tr_position_below(node->position, from->now.position);
}

// When may its trace be decided for the request?
static uint64_t asked_due(const struct tr_owner *owner, const struct tr_origin *from,
                          const struct tr_fifo_node *node)
{
    const struct tr_entry *entry = tr_table_entry(&owner->table, node->entry);

    if (entry->on == TR_ENTRY_ON_PARKED)
        return TR_NEVER;
    if (from->urgent.wanted && tr_position_below(node->position, from->urgent.position))
        return 0;
    return entry->first_ns + tr_owner_wait_min(owner, entry);
}

uint32_t tr_owner_tail_poll(struct tr_owner *owner, struct tr_owner_turn *turn)
{
    for (uint64_t left = owner->asking; left && turn->left; left &= left - 1) {
        uint32_t origin = (uint32_t)__builtin_ctzll(left);
        struct tr_origin *from = &owner->origins[origin];

        while (from->now.wanted) {
            struct tr_fifo_node node;

            tr_owner_spend(turn, stale_pop(owner, &from->fifo, turn->left));
            if (!turn->left)
                return 0;
            if (asked_front(owner, from, &node)) {
                if (asked_due(owner, from, &node) <= turn->now)
                    return node.entry;
                owner->hurries |= tr_table_entry(&owner->table, node.entry)->on == TR_ENTRY_ON_PARKED;
                break;
            }
            if (tr_owner_emit_wants(owner, origin, from->now.position) || !acknowledge(owner, origin))
                break;
        }
    }
    return 0;
}

uint64_t tr_owner_tail_deadline(const struct tr_owner *owner)
{
    uint64_t deadline = TR_NEVER;

    for (uint64_t left = owner->asking; left; left &= left - 1) {
        const struct tr_origin *from = &owner->origins[__builtin_ctzll(left)];
        struct tr_fifo_node node;

        if (!asked_front(owner, from, &node) || node_stale(owner, &node))
            return 0;
        deadline = TR_MIN(deadline, asked_due(owner, from, &node));
    }
    return deadline;
}
