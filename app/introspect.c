// SPDX-License-Identifier: Apache-2.0
// What the control socket and /metrics show, gathered from the lcores and the backends. Counters are read while
// they are written; what must be of one instant is copied while the lcores stand still.
#include "daemon.h"
#include "policy/sampler.h"

#include "base/cycles.h"
#include "http/http_counters.h"
#include "lcore/lcore_counters.h"

#define EACH_LCORE(daemon, thread)                                                                           \
    for (struct tr_lcore_thread *thread = (daemon)->lcores;                                                  \
         thread < (daemon)->lcores + (daemon)->sizes.lcores; thread++)

static void flow_add(struct tr_control_flow *flow, const struct tr_lcore_counters *c,
                     const struct tr_owner_counters *owner)
{
    uint64_t rejected = tr_counter_read(&c->rejected_malformed) + tr_counter_read(&c->rejected_trace_id) +
                        tr_counter_read(&c->rejected_span_id) + tr_counter_read(&c->rejected_too_large);

    flow->requests += tr_counter_read(&c->requests_taken);
    flow->body_bytes += tr_counter_read(&c->committed_bytes);
    flow->accepted_spans += tr_counter_read(&c->committed) - rejected;
    flow->rejected_spans += rejected;
    flow->kept_spans += tr_counter_read(&owner->kept);
    flow->dropped_spans += tr_counter_read(&owner->dropped);
    flow->evicted_spans += tr_counter_read(&owner->evicted);
    flow->early_spans += tr_counter_read(&owner->early_journal) + tr_counter_read(&owner->early_table) +
                         tr_counter_read(&owner->early_size) + tr_counter_read(&owner->early_shutdown);
    flow->refused_requests += tr_counter_read(&c->refused_pressure);
}

static void status_lcore(struct tr_control_status *status, struct tr_lcore_thread *thread)
{
    const struct tr_lcore_counters *c = &thread->lcore->counters;
    const struct tr_owner_counters *owner = tr_owner_counters(thread->lcore->owner);
    struct tr_control_lcore *row = &status->lcores[status->lcores_count++];

    row->lcore = thread->lcore->options.lcore;
    row->cpu = thread->cpu;
    row->busy_ns = tr_counter_read(&c->busy_ns);
    status->journal_bytes += tr_counter_read(&c->journal_bytes);
    status->journal_used_bytes += tr_counter_read(&c->journal_bytes) - tr_counter_read(&c->journal_free);
    status->held_spans += tr_counter_read(&owner->held);
    status->held_traces += tr_counter_read(&owner->traces_held);
    status->connections += tr_counter_read(&tr_kernel_counters(thread->kernel)->open);
    for (size_t i = 0; i < thread->dpdk_count; i++)
        status->connections += tr_counter_read(&tr_net_streams_counters(tr_dpdk_streams(thread->dpdk[i]))->open);
    if (tr_load_relaxed(&thread->lcore->journal.ring.header->tail))
        status->horizon_ns = TR_MIN(status->horizon_ns, tr_counter_read(&c->horizon_ns));
    flow_add(&status->flow, c, owner);
}

static void show_status(void *context, struct tr_control_status *status)
{
    struct tr_daemon *daemon = context;

    status->version = TR_VERSION;
    status->state = tr_load_relaxed(&daemon->draining)  ? "draining"
                    : tr_load_relaxed(&daemon->ready) ? "running"
                                                      : "starting";
    status->started_ns = daemon->started_ns;
    status->started_wall_ns = daemon->started_wall_ns;
    status->config_path = daemon->config_path;
    status->config_applied_wall_ns = daemon->applied_wall_ns;
    status->epoch = daemon->epoch;
    status->decision_wait_ns = daemon->config->tail_sampling.decision_wait_ns;
    status->decision_wait_min_ns = daemon->config->tail_sampling.decision_wait_min_ns;
    status->horizon_ns = TR_NEVER;
    status->traces_max = (uint64_t)daemon->sizes.traces_max * daemon->sizes.lcores;
    EACH_LCORE(daemon, thread)
        status_lcore(status, thread);
    for (size_t i = 0; i < daemon->backends_count; i++) {
        struct tr_backend_status backend;

        tr_backend_status(daemon->backends[i], &backend);
        status->flow.delivered_spans += backend.counters.delivered;
    }
}

