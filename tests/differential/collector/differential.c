// SPDX-License-Identifier: Apache-2.0
// The kept set of each config of configs.txt over a corpus, through the very walk and decision of the data
// path, against what a Collector kept of it (golden.gz): trace by trace.
//
//   differential CORPUS CONFIGS GOLDEN
//
// Where the two are meant to differ (docs/collector-compat.md) a config is held to the whole of that difference: the
// traces that are not of the kind must be equal, and of the kind some must differ.
#include "../corpus.h"

#define TRACES_MAX 200000

// corpus.py's
static bool late_root(uint32_t number)
{
    return number % 10 == 3;
}

static bool no_start(uint32_t number)
{
    return number % 200 == 7;
}

static bool either(uint32_t number)
{
    return late_root(number) || no_start(number);
}

static bool none(uint32_t number)
{
    return false;
}

static const struct {
    const char *config;
    bool (*differs)(uint32_t number);
    unsigned listed; // in docs/collector-compat.md
} listed[] = {
    {"slow", no_start, 2},      {"slow_0", no_start, 2},     {"slow_upper", either, 1},
    {"and_three", no_start, 2}, {"drop_twice", no_start, 2}, {"quickstart", no_start, 2},
    {"many", no_start, 2},      {"every_type", no_start, 2},
};

struct trace {
    struct tr_trace trace;
    bool begun;
};

static struct corpus corpus;
static uint8_t *golden; // a bit a trace, of one config after the other
static size_t golden_bytes, golden_at;
static struct trace *traces;
static uint32_t traces_count;
static uint32_t *numbers; // open addressing from a trace id
static unsigned faults;
static struct tr_walk_notes notes;

// Ids are numbered by where they come first; corpus.py sends the traces in their order.
static struct trace *trace_of(const uint8_t id[16])
{
    uint32_t slot;

    memcpy(&slot, id, 4);
    for (slot %= 2 * TRACES_MAX; numbers[slot]; slot = (slot + 1) % (2 * TRACES_MAX))
        if (memcmp(traces[numbers[slot] - 1].trace.trace_id, id, 16) == 0)
            return &traces[numbers[slot] - 1];
    tr_assert(traces_count < TRACES_MAX);
    numbers[slot] = ++traces_count;
    memcpy(traces[traces_count - 1].trace.trace_id, id, 16);
    return &traces[traces_count - 1];
}

static bool span_take(const struct tr_walk_span *span, uint32_t bytes, const struct tr_bits *bits)
{
    struct tr_trace *trace = &trace_of(span->trace_id)->trace;

    for (int w = 0; w < TR_PREDICATE_WORDS_MAX; w++)
        trace->bits[w] |= bits->word[w];
    trace->spans++;
    trace->bytes += bytes;
    if (span->start_ns && (!trace->start_ns || span->start_ns < trace->start_ns))
        trace->start_ns = span->start_ns;
    trace->end_ns = TR_MAX(trace->end_ns, span->end_ns);
    return true;
}

static void compare(const char *name, const struct tr_policy_set *set)
{
    static struct tr_policy_counters counters[64];
    const uint8_t *wanted = golden + golden_at;
    bool (*may_differ)(uint32_t) = none;
    unsigned kept = 0, wrong = 0, meant = 0;

    for (size_t i = 0; i < TR_NELEMS(listed); i++)
        if (strcmp(listed[i].config, name) == 0)
            may_differ = listed[i].differs;
    for (uint32_t n = 0; n < traces_count; n++) {
        uint16_t policy;
        bool keep = tr_policy_set_decide(set, &traces[n].trace, counters, &policy) == TR_ANSWER_KEEP;
        bool want = wanted[n / 8] >> n % 8 & 1;

        kept += keep;
        if (keep == want)
            continue;
        if (may_differ(n))
            meant++;
        else if (wrong++ < 3)
            fprintf(stderr, "%s: trace %u is %s here and %s by the Collector\n", name, n, keep ? "kept" : "dropped",
                    want ? "kept" : "dropped");
    }
    printf("%-20s %6u kept of %u, %u differ, %u as listed\n", name, kept, traces_count, wrong, meant);
    faults += wrong > 0 || (may_differ != none && !meant);
}

static void walk_and_compare(const char *name, const struct tr_policy_set *set)
{
    memset(traces, 0, TRACES_MAX * sizeof(*traces));
    memset(numbers, 0, 2 * TRACES_MAX * sizeof(*numbers));
    traces_count = 0;
    corpus_walk(&corpus, set, &notes, span_take);
    tr_assert(golden_at + (traces_count + 7) / 8 <= golden_bytes);
    compare(name, set);
    golden_at += (traces_count + 7) / 8;
}

int main(int argc, char **argv)
{
    unsigned count;

    if (argc != 4)
        return 2;
    corpus.data = corpus_file_read(argv[1], &corpus.bytes);
    golden = corpus_file_read(argv[3], &golden_bytes);
    traces = calloc(TRACES_MAX, sizeof(*traces));
    numbers = calloc(2 * TRACES_MAX, sizeof(*numbers));
    tr_assert(traces && numbers);
    count = corpus_configs_each(argv[2], walk_and_compare);
    if (golden_at != golden_bytes || count < 24) {
        fprintf(stderr, "%zu bytes of answers for %u configs, %zu are there\n", golden_at, count, golden_bytes);
        faults++;
    }
    free(traces);
    free(numbers);
    free(corpus.data);
    free(golden);
    return faults != 0;
}
