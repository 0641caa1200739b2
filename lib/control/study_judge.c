// SPDX-License-Identifier: Apache-2.0
// What a whole trace says: who is whose child, who has no parent, which calls nobody continues.
#include "control/study_internal.h"

#include "base/hash.h"

static uint32_t *id_slot(const struct tr_study *study, uint64_t id, uint32_t mask)
{
    uint32_t slot = (uint32_t)tr_mix64(id), number;

    while ((number = study->ids[slot & mask]) != 0 && study->spans[number].span_id != id)
        slot++;
    return &study->ids[slot & mask];
}

// Returns the mask of the table of span ids.
static uint32_t ids_fill(struct tr_study *study, const struct study_trace *trace)
{
    uint32_t room = 16;

    while (room < 2 * trace->spans)
        room *= 2;
    tr_assert(room <= study->ids_room);
    memset(study->ids, 0, room * sizeof(*study->ids));
    for (uint32_t n = trace->first; n; n = study->spans[n].next)
        *id_slot(study, study->spans[n].span_id, room - 1) = n;
    return room - 1;
}

static bool is_entry(const struct study_span *span)
{
    return span->kind == TR_SPAN_KIND_SERVER || span->kind == TR_SPAN_KIND_CONSUMER;
}

static bool is_call(const struct study_span *span)
{
    return span->end && (span->kind == TR_SPAN_KIND_CLIENT || span->kind == TR_SPAN_KIND_PRODUCER) &&
           span->contact_kind != TR_CONTACT_DATABASE;
}

static struct tr_study_service *service_of(struct tr_study *study, const struct study_span *span)
{
    return TR_STUDY_ROW(service, &study->tables.services, span->service);
}

static uint64_t debt_key(uint64_t hash, uint64_t span_id)
{
    return tr_mix64(hash ^ tr_mix64(span_id + 1)) | 1;
}

// Who has called: a call of another service in this trace that nothing continues, to the same place or, if that is
// not known, around the same time; the last one to begin. Returns TR_STUDY_UNKNOWN: none.
static uint32_t caller_guess(const struct tr_study *study, const struct study_trace *trace, const struct study_span *orphan)
{
    const struct tr_study_rows *ends = &study->tables.ends;
    uint32_t caller = TR_STUDY_UNKNOWN;
    uint64_t begin = 0;

    for (uint32_t n = trace->first; n; n = study->spans[n].next) {
        const struct study_span *span = &study->spans[n];
        bool around = span->start_ns <= orphan->start_ns && orphan->end_ns <= span->end_ns, same_place;

        if (span->continued || span == orphan || !is_call(span) || span->service == orphan->service)
            continue;
        same_place = orphan->end && TR_STUDY_ROW(end, ends, orphan->end)->contact ==
                                        TR_STUDY_ROW(end, ends, span->end)->contact;
        if ((same_place || around) && span->start_ns >= begin) {
            caller = span->service;
            begin = span->start_ns;
        }
    }
    return caller;
}

static void orphan_count(struct tr_study *study, const struct study_trace *trace, const struct study_span *span)
{
    uint64_t weight = tr_study_weight(study), key = debt_key(trace->hash, span->parent_id);
    struct study_debt *debt = &study->debts[key % TR_STUDY_DEBTS];
    struct tr_study_service *service = service_of(study, span);
    bool local = span->flags & TR_STUDY_LOCAL || (!(span->flags & TR_STUDY_REMOTE) && !is_entry(span));
    uint32_t row = TR_STUDY_OTHER;

    tr_study_add(&service->orphans, weight);
    memcpy(service->example_id, trace->id, 16);
    if (local) {
        tr_study_add(&service->orphans_local, weight);
    } else {
        struct tr_study_pair *pair;

        row = tr_study_pair_row(&study->tables, caller_guess(study, trace, span), span->service);
        pair = TR_STUDY_ROW(pair, &study->tables.pairs, row);
        tr_study_add(&pair->orphans, weight);
        memcpy(pair->example_id, trace->id, 16);
    }
    // Several children of one parent share a place: a debt of the same key adds up.
    if (debt->key != key || debt->pair != row || debt->service != span->service || debt->local != local)
        *debt = (struct study_debt){.key = key, .pair = row, .service = span->service, .local = local};
    debt->weight += (uint32_t)weight;
}

static void root_count(struct tr_study *study, const struct study_trace *trace, const struct study_span *span, uint64_t now)
{
    struct tr_study_service *service = service_of(study, span);
    uint64_t weight = tr_study_weight(study);

    tr_study_add(&service->roots, weight);
    if (span->flags & TR_STUDY_LINKS)
        return;
    if (is_entry(span))
        tr_study_add(&service->roots_entry, weight);
    else if (span->kind <= TR_SPAN_KIND_INTERNAL)
        tr_study_add(&service->roots_plain, weight);
    tr_study_root_note(study, span, trace, now);
}

