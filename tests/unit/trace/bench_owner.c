// SPDX-License-Identifier: Apache-2.0
// What an owner costs a span: traces of ten spans from 4 origins that come interleaved, so that each span
// finds its trace cold; a tenth is kept. Not a test: it prints.
//
//   bench-owner [traces held, default 1000000] [spans in millions, default 30]
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "trace/owner.h"

#define LCORES      4
#define TRACE_SPANS 10
#define BURST       64

static enum tr_answer decide(void *context, const struct tr_trace *trace, uint16_t *policy)
{
    *policy = 0;
    return trace->trace_id[0] < 26 ? TR_ANSWER_KEEP : TR_ANSWER_DROP;
}

static uint64_t emitted;

static bool send(void *context, uint32_t holder, const union tr_message *message)
{
    emitted += message->emit.spans;
    return true;
}

// Span `n` of the stream: each tenth begins a trace, the others are of traces begun up to `held` before, so
// that each gets its ten spread over the time that it is held.
static uint64_t trace_of(uint64_t n, uint64_t held)
{
    uint64_t begun = n / TRACE_SPANS;
    uint64_t part = n % TRACE_SPANS;
    uint64_t back = part ? (held - held / TRACE_SPANS) * part / TRACE_SPANS + part : 0;

    return begun > back ? begun - back : begun;
}

static void fill(union tr_message *messages, uint64_t from, uint64_t held, uint64_t *position)
{
    for (uint32_t i = 0; i < BURST; i++) {
        uint64_t trace = trace_of(from + i, held);
        uint64_t id[2] = {tr_mix64(trace), tr_mix64(~trace)};

        memset(&messages[i], 0, sizeof(messages[i]));
        memcpy(messages[i].summary.trace_id, id, 16);
        messages[i].summary.kind = TR_MESSAGE_SUMMARY;
        messages[i].summary.start_ns = 1000 + i;
        messages[i].summary.end_ns = 2000 + i;
        messages[i].summary.predicates = 1ull << (i % 64);
        messages[i].summary.position = *position += 400;
        messages[i].summary.bytes = 400;
    }
}

int main(int argc, char **argv)
{
    uint64_t held = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
    uint64_t spans = (argc > 2 ? strtoull(argv[2], NULL, 0) : 30) * 1000000;
    char directory[] = "/dev/shm/bench-owner-XXXXXX";
    char path[64];
    struct tr_owner_options options = {.lcores = LCORES,
                                       .traces_max = (uint32_t)(held + held / 4 + 1000),
                                       .refs_max = (uint32_t)(held + held / 4 + 1000) * TRACE_SPANS,
                                       .verdicts_max = 1u << 20,
                                       .wait_ns = held * TRACE_SPANS, // a span a nanosecond
                                       .wait_min_ns = held,
                                       .directory = directory,
                                       .numa_node = -1};
    struct tr_decider decider = {NULL, decide};
    struct tr_owner_output output = {NULL, send};
    struct tr_error error = {""};
    union tr_message messages[BURST];
    uint64_t position[LCORES] = {0};
    uint64_t receive_ns = 0, poll_ns = 0, measured = 0, tail_at = 0;
    struct tr_owner *owner;

    if (!mkdtemp(directory) || tr_owner_create(&owner, &options, &decider, &output, &error) < 0) {
        fprintf(stderr, "bench-owner: %s\n", error.text);
        return 1;
    }
    for (uint64_t n = 0; n < held * TRACE_SPANS * 2 + spans; n += BURST) {
        uint32_t origin = (uint32_t)(n / BURST) % LCORES;
        uint64_t t0, t1, t2;

        fill(messages, n, held, &position[origin]);
        t0 = tr_clock_ns();
        if (tr_owner_receive(owner, origin, messages, BURST, n, n) != BURST)
            abort();
        t1 = tr_clock_ns();
        tr_owner_poll(owner, n, n, 1024);
        t2 = tr_clock_ns();
        if (n < held * TRACE_SPANS * 2) // until the table is as full as it gets
            continue;
        receive_ns += t1 - t0;
        poll_ns += t2 - t1;
        measured += BURST;
        if (n > tail_at) { // each holder asks for what is long decided, as when its journal turns
            tail_at = n + 100000;
            for (uint32_t o = 0; o < LCORES; o++) {
                union tr_message tail = {.tail = {.kind = TR_MESSAGE_TAIL}};

                tail.tail.position = position[o] - held * TRACE_SPANS / LCORES * 400;
                tr_owner_receive(owner, o, &tail, 1, n, n);
            }
        }
    }
    printf("%llu traces held, %llu spans each: receive %.1f ns a span, decide and emit %.1f, together %.1f\n",
           (unsigned long long)tr_owner_counters(owner)->traces_held, (unsigned long long)TRACE_SPANS,
           (double)receive_ns / (double)measured, (double)poll_ns / (double)measured,
           (double)(receive_ns + poll_ns) / (double)measured);
    printf("decided early %llu, late %llu, emitted %llu\n",
           (unsigned long long)tr_owner_counters(owner)->early_table,
           (unsigned long long)tr_owner_counters(owner)->late_dropped, (unsigned long long)emitted);
    tr_owner_destroy(owner);
    snprintf(path, sizeof(path), "%s/verdicts.0", directory);
    unlink(path);
    rmdir(directory);
    return 0;
}
