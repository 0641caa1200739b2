// SPDX-License-Identifier: Apache-2.0
// The ring of dropped traces against a model that keeps every record for ever: sizes, flags, rings and chains are drawn
// from a seed.
//
//   TR_SEED=n   one seed only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/hash.h"
#include "trace/dropped.h"

#define SEEDS      60
#define OPERATIONS 400
#define REFS_MAX   2048
#define FOLLOWED_S (4 * 3600u)

struct model_record {
    struct tr_entry entry; // its aggregates
    uint64_t wide[TR_WIDE_WORDS];
    struct tr_trace_ot ot;
    uint64_t position, size, earlier;
    uint32_t written_s;
    uint32_t refs, first_ref; // the references are those of these numbers
    uint32_t from;
};

struct model {
    struct tr_dropped dropped;
    struct tr_table table;
    uint64_t random, seed, now;
    uint64_t end; // of the newest record
    uint32_t next_ref;
    uint32_t count;
    struct model_record records[OPERATIONS];
};

static uint64_t draw(struct model *m, uint64_t below)
{
    m->random = tr_mix64(m->random + 0x9e3779b97f4a7c15ull);
    return m->random % below;
}

// All that a reference says follows from its number.
static struct tr_ref ref_of(uint32_t number)
{
    uint64_t mixed = tr_mix64(number + 1);

    return (struct tr_ref){.position = mixed & TR_REF_POSITION_MASK,
                           .context = (uint32_t)tr_mix64(mixed) & TR_REF_CONTEXT_MASK,
                           .holder = number % TR_LCORES_MAX};
}

static struct tr_shape shape_of(uint32_t number)
{
    return (struct tr_shape){.record = {.span = number + 7, .parent = number, .duration = number & 0xfff},
                             .sampler_key = number * 3};
}

static uint32_t entry_begin(struct model *m)
{
    uint8_t id[16] = {1};
    uint32_t number = tr_table_begin(&m->table, tr_table_hash(&m->table, id), id);

    assert_int_not_equal(number, 0);
    return number;
}

static void entry_end(struct model *m, uint32_t number)
{
    tr_table_forget(&m->table, number);
    tr_table_end(&m->table, number);
    assert_int_equal(m->table.refs, 0);
}

static bool alive(const struct model *m, const struct model_record *record)
{
    return m->end - record->position <= m->dropped.bytes;
}

static struct model_record *record_of(struct model *m, uint64_t position)
{
    for (uint32_t i = m->count; i-- > 0 && position;)
        if (m->records[i].position == position)
            return &m->records[i];
    return NULL;
}

static uint32_t refs_draw(struct model *m)
{
    switch (draw(m, 8)) {
    case 0:
        return (uint32_t)draw(m, 400); // more than half of a small ring
    case 1:
        return 0;
    default:
        return (uint32_t)draw(m, 24);
    }
}

static void entry_draw(struct model *m, uint32_t number, struct model_record *record)
{
    struct tr_entry *entry = tr_table_entry(&m->table, number);

    entry->start_ns = draw(m, UINT64_MAX);
    entry->end_ns = draw(m, UINT64_MAX);
    entry->bits = draw(m, UINT64_MAX);
    entry->bytes = draw(m, 1ull << 48);
    entry->flags = draw(m, 32);
    entry->first_ns = draw(m, UINT64_MAX);
    entry->epoch = (uint32_t)draw(m, UINT32_MAX);
    for (uint32_t i = 0; i < TR_WIDE_WORDS; i++)
        tr_table_wide(&m->table, number)[i] = record->wide[i] = draw(m, UINT64_MAX);
    record->ot = (struct tr_trace_ot){.random = draw(m, 1ull << 56), .have = 3, .thresholds = (uint32_t)draw(m, 1000)};
    m->table.ots[number] = record->ot;
    record->entry = *entry;
}

static uint64_t size_of(const struct model *m, const struct model_record *record)
{
    uint64_t fixed = 64 + (record->entry.flags & TR_ENTRY_WIDE ? sizeof(record->wide) : 0) +
                     (record->entry.flags & TR_ENTRY_OT ? sizeof(record->ot) : 0);

    fixed = (fixed + 15) / 16 * 16;
    return (fixed + record->refs * (m->table.shapes ? 36ull : 12ull) + 15) / 16 * 16;
}