static void dpdk_counters(struct tr_dpdk *dpdk, const char *lcore, tr_control_counters_fn each, void *to)
{
    const char *const labels[] = {"lcore", lcore, "port", tr_dpdk_name(dpdk), NULL};

    each(to, &tr_net_stream_counter_rows, tr_net_streams_counters(tr_dpdk_streams(dpdk)), labels);
    each(to, &tr_dpdk_counter_rows, tr_dpdk_counters(dpdk), labels);
    each(to, &tr_net_counter_rows, tr_stack_net_counters(tr_dpdk_stack(dpdk)), labels);
    each(to, &tr_tcp_counter_rows, tr_stack_tcp_counters(tr_dpdk_stack(dpdk)), labels);
}

static void device_counters(const struct tr_daemon_port *port, tr_control_counters_fn each, void *to)
{
    const char *const labels[] = {"port", port->options->name, NULL};
    struct tr_dpdk_device_counters counters;

    tr_dpdk_device_counters(tr_dpdk_port_device(port->dpdk), &counters);
    each(to, &tr_dpdk_device_counter_rows, &counters, labels);
}

static void sampler_counters(const struct tr_policy_set *set, tr_control_counters_fn each, void *to)
{
    const struct tr_sampler *sampler;

    for (uint32_t i = 0; (sampler = tr_policy_set_sampler(set, i)) != NULL; i++) {
        struct tr_sampler_counters counters;

        tr_sampler_counters(sampler, &counters);
        each(to, &tr_sampler_counter_rows, &counters, (const char *const[]){"sampler", tr_sampler_name(sampler), NULL});
    }
}

static void show_counters(void *context, tr_control_counters_fn each, void *to)
{
    struct tr_daemon *daemon = context;
    char number[16];
    const char *const lcore[] = {"lcore", number, NULL};

    EACH_LCORE(daemon, thread) {
        snprintf(number, sizeof(number), "%u", thread->lcore->options.lcore);
        each(to, &tr_lcore_counter_rows, &thread->lcore->counters, lcore);
        each(to, &tr_owner_counter_rows, tr_owner_counters(thread->lcore->owner), lcore);
        if (daemon->mesh->epoch->policies->budgets)
            each(to, &tr_budget_counter_rows,
                 &daemon->mesh->epoch->policies->budgets->lcore[thread->lcore->options.lcore].counters, lcore);
        each(to, &tr_red_counter_rows, &thread->lcore->red, lcore);
        each(to, &tr_http_counter_rows, tr_http_counters(thread->lcore->http), lcore);
        each(to, &tr_kernel_counter_rows, tr_kernel_counters(thread->kernel), lcore);
        for (size_t i = 0; i < thread->dpdk_count; i++)
            dpdk_counters(thread->dpdk[i], number, each, to);
    }
    sampler_counters(daemon->mesh->epoch->policies, each, to);
    for (size_t i = 0; i < daemon->ports_count; i++)
        if (daemon->ports[i].dpdk)
            device_counters(&daemon->ports[i], each, to);
    for (size_t i = 0; i < daemon->backends_count; i++) {
        struct tr_backend_status status;

        tr_backend_status(daemon->backends[i], &status);
        each(to, &tr_backend_counter_rows, &status.counters,
             (const char *const[]){"backend", tr_backend_options(daemon->backends[i])->name, NULL});
    }
}

static void audit_lcore(struct tr_audit *audit, const struct tr_lcore *lcore)
{
    const struct tr_lcore_counters *c = &lcore->counters;
    const struct tr_owner_counters *owner = tr_owner_counters(lcore->owner);

    audit->accepted_spans += c->committed - c->rejected_malformed - c->rejected_trace_id - c->rejected_span_id -
                             c->rejected_too_large;
    audit->walked_spans += c->sent;
    audit->not_walked_spans += c->not_walked;
    tr_audit_add_owner(audit, owner);
    tr_audit_add(&audit->rejected, "malformed_span", c->rejected_malformed);
    tr_audit_add(&audit->rejected, "invalid_trace_id", c->rejected_trace_id);
    tr_audit_add(&audit->rejected, "invalid_span_id", c->rejected_span_id);
    tr_audit_add(&audit->rejected, "span_too_large", c->rejected_too_large);
    audit->emitted_spans += c->emitted + c->emit_too_large;
    audit->stale_spans += c->emit_stale;
    audit->gone_spans += c->emit_gone;
    audit->outbox_refused_spans += c->emit_too_large;
    audit->outbox_spans += lcore->outbox.sequence;
}

