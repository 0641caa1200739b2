// SPDX-License-Identifier: Apache-2.0
// What policies cost the walk, for `tailctl policies`: spans are copied out of the journals while the lcores stand still
// for an instant, and measured afterwards.
#include "daemon.h"

#include "policy/cost.h"

#define AGAIN_NS        (10 * TR_S)  // what is known is good for so long
#define BUDGET_NS       (100 * TR_MS)
#define CONTEXTS_MAX    16 // an lcore
#define CONTEXT_SPANS   4

struct tr_daemon_costs {
    struct tr_policy_costs *costs;
    uint32_t epoch; // that they are of
    uint64_t measured_ns;
    struct tr_cost_spans spans;
};

static void spans_copy(struct tr_cost_spans *spans, struct tr_lcore *lcore)
{
    struct tr_journal *journal = &lcore->journal;
    uint64_t walked = lcore->walker.context, index = walked;

    // The newest that were walked; those below the tail are gone.
    while (index > journal->contexts_tail && walked - index < CONTEXTS_MAX) {
        const struct tr_context *context = tr_journal_context(journal, --index);
        const uint8_t *body = tr_ringfile_at(&journal->ring, context->body), *span;
        uint32_t cursor = 0, bytes;

        for (int i = 0; i < CONTEXT_SPANS && tr_context_span(context, body, &cursor, &span, &bytes); i++)
            tr_cost_span_add(spans, context, body, span, bytes);
    }
}

static bool costs_renew(struct tr_daemon *daemon, struct tr_daemon_costs *costs)
{
    if (costs->costs && costs->epoch == daemon->epoch)
        return true;
    tr_policy_costs_destroy(costs->costs);
    costs->costs = NULL;
    costs->epoch = daemon->epoch;
    costs->measured_ns = 0;
    return tr_policy_costs_create(&costs->costs, &daemon->config->tail_sampling) == 0;
}

void tr_daemon_costs_measure(void *context)
{
    struct tr_daemon *daemon = context;
    struct tr_daemon_costs *costs = daemon->costs;
    uint64_t now = tr_clock_ns();

    if (!costs)
        costs = daemon->costs = calloc(1, sizeof(*costs));
    if (!costs || !costs_renew(daemon, costs) || (costs->measured_ns && now - costs->measured_ns < AGAIN_NS))
        return;
    tr_mesh_stop(daemon->mesh);
    for (uint32_t i = 0; i < daemon->sizes.lcores; i++)
        spans_copy(&costs->spans, daemon->lcores[i].lcore);
    tr_mesh_resume(daemon->mesh);
    if (costs->spans.count)
        costs->measured_ns = now;
    tr_policy_costs_measure(costs->costs, &costs->spans, tr_clock_ns, BUDGET_NS);
    tr_cost_spans_clear(&costs->spans);
}

double tr_daemon_walk_cost(const struct tr_daemon *daemon, uint32_t policy)
{
    const struct tr_daemon_costs *costs = daemon->costs;

    return costs && costs->costs && costs->epoch == daemon->epoch ? tr_policy_cost(costs->costs, policy) : -1;
}

void tr_daemon_costs_free(struct tr_daemon *daemon)
{
    if (daemon->costs)
        tr_policy_costs_destroy(daemon->costs->costs);
    free(daemon->costs);
}
