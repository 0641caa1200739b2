// SPDX-License-Identifier: Apache-2.0
// Start-up and shutdown, in one order and its reverse:
//
//   config → sizes → first epoch → mesh → lcores (journal, outbox, owner) → ports → HTTP → backends → control → threads
#include "daemon.h"

#include <time.h>
#include <unistd.h>

#include "base/cycles.h"
#include "base/log.h"
#include "control/services.h"

#define MESH_SLOTS  4096
#define SOURCES_MAX 65536

struct tr_epoch *tr_daemon_epoch_make(struct tr_daemon *daemon, const struct tr_config *config, struct tr_red_set *red,
                                      struct tr_error *error)
{
    struct tr_tail_sampling_options sampling = config->tail_sampling;
    const struct tr_policy_set *before = daemon->mesh && daemon->mesh->epoch ? daemon->mesh->epoch->policies : NULL;
    struct tr_epoch *epoch = calloc(1, sizeof(*epoch));

    if (!epoch)
        goto no_memory;
    epoch->number = daemon->epoch + 1;
    epoch->red = tr_red_set_use(red);
    sampling.watched = red ? &red->watch : NULL;
    // --check knows no lcores.
    if (tr_policy_set_compile(&sampling, before, epoch->number, TR_MAX(1u, daemon->sizes.lcores),
                              &epoch->policies, error) < 0 ||
        tr_attr_set_compile(&config->attributes, &epoch->attrs, error) < 0)
        goto fail;
    epoch->attrs->version = epoch->number;
    for (uint32_t i = 0; i < daemon->sizes.lcores; i++) {
        epoch->counters[i] = calloc(epoch->policies->policies + 1, sizeof(*epoch->counters[i]));
        if (!epoch->counters[i])
            goto no_memory;
    }
    return epoch;
no_memory:
    tr_error_set(error, ENOMEM, "no memory for a config");
fail:
    tr_epoch_free(epoch);
    return NULL;
}

static int lcore_create(struct tr_daemon *daemon, uint32_t number, struct tr_error *error)
{
    const struct tr_config *config = daemon->config;
    const struct tr_sizes *sizes = &daemon->sizes;
    struct tr_lcore_thread *thread = &daemon->lcores[number];
    struct tr_lcore_options options = {.lcore = number,
                                       .numa_node = -1,
                                       .directory = config->journal.path,
                                       .journal_bytes = sizes->journal_bytes,
                                       .outbox_bytes = sizes->outbox_bytes,
                                       .body_bytes_max = sizes->body_bytes_max,
                                       .contexts = sizes->contexts,
                                       .sources_max = SOURCES_MAX,
                                       .study_slots = config->services.study_rate ? TR_STUDY_SLOTS : 0,
                                       .other_signals = (enum tr_other_signals)config->other_signals,
                                       .prefault = config->journal.prefault};
    struct tr_http_options http = config->http;
    struct tr_request_sink sink;
    int rc;

    options.owner = (struct tr_owner_options){.lcore = number,
                                              .lcores = sizes->lcores,
                                              .traces_max = sizes->traces_max,
                                              .refs_max = sizes->refs_max,
                                              .dropped_bytes = tr_sizes_dropped_bytes(sizes),
                                              .verdicts_max = sizes->verdicts_max,
                                              .memo_max = sizes->memo_max,
                                              .wait_ns = config->tail_sampling.decision_wait_ns,
                                              .wait_min_ns = config->tail_sampling.decision_wait_min_ns,
                                              .trace_spans_max = sizes->refs_max / 4,
                                              .trace_bytes_max = config->tail_sampling.maximum_trace_size_bytes,
                                              .aside = sizes->needs.aside,
                                              .shape = sizes->needs.shape,
                                              .shape_spans_max = (uint32_t)config->tail_sampling.shape_spans_max,
                                              .directory = config->journal.path,
                                              .numa_node = -1,
                                              .prefault = config->journal.prefault};
    thread->daemon = daemon;
    thread->cpu = sizes->cpus[number];
    thread->polls = sizes->lcores <= sizes->cpus_distinct;
    rc = tr_lcore_create(&thread->lcore, &options, daemon->mesh, error);
    if (rc < 0)
        return rc;
    http.body_bytes_max = sizes->body_bytes_max;
    sink = tr_lcore_sink(thread->lcore);
    rc = tr_http_create(&thread->lcore->http, &http, &sink, error);
    if (rc < 0)
        return rc;
    return tr_daemon_ports_create(daemon, thread, error);
}

