// SPDX-License-Identifier: Apache-2.0
// A backend's thread and its life: start, adopt, drain, stop.
//
// One thread a backend, so that a slow or dead one holds up no other. It sleeps in libcurl's poll (or a plain one),
// at most 200 ms, less while a batch fills or a retry is due.
#include "backend/backend_internal.h"

#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "http/request.h"

TR_COUNTERS_DEFINE(backend, TR_BACKEND_COUNTERS)

#define IDLE_NS (200 * TR_MS)

static const struct tr_backend_kind *const kinds[] = {&tr_backend_otlp_grpc, &tr_backend_otlp_http, &tr_backend_file};

static void batch_remove(struct tr_backend *backend, struct batch *batch)
{
    struct batch **at = &backend->batches;

    while (*at != batch)
        at = &(*at)->next;
    *at = batch->next;
    backend->batches_count--;
    tr_gauge(&backend->counters.in_flight, backend->counters.in_flight - batch->spans);
    if (batch->signal != TR_SIGNAL_TRACES) {
        tr_gauge(&backend->counters.opaque_waiting, backend->counters.opaque_waiting - 1);
        tr_gauge(&backend->counters.opaque_waiting_bytes, backend->counters.opaque_waiting_bytes - batch->body_bytes);
    }
    batch_free(batch);
}

// Full jitter: anywhere up to the back-off, which doubles; never before the other side wants it.
static uint64_t retry_delay(struct tr_backend *backend, const struct batch *batch)
{
    uint64_t most = backend->options.retry_initial_ns << TR_MIN(batch->tries - 1, 16u);

    most = TR_MIN(most, backend->options.retry_max_ns);
    backend->random = tr_mix64(backend->random + 0x9e3779b97f4a7c15ull);
    return TR_MAX(batch->retry_delay_ns, most / 2 + backend->random % (most / 2 + 1));
}

static void error_note(struct tr_backend *backend, const char *said)
{
    snprintf(backend->last_error, sizeof(backend->last_error), "%s", said);
    backend->last_error_wall_ns = tr_clock_wall_ns();
}

static void give_up(struct tr_backend *backend, struct batch *batch, uint64_t *counter, enum tr_backend_fate fate,
                    const char *said)
{
    if (batch->signal == TR_SIGNAL_TRACES) {
        tr_count(counter, batch->spans);
        fate_note(backend, batch, fate, said);
    } else {
        tr_count(&backend->counters.opaque_dropped, 1);
    }
    batch_remove(backend, batch);
}

void backend_finished(struct tr_backend *backend, struct batch *batch, enum outcome outcome, uint64_t rejected,
                      const char *said)
{
    uint64_t now = tr_clock_ns();

    batch->tries++;
    if (said[0])
        error_note(backend, said);
    switch (outcome) {
    case OUTCOME_DELIVERED:
        backend->reachable = true;
        backend->last_success_wall_ns = tr_clock_wall_ns();
        if (batch->signal != TR_SIGNAL_TRACES)
            tr_count(&backend->counters.opaque_delivered, 1);
        rejected = TR_MIN(rejected, batch->spans);
        tr_count(&backend->counters.delivered, batch->spans - rejected);
        tr_count(&backend->counters.rejected, rejected);
        if (rejected) // which of them it does not say
            fate_note(backend, batch, TR_FATE_REJECTED, said);
        batch_remove(backend, batch);
        return;
    case OUTCOME_REJECTED:
        backend->reachable = true;
        tr_log(TR_LOG_WARN, "backend.rejected", "backend=%s spans=%llu said=\"%s\"", backend->options.name,
               (unsigned long long)batch->spans, said);
        give_up(backend, batch, &backend->counters.rejected, TR_FATE_REJECTED, said);
        return;
    case OUTCOME_RETRY:
        backend->reachable = false;
        tr_log(TR_LOG_WARN, "backend.retry", "backend=%s try=%u said=\"%s\"", backend->options.name, batch->tries, said);
        if (backend->options.retry_elapsed_max_ns &&
            now - batch->first_try_ns >= backend->options.retry_elapsed_max_ns) {
            give_up(backend, batch, &backend->counters.dropped_retries, TR_FATE_LOST, said);
            return;
        }
        tr_count(&backend->counters.retries, 1);
        batch->due_ns = now + retry_delay(backend, batch);
        return;
    }
}

