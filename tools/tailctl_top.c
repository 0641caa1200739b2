// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "control/format.h"
#include "tailctl.h"

static volatile sig_atomic_t stopped;

static void on_signal(int signal)
{
    stopped = signal;
}

// Rates since the screen before; of the first screen, the daemon's own over its last seconds.
static double rate(const json_t *now, const json_t *before, const char *name)
{
    double seconds = tr_json_number_at(now, "uptime_seconds") - tr_json_number_at(before, "uptime_seconds");
    double spans = tr_json_number_at(json_object_get(now, "totals"), name) -
                   tr_json_number_at(json_object_get(before, "totals"), name);
    char key[64];

    snprintf(key, sizeof(key), "%s_per_second", name);
    if (!before || seconds <= 0 || spans < 0)
        return tr_json_number_at(json_object_get(now, "rates"), key);
    return spans / seconds;
}

static void head_write(const json_t *status, FILE *out)
{
    char up[TR_FORMAT_BYTES], horizon[TR_FORMAT_BYTES], traces[TR_FORMAT_BYTES], wait[TR_FORMAT_BYTES];
    const json_t *reach = json_object_get(status, "horizon_seconds");

    fprintf(out, "tailrace %s  up %s  %s%s  epoch %.0f  connections %.0f\n",
            tr_json_string_at(status, "version"),
            tr_format_duration((uint64_t)(tr_json_number_at(status, "uptime_seconds") * (double)TR_S), up),
            tr_json_string_at(status, "state"), tr_json_true_at(status, "ready") ? "" : " (not ready)",
            tr_json_number_at(json_object_get(status, "config"), "epoch"),
            tr_json_number_at(status, "connections"));
    fprintf(out, "held %s traces  journals %.0f %%  horizon %s  decision wait %s\n\n",
            tr_format_count(tr_json_number_at(status, "held_traces"), traces),
            100 * tr_json_number_at(status, "journal_used_bytes") /
                TR_MAX(tr_json_number_at(status, "journal_bytes"), 1.0),
            json_is_number(reach)
                ? tr_format_duration((uint64_t)(json_number_value(reach) * (double)TR_S), horizon)
                : "-",
            tr_format_duration((uint64_t)(tr_json_number_at(status, "decision_wait_seconds") * (double)TR_S),
                               wait));
}

static void flow_write(const json_t *status, const json_t *before, FILE *out)
{
    static const char *const names[][2] = {
        {"ACCEPTED/s", "accepted_spans"}, {"REJECTED/s", "rejected_spans"},
        {"KEPT/s", "kept_spans"},         {"DROPPED/s", "dropped_spans"},
        {"EVICTED/s", "evicted_spans"},   {"DELIVERED/s", "delivered_spans"},
        {"REQUESTS/s", "requests"},       {"EARLY/s", "decided_early_spans"},
        {"REFUSED/s", "refused_requests"}};
    struct tr_table table = {0};
    char text[TR_FORMAT_BYTES];

    for (size_t i = 0; i < TR_NELEMS(names); i++)
        tr_table_column(&table, names[i][0], true);
    for (size_t i = 0; i < TR_NELEMS(names); i++)
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_format_count(rate(status, before, names[i][1]), text));
    tr_table_print(&table, out);
}

static void lcores_write(const json_t *lcores, FILE *out)
{
    const json_t *row;
    size_t i;

    json_array_foreach(lcores, i, row)
    {
        double busy = TR_MIN(TR_MAX(tr_json_number_at(row, "busy"), 0.0), 1.0);
        int full = (int)(busy * 30 + 0.5);

        fprintf(out, "lcore %2.0f [%.*s%.*s] %3.0f %%\n", tr_json_number_at(row, "lcore"), full,
                "##############################", 30 - full, "..............................", busy * 100);
    }
}

// How much a policy's count has grown a second; below 0: not known.
static double policy_rate(const json_t *row, const json_t *before, size_t index, double seconds, const char *key)
{
    const json_t *then = json_array_get(before, index);
    double grown = tr_json_number_at(row, key) - tr_json_number_at(then, key);

    // Another config may have another policy there.
    if (seconds <= 0 || strcmp(tr_json_string_at(row, "name"), tr_json_string_at(then, "name")) != 0 || grown < 0)
        return -1;
    return grown / seconds;
}

static void rate_cell(struct tr_table *table, double rate)
{
    char text[TR_FORMAT_BYTES];

    tr_table_cell(table, TR_INK_PLAIN, "%s", rate < 0 ? "-" : tr_format_count(rate, text));
}

