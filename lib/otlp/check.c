// SPDX-License-Identifier: Apache-2.0
// A ResourceSpans is passed over twice: first for its resource and schema URL, which may come anywhere in it,
// then for its ScopeSpans. The first pass skips those by their length, so it costs next to nothing. A
// ScopeSpans is passed over once, and its context is written at its end.
//
// Resource and scope are validated all the way down: a malformed one would make all its spans undeliverable.
// Spans are not looked into.
#include "otlp/check.h"

#include "base/hash.h"
#include "otlp/schema.h"
#include "otlp/value.h"

enum phase { PHASE_REQUEST, PHASE_RESOURCE, PHASE_SCOPES, PHASE_SCOPE };

// What lies in tr_check.state: offsets are of the body.
struct check_state {
    uint32_t phase;
    uint32_t at;
    uint32_t resource_spans, resource_spans_end;
    uint32_t scope_spans, scope_spans_end;
    uint32_t spans; // of the scope
    struct tr_range resource[2];
    struct tr_range resource_schema_url;
    struct tr_range scope[2];
    struct tr_range scope_schema_url;
    struct tr_range service;
    uint32_t resource_hash[2];
};
_Static_assert(sizeof(struct check_state) <= sizeof(((struct tr_check *)0)->state), "it fits");

// A field that is skipped by its length costs as much as so many bytes that are looked at.
#define SKIP_COST 32

static struct check_state *state_of(struct tr_check *check)
{
    return (struct check_state *)check->state;
}

void tr_check_init(struct tr_check *check, const uint8_t *body, uint32_t bytes, uint64_t body_position,
                   struct tr_journal *journal, uint32_t contexts_max)
{
    *check = (struct tr_check){.body = body,
                               .bytes = bytes,
                               .body_position = body_position,
                               .journal = journal,
                               .contexts_max = contexts_max};
}

static enum tr_check_result malformed(struct tr_check *check, uint32_t offset, const char *why)
{
    check->why = why;
    check->offset = offset;
    return TR_CHECK_MALFORMED;
}

// Read the field at state->at, of the message that ends at `end`; the caller moves on.
//
// Returns its bytes, 0: malformed (check->why is set). `known` is how many fields of type bytes the message
// has.
static uint32_t field_read(struct tr_check *check, uint32_t end, uint32_t known, struct tr_pb_field *field)
{
    uint32_t at = state_of(check)->at;
    const uint8_t *p = check->body + at, *next = tr_pb_field(p, check->body + end, field);

    if (tr_unlikely(!next)) {
        malformed(check, at, "a field is cut short or has no valid tag");
        return 0;
    }
    if (tr_unlikely(field->number <= known && field->wire != TR_PB_BYTES)) {
        malformed(check, at, "a known field has the wrong wire type");
        return 0;
    }
    return (uint32_t)(next - p);
}

static struct tr_range field_range(const struct tr_check *check, const struct tr_pb_field *field)
{
    return (struct tr_range){(uint32_t)(field->bytes - check->body), (uint32_t)field->value};
}

// Note a piece of a resource or a scope. Returns false: malformed.
static bool piece_add(struct tr_check *check, enum tr_otlp_type type, struct tr_range pieces[2],
                      const struct tr_range *schema_url, const struct tr_pb_field *field)
{
    struct tr_range piece = field_range(check, field);
    uint32_t bytes = piece.bytes + pieces[0].bytes + schema_url->bytes;

    if (piece.bytes == 0) // merges nothing
        return true;
    if (pieces[1].bytes)
        check->why = "a resource or scope comes in more than two pieces";
    else if (bytes > TR_CONTEXT_BYTES_MAX)
        check->why = "a resource or scope is too large";
    else if (!tr_otlp_valid(type, check->body + piece.offset, piece.bytes))
        check->why = "a resource or scope is not valid protobuf";
    else
        pieces[pieces[0].bytes != 0] = piece;
    check->offset = piece.offset;
    return !check->why;
}

static bool schema_url_set(struct tr_check *check, struct tr_range *url, const struct tr_pb_field *field)
{
    *url = field_range(check, field);
    if (url->bytes <= TR_CONTEXT_BYTES_MAX)
        return true;
    malformed(check, url->offset, "a schema URL is too large");
    return false;
}

static uint64_t range_hash(const struct tr_check *check, struct tr_range range, uint64_t seed)
{
    return tr_hash_bytes(check->body + range.offset, range.bytes, seed);
}

