// SPDX-License-Identifier: Apache-2.0
// The journal's tail. The journal keeps all it has room for: nothing is let go before the room is needed.
//
// Below the low-water mark the holder names a position, a record's begin, and asks every owner to decide what began
// before it. When all have acknowledged, and the emits ahead of each acknowledgement are done, everything before
// the position may be overwritten. One request is out at a time, for a quarter of the low-water mark. Traces that are
// past decision_wait cost nothing more then; younger ones are decided early, down to decision_wait_min, below which
// an owner lets the request wait, the journal fills, and new requests are refused.
#include "lcore/lcore.h"

#define STEPS 4 // that the low-water mark is let go in

// Records looked at a turn: bodies may be as small as one span.
#define RECORDS_A_TURN 512

static uint64_t low_water(const struct tr_lcore *lcore)
{
    return tr_lcore_low_water(lcore->options.journal_bytes, lcore->options.body_bytes_max);
}

// Move the cursor to the record boundary that the next request will name. Returns true when it is there.
static bool cursor_advance(struct tr_lcore *lcore)
{
    struct tr_journal *journal = &lcore->journal;
    struct tr_tail_state *tail = &lcore->tail;

    if (tail->cursor < journal->ring.tail)
        tail->cursor = journal->ring.tail;
    for (unsigned i = 0; i < RECORDS_A_TURN; i++) {
        // Only what was walked can be let go.
        if (tail->cursor >= lcore->walker.position)
            return tail->cursor > journal->ring.tail;
        if (tail->cursor - journal->ring.tail >= low_water(lcore) / STEPS)
            return true;
        tail->cursor = tr_record_next(tr_journal_record(journal, tail->cursor));
    }
    return false;
}

// Put the request behind the summaries it covers. Returns true when it is on its way to all.
static bool ask(struct tr_lcore *lcore)
{
    struct tr_tail_state *tail = &lcore->tail;

    while (tail->to_ask < lcore->mesh->lcores) {
        struct tr_burst *burst = &lcore->walker.bursts[tail->to_ask];
        union tr_message *slot;

        if (burst->count == TR_NELEMS(burst->messages))
            return false;
        slot = tr_walker_slot(lcore, tail->to_ask++);
        memset(slot, 0, sizeof(*slot));
        slot->tail.kind = TR_MESSAGE_TAIL;
        slot->tail.position = tail->asked;
        slot->tail.epoch = lcore->walker.epoch->number & 0xff;
    }
    return true;
}

static bool needs_room(const struct tr_lcore *lcore)
{
    const struct tr_journal *journal = &lcore->journal;

    return tr_ringfile_free(&journal->ring) < low_water(lcore) ||
           tr_journal_context_room(journal) < (journal->contexts_mask + 1) / 8 * 3 || lcore->ingest.room_wanted;
}

void tr_tail_acknowledged(struct tr_lcore *lcore, uint32_t owner, uint64_t position)
{
    lcore->tail.acknowledged[owner] = TR_MAX(lcore->tail.acknowledged[owner], position);
}

// The age of the oldest record; 0: there is none.
static uint64_t horizon(const struct tr_lcore *lcore)
{
    const struct tr_journal *journal = &lcore->journal;
    uint64_t wall_ns = lcore->now + tr_load_relaxed(&lcore->wall_offset_ns), oldest = wall_ns;

    if (journal->ring.tail < journal->ring.head)
        oldest = tr_journal_record(journal, journal->ring.tail)->accepted_wall_ns;
    return wall_ns > oldest ? wall_ns - oldest : 0;
}

// The horizon is at its shortest where a part of the journal was let go.
static void horizon_shorten(struct tr_lcore *lcore)
{
    uint64_t now_ns = horizon(lcore), shortest_ns = lcore->counters.horizon_shortest_ns;

    if (now_ns && (!shortest_ns || now_ns < shortest_ns))
        tr_gauge(&lcore->counters.horizon_shortest_ns, now_ns);
}

static void gauges(struct tr_lcore *lcore)
{
    const struct tr_journal *journal = &lcore->journal;

    tr_gauge(&lcore->counters.horizon_ns, horizon(lcore));
    tr_gauge(&lcore->counters.journal_free, tr_ringfile_free(&journal->ring));
}

size_t tr_lcore_tail(struct tr_lcore *lcore)
{
    struct tr_tail_state *tail = &lcore->tail;
    size_t work = 0;

    gauges(lcore);
    if (tail->asked) {
        if (!ask(lcore))
            return 0;
        for (uint32_t owner = 0; owner < lcore->mesh->lcores; owner++)
            if (tail->acknowledged[owner] < tail->asked)
                return 0;
        tr_journal_release(&lcore->journal, tail->asked);
        horizon_shorten(lcore);
        tail->asked = 0;
        work++;
    }
    if (needs_room(lcore) && cursor_advance(lcore)) {
        tail->asked = tail->cursor;
        tail->to_ask = 0;
        tr_count(&lcore->counters.tail_requests, 1);
        ask(lcore);
        work++;
    }
    return work;
}
