// SPDX-License-Identifier: Apache-2.0
#include "config/doc.h"

#include <fcntl.h>
#include <unistd.h>

int tr_options_parse(const struct tr_option_table *table, const char *text, size_t bytes,
                     struct tr_options_doc **doc, struct tr_error *error)
{
    struct tr_options_doc *d = calloc(1, sizeof(*d));
    struct tr_yaml_node *root;
    int rc;

    if (!d)
        return tr_error_set(error, ENOMEM, "out of memory");
    rc = tr_yaml_parse(&d->arena, text, bytes, &root, error);
    if (rc)
        goto fail;
    d->root = root;
    d->table = table;
    d->text = tr_arena_text(&d->arena, text, bytes);
    d->options = tr_arena_alloc(&d->arena, table->struct_bytes);
    if (!d->text || !d->options) {
        rc = tr_error_set(error, ENOMEM, "out of memory");
        goto fail;
    }
    rc = tr_options_bind(&d->arena, table, d->options, root, error);
    if (rc)
        goto fail;
    *doc = d;
    return 0;
fail:
    tr_options_free(d);
    return rc;
}

// Returns the file's bytes in *text (malloc'd), or -errno. One byte more than is allowed is enough to refuse
// it.
static ssize_t file_read(const char *path, char **text, struct tr_error *error)
{
    size_t max = TR_YAML_BYTES_MAX + 1, used = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC), code;
    ssize_t n = 0;

    if (fd < 0)
        return tr_error_set(error, errno, "%s: %s", path, strerror(errno));
    *text = malloc(max);
    if (!*text) {
        close(fd);
        return tr_error_set(error, ENOMEM, "out of memory");
    }
    while (used < max && (n = read(fd, *text + used, max - used)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        used += (size_t)n;
    }
    code = errno;
    close(fd);
    if (n >= 0)
        return (ssize_t)used;
    free(*text);
    return tr_error_set(error, code, "%s: %s", path, strerror(code));
}

int tr_options_parse_file(const struct tr_option_table *table, const char *path, struct tr_options_doc **doc,
                          struct tr_error *error)
{
    char *text = NULL;
    ssize_t bytes = file_read(path, &text, error);
    int rc;

    if (bytes < 0)
        return (int)bytes;
    rc = tr_options_parse(table, text, (size_t)bytes, doc, error);
    free(text);
    return rc;
}

void tr_options_free(struct tr_options_doc *doc)
{
    if (!doc)
        return;
    tr_arena_fini(&doc->arena);
    free(doc);
}

void *tr_options_struct(struct tr_options_doc *doc)
{
    return doc->options;
}

const char *tr_options_text(const struct tr_options_doc *doc)
{
    return doc->text;
}

// The longest key of the map that the path goes on with: keys may hold dots themselves.
static const struct tr_yaml_node *step_key(const struct tr_yaml_node *map, const char **path)
{
    const struct tr_yaml_node *found = NULL;
    size_t longest = 0;

    for (const struct tr_yaml_node *entry = map->first; entry; entry = entry->next) {
        size_t bytes = strlen(entry->key);

        if (bytes > longest && strncmp(*path, entry->key, bytes) == 0 && strchr(".[: ", (*path)[bytes])) {
            longest = bytes;
            found = entry;
        }
    }
    *path += longest;
    return found;
}

// "[3]" or "[tempo]", the latter being the item's name.
static const struct tr_yaml_node *step_index(const struct tr_yaml_node *list, const char **path)
{
    const char *begin = *path + 1, *end = strchr(begin, ']');

    if (**path != '[' || !end)
        return NULL;
    for (const struct tr_yaml_node *item = list->first; item; item = item->next) {
        const struct tr_yaml_node *name = tr_yaml_find(item, "name", 4);
        const char *text = name && name->kind == TR_YAML_SCALAR ? name->text : "";
        char number[24];

        snprintf(number, sizeof(number), "%zu", item->index);
        if ((strlen(number) == (size_t)(end - begin) && strncmp(number, begin, strlen(number)) == 0) ||
            (*text && strlen(text) == (size_t)(end - begin) && strncmp(text, begin, strlen(text)) == 0)) {
            *path = end + 1;
            return item;
        }
    }
    return NULL;
}

void tr_options_locate_in(const struct tr_yaml_node *root, struct tr_error *error)
{
    const struct tr_yaml_node *node = root, *next = root;
    const char *path = error->text;

    while (next) {
        node = next;
        if (*path == '.')
            path++;
        next = node->kind == TR_YAML_MAP    ? step_key(node, &path)
               : node->kind == TR_YAML_LIST ? step_index(node, &path)
                                            : NULL;
    }
    if (error->text[0] == '.') // a check at the root, where the path before the dot is empty
        memmove(error->text, error->text + 1, strlen(error->text));
    if (node != root)
        tr_error_prefix(error, "line %u", node->line);
}

void tr_options_locate(const struct tr_options_doc *doc, struct tr_error *error)
{
    tr_options_locate_in(doc->root, error);
}
