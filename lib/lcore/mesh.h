// SPDX-License-Identifier: Apache-2.0
// What lcores share, and the whole of it: two rings for each ordered pair, a flag for who sleeps, the configs of the
// live epochs, and the word that asks all of them to stop for an instant.
#ifndef TR_LCORE_MESH_H
#define TR_LCORE_MESH_H

#include <pthread.h>

#include "attr/attr.h"
#include "policy/policy.h"
#include "red/red.h"
#include "trace/message.h"

enum tr_class { TR_CLASS_1, TR_CLASS_2, TR_CLASSES };

struct rte_ring;

// A config in force: what the control thread compiles and lcores pick up. Immutable but for the counters.
struct tr_epoch {
    uint32_t number; // counts up from 1
    struct tr_policy_set *policies;
    struct tr_attr_set *attrs;
    struct tr_red_set *red; // NULL: no RED metrics
    struct tr_policy_counters *counters[TR_LCORES_MAX]; // by lcore: a row a policy
};

// What kept spans of an epoch's traces carry: the names of its policies, as fields tailrace.policy, and whether these and
// counts are added at all. It outlives the epoch, for late spans.
#define TR_POLICY_KEY        "tailrace.policy"
#define TR_POLICY_NAMES_KEPT 256 // configs back
struct tr_policy_names {
    uint32_t epoch;
    uint32_t policies;
    enum tr_adjusted adjusted;
    bool policy_attribute;
    uint32_t ends[]; // of each field in the bytes behind
};

// An lcore as its peers and the control thread see it.
struct tr_peer {
    uint32_t sleeping tr_aligned(64); // exchanged by the sleeper, read by writers after a burst
    uint32_t stopped;                 // parked at a turn's end (under the mesh's lock)
    uint32_t epoch_walked;            // its walker tests under this epoch (stored by it, read by control)
    uint32_t epoch_oldest;            // the oldest epoch that its owner holds a trace under (same)
    void (*wake)(void *context);      // set at start-up; NULL: never sleeps
    void *wake_context;
};

struct tr_mesh {
    uint32_t lcores;
    uint32_t stop;                               // asked by control
    struct tr_epoch *epoch;                      // the newest; lcores load it once a turn
    struct tr_epoch *epochs[TR_EPOCHS_LIVE_MAX]; // by number modulo
    // By number modulo. One is freed some configs after it was last looked at: a new one is published only when all
    // lcores have gone on from those TR_EPOCHS_LIVE_MAX before it.
    struct tr_policy_names *names[2 * TR_POLICY_NAMES_KEPT];
    struct rte_ring *rings[TR_CLASSES][TR_LCORES_MAX][TR_LCORES_MAX]; // [class][from][to]
    struct tr_peer peers[TR_LCORES_MAX];
    pthread_mutex_t stopper; // held from tr_mesh_stop() to tr_mesh_resume(): one at a time
    pthread_mutex_t lock;    // of parking only
    pthread_cond_t parked, released;
};

// Rings of `slots` messages (a power of two) between all pairs of different lcores.
//
// Returns 0, -ENOMEM. Thread: start-up.
int tr_mesh_create(struct tr_mesh **mesh, uint32_t lcores, uint32_t slots, struct tr_error *error);
void tr_mesh_destroy(struct tr_mesh *mesh);

// Enqueue what fits of a burst, in order. Wakes nobody: call tr_mesh_wake() once a burst.
//
// Returns how many went in. Thread: lcore `from`.
uint32_t tr_mesh_send(struct tr_mesh *mesh, enum tr_class class, uint32_t from, uint32_t to,
                      const union tr_message *messages, uint32_t count);

// Thread: lcore `to`.
uint32_t tr_mesh_receive(struct tr_mesh *mesh, enum tr_class class, uint32_t from, uint32_t to,
                         union tr_message *messages, uint32_t count);

// How many messages lie in a ring. Thread: any; exact for its two ends and while lcores are stopped.
uint32_t tr_mesh_count(const struct tr_mesh *mesh, enum tr_class class, uint32_t from, uint32_t to);

// How many of them are summaries, by looking at each. While lcores are stopped.
uint64_t tr_mesh_summaries(const struct tr_mesh *mesh, uint32_t from, uint32_t to);

// How many spans the emits in a class 2 ring are about. While lcores are stopped.
uint64_t tr_mesh_emits(const struct tr_mesh *mesh, uint32_t from, uint32_t to);

// Wake `to` if it sleeps. Any thread, after what it shall see was stored.
void tr_mesh_wake(struct tr_mesh *mesh, uint32_t to);

// Publish a config: lcores pick it up within a turn. The epoch is the mesh's from here on.
//
// Returns 0, -EAGAIN: TR_EPOCHS_LIVE_MAX configs still have traces that began under them.
// Thread: control, one at a time.
int tr_mesh_epoch_publish(struct tr_mesh *mesh, struct tr_epoch *epoch);

// Those of a config up to TR_POLICY_NAMES_KEPT back from `now`, the one the lcore walks under. Returns NULL: not known.
//
// Thread: lcore.
const struct tr_policy_names *tr_mesh_policy_names(const struct tr_mesh *mesh, uint32_t now, uint32_t epoch);

// The field tailrace.policy of one of them. Returns NULL: there is no such policy; `names` may be NULL too.
const uint8_t *tr_policy_names_field(const struct tr_policy_names *names, uint16_t policy, uint32_t *bytes);

// Free the epochs that no walker tests under and no owner holds a trace under. Thread: control.
void tr_mesh_epochs_reap(struct tr_mesh *mesh);
void tr_epoch_free(struct tr_epoch *epoch);

// Stop all lcores at a turn's end, and let them go on. Between the two their data may be read.
// Thread: any but an lcore, while all lcores run; a second one waits for the first. Cost: one turn.
void tr_mesh_stop(struct tr_mesh *mesh);
void tr_mesh_resume(struct tr_mesh *mesh);

// An lcore's side: park here if a stop is asked for.
void tr_mesh_park(struct tr_mesh *mesh, uint32_t lcore);

#endif
