// SPDX-License-Identifier: Apache-2.0
// The daemon's own check over what was put together.
#include "attr/attr.h"
#include "config.h"
#include "import.h"
#include "policy/policy.h"
#include "red/red.h"

// As `tailraced --check`, but for what the machine has room for.
static int text_check(const char *text, size_t bytes, struct tr_error *error)
{
    struct tr_options_doc *doc;
    struct tr_tail_sampling_options sampling;
    struct tr_policy_set *policies = NULL;
    struct tr_red_set *red = NULL;
    struct tr_attr_set *attributes = NULL;
    const struct tr_config *config;
    int rc = tr_options_parse(&tr_config_table, text, bytes, &doc, error);

    if (rc < 0)
        return rc;
    config = tr_options_struct(doc);
    if (config->span_metrics)
        rc = tr_red_set_create(&red, config->span_metrics, 0, "00000000-0000-0000-0000-000000000000", 0, error);
    sampling = config->tail_sampling;
    sampling.watched = red ? &red->watch : NULL;
    if (rc == 0)
        rc = tr_policy_set_compile(&sampling, NULL, 1, 1, &policies, error);
    if (rc == 0)
        rc = tr_attr_set_compile(&config->attributes, &attributes, error);
    tr_policy_set_free(policies);
    tr_red_set_release(red);
    if (attributes)
        tr_attr_set_free(attributes);
    tr_options_free(doc);
    return rc;
}

// A config needs a policy that keeps. Where none of them could be carried over, everything is kept rather than nothing; whoever
// wrote drop policies alone meant that.
static void policies_fill(struct import *import)
{
    struct tree *policies = tree_list_in(import->arena, tree_map_in(import->arena, import->out, "tail_sampling"), "policies");
    size_t keep = 0, gone = 0, drop = 0;
    struct tree *all;

    for (const struct tree *policy = policies->first; policy; policy = policy->next) {
        const struct tree *type = tree_find(policy, "type");
        bool drops = type && strcmp(type->text, "drop") == 0;

        keep += !drops && !policy->removed;
        gone += !drops && policy->removed;
        drop += drops && !policy->removed && !policy->from->key; // not what the import made of a processor
    }
    if (keep || (drop && !gone))
        return;
    all = tree_map(import->arena, policies, NULL);
    tree_comment(import->arena, all, "No policy of the Collector's was carried over: everything is kept.");
    tree_put(import->arena, all, "name", "tailrace-keeps-all", false);
    tree_put(import->arena, all, "type", "always_sample", true);
}

static void take_out(struct import *import, struct tree *tree, const char *why)
{
    char path[TR_YAML_PATH_BYTES] = "";
    unsigned line = 0;

    if (tree->from) {
        tr_yaml_path(tree->from, NULL, path);
        line = tree->from->key ? tree->from->key_line : tree->from->line;
    }
    tree->removed = arena_format(import->arena, "Not carried over: %s", why);
    import_note_path(import, line, *path || !tree->key ? path : tree->key, why);
}

// Of an error: for an item of a list also where in it ("latency.threshold_ms: ...").
static const char *reason(const char *path, const struct tree *at)
{
    const char *inside = at->key ? NULL : strstr(path, "]."), *why = strstr(path, ": ");

    return inside ? inside + 2 : why ? why + 2 : path;
}

int import_check(struct import *import, struct tr_error *error)
{
    for (;;) {
        struct tr_error found = {""};
        const char *path;
        struct tree *at;
        char *text = NULL;
        size_t bytes = 0;
        FILE *out = open_memstream(&text, &bytes);
        int rc;

        tr_assert(out);
        policies_fill(import);
        tree_write(import->out, out);
        fclose(out);
        rc = text_check(text, bytes, &found);
        free(text);
        if (rc == 0)
            return 0;
        // "line 12: tail_sampling.policies[3]...: why"
        path = found.text;
        if (strncmp(path, "line ", 5) == 0 && strstr(path, ": "))
            path = strstr(path, ": ") + 2;
        at = tree_at(import->out, path);
        while (at && !at->removable)
            at = at->parent;
        if (!at)
            return tr_error_set(error, EINVAL, "%s", found.text);
        take_out(import, at, reason(path, at));
    }
}
