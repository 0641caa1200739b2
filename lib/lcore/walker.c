// SPDX-License-Identifier: Apache-2.0
// The walk: record by record, context by context, span by span, a summary to the owner of each.
//
// Its cursor stops where the turn's budget ends, and where a class 1 ring is full: a span is walked only when each
// burst has a slot to spare, since its owner is known only afterwards. A request is answered when its record is
// walked and all bursts are enqueued.
#include "lcore/lcore.h"

#include "base/hash.h"
#include "base/pb.h"
#include "trace/shape.h"

// What a span may take of a burst: its summary, a wide slot and one for the shape.
#define SPAN_SLOTS 3

static const char *const reject_messages[TR_WALK_RESULTS] = {
    [TR_WALK_MALFORMED] = "some spans are malformed",
    [TR_WALK_TRACE_ID] = "some spans have a trace_id that is not 16 bytes or is all zero",
    [TR_WALK_SPAN_ID] = "some spans have a span_id that is not 8 bytes or is all zero",
    [TR_WALK_TOO_LARGE] = "some spans are larger than 4 MiB",
};

// A slot in the burst to an owner; the caller has made sure that there is one.
union tr_message *tr_walker_slot(struct tr_lcore *lcore, uint32_t to)
{
    struct tr_burst *burst = &lcore->walker.bursts[to];

    tr_assert(burst->count < TR_NELEMS(burst->messages));
    return &burst->messages[burst->count++];
}

static uint32_t burst_deliver(struct tr_lcore *lcore, uint32_t to, const union tr_message *messages, uint32_t count)
{
    uint32_t self = lcore->options.lcore, taken;

    if (to != self) {
        taken = tr_mesh_send(lcore->mesh, TR_CLASS_1, self, to, messages, count);
        lcore->wake |= taken ? 1ull << to : 0;
        return taken;
    }
    return tr_lcore_class1(lcore, self, messages, count);
}

// Enqueue what the bursts hold. Returns true when all of it is on its way.
bool tr_lcore_flush(struct tr_lcore *lcore)
{
    bool all = true;

    for (uint32_t to = 0; to < lcore->mesh->lcores; to++) {
        struct tr_burst *burst = &lcore->walker.bursts[to];

        if (!burst->count)
            continue;
        burst->sent += burst_deliver(lcore, to, burst->messages + burst->sent, burst->count - burst->sent);
        if (burst->sent < burst->count) {
            all = false;
            continue;
        }
        burst->count = burst->sent = 0;
    }
    tr_lcore_emit_flush(lcore); // of late spans of our own
    return all;
}

// Does each burst have a slot to spare?
static bool bursts_have_room(struct tr_lcore *lcore, uint32_t slots)
{
    for (uint32_t to = 0; to < lcore->mesh->lcores; to++)
        if (lcore->walker.bursts[to].count + slots > TR_NELEMS(lcore->walker.bursts[to].messages))
            return false;
    return true;
}

void tr_walker_queue(struct tr_lcore *lcore, struct tr_request *request)
{
    struct tr_walker *walker = &lcore->walker;

    request->sink_next = NULL;
    request->sink_data[0] = 0; // spans rejected
    request->sink_data[1] = TR_WALK_OK;
    if (walker->last)
        walker->last->sink_next = request;
    else
        walker->first = request;
    walker->last = request;
    if (!walker->walking)
        walker->walking = request;
}

static void answer_walked(struct tr_lcore *lcore)
{
    struct tr_walker *walker = &lcore->walker;

    while (walker->first != walker->walking) {
        struct tr_request *request = walker->first;
        struct tr_reply reply = {.code = TR_OK, .rejected_spans = request->sink_data[0]};

        if (reply.rejected_spans)
            reply.message = reject_messages[request->sink_data[1]];
        walker->first = request->sink_next;
        if (!walker->first)
            walker->last = NULL;
        tr_request_reply(request, &reply, lcore->now);
    }
}

static uint64_t summaries_of(const union tr_message *messages, uint32_t count)
{
    uint64_t summaries = 0;

    for (uint32_t i = 0; i < count; i++)
        summaries += messages[i].any.kind == TR_MESSAGE_SUMMARY;
    return summaries;
}

uint64_t tr_lcore_summaries_in_flight(const struct tr_lcore *lcore)
{
    uint64_t summaries = 0;

    for (uint32_t i = 0; i < lcore->mesh->lcores; i++) {
        const struct tr_burst *burst = &lcore->walker.bursts[i];

        summaries += summaries_of(burst->messages + burst->sent, burst->count - burst->sent);
        summaries += summaries_of(lcore->held_back[i], lcore->held_back_count[i]);
        if (i != lcore->options.lcore)
            summaries += tr_mesh_summaries(lcore->mesh, i, lcore->options.lcore);
    }
    return summaries;
}

