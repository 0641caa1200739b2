// SPDX-License-Identifier: Apache-2.0
// What paths mean.
#include "policy/ottl_compile.h"

static const struct {
    enum tr_ottl_path_context context;
    const char *name, *below;
    enum tr_ottl_field field;
} fields[] = {
    {TR_OTTL_PATH_SPAN, "name", NULL, TR_OTTL_NAME},
    {TR_OTTL_PATH_SPAN, "kind", NULL, TR_OTTL_KIND},
    {TR_OTTL_PATH_SPAN, "kind", "string", TR_OTTL_KIND_STRING},
    {TR_OTTL_PATH_SPAN, "kind", "deprecated_string", TR_OTTL_KIND_NAME},
    {TR_OTTL_PATH_SPAN, "status", NULL, TR_OTTL_STATUS_WHOLE},
    {TR_OTTL_PATH_SPAN, "status", "code", TR_OTTL_STATUS_CODE},
    {TR_OTTL_PATH_SPAN, "status", "message", TR_OTTL_STATUS_MESSAGE},
    {TR_OTTL_PATH_SPAN, "start_time_unix_nano", NULL, TR_OTTL_START_NS},
    {TR_OTTL_PATH_SPAN, "end_time_unix_nano", NULL, TR_OTTL_END_NS},
    {TR_OTTL_PATH_SPAN, "start_time", NULL, TR_OTTL_START},
    {TR_OTTL_PATH_SPAN, "end_time", NULL, TR_OTTL_END_TIME},
    {TR_OTTL_PATH_SPAN, "trace_id", NULL, TR_OTTL_TRACE_ID_WHOLE},
    {TR_OTTL_PATH_SPAN, "trace_id", "string", TR_OTTL_TRACE_ID_STRING},
    {TR_OTTL_PATH_SPAN, "span_id", NULL, TR_OTTL_SPAN_ID_WHOLE},
    {TR_OTTL_PATH_SPAN, "span_id", "string", TR_OTTL_SPAN_ID_STRING},
    {TR_OTTL_PATH_SPAN, "parent_span_id", NULL, TR_OTTL_PARENT},
    {TR_OTTL_PATH_SPAN, "parent_span_id", "string", TR_OTTL_PARENT_STRING},
    {TR_OTTL_PATH_SPAN, "trace_state", NULL, TR_OTTL_TRACE_STATE},
    {TR_OTTL_PATH_SPAN, "flags", NULL, TR_OTTL_FLAGS},
    {TR_OTTL_PATH_SPAN, "attributes", NULL, TR_OTTL_ATTRIBUTES},
    {TR_OTTL_PATH_SPAN, "events", NULL, TR_OTTL_EVENTS},
    {TR_OTTL_PATH_SPAN, "links", NULL, TR_OTTL_LINKS},
    {TR_OTTL_PATH_SPAN, "dropped_attributes_count", NULL, TR_OTTL_DROPPED_ATTRIBUTES},
    {TR_OTTL_PATH_SPAN, "dropped_events_count", NULL, TR_OTTL_DROPPED_EVENTS},
    {TR_OTTL_PATH_SPAN, "dropped_links_count", NULL, TR_OTTL_DROPPED_LINKS},
    {TR_OTTL_PATH_RESOURCE, "dropped_attributes_count", NULL, TR_OTTL_RESOURCE_DROPPED},
    {TR_OTTL_PATH_RESOURCE, "schema_url", NULL, TR_OTTL_RESOURCE_SCHEMA_URL},
    {TR_OTTL_PATH_SCOPE, "name", NULL, TR_OTTL_SCOPE_NAME},
    {TR_OTTL_PATH_SCOPE, "version", NULL, TR_OTTL_SCOPE_VERSION},
    {TR_OTTL_PATH_SCOPE, "dropped_attributes_count", NULL, TR_OTTL_SCOPE_DROPPED},
    {TR_OTTL_PATH_SCOPE, "schema_url", NULL, TR_OTTL_SCOPE_SCHEMA_URL},
    {TR_OTTL_PATH_EVENT, "name", NULL, TR_OTTL_EVENT_NAME},
    {TR_OTTL_PATH_EVENT, "time_unix_nano", NULL, TR_OTTL_EVENT_TIME_NS},
    {TR_OTTL_PATH_EVENT, "time", NULL, TR_OTTL_EVENT_TIME},
    {TR_OTTL_PATH_EVENT, "attributes", NULL, TR_OTTL_EVENT_ATTRIBUTES},
    {TR_OTTL_PATH_EVENT, "dropped_attributes_count", NULL, TR_OTTL_EVENT_DROPPED},
};

