// SPDX-License-Identifier: Apache-2.0
// Answers as people read them.
#include "control/format.h"
#include "tailctl.h"

// A count, short: 12.3k. Each buffer lives until its caller's next statement.
#define COUNT(value) tr_format_count(value, (char[TR_FORMAT_BYTES]){0})
#define SIZE(value)  tr_format_size((uint64_t)(value), (char[TR_FORMAT_BYTES]){0})

// A number of seconds, `none` for null.
static const char *seconds_at(const json_t *json, const char *key, const char *none,
                              char text[TR_FORMAT_BYTES])
{
    const json_t *value = json_object_get(json, key);

    if (!json_is_number(value))
        return none;
    return tr_format_duration((uint64_t)(json_number_value(value) * (double)TR_S), text);
}
#define SECONDS(json, key, none) seconds_at(json, key, none, (char[TR_FORMAT_BYTES]){0})

static void config_line(struct tr_table *table, const json_t *config)
{
    const char *drift = tr_json_string_at(config, "drift"),
               *error = tr_json_string_at(config, "rollback_error");
    bool same = strcmp(drift, "none") == 0;

    tr_table_cell(table, TR_INK_HEAD, "config");
    tr_table_cell(table, TR_INK_PLAIN, "%s, epoch %.0f, applied %s", tr_json_string_at(config, "path"),
                  tr_json_number_at(config, "epoch"), tr_json_string_at(config, "applied"));
    tr_table_cell(table, TR_INK_HEAD, "drift");
    tr_table_cell(table, same ? TR_INK_GOOD : TR_INK_BAD, "%s",
                  same                            ? "none: the file is what runs"
                  : strcmp(drift, "changed") == 0 ? "the file is not what runs (tailctl config diff FILE)"
                  : strcmp(drift, "missing") == 0 ? "the file is gone"
                                                  : "the file cannot be read");
    if (json_is_number(json_object_get(config, "rollback_in_seconds"))) {
        tr_table_cell(table, TR_INK_HEAD, "rollback");
        tr_table_cell(table, TR_INK_BAD, "in %s unless confirmed (tailctl config confirm)",
                      SECONDS(config, "rollback_in_seconds", ""));
    }
    if (error[0]) {
        tr_table_cell(table, TR_INK_HEAD, "rollback failed");
        tr_table_cell(table, TR_INK_BAD, "%s", error);
    }
}

static void summary_print(const json_t *answer)
{
    struct tr_table table = {.headless = true};
    bool ready = tr_json_true_at(answer, "ready");

    tr_table_column(&table, "", false);
    tr_table_column(&table, "", false);
    tr_table_cell(&table, TR_INK_HEAD, "tailrace");
    tr_table_cell(&table, TR_INK_PLAIN, "%s, pid %.0f, up %s", tr_json_string_at(answer, "version"),
                  tr_json_number_at(answer, "pid"), SECONDS(answer, "uptime_seconds", "?"));
    tr_table_cell(&table, TR_INK_HEAD, "state");
    tr_table_cell(&table, ready ? TR_INK_GOOD : TR_INK_BAD, "%s, %s%s", tr_json_string_at(answer, "state"),
                  ready ? "ready" : "not ready: ", ready ? "" : tr_json_string_at(answer, "not_ready"));
    config_line(&table, json_object_get(answer, "config"));
    tr_table_cell(&table, TR_INK_HEAD, "horizon");
    tr_table_cell(&table, TR_INK_PLAIN, "%s, decision wait %s (at least %s)",
                  SECONDS(answer, "horizon_seconds", "no journal has wrapped yet"),
                  SECONDS(answer, "decision_wait_seconds", "?"),
                  SECONDS(answer, "decision_wait_min_seconds", "?"));
    tr_table_cell(&table, TR_INK_HEAD, "journals");
    tr_table_cell(&table, TR_INK_PLAIN, "%s of %s in use",
                  SIZE(tr_json_number_at(answer, "journal_used_bytes")),
                  SIZE(tr_json_number_at(answer, "journal_bytes")));
    tr_table_cell(&table, TR_INK_HEAD, "held");
    tr_table_cell(&table, TR_INK_PLAIN, "%s spans of %s traces (room for %s)",
                  COUNT(tr_json_number_at(answer, "held_spans")),
                  COUNT(tr_json_number_at(answer, "held_traces")),
                  COUNT(tr_json_number_at(answer, "held_traces_max")));
    tr_table_cell(&table, TR_INK_HEAD, "connections");
    tr_table_cell(&table, TR_INK_PLAIN, "%.0f", tr_json_number_at(answer, "connections"));
    tr_table_print(&table, stdout);
}

