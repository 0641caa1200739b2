// SPDX-License-Identifier: Apache-2.0
// Points to OTLP, as the connector groups them: a ResourceMetrics a resource, one scope, and the metrics calls and duration.
//
// A message's length is put in when its end is known: each has four bytes for it, which protobuf allows. Fields are those of
// opentelemetry/proto/metrics/v1/metrics.proto.
//
// With cumulative temporality the first point of a new series of calls is 0, as the connector's is: who takes rates of
// neighbouring points sees the first calls too.
#include <math.h>

#include "base/pb.h"
#include "red/merge.h"

#define BODY_BYTES (2 * TR_MIB)

struct out {
    uint8_t *bytes;
    size_t used, room;
};

static void need(struct out *out, size_t bytes)
{
    if (out->room - out->used >= bytes)
        return;
    out->room = 2 * out->room + bytes + 64 * TR_KIB;
    out->bytes = realloc(out->bytes, out->room);
    tr_assert(out->bytes); // cold, and bounded by BODY_BYTES and a point
}

// Returns where its length goes.
static size_t message_open(struct out *out, uint32_t field)
{
    need(out, 16);
    out->used = (size_t)(tr_pb_put_tag(out->bytes + out->used, field, TR_PB_BYTES) - out->bytes);
    out->used += 4;
    return out->used;
}

static void message_close(struct out *out, size_t begin)
{
    size_t bytes = out->used - begin;

    for (int i = 0; i < 4; i++)
        out->bytes[begin - 4 + i] = (uint8_t)(bytes >> 7 * i & 0x7f) | (i < 3 ? 0x80 : 0);
}

static void put_bytes(struct out *out, uint32_t field, const void *data, size_t bytes)
{
    need(out, bytes + 16);
    out->used = (size_t)(tr_pb_put_bytes(out->bytes + out->used, field, data, bytes) - out->bytes);
}

static void put_varint(struct out *out, uint32_t field, uint64_t value)
{
    need(out, 24);
    out->used = (size_t)(tr_pb_put_varint(tr_pb_put_tag(out->bytes + out->used, field, TR_PB_VARINT), value) - out->bytes);
}

static void put_fixed64(struct out *out, uint32_t field, uint64_t value)
{
    need(out, 24);
    out->used = (size_t)(tr_pb_put_fixed64(out->bytes + out->used, field, value) - out->bytes);
}

static void put_double(struct out *out, uint32_t field, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, 8);
    put_fixed64(out, field, bits);
}

static uint64_t zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

struct attributes {
    struct out *out;
    uint32_t field;
};

static void put_any(struct out *out, const struct tr_value *value)
{
    static const uint8_t fields[] = {[TR_VALUE_STRING] = 1, [TR_VALUE_BOOL] = 2,  [TR_VALUE_INT] = 3,  [TR_VALUE_DOUBLE] = 4,
                                     [TR_VALUE_ARRAY] = 5,  [TR_VALUE_KVLIST] = 6, [TR_VALUE_BYTES] = 7};
    uint8_t clean[3 * TR_RED_TEXT_MAX];
    uint64_t bits;

    switch (value->type) {
    case TR_VALUE_STRING:
        put_bytes(out, 1, clean, tr_red_utf8(value->bytes, value->length, clean));
        break;
    case TR_VALUE_BOOL:
    case TR_VALUE_INT:
        put_varint(out, fields[value->type], (uint64_t)value->integer);
        break;
    case TR_VALUE_DOUBLE:
        memcpy(&bits, &value->number, 8);
        put_fixed64(out, 4, bits);
        break;
    case TR_VALUE_ARRAY:
    case TR_VALUE_KVLIST:
    case TR_VALUE_BYTES:
        put_bytes(out, fields[value->type], value->bytes, value->length);
        break;
    default:
        break;
    }
}

static void put_attribute(void *context, const char *name, const struct tr_value *value)
{
    struct attributes *to = context;
    size_t pair = message_open(to->out, to->field), any;

    put_bytes(to->out, 1, name, strlen(name));
    any = message_open(to->out, 2);
    put_any(to->out, value);
    message_close(to->out, any);
    message_close(to->out, pair);
}

