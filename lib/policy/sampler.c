// SPDX-License-Identifier: Apache-2.0
// A sampler is of the process. Each lcore counts into a table of its own; the control thread adds the tables up once an
// interval, computes the rates, and publishes them to all lcores at once. So the answer for a trace does not depend on
// which lcore owns it.
//
// Counting. An lcore has two tables and writes to one. Counts only grow; control remembers what it has read of each
// cell, so that nothing is lost and nothing counted twice while the lcore goes on. After each interval control clears the
// other table, which may have megabytes, and asks for it: the lcore moves there with its next trace (an lcore that has none
// need not wake), and control reads what was still added to the first one in the next interval. Control clears and asks
// again only when it has seen the move, so it never clears the table that the lcore counts into.
//
// Which keys. Where more keys come than may be counted, those with the least hashes are: it does not matter which lcore
// saw them, nor when. The others have rate 1, as in dynsampler.
//
// Publishing. Two tables of rates and a version, odd or even; an lcore that sees the version change while it reads asks
// again. Versions change once a second at most.
#include "policy/sampler.h"

#include "base/hash.h"

TR_COUNTERS_DEFINE(sampler, TR_SAMPLER_COUNTERS)

struct cell {
    uint64_t key; // 0: free
    uint64_t number;
};

struct lcore_counts {
    uint64_t wanted; // table, modulo 2: control's
    uint64_t active tr_aligned(64); // the lcore's, from here on
    uint64_t total;                 // spans counted in all tables
    uint64_t untracked;
    uint32_t used;
    struct cell *cells[2];
    // Control's:
    uint64_t seen tr_aligned(64); // table that `read` is of
    uint64_t total_seen;
    uint64_t *read; // of each cell
};

struct tr_sampler {
    struct tr_sampler_terms terms;
    char *name, *identity;
    struct tr_sampler_counters counters;
    uint32_t sets;
    uint32_t lcores;
    uint32_t mask;  // of the tables
    uint32_t room;  // for keys with an average
    uint64_t next_ns; // end of the interval; 0: not begun
    uint64_t intervals;
    double burst; // spans that end an interval
    struct tr_sampler_key *keys, *scratch, *counted;
    uint32_t keys_count;
    uint64_t version; // of rates; 0: none yet
    struct cell *rates[2];
    uint32_t rates_mask;
    struct lcore_counts counts[];
};

static uint32_t power_above(uint32_t number)
{
    return number <= 1 ? 1 : 1u << (32 - __builtin_clz(number - 1));
}

static uint32_t cells_of(const struct tr_sampler_terms *terms)
{
    return power_above(4 * terms->keys_max);
}

static uint32_t room_of(const struct tr_sampler_terms *terms)
{
    return 4 * terms->keys_max;
}

static uint32_t rates_of(const struct tr_sampler_terms *terms)
{
    return power_above(8 * terms->keys_max);
}

// An lcore's two tables of cells and what was read of them, twice its cells to be counted; two tables of rates; keys.
uint64_t tr_sampler_bytes(const struct tr_sampler_terms *terms, uint32_t lcores)
{
    uint64_t lcore = sizeof(struct lcore_counts) +
                     (uint64_t)cells_of(terms) * (2 * sizeof(struct cell) + sizeof(uint64_t) + 2 * sizeof(struct tr_sampler_key));

    return sizeof(struct tr_sampler) + lcores * lcore + (uint64_t)rates_of(terms) * 2 * sizeof(struct cell) +
           (uint64_t)room_of(terms) * 2 * sizeof(struct tr_sampler_key);
}

static void destroy(struct tr_sampler *sampler)
{
    for (uint32_t i = 0; i < sampler->lcores; i++) {
        free(sampler->counts[i].cells[0]);
        free(sampler->counts[i].cells[1]);
        free(sampler->counts[i].read);
    }
    free(sampler->rates[0]);
    free(sampler->rates[1]);
    free(sampler->keys);
    free(sampler->scratch);
    free(sampler->counted);
    free(sampler->identity);
    free(sampler->name);
    free(sampler);
}

static bool tables_make(struct tr_sampler *sampler)
{
    size_t cells = sampler->mask + 1;
    bool all = true;

    for (uint32_t i = 0; i < sampler->lcores; i++) {
        struct lcore_counts *counts = &sampler->counts[i];

        for (int k = 0; k < 2; k++)
            all = (counts->cells[k] = calloc(cells, sizeof(*counts->cells[k]))) && all;
        all = (counts->read = calloc(cells, sizeof(*counts->read))) && all;
    }
    for (int k = 0; k < 2; k++)
        all = (sampler->rates[k] = calloc(sampler->rates_mask + 1, sizeof(*sampler->rates[k]))) && all;
    sampler->keys = calloc(sampler->room, sizeof(*sampler->keys));
    sampler->scratch = calloc(sampler->room, sizeof(*sampler->scratch));
    sampler->counted = calloc(2 * cells * sampler->lcores, sizeof(*sampler->counted));
    return all && sampler->keys && sampler->scratch && sampler->counted && sampler->identity && sampler->name;
}

