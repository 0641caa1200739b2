// SPDX-License-Identifier: Apache-2.0
// The walk against protobuf-c: a span that it accepts protobuf-c parses, and to the same; one that protobuf-c
// refuses, it refuses. Where it is stricter (ids of links, depth, spellings that only protobuf-c takes), it
// must be for that.
#include "oracle.h"

#include "base/hash.h"
#include "otlp/walk.h"
#include "trace/study.h"

// What the watched values were, in their order.
static uint64_t digest;

static void digest_add(enum tr_value_type type, const void *data, size_t bytes)
{
    digest = tr_hash_bytes(data, bytes, digest + type);
}

static bool note(const void *argument, const struct tr_value *value)
{
    bool plain = value->type == TR_VALUE_STRING || value->type == TR_VALUE_BYTES;

    digest += (uintptr_t)argument;
    if (value->type == TR_VALUE_DOUBLE)
        digest_add(value->type, &value->number, 8);
    else if (plain)
        digest_add(value->type, value->bytes, value->length);
    else // of arrays and lists only the type: their pieces are not merged
        digest_add(value->type, &value->integer, 8);
    return false;
}

static const struct tr_walk_test value_tests[] = {
    {.test = note, .argument = (void *)1, .predicate = 0},
    {.test = note, .argument = (void *)2, .predicate = 1},
    {.test = note, .argument = (void *)3, .predicate = 2},
};
static struct tr_walk_key key[] = {
    {.name = "k", .bytes = 1, .first_test = 0, .tests = 1},
    {.name = "http.method", .bytes = 11, .first_test = 1, .tests = 1},
    {.name = "", .bytes = 0, .first_test = 2, .tests = 1},
};
static struct tr_walk_plan plan = {
    .words = 1, .span = {.keys = key, .count = 3}, .tests = value_tests, .status = {{{1}}, {{2}}, {{4}}}};

static void value_digest(const Otlp__AnyValue *value)
{
    static const enum tr_value_type types[] = {TR_VALUE_NONE,   TR_VALUE_STRING, TR_VALUE_BOOL,
                                               TR_VALUE_INT,    TR_VALUE_DOUBLE, TR_VALUE_ARRAY,
                                               TR_VALUE_KVLIST, TR_VALUE_BYTES,  TR_VALUE_STRING_INDEX};
    enum tr_value_type type = types[value ? value->value_case : 0];
    int64_t integer = 0;

    switch (type) {
    case TR_VALUE_STRING:
        digest_add(type, value->string_value.data, value->string_value.len);
        return;
    case TR_VALUE_BYTES:
        digest_add(type, value->bytes_value.data, value->bytes_value.len);
        return;
    case TR_VALUE_DOUBLE:
        digest_add(type, &value->double_value, 8);
        return;
    case TR_VALUE_BOOL:
        integer = value->bool_value != 0;
        break;
    case TR_VALUE_INT:
        integer = value->int_value;
        break;
    case TR_VALUE_STRING_INDEX:
        integer = value->string_value_strindex;
        break;
    default:
        break;
    }
    digest_add(type, &integer, 8);
}

static bool all_zero(ProtobufCBinaryData data)
{
    for (size_t i = 0; i < data.len; i++)
        if (data.data[i])
            return false;
    return true;
}

