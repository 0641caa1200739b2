// SPDX-License-Identifier: Apache-2.0
// The inside of the study, for study*.c only.
#ifndef TR_CONTROL_STUDY_INTERNAL_H
#define TR_CONTROL_STUDY_INTERNAL_H

#include "control/study.h"

struct study_span {
    uint64_t span_id, parent_id;
    uint64_t start_ns, end_ns;
    uint32_t next; // of its trace, or of the free ones
    uint32_t service;
    uint32_t end; // what it calls, or is called by; 0: unknown
    uint8_t kind, flags, contact_kind;
    bool continued; // a span of another process has it for a parent
};

struct study_trace {
    uint8_t id[16];
    uint64_t hash;
    uint64_t last_ns;           // when the last note of it came
    uint32_t first, last, spans; // of its spans
    uint32_t older, newer;      // by last_ns
    uint32_t next;              // of its bucket, or of the free ones
    uint8_t voided;             // enum tr_study_outcome: why it is not judged
};

// A call that nothing continues, a trace that begins: to be looked for in each other's time.
struct study_call {
    uint64_t start_ns, end_ns;
    uint32_t end, service;
    uint32_t met; // service whose trace was found in it last; 0: none
};
struct study_root {
    uint64_t start_ns, end_ns, hash;
    uint64_t ready_ns; // then all calls that it may lie in are judged
    uint32_t service;
    uint8_t trace_id[16];
};
#define TR_STUDY_CALLS 4096
#define TR_STUDY_ROOTS 1024

// What was found missing of a judged trace, in case that it comes after all.
#define TR_STUDY_DEBTS 4096
struct study_debt {
    uint64_t key; // of the trace and the missing span; 0: none
    uint32_t pair, service, weight;
    bool local, rootless;
};

#define TR_STUDY_JUDGED 16384

struct tr_study {
    struct tr_study_options options;
    struct tr_study_tables tables;
    struct tr_study_counters counters;
    uint64_t shift; // 1 in 2^shift traces
    uint64_t blind_ns; // a trace whose first note comes before then may have begun earlier
    uint8_t blind_why; // enum tr_study_outcome
    uint64_t window_at_ns;

    // Adapting.
    uint64_t look_ns, look_notes;
    uint32_t calm; // looks in a row that found little

    struct study_span *spans; // [0] is none
    struct study_trace *traces;
    uint32_t *buckets;
    uint32_t buckets_mask;
    uint32_t free_span, free_trace;       // given back
    uint32_t touched_spans, touched_traces; // ever used: what never was is no memory yet
    uint32_t spans_used, spans_max, traces_max;
    uint32_t oldest, newest; // traces by last_ns
    uint32_t *ids;           // of one trace: span by span id
    uint32_t ids_room;

    uint64_t judged[TR_STUDY_JUDGED]; // hashes of traces judged lately
    struct study_debt debts[TR_STUDY_DEBTS];
    struct study_call calls[TR_STUDY_CALLS]; // a ring
    uint64_t calls_count;
    struct study_root roots[TR_STUDY_ROOTS]; // a queue
    uint64_t roots_begin, roots_end;
};

static inline void tr_study_add(struct tr_study_count *count, uint64_t n)
{
    count->now += n;
}

static inline uint32_t tr_study_weight(const struct tr_study *study)
{
    return (uint32_t)1 << study->shift;
}

// study_rows.c

int tr_study_tables_create(struct tr_study_tables *tables, const struct tr_study_options *options);
void tr_study_tables_destroy(struct tr_study_tables *tables);
uint64_t tr_study_tables_bytes(const struct tr_study_options *options);
void tr_study_tables_turn(struct tr_study_tables *tables); // a window is over

uint32_t tr_study_service_row(struct tr_study_tables *tables, const char *name, uint32_t bytes);
uint32_t tr_study_scope_row(struct tr_study_tables *tables, uint32_t service, const char *name, uint32_t bytes);
uint32_t tr_study_end_row(struct tr_study_tables *tables, const struct tr_study_note *note, uint32_t service);
uint32_t tr_study_pair_row(struct tr_study_tables *tables, uint32_t caller, uint32_t called);
uint32_t tr_study_link_row(struct tr_study_tables *tables, uint32_t end, uint32_t service);

// study_judge.c: what a whole trace says.
void tr_study_judge(struct tr_study *study, const struct study_trace *trace, uint64_t now);
// A span of a judged trace has come after all.
void tr_study_forgive(struct tr_study *study, const struct tr_study_note *note, uint64_t hash);

// study_time.c: which traces lie in which calls.
void tr_study_call_note(struct tr_study *study, const struct study_span *span);
void tr_study_root_note(struct tr_study *study, const struct study_span *span, const struct study_trace *trace,
                        uint64_t now);
void tr_study_time_poll(struct tr_study *study, uint64_t now);

#endif
