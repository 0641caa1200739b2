// SPDX-License-Identifier: Apache-2.0
// The fields that paths name: of a span, its resource, its scope, its event. Those that the walk has met are at hand;
// the others are looked up in the message.
#include "base/pb.h"
#include "otlp/trace_state.h"
#include "policy/ottl_program.h"

// A scalar or a string of a message, the last one; zero or empty where there is none.
static void field_find(const uint8_t *p, const uint8_t *end, uint32_t number, struct tr_pb_field *found)
{
    struct tr_pb_field field;

    while (p && p < end) {
        p = tr_pb_field(p, end, &field);
        if (p && field.number == number)
            *found = field;
    }
}

static struct tr_ottl_value string_find(const uint8_t *p, const uint8_t *end, uint32_t number)
{
    struct tr_pb_field found = {0};

    field_find(p, end, number, &found);
    return tr_ottl_string(found.bytes, found.bytes ? (uint32_t)found.value : 0);
}

static struct tr_ottl_value uint32_find(const uint8_t *p, const uint8_t *end, uint32_t number)
{
    struct tr_pb_field found = {0};

    field_find(p, end, number, &found);
    return tr_ottl_int((uint32_t)found.value);
}

// A status may come in pieces, of which the last message holds.
static struct tr_ottl_value status_message(const struct tr_walk_span *span)
{
    struct tr_ottl_value message = tr_ottl_string(NULL, 0);
    struct tr_pb_field field;

    for (const uint8_t *p = span->bytes; p && p < span->end;) {
        struct tr_pb_field found = {0};

        p = tr_pb_field(p, span->end, &field);
        if (!p || field.number != 15 || field.wire != TR_PB_BYTES)
            continue;
        field_find(field.bytes, field.bytes + field.value, 2, &found);
        if (found.bytes)
            message = tr_ottl_string(found.bytes, (uint32_t)found.value);
    }
    return message;
}

static struct tr_ottl_value kind_string(int32_t kind, bool deprecated)
{
    static const char *const names[2][6] = {
        {"Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"},
        {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER",
         "SPAN_KIND_CONSUMER"}};
    const char *name = kind >= 0 && kind < 6 ? names[deprecated][kind] : "";

    return tr_ottl_string(name, (uint32_t)strlen(name));
}

static struct tr_ottl_value id(enum tr_ottl_type type, const uint8_t *bytes, uint32_t length)
{
    static const uint8_t zero[16];

    return (struct tr_ottl_value){.type = (uint8_t)type, .bytes = bytes ? bytes : zero, .length = length};
}

static struct tr_ottl_value id_string(struct tr_ottl_run *run, const uint8_t *bytes, uint32_t length)
{
    struct tr_ottl_value of = id(TR_OTTL_BYTES, bytes, length), out;

    // Ids are short, and made before all else: there is room unless dozens of them are.
    return tr_ottl_to_string(run, &of, &out) ? out : tr_ottl_string(NULL, 0);
}

static struct tr_ottl_value moment(uint64_t ns)
{
    return (struct tr_ottl_value){.type = TR_OTTL_TIME, .time = (int64_t)ns};
}

// As tr_ottl_math() has it: the difference of two moments ends where a duration does.
static struct tr_ottl_value elapsed(const struct tr_walk_span *span)
{
    int64_t start = (int64_t)span->start_ns, end = (int64_t)span->end_ns, ns;

    if (__builtin_sub_overflow(end, start, &ns))
        ns = end > start ? INT64_MAX : INT64_MIN;
    return (struct tr_ottl_value){.type = TR_OTTL_DURATION, .integer = ns};
}

static struct tr_ottl_value many(enum tr_ottl_type type, const uint8_t *p, const uint8_t *end, uint8_t field)
{
    return (struct tr_ottl_value){.type = (uint8_t)type, .field = field, .bytes = p, .length = (uint32_t)(end - p)};
}

static struct tr_ottl_value span_read(struct tr_ottl_run *run, enum tr_ottl_field field)
{
    const struct tr_walk_span *span = run->span;

