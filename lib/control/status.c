// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "base/clock.h"
#include "control/format.h"
#include "control/state.h"

#define SPANS(value) json_integer((json_int_t)(value))

static const char *const flow_names[TR_CONTROL_FLOWS] = {
    "requests",   "body_bytes",    "accepted_spans", "rejected_spans",
    "kept_spans", "dropped_spans", "evicted_spans",  "delivered_spans",
    "decided_early_spans", "refused_requests",
};

static json_t *config_json(struct tr_control *control, const struct tr_control_status *status)
{
    static const char *const drifts[] = {"none", "changed", "missing", "unreadable"};
    const struct tr_apply *apply = &control->apply;
    char *text = control->daemon->config_text(control->daemon->context);
    uint64_t now = tr_clock_ns();
    struct tr_drift_view drift;
    json_t *json = json_object();

    tr_drift_find(status->config_path, text ? text : "", &drift);
    free(text);
    json_object_set_new(json, "path", tr_json_text(status->config_path));
    json_object_set_new(json, "epoch", SPANS(status->epoch));
    json_object_set_new(json, "applied", tr_json_wall(status->config_applied_wall_ns));
    json_object_set_new(json, "drift", json_string(drifts[drift.drift]));
    json_object_set_new(json, "running_fingerprint", json_string(drift.running));
    json_object_set_new(json, "file_fingerprint", drift.file[0] ? json_string(drift.file) : json_null());
    json_object_set_new(json, "undo_steps", SPANS(apply->undo_count));
    json_object_set_new(json, "rollback_in_seconds",
                        tr_json_seconds(apply->confirm_at_ns == TR_NEVER ? TR_NEVER
                                        : apply->confirm_at_ns > now     ? apply->confirm_at_ns - now
                                                                         : 0));
    json_object_set_new(json, "rollback_error",
                        apply->rollback_error[0] ? tr_json_text(apply->rollback_error) : json_null());
    return json;
}

static void put_flow(json_t *json, const struct tr_control_status *status, const struct tr_rates_view *view)
{
    json_t *totals = json_object(), *rates = json_object();
    const uint64_t *flow = (const uint64_t *)&status->flow;
    char name[64];

    json_object_set_new(rates, "window_seconds", tr_json_seconds(view->window_ns));
    for (size_t i = 0; i < TR_CONTROL_FLOWS; i++) {
        json_object_set_new(totals, flow_names[i], SPANS(flow[i]));
        snprintf(name, sizeof(name), "%s_per_second", flow_names[i]);
        json_object_set_new(rates, name, json_real(view->flow_per_s[i]));
    }
    json_object_set_new(json, "rates", rates);
    json_object_set_new(json, "totals", totals);
}

static json_t *lcores_json(const struct tr_control_status *status, const struct tr_rates_view *view)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < status->lcores_count; i++) {
        const struct tr_control_lcore *lcore = &status->lcores[i];

        json_array_append_new(array, json_pack("{s:I, s:o, s:f}", "lcore", (json_int_t)lcore->lcore, "cpu",
                                               lcore->cpu < 0 ? json_null() : json_integer(lcore->cpu),
                                               "busy", view->busy[i]));
    }
    return array;
}

json_t *tr_control_status_json(struct tr_control *control)
{
    const struct tr_control_daemon *daemon = control->daemon;
    uint64_t now = tr_clock_ns();
    struct tr_control_status status;
    struct tr_rates_view view;
    json_t *json = json_object();
    char why[256] = "";
    bool ready;

    memset(&status, 0, sizeof(status));
    daemon->status(daemon->context, &status);
    tr_rates_view(&control->rates, &view);
    ready = daemon->ready(daemon->context, why, sizeof(why));
    json_object_set_new(json, "version", json_string(status.version));
    json_object_set_new(json, "state", json_string(status.state));
    json_object_set_new(json, "ready", json_boolean(ready));
    json_object_set_new(json, "not_ready", ready ? json_null() : tr_json_text(why));
    json_object_set_new(json, "pid", json_integer(getpid()));
    json_object_set_new(json, "started", tr_json_wall(status.started_wall_ns));
    json_object_set_new(json, "uptime_seconds",
                        tr_json_seconds(now > status.started_ns ? now - status.started_ns : 0));
    json_object_set_new(json, "config", config_json(control, &status));
    json_object_set_new(json, "decision_wait_seconds", tr_json_seconds(status.decision_wait_ns));
    json_object_set_new(json, "decision_wait_min_seconds", tr_json_seconds(status.decision_wait_min_ns));
    json_object_set_new(json, "horizon_seconds", tr_json_seconds(status.horizon_ns));
    json_object_set_new(json, "journal_bytes", SPANS(status.journal_bytes));
    json_object_set_new(json, "journal_used_bytes", SPANS(status.journal_used_bytes));
    json_object_set_new(json, "held_spans", SPANS(status.held_spans));
    json_object_set_new(json, "held_traces", SPANS(status.held_traces));
    json_object_set_new(json, "held_traces_max", SPANS(status.traces_max));
    json_object_set_new(json, "connections", SPANS(status.connections));
    put_flow(json, &status, &view);
    json_object_set_new(json, "lcores", lcores_json(&status, &view));
    json_object_set_new(json, "backends", tr_control_backends_json(control));
    return json;
}

