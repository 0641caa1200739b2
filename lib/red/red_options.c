// SPDX-License-Identifier: Apache-2.0
#include "red/red_options.h"

#include "config/units.h"

#define D struct tr_red_dimension_options
#define H struct tr_red_histogram_options
#define S struct tr_red_options

static const char *const units[] = {"ms", "s", NULL};
static const char *const temporalities[] = {"AGGREGATION_TEMPORALITY_CUMULATIVE", "AGGREGATION_TEMPORALITY_DELTA", NULL};
static const char *const own_names[] = {"service.name", "span.name", "span.kind", "status.code", "collector.instance.id"};

static const struct tr_option dimension_rows[] = {
    TR_OPTION_STRING(D, name, "name", NULL, TR_LIVE, "Key of a span's attribute, else of its resource's."),
    TR_OPTION_STRING(D, initial, "default", NULL, TR_LIVE, "Where neither has it; none given: the dimension is left out."),
    TR_OPTION_STRING(D, glob, "glob", NULL, TR_LIVE, "Not here: it is refused. Name each key."),
};
static const struct tr_option_table dimension_table = {.title = "dimensions",
                                                       .rows = dimension_rows,
                                                       .count = TR_NELEMS(dimension_rows),
                                                       .struct_bytes = sizeof(D)};

static const struct tr_option explicit_rows[] = {
    TR_OPTION_STRINGS(struct tr_red_explicit_options, buckets, "buckets", 1, TR_RED_BOUNDS_MAX, TR_LIVE,
                      "Upper bounds as durations, ascending; none given: 2ms, 4ms, 6ms, 8ms, 10ms, 50ms, 100ms, 200ms, "
                      "400ms, 800ms, 1s, 1400ms, 2s, 5s, 10s, 15s."),
};
static const struct tr_option_table explicit_table = {.title = "explicit",
                                                      .rows = explicit_rows,
                                                      .count = TR_NELEMS(explicit_rows),
                                                      .struct_bytes = sizeof(struct tr_red_explicit_options)};

static const struct tr_option exponential_rows[] = {
    TR_OPTION_UINT(struct tr_red_exponential_options, max_size, "max_size", "160", 2, 1024, TR_LIVE,
                   "Most buckets; the scale follows from the shortest and the longest duration."),
};
static const struct tr_option_table exponential_table = {.title = "exponential",
                                                         .rows = exponential_rows,
                                                         .count = TR_NELEMS(exponential_rows),
                                                         .struct_bytes = sizeof(struct tr_red_exponential_options)};

static const struct tr_option histogram_rows[] = {
    TR_OPTION_BOOL(H, disable, "disable", "false", TR_LIVE, "No durations: calls alone."),
    TR_OPTION_ENUM(H, unit, "unit", "ms", units, TR_LIVE, "Of the durations: ms or s."),
    TR_OPTION_POINTER(H, explicit_buckets, "explicit", &explicit_table, TR_LIVE, "Buckets with bounds of yours; the default kind."),
    TR_OPTION_POINTER(H, exponential, "exponential", &exponential_table, TR_LIVE, "Buckets that follow from what comes."),
    TR_OPTION_LIST(H, dimensions, "dimensions", &dimension_table, 0, TR_RED_DIMENSIONS_MAX, TR_LIVE,
                   "Further dimensions of the durations alone."),
};
static const struct tr_option_table histogram_table = {.title = "histogram",
                                                       .rows = histogram_rows,
                                                       .count = TR_NELEMS(histogram_rows),
                                                       .struct_bytes = sizeof(H)};

static const struct tr_option exemplars_rows[] = {
    TR_OPTION_BOOL(struct tr_red_exemplars_options, enabled, "enabled", "false", TR_LIVE,
                   "Add spans of kept traces to the series they count in: what an exemplar names can be looked up."),
    TR_OPTION_UINT(struct tr_red_exemplars_options, max_per_data_point, "max_per_data_point", "5", 0, 100, TR_LIVE,
                   "Most of a series and flush; 0: none."),
};
static const struct tr_option_table exemplars_table = {.title = "exemplars",
                                                       .rows = exemplars_rows,
                                                       .count = TR_NELEMS(exemplars_rows),
                                                       .struct_bytes = sizeof(struct tr_red_exemplars_options)};

static const struct tr_option events_rows[] = {
    TR_OPTION_BOOL(struct tr_red_events_options, enabled, "enabled", "false", TR_LIVE, "Not here: true is refused."),
    TR_OPTION_LIST(struct tr_red_events_options, dimensions, "dimensions", &dimension_table, 0, TR_RED_DIMENSIONS_MAX, TR_LIVE,
                   "Accepted for compatibility."),
};
static const struct tr_option_table events_table = {.title = "events",
                                                    .rows = events_rows,
                                                    .count = TR_NELEMS(events_rows),
                                                    .struct_bytes = sizeof(struct tr_red_events_options)};

