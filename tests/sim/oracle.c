// SPDX-License-Identifier: Apache-2.0
// What must hold: after each turn the accounting and every decision, at rest the fate of every span.
#include "world.h"

#include "base/hash.h"
#include "base/pb.h"
#include "trace/owner_internal.h"

// --- what comes out

static bool bytes_hold(struct sim_world *world, uint32_t trace, uint32_t number, const uint8_t *span,
                       uint32_t bytes)
{
    struct tr_rewrite_counts counts = {0};
    uint8_t want[512], ruled[1024];
    size_t want_bytes = sim_span_make(world, trace, number, false, want), ruled_bytes;

    if (want_bytes == bytes && memcmp(want, span, bytes) == 0)
        return true;
    ruled_bytes = tr_rewrite_span(&world->rules->plan, want, (uint32_t)want_bytes, NULL, 0, ruled, &counts);
    return (ruled_bytes == bytes && memcmp(ruled, span, bytes) == 0) ||
           sim_fail(world, "trace %u span %u came out with other bytes", trace, number);
}

static bool span_came_out(struct sim_world *world, const uint8_t *span, uint32_t bytes)
{
    uint32_t trace = SIM_TRACES, number = 0;
    struct tr_pb_field field;

    for (const uint8_t *p = span, *end = span + bytes; p < end;) {
        p = tr_pb_field(p, end, &field);
        if (!p)
            return sim_fail(world, "a span came out that is not protobuf");
        if (field.number == 2 && field.value == 8) {
            trace = (uint32_t)field.bytes[1] << 8 | field.bytes[2];
            number = field.bytes[3];
        }
    }
    if (trace >= SIM_TRACES || number >= world->traces[trace].spans)
        return sim_fail(world, "a span came out that nobody sent: trace %u span %u", trace, number);
    switch (world->traces[trace].fate[number]) {
    case SIM_UNSENT:
    case SIM_REJECTED:
        return sim_fail(world, "trace %u span %u came out, though %s", trace, number,
                        world->traces[trace].fate[number] ? "it was rejected"
                                                          : "no request with it was accepted");
    default:
        break;
    }
    if (world->traces[trace].seen[number]++)
        return sim_fail(world, "trace %u span %u came out twice", trace, number);
    return sim_added_cut(world, &world->traces[trace].added[number], span, &bytes) &&
           bytes_hold(world, trace, number, span, bytes);
}

static bool outbox_read(struct sim_world *world, uint32_t i, bool all)
{
    static uint8_t buffer[64 * 1024], group[4096];
    const struct tr_outbox *outbox = &world->lcores[i]->outbox;
    struct tr_outbox_entry entry;
    uint64_t lost;

    for (uint32_t n = all ? UINT32_MAX : (uint32_t)sim_draw(world, 8); n; n--) {
        switch (tr_outbox_next(outbox, &world->cursors[i], &entry, buffer, sizeof(buffer), &lost)) {
        case TR_OUTBOX_EMPTY:
            return true;
        case TR_OUTBOX_LOST:
            if (!world->options.slow_readers)
                return sim_fail(world, "the outbox of lcore %u overran a reader that reads after each turn",
                                i);
            world->lost[i] += lost;
            break;
        case TR_OUTBOX_SHORT:
            return sim_fail(world, "an entry of %u bytes", entry.payload_bytes);
        case TR_OUTBOX_ENTRY:
            if (tr_outbox_group_read(outbox, entry.group, group, sizeof(group)) < 0)
                return sim_fail(world, "a span's group is not there");
            world->read[i]++;
            if (!span_came_out(world, buffer, entry.payload_bytes))
                return false;
            break;
        }
    }
    return true;
}

bool sim_outboxes_read(struct sim_world *world, bool all)
{
    for (uint32_t i = 0; i < world->options.lcores; i++)
        if (!outbox_read(world, i, all || !world->options.slow_readers))
            return false;
    return true;
}

// --- decisions

