// SPDX-License-Identifier: Apache-2.0
// The whole config, defaults too, as YAML that parses back to the same structs.
#include "config/doc.h"
#include "config/text.h"

struct show {
    FILE *out;
    int indent;
    bool begun; // the line has its "- " already
};

static void rows_show(struct show *show, const struct tr_option_table *table, const void *options);

static bool any_shown(const struct tr_option_table *table, const void *options)
{
    for (size_t i = 0; i < table->count; i++)
        if (tr_text_has_value(&table->rows[i], tr_text_field(&table->rows[i], options)))
            return true;
    return false;
}

// What comes behind "name:" of a block.
static void block_show(struct show *show, const struct tr_option_table *table, const void *options)
{
    if (!any_shown(table, options)) {
        fputs(" {}\n", show->out);
        return;
    }
    fputc('\n', show->out);
    show->indent += 2;
    rows_show(show, table, options);
    show->indent -= 2;
}

static void list_show(struct show *show, const struct tr_option_table *table, const struct tr_list *list)
{
    fputs(list->count ? "\n" : " []\n", show->out);
    for (size_t i = 0; i < list->count; i++) {
        const void *item = (const char *)list->items + i * table->struct_bytes;

        fprintf(show->out, "%*s-%s", show->indent + 2, "", any_shown(table, item) ? " " : " {}\n");
        show->begun = true;
        show->indent += 4;
        rows_show(show, table, item);
        show->indent -= 4;
        show->begun = false;
    }
}

static void rows_show(struct show *show, const struct tr_option_table *table, const void *options)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct tr_option *row = &table->rows[i];
        const void *field = tr_text_field(row, options);

        if (!tr_text_has_value(row, field))
            continue;
        fprintf(show->out, "%*s%s:", show->begun ? 0 : show->indent, "", row->name);
        show->begun = false;
        if (row->type == TR_TYPE_STRUCT) {
            block_show(show, row->table, field);
        } else if (row->type == TR_TYPE_POINTER) {
            block_show(show, row->table, *(void *const *)field);
        } else if (row->type == TR_TYPE_LIST) {
            list_show(show, row->table, field);
        } else {
            fputc(' ', show->out);
            tr_text_write_value(show->out, row, field);
            fputc('\n', show->out);
        }
    }
}

char *tr_options_show(const struct tr_options_doc *doc)
{
    char *text = NULL;
    size_t bytes = 0;
    struct show show = {.out = open_memstream(&text, &bytes)};

    if (!show.out)
        return NULL;
    rows_show(&show, doc->table, doc->options);
    if (fclose(show.out) == 0)
        return text;
    free(text);
    return NULL;
}
