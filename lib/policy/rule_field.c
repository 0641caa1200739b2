// SPDX-License-Identifier: Apache-2.0
#include "policy/rule_field.h"

// What a span has by itself, under Honeycomb's names.
enum own {
    OWN_NONE, // an attribute
    OWN_NAME,
    OWN_KIND,
    OWN_STATUS_CODE,
    OWN_STATUS_MESSAGE,
    OWN_ERROR, // where the status is ERROR; else an attribute of that name
    OWN_DURATION_MS,
    OWN_TRACE_ID,
    OWN_SPAN_ID,
    OWN_PARENT_ID,
    OWN_SCOPE_NAME,
    OWN_SCOPE_VERSION,
    OWN_EVENTS,
    OWN_LINKS,
};

static const struct {
    const char *name;
    enum own own;
} owns[] = {
    {"name", OWN_NAME},
    {"span.kind", OWN_KIND},
    {"status_code", OWN_STATUS_CODE},
    {"status_message", OWN_STATUS_MESSAGE},
    {"error", OWN_ERROR},
    {"duration_ms", OWN_DURATION_MS},
    {"trace.trace_id", OWN_TRACE_ID},
    {"trace.span_id", OWN_SPAN_ID},
    {"trace.parent_id", OWN_PARENT_ID},
    {"library.name", OWN_SCOPE_NAME},
    {"library.version", OWN_SCOPE_VERSION},
    {"span.num_events", OWN_EVENTS},
    {"span.num_links", OWN_LINKS},
};

static bool text_value(const struct tr_ottl_value *text, struct tr_value *value)
{
    *value = (struct tr_value){.type = TR_VALUE_STRING, .bytes = text->bytes, .length = text->length};
    return text->length > 0;
}

static bool text_read(struct tr_ottl_run *run, enum tr_ottl_field field, struct tr_value *value)
{
    const struct tr_ottl_value text = tr_ottl_field_read(run, field);

    return text_value(&text, value);
}

static struct tr_value count_read(struct tr_ottl_run *run, enum tr_ottl_field field)
{
    const struct tr_ottl_value messages = tr_ottl_field_read(run, field);

    return (struct tr_value){.type = TR_VALUE_INT, .integer = tr_ottl_count(&messages)};
}

static bool kind_read(int32_t kind, struct tr_value *value)
{
    static const char *const names[] = {"unspecified", "internal", "server", "client", "producer", "consumer"};
    const char *name = names[kind >= 0 && (size_t)kind < TR_NELEMS(names) ? kind : 0];

    *value = (struct tr_value){
        .type = TR_VALUE_STRING, .bytes = (const uint8_t *)name, .length = (uint32_t)strlen(name)};
    return true;
}

static double duration_ms(const struct tr_walk_span *span)
{
    return span->end_ns > span->start_ns ? (double)(span->end_ns - span->start_ns) / 1e6 : 0;
}

// Returns false: the span does not have it.
static bool own_read(struct tr_ottl_run *run, enum own own, struct tr_value *value)
{
    const struct tr_walk_span *span = run->span;

    switch (own) {
    case OWN_NAME:
        *value = (struct tr_value){.type = TR_VALUE_STRING, .bytes = span->name, .length = span->name_bytes};
        return true;
    case OWN_KIND:
        return kind_read(span->kind, value);
    case OWN_STATUS_CODE:
        *value = (struct tr_value){.type = TR_VALUE_INT, .integer = span->status_code};
        return true;
    case OWN_STATUS_MESSAGE:
        return text_read(run, TR_OTTL_STATUS_MESSAGE, value);
    case OWN_ERROR:
        *value = (struct tr_value){.type = TR_VALUE_BOOL, .integer = 1};
        return span->status == 2;
    case OWN_DURATION_MS:
        *value = (struct tr_value){.type = TR_VALUE_DOUBLE, .number = duration_ms(span)};
        return true;
    case OWN_TRACE_ID:
        return text_read(run, TR_OTTL_TRACE_ID_STRING, value);
    case OWN_SPAN_ID:
        return text_read(run, TR_OTTL_SPAN_ID_STRING, value);
    case OWN_PARENT_ID:
        return !span->root && text_read(run, TR_OTTL_PARENT_STRING, value);
    case OWN_SCOPE_NAME:
        return text_read(run, TR_OTTL_SCOPE_NAME, value);
    case OWN_SCOPE_VERSION:
        return text_read(run, TR_OTTL_SCOPE_VERSION, value);
    case OWN_EVENTS:
    case OWN_LINKS:
        *value = count_read(run, own == OWN_EVENTS ? TR_OTTL_EVENTS : TR_OTTL_LINKS);
        return true;
    default:
        return false;
    }
}

const struct tr_value *tr_rule_field_read(const struct tr_rule_field *field, struct tr_ottl_run *run,
                                          struct tr_value *own)
{
    if (field->own && own_read(run, (enum own)field->own, own))
        return own;
    if (field->own && field->own != OWN_ERROR)
        return NULL;
    for (uint32_t place = 0; place < TR_RULE_PLACES; place++) {
        uint16_t slot = run->slots[field->key + place];

        if (run->notes->have[slot / 64] >> slot % 64 & 1)
            return &run->notes->values[slot];
    }
    return NULL;
}

int tr_rule_keys_make(struct tr_rule_keys *keys, size_t fields)
{
    keys->keys = calloc(TR_RULE_PLACES * fields + 1, sizeof(*keys->keys));
    keys->names = calloc(fields + 1, sizeof(*keys->names));
    return keys->keys && keys->names ? 0 : -ENOMEM;
}

void tr_rule_keys_clear(struct tr_rule_keys *keys)
{
    for (uint32_t i = 0; keys->names && i < keys->count / TR_RULE_PLACES; i++)
        free(keys->names[i]);
    free(keys->names);
    free(keys->keys);
}

int tr_rule_field_make(struct tr_rule_keys *keys, const char *name, struct tr_rule_field *field)
{
    static const enum tr_ottl_place places[TR_RULE_PLACES] = {TR_OTTL_KEY_SPAN, TR_OTTL_KEY_SCOPE, TR_OTTL_KEY_RESOURCE};
    char *copy;

    for (size_t i = 0; i < TR_NELEMS(owns); i++)
        if (strcmp(owns[i].name, name) == 0)
            field->own = owns[i].own;
    if (field->own && field->own != OWN_ERROR)
        return 0;
    copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    keys->names[keys->count / TR_RULE_PLACES] = copy;
    field->key = keys->count;
    for (uint32_t place = 0; place < TR_RULE_PLACES; place++)
        keys->keys[keys->count++] = (struct tr_ottl_key){
            .place = places[place], .name = copy, .bytes = (uint32_t)strlen(copy), .idle = true};
    return 0;
}
