// SPDX-License-Identifier: Apache-2.0
#include "control/metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#define METRIC_PREFIX "tailrace_"

// Label values may hold anything; backslash, quote and newline are escaped.
static char *labels_join(const char *row_labels, const char *const *labels)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    tr_assert(out);
    fputs(row_labels, out);
    for (const char *before = row_labels; labels && *labels; labels += 2, before = ",") {
        fprintf(out, "%s%s=\"", before[0] ? "," : "", labels[0]);
        for (const char *value = labels[1]; *value; value++) {
            if (*value == '\n') {
                fputs("\\n", out);
                continue;
            }
            if (*value == '\\' || *value == '"')
                fputc('\\', out);
            fputc(*value, out);
        }
        fputc('"', out);
    }
    fclose(out);
    tr_assert(text);
    return text;
}

void tr_samples_add(void *to, const struct tr_counter_rows *rows, const void *values, const char *const *labels)
{
    struct tr_samples *samples = to;

    for (size_t i = 0; i < rows->count; i++) {
        const struct tr_counter_row *row = &rows->rows[i];
        struct tr_sample *sample;

        if (samples->count == samples->room) {
            samples->room = samples->room ? samples->room * 2 : 256;
            samples->items = realloc(samples->items, samples->room * sizeof(*samples->items));
            tr_assert(samples->items);
        }
        sample = &samples->items[samples->count];
        sample->row = row;
        sample->labels = labels_join(row->labels, labels);
        sample->value = tr_counter_read((const uint64_t *)((const char *)values + row->offset));
        sample->order = samples->count++;
    }
}

void tr_samples_fini(struct tr_samples *samples)
{
    for (size_t i = 0; i < samples->count; i++)
        free(samples->items[i].labels);
    free(samples->items);
    memset(samples, 0, sizeof(*samples));
}

static int sample_compare(const void *left, const void *right)
{
    const struct tr_sample *a = left, *b = right;
    int by_name = strcmp(a->row->name, b->row->name);

    return by_name ? by_name : a->order < b->order ? -1 : 1;
}

void tr_samples_sort(struct tr_samples *samples)
{
    if (samples->count)
        qsort(samples->items, samples->count, sizeof(*samples->items), sample_compare);
}

// Time is held in ns; Prometheus wants seconds.
static bool in_seconds(const struct tr_counter_row *row)
{
    return strstr(row->name, "_seconds") != NULL;
}

static void value_write(const struct tr_sample *sample, FILE *out)
{
    if (!in_seconds(sample->row))
        fprintf(out, "%llu", (unsigned long long)sample->value);
    else if (sample->value == TR_NEVER)
        fputs("+Inf", out);
    else
        fprintf(out, "%llu.%09llu", (unsigned long long)(sample->value / TR_S),
                (unsigned long long)(sample->value % TR_S));
}

static void help_write(const char *help, FILE *out)
{
    for (; *help; help++) {
        if (*help == '\n')
            fputs("\\n", out);
        else if (*help == '\\')
            fputs("\\\\", out);
        else
            fputc(*help, out);
    }
}

void tr_samples_write(const struct tr_samples *samples, bool openmetrics, FILE *out)
{
    const char *family = "";

    for (size_t i = 0; i < samples->count; i++) {
        const struct tr_sample *sample = &samples->items[i];
        const struct tr_counter_row *row = sample->row;

        if (strcmp(row->name, family) != 0) {
            int bytes;

            family = row->name;
            bytes = (int)(strlen(family) - (openmetrics && row->kind == TR_COUNTER ? strlen("_total") : 0));
            fprintf(out, "# HELP " METRIC_PREFIX "%.*s ", bytes, family);
            help_write(row->help, out);
            fprintf(out, "\n# TYPE " METRIC_PREFIX "%.*s %s\n", bytes, family,
                    row->kind == TR_COUNTER ? "counter" : "gauge");
        }
        fprintf(out, METRIC_PREFIX "%s", family);
        if (sample->labels[0])
            fprintf(out, "{%s}", sample->labels);
        fputc(' ', out);
        value_write(sample, out);
        fputc('\n', out);
    }
}

