// SPDX-License-Identifier: Apache-2.0
// What tailrace adds to a kept span: attributes of its own at the end of it, and the threshold in its trace_state.
// Every other byte stays. An attribute of the same name that came with the span (from a tailrace before this one) is
// replaced, so that no key comes twice.
#ifndef TR_OTLP_ADDED_H
#define TR_OTLP_ADDED_H

#include "otlp/ot.h"

#define TR_ADDED_FIELDS_MAX 4

enum tr_adjusted { TR_ADJUSTED_OFF, TR_ADJUSTED_ATTRIBUTE, TR_ADJUSTED_TRACESTATE };

struct tr_added {
    // Attributes, ready made: as fields of a span.
    struct tr_added_field {
        const uint8_t *field;
        uint32_t bytes;
    } fields[TR_ADDED_FIELDS_MAX];
    uint32_t fields_count;
    uint32_t fields_bytes; // of all of them

    enum tr_adjusted adjusted;
    uint64_t threshold; // the trace was kept with probability 1 - threshold / 2^56 ...
    bool independent;   // ... whatever the randomness was that samplers before this one went by
};

struct tr_added_counts {
    uint64_t attributes;
    uint64_t malformed;    // a trace_state that was left as it is
    uint64_t inconsistent; // a `th` that the span's randomness does not pass: nothing is known of its sampling
};

static inline void tr_added_field_add(struct tr_added *added, const uint8_t *field, uint32_t bytes)
{
    if (added->fields_count == TR_ADDED_FIELDS_MAX)
        return;
    added->fields[added->fields_count++] = (struct tr_added_field){field, bytes};
    added->fields_bytes += bytes;
}

// A string attribute as a field of a span. `out`: room for both and TR_ADDED_STRING_MORE. Returns its bytes.
#define TR_ADDED_STRING_MORE 32
uint32_t tr_added_string(const char *key, const char *value, uint8_t *out);

// How much longer a span can become, beside added->fields_bytes.
#define TR_ADDED_GROWTH 96

// Add to a span, in place. A malformed one is left alone.
//
// span  has room for bytes + added->fields_bytes + TR_ADDED_GROWTH
//
// Returns its bytes now. Thread: any. Cost: one pass over its fields.
size_t tr_added_put(const struct tr_added *added, uint8_t *span, size_t bytes, struct tr_added_counts *counts);

#endif