int tr_sampler_create(struct tr_sampler **made, const struct tr_sampler_terms *terms, const char *name,
                      const char *identity, uint32_t lcores)
{
    size_t bytes = sizeof(struct tr_sampler) + lcores * sizeof(struct lcore_counts);
    struct tr_sampler *sampler = aligned_alloc(64, TR_ALIGN_UP(bytes, 64));

    if (!sampler)
        return -ENOMEM;
    memset(sampler, 0, bytes);
    sampler->terms = *terms;
    sampler->sets = 1;
    sampler->lcores = lcores;
    sampler->mask = cells_of(terms) - 1;
    sampler->room = room_of(terms);
    sampler->rates_mask = rates_of(terms) - 1;
    sampler->identity = strdup(identity);
    sampler->name = strdup(name);
    if (!tables_make(sampler)) {
        destroy(sampler);
        return -ENOMEM;
    }
    *made = sampler;
    return 0;
}

void tr_sampler_hold(struct tr_sampler *sampler)
{
    sampler->sets++;
}

void tr_sampler_release(struct tr_sampler *sampler)
{
    if (--sampler->sets == 0)
        destroy(sampler);
}

const char *tr_sampler_identity(const struct tr_sampler *sampler)
{
    return sampler->identity;
}

const char *tr_sampler_name(const struct tr_sampler *sampler)
{
    return sampler->name;
}

const struct tr_sampler_terms *tr_sampler_terms(const struct tr_sampler *sampler)
{
    return &sampler->terms;
}

// --- the lcore's side

static void count(struct tr_sampler *sampler, struct lcore_counts *counts, uint64_t key, uint32_t spans)
{
    uint64_t wanted = tr_load_acquire(&counts->wanted);
    struct cell *cells;
    uint32_t at;

    if (tr_unlikely(wanted != counts->active)) {
        counts->used = 0;
        tr_store_release(&counts->active, wanted);
    }
    cells = counts->cells[counts->active & 1];
    for (at = (uint32_t)tr_mix64(key) & sampler->mask; cells[at].key && cells[at].key != key;)
        at = (at + 1) & sampler->mask;
    if (!cells[at].key && counts->used > sampler->mask - sampler->mask / 4) {
        tr_store_relaxed(&counts->untracked, counts->untracked + spans);
        return;
    }
    tr_store_relaxed(&cells[at].number, cells[at].number + spans);
    if (!cells[at].key) {
        counts->used++;
        tr_store_release(&cells[at].key, key);
    }
    tr_store_relaxed(&counts->total, counts->total + spans);
}

static uint64_t rate_find(const struct tr_sampler *sampler, uint64_t version, uint64_t key)
{
    const struct cell *cells = sampler->rates[version & 1];

    for (uint32_t at = (uint32_t)tr_mix64(key) & sampler->rates_mask;; at = (at + 1) & sampler->rates_mask) {
        uint64_t found = tr_load_relaxed(&cells[at].key);

        if (found == key)
            return tr_load_relaxed(&cells[at].number);
        if (!found)
            return 1;
    }
}

