// SPDX-License-Identifier: Apache-2.0
// What the owner's tables take for a million traces with ten million spans, and that they take them, however the spans
// are spread over the traces and the traces over the lcores.
#include "harness.h"

#include "base/hash.h"
#include "trace/table.h"

#define SPANS 10 // of a trace, on average

static uint64_t bound(uint64_t traces, uint64_t spans)
{
    return 40 * spans + 192 * traces;
}

static struct tr_owner_options sized(uint32_t traces, uint32_t lcores, bool shape)
{
    struct tr_owner_options options = bench_options();

    options.lcores = lcores;
    options.traces_max = traces;
    options.refs_max = SPANS * traces;
    options.verdicts_max = TR_VERDICTS_MIN;
    options.aside = 0;
    options.shape = shape;
    options.shape_spans_max = 1000;
    options.trace_spans_max = 0;
    options.wait_ns = options.wait_min_ns = 3600 * TR_S;
    return options;
}

static void a_million_traces_are_within_the_bound(void **state)
{
    for (uint32_t lcores = 1; lcores <= 4; lcores++)
        for (int shape = 0; shape <= 1; shape++) {
            struct tr_owner_options options = sized(1000000, lcores, shape);
            uint64_t bytes = tr_owner_bytes(&options);

            // Without shape it is 20 bytes a span less.
            print_message("%u lcores, %s shape: %.1f MB of %.0f\n", lcores, shape ? "with" : "without",
                          (double)bytes / 1e6, (double)bound(1000000, 10000000) / 1e6);
            assert_true(bytes <= bound(1000000, 10000000) - (shape ? 0 : 20 * 10000000ull));
        }
}

// How many spans trace `n` of `traces` has: ten each on the whole.
static uint32_t spans_even(uint32_t n, uint32_t traces)
{
    return SPANS;
}

// All odd, so that each wastes a place: 9 and 11 in turn.
static uint32_t spans_odd(uint32_t n, uint32_t traces)
{
    return n % 2 ? SPANS + 1 : SPANS - 1;
}

// Nine of ten have one span, most of the rest 50, a few all that is left.
static uint32_t spans_skewed(uint32_t n, uint32_t traces)
{
    uint32_t giants = traces / 10000 + 1, large = traces / 10 - giants;
    uint64_t left = (uint64_t)SPANS * traces - (traces - giants - large) - 51ull * large;

    if (n < giants)
        return (uint32_t)(left / giants);
    return n < giants + large ? 51 : 1;
}

struct fill {
    struct bench *b;
    uint64_t position[4];
    union tr_message messages[64 * 2];
    uint32_t count, slots, origin;
    uint64_t sent;
};

static void fill_flush(struct fill *f)
{
    assert_int_equal(tr_owner_receive(f->b->owner, f->origin, f->messages, f->slots, f->b->now, f->b->wall), f->slots);
    f->sent += f->count;
    f->count = f->slots = 0;
}

static void fill_span(struct fill *f, uint32_t trace, uint32_t span, bool shape)
{
    uint64_t id[2] = {tr_mix64(trace + 1), tr_mix64(~(uint64_t)trace)};
    union tr_message *m = &f->messages[f->slots++];

    memset(m, 0, 2 * sizeof(*m));
    memcpy(m->summary.trace_id, id, 16);
    m->summary.kind = TR_MESSAGE_SUMMARY;
    m->summary.start_ns = m->summary.end_ns = TR_S + span;
    m->summary.position = f->position[f->origin] += 400;
    m->summary.bytes = 400;
    m->summary.context = trace;
    if (shape) {
        m->summary.flags = TR_SPAN_SHAPE;
        f->messages[f->slots++].shape = (struct tr_summary_shape){.kind = TR_MESSAGE_SHAPE, .span_id = span + 1};
    }
    if (++f->count == 64)
        fill_flush(f);
}

