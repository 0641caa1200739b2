// SPDX-License-Identifier: Apache-2.0
// The study of services: who calls whom, and where the chain of parents breaks. The essay is in study.c.
//
// It takes notes of whole traces (trace/study.h), puts each trace together, waits until nothing has come of it for some
// time, and then counts. All memory is taken at creation. It knows no clock and no thread: `now` comes in.
//
// Thread: one, or under one lock.
#ifndef TR_CONTROL_STUDY_H
#define TR_CONTROL_STUDY_H

#include "base/counter.h"
#include "base/error.h"
#include "trace/study.h"

struct tr_study_options {
    uint32_t spans_max;    // of traces under study at once
    uint32_t services_max; // rows of services; of scopes 4 times as many
    uint32_t pairs_max;    // rows of pairs; of what is called as many
    uint64_t wait_ns;      // a trace is judged when nothing has come of it for so long
    uint64_t window_ns;    // counts are over the last one to two of these
    uint64_t rate;         // notes a second to aim for; 0: nothing is studied
};

#define TR_STUDY_OTHER 0u // row of what found no room; of a table of ends, contacts, links: none

// Counts over a window: of the one that runs, and of the one before.
struct tr_study_count {
    uint64_t now, before;
};

static inline uint64_t tr_study_counted(const struct tr_study_count *count)
{
    return count->now + count->before;
}

// Every count is an estimate for all traces: what was counted in one trace of N, times N.
#define TR_STUDY_SERVICE_COUNTS(X)                                                                           \
    X(spans)         /* studied */                                                                           \
    X(entries)       /* spans of kind server or consumer, or with a remote parent */                         \
    X(roots)         /* traces that begin with a span of it */                                               \
    X(roots_entry)   /* of these, with one of kind server or consumer, without links */                      \
    X(roots_plain)   /* of these, with one of kind internal or unspecified */                                \
    X(rootless)      /* traces whose earliest span is its, and whose root never came */                      \
    X(orphans)       /* spans whose parent never came */                                                     \
    X(orphans_local) /* of these, whose parent was of its own process, or who share its service with none */ \
    X(late)          /* spans that came when their trace was judged already */                               \
    X(roots_tested)  /* traces looked at for whose call they lie in */

struct tr_study_service {
    char name[TR_STUDY_NAME_BYTES + 1];
#define X(name) struct tr_study_count name;
    TR_STUDY_SERVICE_COUNTS(X)
#undef X
    uint64_t notes;         // ever
    uint32_t first_scope;   // 0: none
    uint8_t example_id[16]; // of a trace with an orphan or without a root
};

struct tr_study_scope {
    char name[TR_STUDY_NAME_BYTES + 1];
    uint32_t service, next; // of its service
    uint32_t kinds;         // bit n: spans of kind n were seen
    struct tr_study_count spans;
    uint64_t notes;               // ever
    uint64_t service_notes_first; // its service's, when it was first seen
    uint64_t service_notes_last;  // and last
    uint64_t first_ns, last_ns, gap_ns; // gap: the longest between two
};

// What is called: a host, an RPC service, a destination.
struct tr_study_contact {
    char name[TR_STUDY_NAME_BYTES + 1];
    uint8_t kind;       // enum tr_contact
    uint32_t first_end; // 0: none
};

// A service at a contact, calling or called.
struct tr_study_end {
    uint32_t contact, service, next; // next: of its contact
    bool called;
    struct tr_study_count spans;
    struct tr_study_count open;    // caller: calls that no span continues; called: entries that begin a trace
    struct tr_study_count orphans; // called: entries whose parent never came
    uint8_t example_id[16];        // of an open one
};

#define TR_STUDY_UNKNOWN UINT32_MAX // a caller of whom nothing came

struct tr_study_pair {
    uint32_t caller, called;
    struct tr_study_count joined;  // spans of `called` whose parent is of `caller`
    struct tr_study_count orphans; // spans of `called` whose parent, probably of `caller`, never came
    uint8_t example_id[16];        // of one of these
};

// Traces of a service that lie in calls of another one that nothing continues.
struct tr_study_link {
    uint32_t end, service;
    struct tr_study_count inside; // of its roots_tested
    struct tr_study_count chance; // the same for times that have nothing to do with the trace
    uint8_t example_id[16];
};

// Find rows by a key of 64 bits. Row 0 is of what finds no room.
struct tr_study_rows {
    void *rows;
    uint64_t *keys;  // by row
    uint32_t *slots; // open addressing; 0 is empty
    size_t row_bytes;
    uint32_t slots_mask, count, max; // rows 0 to count - 1 are in use, of max
    uint64_t overflowed;             // times that row 0 was given
};