static const struct tr_option rows[] = {
    TR_OPTION_STRUCT(S, histogram, "histogram", &histogram_table, TR_LIVE, "How durations are counted."),
    TR_OPTION_LIST(S, dimensions, "dimensions", &dimension_table, 0, TR_RED_DIMENSIONS_MAX, TR_LIVE,
                   "Further dimensions, of calls and durations."),
    TR_OPTION_LIST(S, calls_dimensions, "calls_dimensions", &dimension_table, 0, TR_RED_DIMENSIONS_MAX, TR_LIVE,
                   "Further dimensions of the calls alone."),
    TR_OPTION_STRINGS(S, exclude_dimensions, "exclude_dimensions", 0, 16, TR_LIVE,
                      "Of service.name, span.name, span.kind, status.code and collector.instance.id those to leave out."),
    TR_OPTION_UINT(S, dimensions_cache_size, "dimensions_cache_size", "0", 0, UINT32_MAX, TR_LIVE,
                   "Accepted for compatibility."),
    TR_OPTION_UINT(S, resource_metrics_cache_size, "resource_metrics_cache_size", "1000", 1, 1000000, TR_LIVE,
                   "Most resources of an lcore. The spans of further ones count in the overflow series of no resource."),
    TR_OPTION_STRINGS(S, resource_metrics_key_attributes, "resource_metrics_key_attributes", 0, TR_RED_KEY_ATTRIBUTES_MAX,
                      TR_LIVE, "Resource attributes that tell resources apart; none given: all of them."),
    TR_OPTION_ENUM(S, temporality, "aggregation_temporality", "AGGREGATION_TEMPORALITY_CUMULATIVE", temporalities, TR_LIVE,
                   "AGGREGATION_TEMPORALITY_CUMULATIVE or AGGREGATION_TEMPORALITY_DELTA, of what is sent. /metrics is always "
                   "cumulative."),
    TR_OPTION_STRING(S, namespace, "namespace", "traces.span.metrics", TR_LIVE, "Before the names .calls and .duration; \"\": none."),
    TR_OPTION_DURATION(S, flush_ns, "metrics_flush_interval", "60s", TR_S, 24 * 3600.0 * TR_S, TR_LIVE,
                       "How often they are sent to the backends that list metrics among their signals."),
    TR_OPTION_DURATION(S, metrics_expiration_ns, "metrics_expiration", "0s", 0, 30 * 24 * 3600.0 * TR_S, TR_LIVE,
                       "After so long without a span a resource's series are sent no more; 0: never."),
    TR_OPTION_DURATION(S, series_expiration_ns, "series_expiration", "0s", 0, 30 * 24 * 3600.0 * TR_S, TR_LIVE,
                       "After so long without a span a series is sent no more; 0: never."),
    TR_OPTION_UINT(S, timestamp_cache_size, "metric_timestamp_cache_size", "1000", 1, UINT32_MAX, TR_LIVE,
                   "Accepted for compatibility: every series remembers when it was sent."),
    TR_OPTION_STRUCT(S, exemplars, "exemplars", &exemplars_table, TR_LIVE, "Spans beside the numbers."),
    TR_OPTION_STRUCT(S, events, "events", &events_table, TR_LIVE, "The connector's metric of events, which is not here."),
    TR_OPTION_STRINGS(S, include_instrumentation_scope, "include_instrumentation_scope", 0, 64, TR_LIVE,
                      "Not here: one that is given is refused."),
    TR_OPTION_UINT(S, cardinality_limit, "aggregation_cardinality_limit", "0", 0, 10000000, TR_LIVE,
                   "Most series of a resource; what would be another counts in one with otel.metric.overflow=true. 0: none "
                   "but series_max."),
    TR_OPTION_BOOL(S, add_resource_attributes, "add_resource_attributes", "false", TR_LIVE,
                   "Accepted for compatibility: the resource's attributes are always there."),
    TR_OPTION_BOOL(S, sampling_method, "enable_metrics_sampling_method", "false", TR_LIVE,
                   "A dimension sampling.method: extrapolated for spans whose tracestate has a sampling threshold, counted "
                   "for others."),
    TR_OPTION_UINT(S, series_max, "series_max", "16384", 16, 10000000, TR_LIVE,
                   "Series that each lcore has memory for, all resources together: some 512 bytes each with the default "
                   "buckets. What would be another counts in its resource's overflow series."),
};

