// SPDX-License-Identifier: Apache-2.0
// Dynamic samplers: the arithmetic, counting on any number of lcores, keys, and what a config may not say.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <time.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/pb.h"
#include "policy/policy_set.h"
#include "policy/sampler.h"
#include "trace/shapes.h"

static const struct tr_sampler_terms dynamic = {.goal = 10,
                                                .initial_rate = 10,
                                                .interval_ns = 15 * TR_S,
                                                .weight = 0.5,
                                                .age_out = 0.5,
                                                .burst_multiple = 2,
                                                .burst_delay = 3,
                                                .keys_max = 500};

static uint64_t now;

static struct tr_sampler *create(const struct tr_sampler_terms *terms, uint32_t lcores)
{
    struct tr_sampler *sampler;

    assert_int_equal(tr_sampler_create(&sampler, terms, "s", "a sampler", lcores), 0);
    now = 1000 * TR_S;
    assert_false(tr_sampler_poll(sampler, now)); // the first interval begins
    return sampler;
}

static bool interval(struct tr_sampler *sampler)
{
    now += 15 * TR_S;
    return tr_sampler_poll(sampler, now);
}

static uint64_t untracked(const struct tr_sampler *sampler)
{
    struct tr_sampler_counters counters;

    tr_sampler_counters(sampler, &counters);
    return counters.untracked;
}

// Spans under each key, from 1; then an interval ends.
static void counted(struct tr_sampler *sampler, uint32_t lcore, const uint32_t *spans, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (spans[i])
            tr_sampler_rate(sampler, lcore, i + 1, spans[i]);
}

#define COUNTED(sampler, ...)                                                                                \
    counted(sampler, 0, (const uint32_t[]){__VA_ARGS__}, TR_NELEMS(((const uint32_t[]){__VA_ARGS__})));          \
    assert_true(interval(sampler))

// The rates of keys 1 and up; 0: it has none.
static void rates(const struct tr_sampler *sampler, const uint64_t *wanted, size_t count)
{
    uint32_t keys_count;
    const struct tr_sampler_key *keys = tr_sampler_keys(sampler, &keys_count);

    for (size_t i = 0; i < count; i++) {
        uint64_t rate = 0;

        for (uint32_t k = 0; k < keys_count; k++)
            rate = keys[k].key == i + 1 ? keys[k].rate : rate;
        assert_int_equal(rate, wanted[i]);
    }
}

#define RATES(sampler, ...)                                                                                  \
    rates(sampler, (const uint64_t[]){__VA_ARGS__}, TR_NELEMS(((const uint64_t[]){__VA_ARGS__})))

// The numbers of this test and the next are from a program of its own, written from dynsampler-go's documentation.
static void an_average_rate(void **state)
{
    struct tr_sampler *sampler = create(&dynamic, 1);

    assert_int_equal(tr_sampler_rate(sampler, 0, 9, 0), 10); // nothing is known yet
    COUNTED(sampler, 1000, 100, 10, 1);
    RATES(sampler, 17, 3, 1, 1);
    assert_int_equal(tr_sampler_rate(sampler, 0, 1, 0), 17);
    assert_int_equal(tr_sampler_rate(sampler, 0, 77, 0), 1); // a key that did not come
    COUNTED(sampler, 1000, 100, 10);
    RATES(sampler, 18, 3, 1, 0); // the fourth is too old
    assert_false(interval(sampler)); // a pause is none of its business
    RATES(sampler, 18, 3, 1, 0);
    COUNTED(sampler, 5000, 0, 0, 0, 40);
    RATES(sampler, 20, 1, 1, 0, 1);
    COUNTED(sampler, 0, 7);
    RATES(sampler, 18, 1, 1, 0, 1);
    tr_sampler_release(sampler);
}

