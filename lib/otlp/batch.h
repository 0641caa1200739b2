// SPDX-License-Identifier: Apache-2.0
// The batch writer: an ExportTraceServiceRequest from spans that lie here and there, each with its group
// (resource, scope and their schema URLs).
//
// Groups come in the order of their first span, spans of a group in theirs. Groups with equal bytes are one,
// groups with the same resource and schema URL share a ResourceSpans; a group without spans is left out. Span
// bytes go in as they are.
#ifndef TR_OTLP_BATCH_H
#define TR_OTLP_BATCH_H

#include "base/tr.h"

struct tr_batch_group {
    const uint8_t *resource, *resource_schema_url, *scope,
        *scope_schema_url; // 0 bytes: the field is left out
    uint32_t resource_bytes, resource_schema_url_bytes, scope_bytes, scope_schema_url_bytes;
};

struct tr_batch_span {
    const uint8_t *span;
    uint32_t bytes;
    uint32_t group; // index, checked (asserted)
};

// How large the request will be.
//
// Returns 0 when there is no span, SIZE_MAX when there is no memory or it would be 2 GiB or more.
// Thread: not a data lcore (it allocates). Cost: a hash of each group, some 10 ns a span.
size_t tr_batch_bytes(const struct tr_batch_group *groups, uint32_t group_count,
                      const struct tr_batch_span *spans, uint32_t span_count);

// Write the request to `out`, which has room for tr_batch_bytes() of the same. Returns its bytes, as that
// did.
size_t tr_batch_write(const struct tr_batch_group *groups, uint32_t group_count,
                      const struct tr_batch_span *spans, uint32_t span_count, uint8_t *out);

#endif
