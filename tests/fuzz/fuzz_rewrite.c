// SPDX-License-Identifier: Apache-2.0
// The rewriter against protobuf-c: the same is done to the parsed message, and both must say the same,
// unknown fields included. Output buffers have exactly the size that the header asks for.
#include "oracle.h"

#include "otlp/added.h"
#include "otlp/rewrite.h"

static struct tr_walk_key key[] = {
    {.name = "d", .bytes = 1}, {.name = "m", .bytes = 1}, {.name = "", .bytes = 0}};
static const uint8_t actions[] = {TR_ATTR_DROP, TR_ATTR_DEMOTE, TR_ATTR_DEMOTE};
static struct tr_rewrite_plan plan = {.keys = {.keys = key, .count = 3}, .actions = actions};
static struct tr_walk_plan nothing_watched = {.words = 1};

// An attribute {"e": {}} as a field of an event.
static const uint8_t extra[] = {0x1a, 5, 0x0a, 1, 'e', 0x12, 0};

static enum tr_attr_action action_of(const Otlp__KeyValue *attribute)
{
    for (size_t i = 0; i < TR_NELEMS(key); i++)
        if (oracle_key_is(attribute, key[i].name))
            return (enum tr_attr_action)actions[i];
    return TR_ATTR_KEEP;
}

// Do to the parsed span what the plan says, its event included. `events` and `attributes` have room.
static void span_change(Otlp__Span *span, Otlp__Span__Event *event, Otlp__Span__Event **events,
                        Otlp__KeyValue **attributes)
{
    static Otlp__KeyValue extra_attribute;
    static Otlp__AnyValue extra_value, *extra_values[] = {&extra_value};
    size_t kept = 0;

    for (size_t i = 0; i < span->n_attributes; i++) {
        Otlp__KeyValue *attribute = span->attributes[i];
        enum tr_attr_action action = action_of(attribute);

        if (action == TR_ATTR_KEEP)
            span->attributes[kept++] = attribute;
        if (action == TR_ATTR_DEMOTE)
            attributes[event->n_attributes++] = attribute;
    }
    span->n_attributes = kept;
    otlp__key_value__init(&extra_attribute);
    otlp__any_value__init(&extra_value);
    extra_attribute.key = (ProtobufCBinaryData){1, (uint8_t *)"e"};
    extra_attribute.value = extra_values;
    extra_attribute.n_value = 1;
    attributes[event->n_attributes++] = &extra_attribute;
    event->attributes = attributes;
    event->time_unix_nano = span->start_time_unix_nano;
    event->name = (ProtobufCBinaryData){16, (uint8_t *)"tailrace.demoted"};
    for (size_t i = 0; i < span->n_events; i++)
        events[i] = span->events[i];
    events[span->n_events++] = event;
    span->events = events;
}

static void compare(const uint8_t *data, size_t bytes, const uint8_t *out, size_t out_bytes)
{
    Otlp__Span *before = otlp__span__unpack(NULL, bytes, data),
               *after = otlp__span__unpack(NULL, out_bytes, out);
    Otlp__Span changed;
    Otlp__Span__Event event;
    Otlp__Span__Event **events;
    Otlp__KeyValue **attributes, **all;

    tr_assert(before && after);
    changed = *before;
    events = calloc(changed.n_events + 1, sizeof(Otlp__Span__Event *));
    attributes = calloc(changed.n_attributes + 1, sizeof(Otlp__KeyValue *));
    all = calloc(changed.n_attributes + 1, sizeof(Otlp__KeyValue *));
    for (size_t i = 0; i < changed.n_attributes; i++)
        all[i] = changed.attributes[i];
    changed.attributes = all;
    otlp__span__event__init(&event);
    span_change(&changed, &event, events, attributes);
    tr_assert(oracle_same(&changed.base, &after->base));
    free(events);
    free(attributes);
    free(all);
    otlp__span__free_unpacked(before, NULL);
    otlp__span__free_unpacked(after, NULL);
}

static void span_run(const uint8_t *data, size_t bytes, bool valid)
{
    struct tr_rewrite_counts counts = {0}, again = {0};
    uint8_t *plain = malloc(bytes + TR_REWRITE_GROWTH),
            *with = malloc(bytes + sizeof(extra) + TR_REWRITE_GROWTH);
    size_t plain_bytes = tr_rewrite_span(&plan, data, (uint32_t)bytes, NULL, 0, plain, &counts);
    size_t with_bytes = tr_rewrite_span(&plan, data, (uint32_t)bytes, extra, sizeof(extra), with, &again);

    tr_assert(counts.dropped == again.dropped && counts.demoted == again.demoted);
    if (counts.dropped + counts.demoted == 0)
        tr_assert(plain_bytes == bytes && memcmp(plain, data, bytes) == 0);
    if (valid)
        compare(data, bytes, with, with_bytes);
    free(plain);
    free(with);
}

static void resource_run(const uint8_t *data, size_t bytes)
{
    struct tr_rewrite_counts counts = {0};
    uint8_t *out = malloc(bytes + 1), *demoted = malloc(bytes + 1);
    uint32_t demoted_bytes;
    size_t out_bytes =
        tr_rewrite_resource(&plan, data, (uint32_t)bytes, out, demoted, &demoted_bytes, &counts);

    tr_assert(out_bytes + demoted_bytes <= bytes);
    if (counts.dropped + counts.demoted == 0)
        tr_assert(out_bytes == bytes && memcmp(out, data, bytes) == 0);
    free(out);
    free(demoted);
}

