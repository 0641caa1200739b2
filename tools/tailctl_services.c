// SPDX-License-Identifier: Apache-2.0
// `tailctl services`: a line a service, a line a pair that has lost something, and what can be said of it.
#include "control/format.h"
#include "tailctl.h"

#define COUNT(value)   tr_format_count(value, (char[TR_FORMAT_BYTES]){0})
#define SECONDS(value) tr_format_duration((uint64_t)((value) * (double)TR_S), (char[TR_FORMAT_BYTES]){0})

static const char *ago(const json_t *row, char text[TR_FORMAT_BYTES])
{
    const json_t *seconds = json_object_get(row, "last_seen_seconds_ago");

    if (!json_is_number(seconds))
        return "never";
    return tr_format_duration((uint64_t)(json_number_value(seconds) * (double)TR_S), text);
}

static const char *share(const json_t *row, char text[TR_FORMAT_BYTES])
{
    const json_t *kept = json_object_get(row, "kept_share");

    if (!json_is_number(kept))
        return "-";
    snprintf(text, TR_FORMAT_BYTES, "%.1f %%", 100 * json_number_value(kept));
    return text;
}

static double at(const json_t *row, const char *key)
{
    return tr_json_number_at(row, key);
}

// The kinds of findings about a service, "-" for none.
static void findings_of(const json_t *findings, const char *service, char *text, size_t bytes)
{
    const json_t *finding;
    size_t i, n = 0;

    snprintf(text, bytes, "-");
    json_array_foreach(findings, i, finding)
    {
        const char *kind = tr_json_string_at(finding, "kind");

        if (strcmp(tr_json_string_at(finding, "service"), service) != 0 || (n && strstr(text, kind)) ||
            n + strlen(kind) + 2 >= bytes)
            continue;
        n += (size_t)snprintf(text + n, bytes - n, "%s%s", n ? "," : "", kind);
    }
}

static void services_print(const json_t *answer)
{
    const json_t *services = json_object_get(answer, "services"), *row;
    struct tr_table table = {0};
    size_t i;

    tr_table_column(&table, "SERVICE", false);
    tr_table_column(&table, "SEEN", true);
    tr_table_column(&table, "SPANS/s", true);
    tr_table_column(&table, "KEPT", true);
    tr_table_column(&table, "REJECTED", true);
    tr_table_column(&table, "NO ROOT", true);
    tr_table_column(&table, "NO PARENT", true);
    tr_table_column(&table, "FINDINGS", false);
    json_array_foreach(services, i, row)
    {
        const char *name = tr_json_string_at(row, "name");
        char text[TR_FORMAT_BYTES], found[128];

        if (!name[0])
            name = "(no service.name)";
        findings_of(json_object_get(answer, "findings"), name, found, sizeof(found));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", name);
        tr_table_cell(&table, TR_INK_PLAIN, "%s", ago(row, text));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", COUNT(at(row, "spans_per_second")));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", share(row, text));
        tr_table_cell(&table, at(row, "rejected_spans") > 0 ? TR_INK_BAD : TR_INK_PLAIN, "%s",
                      COUNT(at(row, "rejected_spans")));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", COUNT(at(row, "traces_without_root")));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", COUNT(at(row, "parent_missing_spans")));
        tr_table_cell(&table, found[0] == '-' ? TR_INK_PLAIN : TR_INK_BAD, "%s", found);
    }
    tr_table_print(&table, stdout);
}

static const char *caller_of(const json_t *row)
{
    const json_t *caller = json_object_get(row, "caller");

    return json_is_string(caller) ? json_string_value(caller) : "(not seen)";
}

static void pairs_print(const json_t *pairs)
{
    struct tr_table table = {0};
    const json_t *row;
    size_t i, lost = 0;

    tr_table_column(&table, "CALLER", false);
    tr_table_column(&table, "CALLED", false);
    tr_table_column(&table, "JOINED", true);
    tr_table_column(&table, "NO PARENT", true);
    tr_table_column(&table, "EXAMPLE", false);
    json_array_foreach(pairs, i, row)
    {
        if (at(row, "parent_missing_spans") <= 0)
            continue;
        lost++;
        tr_table_cell(&table, TR_INK_PLAIN, "%s", caller_of(row));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_json_string_at(row, "called"));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", COUNT(at(row, "joined_spans")));
        tr_table_cell(&table, TR_INK_BAD, "%s", COUNT(at(row, "parent_missing_spans")));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_json_string_at(row, "example_trace_id"));
    }
    if (!lost)
        return;
    putchar('\n');
    tr_table_print(&table, stdout);
}

