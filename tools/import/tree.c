// SPDX-License-Identifier: Apache-2.0
#include "tree.h"

#include <stdarg.h>

#include "config/text.h"

static const char *format_in(struct tr_arena *arena, const char *format, va_list args)
{
    va_list again;
    char *text;
    int bytes;

    va_copy(again, args);
    bytes = vsnprintf(NULL, 0, format, again);
    va_end(again);
    tr_assert(bytes >= 0);
    text = tr_arena_alloc(arena, (size_t)bytes + 1);
    tr_assert(text);
    vsnprintf(text, (size_t)bytes + 1, format, args);
    return text;
}

const char *arena_format(struct tr_arena *arena, const char *format, ...)
{
    const char *text;
    va_list args;

    va_start(args, format);
    text = format_in(arena, format, args);
    va_end(args);
    return text;
}

static struct tree *add(struct tr_arena *arena, struct tree *parent, const char *key, enum tree_kind kind)
{
    struct tree *tree = tr_arena_alloc(arena, sizeof(*tree));

    tr_assert(tree);
    tree->kind = kind;
    tree->key = key ? arena_format(arena, "%s", key) : NULL;
    tree->parent = parent;
    if (parent) {
        *(parent->last ? &parent->last->next : &parent->first) = tree;
        parent->last = tree;
    }
    return tree;
}

struct tree *tree_map(struct tr_arena *arena, struct tree *parent, const char *key)
{
    return add(arena, parent, key, TREE_MAP);
}

struct tree *tree_list(struct tr_arena *arena, struct tree *parent, const char *key)
{
    return add(arena, parent, key, TREE_LIST);
}

struct tree *tree_find(const struct tree *map, const char *key)
{
    for (struct tree *entry = map->first; entry; entry = entry->next)
        if (entry->key && strcmp(entry->key, key) == 0 && !entry->removed)
            return entry;
    return NULL;
}

struct tree *tree_map_in(struct tr_arena *arena, struct tree *parent, const char *key)
{
    struct tree *found = tree_find(parent, key);

    return found ? found : tree_map(arena, parent, key);
}

struct tree *tree_list_in(struct tr_arena *arena, struct tree *parent, const char *key)
{
    struct tree *found = tree_find(parent, key);

    return found ? found : tree_list(arena, parent, key);
}

struct tree *tree_put(struct tr_arena *arena, struct tree *parent, const char *key, const char *text, bool plain)
{
    struct tree *tree = key ? tree_find(parent, key) : NULL;

    if (!tree)
        tree = add(arena, parent, key, TREE_SCALAR);
    tree->text = arena_format(arena, "%s", text);
    tree->plain = plain;
    return tree;
}

void tree_comment(struct tr_arena *arena, struct tree *tree, const char *format, ...)
{
    const char *line;
    va_list args;

    va_start(args, format);
    line = format_in(arena, format, args);
    va_end(args);
    tree->comment = tree->comment ? arena_format(arena, "%s\n%s", tree->comment, line) : line;
}

// The entry whose key is the path's next step; keys may hold dots.
static struct tree *step_key(const struct tree *map, const char **path)
{
    for (struct tree *entry = map->first; entry; entry = entry->next) {
        size_t bytes = entry->key ? strlen(entry->key) : 0;

        if (!entry->removed && bytes && strncmp(*path, entry->key, bytes) == 0 &&
            (!(*path)[bytes] || strchr(".[:", (*path)[bytes]))) {
            *path += bytes;
            return entry;
        }
    }
    return NULL;
}

static struct tree *step_index(const struct tree *list, const char **path)
{
    struct tree *item = list->first;
    char *end;
    size_t index = strtoull(*path + 1, &end, 10);

    if (**path != '[' || *end != ']')
        return NULL;
    while (item && (item->removed || index--))
        item = item->next;
    *path = end + 1;
    return item;
}

struct tree *tree_at(struct tree *root, const char *path)
{
    struct tree *at = root;

    for (struct tree *next = at; next && *path && *path != ':';) {
        path += *path == '.';
        next = at->kind == TREE_MAP ? step_key(at, &path) : at->kind == TREE_LIST ? step_index(at, &path) : NULL;
        at = next ? next : at;
    }
    return at;
}

#define LINE_BYTES 110

