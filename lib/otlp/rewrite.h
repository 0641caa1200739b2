// SPDX-License-Identifier: Apache-2.0
// The rewriter: a span, or a resource, with some attributes dropped or demoted; every other byte, unknown
// fields and their order included, stays as it came.
//
// Demote: the attribute leaves and comes back as an attribute of one span event named tailrace.demoted on the
// same span, with the span's start time, appended at the end of the span. On a resource demote is drop there
// and the attribute comes back on each of its spans: the caller hands the resource's demoted attributes in.
#ifndef TR_OTLP_REWRITE_H
#define TR_OTLP_REWRITE_H

#include "base/tr.h"
#include "otlp/walk.h"

enum tr_attr_action { TR_ATTR_KEEP = 0, TR_ATTR_DROP = 1, TR_ATTR_DEMOTE = 2 };

struct tr_rewrite_plan {
    struct tr_walk_keys keys; // exact keys; tests is unused
    const uint8_t *actions;   // enum tr_attr_action, by index of the key
};

struct tr_rewrite_counts {
    uint64_t dropped;
    uint64_t demoted;
};

// How much larger than its input an output can be, beside `extra`.
#define TR_REWRITE_GROWTH 64

// Rewrite a span.
//
// extra   KeyValue fields as they stand in an event (tag 3, length, KeyValue), to be demoted onto it too
// out     room for bytes + extra_bytes + TR_REWRITE_GROWTH + 12 a demoted attribute: 2 * (bytes +
// extra_bytes)
//         + TR_REWRITE_GROWTH is always enough
//
// Returns the bytes written; when nothing was touched, those are the input's, byte for byte.
size_t tr_rewrite_span(const struct tr_rewrite_plan *plan, const uint8_t *span, uint32_t bytes,
                       const uint8_t *extra, uint32_t extra_bytes, uint8_t *out,
                       struct tr_rewrite_counts *counts);

// Rewrite a resource. What is demoted goes to `demoted` (room for as many bytes as the resource has, twice)
// as fields for tr_rewrite_span's `extra`.
size_t tr_rewrite_resource(const struct tr_rewrite_plan *plan, const uint8_t *resource, uint32_t bytes,
                           uint8_t *out, uint8_t *demoted, uint32_t *demoted_bytes,
                           struct tr_rewrite_counts *counts);

#endif