// --- what is added

static bool is_ours(const Otlp__KeyValue *attribute, bool counting)
{
    return oracle_key_is(attribute, "tailrace.policy") || (counting && oracle_key_is(attribute, "tailrace.adjusted_count"));
}

// Both messages without the attributes of ours, which must be the last ones there, each once. The trace_state, which
// has rules of its own, is made equal.
static void added_compare(const uint8_t *data, size_t bytes, const uint8_t *out, size_t out_bytes, bool counting)
{
    Otlp__Span *before = otlp__span__unpack(NULL, bytes, data), *after = otlp__span__unpack(NULL, out_bytes, out);
    size_t kept = 0, ours = 1 + counting, all_before, all_after;
    Otlp__KeyValue **attributes;
    ProtobufCBinaryData state;
    Otlp__Span changed;

    tr_assert(before && after && after->n_attributes >= ours);
    all_before = before->n_attributes;
    all_after = after->n_attributes;
    attributes = calloc(all_before + 1, sizeof(*attributes));
    for (size_t i = 0; i < all_before; i++)
        if (!is_ours(before->attributes[i], counting))
            attributes[kept++] = before->attributes[i];
    for (size_t i = 0; i < all_after; i++)
        tr_assert(is_ours(after->attributes[i], counting) == (i + ours >= all_after));
    if (counting)
        tr_assert(oracle_value(after->attributes[all_after - 1])->double_value >= 1);
    changed = *before;
    changed.attributes = attributes;
    changed.n_attributes = kept;
    after->n_attributes -= ours;
    state = after->trace_state;
    after->trace_state = changed.trace_state;
    tr_assert(oracle_same(&changed.base, &after->base));
    after->trace_state = state;
    after->n_attributes = all_after;
    free(attributes);
    otlp__span__free_unpacked(before, NULL);
    otlp__span__free_unpacked(after, NULL);
}

// A threshold that is written is one that the span passes, and no lower than ours nor than what was there.
static void threshold_check(const uint8_t *data, size_t bytes, const uint8_t *out, size_t out_bytes, uint64_t threshold,
                            const struct tr_added_counts *counts)
{
    Otlp__Span *before = otlp__span__unpack(NULL, bytes, data), *after = otlp__span__unpack(NULL, out_bytes, out);
    struct tr_ot was, is;
    enum tr_ot_result result;

    tr_assert(before && after && before->trace_id.len == 16);
    result = tr_ot_read(before->trace_state.data, (uint32_t)before->trace_state.len, &was);
    if (counts->malformed) {
        tr_assert(before->trace_state.len == after->trace_state.len);
        tr_assert(!after->trace_state.len ||
                  memcmp(before->trace_state.data, after->trace_state.data, after->trace_state.len) == 0);
    } else {
        tr_assert(result != TR_OT_MALFORMED);
        tr_assert(tr_ot_read(after->trace_state.data, (uint32_t)after->trace_state.len, &is) != TR_OT_MALFORMED);
        tr_assert(is.has_rv == was.has_rv && is.rv == was.rv);
        tr_assert(!is.has_th || (is.has_rv ? is.rv : tr_ot_randomness(after->trace_id.data)) >= is.th);
        tr_assert(!is.has_th || is.th == TR_MAX(threshold, was.th));
    }
    otlp__span__free_unpacked(before, NULL);
    otlp__span__free_unpacked(after, NULL);
}

static void added_run(const uint8_t *data, size_t bytes, bool valid, enum tr_adjusted adjusted)
{
    struct tr_added added = {.adjusted = adjusted,
                             .threshold = bytes % 3 ? bytes % 5 << 53 : 0,
                             .independent = adjusted == TR_ADJUSTED_ATTRIBUTE && bytes % 2};
    struct tr_added_counts counts = {0};
    uint8_t field[64], *span;
    size_t out_bytes;

    tr_added_field_add(&added, field, tr_added_string("tailrace.policy", "errors", field));
    span = malloc(bytes + added.fields_bytes + TR_ADDED_GROWTH);
    if (bytes)
        memcpy(span, data, bytes);
    out_bytes = tr_added_put(&added, span, bytes, &counts);
    tr_assert(counts.attributes || (out_bytes == bytes && (!bytes || memcmp(span, data, bytes) == 0)));
    if (valid) {
        added_compare(data, bytes, span, out_bytes, adjusted == TR_ADJUSTED_ATTRIBUTE);
        if (adjusted == TR_ADJUSTED_TRACESTATE)
            threshold_check(data, bytes, span, out_bytes, added.threshold, &counts);
    }
    free(span);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct tr_bits bits = {0};
    struct tr_walk_span walked;
    enum tr_walk_result result = tr_walk_span(&nothing_watched, 0, data, (uint32_t)bytes, NULL, &walked, &bits);

    if (!plan.keys.slots)
        tr_assert(tr_walk_keys_build(&plan.keys) == 0);
    span_run(data, bytes, result != TR_WALK_MALFORMED);
    resource_run(data, bytes);
    for (int adjusted = TR_ADJUSTED_OFF; adjusted <= TR_ADJUSTED_TRACESTATE; adjusted++)
        added_run(data, bytes, result == TR_WALK_OK, (enum tr_adjusted)adjusted);
    return 0;
}