static void flow_print(const json_t *answer)
{
    static const char *const rows[][2] = {{"accepted", "accepted_spans"}, {"rejected", "rejected_spans"},
                                          {"kept", "kept_spans"},         {"dropped", "dropped_spans"},
                                          {"evicted", "evicted_spans"},   {"decided early", "decided_early_spans"},
                                          {"delivered", "delivered_spans"}, {"requests", "requests"},
                                          {"refused requests", "refused_requests"}};
    const json_t *totals = json_object_get(answer, "totals"), *rates = json_object_get(answer, "rates");
    struct tr_table table = {0};
    char key[64];

    tr_table_column(&table, "SPANS", false);
    tr_table_column(&table, "PER SECOND", true);
    tr_table_column(&table, "SINCE START", true);
    for (size_t i = 0; i < TR_NELEMS(rows); i++) {
        snprintf(key, sizeof(key), "%s_per_second", rows[i][1]);
        tr_table_cell(&table, TR_INK_PLAIN, "%s", rows[i][0]);
        tr_table_cell(&table, TR_INK_PLAIN, "%s", COUNT(tr_json_number_at(rates, key)));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", COUNT(tr_json_number_at(totals, rows[i][1])));
    }
    tr_table_print(&table, stdout);
}

static void lcores_print(const json_t *lcores)
{
    struct tr_table table = {0};
    const json_t *row;
    size_t i;

    tr_table_column(&table, "LCORE", true);
    tr_table_column(&table, "CPU", true);
    tr_table_column(&table, "BUSY", true);
    json_array_foreach(lcores, i, row)
    {
        const json_t *cpu = json_object_get(row, "cpu");

        tr_table_cell(&table, TR_INK_PLAIN, "%.0f", tr_json_number_at(row, "lcore"));
        tr_table_cell(&table, TR_INK_PLAIN, json_is_number(cpu) ? "%.0f" : "-", json_number_value(cpu));
        tr_table_cell(&table, TR_INK_PLAIN, "%.0f %%", tr_json_number_at(row, "busy") * 100);
    }
    tr_table_print(&table, stdout);
}

// Bodies of metrics and logs, where there were some: those that came in and are forwarded, and those of span_metrics.
static void bodies_print(const json_t *backends, FILE *out)
{
    struct tr_table table = {0};
    const json_t *row;
    size_t i, rows = 0;

    tr_table_column(&table, "METRICS, LOGS", false);
    tr_table_column(&table, "BODIES", true);
    tr_table_column(&table, "QUEUED", true);
    tr_table_column(&table, "BYTES", true);
    tr_table_column(&table, "DELIVERED", true);
    tr_table_column(&table, "DROPPED", true);
    json_array_foreach(backends, i, row)
    {
        double dropped = tr_json_number_at(row, "dropped_bodies");

        if (tr_json_number_at(row, "routed_bodies") <= 0)
            continue;
        rows++;
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_json_string_at(row, "name"));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", COUNT(tr_json_number_at(row, "routed_bodies")));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", COUNT(tr_json_number_at(row, "queued_bodies")));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", SIZE(tr_json_number_at(row, "queued_body_bytes")));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", COUNT(tr_json_number_at(row, "delivered_bodies")));
        tr_table_cell(&table, dropped ? TR_INK_BAD : TR_INK_PLAIN, "%s", COUNT(dropped));
    }
    if (!rows)
        return;
    fputc('\n', out);
    tr_table_print(&table, out);
}

