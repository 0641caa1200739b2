// SPDX-License-Identifier: Apache-2.0
// Which rule each trace of a corpus meets, through the very walk and decision of the data path.
//
//   matched CORPUS CONFIGS TRACES
//
// CONFIGS has `=== NAME` lines, a `tail_sampling` block with one policy of type rules behind each. Prints a line a config:
// its name, then for each of the first TRACES traces the number of the rule, and k (kept) or d.
#include "base/pb.h"
#include "policy/policy.h"

#define BYTES_MAX (256 * TR_MIB)

static uint8_t *corpus;
static size_t corpus_bytes;
static struct tr_trace *traces;
static uint32_t traces_count, traces_max;
static struct tr_walk_notes notes;

static char *file_read(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    char *data = malloc(BYTES_MAX);

    if (!file || !data) {
        fprintf(stderr, "%s: can't be read\n", path);
        exit(1);
    }
    *bytes = fread(data, 1, BYTES_MAX - 64, file); // the walk may look beyond
    fclose(file);
    memset(data + *bytes, 0, 64);
    return data;
}

// The spans of a trace come in a row. Returns NULL: there are enough.
static struct tr_trace *trace_of(const uint8_t id[16])
{
    if (traces_count && memcmp(traces[traces_count - 1].trace_id, id, 16) == 0)
        return &traces[traces_count - 1];
    if (traces_count == traces_max)
        return NULL;
    traces[traces_count] = (struct tr_trace){.epoch = 1};
    memcpy(traces[traces_count].trace_id, id, 16);
    return &traces[traces_count++];
}

static bool span_take(const struct tr_policy_set *set, const uint8_t *span, uint32_t bytes,
                      const struct tr_bits *resource)
{
    struct tr_bits bits = *resource;
    struct tr_walk_span walked;
    struct tr_trace *trace;

    tr_assert(tr_walk_span(&set->plan, 0, span, bytes, &notes, &walked, &bits) == TR_WALK_OK);
    trace = trace_of(walked.trace_id);
    if (!trace)
        return false;
    for (int w = 0; w < TR_PREDICATE_WORDS_MAX; w++)
        trace->bits[w] |= bits.word[w];
    trace->spans++;
    trace->root_seen = trace->root_seen || walked.root;
    return true;
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

static bool resource_spans_take(const struct tr_policy_set *set, const uint8_t *p, const uint8_t *end)
{
    struct tr_context context = {0};
    struct tr_bits resource = {{0}};
    struct tr_pb_field field, span;
    const uint8_t *scopes = p;

    if (next(&p, end, 1, &field))
        context.resource[0] =
            (struct tr_range){.offset = (uint32_t)(field.bytes - corpus), .bytes = (uint32_t)field.value};
    tr_walk_resource(&set->plan, 0, &context, corpus, &notes, &resource);
    while (next(&scopes, end, 2, &field))
        for (const uint8_t *spans = field.bytes; next(&spans, field.bytes + field.value, 2, &span);)
            if (!span_take(set, span.bytes, (uint32_t)span.value, &resource))
                return false;
    return true;
}

static void corpus_walk(const struct tr_policy_set *set)
{
    traces_count = 0;
    for (size_t at = 0; at < corpus_bytes;) {
        const uint8_t *p = corpus + at + 4;
        struct tr_pb_field field;
        uint32_t length;

        memcpy(&length, corpus + at, 4);
        while (next(&p, corpus + at + 4 + length, 1, &field))
            if (!resource_spans_take(set, field.bytes, field.bytes + field.value))
                return;
        at += 4 + length;
    }
}

static void decide(const char *name, const char *text, size_t bytes)
{
    static struct tr_policy_counters counters[1024];
    struct tr_error error = {""};
    struct tr_policy_set *set;
    struct tr_options_doc *doc;

    if (tr_options_parse(&tr_tail_sampling_option_table, text, bytes, &doc, &error) < 0 ||
        tr_policy_set_compile(tr_options_struct(doc), NULL, 1, 1, &set, &error) < 0) {
        fprintf(stderr, "%s: %s\n", name, error.text);
        exit(1);
    }
    tr_options_free(doc);
    corpus_walk(set);
    printf("%s", name);
    for (uint32_t i = 0; i < traces_count; i++) {
        uint16_t policy;
        bool keep = tr_policy_set_decide(set, &traces[i], counters, &policy) == TR_ANSWER_KEEP;

        printf(" %u%c", policy - 1u, keep ? 'k' : 'd'); // rules stand behind the policy
    }
    printf("\n");
    tr_policy_set_free(set);
}

int main(int argc, char **argv)
{
    size_t configs_bytes;
    char *configs;

    if (argc != 4)
        return 2;
    corpus = (uint8_t *)file_read(argv[1], &corpus_bytes);
    configs = file_read(argv[2], &configs_bytes);
    traces_max = (uint32_t)strtoul(argv[3], NULL, 10);
    traces = calloc(traces_max, sizeof(*traces));
    tr_assert(traces);
    for (char *p = strstr(configs, "=== "), *end; p; p = end) {
        char *name = p + 4, *text = strchr(name, '\n') + 1;

        text[-1] = 0;
        end = strstr(text, "=== ");
        decide(name, text, end ? (size_t)(end - text) : strlen(text));
    }
    free(traces);
    free(corpus);
    free(configs);
    return 0;
}
