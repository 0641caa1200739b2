// SPDX-License-Identifier: Apache-2.0
#include "import.h"

#include <unistd.h>

#include "../tailctl.h"

static void head_write(struct import *import, const char *path)
{
    tree_comment(import->arena, import->out, "From %s by `tailctl config import`. Every option: docs/configuration.md.",
                 strcmp(path, "-") == 0 ? "a Collector's config" : path);
    if (import->notes_count)
        tree_comment(import->arena, import->out, "%zu %s of it could not be carried over: on stderr, a line each.",
                     import->notes_count, import->notes_count == 1 ? "thing" : "things");
}

static void notes_print(const struct import *import, const char *path)
{
    for (size_t i = 0; i < import->notes_count; i++) {
        const struct import_note *note = &import->notes[i];
        char place[32] = "";

        if (note->line)
            snprintf(place, sizeof(place), ":%u", note->line);
        fprintf(stderr, "%s%s: %s: %s\n", path, place, note->path, note->why);
    }
}

static void answer_print(const struct import *import)
{
    json_t *answer = json_object(), *left = json_array();
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    tr_assert(out && answer && left);
    tree_write(import->out, out);
    fclose(out);
    for (size_t i = 0; i < import->notes_count; i++) {
        const struct import_note *note = &import->notes[i];

        json_array_append_new(left, json_pack("{s:o, s:s, s:s}", "line", note->line ? json_integer(note->line) : json_null(),
                                              "path", note->path, "why", note->why));
    }
    json_object_set_new(answer, "config", json_string(text));
    json_object_set_new(answer, "left", left);
    json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    putchar('\n');
    json_decref(answer);
    free(text);
}

// The config itself, where it stands in an OpenTelemetryCollector of Kubernetes' operator or in the values of a Helm chart.
static const struct tr_yaml_node *config_find(const struct tr_yaml_node *root)
{
    const struct tr_yaml_node *inside = import_at(root, "spec", "config", NULL);

    if (!inside)
        inside = import_at(root, "config", NULL);
    return import_at(root, "service", NULL) || !import_at(inside, "service", NULL) ? root : inside;
}

static int config_make(struct import *import, const char *text, struct tr_error *error)
{
    struct tr_yaml_node *root;
    int rc = tr_yaml_parse_aliased(import->arena, text, strlen(text), &root, error);

    if (rc < 0)
        return rc;
    import->root = config_find(root);
    if (import_at(root, "kind", NULL) && import->root == root)
        return tr_error_set(error, EINVAL, "kind: a Kubernetes object; give the Collector's config in it as a file of its own");
    import->out = tree_map(import->arena, NULL, NULL);
    rc = import_pipelines(import, error);
    if (rc < 0)
        return rc;
    import_service(import);
    import_receivers(import);
    import_processors(import);
    import_exporters(import);
    return import_check(import, error);
}

static enum tr_exit run(struct import *import, const char *path, const char *text, const struct tailctl *tailctl)
{
    struct tr_error error = {""};

    if (config_make(import, text, &error) < 0) {
        if (tailctl->json) {
            json_t *answer = json_pack("{s:s}", "error", error.text);

            json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
            putchar('\n');
            json_decref(answer);
        }
        fprintf(stderr, "%s: %s\n", path, error.text);
        return TR_EXIT_REFUSED;
    }
    head_write(import, path);
    if (tailctl->json) {
        answer_print(import);
    } else {
        tree_write(import->out, stdout);
        notes_print(import, path);
    }
    return import->notes_count && tailctl->strict ? TR_EXIT_REFUSED : TR_EXIT_OK;
}

enum tr_exit tailctl_config_import(const struct tailctl *tailctl)
{
    const char *path = tailctl->arguments[0];
    struct tr_arena arena = {NULL};
    struct import import = {.arena = &arena};
    char *text = NULL;
    int rc = tr_file_text(path, &text);
    enum tr_exit code;

    if (rc < 0) {
        fprintf(stderr, "tailctl: %s: %s\n", path, strerror(-rc));
        return TR_EXIT_USAGE;
    }
    code = run(&import, path, text, tailctl);
    free(import.notes);
    free(text);
    tr_arena_fini(&arena);
    return code;
}