static bool named(const struct tr_ottl_node *node, const char *name)
{
    return node->bytes == strlen(name) && memcmp(node->text, name, node->bytes) == 0;
}

// Take the context in front off the path, if there is one.
static int context_take(struct tr_ottl_compiler *compiler, const struct tr_ottl_node **field,
                        enum tr_ottl_path_context *context)
{
    static const struct {
        const char *name;
        enum tr_ottl_path_context context;
    } names[] = {{"span", TR_OTTL_PATH_SPAN},
                 {"resource", TR_OTTL_PATH_RESOURCE},
                 {"scope", TR_OTTL_PATH_SCOPE},
                 {"instrumentation_scope", TR_OTTL_PATH_SCOPE},
                 {"spanevent", TR_OTTL_PATH_EVENT}};
    bool event = compiler->program->context == TR_OTTL_SPAN_EVENT;

    *context = event ? TR_OTTL_PATH_EVENT : TR_OTTL_PATH_SPAN;
    if ((*field)->next < 0 || (*field)->first >= 0)
        return 0;
    if (named(*field, "otelcol"))
        return tr_ottl_refuse(compiler, *field, "asks for the request, of which nothing is known here");
    for (size_t i = 0; i < TR_NELEMS(names); i++)
        if (named(*field, names[i].name) && (event || names[i].context != TR_OTTL_PATH_EVENT)) {
            *context = names[i].context;
            *field = &compiler->tree.nodes[(*field)->next];
            return 0;
        }
    return 0;
}

static const struct tr_ottl_value *literal(const struct tr_ottl_compiler *compiler, int node)
{
    const struct tr_ottl_node *key = &compiler->tree.nodes[node];

    return key->type == TR_OTTL_NODE_CONSTANT ? &key->value : NULL;
}

// The keys behind the first, down into a map or an array.
static int index_emit(struct tr_ottl_compiler *compiler, int node)
{
    int rc = 0;

    for (; rc == 0 && node >= 0; node = compiler->tree.nodes[node].next) {
        const struct tr_ottl_value *key = literal(compiler, node);

        if (!key || (key->type != TR_OTTL_STRING && key->type != TR_OTTL_INT))
            return tr_ottl_refuse(compiler, &compiler->tree.nodes[node], "only strings and integers index");
        rc = tr_ottl_emit(compiler, TR_OTTL_OP_INDEX, 0, tr_ottl_constant_add(compiler, key), 0);
    }
    return rc;
}

static int key_number(struct tr_ottl_compiler *compiler, enum tr_ottl_place place, const struct tr_ottl_value *name)
{
    struct tr_ottl *program = compiler->program;

    for (uint32_t i = 0; i < program->keys_count; i++)
        if (program->keys[i].place == place && program->keys[i].bytes == name->length &&
            memcmp(program->keys[i].name, name->bytes, name->length) == 0)
            return (int)i;
    if (program->keys_count == TR_OTTL_KEYS_MAX)
        return -1;
    program->keys[program->keys_count] =
        (struct tr_ottl_key){.place = place, .name = (const char *)name->bytes, .bytes = name->length};
    return (int)program->keys_count++;
}

