// SPDX-License-Identifier: Apache-2.0
// What all components have in common: notes, tables of options, copies.
#include "import.h"

#include <stdarg.h>

void import_note_path(struct import *import, unsigned line, const char *path, const char *why)
{
    for (size_t i = 0; i < import->notes_count; i++)
        if (strcmp(import->notes[i].path, path) == 0 && strcmp(import->notes[i].why, why) == 0)
            return;
    if (import->notes_count == import->notes_room) {
        import->notes_room = import->notes_room * 2 + 16;
        import->notes = realloc(import->notes, import->notes_room * sizeof(*import->notes));
        tr_assert(import->notes);
    }
    import->notes[import->notes_count++] =
        (struct import_note){.line = line,
                             .path = arena_format(import->arena, "%s", path),
                             .why = arena_format(import->arena, "%s", why)};
}

void import_note(struct import *import, const struct tr_yaml_node *node, const char *format, ...)
{
    char path[TR_YAML_PATH_BYTES], why[512];
    va_list args;

    tr_yaml_path(node, NULL, path);
    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    import_note_path(import, node->key ? node->key_line : node->line, path, why);
}

void import_options(struct import *import, const struct tr_yaml_node *map, const struct import_option *rows,
                    size_t count, struct tree *to)
{
    for (const struct tr_yaml_node *option = import_entries(map); option; option = option->next) {
        size_t i = 0;

        while (i < count && strcmp(rows[i].name, option->key) != 0)
            i++;
        if (i == count)
            import_note(import, option, "has no counterpart here");
        else if (rows[i].take)
            rows[i].take(import, option, to);
        else if (rows[i].why)
            import_note(import, option, "%s", rows[i].why);
    }
}

const struct tr_yaml_node *import_at(const struct tr_yaml_node *map, ...)
{
    va_list keys;
    const char *key;

    va_start(keys, map);
    while (map && (key = va_arg(keys, const char *)))
        map = tr_yaml_find(map, key, strlen(key));
    va_end(keys);
    return map;
}

bool import_is_type(const char *id, const char *type)
{
    static const char *const same[][2] = {{"otlphttp", "otlp_http"}, {"otlp_grpc", "otlp"},
                                          {"logging", "debug"},      {"span_metrics", "spanmetrics"},
                                          {"memorylimiter", "memory_limiter"}};
    size_t bytes = strcspn(id, "/");

    for (size_t i = 0; i < TR_NELEMS(same); i++)
        if (strlen(same[i][0]) == bytes && strncmp(id, same[i][0], bytes) == 0)
            return strcmp(same[i][1], type) == 0;
    return strlen(type) == bytes && strncmp(id, type, bytes) == 0;
}

// Whether what stands there is read as YAML has it, a number or a truth. The Collector reads the value of a variable so
// where the reference is all there is, in quotes too.
static bool is_plain(const struct tr_yaml_node *node)
{
    size_t bytes = strlen(node->text);

    return node->plain || (strncmp(node->text, "${", 2) == 0 && strchr(node->text, '}') == node->text + bytes - 1);
}

struct tree *import_put(struct import *import, struct tree *to, const char *key, const struct tr_yaml_node *node)
{
    struct tree *put = tree_put(import->arena, to, key, import_text(import, node), is_plain(node));

    put->from = node;
    put->removable = key != NULL;
    return put;
}

// As deep as the file nests, which config/yaml.h bounds.
struct tree *import_copy(struct import *import, struct tree *to, const char *key, const struct tr_yaml_node *node)
{
    struct tree *copy;

    if (node->kind == TR_YAML_SCALAR && tr_yaml_null(node)) {
        copy = tree_map(import->arena, to, key);
    } else if (node->kind == TR_YAML_SCALAR) {
        copy = tree_put(import->arena, to, key, import_text(import, node), is_plain(node));
    } else {
        copy = (node->kind == TR_YAML_MAP ? tree_map : tree_list)(import->arena, to, key);
        for (const struct tr_yaml_node *child = node->first; child; child = child->next)
            import_copy(import, copy, child->key, child);
    }
    copy->from = node;
    return copy;
}
