// SPDX-License-Identifier: Apache-2.0
// Values of points: adding a row that its lcore may be writing, taking away what was before; and a point's attributes.
#include "red/merge.h"

void tr_red_values_copy(const struct tr_red_config *config, const struct tr_red_values *from, struct tr_red_values *to)
{
    to->count = from->count;
    to->sum_ns = from->sum_ns;
    to->expo = from->expo;
    if (from->buckets && to->buckets)
        memcpy(to->buckets, from->buckets, config->buckets * sizeof(*to->buckets));
}

// Buckets from `first` on at a scale, into others whose scale is the same or lower. Returns their sum.
static uint64_t expo_add(const uint64_t *from, const struct tr_red_expo *range, bool modulo, uint32_t max_size, bool minus,
                         struct tr_red_values *to)
{
    unsigned by = (unsigned)(range->scale - to->expo.scale);
    uint64_t count = 0;

    for (int64_t i = range->first; i <= range->last; i++) {
        int64_t rest = i % (int64_t)max_size, at = (i >> by) - to->expo.first;
        uint64_t n = from[modulo ? (rest < 0 ? rest + max_size : rest) : i - range->first];

        if (at >= 0 && at < (int64_t)max_size)
            to->buckets[at] += minus ? -n : n;
        count += n;
    }
    return count;
}

// Make the buckets' range hold another's, at a scale at which all fits.
static void expo_widen(struct tr_red_values *values, const struct tr_red_expo *with, uint32_t max_size)
{
    struct tr_red_expo *expo = &values->expo, before = *expo, other = *with;
    uint64_t old[1024];
    unsigned by;

    if (other.first > other.last)
        return;
    if (before.first > before.last) {
        expo->scale = other.scale;
        expo->first = other.first;
        expo->last = other.last;
        return;
    }
    memcpy(old, values->buckets, max_size * sizeof(*old));
    expo->scale = TR_MIN(before.scale, other.scale);
    expo->first = TR_MIN(before.first >> (before.scale - expo->scale), other.first >> (other.scale - expo->scale));
    expo->last = TR_MAX(before.last >> (before.scale - expo->scale), other.last >> (other.scale - expo->scale));
    by = tr_red_expo_excess(expo->first, expo->last, max_size);
    expo->scale -= by;
    expo->first >>= by;
    expo->last >>= by;
    memset(values->buckets, 0, max_size * sizeof(*values->buckets));
    expo_add(old, &before, false, max_size, false, values);
}