// The hash of the bytes that two pieces make together, whatever the cut.
static uint64_t pieces_hash(const struct tr_check *check, const struct tr_range pieces[2], uint64_t seed)
{
    XXH3_state_t state;

    if (tr_likely(pieces[1].bytes == 0))
        return range_hash(check, pieces[0], seed);
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset_withSeed(&state, seed);
    for (unsigned i = 0; i < 2; i++)
        XXH3_64bits_update(&state, check->body + pieces[i].offset, pieces[i].bytes);
    return XXH3_64bits_digest(&state);
}

// Where the value of the first service.name that is a string lies. One that is none is an empty one, somewhere: a resource
// that names its service in vain is another thing than one that does not (red/table.c).
static struct tr_range service_find(const struct tr_check *check, const struct tr_range pieces[2])
{
    static const char name[] = "service.name";
    struct tr_range found = {0, 0};

    for (unsigned i = 0; i < 2; i++) {
        const uint8_t *p = check->body + pieces[i].offset, *end = p + pieces[i].bytes;
        struct tr_key_value pair;
        struct tr_pb_field field;

        while (p && p < end) {
            p = tr_pb_field(p, end, &field);
            if (p && field.number == 1 && tr_key_value_read(field.bytes, (uint32_t)field.value, &pair) &&
                pair.key_bytes == sizeof(name) - 1 && memcmp(pair.key, name, sizeof(name) - 1) == 0) {
                if (pair.value.type == TR_VALUE_STRING)
                    return (struct tr_range){(uint32_t)(pair.value.bytes - check->body), pair.value.length};
                found.offset = (uint32_t)(pair.key - check->body);
            }
        }
    }
    return found;
}

// Each step takes one field, or ends a message. They return what it cost, 0 when the check is over.

static uint32_t request_step(struct tr_check *check, struct check_state *state)
{
    struct tr_pb_field field;
    uint32_t bytes = field_read(check, check->bytes, 1, &field);

    if (!bytes)
        return 0;
    if (field.number != 1 || field.value == 0) {
        state->at += bytes;
        return SKIP_COST;
    }
    state->at = state->resource_spans = field_range(check, &field).offset;
    state->resource_spans_end = state->at + (uint32_t)field.value;
    memset(state->resource, 0, sizeof(state->resource));
    state->resource_schema_url = (struct tr_range){0, 0};
    state->phase = PHASE_RESOURCE;
    return SKIP_COST;
}

static uint32_t resource_end(struct tr_check *check, struct check_state *state)
{
    uint64_t hash = pieces_hash(check, state->resource, 0);

    hash = range_hash(check, state->resource_schema_url, hash);
    memcpy(state->resource_hash, &hash, sizeof(hash));
    state->service = service_find(check, state->resource);
    state->phase = PHASE_SCOPES;
    state->at = state->resource_spans;
    return SKIP_COST + state->resource[0].bytes + state->resource[1].bytes;
}

static uint32_t resource_step(struct tr_check *check, struct check_state *state)
{
    struct tr_pb_field field;
    uint32_t bytes;

    if (state->at == state->resource_spans_end)
        return resource_end(check, state);
    bytes = field_read(check, state->resource_spans_end, 3, &field);
    if (!bytes)
        return 0;
    if (field.number == 1 &&
        !piece_add(check, TR_OTLP_RESOURCE, state->resource, &state->resource_schema_url, &field))
        return 0;
    if (field.number == 3 && !schema_url_set(check, &state->resource_schema_url, &field))
        return 0;
    state->at += bytes;
    return field.number == 1 ? bytes : SKIP_COST;
}

static uint32_t scopes_step(struct tr_check *check, struct check_state *state)
{
    struct tr_pb_field field;
    uint32_t bytes;

    if (state->at == state->resource_spans_end) {
        state->phase = PHASE_REQUEST;
        return 1;
    }
    bytes = field_read(check, state->resource_spans_end, 3, &field);
    if (!bytes)
        return 0;
    if (field.number != 2 || field.value == 0) {
        state->at += bytes;
        return SKIP_COST;
    }
    state->at = state->scope_spans = field_range(check, &field).offset;
    state->scope_spans_end = state->at + (uint32_t)field.value;
    state->spans = 0;
    memset(state->scope, 0, sizeof(state->scope));
    state->scope_schema_url = (struct tr_range){0, 0};
    state->phase = PHASE_SCOPE;
    return SKIP_COST;
}

