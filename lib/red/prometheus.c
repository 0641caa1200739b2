// SPDX-License-Identifier: Apache-2.0
// Points as Prometheus' text, under the names that the Collector's prometheus exporter gives them: dots become underscores,
// a unit and _total go behind, a resource's service.namespace, service.name and service.instance.id become job and instance,
// and its other attributes a target_info. Resources that have these two alike are one there: their series are added up.
//
// An exponential histogram has no buckets in this format: its count and sum are shown.
// Sources: prometheus.io/docs/instrumenting/exposition_formats; OpenMetrics 1.0, "Exemplars"; the exporter's own output.
#include <ctype.h>

#include "otlp/json_number.h"
#include "otlp/value.h"
#include "red/merge.h"

struct label {
    char *name, *value;
};

struct labels {
    struct label items[TR_RED_DIMENSIONS_MAX + 16];
    uint32_t count;
};

struct line {
    const struct tr_red_point *point;
    char *labels;
};

static char *name_clean(const char *name, size_t bytes)
{
    char *clean = malloc(bytes + 8), *to = clean;

    tr_assert(clean);
    if (bytes && isdigit((unsigned char)name[0]))
        to = stpcpy(to, "key_");
    for (size_t i = 0; i < bytes; i++)
        *to++ = isalnum((unsigned char)name[i]) ? name[i] : '_';
    *to = '\0';
    return clean;
}

// Takes `value` over. Of a name that comes twice the last one holds.
static void label_set(struct labels *labels, const char *name, size_t bytes, char *value)
{
    char *clean = name_clean(name, bytes);
    uint32_t i = 0;

    tr_assert(value);
    while (i < labels->count && strcmp(labels->items[i].name, clean) != 0)
        i++;
    if (i < labels->count || i == TR_NELEMS(labels->items)) {
        i = TR_MIN(i, labels->count - 1);
        free(labels->items[i].name);
        free(labels->items[i].value);
    } else {
        labels->count++;
    }
    labels->items[i] = (struct label){clean, value};
}

static void label_add(void *context, const char *name, const struct tr_value *value)
{
    label_set(context, name, strlen(name), tr_red_value_text(value));
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const struct label *)left)->name, ((const struct label *)right)->name);
}

// As a="b",c="d", sorted; the labels are empty then. One without a value is none.
static char *labels_text(struct labels *labels)
{
    char *text = NULL;
    const char *before = "";
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    tr_assert(out);
    qsort(labels->items, labels->count, sizeof(*labels->items), by_name);
    for (uint32_t i = 0; i < labels->count; i++) {
        struct label *label = &labels->items[i];

        if (label->value[0]) {
            fprintf(out, "%s%s=\"", before, label->name);
            for (const char *p = label->value; *p; p++) {
                if (*p == '\n')
                    fputs("\\n", out);
                else
                    fprintf(out, "%s%c", *p == '\\' || *p == '"' ? "\\" : "", *p);
            }
            fputc('"', out);
            before = ",";
        }
        free(label->name);
        free(label->value);
    }
    labels->count = 0;
    fclose(out);
    tr_assert(text);
    return text;
}

static bool is(const struct tr_key_value *pair, const char *name)
{
    return pair->key_bytes == strlen(name) && memcmp(pair->key, name, pair->key_bytes) == 0;
}

// job and instance of a resource; `others`: its other attributes as well.
static void resource_labels(const struct tr_red_merged_resource *resource, bool others, struct labels *labels)
{
    const uint8_t *p = resource->attributes, *end = p + resource->attributes_bytes;
    char *namespace = NULL, *service = NULL, *job = NULL;
    struct tr_key_value pair;
    struct tr_pb_field field;

    while (p && p < end) {
        p = tr_pb_field(p, end, &field);
        if (!p || !tr_key_value_read(field.bytes, (uint32_t)field.value, &pair) || !pair.key)
            continue;
        if (is(&pair, "service.namespace") && !namespace)
            namespace = tr_red_value_text(&pair.value);
        else if (is(&pair, "service.name") && !service)
            service = tr_red_value_text(&pair.value);
        else if (is(&pair, "service.instance.id"))
            label_set(labels, "instance", 8, tr_red_value_text(&pair.value));
        else if (others && labels->count + 3 < TR_NELEMS(labels->items))
            label_set(labels, (const char *)pair.key, pair.key_bytes, tr_red_value_text(&pair.value));
    }
    if (service && asprintf(&job, "%s%s%s", namespace ? namespace : "", namespace && namespace[0] ? "/" : "", service) >= 0)
        label_set(labels, "job", 3, job);
    free(namespace);
    free(service);
}

