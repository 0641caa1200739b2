// SPDX-License-Identifier: Apache-2.0
// Which rule each trace of a corpus meets, through the very walk and decision of the data path.
//
//   matched CORPUS CONFIGS TRACES
//
// CONFIGS has `=== NAME` lines, a `tail_sampling` block with one policy of type rules behind each. Prints a line a config:
// its name, then for each of the first TRACES traces the number of the rule, and k (kept) or d.
#include "../corpus.h"

static struct corpus corpus;
static struct tr_trace *traces;
static uint32_t traces_count, traces_max;
static struct tr_walk_notes notes;

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

static bool span_take(const struct tr_walk_span *span, uint32_t bytes, const struct tr_bits *bits)
{
    struct tr_trace *trace = trace_of(span->trace_id);

    if (!trace)
        return false;
    for (int w = 0; w < TR_PREDICATE_WORDS_MAX; w++)
        trace->bits[w] |= bits->word[w];
    trace->spans++;
    trace->root_seen = trace->root_seen || span->root;
    return true;
}

static void decide(const char *name, const struct tr_policy_set *set)
{
    static struct tr_policy_counters counters[1024];

    traces_count = 0;
    corpus_walk(&corpus, set, &notes, span_take);
    printf("%s", name);
    for (uint32_t i = 0; i < traces_count; i++) {
        uint16_t policy;
        bool keep = tr_policy_set_decide(set, &traces[i], counters, &policy) == TR_ANSWER_KEEP;

        printf(" %u%c", policy - 1u, keep ? 'k' : 'd'); // rules stand behind the policy
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    corpus.data = corpus_file_read(argv[1], &corpus.bytes);
    traces_max = (uint32_t)strtoul(argv[3], NULL, 10);
    traces = calloc(traces_max, sizeof(*traces));
    tr_assert(traces);
    corpus_configs_each(argv[2], decide);
    free(traces);
    free(corpus.data);
    return 0;
}
