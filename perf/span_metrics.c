// SPDX-License-Identifier: Apache-2.0
// What RED metrics cost the walk: ns a span, over the corpus that tailgen sends, beyond the walk without them.
// `span_metrics [--seconds N]`; a row for each of some blocks.
#include "policy/policy.h"
#include "walks.h"

static const char *const blocks[][2] = {
    {"the default block", "{}"},
    {"three dimensions",
     "{dimensions: [{name: http.request.method}, {name: http.response.status_code}, {name: deployment.environment, default: none}]}"},
    {"no durations", "{histogram: {disable: true}}"},
    {"exponential histogram", "{histogram: {exponential: {}}}"},
};

// NULL `block`: without.
static double measure(const struct walks *walks, const char *block, double seconds, uint64_t *series)
{
    struct tr_tail_sampling_options options = {.policies = {NULL, 0}};
    struct walks_red red = {.set = NULL};
    struct tr_options_doc *doc = NULL;
    struct tr_error error = {""};
    struct tr_policy_set *set;
    double ns;

    if (block && (tr_options_parse(&tr_red_option_table, block, strlen(block), &doc, &error) < 0 ||
                  tr_red_set_create(&red.set, tr_options_struct(doc), 1, "perf", 1, &error) < 0))
        goto fail;
    options.watched = block ? &red.set->watch : NULL;
    if (tr_policy_set_compile(&options, NULL, 1, 1, &set, &error) < 0)
        goto fail;
    ns = walks_measure(walks, set, block ? &red : NULL, seconds).ns;
    *series = red.counters.series;
    tr_policy_set_free(set);
    tr_red_set_release(red.set);
    if (doc)
        tr_options_free(doc);
    return ns;
fail:
    fprintf(stderr, "%s\n", error.text);
    exit(1);
}

int main(int argc, char **argv)
{
    double seconds = argc == 3 && strcmp(argv[1], "--seconds") == 0 ? atof(argv[2]) : 1, none, one;
    struct walks walks;
    uint64_t series;

    walks_make(&walks);
    none = measure(&walks, NULL, seconds, &series);
    printf("without: %.1f ns a span\n%8s %8s  %s\n", none, "ns more", "series", "block");
    for (size_t i = 0; i < TR_NELEMS(blocks); i++) {
        one = measure(&walks, blocks[i][1], seconds, &series);
        printf("%8.1f %8llu  %s\n", one - none, (unsigned long long)series, blocks[i][0]);
    }
    walks_free(&walks);
    return 0;
}