static void parent_count(struct tr_study *study, struct study_span *parent, const struct study_span *span,
                         const struct study_trace *trace)
{
    struct tr_study_pair *pair;

    if (parent->service == span->service && !is_entry(span) && !(span->flags & TR_STUDY_REMOTE))
        return;
    parent->continued = true;
    pair = TR_STUDY_ROW(pair, &study->tables.pairs,
                        tr_study_pair_row(&study->tables, parent->service, span->service));
    tr_study_add(&pair->joined, tr_study_weight(study));
    if (!tr_study_counted(&pair->orphans))
        memcpy(pair->example_id, trace->id, 16);
}

// At what it calls, or is called by. `orphan`: it has a parent, which never came.
static void end_count(struct tr_study *study, const struct study_trace *trace, const struct study_span *span, bool orphan)
{
    struct tr_study_end *end = TR_STUDY_ROW(end, &study->tables.ends, span->end);
    bool root = span->flags & TR_STUDY_ROOT, linked = span->flags & TR_STUDY_LINKS;

    if (!span->end || !(is_entry(span) || is_call(span)))
        return;
    tr_study_add(&end->spans, tr_study_weight(study));
    if (end->called && orphan)
        tr_study_add(&end->orphans, tr_study_weight(study));
    if (end->called ? root && !linked : !span->continued) {
        tr_study_add(&end->open, tr_study_weight(study));
        memcpy(end->example_id, trace->id, 16);
        if (!end->called)
            tr_study_call_note(study, span);
    }
}

void tr_study_judge(struct tr_study *study, const struct study_trace *trace, uint64_t now)
{
    uint64_t weight = tr_study_weight(study), begin = UINT64_MAX;
    uint32_t mask = ids_fill(study, trace), earliest = trace->first;
    bool rooted = false;

    for (uint32_t n = trace->first; n; n = study->spans[n].next) {
        struct study_span *span = &study->spans[n];
        uint32_t parent = span->flags & TR_STUDY_ROOT ? 0 : *id_slot(study, span->parent_id, mask);

        tr_study_add(&service_of(study, span)->spans, weight);
        if (is_entry(span) || span->flags & TR_STUDY_REMOTE)
            tr_study_add(&service_of(study, span)->entries, weight);
        if (span->flags & TR_STUDY_ROOT)
            root_count(study, trace, span, now);
        if (parent)
            parent_count(study, &study->spans[parent], span, trace);
        rooted = rooted || span->flags & TR_STUDY_ROOT;
        if (span->start_ns < begin) {
            begin = span->start_ns;
            earliest = n;
        }
    }
    // Only now is it known which calls are continued.
    for (uint32_t n = trace->first; n; n = study->spans[n].next) {
        const struct study_span *span = &study->spans[n];
        bool orphan = !(span->flags & TR_STUDY_ROOT) && !*id_slot(study, span->parent_id, mask);

        if (orphan)
            orphan_count(study, trace, span);
        end_count(study, trace, span, orphan);
    }
    if (!rooted) {
        struct tr_study_service *service = service_of(study, &study->spans[earliest]);
        uint64_t key = debt_key(trace->hash, 0);

        tr_study_add(&service->rootless, weight);
        memcpy(service->example_id, trace->id, 16);
        study->debts[key % TR_STUDY_DEBTS] = (struct study_debt){
            .key = key, .service = study->spans[earliest].service, .weight = (uint32_t)weight, .rootless = true};
    }
}

// From the window that has it.
static void take_back(struct tr_study_count *count, uint64_t n)
{
    uint64_t now = TR_MIN(count->now, n);

    count->now -= now;
    count->before -= TR_MIN(count->before, n - now);
}

static void debt_pay(struct tr_study *study, uint64_t key)
{
    struct study_debt *debt = &study->debts[key % TR_STUDY_DEBTS];
    struct tr_study_service *service = TR_STUDY_ROW(service, &study->tables.services, debt->service);

    if (debt->key != key)
        return;
    if (debt->rootless) {
        take_back(&service->rootless, debt->weight);
    } else {
        take_back(&service->orphans, debt->weight);
        if (debt->local)
            take_back(&service->orphans_local, debt->weight);
        else
            take_back(&TR_STUDY_ROW(pair, &study->tables.pairs, debt->pair)->orphans, debt->weight);
    }
    debt->key = 0;
}

void tr_study_forgive(struct tr_study *study, const struct tr_study_note *note, uint64_t hash)
{
    uint32_t service = tr_study_service_row(&study->tables, note->service, note->service_bytes);

    tr_study_add(&TR_STUDY_ROW(service, &study->tables.services, service)->late, tr_study_weight(study));
    debt_pay(study, debt_key(hash, note->span_id));
    if (note->flags & TR_STUDY_ROOT)
        debt_pay(study, debt_key(hash, 0));
}
