// SPDX-License-Identifier: Apache-2.0
// From a tree of nodes to the structs of the tables.
#include "config/doc.h"
#include "config/value.h"

#define ROWS_MAX 256 // of a table

static int row_bind(struct tr_arena *arena, const struct tr_option *row, void *options,
                    const struct tr_yaml_node *node, struct tr_error *error);

static int kind_check(const struct tr_yaml_node *node, enum tr_yaml_kind kind, struct tr_error *error)
{
    static const char *const kinds[] = {"a single value", "a list", "a mapping"};

    if (node->kind == kind || tr_yaml_null(node))
        return 0;
    return tr_yaml_fail(node, error, "expected %s, found %s", kinds[kind], kinds[node->kind]);
}

static int memory_fail(struct tr_error *error)
{
    return tr_error_set(error, ENOMEM, "out of memory");
}

// A text in a list or map, under the row's flags.
static int text_bind(const struct tr_option *row, const struct tr_yaml_node *node, const char **text,
                     struct tr_error *error)
{
    const struct tr_option item = {.type = TR_TYPE_STRING, .flags = row->flags & TR_SECRET};

    return tr_value_parse(&item, node, text, error);
}

static int strings_bind(struct tr_arena *arena, const struct tr_option *row, struct tr_strings *strings,
                        const struct tr_yaml_node *node, struct tr_error *error)
{
    if (row->flags & TR_ONE_TOO && node->kind == TR_YAML_SCALAR && !tr_yaml_null(node)) {
        *strings = (struct tr_strings){.items = tr_arena_array(arena, 1, sizeof(char *)), .count = 1};
        return strings->items ? text_bind(row, node, &strings->items[0], error) : memory_fail(error);
    }
    if (kind_check(node, TR_YAML_LIST, error) || tr_value_count_check(row, node->count, node, error))
        return -EINVAL;
    *strings = (struct tr_strings){.items = tr_arena_array(arena, node->count, sizeof(char *))};
    if (!strings->items)
        return memory_fail(error);
    for (const struct tr_yaml_node *item = node->first; item; item = item->next)
        if (text_bind(row, item, &strings->items[strings->count++], error))
            return -EINVAL;
    return 0;
}

static int map_bind(struct tr_arena *arena, const struct tr_option *row, struct tr_map *map,
                    const struct tr_yaml_node *node, struct tr_error *error)
{
    if (kind_check(node, TR_YAML_MAP, error) || tr_value_count_check(row, node->count, node, error))
        return -EINVAL;
    *map = (struct tr_map){.keys = tr_arena_array(arena, node->count, sizeof(char *)),
                           .values = tr_arena_array(arena, node->count, sizeof(char *))};
    if (!map->keys || !map->values)
        return memory_fail(error);
    for (const struct tr_yaml_node *entry = node->first; entry; entry = entry->next) {
        map->keys[map->count] = entry->key;
        if (text_bind(row, entry, &map->values[map->count++], error))
            return -EINVAL;
    }
    return 0;
}

static int list_bind(struct tr_arena *arena, const struct tr_option *row, struct tr_list *list,
                     const struct tr_yaml_node *node, struct tr_error *error)
{
    size_t bytes = row->table->struct_bytes;

    if (kind_check(node, TR_YAML_LIST, error) || tr_value_count_check(row, node->count, node, error))
        return -EINVAL;
    *list = (struct tr_list){.items = tr_arena_array(arena, node->count, bytes)};
    if (!list->items)
        return memory_fail(error);
    for (const struct tr_yaml_node *item = node->first; item; item = item->next) {
        int rc = tr_options_bind(arena, row->table, (char *)list->items + bytes * list->count++, item, error);

        if (rc)
            return rc;
    }
    return 0;
}

static int pointer_bind(struct tr_arena *arena, const struct tr_option *row, void **pointer,
                        const struct tr_yaml_node *node, struct tr_error *error)
{
    *pointer = tr_arena_alloc(arena, row->table->struct_bytes);
    if (!*pointer)
        return memory_fail(error);
    return tr_options_bind(arena, row->table, *pointer, node, error);
}

static int row_bind(struct tr_arena *arena, const struct tr_option *row, void *options,
                    const struct tr_yaml_node *node, struct tr_error *error)
{
    void *field = (char *)options + row->offset;

    switch (row->type) {
    case TR_TYPE_STRINGS:
        return strings_bind(arena, row, field, node, error);
    case TR_TYPE_MAP:
        return map_bind(arena, row, field, node, error);
    case TR_TYPE_STRUCT:
        return tr_options_bind(arena, row->table, field, node, error);
    case TR_TYPE_POINTER:
        return pointer_bind(arena, row, field, node, error);
    case TR_TYPE_LIST:
        return list_bind(arena, row, field, node, error);
    default:
        return tr_value_parse(row, node, field, error);
    }
}

