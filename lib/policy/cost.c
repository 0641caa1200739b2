// SPDX-License-Identifier: Apache-2.0
#include "policy/cost.h"

#include "policy/policy_options.h"

#define ROUNDS 9 // the best of them counts: whatever else the machine does only adds

struct tr_policy_costs {
    struct tr_tail_sampling_options options;
    uint32_t next; // policy to be measured
    uint32_t count;
    struct cost {
        struct tr_policy_set *set; // of this policy alone
        bool tried;
        double ns;
    } * costs;
    struct tr_walk_notes notes;
};

static struct tr_range piece_copy(uint8_t **to, const uint8_t *begin, const uint8_t *body, struct tr_range from)
{
    struct tr_range range = {(uint32_t)(*to - begin), from.bytes};

    memcpy(*to, body + from.offset, from.bytes);
    *to += from.bytes;
    return range;
}

void tr_cost_span_add(struct tr_cost_spans *spans, const struct tr_context *context, const uint8_t *body,
                      const uint8_t *span, uint32_t bytes)
{
    struct tr_cost_span *copy = &spans->spans[spans->count];
    uint64_t whole = bytes + 64ull; // as behind the journal's head, there is something to be read behind the end
    uint8_t *to;

    for (int i = 0; i < 2; i++)
        whole += context->resource[i].bytes + context->scope[i].bytes;
    if (spans->count == TR_COST_SPANS_MAX || whole > TR_COST_BODY_BYTES_MAX || !(to = calloc(1, whole)))
        return;
    *copy = (struct tr_cost_span){.body = to, .bytes = bytes};
    copy->context.spans = context->spans;
    for (int i = 0; i < 2; i++) {
        copy->context.resource[i] = piece_copy(&to, copy->body, body, context->resource[i]);
        copy->context.scope[i] = piece_copy(&to, copy->body, body, context->scope[i]);
    }
    copy->span = memcpy(to, span, bytes);
    spans->count++;
}

void tr_cost_spans_clear(struct tr_cost_spans *spans)
{
    for (uint32_t i = 0; i < spans->count; i++)
        free(spans->spans[i].body);
    spans->count = 0;
}

int tr_policy_costs_create(struct tr_policy_costs **out, const struct tr_tail_sampling_options *options)
{
    struct tr_policy_costs *costs = calloc(1, sizeof(*costs));

    if (!costs)
        return -ENOMEM;
    costs->options = *options;
    costs->count = (uint32_t)options->policies.count;
    costs->costs = calloc(costs->count + 1ull, sizeof(*costs->costs));
    if (!costs->costs) {
        free(costs);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < costs->count; i++)
        costs->costs[i].ns = -1;
    *out = costs;
    return 0;
}

void tr_policy_costs_destroy(struct tr_policy_costs *costs)
{
    if (!costs)
        return;
    for (uint32_t i = 0; i < costs->count; i++)
        tr_policy_set_free(costs->costs[i].set);
    free(costs->costs);
    free(costs);
}

// The best time of walking the spans' resources, and the spans if `spans_too`, with a plan.
static uint64_t walk_time(struct tr_policy_costs *costs, const struct tr_walk_plan *plan, const struct tr_cost_spans *spans,
                          bool spans_too, uint64_t (*clock_ns)(void))
{
    uint64_t best = UINT64_MAX;

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begin = clock_ns();

        for (uint32_t i = 0; i < spans->count; i++) {
            const struct tr_cost_span *span = &spans->spans[i];
            struct tr_bits bits = {{0}};
            struct tr_walk_span walked;

            tr_walk_resource(plan, 0, &span->context, span->body, &costs->notes, &bits);
            if (spans_too)
                tr_walk_span(plan, 0, span->span, span->bytes, &costs->notes, &walked, &bits);
        }
        best = TR_MIN(best, clock_ns() - begin);
    }
    return best;
}

// ns a span; a resource is walked once for all the spans of its context.
static double plan_cost(struct tr_policy_costs *costs, const struct tr_walk_plan *plan, const struct tr_cost_spans *spans,
                        uint64_t (*clock_ns)(void))
{
    double resources = (double)walk_time(costs, plan, spans, false, clock_ns);
    double both = (double)walk_time(costs, plan, spans, true, clock_ns), sharing = 0;

    for (uint32_t i = 0; i < spans->count; i++)
        sharing += spans->spans[i].context.spans;
    return (both - resources + resources * spans->count / TR_MAX(sharing, 1.0)) / spans->count;
}

static void set_make(struct tr_policy_costs *costs, uint32_t policy)
{
    struct tr_tail_sampling_options alone = costs->options;
    struct tr_error error;

    alone.policies.items = (struct tr_policy_options *)costs->options.policies.items + policy;
    alone.policies.count = 1;
    costs->costs[policy].tried = true;
    if (tr_policy_set_compile(&alone, NULL, 1, 1, &costs->costs[policy].set, &error) < 0)
        costs->costs[policy].set = NULL;
}

void tr_policy_costs_measure(struct tr_policy_costs *costs, const struct tr_cost_spans *spans,
                             uint64_t (*clock_ns)(void), uint64_t budget_ns)
{
    static const struct tr_walk_plan none = {.words = 1};
    uint64_t end = clock_ns() + budget_ns;
    double nothing;

    if (!spans->count)
        return;
    nothing = plan_cost(costs, &none, spans, clock_ns);
    for (uint32_t i = 0; i < costs->count && clock_ns() < end; i++) {
        uint32_t policy = costs->next++ % costs->count;
        struct cost *cost = &costs->costs[policy];

        if (!cost->tried)
            set_make(costs, policy);
        if (cost->set)
            cost->ns = TR_MAX(plan_cost(costs, &cost->set->plan, spans, clock_ns) - nothing, 0.0);
    }
}

double tr_policy_cost(const struct tr_policy_costs *costs, uint32_t policy)
{
    return policy < costs->count ? costs->costs[policy].ns : -1;
}
