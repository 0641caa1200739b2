// SPDX-License-Identifier: Apache-2.0
// memif's server unmaps the memory that it shares with its client on EAL's interrupt thread when the client goes, also
// while an lcore is in the middle of a burst on it (DPDK 22.11). A guard keeps the two apart.
//
// Drivers hand their handlers to rte_intr_callback_register(). Ours comes before EAL's in a program's symbols, and wraps
// the handlers of memif: they run while no lcore is between enter and leave. An lcore that finds the handler at work
// goes on without a burst.
#ifndef TR_PORT_DPDK_GUARD_H
#define TR_PORT_DPDK_GUARD_H

#include <pthread.h>

#include "base/tr.h"

struct tr_dpdk_guard {
    struct {
        pthread_mutex_t lock;
    } lcores[TR_LCORES_MAX] tr_aligned(TR_CACHE_LINE);
    uint32_t count;
    struct tr_dpdk_guard *next;
};

// Thread: control.
struct tr_dpdk_guard *tr_dpdk_guard_create(uint32_t lcores);
void tr_dpdk_guard_destroy(struct tr_dpdk_guard *guard);

// Returns false: the handler is at work. Thread: lcore. Cost: one uncontended lock of the lcore's own.
static inline bool tr_dpdk_guard_enter(struct tr_dpdk_guard *guard, uint32_t lcore)
{
    return !guard || pthread_mutex_trylock(&guard->lcores[lcore].lock) == 0;
}

static inline void tr_dpdk_guard_leave(struct tr_dpdk_guard *guard, uint32_t lcore)
{
    if (guard)
        pthread_mutex_unlock(&guard->lcores[lcore].lock);
}

// Keep all lcores of all guards out. Thread: any but an lcore.
void tr_dpdk_guard_stop_all(void);
void tr_dpdk_guard_resume_all(void);

#endif