static bool verdict_holds(struct sim_world *world, uint32_t lcore, uint64_t number,
                          const struct tr_verdict_record *record)
{
    uint32_t index = (uint32_t)record->trace_id[14] << 8 | record->trace_id[15];
    struct sim_trace *trace = &world->traces[index % SIM_TRACES];
    uint64_t age = record->decided_wall_ns - record->first_wall_ns;
    bool kept = record->verdict == TR_VERDICT_KEEP;
    struct sim_says says;

    if (index >= SIM_TRACES || memcmp(trace->id, record->trace_id, 16) != 0)
        return sim_fail(world, "a verdict about a trace that nobody sent");
    if (tr_hash_range(tr_hash_trace_id(trace->id), world->options.lcores) != lcore)
        return sim_fail(world, "lcore %u decided trace %u, which is not its own", lcore, index);
    if (trace->verdicts++ && number - trace->verdict_number < world->options.verdicts_max)
        return sim_fail(world, "trace %u was decided again while its verdict is remembered", index);
    trace->verdict_lcore = lcore;
    trace->verdict_number = number;
    trace->kept = kept;
    trace->verdict_epoch = record->epoch;
    trace->verdict_policy = record->policy;
    trace->verdict_spans = record->spans;
    trace->reopened |= record->marks & TR_MARK_REOPENED;
    if (record->epoch < 1 || record->epoch > world->epoch || record->verdict == TR_VERDICT_EVICTED)
        return sim_fail(world, "trace %u: epoch %u, verdict %u", index, record->epoch, record->verdict);

    // With all its spans there, the config of its epoch says what must have come out; with fewer, what
    // cannot.
    world->judged = record->epoch;
    says = sim_say(world, trace, index, record->epoch);
    sim_reaches("config %u: %s, %s", world->config_of[record->epoch], kept ? "kept" : "dropped",
                record->when == TR_WHEN_CERTAIN       ? "at once"
                : record->spans == trace->spans       ? "all there"
                                                      : "a part");
    if (record->marks & TR_MARK_REOPENED)
        return (kept && sim_may_reopen(world, trace, index, record->epoch)) ||
               sim_fail(world, "trace %u was reopened, which config %u (epoch %u) does not want", index,
                        world->config_of[record->epoch], record->epoch);
    if (record->when == TR_WHEN_CERTAIN)
        return kept == says.kept || sim_fail(world, "trace %u was %s for certain; config %u (epoch %u) %s it", index,
                                             kept ? "kept" : "dropped", world->config_of[record->epoch], record->epoch,
                                             says.kept ? "wants" : "does not want");
    if (!(kept ? sim_may_keep : sim_may_drop)(world, trace, index, record->epoch, record->spans))
        return sim_fail(world, "trace %u was %s with %u of %u spans there; config %u (epoch %u) %s it", index,
                        kept ? "kept" : "dropped", record->spans, trace->spans, world->config_of[record->epoch], record->epoch,
                        kept ? "does not want" : "wants");
    if (record->spans == trace->spans && says.policy != SIM_POLICY_UNTOLD && record->policy != says.policy)
        return sim_fail(world, "trace %u was %s by policy %u, config %u (epoch %u) has it from %u", index, kept ? "kept" : "dropped",
                        record->policy, world->config_of[record->epoch], record->epoch, says.policy);

    if (record->when == TR_WHEN_WAIT ? age < world->wait_of[record->epoch]
                                     : record->when != TR_WHEN_SIZE && record->when != TR_WHEN_SHUTDOWN &&
                                           age < world->options.wait_min_ns)
        return sim_fail(world, "trace %u was decided at %llu ns (%u), its wait is %llu, the least %llu",
                        index, (unsigned long long)age, record->when,
                        (unsigned long long)world->wait_of[record->epoch],
                        (unsigned long long)world->options.wait_min_ns);
    return record->when != TR_WHEN_SHUTDOWN || world->draining ||
           sim_fail(world, "a drain that nobody asked for");
}

// A verdict that was reopened says so in its place.
static bool reopened_holds(struct sim_world *world, uint32_t index)
{
    struct sim_trace *trace = &world->traces[index];
    const struct tr_verdict_record *record;

    if (!trace->verdicts ||
        world->verdicts_read[trace->verdict_lcore] - trace->verdict_number > world->options.verdicts_max)
        return true;
    record = tr_verdict_ring_at(&world->lcores[trace->verdict_lcore]->owner->verdicts.ring, trace->verdict_number);
    if (record->verdict == TR_VERDICT_DROP) {
        return !trace->kept || sim_fail(world, "trace %u was kept, and then dropped", index);
    }
    if (trace->kept)
        return true;
    trace->kept = trace->reopened = true;
    trace->verdict_epoch = record->epoch;
    trace->verdict_policy = record->policy;
    if (!(record->marks & TR_MARK_REOPENED) || !record->epoch || record->epoch > world->epoch)
        return sim_fail(world, "trace %u was dropped, and is kept without a word", index);
    return sim_may_reopen(world, trace, index, record->epoch) ||
           sim_fail(world, "trace %u was reopened, which config %u (epoch %u) does not want", index,
                    world->config_of[record->epoch], record->epoch);
}

