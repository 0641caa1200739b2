// SPDX-License-Identifier: Apache-2.0
// From a rule's conditions to predicates. Those that must hold on one span, or on the root, become one predicate; those
// that may hold anywhere in the trace become one each, and what they deny must hold nowhere.
#include "policy/predicate_rule.h"
#include "policy/rules.h"

#define PATH_BYTES 200
#define ROOT       "root."

// A condition as it is being compiled.
struct part {
    struct tr_rule_condition condition;
    const char *fields[TR_RULE_FIELDS_MAX];
    char path[PATH_BYTES];
    bool of_root;
};

static bool counts_spans(const char *field)
{
    return strcmp(field, "?.NUM_DESCENDANTS") == 0 || strcmp(field, "meta.span_count") == 0;
}

// The fields of a condition, without `root.`, which all have or none.
static int fields_take(struct part *part, const struct tr_rule_condition_options *o, bool root_scope,
                       struct tr_error *error)
{
    const char *const *names = o->fields.count ? o->fields.items : &o->field;
    size_t count = o->fields.count ? o->fields.count : 1, of_root = 0;

    if (o->field && o->fields.count)
        return tr_error_set(error, EINVAL, "%s.fields: is there beside field", part->path);
    if (!o->field && !o->fields.count)
        return tr_error_set(error, EINVAL, "%s.field: is required by operator %s", part->path,
                            tr_rule_operator_names[o->op]);
    for (size_t i = 0; i < count; i++) {
        bool prefix = strncmp(names[i], ROOT, strlen(ROOT)) == 0;

        if (!names[i][prefix ? strlen(ROOT) : 0])
            return tr_error_set(error, EINVAL, "%s.field: is empty", part->path);
        if (names[i][0] == '?' && !counts_spans(names[i]))
            return tr_error_set(error, EINVAL, "%s.field: %s is no field; ?.NUM_DESCENDANTS is", part->path, names[i]);
        if (count > 1 && counts_spans(names[i]))
            return tr_error_set(error, EINVAL, "%s.fields: %s is of the trace, and stands alone", part->path, names[i]);
        part->fields[i] = names[i] + (prefix ? strlen(ROOT) : 0);
        of_root += prefix;
    }
    if (!root_scope && of_root && of_root < count)
        return tr_error_set(error, EINVAL,
                            "%s.fields: some are of the root and some are not; make it two rules", part->path);
    part->of_root = root_scope || of_root;
    part->condition.fields_count = count;
    return 0;
}

static int root_span_compile(struct tr_rule *rule, const struct tr_rule_options *options,
                             const struct tr_rule_condition_options *o, const char *path, struct tr_error *error)
{
    struct tr_rule_test test;
    struct tr_error why = {""};
    int rc;

    if (options->scope != TR_RULE_SCOPE_TRACE)
        return tr_error_set(error, EINVAL, "%s.operator: has-root-span is of the trace, not of one span (scope: trace)",
                            path);
    if (o->field || o->fields.count)
        return tr_error_set(error, EINVAL, "%s.field: has-root-span takes none", path);
    rc = tr_rule_test_make(&test, TR_RULE_EQ, TR_RULE_BOOL, o->value.items, o->value.count, 1, &why);
    if (rc == 0 && rule->root == !test.boolean)
        rc = tr_error_set(&why, EINVAL, "value: has-root-span is asked to be both true and false");
    if (rc == 0)
        rule->root = test.boolean;
    tr_rule_test_clear(&test);
    return rc < 0 ? tr_error_set(error, -rc, "%s.%s", path, why.text) : 0;
}

static int spans_compile(struct tr_rule *rule, const struct part *part, uint32_t lcores, struct tr_error *error)
{
    const struct tr_rule_condition *condition = &part->condition;
    struct tr_error why = {""};
    int rc = tr_rule_test_make(&rule->spans[rule->spans_count++], condition->op, condition->datatype,
                               condition->values, condition->values_count, lcores, &why);

    return rc < 0 ? tr_error_set(error, -rc, "%s.%s", part->path, why.text) : 0;
}

// Some conditions that must hold on one span: a predicate, into *bits.
static int together_add(struct tr_bits *bits, const struct tr_rule_condition *conditions, size_t count, bool root,
                        const struct tr_policy_place *place, struct tr_error *error)
{
    int number = tr_predicate_rule(place->predicates, root, conditions, count, error);

    return number == -EINVAL ? number : tr_policy_bit_add(bits, place, number, error);
}