static int show_audit(void *context, struct tr_audit *audit)
{
    struct tr_daemon *daemon = context;
    uint64_t recounted = 0, spans, traces;

    audit->emits_waiting_spans = 0;
    tr_mesh_stop(daemon->mesh);
    EACH_LCORE(daemon, thread) {
        audit_lcore(audit, thread->lcore);
        tr_owner_recount(thread->lcore->owner, &spans, &traces);
        recounted += spans;
    }
    audit->recounted_held_spans = recounted;
    audit->in_rings_spans = 0;
    audit->emits_in_rings_spans = 0;
    EACH_LCORE(daemon, thread) {
        uint32_t self = thread->lcore->options.lcore;

        audit->in_rings_spans += tr_lcore_summaries_in_flight(thread->lcore);
        for (uint32_t to = 0; to < daemon->sizes.lcores; to++)
            audit->emits_in_rings_spans += to != self ? tr_mesh_emits(daemon->mesh, self, to) : 0;
    }
    for (size_t i = 0; i < daemon->backends_count; i++) {
        struct tr_backend_status status;

        tr_backend_status(daemon->backends[i], &status);
        tr_audit_add_backend(audit, tr_backend_options(daemon->backends[i])->name, &status);
    }
    tr_mesh_resume(daemon->mesh);
    return 0;
}

static void show_policies(void *context, tr_control_policy_fn each, void *to)
{
    struct tr_daemon *daemon = context;
    const struct tr_epoch *epoch = daemon->mesh->epoch;
    uint64_t cycles = tr_cycles() - daemon->started_cycles;
    double cycle_ns = cycles ? (double)(tr_clock_ns() - daemon->started_ns) / (double)cycles : 0;

    for (uint32_t i = 0; i < epoch->policies->policies; i = tr_policy_listed_after(epoch->policies, i)) {
        struct tr_control_policy row = {.name = tr_policy_name(epoch->policies, (uint16_t)i),
                                        .type = tr_policy_type_name(epoch->policies, (uint16_t)i),
                                        .walk_ns = tr_daemon_walk_cost(daemon, i)};

        for (uint32_t lcore = 0; lcore < daemon->sizes.lcores; lcore++) {
            const struct tr_policy_counters *c = &epoch->counters[lcore][i];

            row.counters.traces_seen += tr_counter_read(&c->traces_seen);
            row.counters.traces_kept += tr_counter_read(&c->traces_kept);
            row.counters.traces_kept_alone += tr_counter_read(&c->traces_kept_alone);
            row.counters.spans_kept += tr_counter_read(&c->spans_kept);
            row.counters.traces_dropped += tr_counter_read(&c->traces_dropped);
            row.counters.traces_limited += tr_counter_read(&c->traces_limited);
            row.counters.spans_limited += tr_counter_read(&c->spans_limited);
            row.counters.spans_seen += tr_counter_read(&c->spans_seen);
            row.counters.timed_traces += tr_counter_read(&c->timed_traces);
            row.counters.timed_spans += tr_counter_read(&c->timed_spans);
            row.counters.timed_cycles += tr_counter_read(&c->timed_cycles);
            if (tr_counter_read(&c->traces_kept) || tr_counter_read(&c->traces_dropped))
                memcpy(row.counters.example_id, c->example_id, sizeof(c->example_id));
        }
        if (row.counters.timed_traces)
            row.decide_ns = (double)row.counters.timed_cycles / (double)row.counters.timed_traces * cycle_ns;
        each(to, &row);
    }
}

static void show_sources(void *context, tr_control_source_fn each, void *to)
{
    struct tr_daemon *daemon = context;

    EACH_LCORE(daemon, thread) {
        const struct tr_sources *sources = &thread->lcore->sources;
        uint32_t count = tr_load_acquire(&sources->count);

        for (uint32_t row = 0; row < count; row++)
            each(to, &sources->rows[row], row == TR_SOURCE_OTHER);
    }
}

static size_t study_rings(void *context, struct tr_study_ring *rings[TR_LCORES_MAX])
{
    struct tr_daemon *daemon = context;
    size_t n = 0;

    EACH_LCORE(daemon, thread)
        rings[n++] = &thread->lcore->study;
    return n;
}

static void show_backends(void *context, tr_control_backend_fn each, void *to)
{
    static const char *const kinds[] = {"otlp_grpc", "otlp_http", "file"};
    struct tr_daemon *daemon = context;

    for (size_t i = 0; i < daemon->backends_count; i++) {
        const struct tr_backend_options *options = tr_backend_options(daemon->backends[i]);
        struct tr_backend_status status;
        struct tr_control_backend row = {.name = options->name,
                                         .kind = kinds[options->kind],
                                         .endpoint = options->endpoint ? options->endpoint : options->path,
                                         .status = &status};

        tr_backend_status(daemon->backends[i], &status);
        each(to, &row);
    }
}

