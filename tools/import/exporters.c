// SPDX-License-Identifier: Apache-2.0
// exporters, and the batch processor in front of them: backends.
#include "import.h"

static void take_timeout(struct import *import, const struct tr_yaml_node *option, struct tree *backend)
{
    import_put(import, backend, "timeout", option);
}

static void take_compression(struct import *import, const struct tr_yaml_node *option, struct tree *backend)
{
    const char *text = import_text(import, option);

    if (strcmp(text, "none") == 0 || !*text)
        tree_put(import->arena, backend, "compression", "none", true);
    else if (strcmp(text, "gzip") != 0)
        tree_comment(import->arena, backend, "compression: gzip instead of %s", text);
}

static void take_ca_file(struct import *import, const struct tr_yaml_node *option, struct tree *backend)
{
    import_put(import, backend, "ca_file", option);
}

#define CLIENT_CERTIFICATE "no certificate of our own is shown to backends in this version"

static void take_tls(struct import *import, const struct tr_yaml_node *option, struct tree *backend)
{
    static const struct import_option rows[] = {
        {.name = "ca_file", .take = take_ca_file},
        {.name = "insecure"}, // read with the endpoint
        {.name = "reload_interval"},
        {.name = "include_system_ca_certs_pool"},
        {.name = "cert_file", .why = CLIENT_CERTIFICATE},
        {.name = "key_file", .why = CLIENT_CERTIFICATE},
        {.name = "insecure_skip_verify", .why = "certificates are always checked; give a ca_file for your own"},
    };

    import_options(import, option, rows, TR_NELEMS(rows), backend);
}

static void take_consumers(struct import *import, const struct tr_yaml_node *option, struct tree *backend)
{
    import_put(import, backend, "requests_in_flight", option);
}

static void take_batch_wait(struct import *import, const struct tr_yaml_node *option, struct tree *backend)
{
    import_put(import, backend, "batch_wait", option);
}

static void take_batch_most(struct import *import, const struct tr_yaml_node *option, struct tree *backend)
{
    if (strcmp(import_text(import, option), "0") != 0)
        import_put(import, backend, "batch_spans", option);
}

static void take_batch_least(struct import *import, const struct tr_yaml_node *option, struct tree *backend)
{
    const struct tr_yaml_node *most = option->parent->first;

    while (most && strcmp(most->key, "send_batch_max_size") != 0 && strcmp(most->key, "max_size") != 0)
        most = most->next;
    if (!most || strcmp(import_text(import, most), "0") == 0)
        take_batch_most(import, option, backend);
}

static void take_queue_batch(struct import *import, const struct tr_yaml_node *option, struct tree *backend)
{
    static const struct import_option rows[] = {
        {.name = "flush_timeout", .take = take_batch_wait},
        {.name = "min_size", .take = take_batch_least},
        {.name = "max_size", .take = take_batch_most},
        {.name = "sizer"},
    };
    const struct tr_yaml_node *sizer = import_at(option, "sizer", NULL);

    if (sizer && strcmp(import_text(import, sizer), "bytes") == 0)
        import_note(import, option, "batches counted in bytes: see batch_size");
    else
        import_options(import, option, rows, TR_NELEMS(rows), backend);
}

static void take_queue(struct import *import, const struct tr_yaml_node *option, struct tree *backend)
{
    static const struct import_option rows[] = {
        {.name = "num_consumers", .take = take_consumers},
        {.name = "batch", .take = take_queue_batch},
        {.name = "enabled"},
        {.name = "queue_size"}, // the outbox's size, for all backends
        {.name = "sizer"},
        {.name = "wait_for_result"},
        {.name = "block_on_overflow", .why = "a backend that lags loses its oldest spans, counted, and stops nobody"},
        {.name = "storage", .why = "the queue is memory (journal.outbox_size) in this version"},
    };

    import_options(import, option, rows, TR_NELEMS(rows), backend);
}

static void take_retry(struct import *import, const struct tr_yaml_node *option, struct tree *backend)
{
    static const char *const names[][2] = {{"initial_interval", "retry_initial"},
                                           {"max_interval", "retry_max"},
                                           {"max_elapsed_time", "retry_elapsed_max"}};
    const struct tr_yaml_node *enabled = import_at(option, "enabled", NULL);

    for (size_t i = 0; i < TR_NELEMS(names); i++) {
        const struct tr_yaml_node *node = import_at(option, names[i][0], NULL);

        if (node)
            import_put(import, backend, names[i][1], node);
    }
    if (enabled && !import_true(import, enabled)) {
        tree_put(import->arena, backend, "retry_elapsed_max", "1ms", true);
        tree_comment(import->arena, backend, "retry_on_failure is off: a batch that fails is given up after 1ms");
    }
}