static void spans_a_second(void **state)
{
    struct tr_sampler_terms terms = dynamic;
    struct tr_sampler *sampler;

    terms.throughput = true;
    terms.weight = terms.age_out = 0.25;
    terms.initial_rate = 7;
    sampler = create(&terms, 1);
    assert_int_equal(tr_sampler_rate(sampler, 0, 1, 0), 7);
    COUNTED(sampler, 1000, 100, 10, 1);
    RATES(sampler, 3, 1, 1, 1);
    COUNTED(sampler, 1000, 100, 10);
    RATES(sampler, 6, 1, 1, 0);
    COUNTED(sampler, 50000, 0, 0, 0, 4000);
    RATES(sampler, 191, 2, 1, 0, 16);
    tr_sampler_release(sampler);
}

static void keys_that_come_once_are_kept(void **state)
{
    struct tr_sampler *sampler = create(&dynamic, 1);

    COUNTED(sampler, 2, 1, 1);
    RATES(sampler, 1, 1, 1);
    tr_sampler_release(sampler);
}

static void a_burst_ends_an_interval(void **state)
{
    struct tr_sampler *sampler = create(&dynamic, 1);
    struct tr_sampler_counters counted_by;
    const uint32_t one = 1000;

    for (int i = 0; i < 3; i++) {
        COUNTED(sampler, 1000);
    }
    RATES(sampler, 10);
    counted(sampler, 0, &one, 1); // the average is 875 now, the burst begins at 1750
    now += TR_S;
    assert_false(tr_sampler_poll(sampler, now));
    counted(sampler, 0, &one, 1);
    now += TR_S;
    assert_true(tr_sampler_poll(sampler, now));
    now += 14 * TR_S;
    assert_false(tr_sampler_poll(sampler, now)); // the interval began anew
    tr_sampler_counters(sampler, &counted_by);
    assert_int_equal(counted_by.intervals, 3);
    assert_int_equal(counted_by.bursts, 1);
    assert_int_equal(counted_by.keys, 1);
    tr_sampler_release(sampler);
}

static void no_burst_in_the_first_intervals(void **state)
{
    struct tr_sampler *sampler = create(&dynamic, 1);
    const uint32_t many = 100000;

    COUNTED(sampler, 1000);
    counted(sampler, 0, &many, 1);
    assert_false(tr_sampler_poll(sampler, now + TR_S));
    tr_sampler_release(sampler);
}

// The same traces, shared out among lcores in two ways: the same averages to the last bit, and the same rate for each
// trace. There are more keys than are counted, and lcores that have nothing to do in some intervals.
static void it_does_not_matter_how_many_lcores_there_are(void **state)
{
    struct tr_sampler_terms terms = dynamic;
    struct tr_sampler *one, *four;
    uint64_t seed = 7;

    terms.keys_max = 20;
    one = create(&terms, 1);
    four = create(&terms, 4);
    for (int i = 0; i < 50; i++) {
        uint32_t one_count, four_count;
        const struct tr_sampler_key *a, *b;

        for (int t = 0; t < 400; t++) {
            uint64_t drawn = tr_mix64(++seed), key = tr_mix64(drawn % 60 * (drawn >> 20) % 60 + 1);
            uint32_t spans = 1 + (uint32_t)(drawn >> 40) % 9;
            uint32_t lcore = i % 3 ? (uint32_t)(drawn >> 32) % 4 : 2;

            assert_int_equal(tr_sampler_rate(one, 0, key, spans), tr_sampler_rate(four, lcore, key, spans));
        }
        now += 15 * TR_S;
        assert_true(tr_sampler_poll(one, now));
        assert_true(tr_sampler_poll(four, now));
        a = tr_sampler_keys(one, &one_count);
        b = tr_sampler_keys(four, &four_count);
        assert_int_equal(one_count, four_count);
        assert_memory_equal(a, b, one_count * sizeof(*a));
        assert_in_range(one_count, 20, 80);
        assert_int_equal(untracked(one), untracked(four)); // by max_keys, as no table was full
    }
    tr_sampler_release(one);
    tr_sampler_release(four);
}

