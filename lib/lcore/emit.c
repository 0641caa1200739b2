// SPDX-License-Identifier: Apache-2.0
// Class 2 at the holder: spans of kept traces to the outbox, acknowledgements to the tail.
//
// Nothing here needs room anywhere: the outbox evicts its oldest entries, and what is not in the journal any more
// is counted and left alone. That is what keeps lcores from waiting for each other in a circle.
#include "lcore/lcore.h"

#include "base/pb.h"

// A resource or scope in one piece: as it lies in the body, or put together in scratch when it came in two.
static const uint8_t *joined(const uint8_t *body, const struct tr_range pieces[2], uint8_t **scratch, uint32_t *bytes)
{
    uint8_t *to = *scratch;

    *bytes = pieces[0].bytes + pieces[1].bytes;
    if (!pieces[1].bytes)
        return body + pieces[0].offset;
    memcpy(to, body + pieces[0].offset, pieces[0].bytes);
    memcpy(to + pieces[0].bytes, body + pieces[1].offset, pieces[1].bytes);
    *scratch = to + *bytes;
    return to;
}

struct resource {
    uint64_t group;
    const uint8_t *demoted; // what the resource's rules want on each span
    uint32_t demoted_bytes;
};

// The outbox group of a context: known from an earlier span of it, or made now.
static bool group_of(struct tr_lcore *lcore, struct tr_context *context, const uint8_t *body,
                     const struct tr_attr_set *attrs, struct resource *resource)
{
    struct tr_rewrite_counts counts = {0};
    uint8_t *scratch = lcore->scratch, *out;
    struct tr_outbox_group_bytes group = {0};
    const uint8_t *original;
    uint32_t bytes;

    resource->demoted_bytes = 0;
    if (context->group_made == attrs->version && !context->demotes &&
        tr_outbox_group_reachable(&lcore->outbox, context->group)) {
        resource->group = context->group;
        return true;
    }
    original = joined(body, context->resource, &scratch, &bytes);
    out = scratch;
    scratch += bytes;
    resource->demoted = scratch;
    group.resource = out;
    group.head.resource_bytes = (uint32_t)tr_rewrite_resource(&attrs->plan, original, bytes, out, scratch,
                                                              &resource->demoted_bytes, &counts);
    scratch += bytes;
    group.scope = joined(body, context->scope, &scratch, &group.head.scope_bytes);
    group.resource_schema_url = body + context->resource_schema_url.offset;
    group.head.resource_schema_url_bytes = context->resource_schema_url.bytes;
    group.scope_schema_url = body + context->scope_schema_url.offset;
    group.head.scope_schema_url_bytes = context->scope_schema_url.bytes;
    group.head.hash = context->group_hash;
    resource->group = tr_outbox_group(&lcore->outbox, &group);
    if (resource->group == UINT64_MAX)
        return false;
    if (context->group_made != attrs->version) { // counted once, however often it is put together
        tr_count(&lcore->counters.attributes_dropped, counts.dropped);
        tr_count(&lcore->counters.attributes_demoted, counts.demoted);
    }
    context->group = resource->group;
    context->group_made = attrs->version;
    context->demotes = resource->demoted_bytes > 0;
    return true;
}

#define SPAN_CALLED_BYTES 448u

// A span that is to be emitted has lain in memory for decision_wait: call for its lines, and go on with one that was
// called for a little earlier.
static void span_call(struct tr_lcore *lcore, const struct tr_emit_span *emit)
{
    const uint8_t *span = tr_ringfile_at(&lcore->journal.ring, emit->position);

    // From its length on, which stands before it, as far as most spans go: how long it is nobody knows yet.
    for (uint32_t at = 0; at < SPAN_CALLED_BYTES; at += TR_CACHE_LINE)
        __builtin_prefetch(span + at - 1);
    __builtin_prefetch(tr_journal_context(&lcore->journal, emit->context));
}

// An attribute of a span, true.
static const uint8_t reopened[] = "\x4a\x17\x0a\x11tailrace.reopened\x12\x02\x10\x01";

// What is added to a span of that decision, as the config says under which it was made: of a trace all spans carry the
// same, whatever the config is when the last ones come. Of a config too long ago nothing is known, and nothing added.
// Returns false: nothing.
static bool added_of(struct tr_lcore *lcore, const struct tr_emit_why *why, struct tr_added *added)
{
    const struct tr_epoch *newest = lcore->walker.epoch;
    const struct tr_policy_names *names = NULL;

    added->fields_count = added->fields_bytes = 0;
    added->adjusted = TR_ADJUSTED_OFF;
    if (tr_unlikely(why->marks & TR_MARK_REOPENED))
        tr_added_field_add(added, reopened, sizeof(reopened) - 1);
    if (tr_unlikely(why->epoch != newest->number || newest->policies->policy_attribute || why->marks & TR_MARK_COUNTED))
        names = tr_mesh_policy_names(lcore->mesh, newest->number, why->epoch);
    if (names && why->marks & TR_MARK_COUNTED) {
        added->adjusted = names->adjusted;
        added->threshold = why->threshold;
        added->independent = why->marks & TR_MARK_INDEPENDENT;
    }
    if (names && names->policy_attribute) {
        uint32_t bytes;
        const uint8_t *field = tr_policy_names_field(names, why->policy, &bytes);

        if (field)
            tr_added_field_add(added, field, bytes);
    }
    return added->fields_count || added->adjusted != TR_ADJUSTED_OFF;
}

