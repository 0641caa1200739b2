// SPDX-License-Identifier: Apache-2.0
#include "control/format.h"
#include "tailctl.h"

void tailctl_config_show(const struct tailctl *tailctl, const json_t *answer)
{
    tr_text_print(stdout, tr_json_string_at(answer, "config"));
}

void tailctl_config_check(const struct tailctl *tailctl, const json_t *answer)
{
    const json_t *remark;
    size_t i;

    printf("%s: valid\n", tailctl->arguments[0]);
    json_array_foreach(json_object_get(answer, "remarks"), i, remark)
    {
        fputs("  ", stdout);
        tr_text_print(stdout, json_string_value(remark));
        putchar('\n');
    }
}

void tailctl_differences_print(const json_t *differences)
{
    struct tr_table table = {0};
    const json_t *row;
    size_t i;

    if (!json_array_size(differences))
        return;
    tr_table_column(&table, "OPTION", false);
    tr_table_column(&table, "APPLIES", false);
    tr_table_column(&table, "FROM", false);
    tr_table_column(&table, "TO", false);
    json_array_foreach(differences, i, row)
    {
        const char *before = json_string_value(json_object_get(row, "before"));
        const char *after = json_string_value(json_object_get(row, "after"));
        bool live = tr_json_true_at(row, "live");

        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_json_string_at(row, "path"));
        tr_table_cell(&table, live ? TR_INK_GOOD : TR_INK_BAD, "%s", live ? "live" : "restart");
        tr_table_cell(&table, TR_INK_PLAIN, "%s", before ? before : "-");
        tr_table_cell(&table, TR_INK_PLAIN, "%s", after ? after : "-");
    }
    tr_table_print(&table, stdout);
}

void tailctl_config_diff(const struct tailctl *tailctl, const json_t *answer)
{
    const json_t *differences = json_object_get(answer, "differences");

    if (json_array_size(differences))
        tailctl_differences_print(differences);
    else
        puts("no differences");
}

void tailctl_config_apply(const struct tailctl *tailctl, const json_t *answer)
{
    double confirm_s = tr_json_number_at(answer, "confirm_seconds");
    char text[TR_FORMAT_BYTES];

    tailctl_differences_print(json_object_get(answer, "differences"));
    printf("applied, epoch %.0f\n", tr_json_number_at(answer, "epoch"));
    if (confirm_s > 0)
        printf("it is undone in %s unless you run: tailctl config confirm\n",
               tr_format_duration((uint64_t)(confirm_s * (double)TR_S), text));
}

void tailctl_config_confirm(const struct tailctl *tailctl, const json_t *answer)
{
    printf("confirmed, epoch %.0f stays\n", tr_json_number_at(answer, "epoch"));
}

void tailctl_config_undo(const struct tailctl *tailctl, const json_t *answer)
{
    printf("undone, epoch %.0f; %.0f more can be undone\n", tr_json_number_at(answer, "epoch"),
           tr_json_number_at(answer, "undo_steps"));
}