static void a_full_table_counts_what_it_turns_away(void **state)
{
    struct tr_sampler_terms terms = dynamic;
    struct tr_sampler *sampler;
    uint32_t count;

    terms.keys_max = 8;
    sampler = create(&terms, 1);
    for (uint64_t key = 1; key <= 1000; key++)
        tr_sampler_rate(sampler, 0, key, 2);
    assert_in_range(untracked(sampler), 2 * (1000 - 32), 2 * (1000 - 8));
    assert_true(interval(sampler));
    assert_int_equal(untracked(sampler), 2 * (1000 - 8));
    tr_sampler_keys(sampler, &count);
    assert_int_equal(count, 8);
    assert_int_equal(tr_sampler_rate(sampler, 0, 999999, 1), 1); // and goes on in the other table
    assert_true(interval(sampler));
    tr_sampler_release(sampler);
}

static uint64_t cpu_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * TR_S + (uint64_t)time.tv_nsec;
}

// Clearing a table is not for the lcore, whose turn it would hold up: at the largest max_keys it has 4 MiB. Of some tries
// the least counts, beside that of clearing as much.
static void an_interval_costs_the_lcore_nothing(void **state)
{
    static uint8_t as_large[TR_SAMPLER_KEYS_MAX * 4 * 16];
    uint64_t counting = UINT64_MAX, clearing = UINT64_MAX;
    struct tr_sampler_terms terms = dynamic;
    struct tr_sampler *sampler;

    terms.keys_max = TR_SAMPLER_KEYS_MAX;
    sampler = create(&terms, 1);
    for (int i = 0; i < 20; i++) {
        uint64_t begin = cpu_ns();

        assert_true(tr_sampler_rate(sampler, 0, 1, 10) >= 1);
        counting = TR_MIN(counting, i ? cpu_ns() - begin : counting);
        assert_true(interval(sampler));
        begin = cpu_ns();
        memset(as_large, i, sizeof(as_large));
        __asm__ volatile("" ::"r"(as_large) : "memory");
        clearing = TR_MIN(clearing, cpu_ns() - begin);
    }
    if (counting > clearing / 4)
        fail_msg("the first trace after an interval takes %" PRIu64 " ns, clearing a table %" PRIu64, counting, clearing);
    tr_sampler_release(sampler);
}

// Two lcores count while control computes: nothing is lost, nothing counted twice, and no rate is half a one.
#define THREADS 2
#define EACH    400000
struct counter {
    struct tr_sampler *sampler;
    uint32_t lcore;
    bool done;
};

static void *count_away(void *context)
{
    struct counter *counter = context;

    for (uint64_t i = 0; i < EACH; i++) {
        uint64_t rate = tr_sampler_rate(counter->sampler, counter->lcore, i % 3 + 1, 1);

        tr_assert(rate >= 1);
    }
    tr_store_release(&counter->done, true);
    return NULL;
}

static void lcores_count_while_rates_are_computed(void **state)
{
    // Averages forget nothing: each interval adds a 2^-30th of what was counted, exactly.
    struct tr_sampler_terms terms = dynamic;
    struct counter counter[THREADS];
    const struct tr_sampler_key *keys;
    pthread_t threads[THREADS];
    double sum = 0, before = 0;
    uint32_t count;

    terms.weight = 0x1p-30;
    terms.age_out = 0;
    counter[0].sampler = create(&terms, THREADS);
    for (uint32_t i = 0; i < THREADS; i++) {
        counter[i] = (struct counter){.sampler = counter[0].sampler, .lcore = i};
        assert_int_equal(pthread_create(&threads[i], NULL, count_away, &counter[i]), 0);
    }
    while (!tr_load_acquire(&counter[0].done) || !tr_load_acquire(&counter[1].done))
        interval(counter[0].sampler);
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    do {
        before = sum;
        interval(counter[0].sampler);
        keys = tr_sampler_keys(counter[0].sampler, &count);
        sum = 0;
        for (uint32_t i = 0; i < count; i++)
            sum += keys[i].average * 0x1p30;
    } while (sum != before);
    assert_int_equal(count, 3);
    assert_in_range((uint64_t)sum, THREADS * EACH - THREADS * EACH / 1000, THREADS * EACH); // it forgets a billionth each time
    assert_int_equal(untracked(counter[0].sampler), 0);
    tr_sampler_release(counter[0].sampler);
}

