// SPDX-License-Identifier: Apache-2.0
#include "control/metrics.h"

static bool name_good(const char *name)
{
    if (name[0] < 'a' || name[0] > 'z')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

// key="value" pairs, a comma between them; values without quotes, backslashes or newlines.
static bool labels_good(const char *labels)
{
    if (!labels[0])
        return true;
    for (;;) {
        size_t key = strspn(labels, "abcdefghijklmnopqrstuvwxyz_");

        if (!key || strncmp(labels + key, "=\"", 2) != 0)
            return false;
        labels += key + 2;
        labels += strcspn(labels, "\"\\\n");
        if (*labels++ != '"')
            return false;
        if (!*labels)
            return true;
        if (*labels++ != ',')
            return false;
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t bytes = strlen(text), end_bytes = strlen(end);

    return bytes >= end_bytes && strcmp(text + bytes - end_bytes, end) == 0;
}

static size_t fault(FILE *out, const char *module, const struct tr_counter_row *row, const char *what)
{
    fprintf(out, "%s: %s{%s}: %s\n", module, row->name, row->labels, what);
    return 1;
}

static size_t row_check(const char *module, const struct tr_counter_row *row, FILE *out)
{
    size_t faults = 0;

    if (!name_good(row->name))
        faults += fault(out, module, row, "a name is lower case letters, digits and _");
    if (!labels_good(row->labels))
        faults += fault(out, module, row, "labels are key=\"value\", a comma between them");
    if (ends_with(row->name, "_total") != (row->kind == TR_COUNTER))
        faults += fault(out, module, row, "counters end in _total, gauges do not");
    if (!ends_with(row->help, "."))
        faults += fault(out, module, row, "the help is a sentence");
    return faults;
}

// Against every row before it: of the same name, the kind is the same and the labels are others.
static size_t pair_check(const struct tr_counter_rows *const *modules, size_t module, size_t row, FILE *out)
{
    const struct tr_counter_row *here = &modules[module]->rows[row];
    size_t faults = 0;

    for (size_t m = 0; m <= module; m++) {
        size_t rows = m == module ? row : modules[m]->count;

        for (size_t r = 0; r < rows; r++) {
            const struct tr_counter_row *there = &modules[m]->rows[r];

            if (strcmp(there->name, here->name) != 0)
                continue;
            if (there->kind != here->kind)
                faults += fault(out, modules[module]->module, here, "a counter and a gauge of one name");
            if (strcmp(there->labels, here->labels) == 0)
                faults += fault(out, modules[module]->module, here, "this row is there already");
        }
    }
    return faults;
}

size_t tr_metrics_check(const struct tr_counter_rows *const *modules, size_t count, FILE *out)
{
    size_t faults = 0;

    for (size_t m = 0; m < count; m++) {
        for (size_t r = 0; r < modules[m]->count; r++) {
            faults += row_check(modules[m]->module, &modules[m]->rows[r], out);
            faults += pair_check(modules, m, r, out);
        }
    }
    return faults;
}

// What tells the structs of a module from each other.
static const char *place_label(const char *module)
{
    static const char *const others[][2] = {{"backend", "`backend`"},
                                            {"build", "`version`"},
                                            {"control", ""},
                                            {"control_policy", "`policy`"},
                                            {"process", ""},
                                            {"study", ""}};

    for (size_t i = 0; i < TR_NELEMS(others); i++) {
        if (strcmp(others[i][0], module) == 0)
            return others[i][1];
    }
    return "`lcore`";
}

static void row_document(const struct tr_counter_row *row, const char *place, FILE *out)
{
    fprintf(out, "| `tailrace_%s` | %s | ", row->name, row->kind == TR_COUNTER ? "counter" : "gauge");
    if (row->labels[0])
        fprintf(out, "`%s`%s", row->labels, place[0] ? ", " : "");
    fprintf(out, "%s | %s |\n", place, row->help);
}

void tr_metrics_document(const struct tr_counter_rows *const *modules, size_t count, FILE *out)
{
    fputs(
        "# Metrics\n\n"
        "Everything that tailrace counts, as `/metrics` (Prometheus, text format 0.0.4) and `tailctl stats` "
        "show\n"
        "it. Each line of these tables is one row of the source. This file is generated from them; after a\n"
        "change run `build/tools/gendocs metrics > docs/metrics.md`.\n\n"
        "Counters begin at 0 with the process. `_seconds` are seconds, `_bytes` bytes. A label without a "
        "value\n"
        "below tells where the number was counted: each data lcore, backend and policy counts for itself.\n",
        out);
    for (size_t m = 0; m < count; m++) {
        fprintf(out, "\n## %s\n\n| name | kind | labels | meaning |\n| --- | --- | --- | --- |\n",
                modules[m]->module);
        for (size_t r = 0; r < modules[m]->count; r++)
            row_document(&modules[m]->rows[r], place_label(modules[m]->module), out);
    }
}