// Send what is due. Returns when the next will be.
static uint64_t send_due(struct tr_backend *backend, uint64_t now)
{
    uint64_t next = TR_NEVER;
    struct batch *batch, *after;

    for (batch = backend->batches; batch; batch = after) {
        after = batch->next;
        if (batch->easy)
            continue;
        if (batch->due_ns > now) {
            next = TR_MIN(next, batch->due_ns);
            continue;
        }
        backend->kind->send(backend, batch);
    }
    return next;
}

static bool is_empty(const struct tr_backend *backend)
{
    if (backend->batches || backend->filling.spans_count)
        return false;
    for (uint32_t i = 0; i < backend->outboxes_count; i++)
        if (tr_outbox_queued(backend->outboxes[i], &backend->cursors[i]))
            return false;
    return true;
}

static void wait(struct tr_backend *backend, uint64_t now, uint64_t next, bool more)
{
    uint64_t until = TR_MIN(next, now + IDLE_NS);
    int ms;

    if (backend->filling.spans_count)
        until = TR_MIN(until, backend->filling.since_ns + backend->options.batch_wait_ns);
    ms = more || until <= now ? 0 : (int)((until - now + TR_MS - 1) / TR_MS);
    pthread_mutex_unlock(&backend->lock);
    if (backend->multi) {
        curl_multi_poll(backend->multi, NULL, 0, ms, NULL);
    } else if (ms) {
        struct timespec pause = {.tv_nsec = ms * 1000000l};

        nanosleep(&pause, NULL);
    }
    pthread_mutex_lock(&backend->lock);
}

static void *run(void *argument)
{
    struct tr_backend *backend = argument;

    pthread_mutex_lock(&backend->lock);
    while (!tr_load_acquire(&backend->stop)) {
        uint64_t now = tr_clock_ns(), next;
        bool more = false;

        if (backend->batches_count < backend->options.requests_in_flight_max)
            more = filling_take(backend) > 0;
        if (backend->batches_count < backend->options.requests_in_flight_max && filling_is_due(backend, now))
            filling_close(backend);
        next = send_due(backend, now);
        if (backend->multi)
            otlp_perform(backend);
        if (tr_load_acquire(&backend->drain) && (is_empty(backend) || now >= backend->drain_deadline_ns))
            break;
        wait(backend, now, next, more && backend->batches_count < backend->options.requests_in_flight_max);
    }
    pthread_mutex_unlock(&backend->lock);
    return NULL;
}

static char *copy_text(const char *text)
{
    return text ? strdup(text) : NULL;
}

// The doc that the options lie in may go away before the backend does.
static int options_copy(struct tr_backend_options *to, const struct tr_backend_options *from)
{
    *to = *from;
    to->name = copy_text(from->name);
    to->endpoint = copy_text(from->endpoint);
    to->path = copy_text(from->path);
    to->ca_file = copy_text(from->ca_file);
    to->signals.items = calloc(from->signals.count + 1, sizeof(*to->signals.items));
    to->headers.keys = calloc(from->headers.count + 1, sizeof(*to->headers.keys));
    to->headers.values = calloc(from->headers.count + 1, sizeof(*to->headers.values));
    if (!to->name || !to->signals.items || !to->headers.keys || !to->headers.values)
        return -ENOMEM;
    for (size_t i = 0; i < from->signals.count; i++)
        to->signals.items[i] = copy_text(from->signals.items[i]);
    for (size_t i = 0; i < from->headers.count; i++) {
        to->headers.keys[i] = copy_text(from->headers.keys[i]);
        to->headers.values[i] = copy_text(from->headers.values[i]);
    }
    return 0;
}

