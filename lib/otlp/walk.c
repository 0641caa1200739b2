// SPDX-License-Identifier: Apache-2.0
// The walk: a resource once for all of its spans, then each span's fields and, in passing, its attributes
// (walk_attributes.h).
#include "otlp/walk.h"

#include "base/hash.h"
#include "otlp/schema.h"
#include "otlp/walk_attributes.h"

void tr_walk_programs_build(struct tr_walk_plan *plan)
{
    memset(plan->of_class, 0, sizeof(plan->of_class));
    for (uint32_t n = 0; n < TR_MIN(plan->programs_span, 64u); n++)
        for (uint32_t bit = 0; bit < TR_WALK_CLASS_BITS; bit++)
            plan->of_class[bit] |= (uint64_t)(plan->programs[n].classes >> bit & 1) << n;
}

static inline void program_run(const struct tr_walk_plan *plan, uint32_t n, const struct tr_walk_span *span,
                               const struct tr_walk_notes *notes, struct tr_bits *bits)
{
    const struct tr_walk_program *program = &plan->programs[n];
    uint64_t present = 0;
    bool holds;

    for (uint32_t i = program->words_begin; i < program->words_end; i++) {
        if (~notes->have[i] & program->slot_bits[i].required)
            return;
        present |= notes->have[i] & program->slot_bits[i].watched;
    }
    if (!present && program->absent != TR_WALK_ABSENT_RUN)
        holds = program->absent == TR_WALK_ABSENT_YES;
    else
        holds = program->run(program->argument, span, notes, program->slots);
    bits->word[program->predicate / 64] |= (uint64_t)holds << program->predicate % 64;
}

// Those of the resource and the scope.
static void context_programs_run(const struct tr_walk_plan *plan, const struct tr_walk_notes *notes, struct tr_bits *bits)
{
    for (uint32_t n = plan->programs_span; n < plan->programs_count; n++)
        program_run(plan, n, NULL, notes, bits);
}

// Beyond the first 64 nobody has asked it in passing.
static bool guard_holds(const struct tr_walk_program *program, const struct tr_walk_notes *notes)
{
    uint32_t slot = program->guard_slot;

    return !program->guard ||
           ((notes->have[slot / 64] >> slot % 64 & 1) && program->guard(program->argument, &notes->values[slot]));
}

static void span_programs_run(const struct tr_walk_plan *plan, const struct tr_walk_span *span,
                              const struct tr_walk_notes *notes, struct tr_bits *bits)
{
    uint32_t kind = TR_MIN((uint32_t)span->kind, TR_WALK_KINDS);
    uint32_t status = TR_WALK_STATUS_FIRST + TR_MIN((uint32_t)span->status_code, TR_WALK_STATUSES);
    uint32_t place = span->root ? 11 : 12, events = span->event ? 13 : 14; // TR_WALK_CLASS_ROOT and those behind it
    uint32_t class = 1u << kind | 1u << status | 1u << place | 1u << events;

    for (uint64_t left = notes->ready & plan->of_class[kind] & plan->of_class[status] & plan->of_class[place] &
                         plan->of_class[events];
         left; left &= left - 1)
        program_run(plan, (uint32_t)__builtin_ctzll(left), span, notes, bits);
    for (uint32_t n = 64; n < plan->programs_span; n++)
        if (!(class & ~plan->programs[n].classes) && guard_holds(&plan->programs[n], notes))
            program_run(plan, n, span, notes, bits);
}

void tr_walk_resource(const struct tr_walk_plan *plan, uint32_t lcore, const struct tr_context *context,
                      const uint8_t *body, struct tr_walk_notes *notes, struct tr_bits *bits)
{
    const struct taker taker = {bits, notes, lcore};

    if (plan->looks) {
        notes->lcore = lcore;
        notes->context = context;
        notes->body = body;
        notes->ready = plan->ready;
        memset(notes->have, 0, sizeof(notes->have));
    }
    for (unsigned i = 0; plan->resource.count && i < TR_NELEMS(context->resource); i++) {
        const uint8_t *p = body + context->resource[i].offset;

        attributes_walk(plan, &plan->resource, TAG(1, BYTES), p, p + context->resource[i].bytes, &taker);
    }
    for (unsigned i = 0; plan->scope.count && i < TR_NELEMS(context->scope); i++) {
        const uint8_t *p = body + context->scope[i].offset;

        attributes_walk(plan, &plan->scope, TAG(3, BYTES), p, p + context->scope[i].bytes, &taker);
    }
    if (!plan->programs_count)
        return;
    notes->context_ready = notes->ready;
    context_programs_run(plan, notes, bits);
}

