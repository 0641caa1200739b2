// SPDX-License-Identifier: Apache-2.0
// A data lcore: everything that happens to spans, for its own connections and its own slice of the trace ids.
//
// tr_lcore_poll() is one turn of all of it. The daemon calls it with the clock, the simulator with virtual time.
// A lcore is two parts that share a thread: the holder (requests, journal, walk, tail, emits to the outbox) and the
// owner (traces, verdicts). Between lcores the parts talk by the mesh; on one lcore by function calls.
//
// Fields are the lcore's own unless the line says otherwise; the control thread reads them while lcores are stopped.
#ifndef TR_LCORE_LCORE_H
#define TR_LCORE_LCORE_H

#include "http/decode.h"
#include "http/http.h"
#include "journal/journal.h"
#include "journal/outbox.h"
#include "lcore/lcore_counters.h"
#include "lcore/mesh.h"
#include "otlp/check.h"
#include "otlp/json.h"
#include "trace/owner.h"
#include "trace/source.h"
#include "trace/study.h"

#define TR_BURST 32
#define TR_TURN_BYTES (256 * TR_KIB)

enum tr_other_signals { TR_OTHER_FORWARD, TR_OTHER_ACCEPT, TR_OTHER_REFUSE };

struct tr_lcore_options {
    uint32_t lcore;
    int numa_node;
    const char *directory; // of the ring files
    uint64_t journal_bytes;
    uint64_t outbox_bytes;
    uint64_t body_bytes_max; // also after decompression; at most an eighth of the journal
    uint32_t contexts;       // side ring, power of two
    uint32_t sources_max;
    uint32_t study_slots; // notes on their way to control, power of two; 0: no study
    enum tr_other_signals other_signals;
    bool prefault;
    struct tr_owner_options owner;
};

// Where frames or bytes come from: polled once a turn.
struct tr_lcore_port {
    void *context;
    size_t (*poll)(void *context, uint64_t now, size_t budget);
    uint64_t (*deadline)(const void *context);
    // Asked once more before the lcore sleeps, when others can see that it does. NULL: what comes in wakes it.
    bool (*has_input)(void *context);
};
#define TR_LCORE_PORTS_MAX 8

// A burst on its way to one owner.
struct tr_burst {
    uint32_t count;
    uint32_t sent; // of those, already enqueued
    union tr_message messages[2 * TR_BURST];
};

// Requests in their order of completion; the first is being taken in, those behind wait in their pieces.
enum tr_ingest_state { TR_INGEST_IDLE, TR_INGEST_DECODE, TR_INGEST_CONVERT, TR_INGEST_CHECK };

struct tr_ingest {
    struct tr_request *first, *last;
    uint64_t requests;
    size_t budget; // what is left of this turn's
    enum tr_ingest_state state;
    uint64_t room_wanted; // bytes of journal that the first waits for, 0: none
    uint8_t *at;          // where the body is being put
    uint64_t room;
    size_t bytes;
    struct tr_decoder *decoder;
    struct tr_check check;
    struct tr_json_in json;
};

// The walk's cursor: record, context, span.
struct tr_walker {
    uint64_t position;       // of the record it is in, or the head
    uint64_t context;        // index of the next context of that record
    uint32_t context_number; // how many of that record are done
    uint32_t cursor;         // in the context's ScopeSpans
    bool in_record, in_context;
    struct tr_bits resource;
    struct tr_walk_notes notes;
    const struct tr_epoch *epoch;
    struct tr_request *first, *last; // committed, to be answered when walked; in the records' order
    struct tr_request *walking;      // of the record at `position`; those before it wait for a flush
    struct tr_burst bursts[TR_LCORES_MAX];
};

// What an emit says of its trace's decision.
struct tr_emit_why {
    uint32_t epoch;
    uint16_t policy;
    uint8_t marks; // TR_MARK_*
    uint64_t threshold;
};

// Spans to emit whose lines were called for; in order.
#define TR_EMITS_AHEAD 8u
struct tr_emit_ahead {
    uint32_t begin, end; // count up
    struct tr_emit_span spans[TR_EMITS_AHEAD];
    struct tr_emit_why why[TR_EMITS_AHEAD];
};

// The last spans that the walk rejected and whose trace id could be read, for `traces why`.
#define TR_REJECTS 1024
struct tr_reject {
    uint8_t trace_id[16];
    uint64_t wall_ns; // 0: none
    uint32_t source;
    uint32_t result; // enum tr_walk_result
};

struct tr_tail_state {
    uint64_t asked;  // position that owners were asked to let go, 0: nothing is outstanding
    uint64_t cursor; // record boundary that the next request will name
    uint64_t acknowledged[TR_LCORES_MAX]; // by owner
    uint32_t to_ask;                      // owners that the outstanding request has not reached yet: from here on
};

struct tr_lcore {
    struct tr_lcore_options options;
    struct tr_mesh *mesh; // shared, see there
    uint64_t now;
    uint64_t wall_offset_ns; // wall = now + this; stored by the control thread
    bool draining;           // stored by the control thread