// Back from a="b",c="d", which labels_join() or a checked row wrote.
static json_t *labels_json(const char *labels)
{
    json_t *object = json_object();
    char *copy = strdup(labels), *p = copy;

    tr_assert(copy);
    while (*p) {
        char *key = p, *value, *to;

        p = strstr(p, "=\"");
        if (!p)
            break;
        *p = '\0';
        value = to = p += 2;
        while (*p && *p != '"') {
            bool escaped = *p == '\\' && p[1];

            p += escaped;
            *to++ = escaped && *p == 'n' ? '\n' : *p;
            p++;
        }
        p += *p == '"';
        p += *p == ',';
        *to = '\0';
        json_object_set_new(object, key, json_string(value));
    }
    free(copy);
    return object;
}

json_t *tr_samples_json(const struct tr_samples *samples, const char *prefix)
{
    json_t *array = json_array();

    if (strncmp(prefix, METRIC_PREFIX, strlen(METRIC_PREFIX)) == 0)
        prefix += strlen(METRIC_PREFIX);
    for (size_t i = 0; i < samples->count; i++) {
        const struct tr_sample *sample = &samples->items[i];
        char name[256];
        json_t *value;

        if (strncmp(sample->row->name, prefix, strlen(prefix)) != 0)
            continue;
        snprintf(name, sizeof(name), METRIC_PREFIX "%s", sample->row->name);
        if (!in_seconds(sample->row))
            value = json_integer((json_int_t)sample->value);
        else
            value = sample->value == TR_NEVER ? json_null() : json_real((double)sample->value / (double)TR_S);
        json_array_append_new(
            array, json_pack("{s:s, s:o, s:s, s:o}", "name", name, "labels", labels_json(sample->labels),
                             "kind", sample->row->kind == TR_COUNTER ? "counter" : "gauge", "value", value));
    }
    return array;
}

static void policy_add(void *samples, const struct tr_control_policy *policy)
{
    const struct tr_control_policy_counters counters = {
        .seen = policy->counters.traces_seen,
        .kept = policy->counters.traces_kept,
        .kept_alone = policy->counters.traces_kept_alone,
        .spans_kept = policy->counters.spans_kept,
        .dropped = policy->counters.traces_dropped,
        .limited = policy->counters.traces_limited,
        .spans_limited = policy->counters.spans_limited,
        .spans_seen = policy->counters.spans_seen,
        .decide_ns = (uint64_t)(policy->decide_ns * (double)policy->counters.traces_seen),
    };

    tr_samples_add(samples, &tr_control_policy_counter_rows, &counters,
                   (const char *const[]){"policy", policy->name, NULL});
}

static uint64_t cpu_ns(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage))
        return 0;
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * TR_S +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * TR_US;
}

static uint64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long pages = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%*s %llu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void process_add(struct tr_samples *samples, const struct tr_control_daemon *daemon, uint64_t now)
{
    const struct tr_build_counters build = {.info = 1};
    struct tr_process_counters counters;
    struct tr_control_status status;
    char why[256];

    memset(&status, 0, sizeof(status));
    daemon->status(daemon->context, &status);
    counters = (struct tr_process_counters){
        .ready = daemon->ready(daemon->context, why, sizeof(why)),
        .uptime_ns = now > status.started_ns ? now - status.started_ns : 0,
        .cpu_ns = cpu_ns(),
        .resident_bytes = resident_bytes(),
        .decision_wait_ns = status.decision_wait_ns,
        .horizon_ns = status.horizon_ns,
        .traces_max = status.traces_max,
        .config_applied_ns = status.config_applied_wall_ns,
    };
    tr_samples_add(samples, &tr_build_counter_rows, &build, (const char *const[]){"version", status.version, NULL});
    tr_samples_add(samples, &tr_process_counter_rows, &counters, NULL);
}

void tr_metrics_collect(struct tr_samples *samples, const struct tr_control_daemon *daemon,
                        const struct tr_control_counters *own, const struct tr_study_counters *study, uint64_t now)
{
    process_add(samples, daemon, now);
    daemon->counters(daemon->context, tr_samples_add, samples);
    daemon->policies(daemon->context, policy_add, samples);
    tr_samples_add(samples, &tr_control_counter_rows, own, NULL);
    tr_samples_add(samples, &tr_study_counter_rows, study, NULL);
    tr_samples_sort(samples);
}