bool sim_verdicts_read(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->options.lcores; i++) {
        const struct tr_verdict_ring *ring = &world->lcores[i]->owner->verdicts.ring;
        uint64_t head = ring->file.head / sizeof(struct tr_verdict_record);

        if (head - world->verdicts_read[i] > ring->records_max)
            return sim_fail(world, "%llu verdicts in a turn",
                            (unsigned long long)(head - world->verdicts_read[i]));
        for (; world->verdicts_read[i] < head; world->verdicts_read[i]++)
            if (!verdict_holds(world, i, world->verdicts_read[i],
                               tr_verdict_ring_at(ring, world->verdicts_read[i])))
                return false;
    }
    for (uint32_t i = 0; i < SIM_TRACES; i++)
        if (!reopened_holds(world, i))
            return false;
    return true;
}

// --- sleep

// Whatever lies in a ring for a sleeper has woken it, and one with work that is stuck looks again soon.
static bool sleepers_hold(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->options.lcores; i++) {
        const struct sim_sleeper *sleeper = &world->sleepers[i];
        const struct tr_lcore *lcore = world->lcores[i];
        uint32_t stuck = 0;

        if (sleeper->state != SIM_ASLEEP || sleeper->woken)
            continue;
        if (tr_lcore_has_input(lcore))
            return sim_fail(world, "lcore %u sleeps and nobody woke it for what lies in its rings", i);
        for (uint32_t to = 0; to < world->options.lcores; to++)
            stuck += lcore->walker.bursts[to].count + lcore->held_back_count[to];
        if (stuck && sleeper->until > world->now + TR_MS)
            return sim_fail(world, "lcore %u sleeps for %llu ns on %u messages that are stuck", i,
                            (unsigned long long)(sleeper->until - world->now), stuck);
    }
    return true;
}

// --- accounting

struct sums {
    uint64_t committed, walked, not_walked, rejected, sent, in_flight;
    uint64_t received, kept, dropped, reopened, reopened_gone, evicted, held, recounted, epoch_behind;
    uint64_t emits_sent, emits_waiting, emitted, stale, gone, too_large, in_class2, outboxes;
    uint64_t noted, sources_rejected, sources_kept;
};

static struct sums sum_up(const struct sim_world *world)
{
    struct sums s = {0};

    for (uint32_t i = 0; i < world->options.lcores; i++) {
        const struct tr_lcore *lcore = world->lcores[i];
        const struct tr_owner_counters *owner = tr_owner_counters(lcore->owner);
        uint64_t spans, traces;

        s.committed += lcore->counters.committed;
        s.walked += lcore->counters.walked;
        s.not_walked += lcore->counters.not_walked;
        s.rejected += lcore->counters.rejected_malformed + lcore->counters.rejected_trace_id +
                      lcore->counters.rejected_span_id + lcore->counters.rejected_too_large;
        s.sent += lcore->counters.sent;
        s.in_flight += tr_lcore_summaries_in_flight(lcore);
        s.received += owner->received;
        s.kept += owner->kept;
        s.dropped += owner->dropped;
        s.reopened += owner->reopened;
        s.reopened_gone += owner->reopened_gone;
        s.evicted += owner->evicted;
        s.held += owner->held;
        s.epoch_behind += owner->epoch_behind;
        s.emits_sent += owner->emits_sent;
        s.emits_waiting += owner->emits_waiting;
        s.emitted += lcore->counters.emitted;
        s.stale += lcore->counters.emit_stale;
        s.gone += lcore->counters.emit_gone;
        s.too_large += lcore->counters.emit_too_large;
        s.outboxes += world->read[i] + world->lost[i] + tr_outbox_queued(&lcore->outbox, &world->cursors[i]);
        s.noted += lcore->study.head + lcore->study.lost;
        for (uint32_t row = 0; row < lcore->sources.count; row++) {
            s.sources_rejected += lcore->sources.rows[row].rejected;
            s.sources_kept += lcore->sources.rows[row].kept;
        }
        tr_owner_recount(lcore->owner, &spans, &traces);
        s.recounted += spans;
        for (uint32_t to = 0; to < world->options.lcores; to++)
            if (to != i)
                s.in_class2 += tr_mesh_emits(world->mesh, i, to);
    }
    return s;
}

