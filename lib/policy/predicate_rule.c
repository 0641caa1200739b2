// SPDX-License-Identifier: Apache-2.0
#include "policy/predicate_rule.h"

#include "policy/rule_field.h"

struct condition {
    struct tr_rule_test test;
    struct tr_rule_field *fields;
    uint32_t count;
};

struct rule {
    struct tr_predicate head;
    bool root;
    struct condition *conditions;
    uint32_t count;
    struct tr_rule_keys keys;
    bool needy; // it holds on no span that has none of the keys which are not idle
};

static void clear(struct tr_predicate *predicate)
{
    struct rule *rule = (struct rule *)predicate;

    for (uint32_t i = 0; i < rule->count; i++) {
        tr_rule_test_clear(&rule->conditions[i].test);
        free(rule->conditions[i].fields);
    }
    free(rule->conditions);
    tr_rule_keys_clear(&rule->keys);
}

// The value of the first field that the span has. Returns NULL: it has none.
static const struct tr_value *value_find(const struct condition *condition, struct tr_ottl_run *run,
                                         struct tr_value *own)
{
    for (uint32_t i = 0; i < condition->count; i++) {
        const struct tr_value *value = tr_rule_field_read(&condition->fields[i], run, own);

        if (value)
            return value;
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

    return index < rule->keys.count ? &rule->keys.keys[index] : NULL;
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

// The first condition that needs attributes decides by itself whether there is anything to run. One on a service's name
// would not tell much: nearly every resource has that.
static void needy_choose(struct rule *rule)
{
    const struct condition *chosen = NULL;

    for (uint32_t i = 0; i < rule->count; i++) {
        const struct condition *condition = &rule->conditions[i];

        if (!condition_needy(condition))
            continue;
        if (!chosen || strncmp(rule->keys.keys[chosen->fields[0].key].name, "service.", 8) == 0)
            chosen = condition;
    }
    rule->needy = chosen != NULL;
    for (uint32_t f = 0; chosen && f < chosen->count; f++)
        for (uint32_t place = 0; place < TR_RULE_PLACES; place++)
            rule->keys.keys[chosen->fields[f].key + place].idle = false;
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
        if (tr_rule_field_make(&rule->keys, from->fields[i], &condition->fields[i]) < 0)
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
    if (!rule->conditions || tr_rule_keys_make(&rule->keys, fields) < 0)
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