static void options_free(struct tr_backend_options *options)
{
    for (size_t i = 0; options->signals.items && i < options->signals.count; i++)
        free((char *)(uintptr_t)options->signals.items[i]);
    for (size_t i = 0; options->headers.keys && options->headers.values && i < options->headers.count; i++) {
        free((char *)(uintptr_t)options->headers.keys[i]);
        free((char *)(uintptr_t)options->headers.values[i]);
    }
    free(options->signals.items);
    free(options->headers.keys);
    free(options->headers.values);
    free((char *)(uintptr_t)options->name);
    free((char *)(uintptr_t)options->endpoint);
    free((char *)(uintptr_t)options->path);
    free((char *)(uintptr_t)options->ca_file);
}

static void signals_set(struct tr_backend *backend)
{
    static const char *const names[] = {"traces", "metrics", "logs"};
    const struct tr_strings *signals = &backend->options.signals;

    backend->signals[TR_SIGNAL_TRACES] = signals->count == 0;
    for (size_t i = 0; i < signals->count; i++)
        for (size_t k = 0; k < TR_NELEMS(names); k++)
            if (strcmp(signals->items[i], names[k]) == 0)
                backend->signals[k] = true;
}

// A stopped backend of the same name goes on in this one: cursors, what it had taken up, counters and memories.
static void take_over(struct tr_backend *backend, struct tr_backend *adopt)
{
    uint64_t now = tr_clock_ns();

    memcpy(backend->cursors, adopt->cursors, sizeof(backend->cursors));
    memcpy(backend->committed_before, adopt->committed_before, sizeof(backend->committed_before));
    backend->counters = adopt->counters;
    backend->filling = adopt->filling;
    backend->batches = adopt->batches;
    backend->batches_count = adopt->batches_count;
    backend->fates_count = adopt->fates_count;
    memcpy(backend->fates, adopt->fates, FATES_MAX * sizeof(*backend->fates));
    memset(&adopt->filling, 0, sizeof(adopt->filling));
    adopt->batches = NULL;
    adopt->batches_count = 0;
    for (struct batch *batch = backend->batches; batch; batch = batch->next)
        batch->due_ns = now;
}

int tr_backend_start(struct tr_backend **out, const struct tr_backend_options *options,
                     const struct tr_outbox *const *outboxes, uint32_t count, struct tr_backend *adopt,
                     struct tr_error *error)
{
    struct tr_backend *backend = calloc(1, sizeof(*backend));
    int rc;

    if (!backend)
        return tr_error_set(error, ENOMEM, "no memory for a backend");
    pthread_mutex_init(&backend->lock, NULL);
    backend->fd = -1;
    backend->fates = calloc(FATES_MAX, sizeof(*backend->fates));
    if (!backend->fates || options_copy(&backend->options, options) < 0) {
        tr_backend_free(backend);
        return tr_error_set(error, ENOMEM, "no memory for a backend");
    }
    backend->kind = kinds[options->kind];
    backend->random = tr_clock_ns();
    backend->outboxes_count = count;
    signals_set(backend);
    rc = backend->kind->open(backend, error);
    if (rc < 0) {
        backend->kind->close(backend);
        tr_backend_free(backend);
        return rc;
    }
    for (uint32_t i = 0; i < count; i++) {
        backend->outboxes[i] = outboxes[i];
        tr_outbox_cursor_init(outboxes[i], &backend->cursors[i]);
        backend->committed_before[i] = backend->cursors[i].sequence;
    }
    if (adopt)
        take_over(backend, adopt);
    rc = pthread_create(&backend->thread, NULL, run, backend);
    if (rc) {
        backend->kind->close(backend);
        tr_backend_free(backend);
        return tr_error_set(error, rc, "a thread for the backend: %s", strerror(rc));
    }
    pthread_setname_np(backend->thread, "backend");
    backend->running = true;
    *out = backend;
    return 0;
}

