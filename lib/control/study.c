// SPDX-License-Identifier: Apache-2.0
//
// The study: essay.
//
// Only a box that sees every span can say where the trace context gets lost, but the parent of a span is nothing that a
// decision needs: summaries carry no span ids, and 16 bytes more a span, sent and held for each of ten million spans,
// would be a high price for a diagnosis. So the study is apart from deciding. Of one trace in N, picked by a hash of its
// id, the walk puts a note of each span into a ring to control (trace/study.h). What that costs is bounded by the rate
// it aims for, whatever the load: at 10,000 notes a second some 3 ms a second, all lcores together. For a trace that is
// not studied it is one test of a bit mask.
//
// What was weighed against it: span ids in a slot behind each summary and a check at the decision (costs class 1 slots
// and the owner's memory, needs a policy that wants them, and judges at decision_wait, when the root of a slow trace
// has not ended yet); studying all traces for some seconds a minute (a trace that began before would look cut).
//
// N is a power of two and the studied traces of 2N are among those of N. It doubles when more notes come than the study
// wants, and halves when few have come for some time. What could lie about a trace voids it: after a start, a lost note
// or a smaller N, whoever is first heard of within `wait` may have begun before, and is not judged.
//
// A trace is judged when nothing has come of it for `wait`: not at decision_wait, since a root ends last, and not when
// the root is there, since the batches of other services come later. A span that comes after that takes back what was
// said of its absence (study_judge.c).
//
// What it counts is an estimate where N is above 1: a trace counts N times. Counts are of the last one to two windows,
// so that what was repaired is forgotten. What it says of them is in findings.c.
//
// Limits. Spans, traces, rows: reserved at creation. A trace with more than a sixteenth of the spans is void, and its
// spans are given back. When spans run out N doubles, and traces that are not of its share any more leave.
#include "control/study_internal.h"

#include "base/hash.h"

TR_COUNTERS_DEFINE(study, TR_STUDY_COUNTERS)

#define LOOK_NS    TR_S
#define CALM_LOOKS 10
#define SHIFT_MAX  30
#define JUDGE_SPANS 4096 // a poll

static uint32_t power_of_two(uint32_t n)
{
    uint32_t power = 1;

    while (power < n)
        power *= 2;
    return power;
}

static uint32_t ids_room(const struct tr_study_options *options)
{
    return power_of_two(options->spans_max / 8 + 16);
}

uint64_t tr_study_bytes(const struct tr_study_options *options)
{
    return sizeof(struct tr_study) + tr_study_tables_bytes(options) +
           options->spans_max * (sizeof(struct study_span) + sizeof(struct study_trace)) +
           (power_of_two(options->spans_max) + ids_room(options)) * sizeof(uint32_t);
}

// Whatever begins to be seen from now on may have begun before, for that reason.
static void blind(struct tr_study *study, enum tr_study_outcome why, uint64_t now)
{
    study->blind_ns = now + study->options.wait_ns;
    study->blind_why = (uint8_t)why;
}

int tr_study_create(struct tr_study **out, const struct tr_study_options *options, uint64_t now, struct tr_error *error)
{
    struct tr_study *study = calloc(1, sizeof(*study));
    uint32_t n = options->spans_max;

    if (!study)
        return tr_error_set(error, ENOMEM, "services: no memory");
    study->options = *options;
    study->spans_max = study->traces_max = n;
    study->spans = calloc(n + 1ull, sizeof(*study->spans));
    study->traces = calloc(n + 1ull, sizeof(*study->traces));
    study->buckets_mask = power_of_two(n) - 1;
    study->buckets = calloc(study->buckets_mask + 1ull, sizeof(*study->buckets));
    study->ids_room = ids_room(options);
    study->ids = calloc(study->ids_room, sizeof(*study->ids));
    if (!study->spans || !study->traces || !study->buckets || !study->ids ||
        tr_study_tables_create(&study->tables, options) < 0) {
        tr_study_destroy(study);
        return tr_error_set(error, ENOMEM, "services: no memory for %u spans under study", n);
    }
    blind(study, TR_STUDY_STARTED, now);
    study->window_at_ns = now + options->window_ns;
    study->look_ns = now;
    tr_gauge(&study->counters.one_in, options->rate != 0);
    *out = study;
    return 0;
}

void tr_study_destroy(struct tr_study *study)
{
    if (!study)
        return;
    tr_study_tables_destroy(&study->tables);
    free(study->spans);
    free(study->traces);
    free(study->buckets);
    free(study->ids);
    free(study);
}

struct tr_study_counters *tr_study_counters(struct tr_study *study)
{
    return &study->counters;
}

uint32_t tr_study_service_of(struct tr_study *study, const char *name, uint32_t bytes)
{
    return tr_study_service_row(&study->tables, name, bytes);
}

const struct tr_study_options *tr_study_options_of(const struct tr_study *study)
{
    return &study->options;
}

const struct tr_study_tables *tr_study_tables(const struct tr_study *study)
{
    return &study->tables;
}

