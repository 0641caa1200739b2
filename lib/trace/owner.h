// SPDX-License-Identifier: Apache-2.0
// The owner: traces of one lcore's slice of the ids, from their first summary to their verdict and beyond.
//
// It takes class 1 messages, keeps aggregates and where each span lies, asks the decider when decision_wait
// has passed (or a holder asks for the tail, or the table is full), and puts class 2 messages out. It knows
// no clock, no ring and no policy: `now` comes in, emits go to a callback, decisions come from one.
//
// When the callback says a ring is full, the owner remembers where it stopped and goes on at the next poll:
// no trace is half forgotten, no acknowledgement overtakes the emits it covers.
//
// Thread: its lcore; tr_owner_find() and counters also while the lcores are stopped.
#ifndef TR_TRACE_OWNER_H
#define TR_TRACE_OWNER_H

#include "base/counter.h"
#include "base/error.h"
#include "journal/verdict.h"
#include "trace/message.h"
#include "trace/shape.h"

#define TR_AGGREGATE_WORDS 8

// What lies beside the entries, in arrays that only some configs need.
#define TR_ASIDE_PREDICATES 0x01 // predicates 64 and up: 56 bytes a trace
#define TR_ASIDE_OT         0x02 // what trace_state says of sampling upstream: 24
#define TR_ASIDE_ASKED      0x04 // what traces ask of budgets: 24
#define TR_SHAPE_SPANS_DEFAULT 10000

// What a trace has asked budgets for, from its first decision to its last. The decider's to use.
struct tr_asked {
    uint64_t slots;
    uint64_t refused; // of these: whatever the tick says
    uint32_t tick;
    bool begun;
    bool counted; // by dynamic samplers, which count a trace once
};

// What a policy sees of a trace.
struct tr_trace {
    uint8_t trace_id[16];
    uint64_t first_ns; // arrival of its first summary, lcore clock
    uint64_t start_ns; // least start, of those that are not 0; 0: none
    uint64_t end_ns;   // greatest end
    uint64_t bytes;
    uint32_t spans;
    uint32_t source; // of its first span
    uint32_t epoch;  // under which it began and is decided
    bool root_seen;
    bool again;   // it was dropped, and a late span has come
    bool partial; // again, and no more is known of what came before than these numbers say: its bits are gone
    uint64_t bits[TR_AGGREGATE_WORDS]; // OR over its spans
    const struct tr_trace_ot *ot; // what its spans' trace_state said; NULL: nothing
    struct tr_shapes *shapes;     // its spans' records, for who wants to look at them; NULL: not reserved
    // What samplers before this one said in their trace_state. The least threshold of its spans, 0 for one that brings
    // none; and its randomness, 56 bits and 1 added, 0: that of its id.
    uint64_t threshold_least, randomness;
    // To ask a policy what it would say: what the trace would have drawn, by tr_policy.draw. NULL: what it has drawn.
    const uint64_t *draws;
    uint32_t lcore;                    // that decides it
    struct tr_asked *asked;            // its own, while it is being decided
};

enum tr_answer { TR_ANSWER_DROP, TR_ANSWER_KEEP, TR_ANSWER_PENDING };

#define TR_CHANCE_MASK ((1ull << 56) - 1)

// How likely it was that a trace would be kept.
struct tr_chance {
    uint64_t threshold; // 0 to 2^56 - 1: the probability is 1 - threshold / 2^56
    uint8_t marks;      // TR_MARK_COUNTED and others of TR_MARK_*; 0: not known
    uint32_t questions; // that it took, some 10 ns each
};

struct tr_decider {
    void *context;
    // Decide. *policy is the one that kept (or dropped) it, or TR_POLICY_NONE. PENDING: ask again at the tick
    // that settles budgets (tr_owner_settle).
    enum tr_answer (*decide)(void *context, const struct tr_trace *trace, uint16_t *policy);
    // Of a trace that is kept. Asked only after tr_owner_counting_set(); NULL: not known.
    struct tr_chance (*chance)(void *context, const struct tr_trace *trace);
    // What will be decided whatever else comes of the trace; PENDING: that is open. Counts nothing. NULL: always open.
    enum tr_answer (*certain)(void *context, const struct tr_trace *trace, uint16_t *policy);
};

