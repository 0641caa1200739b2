// SPDX-License-Identifier: Apache-2.0
// Two passes: the first copies what stays and adds up what is demoted; when there is some, the second finds
// it again and writes the event. So nothing has to be remembered between them, and the output is at most as
// much longer than the input as the event's own frame.
#include "otlp/rewrite.h"

#include "base/pb.h"
#include "otlp/keys.h"
#include "otlp/value.h"

#define EVENT_NAME "tailrace.demoted"

// Field numbers.
enum { SPAN_START = 7, SPAN_ATTRIBUTES = 9, SPAN_EVENTS = 11 };
enum { RESOURCE_ATTRIBUTES = 1 };
enum { EVENT_TIME = 1, EVENT_NAME_FIELD = 2, EVENT_ATTRIBUTES = 3 };

static enum tr_attr_action action_of(const struct tr_rewrite_plan *plan, const struct tr_pb_field *field)
{
    const uint8_t *key;
    uint32_t bytes;
    int index;

    if (!tr_key_value_key(field->bytes, (uint32_t)field->value, &key, &bytes))
        return TR_ATTR_KEEP;
    index = tr_walk_keys_find(&plan->keys, key, bytes);
    return index < 0 ? TR_ATTR_KEEP : (enum tr_attr_action)plan->actions[index];
}

// An attribute as a field of the event.
static size_t demoted_bytes(const struct tr_pb_field *field)
{
    return 1 + tr_pb_varint_bytes(field->value) + field->value;
}

static uint8_t *put(uint8_t *out, const uint8_t *from, const uint8_t *to)
{
    if (to > from)
        memcpy(out, from, (size_t)(to - from));
    return out + (to - from);
}

// What the first pass found.
struct found {
    uint8_t *out; // behind what was copied
    uint64_t start_ns;
    uint64_t demoted_bytes; // as fields of the event
    uint64_t dropped;
    uint64_t demoted;
};

// Copy the message without the attributes (its field `number`) that the plan takes away.
//
// Returns false: malformed.
static bool copy_rest(const struct tr_rewrite_plan *plan, const uint8_t *p, const uint8_t *end,
                      uint32_t number, bool start_wanted, uint8_t *out, struct found *found)
{
    const uint8_t *run = p; // begin of what is to be copied

    *found = (struct found){0};
    if (!plan->keys.count && !start_wanted) {
        found->out = put(out, p, end);
        return true;
    }
    while (p < end) {
        struct tr_pb_field field;
        enum tr_attr_action action;

        p = tr_pb_field(p, end, &field);
        if (!p)
            return false;
        if (field.number == SPAN_START && field.wire == TR_PB_FIXED64)
            found->start_ns = field.value;
        if (field.number != number || field.wire != TR_PB_BYTES)
            continue;
        action = action_of(plan, &field);
        if (action == TR_ATTR_KEEP)
            continue;
        if (action == TR_ATTR_DEMOTE) {
            found->demoted++;
            found->demoted_bytes += demoted_bytes(&field);
        } else {
            found->dropped++;
        }
        out = put(out, run, field.begin);
        run = p;
    }
    found->out = put(out, run, end);
    return true;
}

// The second pass: the demoted attributes, as fields of the event.
static uint8_t *put_demoted(const struct tr_rewrite_plan *plan, const uint8_t *p, const uint8_t *end,
                            uint32_t number, uint8_t *out)
{
    while (p < end) {
        struct tr_pb_field field;

        p = tr_pb_field(p, end, &field);
        if (field.number == number && field.wire == TR_PB_BYTES && action_of(plan, &field) == TR_ATTR_DEMOTE)
            out = tr_pb_put_bytes(out, EVENT_ATTRIBUTES, field.bytes, field.value);
    }
    return out;
}

size_t tr_rewrite_span(const struct tr_rewrite_plan *plan, const uint8_t *span, uint32_t bytes,
                       const uint8_t *extra, uint32_t extra_bytes, uint8_t *out,
                       struct tr_rewrite_counts *counts)
{
    const uint8_t *end = span + bytes;
    uint64_t event_bytes;
    struct found found;
    uint8_t *p;

    if (!copy_rest(plan, span, end, SPAN_ATTRIBUTES, extra_bytes != 0, out, &found)) {
        put(out, span, end); // not what the walk has passed: leave it alone
        return bytes;
    }
    p = found.out;
    counts->dropped += found.dropped;
    counts->demoted += found.demoted;
    event_bytes = found.demoted_bytes + extra_bytes;
    if (event_bytes) {
        event_bytes += 1 + 1 + sizeof(EVENT_NAME) - 1 + (found.start_ns ? 1 + 8 : 0);
        p = tr_pb_put_tag(p, SPAN_EVENTS, TR_PB_BYTES);
        p = tr_pb_put_varint(p, event_bytes);
        if (found.start_ns)
            p = tr_pb_put_fixed64(p, EVENT_TIME, found.start_ns);
        p = tr_pb_put_bytes(p, EVENT_NAME_FIELD, EVENT_NAME, sizeof(EVENT_NAME) - 1);
        if (found.demoted)
            p = put_demoted(plan, span, end, SPAN_ATTRIBUTES, p);
        if (extra_bytes)
            p = put(p, extra, extra + extra_bytes);
    }
    return (size_t)(p - out);
}

size_t tr_rewrite_resource(const struct tr_rewrite_plan *plan, const uint8_t *resource, uint32_t bytes,
                           uint8_t *out, uint8_t *demoted, uint32_t *demoted_bytes_out,
                           struct tr_rewrite_counts *counts)
{
    const uint8_t *end = resource + bytes;
    struct found found;

    *demoted_bytes_out = 0;
    if (!copy_rest(plan, resource, end, RESOURCE_ATTRIBUTES, false, out, &found)) {
        put(out, resource, end);
        return bytes;
    }
    counts->dropped += found.dropped;
    counts->demoted += found.demoted;
    if (found.demoted)
        *demoted_bytes_out =
            (uint32_t)(put_demoted(plan, resource, end, RESOURCE_ATTRIBUTES, demoted) - demoted);
    return (size_t)(found.out - out);
}
