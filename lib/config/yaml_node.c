// SPDX-License-Identifier: Apache-2.0
// What is asked of a node, and how an error names it.
#include <stdarg.h>
#include <strings.h>

#include "config/yaml.h"

const struct tr_yaml_node *tr_yaml_find(const struct tr_yaml_node *map, const char *key, size_t key_bytes)
{
    if (map->kind != TR_YAML_MAP)
        return NULL;
    for (const struct tr_yaml_node *entry = map->first; entry; entry = entry->next)
        if (strncmp(entry->key, key, key_bytes) == 0 && !entry->key[key_bytes])
            return entry;
    return NULL;
}

bool tr_yaml_null(const struct tr_yaml_node *node)
{
    return node->kind == TR_YAML_SCALAR && node->plain &&
           (!*node->text || strcmp(node->text, "~") == 0 || strcasecmp(node->text, "null") == 0);
}

const char *tr_yaml_excerpt(char excerpt[TR_YAML_EXCERPT_BYTES], const char *text)
{
    const unsigned char *from = (const unsigned char *)text;
    size_t max = TR_YAML_EXCERPT_BYTES - 4, used = 0;

    for (; *from && used < max; from++) {
        bool c1 = from[0] == 0xc2 && from[1] >= 0x80 && from[1] < 0xa0; // a control character of two bytes

        excerpt[used++] = *from < 0x20 || *from == 0x7f || c1 ? '?' : (char)*from;
        from += c1;
    }
    if (*from) {
        while (used && ((unsigned char)excerpt[used - 1] & 0xc0) == 0x80) // not within a character
            used--;
        if (used && (unsigned char)excerpt[used - 1] >= 0xc0)
            used--;
        memcpy(excerpt + used, "...", 3);
        used += 3;
    }
    excerpt[used] = 0;
    return excerpt;
}

static size_t step_print(char *path, size_t used, const struct tr_yaml_node *node)
{
    char excerpt[TR_YAML_EXCERPT_BYTES];
    int n = 0;

    if (used >= TR_YAML_PATH_BYTES - 1)
        return used;
    if (node->key)
        n = snprintf(path + used, TR_YAML_PATH_BYTES - used, "%s%s", used ? "." : "",
                     tr_yaml_excerpt(excerpt, node->key));
    else if (node->parent)
        n = snprintf(path + used, TR_YAML_PATH_BYTES - used, "[%zu]", node->index);
    return TR_MIN(used + (size_t)n, (size_t)TR_YAML_PATH_BYTES - 1);
}

void tr_yaml_path(const struct tr_yaml_node *node, const char *name, char path[TR_YAML_PATH_BYTES])
{
    // Defaults and absent blocks hang a few nodes below what the file may nest.
    const struct tr_yaml_node *steps[TR_YAML_DEPTH_MAX * 2];
    const struct tr_yaml_node key = {.key = name};
    size_t n = 0, used = 0;

    path[0] = 0;
    for (; node && n < TR_NELEMS(steps); node = node->parent)
        steps[n++] = node;
    while (n > 0)
        used = step_print(path, used, steps[--n]);
    if (name)
        step_print(path, used, &key);
}

static int fail(unsigned line, const char *path, struct tr_error *error, const char *format, va_list args)
{
    char what[sizeof(error->text)];
    const char *colon = *path ? ": " : "";

    vsnprintf(what, sizeof(what), format, args);
    if (line == 0)
        return tr_error_set(error, EINVAL, "default of %s%s%s", path, colon, what);
    return tr_error_set(error, EINVAL, "line %u: %s%s%s", line, path, colon, what);
}

int tr_yaml_fail(const struct tr_yaml_node *node, struct tr_error *error, const char *format, ...)
{
    char path[TR_YAML_PATH_BYTES];
    va_list args;
    int rc;

    tr_yaml_path(node, NULL, path);
    va_start(args, format);
    rc = fail(node->line, path, error, format, args);
    va_end(args);
    return rc;
}

int tr_yaml_fail_key(const struct tr_yaml_node *map, const char *name, unsigned line, struct tr_error *error,
                     const char *format, ...)
{
    char path[TR_YAML_PATH_BYTES];
    va_list args;
    int rc;

    tr_yaml_path(map, name, path);
    va_start(args, format);
    rc = fail(line, path, error, format, args);
    va_end(args);
    return rc;
}
