// SPDX-License-Identifier: Apache-2.0
// What became of an entry of an outbox. Delivered is what is behind the cursor, in no batch, and in none of the last
// FATES_MAX ranges that were not.
#include "backend/backend_internal.h"
#include "http/request.h"

static void row_add(struct tr_backend *backend, uint32_t outbox, struct range range, enum tr_backend_fate fate,
                    const char *said)
{
    struct fate_row *row = &backend->fates[backend->fates_count++ % FATES_MAX];

    *row = (struct fate_row){.outbox = outbox, .fate = fate, .range = range};
    snprintf(row->said, sizeof(row->said), "%s", said ? said : "");
}

void fate_note(struct tr_backend *backend, const struct batch *batch, enum tr_backend_fate fate, const char *said)
{
    for (uint32_t i = 0; i < backend->outboxes_count; i++)
        if (batch->ranges[i].from < batch->ranges[i].to)
            row_add(backend, i, batch->ranges[i], fate, said);
}

void fate_note_range(struct tr_backend *backend, uint32_t outbox, uint64_t from, uint64_t to, const char *said)
{
    row_add(backend, outbox, (struct range){from, to}, TR_FATE_LOST, said);
}

static bool contains(const struct range *range, uint64_t sequence)
{
    return sequence >= range->from && sequence < range->to;
}

bool tr_backend_wants(struct tr_backend *backend, uint32_t outbox, uint64_t sequence)
{
    return backend->signals[TR_SIGNAL_TRACES] && sequence >= backend->committed_before[outbox];
}

enum tr_backend_fate tr_backend_fate(struct tr_backend *backend, uint32_t outbox, uint64_t sequence, char *said,
                                     size_t said_bytes)
{
    enum tr_backend_fate fate = TR_FATE_DELIVERED;

    said[0] = '\0';
    pthread_mutex_lock(&backend->lock);
    if (sequence >= backend->cursors[outbox].sequence) {
        fate = TR_FATE_QUEUED;
        goto out;
    }
    if (contains(&backend->filling.ranges[outbox], sequence)) {
        fate = TR_FATE_IN_FLIGHT;
        goto out;
    }
    for (const struct batch *batch = backend->batches; batch; batch = batch->next) {
        if (!contains(&batch->ranges[outbox], sequence))
            continue;
        fate = TR_FATE_IN_FLIGHT;
        if (batch->tries)
            snprintf(said, said_bytes, "%s", backend->last_error);
        goto out;
    }
    for (uint64_t i = 0; i < TR_MIN(backend->fates_count, (uint64_t)FATES_MAX); i++) {
        const struct fate_row *row = &backend->fates[i];

        if (row->outbox == outbox && contains(&row->range, sequence)) {
            fate = row->fate;
            snprintf(said, said_bytes, "%s", row->said);
        }
    }
out:
    pthread_mutex_unlock(&backend->lock);
    return fate;
}