uint64_t tr_study_mask(const struct tr_study *study)
{
    return study->options.rate ? (1ull << study->shift) - 1 : TR_STUDY_OFF;
}

uint64_t tr_study_one_in(const struct tr_study *study)
{
    return study->options.rate ? 1ull << study->shift : 0;
}

static void list_remove(struct tr_study *study, uint32_t number)
{
    const struct study_trace *trace = &study->traces[number];

    *(trace->older ? &study->traces[trace->older].newer : &study->oldest) = trace->newer;
    *(trace->newer ? &study->traces[trace->newer].older : &study->newest) = trace->older;
}

static void list_append(struct tr_study *study, uint32_t number)
{
    struct study_trace *trace = &study->traces[number];

    trace->older = study->newest;
    trace->newer = 0;
    *(study->newest ? &study->traces[study->newest].newer : &study->oldest) = number;
    study->newest = number;
}

static void spans_free(struct tr_study *study, struct study_trace *trace)
{
    if (!trace->first)
        return;
    study->spans[trace->last].next = study->free_span;
    study->free_span = trace->first;
    study->spans_used -= trace->spans;
    trace->first = trace->last = trace->spans = 0;
    tr_gauge(&study->counters.open, study->spans_used);
}

static void trace_free(struct tr_study *study, uint32_t number)
{
    struct study_trace *trace = &study->traces[number];
    uint32_t *at = &study->buckets[trace->hash >> 32 & study->buckets_mask];

    tr_count(trace->voided ? &study->counters.voided : &study->counters.judged, 1);
    tr_study_add(&study->tables.outcomes[trace->voided], 1);
    spans_free(study, trace);
    list_remove(study, number);
    while (*at != number)
        at = &study->traces[*at].next;
    *at = trace->next;
    trace->next = study->free_trace;
    study->free_trace = number;
}

static uint32_t trace_find(const struct tr_study *study, uint64_t hash, const uint8_t id[16])
{
    uint32_t number = study->buckets[hash >> 32 & study->buckets_mask];

    while (number && memcmp(study->traces[number].id, id, 16) != 0)
        number = study->traces[number].next;
    return number;
}

// Returns 0: there is none.
static uint32_t trace_take(struct tr_study *study)
{
    uint32_t number = study->free_trace;

    if (!number)
        return study->touched_traces < study->traces_max ? ++study->touched_traces : 0;
    study->free_trace = study->traces[number].next;
    return number;
}

static uint32_t span_take(struct tr_study *study)
{
    uint32_t number = study->free_span;

    if (!number)
        return study->touched_spans < study->spans_max ? ++study->touched_spans : 0;
    study->free_span = study->spans[number].next;
    return number;
}

static uint32_t trace_begin(struct tr_study *study, uint64_t hash, const uint8_t id[16], uint64_t now)
{
    uint32_t number = trace_take(study), *bucket = &study->buckets[hash >> 32 & study->buckets_mask];
    struct study_trace *trace = &study->traces[number];

    if (!number)
        return 0;
    *trace = (struct study_trace){.hash = hash, .next = *bucket, .voided = now < study->blind_ns ? study->blind_why : TR_STUDY_WHOLE};
    memcpy(trace->id, id, 16);
    *bucket = number;
    list_append(study, number);
    return number;
}

// Study fewer traces: those that are not among them any more leave.
static void shift_more(struct tr_study *study, uint64_t by)
{
    study->shift = TR_MIN(study->shift + by, (uint64_t)SHIFT_MAX);
    study->calm = 0;
    tr_gauge(&study->counters.one_in, tr_study_one_in(study));
    for (uint32_t number = study->oldest, newer; number; number = newer) {
        newer = study->traces[number].newer;
        if (study->traces[number].hash & tr_study_mask(study)) {
            study->traces[number].voided = TR_STUDY_SHARE;
            trace_free(study, number);
        }
    }
}

static void shift_less(struct tr_study *study, uint64_t now)
{
    study->shift--;
    study->calm = 0;
    blind(study, TR_STUDY_SHARE, now);
    tr_gauge(&study->counters.one_in, tr_study_one_in(study));
}

// What the note says of its scope.
static void scope_note(struct tr_study *study, const struct tr_study_note *note, uint32_t service, uint64_t now)
{
    struct tr_study_service *of = TR_STUDY_ROW(service, &study->tables.services, service);
    uint32_t row = tr_study_scope_row(&study->tables, service, note->scope, note->scope_bytes);
    struct tr_study_scope *scope = TR_STUDY_ROW(scope, &study->tables.scopes, row);

    of->notes++;
    if (!scope->notes++) {
        scope->first_ns = scope->last_ns = now;
        scope->service_notes_first = of->notes;
    }
    scope->gap_ns = TR_MAX(scope->gap_ns, now - scope->last_ns);
    scope->last_ns = now;
    scope->service_notes_last = of->notes;
    scope->kinds |= 1u << note->kind;
    tr_study_add(&scope->spans, tr_study_weight(study));
}

