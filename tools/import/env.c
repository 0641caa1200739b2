// SPDX-License-Identifier: Apache-2.0
// References to the environment in a Collector's values.
#include "import.h"

// "env:NAME:-default", "NAME": what it stands for.
static const char *reference_value(struct import *import, const struct tr_yaml_node *node, const char *inside)
{
    const char *name = strncmp(inside, "env:", 4) == 0 ? inside + 4 : inside;
    const char *initial = strstr(name, ":-"), *value;

    if (name == inside && strchr(inside, ':') && (!initial || strchr(inside, ':') < initial)) {
        import_note(import, node, "${%s}: only variables of the environment are read; taken as empty", inside);
        return "";
    }
    if (initial)
        name = arena_format(import->arena, "%.*s", (int)(initial - name), name);
    value = getenv(name);
    if (value)
        return value;
    if (!initial)
        import_note(import, node, "the environment has no %s; taken as empty", name);
    return initial ? initial + 2 : "";
}

const char *import_text(struct import *import, const struct tr_yaml_node *node)
{
    const char *text = node && node->kind == TR_YAML_SCALAR ? node->text : "", *made = "";

    if (!strchr(text, '$'))
        return text;
    while (*text) {
        size_t plain = strcspn(text, "$");
        const char *end;

        made = arena_format(import->arena, "%s%.*s", made, (int)plain, text);
        text += plain;
        end = text[0] && text[1] == '{' ? strchr(text, '}') : NULL;
        if (end) {
            const char *inside = arena_format(import->arena, "%.*s", (int)(end - text - 2), text + 2);

            made = arena_format(import->arena, "%s%s", made, reference_value(import, node, inside));
            text = end + 1;
        } else if (*text) {
            text += 1 + (text[1] == '$');
            made = arena_format(import->arena, "%s$", made);
        }
    }
    return made;
}

bool import_reference(struct import *import, const char *text, const char **kind, const char **name)
{
    size_t bytes = strlen(text);
    const char *inside, *colon;

    if (strncmp(text, "${", 2) != 0 || bytes < 4 || strchr(text, '}') != text + bytes - 1)
        return false;
    inside = arena_format(import->arena, "%.*s", (int)bytes - 3, text + 2);
    colon = strchr(inside, ':');
    if (strstr(inside, ":-"))
        return false;
    *kind = colon ? arena_format(import->arena, "%.*s", (int)(colon - inside), inside) : "env";
    *name = colon ? colon + 1 : inside;
    return strcmp(*kind, "env") == 0 || strcmp(*kind, "file") == 0;
}

bool import_true(struct import *import, const struct tr_yaml_node *node)
{
    const char *text = import_text(import, node);

    return strcasecmp(text, "true") == 0 || strcasecmp(text, "yes") == 0 || strcasecmp(text, "on") == 0;
}