// --- policies

static struct tr_error error;
static struct tr_walk_notes notes;

static int compile_more(const char *more, const char *policies, const struct tr_policy_set *previous,
                        struct tr_policy_set **set)
{
    struct tr_options_doc *doc;
    char text[4096];
    int rc;

    memset(&error, 0, sizeof(error));
    snprintf(text, sizeof(text), "%spolicies:\n%s\n", more, policies);
    rc = tr_options_parse(&tr_tail_sampling_option_table, text, strlen(text), &doc, &error);
    if (rc < 0)
        return rc;
    rc = tr_policy_set_compile(tr_options_struct(doc), previous, previous ? previous->epoch + 1 : 1, 2, set, &error);
    tr_options_free(doc);
    return rc;
}

static int compile(const char *policies, const struct tr_policy_set *previous, struct tr_policy_set **set)
{
    return compile_more("", policies, previous, set);
}

static uint8_t *attribute_put(uint8_t *p, const char *key, const char *value)
{
    uint8_t pair[128], any[64], *a = tr_pb_put_bytes(any, 1, value, strlen(value)), *q;

    q = tr_pb_put_bytes(pair, 1, key, strlen(key));
    q = tr_pb_put_bytes(q, 2, any, (size_t)(a - any));
    return tr_pb_put_bytes(p, 9, pair, (size_t)(q - pair));
}

// The sampler key of a span with attributes `a` and `b`, as the walk gives it.
static struct tr_shape span(const struct tr_policy_set *set, const char *a, const char *b, bool root)
{
    static const struct tr_context context;
    uint8_t bytes[512], *p = bytes;
    struct tr_bits bits = {{0}};
    struct tr_walk_span walked;

    p = tr_pb_put_bytes(p, 1, "0123456789abcdef", 16);
    p = tr_pb_put_bytes(p, 2, "\1\2\3\4\5\6\7\10", 8);
    if (!root)
        p = tr_pb_put_bytes(p, 4, "\2\2\3\4\5\6\7\10", 8);
    if (a)
        p = attribute_put(p, "a", a);
    if (b)
        p = attribute_put(p, "b", b);
    tr_walk_resource(&set->plan, 0, &context, bytes, &notes, &bits);
    assert_int_equal(tr_walk_span(&set->plan, 0, bytes, (uint32_t)(p - bytes), &notes, &walked, &bits), TR_WALK_OK);
    return (struct tr_shape){.sampler_key = set->plan.shape.sampler_key(set->plan.shape.sampler, &walked, &notes)};
}

static struct tr_policy_counters counters[16];

static bool keeps(const struct tr_policy_set *set, const struct tr_shape *array, uint32_t spans, uint8_t id)
{
    struct tr_shapes shapes = {.array = array, .spans = spans};
    struct tr_trace trace = {.trace_id = {id, 9}, .spans = spans, .epoch = set->epoch, .shapes = &shapes};
    uint16_t policy;
    bool kept = tr_policy_set_decide(set, &trace, counters, &policy) == TR_ANSWER_KEEP;

    assert_true(shapes.looked); // which the owner counts as work
    return kept;
}

static struct tr_sampler *sampler_at(const struct tr_policy_set *set, uint32_t number)
{
    return ((const struct tr_policy_set_whole *)set)->samplers.samplers[number];
}

static struct tr_sampler *sampler_of(const struct tr_policy_set *set)
{
    return sampler_at(set, 0);
}

// An interval ends: how many keys has the sampler?
static uint32_t keys_at(struct tr_policy_set *set, uint32_t number)
{
    static uint64_t at = 5000 * TR_S;
    uint32_t count;

    tr_policy_set_tick(set, at);
    tr_policy_set_tick(set, at += 3600 * TR_S);
    tr_sampler_keys(sampler_at(set, number), &count);
    return count;
}

static uint32_t keys_after(struct tr_policy_set *set)
{
    return keys_at(set, 0);
}

#define DYNAMIC(options) "- {name: d, type: ema_dynamic, ema_dynamic: {weight: 0.9, age_out_value: 0.6, " options "}}"

