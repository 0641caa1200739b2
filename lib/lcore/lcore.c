// SPDX-License-Identifier: Apache-2.0
#include "lcore/lcore.h"

#include <sys/mman.h>

TR_COUNTERS_DEFINE(lcore, TR_LCORE_COUNTERS)

// How much to take in: what the turn can still bring into the journal, or bodies would pile up in staging, out of the
// caches, where they cost twice as much. A little always comes in: acknowledgements, pings, requests to refuse.
#define INTAKE_MIN (16 * TR_KIB)

static size_t intake(const struct tr_lcore *lcore)
{
    return TR_MAX(lcore->ingest.budget, INTAKE_MIN);
}

size_t tr_lcore_poll(struct tr_lcore *lcore, uint64_t now)
{
    size_t work = 0;

    tr_assert(now >= lcore->now);
    lcore->now = now;
    lcore->ingest.budget = TR_TURN_BYTES;
    work += tr_lcore_emit(lcore, TR_TURN_BYTES);   // class 2 in: always, it frees others
    work += tr_lcore_own(lcore);                   // class 1 in, decisions, class 2 out
    work += tr_lcore_ingest(lcore);                // bodies that the last turn left → journal
    for (uint32_t i = 0; i < lcore->ports_count; i++) // bytes → HTTP → bodies, the first of them ingested at once
        work += lcore->ports[i].poll(lcore->ports[i].context, now, intake(lcore));
    work += tr_lcore_ingest(lcore);                // bodies → journal
    work += tr_lcore_walk(lcore, TR_TURN_BYTES);   // journal → summaries, answers
    work += tr_lcore_tail(lcore);                  // what of the journal may go
    if (lcore->http)
        work += tr_http_poll(lcore->http, now);    // answers → streams
    tr_lcore_flush(lcore);
    for (; lcore->wake; lcore->wake &= lcore->wake - 1)
        tr_mesh_wake(lcore->mesh, (uint32_t)__builtin_ctzll(lcore->wake));
    tr_count(&lcore->counters.turns, 1);
    tr_count(&lcore->counters.turns_busy, work > 0);
    return work;
}

// Something of ours is stuck behind a full ring: nobody wakes us when it drains, so look again soon.
static bool is_stalled(const struct tr_lcore *lcore)
{
    for (uint32_t to = 0; to < lcore->mesh->lcores; to++)
        if (lcore->walker.bursts[to].count || lcore->held_back_count[to])
            return true;
    return tr_owner_busy(lcore->owner);
}

#define STALLED_NS (50 * TR_US)
#define WAITING_NS (100 * TR_MS)

uint64_t tr_lcore_deadline(const struct tr_lcore *lcore)
{
    uint64_t deadline = tr_owner_deadline(lcore->owner);

    if (tr_unlikely(lcore->walker.epoch->policies->budgets != NULL))
        deadline = TR_MIN(deadline, tr_budgets_deadline(lcore->walker.epoch->policies->budgets, lcore->options.lcore,
                                                        tr_owner_hurries(lcore->owner), tr_owner_settling(lcore->owner)));
    if (is_stalled(lcore))
        deadline = TR_MIN(deadline, lcore->now + STALLED_NS);
    if (lcore->ingest.first)
        deadline = TR_MIN(deadline, lcore->now + WAITING_NS);
    for (uint32_t i = 0; i < lcore->ports_count; i++)
        deadline = TR_MIN(deadline, lcore->ports[i].deadline(lcore->ports[i].context));
    if (lcore->http)
        deadline = TR_MIN(deadline, tr_http_deadline(lcore->http));
    return deadline;
}

// A class 1 ring behind messages that the owner can't take yet is none: that ends with time, not with a look.
static bool rings_have_input(const struct tr_lcore *lcore)
{
    uint32_t self = lcore->options.lcore;

    for (uint32_t from = 0; from < lcore->mesh->lcores; from++)
        if (from != self && (tr_mesh_count(lcore->mesh, TR_CLASS_2, from, self) ||
                             (lcore->held_back_count[from] < TR_BURST &&
                              tr_mesh_count(lcore->mesh, TR_CLASS_1, from, self))))
            return true;
    return false;
}

static bool ports_have_input(const struct tr_lcore *lcore)
{
    for (uint32_t i = 0; i < lcore->ports_count; i++)
        if (lcore->ports[i].has_input && lcore->ports[i].has_input(lcore->ports[i].context))
            return true;
    return false;
}

static bool budgets_have_input(const struct tr_lcore *lcore)
{
    const struct tr_budgets *budgets = lcore->walker.epoch->policies->budgets;

    return budgets && tr_budgets_has_input(budgets, lcore->options.lcore, tr_owner_settling(lcore->owner));
}

bool tr_lcore_has_input(const struct tr_lcore *lcore)
{
    return budgets_have_input(lcore) || rings_have_input(lcore) || ports_have_input(lcore) || tr_load_acquire(&lcore->mesh->epoch) != lcore->walker.epoch ||
           tr_load_acquire(&lcore->mesh->stop);
}