static uint32_t scope_end(struct tr_check *check, struct check_state *state)
{
    struct tr_context *context;
    uint64_t hash;

    state->phase = PHASE_SCOPES;
    if (state->spans == 0)
        return 1;
    if (check->contexts == check->contexts_max) {
        state->phase = PHASE_SCOPE; // and it stays so
        return 0;
    }
    memcpy(&hash, state->resource_hash, sizeof(hash));
    hash = pieces_hash(check, state->scope, hash);
    context = tr_journal_context(check->journal, check->journal->contexts_head + check->contexts++);
    *context = (struct tr_context){
        .body = check->body_position,
        .group_hash = range_hash(check, state->scope_schema_url, hash),
        .scope_spans = {state->scope_spans, state->scope_spans_end - state->scope_spans},
        .resource = {state->resource[0], state->resource[1]},
        .scope = {state->scope[0], state->scope[1]},
        .resource_schema_url = state->resource_schema_url,
        .scope_schema_url = state->scope_schema_url,
        .service = state->service,
        .spans = state->spans,
    };
    check->spans += state->spans;
    return SKIP_COST + state->scope[0].bytes + state->scope[1].bytes;
}

// Pass over a run of spans. Returns how many bytes they take.
static uint32_t spans_pass(struct tr_check *check, struct check_state *state, uint32_t budget)
{
    const uint8_t *begin = check->body + state->at, *p = begin;
    const uint8_t *end = check->body + state->scope_spans_end,
                  *stop = p + TR_MIN(budget, (uint32_t)(end - p));
    uint32_t bytes;

    while (p < stop && *p == (2 << 3 | TR_PB_BYTES)) {
        const uint8_t *span = tr_pb_length(p + 1, end, &bytes);

        if (tr_unlikely(!span))
            break; // field_read() finds it again and says so
        state->spans++;
        p = span + bytes;
    }
    state->at += (uint32_t)(p - begin);
    return (uint32_t)(p - begin);
}

static uint32_t scope_step(struct tr_check *check, struct check_state *state, uint32_t budget)
{
    struct tr_pb_field field;
    uint32_t bytes = spans_pass(check, state, budget);

    if (bytes)
        return bytes;
    if (state->at == state->scope_spans_end)
        return scope_end(check, state);
    bytes = field_read(check, state->scope_spans_end, 3, &field);
    if (!bytes)
        return 0;
    if (field.number == 1 && !piece_add(check, TR_OTLP_SCOPE, state->scope, &state->scope_schema_url, &field))
        return 0;
    if (field.number == 2)
        state->spans++;
    if (field.number == 3 && !schema_url_set(check, &state->scope_schema_url, &field))
        return 0;
    state->at += bytes;
    return bytes;
}

enum tr_check_result tr_check_run(struct tr_check *check, uint32_t budget)
{
    struct check_state *state = state_of(check);
    uint64_t spent = 0;

    while (spent < budget) {
        uint32_t cost;

        switch (state->phase) {
        case PHASE_REQUEST:
            if (state->at == check->bytes)
                return TR_CHECK_DONE;
            cost = request_step(check, state);
            break;
        case PHASE_RESOURCE:
            cost = resource_step(check, state);
            break;
        case PHASE_SCOPES:
            cost = scopes_step(check, state);
            break;
        default:
            cost = scope_step(check, state, budget - (uint32_t)spent);
            break;
        }
        if (tr_unlikely(cost == 0))
            return check->why ? TR_CHECK_MALFORMED : TR_CHECK_CONTEXTS;
        spent += cost;
    }
    return TR_CHECK_MORE;
}

bool tr_context_span(const struct tr_context *context, const uint8_t *body, uint32_t *cursor,
                     const uint8_t **span, uint32_t *bytes)
{
    const uint8_t *begin = body + context->scope_spans.offset, *end = begin + context->scope_spans.bytes;
    const uint8_t *p = begin + *cursor;

    while (p && p < end) {
        uint32_t tag;

        p = tr_pb_tag(p, end, &tag);
        if (tr_likely(p && tag == (2 << 3 | TR_PB_BYTES))) {
            p = tr_pb_length(p, end, bytes);
            if (tr_unlikely(!p))
                break;
            *span = p;
            *cursor = (uint32_t)(p - begin) + *bytes;
            return true;
        }
        if (p)
            p = tr_pb_skip(p, end, tag & 7);
    }
    return false;
}