// Lines as comments; long ones are broken at a blank if they are prose.
static void lines_write(FILE *out, unsigned indent, const char *lines, bool prose)
{
    while (lines && *lines) {
        size_t bytes = strcspn(lines, "\n"), room = TR_MAX(LINE_BYTES - (int)indent, 40), cut = bytes;

        if (prose && bytes > room) {
            for (cut = room; cut && lines[cut] != ' ';)
                cut--;
            cut = cut ? cut : bytes;
        }
        fprintf(out, "%*s# %.*s\n", (int)indent, "", (int)cut, lines);
        lines += cut + (lines[cut] == '\n' || lines[cut] == ' ');
    }
}

static bool is_simple(const char *text)
{
    return *text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")];
}

// -50, 1e-3: in quotes it would be none.
static bool is_number(const char *text)
{
    char *end;

    strtod(text, &end);
    return *text && !*end && !text[strspn(text, "0123456789.eE+-")];
}

static void scalar_write(FILE *out, const struct tree *tree)
{
    if (tree->plain && (is_simple(tree->text) || is_number(tree->text)))
        fputs(tree->text, out);
    else
        tr_text_write(out, tree->text);
}

static size_t count_in(const struct tree *tree)
{
    size_t count = 0;

    for (const struct tree *child = tree->first; child; child = child->next)
        count += !child->removed;
    return count;
}

// A list of bare scalars fits one line.
static bool is_flow(const struct tree *list)
{
    size_t bytes = 0;

    if (list->kind != TREE_LIST)
        return false;
    for (const struct tree *item = list->first; item; item = item->next) {
        if (item->kind != TREE_SCALAR || item->comment || item->removed)
            return false;
        bytes += strlen(item->text) + 2;
    }
    return bytes < 90;
}

static void block_write(FILE *out, unsigned indent, const struct tree *tree);

static void value_write(FILE *out, unsigned indent, const struct tree *tree)
{
    if (tree->kind == TREE_SCALAR) {
        fputc(' ', out);
        scalar_write(out, tree);
        fputc('\n', out);
    } else if (is_flow(tree)) {
        fputs(" [", out);
        for (const struct tree *item = tree->first; item; item = item->next) {
            scalar_write(out, item);
            fputs(item->next ? ", " : "", out);
        }
        fputs("]\n", out);
    } else if (!count_in(tree)) {
        fputs(tree->kind == TREE_MAP ? " {}\n" : " []\n", out);
        block_write(out, indent + 2, tree);
    } else {
        fputc('\n', out);
        block_write(out, indent + 2, tree);
    }
}

static void child_write(FILE *out, unsigned indent, const struct tree *child)
{
    if (child->key) {
        fprintf(out, "%*s", (int)indent, "");
        tr_text_write(out, child->key);
        fputc(':', out);
        value_write(out, indent, child);
    } else if (child->kind == TREE_MAP && count_in(child) && !child->first->comment && !child->first->removed) {
        // The first entry stands behind the dash.
        char *text = NULL;
        size_t bytes = 0;
        FILE *block = open_memstream(&text, &bytes);

        tr_assert(block);
        block_write(block, indent + 2, child);
        fclose(block);
        text[indent] = '-';
        fputs(text, out);
        free(text);
    } else {
        fprintf(out, "%*s-", (int)indent, "");
        value_write(out, indent, child);
    }
}

static void removed_write(FILE *out, unsigned indent, const struct tree *child)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *block = open_memstream(&text, &bytes);

    tr_assert(block);
    child_write(block, 0, child);
    fclose(block);
    lines_write(out, indent, child->removed, true);
    lines_write(out, indent, text, false);
    free(text);
}

static void block_write(FILE *out, unsigned indent, const struct tree *tree)
{
    for (const struct tree *child = tree->first; child; child = child->next) {
        lines_write(out, indent, child->comment, true);
        if (child->removed)
            removed_write(out, indent, child);
        else
            child_write(out, indent, child);
    }
}

void tree_write(const struct tree *root, FILE *out)
{
    lines_write(out, 0, root->comment, true);
    for (const struct tree *child = root->first; child; child = child->next) {
        fputc('\n', out);
        lines_write(out, 0, child->comment, true);
        if (child->removed)
            removed_write(out, 0, child);
        else
            child_write(out, 0, child);
    }
}