bool tr_lcore_drained(const struct tr_lcore *lcore)
{
    return !lcore->ingest.first && !lcore->walker.first && lcore->walker.position == lcore->journal.ring.head &&
           !tr_owner_counters(lcore->owner)->held && !is_stalled(lcore) && !rings_have_input(lcore);
}

static int rings_create(struct tr_lcore *lcore, struct tr_error *error)
{
    const struct tr_lcore_options *options = &lcore->options;
    struct tr_ringfile_options ring = {.kind = TR_RINGFILE_JOURNAL,
                                       .bytes = options->journal_bytes,
                                       .lcore = options->lcore,
                                       .lcores = lcore->mesh->lcores,
                                       .numa_node = options->numa_node,
                                       .prefault = options->prefault};
    int rc = tr_journal_create(&lcore->journal, options->directory, &ring, options->contexts, error);

    if (rc < 0)
        return rc;
    ring.kind = TR_RINGFILE_OUTBOX;
    ring.bytes = options->outbox_bytes;
    return tr_outbox_create(&lcore->outbox, options->directory, &ring, error);
}

int tr_lcore_create(struct tr_lcore **out, const struct tr_lcore_options *options, struct tr_mesh *mesh,
                    struct tr_error *error)
{
    struct tr_lcore *lcore = aligned_alloc(TR_CACHE_LINE, TR_ALIGN_UP(sizeof(*lcore), (size_t)TR_CACHE_LINE));
    struct tr_decider decider;
    struct tr_owner_output output;
    int rc;

    if (!lcore)
        return tr_error_set(error, ENOMEM, "no memory for lcore %u", options->lcore);
    memset(lcore, 0, sizeof(*lcore));
    lcore->options = *options;
    lcore->mesh = mesh;
    lcore->journal.ring.fd = lcore->outbox.ring.fd = -1;
    // The first config is there before the lcores: no trace ever begins without one.
    tr_assert(mesh->epoch);
    lcore->walker.epoch = mesh->epoch;
    for (uint32_t i = 0; i < mesh->lcores; i++)
        lcore->epochs_in[i] = mesh->epoch->number;
    mesh->peers[options->lcore].epoch_walked = mesh->peers[options->lcore].epoch_oldest = mesh->epoch->number;
    rc = rings_create(lcore, error);
    if (rc < 0)
        goto fail;
    // Address space; a page is touched when a resource of that size is rewritten.
    lcore->scratch = mmap(NULL, 8 * options->body_bytes_max + TR_MIB, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (lcore->scratch == MAP_FAILED) {
        lcore->scratch = NULL;
        rc = tr_error_set(error, ENOMEM, "no address space for lcore %u", options->lcore);
        goto fail;
    }
    rc = tr_sources_create(&lcore->sources, options->lcore, options->sources_max);
    if (rc < 0) {
        tr_error_set(error, -rc, "no memory for sources");
        goto fail;
    }
    rc = tr_study_ring_create(&lcore->study, options->study_slots, options->numa_node, options->prefault);
    if (rc < 0) {
        tr_error_set(error, -rc, "no memory for the study of services");
        goto fail;
    }
    rc = tr_ingest_init(lcore, error);
    if (rc < 0)
        goto fail;
    decider = tr_lcore_decider(lcore);
    output = tr_lcore_owner_output(lcore);
    rc = tr_owner_create(&lcore->owner, &options->owner, &decider, &output, error);
    if (rc < 0)
        goto fail;
    tr_owner_epoch_set(lcore->owner, mesh->epoch->number);
    tr_owner_wait_set(lcore->owner, mesh->epoch->policies->wait_ns, mesh->epoch->policies->wait_min_ns);
    tr_owner_wait_root_set(lcore->owner, mesh->epoch->policies->wait_root_ns);
    if (mesh->epoch->policies->adjusted != TR_ADJUSTED_OFF)
        tr_owner_counting_set(lcore->owner);
    tr_owner_late_set(lcore->owner, mesh->epoch->policies->reopen, mesh->epoch->policies->at_once);
    tr_gauge(&lcore->counters.epoch, mesh->epoch->number);
    tr_gauge(&lcore->counters.journal_bytes, options->journal_bytes);
    *out = lcore;
    return 0;
fail:
    tr_lcore_destroy(lcore);
    return rc;
}

void tr_lcore_destroy(struct tr_lcore *lcore)
{
    if (!lcore)
        return;
    if (lcore->owner)
        tr_owner_destroy(lcore->owner);
    if (lcore->ingest.decoder)
        tr_ingest_fini(lcore);
    tr_sources_destroy(&lcore->sources);
    tr_study_ring_destroy(&lcore->study);
    if (lcore->scratch)
        munmap(lcore->scratch, 8 * lcore->options.body_bytes_max + TR_MIB);
    tr_outbox_close(&lcore->outbox);
    tr_journal_close(&lcore->journal);
    free(lcore);
}
