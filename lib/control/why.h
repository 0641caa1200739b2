// SPDX-License-Identifier: Apache-2.0
// `traces why`: the facts that are known of a trace, and the fate that follows from them.
//
// Thread: control.
#ifndef TR_CONTROL_WHY_H
#define TR_CONTROL_WHY_H

#include <jansson.h>

#include "backend/backend.h"
#include "base/tr.h"
#include "journal/verdict.h"

enum tr_fate {
    TR_TRACE_WAITING, // held: its decision is due
    TR_TRACE_EVICTED, // given up undecided
    TR_TRACE_FAILED,  // kept, but a backend refused or lost it
    TR_TRACE_LATE,    // spans came after the decision, and followed it
    TR_TRACE_KEPT,
    TR_TRACE_DROPPED,
    TR_TRACE_REJECTED,   // refused to the client before it was accepted
    TR_TRACE_NEVER_SEEN, // or forgotten: `remembered` says how far back we know
    TR_TRACE_FATES,
};

#define TR_WHY_NAME_BYTES   256
#define TR_WHY_BACKENDS_MAX 32

struct tr_why_backend {
    char name[TR_WHY_NAME_BYTES];
    uint32_t spans[TR_FATE_LOST + 1]; // by enum tr_backend_fate
    char said[256];                   // its last words about one of them, "" none
};

struct tr_why {
    uint8_t trace_id[16]; // set by the caller
    bool known_source;    // of its first span
    uint8_t peer_ip[16];
    char service[TR_WHY_NAME_BYTES];
    uint64_t first_wall_ns; // arrival of its first span, 0: not known
    uint32_t spans;
    uint32_t epoch;

    bool held;
    uint64_t due_wall_ns; // held: when it is decided at the latest

    bool decided;
    enum tr_verdict verdict;
    enum tr_when when;
    uint64_t decided_wall_ns;
    char policy[TR_WHY_NAME_BYTES]; // "": none
    char policy_type[TR_WHY_NAME_BYTES];
    uint32_t late_spans;
    uint32_t followed_spans; // after a decision at once, before decision_wait
    double probability;      // that it would be kept, being what it was; 0: not known
    bool reopened;           // it was dropped; a late span reopened it
    uint32_t lost_spans;     // reopened: not to be found any more
    bool in_brief;           // only the verdict and the policy are remembered

    bool rejected;
    uint64_t rejected_wall_ns;
    char rejected_reason[TR_WHY_NAME_BYTES];

    uint32_t backends_count;
    struct tr_why_backend backends[TR_WHY_BACKENDS_MAX];

    uint64_t remembered_since_wall_ns; // the oldest decision still known, 0: none yet
};

// Bits of all fates that the facts bear out (1 << enum tr_fate); the lowest is the one to tell first.
uint32_t tr_why_fates(const struct tr_why *why);
const char *tr_fate_name(enum tr_fate fate);

// A sentence or two for a person. Returns its length, cut to fit.
size_t tr_why_explain(const struct tr_why *why, uint64_t wall_ns, char *text, size_t text_bytes);

// Returns a new reference.
json_t *tr_why_json(const struct tr_why *why, uint64_t wall_ns);

// 32 hex digits, either case, dashes allowed as in a UUID. Returns 0 or -EINVAL (all zero too).
int tr_trace_id_parse(const char *text, uint8_t id[16]);

#endif
