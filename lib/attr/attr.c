// SPDX-License-Identifier: Apache-2.0
#include "attr/attr.h"

static const char *const actions[] = {"keep", "drop", "demote", NULL};

static const struct tr_option rule_rows[] = {
    TR_OPTION_STRINGS(struct tr_attr_rule_options, keys, "keys", 1, 1000, TR_LIVE, "Keys, exactly."),
    TR_OPTION_ENUM(struct tr_attr_rule_options, action, "action", "keep", actions, TR_LIVE,
                   "demote: from the span to its event tailrace.demoted; drop: gone; keep: as it is."),
};
static const struct tr_option_table rule_table = {.title = "rules",
                                                  .rows = rule_rows,
                                                  .count = TR_NELEMS(rule_rows),
                                                  .struct_bytes = sizeof(struct tr_attr_rule_options)};

static const struct tr_option attributes_rows[] = {
    TR_OPTION_LIST(struct tr_attributes_options, rules, "rules", &rule_table, 0, 1000, TR_LIVE,
                   "What becomes of attributes of kept spans and their resources; a key's first rule wins."),
};
const struct tr_option_table tr_attributes_option_table = {.title = "attributes",
                                                           .rows = attributes_rows,
                                                           .count = TR_NELEMS(attributes_rows),
                                                           .struct_bytes = sizeof(struct tr_attributes_options)};

static bool is_known(const struct tr_walk_keys *keys, const char *name)
{
    for (uint32_t i = 0; i < keys->count; i++)
        if (strcmp(keys->keys[i].name, name) == 0)
            return true;
    return false;
}

int tr_attr_set_compile(const struct tr_attributes_options *options, struct tr_attr_set **out, struct tr_error *error)
{
    const struct tr_attr_rule_options *rules = options->rules.items;
    struct tr_attr_set *set = calloc(1, sizeof(*set));
    uint8_t *of_keys = NULL;
    size_t count = 0;

    for (size_t i = 0; i < options->rules.count; i++)
        count += rules[i].keys.count;
    if (!set || !(of_keys = calloc(count + 1, 1)) || !(set->plan.keys.keys = calloc(count + 1, sizeof(*set->plan.keys.keys))))
        goto no_memory;
    for (size_t i = 0; i < options->rules.count; i++) {
        for (size_t k = 0; k < rules[i].keys.count; k++) {
            struct tr_walk_keys *keys = &set->plan.keys;
            const char *name = rules[i].keys.items[k];
            char *copy;

            if (is_known(keys, name))
                continue;
            copy = strdup(name);
            if (!copy)
                goto no_memory;
            of_keys[keys->count] = (uint8_t)rules[i].action;
            keys->keys[keys->count++] = (struct tr_walk_key){.name = copy, .bytes = (uint32_t)strlen(name)};
        }
    }
    if (tr_walk_keys_build(&set->plan.keys) < 0)
        goto no_memory;
    set->plan.actions = of_keys;
    *out = set;
    return 0;
no_memory:
    free(of_keys);
    tr_attr_set_free(set);
    return tr_error_set(error, ENOMEM, "no memory for attribute rules");
}

void tr_attr_set_free(struct tr_attr_set *set)
{
    if (!set)
        return;
    for (uint32_t i = 0; set->plan.keys.keys && i < set->plan.keys.count; i++)
        free((char *)(uintptr_t)set->plan.keys.keys[i].name);
    free(set->plan.keys.keys);
    tr_walk_keys_free(&set->plan.keys);
    free((uint8_t *)(uintptr_t)set->plan.actions);
    free(set);
}
