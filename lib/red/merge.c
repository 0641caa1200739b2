// SPDX-License-Identifier: Apache-2.0
#include "red/merge.h"

#include "base/hash.h"

int tr_red_merge_create(struct tr_red_merge **out, struct tr_red_set *set)
{
    struct tr_red_merge *merge = calloc(1, sizeof(*merge));
    uint32_t rows, resources = set->config.resources_max + 1;

    if (!merge)
        return -ENOMEM;
    merge->set = tr_red_set_use(set);
    merge->slots_mask = 1023;
    merge->slots = calloc(merge->slots_mask + 1, sizeof(*merge->slots));
    for (uint32_t i = 0; i < set->lcores; i++) {
        rows = set->tables[i]->rows_max;
        merge->resource_of[i] = calloc(resources, sizeof(uint32_t));
        for (unsigned m = 0; m < TR_RED_METRICS; m++)
            merge->point_of[m][i] = calloc(rows, sizeof(uint32_t));
        if (!merge->slots || !merge->resource_of[i] || !merge->point_of[0][i] || !merge->point_of[1][i]) {
            tr_red_merge_destroy(merge);
            return -ENOMEM;
        }
    }
    *out = merge;
    return 0;
}

void tr_red_merge_destroy(struct tr_red_merge *merge)
{
    if (!merge)
        return;
    for (uint32_t i = 0; i < merge->points_count; i++) {
        free(merge->points[i].key);
        free(merge->points[i].now.buckets);
        free(merge->points[i].before.buckets);
        free(merge->points[i].exemplars);
    }
    for (uint32_t i = 0; i < merge->resources_count; i++) {
        free(merge->resources[i].key);
        free(merge->resources[i].attributes);
    }
    for (uint32_t i = 0; i < TR_LCORES_MAX; i++) {
        free(merge->resource_of[i]);
        for (unsigned m = 0; m < TR_RED_METRICS; m++)
            free(merge->point_of[m][i]);
    }
    free(merge->resources);
    free(merge->points);
    free(merge->slots);
    tr_red_set_release(merge->set);
    free(merge);
}

// What can't be had makes the look incomplete, and the next one tries again.
static void *more(void *items, uint32_t *room, uint32_t count, size_t bytes)
{
    if (count < *room)
        return items;
    items = realloc(items, (size_t)TR_MAX(64u, 2 * *room) * bytes);
    tr_assert(items); // cold, and a daemon without memory for a few KiB has worse to fear
    *room = TR_MAX(64u, 2 * *room);
    return items;
}

static uint8_t *copy(const void *from, size_t bytes)
{
    uint8_t *to = malloc(bytes + 1);

    tr_assert(to);
    memcpy(to, from, bytes);
    return to;
}

static uint32_t resource_merge(struct tr_red_merge *merge, const struct tr_red_table *table, uint32_t number)
{
    const struct tr_red_resource *from = &table->resources[number];
    const uint8_t *key = table->texts + from->at;
    uint64_t hash = tr_hash_bytes(key, from->bytes, number == 0);
    struct tr_red_merged_resource *to;

    for (uint32_t i = 0; i < merge->resources_count; i++)
        if (merge->resources[i].hash == hash && merge->resources[i].key_bytes == from->bytes &&
            memcmp(merge->resources[i].key, key, from->bytes) == 0)
            return i;
    merge->resources = more(merge->resources, &merge->resources_room, merge->resources_count, sizeof(*to));
    to = &merge->resources[merge->resources_count];
    *to = (struct tr_red_merged_resource){.hash = hash, .key = copy(key, from->bytes), .key_bytes = from->bytes};
    to->attributes = malloc(4 * (size_t)from->raw_bytes + 64);
    tr_assert(to->attributes);
    to->attributes_bytes = (uint32_t)tr_red_resource_utf8(table->texts + from->raw_at, from->raw_bytes, to->attributes);
    return merge->resources_count++;
}

static void slots_grow(struct tr_red_merge *merge)
{
    uint32_t mask = 2 * merge->slots_mask + 1;

    free(merge->slots);
    merge->slots = calloc(mask + 1, sizeof(*merge->slots));
    tr_assert(merge->slots);
    merge->slots_mask = mask;
    for (uint32_t i = 0; i < merge->points_count; i++) {
        uint32_t at = (uint32_t)merge->points[i].hash;

        while (merge->slots[at & mask])
            at++;
        merge->slots[at & mask] = i + 1;
    }
}

