// SPDX-License-Identifier: Apache-2.0
#include "import.h"

#include <unistd.h>

#include "../tailctl.h"

static void head_write(struct import *import, const char *path)
{
    tree_comment(import->arena, import->out, "From %s by `tailctl config import`. Every option: docs/configuration.md.",
                 strcmp(path, "-") == 0 ? "a Collector's config" : path);
    if (import->notes_count)
        tree_comment(import->arena, import->out, "%zu things of it could not be carried over; the import lists them.",
                     import->notes_count);
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

static enum tr_exit run(struct import *import, const char *path, const char *text, bool strict)
{
    struct tr_error error = {""};
    struct tr_yaml_node *root;

    if (tr_yaml_parse_aliased(import->arena, text, strlen(text), &root, &error) < 0)
        goto refused;
    import->root = root;
    import->out = tree_map(import->arena, NULL, NULL);
    if (import_pipelines(import, &error) < 0)
        goto refused;
    import_service(import);
    import_receivers(import);
    import_processors(import);
    import_exporters(import);
    if (import_check(import, &error) < 0)
        goto refused;
    head_write(import, path);
    tree_write(import->out, stdout);
    notes_print(import, path);
    return import->notes_count && strict ? TR_EXIT_REFUSED : TR_EXIT_OK;
refused:
    fprintf(stderr, "%s: %s\n", path, error.text);
    return TR_EXIT_REFUSED;
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
    code = run(&import, path, text, tailctl->strict);
    free(import.notes);
    free(text);
    tr_arena_fini(&arena);
    return code;
}
