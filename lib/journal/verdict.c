// SPDX-License-Identifier: Apache-2.0
#include "journal/verdict.h"

int tr_verdict_ring_create(struct tr_verdict_ring *ring, const char *directory,
                           const struct tr_ringfile_options *options, uint32_t records,
                           struct tr_error *error)
{
    struct tr_ringfile_options file = *options;
    char name[32];

    if (records < TR_VERDICTS_MIN || (records & (records - 1)))
        return tr_error_set(error, EINVAL, "verdicts: %u is not a power of two of at least %u", records,
                            TR_VERDICTS_MIN);
    snprintf(name, sizeof(name), "verdicts.%u", options->lcore);
    file.kind = TR_RINGFILE_VERDICTS;
    file.bytes = (uint64_t)records * sizeof(struct tr_verdict_record);
    ring->records_max = records;
    return tr_ringfile_create(&ring->file, directory, name, &file, error);
}

void tr_verdict_ring_close(struct tr_verdict_ring *ring)
{
    tr_ringfile_close(&ring->file, NULL);
}

struct tr_verdict_record *tr_verdict_ring_oldest(const struct tr_verdict_ring *ring)
{
    if (tr_ringfile_free(&ring->file) >= sizeof(struct tr_verdict_record))
        return NULL;
    return (struct tr_verdict_record *)tr_ringfile_at(&ring->file, ring->file.tail);
}

uint64_t tr_verdict_ring_append(struct tr_verdict_ring *ring, const struct tr_verdict_record *record)
{
    struct tr_ringfile *file = &ring->file;
    uint64_t position = file->head;

    if (tr_ringfile_free(file) < sizeof(*record))
        tr_ringfile_release(file, file->tail + sizeof(*record));
    memcpy(tr_ringfile_at(file, position), record, sizeof(*record));
    tr_ringfile_commit(file, position + sizeof(*record), record->spans);
    return position / sizeof(*record);
}
