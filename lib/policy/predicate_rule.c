// SPDX-License-Identifier: Apache-2.0
#include "policy/predicate_rule.h"

#include "policy/ottl_program.h"

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

#define PLACES 3 // an attribute is looked for on the span, its scope, its resource

struct field {
    enum own own;
    uint32_t key; // of the first of its places; no matter where the span has it by itself
};

struct condition {
    struct tr_rule_test test;
    struct field *fields;
    uint32_t count;
};

struct rule {
    struct tr_predicate head;
    bool root;
    struct condition *conditions;
    uint32_t count;
    struct tr_ottl_key *keys;
    char **names; // of the keys, one for each PLACES of them
    uint32_t keys_count;
    bool needy; // it holds on no span that has none of the keys which are not idle
};

static void clear(struct tr_predicate *predicate)
{
    struct rule *rule = (struct rule *)predicate;

    for (uint32_t i = 0; i < rule->count; i++) {
        tr_rule_test_clear(&rule->conditions[i].test);
        free(rule->conditions[i].fields);
    }
    for (uint32_t i = 0; rule->names && i < rule->keys_count / PLACES; i++)
        free(rule->names[i]);
    free(rule->names);
    free(rule->conditions);
    free(rule->keys);
}

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

// The value of the first field that the span has. Returns NULL: it has none.
static const struct tr_value *value_find(const struct condition *condition, struct tr_ottl_run *run,
                                         struct tr_value *own)
{
    for (const struct field *field = condition->fields; field < condition->fields + condition->count; field++) {
        if (field->own && own_read(run, field->own, own))
            return own;
        if (field->own && field->own != OWN_ERROR)
            continue;
        for (uint32_t place = 0; place < PLACES; place++) {
            uint16_t slot = run->slots[field->key + place];

            if (run->notes->have[slot / 64] >> slot % 64 & 1)
                return &run->notes->values[slot];
        }
    }
    return NULL;
}

static bool run(const void *predicate, const struct tr_walk_span *span, const struct tr_walk_notes *notes,
                const uint16_t *slots)
{
    const struct rule *rule = predicate;
    struct tr_ottl_run fields; // its `made` stays as it is

    if (rule->root && !span->root)
        return false;
    fields.span = span;
    fields.notes = notes;
    fields.slots = slots;
    fields.made_bytes = 0;
    for (uint32_t i = 0; i < rule->count; i++) {
        const struct condition *condition = &rule->conditions[i];
        struct tr_value own;

        if (!tr_rule_test_ask(&condition->test, value_find(condition, &fields, &own), notes->lcore))
            return false;
    }
    return true;
}

static void program_make(const struct tr_predicate *predicate, struct tr_walk_program *program)
{
    program->run = run;
    program->argument = predicate;
    program->absent = ((const struct rule *)predicate)->needy ? TR_WALK_ABSENT_NO : TR_WALK_ABSENT_RUN;
}

static bool context_only(const struct tr_predicate *predicate)
{
    return false;
}

static const struct tr_ottl_key *key_of(const struct tr_predicate *predicate, uint32_t index)
{
    const struct rule *rule = (const struct rule *)predicate;

    return index < rule->keys_count ? &rule->keys[index] : NULL;
}

static const struct tr_predicate_program program = {program_make, context_only, key_of};
static const struct tr_predicate_type type = {.name = "rule", .clear = clear, .program = &program};

static char *detail_make(bool root, const struct tr_rule_condition *conditions, size_t count)
{
    struct tr_predicate_text text;

    if (!tr_predicate_text_open(&text))
        return NULL;
    fputs(root ? "root" : "any span", text.file);
    for (size_t i = 0; i < count; i++) {
        const struct tr_rule_condition *condition = &conditions[i];

        fputs(i ? " and" : ":", text.file);
        for (size_t f = 0; f < condition->fields_count; f++) {
            fputc(' ', text.file);
            tr_predicate_text_quote(&text, condition->fields[f]);
        }
        fprintf(text.file, " %s as %s", tr_rule_operator_names[condition->op],
                tr_rule_datatype_names[condition->datatype]);
        for (size_t v = 0; v < condition->values_count; v++) {
            fputc(' ', text.file);
            tr_predicate_text_quote(&text, condition->values[v]);
        }
    }
    return tr_predicate_text_close(&text);
}