#define HOLDS(world, left, right)                                                                            \
    do {                                                                                                     \
        if ((left) != (right))                                                                               \
            return sim_fail(world, #left " = %llu but " #right " = %llu", (unsigned long long)(left),        \
                            (unsigned long long)(right));                                                    \
    } while (0)

// What an owner keeps of dropped traces: recounted from the table, and from the ring.
static bool dropped_hold(struct sim_world *world, uint32_t i)
{
    const struct tr_owner *owner = world->lcores[i]->owner;
    const struct tr_dropped *dropped = &owner->dropped;
    uint64_t asked = 0, refs = 0, traces = 0, position = dropped->tail;

    for (uint32_t number = 1; number <= owner->table.entries.touched; number++) {
        const struct tr_entry *entry = tr_table_entry(&owner->table, number);

        refs += entry->spans;
        asked += entry->on == TR_ENTRY_ON_AGAIN && entry->flags & TR_ENTRY_DROPPED;
    }
    while (position < dropped->head) {
        const struct tr_dropped_record *record = tr_dropped_at(dropped, position);

        traces += !record->earlier;
        position += record->size;
    }
    HOLDS(world, refs, (uint64_t)owner->table.refs);
    HOLDS(world, asked, (uint64_t)owner->again.count);
    HOLDS(world, position, dropped->head);
    HOLDS(world, traces, dropped->traces);
    return true;
}

static bool pools_hold(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->options.lcores; i++) {
        const struct tr_lcore *lcore = world->lcores[i];
        const struct tr_owner_counters *owner = tr_owner_counters(lcore->owner);
        const struct tr_journal *journal = &lcore->journal;

        if (owner->traces_held > world->options.traces_max || owner->held > world->options.refs_max)
            return sim_fail(world, "the owner of lcore %u holds more than it may", i);
        if (journal->ring.head - journal->ring.tail > journal->ring.bytes ||
            journal->contexts_head - journal->contexts_tail > journal->contexts_mask + 1)
            return sim_fail(world, "the journal of lcore %u holds more than it may", i);
        if (!dropped_hold(world, i))
            return false;
        if (lcore->counters.horizon_shortest_ns && !journal->ring.tail)
            return sim_fail(world, "the journal of lcore %u was let go nowhere, and says how far back it reached", i);
        if (lcore->walker.position < journal->ring.tail || lcore->walker.position > journal->ring.head)
            return sim_fail(world, "the walk of lcore %u is outside of its journal", i);
    }
    return true;
}

bool sim_identities_hold(struct sim_world *world)
{
    struct sums s = sum_up(world);

    HOLDS(world, s.committed, s.walked + s.rejected + s.not_walked);
    HOLDS(world, s.walked, s.sent);
    HOLDS(world, s.walked, s.noted);
    HOLDS(world, s.rejected, s.sources_rejected);
    HOLDS(world, s.emitted, s.sources_kept);
    HOLDS(world, s.sent, s.received + s.in_flight);
    HOLDS(world, s.received, s.kept + s.dropped - s.reopened + s.evicted + s.held);
    HOLDS(world, s.held, s.recounted);
    HOLDS(world, s.kept, s.emits_sent + s.emits_waiting);
    HOLDS(world, s.emits_sent, s.emitted + s.stale + s.gone + s.too_large + s.in_class2);
    HOLDS(world, s.emitted, s.outboxes);
    HOLDS(world, s.stale, 0ull);
    HOLDS(world, s.too_large, 0ull);
    HOLDS(world, s.epoch_behind, 0ull);
    return pools_hold(world) && sleepers_hold(world) && sim_red_holds(world, s.walked);
}

// --- at rest

