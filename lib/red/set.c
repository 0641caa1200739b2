// SPDX-License-Identifier: Apache-2.0
// From options to a set, and the memory of its tables.
#include "config/units.h"
#include "red/table.h"

static const uint64_t bounds_default_ms[] = {2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10000, 15000};

#define KEY_BYTES      256 // of a row, on average
#define RESOURCE_BYTES 1024

static const struct {
    const char *name;
    unsigned bit;
} own[] = {{"service.name", TR_RED_SERVICE},
           {"span.name", TR_RED_NAME},
           {"span.kind", TR_RED_KIND},
           {"status.code", TR_RED_STATUS},
           {"collector.instance.id", TR_RED_INSTANCE}};

uint32_t tr_red_row_bytes(enum tr_red_histogram histogram, uint32_t buckets)
{
    size_t bytes = sizeof(struct tr_red_row) + buckets * sizeof(uint64_t);

    if (histogram == TR_RED_EXPONENTIAL)
        bytes += sizeof(struct tr_red_expo);
    return (uint32_t)TR_ALIGN_UP(bytes, (size_t)TR_CACHE_LINE);
}

static enum tr_red_histogram histogram_of(const struct tr_red_options *options)
{
    return options->histogram.disable ? TR_RED_NONE : options->histogram.exponential ? TR_RED_EXPONENTIAL : TR_RED_EXPLICIT;
}

static uint32_t buckets_of(const struct tr_red_options *options)
{
    const struct tr_red_histogram_options *h = &options->histogram;

    switch (histogram_of(options)) {
    case TR_RED_NONE:
        return 1;
    case TR_RED_EXPONENTIAL:
        return (uint32_t)h->exponential->max_size;
    default:
        return 1 + (uint32_t)(h->explicit_buckets && h->explicit_buckets->buckets.count ? h->explicit_buckets->buckets.count
                                                                                        : TR_NELEMS(bounds_default_ms));
    }
}

static uint64_t slots_for(uint64_t rows)
{
    uint64_t slots = 64;

    while (slots < 2 * rows)
        slots *= 2;
    return slots;
}

uint64_t tr_red_table_bytes(const struct tr_red_options *options)
{
    uint64_t rows = options->series_max + options->resource_metrics_cache_size + 1;

    return sizeof(struct tr_red_table) + rows * (tr_red_row_bytes(histogram_of(options), buckets_of(options)) + KEY_BYTES) +
           slots_for(options->series_max) * sizeof(uint64_t) + TR_RED_KNOWN * sizeof(struct tr_red_known) +
           (options->resource_metrics_cache_size + 1) * (sizeof(struct tr_red_resource) + RESOURCE_BYTES) +
           TR_RED_RESOURCE_BYTES_MAX +
           (options->exemplars.enabled ? TR_RED_EXEMPLAR_ENTRIES * sizeof(struct tr_red_exemplar_entry) +
                                             sizeof(struct tr_walk_notes) + sizeof(struct tr_red_place)
                                       : 0);
}

// Reserved means there: no page is first touched on the data path.
static void *reserve(size_t bytes)
{
    void *memory = aligned_alloc(TR_CACHE_LINE, TR_ALIGN_UP(bytes, (size_t)TR_CACHE_LINE));

    if (memory)
        memset(memory, 0, TR_ALIGN_UP(bytes, (size_t)TR_CACHE_LINE));
    return memory;
}

