// SPDX-License-Identifier: Apache-2.0
// Traces for the policies on their shape: spans as bytes, through the very walk and the owner's records to a verdict.
#ifndef TR_TESTS_POLICY_SHAPE_BED_H
#define TR_TESTS_POLICY_SHAPE_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/pb.h"
#include "policy/policy.h"
#include "trace/shapes.h"

#define BED_SPANS_MAX 4096

enum { INTERNAL = 1, SERVER, CLIENT, PRODUCER, CONSUMER };

// Times in ms from the trace's start.
struct bed_span {
    uint64_t id, parent;
    uint32_t from, to;
    int kind;
    const char *name;
    const char *key[3], *value[3]; // value "#503": an integer
    int status;
    const char *zone;
};

struct bed {
    struct tr_policy_set *set;
    struct tr_policy_counters counters[16];
    struct tr_error error;
    struct tr_shapes shapes;
    struct tr_zones zones;
    struct tr_shape array[BED_SPANS_MAX];
};

static inline int bed_compile(struct bed *bed, const char *policies)
{
    struct tr_options_doc *doc;
    char text[2048];
    int rc;

    memset(&bed->error, 0, sizeof(bed->error));
    snprintf(text, sizeof(text), "policies:\n%s\n", policies);
    rc = tr_options_parse(&tr_tail_sampling_option_table, text, strlen(text), &doc, &bed->error);
    if (rc < 0)
        return rc;
    tr_policy_set_free(bed->set);
    bed->set = NULL;
    rc = tr_policy_set_compile(tr_options_struct(doc), NULL, 1, 1, &bed->set, &bed->error);
    tr_options_free(doc);
    return rc;
}

static inline uint8_t *bed_attribute(uint8_t *p, uint32_t field, const char *key, const char *value)
{
    uint8_t pair[1024], any[900], *a, *q;

    if (value[0] == '#')
        a = tr_pb_put_varint(tr_pb_put_tag(any, 3, TR_PB_VARINT), strtoull(value + 1, NULL, 10));
    else
        a = tr_pb_put_bytes(any, 1, value, strlen(value));
    q = tr_pb_put_bytes(pair, 1, key, strlen(key));
    q = tr_pb_put_bytes(q, 2, any, (size_t)(a - any));
    return tr_pb_put_bytes(p, field, pair, (size_t)(q - pair));
}

#define BED_BEGIN_NS (1700000000 * TR_S)

static inline uint32_t bed_bytes(const struct bed_span *span, uint8_t *bytes)
{
    uint8_t *p = bytes;

    p = tr_pb_put_bytes(p, 1, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20", 16);
    p = tr_pb_put_bytes(p, 2, &span->id, 8);
    if (span->parent)
        p = tr_pb_put_bytes(p, 4, &span->parent, 8);
    p = tr_pb_put_bytes(p, 5, span->name ? span->name : "", span->name ? strlen(span->name) : 0);
    p = tr_pb_put_varint(tr_pb_put_tag(p, 6, TR_PB_VARINT), (uint64_t)span->kind);
    p = tr_pb_put_fixed64(p, 7, BED_BEGIN_NS + span->from * TR_MS);
    p = tr_pb_put_fixed64(p, 8, BED_BEGIN_NS + span->to * TR_MS);
    for (int i = 0; i < 3 && span->key[i]; i++)
        p = bed_attribute(p, 9, span->key[i], span->value[i]);
    if (span->status)
        p = tr_pb_put_bytes(p, 15, (uint8_t[]){0x18, (uint8_t)span->status}, 2);
    return (uint32_t)(p - bytes);
}

// Walk one span into its record.
static inline void bed_walk(struct bed *bed, const struct bed_span *span, struct tr_shape *record, struct tr_trace *trace)
{
    static struct tr_walk_notes notes;
    uint8_t bytes[4096], resource[256];
    struct tr_context context = {0};
    struct tr_bits bits = {{0}};
    struct tr_summary_shape slot;
    struct tr_summary summary;
    struct tr_walk_span walked;

    if (span->zone)
        context.resource[0].bytes =
            (uint32_t)(bed_attribute(resource, 1, "cloud.availability_zone", span->zone) - resource);
    tr_walk_resource(&bed->set->plan, 0, &context, resource, &notes, &bits);
    assert_int_equal(tr_walk_span(&bed->set->plan, 0, bytes, bed_bytes(span, bytes), &notes, &walked, &bits), TR_WALK_OK);
    tr_shape_walk(&bed->set->plan, &walked, &notes, &bits, &slot);
    summary = (struct tr_summary){.start_ns = walked.start_ns, .end_ns = walked.end_ns};
    tr_shape_pack(&record->record, &summary, &slot, tr_zones_number(&bed->zones, (uint32_t)slot.zone));
    trace->spans++;
    trace->start_ns = trace->start_ns ? TR_MIN(trace->start_ns, walked.start_ns) : walked.start_ns;
    trace->end_ns = TR_MAX(trace->end_ns, walked.end_ns);
}

// Which policies of the set keep a trace, a bit each. `spans` may be shuffled by the caller.
static inline uint32_t bed_kept_by(struct bed *bed, const struct bed_span *spans, uint32_t count)
{
    struct tr_trace trace = {.trace_id = {1}, .epoch = 1, .shapes = &bed->shapes};
    uint32_t kept = 0;
    uint16_t policy;

    assert_true(count <= BED_SPANS_MAX);
    for (uint32_t i = 0; i < count; i++)
        bed_walk(bed, &spans[i], &bed->array[i], &trace);
    bed->shapes.array = bed->array;
    bed->shapes.spans = count;
    bed->shapes.begin = (uint32_t)(trace.start_ns >> TR_SHAPE_UNIT_SHIFT);
    bed->shapes.gathered = bed->shapes.ordered = false;
    memset(bed->counters, 0, sizeof(bed->counters));
    tr_policy_set_decide(bed->set, &trace, bed->counters, &policy);
    for (uint32_t i = 0; i < bed->set->policies; i++)
        kept |= bed->counters[i].traces_kept ? 1u << i : 0;
    return kept;
}

static inline void bed_shuffle(struct bed_span *spans, uint32_t count, uint64_t seed)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t k = tr_hash_range(tr_mix64(seed + i), i);
        struct bed_span swap = spans[i - 1];

        spans[i - 1] = spans[k];
        spans[k] = swap;
    }
}

#endif
