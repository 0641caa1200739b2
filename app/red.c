// SPDX-License-Identifier: Apache-2.0
// RED metrics in the daemon: sent every metrics_flush_interval to the backends that list metrics, shown on /metrics, and
// carried through a change of the config: a block that is the same goes on counting, one that differs begins anew, and
// what the old one counted until the last lcore left it is sent once more.
#include "daemon.h"

#include <sys/random.h>

static void identity_make(struct tr_daemon_red *red)
{
    uint8_t id[16];

    if (red->instance[0])
        return;
    // A kernel that has no randomness yet does not start daemons.
    tr_assert(getrandom(id, sizeof(id), 0) == sizeof(id) && getrandom(&red->seed, sizeof(red->seed), 0) == sizeof(red->seed));
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x40);
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    snprintf(red->instance, sizeof(red->instance), "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", id[0],
             id[1], id[2], id[3], id[4], id[5], id[6], id[7], id[8], id[9], id[10], id[11], id[12], id[13], id[14], id[15]);
}

int tr_daemon_red_make(struct tr_daemon *daemon, const struct tr_config *config, uint32_t lcores, struct tr_red_set **set,
                       struct tr_error *error)
{
    *set = NULL;
    if (!config->span_metrics)
        return 0;
    if (lcores && tr_sizes_red_check(config, lcores, error) < 0)
        return -ENOSPC;
    identity_make(&daemon->red);
    return tr_red_set_create(set, config->span_metrics, lcores, daemon->red.instance, daemon->red.seed, error);
}

int tr_daemon_red_ready(struct tr_daemon *daemon, struct tr_error *error)
{
    tr_daemon_red_tick(daemon, tr_clock_ns());
    if (daemon->red.old_count < TR_DAEMON_RED_OLD_MAX) // applies come one at a time, and only they add one
        return 0;
    return tr_error_set(error, EAGAIN, "span_metrics: those of %d configs before are still counted: try again in a while",
                        TR_DAEMON_RED_OLD_MAX);
}

void tr_daemon_red_begin(struct tr_daemon *daemon, struct tr_red_set *set, uint32_t epoch)
{
    struct tr_daemon_red *red = &daemon->red;

    pthread_mutex_lock(&red->lock);
    if (red->merge)
        red->old[red->old_count++] = (struct tr_daemon_red_old){red->merge, epoch};
    red->merge = NULL;
    if (set) {
        tr_assert(tr_red_merge_create(&red->merge, set) == 0); // a little beside the tables that there was room for
        red->flush_at_ns = tr_clock_ns() + set->config.flush_ns;
    }
    pthread_mutex_unlock(&red->lock);
}

static void body_submit(void *context, const uint8_t *body, size_t bytes)
{
    struct tr_daemon *daemon = context;

    for (size_t i = 0; i < daemon->backends_count; i++)
        tr_backend_submit(daemon->backends[i], body, bytes);
}

static void flush(struct tr_daemon *daemon, struct tr_red_merge *merge, uint64_t now, bool last)
{
    uint64_t wall_ns = tr_clock_wall_ns();

    tr_red_merge_look(merge, now, wall_ns);
    tr_red_otlp(merge, wall_ns, last, body_submit, daemon);
}

static void flush_last(struct tr_daemon *daemon, struct tr_red_merge *merge, uint64_t now)
{
    flush(daemon, merge, now, true);
    tr_red_merge_destroy(merge);
}

static bool all_walk_under(const struct tr_daemon *daemon, uint32_t epoch)
{
    for (uint32_t i = 0; i < daemon->sizes.lcores; i++)
        if (tr_load_acquire(&daemon->mesh->peers[i].epoch_walked) < epoch)
            return false;
    return true;
}

void tr_daemon_red_tick(void *context, uint64_t now)
{
    struct tr_daemon *daemon = context;
    struct tr_daemon_red *red = &daemon->red;
    uint32_t kept = 0;

    pthread_mutex_lock(&red->lock);
    for (uint32_t i = 0; i < red->old_count; i++) {
        if (all_walk_under(daemon, red->old[i].epoch))
            flush_last(daemon, red->old[i].merge, now);
        else
            red->old[kept++] = red->old[i];
    }
    red->old_count = kept;
    if (red->merge && now >= red->flush_at_ns) {
        flush(daemon, red->merge, now, false);
        // In step with the clock, unless it was left far behind.
        red->flush_at_ns = TR_MAX(red->flush_at_ns, now - TR_S) + red->merge->set->config.flush_ns;
    }
    pthread_mutex_unlock(&red->lock);
}

void tr_daemon_red_show(void *context, bool openmetrics, FILE *out)
{
    struct tr_daemon *daemon = context;

    pthread_mutex_lock(&daemon->red.lock);
    if (daemon->red.merge) {
        tr_red_merge_look(daemon->red.merge, tr_clock_ns(), tr_clock_wall_ns());
        tr_red_prometheus(daemon->red.merge, openmetrics, out);
    }
    pthread_mutex_unlock(&daemon->red.lock);
}

void tr_daemon_red_drain(struct tr_daemon *daemon)
{
    struct tr_daemon_red *red = &daemon->red;

    pthread_mutex_lock(&red->lock);
    for (uint32_t i = 0; i < red->old_count; i++)
        flush_last(daemon, red->old[i].merge, tr_clock_ns());
    red->old_count = 0;
    if (red->merge)
        flush_last(daemon, red->merge, tr_clock_ns());
    red->merge = NULL;
    pthread_mutex_unlock(&red->lock);
}

void tr_daemon_red_end(struct tr_daemon *daemon)
{
    for (uint32_t i = 0; i < daemon->red.old_count; i++)
        tr_red_merge_destroy(daemon->red.old[i].merge);
    tr_red_merge_destroy(daemon->red.merge);
}
