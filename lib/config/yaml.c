// SPDX-License-Identifier: Apache-2.0
#include "config/yaml.h"

#include <yaml.h>

struct builder {
    struct tr_arena *arena;
    struct tr_error *error;
    struct tr_yaml_node *root;
    struct tr_yaml_node *open; // the list or map that takes the next node
    size_t nodes;
    unsigned depth;
    const char *key; // of a map's entry whose value comes next
    unsigned key_line;
    bool aliased; // anchors, aliases and merge keys have their meaning
    struct anchor {
        struct anchor *next;
        const char *name;
        const struct tr_yaml_node *node;
    } * anchors; // newest first
};

static unsigned line_of(const yaml_event_t *event)
{
    return (unsigned)event->start_mark.line + 1;
}

static int key_compare(const void *a, const void *b)
{
    const struct tr_yaml_node *x = *(struct tr_yaml_node *const *)a, *y = *(struct tr_yaml_node *const *)b;
    int order = strcmp(x->key, y->key);

    return order ? order : (x->index > y->index) - (x->index < y->index);
}

// Of all pairs of equal keys, the first one to be repeated in the file is reported.
static int keys_check(struct builder *b, const struct tr_yaml_node *map)
{
    struct tr_yaml_node **sorted, *twice = NULL, *before = NULL;
    size_t n = 0;

    if (map->count < 2)
        return 0;
    sorted = malloc(map->count * sizeof(struct tr_yaml_node *));
    if (!sorted)
        return tr_error_set(b->error, ENOMEM, "out of memory");
    for (struct tr_yaml_node *entry = map->first; entry; entry = entry->next)
        sorted[n++] = entry;
    qsort(sorted, n, sizeof(*sorted), key_compare);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0 && (!twice || sorted[i]->index < twice->index)) {
            before = sorted[i - 1];
            twice = sorted[i];
        }
    }
    free(sorted);
    if (twice)
        return tr_yaml_fail_key(map, twice->key, twice->key_line, b->error, "given twice (first on line %u)",
                                before->key_line);
    return 0;
}

static struct tr_yaml_node *node_add(struct builder *b, const yaml_event_t *event, enum tr_yaml_kind kind)
{
    struct tr_yaml_node *node, *parent = b->open;

    if (b->nodes == TR_YAML_NODES_MAX) {
        tr_error_set(b->error, EINVAL, "line %u: more than %d values", line_of(event), TR_YAML_NODES_MAX);
        return NULL;
    }
    node = tr_arena_alloc(b->arena, sizeof(*node));
    if (!node) {
        tr_error_set(b->error, ENOMEM, "out of memory");
        return NULL;
    }
    b->nodes++;
    node->kind = kind;
    node->line = line_of(event);
    node->parent = parent;
    if (!parent) {
        b->root = node;
        return node;
    }
    node->index = parent->count++;
    node->key = b->key;
    node->key_line = b->key_line;
    b->key = NULL;
    *(parent->last ? &parent->last->next : &parent->first) = node;
    parent->last = node;
    return node;
}

static int marked(struct builder *b, const yaml_event_t *event, const yaml_char_t *anchor,
                  const yaml_char_t *tag)
{
    if (anchor && !b->aliased)
        return tr_error_set(b->error, EINVAL, "line %u: anchors and aliases are not supported",
                            line_of(event));
    if (tag)
        return tr_error_set(b->error, EINVAL, "line %u: tags are not supported", line_of(event));
    return 0;
}

// Remember a node by its anchor, if it has one.
static int anchor_note(struct builder *b, const struct tr_yaml_node *node, const yaml_char_t *name)
{
    struct anchor *anchor = name ? tr_arena_alloc(b->arena, sizeof(*anchor)) : NULL;

    if (!name)
        return 0;
    if (!anchor)
        return tr_error_set(b->error, ENOMEM, "out of memory");
    *anchor = (struct anchor){.next = b->anchors,
                              .name = tr_arena_text(b->arena, (const char *)name, strlen((const char *)name)),
                              .node = node};
    b->anchors = anchor;
    return anchor->name ? 0 : tr_error_set(b->error, ENOMEM, "out of memory");
}

