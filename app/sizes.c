// SPDX-License-Identifier: Apache-2.0
// What follows from a config and the machine: how many lcores, on which CPUs, with how much memory each.
//
//   journal   size, or half of the memory there is, shared; a power of two
//   outbox    outbox_size, or an eighth of the journal
//   body      at most an eighth of the journal, so that there is always room for several
//   traces    one for each KiB of journal, or num_traces if that is more
//   verdicts  as many as traces, at least 65,536
//   memo      what decision_cache wants beyond that, or a million for all lcores together: 16 bytes each
//   refs      one for each 256 bytes of journal: no span that makes sense is smaller
//   dropped   a 16th of the journal, an 8th with shape, for what late spans may reopen: all spans of 400 bytes in it
#include "config.h"

#include <unistd.h>

#include "config/cpus.h"
#include "config/memory.h"
#include "config/units.h"
#include "control/services.h"
#include "journal/ringfile.h"
#include "policy/sampler.h"

#define OUTBOX_LEAST (16 * TR_MIB)
#define REMEMBERED_AUTO (1u << 20)
#define JOURNAL_LEAST (4 * TR_MIB)
#define JOURNAL_AUTO_MOST (64 * TR_GIB)

static uint64_t power_of_two_below(uint64_t n)
{
    return n ? 1ull << (63 - __builtin_clzll(n)) : 0;
}

static uint32_t power_of_two_above(uint64_t n)
{
    return (uint32_t)(n <= 1 ? 1 : 1ull << (64 - __builtin_clzll(n - 1)));
}

static int cpus_derive(const struct tr_config *config, struct tr_sizes *sizes, struct tr_error *error)
{
    int list[CPU_SETSIZE];
    uint32_t count = 0;
    cpu_set_t allowed, wanted;

    if (tr_cpus_affinity(&allowed, error) < 0)
        return -EINVAL;
    wanted = allowed;
    if (config->lcores.cpus && (tr_cpus_parse(config->lcores.cpus, &wanted, error) < 0 ||
                                tr_cpus_check(&wanted, &allowed, error) < 0)) {
        tr_error_prefix(error, "lcores.cpus");
        return -EINVAL;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &wanted))
            list[count++] = cpu;
    sizes->cpus_distinct = count;
    sizes->lcores = config->lcores.count ? (uint32_t)config->lcores.count : TR_MIN(count, (uint32_t)TR_LCORES_MAX);
    for (uint32_t i = 0; i < sizes->lcores; i++)
        sizes->cpus[i] = list[i % count];
    return 0;
}

int tr_sizes_red_check(const struct tr_config *config, uint32_t lcores, struct tr_error *error)
{
    uint64_t bytes = config->span_metrics ? tr_red_table_bytes(config->span_metrics) : 0;
    struct tr_memory machine;

    if (!bytes)
        return 0;
    if (tr_memory_read("", &machine, error) < 0) {
        tr_error_prefix(error, "span_metrics.series_max");
        return -EINVAL;
    }
    if (bytes > machine.available_bytes / 2 / lcores)
        return tr_error_set(error, ENOSPC, "span_metrics.series_max: tables of %llu MiB for %u lcores are more than half of the "
                            "%llu MiB that %s has available", (unsigned long long)(bytes / TR_MIB), lcores,
                            (unsigned long long)(machine.available_bytes / TR_MIB), machine.limit);
    return 0;
}

// The last directory of the path is made at the start, those above it are not.
static bool parent_is_missing(const char *path)
{
    const char *slash = strrchr(path, '/');
    char parent[PATH_MAX];

    snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - path) : 0, path);
    return access(path, F_OK) != 0 && slash && slash != path && access(parent, F_OK) != 0;
}