void tailctl_backends_print(const json_t *backends, FILE *out)
{
    struct tr_table table = {0};
    const json_t *row;
    size_t i;

    tr_table_column(&table, "BACKEND", false);
    tr_table_column(&table, "KIND", false);
    tr_table_column(&table, "STATE", false);
    tr_table_column(&table, "QUEUED", true);
    tr_table_column(&table, "DELIVERED", true);
    tr_table_column(&table, "REJECTED", true);
    tr_table_column(&table, "DROPPED", true);
    tr_table_column(&table, "WHERE", false);
    json_array_foreach(backends, i, row)
    {
        bool up = tr_json_true_at(row, "reachable");
        const char *error = tr_json_string_at(row, "last_error");
        double rejected = tr_json_number_at(row, "rejected_spans");
        double dropped = tr_json_sum(json_object_get(row, "dropped_spans"));

        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_json_string_at(row, "name"));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_json_string_at(row, "kind"));
        // Nothing was there to be sent yet: neither good nor bad.
        tr_table_cell(&table, up ? TR_INK_GOOD : error[0] ? TR_INK_BAD : TR_INK_PLAIN, "%s",
                      up ? "up" : error[0] ? "down" : "unused");
        tr_table_cell(&table, TR_INK_PLAIN, "%s", COUNT(tr_json_number_at(row, "queued_spans")));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", COUNT(tr_json_number_at(row, "delivered_spans")));
        tr_table_cell(&table, rejected ? TR_INK_BAD : TR_INK_PLAIN, "%s", COUNT(rejected));
        tr_table_cell(&table, dropped ? TR_INK_BAD : TR_INK_PLAIN, "%s", COUNT(dropped));
        tr_table_cell(&table, TR_INK_PLAIN, "%s%s%s", tr_json_string_at(row, "endpoint"),
                      !up && error[0] ? ": " : "", up ? "" : error);
    }
    tr_table_print(&table, out);
    bodies_print(backends, out);
}

void tailctl_status(const struct tailctl *tailctl, const json_t *answer)
{
    summary_print(answer);
    putchar('\n');
    flow_print(answer);
    putchar('\n');
    lcores_print(json_object_get(answer, "lcores"));
    putchar('\n');
    tailctl_backends_print(json_object_get(answer, "backends"), stdout);
}

void tailctl_backends(const struct tailctl *tailctl, const json_t *answer)
{
    const json_t *backends = json_object_get(answer, "backends"), *row;
    size_t i;

    tailctl_backends_print(backends, stdout);
    json_array_foreach(backends, i, row)
    {
        const char *error = tr_json_string_at(row, "last_error");

        if (!error[0])
            continue;
        printf("\n%s: last error at %s: ", tr_json_string_at(row, "name"),
               tr_json_string_at(row, "last_error_at"));
        tr_text_print(stdout, error);
        if (tr_json_string_at(row, "retry_at")[0])
            printf("; tries again at %s", tr_json_string_at(row, "retry_at"));
        putchar('\n');
    }
}

void tailctl_cost_cell(struct tr_table *table, const json_t *policy)
{
    const json_t *cost = json_object_get(policy, "cost_ns_per_span");

    if (json_is_number(cost))
        tr_table_cell(table, TR_INK_PLAIN, "%.1f", json_number_value(cost));
    else
        tr_table_cell(table, TR_INK_PLAIN, "-");
}

void tailctl_policies(const struct tailctl *tailctl, const json_t *answer)
{
    static const char *const counts[][2] = {
        {"SPANS", "spans_seen"},         {"KEPT", "spans_kept"},       {"TRACES", "traces_seen"},     {"KEPT", "traces_kept"},
        {"ALONE", "traces_kept_alone"}, {"DROPPED", "traces_dropped"}, {"LIMITED", "traces_limited"}};
    struct tr_table table = {0};
    const json_t *row;
    size_t i;

    tr_table_column(&table, "POLICY", false);
    tr_table_column(&table, "TYPE", false);
    for (size_t c = 0; c < TR_NELEMS(counts); c++)
        tr_table_column(&table, counts[c][0], true);
    tr_table_column(&table, "NS/SPAN", true);
    tr_table_column(&table, "EXAMPLE", false);
    json_array_foreach(json_object_get(answer, "policies"), i, row)
    {
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_json_string_at(row, "name"));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_json_string_at(row, "type"));
        for (size_t c = 0; c < TR_NELEMS(counts); c++)
            tr_table_cell(&table, TR_INK_PLAIN, "%s", COUNT(tr_json_number_at(row, counts[c][1])));
        tailctl_cost_cell(&table, row);
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_json_string_at(row, "example_trace_id"));
    }
    tr_table_print(&table, stdout);
}

