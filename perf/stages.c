// SPDX-License-Identifier: Apache-2.0
// perf/stages: the cost of each stage of the data path, from the whole body to the outbox, in ns a span and as a
// multiple of a memcpy of the same bytes in the same run.
//
// The real lcore code on virtual time: bodies of 100 spans of about 400 bytes with 9 attributes, of traces of 10
// spans each, the quickstart's policies and rules, a tenth of the traces kept. Time passes so that --traces of them
// (1,000,000) are live at once. What is measured begins when the table has filled and the first are being decided.
//
// memcpy and journal read bodies that were made 4,096 bodies (150 MB) ago, out of memory, as what a NIC wrote into a
// large pool is. Each writes into a ring of its own, far larger than the caches, in huge pages where the kernel gives them:
// memory's where transparent_hugepage/enabled is not never, the journal's where shmem_enabled is not.
#include <getopt.h>
#include <sched.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/pages.h"
#include "base/pb.h"
#include "lcore/lcore.h"

#define BATCH       100
#define TRACE_SPANS 10
#define BODIES      512  // different ones, sent over and over with new ids
#define AHEAD       4096 // bodies that lie ready, in more memory than the caches hold

struct body {
    uint8_t bytes[64 * 1024];
    uint32_t length;
    uint32_t ids[BATCH]; // where each span's trace id begins
};

enum stage { MEMCPY, JOURNAL, WALK, OWN, EMIT, TAIL, STAGES };
static const char *const names[STAGES] = {"memcpy", "journal copy and check", "walk and receive", "decide and emit",
                                          "class 2", "tail"};

static uint64_t random_next(uint64_t *state)
{
    return tr_mix64(*state += 0x9e3779b97f4a7c15ull);
}

static uint8_t *put_attribute(uint8_t *p, uint32_t number, const char *key, const char *value)
{
    uint8_t any[128], pair[256], *a = any, *q = pair;

    a = tr_pb_put_bytes(a, 1, value, strlen(value));
    q = tr_pb_put_bytes(q, 1, key, strlen(key));
    q = tr_pb_put_bytes(q, 2, any, (size_t)(a - any));
    return tr_pb_put_bytes(p, number, pair, (size_t)(q - pair));
}

static uint8_t *put_span(uint8_t *p, uint64_t *random, bool error)
{
    static const char *const keys[] = {"http.request.method", "http.route",      "http.response.status_code",
                                       "server.address",      "user_agent.name", "enduser.tenant",
                                       "thread.name"};
    uint8_t id[16] = {1}, zero[16] = {0};
    uint64_t start = 1700000000 * TR_S + random_next(random) % TR_S;
    char value[40];

    p = tr_pb_put_bytes(p, 1, zero, 16);
    memcpy(id, random, 8);
    p = tr_pb_put_bytes(p, 2, id, 8);
    p = tr_pb_put_bytes(p, 4, id, 8);
    p = tr_pb_put_bytes(p, 5, "GET /api/v1/orders", 18);
    p = tr_pb_put_varint(tr_pb_put_tag(p, 6, TR_PB_VARINT), 2);
    p = tr_pb_put_fixed64(p, 7, start);
    p = tr_pb_put_fixed64(p, 8, start + random_next(random) % (50 * TR_MS));
    for (size_t i = 0; i < TR_NELEMS(keys); i++) {
        snprintf(value, sizeof(value), "value-%llu", (unsigned long long)(random_next(random) % 1000));
        p = put_attribute(p, 9, keys[i], value);
    }
    snprintf(value, sizeof(value), "user-%016llx", (unsigned long long)random_next(random));
    p = put_attribute(p, 9, "user.id", value);
    snprintf(value, sizeof(value), "order-%016llx", (unsigned long long)random_next(random));
    p = put_attribute(p, 9, "order.id", value);
    if (error) {
        static const uint8_t status[] = {0x18, 2};

        p = tr_pb_put_bytes(p, 15, status, sizeof(status));
    }
    return p;
}

// One ResourceSpans of one service, as an SDK sends it.
static void body_make(struct body *body, uint64_t *random)
{
    static uint8_t spans[64 * 1024], resource[1024], scope_spans[64 * 1024], whole[64 * 1024];
    uint8_t *p = spans, *q, *r = resource;
    char name[32];

    snprintf(name, sizeof(name), "service-%llu", (unsigned long long)(random_next(random) % 40));
    r = put_attribute(r, 1, "service.name", name);
    r = put_attribute(r, 1, "service.version", "1.24.3");
    r = put_attribute(r, 1, "host.name", "ip-10-0-12-34.eu-west-1.compute.internal");
    r = put_attribute(r, 1, "telemetry.sdk.name", "opentelemetry");
    r = put_attribute(r, 1, "telemetry.sdk.language", "java");
    for (int i = 0; i < BATCH; i++) {
        uint8_t span[1024], *end = put_span(span, random, random_next(random) % 1000 == 0);

        p = tr_pb_put_bytes(p, 2, span, (size_t)(end - span));
    }
    q = tr_pb_put_bytes(scope_spans, 1, "\x0a\x04perf", 6);
    memcpy(q, spans, (size_t)(p - spans));
    q += p - spans;
    p = tr_pb_put_bytes(whole, 1, resource, (size_t)(r - resource));
    p = tr_pb_put_bytes(p, 2, scope_spans, (size_t)(q - scope_spans));
    body->length = (uint32_t)(tr_pb_put_bytes(body->bytes, 1, whole, (size_t)(p - whole)) - body->bytes);
    // A span begins with its trace id: 0a 10 and sixteen zeros, which occur nowhere else.
    for (uint32_t at = 0, n = 0; n < BATCH; at++) {
        static const uint8_t mark[18] = {0x0a, 0x10};

        if (memcmp(body->bytes + at, mark, sizeof(mark)) == 0)
            body->ids[n++] = at + 2;
    }
}