// Words to lines of at most `width`, behind two spaces.
static void wrapped_print(const char *text, unsigned width)
{
    while (*text) {
        size_t bytes = strlen(text), cut = TR_MIN(bytes, (size_t)width - 2);

        while (cut < bytes && cut > width / 2 && text[cut] != ' ')
            cut--;
        fputs("  ", stdout);
        for (char *line = strndup(text, cut); line; free(line), line = NULL)
            tr_text_print(stdout, line);
        putchar('\n');
        text += cut + (text[cut] == ' ');
    }
}

static void findings_print(const json_t *findings)
{
    unsigned width = tr_terminal_get()->width;
    const json_t *row;
    size_t i;

    json_array_foreach(findings, i, row)
    {
        const char *example = tr_json_string_at(row, "example_trace_id"), *service = tr_json_string_at(row, "service");
        char head[512];
        bool caller = json_is_string(json_object_get(row, "caller"));

        snprintf(head, sizeof(head), "%s: %s%s%s (%s)", tr_json_string_at(row, "kind"), caller ? caller_of(row) : "",
                 caller ? " -> " : "", service, tr_json_string_at(row, "sure"));
        putchar('\n');
        for (char *p = head; *p; p++) // as tables do
            *p = (uint8_t)*p < 0x20 || *p == 0x7f ? '?' : *p;
        tr_ink_print(stdout, TR_INK_BAD, head);
        putchar('\n');
        wrapped_print(tr_json_string_at(row, "text"), width ? TR_MIN(TR_MAX(width, 40u), 120u) : 100);
        if (example[0])
            printf("  example: %s\n", example);
    }
}

// Why traces of the last windows were not judged, each with how many.
static void void_print(const json_t *lately, const char *begin)
{
    static const char *const reasons[][2] = {
        {"started", "may have begun before the daemon"},
        {"no_room", "have spans that found no room to be noted (study_lost_total)"},
        {"share_changed", "came while the share of traces that is studied changed"},
        {"too_large", "have more spans than a sixteenth of services.spans_max"}};

    for (size_t i = 0; i < TR_NELEMS(reasons); i++) {
        if (at(lately, reasons[i][0]) <= 0)
            continue;
        printf("%s%s %s", begin, COUNT(at(lately, reasons[i][0])), reasons[i][1]);
        begin = ",\n";
    }
    puts(".");
}

// That nothing is found says something only where something was judged.
static void judged_print(const json_t *study, bool found)
{
    const json_t *lately = json_object_get(study, "traces_lately");
    double judged = at(lately, "judged"), all = judged + at(lately, "started") + at(lately, "no_room") +
                                                at(lately, "share_changed") + at(lately, "too_large");
    char part[64] = "all traces";

    if (at(study, "one_in") > 1)
        snprintf(part, sizeof(part), "1 in %.0f traces", at(study, "one_in"));
    putchar('\n');
    if (!all)
        printf("Nothing could be judged yet: no trace has ended, and none is judged before %s after its last span.\n",
               SECONDS(at(study, "wait_seconds")));
    else if (!judged)
        void_print(lately, "Nothing could be judged: ");
    else if (!found)
        fputs("Nothing found. ", stdout);
    printf("Studied: %s, %s so far (%s void), each %s after its last span. Counts of roots and parents are\n"
           "estimates of the last %s to %s.\n",
           part, COUNT(at(study, "judged_traces")), COUNT(at(study, "void_traces")), SECONDS(at(study, "wait_seconds")),
           SECONDS(at(study, "window_seconds")), SECONDS(2 * at(study, "window_seconds")));
    if (judged && all > judged)
        void_print(lately, "Void of these: ");
}

void tailctl_services(const struct tailctl *tailctl, const json_t *answer)
{
    const json_t *study = json_object_get(answer, "study"), *findings = json_object_get(answer, "findings");

    services_print(answer);
    pairs_print(json_object_get(answer, "pairs"));
    findings_print(findings);
    if (at(study, "one_in") < 1)
        puts("\nnothing is studied (services.study_rate is 0)");
    else
        judged_print(study, json_array_size(findings) > 0);
}
