// SPDX-License-Identifier: Apache-2.0
// processors: tail_sampling word for word, rules of attributes, and what becomes a policy.
#include "import.h"

static struct tree *tail_sampling(struct import *import)
{
    return tree_map_in(import->arena, import->out, "tail_sampling");
}

static struct tree *policies(struct import *import)
{
    return tree_list_in(import->arena, tail_sampling(import), "policies");
}

static void take_tail_sampling(struct import *import, const struct tr_yaml_node *processor)
{
    struct tree *block = tail_sampling(import);

    if (block->from) {
        import_note(import, processor, "a second tail_sampling behind %s: there is one decision here", block->from->key);
        return;
    }
    block->from = processor;
    for (const struct tr_yaml_node *option = import_entries(processor); option; option = option->next) {
        struct tree *copy = NULL;

        if (strcmp(option->key, "policies") == 0) {
            for (const struct tr_yaml_node *policy = import_items(option); policy; policy = policy->next)
                import_copy(import, policies(import), NULL, policy)->removable = true;
        } else {
            copy = import_copy(import, block, option->key, option);
            copy->removable = true;
        }
    }
}

// A rule for a key of an action `delete`.
static void key_drop(struct import *import, const struct tr_yaml_node *processor, const char *key)
{
    struct tree *attributes = tree_map_in(import->arena, import->out, "attributes");
    struct tree *rules = tree_list_in(import->arena, attributes, "rules"), *rule = rules->first, *keys;

    if (!rule || rule->from != processor) {
        rule = NULL;
        for (struct tree *at = rules->first; at && !rule; at = at->next)
            rule = at->from == processor ? at : NULL;
    }
    if (!rule) {
        rule = tree_map(import->arena, rules, NULL);
        rule->from = processor;
        rule->removable = true;
        tree_comment(import->arena, rule,
                     "%s; here a rule is for spans and resources alike, behind the decision: policies still see the "
                     "attribute",
                     processor->key);
        tree_list(import->arena, rule, "keys");
        tree_put(import->arena, rule, "action", "drop", true);
    }
    keys = tree_find(rule, "keys");
    tree_put(import->arena, keys, NULL, key, false);
}

static void action_take(struct import *import, const struct tr_yaml_node *processor, const struct tr_yaml_node *action)
{
    const char *what = import_text(import, import_at(action, "action", NULL));
    const char *key = import_text(import, import_at(action, "key", NULL));

    if (strcasecmp(what, "delete") != 0)
        import_note(import, action, "%s of %s: attributes of kept spans can be dropped and demoted here, not changed",
                    what, *key ? key : "a pattern");
    else if (import_at(action, "pattern", NULL))
        import_note(import, action, "deletes by a pattern; a rule names its keys here");
    else if (import_is_type(processor->key, "attributes") && strcmp(key, "service.name") == 0)
        import_note(import, action, "would take service.name from the resource too");
    else if (*key)
        key_drop(import, processor, key);
}

static void take_actions(struct import *import, const struct tr_yaml_node *processor)
{
    static const char *const lists[] = {"actions", "attributes"}; // of attributes, of resource
    const struct tr_yaml_node *condition = import_at(processor, "include", NULL);

    if (!condition)
        condition = import_at(processor, "exclude", NULL);
    if (condition) {
        import_note(import, condition, "a rule is for all spans here; none of %s is carried over", processor->key);
        return;
    }
    for (size_t i = 0; i < TR_NELEMS(lists); i++) {
        const struct tr_yaml_node *list = import_at(processor, lists[i], NULL);

        for (const struct tr_yaml_node *action = import_items(list); action; action = action->next)
            action_take(import, processor, action);
    }
}

// A share of all traces, in front of the policies: what is not in it is dropped, whatever they say.
static void take_probabilistic(struct import *import, const struct tr_yaml_node *processor)
{
    const struct tr_yaml_node *percentage = import_at(processor, "sampling_percentage", NULL);
    const struct tr_yaml_node *seed = import_at(processor, "hash_seed", NULL);
    struct tree *policy = tree_map(import->arena, policies(import), NULL), *at, *options;

    policy->from = processor;
    policy->removable = true;
    tree_comment(import->arena, policy,
                 "%s: as large a share, by another hash, so of other traces than a Collector's; sampling.priority "
                 "changes nothing",
                 processor->key);
    tree_put(import->arena, policy, "name", processor->key, false);
    tree_put(import->arena, policy, "type", "drop", true);
    at = tree_list(import->arena, tree_map(import->arena, policy, "drop"), "drop_sub_policy");
    at = tree_map(import->arena, at, NULL);
    tree_put(import->arena, at, "name", "outside", false);
    tree_put(import->arena, at, "type", "not", true);
    at = tree_map(import->arena, tree_map(import->arena, at, "not"), "not_sub_policy");
    tree_put(import->arena, at, "name", "inside", false);
    tree_put(import->arena, at, "type", "probabilistic", true);
    options = tree_map(import->arena, at, "probabilistic");
    if (percentage)
        import_put(import, options, "sampling_percentage", percentage);
    if (seed)
        tree_put(import->arena, options, "hash_salt", import_text(import, seed), false);
    for (const struct tr_yaml_node *option = import_entries(processor); option; option = option->next)
        if (option != percentage && option != seed)
            import_note(import, option, "has no counterpart here");
}

