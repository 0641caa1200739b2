// SPDX-License-Identifier: Apache-2.0
// Which traces lie in which calls: a service that serves calls and has no spans of them, or that loses the context,
// begins traces of its own, each within the time of a call that nothing continues.
//
// Whether that is chance is measured beside it: the same question for a time shortly before or after, which has nothing
// to do with the trace. Clocks of two machines that differ by more than the calls last hide it; they don't feign it.
//
// Cost: at most PROBES traces a poll, each against TR_STUDY_CALLS calls, twice.
#include "control/study_internal.h"

#include "base/hash.h"

#define PROBES   32
#define SLACK_NS (500 * TR_US) // clocks of one machine are as good

void tr_study_call_note(struct tr_study *study, const struct study_span *span)
{
    if (span->contact_kind != TR_CONTACT_HTTP && span->contact_kind != TR_CONTACT_RPC)
        return; // whoever takes a message does it later
    study->calls[study->calls_count++ % TR_STUDY_CALLS] = (struct study_call){
        .start_ns = span->start_ns, .end_ns = span->end_ns, .end = span->end, .service = span->service};
}

void tr_study_root_note(struct tr_study *study, const struct study_span *span, const struct study_trace *trace,
                        uint64_t now)
{
    struct study_root *root;

    if (study->roots_end - study->roots_begin == TR_STUDY_ROOTS)
        return; // a part of them tells as much
    root = &study->roots[study->roots_end++ % TR_STUDY_ROOTS];
    *root = (struct study_root){.start_ns = span->start_ns,
                                .end_ns = span->end_ns,
                                .hash = trace->hash,
                                .ready_ns = now + study->options.wait_ns / 2,
                                .service = span->service};
    memcpy(root->trace_id, trace->id, 16);
}

static uint32_t calls_held(const struct tr_study *study)
{
    return (uint32_t)TR_MIN(study->calls_count, (uint64_t)TR_STUDY_CALLS);
}

// The call of another service around that time that began last. Returns NULL: none.
static struct study_call *call_around(struct tr_study *study, uint32_t service, uint64_t start_ns, uint64_t end_ns)
{
    struct study_call *last = NULL;
    uint64_t begin = 0;

    for (uint32_t i = 0; i < calls_held(study); i++) {
        struct study_call *call = &study->calls[i];

        if (call->service != service && call->start_ns <= start_ns + SLACK_NS && end_ns <= call->end_ns + SLACK_NS &&
            call->start_ns >= begin) {
            begin = call->start_ns;
            last = call;
        }
    }
    return last;
}

// A time within what the calls cover, up to 2 s away. Returns 0: there is none.
static uint64_t elsewhere(const struct tr_study *study, const struct study_root *root)
{
    uint64_t first = UINT64_MAX, last = 0, range, away;

    for (uint32_t i = 0; i < calls_held(study); i++) {
        first = TR_MIN(first, study->calls[i].start_ns);
        last = TR_MAX(last, study->calls[i].end_ns);
    }
    range = TR_MIN((last - first) / 2, 2 * TR_S) + 1;
    away = range / 8 + tr_mix64(root->hash) % range;
    if (root->hash & 1ull << 40 && root->end_ns + away <= last)
        return root->start_ns + away;
    if (root->start_ns >= first + away && root->start_ns <= last)
        return root->start_ns - away;
    return root->end_ns + away <= last && root->start_ns >= first ? root->start_ns + away : 0;
}

static void root_look(struct tr_study *study, const struct study_root *root)
{
    struct tr_study_service *service = TR_STUDY_ROW(service, &study->tables.services, root->service);
    uint64_t other_ns = elsewhere(study, root), weight = tr_study_weight(study);
    struct study_call *inside, *chance;
    uint32_t row;

    if (!other_ns || root->end_ns < root->start_ns)
        return;
    inside = call_around(study, root->service, root->start_ns, root->end_ns);
    // A hundred traces within one call tell no more than the first of them.
    if (inside && inside->met == root->service)
        return;
    tr_study_add(&service->roots_tested, weight);
    chance = call_around(study, root->service, other_ns, other_ns + (root->end_ns - root->start_ns));
    if (inside && (row = tr_study_link_row(&study->tables, inside->end, root->service)) != 0) {
        struct tr_study_link *link = TR_STUDY_ROW(link, &study->tables.links, row);

        inside->met = root->service;
        tr_study_add(&link->inside, weight);
        memcpy(link->example_id, root->trace_id, 16);
    }
    if (chance && (row = tr_study_link_row(&study->tables, chance->end, root->service)) != 0)
        tr_study_add(&TR_STUDY_ROW(link, &study->tables.links, row)->chance, weight);
}

void tr_study_time_poll(struct tr_study *study, uint64_t now)
{
    for (int probes = 0; probes < PROBES && study->roots_begin < study->roots_end; probes++) {
        const struct study_root *root = &study->roots[study->roots_begin % TR_STUDY_ROOTS];

        if (root->ready_ns > now)
            break;
        study->roots_begin++;
        if (study->calls_count)
            root_look(study, root);
    }
}