static char *config_text(void *context)
{
    return strdup(tr_options_text(((struct tr_daemon *)context)->doc));
}

static char *config_show(void *context)
{
    return tr_options_show(((struct tr_daemon *)context)->doc);
}

static int config_parse(struct tr_daemon *daemon, const char *text, size_t bytes, struct tr_options_doc **doc,
                        struct tr_needs *needs, struct tr_error *error)
{
    struct tr_red_set *red = NULL;
    struct tr_epoch *epoch;
    int rc = tr_options_parse(&tr_config_table, text, bytes, doc, error);

    if (rc < 0)
        return rc;
    epoch = tr_daemon_red_make(daemon, tr_options_struct(*doc), 0, &red, error) == 0
                ? tr_daemon_epoch_make(daemon, tr_options_struct(*doc), red, error)
                : NULL;
    tr_red_set_release(red);
    if (!epoch) {
        tr_options_locate(*doc, error);
        tr_options_free(*doc);
        return -EINVAL;
    }
    *needs = tr_sizes_needs(tr_options_struct(*doc), epoch->policies);
    tr_epoch_free(epoch);
    return 0;
}

static int config_check(void *context, const char *text, size_t bytes, tr_control_remark_fn each, void *to,
                        struct tr_error *error)
{
    struct tr_options_doc *doc;
    struct tr_sizes sizes;
    struct tr_needs needs;
    char *remarks = NULL;
    size_t remarks_bytes;
    FILE *out;
    int rc = config_parse(context, text, bytes, &doc, &needs, error);

    if (rc < 0)
        return rc;
    // The running daemon has most of the memory: what would follow is told only as far as it can be known.
    if (tr_sizes_derive(tr_options_struct(doc), &sizes, &(struct tr_error){0}) == 0 &&
        (out = open_memstream(&remarks, &remarks_bytes))) {
        sizes.needs = needs;
        tr_sizes_print(tr_options_struct(doc), &sizes, out);
        fclose(out);
        for (char *line = strtok(remarks, "\n"); line; line = strtok(NULL, "\n"))
            each(to, line);
        free(remarks);
    }
    tr_options_free(doc);
    return 0;
}

static int config_diff(void *context, const char *text, size_t bytes, tr_options_diff_fn each, void *to,
                       struct tr_error *error)
{
    struct tr_daemon *daemon = context;
    struct tr_options_doc *doc;
    struct tr_needs needs;
    int rc = config_parse(daemon, text, bytes, &doc, &needs, error);

    if (rc < 0)
        return rc;
    tr_options_diff(daemon->doc, doc, each, to);
    tr_options_free(doc);
    return 0;
}

static int config_apply(void *context, const char *text, size_t bytes, struct tr_error *error)
{
    struct tr_options_doc *doc;
    int rc = tr_options_parse(&tr_config_table, text, bytes, &doc, error);

    if (rc < 0)
        return rc;
    rc = tr_daemon_apply(context, doc, error);
    if (rc < 0)
        tr_options_free(doc);
    return rc;
}

static bool ready(void *context, char *why, size_t why_bytes)
{
    const struct tr_daemon *daemon = context;

    if (tr_load_relaxed(&daemon->ready) && !tr_load_relaxed(&daemon->draining))
        return true;
    snprintf(why, why_bytes, tr_load_relaxed(&daemon->draining) ? "draining" : "starting");
    return false;
}

static void tick(void *context, uint64_t now)
{
    const struct tr_daemon *daemon = context;

    tr_daemon_red_tick(context, now);
    tr_policy_set_tick(daemon->mesh->epoch->policies, now);
}

void tr_daemon_control_init(struct tr_daemon *daemon, struct tr_control_daemon *callbacks)
{
    *callbacks = (struct tr_control_daemon){.context = daemon,
                                            .status = show_status,
                                            .counters = show_counters,
                                            .audit = show_audit,
                                            .policies = show_policies,
                                            .backends = show_backends,
                                            .ports = tr_daemon_show_ports,
                                            .connections = tr_daemon_show_connections,
                                            .policies_measure = tr_daemon_costs_measure,
                                            .sources = show_sources,
                                            .study_rings = study_rings,
                                            .why = tr_daemon_why,
                                            .config_text = config_text,
                                            .config_show = config_show,
                                            .config_check = config_check,
                                            .config_diff = config_diff,
                                            .config_apply = config_apply,
                                            .tick = tick,
                                            .metrics = tr_daemon_red_show,
                                            .ready = ready};
}
