// SPDX-License-Identifier: Apache-2.0
// Which components count.
//
// A Collector has as many pipelines as one likes; here there is one way that traces go. It is that of the first pipeline
// of traces with a tail_sampling processor, or else of the first. A pipeline that goes on in others by connectors
// (forward, but also routing, failover and the like) is followed to its exporters: what is compared is such a path. Other paths are taken along if they decide
// the same: the same tail_sampling, probabilistic_sampler and filter processors. One that does not would give its
// exporters other spans than it has them now, so they are noted and left out.
#include "import.h"

#define PATHS_MAX 64
#define HOPS_MAX  8 // connectors in a row; more is a circle

struct path {
    const struct tr_yaml_node *pipelines[HOPS_MAX];
    size_t hops;
};

struct paths {
    struct path at[PATHS_MAX];
    size_t count;
};

static void id_add(struct import_ids *ids, const struct tr_yaml_node *node, unsigned signal)
{
    for (size_t i = 0; i < ids->count; i++) {
        if (strcmp(ids->at[i]->text, node->text) == 0) {
            ids->signals[i] |= signal;
            return;
        }
    }
    if (ids->count == IMPORT_COMPONENTS_MAX)
        return;
    ids->at[ids->count] = node;
    ids->signals[ids->count++] = signal;
}

static const struct tr_yaml_node *ids_of(const struct tr_yaml_node *pipeline, const char *kind)
{
    const struct tr_yaml_node *ids = import_at(pipeline, kind, NULL);

    if (!ids || ids->kind != TR_YAML_LIST)
        return NULL;
    for (const struct tr_yaml_node *id = ids->first; id; id = id->next)
        if (id->kind != TR_YAML_SCALAR)
            return NULL; // the Collector would not start with it
    return ids->first;
}

static bool names(const struct tr_yaml_node *pipeline, const char *kind, const char *id)
{
    for (const struct tr_yaml_node *at = ids_of(pipeline, kind); at; at = at->next)
        if (strcmp(at->text, id) == 0)
            return true;
    return false;
}

static bool is_connector(const struct import *import, const char *id)
{
    return import_at(import->root, "connectors", id, NULL) != NULL;
}

static unsigned signal_of(const char *pipeline)
{
    return import_is_type(pipeline, "traces")    ? IMPORT_TRACES
           : import_is_type(pipeline, "metrics") ? IMPORT_METRICS
           : import_is_type(pipeline, "logs")    ? IMPORT_LOGS
                                                 : 0;
}

static const struct tr_yaml_node *pipelines_of(const struct import *import)
{
    return import_entries(import_at(import->root, "service", "pipelines", NULL));
}

// The next pipeline of traces, behind `last` (NULL: the first), that the connector leads to.
static const struct tr_yaml_node *pipeline_behind(const struct import *import, const char *id, const struct tr_yaml_node *last)
{
    const struct tr_yaml_node *next = last ? last->next : pipelines_of(import);

    if (!is_connector(import, id))
        return NULL;
    while (next && (signal_of(next->key) != IMPORT_TRACES || !names(next, "receivers", id)))
        next = next->next;
    return next;
}

// Follow connectors from traces to traces; a path for each way.
static void path_follow(const struct import *import, struct paths *paths, struct path path,
                        const struct tr_yaml_node *pipeline)
{
    bool ends = false;

    if (path.hops == HOPS_MAX)
        return;
    path.pipelines[path.hops++] = pipeline;
    for (const struct tr_yaml_node *id = ids_of(pipeline, "exporters"); id; id = id->next) {
        const struct tr_yaml_node *next = pipeline_behind(import, id->text, NULL);

        ends |= !next;
        for (; next; next = pipeline_behind(import, id->text, next))
            path_follow(import, paths, path, next);
    }
    if (ends && paths->count < PATHS_MAX)
        paths->at[paths->count++] = path;
}

// Has it a receiver that is no connector?
static bool is_entry(const struct import *import, const struct tr_yaml_node *pipeline)
{
    for (const struct tr_yaml_node *id = ids_of(pipeline, "receivers"); id; id = id->next)
        if (!is_connector(import, id->text))
            return true;
    return false;
}

static bool decides(const char *id)
{
    return import_is_type(id, "tail_sampling") || import_is_type(id, "probabilistic_sampler") ||
           import_is_type(id, "filter");
}

// The ids of a path's processors that decide (or all), in order, as one text.
static const char *processors_text(struct import *import, const struct path *path, bool all)
{
    const char *text = "";

    for (size_t i = 0; i < path->hops; i++)
        for (const struct tr_yaml_node *id = ids_of(path->pipelines[i], "processors"); id; id = id->next)
            if (all ? !import_is_type(id->text, "batch") && !import_is_type(id->text, "memory_limiter")
                    : decides(id->text))
                text = arena_format(import->arena, "%s %s", text, id->text);
    return text;
}