static int backends_start(struct tr_daemon *daemon, struct tr_error *error)
{
    const struct tr_backend_options *options = daemon->config->backends.items;
    const struct tr_outbox *outboxes[TR_LCORES_MAX];

    for (uint32_t i = 0; i < daemon->sizes.lcores; i++)
        outboxes[i] = &daemon->lcores[i].lcore->outbox;
    daemon->backends = calloc(daemon->config->backends.count + 1, sizeof(*daemon->backends));
    for (size_t i = 0; i < daemon->config->backends.count; i++) {
        int rc = tr_backend_start(&daemon->backends[i], &options[i], outboxes, daemon->sizes.lcores, NULL, error);

        if (rc < 0) {
            tr_error_prefix(error, "backends[%zu]", i);
            return rc;
        }
        daemon->backends_count++;
    }
    return 0;
}

static int control_start(struct tr_daemon *daemon, struct tr_error *error)
{
    int rc;

    tr_daemon_control_init(daemon, &daemon->callbacks);
    rc = tr_control_start(&daemon->control, &daemon->config->control, &daemon->config->telemetry,
                          &daemon->config->services, &daemon->callbacks, error);
    if (rc == 0)
        tr_daemon_telemetry_start(daemon);
    return rc;
}

static int start(struct tr_daemon *daemon, struct tr_error *error)
{
    struct tr_epoch *epoch;
    struct tr_red_set *red;
    int rc = tr_sizes_derive(daemon->config, &daemon->sizes, error);

    if (rc < 0)
        return rc;
    rc = tr_mesh_create(&daemon->mesh, daemon->sizes.lcores, MESH_SLOTS, error);
    if (rc < 0)
        return rc;
    rc = tr_daemon_red_make(daemon, daemon->config, daemon->sizes.lcores, &red, error);
    if (rc < 0)
        return rc;
    epoch = tr_daemon_epoch_make(daemon, daemon->config, red, error);
    if (epoch) {
        daemon->sizes.needs = tr_sizes_needs(daemon->config, epoch->policies);
        tr_mesh_epoch_publish(daemon->mesh, epoch);
        daemon->epoch = epoch->number;
        tr_daemon_red_begin(daemon, red, epoch->number);
    }
    tr_red_set_release(red);
    if (!epoch)
        return -EINVAL;
    rc = tr_daemon_ports_open(daemon, error);
    tr_ringfile_leftovers(daemon->config->journal.path, true);
    for (uint32_t i = 0; rc == 0 && i < daemon->sizes.lcores; i++)
        rc = lcore_create(daemon, i, error);
    if (rc == 0)
        rc = backends_start(daemon, error);
    for (uint32_t i = 0; rc == 0 && i < daemon->sizes.lcores; i++)
        rc = tr_lcore_thread_start(&daemon->lcores[i], error);
    if (rc == 0)
        rc = control_start(daemon, error);
    return rc;
}

static void end(struct tr_daemon *daemon)
{
    for (uint32_t i = 0; i < daemon->sizes.lcores; i++)
        tr_lcore_thread_join(&daemon->lcores[i]);
    for (size_t i = 0; i < daemon->backends_count; i++)
        tr_backend_free(daemon->backends[i]);
    free(daemon->backends);
    for (uint32_t i = 0; i < daemon->sizes.lcores; i++) {
        struct tr_lcore_thread *thread = &daemon->lcores[i];

        tr_daemon_ports_destroy(thread);
        if (thread->lcore && thread->lcore->http)
            tr_http_destroy(thread->lcore->http);
        tr_lcore_destroy(thread->lcore);
    }
    tr_daemon_ports_close(daemon);
    tr_daemon_red_end(daemon);
    tr_daemon_costs_free(daemon);
    tr_mesh_destroy(daemon->mesh);
    if (daemon->doc != daemon->doc_start)
        tr_options_free(daemon->doc);
    tr_options_free(daemon->doc_start);
    free(daemon->config_path);
}

int tr_daemon_start(struct tr_daemon *daemon, const char *config_path, struct tr_error *error)
{
    int rc;

    memset(daemon, 0, sizeof(*daemon));
    pthread_mutex_init(&daemon->red.lock, NULL);
    rc = tr_options_parse_file(&tr_config_table, config_path, &daemon->doc, error);
    if (rc < 0)
        return rc;
    daemon->doc_start = daemon->doc;
    daemon->config = tr_options_struct(daemon->doc);
    daemon->config_path = strdup(config_path);
    daemon->started_ns = tr_clock_ns();
    daemon->started_cycles = tr_cycles();
    daemon->started_wall_ns = daemon->applied_wall_ns = tr_clock_wall_ns();
    rc = start(daemon, error);
    if (rc < 0) {
        tr_options_locate(daemon->doc, error);
        tr_dpdk_telemetry_stop();
        if (daemon->control)
            tr_control_stop(daemon->control);
        end(daemon);
        return rc;
    }
    tr_store_release(&daemon->ready, true);
    tr_log(TR_LOG_INFO, "daemon.ready", "lcores=%u journal_mib=%llu config=%s", daemon->sizes.lcores,
           (unsigned long long)(daemon->sizes.journal_bytes / TR_MIB), config_path);
    return 0;
}

