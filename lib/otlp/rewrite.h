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

// How much larger than its input an output can be, beside `extra`: the frame of the event.
#define TR_REWRITE_GROWTH 64

// Rewrite a span. An event of the same name that is there already (it came from a tailrace before this one)
// stays, and another is appended. dropped_attributes_count stays too: nothing of a demoted attribute is lost,
// and what a rule dropped is no limit of an SDK.
//
// extra   KeyValue fields as they stand in an event (tag 3, length, KeyValue), to be demoted onto it too
// out     room for bytes + extra_bytes + TR_REWRITE_GROWTH
// counts  of the span's own attributes; those in `extra` were counted with their resource
//
// Returns the bytes written; when nothing was touched, or the span is malformed, those are the input's, byte
// for byte.
size_t tr_rewrite_span(const struct tr_rewrite_plan *plan, const uint8_t *span, uint32_t bytes,
                       const uint8_t *extra, uint32_t extra_bytes, uint8_t *out,
                       struct tr_rewrite_counts *counts);

// Rewrite a resource (its pieces one behind the other, if it has two).
//
// out      room for `bytes`
// demoted  room for `bytes`; what is demoted, as fields for tr_rewrite_span's `extra`
size_t tr_rewrite_resource(const struct tr_rewrite_plan *plan, const uint8_t *resource, uint32_t bytes,
                           uint8_t *out, uint8_t *demoted, uint32_t *demoted_bytes,
                           struct tr_rewrite_counts *counts);

#endif