// A trace that was decided once: all its spans share the verdict, and each that was accepted was counted
// there.
static bool trace_holds(struct sim_world *world, uint32_t index)
{
    const struct sim_trace *trace = &world->traces[index];
    const struct tr_verdict_record *record =
        tr_verdict_ring_at(&world->lcores[trace->verdict_lcore]->owner->verdicts.ring, trace->verdict_number);
    uint32_t accepted = 0, unknown = 0, seen = 0, came;
    bool due;

    for (uint32_t number = 0; number < trace->spans; number++) {
        bool out = trace->seen[number];

        accepted += trace->fate[number] == SIM_ACCEPTED;
        unknown += trace->fate[number] == SIM_UNKNOWN;
        seen += out;
        if (trace->verdicts == 1 && trace->fate[number] == SIM_ACCEPTED && !world->options.slow_readers &&
            out != trace->kept && !trace->reopened)
            return sim_fail(world, "trace %u was %s, but its span %u did %scome out", index,
                            trace->kept ? "kept" : "dropped", number, out ? "" : "not ");
    }
    if (!trace->verdicts)
        return (accepted == 0 && seen == 0) ||
               sim_fail(world, "trace %u was accepted and never decided", index);
    if (trace->verdicts > 1)
        return true;
    if (!sim_added_holds(world, index))
        return false;
    if (!trace->kept && seen)
        return sim_fail(world, "trace %u was dropped, and %u of its spans came out", index, seen);
    if (world->verdicts_read[trace->verdict_lcore] - trace->verdict_number > world->options.verdicts_max)
        return true; // forgotten
    came = record->spans + record->late_spans +
           (record->when == TR_WHEN_CERTAIN ? record->followed_spans : 0);
    if (came < accepted || came > accepted + unknown)
        return sim_fail(world, "trace %u: %u, %u that followed and %u late spans in its verdict, %u accepted, %u perhaps",
                        index, record->spans, record->followed_spans, record->late_spans, accepted, unknown);
    // Whatever the order and the pauses its spans came in: what its config wants of the whole trace it has kept.
    // What is wanted at last was, or is now; what was kept stays.
    due = sim_say(world, trace, index, record->epoch).kept;
    return !world->options.roomy || world->swaps || accepted < trace->spans || trace->kept == due ||
           (trace->kept && sim_may_reopen(world, trace, index, record->epoch)) ||
           sim_is_limited(trace, world->config_of[record->epoch]) ||
           sim_fail(world, "trace %u is %s with all its spans there; config %u (epoch %u) %s it", index,
                    trace->kept ? "kept" : "dropped", world->config_of[record->epoch], record->epoch,
                    due ? "wants" : "does not want");
}

// Of reopened traces, what did not come out is counted as gone: no more, and no less.
static bool gone_holds(struct sim_world *world, const struct sums *s)
{
    uint64_t missing = 0;

    for (uint32_t i = 0; i < SIM_TRACES; i++) {
        const struct sim_trace *trace = &world->traces[i];

        if (trace->verdicts > 1)
            return true;
        for (uint32_t number = 0; number < trace->spans; number++) {
            if (trace->fate[number] == SIM_UNKNOWN)
                return true;
            missing += trace->reopened && trace->fate[number] == SIM_ACCEPTED && !trace->seen[number];
        }
    }
    if (world->options.roomy && !world->options.slow_readers)
        HOLDS(world, missing, s->gone + s->reopened_gone);
    return true;
}

bool sim_rest_holds(struct sim_world *world)
{
    uint64_t accepted = 0, unknown = 0;
    struct sums s = sum_up(world);

    HOLDS(world, s.held + s.not_walked + s.in_flight + s.emits_waiting + s.in_class2, 0ull);
    HOLDS(world, s.kept, s.emitted + s.gone);
    for (uint32_t i = 0; i < SIM_TRACES; i++) {
        for (uint32_t number = 0; number < world->traces[i].spans; number++) {
            accepted += world->traces[i].fate[number] == SIM_ACCEPTED;
            unknown += world->traces[i].fate[number] == SIM_UNKNOWN;
        }
        if (!trace_holds(world, i))
            return false;
    }
    if (s.walked < accepted || s.walked > accepted + unknown)
        return sim_fail(world, "%llu spans are walked, %llu were accepted and %llu perhaps",
                        (unsigned long long)s.walked, (unsigned long long)accepted,
                        (unsigned long long)unknown);
    return gone_holds(world, &s) && sim_red_rest_holds(world, s.walked);
}