static void compare(const Otlp__Span *span, const struct tr_walk_span *walked, uint64_t walked_digest,
                    uint64_t bits)
{
    unsigned status = 0;

    for (size_t i = 0; i < span->n_status; i++) // a piece that says 0 can't be told from one that doesn't say
        if (span->status[i]->code)
            status = (unsigned)span->status[i]->code;
    tr_assert(span->trace_id.len == 16 && memcmp(span->trace_id.data, walked->trace_id, 16) == 0);
    tr_assert(span->span_id.len == 8 && !all_zero(span->span_id));
    tr_assert(walked->start_ns == span->start_time_unix_nano && walked->end_ns == span->end_time_unix_nano);
    tr_assert(walked->root == all_zero(span->parent_span_id));
    tr_assert(walked->name_hash == (uint32_t)tr_hash_bytes(span->name.data, span->name.len, 0));
    if (span->n_status <= 1 || walked->status)
        tr_assert(walked->status == (status <= 2 ? status : 0));
    tr_assert(bits == 1u << walked->status);
    digest = 0;
    for (size_t i = 0; i < span->n_attributes; i++) {
        for (uintptr_t k = 0; k < TR_NELEMS(key); k++) {
            if (oracle_key_is(span->attributes[i], key[k].name)) {
                digest += k + 1;
                value_digest(oracle_value(span->attributes[i]));
            }
        }
    }
    tr_assert(digest == walked_digest);
}

static bool link_ids_fit(const Otlp__Span *span)
{
    for (size_t i = 0; i < span->n_links; i++) {
        size_t trace_id = span->links[i]->trace_id.len, span_id = span->links[i]->span_id.len;

        if ((trace_id && trace_id != 16) || (span_id && span_id != 8))
            return false;
    }
    return true;
}

// The walk refused what protobuf-c took. In protobuf-c's own spelling it must pass, unless it is what we mean
// to refuse.
static void refusal_explain(const Otlp__Span *span, size_t bytes)
{
    struct tr_bits bits = {0};
    struct tr_walk_span walked;
    uint8_t *packed;

    if (!link_ids_fit(span) || bytes > 128 /* it may be too deep */ || oracle_has_unknown(&span->base))
        return;
    packed = oracle_pack(&span->base, &bytes);
    tr_assert(tr_walk_span(&plan, 0, packed, (uint32_t)bytes, NULL, &walked, &bits) != TR_WALK_MALFORMED);
    free(packed);
}

// The study's note of a span that was accepted: the ids are the same, and no name is longer than its place.
static void note_look(const Otlp__Span *span, const uint8_t *data, size_t bytes, const struct tr_walk_span *walked)
{
    static const struct tr_context context;
    struct tr_study_note note;

    tr_study_note_make(&note, &context, data, data, (uint32_t)bytes, walked);
    tr_assert(memcmp(&note.span_id, span->span_id.data, 8) == 0);
    tr_assert(span->parent_span_id.len != 8 || memcmp(&note.parent_id, span->parent_span_id.data, 8) == 0);
    tr_assert(!(note.flags & TR_STUDY_ROOT) == !walked->root);
    tr_assert(note.contact_bytes <= TR_STUDY_NAME_BYTES && note.contact_kind <= TR_CONTACT_DATABASE);
    tr_assert(note.kind >= TR_SPAN_KIND_SERVER || note.contact_kind == TR_CONTACT_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    Otlp__Span *span = otlp__span__unpack(NULL, bytes, data);
    struct tr_bits bits = {0};
    struct tr_walk_span walked;
    enum tr_walk_result result;

    if (!plan.span.slots)
        tr_assert(tr_walk_keys_build(&plan.span) == 0);
    digest = 0;
    result = tr_walk_span(&plan, 0, data, (uint32_t)bytes, NULL, &walked, &bits);
    if (!span)
        tr_assert(result == TR_WALK_MALFORMED);
    else if (result == TR_WALK_OK) {
        compare(span, &walked, digest, bits.word[0]);
        note_look(span, data, bytes, &walked);
    } else if (result == TR_WALK_MALFORMED)
        refusal_explain(span, bytes);
    else if (result == TR_WALK_TRACE_ID)
        tr_assert(span->trace_id.len != 16 || all_zero(span->trace_id));
    else
        tr_assert(span->span_id.len != 8 || all_zero(span->span_id) ||
                  (span->parent_span_id.len && span->parent_span_id.len != 8));
    if (span)
        otlp__span__free_unpacked(span, NULL);
    return 0;
}
