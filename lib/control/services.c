// SPDX-License-Identifier: Apache-2.0
#include "control/services_internal.h"

#include <time.h>

#include "base/clock.h"
#include "control/state.h"

#define POLL_NS (50 * TR_MS) // a ring then takes 40,000 notes a second

static void mask_set(struct tr_services *services)
{
    for (size_t i = 0; i < services->rings_count; i++)
        tr_store_relaxed(&services->rings[i]->mask, tr_study_mask(services->study));
}

static void drain(struct tr_services *services, uint64_t now)
{
    for (size_t i = 0; i < services->rings_count; i++) {
        struct tr_study_ring *ring = services->rings[i];
        const struct tr_study_note *note;
        uint64_t lost;

        for (uint32_t n = 0; n <= ring->slots_mask && (note = tr_study_take(ring)) != NULL; n++) {
            tr_study_input(services->study, note, now);
            tr_study_taken(ring);
        }
        lost = tr_counter_read(&ring->lost);
        tr_study_lost(services->study, lost - services->lost[i], now);
        services->lost[i] = lost;
    }
    tr_study_poll(services->study, now);
    mask_set(services);
}

static void *run(void *context)
{
    struct tr_services *services = context;

    pthread_mutex_lock(&services->lock);
    while (!services->stopping) {
        uint64_t at = tr_clock_ns() + POLL_NS;
        const struct timespec until = {.tv_sec = (time_t)(at / TR_S), .tv_nsec = (long)(at % TR_S)};

        pthread_cond_timedwait(&services->wake, &services->lock, &until);
        if (!services->stopping)
            drain(services, tr_clock_ns());
    }
    pthread_mutex_unlock(&services->lock);
    return NULL;
}

static void destroy(struct tr_services *services)
{
    tr_study_destroy(services->study);
    for (size_t i = 0; i < LOOKS; i++)
        free(services->looks[i].counts);
    free(services->exact);
    pthread_cond_destroy(&services->wake);
    pthread_mutex_destroy(&services->lock);
    free(services);
}

static void sync_init(struct tr_services *services)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&services->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&services->wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

static struct tr_study_options study_options(const struct tr_services_options *options)
{
    return (struct tr_study_options){.spans_max = (uint32_t)options->spans_max,
                                     .services_max = (uint32_t)options->services_max,
                                     .pairs_max = (uint32_t)options->pairs_max,
                                     .wait_ns = options->wait_ns,
                                     .window_ns = options->window_ns,
                                     .rate = options->study_rate};
}

uint64_t tr_services_bytes(const struct tr_services_options *options, uint32_t lcores)
{
    const struct tr_study_options study = study_options(options);

    return tr_study_bytes(&study) + lcores * TR_STUDY_SLOTS * sizeof(struct tr_study_note) +
           (options->services_max + 1) * (sizeof(struct exact) + LOOKS * sizeof(struct counts));
}

static int memory_take(struct tr_services *services, const struct tr_services_options *options, struct tr_error *error)
{
    const struct tr_study_options study = study_options(options);
    int rc = tr_study_create(&services->study, &study, tr_clock_ns(), error);

    if (rc < 0)
        return rc;
    services->exact = calloc(study.services_max + 1ull, sizeof(*services->exact));
    for (size_t i = 0; i < LOOKS; i++) {
        services->looks[i].counts = calloc(study.services_max + 1ull, sizeof(*services->looks[i].counts));
        if (!services->looks[i].counts || !services->exact)
            return tr_error_set(error, ENOMEM, "services: no memory");
    }
    return 0;
}

int tr_services_start(struct tr_services **out, const struct tr_services_options *options,
                      const struct tr_control_daemon *daemon, struct tr_error *error)
{
    struct tr_services *services = calloc(1, sizeof(*services));
    int rc;

    if (!services)
        return tr_error_set(error, ENOMEM, "services: no memory");
    services->daemon = daemon;
    sync_init(services);
    rc = memory_take(services, options, error);
    if (rc < 0) {
        destroy(services);
        return rc;
    }
    if (options->study_rate)
        services->rings_count = daemon->study_rings(daemon->context, services->rings);
    mask_set(services);
    if (services->rings_count && (rc = -pthread_create(&services->thread, NULL, run, services))) {
        tr_error_set(error, -rc, "services: no thread: %s", strerror(-rc));
        destroy(services);
        return rc;
    }
    services->running = services->rings_count > 0;
    *out = services;
    return 0;
}

void tr_services_stop(struct tr_services *services)
{
    if (!services)
        return;
    pthread_mutex_lock(&services->lock);
    services->stopping = true;
    pthread_cond_signal(&services->wake);
    pthread_mutex_unlock(&services->lock);
    if (services->running)
        pthread_join(services->thread, NULL);
    for (size_t i = 0; i < services->rings_count; i++)
        tr_store_relaxed(&services->rings[i]->mask, TR_STUDY_OFF);
    destroy(services);
}

static void source_add(void *to, const struct tr_source *source, bool other)
{
    struct tr_services *services = to;
    uint32_t row =
        other ? TR_STUDY_OTHER : tr_study_service_of(services->study, source->service, source->service_bytes);
    struct exact *exact = &services->exact[row];
    uint64_t first = tr_counter_read(&source->first_ns), last = tr_counter_read(&source->last_ns);

    if (other && !last)
        return;
    exact->first_ns = exact->first_ns ? TR_MIN(exact->first_ns, first) : first;
    exact->last_ns = TR_MAX(exact->last_ns, last);
    exact->spans += tr_counter_read(&source->spans);
    exact->rejected += tr_counter_read(&source->rejected);
    exact->kept += tr_counter_read(&source->kept);
    exact->sources++;
}

void tr_services_exact_read(struct tr_services *services)
{
    memset(services->exact, 0, tr_study_tables(services->study)->services.max * sizeof(*services->exact));
    services->daemon->sources(services->daemon->context, source_add, services);
}

static void finding_count(void *to, const struct tr_finding *finding)
{
    ((uint64_t *)to)[finding->kind]++;
}

static void findings_gauge(struct tr_services *services, uint64_t now)
{
    struct tr_study_counters *counters = tr_study_counters(services->study);
    uint64_t n[TR_FINDINGS] = {0};

    tr_study_findings(services->study, now, finding_count, n);
    tr_gauge(&counters->lost_context, n[TR_FINDING_LOST_CONTEXT]);
    tr_gauge(&counters->parent_missing, n[TR_FINDING_PARENT_MISSING]);
    tr_gauge(&counters->spans_lost, n[TR_FINDING_SPANS_LOST]);
    tr_gauge(&counters->no_entry_spans, n[TR_FINDING_NO_ENTRY_SPANS]);
    tr_gauge(&counters->scope_vanished, n[TR_FINDING_SCOPE_VANISHED]);
}

void tr_services_look(struct tr_services *services, uint64_t now)
{
    struct look *look = &services->looks[services->looks_count++ % LOOKS];

    pthread_mutex_lock(&services->lock);
    tr_services_exact_read(services);
    look->now = now;
    for (uint32_t i = 0; i < tr_study_tables(services->study)->services.max; i++)
        look->counts[i] = (struct counts){services->exact[i].spans, services->exact[i].rejected, services->exact[i].kept};
    if (now - services->counted_ns >= 10 * TR_S) {
        findings_gauge(services, now);
        services->counted_ns = now;
    }
    pthread_mutex_unlock(&services->lock);
}

void tr_services_counters(struct tr_services *services, struct tr_study_counters *counters)
{
    pthread_mutex_lock(&services->lock);
    *counters = *tr_study_counters(services->study);
    pthread_mutex_unlock(&services->lock);
}
