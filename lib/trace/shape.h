// SPDX-License-Identifier: Apache-2.0
// The shape of a trace: what its owner knows of each span beside the place where it lies. docs/shape.md has the layout.
//
// A walk that serves a config with a policy that looks at shapes sends one more slot behind a summary
// (struct tr_summary_shape); the owner packs it into 24 bytes, of which 4 lie in the reference's block. Ids are 32 bits here: two ids of a trace of n spans are
// taken for one with a probability of n^2 / 2^33, which is 1 in 86 million for 10 spans.
#ifndef TR_TRACE_SHAPE_H
#define TR_TRACE_SHAPE_H

#include "base/hash.h"
#include "otlp/walk.h"
#include "trace/message.h"

// Times are in units of 1024 ns.
#define TR_SHAPE_UNIT_SHIFT 10

// A record as it is held. All zero: a span that was walked before any policy wanted its shape.
struct tr_shape_record {
    uint32_t span;          // hash of its id, never 0
    uint32_t parent;        // hash of its parent's, 0: none
    uint32_t start;         // units since 1970, modulo 2^32: an hour and 13 minutes
    uint32_t duration : 24; // packed, tr_shape_duration()
    uint32_t zone : 7;      // number of its availability zone at this owner; 0: not known
    uint32_t error : 1;
    uint32_t print : 24; // fingerprint of its query or call; 0: none
    uint32_t kind : 3;   // as OTLP numbers them
    uint32_t query : 1;  // the fingerprint is that of a query
    uint32_t marks : TR_MARKS_MAX;
};
_Static_assert(sizeof(struct tr_shape_record) == 20, "with half a block of 32 a span takes 36 bytes");

struct tr_shape {
    struct tr_shape_record record;
    uint32_t sampler_key;
};

// What the trace_state of a trace's spans says of its sampling upstream, `ot=rv` and `ot=th`: the least of each, so that
// it does not matter in which order they came.
struct tr_trace_ot {
    uint64_t random : 56;
    uint64_t have : 8; // TR_OT_*
    uint64_t threshold : 56;
    uint64_t reserved : 8;
    uint32_t thresholds; // spans that carried one
};
_Static_assert(sizeof(struct tr_trace_ot) == 24, "two thirds of what a span's record takes");

// Availability zones that an owner has met, numbered from 1. There are a few dozen in the world; where there are more, the
// number of one that did not come for TR_ZONES_FORGET_NS goes to the next. In traces that began before, that number is not
// known any more: it may mean either.
#define TR_ZONES_MAX 127
#define TR_ZONES_FORGET_NS (600 * TR_S)
struct tr_zones {
    uint64_t now_ns;                   // the owner's clock
    uint64_t unknown;                  // spans whose zone found no number
    uint64_t used_ns[TR_ZONES_MAX + 1];  // by number, when it came last
    uint64_t since_ns[TR_ZONES_MAX + 1]; // when the number became its own
    uint32_t hashes[TR_ZONES_MAX + 1];
    uint32_t count;
};

// Returns 0: `hash` is 0, or too many have come lately, counted.
uint32_t tr_zones_number(struct tr_zones *zones, uint32_t hash);

// The same number, in a trace whose first span came at `first_ns`. Returns 0: it may mean two zones there.
static inline uint32_t tr_zones_known(const struct tr_zones *zones, uint32_t number, uint64_t first_ns)
{
    return zones->since_ns[number] <= first_ns ? number : 0;
}

// What a span that was walked adds to its summary.
//
// notes  the values of the plan's keys; `bits` its predicates
//
// Thread: the holder's lcore. Cost: about 10 ns, and one pass over its query.
void tr_shape_walk(const struct tr_walk_plan *plan, const struct tr_walk_span *span, const struct tr_walk_notes *notes,
                   const struct tr_bits *bits, struct tr_summary_shape *shape);

void tr_shape_pack(struct tr_shape_record *record, const struct tr_summary *summary, const struct tr_summary_shape *more,
                   uint32_t zone);
void tr_trace_ot_add(struct tr_trace_ot *ot, const struct tr_summary_shape *more);

// A duration in 24 bits: 5 of exponent and 19 of mantissa, exact to half a second and to two parts in a million beyond.
static inline uint32_t tr_shape_duration_pack(uint64_t units)
{
    uint64_t capped = TR_MIN(units, (uint64_t)UINT32_MAX);
    uint32_t shift = capped >> 19 ? 64u - 19 - (uint32_t)__builtin_clzll(capped) : 0;

    return shift << 19 | (uint32_t)(capped >> shift);
}

static inline uint32_t tr_shape_duration(const struct tr_shape_record *record)
{
    return ((uint32_t)record->duration & 0x7ffff) << (record->duration >> 19);
}

static inline uint32_t tr_shape_id(uint64_t id)
{
    uint32_t hash = (uint32_t)(tr_mix64(id) >> 32);

    return hash ? hash : 1;
}

struct tr_shapes; // the records of one trace: shapes.h

#endif