static int scalar_take(struct builder *b, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t bytes = event->data.scalar.length;
    struct tr_yaml_node *node;
    char *text;

    if (marked(b, event, event->data.scalar.anchor, event->data.scalar.tag))
        return -EINVAL;
    if (memchr(value, 0, bytes))
        return tr_error_set(b->error, EINVAL, "line %u: a NUL character in text", line_of(event));
    text = tr_arena_text(b->arena, value, bytes);
    if (!text)
        return tr_error_set(b->error, ENOMEM, "out of memory");
    if (b->open && b->open->kind == TR_YAML_MAP && !b->key) {
        if (bytes > TR_YAML_KEY_BYTES_MAX)
            return tr_error_set(b->error, EINVAL, "line %u: a key of more than %d bytes", line_of(event),
                                TR_YAML_KEY_BYTES_MAX);
        b->key = text;
        b->key_line = line_of(event);
        return 0;
    }
    node = node_add(b, event, TR_YAML_SCALAR);
    if (!node)
        return -EINVAL;
    node->text = text;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return anchor_note(b, node, event->data.scalar.anchor);
}

static int collection_begin(struct builder *b, const yaml_event_t *event, enum tr_yaml_kind kind,
                            const yaml_char_t *anchor, const yaml_char_t *tag)
{
    struct tr_yaml_node *node;

    if (marked(b, event, anchor, tag))
        return -EINVAL;
    if (b->open && b->open->kind == TR_YAML_MAP && !b->key)
        return tr_error_set(b->error, EINVAL, "line %u: a key must be text", line_of(event));
    if (b->depth == TR_YAML_DEPTH_MAX)
        return tr_error_set(b->error, EINVAL, "line %u: nested deeper than %d levels", line_of(event),
                            TR_YAML_DEPTH_MAX);
    node = node_add(b, event, kind);
    if (!node)
        return -EINVAL;
    b->open = node;
    b->depth++;
    return anchor_note(b, node, anchor);
}

static int collection_end(struct builder *b)
{
    struct tr_yaml_node *node = b->open;
    int rc = node->kind == TR_YAML_MAP ? keys_check(b, node) : 0;

    b->open = (struct tr_yaml_node *)node->parent;
    b->depth--;
    if (rc == 0 && b->aliased && node->kind == TR_YAML_MAP)
        tr_yaml_merge(node);
    return rc;
}

// A copy of `from` as the next node, as deep as it is; the bounds of depth and number hold for copies too.
static int node_copy(struct builder *b, const struct tr_yaml_node *from, const yaml_event_t *event)
{
    struct tr_yaml_node *node;
    int rc = 0;

    if (b->depth == TR_YAML_DEPTH_MAX)
        return tr_error_set(b->error, EINVAL, "line %u: nested deeper than %d levels", line_of(event),
                            TR_YAML_DEPTH_MAX);
    node = node_add(b, event, from->kind);
    if (!node)
        return -EINVAL;
    node->plain = from->plain;
    node->text = from->text;
    node->line = from->line;
    if (from->kind == TR_YAML_SCALAR)
        return 0;
    b->open = node;
    b->depth++;
    for (const struct tr_yaml_node *child = from->first; child && rc == 0; child = child->next) {
        b->key = child->key;
        b->key_line = child->key_line;
        rc = node_copy(b, child, event);
    }
    b->open = (struct tr_yaml_node *)node->parent;
    b->depth--;
    return rc;
}