static void put(struct model *m)
{
    struct model_record *record = &m->records[m->count];
    uint32_t number = entry_begin(m);

    *record = (struct model_record){.refs = refs_draw(m), .first_ref = m->next_ref};
    record->earlier = m->count && draw(m, 4) ? m->records[m->count - 1 - draw(m, TR_MIN(m->count, 3u))].position : 0;
    record->written_s = (uint32_t)(m->now / TR_S);
    record->from = draw(m, 2) ? 0 : (uint32_t)draw(m, 30);
    for (uint32_t i = 0; i < record->from; i++) // which another record has
        tr_table_ref_add(&m->table, number, &(struct tr_ref){.position = 1}, &(struct tr_shape){0});
    for (uint32_t i = 0; i < record->refs; i++) {
        struct tr_ref ref = ref_of(m->next_ref);
        struct tr_shape shape = shape_of(m->next_ref++);

        tr_table_ref_add(&m->table, number, &ref, &shape);
    }
    entry_draw(m, number, record);
    record->size = size_of(m, record);
    if (record->size > m->dropped.bytes / 2) {
        record->refs = 0;
        record->size = size_of(m, record);
    }
    record->position = tr_dropped_put(&m->dropped, &m->table, number, record->from,
                                      record->earlier, record->written_s);
    assert_true(record->position >= m->end && record->position > 0);
    assert_true((record->position & (m->dropped.bytes - 1)) + record->size <= m->dropped.bytes);
    m->end = record->position + record->size;
    m->count++;
    entry_end(m, number);
}

static void check_recall(struct model *m, const struct model_record *record)
{
    uint32_t number = entry_begin(m);
    struct tr_entry *entry = tr_table_entry(&m->table, number);

    tr_dropped_recall(&m->dropped, record->position, &m->table, number);
    assert_int_equal(entry->start_ns, record->entry.start_ns);
    assert_int_equal(entry->end_ns, record->entry.end_ns);
    assert_int_equal(entry->bits, record->entry.bits);
    assert_int_equal(entry->bytes, record->entry.bytes);
    assert_int_equal(entry->flags, record->entry.flags);
    assert_int_equal(entry->first_ns, record->entry.first_ns);
    assert_int_equal(entry->epoch, record->entry.epoch);
    assert_int_equal(entry->spans, 0);
    if (entry->flags & TR_ENTRY_WIDE)
        assert_memory_equal(tr_table_wide(&m->table, number), record->wide, sizeof(record->wide));
    if (entry->flags & TR_ENTRY_OT)
        assert_memory_equal(&m->table.ots[number], &record->ot, sizeof(record->ot));
    entry_end(m, number);
}

// The references that a record leads to, oldest first. Returns how many.
static uint32_t refs_expected(struct model *m, const struct model_record *record, uint32_t *refs,
                              uint64_t until, struct tr_dropped_chain *chain)
{
    const struct model_record *records[TR_DROPPED_CHAIN];
    uint32_t count = 0;

    *chain = (struct tr_dropped_chain){0};
    for (; record && record->position != until && chain->records < TR_DROPPED_CHAIN; record = record_of(m, record->earlier)) {
        if (!alive(m, record) || m->now / TR_S - record->written_s >= FOLLOWED_S)
            break;
        records[chain->records++] = record;
        chain->written_s = record->written_s;
        chain->whole = !record->earlier;
    }
    for (uint32_t i = chain->records; i-- > 0;)
        for (uint32_t r = 0; r < records[i]->refs; r++)
            refs[count++] = records[i]->first_ref + r;
    chain->refs = count;
    return count;
}

// Enough goes, and what stays at the front is larger than all that goes.
static void check_stays(struct model *m, const struct model_record *record)
{
    uint64_t stays = tr_dropped_stays(&m->dropped, record->position, m->now);
    struct tr_dropped_chain all = tr_dropped_chain(&m->dropped, record->position, 0, m->now);
    struct tr_dropped_chain go = tr_dropped_chain(&m->dropped, record->position, stays, m->now);

    assert_true(go.records == all.records || (stays && go.records >= TR_DROPPED_CHAIN / 2));
    if (go.records < all.records)
        assert_true(record_of(m, stays)->refs > go.refs);
}