static const struct import_option otlp_rows[] = {
    {.name = "endpoint"}, // endpoint.c
    {.name = "tls", .take = take_tls},
    {.name = "headers", .take = import_headers},
    {.name = "auth", .take = import_auth},
    {.name = "compression", .take = take_compression},
    {.name = "timeout", .take = take_timeout},
    {.name = "sending_queue", .take = take_queue},
    {.name = "retry_on_failure", .take = take_retry},
    {.name = "traces_endpoint"}, // endpoint.c
    {.name = "metrics_endpoint"}, // endpoint.c
    {.name = "logs_endpoint"},    // endpoint.c
    {.name = "encoding", .why = "protobuf is sent"},
    {.name = "proxy_url", .why = "the environment's http_proxy and https_proxy are used"},
    {.name = "balancer_name"},
    {.name = "keepalive"},
    {.name = "wait_for_ready"},
    {.name = "read_buffer_size"},
    {.name = "write_buffer_size"},
    {.name = "max_idle_conns"},
    {.name = "max_idle_conns_per_host"},
    {.name = "max_conns_per_host"},
    {.name = "idle_conn_timeout"},
    {.name = "disable_keep_alives"},
    {.name = "http2_read_idle_timeout"},
    {.name = "http2_ping_timeout"},
    {.name = "force_attempt_http2"},
};

static void batch_take(struct import *import, struct tree *backend)
{
    static const struct import_option rows[] = {
        {.name = "timeout", .take = take_batch_wait},
        {.name = "send_batch_size", .take = take_batch_least},
        {.name = "send_batch_max_size", .take = take_batch_most},
        {.name = "metadata_keys", .why = "headers of requests are not kept"},
        {.name = "metadata_cardinality_limit"},
    };

    for (size_t i = 0; i < import->processors.count; i++)
        if (import_is_type(import->processors.at[i]->text, "batch"))
            import_options(import, import_at(import->root, "processors", import->processors.at[i]->text, NULL), rows,
                           TR_NELEMS(rows), backend);
}

// otlp/tempo is tempo, unless there is one already.
static const char *backend_name(const struct tree *backends, const char *id)
{
    const char *slash = strchr(id, '/');

    for (const struct tree *other = backends->first; other && slash; other = other->next) {
        const struct tree *name = other->first;

        if (strcmp(name->text, slash + 1) == 0)
            slash = NULL;
    }
    return slash && slash[1] ? slash + 1 : id;
}

static void signals_put(struct import *import, struct tree *backend, unsigned signals)
{
    static const char *const names[] = {"traces", "metrics", "logs"};
    struct tree *list = tree_list(import->arena, backend, "signals");

    for (unsigned i = 0; i < 3; i++)
        if (signals & 1u << i)
            tree_put(import->arena, list, NULL, names[i], false);
}

static struct tree *backend_make(struct import *import, struct tree *backends, const struct tr_yaml_node *from,
                                 const char *kind, unsigned signals)
{
    const char *name = backend_name(backends, from->key);
    struct tree *backend = tree_map(import->arena, backends, NULL);

    backend->from = from;
    backend->removable = true;
    tree_put(import->arena, backend, "name", name, false);
    tree_put(import->arena, backend, "kind", kind, true);
    signals_put(import, backend, signals);
    return backend;
}

static void otlp_take(struct import *import, struct tree *backends, const struct tr_yaml_node *exporter, unsigned signals)
{
    bool grpc = import_is_type(exporter->key, "otlp");
    struct tree *backend = backend_make(import, backends, exporter, grpc ? "otlp_grpc" : "otlp_http", signals);

    import_endpoint(import, exporter, backend, grpc);
    batch_take(import, backend);
    import_options(import, exporter, otlp_rows, TR_NELEMS(otlp_rows), backend);
}

static void take_path(struct import *import, const struct tr_yaml_node *option, struct tree *backend)
{
    import_put(import, backend, "path", option)->removable = false;
}