static void a_key_is_the_set_of_what_the_spans_say(void **state)
{
    struct tr_policy_set *set;
    struct tr_shape x, y, none, x_root;

    assert_int_equal(compile(DYNAMIC("field_list: [a, root.b]"), NULL, &set), 0);
    assert_int_equal(set->plan.shape.needs & TR_SHAPE_SAMPLER, TR_SHAPE_SAMPLER);
    x = span(set, "x", "1", false);
    y = span(set, "y", NULL, false);
    none = span(set, NULL, "1", false);
    x_root = span(set, "x", "1", true);
    assert_int_equal(none.sampler_key >> 2, 0); // but for the generation
    assert_int_not_equal(x.sampler_key, y.sampler_key);
    assert_int_not_equal(x.sampler_key, x_root.sampler_key); // b counts on the root alone
    assert_int_equal(x.sampler_key, span(set, "x", "2", false).sampler_key);
    keeps(set, (struct tr_shape[]){x, y}, 2, 1);
    keeps(set, (struct tr_shape[]){y, none, x, x}, 4, 2);
    assert_int_equal(keys_after(set), 1); // whatever their order and number
    keeps(set, (struct tr_shape[]){x}, 1, 3);
    keeps(set, (struct tr_shape[]){none}, 1, 4);
    keeps(set, (struct tr_shape[]){x_root}, 1, 5);
    assert_int_equal(keys_after(set), 3); // the first is forgotten
    tr_policy_set_free(set);
    assert_int_equal(compile(DYNAMIC("field_list: [a], use_trace_length: true"), NULL, &set), 0);
    keeps(set, (struct tr_shape[]){x}, 1, 3);
    keeps(set, (struct tr_shape[]){x, x}, 2, 3);
    assert_int_equal(keys_after(set), 2);
    tr_policy_set_free(set);
}

static void more_values_than_make_a_key(void **state)
{
    struct tr_shape there[300], back[300];
    struct tr_policy_set *set;

    assert_int_equal(compile(DYNAMIC("field_list: [a]"), NULL, &set), 0);
    for (uint32_t i = 0; i < 300; i++)
        there[i] = back[299 - i] = (struct tr_shape){.sampler_key = (uint32_t)tr_mix64(i + 1) << 2 | 1};
    keeps(set, there, 300, 1);
    keeps(set, back, 300, 2);
    assert_int_equal(keys_after(set), 1);
    tr_policy_set_free(set);
}

static void two_lists_of_fields_share_the_bits(void **state)
{
    struct tr_policy_set *set;
    struct tr_shape one, other, another;

    assert_int_equal(compile(DYNAMIC("field_list: [a]") "\n- {name: t, type: ema_throughput, ema_throughput: {field_list: [b]}}",
                             NULL, &set),
                     0);
    one = span(set, "x", "1", true);
    other = span(set, "x", "2", true);
    assert_int_equal(one.sampler_key & 0x1ffff, other.sampler_key & 0x1ffff);
    assert_int_not_equal(one.sampler_key >> 17, other.sampler_key >> 17);
    assert_int_not_equal(one.sampler_key & 0x1ffff, span(set, "y", "1", true).sampler_key & 0x1ffff);
    keeps(set, &one, 1, 1);
    keeps(set, &other, 1, 2);
    assert_int_equal(keys_after(set), 1);
    keeps(set, &one, 1, 1);
    another = span(set, "y", "1", true);
    keeps(set, &another, 1, 2);
    assert_int_equal(keys_at(set, 1), 1); // whatever the first list's fields say
    tr_policy_set_free(set);
}

// Kept, of 256 traces.
static uint32_t kept_of(const struct tr_policy_set *set, const struct tr_shape *array, uint32_t spans)
{
    uint32_t kept = 0;

    for (int i = 0; i < 256; i++)
        kept += keeps(set, array, spans, (uint8_t)i);
    return kept;
}

