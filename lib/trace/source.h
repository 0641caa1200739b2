// SPDX-License-Identifier: Apache-2.0
// Where spans come from: (peer address, service) pairs, interned by each holder so that a number travels in
// summaries and verdicts. Bounded and append-only; when it is full, new pairs become TR_SOURCE_OTHER.
//
// Thread: intern on the owner lcore; read on any thread.
#ifndef TR_TRACE_SOURCE_H
#define TR_TRACE_SOURCE_H

#include "base/counter.h"

#define TR_SOURCE_OTHER      0u
#define TR_SERVICE_BYTES_MAX 64 // longer names are cut

struct tr_source {
    uint8_t peer_ip[16];
    uint16_t service_bytes;
    char service[TR_SERVICE_BYTES_MAX];
    uint64_t first_ns;
    // Written by the lcore with tr_count().
    uint64_t last_ns;
    uint64_t spans; // that came, rejected ones too
    uint64_t rejected;
    uint64_t kept; // that went to the outbox
};

struct tr_sources {
    struct tr_source *rows; // [0] is "other"
    uint32_t *slots;
    uint32_t slots_mask;
    uint32_t rows_max;
    uint32_t count; // published with release
    uint32_t lcore;
};

// A source's number: lcore in the top 8 bits, row in the rest.
#define TR_SOURCE_LCORE(source) ((source) >> 24)
#define TR_SOURCE_ROW(source)   ((source)&0xffffffu)

int tr_sources_create(struct tr_sources *sources, uint32_t lcore, uint32_t rows_max);
void tr_sources_destroy(struct tr_sources *sources);
uint32_t tr_source_intern(struct tr_sources *sources, const uint8_t peer_ip[16], const uint8_t *service,
                          uint32_t service_bytes, uint64_t now);
const struct tr_source *tr_source_find(const struct tr_sources *sources, uint32_t source);

// Count for a source of this lcore.
static inline void tr_source_spans(struct tr_sources *sources, uint32_t source, uint32_t spans)
{
    tr_count(&sources->rows[TR_SOURCE_ROW(source)].spans, spans);
}

static inline void tr_source_rejected(struct tr_sources *sources, uint32_t source)
{
    tr_count(&sources->rows[TR_SOURCE_ROW(source)].rejected, 1);
}

static inline void tr_source_kept(struct tr_sources *sources, uint32_t source)
{
    tr_count(&sources->rows[TR_SOURCE_ROW(source)].kept, 1);
}

#endif