static void take_rotation(struct import *import, const struct tr_yaml_node *option, struct tree *backend)
{
    const struct tr_yaml_node *megabytes = import_at(option, "max_megabytes", NULL);
    const char *text = megabytes ? import_text(import, megabytes) : "100";

    tree_put(import->arena, backend, "rotate_size", arena_format(import->arena, "%sMiB", text), true)->removable = true;
    tree_comment(import->arena, backend, "rotation: one old file is kept, as PATH.1");
}

static void take_format(struct import *import, const struct tr_yaml_node *option, struct tree *backend)
{
    if (strcmp(import_text(import, option), "json") != 0)
        import_note(import, option, "lines of OTLP JSON are written");
}

static void file_take(struct import *import, struct tree *backends, const struct tr_yaml_node *exporter, unsigned signals)
{
    static const struct import_option rows[] = {
        {.name = "path", .take = take_path},
        {.name = "rotation", .take = take_rotation},
        {.name = "format", .take = take_format},
        {.name = "append"},
        {.name = "flush_interval"},
        {.name = "compression", .why = "files are written as they are"},
        {.name = "group_by", .why = "there is one file"},
    };
    struct tree *backend = backend_make(import, backends, exporter, "file", signals);

    if (!import_at(exporter, "rotation", NULL))
        tree_put(import->arena, backend, "rotate_size", "0", true);
    import_options(import, exporter, rows, TR_NELEMS(rows), backend);
}

// Nothing but a look at what goes on: of use where there is nothing else, or where all of it is wanted.
static void debug_take(struct import *import, struct tree *backends, const struct tr_yaml_node *exporter, unsigned signals)
{
    const struct tr_yaml_node *verbosity = import_at(exporter, "verbosity", NULL);
    struct tree *backend;

    if (import->exporters.count > 1 && (!verbosity || strcmp(import_text(import, verbosity), "detailed") != 0)) {
        tree_comment(import->arena, backends, "%s: tailctl top and tailctl traces why show what it was for",
                     exporter->key);
        return;
    }
    backend = backend_make(import, backends, exporter, "file", signals);
    tree_put(import->arena, backend, "path", "/dev/stdout", false);
    tree_put(import->arena, backend, "rotate_size", "0", true);
    tree_comment(import->arena, backend, "%s: lines of OTLP JSON on the daemon's stdout", exporter->key);
}

// Of what is no OTLP: what to do about it.
static void other_note(struct import *import, const struct tr_yaml_node *exporter)
{
    static const struct {
        const char *type, *why;
    } known[] = {
        {"loadbalancing", "what spreads traces over several boxes stays a Collector, in front: docs/scaling-out.md"},
        {"load_balancing", "what spreads traces over several boxes stays a Collector, in front: docs/scaling-out.md"},
        {"datadog", "Datadog takes OTLP: conf/datadog.yaml has the backends, and metrics of all spans beside them"},
    };

    for (size_t i = 0; i < TR_NELEMS(known); i++)
        if (import_is_type(exporter->key, known[i].type)) {
            import_note(import, exporter, "%s", known[i].why);
            return;
        }
    import_note(import, exporter,
                "%s: backends take OTLP (or are files); if that one takes OTLP too, give its endpoint, else put a "
                "Collector with this exporter behind",
                exporter->key);
}

void import_exporters(struct import *import)
{
    struct tree *backends = tree_list(import->arena, import->out, "backends");

    for (size_t i = 0; i < import->exporters.count; i++) {
        const struct tr_yaml_node *id = import->exporters.at[i];
        const struct tr_yaml_node *exporter = import_at(import->root, "exporters", id->text, NULL);
        unsigned signals = import->exporters.signals[i];

        if (!exporter)
            import_note(import, id, "exporters has no %s", id->text);
        else if (import_is_type(id->text, "otlp") || import_is_type(id->text, "otlp_http"))
            otlp_take(import, backends, exporter, signals);
        else if (import_is_type(id->text, "file"))
            file_take(import, backends, exporter, signals);
        else if (import_is_type(id->text, "debug"))
            debug_take(import, backends, exporter, signals);
        else if (!import_is_type(id->text, "nop"))
            other_note(import, exporter);
    }
    if (!backends->first)
        tree_comment(import->arena, backends, "No exporter was carried over: kept spans go nowhere.");
}