// Does it need an attribute of the span to hold?
static bool condition_needy(const struct condition *condition)
{
    for (uint32_t i = 0; i < condition->count; i++)
        if (condition->fields[i].own)
            return false;
    return !tr_rule_operator_negative(condition->test.op);
}

static int field_make(struct rule *rule, const char *name, struct field *field)
{
    static const enum tr_ottl_place places[PLACES] = {TR_OTTL_KEY_SPAN, TR_OTTL_KEY_SCOPE, TR_OTTL_KEY_RESOURCE};
    char *copy;

    for (size_t i = 0; i < TR_NELEMS(owns); i++)
        if (strcmp(owns[i].name, name) == 0)
            field->own = owns[i].own;
    if (field->own && field->own != OWN_ERROR)
        return 0;
    copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    rule->names[rule->keys_count / PLACES] = copy;
    field->key = rule->keys_count;
    for (uint32_t place = 0; place < PLACES; place++)
        rule->keys[rule->keys_count++] = (struct tr_ottl_key){
            .place = places[place], .name = copy, .bytes = (uint32_t)strlen(copy), .idle = true};
    return 0;
}

// The first condition that needs attributes decides by itself whether there is anything to run. One on a service's name
// would not tell much: nearly every resource has that.
static void needy_choose(struct rule *rule)
{
    const struct condition *chosen = NULL;

    for (uint32_t i = 0; i < rule->count; i++) {
        const struct condition *condition = &rule->conditions[i];

        if (!condition_needy(condition))
            continue;
        if (!chosen || strncmp(rule->keys[chosen->fields[0].key].name, "service.", 8) == 0)
            chosen = condition;
    }
    rule->needy = chosen != NULL;
    for (uint32_t f = 0; chosen && f < chosen->count; f++)
        for (uint32_t place = 0; place < PLACES; place++)
            rule->keys[chosen->fields[f].key + place].idle = false;
}

static int condition_make(struct rule *rule, const struct tr_rule_condition *from, uint32_t lcores,
                          struct tr_error *error)
{
    struct condition *condition = &rule->conditions[rule->count++];
    struct tr_error why = {""};
    int rc = tr_rule_test_make(&condition->test, from->op, from->datatype, from->values, from->values_count, lcores,
                               &why);

    if (rc < 0)
        return tr_error_set(error, -rc, "%s.%s", from->path, why.text);
    condition->fields = calloc(from->fields_count, sizeof(*condition->fields));
    if (!condition->fields)
        return -ENOMEM;
    for (size_t i = 0; i < from->fields_count; i++) {
        condition->count++;
        if (field_make(rule, from->fields[i], &condition->fields[i]) < 0)
            return -ENOMEM;
    }
    return 0;
}

int tr_predicate_rule(struct tr_predicates *predicates, bool root, const struct tr_rule_condition *conditions,
                      size_t count, struct tr_error *error)
{
    char *detail = detail_make(root, conditions, count);
    struct rule *rule = detail ? tr_predicate_create(&type, sizeof(*rule), NULL, 0, detail) : NULL;
    size_t fields = 0;
    int rc = 0;

    free(detail);
    if (!rule)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        fields += conditions[i].fields_count;
    rule->root = root;
    rule->conditions = calloc(count + 1, sizeof(*rule->conditions));
    rule->keys = calloc(PLACES * fields + 1, sizeof(*rule->keys));
    rule->names = calloc(fields + 1, sizeof(*rule->names));
    if (!rule->conditions || !rule->keys || !rule->names)
        rc = -ENOMEM;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = condition_make(rule, &conditions[i], predicates->lcores, error);
    if (rc < 0) {
        tr_predicate_destroy(&rule->head);
        return rc;
    }
    needy_choose(rule);
    return tr_predicates_add(predicates, &rule->head);
}
