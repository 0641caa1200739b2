// SPDX-License-Identifier: Apache-2.0
// The kept set of each config of configs.txt over a corpus, through the very walk and decision of the data
// path, against what a Collector kept of it (golden.gz): trace by trace.
//
//   differential CORPUS CONFIGS GOLDEN
//
// Where the two are meant to differ (docs/collector-compat.md) a config is held to the whole of that difference: the
// traces that are not of the kind must be equal, and of the kind some must differ.
#include <zlib.h>

#include "base/pb.h"
#include "policy/policy.h"

#define TRACES_MAX 200000
#define BYTES_MAX  (256 * TR_MIB)

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
    {"many", no_start, 2},
};

struct trace {
    struct tr_trace trace;
    bool begun;
};

static uint8_t *corpus;
static size_t corpus_bytes;
static struct trace *traces;
static uint32_t traces_count;
static uint32_t *numbers; // open addressing from a trace id
static unsigned faults;

static void *file_read(const char *path, size_t *bytes)
{
    uint8_t *data = malloc(BYTES_MAX);
    gzFile file = gzopen(path, "rb"); // or plain
    int got = file && data ? gzread(file, data, BYTES_MAX) : -1;

    if (got < 0) {
        fprintf(stderr, "%s: can't be read\n", path);
        exit(1);
    }
    gzclose(file);
    data = realloc(data, (size_t)got + 64); // the walk may look beyond
    memset(data + got, 0, 64);
    *bytes = (size_t)got;
    return data;
}

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

static void span_take(const struct tr_policy_set *set, const uint8_t *span, uint32_t bytes, const struct tr_bits *resource)
{
    struct tr_bits bits = *resource;
    struct tr_walk_span walked;
    struct tr_trace *trace;

    tr_assert(tr_walk_span(&set->plan, 0, span, bytes, NULL, &walked, &bits) == TR_WALK_OK);
    trace = &trace_of(walked.trace_id)->trace;
    for (int w = 0; w < TR_PREDICATE_WORDS_MAX; w++)
        trace->bits[w] |= bits.word[w];
    trace->spans++;
    trace->bytes += bytes;
    if (walked.start_ns && (!trace->start_ns || walked.start_ns < trace->start_ns))
        trace->start_ns = walked.start_ns;
    trace->end_ns = TR_MAX(trace->end_ns, walked.end_ns);
}

// What is in `message` under field `number`, one after the other.
static bool next(const uint8_t **p, const uint8_t *end, uint32_t number, struct tr_pb_field *field)
{
    while (*p && *p < end) {
        *p = tr_pb_field(*p, end, field);
        if (*p && field->number == number)
            return true;
    }
    tr_assert(*p);
    return false;
}

static void resource_spans_take(const struct tr_policy_set *set, const uint8_t *p, const uint8_t *end)
{
    struct tr_context context = {0};
    struct tr_bits resource = {{0}};
    struct tr_pb_field field, span;
    const uint8_t *scopes = p;

    if (next(&p, end, 1, &field))
        context.resource[0] =
            (struct tr_range){.offset = (uint32_t)(field.bytes - corpus), .bytes = (uint32_t)field.value};
    tr_walk_resource(&set->plan, 0, &context, corpus, NULL, &resource);
    while (next(&scopes, end, 2, &field))
        for (const uint8_t *spans = field.bytes; next(&spans, field.bytes + field.value, 2, &span);)
            span_take(set, span.bytes, (uint32_t)span.value, &resource);
}

static void corpus_walk(const struct tr_policy_set *set)
{
    memset(traces, 0, TRACES_MAX * sizeof(*traces));
    memset(numbers, 0, 2 * TRACES_MAX * sizeof(*numbers));
    traces_count = 0;
    for (size_t at = 0; at < corpus_bytes;) {
        const uint8_t *p = corpus + at + 4;
        struct tr_pb_field field;
        uint32_t length;

        memcpy(&length, corpus + at, 4);
        while (next(&p, corpus + at + 4 + length, 1, &field))
            resource_spans_take(set, field.bytes, field.bytes + field.value);
        at += 4 + length;
    }
}

static struct tr_policy_set *compile(const char *name, const char *text, size_t bytes)
{
    struct tr_error error = {""};
    struct tr_policy_set *set;
    struct tr_options_doc *doc;

    if (tr_options_parse(&tr_tail_sampling_option_table, text, bytes, &doc, &error) < 0 ||
        tr_policy_set_compile(tr_options_struct(doc), NULL, 1, 1, &set, &error) < 0) {
        fprintf(stderr, "%s: %s\n", name, error.text);
        exit(1);
    }
    tr_options_free(doc);
    return set;
}

static void compare(const char *name, const struct tr_policy_set *set, const uint8_t *golden)
{
    static struct tr_policy_counters counters[64];
    bool (*may_differ)(uint32_t) = none;
    unsigned kept = 0, wrong = 0, meant = 0;

    for (size_t i = 0; i < TR_NELEMS(listed); i++)
        if (strcmp(listed[i].config, name) == 0)
            may_differ = listed[i].differs;
    for (uint32_t n = 0; n < traces_count; n++) {
        uint16_t policy;
        bool keep = tr_policy_set_decide(set, &traces[n].trace, counters, &policy) == TR_ANSWER_KEEP;
        bool want = golden[n / 8] >> n % 8 & 1;

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

int main(int argc, char **argv)
{
    size_t configs_bytes, golden_bytes, at = 0;
    char *configs, *golden;
    unsigned count = 0;

    if (argc != 4)
        return 2;
    corpus = file_read(argv[1], &corpus_bytes);
    configs = file_read(argv[2], &configs_bytes);
    golden = file_read(argv[3], &golden_bytes);
    traces = calloc(TRACES_MAX, sizeof(*traces));
    numbers = calloc(2 * TRACES_MAX, sizeof(*numbers));
    tr_assert(traces && numbers);
    for (char *p = strstr(configs, "=== "), *end; p; p = end, count++) {
        char *name = p + 4, *text = strchr(name, '\n') + 1;
        struct tr_policy_set *set;

        text[-1] = 0;
        end = strstr(text, "=== ");
        set = compile(name, text, end ? (size_t)(end - text) : strlen(text));
        corpus_walk(set);
        tr_assert(at + (traces_count + 7) / 8 <= golden_bytes);
        compare(name, set, (const uint8_t *)golden + at);
        at += (traces_count + 7) / 8;
        tr_policy_set_free(set);
    }
    if (at != golden_bytes || count < 24) {
        fprintf(stderr, "%zu bytes of answers for %u configs, %zu are there\n", at, count, golden_bytes);
        faults++;
    }
    free(traces);
    free(numbers);
    free(corpus);
    free(configs);
    free(golden);
    return faults != 0;
}
