// SPDX-License-Identifier: Apache-2.0
#define ALLOW_EXPERIMENTAL_API // rte_intr_fd_get() and its like: stable from 23.11 on
#include "port/dpdk_guard.h"

#include <dlfcn.h>
#include <rte_interrupts.h>
#include <sys/stat.h>

#define HANDLERS_MAX 8

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER; // held while all are stopped
static struct tr_dpdk_guard *guards;

struct tr_dpdk_guard *tr_dpdk_guard_create(uint32_t lcores)
{
    struct tr_dpdk_guard *guard = aligned_alloc(TR_CACHE_LINE, TR_ALIGN_UP(sizeof(*guard), (size_t)TR_CACHE_LINE));

    if (!guard)
        return NULL;
    memset(guard, 0, sizeof(*guard));
    guard->count = lcores;
    for (uint32_t i = 0; i < lcores; i++)
        pthread_mutex_init(&guard->lcores[i].lock, NULL);
    pthread_mutex_lock(&list_lock);
    guard->next = guards;
    guards = guard;
    pthread_mutex_unlock(&list_lock);
    return guard;
}

void tr_dpdk_guard_destroy(struct tr_dpdk_guard *guard)
{
    if (!guard)
        return;
    pthread_mutex_lock(&list_lock);
    for (struct tr_dpdk_guard **at = &guards; *at; at = &(*at)->next) {
        if (*at == guard) {
            *at = guard->next;
            break;
        }
    }
    pthread_mutex_unlock(&list_lock);
    for (uint32_t i = 0; i < guard->count; i++)
        pthread_mutex_destroy(&guard->lcores[i].lock);
    free(guard);
}

void tr_dpdk_guard_stop_all(void)
{
    pthread_mutex_lock(&list_lock);
    for (struct tr_dpdk_guard *guard = guards; guard; guard = guard->next)
        for (uint32_t i = 0; i < guard->count; i++)
            pthread_mutex_lock(&guard->lcores[i].lock);
}

void tr_dpdk_guard_resume_all(void)
{
    for (struct tr_dpdk_guard *guard = guards; guard; guard = guard->next)
        for (uint32_t i = 0; i < guard->count; i++)
            pthread_mutex_unlock(&guard->lcores[i].lock);
    pthread_mutex_unlock(&list_lock);
}

// --- EAL's functions by their names, for every driver that is loaded later

typedef int (*register_fn)(const struct rte_intr_handle *, rte_intr_callback_fn, void *);
typedef int (*unregister_fn)(const struct rte_intr_handle *, rte_intr_callback_fn, void *);
typedef int (*unregister_pending_fn)(const struct rte_intr_handle *, rte_intr_callback_fn, void *,
                                     rte_intr_unregister_callback_fn);

// A driver's handlers by number: EAL tells handlers apart by their address, so each needs a wrapper of its own.
static rte_intr_callback_fn handlers[HANDLERS_MAX];

// What a handler registered on its way. memif's server registers a client's socket, says hello, and if the client has
// gone by then closes the socket and frees what it registered, but leaves it registered: EAL would panic over the closed
// socket.
static _Thread_local struct {
    bool handling;
    int fd; // -1: none
    ino_t inode;
    rte_intr_callback_fn handler;
    void *argument;
} fresh;

static bool is_open(int fd, ino_t inode)
{
    struct stat stat;

    return fstat(fd, &stat) == 0 && stat.st_ino == inode;
}

static void fresh_note(const struct rte_intr_handle *handle, rte_intr_callback_fn handler, void *argument)
{
    struct stat stat;

    if (!fresh.handling || fstat(rte_intr_fd_get(handle), &stat) < 0)
        return;
    fresh.fd = rte_intr_fd_get(handle);
    fresh.inode = stat.st_ino;
    fresh.handler = handler;
    fresh.argument = argument;
}

static void fresh_check(void)
{
    struct rte_intr_handle *handle;

    if (fresh.fd < 0 || is_open(fresh.fd, fresh.inode))
        return;
    handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
    if (!handle)
        return;
    if (rte_intr_fd_set(handle, fresh.fd) == 0)
        rte_intr_callback_unregister(handle, fresh.handler, fresh.argument);
    rte_intr_instance_free(handle);
}

static void call(unsigned number, void *argument)
{
    tr_dpdk_guard_stop_all();
    fresh.handling = true;
    fresh.fd = -1;
    handlers[number](argument);
    fresh.handling = false;
    fresh_check();
    tr_dpdk_guard_resume_all();
}

#define WRAPPER(number)                                                                                      \
    static void wrapper_##number(void *argument)                                                             \
    {                                                                                                        \
        call(number, argument);                                                                              \
    }
WRAPPER(0) WRAPPER(1) WRAPPER(2) WRAPPER(3) WRAPPER(4) WRAPPER(5) WRAPPER(6) WRAPPER(7)

static const rte_intr_callback_fn wrappers[HANDLERS_MAX] = {wrapper_0, wrapper_1, wrapper_2, wrapper_3,
                                                            wrapper_4, wrapper_5, wrapper_6, wrapper_7};

static bool is_memif(rte_intr_callback_fn handler)
{
    Dl_info info;

    return dladdr((void *)handler, &info) && info.dli_fname && strstr(info.dli_fname, "net_memif");
}

// The wrapper of a handler, or the handler itself. Handlers are few and live as long as the driver: they stay.
static rte_intr_callback_fn wrapped(rte_intr_callback_fn handler)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    rte_intr_callback_fn found = handler;

    if (!is_memif(handler))
        return handler;
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < HANDLERS_MAX; i++) {
        if (!handlers[i])
            handlers[i] = handler;
        if (handlers[i] == handler) {
            found = wrappers[i];
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    tr_assert(found != handler);
    return found;
}

int rte_intr_callback_register(const struct rte_intr_handle *handle, rte_intr_callback_fn handler, void *argument)
{
    register_fn next = (register_fn)dlsym(RTLD_NEXT, "rte_intr_callback_register");
    int rc = next(handle, wrapped(handler), argument);

    if (rc >= 0)
        fresh_note(handle, handler, argument);
    return rc;
}

int rte_intr_callback_unregister(const struct rte_intr_handle *handle, rte_intr_callback_fn handler, void *argument)
{
    unregister_fn next = (unregister_fn)dlsym(RTLD_NEXT, "rte_intr_callback_unregister");

    return next(handle, wrapped(handler), argument);
}

int rte_intr_callback_unregister_pending(const struct rte_intr_handle *handle, rte_intr_callback_fn handler,
                                         void *argument, rte_intr_unregister_callback_fn done)
{
    unregister_pending_fn next = (unregister_pending_fn)dlsym(RTLD_NEXT, "rte_intr_callback_unregister_pending");

    return next(handle, wrapped(handler), argument, done);
}
