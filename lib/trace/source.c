// SPDX-License-Identifier: Apache-2.0
#include "trace/source.h"

#include "base/counter.h"
#include "base/hash.h"

// Slots looked at for a pair. Names are the peer's to choose: ones that all hash alike are "other", not slow.
#define PROBES_MAX 32

int tr_sources_create(struct tr_sources *sources, uint32_t lcore, uint32_t rows_max)
{
    uint32_t slots = 4;

    if (rows_max < 1 || rows_max > TR_SOURCE_ROW(UINT32_MAX) || lcore > 0xff)
        return -EINVAL;
    while (slots < 2 * (rows_max + 1))
        slots *= 2;
    memset(sources, 0, sizeof(*sources));
    sources->rows = calloc((size_t)rows_max + 1, sizeof(*sources->rows));
    sources->slots = calloc(slots, sizeof(*sources->slots));
    if (!sources->rows || !sources->slots) {
        tr_sources_destroy(sources);
        return -ENOMEM;
    }
    sources->slots_mask = slots - 1;
    sources->rows_max = rows_max + 1;
    sources->lcore = lcore;
    sources->count = 1;
    return 0;
}

void tr_sources_destroy(struct tr_sources *sources)
{
    free(sources->rows);
    free(sources->slots);
    sources->rows = NULL;
    sources->slots = NULL;
}

static bool source_is(const struct tr_source *row, const uint8_t peer_ip[16], const uint8_t *service,
                      uint32_t service_bytes)
{
    return row->service_bytes == service_bytes && memcmp(row->peer_ip, peer_ip, 16) == 0 &&
           memcmp(row->service, service, service_bytes) == 0;
}

static uint32_t number_of(const struct tr_sources *sources, uint32_t row)
{
    return row ? sources->lcore << 24 | row : TR_SOURCE_OTHER;
}

uint32_t tr_source_intern(struct tr_sources *sources, const uint8_t peer_ip[16], const uint8_t *service,
                          uint32_t service_bytes, uint64_t now)
{
    uint64_t address[2];
    uint32_t slot, probe, row = 0;

    service_bytes = TR_MIN(service_bytes, (uint32_t)TR_SERVICE_BYTES_MAX);
    memcpy(address, peer_ip, 16);
    slot = (uint32_t)tr_mix64(tr_hash_bytes(service, service_bytes, address[0]) ^ address[1]);
    for (probe = 0; probe < PROBES_MAX; probe++, slot++) {
        row = sources->slots[slot & sources->slots_mask];
        if (!row || source_is(&sources->rows[row], peer_ip, service, service_bytes))
            break;
    }
    if (probe == PROBES_MAX)
        row = TR_SOURCE_OTHER;
    else if (!row && sources->count < sources->rows_max) {
        struct tr_source *source = &sources->rows[sources->count];

        row = sources->count;
        memcpy(source->peer_ip, peer_ip, 16);
        memcpy(source->service, service, service_bytes);
        source->service_bytes = (uint16_t)service_bytes;
        source->first_ns = now;
        sources->slots[slot & sources->slots_mask] = row;
        tr_store_release(&sources->count, row + 1);
    }
    tr_store_relaxed(&sources->rows[row].last_ns, now);
    return number_of(sources, row);
}

const struct tr_source *tr_source_find(const struct tr_sources *sources, uint32_t source)
{
    uint32_t row = TR_SOURCE_ROW(source);

    if (row && TR_SOURCE_LCORE(source) != sources->lcore)
        return NULL;
    return row < tr_load_acquire(&sources->count) ? &sources->rows[row] : NULL;
}
