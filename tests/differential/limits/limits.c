// SPDX-License-Identifier: Apache-2.0
// What the lcores keep of a corpus with times, under limits: real lcores on virtual time, whose turns a seed draws.
//
//   limits CORPUS CONFIG LCORES SEED
//
// CONFIG is a tail_sampling block. Prints for each trace in the order of its decisions: id, kept or not, spans, when it was
// decided (ns since the first second), and the policy that kept it.
#include <unistd.h>

#include "base/hash.h"
#include "lcore/lcore.h"
#include "trace/owner_internal.h"

#define BEGIN_NS  (1000 * TR_S) // of the first second, lcore clock
#define LCORES    4
#define STEP_NS   (4 * TR_MS)
#define JITTER_NS (20 * TR_MS) // of a request: in the middle of its second still

static struct tr_mesh *mesh;
static struct tr_lcore *lcores[LCORES];
static uint64_t verdicts_read[LCORES];
static uint32_t count;
static uint64_t seed;
static char directory[64];

static uint64_t draw(uint64_t below)
{
    return tr_mix64(seed += 0x9e3779b97f4a7c15ull) % below;
}

static void die(const char *what)
{
    fprintf(stderr, "limits: %s\n", what);
    exit(1);
}

static char *file_read(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    size_t room = 64 * TR_MIB;
    char *data = malloc(room);

    if (!file || !data)
        die(path);
    *bytes = fread(data, 1, room - 1, file);
    data[*bytes] = '\0';
    fclose(file);
    return data;
}

static struct tr_epoch *epoch_make(const char *path)
{
    struct tr_epoch *epoch = calloc(1, sizeof(*epoch));
    struct tr_options_doc *policies, *rules;
    struct tr_error error = {""};
    size_t bytes;
    char *text = file_read(path, &bytes);

    if (tr_options_parse(&tr_tail_sampling_option_table, text, bytes, &policies, &error) < 0 ||
        tr_options_parse(&tr_attributes_option_table, "rules: []", 9, &rules, &error) < 0 ||
        tr_policy_set_compile(tr_options_struct(policies), NULL, 1, count, &epoch->policies, &error) < 0 ||
        tr_attr_set_compile(tr_options_struct(rules), &epoch->attrs, &error) < 0)
        die(error.text);
    epoch->number = 1;
    epoch->attrs->version = 1;
    for (uint32_t i = 0; i < count; i++)
        epoch->counters[i] = calloc(epoch->policies->policies + 1, sizeof(*epoch->counters[i]));
    tr_options_free(policies);
    tr_options_free(rules);
    free(text);
    return epoch;
}

static void woken(void *context)
{
}

static void open_all(const char *config)
{
    struct tr_error error = {""};

    snprintf(directory, sizeof(directory), "/dev/shm/tailrace-limits.XXXXXX");
    if (!mkdtemp(directory) || tr_mesh_create(&mesh, count, 1024, &error) < 0)
        die("no directory, or no rings");
    tr_mesh_epoch_publish(mesh, epoch_make(config));
    for (uint32_t i = 0; i < count; i++) {
        struct tr_lcore_options options = {.lcore = i,
                                           .numa_node = -1,
                                           .directory = directory,
                                           .journal_bytes = 16 * TR_MIB,
                                           .outbox_bytes = 4 * TR_MIB,
                                           .body_bytes_max = TR_MIB,
                                           .contexts = 1 << 15,
                                           .sources_max = 64};

        options.owner = (struct tr_owner_options){.lcore = i,
                                                  .lcores = count,
                                                  .traces_max = 20000,
                                                  .refs_max = 100000,
                                                  .verdicts_max = 1 << 15,
                                                  .aside = mesh->epoch->policies->aside,
                                                  .wait_ns = mesh->epoch->policies->wait_ns,
                                                  .wait_min_ns = mesh->epoch->policies->wait_ns,
                                                  .directory = directory,
                                                  .numa_node = -1,
                                                  .hash_seed = 1 + seed};
        if (tr_lcore_create(&lcores[i], &options, mesh, &error) < 0)
            die(error.text);
        mesh->peers[i].wake = woken;
    }
}

static void close_all(void)
{
    char command[96];

    for (uint32_t i = 0; i < count; i++)
        tr_lcore_destroy(lcores[i]);
    tr_mesh_destroy(mesh);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    if (system(command))
        die(command);
}

static void verdicts_print(uint32_t lcore)
{
    const struct tr_verdict_ring *ring = &lcores[lcore]->owner->verdicts.ring;

    for (; verdicts_read[lcore] < ring->file.head / sizeof(struct tr_verdict_record); verdicts_read[lcore]++) {
        const struct tr_verdict_record *record = tr_verdict_ring_at(ring, verdicts_read[lcore]);

        for (int i = 0; i < 16; i++)
            printf("%02x", record->trace_id[i]);
        printf(" %d %u %llu %s\n", record->verdict == TR_VERDICT_KEEP, record->spans,
               (unsigned long long)(record->decided_wall_ns - BEGIN_NS), tr_policy_name(mesh->epoch->policies, record->policy));
    }
}

// Turns in a drawn order, some lcores more often than others, until `until`.
static uint64_t pass(uint64_t now, uint64_t until)
{
    while (now < until) {
        for (uint32_t i = 0; i < 2 * count; i++) {
            uint32_t lcore = (uint32_t)draw(count);

            tr_lcore_poll(lcores[lcore], now);
            verdicts_print(lcore);
        }
        now += 1 + draw(STEP_NS);
    }
    return now;
}

struct request {
    uint64_t at_ns;
    uint32_t bytes;
} __attribute__((packed));

int main(int argc, char **argv)
{
    const struct tr_address peer = {.ip = {[15] = 1}, .port = 1};
    uint64_t now = BEGIN_NS, jitter;
    size_t bytes;
    char *corpus;

    if (argc != 5)
        return 2;
    corpus = file_read(argv[1], &bytes);
    count = (uint32_t)atoi(argv[3]);
    seed = strtoull(argv[4], NULL, 10);
    if (!count || count > LCORES)
        return 2;
    open_all(argv[2]);
    for (size_t at = 0; at < bytes;) {
        struct request request;

        memcpy(&request, corpus + at, sizeof(request));
        jitter = draw(JITTER_NS);
        now = pass(now, BEGIN_NS + request.at_ns + jitter);
        if (tr_lcore_put(lcores[draw(count)], &peer, (const uint8_t *)corpus + at + sizeof(request), request.bytes))
            die("a request did not fit the journal");
        at += sizeof(request) + request.bytes;
    }
    pass(now, now + mesh->epoch->policies->wait_ns + 8 * TR_S);
    for (uint32_t i = 0; i < count; i++)
        if (tr_owner_counters(lcores[i]->owner)->held)
            die("traces are held still");
    close_all();
    free(corpus);
    return 0;
}