static size_t span_add(struct tr_lcore *lcore, const struct tr_added *added, uint8_t *span, size_t bytes)
{
    struct tr_added_counts counts = {0};

    bytes = tr_added_put(added, span, bytes, &counts);
    tr_count(&lcore->counters.attributes_added, counts.attributes);
    tr_count(&lcore->counters.trace_state_malformed, counts.malformed);
    tr_count(&lcore->counters.trace_state_inconsistent, counts.inconsistent);
    return bytes;
}

static void exemplar(struct tr_lcore *lcore, const struct tr_context *context, const uint8_t *body, const uint8_t *span,
                     uint32_t bytes)
{
    const struct tr_red_set *red = lcore->walker.epoch->red;

    if (tr_unlikely(red != NULL))
        tr_red_exemplar(red->tables[lcore->options.lcore], &lcore->red, context, body, span, bytes, lcore->now,
                        lcore->now + tr_load_relaxed(&lcore->wall_offset_ns));
}

// Returns its bytes in the journal, 0: it is not there any more.
static uint32_t span_emit(struct tr_lcore *lcore, const struct tr_emit_span *emit, const struct tr_emit_why *why)
{
    const struct tr_attr_set *attrs = lcore->walker.epoch->attrs;
    uint64_t position = tr_ref_extend(emit->position, lcore->journal.ring.head);
    struct tr_rewrite_counts counts = {0};
    struct tr_context *context;
    struct resource resource;
    struct tr_added added;
    bool adding = added_of(lcore, why, &added);
    const uint8_t *body, *span;
    uint32_t span_bytes;
    uint8_t *to;
    size_t bytes;

    if (position < lcore->journal.ring.tail) {
        tr_count(why->marks & TR_MARK_REOPENED ? &lcore->counters.emit_gone : &lcore->counters.emit_stale, 1);
        return 0;
    }
    context = tr_journal_context(&lcore->journal, emit->context);
    body = tr_ringfile_at(&lcore->journal.ring, context->body);
    span = body + (position - context->body);
    span_bytes = tr_pb_length_before(span);
    if (!group_of(lcore, context, body, attrs, &resource))
        goto too_large;
    to = tr_outbox_reserve(&lcore->outbox, (uint64_t)span_bytes + resource.demoted_bytes + TR_REWRITE_GROWTH +
                                               (adding ? added.fields_bytes + TR_ADDED_GROWTH : 0));
    if (!to)
        goto too_large;
    bytes = tr_rewrite_span(&attrs->plan, span, span_bytes, resource.demoted, resource.demoted_bytes, to, &counts);
    if (tr_unlikely(adding))
        bytes = span_add(lcore, &added, to, bytes);
    tr_outbox_append_span(&lcore->outbox, (uint32_t)bytes, resource.group, why->policy);
    tr_source_kept(&lcore->sources, context->source);
    tr_count(&lcore->counters.emitted, 1);
    tr_count(&lcore->counters.attributes_dropped, counts.dropped);
    tr_count(&lcore->counters.attributes_demoted, counts.demoted);
    exemplar(lcore, context, body, span, span_bytes);
    return span_bytes;
too_large:
    tr_count(&lcore->counters.emit_too_large, 1);
    return span_bytes;
}

static uint32_t ahead_emit(struct tr_lcore *lcore)
{
    struct tr_emit_ahead *ahead = &lcore->ahead;
    uint32_t at = ahead->begin++ % TR_EMITS_AHEAD;

    return span_emit(lcore, &ahead->spans[at], &ahead->why[at]);
}

// Emit what was called for. Before anything that says "done": an acknowledgement, the end of a turn.
void tr_lcore_emit_flush(struct tr_lcore *lcore)
{
    while (lcore->ahead.begin < lcore->ahead.end)
        ahead_emit(lcore);
}

// Handle a class 2 message. Returns the bytes of the spans that were emitted meanwhile, which it has called for or one
// before it.
size_t tr_lcore_class2(struct tr_lcore *lcore, uint32_t owner, const union tr_message *message)
{
    struct tr_emit_ahead *ahead = &lcore->ahead;
    size_t bytes = 0;

    if (message->any.kind == TR_MESSAGE_ACK) {
        tr_lcore_emit_flush(lcore);
        tr_tail_acknowledged(lcore, owner,
                             tr_position_extend(message->emit.position, lcore->journal.ring.head));
        return 0;
    }
    for (uint32_t i = 0; i < message->emit.spans; i++) {
        uint32_t at;

        if (ahead->end - ahead->begin == TR_EMITS_AHEAD)
            bytes += ahead_emit(lcore);
        at = ahead->end++ % TR_EMITS_AHEAD;
        ahead->spans[at] = message->emit.span[i];
        ahead->why[at] = (struct tr_emit_why){.epoch = message->emit.epoch_whole,
                                              .policy = message->emit.policy,
                                              .marks = message->emit.marks,
                                              .threshold = message->emit.threshold};
        span_call(lcore, &ahead->spans[at]);
    }
    return bytes;
}

// Returns messages handled.
size_t tr_lcore_emit(struct tr_lcore *lcore, size_t budget)
{
    uint32_t self = lcore->options.lcore;
    union tr_message messages[8];
    size_t work = 0;

    for (uint32_t owner = 0; owner < lcore->mesh->lcores; owner++) {
        size_t share = budget / lcore->mesh->lcores, done = 0;
        uint32_t got;

        if (owner == self)
            continue;
        do {
            got = tr_mesh_receive(lcore->mesh, TR_CLASS_2, owner, self, messages, TR_NELEMS(messages));
            for (uint32_t i = 0; i < got; i++)
                done += tr_lcore_class2(lcore, owner, &messages[i]) + 64;
            work += got;
        } while (got == TR_NELEMS(messages) && done < share);
    }
    tr_lcore_emit_flush(lcore);
    return work;
}
