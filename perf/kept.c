// SPDX-License-Identifier: Apache-2.0
#include "kept.h"

#include "base/hash.h"
#include "base/pb.h"

#define SLOTS_FIRST  (1u << 16)
#define BASELINE     0.1 // share of the probabilistic policy
#define SLOW_MS      1000
#define SPANS_FIELD  2 // ResourceSpans.scope_spans, ScopeSpans.spans
#define SALT         "default-hash-seed"

void kept_init(struct kept *kept)
{
    memset(kept, 0, sizeof(*kept));
    kept->room = SLOTS_FIRST;
    kept->traces = calloc(kept->room, sizeof(*kept->traces));
    tr_assert(kept->traces);
}

void kept_fini(struct kept *kept)
{
    free(kept->traces);
}

// The trace's slot, or the free one where it belongs.
static struct kept_trace *slot_of(struct kept_trace *traces, uint64_t room, const uint64_t id[2])
{
    uint64_t at = tr_hash_trace_id((const uint8_t *)id) & (room - 1);

    while (traces[at].spans && (traces[at].id[0] != id[0] || traces[at].id[1] != id[1]))
        at = (at + 1) & (room - 1);
    return &traces[at];
}

static void grow(struct kept *kept)
{
    uint64_t room = 2 * kept->room;
    struct kept_trace *traces = calloc(room, sizeof(*traces));

    tr_assert(traces);
    for (uint64_t i = 0; i < kept->room; i++)
        if (kept->traces[i].spans)
            *slot_of(traces, room, kept->traces[i].id) = kept->traces[i];
    free(kept->traces);
    kept->traces = traces;
    kept->room = room;
}

static void trace_count(struct kept *kept, const uint8_t *bytes)
{
    uint64_t id[2];
    struct kept_trace *trace;

    memcpy(id, bytes, 16);
    trace = slot_of(kept->traces, kept->room, id);
    if (trace->spans++)
        return;
    memcpy(trace->id, id, 16);
    if (++kept->traces_count > kept->room / 4 * 3)
        grow(kept);
}

static bool is_text(const struct tr_pb_field *field, const char *text)
{
    return field->wire == TR_PB_BYTES && field->value == strlen(text) && memcmp(field->bytes, text, field->value) == 0;
}

// The first field of that number in a message; `wire` is a group if there is none.
static struct tr_pb_field first(const struct tr_pb_field *message, uint32_t number)
{
    struct tr_pb_field field;

    for (const uint8_t *p = message->bytes, *end = p + message->value; p && p < end;) {
        p = tr_pb_field(p, end, &field);
        if (p && field.number == number)
            return field;
    }
    return (struct tr_pb_field){.wire = TR_PB_GROUP};
}

static bool span_take(struct kept *kept, const struct tr_pb_field *span)
{
    const uint8_t *id = NULL;
    bool keys = false, event = false;
    struct tr_pb_field field, name;

    for (const uint8_t *p = span->bytes, *end = p + span->value; p < end;) {
        p = tr_pb_field(p, end, &field);
        if (!p)
            return false;
        if (field.wire != TR_PB_BYTES)
            continue;
        if (field.number == 1 && field.value == 16) {
            id = field.bytes;
        } else if (field.number == 9) {
            name = first(&field, 1);
            keys = keys || is_text(&name, "user.id") || is_text(&name, "order.id");
        } else if (field.number == 11) {
            name = first(&field, 2);
            event = event || is_text(&name, "tailrace.demoted");
        }
    }
    if (!id)
        return false;
    trace_count(kept, id);
    kept->spans++;
    kept->spans_with_keys += keys;
    kept->spans_with_event += event;
    return true;
}

// Each field `number` of a message, handed on.
static bool each(struct kept *kept, const struct tr_pb_field *message, uint32_t number,
                 bool (*take)(struct kept *, const struct tr_pb_field *))
{
    struct tr_pb_field field;

    for (const uint8_t *p = message->bytes, *end = p + message->value; p < end;) {
        p = tr_pb_field(p, end, &field);
        if (!p || (field.number == number && (field.wire != TR_PB_BYTES || !take(kept, &field))))
            return false;
    }
    return true;
}

