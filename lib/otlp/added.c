// SPDX-License-Identifier: Apache-2.0
#include "otlp/added.h"

#include <math.h>

#include "base/pb.h"
#include "otlp/value.h"

#define COUNT_KEY "tailrace.adjusted_count"
#define PREFIX    "tailrace."

// A longer one is left as it is. W3C asks for 512 characters to be carried on; lists are mostly below that.
#define WRITTEN_MAX 4096

enum { SPAN_TRACE_ID = 1, SPAN_TRACE_STATE = 3, SPAN_ATTRIBUTES = 9 };

// What is known of a span before anything is added.
struct seen {
    const uint8_t *trace_id;       // NULL: none of 16 bytes
    struct tr_pb_field trace_state; // the last one; begin is NULL: none
    uint8_t *trace_state_end;
    uint32_t trace_states;         // how often the field comes
    bool ours;                     // an attribute that is to be replaced is there
    double count;                  // that a tailrace before this one wrote; 0: none
};

uint32_t tr_added_string(const char *key, const char *value, uint8_t *out)
{
    size_t key_bytes = strlen(key), value_bytes = strlen(value);
    size_t any = 1 + tr_pb_varint_bytes(value_bytes) + value_bytes;
    size_t pair = 1 + tr_pb_varint_bytes(key_bytes) + key_bytes + 1 + tr_pb_varint_bytes(any) + any;
    uint8_t *p = tr_pb_put_tag(out, SPAN_ATTRIBUTES, TR_PB_BYTES);

    p = tr_pb_put_varint(p, pair);
    p = tr_pb_put_bytes(p, 1, key, key_bytes);
    p = tr_pb_put_tag(p, 2, TR_PB_BYTES);
    p = tr_pb_put_varint(p, any);
    p = tr_pb_put_bytes(p, 1, value, value_bytes);
    return (uint32_t)(p - out);
}

static bool count_wanted(const struct tr_added *added)
{
    return added->adjusted == TR_ADJUSTED_ATTRIBUTE;
}

static bool is_count(const uint8_t *key, uint32_t bytes)
{
    return bytes == sizeof(COUNT_KEY) - 1 && memcmp(key, COUNT_KEY, bytes) == 0;
}

// Is this attribute one that will be written anew?
static bool is_ours(const struct tr_added *added, const struct tr_pb_field *attribute, const uint8_t **key,
                    uint32_t *key_bytes)
{
    if (!tr_key_value_key(attribute->bytes, (uint32_t)attribute->value, key, key_bytes) ||
        *key_bytes < sizeof(PREFIX) || memcmp(*key, PREFIX, sizeof(PREFIX) - 1) != 0)
        return false;
    for (uint32_t i = 0; i < added->fields_count; i++) {
        const struct tr_added_field *field = &added->fields[i];
        struct tr_pb_field of;
        const uint8_t *own;
        uint32_t own_bytes;

        if (tr_pb_field(field->field, field->field + field->bytes, &of) &&
            tr_key_value_key(of.bytes, (uint32_t)of.value, &own, &own_bytes) && own_bytes == *key_bytes &&
            memcmp(own, *key, own_bytes) == 0)
            return true;
    }
    return count_wanted(added) && is_count(*key, *key_bytes);
}

static void attribute_see(const struct tr_added *added, const struct tr_pb_field *attribute, struct seen *seen)
{
    struct tr_key_value pair;
    const uint8_t *key;
    uint32_t key_bytes;

    if (!is_ours(added, attribute, &key, &key_bytes))
        return;
    seen->ours = true;
    if (!is_count(key, key_bytes) || !tr_key_value_read(attribute->bytes, (uint32_t)attribute->value, &pair))
        return;
    if (pair.value.type == TR_VALUE_DOUBLE && isfinite(pair.value.number))
        seen->count = pair.value.number;
    else if (pair.value.type == TR_VALUE_INT)
        seen->count = (double)pair.value.integer;
}

// Returns false: malformed.
static bool look(const struct tr_added *added, uint8_t *span, size_t bytes, struct seen *seen)
{
    const uint8_t *p = span, *end = span + bytes;

    *seen = (struct seen){0};
    while (p < end) {
        struct tr_pb_field field;

        p = tr_pb_field(p, end, &field);
        if (!p)
            return false;
        if (field.wire != TR_PB_BYTES)
            continue;
        if (field.number == SPAN_TRACE_ID && field.value == 16) {
            seen->trace_id = field.bytes;
        } else if (field.number == SPAN_TRACE_STATE) {
            seen->trace_state = field;
            seen->trace_states++;
            seen->trace_state_end = span + (p - span);
        } else if (field.number == SPAN_ATTRIBUTES) {
            attribute_see(added, &field, seen);
        }
    }
    return true;
}

// Take the attributes out that will be written anew. Returns what is left.
static size_t ours_remove(const struct tr_added *added, uint8_t *span, size_t bytes)
{
    uint8_t *out = span, *run = span, *at = span, *end = span + bytes;

    while (at < end) {
        struct tr_pb_field field;
        const uint8_t *key;
        uint32_t key_bytes;
        uint8_t *begin = at;

        at += tr_pb_field(at, end, &field) - at;
        if (field.number != SPAN_ATTRIBUTES || field.wire != TR_PB_BYTES ||
            !is_ours(added, &field, &key, &key_bytes))
            continue;
        memmove(out, run, (size_t)(begin - run));
        out += begin - run;
        run = at;
    }
    memmove(out, run, (size_t)(end - run));
    return (size_t)(out + (end - run) - span);
}

