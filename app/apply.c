// SPDX-License-Identifier: Apache-2.0
// A new config in a running daemon, without losing a span.
//
// First everything that can be refused: the policies and rules are compiled, backends that are new are started.
// Then what cannot fail: the epoch is published (lcores swap at their turn's begin), backends that changed go on
// from where they stood, those that are gone are stopped and what they had queued is counted.
#include "daemon.h"

#include "base/log.h"

// Names of backends whose options differ between two configs.
struct changed {
    char names[64][64];
    size_t count;
    bool red; // span_metrics does
};

static void changed_note(void *context, const char *path, const char *before, const char *after, bool live)
{
    struct changed *changed = context;
    const char *name = path + strlen("backends[");

    changed->red = changed->red || strncmp(path, "span_metrics", strlen("span_metrics")) == 0;
    if (strncmp(path, "backends[", strlen("backends[")) != 0 || changed->count == TR_NELEMS(changed->names))
        return;
    snprintf(changed->names[changed->count++], sizeof(changed->names[0]), "%.*s", (int)strcspn(name, "]"), name);
}

static bool is_changed(const struct changed *changed, const char *name)
{
    for (size_t i = 0; i < changed->count; i++)
        if (strcmp(changed->names[i], name) == 0)
            return true;
    return false;
}

static struct tr_backend **backend_of(struct tr_daemon *daemon, const char *name)
{
    for (size_t i = 0; i < daemon->backends_count; i++)
        if (daemon->backends[i] && strcmp(tr_backend_options(daemon->backends[i])->name, name) == 0)
            return &daemon->backends[i];
    return NULL;
}

static int backend_start(struct tr_daemon *daemon, struct tr_backend **backend,
                         const struct tr_backend_options *options, struct tr_backend *adopt, struct tr_error *error)
{
    const struct tr_outbox *outboxes[TR_LCORES_MAX];

    for (uint32_t i = 0; i < daemon->sizes.lcores; i++)
        outboxes[i] = &daemon->lcores[i].lcore->outbox;
    return tr_backend_start(backend, options, outboxes, daemon->sizes.lcores, adopt, error);
}

// A changed backend: the old one stops, the new one goes on from its cursors; if it can't start, the old one does.
static int backend_replace(struct tr_daemon *daemon, struct tr_backend **to, struct tr_backend **old,
                           const struct tr_backend_options *options, struct tr_error *error)
{
    int rc;

    tr_backend_stop(*old);
    rc = backend_start(daemon, to, options, *old, error);
    if (rc < 0) {
        struct tr_backend *again = NULL;
        struct tr_error ignored = {0};

        if (backend_start(daemon, &again, tr_backend_options(*old), *old, &ignored) < 0)
            tr_log(TR_LOG_ERROR, "backend.lost", "backend=%s error=\"%s\"", tr_backend_options(*old)->name,
                   ignored.text);
        else {
            tr_backend_free(*old);
            *old = again;
        }
        return rc;
    }
    tr_backend_free(*old);
    *old = NULL;
    return 0;
}

static int backends_apply(struct tr_daemon *daemon, const struct tr_config *config, const struct changed *changed,
                          struct tr_error *error)
{
    const struct tr_backend_options *options = config->backends.items;
    struct tr_backend **next = calloc(config->backends.count + 1, sizeof(*next));
    int rc = next ? 0 : tr_error_set(error, ENOMEM, "no memory");