static void context_begin(struct tr_lcore *lcore, const struct tr_record *record)
{
    struct tr_walker *walker = &lcore->walker;
    struct tr_context *context = tr_journal_context(&lcore->journal, walker->context);
    const uint8_t *body = (const uint8_t *)(record + 1);

    context->source = tr_source_intern(&lcore->sources, record->peer_ip, body + context->service.offset,
                                       context->service.bytes, lcore->now);
    memset(&walker->resource, 0, sizeof(walker->resource));
    tr_walk_resource(&walker->epoch->policies->plan, lcore->options.lcore, context, body, &lcore->walker.notes, &walker->resource);
    if (walker->epoch->red)
        tr_red_resource(walker->epoch->red->tables[lcore->options.lcore], &lcore->red, context, body);
    walker->cursor = 0;
    walker->in_context = true;
}

// What can be read of a bad span's trace id, for `traces why`.
static void trace_id_find(const uint8_t *span, uint32_t bytes, uint8_t trace_id[16])
{
    struct tr_pb_field field;

    memset(trace_id, 0, 16);
    for (const uint8_t *p = span; p && p < span + bytes;) {
        p = tr_pb_field(p, span + bytes, &field);
        if (p && field.number == 1 && field.wire == TR_PB_BYTES && field.value == 16)
            memcpy(trace_id, field.bytes, 16);
    }
}

static void span_rejected(struct tr_lcore *lcore, const uint8_t *span, uint32_t bytes, uint32_t source,
                          enum tr_walk_result result)
{
    struct tr_reject *reject = &lcore->rejects[lcore->rejects_count++ % TR_REJECTS];
    struct tr_request *request = lcore->walker.walking;

    uint64_t *const counters[TR_WALK_RESULTS] = {[TR_WALK_MALFORMED] = &lcore->counters.rejected_malformed,
                                                 [TR_WALK_TRACE_ID] = &lcore->counters.rejected_trace_id,
                                                 [TR_WALK_SPAN_ID] = &lcore->counters.rejected_span_id,
                                                 [TR_WALK_TOO_LARGE] = &lcore->counters.rejected_too_large};

    tr_count(counters[result], 1);
    if (request) {
        request->sink_data[0]++;
        request->sink_data[1] = result;
    }
    tr_source_rejected(&lcore->sources, source);
    trace_id_find(span, bytes, reject->trace_id);
    reject->wall_ns = lcore->now + tr_load_relaxed(&lcore->wall_offset_ns);
    reject->source = source;
    reject->result = result;
}

// Predicates beyond the first 64 that hold travel in a slot of their own, right behind.
static void wide_slot(struct tr_lcore *lcore, uint32_t owner, union tr_message *summary, const struct tr_bits *bits)
{
    struct tr_summary_wide wide = {.kind = TR_MESSAGE_WIDE, .epoch = summary->summary.epoch};
    uint64_t any = 0;

    for (int i = 1; i < TR_PREDICATE_WORDS_MAX; i++)
        any |= bits->word[i];
    if (!any)
        return;
    memcpy(wide.predicates, bits->word + 1, sizeof(wide.predicates));
    memcpy(wide.predicates2, bits->word + 6, sizeof(wide.predicates2));
    summary->summary.flags |= TR_SPAN_WIDE;
    tr_walker_slot(lcore, owner)->wide = wide;
}