static int journal_derive(const struct tr_config *config, struct tr_sizes *sizes, struct tr_error *error)
{
    uint64_t journal = config->journal.bytes, outbox = config->journal.outbox_bytes, memory, room, most, leftovers;
    struct tr_filesystem filesystem;
    struct tr_memory machine;

    if (tr_memory_read("", &machine, error) < 0 ||
        tr_filesystem_read("", config->journal.path, &filesystem, error) < 0) {
        tr_error_prefix(error, "journal.size");
        return -EINVAL;
    }
    if (parent_is_missing(config->journal.path))
        return tr_error_set(error, ENOENT, "journal.path: %s: No such file or directory", config->journal.path);
    // Rings of a process that was killed give their memory back when ours are made.
    leftovers = tr_ringfile_leftovers(config->journal.path, false);
    if (filesystem.free_bytes != UINT64_MAX)
        filesystem.free_bytes += leftovers;
    if (filesystem.kind == TR_FILESYSTEM_TMPFS)
        machine.available_bytes += leftovers;
    memory = machine.available_bytes - TR_MIN(machine.available_bytes, sizes->red_bytes * sizes->lcores);
    room = filesystem.free_bytes;
    most = tr_memory_room(&machine, &filesystem) / 2 / sizes->lcores;
    most -= TR_MIN(most / 2, sizes->red_bytes);
    if (!journal)
        journal = TR_MIN(most / 9 * 8, JOURNAL_AUTO_MOST); // the rest is for the outbox
    journal = power_of_two_below(journal);
    if (!outbox)
        outbox = TR_MAX(journal / 8, OUTBOX_LEAST);
    outbox = power_of_two_below(outbox);
    if (journal < JOURNAL_LEAST)
        return tr_error_set(error, ENOSPC,
                            "journal.size: auto finds %llu MiB of memory and %llu MiB at %s, too little for %u lcores: "
                            "give a size or another path",
                            (unsigned long long)(memory / TR_MIB), (unsigned long long)(room / TR_MIB),
                            config->journal.path, sizes->lcores);
    if ((journal + outbox) * sizes->lcores > room)
        return tr_error_set(error, ENOSPC,
                            "journal.size: %u lcores of %llu MiB and their outboxes of %llu MiB don't fit the %llu MiB "
                            "at %s",
                            sizes->lcores, (unsigned long long)(journal / TR_MIB),
                            (unsigned long long)(outbox / TR_MIB), (unsigned long long)(room / TR_MIB),
                            config->journal.path);
    if (filesystem.kind == TR_FILESYSTEM_TMPFS && (journal + outbox) * sizes->lcores > memory)
        return tr_error_set(error, ENOSPC,
                            "journal.size: %u lcores of %llu MiB and their outboxes of %llu MiB don't fit the %llu MiB "
                            "that %s has available",
                            sizes->lcores, (unsigned long long)(journal / TR_MIB),
                            (unsigned long long)(outbox / TR_MIB), (unsigned long long)(memory / TR_MIB), machine.limit);
    sizes->journal_bytes = journal;
    sizes->outbox_bytes = outbox;
    return 0;
}

int tr_sizes_derive(const struct tr_config *config, struct tr_sizes *sizes, struct tr_error *error)
{
    uint64_t traces, remembered;
    int rc;

    memset(sizes, 0, sizeof(*sizes));
    rc = cpus_derive(config, sizes, error);
    if (rc < 0)
        return rc;
    rc = tr_sizes_red_check(config, sizes->lcores, error);
    if (rc < 0)
        return rc;
    sizes->red_bytes = config->span_metrics ? tr_red_table_bytes(config->span_metrics) : 0;
    rc = journal_derive(config, sizes, error);
    if (rc < 0)
        return rc;
    sizes->body_bytes_max = TR_MIN(config->http.body_bytes_max, sizes->journal_bytes / 8);
    traces = TR_MAX(sizes->journal_bytes / 1024, config->tail_sampling.num_traces / sizes->lcores);
    sizes->traces_max = (uint32_t)TR_MIN(traces, 1ull << 28);
    sizes->refs_max = (uint32_t)TR_MIN(TR_MAX(sizes->journal_bytes / 256, traces), 1ull << 30);
    remembered = config->tail_sampling.decision_cache.sampled_cache_size +
                 config->tail_sampling.decision_cache.non_sampled_cache_size;
    remembered = (remembered ? remembered : REMEMBERED_AUTO) / sizes->lcores;
    sizes->verdicts_max = power_of_two_above(TR_MIN(TR_MAX((uint64_t)sizes->traces_max, 65536u), 1ull << 30));
    sizes->memo_max = (uint32_t)(remembered > sizes->verdicts_max ? remembered - sizes->verdicts_max : 0);
    sizes->shape_spans_max = (uint32_t)config->tail_sampling.shape_spans_max;
    sizes->contexts = power_of_two_above(TR_MAX(sizes->journal_bytes / 1024, 16384u));
    return 0;
}

struct tr_needs tr_sizes_needs(const struct tr_config *config, const struct tr_policy_set *policies)
{
    struct tr_needs needs = {.shape = config->tail_sampling.shape == TR_SHAPE_ALWAYS || policies->shape_path[0],
                             .aside = policies->aside,
                             .limits = (uint32_t)__builtin_popcountll(policies->budget_plan->slots)};