static uint32_t span_make(struct tr_study *study, const struct tr_study_note *note, uint64_t now)
{
    uint32_t number = span_take(study), service;
    struct study_span *span = &study->spans[number];

    if (!number)
        return 0;
    service = tr_study_service_row(&study->tables, note->service, note->service_bytes);
    *span = (struct study_span){.span_id = note->span_id,
                                .parent_id = note->parent_id,
                                .start_ns = note->start_ns,
                                .end_ns = note->end_ns,
                                .service = service,
                                .kind = note->kind,
                                .flags = note->flags,
                                .contact_kind = note->contact_kind,
                                .end = tr_study_end_row(&study->tables, note, service)};
    scope_note(study, note, service, now);
    study->spans_used++;
    tr_gauge(&study->counters.open, study->spans_used);
    tr_gauge(&study->counters.services, study->tables.services.count - 1);
    return number;
}

void tr_study_input(struct tr_study *study, const struct tr_study_note *note, uint64_t now)
{
    uint64_t hash = tr_hash_trace_id(note->trace_id);
    uint32_t number, span;
    struct study_trace *trace;

    tr_count(&study->counters.notes, 1);
    study->look_notes++;
    if (hash & tr_study_mask(study)) // of a share that was larger
        return;
    number = trace_find(study, hash, note->trace_id);
    if (!number && study->judged[hash >> 32 & (TR_STUDY_JUDGED - 1)] == hash) {
        tr_study_forgive(study, note, hash);
        return;
    }
    if (!number)
        number = trace_begin(study, hash, note->trace_id, now);
    trace = &study->traces[number];
    span = number && !trace->voided ? span_make(study, note, now) : 0;
    if (!number || (!span && !trace->voided)) {
        // Full: a smaller share has room. This trace has a hole, if it is still there.
        shift_more(study, 1);
        number = trace_find(study, hash, note->trace_id);
        if (number) {
            study->traces[number].voided = TR_STUDY_NO_ROOM;
            spans_free(study, &study->traces[number]);
        } else {
            study->judged[hash >> 32 & (TR_STUDY_JUDGED - 1)] = 0;
            blind(study, TR_STUDY_NO_ROOM, now);
        }
        return;
    }
    trace->last_ns = now;
    list_remove(study, number);
    list_append(study, number);
    if (!span)
        return;
    if (trace->last)
        study->spans[trace->last].next = span;
    else
        trace->first = span;
    trace->last = span;
    if (++trace->spans > study->spans_max / TR_STUDY_LARGE) {
        trace->voided = TR_STUDY_TOO_LARGE;
        spans_free(study, trace);
    }
}

void tr_study_lost(struct tr_study *study, uint64_t lost, uint64_t now)
{
    if (!lost)
        return;
    tr_count(&study->counters.lost, lost);
    study->look_notes += lost;
    blind(study, TR_STUDY_NO_ROOM, now);
    for (uint32_t number = study->oldest; number; number = study->traces[number].newer) {
        study->traces[number].voided = TR_STUDY_NO_ROOM;
        spans_free(study, &study->traces[number]);
    }
    study->calm = 0;
}

// Is the share of traces the right one for what has come since the last look?
static void adapt(struct tr_study *study, uint64_t now, bool lost)
{
    uint64_t since = now - study->look_ns, notes, by = 0;

    if (!study->options.rate || (since < LOOK_NS && !(lost && since >= LOOK_NS / 100)))
        return;
    notes = (uint64_t)((double)study->look_notes * (double)TR_S / (double)since);
    study->look_ns = now;
    study->look_notes = 0;
    while (notes >> by > study->options.rate + study->options.rate / 2)
        by++;
    if (by || lost) {
        shift_more(study, TR_MAX(by, (uint64_t)lost));
        return;
    }
    study->calm = notes < study->options.rate / 3 ? study->calm + 1 : 0;
    if (study->shift && study->calm >= CALM_LOOKS)
        shift_less(study, now);
}

void tr_study_poll(struct tr_study *study, uint64_t now)
{
    uint64_t lost = study->counters.lost;
    uint32_t judged = 0, number;

    while (judged < JUDGE_SPANS && (number = study->oldest) != 0 &&
           now - study->traces[number].last_ns >= study->options.wait_ns) {
        struct study_trace *trace = &study->traces[number];

        judged += trace->spans + 1;
        if (!trace->voided)
            tr_study_judge(study, trace, now);
        // Voided ones, too: what comes of one later is no trace of its own.
        study->judged[trace->hash >> 32 & (TR_STUDY_JUDGED - 1)] = trace->hash;
        trace_free(study, number);
    }
    tr_study_time_poll(study, now);
    adapt(study, now, lost != study->counters.lost);
    if (now >= study->window_at_ns) {
        tr_study_tables_turn(&study->tables);
        study->window_at_ns = now + study->options.window_ns;
    }
}