static bool is_own(const char *name)
{
    for (size_t i = 0; i < TR_NELEMS(own_names); i++)
        if (strcmp(own_names[i], name) == 0)
            return true;
    return false;
}

static int dimensions_check(const struct tr_list *list, const char *path, const char *key, struct tr_error *error)
{
    const D *d = list->items;

    for (size_t i = 0; i < list->count; i++) {
        if (d[i].glob)
            return tr_error_set(error, EINVAL, "%s.%s[%zu].glob: is not supported: name each key", path, key, i);
        if (!d[i].name || !d[i].name[0])
            return tr_error_set(error, EINVAL, "%s.%s[%zu].name: is missing", path, key, i);
        if (is_own(d[i].name))
            return tr_error_set(error, EINVAL, "%s.%s[%zu].name: %s is a dimension already", path, key, i, d[i].name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(d[i].name, d[k].name) == 0)
                return tr_error_set(error, EINVAL, "%s.%s[%zu].name: %s is named twice", path, key, i, d[i].name);
    }
    return 0;
}

// A name that comes in both lists: those of calls or durations are on top of the common ones.
static int dimensions_apart(const struct tr_list *common, const struct tr_list *more, const char *path, const char *key,
                            struct tr_error *error)
{
    const D *a = common->items, *b = more->items;

    for (size_t i = 0; i < more->count; i++)
        for (size_t k = 0; k < common->count; k++)
            if (strcmp(b[i].name, a[k].name) == 0)
                return tr_error_set(error, EINVAL, "%s.%s[%zu].name: %s is in %s.dimensions too", path, key, i, b[i].name, path);
    return 0;
}

static int buckets_check(const H *h, const char *path, struct tr_error *error)
{
    uint64_t before = 0, bound;

    for (size_t i = 0; h->explicit_buckets && i < h->explicit_buckets->buckets.count; i++) {
        const char *text = h->explicit_buckets->buckets.items[i];

        if (tr_duration_parse(text, &bound) < 0)
            return tr_error_set(error, EINVAL, "%s.histogram.explicit.buckets[%zu]: %s is not a duration, as \"250ms\"", path, i, text);
        if (i && bound <= before)
            return tr_error_set(error, EINVAL, "%s.histogram.explicit.buckets[%zu]: %s is not above the one before", path, i, text);
        before = bound;
    }
    return 0;
}

static int check(void *options, const char *path, struct tr_error *error)
{
    const S *o = options;
    int rc = dimensions_check(&o->dimensions, path, "dimensions", error);

    if (rc == 0)
        rc = dimensions_check(&o->calls_dimensions, path, "calls_dimensions", error);
    if (rc == 0)
        rc = dimensions_check(&o->histogram.dimensions, path, "histogram.dimensions", error);
    if (rc == 0)
        rc = dimensions_apart(&o->dimensions, &o->calls_dimensions, path, "calls_dimensions", error);
    if (rc == 0)
        rc = dimensions_apart(&o->dimensions, &o->histogram.dimensions, path, "histogram.dimensions", error);
    if (rc == 0)
        rc = buckets_check(&o->histogram, path, error);
    if (rc < 0)
        return rc;
    if (o->dimensions.count + o->calls_dimensions.count + o->histogram.dimensions.count > TR_RED_DIMENSIONS_MAX)
        return tr_error_set(error, EINVAL, "%s.dimensions: more than %d with calls_dimensions and histogram.dimensions", path,
                            TR_RED_DIMENSIONS_MAX);
    if (o->histogram.explicit_buckets && o->histogram.exponential)
        return tr_error_set(error, EINVAL, "%s.histogram.exponential: stands beside explicit: only one of them can be", path);
    for (size_t i = 0; i < o->exclude_dimensions.count; i++)
        if (!is_own(o->exclude_dimensions.items[i]))
            return tr_error_set(error, EINVAL, "%s.exclude_dimensions[%zu]: %s is not one of service.name, span.name, span.kind, "
                                "status.code, collector.instance.id", path, i, o->exclude_dimensions.items[i]);
    if (o->events.enabled)
        return tr_error_set(error, EINVAL, "%s.events.enabled: the metric of events is not supported", path);
    if (o->include_instrumentation_scope.count)
        return tr_error_set(error, EINVAL, "%s.include_instrumentation_scope: is not supported", path);
    return 0;
}

const struct tr_option_table tr_red_option_table = {
    .title = "span_metrics", .rows = rows, .count = TR_NELEMS(rows), .struct_bytes = sizeof(S), .check = check};