    for (const struct tr_sampler *s; (s = tr_policy_set_sampler(policies, needs.samplers)) != NULL; needs.samplers++) {
        needs.samplers_bytes += tr_sampler_bytes(tr_sampler_terms(s), 0);
        needs.samplers_lcore_bytes += tr_sampler_bytes(tr_sampler_terms(s), 1) - tr_sampler_bytes(tr_sampler_terms(s), 0);
    }
    return needs;
}

uint64_t tr_sizes_dropped_bytes(const struct tr_sizes *sizes)
{
    return TR_MIN(sizes->journal_bytes / (sizes->needs.shape ? 8 : 16), 4 * TR_GIB);
}

static void tables_print(const struct tr_sizes *sizes, FILE *out)
{
    const struct tr_owner_options options = {.lcores = sizes->lcores,
                                             .traces_max = sizes->traces_max,
                                             .refs_max = sizes->refs_max,
                                             .dropped_bytes = tr_sizes_dropped_bytes(sizes),
                                             .verdicts_max = sizes->verdicts_max,
                                             .memo_max = sizes->memo_max,
                                             .aside = sizes->needs.aside,
                                             .shape = sizes->needs.shape,
                                             .shape_spans_max = sizes->shape_spans_max};
    uint64_t past = tr_owner_past_bytes(&options);

    fprintf(out, "tables: %llu MiB an lcore for %u traces and %u spans, %s their shape; %llu MiB to remember %llu decisions\n",
            (unsigned long long)((tr_owner_bytes(&options) - past) / TR_MIB), sizes->traces_max, sizes->refs_max,
            sizes->needs.shape ? "with" : "without", (unsigned long long)(past / TR_MIB),
            (unsigned long long)sizes->verdicts_max + sizes->memo_max);
}

void tr_sizes_print(const struct tr_config *config, const struct tr_sizes *sizes, FILE *out)
{
    double wait = (double)config->tail_sampling.decision_wait_ns / (double)TR_S;
    uint64_t kept_free = tr_lcore_low_water(sizes->journal_bytes, sizes->body_bytes_max);
    double bytes = (double)(sizes->journal_bytes - kept_free) * sizes->lcores;
    char wait_text[TR_UNITS_BYTES];

    tr_duration_format(wait_text, config->tail_sampling.decision_wait_ns);
    fprintf(out, "lcores: %u on %u CPUs\n", sizes->lcores, sizes->cpus_distinct);
    fprintf(out, "journal: %llu MiB, outbox: %llu MiB an lcore, at %s\n",
            (unsigned long long)(sizes->journal_bytes / TR_MIB), (unsigned long long)(sizes->outbox_bytes / TR_MIB),
            config->journal.path);
    tables_print(sizes, out);
    if (sizes->red_bytes)
        fprintf(out, "span metrics: %.1f MiB an lcore, for %llu series\n", (double)sizes->red_bytes / TR_MIB,
                (unsigned long long)config->span_metrics->series_max);
    if (sizes->needs.limits)
        fprintf(out, "limits: %.1f MiB for %u of them\n",
                (double)(sizes->needs.limits * tr_budget_slot_bytes(sizes->lcores)) / TR_MIB, sizes->needs.limits);
    if (sizes->needs.samplers)
        fprintf(out, "samplers: %.1f MiB for %u dynamic one%s\n",
                (double)(sizes->needs.samplers_bytes + sizes->lcores * sizes->needs.samplers_lcore_bytes) / TR_MIB,
                sizes->needs.samplers, sizes->needs.samplers == 1 ? "" : "s");
    fprintf(out, "largest body: %llu KiB%s\n", (unsigned long long)(sizes->body_bytes_max / TR_KIB),
            sizes->body_bytes_max < config->http.body_bytes_max
                ? " (less than http.body_size_max: the journal must have room for several)"
                : "");
    if (config->services.study_rate)
        fprintf(out, "services: up to %llu MiB to study them\n",
                (unsigned long long)(tr_services_bytes(&config->services, sizes->lcores) / TR_MIB));
    fprintf(out,
            "decision_wait %s fits up to %.3g MB/s of bodies, which is %.0f spans/s of 400 bytes; above that, "
            "traces are decided earlier\n",
            wait_text, bytes / wait / 1e6, bytes / wait / 400);
}
