// SPDX-License-Identifier: Apache-2.0
// The reference in Markdown: a section a table, in the order in which the tables are reached.
#include <ctype.h>

#include "config/doc.h"
#include "config/value.h"

#define SECTIONS_MAX 256
#define PATHS_MAX    8 // of a table that is reached in more than one way

struct section {
    const struct tr_option_table *table;
    char paths[PATHS_MAX][TR_YAML_PATH_BYTES];
    size_t paths_count;
};

struct document {
    FILE *out;
    struct section *sections;
    size_t count;
};

static bool has_table(const struct tr_option *row)
{
    return row->type == TR_TYPE_STRUCT || row->type == TR_TYPE_POINTER || row->type == TR_TYPE_LIST;
}

// Note every table below this one, and the paths that lead to it. A table's own rows are followed the first
// time.
static void sections_collect(struct document *document, const struct tr_option_table *table, const char *path)
{
    struct section *section = NULL;
    bool known;

    for (size_t i = 0; i < document->count && !section; i++)
        if (document->sections[i].table == table)
            section = &document->sections[i];
    known = section;
    if (!known) {
        if (document->count == SECTIONS_MAX)
            return;
        section = &document->sections[document->count++];
        section->table = table;
    }
    if (section->paths_count < PATHS_MAX)
        snprintf(section->paths[section->paths_count++], TR_YAML_PATH_BYTES, "%s", path);
    for (size_t i = 0; i < table->count && !known; i++) {
        const struct tr_option *row = &table->rows[i];
        char below[TR_YAML_PATH_BYTES];

        if (!has_table(row))
            continue;
        snprintf(below, sizeof(below), "%s%s%s%s", path, *path ? "." : "", row->name,
                 row->type == TR_TYPE_LIST ? "[]" : "");
        sections_collect(document, row->table, below);
    }
}

// As Markdown renderers make the anchor of a heading.
static void anchor_write(FILE *out, const char *title)
{
    for (; *title; title++) {
        if (isalnum((unsigned char)*title) || *title == '-' || *title == '_')
            fputc(tolower((unsigned char)*title), out);
        else if (*title == ' ')
            fputc('-', out);
    }
}

static void cell_write(FILE *out, const char *text)
{
    for (; *text; text++)
        fprintf(out, *text == '|' ? "\\%c" : "%c", *text == '\n' ? ' ' : *text);
}

static void type_write(FILE *out, const struct tr_option *row)
{
    static const char *const names[] = {
        [TR_TYPE_BOOL] = "true or false",
        [TR_TYPE_UINT] = "whole number",
        [TR_TYPE_INT] = "whole number",
        [TR_TYPE_NUMBER] = "number",
        [TR_TYPE_DURATION] = "duration",
        [TR_TYPE_SIZE] = "size",
        [TR_TYPE_STRING] = "text",
        [TR_TYPE_ENUM] = "one of",
        [TR_TYPE_STRINGS] = "list of texts",
        [TR_TYPE_MAP] = "texts by name",
        [TR_TYPE_STRUCT] = "",
        [TR_TYPE_POINTER] = "",
        [TR_TYPE_LIST] = "list of ",
    };

    fputs(row->flags & TR_ONE_TOO ? "text or list of texts" : names[row->type], out);
    if (has_table(row)) {
        fprintf(out, "[%s](#", row->table->title);
        anchor_write(out, row->table->title);
        fputc(')', out);
    }
    if (row->flags & TR_SECRET)
        fputs(", secret", out);
}

static void default_write(FILE *out, const struct tr_option *row)
{
    bool zero = !tr_value_has_min(row) || (row->min <= 0 && (!tr_value_has_max(row) || row->max >= 0));

    if (row->flags & TR_REQUIRED) {
        fputs("required", out);
    } else if (row->initial && *row->initial) {
        fprintf(out, "`%s`", row->initial);
    } else if (row->flags & TR_AUTO) {
        fputs("`auto`", out);
    } else if (row->type == TR_TYPE_BOOL) {
        fputs("`false`", out);
    } else if (row->type == TR_TYPE_ENUM) {
        fprintf(out, "`%s`", row->names[0]);
    } else if (tr_value_is_number(row->type)) {
        fputs(zero ? "`0`" : "none", out);
    } else if (row->type == TR_TYPE_STRUCT) {
        fputs("its own", out);
    } else if (row->type == TR_TYPE_STRING || row->type == TR_TYPE_POINTER) {
        fputs("none", out);
    } else {
        fputs("empty", out);
    }
}

static void range_write(FILE *out, const struct tr_option *row)
{
    bool counted = row->type == TR_TYPE_STRINGS || row->type == TR_TYPE_MAP || row->type == TR_TYPE_LIST;
    const char *items = counted ? " items" : "";
    char min[32], max[32];

    for (size_t i = 0; row->names && row->names[i]; i++)
        fprintf(out, "%s`%s`", i ? ", " : "", row->names[i]);
    if (!tr_value_has_min(row))
        return;
    tr_value_bound_format(row, row->min, min);
    tr_value_bound_format(row, row->max, max);
    if (!tr_value_has_max(row))
        fprintf(out, counted ? "%s or more items" : "at least %s", min);
    else if (counted && row->min == 0)
        fprintf(out, "at most %s%s", max, items);
    else
        fprintf(out, "%s to %s%s", min, max, items);
    if (row->flags & TR_AUTO)
        fputs(", or `auto`", out);
}

static void row_write(FILE *out, const struct tr_option *row)
{
    fprintf(out, "| `%s` | ", row->name);
    type_write(out, row);
    fputs(" | ", out);
    default_write(out, row);
    fputs(" | ", out);
    range_write(out, row);
    // A block that is always there changes with what is in it.
    fputs(row->type == TR_TYPE_STRUCT ? " | " : row->flags & TR_LIVE ? " | live" : " | restart", out);
    fputs(" | ", out);
    cell_write(out, row->help);
    fputs(" |\n", out);
}

static void section_write(FILE *out, const struct section *section)
{
    fprintf(out, "\n## %s\n", section->table->title);
    for (size_t i = 0; i < section->paths_count && section->paths[0][0]; i++)
        fprintf(out, "%s`%s`", i ? ", " : "\n", section->paths[i]);
    fputs(section->paths[0][0] ? "\n" : "", out);
    fputs("\n| option | type | default | range | applies | what it does |\n", out);
    fputs("| --- | --- | --- | --- | --- | --- |\n", out);
    for (size_t i = 0; i < section->table->count; i++)
        row_write(out, &section->table->rows[i]);
}

void tr_options_document(const struct tr_option_table *table, FILE *out)
{
    struct document document = {.out = out, .sections = calloc(SECTIONS_MAX, sizeof(struct section))};

    if (!document.sections)
        return;
    fputs(
        "# Configuration reference\n\n"
        "Generated from the option tables of `lib/`; a test fails when it differs from them.\n\n"
        "Durations are written `10s`, `250ms` or `1h30m`; sizes `512KiB`, `64MiB` or `1GB`, or as a number "
        "of "
        "bytes. *live* options change in a running daemon by `tailctl config apply`, the others at its next "
        "start; of a list or a block the word means adding it and taking it away. Secrets are written as "
        "such, "
        "or better as `env:NAME` or `file:PATH`, and are never shown. Unknown keys are refused.\n",
        out);
    sections_collect(&document, table, "");
    for (size_t i = 0; i < document.count; i++)
        section_write(out, &document.sections[i]);
    free(document.sections);
}