static void policies_write(const json_t *policies, const json_t *before, double seconds, FILE *out)
{
    struct tr_table table = {0};
    char text[TR_FORMAT_BYTES];
    const json_t *row;
    size_t i;

    tr_table_column(&table, "POLICY", false);
    tr_table_column(&table, "SPANS/s", true);
    tr_table_column(&table, "KEPT/s", true);
    tr_table_column(&table, "TRACES", true);
    tr_table_column(&table, "KEPT", true);
    tr_table_column(&table, "ALONE", true);
    tr_table_column(&table, "SHARE", true);
    tr_table_column(&table, "LIMITED", true);
    tr_table_column(&table, "NS/SPAN", true);
    tr_table_column(&table, "EXAMPLE", false);
    json_array_foreach(policies, i, row)
    {
        double seen = tr_json_number_at(row, "traces_seen"), kept = tr_json_number_at(row, "traces_kept");
        double alone = tr_json_number_at(row, "traces_kept_alone");

        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_json_string_at(row, "name"));
        rate_cell(&table, policy_rate(row, before, i, seconds, "spans_seen"));
        rate_cell(&table, policy_rate(row, before, i, seconds, "spans_kept"));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_format_count(seen, text));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_format_count(kept, text));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_format_count(alone, text));
        tr_table_cell(&table, TR_INK_PLAIN, "%.1f %%", seen > 0 ? 100 * kept / seen : 0);
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_format_count(tr_json_number_at(row, "traces_limited"), text));
        tailctl_cost_cell(&table, row);
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_json_string_at(row, "example_trace_id"));
    }
    tr_table_print(&table, out);
}

static char *screen_make(const json_t *status, const json_t *before, const json_t *policies, const json_t *policies_before)
{
    double seconds = tr_json_number_at(status, "uptime_seconds") - tr_json_number_at(before, "uptime_seconds");
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    tr_assert(out);
    head_write(status, out);
    flow_write(status, before, out);
    fputc('\n', out);
    lcores_write(json_object_get(status, "lcores"), out);
    fputc('\n', out);
    tailctl_backends_print(json_object_get(status, "backends"), out);
    fputc('\n', out);
    policies_write(json_object_get(policies, "policies"), json_object_get(policies_before, "policies"),
                   before ? seconds : 0, out);
    fclose(out);
    tr_assert(text);
    return text;
}

// Paint over what is there, line by line: clearing the screen first would flicker.
static void screen_paint(const char *text)
{
    unsigned height = tr_terminal_get()->height, line = 1;

    fputs("\033[H", stdout);
    while (*text && (!height || line < height)) {
        size_t bytes = strcspn(text, "\n");

        fwrite(text, 1, bytes, stdout);
        fputs("\033[K\n", stdout);
        text += bytes + (text[bytes] == '\n');
        line++;
    }
    fputs("\033[J", stdout);
    fflush(stdout);
}

static enum tr_exit ask(const struct tailctl *tailctl, json_t **status, json_t **policies)
{
    enum tr_exit rc = tailctl_request(tailctl, "GET", "/v1/status", NULL, status);

    *policies = NULL;
    return rc ? rc : tailctl_request(tailctl, "GET", "/v1/policies", NULL, policies);
}

static enum tr_exit once(const struct tailctl *tailctl)
{
    json_t *status, *policies;
    enum tr_exit rc = ask(tailctl, &status, &policies);
    char *screen;

    if (rc == TR_EXIT_OK && tailctl->json) {
        json_object_update(status, policies);
        json_dumpf(status, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
        fputc('\n', stdout);
    } else if (rc == TR_EXIT_OK) {
        screen = screen_make(status, NULL, policies, NULL);
        fputs(screen, stdout);
        free(screen);
    }
    json_decref(status);
    json_decref(policies);
    return rc;
}

enum tr_exit tailctl_top(const struct tailctl *tailctl)
{
    // Without SA_RESTART: a signal ends the wait.
    const struct sigaction action = {.sa_handler = on_signal};
    const struct timespec interval = {.tv_sec = 1};
    json_t *before = NULL, *policies_before = NULL;
    enum tr_exit rc = TR_EXIT_OK;

    if (tailctl->once || tailctl->json || !tr_terminal_get()->is_tty)
        return once(tailctl);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    fputs("\033[?1049h\033[?25l", stdout); // a screen of its own, no cursor
    while (!stopped) {
        json_t *status, *policies;
        char *screen;

        tr_terminal_look();
        rc = ask(tailctl, &status, &policies);
        if (rc == TR_EXIT_OK) {
            screen = screen_make(status, before, policies, policies_before);
            screen_paint(screen);
            free(screen);
        }
        json_decref(policies_before);
        json_decref(before);
        before = status;
        policies_before = policies;
        if (rc)
            break;
        nanosleep(&interval, NULL);
    }
    json_decref(before);
    json_decref(policies_before);
    fputs("\033[?25h\033[?1049l", stdout);
    return rc;
}
