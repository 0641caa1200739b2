// SPDX-License-Identifier: Apache-2.0
// What changes from one config to another, a line a value.
//
// Items of a list are matched by their `name`, if the table has one and each name of both lists is there
// once; otherwise by index. A value that appears or goes away has "" on the other side.
#include <stdarg.h>

#include "config/doc.h"
#include "config/text.h"

struct diff {
    tr_options_diff_fn each;
    void *context;
    size_t count;
    char path[TR_YAML_PATH_BYTES]; // longer ones are cut
};

static void rows_diff(struct diff *diff, const struct tr_option_table *table, const void *before,
                      const void *after);

// Lengthen the path. Returns its length before, for path_pop().
static size_t path_push(struct diff *diff, const char *format, ...) tr_printf(2, 3);
static size_t path_push(struct diff *diff, const char *format, ...)
{
    size_t used = strlen(diff->path);
    va_list args;

    va_start(args, format);
    vsnprintf(diff->path + used, sizeof(diff->path) - used, format, args);
    va_end(args);
    return used;
}

static void path_pop(struct diff *diff, size_t used)
{
    diff->path[used] = 0;
}

// A side of a difference, as text: `write` of `what` under `row`. NULL: nothing there.
typedef void (*write_fn)(FILE *out, const struct tr_option *row, const void *what);

static char *side_text(write_fn write, const struct tr_option *row, const void *what)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = what ? open_memstream(&text, &bytes) : NULL;

    if (!out)
        return NULL;
    write(out, row, what);
    fclose(out);
    return text;
}

static void report(struct diff *diff, write_fn write, const struct tr_option *row, const void *before,
                   const void *after)
{
    char *old, *new;

    diff->count++;
    if (!diff->each)
        return;
    old = side_text(write, row, before);
    new = side_text(write, row, after);
    diff->each(diff->context, diff->path, old ? old : "", new ? new : "", row->flags & TR_LIVE);
    free(old);
    free(new);
}

static void item_write(FILE *out, const struct tr_option *row, const void *item)
{
    tr_text_write_flow_struct(out, row->table, item);
}

static bool strings_equal(const struct tr_strings *a, const struct tr_strings *b)
{
    for (size_t i = 0; a->count == b->count && i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return a->count == b->count;
}

static const char *map_find(const struct tr_map *map, const char *key)
{
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i], key) == 0)
            return map->values[i];
    return NULL;
}

// Report one key of a map as if it were an option of its own.
static void key_report(struct diff *diff, const struct tr_option *row, const char *key, const char *before,
                       const char *after)
{
    const struct tr_option text = {.type = TR_TYPE_STRING, .flags = row->flags & (TR_SECRET | TR_LIVE)};
    char excerpt[TR_YAML_EXCERPT_BYTES];
    size_t used = path_push(diff, ".%s", tr_yaml_excerpt(excerpt, key));

    report(diff, tr_text_write_value, &text, before ? &before : NULL, after ? &after : NULL);
    path_pop(diff, used);
}

static void map_diff(struct diff *diff, const struct tr_option *row, const struct tr_map *before,
                     const struct tr_map *after)
{
    for (size_t i = 0; i < before->count; i++) {
        const char *value = map_find(after, before->keys[i]);

        if (!value || strcmp(value, before->values[i]) != 0)
            key_report(diff, row, before->keys[i], before->values[i], value);
    }
    for (size_t i = 0; i < after->count; i++)
        if (!map_find(before, after->keys[i]))
            key_report(diff, row, after->keys[i], NULL, after->values[i]);
}

static const void *item_at(const struct tr_option *row, const struct tr_list *list, size_t index)
{
    return index < list->count ? (const char *)list->items + index * row->table->struct_bytes : NULL;
}

// Both sides of an item; NULL: not there.
static void item_diff(struct diff *diff, const struct tr_option *row, const void *before, const void *after)
{
    if (before && after)
        rows_diff(diff, row->table, before, after);
    else
        report(diff, item_write, row, before, after);
}

// An item of a list by name.
struct named {
    const char *name;
    size_t index;
    const void *item;
};

