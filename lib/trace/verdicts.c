// SPDX-License-Identifier: Apache-2.0
#include "trace/verdicts.h"

// How far ahead of the overwriting its lines of the index are called for.
#define PREFETCH_RECORDS 8

int tr_verdicts_create(struct tr_verdicts *verdicts, const char *directory,
                       const struct tr_ringfile_options *options, uint32_t records, uint32_t memo,
                       struct tr_error *error)
{
    void *lines;
    int rc;

    memset(verdicts, 0, sizeof(*verdicts));
    verdicts->ring.file.fd = -1;
    rc = tr_verdict_ring_create(&verdicts->ring, directory, options, records, error);
    if (rc < 0)
        return rc;
    lines = tr_pages_map(tr_index_bytes(records), options->numa_node, options->prefault);
    if (!lines) {
        tr_verdict_ring_close(&verdicts->ring);
        return tr_error_set(error, ENOMEM, "no memory for an index of %u verdicts", records);
    }
    tr_index_init(&verdicts->index, lines, records);
    if (tr_memo_create(&verdicts->memo, memo, options->numa_node, options->prefault) < 0) {
        tr_verdicts_destroy(verdicts);
        return tr_error_set(error, ENOMEM, "no memory to remember %u verdicts", memo);
    }
    return 0;
}

void tr_verdicts_destroy(struct tr_verdicts *verdicts)
{
    if (!verdicts->index.lines)
        return;
    tr_pages_unmap(verdicts->index.lines, tr_index_bytes((uint32_t)verdicts->ring.records_max));
    verdicts->index.lines = NULL;
    tr_memo_destroy(&verdicts->memo);
    tr_verdict_ring_close(&verdicts->ring);
}

static uint32_t row_of(const struct tr_verdicts *verdicts, uint64_t number)
{
    return (uint32_t)(number & (verdicts->ring.records_max - 1)) + 1;
}

static void memo_put(struct tr_verdicts *verdicts, const struct tr_table *table,
                     const struct tr_verdict_record *record)
{
    bool drop = record->verdict == TR_VERDICT_DROP, final = drop && record->marks & TR_MARK_FINAL;

    tr_memo_put(&verdicts->memo, tr_table_hash(table, record->trace_id),
                &(struct tr_memo_slot){.verdict = final ? TR_MEMO_FINAL : record->verdict,
                                       .policy = record->policy,
                                       .epoch = record->epoch & 0xff,
                                       .marks = record->marks >> 1 & 7,
                                       .threshold = drop ? 0 : record->threshold});
}

// A record that did not make it into the index is not to be removed from it.
void tr_verdicts_add(struct tr_verdicts *verdicts, const struct tr_table *table,
                     const struct tr_verdict_record *record)
{
    const struct tr_verdict_record *oldest = tr_verdict_ring_oldest(&verdicts->ring);
    struct tr_verdict_record *added;
    uint64_t number;

    if (oldest) {
        uint64_t tail = verdicts->ring.file.tail / sizeof(*record);
        const struct tr_verdict_record *ahead = tr_verdict_ring_at(&verdicts->ring, tail + PREFETCH_RECORDS);

        uint64_t hash = tr_table_hash(table, ahead->trace_id);

        __builtin_prefetch(tr_index_line_of(&verdicts->index, hash), 1);
        if (verdicts->memo.lines) {
            __builtin_prefetch(tr_memo_line_of(&verdicts->memo, hash), 1);
            memo_put(verdicts, table, oldest);
        }
        if (oldest->marks & TR_MARK_INDEXED)
            tr_index_remove(&verdicts->index, tr_table_hash(table, oldest->trace_id), row_of(verdicts, tail));
    }
    number = tr_verdict_ring_append(&verdicts->ring, record);
    added = tr_verdict_ring_at(&verdicts->ring, number);
    if (tr_index_insert(&verdicts->index, tr_table_hash(table, record->trace_id), row_of(verdicts, number)))
        added->marks |= TR_MARK_INDEXED;
}