static void print_list(const char *name, const json_t *list)
{
    const json_t *item;
    size_t i;

    printf("  %-10s", name);
    json_array_foreach(list, i, item)
    {
        if (json_is_string(item))
            printf(" %s", json_string_value(item));
        else
            printf(" %lld", (long long)json_integer_value(item));
    }
    puts(json_array_size(list) ? "" : " -");
}

// What a device is and does, below the table.
static void port_details(const json_t *row)
{
    const json_t *statistics = json_object_get(row, "statistics"), *xdp = json_object_get(row, "xdp"), *queue;
    const char *key = tr_json_string_at(row, "rss_key");
    size_t i;

    printf("\n%s: %s, %s, %s\n", tr_json_string_at(row, "name"), tr_json_string_at(row, "device"),
           tr_json_string_at(row, "driver"), tr_json_string_at(row, "memory"));
    printf("  %-10s %s, link %s, MTU %.0f%s\n", "ethernet", tr_json_string_at(row, "mac"),
           tr_json_true_at(row, "link") ? "up" : "down", tr_json_number_at(row, "mtu"),
           tr_json_true_at(row, "shared_with_kernel") ? ", addresses shared with the kernel" : "");
    print_list("addresses", json_object_get(row, "addresses"));
    print_list("offloads", json_object_get(row, "offloads"));
    printf("  %-10s %.0f to receive, %.0f to send, flows: %s\n", "queues", tr_json_number_at(row, "rx_queues"),
           tr_json_number_at(row, "tx_queues"), tr_json_string_at(row, "flows"));
    if (key[0])
        printf("  %-10s %s\n", "RSS key", key);
    if (json_array_size(json_object_get(row, "reta")))
        print_list("RSS table", json_object_get(row, "reta"));
    printf("  %-10s %.0f of %.0f free\n", "buffers", tr_json_number_at(row, "mbufs_free"), tr_json_number_at(row, "mbufs"));
    printf("  %-10s missed %.0f, errors %.0f, no buffer %.0f; not sent %.0f\n", "lost",
           tr_json_number_at(statistics, "rx_missed"), tr_json_number_at(statistics, "rx_errors"),
           tr_json_number_at(statistics, "rx_no_mbuf"), tr_json_number_at(statistics, "tx_errors"));
    if (json_is_object(xdp))
        printf("  %-10s %s frames taken, %.0f without a socket\n", "XDP", COUNT(tr_json_number_at(xdp, "taken")),
               tr_json_number_at(xdp, "no_socket"));
    json_array_foreach(json_object_get(row, "queues"), i, queue)
    {
        printf("  queue %-4zu in %s frames, %s", i, COUNT(tr_json_number_at(queue, "rx_packets")),
               SIZE(tr_json_number_at(queue, "rx_bytes")));
        printf("; out %s frames, %s\n", COUNT(tr_json_number_at(queue, "tx_packets")),
               SIZE(tr_json_number_at(queue, "tx_bytes")));
    }
}

void tailctl_ports(const struct tailctl *tailctl, const json_t *answer)
{
    struct tr_table table = {0};
    const json_t *row, *address;
    size_t i, k;

    tr_table_column(&table, "PORT", false);
    tr_table_column(&table, "KIND", false);
    tr_table_column(&table, "STATE", false);
    tr_table_column(&table, "CONNECTIONS", true);
    tr_table_column(&table, "LISTENING", false);
    json_array_foreach(json_object_get(answer, "ports"), i, row)
    {
        bool accepting = tr_json_true_at(row, "accepting");
        char listening[1024] = "";
        size_t used = 0;

        json_array_foreach(json_object_get(row, "listening"), k, address)
        {
            if (used < sizeof(listening))
                used += (size_t)snprintf(listening + used, sizeof(listening) - used, "%s%s", k ? " " : "",
                                         json_string_value(address));
        }
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_json_string_at(row, "name"));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_json_string_at(row, "kind"));
        tr_table_cell(&table, accepting ? TR_INK_GOOD : TR_INK_BAD, "%s", accepting ? "accepting" : "closed");
        tr_table_cell(&table, TR_INK_PLAIN, "%.0f", tr_json_number_at(row, "connections"));
        tr_table_cell(&table, TR_INK_PLAIN, "%s%s%s", tr_json_string_at(row, "device"),
                      tr_json_string_at(row, "device")[0] ? " " : "", listening);
    }
    tr_table_print(&table, stdout);
    json_array_foreach(json_object_get(answer, "ports"), i, row)
    {
        if (json_object_get(row, "driver"))
            port_details(row);
    }
}

