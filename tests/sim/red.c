// SPDX-License-Identifier: Apache-2.0
// RED metrics in two worlds of three: a block from the beginning, whose kind changes with some of the configs. However the
// spans lie on lcores and blocks, each that was walked is counted once.
#include "world.h"

#include "base/hash.h"

static const char *const blocks[] = {
    "series_max: 512\nexemplars: {enabled: true}\ndimensions: [{name: tier, default: none}]\n",
    "series_max: 512\ndimensions: [{name: tier, default: none}]\nhistogram: {exponential: {max_size: 20}}\n",
    "series_max: 16\nresource_metrics_cache_size: 4\ndimensions: [{name: tier, default: none}]\naggregation_cardinality_limit: 2\n",
};

// Apart from the world's other draws: the scenario of a seed stays what it was.
static uint64_t draw(const struct sim_world *world, uint64_t what)
{
    return tr_mix64(tr_mix64(world->options.seed + 0x9e3779b97f4a7c15ull) ^ what);
}

struct tr_red_set *sim_red_of(struct sim_world *world, uint32_t epoch)
{
    unsigned kind = (unsigned)(draw(world, epoch) % TR_NELEMS(blocks));
    struct tr_options_doc *doc;
    struct tr_error error = {0};
    struct tr_red_set *set;

    if (draw(world, 0) % 3 == 0)
        return NULL;
    if (world->reds_count == SIM_REDS_MAX || (world->reds_count && draw(world, ~(uint64_t)epoch) % 3))
        return tr_red_set_use(world->reds[world->reds_count - 1]->set);
    if (tr_options_parse(&tr_red_option_table, blocks[kind], strlen(blocks[kind]), &doc, &error) ||
        tr_red_set_create(&set, tr_options_struct(doc), world->options.lcores, "sim", world->options.seed, &error) ||
        tr_red_merge_create(&world->reds[world->reds_count], set)) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    tr_options_free(doc);
    world->reds_count++;
    world->reds_limited = world->reds_limited || kind == 2;
    return set;
}

void sim_red_close(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->reds_count; i++)
        tr_red_merge_destroy(world->reds[i]);
}

static uint64_t counted(const struct sim_world *world)
{
    uint64_t spans = 0;

    for (uint32_t i = 0; i < world->options.lcores; i++)
        spans += world->lcores[i]->red.counted + world->lcores[i]->red.overflow + world->lcores[i]->red.no_service;
    return spans;
}

bool sim_red_holds(struct sim_world *world, uint64_t walked)
{
    if (!world->reds_count || counted(world) == walked)
        return true;
    return sim_fail(world, "%llu spans are walked, and %llu counted", (unsigned long long)walked, (unsigned long long)counted(world));
}

struct calls {
    uint64_t all, gold, errors;
    bool is_gold, is_error;
};

static void attribute(void *context, const char *name, const struct tr_value *value)
{
    struct calls *calls = context;

    calls->is_gold = calls->is_gold || (strcmp(name, "tier") == 0 && value->length == 4 && memcmp(value->bytes, "gold", 4) == 0 &&
                                        value->type == TR_VALUE_STRING);
    calls->is_error = calls->is_error || (strcmp(name, "status.code") == 0 && value->length == 17 && memcmp(value->bytes, "STATUS_CODE_ERROR", 17) == 0);
}

static bool exemplars_hold(struct sim_world *world, const struct tr_red_point *point)
{
    for (uint32_t i = 0; i < point->exemplars_count; i++) {
        const uint8_t *id = point->exemplars[i].trace_id;
        const struct sim_trace *trace = &world->traces[id[14] << 8 | id[15]];

        if (!trace->verdicts || (trace->verdicts == 1 && !trace->kept))
            return sim_fail(world, "an exemplar of trace %u, which was not kept", id[14] << 8 | id[15]);
    }
    return true;
}

static bool points_add(struct sim_world *world, struct tr_red_merge *merge, enum tr_red_metric metric, struct calls *calls)
{
    uint64_t buckets[64];
    struct tr_red_values values = {.buckets = buckets};

    for (uint32_t i = 0; i < merge->points_count; i++) {
        const struct tr_red_point *point = &merge->points[i];

        if (point->metric != metric)
            continue;
        if (!exemplars_hold(world, point))
            return false;
        calls->is_gold = calls->is_error = false;
        tr_red_point_attributes(merge, point, attribute, calls);
        tr_red_point_values(merge, point, true, &values);
        calls->all += values.count;
        calls->gold += calls->is_gold ? values.count : 0;
        calls->errors += calls->is_error ? values.count : 0;
    }
    return true;
}

static bool is_between(struct sim_world *world, const char *what, uint64_t least, uint64_t n, uint64_t most)
{
    return (n >= least && n <= most) ||
           sim_fail(world, "%llu calls %s, accepted are %llu, perhaps %llu", (unsigned long long)n, what, (unsigned long long)least,
                    (unsigned long long)most);
}

bool sim_red_rest_holds(struct sim_world *world, uint64_t walked)
{
    struct calls calls = {0}, durations = {0};
    uint64_t gold[2] = {0}, errors[2] = {0};

    if (!world->reds_count)
        return true;
    for (uint32_t i = 0; i < world->reds_count; i++) {
        tr_red_merge_look(world->reds[i], world->now, world->now);
        if (!points_add(world, world->reds[i], TR_RED_CALLS, &calls) ||
            !points_add(world, world->reds[i], TR_RED_DURATION, &durations))
            return false;
    }
    for (uint32_t i = 0; i < SIM_TRACES; i++) {
        const struct sim_trace *trace = &world->traces[i];

        for (uint32_t number = 0; number < trace->spans; number++) {
            for (int perhaps = 0; perhaps < 2; perhaps++) {
                bool here = trace->fate[number] == SIM_ACCEPTED || (perhaps && trace->fate[number] == SIM_UNKNOWN);

                gold[perhaps] += here && i % 5 == 0;
                errors[perhaps] += here && trace->error && trace->error_span == number;
            }
        }
    }
    if (calls.all != walked || durations.all != walked)
        return sim_fail(world, "%llu spans are walked, %llu calls and %llu durations shown", (unsigned long long)walked,
                        (unsigned long long)calls.all, (unsigned long long)durations.all);
    return world->reds_limited || (is_between(world, "of gold", gold[0], calls.gold, gold[1]) &&
                                   is_between(world, "that failed", errors[0], calls.errors, errors[1]));
}