struct tr_owner_output {
    void *context;
    // Queue a class 2 message for a holder. Returns false when its ring is full.
    bool (*send)(void *context, uint32_t holder, const union tr_message *message);
};

struct tr_owner_options {
    uint32_t lcore;
    uint32_t lcores;
    uint32_t traces_max;      // entries of the table
    uint32_t refs_max;        // spans held by reference, all traces together
    uint32_t verdicts_max;    // decisions remembered, power of two, at least TR_VERDICTS_MIN
    uint32_t memo_max;        // and beyond these, by verdict and policy only
    uint64_t dropped_bytes;   // to keep dropped traces in mind, should a late span reopen one; power of two, 0: none
    uint32_t aside;           // TR_ASIDE_*: what the config needs
    uint64_t wait_ns;
    uint64_t wait_min_ns;
    uint32_t trace_spans_max; // 0: none
    uint64_t trace_bytes_max; // 0: none
    bool shape;               // reserve room for the shape of traces
    uint32_t shape_spans_max; // of a trace, that a decision looks at; 0: TR_SHAPE_SPANS_DEFAULT
    const char *directory;    // of the verdict ring's file
    int numa_node;            // -1: wherever
    bool prefault;            // take all memory at creation, not at first touch
    uint64_t hash_seed;       // of the table's hash; 0: random
};

#define TR_OWNER_COUNTERS(X)                                                                                 \
    X(received, COUNTER, "owner_spans_received_total", "", "Summaries that reached their owner.")            \
    X(kept, COUNTER, "owner_spans_total", "verdict=\"kept\"", "Spans of traces that were kept.")             \
    X(dropped, COUNTER, "owner_spans_total", "verdict=\"dropped\"", "Spans of traces that were dropped.")    \
    X(evicted, COUNTER, "owner_spans_total", "verdict=\"evicted\"", "Spans of traces given up undecided.")   \
    X(held, GAUGE, "held_spans", "", "Spans of traces that are not decided yet.")                            \
    X(traces_held, GAUGE, "held_traces", "", "Traces that are not decided yet.")                             \
    X(traces_kept, COUNTER, "traces_total", "verdict=\"kept\"", "Traces that were kept.")                    \
    X(traces_dropped, COUNTER, "traces_total", "verdict=\"dropped\"", "Traces that were dropped.")           \
    X(traces_evicted, COUNTER, "traces_total", "verdict=\"evicted\"", "Traces given up undecided.")          \
    X(early_journal, COUNTER, "decided_early_spans_total", "reason=\"journal\"",                             \
      "Spans of traces decided before decision_wait.")                                                       \
    X(early_table, COUNTER, "decided_early_spans_total", "reason=\"table\"",                                 \
      "Spans of traces decided before decision_wait.")                                                       \
    X(early_size, COUNTER, "decided_early_spans_total", "reason=\"size\"",                                   \
      "Spans of traces decided before decision_wait.")                                                       \
    X(early_shutdown, COUNTER, "decided_early_spans_total", "reason=\"shutdown\"",                           \
      "Spans of traces decided before decision_wait.")                                                       \
    X(late_kept, COUNTER, "late_spans_total", "verdict=\"kept\"", "Spans that came after their decision.")   \
    X(late_dropped, COUNTER, "late_spans_total", "verdict=\"dropped\"",                                      \
      "Spans that came after their decision.")                                                               \
    X(late_evicted, COUNTER, "late_spans_total", "verdict=\"evicted\"",                                      \
      "Spans that came after their decision.")                                                               \
    X(at_once, COUNTER, "decided_at_once_spans_total", "",                                                   \
      "Spans of traces decided before decision_wait since no further span could change the answer.")         \
    X(followed_kept, COUNTER, "following_spans_total", "verdict=\"kept\"",                                   \
      "Spans that came after their trace was decided at once, within its decision_wait: they are not late.")  \
    X(followed_dropped, COUNTER, "following_spans_total", "verdict=\"dropped\"",                             \
      "Spans that came after their trace was decided at once, within its decision_wait: they are not late.")  \
    X(reopened, COUNTER, "reopened_spans_total", "",                                                         \
      "Spans of dropped traces that were kept after all, as a policy wanted a late span; "                    \
      "owner_spans_total counts them as dropped and as kept.")                                               \
    X(reopened_gone, COUNTER, "reopened_spans_gone_total", "",                                               \
      "Spans of reopened traces that could not be found any more: they stay dropped.")                       \
    X(traces_reopened, COUNTER, "reopened_traces_total", "",                                                 \
      "Dropped traces that a late span has reopened; traces_total counts them as dropped and as kept.")      \
    X(traces_mindful, GAUGE, "dropped_traces_held", "",                                                      \
      "Dropped traces of which it is known what they were and where their spans are, should a late span reopen one.") \
    X(emits_sent, COUNTER, "emit_spans_sent_total", "", "Spans that holders were asked to emit.")            \
    X(emits_waiting, GAUGE, "emit_spans_waiting", "",                                                        \
      "Spans of kept traces whose holder is still to be asked.")                                             \
    X(table_full, COUNTER, "owner_full_total", "what=\"traces\"", "Bursts of summaries that found no room.") \
    X(refs_full, COUNTER, "owner_full_total", "what=\"spans\"", "Bursts of summaries that found no room.")   \
    X(epoch_behind, COUNTER, "owner_epoch_behind_total", "",                                                 \
      "Spans walked under an older config than their trace began under. Always 0.")                          \
    X(shape_cut, COUNTER, "shape_spans_cut_total", "",                                                       \
      "Spans beyond shape_spans_max of their trace, which policies on its shape did not look at.")           \
    X(zones_unknown, COUNTER, "shape_zones_unknown_spans_total", "",                                         \
      "Spans whose availability zone cross_zone does not know: more than 127 came in ten minutes.")          \
    X(output_full, COUNTER, "owner_output_full_total", "", "Times that a class 2 ring was found full.")
