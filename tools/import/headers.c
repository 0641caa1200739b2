// SPDX-License-Identifier: Apache-2.0
// Headers of an exporter. A secret never lands in the file: what comes from the environment is still read from there,
// when the backend starts.
#include "import.h"

#include <ctype.h>

static struct tree *headers(struct import *import, struct tree *backend)
{
    return tree_map_in(import->arena, backend, "headers");
}

// A variable to be set by the user, who is told what to put into it.
static const char *variable_name(struct import *import, const struct tree *backend, const char *header)
{
    const struct tree *name = tree_find(backend, "name");
    const char *text = arena_format(import->arena, "TAILRACE_%s_%s", name ? name->text : "", header);

    for (char *p = (char *)(uintptr_t)text; *p; p++)
        *p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
    return text;
}

// `value` is as it stands in the Collector's file.
static void header_put(struct import *import, const struct tr_yaml_node *node, struct tree *backend, const char *name,
                       const char *value)
{
    const char *space = strrchr(value, ' '), *last = space ? space + 1 : value, *kind, *place;
    struct tree *put;

    if (!strstr(value, "${")) {
        value = import_text(import, node);
    } else if (import_reference(import, last, &kind, &place) &&
               !strchr(arena_format(import->arena, "%.*s", (int)(last - value), value), '$')) {
        value = arena_format(import->arena, "%.*s%s:%s", (int)(last - value), value, kind, place);
    } else {
        const char *variable = variable_name(import, backend, name);

        import_note(import, node, "a value put together of variables: set %s to the whole of it", variable);
        value = arena_format(import->arena, "env:%s", variable);
    }
    put = tree_put(import->arena, headers(import, backend), name, value, false);
    put->from = node;
    put->removable = true;
}

void import_headers(struct import *import, const struct tr_yaml_node *option, struct tree *backend)
{
    for (const struct tr_yaml_node *header = option->first; header; header = header->next) {
        const struct tr_yaml_node *name = import_at(header, "name", NULL), *value = import_at(header, "value", NULL);

        if (header->kind == TR_YAML_SCALAR && header->key)
            header_put(import, header, backend, header->key, header->text);
        else if (name && value && name->kind == TR_YAML_SCALAR && value->kind == TR_YAML_SCALAR)
            header_put(import, value, backend, name->text, value->text);
        else
            import_note(import, header, "is no header");
    }
}

static void bearer_take(struct import *import, const struct tr_yaml_node *extension, struct tree *backend)
{
    const struct tr_yaml_node *scheme = import_at(extension, "scheme", NULL), *node = import_at(extension, "token", NULL);
    const struct tr_yaml_node *header = import_at(extension, "header", NULL);
    const char *first = scheme ? import_text(import, scheme) : "Bearer", *value;

    if (!node)
        node = import_at(extension, "filename", NULL);
    if (!node || node->kind != TR_YAML_SCALAR) {
        import_note(import, extension, "has neither token nor filename");
        return;
    }
    value = strcmp(node->key, "token") == 0 ? node->text : arena_format(import->arena, "${file:%s}", node->text);
    if (*first)
        value = arena_format(import->arena, "%s %s", first, value);
    if (strstr(value, "${"))
        header_put(import, node, backend, header ? import_text(import, header) : "Authorization", value);
    else
        tree_put(import->arena, headers(import, backend), header ? import_text(import, header) : "Authorization", value,
                 false);
}

static void basic_take(struct import *import, const struct tr_yaml_node *extension, struct tree *backend)
{
    const char *variable = variable_name(import, backend, "Basic");

    tree_put(import->arena, headers(import, backend), "Authorization",
             arena_format(import->arena, "Basic env:%s", variable), false);
    import_note(import, extension, "set %s to what `printf %%s USER:PASSWORD | base64 -w0` prints", variable);
}

void import_auth(struct import *import, const struct tr_yaml_node *option, struct tree *backend)
{
    const char *id = import_text(import, import_at(option, "authenticator", NULL));
    const struct tr_yaml_node *extension = import_at(import->root, "extensions", id, NULL);

    if (extension && (import_is_type(id, "bearertokenauth") || import_is_type(id, "bearer_token_auth")))
        bearer_take(import, extension, backend);
    else if (extension && (import_is_type(id, "basicauth") || import_is_type(id, "basic_auth")))
        basic_take(import, extension, backend);
    else
        import_note(import, option, "%s: of authenticators only bearertokenauth and basicauth have a counterpart (headers)",
                    id);
}
