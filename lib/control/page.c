// SPDX-License-Identifier: Apache-2.0
// The status page: what `tailctl status` says, as plain HTML that needs nothing from anywhere.
#include "control/format.h"
#include "control/state.h"

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>tailrace</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"5\">\n"
    "<style>body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em}\n"
    "table{border-collapse:collapse;margin:.5em 0 1.5em}th,td{text-align:left;padding:.15em 1.2em .15em 0;\n"
    "border-bottom:1px solid "
    "#8884;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}\n"
    ".bad{color:#b00020}:root{color-scheme:light dark}</style></head>\n<body><h1>tailrace</h1>\n";

static void escape(const char *text, FILE *out)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*text, out);
        }
    }
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void cell(const char *text, bool bad, FILE *out)
{
    fprintf(out, "<td%s>", bad ? " class=\"bad\"" : "");
    escape(text, out);
    fputs("</td>", out);
}

static void cell_count(double count, FILE *out)
{
    char text[TR_FORMAT_BYTES];

    fprintf(out, "<td class=\"n\">%s</td>", tr_format_count(count, text));
}

static void line(const char *name, const char *text, bool bad, FILE *out)
{
    fprintf(out, "<tr><th>%s</th>", name);
    cell(text, bad, out);
    fputs("</tr>\n", out);
}

static const char *seconds(const json_t *json, const char *key, const char *none, char text[TR_FORMAT_BYTES])
{
    const json_t *value = json_object_get(json, key);

    if (!json_is_number(value))
        return none;
    return tr_format_duration((uint64_t)(json_number_value(value) * (double)TR_S), text);
}

static void summary_write(const json_t *status, FILE *out)
{
    const json_t *config = json_object_get(status, "config");
    bool ready = json_is_true(json_object_get(status, "ready"));
    const char *drift = text_of(config, "drift");
    char text[TR_FORMAT_BYTES], size[TR_FORMAT_BYTES], row[256];

    fputs("<table>\n", out);
    line("version", text_of(status, "version"), false, out);
    line("state", text_of(status, "state"), false, out);
    line("ready", ready ? "yes" : text_of(status, "not_ready"), !ready, out);
    line("up", seconds(status, "uptime_seconds", "", text), false, out);
    snprintf(row, sizeof(row), "epoch %.0f, file %.150s", number_of(config, "epoch"),
             strcmp(drift, "none") == 0 ? "is what runs" : drift);
    line("config", row, strcmp(drift, "none") != 0, out);
    line("decision wait", seconds(status, "decision_wait_seconds", "", text), false, out);
    line("horizon", seconds(status, "horizon_seconds", "no journal has wrapped yet", text), false, out);
    snprintf(row, sizeof(row), "%s of %s",
             tr_format_size((uint64_t)number_of(status, "journal_used_bytes"), text),
             tr_format_size((uint64_t)number_of(status, "journal_bytes"), size));
    line("journals", row, false, out);
    snprintf(row, sizeof(row), "%s traces, %s spans", tr_format_count(number_of(status, "held_traces"), text),
             tr_format_count(number_of(status, "held_spans"), size));
    line("held", row, false, out);
    line("connections", tr_format_count(number_of(status, "connections"), text), false, out);
    fputs("</table>\n", out);
}

static void flow_write(const json_t *status, FILE *out)
{
    static const char *const rows[][2] = {{"accepted", "accepted_spans"}, {"rejected", "rejected_spans"},
                                          {"kept", "kept_spans"},         {"dropped", "dropped_spans"},
                                          {"evicted", "evicted_spans"},   {"decided early", "decided_early_spans"},
                                          {"delivered", "delivered_spans"}, {"refused requests", "refused_requests"}};
    const json_t *totals = json_object_get(status, "totals"), *rates = json_object_get(status, "rates");
    char key[64];

    fputs("<h2>Spans</h2><table><tr><th></th><th>per second</th><th>since start</th></tr>\n", out);
    for (size_t i = 0; i < TR_NELEMS(rows); i++) {
        snprintf(key, sizeof(key), "%s_per_second", rows[i][1]);
        fprintf(out, "<tr><th>%s</th>", rows[i][0]);
        cell_count(number_of(rates, key), out);
        cell_count(number_of(totals, rows[i][1]), out);
        fputs("</tr>\n", out);
    }
    fputs("</table>\n", out);
}