// What the file would say if it spelled out the default: a node below the map, without a line of its own.
static int initial_bind(struct tr_arena *arena, const struct tr_option *row, void *options,
                        const struct tr_yaml_node *map, struct tr_error *error)
{
    struct tr_yaml_node node = {.kind = TR_YAML_SCALAR, .plain = true, .text = row->initial}, *root = &node;
    struct tr_yaml_node *kept;
    int rc;

    if (!tr_value_is_scalar(row->type)) {
        rc = tr_yaml_parse(arena, row->initial, strlen(row->initial), &root, error);
        if (rc)
            return rc;
    }
    kept = tr_arena_alloc(arena, sizeof(*kept));
    if (!kept)
        return memory_fail(error);
    *kept = *root;
    kept->key = row->name;
    kept->parent = map;
    kept->line = 0;
    for (struct tr_yaml_node *item = kept->first; item; item = item->next) {
        item->parent = kept;
        item->line = 0;
    }
    return row_bind(arena, row, options, kept, error);
}

// A row that the file doesn't mention.
static int absent_bind(struct tr_arena *arena, const struct tr_option *row, void *options,
                       const struct tr_yaml_node *map, struct tr_error *error)
{
    struct tr_yaml_node empty = {.key = row->name, .parent = map, .line = map->line};

    if (row->flags & TR_REQUIRED)
        return tr_yaml_fail_key(map, row->name, map->line, error, "is required");
    if (row->initial)
        return initial_bind(arena, row, options, map, error);
    switch (row->type) {
    case TR_TYPE_STRUCT:
        empty.kind = TR_YAML_MAP;
        return row_bind(arena, row, options, &empty, error);
    case TR_TYPE_STRINGS:
    case TR_TYPE_MAP:
    case TR_TYPE_LIST:
        return tr_value_count_check(row, 0, &empty, error);
    default:
        return 0;
    }
}

static int unknown_fail(const struct tr_option_table *table, const struct tr_yaml_node *map,
                        const struct tr_yaml_node *entry, struct tr_error *error)
{
    struct tr_nearest nearest = {.written = entry->key};
    const char *meant = table->unknown ? table->unknown(entry->key) : NULL;

    if (meant)
        return tr_yaml_fail_key(map, entry->key, entry->key_line, error, "unknown key: %s", meant);
    for (size_t i = 0; i < table->count; i++)
        tr_nearest_offer(&nearest, table->rows[i].name);
    if (nearest.name)
        return tr_yaml_fail_key(map, entry->key, entry->key_line, error, "unknown key (did you mean \"%s\"?)",
                                nearest.name);
    return tr_yaml_fail_key(map, entry->key, entry->key_line, error, "unknown key");
}

static int table_check(const struct tr_option_table *table, void *options, const struct tr_yaml_node *map,
                       struct tr_error *error)
{
    char path[TR_YAML_PATH_BYTES];
    int rc;

    if (!table->check)
        return 0;
    tr_yaml_path(map, NULL, path);
    rc = table->check(options, path, error);
    if (rc) {
        const struct tr_yaml_node *root = map;

        while (root->parent)
            root = root->parent;
        tr_options_locate_in(root, error);
    }
    return rc;
}

int tr_options_bind(struct tr_arena *arena, const struct tr_option_table *table, void *options,
                    const struct tr_yaml_node *map, struct tr_error *error)
{
    bool seen[ROWS_MAX] = {false};
    int rc = kind_check(map, TR_YAML_MAP, error);

    tr_assert(table->count <= ROWS_MAX);
    for (const struct tr_yaml_node *entry = map->first; entry && !rc; entry = entry->next) {
        size_t i = 0;

        while (i < table->count && strcmp(table->rows[i].name, entry->key) != 0)
            i++;
        if (i == table->count)
            return unknown_fail(table, map, entry, error);
        seen[i] = true;
        rc = row_bind(arena, &table->rows[i], options, entry, error);
    }
    for (size_t i = 0; i < table->count && !rc; i++)
        if (!seen[i])
            rc = absent_bind(arena, &table->rows[i], options, map, error);
    return rc ? rc : table_check(table, options, map, error);
}