static bool scope_take(struct kept *kept, const struct tr_pb_field *scope)
{
    return each(kept, scope, SPANS_FIELD, span_take);
}

static bool resource_take(struct kept *kept, const struct tr_pb_field *resource)
{
    return each(kept, resource, SPANS_FIELD, scope_take);
}

bool kept_body(struct kept *kept, const uint8_t *body, size_t bytes)
{
    const struct tr_pb_field request = {.wire = TR_PB_BYTES, .bytes = body, .value = bytes};
    bool good = each(kept, &request, 1, resource_take);

    kept->requests++;
    kept->bytes += bytes;
    return good;
}

// --- the truth

static bool baseline_keeps(const uint8_t id[16])
{
    uint64_t hash = 0xcbf29ce484222325ull;

    for (const char *p = SALT; *p; p++)
        hash = (hash ^ (uint8_t)*p) * 0x100000001b3ull;
    for (int i = 0; i < 16; i++)
        hash = (hash ^ id[i]) * 0x100000001b3ull;
    return hash <= (uint64_t)((long double)BASELINE * (long double)UINT64_MAX);
}

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// A line as tailgen writes it: {"id": "…", "spans": 3, "error": false, "duration_ns": 12345, …
static bool line_read(const char *line, uint8_t id[16], uint32_t *spans, bool *error, uint64_t *duration_ns)
{
    static const char head[] = "{\"id\": \"", count[] = "\", \"spans\": ", failed[] = ", \"error\": ",
                      time[] = ", \"duration_ns\": ";
    const char *p = line;
    char *rest;

    if (strncmp(p, head, sizeof(head) - 1) != 0)
        return false;
    p += sizeof(head) - 1;
    for (int i = 0; i < 16; i++, p += 2) {
        int high = nibble(p[0]), low = high < 0 ? -1 : nibble(p[1]);

        if (low < 0)
            return false;
        id[i] = (uint8_t)(high << 4 | low);
    }
    if (strncmp(p, count, sizeof(count) - 1) != 0)
        return false;
    *spans = (uint32_t)strtoul(p + sizeof(count) - 1, &rest, 10);
    if (strncmp(rest, failed, sizeof(failed) - 1) != 0)
        return false;
    p = rest + sizeof(failed) - 1;
    *error = *p == 't';
    p += *error ? 4 : 5;
    if (strncmp(p, time, sizeof(time) - 1) != 0)
        return false;
    *duration_ns = strtoull(p + sizeof(time) - 1, &rest, 10);
    return *rest == ',';
}

int kept_check(struct kept *kept, const char *truth, bool sampled, struct kept_truth *result)
{
    char line[512];
    FILE *in = fopen(truth, "r");
    uint64_t duration_ns, words[2];
    uint8_t id[16];
    uint32_t spans;
    bool error;

    if (!in)
        return -EINVAL;
    memset(result, 0, sizeof(*result));
    while (fgets(line, sizeof(line), in)) {
        struct kept_trace *trace;

        if (!line_read(line, id, &spans, &error, &duration_ns)) {
            result->unread++;
            continue;
        }
        result->sent_traces++;
        result->sent_spans += spans;
        if (sampled && !error && duration_ns / TR_MS <= SLOW_MS && !baseline_keeps(id))
            continue;
        result->expected_traces++;
        result->expected_spans += spans;
        memcpy(words, id, 16);
        trace = slot_of(kept->traces, kept->room, words);
        result->missing += !trace->spans;
        result->partial += trace->spans && trace->spans != spans;
        trace->expected = trace->spans != 0;
    }
    fclose(in);
    for (uint64_t i = 0; i < kept->room; i++)
        result->superfluous += kept->traces[i].spans && !kept->traces[i].expected;
    return 0;
}