    struct tr_journal journal;
    struct tr_outbox outbox; // read by backends
    struct tr_sources sources; // read by control
    struct tr_study_ring study; // to control
    struct tr_owner *owner;
    struct tr_ingest ingest;
    struct tr_walker walker;
    struct tr_tail_state tail;
    uint32_t epochs_in[TR_LCORES_MAX]; // by origin: the newest EPOCH mark taken
    union tr_message held_back[TR_LCORES_MAX][TR_BURST]; // class 1 that the owner could not take yet
    uint32_t held_back_count[TR_LCORES_MAX];
    uint64_t wake; // bit n: lcore n was sent something this turn
    struct tr_emit_ahead ahead;
    struct tr_reject rejects[TR_REJECTS]; // a ring
    uint64_t rejects_count;

    uint8_t *scratch; // 4 * body_bytes_max of address space: a rewritten resource and what it demotes
    struct tr_lcore_port ports[TR_LCORE_PORTS_MAX + 1]; // all the kernel's sockets are one
    uint32_t ports_count;
    struct tr_http *http; // NULL in tests that bring requests themselves

    struct tr_lcore_counters counters; // read by any thread
    struct tr_red_counters red;        // same
};

int tr_lcore_create(struct tr_lcore **lcore, const struct tr_lcore_options *options, struct tr_mesh *mesh,
                    struct tr_error *error);
void tr_lcore_destroy(struct tr_lcore *lcore);

// The sink for http/ and for tests that bring requests themselves.
struct tr_request_sink tr_lcore_sink(struct tr_lcore *lcore);

// Put a body into the journal that came without a request: benchmarks, and tests below HTTP. Not to be mixed with
// requests on one lcore.
//
// Returns 0, -ENOSPC, -EINVAL (malformed).
int tr_lcore_put(struct tr_lcore *lcore, const struct tr_address *peer, const uint8_t *body, uint32_t bytes);

// One turn of everything, bounded.
//
// now  lcore clock, ns; never goes back
//
// Returns how much work was done: 0 means that the lcore may sleep until tr_lcore_deadline().
size_t tr_lcore_poll(struct tr_lcore *lcore, uint64_t now);
uint64_t tr_lcore_deadline(const struct tr_lcore *lcore);

// Is there something in a ring or at a port for it? The check between the sleeping flag and the sleep.
bool tr_lcore_has_input(const struct tr_lcore *lcore);

// Draining: is nothing left to decide, emit or answer on this lcore?
bool tr_lcore_drained(const struct tr_lcore *lcore);

// Summaries that this lcore walked or took out of a ring and that no owner has received. Lcores stopped.
uint64_t tr_lcore_summaries_in_flight(const struct tr_lcore *lcore);

// --- the parts, one file each; each does a bounded piece of work and returns how much

// ingest.c: bodies to the journal.
size_t tr_lcore_ingest(struct tr_lcore *lcore);
int tr_ingest_init(struct tr_lcore *lcore, struct tr_error *error);
void tr_ingest_fini(struct tr_lcore *lcore);

// walker.c: spans to summaries, summaries to owners, answers to clients.
size_t tr_lcore_walk(struct tr_lcore *lcore, size_t budget);
bool tr_lcore_flush(struct tr_lcore *lcore);
void tr_walker_queue(struct tr_lcore *lcore, struct tr_request *request);
union tr_message *tr_walker_slot(struct tr_lcore *lcore, uint32_t to);

// owning.c: class 1 in, decisions, class 2 out.
size_t tr_lcore_own(struct tr_lcore *lcore);
struct tr_decider tr_lcore_decider(struct tr_lcore *lcore);
struct tr_owner_output tr_lcore_owner_output(struct tr_lcore *lcore);

uint32_t tr_lcore_class1(struct tr_lcore *lcore, uint32_t origin, const union tr_message *messages, uint32_t count);

// emit.c: class 2 in, kept spans to the outbox.
size_t tr_lcore_emit(struct tr_lcore *lcore, size_t budget);
void tr_lcore_emit_flush(struct tr_lcore *lcore);
size_t tr_lcore_class2(struct tr_lcore *lcore, uint32_t owner, const union tr_message *message);

// What of a journal is kept free, bytes: an eighth; of a large one as much as owners may take to let go of more while
// bodies come in as fast as they can, and several of the largest.
static inline uint64_t tr_lcore_low_water(uint64_t journal_bytes, uint64_t body_bytes_max)
{
    return TR_MIN(journal_bytes / 8, TR_MAX(256 * TR_MIB, 4 * body_bytes_max));
}

// With less free than this new requests are refused, so that what was admitted finds room: well below the low-water mark, or
// requests would be refused before any room was asked for.
static inline uint64_t tr_lcore_refuse_below(uint64_t journal_bytes, uint64_t body_bytes_max)
{
    return tr_lcore_low_water(journal_bytes, body_bytes_max) / 4;
}

// tail.c: what of the journal may go.
size_t tr_lcore_tail(struct tr_lcore *lcore);
void tr_tail_acknowledged(struct tr_lcore *lcore, uint32_t owner, uint64_t position);

// A position of 48 bits to the whole one: the nearest at or below `head`.
static inline uint64_t tr_position_extend(uint64_t position, uint64_t head)
{
    return head - ((head - position) & TR_POSITION_MASK);
}

// The same of a reference's.
static inline uint64_t tr_ref_extend(uint64_t position, uint64_t head)
{
    return head - ((head - position) & TR_REF_POSITION_MASK);
}

#endif