    // New ones first: a mistake in one of them leaves all others untouched.
    for (size_t i = 0; rc == 0 && i < config->backends.count; i++)
        if (!backend_of(daemon, options[i].name))
            rc = backend_start(daemon, &next[i], &options[i], NULL, error);
    for (size_t i = 0; rc == 0 && i < config->backends.count; i++) {
        struct tr_backend **old = backend_of(daemon, options[i].name);

        if (old && is_changed(changed, options[i].name))
            rc = backend_replace(daemon, &next[i], old, &options[i], error);
    }
    if (rc < 0) {
        for (size_t i = 0; next && i < config->backends.count; i++) {
            if (next[i] && !backend_of(daemon, options[i].name)) {
                tr_backend_stop(next[i]);
                tr_backend_free(next[i]);
            }
        }
        free(next);
        return rc;
    }
    for (size_t i = 0; i < config->backends.count; i++) {
        struct tr_backend **old = next[i] ? NULL : backend_of(daemon, options[i].name);

        if (old) {
            next[i] = *old;
            *old = NULL;
        }
    }
    for (size_t i = 0; i < daemon->backends_count; i++) {
        if (!daemon->backends[i])
            continue;
        tr_log(TR_LOG_INFO, "backend.removed", "backend=%s", tr_backend_options(daemon->backends[i])->name);
        tr_backend_stop(daemon->backends[i]);
        tr_backend_free(daemon->backends[i]);
    }
    free(daemon->backends);
    daemon->backends = next;
    daemon->backends_count = config->backends.count;
    return 0;
}

// The set that goes on, or a new one.
static int red_make(struct tr_daemon *daemon, const struct tr_config *config, bool changed, struct tr_red_set **red,
                    struct tr_error *error)
{
    if (changed)
        return tr_daemon_red_make(daemon, config, daemon->sizes.lcores, red, error);
    *red = tr_red_set_use(daemon->mesh->epoch->red);
    return 0;
}

int tr_daemon_apply(struct tr_daemon *daemon, struct tr_options_doc *doc, struct tr_error *error)
{
    struct tr_config *config = tr_options_struct(doc);
    struct changed changed = {.count = 0};
    struct tr_epoch *epoch = NULL;
    struct tr_red_set *red;
    int rc;

    tr_options_diff(daemon->doc, doc, changed_note, &changed);
    rc = red_make(daemon, config, changed.red, &red, error);
    if (rc < 0)
        return rc;
    epoch = tr_daemon_epoch_make(daemon, config, red, error);
    if (!epoch) {
        tr_options_locate(doc, error);
        tr_red_set_release(red);
        return -EINVAL;
    }
    if (epoch->policies->shape_path[0] && !daemon->sizes.needs.shape) {
        tr_error_set(error, ENOTSUP,
                     "%s: looks at the shape of traces, for which no memory was taken at start: restart, or start with "
                     "tail_sampling.shape: always",
                     epoch->policies->shape_path);
        tr_options_locate(doc, error);
        tr_red_set_release(red);
        tr_epoch_free(epoch);
        return -ENOTSUP;
    }
    tr_mesh_epochs_reap(daemon->mesh);
    if (daemon->mesh->epochs[epoch->number % TR_EPOCHS_LIVE_MAX])
        rc = tr_error_set(error, EAGAIN, "%u configs in a row are still deciding traces: try again in a while",
                          TR_EPOCHS_LIVE_MAX);
    for (uint32_t i = 0; rc == 0 && i < daemon->sizes.lcores; i++)
        rc = tr_owner_reserve(daemon->lcores[i].lcore->owner, epoch->policies->aside, error);
    if (rc == 0 && changed.red)
        rc = tr_daemon_red_ready(daemon, error);
    if (rc == 0)
        rc = backends_apply(daemon, config, &changed, error);
    if (rc == 0 && changed.red)
        tr_daemon_red_begin(daemon, red, epoch->number);
    tr_red_set_release(red);
    if (rc < 0) {
        tr_epoch_free(epoch);
        return rc;
    }
    tr_mesh_epoch_publish(daemon->mesh, epoch);
    daemon->epoch = epoch->number;
    if (daemon->doc != daemon->doc_start)
        tr_options_free(daemon->doc);
    daemon->doc = doc;
    tr_store_release(&daemon->config, config); // the main thread reads drain_timeout
    daemon->applied_wall_ns = tr_clock_wall_ns();
    tr_log(TR_LOG_INFO, "config.applied", "epoch=%u", epoch->number);
    return 0;
}
