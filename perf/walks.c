// SPDX-License-Identifier: Apache-2.0
#include "walks.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "otlp/check.h"

#define CONTEXTS_MAX 8 // of a request

static struct tr_walk_notes notes;

// A body as it is sent, and its contexts.
static bool request_check(struct walks *walks, uint32_t r, struct tr_context *contexts)
{
    struct corpus_request *request = &walks->corpus.requests[r];
    struct tr_journal journal = {.contexts = contexts, .contexts_mask = CONTEXTS_MAX - 1};
    uint8_t *body = malloc(request->bytes + 64);
    struct tr_check check;

    if (!body)
        return false;
    corpus_patch(&walks->corpus, r, 1, 0, body);
    memcpy(request->body, body, request->bytes);
    free(body);
    tr_check_init(&check, request->body, request->bytes, 0, &journal, CONTEXTS_MAX);
    tr_assert(tr_check_run(&check, UINT32_MAX) == TR_CHECK_DONE);
    walks->requests_contexts[r] = check.contexts;
    return true;
}

void walks_make(struct walks *walks)
{
    const struct corpus_options made = {.seed = 1, .spans = 20000, .batch = 100, .services = 40, .error_rate = 0.01,
                                        .slow_rate = 0.01};
    bool good = corpus_make(&walks->corpus, &made) == 0;
    uint32_t requests = walks->corpus.requests_count;

    walks->contexts = calloc((size_t)requests * CONTEXTS_MAX, sizeof(*walks->contexts));
    walks->requests_contexts = calloc(requests, sizeof(*walks->requests_contexts));
    good = good && walks->contexts && walks->requests_contexts;
    for (uint32_t r = 0; good && r < requests; r++)
        good = request_check(walks, r, walks->contexts + (size_t)r * CONTEXTS_MAX);
    if (!good) {
        fprintf(stderr, "no memory for the corpus\n");
        exit(1);
    }
}

void walks_free(struct walks *walks)
{
    corpus_free(&walks->corpus);
    free(walks->contexts);
    free(walks->requests_contexts);
}

static uint64_t walk(const struct walks *walks, const struct tr_policy_set *set, struct walks_red *red, uint64_t *hits)
{
    struct tr_red_table *table = red ? red->set->tables[0] : NULL;
    uint64_t spans = 0;

    for (uint32_t r = 0; r < walks->corpus.requests_count; r++) {
        const uint8_t *body = walks->corpus.requests[r].body, *span;

        for (uint32_t c = 0; c < walks->requests_contexts[r]; c++) {
            const struct tr_context *context = &walks->contexts[r * CONTEXTS_MAX + c];
            struct tr_bits resource = {{0}}, bits;
            struct tr_walk_span walked;
            uint32_t bytes, cursor = 0;

            tr_walk_resource(&set->plan, 0, context, body, &notes, &resource);
            if (red)
                tr_red_resource(table, &red->counters, context, body);
            while (tr_context_span(context, body, &cursor, &span, &bytes)) {
                bits = resource;
                tr_assert(tr_walk_span(&set->plan, 0, span, bytes, &notes, &walked, &bits) == TR_WALK_OK);
                if (red)
                    tr_red_span(table, &red->counters, &set->plan, &notes, &walked, 1, 1);
                *hits += bits.word[0] != 0;
                spans++;
            }
        }
    }
    return spans;
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

struct walks_cost walks_measure(const struct walks *walks, const struct tr_policy_set *set, struct walks_red *red,
                                double seconds)
{
    struct walks_cost least = {.ns = 1e9};
    uint64_t until = tr_clock_ns() + (uint64_t)(seconds * 1e9), begin, hits = 0, spans, instructions = 0;
    int counter = counter_open();

    walk(walks, set, red, &hits);
    do {
        if (counter >= 0)
            ioctl(counter, PERF_EVENT_IOC_RESET, 0);
        hits = 0;
        begin = tr_clock_ns();
        spans = walk(walks, set, red, &hits);
        least.ns = TR_MIN(least.ns, (double)(tr_clock_ns() - begin) / (double)spans);
        if (counter >= 0 && read(counter, &instructions, sizeof(instructions)) == sizeof(instructions))
            least.instructions = (double)instructions / (double)spans;
    } while (tr_clock_ns() < until);
    least.share = (double)hits / (double)spans;
    if (counter >= 0)
        close(counter);
    return least;
}
