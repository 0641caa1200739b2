// SPDX-License-Identifier: Apache-2.0
// decision_wait_after_root_received: a trace whose root has come waits that long from there, if that is sooner.
#include "trace/owner_internal.h"

static struct tr_rooted *bucket_at(struct tr_owner *owner, uint32_t index)
{
    return &owner->rooted[index % TR_ROOTED_BUCKETS];
}

// The bucket of what is due then: the newest if it is not due before, else one more.
static uint32_t bucket_for(struct tr_owner *owner, uint64_t due_ns)
{
    uint64_t grain = TR_MAX(owner->wait_root_ns / 32, TR_MS);

    while (owner->rooted_first != owner->rooted_next && !bucket_at(owner, owner->rooted_first)->list.first)
        owner->rooted_first++;
    if (owner->rooted_first != owner->rooted_next &&
        (bucket_at(owner, owner->rooted_next - 1)->due_ns >= due_ns ||
         owner->rooted_next - owner->rooted_first == TR_ROOTED_BUCKETS))
        return (owner->rooted_next - 1) % TR_ROOTED_BUCKETS;
    bucket_at(owner, owner->rooted_next)->due_ns = due_ns + grain;
    return owner->rooted_next++ % TR_ROOTED_BUCKETS;
}

void tr_owner_root_seen(struct tr_owner *owner, uint32_t number, uint64_t now)
{
    struct tr_entry *entry = tr_table_entry(&owner->table, number);
    uint64_t due_ns = now + owner->wait_root_ns;
    uint32_t bucket;

    if (entry->on != TR_ENTRY_ON_WAIT || due_ns >= entry->first_ns + owner->waits[entry->wait].wait_ns)
        return;
    bucket = bucket_for(owner, due_ns);
    tr_owner_move(owner, number, TR_ENTRY_ON_NONE);
    entry->reason = (uint8_t)bucket;
    tr_owner_move(owner, number, TR_ENTRY_ON_ROOTED);
}

uint32_t tr_owner_rooted_front(const struct tr_owner *owner, uint64_t *due_ns)
{
    for (uint32_t i = owner->rooted_first; i != owner->rooted_next; i++) {
        const struct tr_rooted *bucket = &owner->rooted[i % TR_ROOTED_BUCKETS];

        *due_ns = bucket->due_ns;
        if (bucket->list.first)
            return bucket->list.first;
    }
    return 0;
}
