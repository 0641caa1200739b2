// SPDX-License-Identifier: Apache-2.0
// The structural check: from an ExportTraceServiceRequest down to span boundaries, and not into spans. It
// runs on a whole body at the journal's head, before the commit; a frame that is malformed refuses the
// request. It leaves one context for each ScopeSpans that has spans. Resource and scope are validated to the
// bottom: when one is malformed, none of its spans could be delivered.
//
// It can stop in the middle (a body may be 64 MiB, a turn does 256 KiB) and go on.
#ifndef TR_OTLP_CHECK_H
#define TR_OTLP_CHECK_H

#include "journal/journal.h"

// How large a resource, a scope or a schema URL may be (both pieces together). It can't be cut in two turns,
// and goes to the outbox whole.
#define TR_CONTEXT_BYTES_MAX (256 * TR_KIB)

enum tr_check_result {
    TR_CHECK_DONE,
    TR_CHECK_MORE,      // the budget is used up: call again
    TR_CHECK_MALFORMED, // `why` says what, `offset` where
    TR_CHECK_CONTEXTS,  // more contexts than there is room for
};

struct tr_check {
    // Set by the caller before the first call.
    const uint8_t *body;
    uint32_t bytes;
    uint64_t body_position;     // goes into the contexts
    uint32_t source;            // unused by the check
    struct tr_journal *journal; // contexts go to tr_journal_context(journal, contexts_head + n)
    uint32_t contexts_max;

    // Results.
    uint32_t contexts;
    uint32_t spans;
    const char *why;
    uint32_t offset;

    // The check's own: where it stopped.
    uint32_t state[24];
};

void tr_check_init(struct tr_check *check, const uint8_t *body, uint32_t bytes, uint64_t body_position,
                   struct tr_journal *journal, uint32_t contexts_max);

// Cost: about 2 ns a span and a hash over each resource and scope. `budget` is in bytes of body passed over.
enum tr_check_result tr_check_run(struct tr_check *check, uint32_t budget);

// The spans of a context, one by one. `*cursor` begins at 0 and is an offset in the ScopeSpans message.
//
// Returns false at the end. The framing was checked: it cannot be malformed.
bool tr_context_span(const struct tr_context *context, const uint8_t *body, uint32_t *cursor,
                     const uint8_t **span, uint32_t *bytes);

#endif