    switch (field) {
    case TR_OTTL_NAME:
        return tr_ottl_string(span->name, span->name_bytes);
    case TR_OTTL_KIND:
        return tr_ottl_int(span->kind);
    case TR_OTTL_KIND_STRING:
    case TR_OTTL_KIND_NAME:
        return kind_string(span->kind, field == TR_OTTL_KIND_NAME);
    case TR_OTTL_STATUS_CODE:
        return tr_ottl_int(span->status_code);
    case TR_OTTL_STATUS_MESSAGE:
        return status_message(span);
    case TR_OTTL_START_NS:
        return tr_ottl_int((int64_t)span->start_ns);
    case TR_OTTL_END_NS:
        return tr_ottl_int((int64_t)span->end_ns);
    case TR_OTTL_START:
        return moment(span->start_ns);
    case TR_OTTL_END_TIME:
        return moment(span->end_ns);
    case TR_OTTL_ELAPSED_NS: // integers wrap around
        return tr_ottl_int((int64_t)(span->end_ns - span->start_ns));
    case TR_OTTL_ELAPSED:
        return elapsed(span);
    case TR_OTTL_TRACE_ID_WHOLE:
        return id(TR_OTTL_TRACE_ID, span->trace_id, 16);
    case TR_OTTL_TRACE_ID_STRING:
        return id_string(run, span->trace_id, 16);
    case TR_OTTL_SPAN_ID_WHOLE:
        return id(TR_OTTL_SPAN_ID, span->span_id, 8);
    case TR_OTTL_SPAN_ID_STRING:
        return id_string(run, span->span_id, 8);
    case TR_OTTL_PARENT:
        return id(TR_OTTL_SPAN_ID, span->parent_id, 8);
    case TR_OTTL_PARENT_STRING:
        return id_string(run, span->parent_id, 8);
    case TR_OTTL_TRACE_STATE:
        return tr_ottl_string(span->trace_state, span->trace_state_bytes);
    case TR_OTTL_FLAGS:
        return tr_ottl_int(span->flags);
    case TR_OTTL_ATTRIBUTES:
        return many(TR_OTTL_MAP, span->bytes, span->end, 9);
    case TR_OTTL_EVENTS:
        return many(TR_OTTL_MESSAGES, span->bytes, span->end, 11);
    case TR_OTTL_LINKS:
        return many(TR_OTTL_MESSAGES, span->bytes, span->end, 13);
    case TR_OTTL_DROPPED_ATTRIBUTES:
        return uint32_find(span->bytes, span->end, 10);
    case TR_OTTL_DROPPED_EVENTS:
        return uint32_find(span->bytes, span->end, 12);
    case TR_OTTL_DROPPED_LINKS:
        return uint32_find(span->bytes, span->end, 14);
    default:
        return (struct tr_ottl_value){.type = TR_OTTL_STATUS};
    }
}

static struct tr_pb_field range_find(const struct tr_walk_notes *notes, const struct tr_range *ranges, unsigned count,
                                     uint32_t number)
{
    struct tr_pb_field found = {0};

    for (unsigned i = 0; i < count; i++)
        field_find(notes->body + ranges[i].offset, notes->body + ranges[i].offset + ranges[i].bytes, number, &found);
    return found;
}

static struct tr_ottl_value context_read(const struct tr_walk_notes *notes, enum tr_ottl_field field)
{
    const struct tr_context *context = notes->context;
    struct tr_pb_field found;

    switch (field) {
    case TR_OTTL_RESOURCE_DROPPED:
        return tr_ottl_int((uint32_t)range_find(notes, context->resource, TR_NELEMS(context->resource), 2).value);
    case TR_OTTL_SCOPE_DROPPED:
        return tr_ottl_int((uint32_t)range_find(notes, context->scope, TR_NELEMS(context->scope), 4).value);
    case TR_OTTL_RESOURCE_SCHEMA_URL:
        return tr_ottl_string(notes->body + context->resource_schema_url.offset, context->resource_schema_url.bytes);
    case TR_OTTL_SCOPE_SCHEMA_URL:
        return tr_ottl_string(notes->body + context->scope_schema_url.offset, context->scope_schema_url.bytes);
    default:
        found = range_find(notes, context->scope, TR_NELEMS(context->scope), field == TR_OTTL_SCOPE_NAME ? 1 : 2);
        return tr_ottl_string(found.bytes, found.bytes ? (uint32_t)found.value : 0);
    }
}

static struct tr_ottl_value event_read(const struct tr_ottl_run *run, enum tr_ottl_field field)
{
    struct tr_pb_field found = {0};

    switch (field) {
    case TR_OTTL_EVENT_NAME:
        return string_find(run->event, run->event_end, 2);
    case TR_OTTL_EVENT_TIME_NS:
    case TR_OTTL_EVENT_TIME:
        field_find(run->event, run->event_end, 1, &found);
        return field == TR_OTTL_EVENT_TIME ? moment(found.value) : tr_ottl_int((int64_t)found.value);
    case TR_OTTL_EVENT_ATTRIBUTES:
        return many(TR_OTTL_MAP, run->event, run->event_end, 3);
    default:
        return uint32_find(run->event, run->event_end, 4);
    }
}

struct tr_ottl_value tr_ottl_field_read(struct tr_ottl_run *run, enum tr_ottl_field field)
{
    if (field < TR_OTTL_SPAN_FIELDS)
        return span_read(run, field);
    return field < TR_OTTL_CONTEXT_FIELDS ? context_read(run->notes, field) : event_read(run, field);
}

struct tr_ottl_value tr_ottl_trace_state_read(const struct tr_walk_span *span, const struct tr_ottl_value *name)
{
    const struct tr_ottl_value whole = tr_ottl_string(span->trace_state, span->trace_state_bytes);
    const uint8_t *text = whole.bytes, *end = text + whole.length, *value, *equals;
    uint32_t bytes = tr_trace_state_find(text, whole.length, (const char *)name->bytes, name->length, &value);

    if (bytes)
        return tr_ottl_string(value, bytes);
    // Is the list valid? Then its first member is found.
    while (text < end && (*text == ',' || *text == ' ' || *text == '\t'))
        text++;
    if (text == end)
        return tr_ottl_string(NULL, 0);
    equals = memchr(text, '=', (size_t)(end - text));
    if (!equals || !tr_trace_state_find(text, (uint32_t)(end - text), (const char *)text, (uint32_t)(equals - text), &value))
        return (struct tr_ottl_value){.type = TR_OTTL_NIL};
    return tr_ottl_string(NULL, 0);
}