static int attribute_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *field,
                          enum tr_ottl_path_context context)
{
    static const enum tr_ottl_place places[] = {TR_OTTL_KEY_SPAN, TR_OTTL_KEY_RESOURCE, TR_OTTL_KEY_SCOPE};
    const struct tr_ottl_value *name = literal(compiler, field->first);
    int rc, key;

    if (!name || name->type != TR_OTTL_STRING)
        return tr_ottl_refuse(compiler, &compiler->tree.nodes[field->first],
                              "the key of an attribute must be a string, and a literal");
    if (context == TR_OTTL_PATH_EVENT) {
        compiler->fields = true;
        rc = tr_ottl_emit(compiler, TR_OTTL_OP_EVENT_KEY, 0, tr_ottl_constant_add(compiler, name), 1);
    } else {
        key = key_number(compiler, places[context], name);
        if (key < 0)
            return tr_ottl_refuse(compiler, field, "looks at more than 64 attributes");
        if (context == TR_OTTL_PATH_SPAN)
            compiler->span = true;
        rc = tr_ottl_emit(compiler, TR_OTTL_OP_KEY, 0, key, 1);
    }
    return rc < 0 ? rc : index_emit(compiler, compiler->tree.nodes[field->first].next);
}

static int trace_state_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *field)
{
    const struct tr_ottl_value *name = literal(compiler, field->first);

    if (!name || name->type != TR_OTTL_STRING || compiler->tree.nodes[field->first].next >= 0)
        return tr_ottl_refuse(compiler, field, "trace_state takes one key, a string");
    compiler->fields = compiler->span = true;
    return tr_ottl_emit(compiler, TR_OTTL_OP_TRACE_STATE, 0, tr_ottl_constant_add(compiler, name), 1);
}

// The Collector's scratch room: nothing has been put into it when a condition runs.
static int cache_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *field)
{
    static const struct tr_ottl_value nil = {.type = TR_OTTL_NIL};
    const struct tr_ottl_value *name = literal(compiler, field->first);

    if (!name || name->type != TR_OTTL_STRING)
        return tr_ottl_refuse(compiler, field, "takes a string, and a literal");
    return tr_ottl_emit(compiler, TR_OTTL_OP_CONSTANT, 0, tr_ottl_constant_add(compiler, &nil), 1);
}

int tr_ottl_path_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *path)
{
    const struct tr_ottl_node *field = &compiler->tree.nodes[path->first], *below;
    enum tr_ottl_path_context context;
    int rc = context_take(compiler, &field, &context);

    if (rc < 0)
        return rc;
    below = field->next >= 0 ? &compiler->tree.nodes[field->next] : NULL;
    if (!below && field->first >= 0 && named(field, "attributes"))
        return attribute_emit(compiler, field, context);
    if (!below && field->first >= 0 && named(field, "cache") &&
        context == (compiler->program->context == TR_OTTL_SPAN ? TR_OTTL_PATH_SPAN : TR_OTTL_PATH_EVENT))
        return cache_emit(compiler, field);
    if (!below && field->first >= 0 && named(field, "trace_state") && context == TR_OTTL_PATH_SPAN)
        return trace_state_emit(compiler, field);
    for (size_t i = 0; i < TR_NELEMS(fields); i++) {
        if (fields[i].context != context || !named(field, fields[i].name))
            continue;
        if (below ? !fields[i].below || !named(below, fields[i].below) || below->next >= 0 : !!fields[i].below)
            continue;
        if (field->first >= 0 || (below && below->first >= 0))
            return tr_ottl_refuse(compiler, field, "has no keys");
        compiler->fields = true;
        compiler->span = compiler->span || context == TR_OTTL_PATH_SPAN;
        return tr_ottl_emit(compiler, TR_OTTL_OP_FIELD, 0, (int)fields[i].field, 1);
    }
    return tr_ottl_refuse(compiler, path, "is no path that a condition of this kind can read here");
}