static void target_infos(const struct tr_red_merge *merge, FILE *out)
{
    char **seen = calloc(merge->resources_count + 1, sizeof(*seen));
    uint32_t count = 0;

    tr_assert(seen);
    for (uint32_t i = 0; i < merge->resources_count; i++) {
        struct labels labels = {.count = 0};
        uint32_t k = 0;
        char *all;

        resource_labels(&merge->resources[i], false, &labels);
        seen[count] = labels_text(&labels);
        while (strcmp(seen[k], seen[count]) != 0)
            k++;
        if (!seen[count][0] || k < count) {
            free(seen[count]);
            continue;
        }
        resource_labels(&merge->resources[i], true, &labels);
        all = labels_text(&labels);
        if (count == 0)
            fputs("# HELP target_info Target metadata\n# TYPE target_info gauge\n", out);
        if (strcmp(all, seen[count]) != 0)
            fprintf(out, "target_info{%s} 1\n", all);
        free(all);
        count++;
    }
    while (count)
        free(seen[--count]);
    free(seen);
}

static int by_labels(const void *left, const void *right)
{
    const struct line *a = left, *b = right;
    int order = strcmp(a->labels, b->labels);

    return order ? order : a->point < b->point ? -1 : 1;
}

// OpenMetrics wants a point in every bound.
static const char *number(double value, bool point, char text[64])
{
    text[tr_json_number_format(text, value)] = '\0';
    if (point && !strpbrk(text, ".eEnI"))
        strcat(text, ".0");
    return text;
}

// The newest exemplar above `from` and up to `to`, of points first..end-1.
static void exemplar(const struct line *lines, size_t first, size_t end, uint64_t from_ns, uint64_t to_ns, double unit_ns, FILE *out)
{
    const struct tr_red_exemplar_entry *best = NULL;
    char text[64];

    for (size_t i = first; i < end; i++) {
        const struct tr_red_point *point = lines[i].point;

        for (uint32_t e = 0; e < point->exemplars_count; e++) {
            const struct tr_red_exemplar_entry *entry = &point->exemplars[e];

            if (entry->duration_ns <= to_ns && (entry->duration_ns > from_ns || !from_ns) && (!best || entry->wall_ns > best->wall_ns))
                best = entry;
        }
    }
    if (!best)
        return;
    fputs(" # {trace_id=\"", out);
    for (int i = 0; i < 16; i++)
        fprintf(out, "%02x", best->trace_id[i]);
    fputs("\",span_id=\"", out);
    for (int i = 0; i < 8; i++)
        fprintf(out, "%02x", best->span_id[i]);
    fprintf(out, "\"} %s %llu.%03llu", number((double)best->duration_ns / unit_ns, true, text),
            (unsigned long long)(best->wall_ns / TR_S), (unsigned long long)(best->wall_ns % TR_S / TR_MS));
}

struct family {
    const struct tr_red_config *config;
    const char *name;
    const struct line *lines;
    bool openmetrics;
    double unit_ns;
    FILE *out;
};

static void buckets_write(const struct family *f, size_t first, size_t end, const struct tr_red_values *values)
{
    const struct tr_red_config *config = f->config;
    const char *labels = f->lines[first].labels, *comma = labels[0] ? "," : "";
    uint64_t count = 0;
    char text[64];

    for (uint32_t i = 0; config->histogram == TR_RED_EXPLICIT && i + 1 < config->buckets; i++) {
        count += values->buckets[i];
        fprintf(f->out, "%s_bucket{%s%sle=\"%s\"} %llu", f->name, labels, comma,
                number((double)config->bounds_ns[i] / f->unit_ns, f->openmetrics, text), (unsigned long long)count);
        if (f->openmetrics)
            exemplar(f->lines, first, end, i ? config->bounds_ns[i - 1] : 0, config->bounds_ns[i], f->unit_ns, f->out);
        fputc('\n', f->out);
    }
    fprintf(f->out, "%s_bucket{%s%sle=\"+Inf\"} %llu", f->name, labels, comma, (unsigned long long)values->count);
    if (f->openmetrics)
        exemplar(f->lines, first, end, config->histogram == TR_RED_EXPLICIT ? config->bounds_ns[config->buckets - 2] : 0, UINT64_MAX,
                 f->unit_ns, f->out);
    fprintf(f->out, "\n%s_sum{%s} %s\n", f->name, labels, number(values->sum_ns / f->unit_ns, false, text));
    fprintf(f->out, "%s_count{%s} %llu\n", f->name, labels, (unsigned long long)values->count);
}