// A row's key without the dimensions that are the other metric's.
static uint32_t project(const struct tr_red_config *config, enum tr_red_metric metric, const uint8_t *key, uint32_t bytes,
                        uint8_t *to)
{
    const uint8_t *p = key, *end = key + bytes;
    uint8_t *t = to;
    uint16_t length;

    memcpy(&length, p, 2);
    p += 2 + length + 3;
    memcpy(&length, p, 2);
    p += 2 + length;
    memcpy(t, key, (size_t)(p - key));
    t += p - key;
    for (uint32_t i = 0; i < config->dimensions_count && p < end; i++) {
        const uint8_t *begin = p;

        switch (*p++) {
        case TR_RED_ABSENT:
            break;
        case TR_VALUE_BOOL:
        case TR_VALUE_INT:
        case TR_VALUE_DOUBLE:
            p += 8;
            break;
        default:
            memcpy(&length, p, 2);
            p += 2 + length;
        }
        if (metric == TR_RED_CALLS ? config->dimensions[i].calls : config->dimensions[i].durations) {
            memcpy(t, begin, (size_t)(p - begin));
            t += p - begin;
        } else {
            *t++ = TR_RED_ABSENT;
        }
    }
    return (uint32_t)(t - to);
}

static uint32_t point_new(struct tr_red_merge *merge, const struct tr_red_point *point)
{
    const struct tr_red_config *config = &merge->set->config;
    struct tr_red_point *to;

    merge->points = more(merge->points, &merge->points_room, merge->points_count, sizeof(*to));
    to = &merge->points[merge->points_count];
    *to = *point;
    if (to->metric == TR_RED_DURATION) {
        to->now.buckets = calloc(config->buckets, sizeof(uint64_t));
        to->before.buckets = calloc(config->buckets, sizeof(uint64_t));
        tr_assert(to->now.buckets && to->before.buckets);
        to->before.expo = (struct tr_red_expo){.scale = 20, .last = -1, .min_ns = UINT64_MAX};
    }
    if (config->exemplars_max) {
        to->exemplars = calloc(config->exemplars_max, sizeof(*to->exemplars));
        tr_assert(to->exemplars);
    }
    return merge->points_count++;
}

static uint32_t overflow_point(struct tr_red_merge *merge, enum tr_red_metric metric, uint32_t resource, uint64_t start)
{
    uint32_t *at = &merge->resources[resource].overflow[metric];

    if (!*at)
        *at = point_new(merge, &(struct tr_red_point){.metric = metric, .resource = resource, .start_wall_ns = start}) + 1;
    return *at - 1;
}

static uint32_t point_merge(struct tr_red_merge *merge, enum tr_red_metric metric, const struct tr_red_table *table,
                            const struct tr_red_row *row, uint32_t resource)
{
    const struct tr_red_config *config = &merge->set->config;
    struct tr_red_merged_resource *of = &merge->resources[resource];
    uint8_t key[TR_RED_KEY_MAX];
    uint32_t bytes, at, index;
    uint64_t hash;

    if (row->key_bytes == TR_RED_OVERFLOW)
        return overflow_point(merge, metric, resource, row->first_wall_ns);
    bytes = project(config, metric, table->keys + row->key, row->key_bytes, key);
    hash = tr_hash_bytes(key, bytes, (uint64_t)resource << 1 | metric);
    for (at = (uint32_t)hash; (index = merge->slots[at & merge->slots_mask]) != 0; at++) {
        const struct tr_red_point *point = &merge->points[index - 1];

        if (point->hash == hash && point->metric == metric && point->resource == resource && point->key_bytes == bytes &&
            memcmp(point->key, key, bytes) == 0)
            return index - 1;
    }
    if (config->limit && of->points[metric] + (of->overflow[metric] > 0) >= config->limit)
        return overflow_point(merge, metric, resource, row->first_wall_ns);
    of->points[metric]++;
    index = point_new(merge, &(struct tr_red_point){.metric = metric,
                                                    .resource = resource,
                                                    .hash = hash,
                                                    .key = copy(key, bytes),
                                                    .key_bytes = bytes,
                                                    .start_wall_ns = row->first_wall_ns});
    merge->slots[at & merge->slots_mask] = index + 1;
    if (2 * merge->points_count > merge->slots_mask)
        slots_grow(merge);
    return index;
}

