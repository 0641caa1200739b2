// SPDX-License-Identifier: Apache-2.0
// Taking up a new config, and going back: what may be undone, and the timer of `apply --confirm`. A small
// state machine with time as its argument.
//
//   settled --apply--> settled                 the text before goes on the undo stack
//   settled --apply, confirm_ns--> waiting     no other apply until then
//   waiting --confirm--> settled
//   waiting --undo, or the deadline--> settled the text before is back
//
// Thread: control (under its lock).
#ifndef TR_CONTROL_APPLY_H
#define TR_CONTROL_APPLY_H

#include "control/control.h"

#define TR_APPLY_UNDO_MAX       8
#define TR_APPLY_CONFIRM_MAX_NS (3600 * TR_S)
// A rollback that the daemon refuses is tried again this often, so many times.
#define TR_APPLY_RETRY_NS    (5 * TR_S)
#define TR_APPLY_RETRIES_MAX 12

struct tr_apply {
    const struct tr_control_daemon *daemon;
    char *undo[TR_APPLY_UNDO_MAX]; // texts that ran before, the newest last
    size_t undo_count;
    uint64_t confirm_at_ns; // TR_NEVER: settled
    unsigned retries;
    char rollback_error[sizeof(((struct tr_error *)NULL)->text)]; // of the last failed rollback, "" none
};

void tr_apply_init(struct tr_apply *apply, const struct tr_control_daemon *daemon);
void tr_apply_fini(struct tr_apply *apply);

// Take up a text, all or nothing. `each` is told every difference, also when the answer is no.
//
// confirm_ns  0, or how long to wait for tr_apply_confirm() before going back
// Returns 0; -EBUSY: another apply waits for its confirmation; -ENOTSUP: an option that differs needs a
// restart; -EINVAL and others: the daemon's.
int tr_apply_begin(struct tr_apply *apply, const char *text, size_t bytes, uint64_t confirm_ns, uint64_t now,
                   tr_options_diff_fn each, void *to, struct tr_error *error);

// Returns 0, -ENOENT: nothing waits.
int tr_apply_confirm(struct tr_apply *apply, struct tr_error *error);

// Go back to the text that ran before. Returns 0, -ENOENT: there is none, or the daemon's.
int tr_apply_undo(struct tr_apply *apply, struct tr_error *error);

// Go back if the deadline has passed. Returns 1: it did; 0: nothing to do; -errno: it could not, and tries
// again.
int tr_apply_poll(struct tr_apply *apply, uint64_t now, struct tr_error *error);

#endif