// A consistent copy: the lcore moves buckets only with an odd version.
static void expo_read(const struct tr_red_config *config, struct tr_red_row *row, struct tr_red_expo *expo, uint64_t *buckets)
{
    const struct tr_red_expo *from = (const struct tr_red_expo *)(row + 1);
    const uint64_t *at = tr_red_buckets(config, row);
    uint32_t version;

    do {
        version = tr_load_acquire(&row->version);
        expo->scale = tr_load_relaxed(&from->scale);
        expo->first = tr_load_relaxed(&from->first);
        expo->last = tr_load_relaxed(&from->last);
        expo->zero = tr_load_relaxed(&from->zero);
        expo->min_ns = tr_load_relaxed(&from->min_ns);
        expo->max_ns = tr_load_relaxed(&from->max_ns);
        for (uint32_t i = 0; i < config->buckets; i++)
            buckets[i] = tr_load_relaxed(&at[i]);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (version & 1 || version != tr_load_relaxed(&row->version));
}

static void expo_add_row(const struct tr_red_config *config, struct tr_red_row *row, struct tr_red_values *to)
{
    struct tr_red_expo expo;
    uint64_t buckets[1024];

    expo_read(config, row, &expo, buckets);
    if (to->buckets) {
        expo_widen(to, &expo, config->buckets);
        to->count += expo_add(buckets, &expo, true, config->buckets, false, to);
    } else {
        for (int64_t i = expo.first; i <= expo.last; i++)
            to->count += buckets[(i % (int64_t)config->buckets + config->buckets) % config->buckets];
    }
    to->count += expo.zero;
    to->expo.zero += expo.zero;
    to->expo.min_ns = TR_MIN(to->expo.min_ns, expo.min_ns);
    to->expo.max_ns = TR_MAX(to->expo.max_ns, expo.max_ns);
}

void tr_red_values_add_row(const struct tr_red_config *config, struct tr_red_row *row, struct tr_red_values *to)
{
    const uint64_t *buckets = tr_red_buckets(config, row);
    uint64_t bits = tr_load_relaxed(&row->sum);
    double sum;

    memcpy(&sum, &bits, sizeof(sum));
    to->sum_ns += sum;
    if (config->histogram == TR_RED_EXPONENTIAL) {
        expo_add_row(config, row, to);
        return;
    }
    for (uint32_t i = 0; i < config->buckets; i++) {
        uint64_t n = tr_load_relaxed(&buckets[i]);

        to->count += n;
        if (to->buckets)
            to->buckets[i] += n;
    }
}

static void take_away(const struct tr_red_config *config, const struct tr_red_values *before, struct tr_red_values *from)
{
    from->count -= before->count;
    from->sum_ns -= before->sum_ns;
    if (!from->buckets)
        return;
    if (config->histogram == TR_RED_EXPONENTIAL) {
        expo_add(before->buckets, &before->expo, false, config->buckets, true, from);
        from->expo.zero -= before->expo.zero;
        return;
    }
    for (uint32_t i = 0; i < config->buckets; i++)
        from->buckets[i] -= before->buckets[i];
}

void tr_red_point_values(const struct tr_red_merge *merge, const struct tr_red_point *point, bool cumulative,
                         struct tr_red_values *to)
{
    const struct tr_red_config *config = &merge->set->config;
    uint64_t *buckets = to->buckets;

    to->buckets = point->now.buckets ? buckets : NULL;
    tr_red_values_copy(config, &point->now, to);
    if (!cumulative || !config->delta)
        take_away(config, &point->before, to);
    to->buckets = buckets;
}

// --- attributes

static const char *const kinds[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT",
                                    "SPAN_KIND_PRODUCER",    "SPAN_KIND_CONSUMER", ""};
static const char *const states[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR", ""};

static void text(tr_red_attribute_fn each, void *context, const char *name, const void *bytes, uint32_t length)
{
    each(context, name, &(struct tr_value){.type = TR_VALUE_STRING, .bytes = bytes, .length = length});
}

static const uint8_t *read_text(const uint8_t *p, const uint8_t **bytes, uint32_t *length)
{
    uint16_t n;

    memcpy(&n, p, 2);
    *bytes = p + 2;
    *length = n;
    return p + 2 + n;
}

static const uint8_t *read_value(const uint8_t *p, struct tr_value *value)
{
    *value = (struct tr_value){.type = (enum tr_value_type)*p++};
    switch (value->type) {
    case TR_VALUE_BOOL:
    case TR_VALUE_INT:
        memcpy(&value->integer, p, 8);
        return p + 8;
    case TR_VALUE_DOUBLE:
        memcpy(&value->number, p, 8);
        return p + 8;
    default:
        return read_text(p, &value->bytes, &value->length);
    }
}

void tr_red_point_attributes(const struct tr_red_merge *merge, const struct tr_red_point *point, tr_red_attribute_fn each,
                             void *context)
{
    const struct tr_red_config *config = &merge->set->config;
    const uint8_t *p = point->key, *service, *name;
    uint32_t service_bytes, name_bytes;
    const char *kind, *status, *method;

    if (!p) {
        each(context, "otel.metric.overflow", &(struct tr_value){.type = TR_VALUE_BOOL, .integer = 1});
        return;
    }
    p = read_text(p, &service, &service_bytes);
    kind = kinds[TR_MIN(p[0], TR_RED_KIND_OTHER)];
    status = states[TR_MIN(p[1], TR_RED_STATUS_OTHER)];
    method = p[2] ? "extrapolated" : "counted";
    p = read_text(p + 3, &name, &name_bytes);
    if (config->own & TR_RED_SERVICE)
        text(each, context, "service.name", service, service_bytes);
    if (config->own & TR_RED_NAME)
        text(each, context, "span.name", name, name_bytes);
    if (config->own & TR_RED_KIND)
        text(each, context, "span.kind", kind, (uint32_t)strlen(kind));
    if (config->own & TR_RED_STATUS)
        text(each, context, "status.code", status, (uint32_t)strlen(status));
    if (config->own & TR_RED_INSTANCE)
        text(each, context, "collector.instance.id", merge->set->instance, (uint32_t)strlen(merge->set->instance));
    if (config->sampling_method)
        text(each, context, "sampling.method", method, (uint32_t)strlen(method));
    for (uint32_t i = 0; i < config->dimensions_count; i++) {
        struct tr_value value;

        if (*p == TR_RED_ABSENT) {
            p++;
            continue;
        }
        p = read_value(p, &value);
        each(context, config->dimensions[i].name, &value);
    }
}
