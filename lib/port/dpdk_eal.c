// SPDX-License-Identifier: Apache-2.0
#include "port/dpdk_eal.h"

#include <dirent.h>
#include <pthread.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_version.h>
#include <sched.h>
#include <unistd.h>

#include "base/log.h"

#define ARGUMENTS_MAX 64
#define SLACK_BYTES   (32 * TR_MIB) // EAL's own: heaps, rings, devices

static const char *const hugepages_names[] = {"auto", "require", "never", NULL};

#define S struct tr_dpdk_options
static const struct tr_option rows[] = {
    TR_OPTION_ENUM(S, hugepages, "hugepages", "auto", hugepages_names, 0,
                   "auto: hugepages if enough are free, else ordinary memory, which the log then says. require: refuse "
                   "to start without. never: ordinary memory."),
    TR_OPTION_SIZE(S, memory_bytes, "memory", "auto", 32 * TR_MIB, 1024 * TR_GIB, TR_AUTO,
                   "Memory of DPDK, for buffers of frames. auto: what the ports' `mbufs` come to."),
    TR_OPTION_STRINGS(S, eal_arguments, "eal_arguments", 0, 32, 0,
                      "Further arguments of DPDK's environment (EAL), as \"--log-level=lib.ethdev:debug\"."),
};
const struct tr_option_table tr_dpdk_option_table = {
    .title = "dpdk", .rows = rows, .count = TR_NELEMS(rows), .struct_bytes = sizeof(S)};

static const char *running; // NULL: not
static char runtime_folder[256];

// EAL's folder of sockets, which outlives it empty. Called after EAL's own functions at exit, which unlink what is in it.
static void runtime_folder_remove(void)
{
    if (runtime_folder[0])
        rmdir(runtime_folder);
}

// --- DPDK's log lines as ours

static ssize_t log_write(void *cookie, const char *text, size_t bytes)
{
    static const enum tr_log_level levels[] = {[RTE_LOG_EMERG] = TR_LOG_ERROR, [RTE_LOG_ALERT] = TR_LOG_ERROR,
                                               [RTE_LOG_CRIT] = TR_LOG_ERROR,  [RTE_LOG_ERR] = TR_LOG_ERROR,
                                               [RTE_LOG_WARNING] = TR_LOG_WARN, [RTE_LOG_NOTICE] = TR_LOG_INFO,
                                               [RTE_LOG_INFO] = TR_LOG_INFO,   [RTE_LOG_DEBUG] = TR_LOG_DEBUG};
    int level = rte_log_cur_msg_loglevel();
    size_t length = bytes;
    char line[400];

    while (length && (text[length - 1] == '\n' || text[length - 1] == ' '))
        length--;
    length = TR_MIN(length, sizeof(line) - 1);
    for (size_t i = 0; i < length; i++)
        line[i] = text[i] == '"' ? '\'' : (unsigned char)text[i] < ' ' ? ' ' : text[i];
    line[length] = '\0';
    if (length)
        tr_log(level >= 0 && level < (int)TR_NELEMS(levels) ? levels[level] : TR_LOG_INFO, "dpdk.log", "text=\"%s\"",
               line);
    return (ssize_t)bytes;
}

static void log_redirect(void)
{
    FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = log_write});

    if (!stream)
        return;
    setvbuf(stream, NULL, _IOLBF, 0);
    rte_openlog_stream(stream);
    rte_log_set_global_level(RTE_LOG_NOTICE);
}

// --- memory

static uint64_t number_read(const char *path)
{
    unsigned long long value = 0;
    FILE *file = fopen(path, "re");

    if (!file)
        return 0;
    if (fscanf(file, "%llu", &value) != 1)
        value = 0;
    fclose(file);
    return value;
}

static uint64_t hugepages_free_bytes(void)
{
    const char *folder = "/sys/kernel/mm/hugepages";
    DIR *dir = opendir(folder);
    uint64_t bytes = 0;

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        unsigned long long kib;
        char path[512];

        if (sscanf(entry->d_name, "hugepages-%llukB", &kib) != 1)
            continue;
        snprintf(path, sizeof(path), "%s/%s/free_hugepages", folder, entry->d_name);
        bytes += number_read(path) * kib * TR_KIB;
        snprintf(path, sizeof(path), "%s/%s/resv_hugepages", folder, entry->d_name);
        bytes -= TR_MIN(bytes, number_read(path) * kib * TR_KIB);
    }
    if (dir)
        closedir(dir);
    return bytes;
}

static int memory_choose(const struct tr_dpdk_options *options, uint64_t bytes, bool *huge, struct tr_error *error)
{
    uint64_t there = hugepages_free_bytes();

    *huge = options->hugepages != TR_HUGEPAGES_NEVER && there >= bytes;
    if (options->hugepages == TR_HUGEPAGES_REQUIRE && !*huge)
        return tr_error_set(error, ENOMEM, "dpdk.hugepages: %llu MiB are free, %llu MiB are needed",
                            (unsigned long long)(there / TR_MIB), (unsigned long long)(bytes / TR_MIB));
    if (options->hugepages == TR_HUGEPAGES_AUTO && !*huge)
        tr_log(TR_LOG_INFO, "dpdk.no_hugepages", "free_mib=%llu needed_mib=%llu",
               (unsigned long long)(there / TR_MIB), (unsigned long long)(bytes / TR_MIB));
    return 0;
}