// Of our own TCP; the kernel's says nothing here (ss does).
static void tcp_cells(struct tr_table *table, const json_t *tcp)
{
    tr_table_cell(table, TR_INK_PLAIN, "%s", tcp ? tr_json_string_at(tcp, "state") : "kernel");
    if (!tcp) {
        tr_table_cell(table, TR_INK_PLAIN, "-");
        tr_table_cell(table, TR_INK_PLAIN, "-");
        return;
    }
    tr_table_cell(table, TR_INK_PLAIN, "%.0f us", tr_json_number_at(tcp, "srtt_us"));
    tr_table_cell(table, TR_INK_PLAIN, "%s", COUNT(tr_json_number_at(tcp, "retransmitted_segments")));
}

void tailctl_connections(const struct tailctl *tailctl, const json_t *answer)
{
    const json_t *connections = json_object_get(answer, "connections"), *row;
    double total = tr_json_number_at(answer, "total");
    struct tr_table table = {0};
    size_t i;

    tr_table_column(&table, "PEER", false);
    tr_table_column(&table, "PORT", false);
    tr_table_column(&table, "LCORE", true);
    tr_table_column(&table, "PROTOCOL", false);
    tr_table_column(&table, "AGE", true);
    tr_table_column(&table, "IDLE", true);
    tr_table_column(&table, "REQUESTS", true);
    tr_table_column(&table, "REJECTED", true);
    tr_table_column(&table, "IN", true);
    tr_table_column(&table, "STAGED", true);
    tr_table_column(&table, "TCP", false);
    tr_table_column(&table, "RTT", true);
    tr_table_column(&table, "RESENT", true);
    tr_table_column(&table, "USER AGENT", false);
    json_array_foreach(connections, i, row)
    {
        const char *protocol = tr_json_string_at(row, "protocol");

        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_json_string_at(row, "peer"));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_json_string_at(row, "port"));
        tr_table_cell(&table, TR_INK_PLAIN, "%.0f", tr_json_number_at(row, "lcore"));
        tr_table_cell(&table, TR_INK_PLAIN, "%s%s", protocol[0] ? protocol : "-",
                      tr_json_true_at(row, "paused") ? " (paused)" : "");
        tr_table_cell(&table, TR_INK_PLAIN, "%s", SECONDS(row, "age_seconds", "-"));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", SECONDS(row, "idle_seconds", "-"));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", COUNT(tr_json_number_at(row, "requests")));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", COUNT(tr_json_number_at(row, "rejected_spans")));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", SIZE(tr_json_number_at(row, "bytes_in")));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", SIZE(tr_json_number_at(row, "staged_bytes")));
        tcp_cells(&table, json_object_get(row, "tcp"));
        tr_table_cell(&table, TR_INK_PLAIN, "%s", tr_json_string_at(row, "user_agent"));
    }
    tr_table_print(&table, stdout);
    if (total > (double)json_array_size(connections))
        printf("%.0f more are not shown\n", total - (double)json_array_size(connections));
}

void tailctl_why(const struct tailctl *tailctl, const json_t *answer)
{
    printf("%s: ", tr_json_string_at(answer, "trace_id"));
    tr_ink_print(stdout, TR_INK_HEAD, tr_json_string_at(answer, "fate"));
    putchar('\n');
    tr_text_print(stdout, tr_json_string_at(answer, "explanation"));
    putchar('\n');
}

void tailctl_log(const struct tailctl *tailctl, const json_t *answer)
{
    printf("log level %s (was %s)\n", tr_json_string_at(answer, "level"),
           tr_json_string_at(answer, "before"));
}
