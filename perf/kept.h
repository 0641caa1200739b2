// SPDX-License-Identifier: Apache-2.0
// What reached the receiving end: spans by trace id, held against the truth of what was sent.
#ifndef TR_PERF_KEPT_H
#define TR_PERF_KEPT_H

#include "base/tr.h"

struct kept_trace {
    uint64_t id[2];
    uint32_t spans; // 0: the slot is free
    bool expected;  // a line of the truth says that it is kept
};

struct kept {
    struct kept_trace *traces; // open addressing, at most three quarters full
    uint64_t traces_count, room;
    uint64_t spans, bytes, requests;
    uint64_t spans_with_keys;  // that carry user.id or order.id as an attribute
    uint64_t spans_with_event; // that carry an event tailrace.demoted
};

// A policy set as the comparison's configs have it: errors, slower than a second, a share by the hash of the id.
struct kept_truth {
    uint64_t sent_traces, sent_spans;
    uint64_t expected_traces, expected_spans;
    uint64_t missing, superfluous, partial; // traces
    uint64_t unread;                        // lines that are not the truth's
};

void kept_init(struct kept *kept);
void kept_fini(struct kept *kept);

// Take in the body of an export request. Returns false: malformed; the spans before the fault are taken in.
bool kept_body(struct kept *kept, const uint8_t *body, size_t bytes);

// Hold what was taken in against tailgen's truth: a trace must be there, whole, if and only if a policy keeps it.
//
// sampled  false: nothing is sampled, each trace of the truth must be there
//
// Returns 0, -EINVAL: the file can't be read. Marks traces as expected: once for each `kept`.
int kept_check(struct kept *kept, const char *truth, bool sampled, struct kept_truth *result);

#endif