static int named_compare(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static const struct named *named_find(const struct named *sorted, size_t count, const char *name)
{
    const struct named key = {.name = name};

    return count ? bsearch(&key, sorted, count, sizeof(key), named_compare) : NULL;
}

// Returns the items sorted by name (malloc'd), NULL: some have none, or the same one.
static struct named *named_sort(const struct tr_option *row, const struct tr_option *name,
                                const struct tr_list *list)
{
    struct named *sorted = calloc(list->count + 1, sizeof(*sorted));
    bool unique = sorted;

    for (size_t i = 0; unique && i < list->count; i++) {
        sorted[i].item = item_at(row, list, i);
        sorted[i].index = i;
        sorted[i].name = *(const char *const *)tr_text_field(name, sorted[i].item);
        unique = sorted[i].name;
    }
    if (unique && list->count)
        qsort(sorted, list->count, sizeof(*sorted), named_compare);
    for (size_t i = 1; unique && i < list->count; i++)
        unique = named_compare(&sorted[i - 1], &sorted[i]) != 0;
    if (unique)
        return sorted;
    free(sorted);
    return NULL;
}

struct names {
    const struct tr_list *list;
    const struct tr_option *name;
};

static void names_write(FILE *out, const struct tr_option *row, const void *what)
{
    const struct names *names = what;

    fputc('[', out);
    for (size_t i = 0; i < names->list->count; i++) {
        fputs(i ? ", " : "", out);
        tr_text_write(out, *(const char *const *)tr_text_field(names->name, item_at(row, names->list, i)));
    }
    fputc(']', out);
}

static void named_diff(struct diff *diff, const struct tr_option *row, const struct tr_option *name,
                       const struct tr_list *before, const struct named *old, const struct tr_list *after,
                       const struct named *new)
{
    char excerpt[TR_YAML_EXCERPT_BYTES];
    bool moved = false;
    size_t last = 0;

    for (size_t i = 0; i < before->count; i++) {
        const void *item = item_at(row, before, i);
        const char *text = *(const char *const *)tr_text_field(name, item);
        const struct named *other = named_find(new, after->count, text);
        size_t used = path_push(diff, "[%s]", tr_yaml_excerpt(excerpt, text));

        item_diff(diff, row, item, other ? other->item : NULL);
        path_pop(diff, used);
        moved |= other && other->index < last;
        last = other ? other->index : last;
    }
    for (size_t i = 0; i < after->count; i++) {
        const void *item = item_at(row, after, i);
        const char *text = *(const char *const *)tr_text_field(name, item);

        if (!named_find(old, before->count, text)) {
            size_t used = path_push(diff, "[%s]", tr_yaml_excerpt(excerpt, text));

            item_diff(diff, row, NULL, item);
            path_pop(diff, used);
        }
    }
    if (moved)
        report(diff, names_write, row, &(struct names){before, name}, &(struct names){after, name});
}

static void list_diff(struct diff *diff, const struct tr_option *row, const struct tr_list *before,
                      const struct tr_list *after)
{
    const struct tr_option *name = NULL;
    struct named *old = NULL, *new = NULL;

    for (size_t i = 0; i < row->table->count; i++)
        if (strcmp(row->table->rows[i].name, "name") == 0 && row->table->rows[i].type == TR_TYPE_STRING)
            name = &row->table->rows[i];
    if (name) {
        old = named_sort(row, name, before);
        new = named_sort(row, name, after);
    }
    if (old && new) {
        named_diff(diff, row, name, before, old, after, new);
    } else {
        for (size_t i = 0; i < TR_MAX(before->count, after->count); i++) {
            size_t used = path_push(diff, "[%zu]", i);

            item_diff(diff, row, item_at(row, before, i), item_at(row, after, i));
            path_pop(diff, used);
        }
    }
    free(old);
    free(new);
}

static void row_diff(struct diff *diff, const struct tr_option *row, const void *before, const void *after)
{
    const void *old, *new;

    switch (row->type) {
    case TR_TYPE_STRUCT:
        rows_diff(diff, row->table, before, after);
        break;
    case TR_TYPE_POINTER:
        old = *(void *const *)before;
        new = *(void *const *)after;
        if (old || new)
            item_diff(diff, row, old, new);
        break;
    case TR_TYPE_LIST:
        list_diff(diff, row, before, after);
        break;
    case TR_TYPE_MAP:
        map_diff(diff, row, before, after);
        break;
    case TR_TYPE_STRINGS:
        if (!strings_equal(before, after))
            report(diff, tr_text_write_value, row, before, after);
        break;
    default:
        if (!tr_text_equal(row, before, after))
            report(diff, tr_text_write_value, row, tr_text_has_value(row, before) ? before : NULL,
                   tr_text_has_value(row, after) ? after : NULL);
    }
}

static void rows_diff(struct diff *diff, const struct tr_option_table *table, const void *before,
                      const void *after)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct tr_option *row = &table->rows[i];
        size_t used = path_push(diff, "%s%s", *diff->path ? "." : "", row->name);

        row_diff(diff, row, tr_text_field(row, before), tr_text_field(row, after));
        path_pop(diff, used);
    }
}

size_t tr_options_diff(const struct tr_options_doc *before, const struct tr_options_doc *after,
                       tr_options_diff_fn each, void *context)
{
    struct diff diff = {.each = each, .context = context};

    tr_assert(before->table == after->table);
    rows_diff(&diff, before->table, before->options, after->options);
    return diff.count;
}
