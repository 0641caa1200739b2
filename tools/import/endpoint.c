// SPDX-License-Identifier: Apache-2.0
// Where an exporter of OTLP sends to.
#include "import.h"

// Where an exporter of HTTP sends to: one endpoint here, of which the others must not differ.
static const struct tr_yaml_node *endpoint_find(struct import *import, const struct tr_yaml_node *exporter, bool grpc)
{
    static const char *const names[] = {"traces_endpoint", "endpoint", "metrics_endpoint", "logs_endpoint"};
    const struct tr_yaml_node *found = NULL;

    for (size_t i = 0; i < TR_NELEMS(names); i++) {
        const struct tr_yaml_node *node = import_at(exporter, names[i], NULL);
        bool base = strcmp(names[i], "endpoint") == 0;

        if (!node || (grpc && !base))
            continue;
        if (!found)
            found = node;
        else if (!base)
            import_note(import, node, "all signals go to one endpoint: import its exporter under a name of its own");
    }
    return found;
}

// "https://b.example.com/otlp/v1/metrics": the path of a signal is put behind by the backend; /v1/traces may stand.
static const char *signal_path_cut(struct import *import, const struct tr_yaml_node *node, const char *text)
{
    static const char *const paths[][2] = {
        {"traces_endpoint", "/v1/traces"}, {"metrics_endpoint", "/v1/metrics"}, {"logs_endpoint", "/v1/logs"}};
    size_t bytes = strlen(text);

    for (size_t i = 0; i < TR_NELEMS(paths); i++) {
        size_t end = strlen(paths[i][1]);

        if (strcmp(node->key, paths[i][0]) != 0)
            continue;
        if (bytes < end || strcmp(text + bytes - end, paths[i][1]) != 0)
            import_note(import, node, "%s is put behind what does not end in it", paths[i][1]);
        else if (i > 0)
            return arena_format(import->arena, "%.*s", (int)(bytes - end), text);
    }
    return text;
}

void import_endpoint(struct import *import, const struct tr_yaml_node *exporter, struct tree *backend, bool grpc)
{
    static const char *const resolvers[] = {"dns:///", "passthrough:///", "dns://"};
    const struct tr_yaml_node *node = endpoint_find(import, exporter, grpc);
    const struct tr_yaml_node *insecure = import_at(exporter, "tls", "insecure", NULL);
    const char *text;

    if (!node)
        return;
    text = import_text(import, node);
    for (size_t i = 0; i < TR_NELEMS(resolvers); i++)
        if (strncmp(text, resolvers[i], strlen(resolvers[i])) == 0)
            text += strlen(resolvers[i]);
    text = signal_path_cut(import, node, text);
    if (!*text)
        return; // noted, and the check will miss it
    if (!strstr(text, "://"))
        text = arena_format(import->arena, "%s://%s", insecure && import_true(import, insecure) ? "http" : "https", text);
    tree_put(import->arena, backend, "endpoint", text, false)->from = node;
}