// Rows and resources that came since the last look.
static void table_map(struct tr_red_merge *merge, uint32_t lcore)
{
    const struct tr_red_table *table = merge->set->tables[lcore];
    // Rows first: the resources that they name are then there.
    uint32_t rows = tr_load_acquire(&table->rows_count), resources = tr_load_acquire(&table->resources_count);

    for (uint32_t i = merge->resources_mapped[lcore]; i < resources; i++)
        merge->resource_of[lcore][i] = resource_merge(merge, table, i);
    merge->resources_mapped[lcore] = resources;
    for (uint32_t i = merge->rows_mapped[lcore]; i < rows; i++) {
        const struct tr_red_row *row = tr_red_row(table, i);

        for (unsigned m = 0; m < TR_RED_METRICS; m++)
            if (m == TR_RED_CALLS || merge->set->config.histogram != TR_RED_NONE)
                merge->point_of[m][lcore][i] =
                    point_merge(merge, (enum tr_red_metric)m, table, row, merge->resource_of[lcore][row->resource]);
    }
    merge->rows_mapped[lcore] = rows;
}

// Which exemplars the spans of kept traces left: those of a flush replace those of the one before.
static void exemplars_take(struct tr_red_merge *merge, uint32_t lcore)
{
    struct tr_red_table *table = merge->set->tables[lcore];
    uint32_t head = tr_load_acquire(&table->entries_head), at;

    for (at = table->entries_tail; at != head; at++) {
        const struct tr_red_exemplar_entry *entry = &table->entries[at % TR_RED_EXEMPLAR_ENTRIES];

        if (entry->row >= merge->rows_mapped[lcore])
            break; // at the next look
        for (unsigned m = 0; m < TR_RED_METRICS; m++) {
            struct tr_red_point *point = &merge->points[merge->point_of[m][lcore][entry->row]];

            if (point->metric != m)
                continue;
            if (point->exemplars_sent)
                point->exemplars_count = 0;
            point->exemplars_sent = false;
            if (point->exemplars_count < merge->set->config.exemplars_max)
                point->exemplars[point->exemplars_count++] = *entry;
        }
    }
    tr_store_release(&table->entries_tail, at);
}

static void points_clear(struct tr_red_merge *merge)
{
    for (uint32_t i = 0; i < merge->points_count; i++) {
        struct tr_red_values *now = &merge->points[i].now;

        now->count = 0;
        now->sum_ns = 0;
        now->expo = (struct tr_red_expo){.scale = 20, .last = -1, .min_ns = UINT64_MAX};
        if (now->buckets)
            memset(now->buckets, 0, merge->set->config.buckets * sizeof(*now->buckets));
    }
}


static void rows_add(struct tr_red_merge *merge, uint32_t lcore)
{
    const struct tr_red_table *table = merge->set->tables[lcore];

    for (uint32_t i = 0; i < merge->rows_mapped[lcore]; i++) {
        struct tr_red_row *row = tr_red_row(table, i);
        uint64_t last_ns = tr_load_relaxed(&row->last_ns);

        for (unsigned m = 0; m < TR_RED_METRICS; m++) {
            struct tr_red_point *point = &merge->points[merge->point_of[m][lcore][i]];
            struct tr_red_merged_resource *resource = &merge->resources[point->resource];

            if (point->metric != m) // durations are off
                continue;
            tr_red_values_add_row(&merge->set->config, row, &point->now);
            point->last_ns = TR_MAX(point->last_ns, last_ns);
            resource->last_ns = TR_MAX(resource->last_ns, last_ns);
        }
    }
}

static bool is_over(uint64_t last_ns, uint64_t after_ns, uint64_t now)
{
    return after_ns && now > last_ns && now - last_ns >= after_ns;
}

static void expire(struct tr_red_merge *merge, uint64_t now, uint64_t wall_ns)
{
    const struct tr_red_config *config = &merge->set->config;

    if (!config->metrics_expiration_ns && !config->series_expiration_ns)
        return;
    for (uint32_t i = 0; i < merge->points_count; i++) {
        struct tr_red_point *point = &merge->points[i];
        bool over = is_over(point->last_ns, config->series_expiration_ns, now) ||
                    is_over(merge->resources[point->resource].last_ns, config->metrics_expiration_ns, now);

        if (over && !point->expired && !config->delta)
            tr_red_values_copy(config, &point->now, &point->before);
        if (!over && point->expired) {
            point->start_wall_ns = wall_ns;
            point->sent_wall_ns = 0;
        }
        point->expired = over;
    }
}

void tr_red_merge_look(struct tr_red_merge *merge, uint64_t now, uint64_t wall_ns)
{
    for (uint32_t i = 0; i < merge->set->lcores; i++)
        table_map(merge, i);
    points_clear(merge);
    for (uint32_t i = 0; i < merge->set->lcores; i++) {
        rows_add(merge, i);
        if (merge->set->config.exemplars_max)
            exemplars_take(merge, i);
    }
    expire(merge, now, wall_ns);
}
