// SPDX-License-Identifier: Apache-2.0
#include "fake.h"

#include <unistd.h>

#include "control/metrics.h"

#define SECOND 1700000000ull

#define FAKE_COUNTERS(X)                                                                                     \
    X(spans, COUNTER, "fake_spans_total", "outcome=\"good\"", "Spans of the fake, with a \\ in the help.")   \
    X(bad, COUNTER, "fake_spans_total", "outcome=\"bad\"", "Spans of the fake.")                             \
    X(busy_ns, COUNTER, "fake_busy_seconds_total", "", "Busy time.")
TR_COUNTERS_DECLARE(fake, FAKE_COUNTERS)
TR_COUNTERS_DEFINE(fake, FAKE_COUNTERS)

static void on_status(void *context, struct tr_control_status *status)
{
    const struct fake *fake = context;

    status->version = "0.0-fake";
    status->state = "running";
    status->started_ns = fake->started_ns;
    status->started_wall_ns = SECOND * TR_S;
    status->config_path = fake->config_path;
    status->config_applied_wall_ns = SECOND * TR_S + 1500 * TR_MS;
    status->epoch = fake->epoch;
    status->decision_wait_ns = 10 * TR_S;
    status->decision_wait_min_ns = TR_S;
    status->horizon_ns = TR_NEVER;
    status->journal_bytes = TR_GIB;
    status->journal_used_bytes = 3 * TR_MIB;
    status->held_spans = 20;
    status->held_traces = 4;
    status->traces_max = 100000;
    status->connections = 2;
    status->flow = (struct tr_control_flow){.requests = 7, .accepted_spans = 1000, .kept_spans = 300,
                                            .early_spans = 5100, .refused_requests = 4800};
    status->lcores_count = 2;
    status->lcores[0] = (struct tr_control_lcore){.lcore = 0, .cpu = 1};
    status->lcores[1] = (struct tr_control_lcore){.lcore = 1, .cpu = -1};
}

static void on_counters(void *context, tr_control_counters_fn each, void *to)
{
    const struct tr_fake_counters lcores[2] = {{5, 1, 1500 * TR_MS}, {6, 0, 0}};

    each(to, &tr_fake_counter_rows, &lcores[0], (const char *const[]){"lcore", "0", NULL});
    each(to, &tr_build_counter_rows, &(struct tr_build_counters){.info = 2}, (const char *const[]){"nasty", "a \"b\"\\\nc", NULL});
    each(to, &tr_fake_counter_rows, &lcores[1], (const char *const[]){"lcore", "1", NULL});
}

static void backend_status(struct tr_backend_status *status)
{
    memset(status, 0, sizeof(*status));
    status->counters = (struct tr_backend_counters){.routed = 300, .delivered = 290, .dropped_retries = 2,
                                                    .opaque_routed = 40, .opaque_delivered = 30, .opaque_dropped = 3,
                                                    .opaque_waiting = 7, .opaque_waiting_bytes = 5 * TR_KIB};
    status->committed_spans = 300;
    status->queued_spans = 8;
    snprintf(status->last_error, sizeof(status->last_error), "503 \033[31mgo away\xff");
    status->last_error_wall_ns = SECOND * TR_S;
}

static int on_audit(void *context, struct tr_audit *audit)
{
    struct fake *fake = context;
    struct tr_backend_status status;

    while (tr_load_relaxed(&fake->hold)) {
        tr_store_relaxed(&fake->holding, true);
        usleep(1000);
    }
    if (tr_load_relaxed(&fake->stuck))
        return -ETIMEDOUT;
    audit->accepted_spans = 1000;
    audit->walked_spans = 990;
    audit->not_walked_spans = 10;
    audit->received_spans = 985;
    audit->held_spans = tr_load_relaxed(&fake->unbalanced) ? 19 : 20;
    audit->kept_spans = 300;
    tr_audit_add(&audit->dropped, "no policy", 600);
    tr_audit_add(&audit->dropped, "noise", 60);
    tr_audit_add(&audit->evicted, "table", 5);
    tr_audit_add(&audit->decided_early, "journal", 0);
    tr_audit_add(&audit->rejected, "malformed", 3);
    audit->emits_sent_spans = 300;
    audit->emitted_spans = 300;
    audit->outbox_spans = 300;
    backend_status(&status);
    tr_audit_add_backend(audit, "tempo", &status);
    return 0;
}

static void on_policies(void *context, tr_control_policy_fn each, void *to)
{
    const struct tr_control_policy errors = {
        "errors", "status_code", {.traces_seen = 12345, .spans_seen = 123450, .timed_traces = 193, .traces_kept = 20, .traces_limited = 4711, .example_id = {0xab}}, 40, 3};
    const struct tr_control_policy slow = {"slow", "latency", {.traces_seen = 12345}, 0, -1};

    each(to, &errors);
    each(to, &slow);
}

static void on_policies_measure(void *context)
{
}

static void on_backends(void *context, tr_control_backend_fn each, void *to)
{
    struct tr_backend_status status;
    const struct tr_control_backend backend = {"tempo", "otlp_grpc", "http://127.0.0.1:14317", &status};

    backend_status(&status);
    each(to, &backend);
}

static void on_ports(void *context, tr_control_port_fn each, void *to)
{
    const struct tr_address listening[] = {
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}, 4317},
        {{0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, 4318},
    };
    const struct tr_control_port port = {
        .name = "local", .kind = "kernel", .listening = listening, .listening_count = 2, .accepting = true, .connections = 2};

    each(to, &port);
}

