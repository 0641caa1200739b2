// SPDX-License-Identifier: Apache-2.0
// Of what an owner has acknowledged to a holder, it wants nothing any more: no span of a trace that is held, none that a
// trace in emission has left, and not the late span for which a trace is still to be asked about again.
#include "world.h"

#include "trace/owner_internal.h"

static bool ref_holds(struct sim_world *world, uint32_t owner, const struct tr_entry *entry,
                      const struct tr_ref_cursor *at, const char *what)
{
    const struct tr_table *table = &world->lcores[owner]->owner->table;
    struct tr_ref ref = tr_table_ref(table, at);
    uint64_t acknowledged = world->lcores[ref.holder]->tail.acknowledged[owner];

    return !tr_ref_below(ref.position, acknowledged) ||
           sim_fail(world, "owner %u let %llu bytes of lcore %u go, and trace %u, %s, has a span at %llu", owner,
                    (unsigned long long)acknowledged, ref.holder, (uint32_t)entry->trace_id[14] << 8 | entry->trace_id[15],
                    what, (unsigned long long)ref.position);
}

static bool refs_hold(struct sim_world *world, uint32_t owner, const struct tr_entry *entry, struct tr_ref_cursor at,
                      const char *what)
{
    const struct tr_table *table = &world->lcores[owner]->owner->table;

    while (at.ref < entry->spans) {
        if (!ref_holds(world, owner, entry, &at, what))
            return false;
        tr_table_refs_next(table, entry, &at);
    }
    return true;
}

static bool owner_holds(struct sim_world *world, uint32_t index)
{
    const struct tr_owner *owner = world->lcores[index]->owner;

    for (uint32_t i = 0; i < owner->emitting; i++) {
        const struct tr_emission *emission = &owner->emissions[i];

        // A reopened trace takes what is left of it.
        if (!(emission->chance.marks & TR_MARK_REOPENED) &&
            !refs_hold(world, index, tr_table_entry(&owner->table, emission->entry), emission->at, "in emission"))
            return false;
    }
    for (uint32_t number = 1; number <= owner->table.entries.touched; number++) {
        const struct tr_entry *entry = tr_table_entry(&owner->table, number);
        struct tr_ref_cursor last = {.block = entry->last_block, .ref = entry->spans - 1};

        if (!entry->spans || entry->on == TR_ENTRY_ON_EMIT)
            continue;
        if (!(entry->flags & TR_ENTRY_DROPPED) ? !refs_hold(world, index, entry, tr_table_refs_begin(entry), "held")
                                               : entry->on == TR_ENTRY_ON_AGAIN &&
                                                     !ref_holds(world, index, entry, &last, "to be asked about"))
            return false;
    }
    return true;
}

bool sim_tails_hold(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->options.lcores; i++)
        if (!owner_holds(world, i))
            return false;
    return true;
}