// --- arguments

struct arguments {
    char *items[ARGUMENTS_MAX + 1];
    int count;
};

static void add(struct arguments *arguments, const char *format, ...) tr_printf(2, 3);
static void add(struct arguments *arguments, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    if (arguments->count < ARGUMENTS_MAX && vasprintf(&arguments->items[arguments->count], format, list) >= 0)
        arguments->count++;
    va_end(list);
}

// EAL wants an lcore of its own: one that floats over all the CPUs that we have, and is never used.
static void add_lcore(struct arguments *arguments, const cpu_set_t *cpus)
{
    char text[2048];
    size_t used = 0;

    for (int cpu = 0; cpu < CPU_SETSIZE && used < sizeof(text) - 16; cpu++)
        if (CPU_ISSET(cpu, cpus))
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%d", used ? "," : "", cpu);
    add(arguments, "--lcores=0@(%s)", text);
}

static void arguments_make(struct arguments *arguments, const struct tr_dpdk_options *options, const char *const *pci,
                           size_t pci_count, const cpu_set_t *cpus, bool huge, uint64_t bytes)
{
    add(arguments, "tailrace");
    add_lcore(arguments, cpus);
    add(arguments, "--file-prefix=tailrace-%d", (int)getpid());
    add(arguments, "--iova-mode=va"); // a pool lies in one piece: net_af_xdp needs that; with an IOMMU it is right too
    if (huge) {
        add(arguments, "--in-memory");
    } else {
        add(arguments, "--no-huge");
        add(arguments, "--no-shconf");
        add(arguments, "-m");
        add(arguments, "%llu", (unsigned long long)((bytes + TR_MIB - 1) / TR_MIB));
    }
    if (!pci_count)
        add(arguments, "--no-pci");
    for (size_t i = 0; i < pci_count; i++) {
        add(arguments, "-a");
        add(arguments, "%s", pci[i]);
    }
    for (size_t i = 0; i < options->eal_arguments.count; i++)
        add(arguments, "%s", options->eal_arguments.items[i]);
}

int tr_dpdk_eal_start(const struct tr_dpdk_options *options, const char *const *pci, size_t pci_count,
                      uint64_t memory_bytes, struct tr_error *error)
{
    uint64_t bytes = options->memory_bytes ? options->memory_bytes : memory_bytes + SLACK_BYTES;
    struct arguments arguments = {.count = 0};
    char *given[ARGUMENTS_MAX + 1];
    cpu_set_t cpus;
    bool huge;
    int rc;

    if (running)
        return tr_error_set(error, EALREADY, "dpdk: EAL is running");
    rc = pthread_getaffinity_np(pthread_self(), sizeof(cpus), &cpus);
    if (rc)
        return tr_error_set(error, rc, "dpdk: no affinity mask: %s", strerror(rc));
    rc = memory_choose(options, bytes, &huge, error);
    if (rc < 0)
        return rc;
    arguments_make(&arguments, options, pci, pci_count, &cpus, huge, bytes);
    memcpy(given, arguments.items, sizeof(given)); // EAL moves them
    log_redirect();
    atexit(runtime_folder_remove);
    rc = rte_eal_init(arguments.count, given);
    pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
    if (rc < 0)
        tr_error_set(error, rte_errno ? rte_errno : EINVAL, "dpdk: EAL does not start: %s (the log says more)",
                     rte_strerror(rte_errno));
    for (int i = 0; i < arguments.count; i++)
        free(arguments.items[i]);
    if (rc < 0)
        return -EINVAL;
    snprintf(runtime_folder, sizeof(runtime_folder), "%s", rte_eal_get_runtime_dir());
    running = huge ? "hugepages" : "no hugepages";
    tr_log(TR_LOG_INFO, "dpdk.started", "version=\"%s\" memory=\"%s\" memory_mib=%llu", rte_version(), running,
           (unsigned long long)(bytes / TR_MIB));
    return 0;
}

void tr_dpdk_eal_stop(void)
{
    if (!running)
        return;
    // Not rte_eal_cleanup(): it unmaps EAL's memory while EAL's interrupt thread goes through handles that lie there
    // (22.11; a memif server leaves one). Nothing is left that the end of the process does not give back.
    running = NULL;
}

const char *tr_dpdk_eal_memory(void)
{
    return running;
}

bool tr_dpdk_is_pci(const char *device)
{
    unsigned domain, bus, slot, function;
    int end = 0;

    if (sscanf(device, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) == 4 && end)
        return device[end] == '\0' || device[end] == ',';
    end = 0;
    if (sscanf(device, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) == 3 && end)
        return device[end] == '\0' || device[end] == ',';
    return false;
}

void tr_dpdk_thread_register(void)
{
    if (rte_thread_register() < 0)
        tr_log(TR_LOG_WARN, "dpdk.thread_not_registered", "error=\"%s\"", rte_strerror(rte_errno));
}

void tr_dpdk_thread_unregister(void)
{
    rte_thread_unregister();
}