static void spans_walked_with_other_lists_are_no_key(void **state)
{
    struct tr_policy_set *first, *same, *other, *none, *again;
    struct tr_shape mixed[2];

    assert_int_equal(compile(DYNAMIC("field_list: [a], goal_sample_rate: 4"), NULL, &first), 0);
    mixed[0] = span(first, "x", "1", true);
    kept_of(first, mixed, 1);
    assert_int_equal(keys_after(first), 1);
    // The same lists: spans are understood.
    assert_int_equal(compile(DYNAMIC("field_list: [a], goal_sample_rate: 4") "\n- {name: all, type: always_sample}", first, &same), 0);
    mixed[1] = span(same, "x", "2", false);
    assert_int_equal(mixed[0].sampler_key, mixed[1].sampler_key);
    // Other lists: the trace was begun under `same` and is decided by its sampler, at the initial rate and not as a rare key.
    assert_int_equal(compile(DYNAMIC("field_list: [b], goal_sample_rate: 4"), same, &other), 0);
    mixed[1] = span(other, "x", "2", false);
    assert_in_range(kept_of(first, mixed, 2), 32, 100); // a quarter
    assert_in_range(kept_of(first, mixed + 1, 1), 32, 100);
    assert_int_equal(keys_after(first), 1); // and nobody counted them
    // No list at all, and one again: still another generation than the one before.
    assert_int_equal(compile("- {name: all, type: always_sample}", other, &none), 0);
    mixed[0] = (struct tr_shape){0};
    assert_in_range(kept_of(other, mixed, 2), 32, 100);
    assert_int_equal(compile(DYNAMIC("field_list: [b], goal_sample_rate: 4"), none, &again), 0);
    assert_int_not_equal(mixed[1].sampler_key & 3, span(again, "x", "2", false).sampler_key & 3);
    tr_policy_set_free(first);
    tr_policy_set_free(same);
    tr_policy_set_free(other);
    tr_policy_set_free(none);
    tr_policy_set_free(again);
}

static void a_frequent_key_is_thinned_out_and_a_rare_one_kept(void **state)
{
    struct tr_policy_set *set;
    struct tr_shape often, rare;
    uint32_t kept = 0;

    assert_int_equal(compile("- name: r\n  type: rules\n  rules: {rules: [{name: d, sampler: {ema_dynamic: "
                             "{goal_sample_rate: 10, field_list: [a]}}}]}",
                             NULL, &set),
                     0);
    often = span(set, "often", NULL, true);
    rare = span(set, "rare", NULL, true);
    for (int i = 0; i < 1000; i++)
        keeps(set, &often, 1, (uint8_t)i);
    keeps(set, &rare, 1, 0);
    assert_int_equal(keys_after(set), 2);
    for (int i = 0; i < 256; i++) {
        kept += keeps(set, &often, 1, (uint8_t)i);
        assert_true(keeps(set, &rare, 1, (uint8_t)i));
    }
    assert_in_range(kept, 10, 45); // of 256, at a rate of 10
    assert_string_equal(tr_policy_name(set, 1), "r/d");
    assert_int_equal(counters[1].traces_seen, 1001 + 512);
    tr_policy_set_free(set);
}

struct publisher {
    struct tr_sampler *sampler;
    uint64_t key;
    bool done;
};

static void *publish_away(void *context)
{
    struct publisher *publisher = context;
    uint64_t at = 9000 * TR_S;

    tr_sampler_poll(publisher->sampler, at);
    for (uint32_t i = 0; i < 10000; i++) {
        tr_sampler_rate(publisher->sampler, 1, publisher->key, i % 2 ? 1000 : 10);
        tr_sampler_rate(publisher->sampler, 1, publisher->key + 1, i % 2 ? 10 : 1000);
        tr_sampler_poll(publisher->sampler, at += 3600 * TR_S);
    }
    tr_store_release(&publisher->done, true);
    return NULL;
}

// The greatest draw of those for which a kept trace says it stands, by a hash or by its randomness.
static bool stands_for_itself(const struct tr_trace *trace, const struct tr_chance *chance, bool consistent)
{
    uint64_t passing = TR_OT_NEVER - chance->threshold;

    if (consistent)
        return tr_ot_randomness(trace->trace_id) >= chance->threshold;
    return tr_trace_hash(tr_trace_hash_begin(NULL), trace->trace_id) >> 8 <= passing;
}