// What a span's fields said, the last occurrence of each.
struct notes {
    const uint8_t *trace_id, *span_id, *parent_id, *name, *trace_state, *event;
    uint32_t trace_id_bytes, span_id_bytes, parent_id_bytes, name_bytes, trace_state_bytes;
    uint64_t start_ns, end_ns;
    int32_t status, kind;
    uint32_t flags;
};

// A status in pieces is merged: one without a code leaves the code that was there.
static bool status_read(const uint8_t *p, const uint8_t *end, struct notes *notes)
{
    struct tr_pb_field field;

    while (p < end) {
        p = tr_pb_field(p, end, &field);
        if (!p || (field.number == 2 && field.wire != TR_PB_BYTES) ||
            (field.number == 3 && field.wire != TR_PB_VARINT))
            return false;
        if (field.number == 3)
            notes->status = (int32_t)field.value;
    }
    return true;
}

// A message inside the span that only has to be valid.
static inline const uint8_t *message(enum tr_otlp_type type, const uint8_t *p, const uint8_t *end)
{
    uint32_t bytes;

    p = tr_pb_length(p, end, &bytes);
    return p && tr_otlp_valid(type, p, bytes) ? p + bytes : NULL;
}

static inline const uint8_t *string(const uint8_t *p, const uint8_t *end, const uint8_t **at, uint32_t *bytes)
{
    p = tr_pb_length(p, end, bytes);
    *at = p;
    return p ? p + *bytes : NULL;
}

static inline const uint8_t *fixed32(const uint8_t *p, const uint8_t *end, uint32_t *value)
{
    if (tr_unlikely(end - p < 4))
        return NULL;
    memcpy(value, p, 4);
    return p + 4;
}

static inline const uint8_t *fixed64(const uint8_t *p, const uint8_t *end, uint64_t *value)
{
    if (tr_unlikely(end - p < 8))
        return NULL;
    memcpy(value, p, 8);
    return p + 8;
}

// Returns false: malformed.
static inline bool fields_walk(const struct tr_walk_plan *plan, const uint8_t *p, const uint8_t *end,
                               struct notes *notes, const struct taker *taker)
{
    const uint8_t *at;
    uint64_t number;
    uint32_t bytes, tag;

    while (p && p < end) {
        tag = *p++;
    again:
        switch (tag) {
        case TAG(9, BYTES):
            p = attribute(plan, &plan->span, p, end, taker);
            break;
        case TAG(1, BYTES):
            p = string(p, end, &notes->trace_id, &notes->trace_id_bytes);
            break;
        case TAG(2, BYTES):
            p = string(p, end, &notes->span_id, &notes->span_id_bytes);
            break;
        case TAG(4, BYTES):
            p = string(p, end, &notes->parent_id, &notes->parent_id_bytes);
            break;
        case TAG(5, BYTES):
            p = string(p, end, &notes->name, &notes->name_bytes);
            break;
        case TAG(7, FIXED64):
            p = fixed64(p, end, &notes->start_ns);
            break;
        case TAG(8, FIXED64):
            p = fixed64(p, end, &notes->end_ns);
            break;
        case TAG(6, VARINT):
            p = tr_pb_varint(p, end, &number);
            if (p)
                notes->kind = (int32_t)number;
            break;
        case TAG(10, VARINT):
        case TAG(12, VARINT):
        case TAG(14, VARINT):
            p = tr_pb_varint(p, end, &number);
            break;
        case TAG(15, BYTES):
            p = string(p, end, &at, &bytes);
            if (tr_unlikely(!p || !status_read(at, p, notes)))
                return false;
            break;
        case TAG(3, BYTES):
            p = string(p, end, &notes->trace_state, &notes->trace_state_bytes);
            break;
        case TAG(11, BYTES):
            if (!notes->event)
                notes->event = p;
            p = message(TR_OTLP_EVENT, p, end);
            break;
        case TAG(13, BYTES):
            p = message(TR_OTLP_LINK, p, end);
            break;
        case (TAG(16, FIXED32) & 0x7f) | 0x80: // the flags' tag has two bytes
            if (tr_likely(p < end && *p == TAG(16, FIXED32) >> 7)) {
                p = fixed32(p + 1, end, &notes->flags);
                break;
            }
            __attribute__((fallthrough));
        default:
            // 1 to 15 are all known: another tag of one byte has the wrong type, or number 0.
            if (tag < 0x80)
                return false;
            p = tr_pb_tag(p - 1, end, &tag);
            if (!p)
                return false;
            if (tag < 0x80) // a small number spelled the long way
                goto again;
            if (tag == TAG(16, FIXED32)) {
                p = fixed32(p, end, &notes->flags);
                break;
            }
            if (tag >> 3 <= TR_OTLP_FIELDS_MAX)
                return false;
            p = tr_pb_skip(p, end, tag & 7);
            break;
        }
    }
    return p != NULL;
}