static void check_refs(struct model *m, const struct model_record *record)
{
    static uint32_t refs[TR_DROPPED_CHAIN * 400];
    uint64_t until = draw(m, 2) ? 0 : m->records[draw(m, m->count)].position;
    struct tr_dropped_chain expected, chain = tr_dropped_chain(&m->dropped, record->position, until, m->now);
    uint32_t count = refs_expected(m, record, refs, until, &expected), number = entry_begin(m);
    uint32_t most = draw(m, 3) ? UINT32_MAX : (uint32_t)draw(m, 40);
    uint32_t given = TR_MIN(TR_MIN(count, most), REFS_MAX);
    const struct tr_entry *entry = tr_table_entry(&m->table, number);
    struct tr_ref_cursor at;

    assert_int_equal(chain.records, expected.records);
    assert_int_equal(chain.refs, expected.refs);
    assert_int_equal(chain.written_s, expected.written_s);
    assert_int_equal(chain.whole, expected.whole);
    check_stays(m, record);
    tr_dropped_refs(&m->dropped, record->position, &m->table, number, most, until, m->now);
    assert_int_equal(entry->spans, given);
    at = tr_table_refs_begin(entry);
    for (uint32_t i = 0; i < given; i++) {
        struct tr_ref ref = tr_table_ref(&m->table, &at), want = ref_of(refs[count - given + i]);
        struct tr_shape shape = shape_of(refs[count - given + i]);

        assert_int_equal(ref.position, want.position);
        assert_int_equal(ref.context, want.context);
        assert_int_equal(ref.holder, want.holder);
        if (m->table.shapes) {
            struct tr_shape got = tr_table_shape_whole(&m->table, &at);

            assert_memory_equal(&got, &shape, sizeof(shape));
        }
        tr_table_refs_next(&m->table, entry, &at);
    }
    entry_end(m, number);
}

static void check(struct model *m)
{
    uint64_t begun = 0;

    for (uint32_t i = 0; i < m->count; i++) {
        const struct model_record *record = &m->records[i];

        assert_int_equal(tr_dropped_at(&m->dropped, record->position) != NULL, alive(m, record));
        begun += alive(m, record) && !record->earlier;
    }
    assert_int_equal(m->dropped.traces, begun);
    for (int i = 0; i < 3; i++) {
        const struct model_record *record = &m->records[m->count - 1 - draw(m, TR_MIN(m->count, 12u))];

        if (!alive(m, record))
            continue;
        check_recall(m, record);
        check_refs(m, record);
    }
}

static void seed_run(uint64_t seed)
{
    struct model *m = calloc(1, sizeof(*m));
    struct tr_table_options options = {.traces_max = 2,
                                       .refs_max = REFS_MAX,
                                       .aside = TR_ASIDE_PREDICATES | TR_ASIDE_OT,
                                       .numa_node = -1};

    assert_non_null(m);
    m->random = m->seed = seed;
    m->now = 1000 * TR_S;
    options.shape = draw(m, 2);
    assert_int_equal(tr_table_create(&m->table, &options), 0);
    assert_int_equal(tr_dropped_create(&m->dropped, TR_DROPPED_BYTES_MIN << draw(m, 5), -1, false), 0);
    assert_null(tr_dropped_at(&m->dropped, 0));
    for (int i = 0; i < OPERATIONS; i++) {
        put(m);
        check(m);
        if (!draw(m, 16))
            m->now += draw(m, FOLLOWED_S / 2) * TR_S;
    }
    tr_dropped_destroy(&m->dropped);
    tr_table_destroy(&m->table);
    free(m);
}

static void it_is_what_the_model_says(void **state)
{
    const char *only = getenv("TR_SEED");

    for (uint64_t seed = only ? strtoull(only, NULL, 10) : 1, last = only ? seed : SEEDS; seed <= last; seed++)
        seed_run(seed);
}

// Where nothing is kept in mind, nothing is found.
static void without_a_ring_nothing_is_kept(void **state)
{
    struct model *m = calloc(1, sizeof(*m));
    uint32_t number;

    assert_non_null(m);
    assert_int_equal(tr_table_create(&m->table, &(struct tr_table_options){.traces_max = 2, .refs_max = 4, .numa_node = -1}),
                     0);
    assert_int_equal(tr_dropped_create(&m->dropped, 0, -1, false), 0);
    number = entry_begin(m);
    tr_table_ref_add(&m->table, number, &(struct tr_ref){.position = 1}, NULL);
    assert_int_equal(tr_dropped_put(&m->dropped, &m->table, number, 0, 0, 1), 0);
    assert_int_equal(m->dropped.traces, 0);
    assert_int_equal(tr_dropped_chain(&m->dropped, 0, 0, TR_S).records, 0);
    entry_end(m, number);
    tr_dropped_destroy(&m->dropped);
    tr_table_destroy(&m->table);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_what_the_model_says),
        cmocka_unit_test(without_a_ring_nothing_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
