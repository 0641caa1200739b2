// SPDX-License-Identifier: Apache-2.0
#include "lcore/mesh.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

static struct rte_ring *ring_create(uint32_t slots)
{
    ssize_t bytes = rte_ring_get_memsize_elem(sizeof(union tr_message), slots);
    struct rte_ring *ring;

    if (bytes < 0)
        return NULL;
    ring = aligned_alloc(TR_CACHE_LINE, TR_ALIGN_UP((size_t)bytes, (size_t)TR_CACHE_LINE));
    if (ring && rte_ring_init(ring, "mesh", slots, RING_F_SP_ENQ | RING_F_SC_DEQ) < 0) {
        free(ring);
        return NULL;
    }
    return ring;
}

int tr_mesh_create(struct tr_mesh **out, uint32_t lcores, uint32_t slots, struct tr_error *error)
{
    struct tr_mesh *mesh = aligned_alloc(TR_CACHE_LINE, TR_ALIGN_UP(sizeof(*mesh), (size_t)TR_CACHE_LINE));

    if (!mesh)
        return tr_error_set(error, ENOMEM, "no memory for the rings between lcores");
    memset(mesh, 0, sizeof(*mesh));
    mesh->lcores = lcores;
    pthread_mutex_init(&mesh->stopper, NULL);
    pthread_mutex_init(&mesh->lock, NULL);
    pthread_cond_init(&mesh->parked, NULL);
    pthread_cond_init(&mesh->released, NULL);
    for (int class = 0; class < TR_CLASSES; class++) {
        for (uint32_t pair = 0; pair < lcores * lcores; pair++) {
            uint32_t from = pair / lcores, to = pair % lcores;

            if (from == to)
                continue;
            mesh->rings[class][from][to] = ring_create(slots);
            if (!mesh->rings[class][from][to]) {
                tr_mesh_destroy(mesh);
                return tr_error_set(error, ENOMEM, "no memory for rings of %u slots between %u lcores", slots,
                                    lcores);
            }
        }
    }
    *out = mesh;
    return 0;
}

void tr_mesh_destroy(struct tr_mesh *mesh)
{
    if (!mesh)
        return;
    for (int class = 0; class < TR_CLASSES; class++)
        for (uint32_t pair = 0; pair < mesh->lcores * mesh->lcores; pair++)
            free(mesh->rings[class][pair / mesh->lcores][pair % mesh->lcores]);
    for (uint32_t i = 0; i < TR_EPOCHS_LIVE_MAX; i++)
        tr_epoch_free(mesh->epochs[i]);
    for (uint32_t i = 0; i < TR_NELEMS(mesh->names); i++)
        free(mesh->names[i]);
    pthread_cond_destroy(&mesh->parked);
    pthread_cond_destroy(&mesh->released);
    pthread_mutex_destroy(&mesh->lock);
    pthread_mutex_destroy(&mesh->stopper);
    free(mesh);
}

uint32_t tr_mesh_send(struct tr_mesh *mesh, enum tr_class class, uint32_t from, uint32_t to,
                      const union tr_message *messages, uint32_t count)
{
    return rte_ring_sp_enqueue_burst_elem(mesh->rings[class][from][to], messages, sizeof(*messages), count, NULL);
}

uint32_t tr_mesh_receive(struct tr_mesh *mesh, enum tr_class class, uint32_t from, uint32_t to,
                         union tr_message *messages, uint32_t count)
{
    return rte_ring_sc_dequeue_burst_elem(mesh->rings[class][from][to], messages, sizeof(*messages), count, NULL);
}

// Producer's tail less consumer's, both acquired: rte_ring_count() reads them plainly.
uint32_t tr_mesh_count(const struct tr_mesh *mesh, enum tr_class class, uint32_t from, uint32_t to)
{
    const struct rte_ring *ring = mesh->rings[class][from][to];
    uint32_t consumed = __atomic_load_n(&ring->cons.tail, __ATOMIC_ACQUIRE);

    return __atomic_load_n(&ring->prod.tail, __ATOMIC_ACQUIRE) - consumed;
}

uint64_t tr_mesh_summaries(const struct tr_mesh *mesh, uint32_t from, uint32_t to)
{
    const struct rte_ring *ring = mesh->rings[TR_CLASS_1][from][to];
    const union tr_message *slots = (const union tr_message *)(ring + 1);
    uint64_t summaries = 0;

    for (uint32_t at = ring->cons.tail; at != ring->prod.tail; at++)
        summaries += slots[at & ring->mask].any.kind == TR_MESSAGE_SUMMARY;
    return summaries;
}

uint64_t tr_mesh_emits(const struct tr_mesh *mesh, uint32_t from, uint32_t to)
{
    const struct rte_ring *ring = mesh->rings[TR_CLASS_2][from][to];
    const union tr_message *slots = (const union tr_message *)(ring + 1);
    uint64_t spans = 0;

    for (uint32_t at = ring->cons.tail; at != ring->prod.tail; at++)
        spans += slots[at & ring->mask].any.kind == TR_MESSAGE_EMIT ? slots[at & ring->mask].emit.spans : 0;
    return spans;
}

// The fence pairs with the sleeper's exchange: either we see the flag, or it sees what we stored before.
void tr_mesh_wake(struct tr_mesh *mesh, uint32_t to)
{
    struct tr_peer *peer = &mesh->peers[to];

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (tr_load_relaxed(&peer->sleeping) && __atomic_exchange_n(&peer->sleeping, 0, __ATOMIC_SEQ_CST))
        peer->wake(peer->wake_context);
}