static void span_test(const struct tr_walk_plan *plan, const struct tr_walk_span *span, struct tr_bits *bits)
{
    uint32_t count = span->trace_state_bytes ? plan->span_tests_count : plan->span_tests_stateless;

    for (uint32_t i = 0; i < count; i++) {
        const struct tr_walk_span_test *test = &plan->span_tests[i];

        if (test->test(test->argument, span, bits))
            bits->word[test->predicate / 64] |= 1ull << test->predicate % 64;
    }
}

static inline bool id_zero(const uint8_t *id, uint32_t bytes)
{
    uint64_t first, last;

    memcpy(&first, id, 8);
    memcpy(&last, id + bytes - 8, 8);
    return (first | last) == 0;
}

enum tr_walk_result tr_walk_span(const struct tr_walk_plan *plan, uint32_t lcore, const uint8_t *span,
                                 uint32_t bytes, struct tr_walk_notes *taken, struct tr_walk_span *out,
                                 struct tr_bits *bits)
{
    const struct taker taker = {bits, taken, lcore};
    struct notes notes = {0};

    if (tr_unlikely(bytes > TR_SPAN_BYTES_MAX))
        return TR_WALK_TOO_LARGE;
    for (uint32_t i = 0; i < plan->span_slot_words; i++)
        taken->have[i] = 0;
    if (plan->programs_count)
        taken->ready = taken->context_ready;
    if (tr_unlikely(!fields_walk(plan, span, span + bytes, &notes, &taker)))
        return TR_WALK_MALFORMED;
    if (tr_unlikely(notes.trace_id_bytes != 16 || id_zero(notes.trace_id, 16)))
        return TR_WALK_TRACE_ID;
    if (tr_unlikely(notes.span_id_bytes != 8 || id_zero(notes.span_id, 8)))
        return TR_WALK_SPAN_ID;
    if (tr_unlikely(notes.parent_id_bytes != 0 && notes.parent_id_bytes != 8))
        return TR_WALK_SPAN_ID;
    memcpy(out->trace_id, notes.trace_id, 16);
    out->start_ns = notes.start_ns;
    out->end_ns = notes.end_ns;
    out->name_hash = (uint32_t)tr_hash_bytes(notes.name, notes.name_bytes, 0);
    out->root = notes.parent_id_bytes == 0 || id_zero(notes.parent_id, 8);
    out->status = notes.status == 1 || notes.status == 2 ? (uint8_t)notes.status : 0;
    for (uint32_t i = 0; i < plan->words; i++)
        bits->word[i] |= plan->status[out->status].word[i];
    out->flags = notes.flags;
    out->trace_state = notes.trace_state;
    out->trace_state_bytes = notes.trace_state_bytes;
    if (tr_unlikely(plan->looks)) {
        out->bytes = span;
        out->end = span + bytes;
        out->name = notes.name;
        out->name_bytes = notes.name_bytes;
        out->span_id = notes.span_id;
        out->parent_id = notes.parent_id_bytes ? notes.parent_id : NULL;
        out->event = notes.event;
        out->kind = notes.kind;
        out->status_code = notes.status;
    }
    if (tr_unlikely(plan->span_tests_count))
        span_test(plan, out, bits);
    if (tr_unlikely(plan->programs_count))
        span_programs_run(plan, out, taken, bits);
    return TR_WALK_OK;
}