// What samplers before this one say: a threshold, and the randomness that it is about.
struct before {
    uint64_t th; // 0: nothing
    uint64_t randomness;
    bool malformed, inconsistent;
};

static struct before before_read(const struct seen *seen)
{
    struct before before = {.randomness = seen->trace_id ? tr_ot_randomness(seen->trace_id) : TR_OT_NEVER - 1};
    struct tr_ot ot = {0};

    if (seen->trace_state.begin)
        before.malformed = tr_ot_read(seen->trace_state.bytes, (uint32_t)seen->trace_state.value, &ot) == TR_OT_MALFORMED;
    if (ot.has_rv)
        before.randomness = ot.rv;
    if (ot.has_th) {
        before.inconsistent = before.randomness < ot.th;
        before.th = before.inconsistent ? 0 : ot.th;
    }
    return before;
}

static double count_of(uint64_t threshold)
{
    return 0x1p56 / (double)(TR_OT_NEVER - threshold);
}

static uint8_t *count_put(const struct tr_added *added, const struct seen *seen, const struct before *before, uint8_t *p)
{
    double earlier = seen->count >= 1 ? seen->count : count_of(before->th), count = count_of(added->threshold);

    // Chances that hang on one randomness do not multiply: the rarer one is both.
    count = added->independent ? count * earlier : fmax(count, earlier);
    if (count < 1e6)
        count = rint(count * 1e9) / 1e9; // so that a hundredth is 100, not 100.00000000000004
    *p++ = SPAN_ATTRIBUTES << 3 | TR_PB_BYTES;
    *p++ = 2 + sizeof(COUNT_KEY) - 1 + 2 + 9;
    p = tr_pb_put_bytes(p, 1, COUNT_KEY, sizeof(COUNT_KEY) - 1);
    *p++ = 2 << 3 | TR_PB_BYTES;
    *p++ = 9;
    *p++ = 4 << 3 | TR_PB_FIXED64;
    memcpy(p, &count, 8);
    return p + 8;
}

// Put the threshold into the trace_state where it lies; the end of the span moves. Returns the span's bytes.
static size_t trace_state_put(const struct tr_added *added, const struct seen *seen, const struct before *before,
                              uint8_t *span, size_t bytes, struct tr_added_counts *counts)
{
    uint64_t th = TR_MAX(added->threshold, before->th);
    uint8_t state[WRITTEN_MAX + TR_OT_GROWTH], field[WRITTEN_MAX + TR_OT_GROWTH + 8];
    uint8_t *at = seen->trace_state.begin ? span + (seen->trace_state.begin - span) : span + bytes;
    uint8_t *behind = seen->trace_state.begin ? seen->trace_state_end : at, *p = field;
    uint32_t old_bytes = seen->trace_state.begin ? (uint32_t)seen->trace_state.value : 0;
    int written = -E2BIG;

    // What does not pass was not sampled the way it says, or drew another number than its trace: not known.
    if (before->inconsistent || before->randomness < th)
        th = TR_OT_NEVER;
    if (old_bytes <= WRITTEN_MAX)
        written = tr_ot_write(seen->trace_state.bytes, old_bytes, th, state);
    if (written < 0) {
        counts->malformed += !before->malformed;
        return bytes;
    }
    if (written || seen->trace_states > 1) // without this one an earlier one would hold
        p = tr_pb_put_bytes(field, SPAN_TRACE_STATE, state, (size_t)written);
    memmove(at + (p - field), behind, (size_t)(span + bytes - behind));
    memcpy(at, field, (size_t)(p - field));
    return bytes + (size_t)(p - field) - (size_t)(behind - at);
}

size_t tr_added_put(const struct tr_added *added, uint8_t *span, size_t bytes, struct tr_added_counts *counts)
{
    struct before before = {0};
    struct seen seen;
    uint8_t *p;

    if (!look(added, span, bytes, &seen))
        return bytes;
    if (seen.ours) {
        double count = seen.count;

        bytes = ours_remove(added, span, bytes);
        look(added, span, bytes, &seen);
        seen.count = count;
    }
    if (added->adjusted != TR_ADJUSTED_OFF) {
        before = before_read(&seen);
        counts->malformed += before.malformed;
        counts->inconsistent += before.inconsistent;
    }
    if (added->adjusted == TR_ADJUSTED_TRACESTATE && !before.malformed)
        bytes = trace_state_put(added, &seen, &before, span, bytes, counts);
    p = span + bytes;
    for (uint32_t i = 0; i < added->fields_count; i++) {
        memcpy(p, added->fields[i].field, added->fields[i].bytes);
        p += added->fields[i].bytes;
    }
    if (count_wanted(added))
        p = count_put(added, &seen, &before, p);
    counts->attributes += added->fields_count + count_wanted(added);
    return (size_t)(p - span);
}
