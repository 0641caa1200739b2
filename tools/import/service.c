// SPDX-License-Identifier: Apache-2.0
// service.telemetry and the extensions in use.
#include "import.h"

static void listen_put(struct import *import, const struct tr_yaml_node *node, const char *host, const char *port)
{
    struct tree *telemetry = tree_map_in(import->arena, import->out, "telemetry"), *put;

    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    put = tree_put(import->arena, telemetry, "listen", arena_format(import->arena, "%s:%s", host, port), false);
    put->from = node;
    put->removable = true;
}

static void take_metrics(struct import *import, const struct tr_yaml_node *option, struct tree *to)
{
    const struct tr_yaml_node *address = import_at(option, "address", NULL), *readers = import_at(option, "readers", NULL);
    const char *text = import_text(import, address), *colon = strrchr(text, ':');

    if (address && colon)
        listen_put(import, address, arena_format(import->arena, "%.*s", (int)(colon - text), text), colon + 1);
    for (const struct tr_yaml_node *reader = import_items(readers); reader; reader = reader->next) {
        const struct tr_yaml_node *pull = import_at(reader, "pull", "exporter", "prometheus", NULL);
        const struct tr_yaml_node *host = import_at(pull, "host", NULL), *port = import_at(pull, "port", NULL);

        if (pull && port)
            listen_put(import, port, host ? import_text(import, host) : "127.0.0.1", import_text(import, port));
        else
            import_note(import, reader, "the daemon's own metrics are there to be pulled, at telemetry.listen");
    }
}

static void take_level(struct import *import, const struct tr_yaml_node *option, struct tree *to)
{
    if (strcasecmp(import_text(import, option), "info") != 0)
        import_note(import, option, "the log level is set in the running daemon: tailctl log %s", import_text(import, option));
}

static void take_encoding(struct import *import, const struct tr_yaml_node *option, struct tree *to)
{
    if (strcmp(import_text(import, option), "console") != 0)
        import_note(import, option, "the log is lines of text, on stderr");
}

static void take_logs(struct import *import, const struct tr_yaml_node *option, struct tree *to)
{
    static const struct import_option rows[] = {
        {.name = "level", .take = take_level},
        {.name = "encoding", .take = take_encoding},
        {.name = "output_paths", .why = "the log is lines of text, on stderr"},
        {.name = "error_output_paths"},
        {.name = "initial_fields", .why = "the log is lines of text, on stderr"},
        {.name = "processors", .why = "the daemon's own log is not sent as OTLP"},
        {.name = "development"},
        {.name = "disable_caller"},
        {.name = "disable_stacktrace"},
        {.name = "sampling"},
    };

    import_options(import, option, rows, TR_NELEMS(rows), to);
}

static void extension_note(struct import *import, const struct tr_yaml_node *id)
{
    // Those that headers.c has read, or that only serve what is noted elsewhere.
    static const char *const read[] = {"bearertokenauth", "bearer_token_auth", "basicauth", "basic_auth",
                                       "file_storage",    "oauth2client",      "sigv4auth", "headers_setter"};

    for (size_t i = 0; i < TR_NELEMS(read); i++)
        if (import_is_type(id->text, read[i]))
            return;
    if (import_is_type(id->text, "health_check"))
        import_note(import, id, "health is at telemetry.listen (default 127.0.0.1:9464): /healthz and /readyz");
    else if (import_is_type(id->text, "pprof") || import_is_type(id->text, "zpages"))
        import_note(import, id, "%s: see tailctl top, status, audit and traces why", id->text);
    else
        import_note(import, id, "has no counterpart here");
}

void import_service(struct import *import)
{
    static const struct import_option rows[] = {
        {.name = "metrics", .take = take_metrics},
        {.name = "logs", .take = take_logs},
        {.name = "traces", .why = "the daemon makes no spans of its own"},
        {.name = "resource", .why = "the daemon's own metrics have no resource"},
    };
    const struct tr_yaml_node *extensions = import_at(import->root, "service", "extensions", NULL);

    import_options(import, import_at(import->root, "service", "telemetry", NULL), rows, TR_NELEMS(rows), NULL);
    for (const struct tr_yaml_node *id = import_items(extensions); id; id = id->next)
        if (id->kind == TR_YAML_SCALAR)
            extension_note(import, id);
}