// Ten spans a trace, in two neighbouring groups of bodies, as services report at different times.
static void body_patch(const struct body *body, uint8_t *to, uint64_t number)
{
    for (int i = 0; i < BATCH; i++) {
        uint64_t trace = number / TRACE_SPANS * BATCH + (uint64_t)i;
        uint64_t id[2] = {tr_mix64(2 * trace + 1), tr_mix64(2 * trace + 2)};

        memcpy(to + body->ids[i], id, 16);
    }
}

static struct tr_epoch *epoch_make(void)
{
    static const char text[] = "decision_wait: 10s\n"
                               "policies:\n"
                               "- {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}\n"
                               "- {name: slow, type: latency, latency: {threshold_ms: 1000}}\n"
                               "- {name: baseline, type: probabilistic, probabilistic: {sampling_percentage: 9}}\n"
                               "- name: tenants\n"
                               "  type: and\n"
                               "  and:\n"
                               "    and_sub_policy:\n"
                               "    - {name: t, type: string_attribute, string_attribute: {key: enduser.tenant, values: [gold]}}\n"
                               "    - {name: r, type: string_attribute, string_attribute: {key: http.route, values: [/pay]}}\n";
    static const char rules[] = "rules: [{keys: [user.id, order.id], action: demote}]\n";
    struct tr_options_doc *policies, *attributes;
    struct tr_epoch *epoch = calloc(1, sizeof(*epoch));
    struct tr_error error = {0};

    if (tr_options_parse(&tr_tail_sampling_option_table, text, sizeof(text) - 1, &policies, &error) < 0 ||
        tr_options_parse(&tr_attributes_option_table, rules, sizeof(rules) - 1, &attributes, &error) < 0 ||
        tr_policy_set_compile(tr_options_struct(policies), NULL, 1, 1, &epoch->policies, &error) < 0 ||
        tr_attr_set_compile(tr_options_struct(attributes), &epoch->attrs, &error) < 0) {
        fprintf(stderr, "stages: %s\n", error.text);
        exit(1);
    }
    epoch->number = 1;
    epoch->attrs->version = 1;
    epoch->counters[0] = calloc(epoch->policies->policies + 1, sizeof(*epoch->counters[0]));
    return epoch;
}

static uint64_t power_of_two_above(uint64_t n)
{
    return 1ull << (64 - __builtin_clzll(n - 1));
}

static struct tr_lcore *lcore_make(uint64_t traces, const char *directory, uint64_t wait_ns)
{
    struct tr_lcore_options options = {.numa_node = -1,
                                       .directory = directory,
                                       .journal_bytes = power_of_two_above(traces * TRACE_SPANS * 480),
                                       .outbox_bytes = 256 * TR_MIB,
                                       .body_bytes_max = 64 * TR_MIB,
                                       .contexts = 1 << 20,
                                       .sources_max = 65536,
                                       .prefault = true};
    struct tr_error error = {0};
    struct tr_lcore *lcore;
    struct tr_mesh *mesh;