static void path_take(struct import *import, const struct path *path, bool processors)
{
    for (size_t i = 0; i < path->hops; i++) {
        const struct tr_yaml_node *pipeline = path->pipelines[i];

        for (const struct tr_yaml_node *id = ids_of(pipeline, "receivers"); id; id = id->next)
            if (!is_connector(import, id->text))
                id_add(&import->receivers, id, IMPORT_TRACES);
        for (const struct tr_yaml_node *id = ids_of(pipeline, "processors"); id && processors; id = id->next)
            id_add(&import->processors, id, IMPORT_TRACES);
        for (const struct tr_yaml_node *id = ids_of(pipeline, "exporters"); id; id = id->next) {
            // What leaves in the middle is the end of a path of its own.
            if (!is_connector(import, id->text) && i + 1 == path->hops)
                id_add(&import->exporters, id, IMPORT_TRACES);
        }
    }
}

// Of each pipeline of traces, whatever it decides.
static void connectors_take(struct import *import, const struct tr_yaml_node *pipeline)
{
    for (const struct tr_yaml_node *id = ids_of(pipeline, "exporters"); id; id = id->next) {
        if (!is_connector(import, id->text) || import_is_type(id->text, "forward"))
            continue;
        if (import_is_type(id->text, "spanmetrics"))
            import_span_metrics(import, import_at(import->root, "connectors", id->text, NULL));
        else if (pipeline_behind(import, id->text, NULL))
            import_note(import, id,
                        "the connector %s chooses among pipelines, or changes what goes through; here all that is kept "
                        "goes to each backend that was carried over",
                        id->text);
        else if (import_is_type(id->text, "datadog"))
            import_note(import, id, "what %s counts of all spans, span_metrics does here: conf/datadog.yaml", id->text);
        else
            import_note(import, id, "the connector %s has no counterpart here", id->text);
    }
}

static void path_refuse(struct import *import, const struct path *path, const char *main)
{
    const struct tr_yaml_node *last = path->pipelines[path->hops - 1];

    for (const struct tr_yaml_node *id = ids_of(last, "exporters"); id; id = id->next)
        if (!is_connector(import, id->text))
            import_note(import, id,
                        "%s gets its spans by another decision than pipeline %s makes, and there is one for all "
                        "backends here: left out",
                        id->text, main);
}

// Metrics and logs go on unread to the backends that list them.
static void other_signals(struct import *import)
{
    for (const struct tr_yaml_node *pipeline = pipelines_of(import); pipeline; pipeline = pipeline->next) {
        unsigned signal = signal_of(pipeline->key);
        bool otlp = false;

        if (!signal)
            import_note(import, pipeline, "only traces, metrics and logs are carried");
        if (!signal || signal == IMPORT_TRACES)
            continue;
        for (const struct tr_yaml_node *id = ids_of(pipeline, "receivers"); id; id = id->next) {
            otlp |= import_is_type(id->text, "otlp") ||
                    (import_is_type(id->text, "spanmetrics") && is_connector(import, id->text));
            if (!is_connector(import, id->text))
                id_add(&import->receivers, id, signal);
        }
        for (const struct tr_yaml_node *id = ids_of(pipeline, "processors"); id; id = id->next)
            if (!import_is_type(id->text, "batch") && !import_is_type(id->text, "memory_limiter"))
                import_note(import, id, "metrics and logs go on as they came: %s is not applied to them", id->text);
        for (const struct tr_yaml_node *id = ids_of(pipeline, "exporters"); id && otlp; id = id->next)
            if (!is_connector(import, id->text))
                id_add(&import->exporters, id, signal);
    }
}

int import_pipelines(struct import *import, struct tr_error *error)
{
    struct paths paths = {.count = 0};
    const struct path *main;

    for (const struct tr_yaml_node *pipeline = pipelines_of(import); pipeline; pipeline = pipeline->next)
        if (signal_of(pipeline->key) == IMPORT_TRACES && is_entry(import, pipeline))
            path_follow(import, &paths, (struct path){.hops = 0}, pipeline);
    if (!paths.count)
        return tr_error_set(error, EINVAL, "service.pipelines: no pipeline of traces that ends in an exporter");
    main = &paths.at[0];
    for (size_t i = 0; i < paths.count && !strstr(processors_text(import, main, false), " tail_sampling"); i++)
        main = strstr(processors_text(import, &paths.at[i], false), " tail_sampling") ? &paths.at[i] : main;
    path_take(import, main, true);
    for (size_t i = 0; i < paths.count; i++) {
        const struct path *path = &paths.at[i];
        const char *name = path->pipelines[path->hops - 1]->key;

        if (path == main)
            continue;
        if (strcmp(processors_text(import, path, false), processors_text(import, main, false)) != 0) {
            path_refuse(import, path, main->pipelines[main->hops - 1]->key);
            continue;
        }
        if (strcmp(processors_text(import, path, true), processors_text(import, main, true)) != 0)
            import_note(import, path->pipelines[path->hops - 1],
                        "%s has other processors than %s; those of %s are applied to all backends", name,
                        main->pipelines[main->hops - 1]->key, main->pipelines[main->hops - 1]->key);
        path_take(import, path, false);
    }
    for (const struct tr_yaml_node *pipeline = pipelines_of(import); pipeline; pipeline = pipeline->next)
        if (signal_of(pipeline->key) == IMPORT_TRACES)
            connectors_take(import, pipeline);
    other_signals(import);
    return 0;
}