// A filter drops single spans; a drop policy whole traces. Written for who wants that, as a comment.
static void take_filter(struct import *import, const struct tr_yaml_node *processor)
{
    const struct tr_yaml_node *conditions[] = {import_at(processor, "traces", "span", NULL),
                                               import_at(processor, "traces", "spanevent", NULL),
                                               import_at(processor, "trace_conditions", NULL)};
    struct tree *policy, *options;

    import_note(import, processor, "drops single spans, here whole traces are kept or dropped; in tail_sampling.policies "
                "is, as a comment, the policy that drops each trace with such a span");
    if (!conditions[0] && !conditions[2])
        return;
    policy = tree_map(import->arena, policies(import), NULL);
    policy->from = processor;
    policy->removed = "Not carried over: this would drop each trace that has such a span, where the filter drops the "
                      "span alone.";
    tree_put(import->arena, policy, "name", processor->key, false);
    tree_put(import->arena, policy, "type", "drop", true);
    options = tree_map(import->arena,
                       tree_list(import->arena, tree_map(import->arena, policy, "drop"), "drop_sub_policy"), NULL);
    tree_put(import->arena, options, "name", "filtered", false);
    tree_put(import->arena, options, "type", "ottl_condition", true);
    options = tree_map(import->arena, options, "ottl_condition");
    import_copy(import, options, "span", conditions[0] ? conditions[0] : conditions[2]);
}

static void take_memory_limiter(struct import *import, const struct tr_yaml_node *processor)
{
    tree_comment(import->arena, tail_sampling(import),
                 "%s: memory is reserved at start and bounded by journal.size (an lcore's; half of what there is is taken "
                 "unless it is given); when it fills, traces are decided earlier, then requests refused.",
                 processor->key);
}

static const struct {
    const char *type;
    void (*take)(struct import *import, const struct tr_yaml_node *processor); // NULL: noted with `why`
    const char *why;                                                           // NULL too: needs nothing here
} processors[] = {
    {"tail_sampling", take_tail_sampling, NULL},
    {"attributes", take_actions, NULL},
    {"resource", take_actions, NULL},
    {"probabilistic_sampler", take_probabilistic, NULL},
    {"filter", take_filter, NULL},
    {"memory_limiter", take_memory_limiter, NULL},
    {"batch", NULL, NULL},        // of the exporters: exporters.c
    {"groupbytrace", NULL, NULL}, // traces are put together anyway
    {"transform", NULL, "spans are not changed here but by attributes.rules (drop, demote)"},
    {"k8sattributes", NULL, "Kubernetes is not asked here: let the agents (daemonset Collectors) add these attributes"},
    {"k8s_attributes", NULL, "Kubernetes is not asked here: let the agents (daemonset Collectors) add these attributes"},
    {"resourcedetection", NULL, "resources are not detected here: let the SDKs or the agents do it"},
    {"resource_detection", NULL, "resources are not detected here: let the SDKs or the agents do it"},
    {"redaction", NULL, "values are not masked here in this version; attributes.rules can drop their keys"},
    {"span", NULL, "spans are not renamed here"},
};

static void processor_take(struct import *import, const struct tr_yaml_node *id)
{
    const struct tr_yaml_node *processor = import_at(import->root, "processors", id->text, NULL);

    for (size_t i = 0; i < TR_NELEMS(processors); i++) {
        if (!import_is_type(id->text, processors[i].type))
            continue;
        if (processor && processors[i].take)
            processors[i].take(import, processor);
        else if (processors[i].why)
            import_note(import, processor ? processor : id, "%s", processors[i].why);
        return;
    }
    import_note(import, processor ? processor : id, "has no counterpart here");
}

// The short options first.
static void policies_last(struct tree *block, struct tree *last)
{
    struct tree *before = NULL;

    for (struct tree *at = block->first; at && at != last; at = at->next)
        before = at;
    if (last == block->last)
        return;
    *(before ? &before->next : &block->first) = last->next;
    block->last->next = last;
    block->last = last;
    last->next = NULL;
}

void import_processors(struct import *import)
{
    struct tree *all;

    for (size_t i = 0; i < import->processors.count; i++)
        processor_take(import, import->processors.at[i]);
    policies_last(tail_sampling(import), policies(import));
    if (tail_sampling(import)->from)
        return;
    all = tree_map(import->arena, policies(import), NULL);
    tree_comment(import->arena, all, "The Collector's config has no tail_sampling: everything is kept, as there.");
    tree_put(import->arena, all, "name", "all", false);
    tree_put(import->arena, all, "type", "always_sample", true);
}