// A plan that watches the dimensions' keys and tests nothing.
static int plan_make(struct tr_red_table *table)
{
    const struct tr_red_config *config = table->config;
    struct tr_walk_plan *plan = &table->plan;
    struct tr_walk_keys *places[] = {&plan->span, &plan->resource};

    plan->words = 1;
    plan->looks = true;
    plan->slot_words = plan->span_slot_words = 1; // the resource's behind it
    plan->slot_words = 2;
    plan->watched = table->watched;
    for (uint32_t i = 0; i < config->dimensions_count; i++)
        table->watched[i] = (struct tr_walk_watch){.span = (uint16_t)i, .resource = (uint16_t)(64 + i)};
    for (unsigned place = 0; place < TR_NELEMS(places); place++) {
        struct tr_walk_keys *keys = places[place];

        keys->keys = calloc(config->dimensions_count + 1, sizeof(*keys->keys));
        if (!keys->keys)
            return -ENOMEM;
        for (uint32_t i = 0; i < config->dimensions_count; i++)
            keys->keys[keys->count++] = (struct tr_walk_key){.name = config->dimensions[i].name,
                                                             .bytes = (uint32_t)strlen(config->dimensions[i].name),
                                                             .note = 1 + place * 64 + i};
        if (tr_walk_keys_build(keys) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int exemplars_create(struct tr_red_table *table)
{
    table->emit = reserve(sizeof(*table->emit));
    table->notes = reserve(sizeof(*table->notes));
    table->entries = reserve(TR_RED_EXEMPLAR_ENTRIES * sizeof(*table->entries));
    table->emit_body = UINT64_MAX;
    return table->emit && table->notes && table->entries ? plan_make(table) : -ENOMEM;
}

int tr_red_table_create(struct tr_red_table **out, const struct tr_red_config *config, uint64_t seed)
{
    struct tr_red_table *table = reserve(sizeof(*table));
    uint32_t slots = (uint32_t)slots_for(config->series_max), resources = config->resources_max + 1;

    if (!table)
        return -ENOMEM;
    table->config = config;
    table->seed = seed;
    table->row_bytes = tr_red_row_bytes(config->histogram, config->buckets);
    table->rows_max = config->series_max + resources;
    table->rows = reserve((size_t)table->rows_max * table->row_bytes);
    table->slots = reserve(slots * sizeof(*table->slots));
    table->slots_mask = slots - 1;
    table->keys_max = (uint32_t)TR_MIN((uint64_t)table->rows_max * KEY_BYTES, UINT32_MAX);
    table->keys = reserve(table->keys_max);
    table->texts_max = (uint32_t)TR_MIN((uint64_t)resources * RESOURCE_BYTES + TR_RED_RESOURCE_BYTES_MAX, UINT32_MAX);
    table->texts = reserve(table->texts_max);
    table->resources = reserve(resources * sizeof(*table->resources));
    table->resources_count = 1;
    table->known = reserve(TR_RED_KNOWN * sizeof(*table->known));
    table->walk.resource = TR_RED_NO_SERVICE;
    *out = table;
    if (!table->rows || !table->slots || !table->keys || !table->texts || !table->resources || !table->known)
        return -ENOMEM;
    return config->exemplars_max ? exemplars_create(table) : 0;
}

void tr_red_table_destroy(struct tr_red_table *table)
{
    if (!table)
        return;
    tr_walk_keys_free(&table->plan.span);
    tr_walk_keys_free(&table->plan.resource);
    free(table->plan.span.keys);
    free(table->plan.resource.keys);
    free(table->rows);
    free(table->slots);
    free(table->keys);
    free(table->texts);
    free(table->resources);
    free(table->known);
    free(table->emit);
    free(table->notes);
    free(table->entries);
    free(table);
}

// One that calls and durations both have is one.
static bool dimensions_add(struct tr_red_config *config, const struct tr_list *list, bool calls, bool durations)
{
    const struct tr_red_dimension_options *options = list->items;

    for (size_t i = 0; i < list->count; i++) {
        struct tr_red_dimension *d = config->dimensions;

        while (d < config->dimensions + config->dimensions_count && strcmp(d->name, options[i].name) != 0)
            d++;
        if (d == config->dimensions + config->dimensions_count) {
            config->dimensions_count++;
            d->name = strdup(options[i].name);
            d->initial = options[i].initial ? strdup(options[i].initial) : NULL;
            if (!d->name || (options[i].initial && !d->initial))
                return false;
        }
        d->calls = d->calls || calls;
        d->durations = d->durations || durations;
        config->projected = config->projected || d->calls != d->durations;
    }
    return true;
}

static bool strings_copy(char **to, uint32_t *count, const struct tr_strings *from)
{
    for (size_t i = 0; i < from->count; i++) {
        to[i] = strdup(from->items[i]);
        if (!to[i])
            return false;
        (*count)++;
    }
    return true;
}

static bool config_make(struct tr_red_config *config, const struct tr_red_options *options)
{
    const struct tr_red_histogram_options *h = &options->histogram;

    config->histogram = histogram_of(options);
    config->unit = (enum tr_red_unit)h->unit;
    config->buckets = buckets_of(options);
    for (uint32_t i = 0; config->histogram == TR_RED_EXPLICIT && i + 1 < config->buckets; i++) {
        if (h->explicit_buckets && h->explicit_buckets->buckets.count)
            tr_duration_parse(h->explicit_buckets->buckets.items[i], &config->bounds_ns[i]);
        else
            config->bounds_ns[i] = bounds_default_ms[i] * TR_MS;
    }
    for (size_t i = 0; i < TR_NELEMS(own); i++)
        config->own |= own[i].bit;
    for (size_t k = 0; k < options->exclude_dimensions.count; k++)
        for (size_t i = 0; i < TR_NELEMS(own); i++)
            if (strcmp(options->exclude_dimensions.items[k], own[i].name) == 0)
                config->own &= ~own[i].bit;
    config->delta = options->temporality == TR_RED_DELTA;
    config->namespace = strdup(options->namespace ? options->namespace : "");
    config->flush_ns = options->flush_ns;
    config->metrics_expiration_ns = options->metrics_expiration_ns;
    config->series_expiration_ns = options->series_expiration_ns;
    config->exemplars_max = options->exemplars.enabled ? (uint32_t)options->exemplars.max_per_data_point : 0;
    config->limit = options->cardinality_limit;
    config->sampling_method = options->sampling_method;
    config->series_max = (uint32_t)options->series_max;
    config->resources_max = (uint32_t)options->resource_metrics_cache_size;
    return config->namespace &&
           strings_copy(config->key_attributes, &config->key_attributes_count, &options->resource_metrics_key_attributes) &&
           dimensions_add(config, &options->dimensions, true, true) &&
           dimensions_add(config, &options->calls_dimensions, true, false) &&
           dimensions_add(config, &h->dimensions, false, config->histogram != TR_RED_NONE);
}

static void destroy(struct tr_red_set *set)
{
    struct tr_red_config *config = &set->config;

    for (uint32_t i = 0; i < set->lcores; i++)
        tr_red_table_destroy(set->tables[i]);
    for (uint32_t i = 0; i < config->dimensions_count; i++) {
        free(config->dimensions[i].name);
        free(config->dimensions[i].initial);
    }
    for (uint32_t i = 0; i < config->key_attributes_count; i++)
        free(config->key_attributes[i]);
    free(config->namespace);
    free(set->watch.items);
    free(set);
}

int tr_red_set_create(struct tr_red_set **out, const struct tr_red_options *options, uint32_t lcores, const char *instance,
                      uint64_t seed, struct tr_error *error)
{
    struct tr_red_set *set = calloc(1, sizeof(*set));
    int rc = set && config_make(&set->config, options) ? 0 : -ENOMEM;

    if (rc == 0) {
        set->users = 1;
        set->seed = seed;
        set->lcores = lcores;
        snprintf(set->instance, sizeof(set->instance), "%s", instance);
        set->watch.items = calloc(set->config.dimensions_count + 1, sizeof(*set->watch.items));
        rc = set->watch.items ? 0 : -ENOMEM;
    }
    for (uint32_t i = 0; rc == 0 && i < set->config.dimensions_count; i++)
        set->watch.items[set->watch.count++] = set->config.dimensions[i].name;
    for (uint32_t i = 0; rc == 0 && i < lcores; i++)
        rc = tr_red_table_create(&set->tables[i], &set->config, seed);
    if (rc < 0) {
        if (set)
            destroy(set);
        return tr_error_set(error, ENOMEM, "span_metrics.series_max: no memory for tables of %llu MiB",
                            (unsigned long long)(tr_red_table_bytes(options) * lcores / TR_MIB));
    }
    *out = set;
    return 0;
}

struct tr_red_set *tr_red_set_use(struct tr_red_set *set)
{
    if (set)
        set->users++;
    return set;
}

void tr_red_set_release(struct tr_red_set *set)
{
    if (set && --set->users == 0)
        destroy(set);
}