static void keeps_while_rates_change(const char *more, const char *policies, bool consistent)
{
    static const struct tr_shape one = {.sampler_key = 5};
    struct tr_trace trace = {.spans = 1, .epoch = 1};
    struct publisher publisher = {0};
    uint64_t least = UINT64_MAX, most = 0, kept = 0;
    struct tr_policy_set *set;
    pthread_t thread;

    assert_int_equal(compile_more(more, policies, NULL, &set), 0);
    keeps(set, &one, 1, 1);
    keys_after(set);
    publisher.sampler = sampler_of(set);
    publisher.key = tr_sampler_keys(publisher.sampler, &(uint32_t){0})->key;
    assert_int_equal(pthread_create(&thread, NULL, publish_away, &publisher), 0);
    for (uint64_t i = 1; !tr_load_acquire(&publisher.done); i++) {
        uint64_t words[2] = {tr_mix64(i), tr_mix64(~i)};
        struct tr_shapes shapes = {.array = &one, .spans = 1};
        struct tr_chance chance;
        uint16_t policy;

        memcpy(trace.trace_id, words, 16);
        trace.shapes = &shapes;
        if (tr_policy_set_decide(set, &trace, counters, &policy) != TR_ANSWER_KEEP)
            continue;
        chance = tr_policy_set_chance(set, &trace);
        if (!stands_for_itself(&trace, &chance, consistent))
            fail_msg("trace %llu was kept by another rate than it stands for: %g", (unsigned long long)i,
                     1 / (1 - (double)chance.threshold * 0x1p-56));
        least = TR_MIN(least, (uint64_t)chance.threshold);
        most = TR_MAX(most, (uint64_t)chance.threshold);
        kept++;
    }
    pthread_join(thread, NULL);
    assert_true(kept > 100 && least < most);
    tr_policy_set_free(set);
}

// A rate that changes between a decision and the question what that stands for is another one's.
static void a_chance_while_rates_change(void **state)
{
    keeps_while_rates_change("adjusted_count: attribute\n", DYNAMIC("field_list: [a], goal_sample_rate: 10"), false);
    keeps_while_rates_change("adjusted_count: tracestate\n", DYNAMIC("field_list: [a], goal_sample_rate: 10, mode: equalizing"), true);
}

static void its_memory_is_known_before(void **state)
{
    struct tr_sampler_terms terms = dynamic;

    terms.keys_max = 500;
    // Of 2048 cells two tables, what was read of them, and twice as many to be counted; beside the struct.
    assert_in_range(tr_sampler_bytes(&terms, 4) - tr_sampler_bytes(&terms, 3), 2048 * (2 * 16 + 8 + 2 * 24), 2048 * 88 + 512);
    // 4096 rates twice, 2000 keys twice.
    assert_in_range(tr_sampler_bytes(&terms, 0), 4096 * 2 * 16 + 2000 * 2 * 24, 4096 * 32 + 2000 * 48 + 1024);
}

static void a_sampler_outlives_its_config(void **state)
{
    struct tr_policy_set *first, *second, *third, *fourth;

    assert_int_equal(compile(DYNAMIC("field_list: [a]"), NULL, &first), 0);
    assert_int_equal(compile(DYNAMIC("field_list: [a]") "\n- {name: all, type: always_sample}", first, &second), 0);
    assert_ptr_equal(sampler_of(first), sampler_of(second));
    tr_policy_set_free(first);
    assert_int_equal(compile(DYNAMIC("field_list: [a], goal_sample_rate: 20"), second, &third), 0);
    assert_ptr_not_equal(sampler_of(third), sampler_of(second));
    tr_policy_set_free(second);
    keys_after(third);
    // A second list: keys of the first are half as long from now on, what is known by the long ones is of no use.
    assert_int_equal(compile(DYNAMIC("field_list: [a], goal_sample_rate: 20")
                             "\n- {name: t, type: ema_throughput, ema_throughput: {field_list: [b]}}", third, &fourth), 0);
    assert_ptr_not_equal(sampler_of(fourth), sampler_of(third));
    assert_string_equal(tr_sampler_identity(sampler_of(fourth)), tr_sampler_identity(sampler_of(third)));
    tr_policy_set_free(third);
    keys_after(fourth);
    tr_policy_set_free(fourth);
}