// Lines first..end-1 have the same labels.
static void group_write(const struct tr_red_merge *merge, const struct family *f, size_t first, size_t end,
                        struct tr_red_values *one, struct tr_red_values *sum)
{
    sum->count = 0;
    sum->sum_ns = 0;
    memset(sum->buckets, 0, f->config->buckets * sizeof(*sum->buckets));
    for (size_t i = first; i < end; i++) {
        tr_red_point_values(merge, f->lines[i].point, true, one);
        sum->count += one->count;
        sum->sum_ns += one->sum_ns;
        for (uint32_t b = 0; f->config->histogram == TR_RED_EXPLICIT && f->lines[i].point->metric && b < f->config->buckets; b++)
            sum->buckets[b] += one->buckets[b];
    }
    if (f->lines[first].point->metric == TR_RED_DURATION) {
        buckets_write(f, first, end, sum);
        return;
    }
    fprintf(f->out, "%s_total{%s} %llu", f->name, f->lines[first].labels, (unsigned long long)sum->count);
    if (f->openmetrics)
        exemplar(f->lines, first, end, 0, UINT64_MAX, f->unit_ns, f->out);
    fputc('\n', f->out);
}

static void metric_write(struct tr_red_merge *merge, enum tr_red_metric metric, bool openmetrics, FILE *out)
{
    const struct tr_red_config *config = &merge->set->config;
    struct line *lines = calloc(merge->points_count + 1, sizeof(*lines));
    struct tr_red_values one = {.buckets = calloc(config->buckets, 8)}, sum = {.buckets = calloc(config->buckets, 8)};
    const char *unit = config->unit == TR_RED_MS ? "duration_milliseconds" : "duration_seconds";
    char whole[512], *name;
    size_t count = 0;

    snprintf(whole, sizeof(whole), "%s%s%s", config->namespace, config->namespace[0] ? "." : "",
             metric == TR_RED_CALLS ? "calls" : unit);
    name = name_clean(whole, strlen(whole));
    tr_assert(lines && one.buckets && sum.buckets);
    for (uint32_t i = 0; i < merge->points_count; i++) {
        const struct tr_red_point *point = &merge->points[i];
        struct labels labels = {.count = 0};

        if (point->metric != metric || point->expired)
            continue;
        resource_labels(&merge->resources[point->resource], false, &labels);
        tr_red_point_attributes(merge, point, label_add, &labels);
        label_set(&labels, "otel_scope_name", 15, strdup("spanmetricsconnector"));
        lines[count++] = (struct line){point, labels_text(&labels)};
    }
    qsort(lines, count, sizeof(*lines), by_labels);
    if (count)
        fprintf(out, "# HELP %s%s RED metrics of all spans, before sampling.\n# TYPE %s%s %s\n", name,
                metric == TR_RED_CALLS && !openmetrics ? "_total" : "", name, metric == TR_RED_CALLS && !openmetrics ? "_total" : "",
                metric == TR_RED_CALLS ? "counter" : "histogram");
    for (size_t first = 0, end; first < count; first = end) {
        const struct family family = {config, name, lines, openmetrics, config->unit == TR_RED_MS ? 1e6 : 1e9, out};

        for (end = first + 1; end < count && strcmp(lines[end].labels, lines[first].labels) == 0;)
            end++;
        group_write(merge, &family, first, end, &one, &sum);
    }
    for (size_t i = 0; i < count; i++)
        free(lines[i].labels);
    free(lines);
    free(one.buckets);
    free(sum.buckets);
    free(name);
}

void tr_red_prometheus(struct tr_red_merge *merge, bool openmetrics, FILE *out)
{
    target_infos(merge, out);
    metric_write(merge, TR_RED_CALLS, openmetrics, out);
    if (merge->set->config.histogram != TR_RED_NONE)
        metric_write(merge, TR_RED_DURATION, openmetrics, out);
}