uint64_t tr_sampler_rate(struct tr_sampler *sampler, uint32_t lcore, uint64_t key, uint32_t spans)
{
    uint64_t version, rate;

    key += !key;
    if (spans)
        count(sampler, &sampler->counts[lcore], key, spans);
    do {
        version = tr_load_acquire(&sampler->version);
        rate = version ? rate_find(sampler, version, key) : sampler->terms.initial_rate;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (tr_unlikely(tr_load_relaxed(&sampler->version) != version));
    return rate;
}

// --- control's

// What came to a table since it was read. Returns how many keys there are then.
static uint32_t table_read(const struct tr_sampler *sampler, struct lcore_counts *counts, uint64_t table,
                           uint32_t counted)
{
    const struct cell *cells = counts->cells[table & 1];

    for (uint32_t i = 0; i <= sampler->mask; i++) {
        uint64_t key = tr_load_acquire(&cells[i].key), number;

        if (!key)
            continue;
        number = tr_load_relaxed(&cells[i].number);
        if (number == counts->read[i])
            continue;
        sampler->counted[counted++] =
            (struct tr_sampler_key){.key = key, .average = (double)(number - counts->read[i])};
        counts->read[i] = number;
    }
    return counted;
}

static uint32_t lcore_read(const struct tr_sampler *sampler, struct lcore_counts *counts, uint32_t counted)
{
    uint64_t active = tr_load_acquire(&counts->active);

    counted = table_read(sampler, counts, counts->seen, counted);
    if (active != counts->seen) {
        memset(counts->read, 0, (sampler->mask + 1) * sizeof(*counts->read));
        counts->seen = active;
        counted = table_read(sampler, counts, active, counted);
    }
    if (counts->wanted != active + 1) {
        memset(counts->cells[(active + 1) & 1], 0, (sampler->mask + 1) * sizeof(*counts->cells[0]));
        tr_store_release(&counts->wanted, active + 1);
    }
    return counted;
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = ((const struct tr_sampler_key *)a)->key, y = ((const struct tr_sampler_key *)b)->key;

    return (x > y) - (x < y);
}

// One row a key, and no more of them than are to be counted.
static uint32_t counted_join(struct tr_sampler *sampler, uint32_t count)
{
    struct tr_sampler_key *counted = sampler->counted;
    uint32_t made = 0;

    qsort(counted, count, sizeof(*counted), by_key);
    for (uint32_t i = 0; i < count; i++) {
        if (made && counted[made - 1].key == counted[i].key)
            counted[made - 1].average += counted[i].average;
        else
            counted[made++] = counted[i];
    }
    for (uint32_t i = sampler->terms.keys_max; i < made; i++)
        tr_count(&sampler->counters.untracked, (uint64_t)counted[i].average);
    return TR_MIN(made, sampler->terms.keys_max);
}

static void publish(struct tr_sampler *sampler)
{
    uint64_t version = sampler->version + 1;
    struct cell *cells = sampler->rates[version & 1];

    __atomic_thread_fence(__ATOMIC_RELEASE); // who reads what follows sees the version before it, at least
    for (uint32_t i = 0; i <= sampler->rates_mask; i++)
        tr_store_relaxed(&cells[i].key, 0);
    for (uint32_t i = 0; i < sampler->keys_count; i++) {
        uint32_t at = (uint32_t)tr_mix64(sampler->keys[i].key) & sampler->rates_mask;

        while (cells[at].key)
            at = (at + 1) & sampler->rates_mask;
        tr_store_relaxed(&cells[at].number, sampler->keys[i].rate);
        tr_store_relaxed(&cells[at].key, sampler->keys[i].key);
    }
    tr_store_release(&sampler->version, version);
}

// Nothing was counted: the averages stay, so that a pause does not make them fade.
static bool compute(struct tr_sampler *sampler)
{
    uint32_t counted = 0;

    for (uint32_t i = 0; i < sampler->lcores; i++) {
        struct lcore_counts *counts = &sampler->counts[i];

        counts->total_seen = tr_load_relaxed(&counts->total);
        counted = lcore_read(sampler, counts, counted);
    }
    counted = counted_join(sampler, counted);
    if (!counted)
        return false;
    sampler->keys_count = tr_sampler_average(sampler->keys, sampler->keys_count, sampler->counted, counted,
                                             sampler->scratch, sampler->room, &sampler->terms);
    sampler->burst = sampler->terms.burst_multiple *
                     tr_sampler_rates(sampler->keys, sampler->keys_count, &sampler->terms);
    tr_gauge(&sampler->counters.keys, sampler->keys_count);
    publish(sampler);
    return true;
}

static bool bursts(const struct tr_sampler *sampler)
{
    uint64_t spans = 0;

    if (sampler->burst <= 0 || sampler->intervals < sampler->terms.burst_delay)
        return false;
    for (uint32_t i = 0; i < sampler->lcores; i++)
        spans += tr_load_relaxed(&sampler->counts[i].total) - sampler->counts[i].total_seen;
    return (double)spans >= sampler->burst;
}

bool tr_sampler_poll(struct tr_sampler *sampler, uint64_t now)
{
    bool over = sampler->next_ns && now >= sampler->next_ns;

    if (!sampler->next_ns)
        sampler->next_ns = now + sampler->terms.interval_ns;
    if (!over && !bursts(sampler))
        return false;
    sampler->intervals += over;
    sampler->next_ns = now + sampler->terms.interval_ns;
    if (!compute(sampler))
        return false;
    tr_count(over ? &sampler->counters.intervals : &sampler->counters.bursts, 1);
    return true;
}

const struct tr_sampler_key *tr_sampler_keys(const struct tr_sampler *sampler, uint32_t *count)
{
    *count = sampler->keys_count;
    return sampler->keys;
}

void tr_sampler_counters(const struct tr_sampler *sampler, struct tr_sampler_counters *counters)
{
    *counters = (struct tr_sampler_counters){.keys = tr_counter_read(&sampler->counters.keys),
                                             .intervals = tr_counter_read(&sampler->counters.intervals),
                                             .bursts = tr_counter_read(&sampler->counters.bursts),
                                             .untracked = tr_counter_read(&sampler->counters.untracked)};
    for (uint32_t i = 0; i < sampler->lcores; i++)
        counters->untracked += tr_load_relaxed(&sampler->counts[i].untracked);
}