static void join(struct tr_backend *backend)
{
    if (!backend->running)
        return;
    if (backend->multi)
        curl_multi_wakeup(backend->multi);
    pthread_join(backend->thread, NULL);
    backend->running = false;
    backend->kind->close(backend);
}

void tr_backend_drain(struct tr_backend *backend, uint64_t deadline_ns)
{
    uint64_t left = 0;

    backend->drain_deadline_ns = deadline_ns;
    tr_store_release(&backend->drain, 1);
    join(backend);
    pthread_mutex_lock(&backend->lock);
    while (backend->batches)
        give_up(backend, backend->batches, &backend->counters.dropped_shutdown, TR_FATE_LOST, "shutting down");
    left = backend->filling.spans_count;
    tr_gauge(&backend->counters.in_flight, 0);
    for (uint32_t i = 0; i < backend->outboxes_count; i++) {
        uint64_t queued = tr_outbox_queued(backend->outboxes[i], &backend->cursors[i]);

        tr_count(&backend->counters.routed, queued);
        backend->cursors[i].sequence += queued;
        left += queued;
    }
    tr_count(&backend->counters.dropped_shutdown, left);
    pthread_mutex_unlock(&backend->lock);
}

void tr_backend_stop(struct tr_backend *backend)
{
    tr_store_release(&backend->stop, 1);
    join(backend);
}

void tr_backend_free(struct tr_backend *backend)
{
    if (!backend)
        return;
    if (backend->running)
        tr_backend_stop(backend);
    while (backend->batches) {
        struct batch *batch = backend->batches;

        backend->batches = batch->next;
        batch_free(batch);
    }
    filling_free(&backend->filling);
    free(backend->fates);
    options_free(&backend->options);
    pthread_mutex_destroy(&backend->lock);
    free(backend);
}

int tr_backend_submit(struct tr_backend *backend, const uint8_t *body, size_t bytes)
{
    uint32_t waiting = 0;
    int rc = 0;

    if (!backend->signals[TR_SIGNAL_METRICS])
        return -ENOENT;
    pthread_mutex_lock(&backend->lock);
    for (const struct batch *batch = backend->batches; batch; batch = batch->next)
        waiting += batch->signal == TR_SIGNAL_METRICS;
    if (waiting >= TR_BACKEND_OWN_MAX) {
        tr_count(&backend->counters.opaque_routed, 1);
        tr_count(&backend->counters.opaque_dropped, 1);
        rc = -ENOSPC;
    } else if (!batch_opaque(backend, TR_SIGNAL_METRICS, body, bytes)) {
        rc = -ENOSPC;
    }
    pthread_mutex_unlock(&backend->lock);
    if (backend->multi)
        curl_multi_wakeup(backend->multi);
    return rc;
}

const struct tr_backend_options *tr_backend_options(const struct tr_backend *backend)
{
    return &backend->options;
}

void tr_backend_status(struct tr_backend *backend, struct tr_backend_status *status)
{
    memset(status, 0, sizeof(*status));
    pthread_mutex_lock(&backend->lock);
    status->counters = backend->counters;
    status->queued_spans = backend->counters.in_flight;
    for (uint32_t i = 0; backend->signals[TR_SIGNAL_TRACES] && i < backend->outboxes_count; i++) {
        uint64_t queued = tr_outbox_queued(backend->outboxes[i], &backend->cursors[i]);

        status->queued_spans += queued;
        status->committed_spans += backend->cursors[i].sequence + queued - backend->committed_before[i];
    }
    status->reachable = backend->reachable;
    memcpy(status->last_error, backend->last_error, sizeof(status->last_error));
    status->last_error_wall_ns = backend->last_error_wall_ns;
    status->last_success_wall_ns = backend->last_success_wall_ns;
    for (const struct batch *batch = backend->batches; batch; batch = batch->next)
        if (batch->tries && !batch->easy && batch->due_ns > tr_clock_ns())
            status->retry_at_wall_ns = tr_clock_wall_ns() + (batch->due_ns - tr_clock_ns());
    pthread_mutex_unlock(&backend->lock);
}
