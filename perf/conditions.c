// SPDX-License-Identifier: Apache-2.0
// What policies cost the walk: ns and instructions a span, over the corpus that tailgen sends, beyond the walk without
// policies. `conditions [--seconds N]`: a row for each of ten typical OTTL conditions, and one for all of them.
// `conditions [--seconds N] FILE...`: one for the quickstart's three policies, and one for the tail_sampling block in each
// FILE (compare.d/thirty.yaml), with how many times as long the walk takes as under the three.
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "corpus.h"
#include "otlp/check.h"
#include "policy/policy.h"
#include "policy/policy_options.h"

static const char *const typical[] = {
    "attributes[\"http.response.status_code\"] >= 500",
    "attributes[\"http.route\"] == \"/health\"",
    "resource.attributes[\"service.name\"] == \"payment-service\"",
    "status.code == STATUS_CODE_ERROR and kind == SPAN_KIND_SERVER",
    "end_time_unix_nano - start_time_unix_nano > 1000000000",
    "IsMatch(name, \"^(GET|POST) /api/\")",
    "attributes[\"db.system\"] != nil and attributes[\"db.statement\"] == nil",
    "IsMatch(attributes[\"url.path\"], \"^/(health|ready|live)z?$\")",
    "attributes[\"never.there\"] == \"x\" and attributes[\"nor.this\"] > 5",
    "IsRootSpan() and end_time - start_time > Duration(\"500ms\")",
};

struct measured {
    double ns, instructions; // a span; instructions 0: not counted here
    double share;            // of spans for which it holds
};

static struct tr_walk_notes notes;

static const char quickstart[] =
    "policies:\n"
    "  - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}\n"
    "  - {name: slow, type: latency, latency: {threshold_ms: 1000}}\n"
    "  - {name: baseline, type: probabilistic, probabilistic: {sampling_percentage: 10}}\n";

// Of a tail_sampling block; NULL `file`: of the quickstart's.
static struct tr_policy_set *set_read(const char *file)
{
    struct tr_options_doc *doc;
    struct tr_error error = {""};
    struct tr_policy_set *set;
    int rc = file ? tr_options_parse_file(&tr_tail_sampling_option_table, file, &doc, &error)
                  : tr_options_parse(&tr_tail_sampling_option_table, quickstart, strlen(quickstart), &doc, &error);

    if (rc < 0 || tr_policy_set_compile(tr_options_struct(doc), NULL, 1, 1, &set, &error) < 0) {
        fprintf(stderr, "%s: %s\n", file ? file : "quickstart", error.text);
        exit(1);
    }
    tr_options_free(doc);
    return set;
}

static struct tr_policy_set *set_make(const char *const *conditions, size_t count)
{
    struct tr_ottl_condition_options ottl = {.span = {(const char **)(uintptr_t)conditions, count}};
    struct tr_policy_options policy = {.name = "p", .type = "ottl_condition", .ottl_condition = &ottl};
    struct tr_tail_sampling_options options = {.policies = {&policy, count ? 1 : 0}};
    struct tr_error error = {""};
    struct tr_policy_set *set;

    if (tr_policy_set_compile(&options, NULL, 1, 1, &set, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    return set;
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

static uint64_t walk(const struct tr_policy_set *set, const struct corpus *corpus, uint64_t *hits)
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
            while (tr_context_span(&contexts[c], request->body, &cursor, &span, &bytes)) {
                bits = resource;
                tr_assert(tr_walk_span(&set->plan, 0, span, bytes, &notes, &walked, &bits) == TR_WALK_OK);
                *hits += bits.word[0] != 0;
                spans++;
            }
        }
    }
    return spans;
}

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * TR_S + (uint64_t)now.tv_nsec;
}

// Instructions of this thread, user space. Returns -1 where there is no such counter.
static int counter_open(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof(attr),
                                   .config = PERF_COUNT_HW_INSTRUCTIONS,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};

    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

// Takes over the set.
static struct measured measure(const struct corpus *corpus, struct tr_policy_set *set, double seconds)
{
    struct measured best = {.ns = 1e9};
    uint64_t until = clock_ns() + (uint64_t)(seconds * 1e9), begin, hits = 0, spans, instructions = 0;
    int counter = counter_open();

    walk(set, corpus, &hits);
    do {
        if (counter >= 0)
            ioctl(counter, PERF_EVENT_IOC_RESET, 0);
        hits = 0;
        begin = clock_ns();
        spans = walk(set, corpus, &hits);
        best.ns = TR_MIN(best.ns, (double)(clock_ns() - begin) / (double)spans);
        if (counter >= 0 && read(counter, &instructions, sizeof(instructions)) == sizeof(instructions))
            best.instructions = (double)instructions / (double)spans;
    } while (clock_ns() < until);
    best.share = (double)hits / (double)spans;
    if (counter >= 0)
        close(counter);
    tr_policy_set_free(set);
    return best;
}

static void row(const char *name, const struct measured *one, const struct measured *none)
{
    printf("%8.1f ", one->ns - none->ns);
    if (one->instructions > 0) // a virtual machine may have no counter
        printf("%12.0f", one->instructions - none->instructions);
    else
        printf("%12s", "-");
    printf(" %7.1f%%  %s\n", 100 * one->share, name);
}

static void conditions_measure(const struct corpus *corpus, const struct measured *none, double seconds)
{
    struct measured one;

    for (size_t i = 0; i < TR_NELEMS(typical); i++) {
        one = measure(corpus, set_make(&typical[i], 1), seconds);
        row(typical[i], &one, none);
    }
    one = measure(corpus, set_make(typical, TR_NELEMS(typical)), seconds);
    row("all of them", &one, none);
}

static void files_measure(const struct corpus *corpus, const struct measured *none, double seconds, char **files)
{
    struct measured three = measure(corpus, set_read(NULL), seconds), one;

    row("the quickstart's three policies", &three, none);
    for (; *files; files++) {
        char name[256];

        one = measure(corpus, set_read(*files), seconds);
        snprintf(name, sizeof(name), "%s: the walk takes %.2f times as long as under the three", *files, one.ns / three.ns);
        row(name, &one, none);
    }
}

int main(int argc, char **argv)
{
    bool timed = argc >= 3 && strcmp(argv[1], "--seconds") == 0;
    double seconds = timed ? atof(argv[2]) : 1;
    struct corpus_options made = {.seed = 1, .spans = 20000, .batch = 100, .services = 40, .error_rate = 0.01,
                                  .slow_rate = 0.01};
    struct corpus corpus;
    struct measured none;

    if (corpus_make(&corpus, &made) < 0)
        return 1;
    bodies_patch(&corpus);
    none = measure(&corpus, set_make(NULL, 0), seconds);
    printf("without: %.1f ns, %.0f instructions a span (check and walk)\n", none.ns, none.instructions);
    printf("%8s %12s %8s  %s\n", "ns more", "instructions", "holds", "policies");
    if (argc > (timed ? 3 : 1))
        files_measure(&corpus, &none, seconds, argv + (timed ? 3 : 1));
    else
        conditions_measure(&corpus, &none, seconds);
    corpus_free(&corpus);
    return 0;
}
