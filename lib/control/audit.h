// SPDX-License-Identifier: Apache-2.0
// The audit: what every place counted by itself, copied while the lcores stand still at a turn's end, and the
// identities that must hold between the numbers.
//
//   holder    accepted = walked + not walked
//   rings     walked = received + in rings
//   owner     received = kept + dropped + evicted + held (what a late span reopened is kept, and not dropped any more)
//   emits     kept = emits sent + emits waiting, emits sent = emitted + stale + gone + in emit rings
//   outbox    emitted = committed + refused by the outbox
//   backend   routed = delivered + rejected + dropped + queued; of bodies of metrics and logs: delivered + dropped + queued
//
// Thread: control.
#ifndef TR_CONTROL_AUDIT_H
#define TR_CONTROL_AUDIT_H

#include <jansson.h>

#include "backend/backend.h"
#include "base/tr.h"
#include "trace/owner.h"

// Nobody counted it: it is then the difference of its neighbours, and may only not be negative.
#define TR_AUDIT_UNKNOWN UINT64_MAX

// Counts by name (a policy, a rule, a reason), in the order they were first added.
struct tr_audit_list {
    struct tr_audit_item {
        char *name;
        uint64_t spans;
    } * items;
    size_t count;
};

struct tr_audit_backend {
    char *name;
    uint64_t routed_spans; // since it began: what the outboxes committed
    uint64_t delivered_spans;
    uint64_t rejected_spans;
    struct tr_audit_list dropped;
    uint64_t queued_spans; // behind its cursors and in its batches
    uint64_t routed_bodies, delivered_bodies, dropped_bodies, queued_bodies; // of metrics and logs
};

// Sums over all lcores. Late spans are among received, kept and dropped.
struct tr_audit {
    uint64_t accepted_spans; // committed by the check, less what the walk rejected
    uint64_t walked_spans;   // summaries sent
    uint64_t not_walked_spans;
    uint64_t in_rings_spans; // counted in the class 1 rings, or TR_AUDIT_UNKNOWN
    uint64_t received_spans; // by owners
    uint64_t held_spans;
    uint64_t kept_spans;
    struct tr_audit_list dropped;       // by policy or rule
    struct tr_audit_list evicted;       // undecided, by reason
    struct tr_audit_list decided_early; // beside: these are kept or dropped as well
    struct tr_audit_list late;          // beside: "kept", "dropped"
    struct tr_audit_list following;     // beside: came after a decision at once, by verdict
    uint64_t reopened_spans;            // beside: kept after all
    uint64_t reopened_gone_spans;       // beside: of reopened traces, but not to be found; dropped
    struct tr_audit_list rejected;      // told to the client, by reason: never accepted

    uint64_t emits_waiting_spans; // kept, their emit not sent yet (a ring was full), or TR_AUDIT_UNKNOWN
    uint64_t emits_sent_spans;
    uint64_t emits_in_rings_spans; // counted in the class 2 rings, or TR_AUDIT_UNKNOWN
    uint64_t emitted_spans;        // found in the journal by holders: into an outbox, or refused by it
    uint64_t stale_spans;          // gone from the journal when they were to be emitted
    uint64_t gone_spans;           // the same of reopened traces, where that is to be expected
    uint64_t outbox_spans;         // committed to the outboxes
    uint64_t outbox_refused_spans; // larger than an outbox takes, or not to be rewritten

    // Debug builds and tests: recounted from the owners' tables, or TR_AUDIT_UNKNOWN.
    uint64_t recounted_held_spans;

    struct tr_audit_backend *backends;
    size_t backends_count;
};

// All zero, the optional numbers TR_AUDIT_UNKNOWN (emits_waiting: until the first owner is added).
void tr_audit_init(struct tr_audit *audit);
void tr_audit_fini(struct tr_audit *audit);

// Add to the entry of that name, making it if need be (also for 0: a known reason is shown).
void tr_audit_add(struct tr_audit_list *list, const char *name, uint64_t spans);
uint64_t tr_audit_sum(const struct tr_audit_list *list);

// Add an owner's rows: received, held, kept, dropped, evicted, early, late, emits sent and waiting. What no
// policy wanted is dropped by "no_policy".
void tr_audit_add_owner(struct tr_audit *audit, const struct tr_owner_counters *counters);

// A backend's numbers as its status has them.
void tr_audit_add_backend(struct tr_audit *audit, const char *name, const struct tr_backend_status *status);

// Check every identity. Each that fails is told with both sides and the difference:
// "owner: received 100 = kept 60 + dropped 30 + evicted 0 + held 9 fails by 1".
//
// each  called for each failure, may be NULL; text is borrowed
// Returns how many fail.
typedef void (*tr_audit_failure_fn)(void *context, const char *text);
size_t tr_audit_check(const struct tr_audit *audit, tr_audit_failure_fn each, void *context);
bool tr_audit_backend_balanced(const struct tr_audit_backend *backend);

// All that was accepted is decided, and what was kept has left for every backend or is counted as lost: nothing is
// under way in a journal, a ring, a table or a queue. A number that was not counted is not waited for.
bool tr_audit_settled(const struct tr_audit *audit);

// As `tailctl --json audit` prints it, `failures` included (array of text). Returns a new reference.
json_t *tr_audit_json(const struct tr_audit *audit);

#endif