static void lcores_write(const json_t *lcores, FILE *out)
{
    const json_t *row;
    size_t i;

    fputs("<h2>Lcores</h2><table><tr><th>lcore</th><th>busy</th></tr>\n", out);
    json_array_foreach(lcores, i, row)
        fprintf(out, "<tr><td class=\"n\">%.0f</td><td class=\"n\">%.0f %%</td></tr>\n",
                number_of(row, "lcore"), number_of(row, "busy") * 100);
    fputs("</table>\n", out);
}

static void policies_write(const json_t *policies, FILE *out)
{
    const json_t *row;
    size_t i;

    fputs("<h2>Policies</h2><table><tr><th>name</th><th>type</th><th>traces seen</th><th>kept</th>"
          "<th>kept alone</th><th>dropped</th><th>limited</th></tr>\n",
          out);
    json_array_foreach(policies, i, row)
    {
        fputs("<tr>", out);
        cell(text_of(row, "name"), false, out);
        cell(text_of(row, "type"), false, out);
        cell_count(number_of(row, "traces_seen"), out);
        cell_count(number_of(row, "traces_kept"), out);
        cell_count(number_of(row, "traces_kept_alone"), out);
        cell_count(number_of(row, "traces_dropped"), out);
        cell_count(number_of(row, "traces_limited"), out);
        fputs("</tr>\n", out);
    }
    fputs("</table>\n", out);
}

static void backends_write(const json_t *backends, FILE *out)
{
    const json_t *row, *dropped;
    const char *reason;
    json_t *value;
    size_t i;

    fputs("<h2>Backends</h2><table><tr><th>name</th><th>kind</th><th>state</th><th>queued</th><th>delivered</"
          "th>"
          "<th>rejected</th><th>dropped</th><th>bodies queued</th><th>delivered</th><th>dropped</th></tr>\n",
          out);
    json_array_foreach(backends, i, row)
    {
        bool reachable = json_is_true(json_object_get(row, "reachable"));
        const char *error = text_of(row, "last_error");
        double lost = 0;

        dropped = json_object_get(row, "dropped_spans");
        json_object_foreach((json_t *)dropped, reason, value) lost += json_number_value(value);
        fputs("<tr>", out);
        cell(text_of(row, "name"), false, out);
        cell(text_of(row, "kind"), false, out);
        cell(reachable ? "reachable" : error[0] ? error : "not used yet", !reachable && error[0], out);
        cell_count(number_of(row, "queued_spans"), out);
        cell_count(number_of(row, "delivered_spans"), out);
        cell_count(number_of(row, "rejected_spans"), out);
        cell_count(lost, out);
        cell_count(number_of(row, "queued_bodies"), out);
        cell_count(number_of(row, "delivered_bodies"), out);
        cell_count(number_of(row, "dropped_bodies"), out);
        fputs("</tr>\n", out);
    }
    fputs("</table>\n", out);
}

void tr_page_write(struct tr_control *control, FILE *out)
{
    json_t *status = tr_control_status_json(control), *policies = tr_control_policies_json(control);

    fputs(head, out);
    summary_write(status, out);
    flow_write(status, out);
    backends_write(json_object_get(status, "backends"), out);
    policies_write(policies, out);
    lcores_write(json_object_get(status, "lcores"), out);
    fputs("<p><a href=\"/metrics\">metrics</a></p></body></html>\n", out);
    json_decref(status);
    json_decref(policies);
}
