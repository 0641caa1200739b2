// SPDX-License-Identifier: Apache-2.0
// The rewriter against protobuf-c: the same is done to the parsed message, and both must say the same,
// unknown fields included. Output buffers have exactly the size that the header asks for.
#include "oracle.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct tr_bits bits = {0};
    struct tr_walk_span walked;
    enum tr_walk_result result = tr_walk_span(&nothing_watched, 0, data, (uint32_t)bytes, NULL, &walked, &bits);

    if (!plan.keys.slots)
        tr_assert(tr_walk_keys_build(&plan.keys) == 0);
    span_run(data, bytes, result != TR_WALK_MALFORMED);
    resource_run(data, bytes);
    return 0;
}