static int on_connections(void *context, tr_control_connection_fn each, void *to)
{
    const struct fake *fake = context;
    const struct tr_connection_row streams[] = {
        {.id = 8, .bytes_in = 2048, .peer.port = 40000},
        {.id = 9, .paused = true},
    };
    const struct tr_http_row rows[] = {
        {.stream_id = 9, .protocol = "h2", .requests = 5, .user_agent = "evil\033]0;x\007/1.0"},
    };

    if (tr_load_relaxed(&fake->stuck))
        return -ETIMEDOUT;
    tr_control_connections_join(1, "local", streams, 2, rows, 1, each, to);
    return 0;
}

// Id 11..., 22... and so on have a fate each.
static int on_why(void *context, struct tr_why *why)
{
    switch (why->trace_id[0]) {
    case 0x11:
        why->held = true;
        why->spans = 3;
        break;
    case 0x22:
        why->decided = true;
        why->verdict = TR_VERDICT_KEEP;
        snprintf(why->policy, sizeof(why->policy), "errors");
        why->backends_count = 1;
        why->backends[0] = (struct tr_why_backend){.name = "tempo", .spans[TR_FATE_DELIVERED] = 3};
        break;
    default:
        break;
    }
    return 0;
}

static void on_sources(void *context, tr_control_source_fn each, void *to)
{
    const struct tr_source other = {.spans = 3}, cart = {.service_bytes = 4,
                                                         .service = "cart",
                                                         .first_ns = 1,
                                                         .last_ns = 2,
                                                         .spans = 100,
                                                         .rejected = 20,
                                                         .kept = 40};
    const struct tr_source evil = {.service_bytes = 6, .service = "a\033[2Jb", .first_ns = 1, .last_ns = 2};

    each(to, &other, true); // never seen
    each(to, &cart, false);
    each(to, &cart, false); // by another lcore
    each(to, &evil, false);
}

static size_t on_study_rings(void *context, struct tr_study_ring *rings[TR_LCORES_MAX])
{
    return 0;
}

static char *on_text(void *context)
{
    const struct fake *fake = context;

    return strdup(fake->text);
}

static char *on_show(void *context)
{
    const struct fake *fake = context;
    char *text = NULL;

    return asprintf(&text, "%sdefault: yes\n", fake->text) < 0 ? NULL : text;
}

static int check(const char *text, struct tr_error *error)
{
    unsigned line = 1;

    for (; text; text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL, line++) {
        if (strncmp(text, "bad", 3) == 0)
            return tr_error_set(error, EINVAL, "line %u: bad: this is no option", line);
    }
    return 0;
}

static int on_check(void *context, const char *text, size_t bytes, tr_control_remark_fn each, void *to,
                    struct tr_error *error)
{
    int rc = check(text, error);

    if (rc == 0)
        each(to, "decision_wait stops fitting at 120000 spans/s");
    return rc;
}

// The line of `text` that begins with the key of `line`, up to the ':'.
static const char *line_of(const char *text, const char *line)
{
    size_t bytes = strcspn(line, ":\n");

    for (; text; text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL) {
        if (strncmp(text, line, bytes + 1) == 0)
            return text;
    }
    return NULL;
}

static int on_diff(void *context, const char *text, size_t bytes, tr_options_diff_fn each, void *to,
                   struct tr_error *error)
{
    const struct fake *fake = context;
    int rc = check(text, error);

    for (; rc == 0 && text && *text; text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL) {
        const char *before = line_of(fake->text, text);
        char key[64], was[64], is[64];

        snprintf(key, sizeof(key), "%.*s", (int)strcspn(text, ":\n"), text);
        snprintf(was, sizeof(was), "%.*s", before ? (int)strcspn(before, "\n") : 0, before ? before : "");
        snprintf(is, sizeof(is), "%.*s", (int)strcspn(text, "\n"), text);
        if (strcmp(was, is) != 0)
            each(to, key, was, is, strncmp(key, "restart", 7) != 0);
    }
    return rc;
}

static int on_apply(void *context, const char *text, size_t bytes, struct tr_error *error)
{
    struct fake *fake = context;

    fake->applies++;
    if (tr_load_relaxed(&fake->refuse_apply))
        return tr_error_set(error, EINVAL, "the fake refuses");
    free(fake->text);
    fake->text = strdup(text);
    fake->epoch++;
    return 0;
}

static bool on_ready(void *context, char *why, size_t why_bytes)
{
    const struct fake *fake = context;
    bool not_ready = tr_load_relaxed(&fake->not_ready);

    snprintf(why, why_bytes, "%s", not_ready ? "draining" : "");
    return !not_ready;
}

void fake_init(struct fake *fake, const char *text, const char *config_path)
{
    memset(fake, 0, sizeof(*fake));
    fake->text = strdup(text);
    fake->epoch = 1;
    fake->config_path = config_path;
    fake->daemon = (struct tr_control_daemon){
        .context = fake,
        .status = on_status,
        .counters = on_counters,
        .audit = on_audit,
        .policies = on_policies,
        .policies_measure = on_policies_measure,
        .backends = on_backends,
        .ports = on_ports,
        .connections = on_connections,
        .sources = on_sources,
        .study_rings = on_study_rings,
        .why = on_why,
        .config_text = on_text,
        .config_show = on_show,
        .config_check = on_check,
        .config_diff = on_diff,
        .config_apply = on_apply,
        .ready = on_ready,
    };
}

void fake_fini(struct fake *fake)
{
    free(fake->text);
}