// A condition that may hold anywhere in the trace.
static int anywhere_add(struct tr_rule *rule, const struct tr_rule_condition *condition,
                        const struct tr_policy_place *place, struct tr_error *error)
{
    static const enum tr_rule_operator denied[TR_RULE_OPERATORS] = {[TR_RULE_NE] = TR_RULE_EQ,
                                                                    [TR_RULE_NOT_EXISTS] = TR_RULE_EXISTS,
                                                                    [TR_RULE_DOES_NOT_CONTAIN] = TR_RULE_CONTAINS,
                                                                    [TR_RULE_NOT_IN] = TR_RULE_IN};
    struct tr_rule_condition opposite = *condition;
    int rc = 0;

    if (!tr_rule_operator_negative(condition->op))
        rc = together_add(&rule->all, condition, 1, false, place, error);
    // What is unequal is there, too: != is both.
    if (rc < 0 || (condition->op != TR_RULE_NE && !tr_rule_operator_negative(condition->op)))
        return rc;
    opposite.op = denied[condition->op];
    return together_add(&rule->none, &opposite, 1, false, place, error);
}

static int predicates_make(struct tr_rule *rule, const struct tr_rule_options *options, const struct part *parts,
                           size_t count, struct tr_rule_condition *list, const struct tr_policy_place *place,
                           struct tr_error *error)
{
    bool together = options->scope != TR_RULE_SCOPE_TRACE;
    size_t root = 0, span = 0;
    int rc = 0;

    for (size_t i = 0; i < count; i++)
        if (parts[i].of_root)
            list[root++] = parts[i].condition;
    if (root)
        rc = together_add(&rule->all, list, root, true, place, error);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (parts[i].of_root)
            continue;
        if (together)
            list[span++] = parts[i].condition;
        else
            rc = anywhere_add(rule, &parts[i].condition, place, error);
    }
    return rc == 0 && span ? together_add(&rule->all, list, span, false, place, error) : rc;
}

// Read the conditions: what is of the trace goes to the rule, the others to `parts`. Returns how many those are.
static int parts_take(struct tr_rule *rule, const struct tr_rule_options *options, struct part *parts,
                      const struct tr_policy_place *place, const char *path, struct tr_error *error)
{
    const struct tr_rule_condition_options *o = options->conditions.items;
    int count = 0;

    for (size_t i = 0; i < options->conditions.count; i++, o++) {
        struct part *part = &parts[count];
        int rc;

        snprintf(part->path, sizeof(part->path), "%s.conditions[%zu]", path, i);
        if (o->op == TR_RULE_HAS_ROOT_SPAN) {
            rc = root_span_compile(rule, options, o, part->path, error);
            if (rc < 0)
                return rc;
            continue;
        }
        part->condition = (struct tr_rule_condition){.path = part->path,
                                                     .fields = part->fields,
                                                     .op = (enum tr_rule_operator)o->op,
                                                     .datatype = (enum tr_rule_datatype)o->datatype,
                                                     .values = o->value.items,
                                                     .values_count = o->value.count};
        rc = fields_take(part, o, options->scope == TR_RULE_SCOPE_ROOT, error);
        if (rc == 0 && counts_spans(part->fields[0]))
            rc = spans_compile(rule, part, place->predicates->lcores, error);
        else
            count++;
        if (rc < 0)
            return rc;
    }
    return count;
}

int tr_rule_conditions_compile(struct tr_rule *rule, const struct tr_rule_options *options,
                               const struct tr_policy_place *place, const char *path, struct tr_error *error)
{
    size_t room = options->conditions.count + 1;
    struct part *parts = calloc(room, sizeof(*parts));
    struct tr_rule_condition *list = calloc(room, sizeof(*list));
    int rc;

    rule->root = -1;
    rule->spans = calloc(room, sizeof(*rule->spans));
    rc = parts && list && rule->spans ? parts_take(rule, options, parts, place, path, error)
                                      : tr_error_set(error, ENOMEM, "%s: no memory", path);
    if (rc >= 0)
        rc = predicates_make(rule, options, parts, (size_t)rc, list, place, error);
    free(parts);
    free(list);
    return rc;
}
