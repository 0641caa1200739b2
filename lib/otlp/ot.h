// SPDX-License-Identifier: Apache-2.0
// The member `ot` of a trace_state: what consistent probability sampling tells from one sampler to the next.
//
// A trace has a randomness R of 56 bits: `rv`, or the last 56 bits of its id. A sampler with the threshold T keeps it if
// R >= T, which happens with probability 1 - T / 2^56, and writes T down as `th`; the next one may only raise it.
//
// Source: the OpenTelemetry specification, trace/tracestate-probability-sampling.
#ifndef TR_OTLP_OT_H
#define TR_OTLP_OT_H

#include "base/tr.h"

#define TR_OT_BITS      56
#define TR_OT_NEVER     (1ull << TR_OT_BITS) // the threshold that nothing passes
#define TR_OT_VALUE_MAX 256

struct tr_ot {
    bool has_th, has_rv;
    uint64_t th, rv; // below 2^56
};

enum tr_ot_result {
    TR_OT_NONE,      // no `ot`: nothing is said
    TR_OT_READ,
    TR_OT_MALFORMED, // of the list or of `ot`: nothing of it counts
};

// Thread: any. Cost: one pass over the text.
enum tr_ot_result tr_ot_read(const uint8_t *text, uint32_t bytes, struct tr_ot *ot);

// The randomness of a trace that brings no `rv`.
static inline uint64_t tr_ot_randomness(const uint8_t trace_id[16])
{
    uint64_t low;

    memcpy(&low, trace_id + 8, 8);
    return __builtin_bswap64(low) & (TR_OT_NEVER - 1);
}

// Write the trace_state anew with another `th` (TR_OT_NEVER: with none), `ot` at its front, all else as it was.
//
// out  room for bytes + TR_OT_GROWTH
//
// Returns its bytes, 0: nothing is left of it; -EINVAL: it is malformed; -E2BIG: there is no room for it in a list that
// is full, or in an `ot` that is.
#define TR_OT_GROWTH 24
int tr_ot_write(const uint8_t *text, uint32_t bytes, uint64_t th, uint8_t *out);

// The threshold for a share of 0 to 1, rounded to `precision` hexadecimal digits behind leading ones that are 0 or f, as
// the Collector's samplers round. Below 2^-56: TR_OT_NEVER.
uint64_t tr_ot_threshold(double share, unsigned precision);

#endif