static bool is_without_clients(const struct tr_lcore *lcore)
{
    struct tr_http_row row;

    return tr_http_connections(lcore->http, &row, 1) == 0;
}

// Of every lcore at one instant: what one still sends to another would be input there.
static bool all_lcores(struct tr_daemon *daemon, bool (*are)(const struct tr_lcore *))
{
    bool all = true;

    tr_mesh_stop(daemon->mesh);
    for (uint32_t i = 0; i < daemon->sizes.lcores; i++)
        all = all && are(daemon->lcores[i].lcore);
    tr_mesh_resume(daemon->mesh);
    return all;
}

// Where clients are connected, requests under way get a moment to end before what is held is decided.
#define FINISH_NS (TR_S / 2)
#define POLL_NS   (10 * TR_MS)

static void drain_lcores(struct tr_daemon *daemon, const struct tr_config *config, uint64_t deadline)
{
    struct timespec pause = {.tv_nsec = POLL_NS};
    uint64_t finish = tr_clock_ns() + FINISH_NS;

    tr_daemon_ports_stop(daemon);
    tr_mesh_stop(daemon->mesh);
    for (uint32_t i = 0; i < daemon->sizes.lcores; i++) {
        struct tr_lcore *lcore = daemon->lcores[i].lcore;

        tr_store_relaxed(&lcore->draining, true);
        tr_http_drain(lcore->http, tr_clock_ns());
    }
    tr_mesh_resume(daemon->mesh);
    while (tr_clock_ns() < TR_MIN(finish, deadline) && !all_lcores(daemon, is_without_clients))
        nanosleep(&pause, NULL);
    tr_mesh_stop(daemon->mesh);
    for (uint32_t i = 0; i < daemon->sizes.lcores; i++)
        tr_owner_drain(daemon->lcores[i].lcore->owner,
                       config->tail_sampling.drop_pending_traces_on_shutdown);
    tr_mesh_resume(daemon->mesh);
    while (tr_clock_ns() < deadline && !all_lcores(daemon, tr_lcore_drained))
        nanosleep(&pause, NULL);
    // What is still held then is given up, and counted.
    tr_mesh_stop(daemon->mesh);
    for (uint32_t i = 0; i < daemon->sizes.lcores; i++)
        tr_owner_evict(daemon->lcores[i].lcore->owner, tr_clock_ns(), tr_clock_wall_ns(), UINT32_MAX);
    tr_mesh_resume(daemon->mesh);
}

void tr_daemon_stop(struct tr_daemon *daemon)
{
    const struct tr_config *config = tr_load_acquire(&daemon->config);
    uint64_t deadline = tr_clock_ns() + config->drain_timeout_ns;
    uint64_t evicted = 0;

    tr_log(TR_LOG_INFO, "daemon.draining", "timeout_s=%llu",
           (unsigned long long)(config->drain_timeout_ns / TR_S));
    tr_store_relaxed(&daemon->draining, true);
    drain_lcores(daemon, config, deadline);
    tr_daemon_red_drain(daemon);
    for (size_t i = 0; i < daemon->backends_count; i++)
        tr_backend_drain(daemon->backends[i], deadline);
    for (uint32_t i = 0; i < daemon->sizes.lcores; i++)
        evicted += tr_counter_read(&tr_owner_counters(daemon->lcores[i].lcore->owner)->evicted);
    for (size_t i = 0; i < daemon->backends_count; i++) {
        struct tr_backend_status status;

        tr_backend_status(daemon->backends[i], &status);
        tr_log(TR_LOG_INFO, "backend.drained", "backend=%s delivered=%llu dropped_shutdown=%llu",
               tr_backend_options(daemon->backends[i])->name, (unsigned long long)status.counters.delivered,
               (unsigned long long)status.counters.dropped_shutdown);
    }
    tr_log(TR_LOG_INFO, "daemon.stopped", "evicted_spans=%llu", (unsigned long long)evicted);
    tr_dpdk_telemetry_stop();
    tr_control_stop(daemon->control);
    end(daemon);
}