    options.owner = (struct tr_owner_options){.lcores = 1,
                                              .traces_max = (uint32_t)(traces * 3 / 2),
                                              .refs_max = (uint32_t)(traces * TRACE_SPANS * 3 / 2),
                                              .dropped_bytes = power_of_two_above(traces * TRACE_SPANS * 24),
                                              .verdicts_max = (uint32_t)power_of_two_above(traces),
                                              .trace_spans_max = 1 << 20,
                                              .directory = directory,
                                              .numa_node = -1};
    if (tr_mesh_create(&mesh, 1, 64, &error) < 0)
        goto fail;
    tr_mesh_epoch_publish(mesh, epoch_make());
    mesh->epoch->policies->wait_ns = wait_ns;
    mesh->epoch->policies->wait_min_ns = wait_ns / 2;
    if (tr_lcore_create(&lcore, &options, mesh, &error) == 0)
        return lcore;
fail:
    fprintf(stderr, "stages: %s\n", error.text);
    exit(1);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"traces", required_argument, NULL, 't'},
                                            {"spans", required_argument, NULL, 's'},
                                            {"cpu", required_argument, NULL, 'c'},
                                            {0}};
    char directory[] = "/dev/shm/tailrace-stages.XXXXXX", command[64];
    uint64_t traces = 1000000, spans = 10000000, random = 1, cost[STAGES] = {0}, total = 0, measured = 0;
    struct body *bodies = calloc(BODIES, sizeof(*bodies));
    struct tr_address peer = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
    static uint8_t arrived[AHEAD][64 * 1024];
    struct tr_lcore *lcore;
    uint64_t step_ns = TR_US, fill, at = 0, bytes = 0, copy_bytes;
    uint8_t *copy;
    bool json = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'j')
            json = true;
        else if (option == 't')
            traces = strtoull(optarg, NULL, 10);
        else if (option == 's')
            spans = strtoull(optarg, NULL, 10);
        else if (option == 'c') {
            cpu_set_t set;

            CPU_ZERO(&set);
            CPU_SET(atoi(optarg), &set);
            sched_setaffinity(0, sizeof(set), &set);
        } else
            return 2;
    }
    if (!mkdtemp(directory) || !bodies)
        return 1;
    for (int i = 0; i < BODIES; i++)
        body_make(&bodies[i], &random);
    fill = traces * TRACE_SPANS / BATCH; // bodies until `traces` are live
    lcore = lcore_make(traces, directory, fill * step_ns);
    copy_bytes = TR_MIN(lcore->journal.ring.bytes, TR_GIB);
    copy = tr_pages_map(copy_bytes, -1, true);
    if (!copy)
        return 1;
    for (uint64_t n = 0; n < fill * 5 / 4 + spans / BATCH; n += AHEAD) {
        bool counts = n >= fill * 5 / 4;
        uint64_t t[STAGES + 1];

        for (uint64_t k = 0; k < AHEAD; k++) {
            memcpy(arrived[k], bodies[(n + k) % BODIES].bytes, bodies[(n + k) % BODIES].length);
            body_patch(&bodies[(n + k) % BODIES], arrived[k], n + k);
        }
        t[0] = tr_clock_ns();
        for (uint64_t k = 0; k < AHEAD; k++) {
            uint32_t length = bodies[(n + k) % BODIES].length;

            memcpy(copy + at, arrived[k], length);
            at += length;
            at = at + sizeof(*arrived) > copy_bytes ? 0 : at;
        }
        cost[MEMCPY] += counts ? tr_clock_ns() - t[0] : 0;
        for (uint64_t k = 0; k < AHEAD; k++) {
            uint32_t length = bodies[(n + k) % BODIES].length;

            lcore->now = TR_S + (n + k) * step_ns;
            t[1] = tr_clock_ns();
            if (tr_lcore_put(lcore, &peer, arrived[k], length) < 0) {
                fprintf(stderr, "stages: the journal is full\n");
                return 1;
            }
            t[2] = tr_clock_ns();
            tr_lcore_walk(lcore, SIZE_MAX);
            t[3] = tr_clock_ns();
            tr_lcore_own(lcore);
            t[4] = tr_clock_ns();
            tr_lcore_emit(lcore, SIZE_MAX);
            t[5] = tr_clock_ns();
            tr_lcore_tail(lcore);
            t[6] = tr_clock_ns();
            for (int i = JOURNAL; counts && i < STAGES; i++)
                cost[i] += t[i + 1] - t[i];
            measured += counts ? BATCH : 0;
            bytes += counts ? length : 0;
        }
    }
    for (int i = JOURNAL; i < STAGES; i++)
        total += cost[i];
    if (json)
        printf("{\"memcpy_ns\": %.2f, \"stages\": {", (double)cost[MEMCPY] / (double)measured);
    for (int i = 0; i < STAGES; i++) {
        double ns = (double)cost[i] / (double)measured;

        if (json && i)
            printf("%s\"%s\": %.2f", i > 1 ? ", " : "", names[i], ns);
        else if (!json)
            printf("%-24s %8.1f ns a span  %6.2f x memcpy\n", names[i], ns, (double)cost[i] / (double)cost[MEMCPY]);
    }
    printf(json ? "}, \"total_ns\": %.2f, \"multiple\": %.2f, \"span_bytes\": %.0f, \"live_traces\": %llu, \"kept\": %.3f}\n"
                : "total                    %8.1f ns a span  %6.2f x memcpy; %.0f bytes a span, %llu live traces, "
                  "%.3f of the spans kept\n",
           (double)total / (double)measured, (double)total / (double)cost[MEMCPY], (double)bytes / (double)measured,
           (unsigned long long)tr_owner_counters(lcore->owner)->traces_held,
           (double)tr_owner_counters(lcore->owner)->kept / (double)(tr_owner_counters(lcore->owner)->kept + tr_owner_counters(lcore->owner)->dropped));
    tr_lcore_destroy(lcore);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command) ? 1 : 0;
}
