// SPDX-License-Identifier: Apache-2.0
// The books: `audit` and `stats`, where every digit counts.
#include "tailctl.h"

static void line(struct tr_table *table, const char *name, double value)
{
    tr_table_cell(table, TR_INK_PLAIN, "%s", name);
    tr_table_cell(table, TR_INK_PLAIN, "%.0f", value);
}

static void line_of(struct tr_table *table, const char *name, const json_t *answer, const char *key)
{
    line(table, name, tr_json_number_at(answer, key));
}

// A total, then what it is made of.
static void lines_of(struct tr_table *table, const char *name, const json_t *answer, const char *key)
{
    json_t *object = json_object_get(answer, key), *value;
    const char *reason;

    line(table, name, tr_json_sum(object));
    json_object_foreach(object, reason, value)
    {
        if (!json_number_value(value))
            continue;
        tr_table_cell(table, TR_INK_PLAIN, "%*s%s", (int)strspn(name, " ") + 2, "", reason);
        tr_table_cell(table, TR_INK_PLAIN, "%.0f", json_number_value(value));
    }
}

static void backends_print(const json_t *backends)
{
    static const char *const columns[] = {"routed_spans", "delivered_spans", "rejected_spans"};
    struct tr_table table = {0};
    const json_t *row;
    size_t i;

    tr_table_column(&table, "BACKEND", false);
    tr_table_column(&table, "ROUTED", true);
    tr_table_column(&table, "DELIVERED", true);
    tr_table_column(&table, "REJECTED", true);
    tr_table_column(&table, "DROPPED", true);
    tr_table_column(&table, "QUEUED", true);
    json_array_foreach(backends, i, row)
    {
        enum tr_ink ink = tr_json_true_at(row, "balanced") ? TR_INK_PLAIN : TR_INK_BAD;

        tr_table_cell(&table, ink, "%s", tr_json_string_at(row, "name"));
        for (size_t c = 0; c < TR_NELEMS(columns); c++)
            tr_table_cell(&table, ink, "%.0f", tr_json_number_at(row, columns[c]));
        tr_table_cell(&table, ink, "%.0f", tr_json_sum(json_object_get(row, "dropped_spans")));
        tr_table_cell(&table, ink, "%.0f", tr_json_number_at(row, "queued_spans"));
    }
    tr_table_print(&table, stdout);
}

void tailctl_audit(const struct tailctl *tailctl, const json_t *answer)
{
    struct tr_table table = {0};
    const json_t *failure;
    size_t i;

    tr_table_column(&table, "SPANS", false);
    tr_table_column(&table, "COUNT", true);
    line_of(&table, "accepted", answer, "accepted_spans");
    line_of(&table, "  not walked yet", answer, "not_walked_spans");
    line_of(&table, "  on the way to their owner", answer, "in_rings_spans");
    line_of(&table, "  held", answer, "held_spans");
    line_of(&table, "  kept", answer, "kept_spans");
    lines_of(&table, "  dropped", answer, "dropped_spans");
    lines_of(&table, "  evicted undecided", answer, "evicted_spans");
    lines_of(&table, "decided early (of those)", answer, "decided_early_spans");
    lines_of(&table, "late (of those)", answer, "late_spans");
    lines_of(&table, "after a decision at once (of those)", answer, "following_spans");
    line_of(&table, "reopened, kept after all (of those)", answer, "reopened_spans");
    line_of(&table, "of reopened traces, not to be found", answer, "reopened_gone_spans");
    lines_of(&table, "rejected (never accepted)", answer, "rejected_spans");
    line_of(&table, "kept", answer, "kept_spans");
    line_of(&table, "  in an outbox", answer, "outbox_spans");
    line_of(&table, "  refused by an outbox", answer, "outbox_refused_spans");
    line_of(&table, "  gone from the journal", answer, "stale_spans");
    line_of(&table, "  gone, of reopened traces", answer, "gone_spans");
    line_of(&table, "  on the way to their holder", answer, "emits_in_rings_spans");
    line_of(&table, "  waiting for room", answer, "emits_waiting_spans");
    tr_table_print(&table, stdout);
    putchar('\n');
    backends_print(json_object_get(answer, "backends"));
    putchar('\n');
    if (tr_json_true_at(answer, "balanced"))
        tr_ink_print(stdout, TR_INK_GOOD, "balanced\n");
    else
        tr_ink_print(stdout, TR_INK_BAD, "NOT balanced\n");
    json_array_foreach(json_object_get(answer, "failures"), i, failure)
    {
        fputs("  ", stdout);
        tr_text_print(stdout, json_string_value(failure));
        putchar('\n');
    }
}

// A name with its labels, lcore left out unless it is asked for.
static char *series_name(const json_t *row, bool with_lcore)
{
    json_t *labels = json_object_get(row, "labels"), *value;
    const char *key;
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    bool any = false;

    tr_assert(out);
    fputs(tr_json_string_at(row, "name"), out);
    json_object_foreach(labels, key, value)
    {
        if (!with_lcore && strcmp(key, "lcore") == 0)
            continue;
        fprintf(out, "%s%s=\"%s\"", any ? "," : "{", key, json_string_value(value));
        any = true;
    }
    fputs(any ? "}" : "", out);
    fclose(out);
    tr_assert(text);
    return text;
}

static json_t *value_add(json_t *sum, const json_t *value)
{
    if (!json_is_number(value))
        return sum ? json_incref(sum) : json_null();
    if (!json_is_number(sum))
        return json_deep_copy(value);
    if (json_is_integer(sum) && json_is_integer(value))
        return json_integer(json_integer_value(sum) + json_integer_value(value));
    return json_real(json_number_value(sum) + json_number_value(value));
}

void tailctl_stats(const struct tailctl *tailctl, const json_t *answer)
{
    json_t *sums = json_object(), *value;
    struct tr_table table = {0};
    const json_t *row;
    const char *name;
    size_t i;

    json_array_foreach(json_object_get(answer, "stats"), i, row)
    {
        // Times of several lcores have no sum worth knowing.
        bool gauge_of_time = strcmp(tr_json_string_at(row, "kind"), "gauge") == 0 &&
                             strstr(tr_json_string_at(row, "name"), "_seconds");
        char *series = series_name(row, tailctl->lcores || gauge_of_time);

        json_object_set_new(sums, series,
                            value_add(json_object_get(sums, series), json_object_get(row, "value")));
        free(series);
    }
    if (!json_object_size(sums))
        fprintf(stderr, "tailctl: no counter begins with that\n");
    tr_table_column(&table, "VALUE", true);
    tr_table_column(&table, "NAME", false);
    json_object_foreach(sums, name, value)
    {
        if (json_is_integer(value))
            tr_table_cell(&table, TR_INK_PLAIN, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        else
            tr_table_cell(&table, TR_INK_PLAIN, json_is_number(value) ? "%.3f" : "-",
                          json_number_value(value));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", name);
    }
    tr_table_print(&table, stdout);
    json_decref(sums);
}
