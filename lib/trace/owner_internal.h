// SPDX-License-Identifier: Apache-2.0
// The inside of an owner, for owner*.c only. The essay is in owner.c.
#ifndef TR_TRACE_OWNER_INTERNAL_H
#define TR_TRACE_OWNER_INTERNAL_H

#include "trace/dropped.h"
#include "trace/fifo.h"
#include "trace/owner.h"
#include "trace/shapes.h"
#include "trace/table.h"
#include "trace/verdicts.h"

// Waits that held traces began under: one an epoch at most, as a wait changes with its config.
#define TR_WAITS_MAX 17

#define TR_SCOUT_AHEAD 8 // power of two
struct tr_wait {
    uint64_t wait_ns;
    struct tr_entry_list list; // of those neither large nor parked, by first_ns
    uint32_t traces;           // that began under it and are held
    // Runs ahead of the list's front to call for cache lines; a hint, so that nothing breaks when an entry it
    // stands at leaves the list.
    uint32_t scout; // 0: at the end, or not begun
    uint32_t scout_ahead;
    uint32_t scouted[TR_SCOUT_AHEAD];
    uint32_t scout_turn;
};

// Traces whose root has come wait a time of their own from there. They stand in buckets by when they are due, sorted, so
// that no entry needs room for that time: one is decided at most a 32nd of the time late.
#define TR_ROOTED_BUCKETS 64 // power of two
struct tr_rooted {
    uint64_t due_ns;
    struct tr_entry_list list;
};

struct tr_tail_request {
    uint64_t position;
    bool wanted;
};

struct tr_origin {
    struct tr_fifo fifo;
    struct tr_tail_request now;    // being answered
    struct tr_tail_request next;   // the greatest of those that came since
    struct tr_tail_request urgent; // below this, whatever the age
};

// A kept trace on its way out: which reference is next (owner_emit.c).
#define TR_EMISSIONS_MAX 16
struct tr_emission {
    uint32_t entry;
    struct tr_ref_cursor at;
    uint32_t left; // spans
    uint16_t policy;
    struct tr_chance chance;
};

struct tr_owner {
    struct tr_table table;
    struct tr_verdicts verdicts;
    struct tr_pool chunks; // of the origins' FIFOs
    struct tr_shapes shapes; // of the trace that is being decided
    struct tr_decider decider;
    struct tr_owner_output output;
    struct tr_emission emissions[TR_EMISSIONS_MAX]; // in progress, the first `emitting` of them
    uint32_t emitting;
    uint32_t emission_turn; // whose turn it is, modulo

    struct tr_wait waits[TR_WAITS_MAX];
    uint32_t wait; // that new traces begin under
    uint64_t wait_min_ns;
    uint64_t wait_root_ns; // 0: a root changes nothing
    struct tr_rooted rooted[TR_ROOTED_BUCKETS];
    uint32_t rooted_first, rooted_next; // buckets in use, modulo
    struct tr_entry_list large;
    struct tr_entry_list parked;
    struct tr_entry_list certain;
    struct tr_dropped dropped;          // owner_late.c
    struct tr_entry_list again, later;
    uint64_t later_ns;                  // the first on `later` is not asked about before
    bool reopen;
    bool at_once;
    uint32_t settle_left; // parked traces, from the first, to be asked about again
    bool hurries;         // a parked trace was in the way at the last poll
    struct tr_asked *asked; // by entry: of those that asked; NULL: no config had limits

    uint32_t epoch;
    uint32_t epoch_oldest;
    uint32_t epoch_traces[256]; // live, by epoch modulo 256

    int numa_node;
    bool prefault;
    uint32_t lcore, lcores;
    uint32_t trace_spans_max;
    uint64_t trace_bytes_max;
    uint32_t traces_low; // with fewer entries free than this, the oldest are decided early
    uint32_t refs_low;
    uint32_t chunks_low;
    bool draining;
    bool counting;   // kept traces are asked how likely that was
    bool discarding; // and giving up what has not waited

    uint64_t asking; // bit n: origins[n].now.wanted
    struct tr_origin origins[TR_LCORES_MAX];

    struct tr_owner_counters counters tr_aligned(64); // read by other threads
};

// One poll's arguments and what is left of its budget.
struct tr_owner_turn {
    uint64_t now;
    uint64_t wall_ns;
    uint32_t left;
    uint32_t decided;
    const struct tr_trace *trace; // being decided; NULL: unseen
};

static inline void tr_owner_spend(struct tr_owner_turn *turn, uint32_t work)
{
    turn->left -= TR_MIN(turn->left, work);
}

// No trace waits longer for its minimum than for its decision.
static inline uint64_t tr_owner_wait_min(const struct tr_owner *owner, const struct tr_entry *entry)
{
    return TR_MIN(owner->wait_min_ns, owner->waits[entry->wait].wait_ns);
}

