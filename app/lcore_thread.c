// SPDX-License-Identifier: Apache-2.0
// The loop around lcore_poll(): clock, sleep, wake, park.
#include "daemon.h"

#include <sched.h>
#include <stdio.h>

// How long an lcore that has its CPU to itself looks for work before it sleeps.
#define SPIN_NS (50 * TR_US)

// The wall clock's offset is taken again this often, to follow its steps.
#define OFFSET_NS TR_S

static void wake(void *context)
{
    tr_kernel_wake(context);
}

// Sleep until the deadline or until woken. The flag goes up first, then everything is looked at once more: who puts
// something in a ring after that look sees the flag.
static void sleep_until_deadline(struct tr_lcore_thread *thread, uint64_t now)
{
    struct tr_lcore *lcore = thread->lcore;
    struct tr_peer *peer = &lcore->mesh->peers[lcore->options.lcore];
    uint64_t deadline = tr_lcore_deadline(lcore), woke;

    if (deadline <= now)
        return;
    __atomic_exchange_n(&peer->sleeping, 1, __ATOMIC_SEQ_CST);
    if (!tr_lcore_has_input(lcore) && !tr_load_acquire(&thread->finish))
        tr_kernel_wait(thread->kernel, deadline == TR_NEVER ? TR_S : TR_MIN(deadline - now, TR_S));
    if (!__atomic_exchange_n(&peer->sleeping, 0, __ATOMIC_SEQ_CST))
        tr_count(&lcore->counters.wakeups, 1);
    woke = tr_clock_ns();
    tr_count(&lcore->counters.sleep_ns, woke - now);
}

static void *run(void *argument)
{
    struct tr_lcore_thread *thread = argument;
    struct tr_lcore *lcore = thread->lcore;
    uint64_t idle_since = 0, offset_at = 0;

    if (thread->dpdk_count)
        tr_dpdk_thread_register();
    while (!tr_load_acquire(&thread->finish)) {
        uint64_t now = tr_clock_ns(), after;
        size_t work;

        if (now >= offset_at) {
            tr_store_relaxed(&lcore->wall_offset_ns, tr_clock_wall_ns() - now);
            offset_at = now + OFFSET_NS;
        }
        tr_in_turn = true;
        work = tr_lcore_poll(lcore, now);
        tr_in_turn = false;
        if (work) {
            after = tr_clock_ns();
            tr_count(&lcore->counters.busy_ns, after - now);
            idle_since = 0;
        } else if (thread->polls && (!idle_since || now - idle_since < SPIN_NS)) {
            idle_since = idle_since ? idle_since : now;
        } else {
            sleep_until_deadline(thread, now);
            idle_since = 1; // long ago: a look that finds nothing is not worth a spin
        }
        tr_mesh_park(lcore->mesh, lcore->options.lcore);
    }
    if (thread->dpdk_count)
        tr_dpdk_thread_unregister();
    return NULL;
}

int tr_lcore_thread_start(struct tr_lcore_thread *thread, struct tr_error *error)
{
    struct tr_peer *peer = &thread->lcore->mesh->peers[thread->lcore->options.lcore];
    pthread_attr_t attr;
    char name[16];
    cpu_set_t cpus;
    int rc;

    peer->wake = wake;
    peer->wake_context = thread->kernel;
    CPU_ZERO(&cpus);
    CPU_SET(thread->cpu, &cpus);
    pthread_attr_init(&attr);
    pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
    rc = pthread_create(&thread->thread, &attr, run, thread);
    pthread_attr_destroy(&attr);
    if (rc)
        return tr_error_set(error, rc, "lcore %u: can't run on CPU %d: %s", thread->lcore->options.lcore, thread->cpu,
                            strerror(rc));
    snprintf(name, sizeof(name), "lcore-%u", thread->lcore->options.lcore);
    pthread_setname_np(thread->thread, name);
    thread->running = true;
    return 0;
}

void tr_lcore_thread_join(struct tr_lcore_thread *thread)
{
    if (!thread->running)
        return;
    tr_store_release(&thread->finish, 1);
    tr_kernel_wake(thread->kernel);
    pthread_join(thread->thread, NULL);
    thread->running = false;
}