static uint64_t resident(void)
{
    unsigned long long pages = 0, all;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%llu %llu", &all, &pages), 2);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

// The first span of each trace, the second, and so on, each from the next origin: every origin has a node of every trace
// that has as many spans.
static void filled(uint32_t traces, uint32_t lcores, bool shape, uint32_t (*spans)(uint32_t, uint32_t),
                   uint64_t before)
{
    struct tr_owner_options options = sized(traces, lcores, shape);
    struct fill *f = calloc(1, sizeof(*f));
    uint64_t total = 0, held, recounted;
    uint32_t most = 0;

    f->b = bench_new(&options);
    for (uint32_t n = 0; n < traces; n++) {
        total += spans(n, traces);
        most = TR_MAX(most, spans(n, traces));
    }
    assert_in_range(total, (uint64_t)traces * (SPANS - 1), (uint64_t)traces * SPANS);
    for (uint32_t span = 0; span < most; span++)
        for (uint32_t origin = 0; origin < lcores; origin++) {
            f->origin = origin;
            for (uint32_t n = (origin + lcores - span % lcores) % lcores; n < traces; n += lcores) {
                if (span < spans(n, traces))
                    fill_span(f, n, span, shape);
                else if (span > 51)
                    break;
            }
            fill_flush(f);
        }
    assert_int_equal(f->sent, total);
    assert_int_equal(f->b->counters->held, total);
    assert_int_equal(f->b->counters->traces_held, traces);
    assert_int_equal(f->b->counters->refs_full + f->b->counters->table_full, 0);
    tr_owner_recount(f->b->owner, &held, &recounted);
    assert_int_equal(held, total);
    assert_int_equal(recounted, traces);
    if (before) {
        uint64_t bytes = resident() - before - sizeof(*f->b) - sizeof(*f);

        print_message("resident: %.1f MB\n", (double)bytes / 1e6);
        assert_true(bytes <= bound(traces, total));
        assert_true(bytes > bound(traces, total) / 2);
    }
    bench_free(f->b);
    free(f);
}

// What the process grows by, with every table as full as it gets.
static void a_million_traces_of_odd_sizes_from_four_lcores(void **state)
{
    uint64_t before = resident();

#ifdef __SANITIZE_ADDRESS__
    skip(); // shadow memory is counted, too
#endif
    if ((uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) < 1200 * TR_MIB)
        skip();
    filled(1000000, 4, true, spans_odd, before);
}

static void they_are_taken_however_spans_are_spread(void **state)
{
    uint32_t (*const spreads[])(uint32_t, uint32_t) = {spans_even, spans_odd, spans_skewed};

    for (uint32_t lcores = 1; lcores <= 4; lcores += 3)
        for (size_t i = 0; i < TR_NELEMS(spreads); i++) {
            filled(50000, lcores, true, spreads[i], 0);
            filled(50000, lcores, false, spreads[i], 0);
        }
}

static enum tr_answer bits_look(void *context, const struct tr_trace *trace, uint16_t *policy)
{
    *(uint64_t *)context = trace->bits[1];
    *policy = 0;
    return TR_ANSWER_DROP;
}

// What only some configs need is taken when one of them comes.
static void what_lies_aside_comes_with_the_config(void **state)
{
    const uint32_t all[] = {TR_ASIDE_PREDICATES, TR_ASIDE_OT, TR_ASIDE_ASKED};
    struct tr_owner_options options = sized(1000, 3, false), with = options;
    struct tr_error error = {""};
    uint64_t bits = 1;
    const struct tr_decider decider = {&bits, bits_look};
    struct bench *b = bench_new_with(&options, &decider, NULL);

    for (size_t i = 0; i < TR_NELEMS(all); i++) {
        uint64_t before = tr_owner_bytes(&with);

        with.aside |= all[i];
        assert_int_equal(tr_owner_bytes(&with) - before, 1001 * (all[i] == TR_ASIDE_PREDICATES ? 56 : 24));
    }
    for (int reserved = 0; reserved <= 1; reserved++) {
        union tr_message m[2] = {bench_span(b, 0, reserved ? "d2" : "d1")};

        if (reserved)
            assert_int_equal(tr_owner_reserve(b->owner, with.aside, &error), 0);
        m[0].summary.flags = TR_SPAN_WIDE;
        m[1].wide = (struct tr_summary_wide){.kind = TR_MESSAGE_WIDE, .predicates = {1 << 6}};
        assert_int_equal(tr_owner_receive(b->owner, 0, m, 2, b->now, b->wall), 2);
        bench_pass(b, 3600 * TR_S);
        bench_poll(b);
        assert_int_equal(bits, reserved ? 1 << 6 : 0);
    }
    assert_int_equal(tr_owner_reserve(b->owner, with.aside, &error), 0); // what is there stays
    bench_balance(b);
    bench_free(b);
}

static void the_next_block_is_told_by_all_its_pieces(void **state)
{
    for (uint32_t bit = 0; bit < 30; bit++) {
        struct tr_block block = {.place = {{.position = TR_REF_POSITION_MASK, .holder = 63}, {.position = 7, .holder = 5}},
                                 .context = {{.context = TR_REF_CONTEXT_MASK}, {.context = 9}}};

        tr_block_next_set(&block, 1u << bit);
        assert_int_equal(tr_block_next(&block), 1u << bit);
        tr_block_next_set(&block, TR_BLOCKS_MAX - (1u << bit));
        assert_int_equal(tr_block_next(&block), TR_BLOCKS_MAX - (1u << bit));
        assert_true(tr_block_ref(&block, 0).position == TR_REF_POSITION_MASK && tr_block_ref(&block, 0).holder == 63);
        assert_true(tr_block_ref(&block, 0).context == TR_REF_CONTEXT_MASK && tr_block_ref(&block, 1).context == 9);
        assert_true(tr_block_ref(&block, 1).position == 7 && tr_block_ref(&block, 1).holder == 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_traces_are_within_the_bound),
        cmocka_unit_test(a_million_traces_of_odd_sizes_from_four_lcores),
        cmocka_unit_test(they_are_taken_however_spans_are_spread),
        cmocka_unit_test(what_lies_aside_comes_with_the_config),
        cmocka_unit_test(the_next_block_is_told_by_all_its_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