void tr_epoch_free(struct tr_epoch *epoch)
{
    if (!epoch)
        return;
    tr_policy_set_free(epoch->policies);
    tr_red_set_release(epoch->red); // the plan's watched keys are its
    tr_attr_set_free(epoch->attrs);
    for (uint32_t i = 0; i < TR_LCORES_MAX; i++)
        free(epoch->counters[i]);
    free(epoch);
}

void tr_mesh_epochs_reap(struct tr_mesh *mesh)
{
    uint32_t oldest = mesh->epoch ? mesh->epoch->number : 0;

    for (uint32_t i = 0; i < mesh->lcores; i++) {
        oldest = TR_MIN(oldest, tr_load_acquire(&mesh->peers[i].epoch_walked));
        oldest = TR_MIN(oldest, tr_load_acquire(&mesh->peers[i].epoch_oldest));
    }
    for (uint32_t i = 0; i < TR_EPOCHS_LIVE_MAX; i++) {
        struct tr_epoch *epoch = mesh->epochs[i];

        if (epoch && epoch->number < oldest) {
            tr_store_release(&mesh->epochs[i], NULL);
            tr_epoch_free(epoch);
        }
    }
}

static uint8_t *names_bytes(const struct tr_policy_names *names)
{
    return (uint8_t *)(uintptr_t)(names->ends + names->policies);
}

// Returns NULL: no memory.
static struct tr_policy_names *names_make(const struct tr_epoch *epoch)
{
    uint32_t policies = epoch->policies ? epoch->policies->policies : 0, at = 0;
    size_t room = sizeof(struct tr_policy_names) + policies * sizeof(uint32_t);
    struct tr_policy_names *names;

    for (uint32_t i = 0; i < policies; i++)
        room += strlen(tr_policy_name(epoch->policies, (uint16_t)i)) + sizeof(TR_POLICY_KEY) + TR_ADDED_STRING_MORE;
    names = malloc(room);
    if (!names)
        return NULL;
    names->epoch = epoch->number;
    names->policies = policies;
    names->adjusted = epoch->policies ? epoch->policies->adjusted : TR_ADJUSTED_OFF;
    names->policy_attribute = epoch->policies && epoch->policies->policy_attribute;
    for (uint32_t i = 0; i < policies; i++) {
        at += tr_added_string(TR_POLICY_KEY, tr_policy_name(epoch->policies, (uint16_t)i), names_bytes(names) + at);
        names->ends[i] = at;
    }
    return names;
}

const struct tr_policy_names *tr_mesh_policy_names(const struct tr_mesh *mesh, uint32_t now, uint32_t epoch)
{
    const struct tr_policy_names *names = tr_load_acquire(&mesh->names[epoch % TR_NELEMS(mesh->names)]);

    return (int32_t)(now - epoch) < TR_POLICY_NAMES_KEPT && names && names->epoch == epoch ? names : NULL;
}

const uint8_t *tr_policy_names_field(const struct tr_policy_names *names, uint16_t policy, uint32_t *bytes)
{
    uint32_t begin;

    if (!names || policy >= names->policies)
        return NULL;
    begin = policy ? names->ends[policy - 1] : 0;
    *bytes = names->ends[policy] - begin;
    return names_bytes(names) + begin;
}

int tr_mesh_epoch_publish(struct tr_mesh *mesh, struct tr_epoch *epoch)
{
    struct tr_policy_names **old =
        &mesh->names[(epoch->number - TR_POLICY_NAMES_KEPT - 2 * TR_EPOCHS_LIVE_MAX) % TR_NELEMS(mesh->names)];

    tr_mesh_epochs_reap(mesh);
    if (mesh->epochs[epoch->number % TR_EPOCHS_LIVE_MAX])
        return -EAGAIN;
    free(*old);
    *old = NULL;
    tr_store_release(&mesh->names[epoch->number % TR_NELEMS(mesh->names)], names_make(epoch));
    tr_store_release(&mesh->epochs[epoch->number % TR_EPOCHS_LIVE_MAX], epoch);
    tr_store_release(&mesh->epoch, epoch);
    for (uint32_t i = 0; i < mesh->lcores; i++)
        tr_mesh_wake(mesh, i);
    return 0;
}

void tr_mesh_stop(struct tr_mesh *mesh)
{
    pthread_mutex_lock(&mesh->stopper);
    tr_store_release(&mesh->stop, 1);
    for (uint32_t i = 0; i < mesh->lcores; i++)
        tr_mesh_wake(mesh, i);
    pthread_mutex_lock(&mesh->lock);
    for (uint32_t i = 0; i < mesh->lcores; i++)
        while (!mesh->peers[i].stopped)
            pthread_cond_wait(&mesh->parked, &mesh->lock);
    pthread_mutex_unlock(&mesh->lock);
}

void tr_mesh_resume(struct tr_mesh *mesh)
{
    pthread_mutex_lock(&mesh->lock);
    tr_store_release(&mesh->stop, 0);
    // An lcore that is slow to leave must not be taken for parked by the next stop.
    for (uint32_t i = 0; i < mesh->lcores; i++)
        mesh->peers[i].stopped = 0;
    pthread_cond_broadcast(&mesh->released);
    pthread_mutex_unlock(&mesh->lock);
    pthread_mutex_unlock(&mesh->stopper);
}

void tr_mesh_park(struct tr_mesh *mesh, uint32_t lcore)
{
    if (tr_likely(!tr_load_acquire(&mesh->stop)))
        return;
    pthread_mutex_lock(&mesh->lock);
    while (tr_load_relaxed(&mesh->stop)) {
        mesh->peers[lcore].stopped = 1;
        pthread_cond_broadcast(&mesh->parked);
        pthread_cond_wait(&mesh->released, &mesh->lock);
    }
    pthread_mutex_unlock(&mesh->lock);
}