TR_COUNTERS_DECLARE(owner, TR_OWNER_COUNTERS)

struct tr_owner;

int tr_owner_create(struct tr_owner **owner, const struct tr_owner_options *options,
                    const struct tr_decider *decider, const struct tr_owner_output *output,
                    struct tr_error *error);
void tr_owner_destroy(struct tr_owner *owner);
struct tr_owner_counters *tr_owner_counters(struct tr_owner *owner);

// The memory that tr_owner_create() would map, bytes; what is never used is never touched.
uint64_t tr_owner_bytes(const struct tr_owner_options *options);

// Of that, what decisions take once they are made: their ring, its index, the memo, and what late spans may reopen.
uint64_t tr_owner_past_bytes(const struct tr_owner_options *options);

// Map what a config needs that is not there yet, before any lcore has that config.
//
// aside  TR_ASIDE_*
//
// Returns 0; -ENOMEM. Thread: control.
int tr_owner_reserve(struct tr_owner *owner, uint32_t aside, struct tr_error *error);

// decision_wait changed live: for traces that begin from now on. decision_wait_min holds for all at once.
void tr_owner_wait_set(struct tr_owner *owner, uint64_t wait_ns, uint64_t wait_min_ns);

// decision_wait_after_root_received: how long a trace waits from its root on, if that ends sooner; 0: no matter.
void tr_owner_wait_root_set(struct tr_owner *owner, uint64_t wait_ns);

// From now on a config may want to know how likely kept traces were to be kept.
void tr_owner_counting_set(struct tr_owner *owner);

// May a late span reopen a trace that was dropped; is a trace decided as soon as the decider is certain of it? From now
// on, the second for traces that begin under the epoch of then.
void tr_owner_late_set(struct tr_owner *owner, bool reopen, bool at_once);

// The epoch under which new traces begin (the lcore calls it once every origin's EPOCH mark is in). Epochs
// count up, and fewer than 256 may be live (control allows far fewer).
void tr_owner_epoch_set(struct tr_owner *owner, uint32_t epoch);