// Is the table, or what hangs on it, so full that the oldest must go?
static inline bool tr_owner_pressed(const struct tr_owner *owner)
{
    return tr_pool_free(&owner->table.entries) < owner->traces_low ||
           owner->table.refs_max - owner->table.refs < owner->refs_low ||
           tr_pool_free(&owner->chunks) < owner->chunks_low;
}

struct tr_entry_list *tr_owner_list_of(struct tr_owner *owner, const struct tr_entry *entry);
void tr_owner_move(struct tr_owner *owner, uint32_t number, enum tr_entry_on on);

// The held trace that began first, of those on the FIFO of a wait. Returns 0: none.
uint32_t tr_owner_oldest(const struct tr_owner *owner);

void tr_owner_trace_view(const struct tr_owner *owner, uint32_t number, struct tr_trace *trace);

void tr_owner_shapes_show(struct tr_owner *owner, uint32_t number, struct tr_trace *trace);

// The root of a trace has come (owner_rooted.c).
void tr_owner_root_seen(struct tr_owner *owner, uint32_t number, uint64_t now);

// The first trace of the first bucket, and when that is due. Returns 0: none.
uint32_t tr_owner_rooted_front(const struct tr_owner *owner, uint64_t *due_ns);

// Write the verdict down, count it, and give the trace up but for what its emission needs.
void tr_owner_conclude(struct tr_owner *owner, uint32_t number, enum tr_verdict verdict, uint16_t policy,
                       enum tr_when when, struct tr_owner_turn *turn);
// How likely it was that the trace, which is kept, would be. What that took is work of the turn.
struct tr_chance tr_owner_chance(struct tr_owner *owner, const struct tr_trace *trace, struct tr_owner_turn *turn);
void tr_owner_end(struct tr_owner *owner, uint32_t number);

// It is not held any more, nor being emitted, under its epoch.
void tr_owner_epoch_leave(struct tr_owner *owner, const struct tr_entry *entry);

// --- owner_late.c

// Write down a dropped trace, should a late span come.
//
// from       reference: those before it are written already
// earlier    position of what is written of it already, 0: nothing
// written_s  as tr_dropped_put()'s
// Returns the position; 0: such things are not kept in mind.
uint64_t tr_owner_dropped_keep(struct tr_owner *owner, uint32_t number, uint32_t from, uint64_t earlier,
                               uint32_t written_s, struct tr_owner_turn *turn);

// Take a span whose trace is decided: it follows the verdict, or makes the trace be asked about again.
//
// number  of the entry of a dropped trace that is to be asked about again already, 0: it has none
// Returns false: there is no room for it now, and nothing was changed.
bool tr_owner_late_take(struct tr_owner *owner, uint32_t origin, const struct tr_summary *summary, uint64_t hash,
                        uint32_t number, struct tr_past *past, uint64_t now, uint64_t wall_ns);
bool tr_owner_past_find(const struct tr_owner *owner, uint64_t hash, const uint8_t id[16], struct tr_past *past);

// Ask about a dropped trace again, and emit what is left of it if it is wanted.
void tr_owner_again(struct tr_owner *owner, uint32_t number, struct tr_owner_turn *turn);

// A span was added to a held trace: is its answer certain now? Then it is decided at the next poll.
//
// before  its aggregates without that span
struct tr_owner_before {
    uint64_t bits, start_ns, end_ns;
};
void tr_owner_certain_look(struct tr_owner *owner, uint32_t number, const struct tr_owner_before *before,
                           const struct tr_summary *summary);

// --- owner_emit.c

static inline bool tr_owner_emit_room(const struct tr_owner *owner)
{
    return owner->emitting < TR_EMISSIONS_MAX;
}

// A trace is kept, and found no more: emit its references, the first of them at once, a large one's rest in its turns. There
// must be room. `chance` with TR_MARK_REOPENED: they were counted as dropped.
void tr_owner_emit_begin(struct tr_owner *owner, uint32_t number, uint16_t policy, const struct tr_chance *chance,
                         struct tr_owner_turn *turn);

// Go on with the emissions in progress, each its part of `share` spans. Returns how many spans were sent.
uint32_t tr_owner_emit_poll(struct tr_owner *owner, struct tr_owner_turn *turn, uint32_t share);

// Has one of them a span of that holder still to emit that lies below the position? True as well when it is not near
// enough to be found by a short look.
bool tr_owner_emit_wants(const struct tr_owner *owner, uint32_t holder, uint64_t position);


// Go on with TAIL requests: pop what is stale, acknowledge what is done.
//
// Returns a trace to decide now (its reason is TR_WHEN_JOURNAL), 0: none.
uint32_t tr_owner_tail_poll(struct tr_owner *owner, struct tr_owner_turn *turn);
void tr_owner_tail_ask(struct tr_owner *owner, uint32_t origin, const struct tr_tail_message *message);
uint64_t tr_owner_tail_deadline(const struct tr_owner *owner);
void tr_owner_fifos_trim(struct tr_owner *owner, const struct tr_owner_turn *turn);

#endif