#define TR_STUDY_COUNTERS(X)                                                                                 \
    X(notes, COUNTER, "study_spans_total", "", "Spans noted for the study of services.")                     \
    X(lost, COUNTER, "study_lost_total", "", "Spans that were to be noted and found no room.")               \
    X(judged, COUNTER, "study_traces_total", "outcome=\"judged\"", "Traces that left the study.")            \
    X(voided, COUNTER, "study_traces_total", "outcome=\"void\"", "Traces that left the study.")              \
    X(one_in, GAUGE, "study_one_in", "", "Of so many traces one is studied; 0: none is.")                    \
    X(open, GAUGE, "study_open_spans", "", "Spans of traces under study.")                                   \
    X(services, GAUGE, "services", "", "Services known, of those that have a row.")                          \
    X(lost_context, GAUGE, "services_findings", "kind=\"lost_context\"", "What tailctl services finds.")     \
    X(parent_missing, GAUGE, "services_findings", "kind=\"parent_missing\"", "What tailctl services finds.") \
    X(spans_lost, GAUGE, "services_findings", "kind=\"spans_lost\"", "What tailctl services finds.")         \
    X(no_entry_spans, GAUGE, "services_findings", "kind=\"no_entry_spans\"", "What tailctl services finds.") \
    X(scope_vanished, GAUGE, "services_findings", "kind=\"scope_vanished\"", "What tailctl services finds.")
TR_COUNTERS_DECLARE(study, TR_STUDY_COUNTERS)

struct tr_study;

int tr_study_create(struct tr_study **study, const struct tr_study_options *options, uint64_t now, struct tr_error *error);
void tr_study_destroy(struct tr_study *study);

// Memory that a study takes.
uint64_t tr_study_bytes(const struct tr_study_options *options);

// Take a note.
void tr_study_input(struct tr_study *study, const struct tr_study_note *note, uint64_t now);

// So many notes found no room in a ring: whatever is under study may have holes.
void tr_study_lost(struct tr_study *study, uint64_t lost, uint64_t now);

// Judge what is due, at most some thousand spans a call; from time to time adapt the share of traces that is studied.
void tr_study_poll(struct tr_study *study, uint64_t now);

// Which traces are studied now: for tr_study_ring.mask.
uint64_t tr_study_mask(const struct tr_study *study);
uint64_t tr_study_one_in(const struct tr_study *study); // 0: none

struct tr_study_counters *tr_study_counters(struct tr_study *study);
// A service's row, made if it is new; TR_STUDY_OTHER: there is no room.
uint32_t tr_study_service_of(struct tr_study *study, const char *name, uint32_t bytes);
const struct tr_study_options *tr_study_options_of(const struct tr_study *study);

// The tables, to be read.
// What became of a trace: it was judged, or why not.
enum tr_study_outcome {
    TR_STUDY_WHOLE,
    TR_STUDY_STARTED,   // it may have begun before the daemon
    TR_STUDY_NO_ROOM,   // a note was lost for want of room
    TR_STUDY_SHARE,     // the share of traces that is studied changed meanwhile
    TR_STUDY_TOO_LARGE, // more spans than spans_max / TR_STUDY_LARGE
    TR_STUDY_OUTCOMES
};
#define TR_STUDY_LARGE 16

struct tr_study_tables {
    struct tr_study_rows services, scopes, contacts, ends, pairs, links;
    struct tr_study_count outcomes[TR_STUDY_OUTCOMES]; // of studied traces, not an estimate
};
const struct tr_study_tables *tr_study_tables(const struct tr_study *study);

#define TR_STUDY_ROW(type, table, index) (&((struct tr_study_##type *)(table)->rows)[index])

// What can be said. `text` is one or two sentences; who is meant is `service` (the called one of a pair).
enum tr_finding_kind {
    TR_FINDING_LOST_CONTEXT,   // calls arrive, the trace context does not
    TR_FINDING_PARENT_MISSING, // spans name a parent of another process that never came
    TR_FINDING_SPANS_LOST,     // spans name a parent of their own process that never came
    TR_FINDING_NO_ENTRY_SPANS, // it serves calls and has no spans of them
    TR_FINDING_SCOPE_VANISHED, // an instrumentation that it had says nothing any more
    TR_FINDINGS
};
enum tr_sure { TR_SURE_LIKELY, TR_SURE_CERTAIN };

struct tr_finding {
    enum tr_finding_kind kind;
    enum tr_sure sure;
    char service[TR_STUDY_NAME_BYTES + 1];
    char caller[TR_STUDY_NAME_BYTES + 1]; // "": not known, or there is none
    char contact[TR_STUDY_NAME_BYTES + 1];
    uint64_t count; // spans or traces that it rests on
    uint8_t example_id[16];
    char text[640];
};
extern const char *const tr_finding_names[TR_FINDINGS];

// At most 256 of them.
typedef void (*tr_finding_fn)(void *to, const struct tr_finding *finding);
void tr_study_findings(const struct tr_study *study, uint64_t now, tr_finding_fn each, void *to);

// Is it the name of a library's instrumentation, as SDKs' contributors name theirs?
bool tr_scope_is_library(const char *name);

#endif