// The oldest epoch under which a trace is held or being emitted, the newest if none is: configs before it can
// be freed (late spans may still name a policy of one).
uint32_t tr_owner_epoch_oldest(const struct tr_owner *owner);

// Take up to `count` class 1 messages that came from `origin`, in their order.
//
// messages  SUMMARY (with the slots that follow it) and TAIL; it stops before an EPOCH mark, which is the caller's
//
// Returns how many were taken: fewer when the table or the references are full, when a late span's emit finds
// its ring full, or when the last is a summary whose further slots are not all among them. The rest must be offered
// again. Nothing is decided here. Cost: one probe, at most 2 cache misses a summary (a burst is prefetched).
uint32_t tr_owner_receive(struct tr_owner *owner, uint32_t origin, const union tr_message *messages,
                          uint32_t count, uint64_t now, uint64_t wall_ns);

// Decide what is due, emit, acknowledge.
//
// budget  of work: 1 for each trace decided and each span emitted
//
// Returns the work done. A trace whose emits exceed it goes on at the next poll.
uint32_t tr_owner_poll(struct tr_owner *owner, uint64_t now, uint64_t wall_ns, uint32_t budget);

// The tick that settles budgets is over: ask again about each trace that was PENDING, here and, when the
// budget does not suffice, in the polls that follow. Returns the work done.
uint32_t tr_owner_settle(struct tr_owner *owner, uint64_t now, uint64_t wall_ns, uint32_t budget);

// Does it still pass on what tr_owner_settle() began?
bool tr_owner_settling(const struct tr_owner *owner);

// Is a parked trace in the way of a holder that needs room, or of new traces? Then the tick should end.
bool tr_owner_hurries(const struct tr_owner *owner);

// When to poll again: 0 at once, TR_NEVER with nothing due ever (PENDING traces wait for tr_owner_settle).
uint64_t tr_owner_deadline(const struct tr_owner *owner);

// Drain: from now on decide all that is held, whatever its age; or, to `discard`, give up what has not waited for its
// time.
void tr_owner_drain(struct tr_owner *owner, bool discard);

// Give up what is held, undecided (the drain has timed out); at most `budget` traces. Returns how many.
uint32_t tr_owner_evict(struct tr_owner *owner, uint64_t now, uint64_t wall_ns, uint32_t budget);

// Is anything left to emit or acknowledge, that a full ring or the budget has stopped?
bool tr_owner_busy(const struct tr_owner *owner);

// For `traces why` (any thread while the lcores are stopped at a turn's end).
bool tr_owner_find_held(const struct tr_owner *owner, const uint8_t id[16], struct tr_trace *trace);
const struct tr_verdict_record *tr_owner_find_verdict(const struct tr_owner *owner, const uint8_t id[16]);

// What is known of a trace that was decided, however long ago.
struct tr_past {
    struct tr_verdict_record *record; // NULL: only the memo knows it
    uint32_t epoch;
    uint16_t policy;
    uint8_t verdict; // enum tr_verdict
    uint8_t marks;   // TR_MARK_*
    uint64_t threshold;
    uint64_t dropped; // position of what is kept in mind of a dropped one, 0: nothing
};
bool tr_owner_find_past(const struct tr_owner *owner, const uint8_t id[16], struct tr_past *past);

// What a held trace waits for.
struct tr_owner_waiting {
    uint64_t due_ns;  // lcore clock: decided then at the latest
    uint64_t holders; // bit n: lcore n has spans of it
    bool pending;     // was asked about, waits for the tick
};
bool tr_owner_find_waiting(const struct tr_owner *owner, const uint8_t id[16],
                           struct tr_owner_waiting *waiting);

// When the oldest decision that is still remembered was made, 1970; 0: none yet.
uint64_t tr_owner_verdicts_since(const struct tr_owner *owner);

// Recount held spans and traces from the table, for the audit of debug builds and tests.
void tr_owner_recount(const struct tr_owner *owner, uint64_t *spans, uint64_t *traces);

#endif
