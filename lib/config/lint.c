// SPDX-License-Identifier: Apache-2.0
// What must hold for a table that somebody wrote.
#include "config/doc.h"
#include "config/value.h"

#define TABLES_MAX 256 // that a table reaches

struct lint {
    const struct tr_option_table *tables[TABLES_MAX];
    size_t count;
    struct tr_error *error;
};

static size_t field_bytes(const struct tr_option *row)
{
    static const size_t bytes[] = {
        [TR_TYPE_BOOL] = sizeof(bool),
        [TR_TYPE_UINT] = 8,
        [TR_TYPE_INT] = 8,
        [TR_TYPE_NUMBER] = 8,
        [TR_TYPE_DURATION] = 8,
        [TR_TYPE_SIZE] = 8,
        [TR_TYPE_STRING] = sizeof(char *),
        [TR_TYPE_ENUM] = sizeof(int),
        [TR_TYPE_STRINGS] = sizeof(struct tr_strings),
        [TR_TYPE_MAP] = sizeof(struct tr_map),
        [TR_TYPE_POINTER] = sizeof(void *),
        [TR_TYPE_LIST] = sizeof(struct tr_list),
    };

    return row->type == TR_TYPE_STRUCT ? row->table->struct_bytes : bytes[row->type];
}

static int fail(struct lint *lint, const struct tr_option_table *table, const struct tr_option *row,
                const char *what)
{
    return tr_error_set(lint->error, EINVAL, "table \"%s\", option %s: %s", table->title, row->name, what);
}

// A table may be reached more than once, and from itself.
static int table_add(struct lint *lint, const struct tr_option_table *table)
{
    for (size_t i = 0; i < lint->count; i++)
        if (lint->tables[i] == table)
            return 0;
    if (lint->count == TABLES_MAX)
        return tr_error_set(lint->error, E2BIG, "more than %d tables", TABLES_MAX);
    lint->tables[lint->count++] = table;
    return 0;
}

static int initial_check(struct lint *lint, const struct tr_option_table *table, const struct tr_option *row)
{
    const struct tr_option one = {.name = row->name,
                                  .type = row->type,
                                  .flags = row->flags,
                                  .initial = row->initial,
                                  .min = row->min,
                                  .max = row->max,
                                  .names = row->names,
                                  .table = row->table};
    const struct tr_option_table alone = {.rows = &one, .count = 1, .struct_bytes = field_bytes(row)};
    struct tr_options_doc *doc;
    int rc;

    if (!row->initial)
        return 0;
    if (row->flags & TR_REQUIRED)
        return fail(lint, table, row, "required, and has a default");
    rc = tr_options_parse(&alone, "", 0, &doc, lint->error);
    if (rc)
        tr_error_prefix(lint->error, "table \"%s\"", table->title);
    else
        tr_options_free(doc);
    return rc;
}

static int row_check(struct lint *lint, const struct tr_option_table *table, const struct tr_option *row)
{
    bool nested = row->type == TR_TYPE_STRUCT || row->type == TR_TYPE_POINTER || row->type == TR_TYPE_LIST;

    for (const struct tr_option *before = table->rows; before < row; before++)
        if (strcmp(before->name, row->name) == 0)
            return fail(lint, table, row, "a second row of this name");
    if (nested != (row->table != NULL))
        return fail(lint, table, row, nested ? "has no table" : "has a table that its type does not use");
    if ((row->type == TR_TYPE_ENUM) != (row->names != NULL))
        return fail(lint, table, row, row->names ? "has names that its type does not use" : "has no names");
    if (!row->help || !*row->help)
        return fail(lint, table, row, "has no help");
    if ((row->flags & TR_AUTO) && !tr_value_is_number(row->type) && row->type != TR_TYPE_STRING)
        return fail(lint, table, row, "its type knows no auto");
    if (row->offset + field_bytes(row) > table->struct_bytes)
        return fail(lint, table, row, "lies outside its struct");
    if (nested && table_add(lint, row->table))
        return -E2BIG;
    return initial_check(lint, table, row);
}

int tr_options_lint(const struct tr_option_table *table, struct tr_error *error)
{
    struct lint lint = {.error = error};
    int rc = table_add(&lint, table);

    for (size_t i = 0; i < lint.count && !rc; i++) {
        if (!lint.tables[i]->title)
            return tr_error_set(error, EINVAL, "a table without title");
        for (size_t j = 0; j < lint.tables[i]->count && !rc; j++)
            rc = row_check(&lint, lint.tables[i], &lint.tables[i]->rows[j]);
    }
    return rc;
}