static void span_walk(struct tr_lcore *lcore, const struct tr_record *record, const struct tr_context *context,
                      const uint8_t *span, uint32_t bytes)
{
    const struct tr_walk_plan *plan = &lcore->walker.epoch->policies->plan;
    struct tr_bits bits = lcore->walker.resource;
    enum tr_walk_result result;
    struct tr_walk_span walked;
    union tr_message *slot;
    uint32_t owner;
    uint64_t hash;

    tr_gauge(&lcore->counters.not_walked, lcore->counters.not_walked - 1);
    result = tr_walk_span(plan, lcore->options.lcore, span, bytes, &lcore->walker.notes, &walked, &bits);
    if (tr_unlikely(result != TR_WALK_OK)) {
        span_rejected(lcore, span, bytes, context->source, result);
        return;
    }
    hash = tr_hash_trace_id(walked.trace_id);
    if (tr_study_wants(&lcore->study, hash))
        tr_study_put(&lcore->study, context, (const uint8_t *)(record + 1), span, bytes, &walked);
    owner = tr_hash_range(hash, lcore->mesh->lcores);
    slot = tr_walker_slot(lcore, owner);
    slot->summary = (struct tr_summary){
        .start_ns = walked.start_ns,
        .end_ns = walked.end_ns,
        .predicates = bits.word[0],
        .position = (record->position + (uint64_t)(span - (const uint8_t *)record)) & TR_POSITION_MASK,
        .kind = TR_MESSAGE_SUMMARY,
        .flags = walked.root ? TR_SPAN_ROOT : 0,
        .epoch = lcore->walker.epoch->number & 0xff,
        .context = (uint32_t)lcore->walker.context,
        .bytes = bytes,
        .name_hash = walked.name_hash,
        .source = context->source,
    };
    memcpy(slot->summary.trace_id, walked.trace_id, 16);
    if (tr_unlikely(plan->words > 1))
        wide_slot(lcore, owner, slot, &bits);
    // What is needed of trace_state alone goes only with spans that have one.
    if (tr_unlikely(plan->shape.needs) && (plan->shape.needs != TR_SHAPE_OT || walked.trace_state_bytes)) {
        slot->summary.flags |= TR_SPAN_SHAPE;
        tr_shape_walk(plan, &walked, &lcore->walker.notes, &bits, &tr_walker_slot(lcore, owner)->shape);
    }
    tr_count(&lcore->counters.walked, 1);
    tr_count(&lcore->counters.sent, 1);
    if (tr_unlikely(lcore->walker.epoch->red != NULL))
        tr_red_span(lcore->walker.epoch->red->tables[lcore->options.lcore], &lcore->red, plan, &lcore->walker.notes, &walked,
                    lcore->now, lcore->now + tr_load_relaxed(&lcore->wall_offset_ns));
}

static void record_end(struct tr_lcore *lcore, const struct tr_record *record)
{
    struct tr_walker *walker = &lcore->walker;

    if (walker->walking)
        walker->walking = walker->walking->sink_next;
    walker->position = tr_record_next(record);
    walker->in_record = false;
}

// Walk on to the next span, or the end of the record. Returns the bytes passed.
static size_t step(struct tr_lcore *lcore)
{
    struct tr_walker *walker = &lcore->walker;
    const struct tr_record *record = tr_journal_record(&lcore->journal, walker->position);
    const struct tr_context *context;
    const uint8_t *span;
    uint32_t bytes;

    if (!walker->in_record) {
        walker->in_record = true;
        walker->context = record->first_context;
        walker->context_number = 0;
        walker->in_context = false;
    }
    if (walker->context_number == record->contexts) {
        record_end(lcore, record);
        return sizeof(*record);
    }
    if (!walker->in_context)
        context_begin(lcore, record);
    context = tr_journal_context(&lcore->journal, walker->context);
    if (tr_context_span(context, (const uint8_t *)(record + 1), &walker->cursor, &span, &bytes)) {
        span_walk(lcore, record, context, span, bytes);
        return bytes;
    }
    tr_source_spans(&lcore->sources, context->source, context->spans);
    walker->in_context = false;
    walker->context_number++;
    walker->context++;
    return sizeof(*context);
}

// Walk under the newest config, once there is room for a mark to every owner behind the last summary of the old.
static void epoch_swap(struct tr_lcore *lcore)
{
    const struct tr_epoch *epoch = tr_load_acquire(&lcore->mesh->epoch);
    struct tr_walker *walker = &lcore->walker;

    if (epoch == walker->epoch || !bursts_have_room(lcore, 1))
        return;
    walker->epoch = epoch;
    for (uint32_t to = 0; to < lcore->mesh->lcores; to++) {
        union tr_message *slot = tr_walker_slot(lcore, to);

        memset(slot, 0, sizeof(*slot));
        slot->any.kind = TR_MESSAGE_EPOCH;
        slot->any.epoch = epoch->number & 0xff;
        slot->any.words[0] = epoch->number;
    }
    if (walker->in_context) {
        const struct tr_record *record = tr_journal_record(&lcore->journal, walker->position);
        uint32_t cursor = walker->cursor;

        context_begin(lcore, record); // its resource's predicates under the new plan
        walker->cursor = cursor;
    }
    tr_gauge(&lcore->counters.epoch, epoch->number);
    tr_store_release(&lcore->mesh->peers[lcore->options.lcore].epoch_walked, epoch->number);
}

size_t tr_lcore_walk(struct tr_lcore *lcore, size_t budget)
{
    struct tr_walker *walker = &lcore->walker;
    size_t work = 0, done = 0;

    if (tr_lcore_flush(lcore))
        answer_walked(lcore);
    epoch_swap(lcore);
    while (done < budget && walker->position < lcore->journal.ring.head) {
        if (!bursts_have_room(lcore, SPAN_SLOTS) && !tr_lcore_flush(lcore) && !bursts_have_room(lcore, SPAN_SLOTS)) {
            tr_count(&lcore->counters.class1_full, 1);
            break;
        }
        done += step(lcore);
        work++;
    }
    if (tr_lcore_flush(lcore))
        answer_walked(lcore);
    return work;
}
