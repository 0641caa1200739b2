// SPDX-License-Identifier: Apache-2.0
// What the tests of the owner share: an owner over rings that are arrays, and a decider that reads the answer
// off the trace id. Byte 0 of an id: 'd' drop, 'k' keep, 'p' pending until the test says otherwise.
#ifndef TR_TESTS_TRACE_HARNESS_H
#define TR_TESTS_TRACE_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>

#include "trace/owner.h"

#define BENCH_MESSAGES_MAX 4096

struct bench {
    char directory[64];
    struct tr_owner *owner;
    struct tr_owner_counters *counters;
    // The class 2 ring of each holder.
    union tr_message ring[TR_LCORES_MAX][BENCH_MESSAGES_MAX];
    uint32_t queued[TR_LCORES_MAX];
    uint32_t capacity[TR_LCORES_MAX];
    bool pending_settles; // 'p' is kept from now on
    struct tr_trace last; // that the decider saw
    uint32_t asked;       // times it was asked
    uint16_t policy;      // it names
    uint64_t now, wall;
    uint64_t position[TR_LCORES_MAX];
};

static inline enum tr_answer bench_decide(void *context, const struct tr_trace *trace, uint16_t *policy)
{
    struct bench *b = context;

    b->last = *trace;
    b->asked++;
    *policy = b->policy;
    switch (trace->trace_id[0]) {
    case 'k':
        return TR_ANSWER_KEEP;
    case 'p':
        return b->pending_settles ? TR_ANSWER_KEEP : TR_ANSWER_PENDING;
    default:
        return TR_ANSWER_DROP;
    }
}

static inline bool bench_send(void *context, uint32_t holder, const union tr_message *message)
{
    struct bench *b = context;

    if (b->queued[holder] >= b->capacity[holder])
        return false;
    b->ring[holder][b->queued[holder]++] = *message;
    return true;
}

// An owner of lcore 0 of 3: 8 traces, 32 spans, wait 10 s, at least 2 s. `options` may be changed before.
static inline struct tr_owner_options bench_options(void)
{
    return (struct tr_owner_options){.lcores = 3,
                                     .traces_max = 32,
                                     .refs_max = 256,
                                     .dropped_bytes = 65536,
                                     .verdicts_max = 64,
                                     .wait_ns = 10 * TR_S,
                                     .wait_min_ns = 2 * TR_S,
                                     .aside = TR_ASIDE_PREDICATES | TR_ASIDE_OT | TR_ASIDE_ASKED,
                                     .numa_node = -1,
                                     .hash_seed = 1};
}

static inline struct bench *bench_new_with(const struct tr_owner_options *options,
                                           const struct tr_decider *decider,
                                           const struct tr_owner_output *output)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct tr_owner_options with = *options;
    struct tr_error error = {""};

    assert_non_null(b);
    strcpy(b->directory, "/tmp/tailrace-owner-XXXXXX");
    assert_non_null(mkdtemp(b->directory));
    with.directory = b->directory;
    b->now = 1000 * TR_S;
    b->wall = 1700000000 * TR_S;
    b->policy = 3;
    for (uint32_t i = 0; i < TR_LCORES_MAX; i++)
        b->capacity[i] = BENCH_MESSAGES_MAX;
    if (tr_owner_create(&b->owner, &with, decider ? decider : &(struct tr_decider){b, bench_decide},
                        output ? output : &(struct tr_owner_output){b, bench_send}, &error) < 0)
        fail_msg("%s", error.text);
    b->counters = tr_owner_counters(b->owner);
    return b;
}

static inline struct bench *bench_new(const struct tr_owner_options *options)
{
    return bench_new_with(options, NULL, NULL);
}

static inline void bench_free(struct bench *b)
{
    char path[128];

    tr_owner_destroy(b->owner);
    snprintf(path, sizeof(path), "%s/verdicts.0", b->directory);
    unlink(path);
    rmdir(b->directory);
    free(b);
}

static inline void bench_id(const char *name, uint8_t id[16])
{
    memset(id, 0, 16);
    memcpy(id, name, TR_MIN(strlen(name), (size_t)16));
}

// A span of the trace `name` at the next position of `origin`, 100 bytes.
static inline union tr_message bench_span(struct bench *b, uint32_t origin, const char *name)
{
    union tr_message m = {.summary = {.kind = TR_MESSAGE_SUMMARY, .bytes = 100}};

    bench_id(name, m.summary.trace_id);
    m.summary.position = b->position[origin];
    b->position[origin] += 100;
    return m;
}

static inline bool bench_offer(struct bench *b, uint32_t origin, const union tr_message *message)
{
    return tr_owner_receive(b->owner, origin, message, 1, b->now, b->wall) == 1;
}

static inline void bench_receive(struct bench *b, uint32_t origin, const char *name)
{
    union tr_message m = bench_span(b, origin, name);

    assert_true(bench_offer(b, origin, &m));
}

static inline void bench_tail(struct bench *b, uint32_t origin, uint64_t position, bool urgent)
{
    union tr_message m = {.tail = {.kind = TR_MESSAGE_TAIL, .position = position, .urgent = urgent}};

    assert_true(bench_offer(b, origin, &m));
}

static inline void bench_pass(struct bench *b, uint64_t ns)
{
    b->now += ns;
    b->wall += ns;
}

static inline uint32_t bench_poll(struct bench *b)
{
    return tr_owner_poll(b->owner, b->now, b->wall, 1000000);
}

static inline bool bench_holds(struct bench *b, const char *name)
{
    struct tr_trace trace;
    uint8_t id[16];

    bench_id(name, id);
    return tr_owner_find_held(b->owner, id, &trace);
}

static inline const struct tr_verdict_record *bench_verdict(struct bench *b, const char *name)
{
    uint8_t id[16];

    bench_id(name, id);
    return tr_owner_find_verdict(b->owner, id);
}

// Spans that the emits queued for a holder ask for.
static inline uint32_t bench_emits(const struct bench *b, uint32_t holder)
{
    uint32_t spans = 0;

    for (uint32_t i = 0; i < b->queued[holder]; i++)
        if (b->ring[holder][i].any.kind == TR_MESSAGE_EMIT)
            spans += b->ring[holder][i].emit.spans;
    return spans;
}

static inline void bench_balance(struct bench *b)
{
    uint64_t spans, traces;

    tr_owner_recount(b->owner, &spans, &traces);
    assert_int_equal(spans, b->counters->held);
    assert_int_equal(traces, b->counters->traces_held);
    assert_int_equal(b->counters->received,
                     b->counters->kept + b->counters->dropped + b->counters->evicted + b->counters->held);
    assert_int_equal(b->counters->kept, b->counters->emits_sent + b->counters->emits_waiting);
}

#endif
