// SPDX-License-Identifier: Apache-2.0
#include "journal/journal.h"

#include "base/pages.h"

// What lies beyond a body that wide loads may read.
#define SLACK_BYTES 64

int tr_journal_create(struct tr_journal *journal, const char *directory,
                      const struct tr_ringfile_options *options, uint32_t contexts, struct tr_error *error)
{
    char name[32];
    int rc;

    memset(journal, 0, sizeof(*journal));
    snprintf(name, sizeof(name), "journal.%u", options->lcore);
    rc = tr_ringfile_create(&journal->ring, directory, name, options, error);
    if (rc < 0)
        return rc;
    tr_assert(contexts && !(contexts & (contexts - 1)));
    journal->contexts_mask = contexts - 1;
    journal->contexts = tr_pages_map((size_t)contexts * sizeof(*journal->contexts), options->numa_node, options->prefault);
    if (!journal->contexts) {
        tr_journal_close(journal);
        return tr_error_set(error, ENOMEM, "no memory for %u contexts", contexts);
    }
    return 0;
}

void tr_journal_close(struct tr_journal *journal)
{
    tr_pages_unmap(journal->contexts, ((size_t)journal->contexts_mask + 1) * sizeof(*journal->contexts));
    journal->contexts = NULL;
    tr_ringfile_close(&journal->ring, NULL);
}

uint64_t tr_journal_room(const struct tr_journal *journal)
{
    uint64_t taken = sizeof(struct tr_record) + SLACK_BYTES + TR_RECORD_ALIGN;
    uint64_t room = tr_ringfile_free(&journal->ring);

    return room > taken ? room - taken : 0;
}

uint8_t *tr_journal_head(struct tr_journal *journal, uint64_t bytes)
{
    if (bytes > tr_journal_room(journal))
        return NULL;
    return tr_ringfile_at(&journal->ring, journal->ring.head) + sizeof(struct tr_record);
}

struct tr_context *tr_journal_context(struct tr_journal *journal, uint64_t index)
{
    return &journal->contexts[index & journal->contexts_mask];
}

uint32_t tr_journal_context_room(const struct tr_journal *journal)
{
    return journal->contexts_mask + 1 - (uint32_t)(journal->contexts_head - journal->contexts_tail);
}

uint64_t tr_journal_commit(struct tr_journal *journal, const struct tr_record *meta)
{
    uint64_t position = journal->ring.head;
    struct tr_record *record = (struct tr_record *)tr_ringfile_at(&journal->ring, position);

    *record = *meta;
    record->magic = TR_RECORD_MAGIC;
    record->position = position;
    record->first_context = journal->contexts_head;
    journal->contexts_head += meta->contexts;
    tr_ringfile_commit(&journal->ring, tr_record_next(record), meta->spans);
    return position;
}

void tr_journal_release(struct tr_journal *journal, uint64_t position)
{
    tr_assert(position >= journal->ring.tail && position <= journal->ring.head);
    journal->contexts_tail = position == journal->ring.head
                                 ? journal->contexts_head
                                 : tr_journal_record(journal, position)->first_context;
    tr_ringfile_release(&journal->ring, position);
}