// What a policy costs: null where it has not been measured yet.
static void put_cost(json_t *row, const struct tr_control_policy *policy)
{
    const struct tr_policy_counters *c = &policy->counters;
    double decide = c->spans_seen ? policy->decide_ns * (double)c->traces_seen / (double)c->spans_seen : 0;
    bool walk = policy->walk_ns >= 0, asked = c->timed_traces > 0;

    json_object_set_new(row, "decide_ns_per_trace", asked ? json_real(policy->decide_ns) : json_null());
    json_object_set_new(row, "decide_ns_per_span", asked ? json_real(decide) : json_null());
    json_object_set_new(row, "walk_ns_per_span", walk ? json_real(policy->walk_ns) : json_null());
    json_object_set_new(row, "cost_ns_per_span",
                        asked || walk ? json_real((asked ? decide : 0) + (walk ? policy->walk_ns : 0)) : json_null());
}

static void policy_append(void *array, const struct tr_control_policy *policy)
{
    static const uint8_t none[16];
    char id[TR_FORMAT_BYTES];
    json_t *row = json_object();

    json_object_set_new(row, "name", tr_json_text(policy->name));
    json_object_set_new(row, "type", tr_json_text(policy->type));
    json_object_set_new(row, "spans_seen", SPANS(policy->counters.spans_seen));
    json_object_set_new(row, "traces_seen", SPANS(policy->counters.traces_seen));
    json_object_set_new(row, "traces_kept", SPANS(policy->counters.traces_kept));
    json_object_set_new(row, "traces_kept_alone", SPANS(policy->counters.traces_kept_alone));
    json_object_set_new(row, "spans_kept", SPANS(policy->counters.spans_kept));
    json_object_set_new(row, "traces_dropped", SPANS(policy->counters.traces_dropped));
    json_object_set_new(row, "traces_limited", SPANS(policy->counters.traces_limited));
    json_object_set_new(row, "spans_limited", SPANS(policy->counters.spans_limited));
    put_cost(row, policy);
    json_object_set_new(row, "example_trace_id",
                        memcmp(policy->counters.example_id, none, 16)
                            ? json_string(tr_format_trace_id(policy->counters.example_id, id))
                            : json_null());
    json_array_append_new(array, row);
}

json_t *tr_control_policies_json(struct tr_control *control)
{
    json_t *array = json_array();

    control->daemon->policies(control->daemon->context, policy_append, array);
    return array;
}

static void backend_append(void *array, const struct tr_control_backend *backend)
{
    const struct tr_backend_status *status = backend->status;
    const struct tr_backend_counters *counters = &status->counters;
    json_t *row = json_object();

    json_object_set_new(row, "name", tr_json_text(backend->name));
    json_object_set_new(row, "kind", tr_json_text(backend->kind));
    json_object_set_new(row, "endpoint", tr_json_text(backend->endpoint ? backend->endpoint : ""));
    json_object_set_new(row, "reachable", json_boolean(status->reachable));
    json_object_set_new(row, "queued_spans", SPANS(status->queued_spans));
    json_object_set_new(row, "in_flight_spans", SPANS(counters->in_flight));
    json_object_set_new(row, "delivered_spans", SPANS(counters->delivered));
    json_object_set_new(row, "rejected_spans", SPANS(counters->rejected));
    json_object_set_new(row, "dropped_spans",
                        json_pack("{s:I, s:I, s:I, s:I}", "overrun", (json_int_t)counters->dropped_overrun,
                                  "retries", (json_int_t)counters->dropped_retries, "shutdown",
                                  (json_int_t)counters->dropped_shutdown, "removed",
                                  (json_int_t)counters->dropped_removed));
    json_object_set_new(row, "routed_bodies", SPANS(counters->opaque_routed));
    json_object_set_new(row, "queued_bodies", SPANS(counters->opaque_waiting));
    json_object_set_new(row, "queued_body_bytes", SPANS(counters->opaque_waiting_bytes));
    json_object_set_new(row, "delivered_bodies", SPANS(counters->opaque_delivered));
    json_object_set_new(row, "dropped_bodies", SPANS(counters->opaque_dropped));
    json_object_set_new(row, "requests", SPANS(counters->requests));
    json_object_set_new(row, "retries", SPANS(counters->retries));
    json_object_set_new(row, "sent_bytes", SPANS(counters->bytes));
    json_object_set_new(row, "last_success", tr_json_wall(status->last_success_wall_ns));
    json_object_set_new(row, "last_error",
                        status->last_error[0] ? tr_json_text(status->last_error) : json_null());
    json_object_set_new(row, "last_error_at", tr_json_wall(status->last_error_wall_ns));
    json_object_set_new(row, "retry_at", tr_json_wall(status->retry_at_wall_ns));
    json_array_append_new(array, row);
}

json_t *tr_control_backends_json(struct tr_control *control)
{
    json_t *array = json_array();

    control->daemon->backends(control->daemon->context, backend_append, array);
    return array;
}