static int alias_take(struct builder *b, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = b->anchors;

    if (marked(b, event, event->data.alias.anchor, NULL))
        return -EINVAL;
    if (b->open && b->open->kind == TR_YAML_MAP && !b->key)
        return tr_error_set(b->error, EINVAL, "line %u: a key must be text", line_of(event));
    while (anchor && strcmp(anchor->name, name) != 0)
        anchor = anchor->next;
    for (const struct tr_yaml_node *open = b->open; anchor && open; open = open->parent)
        if (open == anchor->node)
            return tr_error_set(b->error, EINVAL, "line %u: *%.60s stands within itself", line_of(event), name);
    if (!anchor)
        return tr_error_set(b->error, EINVAL, "line %u: no anchor &%.60s stands before", line_of(event), name);
    return node_copy(b, anchor->node, event);
}

static int event_take(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->root)
            return tr_error_set(b->error, EINVAL, "line %u: a second document", line_of(event));
        return 0;
    case YAML_ALIAS_EVENT:
        return alias_take(b, event);
    case YAML_SCALAR_EVENT:
        return scalar_take(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return collection_begin(b, event, TR_YAML_LIST, event->data.sequence_start.anchor,
                                event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return collection_begin(b, event, TR_YAML_MAP, event->data.mapping_start.anchor,
                                event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return collection_end(b);
    default:
        return 0;
    }
}

// libyaml gives errors of its reader (characters) by offset, of its scanner and parser by line.
static int syntax_fail(const yaml_parser_t *parser, const char *text, size_t bytes, struct tr_error *error)
{
    size_t line = parser->problem_mark.line + 1;
    const char *problem = parser->problem ? parser->problem : "out of memory";

    if (parser->error == YAML_READER_ERROR) {
        line = 1;
        for (size_t i = 0; i < TR_MIN(bytes, parser->problem_offset); i++)
            line += text[i] == '\n';
    }
    if (parser->context && parser->context_mark.line + 1 != line)
        return tr_error_set(error, EINVAL, "line %zu: not YAML: %s (%s that began on line %zu)", line,
                            problem, parser->context, parser->context_mark.line + 1);
    return tr_error_set(error, EINVAL, "line %zu: not YAML: %s", line, problem);
}

static int parse(struct tr_arena *arena, const char *text, size_t bytes, bool aliased, struct tr_yaml_node **root,
                 struct tr_error *error)
{
    struct builder b = {.arena = arena, .error = error, .aliased = aliased};
    yaml_parser_t parser;
    bool end = false;
    int rc = 0;

    if (bytes > TR_YAML_BYTES_MAX)
        return tr_error_set(error, EINVAL, "%zu bytes of text, more than %llu", bytes, TR_YAML_BYTES_MAX);
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { // editors of Windows begin with this mark
        text += 3;
        bytes -= 3;
    }
    if (!yaml_parser_initialize(&parser))
        return tr_error_set(error, ENOMEM, "out of memory");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
    while (!end && rc == 0) {
        yaml_event_t event;

        if (!yaml_parser_parse(&parser, &event)) {
            rc = syntax_fail(&parser, text, bytes, error);
            break;
        }
        end = event.type == YAML_STREAM_END_EVENT;
        rc = event_take(&b, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (rc)
        return rc;
    if (!b.root || tr_yaml_null(b.root)) {
        struct tr_yaml_node *empty = tr_arena_alloc(arena, sizeof(*empty));

        if (!empty)
            return tr_error_set(error, ENOMEM, "out of memory");
        *empty = (struct tr_yaml_node){.kind = TR_YAML_MAP, .line = 1};
        b.root = empty;
    }
    *root = b.root;
    return 0;
}

int tr_yaml_parse(struct tr_arena *arena, const char *text, size_t bytes, struct tr_yaml_node **root,
                  struct tr_error *error)
{
    return parse(arena, text, bytes, false, root, error);
}

int tr_yaml_parse_aliased(struct tr_arena *arena, const char *text, size_t bytes, struct tr_yaml_node **root,
                          struct tr_error *error)
{
    return parse(arena, text, bytes, true, root, error);
}