static void put_exemplars(struct out *out, uint32_t field, const struct tr_red_point *point, double unit_ns)
{
    for (uint32_t i = 0; !point->exemplars_sent && i < point->exemplars_count; i++) {
        const struct tr_red_exemplar_entry *entry = &point->exemplars[i];
        size_t at = message_open(out, field);

        put_fixed64(out, 2, entry->wall_ns);
        put_double(out, 3, (double)entry->duration_ns / unit_ns);
        put_bytes(out, 4, entry->span_id, 8);
        put_bytes(out, 5, entry->trace_id, 16);
        message_close(out, at);
    }
}

// What all kinds of points have. Returns where its length goes.
static size_t point_open(const struct tr_red_merge *merge, const struct tr_red_point *point, uint32_t attributes, uint64_t wall_ns,
                         struct out *out)
{
    struct attributes to = {out, attributes};
    size_t at = message_open(out, 1);
    uint64_t start = merge->set->config.delta && point->sent_wall_ns ? point->sent_wall_ns : point->start_wall_ns;

    tr_red_point_attributes(merge, point, put_attribute, &to);
    put_fixed64(out, 2, start);
    put_fixed64(out, 3, wall_ns);
    return at;
}

static void put_sum(const struct tr_red_merge *merge, const struct tr_red_point *point, const struct tr_red_values *values,
                    double unit_ns, uint64_t wall_ns, bool last, struct out *out)
{
    bool first = !merge->set->config.delta && !point->sent_wall_ns;
    size_t at = point_open(merge, point, 7, wall_ns, out);

    put_fixed64(out, 6, first ? 0 : values->count);
    put_exemplars(out, 5, point, unit_ns);
    message_close(out, at);
    if (!first || !last)
        return;
    at = point_open(merge, point, 7, wall_ns + 1, out); // what else would come with the next flush
    put_fixed64(out, 6, values->count);
    message_close(out, at);
}

static void put_explicit(const struct tr_red_merge *merge, const struct tr_red_point *point, const struct tr_red_values *values,
                         double unit_ns, uint64_t wall_ns, struct out *out)
{
    const struct tr_red_config *config = &merge->set->config;
    double bounds[TR_RED_BOUNDS_MAX];
    size_t at = point_open(merge, point, 9, wall_ns, out);

    for (uint32_t i = 0; i + 1 < config->buckets; i++)
        bounds[i] = (double)config->bounds_ns[i] / unit_ns;
    put_fixed64(out, 4, values->count);
    put_double(out, 5, values->sum_ns / unit_ns);
    put_bytes(out, 6, values->buckets, config->buckets * sizeof(uint64_t));
    put_bytes(out, 7, bounds, (config->buckets - 1) * sizeof(double));
    put_exemplars(out, 8, point, unit_ns);
    message_close(out, at);
}

static void put_exponential(const struct tr_red_merge *merge, const struct tr_red_point *point, const struct tr_red_values *values,
                            double unit_ns, uint64_t wall_ns, struct out *out)
{
    const struct tr_red_expo *expo = &values->expo;
    size_t at = point_open(merge, point, 1, wall_ns, out), positive;

    put_fixed64(out, 4, values->count);
    put_double(out, 5, values->sum_ns / unit_ns);
    put_varint(out, 6, zigzag(expo->first <= expo->last ? expo->scale : 0));
    put_fixed64(out, 7, expo->zero);
    positive = message_open(out, 8);
    if (expo->first <= expo->last) {
        size_t counts;

        put_varint(out, 1, zigzag(expo->first));
        counts = message_open(out, 2);
        for (int64_t i = expo->first; i <= expo->last; i++) {
            need(out, 16);
            out->used = (size_t)(tr_pb_put_varint(out->bytes + out->used, values->buckets[i - expo->first]) - out->bytes);
        }
        message_close(out, counts);
    }
    message_close(out, positive);
    put_exemplars(out, 11, point, unit_ns);
    if (!merge->set->config.delta && !point->before.count) { // else they are of more than is shown
        put_double(out, 12, (double)expo->min_ns / unit_ns);
        put_double(out, 13, (double)expo->max_ns / unit_ns);
    }
    message_close(out, at);
}

// --- grouping

// Where a body is: the lengths of what is open.
struct state {
    struct out out;
    size_t resource, scope, metric, data;
    const struct tr_red_point *of; // whose resource and metric are open; NULL: none
};

static void state_close(struct state *state, const struct tr_red_config *config)
{
    if (!state->of)
        return;
    put_varint(&state->out, 2, config->delta ? 1 : 2);
    if (state->of->metric == TR_RED_CALLS)
        put_varint(&state->out, 3, 1); // monotonic
    message_close(&state->out, state->data);
    message_close(&state->out, state->metric);
    message_close(&state->out, state->scope);
    message_close(&state->out, state->resource);
    state->of = NULL;
}

