// SPDX-License-Identifier: Apache-2.0
// Prints the documents that are generated from the sources' rows, and checks the rows.
#include "gendocs.h"

#include "control/metrics.h"

static int metrics(void)
{
    tr_metrics_document(tr_all_counter_rows, tr_all_counter_rows_count, stdout);
    return 0;
}

// One name a line, for checks of alerts and dashboards.
static int names(void)
{
    for (size_t m = 0; m < tr_all_counter_rows_count; m++) {
        for (size_t r = 0; r < tr_all_counter_rows[m]->count; r++)
            printf("tailrace_%s{%s}\n", tr_all_counter_rows[m]->rows[r].name,
                   tr_all_counter_rows[m]->rows[r].labels);
    }
    return 0;
}

static int check(void)
{
    return tr_metrics_check(tr_all_counter_rows, tr_all_counter_rows_count, stderr) ? 1 : 0;
}

static const struct document {
    const char *name;
    int (*print)(void);
    const char *help;
} documents[] = {
    {"metrics", metrics, "docs/metrics.md"},
    {"names", names, "every metric with the labels of its row"},
    {"check", check, "faults of the rows; exit 1 with any"},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < TR_NELEMS(documents); i++) {
        if (strcmp(argv[1], documents[i].name) == 0)
            return documents[i].print() || fflush(stdout) ? 1 : 0;
    }
    fputs("usage: gendocs WHAT\n\n", stderr);
    for (size_t i = 0; i < TR_NELEMS(documents); i++)
        fprintf(stderr, "  %-10s %s\n", documents[i].name, documents[i].help);
    return 2;
}
