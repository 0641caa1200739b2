// SPDX-License-Identifier: Apache-2.0
#include "control/apply.h"

void tr_apply_init(struct tr_apply *apply, const struct tr_control_daemon *daemon)
{
    memset(apply, 0, sizeof(*apply));
    apply->daemon = daemon;
    apply->confirm_at_ns = TR_NEVER;
}

void tr_apply_fini(struct tr_apply *apply)
{
    for (size_t i = 0; i < apply->undo_count; i++)
        free(apply->undo[i]);
    apply->undo_count = 0;
}

static void undo_push(struct tr_apply *apply, char *text)
{
    if (apply->undo_count == TR_APPLY_UNDO_MAX) {
        free(apply->undo[0]);
        memmove(apply->undo, apply->undo + 1, (TR_APPLY_UNDO_MAX - 1) * sizeof(*apply->undo));
        apply->undo_count--;
    }
    apply->undo[apply->undo_count++] = text;
}

// Passes each difference on and remembers the first few that are not live.
struct restart {
    tr_options_diff_fn each;
    void *to;
    size_t count;
    struct tr_error paths;
};

static void difference(void *context, const char *path, const char *before, const char *after, bool live)
{
    struct restart *restart = context;
    size_t used = strlen(restart->paths.text);

    if (restart->each)
        restart->each(restart->to, path, before, after, live);
    if (live)
        return;
    if (restart->count++ < 4)
        snprintf(restart->paths.text + used, sizeof(restart->paths.text) - used, "%s%s", used ? ", " : "",
                 path);
}

int tr_apply_begin(struct tr_apply *apply, const char *text, size_t bytes, uint64_t confirm_ns, uint64_t now,
                   tr_options_diff_fn each, void *to, struct tr_error *error)
{
    const struct tr_control_daemon *daemon = apply->daemon;
    struct restart restart = {.each = each, .to = to};
    char *before;
    int rc;

    if (apply->confirm_at_ns != TR_NEVER)
        return tr_error_set(error, EBUSY,
                            "an earlier apply waits for its confirmation: confirm or undo it first");
    if (confirm_ns > TR_APPLY_CONFIRM_MAX_NS)
        return tr_error_set(error, EINVAL, "confirm: more than an hour");
    rc = daemon->config_diff(daemon->context, text, bytes, difference, &restart, error);
    if (rc)
        return rc;
    if (restart.count)
        return tr_error_set(error, ENOTSUP, "nothing was applied, a restart is needed for %s%s",
                            restart.paths.text, restart.count > 4 ? " and others" : "");
    before = daemon->config_text(daemon->context);
    if (!before)
        return tr_error_set(error, ENOMEM, "no memory for the running config");
    rc = daemon->config_apply(daemon->context, text, bytes, error);
    if (rc) {
        free(before);
        return rc;
    }
    undo_push(apply, before);
    apply->rollback_error[0] = '\0';
    apply->retries = 0;
    if (confirm_ns)
        apply->confirm_at_ns = now + confirm_ns;
    return 0;
}

int tr_apply_confirm(struct tr_apply *apply, struct tr_error *error)
{
    if (apply->confirm_at_ns == TR_NEVER)
        return tr_error_set(error, ENOENT, "nothing waits for a confirmation");
    apply->confirm_at_ns = TR_NEVER;
    return 0;
}

int tr_apply_undo(struct tr_apply *apply, struct tr_error *error)
{
    const struct tr_control_daemon *daemon = apply->daemon;
    char *text;
    int rc;

    if (!apply->undo_count)
        return tr_error_set(error, ENOENT, "nothing to undo");
    text = apply->undo[apply->undo_count - 1];
    rc = daemon->config_apply(daemon->context, text, strlen(text), error);
    if (rc)
        return rc;
    free(text);
    apply->undo_count--;
    apply->confirm_at_ns = TR_NEVER;
    apply->rollback_error[0] = '\0';
    return 0;
}

int tr_apply_poll(struct tr_apply *apply, uint64_t now, struct tr_error *error)
{
    int rc;

    if (now < apply->confirm_at_ns || apply->confirm_at_ns == TR_NEVER)
        return 0;
    rc = tr_apply_undo(apply, error);
    if (rc == 0)
        return 1;
    snprintf(apply->rollback_error, sizeof(apply->rollback_error), "%s", error->text);
    apply->confirm_at_ns = ++apply->retries < TR_APPLY_RETRIES_MAX ? now + TR_APPLY_RETRY_NS : TR_NEVER;
    return rc;
}
