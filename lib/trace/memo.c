// SPDX-License-Identifier: Apache-2.0
#include "trace/memo.h"

#include "base/pages.h"

// The low bits; the high ones choose the line. Never 0: that is an empty slot.
static uint64_t tag_of(uint64_t hash)
{
    uint64_t tag = hash & ((1ull << 43) - 1);

    return tag ? tag : 1;
}

int tr_memo_create(struct tr_memo *memo, uint32_t traces, int numa_node, bool prefault)
{
    *memo = (struct tr_memo){.count = (uint32_t)(tr_memo_bytes(traces) / sizeof(struct tr_memo_line))};
    if (!memo->count)
        return 0;
    memo->lines = tr_pages_map(tr_memo_bytes(traces), numa_node, prefault);
    return memo->lines ? 0 : -ENOMEM;
}

void tr_memo_destroy(struct tr_memo *memo)
{
    if (memo->lines)
        tr_pages_unmap(memo->lines, memo->count * sizeof(struct tr_memo_line));
    memo->lines = NULL;
}

const struct tr_memo_slot *tr_memo_find(const struct tr_memo *memo, uint64_t hash)
{
    const struct tr_memo_line *line = tr_memo_line_of(memo, hash);

    for (uint32_t i = 0; i < TR_MEMO_SLOTS; i++)
        if (line->slot[i].tag == tag_of(hash))
            return &line->slot[i];
    return NULL;
}

void tr_memo_put(struct tr_memo *memo, uint64_t hash, const struct tr_memo_slot *slot)
{
    struct tr_memo_line *line = tr_memo_line_of(memo, hash);
    uint32_t at = 0;

    while (at < TR_MEMO_SLOTS - 1 && line->slot[at].tag != tag_of(hash))
        at++;
    memmove(line->slot + 1, line->slot, at * sizeof(*slot));
    line->slot[0] = *slot;
    line->slot[0].tag = tag_of(hash);
}