static void what_is_refused(void **state)
{
#define BLOCK "tail_sampling.policies[0].ema_dynamic"
    static const struct {
        const char *policies, *why;
    } rows[] = {
        {"- {name: d, type: ema_dynamic}", BLOCK ".field_list: is missing"},
        {DYNAMIC(""), NULL},
        {DYNAMIC("field_list: []"), NULL},
        {DYNAMIC("field_list: [a], goal_sample_rate: 0"), NULL},
        {DYNAMIC("field_list: [a], adjustment_interval: 10ms"), NULL},
        {DYNAMIC("field_list: [a], max_keys: 0"), NULL},
        {DYNAMIC("field_list: [a], max_keys: 1000000"), NULL},
        {"- {name: d, type: ema_dynamic, ema_dynamic: {field_list: [a], weight: 1}}",
         BLOCK ".weight: 1 is not between 0 and 1"},
        {"- {name: d, type: ema_dynamic, ema_dynamic: {field_list: [a], weight: 0}}",
         BLOCK ".weight: 0 is not between 0 and 1"},
        {DYNAMIC("field_list: [a]") "\n- {name: e, type: ema_dynamic, ema_dynamic: {field_list: [b]}}\n"
                                    "- {name: f, type: ema_dynamic, ema_dynamic: {field_list: [c]}}",
         "tail_sampling.policies[2].ema_dynamic.field_list: all samplers of a config have at most 2 different ones"},
        {"- {name: r, type: rules, rules: {rules: [{sampler: {}}]}}",
         "tail_sampling.policies[0].rules.rules[0].sampler: needs one of ema_dynamic and ema_throughput"},
        {"- {name: r, type: rules, rules: {rules: [{drop: true, sampler: {ema_dynamic: {field_list: [a]}}}]}}",
         "tail_sampling.policies[0].rules.rules[0]: has more than one of sample_rate, drop, keep and sampler"},
    };

    for (size_t i = 0; i < TR_NELEMS(rows); i++) {
        struct tr_policy_set *set;

        if (compile(rows[i].policies, NULL, &set) != -EINVAL)
            fail_msg("%s: is taken", rows[i].policies);
        if (rows[i].why)
            assert_string_equal(error.text, rows[i].why);
    }
}

static int reset(void **state)
{
    memset(counters, 0, sizeof(counters));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_average_rate),
        cmocka_unit_test(spans_a_second),
        cmocka_unit_test(keys_that_come_once_are_kept),
        cmocka_unit_test(a_burst_ends_an_interval),
        cmocka_unit_test(no_burst_in_the_first_intervals),
        cmocka_unit_test(it_does_not_matter_how_many_lcores_there_are),
        cmocka_unit_test(a_full_table_counts_what_it_turns_away),
        cmocka_unit_test(an_interval_costs_the_lcore_nothing),
        cmocka_unit_test(lcores_count_while_rates_are_computed),
        cmocka_unit_test_setup(a_key_is_the_set_of_what_the_spans_say, reset),
        cmocka_unit_test_setup(more_values_than_make_a_key, reset),
        cmocka_unit_test_setup(two_lists_of_fields_share_the_bits, reset),
        cmocka_unit_test_setup(spans_walked_with_other_lists_are_no_key, reset),
        cmocka_unit_test_setup(a_frequent_key_is_thinned_out_and_a_rare_one_kept, reset),
        cmocka_unit_test_setup(a_chance_while_rates_change, reset),
        cmocka_unit_test(its_memory_is_known_before),
        cmocka_unit_test_setup(a_sampler_outlives_its_config, reset),
        cmocka_unit_test_setup(what_is_refused, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
