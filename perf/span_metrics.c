// SPDX-License-Identifier: Apache-2.0
// What RED metrics cost the walk: ns a span, over the corpus that tailgen sends, beyond the walk without them.
// `span_metrics [--seconds N]`; a row for each of some blocks.
#include <time.h>

#include "corpus.h"
#include "otlp/check.h"
#include "policy/policy.h"
#include "red/red.h"

static const char *const blocks[][2] = {
    {"the default block", "{}"},
    {"three dimensions",
     "{dimensions: [{name: http.request.method}, {name: http.response.status_code}, {name: deployment.environment, default: none}]}"},
    {"no durations", "{histogram: {disable: true}}"},
    {"exponential histogram", "{histogram: {exponential: {}}}"},
};

static struct tr_walk_notes notes;

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * TR_S + (uint64_t)now.tv_nsec;
}

// The bodies as they are sent: with ids.
static void bodies_patch(struct corpus *corpus)
{
    for (uint32_t r = 0; r < corpus->requests_count; r++) {
        uint8_t *body = malloc(corpus->requests[r].bytes + 64);

        tr_assert(body);
        corpus_patch(corpus, r, 1, 0, body);
        memcpy(corpus->requests[r].body, body, corpus->requests[r].bytes);
        free(body);
    }
}

static uint64_t walk(const struct tr_policy_set *set, const struct tr_red_set *red, struct tr_red_counters *counters,
                     const struct corpus *corpus)
{
    static struct tr_context contexts[1024];
    struct tr_journal journal = {.contexts = contexts, .contexts_mask = TR_NELEMS(contexts) - 1};
    uint64_t spans = 0;

    for (uint32_t r = 0; r < corpus->requests_count; r++) {
        const struct corpus_request *request = &corpus->requests[r];
        struct tr_check check;

        tr_check_init(&check, request->body, request->bytes, 0, &journal, TR_NELEMS(contexts));
        tr_assert(tr_check_run(&check, UINT32_MAX) == TR_CHECK_DONE);
        for (uint32_t c = 0; c < check.contexts; c++) {
            struct tr_bits resource = {{0}}, bits;
            struct tr_walk_span walked;
            const uint8_t *span;
            uint32_t bytes, cursor = 0;

            tr_walk_resource(&set->plan, 0, &contexts[c], request->body, &notes, &resource);
            if (red)
                tr_red_resource(red->tables[0], counters, &contexts[c], request->body);
            while (tr_context_span(&contexts[c], request->body, &cursor, &span, &bytes)) {
                bits = resource;
                tr_assert(tr_walk_span(&set->plan, 0, span, bytes, &notes, &walked, &bits) == TR_WALK_OK);
                if (red)
                    tr_red_span(red->tables[0], counters, &set->plan, &notes, &walked, 1, 1);
                spans++;
            }
        }
    }
    return spans;
}

static double measure(const struct corpus *corpus, const char *block, double seconds, uint64_t *series)
{
    struct tr_tail_sampling_options options = {.policies = {NULL, 0}};
    uint64_t until = clock_ns() + (uint64_t)(seconds * 1e9), begin, spans;
    struct tr_red_counters counters = {.counted = 0};
    struct tr_options_doc *doc = NULL;
    struct tr_red_set *red = NULL;
    struct tr_error error = {""};
    struct tr_policy_set *set;
    double best = 1e9;

    if (block && (tr_options_parse(&tr_red_option_table, block, strlen(block), &doc, &error) < 0 ||
                  tr_red_set_create(&red, tr_options_struct(doc), 1, "perf", 1, &error) < 0))
        goto fail;
    options.watched = red ? &red->watch : NULL;
    if (tr_policy_set_compile(&options, NULL, 1, 1, &set, &error) < 0)
        goto fail;
    walk(set, red, &counters, corpus);
    do {
        begin = clock_ns();
        spans = walk(set, red, &counters, corpus);
        best = TR_MIN(best, (double)(clock_ns() - begin) / (double)spans);
    } while (clock_ns() < until);
    *series = counters.series;
    tr_policy_set_free(set);
    tr_red_set_release(red);
    if (doc)
        tr_options_free(doc);
    return best;
fail:
    fprintf(stderr, "%s\n", error.text);
    exit(1);
}

int main(int argc, char **argv)
{
    double seconds = argc == 3 && strcmp(argv[1], "--seconds") == 0 ? atof(argv[2]) : 1, none, one;
    struct corpus_options made = {.seed = 1, .spans = 20000, .batch = 100, .services = 40, .error_rate = 0.01,
                                  .slow_rate = 0.01};
    struct corpus corpus;
    uint64_t series;

    if (corpus_make(&corpus, &made) < 0)
        return 1;
    bodies_patch(&corpus);
    none = measure(&corpus, NULL, seconds, &series);
    printf("without: %.1f ns a span (check and walk)\n%8s %8s  %s\n", none, "ns more", "series", "block");
    for (size_t i = 0; i < TR_NELEMS(blocks); i++) {
        one = measure(&corpus, blocks[i][1], seconds, &series);
        printf("%8.1f %8llu  %s\n", one - none, (unsigned long long)series, blocks[i][0]);
    }
    corpus_free(&corpus);
    return 0;
}