static void state_open(struct state *state, const struct tr_red_merge *merge, const struct tr_red_point *point)
{
    static const char scope[] = "spanmetricsconnector";
    const struct tr_red_config *config = &merge->set->config;
    const struct tr_red_merged_resource *resource = &merge->resources[point->resource];
    struct out *out = &state->out;
    bool calls = point->metric == TR_RED_CALLS;
    char name[512];
    size_t at;

    if (state->of && state->of->resource == point->resource && state->of->metric == point->metric)
        return;
    state_close(state, config);
    snprintf(name, sizeof(name), "%s%s%s", config->namespace, config->namespace[0] ? "." : "", calls ? "calls" : "duration");
    state->resource = message_open(out, 1);
    put_bytes(out, 1, resource->attributes, resource->attributes_bytes);
    state->scope = message_open(out, 2);
    at = message_open(out, 1);
    put_bytes(out, 1, scope, sizeof(scope) - 1);
    message_close(out, at);
    state->metric = message_open(out, 2);
    put_bytes(out, 1, name, strlen(name));
    if (!calls)
        put_bytes(out, 3, config->unit == TR_RED_MS ? "ms" : "s", config->unit == TR_RED_MS ? 2 : 1);
    state->data = message_open(out, calls ? 7 : config->histogram == TR_RED_EXPONENTIAL ? 10 : 9);
    state->of = point;
}

static int by_place(const void *left, const void *right)
{
    const struct tr_red_point *a = *(const struct tr_red_point *const *)left, *b = *(const struct tr_red_point *const *)right;

    if (a->resource != b->resource)
        return a->resource < b->resource ? -1 : 1;
    if (a->metric != b->metric)
        return a->metric < b->metric ? -1 : 1;
    return a < b ? -1 : 1;
}

static void point_put(struct state *state, struct tr_red_merge *merge, struct tr_red_point *point, struct tr_red_values *values,
                      uint64_t wall_ns, bool last)
{
    const struct tr_red_config *config = &merge->set->config;
    double unit_ns = config->unit == TR_RED_MS ? 1e6 : 1e9;

    state_open(state, merge, point);
    tr_red_point_values(merge, point, false, values);
    if (point->metric == TR_RED_CALLS)
        put_sum(merge, point, values, unit_ns, wall_ns, last, &state->out);
    else if (config->histogram == TR_RED_EXPONENTIAL)
        put_exponential(merge, point, values, unit_ns, wall_ns, &state->out);
    else
        put_explicit(merge, point, values, unit_ns, wall_ns, &state->out);
    point->sent_wall_ns = wall_ns;
    point->exemplars_sent = true;
    if (config->delta)
        tr_red_values_copy(config, &point->now, &point->before);
}

static bool is_due(const struct tr_red_config *config, const struct tr_red_point *point)
{
    return !point->expired && (!config->delta || point->now.count != point->before.count);
}

uint64_t tr_red_otlp(struct tr_red_merge *merge, uint64_t wall_ns, bool last, tr_red_body_fn each, void *context)
{
    const struct tr_red_config *config = &merge->set->config;
    struct tr_red_point **order = calloc(merge->points_count + 1, sizeof(*order));
    struct tr_red_values values = {.buckets = calloc(config->buckets, sizeof(uint64_t))};
    struct state state = {.of = NULL};
    uint64_t points = 0;

    tr_assert(order && values.buckets);
    for (uint32_t i = 0; i < merge->points_count; i++)
        if (is_due(config, &merge->points[i]))
            order[points++] = &merge->points[i];
    qsort(order, points, sizeof(*order), by_place);
    for (uint64_t i = 0; i < points; i++) {
        point_put(&state, merge, order[i], &values, wall_ns, last);
        if (state.out.used < BODY_BYTES && i + 1 < points)
            continue;
        state_close(&state, config);
        each(context, state.out.bytes, state.out.used);
        state.out.used = 0;
    }
    for (uint32_t i = 0; i < merge->set->lcores; i++)
        tr_store_release(&merge->set->tables[i]->flush, merge->set->tables[i]->flush + 1);
    free(state.out.bytes);
    free(values.buckets);
    free(order);
    return points;
}
